//! Failures of steps of landings and verifications.

use super::mission::State;
use crate::domain::mission::model::{Operation, Stage};
use crate::domain::trouble::Cause;
use crate::domain::values::{LandingId, Millis, RunId};

impl State {
    /// Folds that a step met trouble at the first of these times, and may be tried again from the second on.
    pub(super) fn step_broke_off(
        &mut self,
        (run, landing): (Option<RunId>, Option<LandingId>),
        cause: &Cause,
        setup: Option<&str>,
        (at, again_at): (Millis, Millis),
    ) {
        let operation = Operation::of_step(run, landing);
        if self.stage != Stage::Baseline && !self.is_kill_requested() {
            self.apply_trouble(cause, operation, self.step_witness(run, landing), at, false);
        }
        if operation == Operation::Plan {
            // Whatever the queue does meanwhile: an idle run of green may be open.
            self.stage_again_at = Some(again_at);
            self.checking = false;
            let gone = self.is_unreachable(&self.asked_stage_on(), cause);
            self.stage_failures += u32::from(!gone);
        } else if self.queue.fail_step(run, landing, setup, again_at) {
            self.verifications_run += 1;
        }
    }
}
