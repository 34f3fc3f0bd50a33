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

mod model;
mod protocol;
pub mod read;
mod rules;
mod state;

pub use super::queue::{
    After, Candidate, ColdRuns, Green, Landing, MergeRequest, MergeSource, Phase, Unproven, VerificationRun, VerifyRole,
};
pub use model::answer::{
    Baseline, Integration, LandResult, NoOffer, Noticed, PinFault, Refusal, Unverified, Verification,
};
pub use model::bookkeeping::{Bookkeeping, BookkeepingMode, Session, UnitOutcome};
pub use model::budget::{Allowance, Budget};
pub use model::circuit::{Circuit, Operation};
pub use model::cost::Cost;
pub use model::end::{EndReason, MissionOutcome, StopLevel};
pub use model::hosts::{HOST_FAILURES, Health, HostPolicy};
pub use model::outcome::{AttemptClass, NextMove, RejectClass};
pub use model::policy::{COLD_EVERY, Policy};
pub use model::report::{
    AcceptBefore, AgentReport, CheckReport, Claim, LeftOut, Quick, QuickEnd, RunReport, SessionReport, Unkept,
    WorkReport,
};
pub use model::round::{MissionState, RefusedTarget, Round, Stage};
pub use model::said::Said;
pub use model::session::Role;
pub use model::turn::{Contested, Turn};
pub use model::unit::{AcceptPrecondition, Attempt, Unit, UnitState};
pub use model::unit_checks::{
    PreQueueCheck, UnitCheckStage, deciding_note, extra_stages, links_note, not_started, quick_end, tests_note,
};
pub use protocol::command::{AttemptOrder, Command, JobId, Step, VerifyOrder};
pub use protocol::event::Event;
pub use protocol::record::{DecidedBy, Intake, JOURNAL_FORMAT, RULES, Record};
pub use read::liveness::{Liveness, Witness};
pub use read::rejudge;
pub use read::timeline;
pub use rules::decide::decide;
pub use rules::outcome::in_workspace;
pub use state::mission::State;
pub use state::replay::{Mission, ReplayError};
