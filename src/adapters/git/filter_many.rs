//! Trees without some of their paths, for a long line of trees each of which differs little from the one before: a few
//! processes for all of them, where [`Git::without_paths`] takes some for each.
//!
//! Promises: each tree has the same id as there; the source gets no object, what is made is in a temporary folder and goes
//! with it.

use super::source::SourceFacts;
use super::{Git, GitError, Place, bare, unexpected_output};
use crate::adapters::host::local::workspace::escape::quote_value;
use crate::adapters::os::files::At;
use crate::domain::values::TreeId;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Trees whose paths are held at a time.
const AT_ONCE: usize = 200;

/// Paths of a tree, as git tells them.
type Paths = BTreeSet<Vec<u8>>;

impl Git {
    /// Each of these trees without the paths that are `unwanted`, in the same order.
    ///
    /// # Errors
    /// [`GitError`] when one of them does not exist, git fails or the temporary folder cannot be used.
    pub async fn trees_without_paths(
        &self,
        facts: &SourceFacts,
        trees: &[TreeId],
        unwanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<TreeId>, GitError> {
        let unwanted = |path: &[u8]| unwanted(&String::from_utf8_lossy(path));
        let mut left = Vec::with_capacity(trees.len());
        for trees in trees.chunks(AT_ONCE) {
            let gone = self.unwanted_paths(trees, &unwanted).await?;
            left.extend(self.trees_without(facts, trees.to_vec(), &gone).await?);
        }
        Ok(left)
    }

    /// Each of these trees without the paths beside it in `gone`.
    pub(super) async fn trees_without(
        &self,
        facts: &SourceFacts,
        mut left: Vec<TreeId>,
        gone: &[Paths],
    ) -> Result<Vec<TreeId>, GitError> {
        let with: Vec<usize> = (0..left.len()).filter(|nth| !gone[*nth].is_empty()).collect();
        if with.is_empty() {
            return Ok(left);
        }
        let mut stream = Vec::new();
        for nth in &with {
            let head = format!(
                "commit refs/heads/x\ncommitter m <m> 0 +0000\ndata 0\nM 040000 {} \"\"\n",
                left[*nth].as_str()
            );
            stream.extend_from_slice(head.as_bytes());
            for path in &gone[*nth] {
                stream.extend([b"D ", quote_value(path).as_slice(), b"\n"].concat());
            }
        }
        let dir = tempfile::tempdir().at(std::env::temp_dir())?;
        let git = create_scratch_repo(self, facts, dir.path())?;
        git.pipe_input(&["fast-import", "--quiet"], &stream).await?;
        let made =
            git.run_text(&["rev-list", "--reverse", "--no-commit-header", "--format=%T", "refs/heads/x"]).await?;
        let made: Vec<TreeId> = made.lines().filter_map(|line| TreeId::new(line).ok()).collect();
        if made.len() != with.len() {
            return Err(unexpected_output(&["fast-import"], format!("{} trees", made.len()).as_bytes()));
        }
        with.into_iter().zip(made).for_each(|(nth, tree)| left[nth] = tree);
        Ok(left)
    }

    /// Which unwanted paths each tree has: of the first by its list, of the others by what differs.
    async fn unwanted_paths(&self, trees: &[TreeId], unwanted: impl Fn(&[u8]) -> bool) -> Result<Vec<Paths>, GitError> {
        let Some(first) = trees.first() else { return Ok(Vec::new()) };
        let listed = self.files_of(first).await?;
        let mut now: Paths = listed.iter().map(|path| path.as_bytes().to_vec()).filter(|path| unwanted(path)).collect();
        let pairs: Vec<String> =
            trees.windows(2).map(|pair| format!("{} {}\n", pair[0].as_str(), pair[1].as_str())).collect();
        let args = ["diff-tree", "--stdin", "-r", "-z", "--no-renames", "--name-status"];
        let told =
            if pairs.is_empty() { Vec::new() } else { self.pipe_input(&args, pairs.concat().as_bytes()).await? };
        let unexpected = || unexpected_output(&["diff-tree", "--stdin"], &told[..told.len().min(200)]);
        let (mut found, mut rest) = (vec![now.clone()], told.as_slice());
        for (nth, pair) in pairs.iter().enumerate() {
            // Each answer begins with its question.
            rest = rest.strip_prefix(pair.as_bytes()).ok_or_else(unexpected)?;
            let next = pairs.get(nth + 1).map(String::as_bytes);
            while !rest.is_empty() && next.is_none_or(|next| !rest.starts_with(next)) {
                let mut parts = rest.splitn(3, |byte| *byte == 0);
                let (Some(status), Some(path), Some(after)) = (parts.next(), parts.next(), parts.next()) else {
                    return Err(unexpected());
                };
                match status {
                    b"D" => drop(now.remove(path)),
                    b"A" | b"M" | b"T" if unwanted(path) => drop(now.insert(path.to_vec())),
                    b"A" | b"M" | b"T" => {}
                    _ => return Err(unexpected()),
                }
                rest = after;
            }
            found.push(now.clone());
        }
        Ok(found)
    }
}

/// A git directory of its own in `dir`, with the source's objects at hand.
fn create_scratch_repo(source: &Git, facts: &SourceFacts, dir: &Path) -> Result<Git, GitError> {
    fs::create_dir_all(dir.join("objects/info")).at(dir)?;
    fs::create_dir_all(dir.join("refs")).at(dir)?;
    let mut borrowed = facts.common_dir.join("objects").into_os_string().as_bytes().to_vec();
    borrowed.push(b'\n');
    fs::write(dir.join("objects/info/alternates"), borrowed).at(dir)?;
    fs::write(dir.join("config"), bare::config(&facts.object_format)).at(dir)?;
    fs::write(dir.join("HEAD"), "ref: refs/heads/none\n").at(dir)?;
    Ok(source.with_place(Place::GitDir(dir.to_owned())).with_setting("core.fsync=none"))
}
