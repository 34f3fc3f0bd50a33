//! The mission: every rule of rounds, waves, attempts, landings and stopping, as one synchronous function.
//!
//! [`decide`] takes the state, the time and one [`Event`]; it folds the [`Record`]s it makes as it goes and answers with
//! them and with [`Command`]s. The caller makes the records durable before it starts a command. Nothing here reads a
//! clock, a file or a random number: the same events at the same times give the same step (P14).
//!
//! ```text
//! starting ── preflight ─ baseline ─ establish ─► between rounds ◄───────────────────────────┐
//!                  │ refused                          │                                      │
//!                  ▼                                  ▼                                      │
//!                ended ◄── outcome ── check target ─ intake ─ read plan ─ waves ─ evaluate ──┘
//! ```
//!
//! Races and the decision taken:
//! - *A late or doubled answer* carries a session, landing or run that is no longer open: dropped.
//! - *An answer after a stop* is folded like any other: work that finished is pinned and, if it landed, counted.
//! - *Green moved by somebody else* while a candidate is verified: the landing's compare-and-swap notices, never a poll.
//! - *A crash between record and command*: [`Event::Resumed`] asks every open intent again; commands are idempotent by
//!   session, landing and run.

pub mod again;
mod attempts;
mod books;
pub mod budget;
mod cancel;
mod circuit;
mod cold;
mod command;
mod control;
mod cost;
mod ends;
mod event;
mod evidence;
mod fold;
mod follow;
mod landing;
mod moved;
mod parts;
pub mod policy;
mod probe;
mod record;
mod replay;
mod report;
mod rounds;
mod said;
mod session;
mod sessions;
mod slots;
mod state;
mod step_failures;
pub mod timeline;
mod turns;

pub use super::queue::{
    After, Candidate, ColdRuns, Extra, Green, Landing, MergeRequest, MergeSource, Phase, Unproven, VerificationRun,
    VerifyRole,
};
pub use books::{BookkeepingMode, Books, Session, Told};
pub use budget::{Allowance, Budget};
pub use circuit::{Circuit, Operation};
pub use command::{AttemptOrder, Command, JobId, Step, VerifyOrder};
pub use cost::{Cost, Usd};
pub use ends::{EndReason, MissionOutcome};
pub use event::{
    Event, Ground, Integration, LandResult, NoOffer, Noticed, PinFault, Refusal, StopLevel, Unverified, Verification,
};
pub use evidence::{
    PreQueueCheck, UnitCheckStage, deciding_note, extra_stages, in_workspace, links_note, not_started, quick_end,
    tests_note,
};
pub use parts::{AcceptPrecondition, Attempt, MissionState, RefusedTarget, Round, Stage, Unit, UnitState};
pub use policy::Policy;
pub use record::{AttemptClass, DecidedBy, Intake, JOURNAL_FORMAT, NextMove, RULES, Record, RejectClass};
pub use replay::ReplayError;
pub use report::{
    AcceptBefore, AgentReport, CheckReport, Claim, LeftOut, Quick, QuickEnd, RunReport, SessionReport, Unkept,
    WorkReport,
};
pub use said::Said;
pub use session::Role;
pub use state::State;
pub use turns::{Contested, Turn};

use crate::domain::values::Millis;

/// One decision in the making: the state it folds into and what it has said so far.
struct Decision<'s> {
    state: &'s mut State,
    now: Millis,
    step: Step,
}

impl Decision<'_> {
    /// States a fact or intent; it holds from here on.
    fn note(&mut self, record: Record) {
        self.state.apply(&record);
        self.step.records.push(record);
    }

    /// Asks something of the world.
    fn ask(&mut self, command: Command) {
        self.step.commands.push(command);
    }
}

/// Decides what one event leads to. `now` is the engine's clock; a time before an earlier call's is harmless.
#[must_use]
pub fn decide(state: &mut State, now: Millis, event: Event) -> Step {
    let mut d = Decision { state, now, step: Step::default() };
    if !d.state.over() {
        d.react(event);
        d.settle_cancelled();
        d.advance();
    }
    d.step
}

impl Decision<'_> {
    fn react(&mut self, event: Event) {
        match event {
            Event::Begun => self.ask(Command::Preflight),
            Event::Resumed => self.resumed(),
            Event::GreenSeen(tip) => self.green_seen(tip),
            Event::Tick => {}
            Event::Stop(level) => self.stop(level, EndReason::Person),
            // A stop that is decided stays so: its end is on its way.
            Event::WithdrawStop { asked } if !self.state.stopping() => {
                self.note(Record::StopWithdrawn { at: self.now, asked });
            }
            Event::WithdrawStop { .. } => {}
            Event::Pause if !self.state.paused && self.state.stop.is_none() => {
                self.note(Record::Paused { at: self.now })
            }
            Event::Unpause if self.state.paused => self.note(Record::Unpaused { at: self.now }),
            Event::Pause | Event::Unpause => {}
            Event::RetryUnit { unit, answer } => self.retry_unit(&unit, answer),
            Event::CancelUnit { unit } => self.cancel_unit(&unit),
            Event::Preflight(result) => self.preflight(result),
            Event::Established(result) => self.established(result),
            Event::TargetChecked(head) => self.target_checked(head),
            Event::BacklogRead(result) => self.backlog_read(result),
            Event::SessionEnded { session, report } => self.session_ended(session, report),
            Event::SessionBegan { session } => self.session_began(session),
            Event::NotCollected { session, trouble } => self.not_collected(session, trouble),
            Event::Integrated { landing, result } => self.integrated(landing, result),
            Event::Verified { run, result } => self.verified(run, result),
            Event::LandEnded { landing, result } => self.land_ended(landing, result),
            Event::ObjectiveChecked { round, met, pins, moved } => self.objective_checked(round, met, pins, moved),
        }
    }

    /// Starts whatever the state allows now, until nothing more follows.
    fn advance(&mut self) {
        if !self.state.attached || self.state.suspended || self.state.over() {
            return;
        }
        loop {
            let said = (self.step.records.len(), self.step.commands.len());
            self.watch_caps();
            if self.wind_down() {
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
