//! Rounds, and where a mission stands.

use crate::domain::values::{CommitId, Millis, Tip};
use crate::domain::verify::Summary;
use serde::{Deserialize, Serialize};

/// A head of the target branch that green has not: it was refused like any other change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedTarget {
    /// The head.
    pub head: Tip,
    /// Why it was refused. Untrusted.
    pub why: String,
}

/// One round.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Round {
    /// Number, from 1.
    pub index: u32,
    /// When it began.
    pub opened: Millis,
    /// When it was evaluated.
    pub closed: Option<Millis>,
    /// Its waves as indices into `State::units`.
    pub waves: Vec<Vec<usize>>,
    /// Units of its plan that landed, whenever that was.
    pub landed: u32,
    /// Whether any unit landed while it was open.
    pub progress: bool,
    /// Units of the plan source left for later rounds.
    pub left_over: u32,
    /// Whether the objective's check passed at its end.
    pub objective: Option<bool>,
    /// Green at the opening of each wave.
    pub bases: Vec<CommitId>,
    pub(in crate::domain::mission) took_target: bool,
    /// Green's snapshot when it was planned.
    pub(in crate::domain::mission) before: Option<Summary>,
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
