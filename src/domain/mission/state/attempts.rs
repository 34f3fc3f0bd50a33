//! Attempts: what is known of those that run, and how many a unit has left.

use super::mission::State;
use crate::domain::mission::model::{StopLevel, Unit};
use crate::domain::mission::protocol::command::AttemptOrder;
use crate::domain::values::UnitId;
use std::sync::Arc;

impl State {
    /// The order of a unit's open attempt, as first given and as asked again after a restart.
    pub fn attempt_order(&self, id: &UnitId) -> Option<AttemptOrder> {
        let unit = self.unit(id)?;
        let attempt = unit.attempts.last().filter(|a| a.ended.is_none())?;
        Some(AttemptOrder {
            spec: Arc::clone(&unit.spec),
            session: attempt.session,
            n: attempt.n,
            slot: attempt.slot.clone(),
            green: attempt.green.clone(),
            from: attempt.from.clone(),
            evidence: unit.evidence.clone(),
            accept_first: unit.spec.run.is_none() && unit.wants_failure_before(),
        })
    }

    /// Whether everything is to be killed for good.
    pub(in crate::domain::mission) fn stopping_now(&self) -> bool {
        matches!(self.stop, Some((StopLevel::Now, _)))
    }

    /// Whether a kill was asked for by a person or a cap.
    pub(in crate::domain::mission) fn is_kill_requested(&self) -> bool {
        matches!(self.stop, Some((StopLevel::Interrupt | StopLevel::Now, _)))
    }
}

impl State {
    /// Whether a unit has had all the starts it may have, of whatever class. Never fewer than its attempts.
    pub(in crate::domain::mission) fn starts_used(&self, unit: &Unit) -> bool {
        let attempts = unit.spec.attempts.unwrap_or(self.policy.max_attempts);
        unit.starts >= self.policy.max_starts.max(attempts)
    }

    /// Folds a stop that kills what runs: an attempt that is open now may end by it.
    pub(super) fn record_stops(&mut self) {
        for i in self.hosts.slots().occupants().collect::<Vec<_>>() {
            self.update_unit(i, Unit::stop_recorded);
        }
    }
}
