//! Why a slot cannot be had.

use crate::adapters::git::GitError;
use crate::adapters::os::files::FileError;
use crate::domain::values::CommitId;

/// A slot cannot be had or used.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Somebody else uses it.
    #[error("use slot {slot}: another process has it locked")]
    Busy {
        /// The slot.
        slot: u32,
    },
    /// It holds work that was not collected.
    #[error("use slot {slot}: it still holds the work of {label}")]
    Dirty {
        /// The slot.
        slot: u32,
        /// Who used it last.
        label: String,
    },
    /// What is in its place is not what `mc` made.
    #[error("use slot {slot}: its folder is gone or was replaced")]
    Replaced {
        /// The slot.
        slot: u32,
    },
    /// The source lacks objects a clone would need.
    #[error("clone a {kind} repository: run `git fetch {remedy}` first")]
    Incomplete {
        /// `shallow` or `partial`.
        kind: &'static str,
        /// Options of `git fetch` that complete it.
        remedy: &'static str,
    },
    /// It could not be made equal to the wanted commit, not even from nothing.
    #[error("prepare slot {slot} at {base}")]
    Prepare {
        /// The slot.
        slot: u32,
        /// The wanted commit.
        base: CommitId,
        /// What git said.
        source: GitError,
    },
    /// Git-lfs has no content for a file of the commit.
    #[error(
        "prepare slot {slot} at {base}: the repository does not have the content of {path}, which git-lfs keeps (`git lfs pull` \
         there fetches it)"
    )]
    Content {
        /// The slot.
        slot: u32,
        /// The wanted commit.
        base: CommitId,
        /// The file.
        path: String,
    },
    /// A file of the pool cannot be used.
    #[error(transparent)]
    Io(#[from] FileError),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// An attempt could not be collected; its slot must stay as it is.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The slot cannot be had.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The folder of the slot does not exist: there is nothing to collect.
    #[error("collect slot {slot}: its folder is gone")]
    Gone {
        /// The slot.
        slot: u32,
    },
    /// Objects did not arrive in the source.
    #[error("copy the work of slot {slot} into the source: some objects are missing there")]
    NotCopied {
        /// The slot.
        slot: u32,
    },
    /// A file could not be used.
    #[error(transparent)]
    Io(#[from] FileError),
    /// It failed again and again while everything around it works: what is in the slot is in the way.
    #[error("collect what is in the workspace")]
    Stuck(#[source] Box<CollectError>),
}
