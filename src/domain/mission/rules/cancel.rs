//! Giving a single unit up because a person says so, while the rest of the mission goes on, and what a rollback does to units.
//!
//! Nothing of it is lost: what an attempt made is pinned before the unit is called cancelled. A landing whose move of
//! green is already intended is not given up: only `mc green rollback` takes back what has landed.

use super::decision::Decision;
use crate::domain::mission::model::{NextMove, Unit, UnitState};
use crate::domain::mission::protocol::{Command, JobId, Record};
use crate::domain::queue::{Landing, MergeSource};
use crate::domain::values::UnitId;

/// What a unit says of its end when a person gave it up.
const BY_PERSON: &str = "cancelled by a person";

/// How an attempt of a unit that is being given up leaves it: whatever it came to, ready for a fresh start from its work.
pub(super) fn given_up(unit: &Unit) -> NextMove {
    NextMove::Retry { not_before: 0, own_work: unit.spec.run.is_none(), because: String::new() }
}

impl Decision<'_> {
    pub(super) fn cancel_unit(&mut self, id: &UnitId) {
        let Some(unit) = self.state.unit(id) else { return };
        if unit.state.terminal() || self.state.cancelling.contains(id) || self.state.may_have_landed(id) {
            return;
        }
        self.record(Record::UnitCancelAsked { unit: id.clone(), at: self.now });
        self.give_up_collecting(Some(id));
        self.kill_attempt(id);
    }

    pub(super) fn kill_attempt(&mut self, id: &UnitId) {
        let open = self.state.unit(id).and_then(|u| u.attempts.last()).filter(|a| a.ended.is_none());
        if let Some(session) = open.map(|a| a.session) {
            self.request(Command::Cancel(JobId::Session(session)));
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
            self.record(Record::UnitCancelled { unit: unit.clone(), reason: BY_PERSON.to_owned() });
            self.block_dependants(&unit);
            self.kill_unwanted_runs();
        }
    }

    /// Whether the merge that has just ended is of a unit that was given up meanwhile; then its candidate is not wanted.
    pub(super) fn merge_given_up(&mut self, landing: &Landing) -> bool {
        let MergeSource::Unit { unit, .. } = &landing.mr.source else { return false };
        if !self.state.cancelling.contains(unit) {
            return false;
        }
        self.requeue(landing, "its unit was cancelled", None, None);
        true
    }

    /// For a new engine: the attempts and the verification that an earlier one was about to kill.
    pub(super) fn kill_given_up(&mut self) {
        let open: Vec<UnitId> = self.state.cancelling.iter().cloned().collect();
        open.iter().for_each(|unit| self.kill_attempt(unit));
        self.kill_unwanted_runs();
    }

    /// Ends the verifications that nobody waits for any more.
    pub(super) fn kill_unwanted_runs(&mut self) {
        let unwanted = self.state.queue.runs().filter(|run| self.state.is_unwanted(run));
        for run in unwanted.map(|run| run.run).collect::<Vec<_>>() {
            self.request(Command::Cancel(JobId::Run(run)));
        }
    }
}
