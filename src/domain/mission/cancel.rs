//! Giving a single unit up because a person says so, while the rest of the mission goes on, and what a rollback does to units.
//!
//! Nothing of it is lost: what an attempt made is pinned before the unit is called cancelled. A landing whose move of
//! green is already intended is not given up: only `mc green rollback` takes back what has landed.

use super::Decision;
use super::command::{Command, JobId};
use super::parts::{Unit, UnitState};
use super::record::{NextMove, Record};
use super::state::State;
use crate::domain::queue::{Landing, MergeSource, VerifyRole};
use crate::domain::values::{CommitId, RunId, Tip, UnitId};

/// What a unit says of its end when a person gave it up.
const BY_PERSON: &str = "cancelled by a person";

/// How an attempt of a unit that is being given up leaves it: whatever it came to, ready for a fresh start from its work.
pub(super) fn given_up(unit: &Unit) -> NextMove {
    NextMove::Retry { not_before: 0, own_work: unit.spec.run.is_none(), because: String::new() }
}

impl Decision<'_> {
    pub(super) fn cancel_unit(&mut self, id: &UnitId) {
        let Some(unit) = self.state.unit(id) else { return };
        if unit.state.terminal() || self.state.cancelling.contains(id) || self.state.lands_now(id) {
            return;
        }
        self.note(Record::UnitCancelAsked { unit: id.clone(), at: self.now });
        self.give_up_collecting(Some(id));
        self.kill_attempt(id);
    }

    fn kill_attempt(&mut self, id: &UnitId) {
        let open = self.state.unit(id).and_then(|u| u.attempts.last()).filter(|a| a.ended.is_none());
        if let Some(session) = open.map(|a| a.session) {
            self.ask(Command::Cancel(JobId::Session(session)));
        }
    }

    /// Cancels what a person gave up and nothing works on any more.
    pub(super) fn settle_cancelled(&mut self) {
        let quiet = |id: &&UnitId| {
            let running = self.state.unit(id).is_some_and(|u| u.state == UnitState::Running);
            !running && self.state.landing_of(id).is_none_or(|landing| !landing.at_work())
        };
        let settled: Vec<UnitId> = self.state.cancelling.iter().filter(quiet).cloned().collect();
        for unit in settled {
            self.note(Record::UnitCancelled { unit: unit.clone(), reason: BY_PERSON.to_owned() });
            self.block_dependants(&unit);
            if let Some(run) = self.state.unwanted_verification() {
                self.ask(Command::Cancel(JobId::Run(run)));
            }
        }
    }

    /// Whether the merge that has just ended is of a unit that was given up meanwhile; then its candidate is not wanted.
    pub(super) fn merge_given_up(&mut self, landing: &Landing) -> bool {
        let MergeSource::Unit { unit, .. } = &landing.mr.source else { return false };
        if !self.state.cancelling.contains(unit) {
            return false;
        }
        let why = "its unit was cancelled".to_owned();
        self.note(Record::Requeued { landing: landing.id, mr: landing.mr.id, why, behind: None, waits_for: None });
        true
    }

    /// For a new engine: the attempts and the verification that an earlier one was about to kill.
    pub(super) fn kill_given_up(&mut self) {
        let open: Vec<UnitId> = self.state.cancelling.iter().cloned().collect();
        open.iter().for_each(|unit| self.kill_attempt(unit));
        if let Some(run) = self.state.unwanted_verification() {
            self.ask(Command::Cancel(JobId::Run(run)));
        }
    }
}

impl State {
    /// The landing in progress, if it is this unit's.
    fn landing_of(&self, id: &UnitId) -> Option<&Landing> {
        let own = |l: &&Landing| matches!(&l.mr.source, MergeSource::Unit { unit, .. } if unit == id);
        self.landing().filter(own)
    }

    /// Whether moving green to this unit's change is already intended, so that it may have happened.
    #[must_use]
    pub fn lands_now(&self, id: &UnitId) -> bool {
        self.landing_of(id).is_some_and(|landing| landing.intended().is_some())
    }

    /// The verification in progress, if the landing it was for is given up, or something wants to land that goes before it.
    pub(super) fn unwanted_verification(&self) -> Option<RunId> {
        // No other landing begins before it has ended.
        let unwanted = |run: &&super::VerificationRun| match run.landing {
            Some(landing) => self.queue.landing(landing).is_none(),
            None => run.role == VerifyRole::Cold && self.cold_can_wait() && !self.queue.is_empty(),
        };
        self.queue.runs().find(unwanted).map(|run| run.run)
    }

    /// Folds a rollback of green, which a person asks for when the mission is over.
    pub(super) fn rolled_back(&mut self, n: u64, to: &Tip, landings: &[CommitId]) {
        self.queue.roll_back_green(to);
        self.landed = self.landed.saturating_sub(landings.len() as u64);
        let taken = |unit: &Unit| unit.landed.as_ref().is_some_and(|tip| landings.contains(&tip.commit));
        let taken: Vec<usize> = (0..self.units.len()).filter(|i| taken(&self.units[*i])).collect();
        for i in taken {
            self.touch(i, |u| {
                u.state = UnitState::RolledBack;
                u.reason = format!("taken back by a person (rollback {n})");
            });
        }
    }

    /// Folds a cancellation: the unit leaves the queue and the landing that was not yet intended.
    pub(super) fn cancelled(&mut self, unit: &UnitId, reason: &str) {
        self.cancelling.remove(unit);
        self.queue.remove_of(unit);
        let given_up = self.landing_of(unit).filter(|landing| landing.intended().is_none()).map(|landing| landing.id);
        given_up.map(|landing| self.queue.end_landing(landing));
        self.unit_to(unit, |u| {
            u.state = UnitState::Cancelled;
            u.turn = None;
            reason.clone_into(&mut u.reason);
        });
    }
}
