//! What the caps still allow, and the time that engines worked.

use super::mission::State;
use crate::domain::mission::model::{Allowance, AttemptClass, Cost, Unit};
use crate::domain::mission::protocol::record::Record;
use crate::domain::queue::VerificationRun;
use crate::domain::values::Millis;
use crate::domain::values::Usd;

impl State {
    /// Whether the caps, and what agents can do now, allow one more attempt of this unit.
    pub fn check_allowance(&self, unit: &Unit, now: Millis) -> Allowance {
        if unit.spec.run.is_some() {
            return Allowance::Start;
        }
        match (self.agent_allowance(), self.agents_from()) {
            (Allowance::Start, Some(from)) if from <= now => Allowance::Start,
            (Allowance::Start, _) => Allowance::Wait,
            (not, _) => not,
        }
    }

    /// From when on an agent may start by what agents can do and by what others have reserved; none: something must end first, or
    /// no agent of this engine may.
    pub(super) fn agents_from(&self) -> Option<Millis> {
        if self.access.refusal().is_some() || self.agent_allowance() == Allowance::Wait {
            return None;
        }
        match self.access.freeze() {
            None => Some(0),
            // One is let go, and its end says whether the others are.
            Some(freeze) => (self.agents_running() == 0).then_some(freeze.until),
        }
    }

    fn agent_allowance(&self) -> Allowance {
        let budget = &self.policy.budget;
        if budget.max_tokens > 0 && self.account.tokens >= budget.max_tokens {
            return Allowance::Over;
        }
        if budget.per_run == Usd(0) {
            return Allowance::Start;
        }
        let next = self.charged_cost().0.saturating_add(self.attempt_reserve().0);
        if next > budget.per_run.0 {
            Allowance::Over
        } else if next.saturating_add(self.reserved_cost().0) > budget.per_run.0 {
            Allowance::Wait
        } else {
            Allowance::Start
        }
    }

    /// What is reserved for one attempt of an agent.
    fn attempt_reserve(&self) -> Usd {
        if self.policy.budget.counts_unknown { self.policy.budget.per_session } else { Usd(0) }
    }

    /// What attempts that have ended count against the cap: what is known, and the reserve for each that is not.
    pub fn charged_cost(&self) -> Usd {
        Usd(self.account.usd.0.saturating_add(self.account.unknown.saturating_mul(self.attempt_reserve().0)))
    }

    /// What is reserved for the agents that run now.
    pub fn reserved_cost(&self) -> Usd {
        Usd(self.attempt_reserve().0.saturating_mul(self.agents_running()))
    }

    /// Attempts of agents that run now, or wait to be collected; what they cost is not known yet.
    pub fn agents_running(&self) -> u64 {
        self.hosts.slots().agents()
    }

    /// Folds the end of an attempt into the account. One that never ran cost nothing.
    pub(super) fn charge_attempt(&mut self, script: bool, class: AttemptClass, measured: Option<Cost>) {
        let cost = match script || class == AttemptClass::NeverStarted {
            true => Cost::NOTHING,
            false => measured.unwrap_or_default(),
        };
        let account = &mut self.account;
        match cost.usd {
            Some(usd) => account.usd.0 = account.usd.0.saturating_add(usd.0),
            None => account.unknown += 1,
        }
        match cost.tokens {
            Some(tokens) => account.tokens = account.tokens.saturating_add(tokens),
            None => account.unknown_tokens += 1,
        }
    }

    /// When the mission's time is over, as things stand: a fixed time of day, or so much work of engines, whichever is
    /// earlier.
    pub fn ends_at(&self) -> Option<Millis> {
        let (cap, until) = (self.policy.max_wall_time, self.policy.until);
        let by_work = self.clock.since.filter(|_| cap > 0).map(|since| since + cap.saturating_sub(self.clock.ran));
        by_work.into_iter().chain((until > 0).then_some(until)).min()
    }

    /// Folds the time a record tells of.
    pub(super) fn advance_clock(&mut self, record: &Record) {
        match record {
            Record::Suspended { at, .. } | Record::Waiting { at } | Record::MissionEnded { at, .. } => {
                self.clock.seen = self.clock.seen.max(*at);
                self.clock.stop();
            }
            Record::Resumed { at, .. } => {
                self.clock.stop();
                self.clock.since = Some(*at);
                self.clock.seen = self.clock.seen.max(*at);
            }
            // Written by a command of a person when no engine was at work.
            Record::AttemptJudged { unit, .. } if self.cancelling.contains(unit) => {}
            Record::RoundOpened { at, .. }
            | Record::WaveOpened { at, .. }
            | Record::SessionStarted { at, .. }
            | Record::AttemptJudged { at, .. }
            | Record::CollectFailed { at, .. }
            | Record::CollectAsked { at, .. }
            | Record::CircuitOpened { at, .. }
            | Record::CircuitKept { at, .. }
            | Record::CircuitClosed { at, .. }
            | Record::HostReady { at, .. }
            | Record::HostBenched { at, .. }
            | Record::HostProbed { at, .. }
            | Record::StageAsked { at, .. }
            | Record::LandingStarted { at, .. }
            | Record::VerifyStarted(VerificationRun { at, .. })
            | Record::Verified { at, .. }
            | Record::VerificationDropped { at, .. }
            | Record::StepFailed { at, .. }
            | Record::Landed { at, .. }
            | Record::MergeEmpty { at, .. }
            | Record::Rejected { at, .. }
            | Record::RoundClosed { at, .. } => self.clock.seen = self.clock.seen.max(*at),
            _ => {}
        }
    }
}
