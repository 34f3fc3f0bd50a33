//! Evidence a unit brings of its own: its `verify` and `accept` lines around its landing, and what runs in its workspace
//! before it queues.
//!
//! Wanted: these lines come on top of the gate and never in its place, so the gate's snapshots keep their keys (P13); a
//! unit with `accept` lands only when that line is known to fail on green and to pass on the candidate; not-run shows
//! nothing, neither failing before nor passing after; nobody is blamed for a failure seen once. The reasons are in
//! `docs/decisions/0006-evidence-per-unit.md`.

use super::cold::Again;
use super::decision::Decision;
use crate::domain::mission::model::outcome::{NextMove, RejectClass};
use crate::domain::mission::model::unit_checks::could_not_run;
use crate::domain::mission::protocol::record::Record;
use crate::domain::mission::state::mission::State;
use crate::domain::queue::{Extra, Landing, MergeSource, VerifyRole};
use crate::domain::values::Tip;
use crate::domain::verify::StageOutcome;

impl Decision<'_> {
    /// Whether the landing may go on to the gate: `accept`, if the unit has one, is known to fail on green. Else asks for
    /// what is missing, or decides.
    pub(super) fn fails_before(&mut self, landing: &Landing) -> bool {
        let Some(unit) = self.state.unit_of(landing) else { return true };
        if !unit.wants_failure_before() {
            return true;
        }
        let Some(before) = self.accept_on_green(landing, StageOutcome::NotRun) else { return false };
        let onto = landing.onto.commit.short();
        let since = match unit_base(self.state, landing) {
            Some(base) if base != landing.onto.commit.short() => {
                format!("; the attempt began at {base}, so another change may have brought it meanwhile")
            }
            _ => String::new(),
        };
        let reason = match before.summary.outcome {
            StageOutcome::Failed => return true,
            StageOutcome::Passed => format!("`accept` passes on green at {onto} without this change{since}"),
            StageOutcome::NotRun => could_not_run(onto, before.summary.note.trim(), ""),
        };
        self.hold_landing(landing, reason);
        false
    }

    /// A change that green has already: it is a no-op, unless the unit's `accept` does not pass there. Until that is known
    /// green itself stands for the candidate.
    pub(super) fn already_there(&mut self, landing: &Landing) {
        if self.state.unit_of(landing).is_some_and(|u| u.spec.accept.is_some()) {
            if landing.candidate().is_none() {
                let (landing, candidate) = (landing.id, landing.onto.clone());
                self.note(Record::candidate(landing, candidate));
                return;
            }
            let Some(now) = self.accept_on_green(landing, StageOutcome::Failed) else { return };
            if now.summary.outcome != StageOutcome::Passed {
                let reason = format!("its change is already on green, and its `accept` does not pass there: {}", {
                    now.summary.note.trim()
                });
                self.reject(landing, RejectClass::Verification, vec![reason]);
                return;
            }
        }
        let (mr, source) = (landing.mr.id, landing.mr.source.clone());
        self.note(Record::MergeEmpty { landing: landing.id, mr, source, at: self.now });
    }

    /// What `accept` says of green; asked for when it is not known. An outcome from `doubted` down is confirmed first.
    pub(super) fn accept_on_green(&mut self, landing: &Landing, doubted: StageOutcome) -> Option<Extra> {
        let (role, tip) = (VerifyRole::AcceptBefore, landing.onto.clone());
        match landing.accept_before() {
            None => self.verify(tip, role, None, Again::First),
            Some(before) => {
                let outcome = before.summary.outcome;
                let doubtful = outcome == StageOutcome::NotRun || outcome == doubted;
                match self.once_more(&before.key, before.confirmed, before.warm) {
                    Some(again) if doubtful => self.verify(tip, role, None, again),
                    _ => return Some(before.clone()),
                }
            }
        }
        None
    }

    /// Whether the unit's own lines pass on the candidate; else asks for what is missing, or refuses.
    pub(super) fn passes_after(&mut self, landing: &Landing, candidate: &Tip) -> bool {
        if self.state.extras(VerifyRole::Extra).is_empty() {
            return true;
        }
        let Some(extra) = landing.extra() else {
            self.verify(candidate.clone(), VerifyRole::Extra, None, Again::First);
            return false;
        };
        let what = match extra.summary.outcome {
            StageOutcome::Passed => return true,
            StageOutcome::Failed => "does not pass on the merged tree",
            StageOutcome::NotRun => "could not run on the merged tree, which never counts as passed",
        };
        if let Some(again) = self.once_more(&extra.key, extra.confirmed, extra.warm) {
            self.verify(candidate.clone(), VerifyRole::Extra, None, again);
        } else {
            let reason = format!("what this unit must show {what}: {}", extra.summary.note.trim());
            self.reject(landing, RejectClass::Verification, vec![reason]);
        }
        false
    }

    /// One line on what a landing showed beyond the gate, if anything.
    pub(super) fn shown(&self, landing: &Landing) -> Option<String> {
        landing.extra()?;
        let before = match landing.accept_before() {
            Some(before) if before.summary.outcome == StageOutcome::Failed => " (failed before)",
            _ => "",
        };
        let lines: Vec<String> = self
            .state
            .extras(VerifyRole::Extra)
            .iter()
            .map(|stage| format!("`{}`{}", stage.name, if stage.name == "accept" { before } else { "" }))
            .collect();
        Some(format!("its own {} passed", lines.join(" and ")))
    }

    /// Takes a request out of the queue for a person to decide: its change was not shown to be wrong, and another attempt
    /// would not show more.
    pub(super) fn hold_landing(&mut self, landing: &Landing, reason: String) {
        let Some(unit) = self.state.unit_of(landing) else { return };
        let question = format!(
            "{reason}. So it does not show that the change did it. To land it all the same, `mc unit retry {}`: from then \
             on `accept` only has to pass afterwards. Else correct `accept` where the unit is written: a new mission takes it up",
            unit.spec.id
        );
        let next = NextMove::Hold { question: question.clone(), own_work: unit.spec.run.is_none() };
        self.note(Record::Rejected {
            landing: landing.id,
            mr: landing.mr.id,
            source: landing.mr.source.clone(),
            at: self.now,
            class: RejectClass::Unproven,
            reasons: vec![question],
            next,
            files: Vec::new(),
        });
    }
}

/// Short name of green as it was when the attempt behind a landing began.
fn unit_base<'s>(state: &'s State, landing: &Landing) -> Option<&'s str> {
    let MergeSource::Unit { unit, n } = &landing.mr.source else { return None };
    state.unit(unit)?.attempts.iter().find(|a| a.n == *n).map(|a| a.green.short())
}

#[cfg(test)]
#[path = "acceptance_tests.rs"]
mod tests;
