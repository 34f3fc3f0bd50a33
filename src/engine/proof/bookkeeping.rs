//! What a mission wrote about itself: written once more from the record, and held against the commit and the journal.

use super::case::{Case, Checked};
use crate::domain::backlog::ItemState;
use crate::domain::mission::{Landing, State, UnitState};
use crate::domain::values::Tip;
use crate::engine::tasks::bookkeeping::compose_files;
use crate::report::claims::Findings;
use std::collections::BTreeSet;

/// Checks the landing of bookkeeping, in the state before it is folded.
pub(super) async fn check_landing(case: &mut Case<'_>, state: &State, open: &Landing, candidate: &Tip) -> Checked {
    let mut found = Findings::default();
    let Some(bookkeeping) = &state.bookkeeping else {
        case.add_claim("progress: what was written", Findings::from_broken("no record says what it was"));
        return Ok(());
    };
    let there = [&open.onto.commit, &candidate.commit];
    for commit in there {
        if case.git.resolve(commit.as_str()).await?.is_none() {
            found.add_unknown(format!("{} does not exist any more", commit.short_id()));
        }
    }
    if found.is_empty() {
        let again = compose_files(&case.git, case.mission(), &open.onto.commit, bookkeeping).await?;
        let changed: BTreeSet<String> =
            case.git.diff_paths(&open.onto.commit, &candidate.commit).await?.into_iter().collect();
        if changed != again.files.iter().map(|(path, ..)| (*path).to_owned()).collect() {
            found.add_broken("the commit changes other files");
        }
        for (path, _, text) in &again.files {
            if case.git.read_file(&candidate.commit, path).await?.as_deref() != Some(text.as_bytes()) {
                found.add_broken(format!("the commit has another {path}"));
            }
        }
    }
    let done = ItemState::Done.word();
    for mark in bookkeeping.marks.iter().filter(|mark| mark.status.starts_with(done)) {
        if state.unit(&mark.unit).is_none_or(|unit| unit.state != UnitState::Landed) {
            found.add_broken(format!("{} is marked {done} and has not landed", mark.unit));
        }
    }
    for told in &bookkeeping.session.units {
        let landed = state.unit(&told.unit).and_then(|unit| unit.landed.as_ref()).map(|tip| &tip.commit);
        if told.state == UnitState::Landed && landed != told.commit.as_ref() {
            found.add_broken(format!("{} is told to have landed elsewhere", told.unit));
        }
    }
    let what = format!("progress of round {}: marks and session are what the records say", bookkeeping.round);
    case.add_claim(what, found);
    Ok(())
}
