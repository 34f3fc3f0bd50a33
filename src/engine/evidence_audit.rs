//! The part of `mc audit` about what the journal says is kept: pins of attempts, and snapshots of units' own lines.

use super::error::EngineError;
use super::history::History;
use crate::adapters::git::Git;
use crate::adapters::store::Store;
use crate::domain::mission::Record;
use crate::domain::values::CommitId;
use crate::domain::verify::snapshot::Snapshot;
use crate::domain::verify::{SnapshotKey, StageOutcome};
use std::collections::BTreeMap;

/// Compares every attempt's pin with the head the journal names: how many there are, and what does not hold (P2).
///
/// # Errors
/// [`EngineError`] when the refs cannot be read.
pub async fn pins(git: &Git, history: &History) -> Result<(u64, Vec<String>), EngineError> {
    let mission = &history.mission;
    let found: BTreeMap<String, CommitId> =
        git.list_refs(&format!("refs/mc/attempts/{mission}/")).await?.into_iter().collect();
    // What `mc clean` deleted is in the journal too, with what it held.
    let cleaned: BTreeMap<&str, &CommitId> = history
        .records
        .iter()
        .filter_map(|(_, _, record)| if let Record::Cleaned { refs, .. } = record { Some(refs) } else { None })
        .flatten()
        .map(|(name, commit)| (name.as_str(), commit))
        .collect();
    let (mut seen, mut broken) = (0, Vec::new());
    for (_, _, record) in &history.records {
        let Record::AttemptEnded { unit, n, report, .. } = record else { continue };
        let name = format!("refs/mc/attempts/{mission}/{unit}/{n}");
        let Some(head) = &report.work.head else {
            // A later engine may have pinned it.
            if report.work.unpinned && !found.contains_key(&name) && !cleaned.contains_key(name.as_str()) {
                broken.push(format!(
                    "mission {mission}, {unit}: what attempt {n} left is not pinned; `mc unit show {unit}` tells why, \
                     `mc pool list` what is set aside"
                ));
            }
            continue;
        };
        seen += 1;
        let wrong = match found.get(&name) {
            Some(commit) if *commit == head.commit => continue,
            Some(commit) => format!("points to {} and not to {}", commit.short(), head.commit.short()),
            None if cleaned.get(name.as_str()) == Some(&&head.commit) => continue,
            None => format!("is gone; it pinned {}", head.commit.short()),
        };
        broken.push(format!("mission {mission}, {unit}: {name} {wrong}"));
    }
    Ok((seen, broken))
}

/// What the snapshots of a unit's own lines must say for its landing to hold, and do not.
///
/// # Errors
/// [`EngineError`] when the store cannot be read.
pub fn own_lines(
    store: &Store,
    accept_before: Option<&SnapshotKey>,
    extra: Option<&SnapshotKey>,
) -> Result<Vec<String>, EngineError> {
    let mut broken = Vec::new();
    for (key, wanted, what) in [
        (accept_before, StageOutcome::Failed, "its `accept` on green before it"),
        (extra, StageOutcome::Passed, "its own lines on its tree"),
    ] {
        let Some(key) = key else { continue };
        match store.snapshot_get(key)?.map(|body| serde_json::from_str::<Snapshot>(&body)) {
            None => broken.push(format!("no snapshot of {what} is stored ({})", key.0)),
            Some(Err(error)) => broken.push(format!("the snapshot of {what} cannot be read: {error}")),
            // A line that later passed on the same tree is flaky; the snapshot says so and keeps both.
            Some(Ok(found)) if found.summary().outcome != wanted && found.flaky.is_empty() => {
                let said = match found.summary().outcome {
                    StageOutcome::Passed => "passed",
                    StageOutcome::Failed => "failed",
                    StageOutcome::NotRun => "was not run",
                };
                broken.push(format!("the snapshot of {what} {said} ({})", key.0));
            }
            Some(Ok(_)) => {}
        }
    }
    Ok(broken)
}
