//! Deciding again: what the rules make of a recorded outcome, to compare with what the journal says they made of it.
//!
//! Decides nothing for a running mission; whoever proves a report asks here.

use super::Decision;
use super::attempts::classify;
use super::command::Step;
use super::event::AttemptReport;
use super::record::{AttemptClass, NextMove};
use super::state::State;
use crate::domain::values::{Millis, UnitId};

/// Class and next move of an attempt that ended at `at` with this report, in the state before its outcome was folded; absent
/// for a unit the state does not know. The state is left as it is.
#[must_use]
pub fn attempt(
    state: &mut State,
    at: Millis,
    unit: &UnitId,
    report: &AttemptReport,
) -> Option<(AttemptClass, NextMove)> {
    let decision = Decision { state, now: at, step: Step::default() };
    let unit = decision.state.unit(unit)?;
    let class = classify(report, unit.spec.run.is_some());
    Some((class, decision.next_move(unit, class, report)))
}
