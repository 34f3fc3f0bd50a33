//! Links of a change that leave its tree.
//!
//! Promises: where no link or submodule changed, nothing but folders that differ is read; where one did, every link of the tree
//! is looked at, because it may be that another one leaves it now.

use super::file_attributes::Entry;
use super::{Git, GitError};
use crate::domain::links::Links;
use crate::domain::values::{Tip, TreeId};
use std::os::unix::ffi::OsStringExt;

/// Most trees read to see whether a link changed.
const MOST: usize = 400;

impl Git {
    /// Paths and targets of the links that leave the tree of `to` and did not in `from`, ordered by path; bytes that are not
    /// UTF-8 are replaced.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn leaving_links(&self, from: &Tip, to: &Tip) -> Result<Vec<String>, GitError> {
        if self.links_changed(&from.tree, &to.tree).await == Some(false) {
            return Ok(Vec::new());
        }
        let (before, after) = (self.links_of(&from.tree).await?, self.links_of(&to.tree).await?);
        let kept = |path: &Vec<u8>| before.targets.get(path) == after.targets.get(path) && before.leaves_tree(path);
        let leaving = after.targets.iter().filter(|(path, _)| after.leaves_tree(path) && !kept(path));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(leaving.map(|(path, target)| format!("{} -> {}", text(path), text(target))).collect())
    }

    /// Whether two trees differ in a link or submodule; `None`: not easy to say.
    async fn links_changed(&self, a: &TreeId, b: &TreeId) -> Option<bool> {
        let trees = [a, b].map(|tree| tree.as_str().to_owned());
        let is_link = |mode: &[u8]| matches!(mode, b"120000" | b"160000");
        self.any_difference(trees, MOST, |_, sides| sides.into_iter().flatten().any(|(mode, _)| is_link(mode))).await
    }

    /// All links and submodules of a tree.
    async fn links_of(&self, tree: &TreeId) -> Result<Links, GitError> {
        let mut links = Links::default();
        for Entry { mode, id, path } in self.entries_of(tree.as_str()).await? {
            match mode.as_str() {
                "120000" => drop(links.targets.insert(path.into_vec(), self.blob(&id).await?)),
                "160000" => drop(links.submodules.insert(path.into_vec())),
                _ => {}
            }
        }
        Ok(links)
    }
}
