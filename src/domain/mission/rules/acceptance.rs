//! Evidence a unit brings of its own: its `verify` and `accept` lines around its landing, and what runs in its workspace
//! before it queues.
//!
//! Wanted: these lines come on top of the gate and never in its place, so the gate's snapshots keep their keys (P13); a
//! unit with `accept` lands only when that line is known to fail on green and to pass on the candidate; not-run shows
//! nothing, neither failing before nor passing after; nobody is blamed for a failure seen once. The reasons are in
//! `docs/decisions/0006-evidence-per-unit.md`.

use super::decision::Decision;
use crate::domain::mission::model::outcome::{NextMove, RejectClass};
use crate::domain::mission::model::unit_checks::could_not_run;
use crate::domain::mission::state::mission::State;
use crate::domain::queue::{After, Landing, MergeSource, Refused, VerifyRole};
use crate::domain::verify::StageOutcome;
use crate::domain::verify::formats::telling;

impl Decision<'_> {
    /// One line on what a landing showed beyond the gate, if anything.
    pub(super) fn summarize_checks(&self, landing: &Landing) -> Option<String> {
        landing.unit_checks_result()?;
        let before = match landing.accept_before() {
            Some(before) if before.summary.outcome == StageOutcome::Failed => " (failed before)",
            _ => "",
        };
        let lines: Vec<String> = self
            .state
            .unit_check_stages(Some(landing), VerifyRole::UnitChecks)
            .iter()
            .map(|stage| format!("`{}`{}", stage.name, if stage.name == "accept" { before } else { "" }))
            .collect();
        Some(format!("its own {} passed", lines.join(" and ")))
    }

    /// Takes a request whose `accept` does not fail on green out of the queue, for a person to decide: its change was not shown to be
    /// wrong, and another attempt would not show more.
    pub(super) fn hold_unproven(&mut self, landing: &Landing, before: &After) {
        let Some(unit) = self.state.unit_of(landing) else { return };
        let onto = landing.onto.commit.short_id();
        let since = match unit_base(self.state, landing) {
            Some(base) if base != onto => {
                format!("; the attempt began at {base}, so another change may have brought it meanwhile")
            }
            _ => String::new(),
        };
        let reason = match before.summary.outcome {
            StageOutcome::NotRun => could_not_run(onto, before.summary.note.trim(), ""),
            StageOutcome::Passed | StageOutcome::Failed => {
                format!("`accept` passes on green at {onto} without this change{since}")
            }
        };
        let question = format!(
            "{reason}. So it does not show that the change did it. To land it all the same, `mc unit retry {}`: from then \
             on `accept` only has to pass afterwards. Else correct `accept` where the unit is written: a new mission takes it up",
            unit.spec.id
        );
        let next = NextMove::Hold { question: question.clone(), own_work: unit.spec.run.is_none() };
        self.record_rejection(landing, RejectClass::Unproven, vec![question], next, Vec::new());
    }
}

/// Why the queue refuses a change, line by line: what the next attempt has to go by comes before remarks.
pub(super) fn refusal_reasons(refused: Refused) -> Vec<String> {
    match refused {
        Refused::AcceptOnGreen(now) => {
            let note = now.summary.note.trim();
            vec![format!("its change is already on green, and its `accept` does not pass there: {note}")]
        }
        Refused::UnitChecks(checks) => {
            let what = match checks.summary.outcome {
                StageOutcome::NotRun => "could not run on the merged tree, which never counts as passed",
                StageOutcome::Passed | StageOutcome::Failed => "does not pass on the merged tree",
            };
            vec![format!("what this unit must show {what}: {}", checks.summary.note.trim())]
        }
        Refused::Gate(judgement, after) => {
            let (mut reasons, refusals) = (judgement.reasons, judgement.refusals.len());
            let at = refusals.min(reasons.len());
            reasons.splice(at..at, telling::format_quotes(&after.delta.said));
            reasons
        }
    }
}

/// Short name of green as it was when the attempt behind a landing began.
fn unit_base<'s>(state: &'s State, landing: &Landing) -> Option<&'s str> {
    let MergeSource::Unit { unit, n } = &landing.mr.source else { return None };
    state.unit(unit)?.attempts.iter().find(|a| a.n == *n).map(|a| a.green.short_id())
}

#[cfg(test)]
#[path = "acceptance_tests.rs"]
mod tests;
