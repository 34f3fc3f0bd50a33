//! Every position green had, for an audit: from the journals and from git's own log of the branch.
//!
//! What the journals do not know was put there by somebody else. Commits between two positions belong to the later one, so a
//! position that a later, known one contains was judged with it; any other one nobody verified.

use super::case::Checked;
use crate::adapters::git::Git;
use crate::domain::mission::Record;
use crate::domain::values::{CommitId, Millis};
use crate::engine::inspect::history::History;
use std::collections::HashSet;

/// Positions of green that nobody verified, one line each.
pub(super) async fn find_unverified(git: &Git, green_ref: &str, histories: &[History]) -> Checked<Vec<String>> {
    let records = || histories.iter().flat_map(|history| history.records.iter());
    let known: HashSet<&CommitId> = records().flat_map(|(_, _, record)| positions(record)).collect();
    let spans: Vec<(Millis, Millis)> = histories.iter().filter_map(span).collect();
    let log = git.read_reflog(green_ref).await?;
    let mut wrong = Vec::new();
    for (nth, (commit, at)) in log.iter().enumerate() {
        // What a person does with green between two missions is judged by the later one. Git's log tells seconds.
        let meanwhile = spans.iter().any(|(first, last)| at + 999 >= *first && at <= last);
        if known.contains(commit) || !meanwhile {
            continue;
        }
        let later = log[nth + 1..].iter().map(|(later, _)| later).find(|later| known.contains(later));
        let judged = match later {
            Some(later) => git.is_ancestor(commit, later).await?,
            None => false,
        };
        if !judged {
            let line =
                format!("green stood at {}, which no mission verified; somebody else put it there", commit.short_id());
            if !wrong.contains(&line) {
                wrong.push(line);
            }
        }
    }
    Ok(wrong)
}

/// When a mission began, and when it ended or was left.
fn span(history: &History) -> Option<(Millis, Millis)> {
    let (_, first, _) = history.records.first()?;
    let ended = history.records.iter().find(|(_, _, record)| matches!(record, Record::MissionEnded { .. }));
    let (_, last, _) = ended.or(history.records.last())?;
    Some((*first, *last))
}

/// Where a record says that green stands, and that it may.
fn positions(record: &Record) -> Vec<&CommitId> {
    match record {
        Record::BaselineAccepted { tip } | Record::GreenAccepted { tip, .. } => vec![&tip.commit],
        // It was judged, whether or not the journal came to tell that it landed.
        Record::LandIntended { candidate, .. } => vec![&candidate.commit],
        Record::RolledBack { to, .. } => vec![&to.commit],
        _ => Vec::new(),
    }
}
