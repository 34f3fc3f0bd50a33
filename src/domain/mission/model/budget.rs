//! Caps on money and tokens, and what was spent until now.

use crate::domain::values::Millis;
use crate::domain::values::Usd;
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
    pub(in crate::domain::mission) ran: Millis,
    /// When the engine of now began; absent while none is at work.
    pub(in crate::domain::mission) since: Option<Millis>,
    /// The newest time an engine wrote.
    pub(in crate::domain::mission) seen: Millis,
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

impl Clock {
    /// The clock of a mission whose first engine begins.
    pub(in crate::domain::mission) fn start(at: Millis) -> Self {
        Self { ran: 0, since: Some(at), seen: at }
    }

    /// The engine is gone; it worked at least until the newest time it wrote.
    pub(in crate::domain::mission) fn stop(&mut self) {
        if let Some(since) = self.since.take() {
            self.ran += self.seen.saturating_sub(since);
        }
    }
}
