//! The card of a repository: which state directory and engine it belongs to, and what follows for another.

use crate::adapters::host::local::process::{EngineIdentity, living_engine};
use crate::adapters::os::files::FileIdentity;
use crate::domain::values::CommitId;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

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
    pub fn check_ownership(self, own: &Self) -> Standing {
        let here = self.engine.same_machine(&own.engine);
        let other_folder = |theirs: &str, ours: &str| {
            let (theirs, ours) = (FileIdentity::of_path(Path::new(theirs)), FileIdentity::of_path(Path::new(ours)));
            matches!((theirs, ours), (Ok(theirs), Ok(ours)) if theirs != ours)
        };
        if here && !self.repository.is_empty() && other_folder(&self.repository, &own.repository) {
            return Standing::Free;
        }
        let elsewhere = other_folder(&self.path, &own.path);
        let locked = here && elsewhere && living_engine(&Path::new(&self.path).join("engine.lock")).is_some();
        if locked || self.engine.is_alive() {
            return Standing::Alive(self);
        }
        // A state directory that was moved is the same one; one that was copied is not.
        let copied = elsewhere && same_state(&self.path, &self.state_id);
        if self.state_id == own.state_id && here && !copied { Standing::Ours } else { Standing::Foreign(self) }
    }

    /// Whether the state directory of this card was on the machine of `own` and is not at its place any more: deleted, emptied,
    /// or another one is there.
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
    pub(super) card: Option<CommitId>,
    pub(super) lost: bool,
}

impl OwnerMark {
    /// The card, as the object that `refs/mc/owner` must hold.
    pub fn card(&self) -> Option<CommitId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).card.clone()
    }

    /// Whether a ref was not moved because the repository is somebody else's now.
    pub fn is_lost(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).lost
    }

    pub(super) fn set(&self, card: CommitId) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Mark { card: Some(card), lost: false };
    }

    pub(super) fn mark_lost(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).lost = true;
    }
}
