//! What is found when a session has ended: one report in four parts, by who says it.
//!
//! The run is what the supervisor proved, the work is what git has, the agent is what it claims, the checks are what stages said
//! of the work. Only run, work and checks decide; a claim counts where it costs its author something. Beside the parts stand what
//! all of them lead to: what a person must look at, and what a person should know.

use super::cost::Cost;
use super::said::Said;
use crate::domain::agent::{AgentEnd, Failure, StreamReport};
use crate::domain::base::is_default;
use crate::domain::ending::ProcessEnd;
use crate::domain::values::{Millis, Tip};
use crate::domain::verify::{SnapshotKey, StageOutcome};
use serde::{Deserialize, Serialize};

/// What an agent claims to have done; compared with git, never believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// It says it is done.
    Completed,
    /// It says it failed.
    Failed,
    /// It cannot go on without a person.
    Blocked,
    /// It wants another attempt from its own work.
    Continue,
}

/// A file of a workspace that is no part of the attempt's commit though git does not ignore it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its path from the root, odd bytes replaced. Untrusted.
    pub path: String,
    /// Why it was left out.
    pub why: Unkept,
    /// Where it is kept; absent: in its workspace, which was set aside as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// Why a file is no part of the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unkept {
    /// Git does not take its name, or what it is: no commit can hold this work.
    Refused,
    /// We may not read it: a person must look.
    Unread,
}

/// What was found when a session had ended and its workspace was collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReport {
    /// How its run ended.
    pub run: RunReport,
    /// What it left.
    #[serde(default)]
    pub work: WorkReport,
    /// What the agent says of itself, and what it cost.
    #[serde(default, skip_serializing_if = "is_default")]
    pub agent: AgentReport,
    /// What stages said before and after it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub checks: CheckReport,
    /// Why the unit must wait for a person although it ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// What a person should know: rescued repositories, other tips kept, foreign refs changed, survivors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How the run of a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// How the process ended.
    pub end: ProcessEnd,
    /// Which limit ended it, with its value, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// How the end of the process tree was proven: `pid namespace` or `search`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proof: String,
    /// When the process started and ended, if it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<(Millis, Millis)>,
}

/// What a session left in its workspace and in the user's repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkReport {
    /// Pinned head of the workspace; absent when nothing could exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Tip>,
    /// Whether the head's tree differs from the merge base with green.
    #[serde(default)]
    pub changed: bool,
    /// Whether a merge or rebase was left half done.
    #[serde(default)]
    pub half_merge: bool,
    /// What is no part of `head` though git does not ignore it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// What changed in the user's repository meanwhile, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repository: Vec<String>,
    /// Whether it left something that could not be pinned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unpinned: bool,
}

impl SessionReport {
    /// Whether it ended well: the word of its agent decides where there is one, the exit of its process elsewhere.
    pub fn ended_well(&self) -> bool {
        match (&self.run.end, self.agent.says_completed()) {
            (ProcessEnd::NeverStarted | ProcessEnd::Infrastructure(_) | ProcessEnd::Stopped, _) => false,
            (_, Some(completed)) => completed,
            (end, None) => *end == ProcessEnd::Exited(0),
        }
    }
}

impl WorkReport {
    /// What was left out for this reason.
    pub fn left_out(&self, why: Unkept) -> impl Iterator<Item = &LeftOut> {
        self.left_out.iter().filter(move |left| left.why == why)
    }
}

/// What an agent says of itself, and what it cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentReport {
    /// The handoff's status, if there was a readable one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Summary, question or reason from the handoff or the tail of the output, at most 2 KiB. Untrusted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// What else it said of its work. Untrusted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub said: Said,
    /// What somebody measured of its cost. Never what an agent says of itself in a handoff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What its stream of events told, where it has one that is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Box<StreamReport>>,
}

impl AgentReport {
    /// Why it could not go on, by its own word.
    pub fn failure(&self) -> Option<Failure> {
        match self.stream.as_ref()?.end.as_ref()? {
            AgentEnd::Failed { failure, .. } => Some(*failure),
            _ => None,
        }
    }

    /// Whether it says that it has nothing more to do; absent where agents of its kind do not say.
    pub fn says_completed(&self) -> Option<bool> {
        Some(*self.stream.as_ref()?.end.as_ref()? == AgentEnd::Completed)
    }
}

/// What stages said before and after a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// What the stages run in its workspace afterwards said, if any were run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quick: Option<Quick>,
    /// What `accept` said on green before an agent was started, or why none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<AcceptBefore>,
}

/// How what ran in a workspace ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuickEnd {
    /// Every stage passed.
    Passed,
    /// A stage said no.
    Failed,
    /// A stage was killed by its timeout or a signal, and none said no.
    Cut,
    /// A command was not found or could not be executed, and nothing else went wrong: says nothing about the work.
    Missing,
}

/// What running stages in the workspace of an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quick {
    /// How it ended.
    pub end: QuickEnd,
    /// The first stage that did not pass, with the ends of its output, at most 2 KiB; empty when all passed. Untrusted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Whether stages that had not passed were run a second time.
    #[serde(default)]
    pub confirmed: bool,
    /// When the first stage started and the last one ended.
    pub ran: (Millis, Millis),
}

/// What the `accept` line of a unit said on green before its agent would have been started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptBefore {
    /// Key of the snapshot.
    pub key: SnapshotKey,
    /// Its outcome.
    pub outcome: StageOutcome,
    /// How often it was run for that; 0: known before.
    #[serde(default)]
    pub runs: u32,
}

impl AcceptBefore {
    /// Whether it stands in the way of starting an agent: it does not fail where it has to.
    pub fn is_doubtful(&self) -> bool {
        self.outcome != StageOutcome::Failed
    }
}

impl SessionReport {
    /// A report with nothing but the way the process ended.
    pub fn from_end(end: ProcessEnd) -> Self {
        Self {
            run: RunReport { end, limit: None, proof: String::new(), ran: None },
            work: WorkReport::default(),
            agent: AgentReport::default(),
            checks: CheckReport::default(),
            hold: None,
            notes: Vec::new(),
        }
    }

    /// The report of a session whose agent was not started because of what `accept` said. It cost nothing.
    pub fn not_started(question: String) -> Self {
        let agent = AgentReport { cost: Some(Cost::NOTHING), ..AgentReport::default() };
        Self { hold: Some(question), agent, ..Self::from_end(ProcessEnd::NeverStarted) }
    }
}
