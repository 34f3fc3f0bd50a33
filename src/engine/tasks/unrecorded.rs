//! Landings on green that no journal here knows: a database that was deleted, or put back from an older copy, lost them.
//!
//! Green as a mission found and verified it counts as known, with all that lies behind it: what another state directory or an
//! earlier journal landed is not this one's to tell.

use crate::adapters::git::{Git, GitError};
use crate::adapters::store::Store;
use crate::domain::mission::Record;
use crate::domain::values::{CommitId, Tip};
use crate::engine::error::EngineError;
use crate::engine::inspect::history;
use std::collections::BTreeSet;

/// A commit on green's own line that says it is a mission's landing, and no journal knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrecorded {
    /// The commit.
    pub commit: CommitId,
    /// The mission that it names. Untrusted.
    pub mission: String,
    /// Its unit, if it names one. Untrusted.
    pub unit: String,
}

impl Unrecorded {
    /// For people.
    pub fn describe(&self) -> String {
        let unit = if self.unit.is_empty() { String::new() } else { format!(" of {}", self.unit) };
        format!("{}{unit} (mission {})", self.commit.short_id(), self.mission)
    }
}

/// What journals know of green.
#[derive(Debug, Default)]
pub struct RecordedGreen {
    landed: BTreeSet<CommitId>,
    bases: BTreeSet<CommitId>,
}

/// Reads what the journals of a database know of green.
///
/// # Errors
/// [`EngineError`] when they cannot be read.
pub fn read_recorded(store: &Store) -> Result<RecordedGreen, EngineError> {
    let mut known = RecordedGreen::default();
    store.for_each_row(None, 0, |row| {
        if !["land-intended", "baseline-accepted", "green-accepted"].contains(&row.kind.as_str()) {
            return Ok(());
        }
        match history::read(&row)? {
            Record::LandIntended { candidate, .. } => {
                known.landed.insert(candidate.commit);
            }
            Record::BaselineAccepted { tip } | Record::GreenAccepted { tip, .. } => {
                known.bases.insert(tip.commit);
            }
            _ => {}
        }
        Ok::<(), EngineError>(())
    })?;
    Ok(known)
}

/// Landings between green and the newest base that a journal knows, newest first; without a journal, all that green has.
///
/// # Errors
/// [`GitError`] when the repository cannot be read.
pub async fn find_unrecorded(git: &Git, known: &RecordedGreen, green: &Tip) -> Result<Vec<Unrecorded>, GitError> {
    if known.landed.contains(&green.commit) || known.bases.contains(&green.commit) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for (commit, mission, unit) in git.landing_trailers(&green.commit).await? {
        if known.bases.contains(&commit) {
            break;
        }
        if !mission.is_empty() && !known.landed.contains(&commit) {
            found.push(Unrecorded { commit, mission, unit });
        }
    }
    Ok(found)
}
