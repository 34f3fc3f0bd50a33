//! Moving the green branch.
//!
//! Promises: green moves only with the engine's lock in hand, only by compare-and-swap while the engine owns the repository
//! (see [`super::owner`]), and never under somebody who has it checked out (a look at all worktrees immediately before the swap).

use super::{Git, GitError};
use crate::adapters::git::ref_name::Cas;
use crate::adapters::host::local::process::lock::RunLock;
use crate::domain::values::CommitId;
use std::path::PathBuf;

/// How a move of green ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum GreenMove {
    /// Green is at the new commit.
    Moved,
    /// Green was not where it was expected; nothing was changed.
    Raced {
        /// Where it is; absent when it does not exist.
        now: Option<CommitId>,
    },
    /// Somebody works on green in a worktree; nothing was changed.
    CheckedOut {
        /// That worktree.
        worktree: PathBuf,
    },
}

/// Moves `refname` from `expected` (`None`: it does not exist yet) to `new`.
///
/// # Errors
/// [`GitError::NameBlocked`] when a branch such as `mc` stands in the way; [`GitError`] when git fails.
pub async fn move_green(
    _proof: &RunLock,
    git: &Git,
    refname: &str,
    new: &CommitId,
    expected: Option<&CommitId>,
) -> Result<GreenMove, GitError> {
    if let Some(worktree) = git.checked_out(refname).await? {
        return Ok(GreenMove::CheckedOut { worktree });
    }
    Ok(match git.compare_and_swap(refname, new, expected).await? {
        Cas::Moved => GreenMove::Moved,
        Cas::Raced { now } => GreenMove::Raced { now },
    })
}
