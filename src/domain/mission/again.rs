//! Deciding again: what the rules make of a recorded outcome, to compare with what the journal says they made of it.
//!
//! Decides nothing for a running mission; whoever proves a report asks here.

use super::attempts::classify;
use super::command::Step;
use super::event::Event;
use super::record::{AttemptClass, NextMove, Record};
use super::report::SessionReport;
use super::state::State;
use super::{Decision, decide};
use crate::domain::queue::Landing;
use crate::domain::values::{Millis, UnitId};

/// Class and next move of an attempt that ended at `at` with this report, in the state before its outcome was folded; absent
/// for a unit the state does not know. The state is left as it is.
#[must_use]
pub fn attempt(
    state: &mut State,
    at: Millis,
    unit: &UnitId,
    report: &SessionReport,
) -> Option<(AttemptClass, NextMove)> {
    let decision = Decision { state, now: at, step: Step::default() };
    let unit = decision.state.unit(unit)?;
    let class = classify(report, unit.spec.run.is_some(), unit.has_recorded_stop());
    Some((class, decision.next_move(unit, class, report)))
}

/// The reasons that go with landing the change of `landing`, in the state before it is folded. The state is left as it is.
#[must_use]
pub fn reasons(state: &mut State, landing: &Landing) -> Vec<String> {
    Decision { state, now: 0, step: Step::default() }.reasons(landing)
}

/// The refusal that follows from what is known of the landing in progress; absent when nothing known refuses it, as with a
/// conflict or a protected path, which merging told.
#[must_use]
pub fn refusal(state: &State, at: Millis) -> Option<Record> {
    let mut state = state.clone();
    let step = decide(&mut state, at, Event::Tick);
    step.records.into_iter().find(|record| matches!(record, Record::Rejected { .. }))
}
