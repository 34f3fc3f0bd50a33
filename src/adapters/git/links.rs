//! Links of a change that leave its tree.
//!
//! Promises: where no link or submodule changed, nothing but folders that differ is read; where one did, every link of the tree
//! is looked at, because it may be that another one leaves it now.

use super::trees::entries;
use super::{Git, GitError, fields};
use crate::domain::links::Links;
use crate::domain::values::{Tip, TreeId};
use std::collections::BTreeSet;

/// Most trees read to see whether a link changed.
const MOST: usize = 400;

const FOLDER: &[u8] = b"40000";

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
        let kept = |path: &Vec<u8>| before.targets.get(path) == after.targets.get(path) && before.leaves(path);
        let leaving = after.targets.iter().filter(|(path, _)| after.leaves(path) && !kept(path));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(leaving.map(|(path, target)| format!("{} -> {}", text(path), text(target))).collect())
    }

    /// Whether two trees differ in a link or submodule; `None`: not easy to say.
    async fn links_changed(&self, a: &TreeId, b: &TreeId) -> Option<bool> {
        let mut open = vec![(Some(a.as_str().to_owned()), Some(b.as_str().to_owned()))];
        let length = a.as_str().len() / 2;
        let mut read = 0;
        while let Some((a, b)) = open.pop() {
            let mut trees: [Vec<u8>; 2] = Default::default();
            for (tree, side) in trees.iter_mut().zip([&a, &b]) {
                if let Some(id) = side {
                    *tree = self.tree_at(id).await?;
                    read += 1;
                }
            }
            if read > MOST {
                return None;
            }
            let (a, b) = (entries(&trees[0], length)?, entries(&trees[1], length)?);
            let names: BTreeSet<&[u8]> =
                a.keys().chain(b.keys()).copied().filter(|name| a.get(name) != b.get(name)).collect();
            for name in names {
                let sides = [a.get(name), b.get(name)];
                if sides.iter().flatten().any(|(mode, _)| matches!(*mode, b"120000" | b"160000")) {
                    return Some(true);
                }
                let folders = sides.map(|side| {
                    let (_, id) = side.filter(|(mode, _)| *mode == FOLDER)?;
                    Some(crate::domain::base::hex(id))
                });
                if folders.iter().any(Option::is_some) {
                    let [a, b] = folders;
                    open.push((a, b));
                }
            }
        }
        Some(false)
    }

    /// All links and submodules of a tree.
    async fn links_of(&self, tree: &TreeId) -> Result<Links, GitError> {
        let listed = self.bytes(&["ls-tree", "-r", "-z", "--full-tree", tree.as_str()]).await?;
        let mut links = Links::default();
        for field in fields(&listed) {
            let Some(tab) = field.iter().position(|b| *b == b'\t') else { continue };
            let (meta, path) = (String::from_utf8_lossy(&field[..tab]), field[tab + 1..].to_vec());
            let words: Vec<&str> = meta.split(' ').collect();
            match words[..] {
                ["120000", _, id] => {
                    let target = match self.content(id, "blob").await {
                        Some(target) => target,
                        None => self.bytes(&["cat-file", "blob", id]).await?,
                    };
                    links.targets.insert(path, target);
                }
                ["160000", ..] => drop(links.submodules.insert(path)),
                _ => {}
            }
        }
        Ok(links)
    }
}
