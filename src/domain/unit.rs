//! What a person or a planner says about one work unit, before anything has happened to it.

use super::values::UnitId;
use serde::{Deserialize, Serialize};

/// One work unit as written in `BACKLOG.md` or a plan file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitSpec {
    /// Its id, unique in the plan.
    pub id: UnitId,
    /// One line for people. Untrusted text.
    pub title: String,
    /// The body given to the agent. Untrusted text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// 0 is the highest; words map critical 0, high 1, medium 2 (default), low 3.
    pub priority: u32,
    /// Units that must be landed or no-op before this one starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends: Vec<UnitId>,
    /// Globs this unit expects to touch; overlapping units are ordered, not made dependent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// A shell line run in the workspace instead of an agent (a script unit).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Additional verification command of this unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
    /// Command that must fail before the unit and pass after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// Total time of one attempt in seconds; absent: `scheduler.session_timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Attempts at most; absent: `scheduler.max_attempts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Role named in the brief.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Agent preset for this unit only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Free words for filtering.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Labels a host must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Human gate before this unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// Whether a checkpoint is made after it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checkpoint: bool,
    /// Estimate as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<String>,
    /// Whether tests may disappear in this unit's change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_removed_tests: bool,
    /// Line of the heading or table in the file it came from, from 1; 0 when it came from elsewhere.
    #[serde(default)]
    pub line: u32,
}

impl UnitSpec {
    /// A unit with the given id and title and every other field at its default (priority 2).
    pub fn new(id: UnitId, title: &str) -> Self {
        Self {
            id,
            title: title.to_owned(),
            description: String::new(),
            priority: 2,
            depends: Vec::new(),
            files: Vec::new(),
            run: None,
            verify: None,
            accept: None,
            timeout: None,
            attempts: None,
            role: None,
            agent: None,
            tags: Vec::new(),
            labels: Vec::new(),
            gate: None,
            checkpoint: false,
            estimate: None,
            allow_removed_tests: false,
            line: 0,
        }
    }
}
