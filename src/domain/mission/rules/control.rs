//! Stopping, pausing, caps, resuming, and the mission's end.

use super::decision::Decision;
use crate::domain::mission::model::end::ENVIRONMENT;
use crate::domain::mission::model::{EndReason, MissionOutcome, Stage, StopLevel, UnitState};
use crate::domain::mission::protocol::{Command, DecidedBy, Record};
use crate::domain::values::UnitId;

/// Exit code of an interrupted, resumable mission.
const INTERRUPTED: u8 = 130;

/// Exit code of a mission that ended with units that did not land.
const UNLANDED: u8 = 3;

impl Decision<'_> {
    pub(super) fn stop(&mut self, level: StopLevel, why: EndReason) {
        if self.state.stop.is_some_and(|(now, _)| now >= level) {
            return;
        }
        self.record(Record::StopRequested { level, at: self.now, why });
        if level > StopLevel::Drain {
            self.kill_running();
        }
    }

    /// Ends what the caps say must end.
    pub(super) fn watch_caps(&mut self) {
        if self.state.ends_at().is_some_and(|end| self.now >= end) && !self.state.is_closing() {
            self.stop(StopLevel::Now, EndReason::WallTime);
        }
    }

    /// Brings a stopping or held mission to its end once nothing is open. True when nothing else may happen.
    pub(super) fn drain(&mut self) -> bool {
        if self.state.is_over() || self.state.suspended {
            return true;
        }
        let busy = !self.state.is_idle()
            || self.state.current_verification().is_some()
            || self.state.checking
            || self.state.landing().is_some_and(|l| l.at_work());
        let Some((level, why)) = self.state.stop else {
            if self.state.hold.is_some() && !busy {
                self.suspend_mission(self.state.hold_code);
                return true;
            }
            return self.suspend_for_trouble() || self.suspend_for_agent();
        };
        match level {
            StopLevel::Drain => {
                let landing = match self.state.is_closing() {
                    true => self.state.bookkeeping.is_some(),
                    false => self.state.landing().is_some() || !self.state.queue.is_empty(),
                };
                let between = !matches!(self.state.stage, Stage::Baseline | Stage::Preflight | Stage::Establishing);
                // What waits for a common cause to pass is not waited for when a person has it end.
                let waits = self.state.circuit().is_some() && (why == EndReason::Person || self.state.is_closing());
                let fails = self.state.hold.is_some() || waits || self.state.closing_fails(self.now);
                if fails && !busy {
                    self.end_stopped(why);
                    return true;
                }
                if self.suspend_for_trouble() {
                    return true;
                }
                if busy || landing || self.state.collects_at().is_some() || !between {
                    return false;
                }
                // What landed until now is told of, too.
                if self.request_bookkeeping() || self.state.green_pending() {
                    return false;
                }
                self.end_stopped(why);
            }
            StopLevel::Interrupt if !busy => self.suspend_mission(INTERRUPTED),
            StopLevel::Now if !busy && self.close(why) => return false,
            StopLevel::Now if !busy => self.end_stopped(why),
            StopLevel::Interrupt | StopLevel::Now => {}
        }
        true
    }

    pub(super) fn suspend_mission(&mut self, code: u8) {
        self.record(Record::Suspended { at: self.now, code, cause: None });
        self.request(Command::Exit { code });
    }

    pub(super) fn end_stopped(&mut self, why: EndReason) {
        let (outcome, reason, code) = match why {
            EndReason::Person => (MissionOutcome::Stopped, "stopped by request", UNLANDED),
            EndReason::WallTime if self.state.policy.until > 0 && self.now >= self.state.policy.until => {
                (MissionOutcome::WallTime, "the time it was to end at has come", UNLANDED)
            }
            EndReason::WallTime => (MissionOutcome::WallTime, "the wall-time cap is reached", UNLANDED),
            EndReason::Budget => (MissionOutcome::Budget, "the budget allows no further attempt", UNLANDED),
        };
        match (&self.state.hold, self.state.hold_code) {
            (Some((held, _)), hold) if hold != ENVIRONMENT => {
                let reason = format!("{reason}; {held}");
                self.end(outcome, reason, hold);
            }
            _ => self.end(outcome, reason.to_owned(), code),
        }
    }

    /// Ends a mission whose rounds are over, or leaves it waiting when units are held for a person.
    pub(super) fn finish_mission(&mut self, outcome: MissionOutcome, reason: String) {
        if self.state.count(UnitState::Held) > 0 && outcome != MissionOutcome::ObjectiveMet {
            self.record(Record::Waiting { at: self.now });
            self.request(Command::Exit { code: UNLANDED });
            return;
        }
        self.end(outcome, reason, UNLANDED);
    }

    /// Ends the mission; `code` holds unless everything known landed and the objective, if checked, is met.
    pub(super) fn end(&mut self, outcome: MissionOutcome, reason: String, code: u8) {
        self.give_up_collecting(None);
        let open: Vec<(UnitId, UnitState)> =
            self.state.units.iter().filter(|u| !u.state.terminal()).map(|u| (u.spec.id.clone(), u.state)).collect();
        for (unit, state) in open {
            let reason = match state {
                UnitState::Queued => format!("{reason}; its change is pinned and was not landed"),
                _ => reason.clone(),
            };
            self.record(Record::UnitCancelled { unit, reason });
        }
        let unmet = self.state.rounds.last().is_some_and(|r| r.objective == Some(false));
        let clean = match outcome {
            MissionOutcome::ObjectiveMet | MissionOutcome::BacklogDone => true,
            MissionOutcome::MaxRounds
            | MissionOutcome::Stalled
            | MissionOutcome::Stopped
            | MissionOutcome::WallTime
            | MissionOutcome::Budget => !self.state.units.is_empty(),
            MissionOutcome::Refused | MissionOutcome::Error => false,
        };
        let unproven = self.state.cold_runs().unproven.len();
        let calm = self.state.hold.is_none() && self.state.cold_runs().search.is_none() && unproven == 0;
        let done = match outcome {
            // The objective says when it is enough; what else the plan source has was not asked for.
            MissionOutcome::ObjectiveMet => self.state.planned_done(),
            _ => self.state.all_done(),
        };
        let code = if clean && calm && !unmet && done { 0 } else { code };
        let reason = match unproven {
            // A hold says itself what it is about.
            0 => reason,
            _ if self.state.hold.is_some() => reason,
            1 => format!("{reason}; the last landing was not verified without files of earlier runs"),
            n => format!("{reason}; the last {n} landings were not verified without files of earlier runs"),
        };
        self.record(Record::MissionEnded { at: self.now, outcome, reason, code });
        self.request(Command::Exit { code });
    }

    /// A new engine: every open intent is asked again, exactly once each.
    pub(super) fn handle_resume(&mut self) {
        let decided_by = Some(DecidedBy::current()).filter(|by| *by != self.state.decided_by);
        self.record(Record::Resumed { at: self.now, decided_by });
        if self.state.paused {
            self.record(Record::Unpaused { at: self.now });
        }
        self.ask_hosts();
        let open: Vec<UnitId> = self.state.running_attempts().map(|(u, _)| u.spec.id.clone()).collect();
        for unit in open {
            if let Some(order) = self.state.attempt_order(&unit) {
                self.request(Command::Adopt(order));
            }
        }
        if let Some(v) = self.state.current_verification().cloned() {
            let order = self.state.verify_order(v);
            self.request(Command::Verify(order));
        }
        self.kill_given_up();
        self.ask_landing_again();
        self.ask_stage();
        if self.state.is_kill_requested() {
            self.kill_running();
        }
    }

    pub(super) fn ask_landing_again(&mut self) {
        let Some(landing) = self.state.landing().cloned().filter(|l| l.at_work()) else { return };
        match landing.candidate() {
            None => self.integrate(landing.id, landing.onto.clone(), &landing.mr),
            Some(_) => self.land(&landing),
        }
    }
}
