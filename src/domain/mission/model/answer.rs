//! What the world answers to the mission's commands.

use crate::domain::queue::Candidate;
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::{CommitId, Tip, UnitId};
use crate::domain::verify::{Delta, SnapshotKey, Summary};
use serde::{Deserialize, Serialize};

/// Why the backlog offers nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoOffer {
    /// It is no plan: what is wrong with it, with line numbers. Untrusted.
    Faulty(String),
    /// It could not be read.
    Trouble(Trouble),
}

/// What changed in the user's repository while something ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noticed {
    /// What a person must look at before the change that was at work may land, in one sentence.
    pub held: Option<String>,
    /// What anybody may have done, one sentence each.
    pub named: Vec<String>,
}

/// The pin of an ended attempt is gone, or holds something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinFault {
    /// The unit.
    pub unit: UnitId,
    /// Which start of it.
    pub n: u32,
    /// What the pin must hold.
    pub head: CommitId,
    /// What it held; absent: it was gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<CommitId>,
    /// Whether it holds the head again; not so where the commit itself is gone.
    pub restored: bool,
    /// Why not; empty where it does, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// What preflight found: where green stands, or where it will be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Green, or the target's head when green does not exist yet.
    pub tip: Tip,
    /// Whether green must be made at `tip`.
    pub create: bool,
    /// What results depend on beside tree and stages, on the engine that works on it now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub environment: String,
    /// Things a person should know, one line each (edits left out, missing isolation, …).
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Why a mission cannot start, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What failed, on what.
    pub reason: String,
    /// The command or change that helps.
    pub hint: String,
    /// Exit code of the command line: 2 usage, 5 another mc, 6 environment.
    pub exit: u8,
}

/// What merging a change onto green came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integration {
    /// A commit that may land if it verifies; pinned.
    Candidate(Candidate),
    /// The merged tree is green's tree: nothing to land.
    Unchanged,
    /// Both sides changed the same text.
    Conflict {
        /// Paths in conflict.
        files: Vec<String>,
        /// git's messages, shortened.
        detail: String,
    },
    /// What bookkeeping came to: a commit that may land if it verifies, pinned, or nothing where all is written already.
    Bookkeeping {
        /// The commit.
        candidate: Option<Tip>,
        /// What was left as it is, and why, one line each.
        notes: Vec<String>,
    },
    /// The change brings links that leave the tree, with path and target of each; nothing was verified. Untrusted.
    Links(Vec<String>),
    /// The change touches these paths, which must stay as they are; nothing was verified. Untrusted.
    Protected(Vec<String>),
}

/// What a verification came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// Key of the stored snapshot.
    pub key: SnapshotKey,
    /// What the landing needs of it.
    pub summary: Summary,
    /// Difference to the snapshot it was asked to compare with.
    pub delta: Option<Delta>,
    /// Whether a stored snapshot answered without a run.
    pub reused: bool,
    /// Whether more than one run of the tree went into it.
    pub confirmed: bool,
    /// Whether files of earlier runs were there.
    pub warm: bool,
    /// What changed in the user's repository while it ran.
    pub noticed: Noticed,
}

/// What trying to move green came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LandResult {
    /// Green is the candidate, or already contains it; green now.
    Landed(Tip),
    /// Somebody moved green forward from the expected commit; where it stands now.
    Forward(Tip),
    /// Somebody moved green away from the expected commit (or deleted it); where it stands now. The expected one is pinned.
    Back(Option<CommitId>),
    /// Green is checked out in this work tree, so moving it would change that work tree's meaning.
    CheckedOut(String),
    /// It was only asked, and green stands where it is expected.
    NotMoved,
}

/// Why a verification told nothing of its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// A sentence. Untrusted text.
    pub why: String,
    /// What stood in the way.
    pub cause: Cause,
    /// Exit code of the setup command, when it is what failed: it ran to its end and said no. Else it is infrastructure.
    pub setup: Option<i32>,
}

impl From<String> for Unverified {
    fn from(why: String) -> Self {
        Trouble::from(why).into()
    }
}

impl From<Trouble> for Unverified {
    fn from(Trouble { cause, why }: Trouble) -> Self {
        Self { why, cause, setup: None }
    }
}

impl From<Unverified> for Trouble {
    fn from(not: Unverified) -> Self {
        Self { cause: not.cause, why: not.why }
    }
}

impl From<Unverified> for String {
    fn from(not: Unverified) -> Self {
        not.why
    }
}

impl PinFault {
    /// A sentence for people.
    pub fn words(&self) -> String {
        let was = match &self.held {
            Some(held) => format!("held {}", held.short_id()),
            None => "was gone".to_owned(),
        };
        let now = match self.restored {
            true => "it holds it again".to_owned(),
            false if self.why.is_empty() => "it could not be put right".to_owned(),
            false => format!("it could not be put right: {}", self.why),
        };
        let (unit, n, head) = (&self.unit, self.n, self.head.short_id());
        format!("somebody changed the pin of {unit}, attempt {n}: it {was} and not {head}; {now}")
    }
}
