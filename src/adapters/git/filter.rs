//! A tree without some of its paths.
//!
//! Promises: the same tree and the same paths give the same tree in every repository; the source gets neither an object
//! nor an entry of an index: both are in a temporary folder and go with it. Whoever needs the tree's files makes the tree
//! again where they are (see [`crate::adapters::host::local::workspace::slot`]), and finds the same id.

use super::source::SourceFacts;
use super::{Git, GitError, fields};
use crate::domain::values::TreeId;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Most paths given to one call of git.
const CHUNK: usize = 500;

/// A tree and what was taken out of another one to get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filtered {
    /// The tree that is left; the whole one where nothing was taken out.
    pub tree: TreeId,
    /// The paths that are gone, from the root.
    pub removed: Vec<OsString>,
}

impl Git {
    /// The tree without the paths that are `unwanted`; a path that is not UTF-8 is asked for with its odd bytes replaced.
    ///
    /// # Errors
    /// [`GitError`] when git fails or the temporary folder cannot be used.
    pub async fn without_paths(
        &self,
        facts: &SourceFacts,
        tree: &TreeId,
        unwanted: impl Fn(&str) -> bool,
    ) -> Result<Filtered, GitError> {
        let mut removed = self.files_of(tree).await?;
        removed.retain(|path| unwanted(&path.to_string_lossy()));
        if removed.is_empty() {
            return Ok(Filtered { tree: tree.clone(), removed });
        }
        let gone = removed.iter().map(|path| path.as_bytes().to_vec()).collect();
        let tree = self.trees_without(facts, vec![tree.clone()], &[gone]).await?.swap_remove(0);
        Ok(Filtered { tree, removed })
    }

    /// Takes paths out of the index.
    pub(crate) async fn remove_from_index(&self, paths: &[OsString]) -> Result<(), GitError> {
        for chunk in paths.chunks(CHUNK) {
            let mut args: Vec<&OsStr> = ["update-index", "--force-remove", "--"].map(OsStr::new).to_vec();
            args.extend(chunk.iter().map(OsString::as_os_str));
            self.run_bytes(&args).await?;
        }
        Ok(())
    }

    /// The paths of all files of a tree.
    ///
    /// # Errors
    /// [`GitError`] when there is no such tree.
    pub async fn files_of(&self, tree: &TreeId) -> Result<Vec<OsString>, GitError> {
        let listed = self.run_bytes(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", tree.as_str()]).await?;
        Ok(fields(&listed).filter(|path| !path.is_empty()).map(|path| OsStr::from_bytes(path).to_owned()).collect())
    }
}
