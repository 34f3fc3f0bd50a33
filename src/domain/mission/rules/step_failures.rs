//! Steps of the merge queue that met trouble: tried again, behind the others after a while, and charged to their unit only
//! when others pass meanwhile.

use super::decision::Decision;
use crate::domain::mission::model::answer::{Refusal, Unverified};
use crate::domain::mission::model::circuit::Operation;
use crate::domain::mission::model::outcome::{NextMove, RejectClass};
use crate::domain::mission::model::policy::{MAX_STEP_FAILURES, STEPS_BEHIND_AFTER};
use crate::domain::mission::model::round::Stage;
use crate::domain::mission::protocol::record::Record;
use crate::domain::queue::{Behind, VerificationRun, VerifyRole};
use crate::domain::trouble::Trouble;
use crate::domain::values::{LandingId, Millis, RunId};

impl Decision<'_> {
    /// A setup command that says no twice in the same words on the base is no trouble of the host that passes.
    pub(super) fn handle_unverified(&mut self, run: RunId, not: Unverified) {
        let landing = self.state.landing().map(|landing| landing.id);
        let before = self.state.queue.failures(landing);
        let again =
            not.setup.is_some() && before.setup().is_some_and(|said| strip_numbers(said) == strip_numbers(&not.why));
        if again && self.state.stage == Stage::Baseline && !self.state.is_kill_requested() {
            let hint =
                "mend target.setup or what it works on, commit that, then start again; `mc doctor --baseline` tries it";
            self.refuse_mission(Refusal {
                reason: format!("twice in the same way: {}", not.why),
                hint: hint.to_owned(),
                exit: 6,
            });
            return;
        }
        let cold = |v: &VerificationRun| matches!(v.role, VerifyRole::Cold | VerifyRole::ColdSearch);
        let position = self.state.run_by(run).filter(|v| cold(v)).map(|v| v.tip.clone());
        let often = before.row() + 1 >= MAX_STEP_FAILURES && self.state.circuit().is_none();
        if let (true, Some(tip)) = (again && often && !self.state.is_kill_requested(), position) {
            // A preparation that earlier runs made unnecessary is as good as a test that fails without them; but it may
            // be trouble of the host, so it is tried for a while.
            let (what, error, at) = ("verification".to_owned(), not.why.clone(), self.now);
            self.record(Record::StepFailed {
                run: Some(run),
                landing,
                what,
                error,
                cause: not.cause,
                at,
                again_at: at,
                setup: not.setup,
            });
            self.judge_cold(tip, false, vec![not.why]);
            return;
        }
        self.failed_at((Some(run), landing), "verification", Operation::Verify, not);
    }

    /// A step that runs nothing met trouble: one of this landing, or, without, what the round asks.
    pub(super) fn step_failed(&mut self, landing: Option<LandingId>, what: &str, trouble: Trouble) {
        self.failed_at((None, landing), what, self.state.operation_of_step(), trouble.into());
    }

    pub(super) fn failed_at(
        &mut self,
        (run, landing): (Option<RunId>, Option<LandingId>),
        what: &str,
        operation: Operation,
        Unverified { why, cause, setup, .. }: Unverified,
    ) {
        let (what, at) = (what.to_owned(), self.now);
        if self.state.is_kill_requested() {
            // A kill we asked for is no failure of the host; the step is asked again after a resume.
            self.record(Record::StepFailed { run, landing, what, error: why, cause, at, again_at: at, setup });
            return;
        }
        let failures = 1 + match (run, landing) {
            (None, None) => self.state.stage_failures,
            _ => self.state.queue.failures(landing).row(),
        };
        if self.state.stage == Stage::Baseline {
            let again_at = at + self.state.policy.pause(failures);
            let told = format!("{what} failed {failures} times: {why}");
            self.record(Record::StepFailed {
                run,
                landing,
                what,
                error: why,
                cause: cause.clone(),
                at,
                again_at,
                setup,
            });
            if failures >= MAX_STEP_FAILURES {
                let hint = format!("{}; `mc where` names the logs", cause.remedy());
                self.refuse_mission(Refusal { reason: told, hint, exit: 6 });
            }
            return;
        }
        self.assess_failure(&cause, operation, &self.state.queue_witness());
        let all =
            failures + landing.and_then(|id| self.state.landing_by(id)).map_or(0, |landing| landing.mr.failures());
        // All others wait for what green is found to be.
        let of_green = self.state.asks_green();
        let alone = of_green || self.state.queue().all(|request| self.state.waits_for_turn(request));
        if self.state.circuit().is_none() && all >= MAX_STEP_FAILURES && alone {
            // No other request tells whether it is this one's fault; what green is found to be is nobody's.
            if of_green || !self.state.others_passed() {
                self.open_circuit(&cause, operation);
            }
        }
        let again_at = if self.state.circuit().is_some() { at } else { at + self.state.policy.pause(all) };
        self.record(Record::StepFailed {
            run,
            landing,
            what: what.clone(),
            error: why.clone(),
            cause,
            at,
            again_at,
            setup,
        });
        if failures >= STEPS_BEHIND_AFTER && landing.is_some() && !of_green {
            self.step_behind(&what, &why, all, again_at);
        }
    }

    /// Lets the other requests go first: the candidate of this one may be what is broken (pruned, for one), and is made
    /// again. If others passed since it stepped behind before, the failure is its unit's own.
    pub(super) fn step_behind(&mut self, what: &str, error: &str, failures: u32, again_at: Millis) {
        let Some(landing) = self.state.landing().cloned().filter(|l| l.intended_verdict().is_none()) else { return };
        let own = self.state.circuit().is_none() && self.state.others_passed();
        let unit = landing.mr.source.unit().and_then(|unit| self.state.unit(unit)).filter(|_| own);
        if let Some(unit) = unit.filter(|unit| unit.infra + 1 > self.state.policy.max_infrastructure_retries) {
            let id = unit.spec.id.clone();
            let reason = format!("{what} failed {failures} times while other changes passed, last: {error}");
            self.record_rejection(
                &landing,
                RejectClass::Infrastructure,
                vec![reason.clone()],
                NextMove::Fail { reason },
                Vec::new(),
            );
            return self.block_dependants(&id);
        }
        let behind = Behind { again_at, failures, own_fault: unit.is_some() };
        let why = format!("{what} failed {failures} times: merged again, behind the others");
        self.record(Record::Requeued {
            landing: landing.id,
            mr: landing.mr.id,
            why,
            behind: Some(behind),
            waits_for: None,
        });
    }
}

/// A message without its numbers: times and the number of a try differ from try to try.
fn strip_numbers(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}
