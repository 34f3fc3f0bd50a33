//! What a person looks at: the change between two commits, and a clone of one piece of work.

use super::{Git, GitError, Place};
use crate::domain::values::CommitId;
use std::ffi::OsStr;
use std::path::Path;

/// How much of a change is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The whole patch.
    Patch,
    /// Files with the number of changed lines.
    Stat,
}

impl Git {
    /// The change from one commit to another, as git writes it: bytes of others, to be made safe before a terminal sees
    /// them. No program, filter or colour of the user's configuration takes part.
    ///
    /// # Errors
    /// [`GitError`] when one of the commits does not exist.
    pub async fn change(&self, from: &CommitId, to: &CommitId, detail: Detail) -> Result<Vec<u8>, GitError> {
        let form = match detail {
            Detail::Patch => "--patch",
            Detail::Stat => "--stat=120",
        };
        let args = ["diff-tree", "-r", "--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", form];
        let args: Vec<&str> = args.into_iter().chain([from.as_str(), to.as_str()]).collect();
        self.run_bytes(&args).await
    }

    /// Makes a repository of its own in the folder `to`, which exists and is empty: branch `branch` at what `refname`
    /// holds here, checked out. It shares nothing with this repository, and nothing here is touched.
    ///
    /// # Errors
    /// [`GitError`].
    pub async fn clone_work(&self, from: &Path, refname: &str, branch: &str, to: &Path) -> Result<(), GitError> {
        let git = self.with_place(Place::Folder(to.to_owned()));
        git.run_bytes(&["init", "--quiet", "--template=", "--initial-branch", branch]).await?;
        let refs = format!("{refname}:refs/mc/work");
        let mut fetch: Vec<&OsStr> =
            ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"].map(OsStr::new).to_vec();
        fetch.extend([from.as_os_str(), OsStr::new(&refs)]);
        git.run_bytes(&fetch).await?;
        git.run_bytes(&["reset", "--quiet", "--hard", "refs/mc/work"]).await?;
        Ok(())
    }
}
