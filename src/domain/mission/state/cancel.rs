//! Units that a person gave up, and what a rollback took back.

use super::mission::State;
use crate::domain::mission::model::unit::{Unit, UnitState};
use crate::domain::queue::{Landing, MergeSource, VerificationRun, VerifyRole};
use crate::domain::values::{CommitId, Tip, UnitId};

impl State {
    /// The open landing of this unit's change.
    pub(in crate::domain::mission) fn landing_of(&self, id: &UnitId) -> Option<&Landing> {
        let own = |l: &&Landing| matches!(&l.mr.source, MergeSource::Unit { unit, .. } if unit == id);
        self.queue.landings().find(own)
    }

    /// Whether moving green to this unit's change is already intended, so that it may have happened.
    pub fn may_have_landed(&self, id: &UnitId) -> bool {
        self.landing_of(id).is_some_and(|landing| landing.intended_verdict().is_some())
    }

    /// Whether the landing that a verification was for is given up, or something wants to land that goes before it.
    pub(in crate::domain::mission) fn is_unwanted(&self, run: &VerificationRun) -> bool {
        match run.landing {
            Some(landing) => self.queue.landing(landing).is_none(),
            None => run.role == VerifyRole::Cold && self.cold_can_wait() && !self.queue.is_empty(),
        }
    }

    /// Folds a rollback of green, which a person asks for when the mission is over.
    pub(super) fn apply_rollback(&mut self, n: u64, to: &Tip, landings: &[CommitId]) {
        self.queue.roll_back_green(to);
        self.landed = self.landed.saturating_sub(landings.len() as u64);
        let taken = |unit: &Unit| unit.landed.as_ref().is_some_and(|tip| landings.contains(&tip.commit));
        let taken: Vec<usize> = (0..self.units.len()).filter(|i| taken(&self.units[*i])).collect();
        for i in taken {
            self.update_unit(i, |u| {
                u.state = UnitState::RolledBack;
                u.reason = format!("taken back by a person (rollback {n})");
            });
        }
    }

    /// Folds a cancellation: the unit leaves the queue and the landing that was not yet intended.
    pub(super) fn apply_cancellation(&mut self, unit: &UnitId, reason: &str) {
        self.cancelling.remove(unit);
        self.queue.remove_of(unit);
        let given_up =
            self.landing_of(unit).filter(|landing| landing.intended_verdict().is_none()).map(|landing| landing.id);
        given_up.map(|landing| self.queue.end_landing(landing));
        self.unit_to(unit, |u| {
            u.state = UnitState::Cancelled;
            u.turn = None;
            reason.clone_into(&mut u.reason);
        });
    }
}
