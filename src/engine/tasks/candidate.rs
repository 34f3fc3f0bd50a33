//! Candidates of landings: their message, their pin, and the files they take from green.

use crate::domain::base::text::{first_chars, replace_control_chars};
use crate::domain::mission::MergeSource;
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, LandingId, TreeId};
use crate::domain::verify::SnapshotKey;
use crate::engine::context::mission::MissionContext;

/// Files of the mission that candidates take from green whatever an agent did to them (design, section 6).
pub(in crate::engine) const NOT_FROM_AGENTS: [&str; 2] = ["BACKLOG.md", "PROGRESS.md"];

/// Pins a candidate before it is verified. One of this landing may be pinned from before a crash; the newer one takes its
/// place, both are mergeable.
pub(in crate::engine) async fn pin(
    context: &MissionContext,
    id: LandingId,
    candidate: &CommitId,
) -> Result<(), Trouble> {
    let name = format!("refs/mc/candidates/{}/{id}", context.mission);
    let old = context.source.ref_value(&name).await.map_err(|e| context.to_trouble(&e))?;
    context.source.repin(&name, candidate, old.as_ref()).await.map_err(|e| context.to_trouble(&e))
}

pub(in crate::engine) fn message(
    context: &MissionContext,
    source: &MergeSource,
    title: &str,
    tree: &TreeId,
    key: &SnapshotKey,
) -> String {
    let title = replace_control_chars(title);
    let title = first_chars(&title, 100).trim();
    let (subject, unit) = match source {
        MergeSource::Intake => (format!("Take in {}", context.settings().target.branch), String::new()),
        MergeSource::Bookkeeping { round } => (format!("Record the progress of round {round}"), String::new()),
        MergeSource::Unit { unit, n } => {
            (format!("Land {unit}: {title}"), format!("Mc-Unit: {unit}\nMc-Attempt: {n}\n"))
        }
    };
    format!(
        "{subject}\n\nMc-Mission: {}\n{unit}Mc-Verified-Tree: {}\nMc-Snapshot: {}\n",
        context.mission,
        tree.as_str(),
        key.0
    )
}
