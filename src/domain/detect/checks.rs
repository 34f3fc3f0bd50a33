//! What `mc doctor` says: checks with a mark, what was found, and what helps.

use serde::Serialize;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// As it should be.
    Ok,
    /// Missions run, but a person should know.
    Warning,
    /// A mission would be refused or fail.
    Problem,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at, one word; several checks may share it.
    pub about: &'static str,
    /// How it came out.
    pub mark: Mark,
    /// What was found. Untrusted text.
    pub found: String,
    /// The command or change that helps; empty where nothing has to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub help: String,
}

impl Check {
    /// As it should be.
    pub fn ok(about: &'static str, found: impl Into<String>) -> Self {
        Self { about, mark: Mark::Ok, found: found.into(), help: String::new() }
    }

    /// Something to know.
    pub fn warning(about: &'static str, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self { about, mark: Mark::Warning, found: found.into(), help: help.into() }
    }

    /// Something that stops a mission.
    pub fn problem(about: &'static str, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self { about, mark: Mark::Problem, found: found.into(), help: help.into() }
    }
}

/// Whether one of the checks stops a mission.
pub fn has_problem(checks: &[Check]) -> bool {
    checks.iter().any(|check| check.mark == Mark::Problem)
}
