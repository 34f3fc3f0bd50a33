//! Moving the green branch and owning the repository.
//!
//! Promises: green moves only with the engine's lock in hand, only by compare-and-swap, and never under somebody who
//! has it checked out (a look at all worktrees immediately before the swap). One state directory owns a repository:
//! `refs/mc/owner` names it, claimed by compare-and-swap as well.

use super::refs::Cas;
use super::{Git, GitError};
use crate::adapters::store::lock::RunLock;
use crate::domain::values::CommitId;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::PathBuf;

/// The ref that names the owning state directory.
pub const OWNER_REF: &str = "refs/mc/owner";

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
    Ok(match git.cas(refname, new, expected).await? {
        Cas::Moved => GreenMove::Moved,
        Cas::Raced { now } => GreenMove::Raced { now },
    })
}

/// What `refs/mc/owner` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerCard {
    /// Id of the state directory.
    pub state_id: String,
    /// Name of the machine it is on.
    pub host: String,
    /// Its path there.
    pub path: String,
}

/// Whose repository this is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Owner {
    /// It was ours already.
    Ours,
    /// It is ours from now on.
    Claimed,
    /// Another state directory has it.
    Foreign {
        /// Name of the machine; empty when the card cannot be read.
        host: String,
        /// The state directory there; empty when the card cannot be read.
        path: String,
    },
}

/// Claims the repository for the state directory on `card`; `take_over` takes it from another one.
///
/// # Errors
/// [`GitError`] when git fails or the temporary file cannot be written.
pub async fn claim_owner(git: &Git, card: &OwnerCard, take_over: bool) -> Result<Owner, GitError> {
    // A lost race shows the winner at the second look; more than a few rounds means that somebody fights for it.
    for _ in 0..3 {
        let held = git.ref_value(OWNER_REF).await?;
        if let Some(blob) = &held {
            match other(git, blob, card).await {
                None => return Ok(Owner::Ours),
                Some((host, path)) if !take_over => return Ok(Owner::Foreign { host, path }),
                Some(_) => {}
            }
        }
        let blob = write_card(git, card).await?;
        if git.cas(OWNER_REF, &blob, held.as_ref()).await? == Cas::Moved {
            return Ok(Owner::Claimed);
        }
    }
    Ok(Owner::Foreign { host: String::new(), path: String::new() })
}

/// The id of the state directory that owns the repository, if one does and says so.
pub async fn owner_id(git: &Git) -> Option<String> {
    let blob = git.ref_value(OWNER_REF).await.ok()??;
    Some(read_card(git, blob.as_str()).await?.state_id)
}

/// The state directory that owns the repository, when it is another one than that of `card`; reads only.
///
/// # Errors
/// [`GitError`] when git fails.
pub async fn foreign_owner(git: &Git, card: &OwnerCard) -> Result<Option<(String, String)>, GitError> {
    let Some(blob) = git.ref_value(OWNER_REF).await? else { return Ok(None) };
    Ok(other(git, &blob, card).await)
}

/// Machine and path on the card in `blob`, when it is another one than `card`.
async fn other(git: &Git, blob: &CommitId, card: &OwnerCard) -> Option<(String, String)> {
    match read_card(git, blob.as_str()).await {
        Some(found) if found.state_id == card.state_id => None,
        found => Some(found.map(|f| (f.host, f.path)).unwrap_or_default()),
    }
}

async fn read_card(git: &Git, object: &str) -> Option<OwnerCard> {
    serde_json::from_slice(&git.bytes(&["cat-file", "blob", object]).await.ok()?).ok()
}

async fn write_card(git: &Git, card: &OwnerCard) -> Result<CommitId, GitError> {
    let failed = |source| GitError::Io { path: std::env::temp_dir(), source };
    let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
    serde_json::to_writer(&mut file, card).map_err(|e| failed(e.into()))?;
    file.flush().map_err(failed)?;
    let path = file.path().as_os_str();
    git.commit_id(&["hash-object".as_ref(), "-w".as_ref(), "--no-filters".as_ref(), path]).await
}
