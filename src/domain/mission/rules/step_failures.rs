//! Steps of the merge queue that met trouble: tried again, behind the others after a while, and charged to their unit only
//! when others pass meanwhile.

use super::decision::Decision;
use crate::domain::mission::model::{
    MAX_STEP_FAILURES, NextMove, Operation, Refusal, RejectClass, STEPS_BEHIND_AFTER, Stage, Unverified,
};
use crate::domain::mission::protocol::record::Record;
use crate::domain::queue::{Behind, VerificationRun, VerifyRole};
use crate::domain::trouble::Trouble;
use crate::domain::values::{HostId, LandingId, Millis, RunId};

impl Decision<'_> {
    /// A setup command that says no twice in the same words on the base is no trouble of the host that passes.
    pub(super) fn handle_unverified(&mut self, run: RunId, not: Unverified) {
        let host = self.state.run_by(run).map_or_else(HostId::local, |run| run.host.clone());
        let trouble = Trouble { cause: not.cause.clone(), why: not.why.clone() };
        if self.bench_unreachable(&host, &trouble) {
            return self.record(Record::VerificationDropped { run, at: self.now });
        }
        let landing = self.state.waiting_landing(run);
        let before = self.state.queue.failures(landing);
        let again = not.setup.is_some()
            && before.setup.as_ref().is_some_and(|said| strip_numbers(said) == strip_numbers(&not.why));
        if again && self.state.stage == Stage::Baseline && !self.state.is_kill_requested() {
            let hint =
                "mend target.setup or what it works on, commit that, then start again; `mc doctor --baseline` tries it";
            let reason = format!("twice in the same way: {}", not.why);
            return self.refuse_mission(Refusal { reason, hint: hint.to_owned(), exit: 6 });
        }
        let cold = |v: &VerificationRun| matches!(v.role, VerifyRole::Cold | VerifyRole::ColdSearch);
        let position = self.state.run_by(run).filter(|v| cold(v)).map(|v| v.tip.clone());
        let often = before.row + 1 >= MAX_STEP_FAILURES && self.state.circuit().is_none();
        if let (true, Some(tip)) = (again && often && !self.state.is_kill_requested(), position) {
            // A preparation that earlier runs made unnecessary is as good as a test that fails without them; but it may
            // be trouble of the host, so it is tried for a while.
            self.record_failure((Some(run), landing), "verification", &not, self.now);
            return match self.state.cold_runs().unproven_base().cloned() {
                None => self.judge_cold(tip, false, vec![not.why]),
                Some(base) if base == tip => self.hold_unmeasured(&base, &not.why),
                Some(base) => self.measure_cold(base),
            };
        }
        self.failed_at((Some(run), landing), "verification", &not);
        self.bench_failing(&host, &trouble);
    }

    /// A step that runs nothing met trouble: one of this landing, or, without, what the round asks.
    pub(super) fn step_failed(&mut self, landing: Option<LandingId>, what: &str, trouble: Trouble) {
        self.failed_at((None, landing), what, &trouble.into());
    }

    pub(super) fn failed_at(
        &mut self,
        (run, landing): (Option<RunId>, Option<LandingId>),
        what: &str,
        not: &Unverified,
    ) {
        let (at, Unverified { why, cause, .. }) = (self.now, not);
        if self.state.is_kill_requested() {
            // A kill we asked for is no failure of the host; the step is asked again after a resume.
            return self.record_failure((run, landing), what, not, at);
        }
        let failures = 1 + match (run, landing) {
            (None, None) => self.state.stage_failures,
            _ => self.state.queue.failures(landing).row,
        };
        if self.state.stage == Stage::Baseline {
            self.record_failure((run, landing), what, not, at + self.state.policy.pause(failures));
            if failures >= MAX_STEP_FAILURES {
                let reason = format!("{what} failed {failures} times: {why}");
                let hint = format!("{}; `mc where` names the logs", cause.remedy());
                self.refuse_mission(Refusal { reason, hint, exit: 6 });
            }
            return;
        }
        let operation = Operation::of_step(run, landing);
        self.assess_failure(cause, operation, &self.state.step_witness(run, landing));
        let all = failures + landing.and_then(|id| self.state.landing_by(id)).map_or(0, |landing| landing.mr.failures);
        // All others wait for what green is found to be.
        let of_green = self.state.asks_green(run);
        let alone = of_green || self.state.queue().all(|request| self.state.waits_for_turn(request));
        if self.state.circuit().is_none() && all >= MAX_STEP_FAILURES && alone {
            // No other request tells whether it is this one's fault; what green is found to be is nobody's.
            if of_green || !landing.is_some_and(|id| self.state.others_passed(id)) {
                self.open_circuit(cause, operation);
            }
        }
        let again_at = if self.state.circuit().is_some() { at } else { at + self.state.policy.pause(all) };
        self.record_failure((run, landing), what, not, again_at);
        if let Some(landing) = landing.filter(|_| failures >= STEPS_BEHIND_AFTER && !of_green) {
            self.defer_landing(landing, what, why, all, again_at);
        }
    }

    pub(super) fn record_failure(
        &mut self,
        (run, landing): (Option<RunId>, Option<LandingId>),
        what: &str,
        not: &Unverified,
        again_at: Millis,
    ) {
        let Unverified { why: error, cause, setup, .. } = not.clone();
        self.record(Record::StepFailed {
            run,
            landing,
            what: what.to_owned(),
            error,
            cause,
            at: self.now,
            again_at,
            setup,
        });
    }

    /// Lets the other requests go first: the candidate of this one may be what is broken (pruned, for one), and is made
    /// again. If others passed since it stepped behind before, the failure is its unit's own.
    pub(super) fn defer_landing(&mut self, id: LandingId, what: &str, error: &str, failures: u32, again_at: Millis) {
        let open = self.state.landing_by(id).filter(|l| l.intended_verdict().is_none());
        let Some(landing) = open.cloned() else { return };
        let own = self.state.circuit().is_none() && self.state.others_passed(id);
        let unit = landing.mr.source.unit().and_then(|unit| self.state.unit(unit)).filter(|_| own);
        if let Some(unit) = unit.filter(|unit| unit.infra + 1 > self.state.policy.max_infrastructure_retries) {
            let id = unit.spec.id.clone();
            let reason = format!("{what} failed {failures} times while other changes passed, last: {error}");
            let next = NextMove::Fail { reason: reason.clone() };
            self.record_rejection(&landing, RejectClass::Infrastructure, vec![reason], next, Vec::new());
            return self.block_dependants(&id);
        }
        let behind = Behind { again_at, failures, own_fault: unit.is_some() };
        let why = format!("{what} failed {failures} times: merged again, behind the others");
        self.requeue(&landing, &why, Some(behind), None);
    }
}

/// A message without its numbers: times and the number of a try differ from try to try.
fn strip_numbers(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}
