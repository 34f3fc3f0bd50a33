//! Starting units: slots are filled as long as a unit is ready and the caps allow it.

use super::decision::Decision;
use crate::domain::mission::model::circuit::Try;
use crate::domain::mission::model::{Allowance, EndReason, Operation, Role, StopLevel, Unit};
use crate::domain::mission::protocol::{Command, JobId, Record};
use crate::domain::values::{CommitId, SessionId};

impl Decision<'_> {
    /// Collects again what could not be kept, then fills free slots with ready units.
    pub(super) fn dispatch(&mut self) {
        self.collect_again();
        while self.state.may_dispatch() && self.state.circuit_allows(Try::Start, self.now) {
            let Some((i, allowance)) = self.state.next_start(self.now) else { return };
            if allowance == Allowance::Over {
                return self.stop(StopLevel::Drain, EndReason::Budget);
            }
            if !self.start_attempt(i) {
                return;
            }
        }
    }

    /// Starts the next attempt of the unit at `i`; no where there is no green to start on, or no slot.
    pub(super) fn start_attempt(&mut self, i: usize) -> bool {
        let Some(green) = self.state.green().map(|g| g.tip.commit.clone()) else { return false };
        let Some(slot) = self.state.free_slot(i) else { return false };
        let unit = &self.state.units[i];
        let n = u32::try_from(unit.attempts.len()).unwrap_or(u32::MAX) + 1;
        let green = if n == 1 { self.wave_base(unit).unwrap_or(green) } else { green };
        let from = unit.own_work.clone().unwrap_or_else(|| green.clone());
        let (id, evidence) = (unit.spec.id.clone(), unit.evidence.clone());
        self.record(Record::SessionStarted {
            session: self.state.sessions.next(),
            role: Role::Worker,
            unit: id.clone(),
            n,
            slot: slot.number,
            at: self.now,
            host: slot.host,
            green,
            from,
            evidence,
        });
        if let Some(order) = self.state.attempt_order(&id) {
            self.request(Command::Start(order));
        }
        true
    }

    /// First attempts of a wave share one base: green when the wave opened.
    pub(super) fn wave_base(&self, unit: &Unit) -> Option<CommitId> {
        let round = self.state.rounds.iter().find(|r| r.index == unit.round)?;
        round.bases.get(unit.wave as usize).cloned()
    }

    /// A program of ours runs in a prepared workspace: whatever kept attempts from that is over.
    pub(super) fn session_began(&mut self, session: SessionId) {
        if let Some((_, started)) = self.running_session(session) {
            self.assess_success(&[Operation::Prepare], started);
        }
    }

    /// Asks the executor to kill everything that runs; each task still ends in its own event.
    pub(super) fn kill_running(&mut self) {
        if self.state.stopping_now() {
            self.give_up_collecting(None);
        }
        let running: Vec<SessionId> = self.state.running_attempts().map(|(_, attempt)| attempt.session).collect();
        for session in running {
            self.request(Command::Cancel(JobId::Session(session)));
        }
        if let Some(run) = self.state.current_verification().map(|v| v.run) {
            self.request(Command::Cancel(JobId::Run(run)));
        }
        if self.state.checking {
            let round = self.state.rounds.last().map_or(0, |r| r.index);
            self.request(Command::Cancel(JobId::Check(round)));
        }
    }
}
