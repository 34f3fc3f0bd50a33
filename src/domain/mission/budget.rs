//! Money, tokens and time of a mission: what is known, what is reserved, what the caps still allow (P9, P11).
//!
//! Unknown is never 0: the cost of an attempt is known only where somebody measured it, and a script costs nothing. Where a
//! cap counts, an agent's attempt has `per_session` reserved before it starts; what it then cost, or that sum when nobody
//! knows, is charged when it ends. Time counts while an engine works, told by the times in the journal: a night between a
//! crash and a resume uses up nothing.

use super::cost::{Cost, Usd};
use super::parts::Unit;
use super::record::{AttemptClass, Record};
use super::state::State;
use crate::domain::values::Millis;
use serde::{Deserialize, Serialize};

/// Caps of a mission on money and tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Money of the whole mission; 0 = no cap.
    pub per_run: Usd,
    /// Reserved for one attempt of an agent; charged when nobody knows what it cost.
    pub per_session: Usd,
    /// Tokens of the whole mission; 0 = no cap.
    pub max_tokens: u64,
    /// Whether attempts of unknown cost count, as `per_session` each.
    pub counts_unknown: bool,
}

/// Sums over the attempts that have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// What is known to be spent.
    pub usd: Usd,
    /// Attempts whose money nobody knows.
    pub unknown: u64,
    /// Tokens known to be used.
    pub tokens: u64,
    /// Attempts whose tokens nobody knows.
    pub unknown_tokens: u64,
}

/// When engines worked on the mission.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    /// Time of engines that are gone.
    ran: Millis,
    /// When the engine of now began; absent while none is at work.
    since: Option<Millis>,
    /// The newest time an engine wrote.
    seen: Millis,
}

/// Whether an attempt may start by the caps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// Yes.
    Start,
    /// Perhaps when what runs has ended and what it did not use is free again.
    Wait,
    /// Never again in this mission.
    Over,
}

impl State {
    /// Whether the caps allow one more attempt of this unit.
    #[must_use]
    pub fn allowance(&self, unit: &Unit) -> Allowance {
        if unit.spec.run.is_some() { Allowance::Start } else { self.agent_allowance() }
    }

    /// Whether agents that are ready wait for what others have reserved.
    pub(super) fn waits_for_money(&self) -> bool {
        self.agent_allowance() == Allowance::Wait
    }

    fn agent_allowance(&self) -> Allowance {
        let budget = &self.policy.budget;
        if budget.max_tokens > 0 && self.account.tokens >= budget.max_tokens {
            return Allowance::Over;
        }
        if budget.per_run == Usd(0) {
            return Allowance::Start;
        }
        let next = self.charged().0.saturating_add(self.reserve().0);
        if next > budget.per_run.0 {
            Allowance::Over
        } else if next.saturating_add(self.reserved().0) > budget.per_run.0 {
            Allowance::Wait
        } else {
            Allowance::Start
        }
    }

    /// What is reserved for one attempt of an agent.
    fn reserve(&self) -> Usd {
        if self.policy.budget.counts_unknown { self.policy.budget.per_session } else { Usd(0) }
    }

    /// What attempts that have ended count against the cap: what is known, and the reserve for each that is not.
    #[must_use]
    pub fn charged(&self) -> Usd {
        Usd(self.account.usd.0.saturating_add(self.account.unknown.saturating_mul(self.reserve().0)))
    }

    /// What is reserved for the agents that run now.
    #[must_use]
    pub fn reserved(&self) -> Usd {
        Usd(self.reserve().0.saturating_mul(self.agents_running()))
    }

    /// Attempts of agents that run now, or wait to be collected; what they cost is not known yet.
    #[must_use]
    pub fn agents_running(&self) -> u64 {
        self.slots.users().filter(|i| self.units[*i].spec.run.is_none()).count() as u64
    }

    /// Folds the end of an attempt into the account. One that never ran cost nothing.
    pub(super) fn charge(&mut self, script: bool, class: AttemptClass, measured: Option<Cost>) {
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
    #[must_use]
    pub fn ends_at(&self) -> Option<Millis> {
        let (cap, until) = (self.policy.max_wall_time, self.policy.until);
        let by_work = self.clock.since.filter(|_| cap > 0).map(|since| since + cap.saturating_sub(self.clock.ran));
        by_work.into_iter().chain((until > 0).then_some(until)).min()
    }

    /// Folds the time a record tells of.
    pub(super) fn tell_time(&mut self, record: &Record) {
        match record {
            Record::Suspended { at, .. } | Record::Waiting { at } | Record::MissionEnded { at, .. } => {
                self.clock.seen = self.clock.seen.max(*at);
                self.clock.close();
            }
            Record::Resumed { at, .. } => {
                self.clock.close();
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
            | Record::StageAsked { at }
            | Record::LandingStarted { at, .. }
            | Record::VerifyStarted { at, .. }
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

impl Clock {
    /// The clock of a mission whose first engine begins.
    #[must_use]
    pub(super) fn begun(at: Millis) -> Self {
        Self { ran: 0, since: Some(at), seen: at }
    }

    /// The engine is gone; it worked at least until the newest time it wrote.
    fn close(&mut self) {
        if let Some(since) = self.since.take() {
            self.ran += self.seen.saturating_sub(since);
        }
    }
}
