//! Why a git call did not do what was asked.

use crate::adapters::git::owner_card::OWNER_REF;
use crate::adapters::host::local::process::command::CommandError;
use crate::adapters::os::files::FileError;
use crate::domain::ending::ProcessExit;
use crate::domain::values::CommitId;
use std::path::PathBuf;

/// A git call did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// Git could not be started or did not end in time.
    #[error("run git")]
    Start(#[from] CommandError),
    /// Git said no.
    #[error("run `{command}` ({}): {stderr}", ending.map_or_else(String::new, |how| how.to_string()))]
    Failed {
        /// The call, without the settings of the builder.
        command: String,
        /// How it ended; absent when the system did not say.
        ending: Option<ProcessExit>,
        /// The beginning of its standard error, at most 2 KiB.
        stderr: String,
    },
    /// Git said no because there is no room to write.
    #[error("run `{command}`: the disk that holds {} is full: {stderr}", place.display())]
    DiskFull {
        /// The call, without the settings of the builder.
        command: String,
        /// The folder git was told to work on.
        place: PathBuf,
        /// The beginning of its standard error, at most 2 KiB.
        stderr: String,
    },
    /// Git answered in a form that is not understood.
    #[error("understand the answer of `{command}`: {output:?}")]
    Unexpected {
        /// The call.
        command: String,
        /// The beginning of the answer.
        output: String,
    },
    /// Git is older than [`MINIMUM`](super::MINIMUM).
    #[error("use {found}: git 2.38 or newer is needed; install a newer git or put one first in PATH")]
    TooOld {
        /// What `git version` said.
        found: String,
    },
    /// The folder is in no git repository.
    #[error("find a git repository at {}: run `git init` there or name another folder with -C", dir.display())]
    NoRepository {
        /// The folder.
        dir: PathBuf,
    },
    /// The path of the repository is no text in one line, as the journal, alternates and settings need it.
    #[error(
        "use the repository at {path:?}: its path {}; move it to a folder whose path is UTF-8 text in one line",
        if path.to_str().is_none() { "is not UTF-8" } else { "holds a line break" }
    )]
    OddPath {
        /// The path.
        path: PathBuf,
    },
    /// The repository belongs to another user and git refuses it.
    #[error("use a repository of another user: {stderr}")]
    Ownership {
        /// What git said; it names the command that allows it.
        stderr: String,
    },
    /// A branch stands where a folder of branches is needed, or the other way round.
    #[error(
        "make {refname}: {blocking} exists and git cannot have both; rename it (`git branch -m OLD NEW`) or set `green_branch` in the configuration"
    )]
    NameBlocked {
        /// The wanted ref.
        refname: String,
        /// The ref in its way.
        blocking: String,
    },
    /// A ref that pins work already points somewhere else.
    #[error("pin {wanted} at {refname}: it already holds {found}")]
    PinTaken {
        /// The ref.
        refname: String,
        /// The commit that should have been pinned.
        wanted: CommitId,
        /// What it holds.
        found: CommitId,
    },
    /// Somebody wrote into a folder that is ours while git worked in it.
    #[error("use {}: somebody changed it meanwhile, so nothing that came of it counts", path.display())]
    Touched {
        /// The folder or file.
        path: PathBuf,
    },
    /// Two gits that know nothing of each other merged the same commits in different ways.
    #[error("merge {theirs} onto {ours}: two gits make different trees of it, and none of them is believed")]
    TwoMerges {
        /// Green.
        ours: CommitId,
        /// The head.
        theirs: CommitId,
    },
    /// The repository belongs to somebody else by now; nothing was changed.
    #[error("move {refname}: {OWNER_REF} was claimed by another mc; this one stops and touches nothing more")]
    NotOwner {
        /// The ref that was to be moved.
        refname: String,
    },
    /// A file beside git could not be used.
    #[error(transparent)]
    Io(#[from] FileError),
}
