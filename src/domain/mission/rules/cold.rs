//! Green without the files of earlier runs. Where a workspace keeps some between two verifications, a result is warm; it is
//! made in a hurry and believed for a while. Here is decided when green is asked from nothing, and what follows.
//!
//! Wanted: a warm failure refuses nobody, a cold run of the same tree decides; green's tip gets a cold run whenever nothing
//! wants to land, at the latest after [`COLD_EVERY`](crate::domain::mission::model::policy::COLD_EVERY) landings and before the mission ends; a run that only fills the idle time
//! gives way to whatever wants to land. If the tip does not hold, nothing lands any more, cold runs of earlier positions
//! find the first landing that does not hold, and a person decides; nothing is taken back by itself. What held in another
//! environment is no measure: if green's tip fails there, the position that its unproven landings began with gets a cold run,
//! and is the measure.

use super::decision::Decision;
use crate::domain::mission::model::circuit::Try;
use crate::domain::mission::model::end::{DOES_NOT_HOLD, ENVIRONMENT};
use crate::domain::mission::protocol::record::Record;
use crate::domain::queue::{MergeSource, RunKind, VerifyRole, unusable_reason};
use crate::domain::values::Tip;
use crate::domain::verify::{SnapshotKey, StageOutcome};

impl Decision<'_> {
    /// Asks green from nothing where that is due, and judges the answer.
    pub(super) fn advance_cold(&mut self) {
        let Some(at) = self.state.cold_next().filter(|_| self.state.current_verification().is_none()) else { return };
        let Some(position) = self.state.cold_runs().unproven.get(at).cloned() else { return };
        let base = self.state.cold_runs().unproven_base().cloned();
        if let Some(base) = base.as_ref().filter(|base| self.state.cold_runs().cold_result(&base.commit).is_some()) {
            return self.measure_cold(base.clone());
        }
        let proven = self.state.cold_runs().proven.as_ref().map(|(key, _)| key.clone());
        let role = if self.state.cold_runs().search.is_some() { VerifyRole::ColdSearch } else { VerifyRole::Cold };
        let Some(found) = self.state.cold_runs().cold_result(&position.tip.commit).cloned() else {
            return self.ask_cold(position.tip, role, proven);
        };
        let reasons = self.state.does_not_hold(&position, &found);
        match (self.state.green_terms().select_next_run(&found).filter(|_| !reasons.is_empty()), base) {
            (Some(again), _) => self.verify(None, position.tip, role, proven, again),
            // What fails may have failed before the first of them.
            (None, Some(base)) if !reasons.is_empty() => self.measure_cold(base),
            (None, _) => self.judge_cold(position.tip, reasons.is_empty(), reasons),
        }
    }

    fn ask_cold(&mut self, tip: Tip, role: VerifyRole, against: Option<SnapshotKey>) {
        if self.now >= self.state.queue.green_due() && self.state.circuit_allows(Try::Queue, self.now) {
            self.verify(None, tip, role, against, RunKind::First);
        }
    }

    /// Finds out what fails without the unproven landings.
    pub(super) fn measure_cold(&mut self, base: Tip) {
        let Some(found) = self.state.cold_runs().cold_result(&base.commit).cloned() else {
            return self.ask_cold(base, VerifyRole::Cold, None);
        };
        let fails = found.summary.outcome != StageOutcome::Passed;
        match self.state.green_terms().select_next_run(&found).filter(|_| fails) {
            Some(again) => self.verify(None, base, VerifyRole::Cold, None, again),
            None => match unusable_reason(self.state.policy.gate, &found.summary) {
                None => self.record(Record::ColdMeasured { tip: base, at: self.now }),
                Some(reason) => self.hold_unmeasured(&base, &reason),
            },
        }
    }

    /// Holds the queue where the position before the unproven landings does not verify: no landing is to blame for that.
    pub(super) fn hold_unmeasured(&mut self, base: &Tip, reason: &str) {
        self.record(Record::QueueHeld {
            landing: None,
            reason: format!(
                "green cannot be proven with the tags, variables and tools of now: {}, where its unproven landings \
                 began, does not verify with them: {reason}",
                base.commit.short_id()
            ),
            hint: "mend what changed (`mc verify --fresh` shows what fails), then `mc mission resume`".to_owned(),
            code: ENVIRONMENT,
        });
    }

    /// States whether a position of green holds, and holds the queue when that names the landing since which it does not.
    pub(super) fn judge_cold(&mut self, tip: Tip, holds: bool, reasons: Vec<String>) {
        self.record(Record::ColdJudged { tip, at: self.now, holds, reasons });
        let Some((culprit, reasons)) = self.state.cold_runs().culprit() else { return };
        let (name, at) = (describe_source(&culprit.source), culprit.tip.commit.short_id());
        let reason = format!(
            "green passes only with files that earlier runs left in the workspace: since {name} landed at {at}, a run \
             without them says: {}",
            reasons.join("; ")
        );
        let hint = format!(
            "to take it back: `mc mission stop --now`, then `mc green rollback {}`; to keep it: mend green by hand \
             (`mc verify --fresh` shows what fails), then `mc mission resume`",
            culprit.onto.commit.short_id()
        );
        self.record(Record::QueueHeld { landing: None, reason, hint, code: DOES_NOT_HOLD });
    }

    /// Kills a cold run that only fills the idle time when something wants to land.
    pub(super) fn kill_cold_run(&mut self) {
        if self.state.current_verification().is_some_and(|v| v.role == VerifyRole::Cold) {
            self.kill_unwanted_runs();
        }
    }
}

fn describe_source(source: &MergeSource) -> String {
    match source {
        MergeSource::Unit { unit, .. } => unit.to_string(),
        MergeSource::Intake => "the target branch".to_owned(),
        MergeSource::Bookkeeping { round } => format!("what the mission wrote about round {round}"),
    }
}
