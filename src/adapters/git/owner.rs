//! Who owns a repository: the card in `refs/mc/owner`, claimed by compare-and-swap at each start of an engine and verified in
//! every transaction that moves a ref for that engine.
//!
//! Promises: an engine that does not own the repository any more moves no ref of it; where the card was deleted, or something
//! that is no card was put in its place, the engine that wrote it puts it back, unless another one has claimed meanwhile. A card
//! that came with a copy of the repository claims nothing here.

use super::refs::Cas;
use super::{Git, GitError};
use crate::adapters::host::local::process::engine::EngineIdentity;
use crate::adapters::host::local::process::lock::living_engine;
use crate::adapters::os::files::FileIdentity;
use crate::domain::values::CommitId;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// The ref that names the owner.
pub const OWNER_REF: &str = "refs/mc/owner";

/// What `refs/mc/owner` holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRecord {
    /// Id of the state directory.
    pub state_id: String,
    /// Its path on the owner's machine.
    pub path: String,
    /// Git directory of the repository that was claimed; empty on cards of earlier versions.
    #[serde(default)]
    pub repository: String,
    /// Number of the engine since the state directory was made; each one has the next.
    #[serde(default)]
    pub epoch: u64,
    /// The engine, and the machine it is on.
    #[serde(flatten)]
    pub engine: EngineIdentity,
}

/// Whose a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Standing {
    /// Nobody's: there is no card, or one that came with a copy of another repository.
    Free,
    /// That of the state directory that asks.
    Ours,
    /// An engine of another state directory lives on this machine.
    Alive(OwnerRecord),
    /// That of another state directory, or of one on another machine.
    Foreign(OwnerRecord),
}

impl OwnerRecord {
    /// Whose the repository is that holds this card, asked by the state directory of `own`. Looks at files and processes of
    /// this machine only.
    pub fn standing(self, own: &Self) -> Standing {
        let here = self.engine.same_machine(&own.engine);
        let other_folder = |theirs: &str, ours: &str| {
            let (theirs, ours) = (FileIdentity::at(Path::new(theirs)), FileIdentity::at(Path::new(ours)));
            matches!((theirs, ours), (Ok(theirs), Ok(ours)) if theirs != ours)
        };
        if here && !self.repository.is_empty() && other_folder(&self.repository, &own.repository) {
            return Standing::Free;
        }
        let elsewhere = other_folder(&self.path, &own.path);
        let locked = here && elsewhere && living_engine(&Path::new(&self.path).join("engine.lock")).is_some();
        if locked || self.engine.lives() {
            return Standing::Alive(self);
        }
        // A state directory that was moved is the same one; one that was copied is not.
        let copied = elsewhere && same_state(&self.path, &self.state_id);
        match self.state_id == own.state_id && here && !copied {
            true => Standing::Ours,
            false => Standing::Foreign(self),
        }
    }

    /// Whether the state directory of this card was on the machine of `own` and is not at its place any more: deleted, emptied,
    /// or another one is there.
    #[must_use]
    pub fn is_lost(&self, own: &Self) -> bool {
        self.engine.same_machine(&own.engine) && is_gone(&self.path, &self.state_id)
    }
}

/// Whether there is nothing at `path` any more of the state directory with this id. What cannot be read may be it.
fn is_gone(path: &str, id: &str) -> bool {
    match std::fs::read_to_string(Path::new(path).join("state-id")) {
        Ok(text) => text.trim() != id,
        Err(e) => matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

/// Whether the state directory at `path` has this id.
fn same_state(path: &str, id: &str) -> bool {
    std::fs::read_to_string(Path::new(path).join("state-id")).is_ok_and(|text| text.trim() == id)
}

/// The card that an engine wrote, shared by all that moves refs for it.
#[derive(Debug, Clone, Default)]
pub struct OwnerMark(Arc<RwLock<Mark>>);

#[derive(Debug, Default)]
struct Mark {
    card: Option<CommitId>,
    lost: bool,
}

impl OwnerMark {
    /// The card, as the object that `refs/mc/owner` must hold.
    #[must_use]
    pub fn card(&self) -> Option<CommitId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).card.clone()
    }

    /// Whether a ref was not moved because the repository is somebody else's now.
    #[must_use]
    pub fn lost(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).lost
    }

    fn set(&self, card: CommitId) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Mark { card: Some(card), lost: false };
    }

    pub(super) fn lose(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).lost = true;
    }
}

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
    if git.cas(OWNER_REF, &object, held).await? != Cas::Moved {
        return Ok(false);
    }
    git.owner().set(object);
    Ok(true)
}

pub(super) async fn read_card(git: &Git, object: &CommitId) -> Option<OwnerRecord> {
    serde_json::from_slice(&git.bytes(&["cat-file", "blob", object.as_str()]).await.ok()?).ok()
}

async fn write_card(git: &Git, card: &OwnerRecord) -> Result<CommitId, GitError> {
    let failed = |source| GitError::Io { path: std::env::temp_dir(), source };
    let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
    serde_json::to_writer(&mut file, card).map_err(|e| failed(e.into()))?;
    file.flush().map_err(failed)?;
    let path = file.path().as_os_str();
    git.commit_id(&["hash-object".as_ref(), "-w".as_ref(), "--no-filters".as_ref(), path]).await
}
