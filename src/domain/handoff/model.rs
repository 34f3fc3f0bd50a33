//! How an agent is told its work, and what it may say of it.

use crate::domain::mission::{Claim, Said};
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

/// How the agent gets its brief.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, EnumString, IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum PromptMode {
    /// On standard input, which is closed after it.
    #[default]
    Stdin,
    /// As the last argument.
    Arg,
    /// As the path of a file, in the last argument.
    File,
}

/// What an agent says about its attempt, with every text capped (summary 2 KiB, lists 50 items of 500 characters).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handoff {
    /// How it says the attempt ended.
    pub status: Claim,
    /// What it did, why it failed, or the question to a person.
    pub summary: String,
    /// Commits it says it made.
    pub commits: Vec<String>,
    /// Files it says it changed.
    pub files_changed: Vec<String>,
    /// Why nothing needed to change, if it says so.
    pub no_op_reason: Option<String>,
    /// Further work it found.
    pub discoveries: Vec<String>,
    /// What it is unsure about.
    pub concerns: Vec<String>,
    /// Choices it made.
    pub decisions: Vec<String>,
    /// What stands in its way.
    pub blockers: Vec<String>,
    /// What should be done next.
    pub follow_ups: Vec<String>,
}

impl Handoff {
    /// What of it decides nothing and is kept for people.
    pub fn to_details(&self) -> Said {
        let lists: [(&str, &[String]); 7] = [
            ("discoveries", &self.discoveries),
            ("concerns", &self.concerns),
            ("decisions", &self.decisions),
            ("blockers", &self.blockers),
            ("follow_ups", &self.follow_ups),
            ("files_changed", &self.files_changed),
            ("commits", &self.commits),
        ];
        Said::of(self.no_op_reason.clone(), &lists)
    }
}
