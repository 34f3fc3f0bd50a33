//! Landings on warm results, and what cold runs said of them.

use super::mission::State;
use crate::domain::mission::model::end::DOES_NOT_HOLD;
use crate::domain::mission::model::{COLD_EVERY, Stage, StopLevel};
use crate::domain::mission::protocol::command::VerifyOrder;
use crate::domain::queue::{After, Unproven, VerificationRun, VerifyRole};
use crate::domain::values::RunId;
use crate::domain::verify::judge::verdict::judge;
use crate::domain::verify::{Demands, StageOutcome, Summary};

impl State {
    /// The order of a verification, as first given and as asked again after a restart.
    pub(in crate::domain::mission) fn verify_order(&self, v: VerificationRun) -> VerifyOrder {
        let landing = v.landing.and_then(|id| self.landing_by(id));
        let onto = landing.map_or(&v.tip.commit, |landing| &landing.onto.commit).clone();
        let unit_checks = self.unit_check_stages(landing, v.role);
        let VerificationRun { run, tip, role, host, against, confirms, cold, .. } = v;
        VerifyOrder { run, host, tip, against, confirms, unit_checks, role, onto, cold }
    }

    /// Whether a run must be cold by what it is for, although it is the first: what later results are compared with, what
    /// nobody asks again later, and what is asked for just that.
    pub(in crate::domain::mission) fn starts_cold(&self, role: VerifyRole) -> bool {
        self.policy.warm_runs && role != VerifyRole::After
    }

    /// Whether what the mission knows was found in this environment; one that cannot be found out is another one.
    pub fn is_environment(&self, environment: &str) -> bool {
        let same = |known: &str| known == environment && !known.is_empty();
        self.baseline.as_ref().is_none_or(|baseline| same(&baseline.environment))
    }

    /// Whether the mission may not end yet because green's tip is known by warm results only.
    pub(super) fn cold_pending(&self) -> bool {
        !self.cold_runs().unproven.is_empty() && self.hold.is_none() && !self.is_closing()
    }

    /// Whether a verification is of green, and of no change that waits.
    pub(in crate::domain::mission) fn asks_green(&self, run: Option<RunId>) -> bool {
        let of_green =
            |v: &VerificationRun| matches!(v.role, VerifyRole::Cold | VerifyRole::ColdSearch | VerifyRole::MovedGreen);
        run.and_then(|run| self.run_by(run)).is_some_and(of_green)
    }

    /// Whether nothing lands before green was asked from nothing.
    pub(in crate::domain::mission) fn cold_first(&self) -> bool {
        let many = self.landing().is_none() && self.cold_runs().unproven.len() >= COLD_EVERY;
        // No run begins any more when only the bookkeeping is left to be written.
        self.cold_runs().search.is_some() || (!self.is_closing() && (many || self.doubts_green()))
    }

    /// Whether a cold run of green's tip gives way to what wants to land.
    pub(in crate::domain::mission) fn cold_can_wait(&self) -> bool {
        self.landing().is_none() && self.cold_runs().unproven.len() < COLD_EVERY
    }

    /// The position of green to look at next, counted in the unproven landings, if one is due.
    pub(in crate::domain::mission) fn cold_next(&self) -> Option<usize> {
        let last = self.cold_runs().unproven.len().checked_sub(1)?;
        let early = matches!(self.stage, Stage::Preflight | Stage::Baseline | Stage::Establishing | Stage::Over);
        if early || !self.may_land() || self.is_closing() {
            return None;
        }
        match &self.cold_runs().search {
            Some(search) => (search.good < search.bad).then(|| usize::midpoint(search.good, search.bad)),
            None => {
                let idle = self.landing().is_none() && self.queue.is_empty();
                (idle || self.cold_first()).then_some(last)
            }
        }
    }

    /// Whether a cold run refuses the candidate in comparison with a green that is known by a warm result only: which of the
    /// two is to blame is not known.
    fn doubts_green(&self) -> bool {
        let Some(landing) = self.landing().filter(|landing| !landing.at_work()) else { return false };
        let lines = landing
            .unit_checks_result()
            .filter(|unit_checks| !unit_checks.warm && unit_checks.summary.outcome != StageOutcome::Passed);
        if lines.is_some() && !self.cold_runs().unproven.is_empty() {
            return true;
        }
        let (Some(after), Some(green)) = (landing.gate_result(), self.green()) else { return false };
        let Some((_, before)) = green.snapshot.as_ref().filter(|_| green.warm && !after.warm) else { return false };
        let demands = self.demands(self.may_remove_tests(&landing.mr.source));
        !self.cold_runs().unproven.is_empty()
            && !judge(&self.with_flaky(before.clone()), &after.summary, &after.delta, &demands).lands
    }

    /// Folds that a new engine takes over a mission in which nothing could land: everything is asked again, unless it only ends.
    pub(super) fn resume_held(&mut self) {
        let ends = matches!(self.stop, Some((StopLevel::Now, _))) && self.hold_code == DOES_NOT_HOLD;
        if !ends && self.hold.take().is_some() {
            self.queue.ask_cold_again();
        }
    }

    /// Why a position of green does not hold without files of earlier runs; nothing when it does. What failed at the last
    /// position that was seen without them may fail, if there is one; what its landings removed is not missing, but nothing
    /// else is.
    pub(in crate::domain::mission) fn does_not_hold(&self, position: &Unproven, found: &After) -> Vec<String> {
        let demands = Demands { gate: self.policy.gate, ratchet: false, allow_removed_tests: true };
        let Some((_, before)) = self.cold_runs().proven.as_ref() else {
            let fails = found.summary.outcome != StageOutcome::Passed;
            return fails.then(|| "it fails, with nothing to compare that with".to_owned()).into_iter().collect();
        };
        let judgement = judge(&self.with_flaky(before.clone()), &found.summary, &found.delta, &demands);
        if !judgement.lands {
            return judgement.reasons;
        }
        let count = |summary: &Summary| (summary.passed + summary.failed + summary.skipped, summary.skipped);
        let Some(landed_with) = &position.summary else { return Vec::new() };
        let ((all, skipped), (had, had_skipped)) = (count(&found.summary), count(landed_with));
        let mut reasons = Vec::new();
        if all < had {
            reasons.push(format!("{} of {had} tests are missing", had - all));
        }
        if skipped > had_skipped {
            reasons.push(format!("{} more tests are skipped", skipped - had_skipped));
        }
        reasons
    }
}
