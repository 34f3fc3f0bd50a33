//! One event to its decision: who reacts, and what follows from the state.

use super::decision::Decision;
use crate::domain::mission::model::end::EndReason;
use crate::domain::mission::protocol::{Command, Event, Record, Step};
use crate::domain::mission::state::replay::Mission;
use crate::domain::values::Millis;

/// Decides what one event leads to. `now` is the engine's clock; a time before an earlier call's is harmless.
#[must_use]
pub fn decide(state: &mut Mission, now: Millis, event: Event) -> Step {
    let mut d = Decision { state, now, step: Step::default() };
    if !d.state.is_over() {
        d.handle_event(event);
        d.settle_cancelled();
        d.advance();
    }
    d.step
}

impl Decision<'_> {
    pub(super) fn handle_event(&mut self, event: Event) {
        match event {
            Event::Begun => {
                self.request(Command::Preflight);
                self.ask_hosts();
            }
            Event::Resumed => self.handle_resume(),
            Event::GreenSeen(tip) => self.green_seen(tip),
            Event::EnvironmentSeen(environment) => self.environment_seen(environment),
            Event::Tick => {}
            Event::Stop(level) => self.stop(level, EndReason::Person),
            // A stop that is decided stays so: its end is on its way.
            Event::WithdrawStop { asked } if !self.state.is_stopping() => {
                self.record(Record::StopWithdrawn { at: self.now, asked });
            }
            Event::WithdrawStop { .. } => {}
            Event::Pause if !self.state.paused && self.state.stop.is_none() => {
                self.record(Record::Paused { at: self.now })
            }
            Event::Unpause if self.state.paused => self.record(Record::Unpaused { at: self.now }),
            Event::Pause | Event::Unpause => {}
            Event::RetryUnit { unit, answer } => self.retry_unit(&unit, answer),
            Event::CancelUnit(unit) => self.cancel_unit(&unit),
            Event::DrainHost(host) => self.drain_host(host, true),
            Event::ResumeHost(host) => self.drain_host(host, false),
            Event::HostSeen { host, result } => self.host_seen(host, result),
            Event::Preflight(result) => self.preflight(result),
            Event::Established(result) => self.handle_establish(result),
            Event::TargetChecked(head) => self.target_checked(head),
            Event::BacklogRead(result) => self.backlog_read(result),
            Event::SessionEnded { session, report } => self.session_ended(session, report),
            Event::SessionBegan(session) => self.session_began(session),
            Event::NotCollected { session, trouble } => self.not_collected(session, trouble),
            Event::Integrated { landing, result } => self.handle_integration(landing, result),
            Event::Verified { run, result } => self.handle_verification(run, result),
            Event::LandEnded { landing, result } => self.land_ended(landing, result),
            Event::ObjectiveChecked { round, met, pins, moved } => self.objective_checked(round, met, pins, moved),
        }
    }

    /// Starts whatever the state allows now, until nothing more follows.
    pub(super) fn advance(&mut self) {
        if !self.state.attached || self.state.suspended || self.state.is_over() {
            return;
        }
        loop {
            let said = (self.step.records.len(), self.step.commands.len());
            self.watch_caps();
            self.watch_hosts();
            if self.drain() {
                return;
            }
            self.advance_baseline();
            self.advance_cold();
            self.begin_turns();
            self.advance_landing();
            self.dispatch();
            self.advance_round();
            if said == (self.step.records.len(), self.step.commands.len()) {
                return;
            }
        }
    }
}
