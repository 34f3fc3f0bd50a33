//! What a mission asks of the world. The executor turns each into one task that ends in exactly one event.

use super::event::Event;
use super::record::Record;
use crate::domain::mission::model::{Bookkeeping, Contested, SessionReport, UnitCheckStage};
use crate::domain::queue::{MergeSource, VerifyRole};
use crate::domain::trouble::Trouble;
use crate::domain::unit::UnitSpec;
use crate::domain::values::{CommitId, HostId, LandingId, RunId, SessionId, SlotId, Tip, UnitId};
use crate::domain::verify::SnapshotKey;
use std::sync::Arc;

/// A request to the world. Records of it are durable before it starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Look at repository, green, isolation and disk; change nothing.
    Preflight,
    /// Claim the repository and make or adopt green at the verified tip.
    Establish {
        /// Where green is, or will be made.
        tip: Tip,
        /// Whether to make it.
        create: bool,
    },
    /// See whether green, which stands here, contains the target branch.
    CheckTarget(Tip),
    /// Read the backlog at green.
    ReadBacklog {
        /// Green.
        green: Tip,
        /// The head of the target branch that was refused, whose backlog counts all the same.
        outside: Option<Tip>,
    },
    /// Prepare a slot, run the unit, collect and pin what came of it.
    Start(AttemptOrder),
    /// Take over an attempt of an earlier engine: see what became of it, wait, collect and pin.
    Adopt(AttemptOrder),
    /// End a job before its time; the event that ends it follows.
    Cancel(JobId),
    /// Merge a head onto green in the isolated directory and pin the candidate.
    Integrate {
        /// Token of the landing.
        landing: LandingId,
        /// Green.
        onto: Tip,
        /// What to merge.
        head: CommitId,
        /// Whose change it is.
        source: MergeSource,
        /// Title for the landing commit. Untrusted.
        title: String,
        /// Files of other units' turns; the answer says which of them the candidate touches.
        contested: Vec<Contested>,
    },
    /// Write marks and a session on top of green and pin the candidate; an `Integrated` follows.
    WriteBookkeeping {
        /// Token of the landing.
        landing: LandingId,
        /// Green.
        onto: Tip,
        /// What to write.
        bookkeeping: Arc<Bookkeeping>,
    },
    /// Verify one tree, or answer from the snapshot store.
    Verify(VerifyOrder),
    /// Move green from `expected` to `candidate`, or find out what became of an earlier try.
    Land {
        /// Token of the landing.
        landing: LandingId,
        /// The verified commit.
        candidate: Tip,
        /// Where green must stand.
        expected: CommitId,
        /// Whose change it is.
        source: MergeSource,
        /// Whether it is only found out: what the candidate was accepted by holds no more.
        ask_only: bool,
    },
    /// Pin green as the round's checkpoint, then run the objective's check at it, if there is one.
    CheckObjective {
        /// The round.
        round: u32,
        /// Green.
        green: Tip,
        /// Where it runs.
        host: HostId,
        /// The pin of every ended attempt of the mission: unit, number and head.
        pins: Vec<(UnitId, u32, CommitId)>,
    },
    /// Ask a host whether it answers and what its environment is.
    ProbeHost(HostId),
    /// Leave the loop with this exit code.
    Exit {
        /// Exit code of the command line.
        code: u8,
    },
}

/// What runs processes for a command, and can be cancelled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobId {
    /// A session.
    Session(SessionId),
    /// A verification.
    Run(RunId),
    /// The objective's check at the end of this round.
    Check(u32),
}

impl Event {
    /// What a session came to: its report, or why what it made could not be collected.
    pub fn of_session(session: SessionId, came_to: Result<SessionReport, Trouble>) -> Self {
        match came_to {
            Ok(report) => Self::SessionEnded { session, report: Box::new(report) },
            Err(trouble) => Self::NotCollected { session, trouble },
        }
    }

    /// The job that ends with it, if one does.
    pub fn ended_job(&self) -> Option<JobId> {
        match self {
            Self::SessionEnded { session, .. } | Self::NotCollected { session, .. } => Some(JobId::Session(*session)),
            Self::Verified { run, .. } => Some(JobId::Run(*run)),
            Self::ObjectiveChecked { round, .. } => Some(JobId::Check(*round)),
            _ => None,
        }
    }
}

/// One attempt to be made or taken over.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptOrder {
    /// The unit.
    pub spec: Arc<UnitSpec>,
    /// The session; the fencing token.
    pub session: SessionId,
    /// Which attempt of the unit, from 1; names folders and refs.
    pub n: u32,
    /// Where it runs.
    pub slot: SlotId,
    /// Green when the attempt was made; results are compared with the merge base of it.
    pub green: CommitId,
    /// Commit the workspace starts at: green or the unit's own earlier head.
    pub from: CommitId,
    /// Why earlier attempts did not do, newest last; goes into the brief.
    pub evidence: Vec<String>,
    /// Whether `accept` is asked on green before an agent is started.
    pub accept_first: bool,
}

/// One verification to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyOrder {
    /// Number of the verification in this mission; names its run directories.
    pub run: RunId,
    /// Where it runs.
    pub host: HostId,
    /// What to verify.
    pub tip: Tip,
    /// Snapshot to compare with.
    pub against: Option<SnapshotKey>,
    /// Snapshot of the same tree that this run confirms; a stored answer is not taken then.
    pub confirms: Option<SnapshotKey>,
    /// Lines of a unit to run instead of the gate's stages; empty: the gate's stages.
    pub unit_checks: Vec<UnitCheckStage>,
    /// What it is for.
    pub role: VerifyRole,
    /// Files of earlier runs may be there only from runs of this commit or of an ancestor of it: what has landed.
    pub onto: CommitId,
    /// Whether none may be there at all, and no result of a run with some is an answer.
    pub cold: bool,
}

/// What one event led to: records to make durable, then commands to start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    /// Facts and intents, in order.
    pub records: Vec<Record>,
    /// What to ask of the world once the records are durable.
    pub commands: Vec<Command>,
}
