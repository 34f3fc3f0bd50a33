//! The parts of a mission's state: units with their attempts, rounds, the queue, the landing and verification in progress.
//!
//! Plain values; how they change is told in [`super::fold`].

use super::books::Known;
use super::record::AttemptClass;
use super::report::{Quick, SessionReport};
use super::said::Said;
use super::turns::Turn;
use crate::domain::unit::UnitSpec;
use crate::domain::values::{CommitId, Millis, SessionId, SlotId, Tip, TreeId, UnitId};
use crate::domain::verify::{Summary, Verdict};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The states of a unit; at every instant each unit has exactly one (P9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the vocabulary of the design")]
pub enum UnitState {
    Pending,
    Running,
    Queued,
    Held,
    Blocked,
    Landed,
    NoOp,
    Rejected,
    Failed,
    Cancelled,
    Skipped,
    RolledBack,
}

impl UnitState {
    /// All states in the order reports use.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Running,
        Self::Queued,
        Self::Held,
        Self::Blocked,
        Self::Landed,
        Self::NoOp,
        Self::Rejected,
        Self::Failed,
        Self::Cancelled,
        Self::Skipped,
        Self::RolledBack,
    ];

    /// The name used in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Blocked => "blocked",
            Self::Landed => "landed",
            Self::NoOp => "no-op",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::RolledBack => "rolled-back",
        }
    }

    /// Whether dependants may start.
    #[must_use]
    pub fn satisfies(self) -> bool {
        matches!(self, Self::Landed | Self::NoOp)
    }

    /// Whether nothing more happens to the unit by itself.
    #[must_use]
    pub fn terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::Running | Self::Queued | Self::Held)
    }

    /// Whether dependants are blocked for good.
    #[must_use]
    pub fn blocks(self) -> bool {
        self.terminal() && !self.satisfies()
    }
}

/// One start of one unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The session that it is.
    pub session: SessionId,
    /// Number among those of its unit, from 1: for people and refs.
    pub n: u32,
    /// The slot it ran in.
    pub slot: SlotId,
    /// When the intent was recorded.
    pub started: Millis,
    /// When its outcome was recorded.
    pub ended: Option<Millis>,
    /// Green when it was made.
    pub green: CommitId,
    /// Commit it started from.
    pub from: CommitId,
    /// Its outcome.
    pub class: Option<AttemptClass>,
    /// What was found when it had ended.
    pub report: Option<Arc<SessionReport>>,
    /// Whether its head is known to be pinned no more: somebody deleted the pin and its commit, or `mc clean` took it.
    pub unpinned: bool,
    /// Whether the journal has a stop that kills it.
    pub(super) stop_recorded: bool,
}

impl Attempt {
    /// One that starts.
    pub(super) fn started(
        session: SessionId,
        n: u32,
        slot: SlotId,
        started: Millis,
        green: &CommitId,
        from: &CommitId,
    ) -> Self {
        let (green, from) = (green.clone(), from.clone());
        let (ended, class, report, unpinned, stop_recorded) = (None, None, None, false, false);
        Self { session, n, slot, started, ended, green, from, class, report, unpinned, stop_recorded }
    }

    /// Its pinned head.
    #[must_use]
    pub fn head(&self) -> Option<&Tip> {
        self.report.as_ref()?.work.head.as_ref()
    }

    /// Summary, question or reason. Untrusted.
    #[must_use]
    pub fn summary(&self) -> &str {
        self.report.as_ref().map_or("", |report| &report.agent.summary)
    }

    /// What else the agent said. Untrusted.
    #[must_use]
    pub fn said(&self) -> &Said {
        self.report.as_ref().map_or(Said::NOTHING, |report| &report.agent.said)
    }

    /// What a person should know.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        self.report.as_ref().map_or(&[], |report| &report.notes)
    }

    /// How the end of its processes was proven; empty where it was not.
    #[must_use]
    pub fn proof(&self) -> &str {
        self.report.as_ref().map_or("", |report| &report.run.proof)
    }

    /// What the stages run in its workspace said.
    #[must_use]
    pub fn quick(&self) -> Option<&Quick> {
        self.report.as_ref()?.checks.quick.as_ref()
    }
}

/// Whether the `accept` line of a unit must fail on green before its change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AcceptPrecondition {
    /// It must.
    #[default]
    Wanted,
    /// It was not shown to fail, and a person was asked.
    InDoubt,
    /// A person said to go on.
    Waived,
}

/// A unit and all that happened to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// What was asked.
    pub spec: Arc<UnitSpec>,
    /// Where it stands.
    pub state: UnitState,
    /// Round it was planned in, from 1.
    pub round: u32,
    /// Wave of that round, from 0.
    pub wave: u32,
    /// Its attempts, append-only.
    pub attempts: Vec<Attempt>,
    /// Attempts that count against the budget.
    pub used: u32,
    /// Infrastructure failures of its own so far.
    pub infra: u32,
    /// Circuits that closed again although it had failed in them.
    pub spared: u32,
    /// Conflicts at landing so far.
    pub conflicts: u32,
    /// Continuations so far.
    pub continues: u32,
    /// Starts so far that count against their cap.
    pub starts: u32,
    /// Why it is where it is. Untrusted.
    pub reason: String,
    /// The unit whose end blocked it.
    pub blocked_by: Option<UnitId>,
    /// Its landing commit.
    pub landed: Option<Tip>,
    /// Verdict of its landing.
    pub verdict: Option<Verdict>,
    /// What later attempts must know, newest last.
    pub evidence: Vec<String>,
    pub(super) known: Known,
    pub(super) must_fail: AcceptPrecondition,
    pub(super) turn: Option<Turn>,
    pub(super) not_before: Millis,
    /// When its last attempt, which has ended and keeps its slot, may be collected again.
    pub(super) collect_at: Option<Millis>,
    pub(super) own_work: Option<CommitId>,
    /// Green and the merged tree of its change that was refused last.
    pub(super) refused: Option<[TreeId; 2]>,
    pub(super) unmet: u32,
    pub(super) dependants: Vec<usize>,
}

/// A head of the target branch that green has not: it was refused like any other change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedTarget {
    /// The head.
    pub head: Tip,
    /// Why it was refused. Untrusted.
    pub why: String,
}

/// One round.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// Number, from 1.
    pub index: u32,
    /// When it began.
    pub opened: Millis,
    /// When it was evaluated.
    pub closed: Option<Millis>,
    /// Its waves as indices into [`State::units`].
    pub waves: Vec<Vec<usize>>,
    /// Units landed in it.
    pub landed: u32,
    /// Units of the plan source left for later rounds.
    pub left_over: u32,
    /// Whether the objective's check passed at its end.
    pub objective: Option<bool>,
    /// Green at the opening of each wave.
    pub bases: Vec<CommitId>,
    pub(super) took_target: bool,
    /// Green's snapshot when it was planned.
    pub(super) before: Option<Summary>,
}

/// What the mission waits for outside of units and landings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "one word per step of design section 12")]
pub enum Stage {
    Preflight,
    Baseline,
    Establishing,
    CheckingTarget,
    Intake,
    Reading,
    Working,
    Evaluating,
    BetweenRounds,
    Over,
}

/// State of the mission as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the vocabulary of the design")]
pub enum MissionState {
    Starting,
    Running,
    Paused,
    Waiting,
    Suspended,
    Stopping,
    Ended,
}
