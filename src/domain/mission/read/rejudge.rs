//! Deciding again: what the rules make of a recorded outcome, to compare with what the journal says they made of it.
//!
//! Decides nothing for a running mission; whoever proves a report asks here.

use crate::domain::mission::model::{AttemptClass, NextMove, SessionReport};
use crate::domain::mission::protocol::{Event, Record, Step};
use crate::domain::mission::rules::decide::decide;
use crate::domain::mission::rules::decision::Decision;
use crate::domain::mission::rules::outcome::classify;
use crate::domain::mission::state::replay::Mission;
use crate::domain::queue::Landing;
use crate::domain::values::{Millis, UnitId};

/// Class and next move of an attempt that ended at `at` with this report, in the state before its outcome was folded; absent
/// for a unit the state does not know. The state is left as it is.
pub fn judge_attempt(
    state: &mut Mission,
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
pub fn list_reasons(state: &mut Mission, landing: &Landing) -> Vec<String> {
    Decision { state, now: 0, step: Step::default() }.reasons(landing)
}

/// What follows from what is known of the landing in progress: a refusal, or the intent to move green; absent when nothing known
/// decides it, as with a conflict or a protected path, which merging told.
pub fn find_decision(state: &Mission, at: Millis) -> Option<Record> {
    let mut state = state.clone();
    let step = decide(&mut state, at, Event::Tick);
    step.records.into_iter().find(|record| matches!(record, Record::Rejected { .. } | Record::LandIntended { .. }))
}
