//! What an agent says it did, compared with git (P8). A false claim is named, and is no declaration that nothing needed
//! to change.

use crate::domain::base::text::name_first;
use crate::domain::handoff::Handoff;
use crate::domain::mission::{AttemptOrder, Claim, SessionReport};
use crate::domain::plan::globs::Globs;
use crate::domain::values::CommitId;
use crate::engine::context::mission::MissionContext;

/// Names shown of a list of false claims.
const SHOWN: usize = 5;

/// Compares the files and commits a handoff names with those between green and `head`. An error of git leaves the report
/// as it is: nothing is held against anybody that was not seen.
pub async fn compare(
    context: &MissionContext,
    order: &AttemptOrder,
    handoff: &Handoff,
    head: &CommitId,
    report: &mut SessionReport,
) {
    let Ok(real) = context.source.diff_paths(&order.green, head).await else { return };
    let absent =
        |name: &&String| !real.iter().any(|file| name.trim_end() == file || name.ends_with(&format!("/{file}")));
    let files: Vec<&String> = handoff.files_changed.iter().filter(absent).collect();
    let mut commits = Vec::new();
    for name in &handoff.commits {
        // An agent may give a subject line behind the id.
        let id = name.split_whitespace().next().unwrap_or_default();
        let Ok(found) = context.source.resolve(id).await else { return };
        let there = match &found {
            Some(tip) => context.source.is_ancestor(&tip.commit, head).await.unwrap_or(true),
            None => false,
        };
        if !there {
            commits.push(name);
        }
    }
    let mut say = |what: &str, names: &[&String]| {
        if !names.is_empty() {
            let shown: Vec<&str> = names.iter().take(SHOWN).map(|name| name.as_str()).collect();
            report.notes.push(format!("the agent names {what}: {}", shown.join(", ")));
        }
    };
    say("changed files that did not change", &files);
    say("commits that its work does not contain", &commits);
    let claims_work = !handoff.files_changed.is_empty() || !handoff.commits.is_empty();
    if !report.work.changed
        && report.agent.claim == Some(Claim::Completed)
        && handoff.no_op_reason.is_none()
        && claims_work
    {
        report.agent.claim = None;
        let said = format!("it said that it changed {}, and nothing changed", format_claimed(handoff));
        report.agent.summary =
            if report.agent.summary.is_empty() { said } else { format!("{said}; {}", report.agent.summary) };
    }
}

/// Names what an attempt changed outside of the `files` of its unit: they say what it touches, so that a person may have missed it.
/// It decides nothing: what a change touches is for the queue to find out.
pub async fn check_declared_files(
    context: &MissionContext,
    order: &AttemptOrder,
    head: &CommitId,
    report: &mut SessionReport,
) {
    if order.spec.files.is_empty() {
        return;
    }
    let (Ok(globs), Ok(changed)) = (Globs::new(&order.spec.files), context.source.diff_paths(&order.from, head).await)
    else {
        return;
    };
    let outside = name_first(changed.iter().filter(|path| !globs.matches(path)), SHOWN);
    if !outside.is_empty() {
        report.notes.push(format!("it changed what its `files` do not name: {outside}"));
    }
}

fn format_claimed(handoff: &Handoff) -> String {
    let all = handoff.files_changed.iter().chain(&handoff.commits);
    all.take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ")
}
