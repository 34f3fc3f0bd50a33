//! What is written into the repository of what units came to.

use super::end::EndReason;
use super::unit::{Unit, UnitState};
use crate::domain::backlog::Mark;
use crate::domain::base::text::{one_line, replace_control_chars, shorten, turns_direction};
use crate::domain::values::{CommitId, Millis, UnitId};
use crate::domain::verify::Summary;
use serde::{Deserialize, Serialize};

/// Longest reason in a mark, in characters.
const REASON: usize = 160;

/// Which files of the repository a mission keeps; fixed when it starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BookkeepingMode {
    /// None.
    #[default]
    Nothing,
    /// Sessions in `PROGRESS.md`: the plan is not in the repository.
    Progress,
    /// Marks in `BACKLOG.md` too.
    Backlog,
}

impl BookkeepingMode {
    pub(in crate::domain::mission) fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

/// What is written about a mission at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bookkeeping {
    /// The round that has been worked on.
    pub round: u32,
    /// When this was put together.
    pub at: Millis,
    /// Which files are written.
    pub keeps: BookkeepingMode,
    /// Marks for `BACKLOG.md`, in plan order; none where the plan is not in the repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
    /// The session for `PROGRESS.md`.
    pub session: Session,
    /// The head of the target branch that was refused: its `BACKLOG.md` is the one that is marked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<CommitId>,
}

/// What the units came to since the last session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// What the mission is for; may be empty. Untrusted.
    pub objective: String,
    /// The units that this session tells of, in plan order.
    pub units: Vec<UnitOutcome>,
    /// All other units that are not done, in plan order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<UnitOutcome>,
    /// Units of the plan source left for later rounds.
    #[serde(default)]
    pub left_over: u32,
    /// Green's snapshot when the round was planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Summary>,
    /// Green's snapshot now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Summary>,
    /// Green now.
    pub green: CommitId,
    /// Verifications that were run for the mission so far.
    pub runs: u64,
    /// Verifications answered by a stored snapshot so far.
    pub reused: u64,
    /// Why the mission ends before its time, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<EndReason>,
}

/// One unit as a session tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitOutcome {
    /// The unit.
    pub unit: UnitId,
    /// Its title. Untrusted.
    pub title: String,
    /// Where it stands.
    pub state: UnitState,
    /// Its landing commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// Why, on one line. Untrusted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl UnitOutcome {
    pub(in crate::domain::mission) fn of(unit: &Unit) -> Self {
        Self {
            unit: unit.spec.id.clone(),
            title: unit.spec.title.clone(),
            state: unit.state,
            commit: unit.landed.as_ref().map(|tip| tip.commit.clone()),
            reason: first_line(&unit.reason),
        }
    }
}

/// The first line of a text that says something, on one line and cut.
pub(in crate::domain::mission) fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    shorten(&one_line(&replace_control_chars(line).replace(turns_direction, " ")), REASON)
}

/// A summary without what only the landing needs of it.
pub(in crate::domain::mission) fn strip_summary(summary: &Summary) -> Summary {
    Summary { flaky: Vec::new(), note: String::new(), ..summary.clone() }
}
