//! Who owns a repository: the card in `refs/mc/owner`, claimed by compare-and-swap at each start of an engine and verified in
//! every transaction that moves a ref for that engine.
//!
//! Promises: an engine that does not own the repository any more moves no ref of it; where the card was deleted, or something
//! that is no card was put in its place, the engine that wrote it puts it back, unless another one has claimed meanwhile. A card
//! that came with a copy of the repository claims nothing here.

use super::{Git, GitError};
use crate::adapters::git::{Cas, OWNER_REF, OwnerRecord};
use crate::adapters::os::files::At;
use crate::domain::values::CommitId;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// What `refs/mc/owner` holds now: its value, and the card it is, if it is one.
///
/// # Errors
/// [`GitError`] when git fails.
pub async fn owner(git: &Git) -> Result<(Option<CommitId>, Option<OwnerRecord>), GitError> {
    let held = git.ref_value(OWNER_REF).await?;
    let card = match &held {
        Some(held) => read_card(git, held).await,
        None => None,
    };
    Ok((held, card))
}

/// How long a lock of a ref may be there before it is nobody's: git itself waits 5 s for one.
const STALE: Duration = Duration::from_secs(6);

/// Takes away the lock of `refs/mc/owner` that a git left which was killed half way. Blocks the calling thread while the lock is
/// too new to be called left.
pub fn remove_stale_lock(common_dir: &Path) {
    let path = common_dir.join("refs/mc/owner.lock");
    let begun = Instant::now();
    while path.exists() {
        if begun.elapsed() >= STALE {
            // Where it cannot be removed, the claim says why.
            let _ = std::fs::remove_file(&path);
            return;
        }
        std::thread::sleep(STALE / 60);
    }
}

/// Writes `card` into `refs/mc/owner` in the place of `held`, and has every move of a ref by `git` and its clones verify it from
/// then on. No: somebody else was faster.
///
/// # Errors
/// [`GitError`] when git fails or the temporary file cannot be written.
pub async fn claim(git: &Git, card: &OwnerRecord, held: Option<&CommitId>) -> Result<bool, GitError> {
    let object = write_card(git, card).await?;
    if git.compare_and_swap(OWNER_REF, &object, held).await? != Cas::Moved {
        return Ok(false);
    }
    git.owner().set(object);
    Ok(true)
}

pub(super) async fn read_card(git: &Git, object: &CommitId) -> Option<OwnerRecord> {
    serde_json::from_slice(&git.run_bytes(&["cat-file", "blob", object.as_str()]).await.ok()?).ok()
}

async fn write_card(git: &Git, card: &OwnerRecord) -> Result<CommitId, GitError> {
    let mut file = tempfile::NamedTempFile::new().at(std::env::temp_dir())?;
    serde_json::to_writer(&mut file, card).at(std::env::temp_dir())?;
    file.flush().at(std::env::temp_dir())?;
    let path = file.path().as_os_str();
    git.commit_id(&["hash-object".as_ref(), "-w".as_ref(), "--no-filters".as_ref(), path]).await
}
