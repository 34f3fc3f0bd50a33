//! The journal's vocabulary: the one serde type of the domain that is stored.
//!
//! Format 2. Variants and fields are only added, with defaults. The journals in `tests/data/journals` fold to the same state for ever.

use crate::domain::backlog::SkippedItem;
use crate::domain::base::is_default;
use crate::domain::mission::model::end::ENVIRONMENT;
use crate::domain::mission::model::{
    AttemptClass, Baseline, Bookkeeping, EndReason, MissionOutcome, NextMove, Operation, PinFault, Policy, Refusal,
    RejectClass, Role, SessionReport, StopLevel,
};
use crate::domain::plan::graph::Edge;
use crate::domain::queue::{Behind, Candidate, MergeSource, VerificationRun};
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::unit::UnitSpec;
use crate::domain::values::{CommitId, HostId, LandingId, Millis, MissionId, RequestId, RunId, SessionId, Tip, UnitId};
use crate::domain::verify::{Delta, SnapshotKey, Summary, Verdict};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The format of the journals that this version writes and reads. Format 1 was never released.
pub const JOURNAL_FORMAT: u32 = 2;

/// Version of the rules by which this `mc` decides: what an attempt's end means, what a change is judged to be, what follows. It
/// is raised when a rule decides otherwise on the same facts; the sentences that tell a decision may change without.
pub const RULES: u32 = 1;

/// Whose rules and words a mission's records are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedBy {
    /// The [`RULES`] it was decided by.
    pub rules: u32,
    /// The version of `mc`, whose sentences the records have.
    pub mc: String,
}

impl DecidedBy {
    /// The rules and the version of this program.
    pub fn current() -> Self {
        Self { rules: RULES, mc: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// One durable fact or intent of a mission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "fields repeat the types they carry; the variants say what they mean")]
pub enum Record {
    /// The mission exists, in state starting. `settings` is the effective configuration, opaque to the domain.
    MissionStarted {
        format: u32,
        decided_by: DecidedBy,
        mission: MissionId,
        at: Millis,
        objective: String,
        policy: Box<Policy>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<Vec<UnitSpec>>,
        settings: serde_json::Value,
    },
    /// Nothing stands in the way; green is here or will be made here.
    PreflightPassed { baseline: Baseline },
    /// The untouched base verifies well enough to judge changes by it.
    BaselineAccepted { tip: Tip },
    /// The mission cannot start.
    Refused { refusal: Refusal },
    /// Green is made or adopted; the mission is running.
    Established { tip: Tip },
    /// A round begins.
    RoundOpened { round: u32, at: Millis },
    /// The target's head is contained in green, or is queued as a merge request first.
    TargetSeen {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        intake: Option<Intake>,
    },
    /// Intent: the plan source is read.
    PlanAsked { round: u32 },
    /// The plan of a round: units new to the mission or planned again, with waves counted from the round's first.
    RoundPlanned {
        round: u32,
        units: Vec<Arc<UnitSpec>>,
        edges: Vec<Edge>,
        wave_of: Vec<u32>,
        #[serde(default, skip_serializing_if = "is_default")]
        left_over: u32,
        /// What the backlog names and no mission takes up as it stands.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        skipped: Vec<SkippedItem>,
        /// Items that a person had taken up again by their names, with the status they had.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reopened: Vec<(UnitId, String)>,
    },
    /// The plan source cannot be read as a plan.
    PlanUnreadable { round: u32, reason: String },
    /// Units of this wave may start.
    WaveOpened { round: u32, wave: u32, at: Millis, green: CommitId },
    /// Intent: a session. Of role worker it is attempt `n` of its unit.
    SessionStarted {
        session: SessionId,
        role: Role,
        unit: UnitId,
        n: u32,
        slot: u32,
        at: Millis,
        host: HostId,
        green: CommitId,
        from: CommitId,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<String>,
    },
    /// A session has ended, and what it made is kept.
    SessionEnded { session: SessionId, at: Millis, report: Box<SessionReport> },
    /// What the end of a worker's session means, and its unit's next move: in the same transaction.
    AttemptJudged { session: SessionId, unit: UnitId, n: u32, at: Millis, class: AttemptClass, next: NextMove },
    /// A session has ended, and what it made could not be kept yet: it stays in its slot, and is collected again.
    CollectFailed { session: SessionId, unit: UnitId, n: u32, at: Millis, again_at: Millis, trouble: Trouble },
    /// Intent: a session that has ended is collected again.
    CollectAsked { session: SessionId, unit: UnitId, n: u32, at: Millis },
    /// A cause is common: what needs it waits, but for one probe at a time; what was charged for it is given back.
    CircuitOpened { cause: Cause, operation: Operation, at: Millis, again_at: Millis },
    /// It still is: `tries` probes have failed, or a further cause joins.
    CircuitKept { cause: Cause, operation: Operation, at: Millis, again_at: Millis, tries: u32 },
    /// Something that had failed for these causes succeeds again.
    CircuitClosed { at: Millis, causes: Vec<Cause> },
    /// A host answered: its environment is what results of its runs depend on beside tree and stages.
    HostReady { host: HostId, at: Millis, environment: String },
    /// A host is not used for a while: it does not answer, or nothing could run there again and again. `tries` counts such
    /// failures since something succeeded there.
    HostBenched { host: HostId, at: Millis, again_at: Millis, tries: u32, trouble: Trouble },
    /// Intent: a benched host is asked again.
    HostProbed { host: HostId, at: Millis },
    /// A person took a host out of use.
    HostDrained { host: HostId, at: Millis },
    /// A person took a drained host back into use.
    HostResumed { host: HostId, at: Millis },
    /// A unit waits for a person as it stands: no host can run it.
    UnitHeld { unit: UnitId, at: Millis, question: String },
    /// A dependency will not land.
    UnitBlocked { unit: UnitId, cause: UnitId },
    /// The cause of a block was given a fresh start.
    UnitUnblocked { unit: UnitId },
    /// Intent: a person gives the unit up; its attempt is killed, or its merge awaited, before it is cancelled.
    UnitCancelAsked { unit: UnitId, at: Millis },
    /// A person gave the unit up, or the mission ended before it did.
    UnitCancelled { unit: UnitId, reason: String },
    /// A person gave the unit a fresh start.
    UnitRetried {
        unit: UnitId,
        at: Millis,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        answer: String,
    },
    /// Intent: a merge request is being landed onto green.
    LandingStarted { mr: RequestId, landing: LandingId, onto: Tip, at: Millis },
    /// The candidate exists and is pinned.
    CandidateMade {
        landing: LandingId,
        #[serde(flatten)]
        made: Candidate,
    },
    /// Intent: a verification run.
    VerifyStarted(VerificationRun),
    /// Outcome of a verification.
    Verified {
        run: RunId,
        at: Millis,
        key: SnapshotKey,
        summary: Summary,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delta: Option<Box<Delta>>,
        #[serde(default)]
        reused: bool,
        #[serde(default)]
        confirmed: bool,
        /// Whether files of earlier runs were there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        warm: bool,
    },
    /// What a run of the position before the unproven landings found is what they are compared with.
    ColdMeasured { tip: Tip, at: Millis },
    /// What a cold run says of a position of green that landed on a warm result: whether it holds without the files of
    /// earlier runs. One that does not is narrowed down to the landing that brought it.
    ColdJudged { tip: Tip, at: Millis, holds: bool, reasons: Vec<String> },
    /// A step of a landing or a verification met infrastructure; it is tried again at `again_at`.
    StepFailed {
        /// The run that ended with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// The landing that waits because of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        landing: Option<LandingId>,
        what: String,
        error: String,
        #[serde(default = "untold_cause")]
        cause: Cause,
        at: Millis,
        again_at: Millis,
        /// Exit code of the setup command, when it is what failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        setup: Option<i32>,
    },
    /// Intent: the question of the round's step that met trouble is asked again; the objective's check is asked on this host.
    StageAsked {
        at: Millis,
        #[serde(default = "HostId::local", skip_serializing_if = "HostId::is_local")]
        host: HostId,
    },
    /// A verification was broken off, because nobody wants its result any more or because its host does not answer; no failure of
    /// what was verified.
    VerificationDropped { run: RunId, at: Millis },
    /// The engine runs things in another environment than the one before it: what was found there says nothing here.
    EnvironmentChanged { at: Millis, environment: String },
    /// Intent: the open step of the landing is asked again.
    StepAsked { landing: LandingId },
    /// Intent: green moves from `expected` to `candidate`.
    LandIntended {
        landing: LandingId,
        candidate: Tip,
        expected: CommitId,
        key: SnapshotKey,
        verdict: Verdict,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accept_before: Option<SnapshotKey>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit_checks: Option<SnapshotKey>,
    },
    /// Green contains the candidate; `green` is where it stands.
    Landed {
        landing: LandingId,
        mr: RequestId,
        source: MergeSource,
        at: Millis,
        candidate: Tip,
        green: Tip,
        verdict: Verdict,
        reasons: Vec<String>,
    },
    /// Intent: marks and a session are a merge request.
    BookkeepingRequested { mr: RequestId, green: Tip, bookkeeping: Box<Bookkeeping> },
    /// What of the bookkeeping was left unwritten, and why.
    BookkeepingNoted { notes: Vec<String> },
    /// The merged tree is green's: nothing to land.
    MergeEmpty { landing: LandingId, mr: RequestId, source: MergeSource, at: Millis },
    /// The queue refused a merge request.
    Rejected {
        landing: LandingId,
        mr: RequestId,
        source: MergeSource,
        at: Millis,
        class: RejectClass,
        reasons: Vec<String>,
        next: NextMove,
        /// Files in conflict. Untrusted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<String>,
    },
    /// The landing goes back to the queue: to its place, behind the others and not before `again_at`, or to wait for an
    /// attempt of another unit.
    Requeued {
        landing: LandingId,
        mr: RequestId,
        why: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        behind: Option<Behind>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waits_for: Option<(UnitId, u32)>,
    },
    /// The landing waits for something a person does.
    LandingDelayed { landing: LandingId, why: String, again_at: Millis },
    /// Somebody else moved green forward.
    GreenMoved { tip: Tip },
    /// Green as somebody else left it is no worse than the last one that was verified.
    GreenAccepted { tip: Tip, verdict: Verdict },
    /// Nothing lands until a person decides; the engine leaves with `code`.
    QueueHeld {
        /// The landing whose step was the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        landing: Option<LandingId>,
        reason: String,
        hint: String,
        #[serde(default = "environment", skip_serializing_if = "is_environment")]
        code: u8,
    },
    /// The user's repository changed while a verification ran: what a person must look at, and what anybody may have done.
    RepositoryChanged {
        run: RunId,
        at: Millis,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        named: Vec<String>,
    },
    /// Pins of ended attempts were gone or held something else; those whose commits are there hold them again.
    PinsFaulty { round: u32, at: Millis, pins: Vec<PinFault> },
    /// Every wave of the round is closed.
    RoundWorked { round: u32 },
    /// The round is evaluated.
    RoundClosed {
        round: u32,
        at: Millis,
        landed: u32,
        units: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        objective: Option<bool>,
    },
    /// Nothing new starts.
    Paused { at: Millis },
    /// Things start again.
    Unpaused { at: Millis },
    /// A stop was asked for.
    StopRequested { level: StopLevel, at: Millis, why: EndReason },
    /// Everything has been ended before its time, and what became of the units is still written down.
    Closing { at: Millis },
    /// A stop that no engine had taken counts no more: a person resumed the mission after asking for it.
    StopWithdrawn { at: Millis, asked: Millis },
    /// Only held units are left.
    Waiting { at: Millis },
    /// This engine ends; the mission can be resumed.
    Suspended {
        at: Millis,
        code: u8,
        /// The common cause that suspends it, if that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
    },
    /// A new engine took over.
    Resumed {
        at: Millis,
        /// Whose rules decide from here on, where they are others than before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decided_by: Option<DecidedBy>,
    },
    /// Intent: a person moves green back from `from` to the earlier verified `to`; the old tip is pinned as number `n`.
    RollbackIntended { n: u64, at: Millis, from: CommitId, to: Tip },
    /// Green does not contain these landing commits of the mission any more.
    RolledBack { n: u64, at: Millis, from: CommitId, to: Tip, landings: Vec<CommitId> },
    /// A rollback that was cut short before it moved green.
    RollbackDropped { n: u64, at: Millis, why: String },
    /// Intent: files and pins of the ended mission are deleted; `refs` are the pins with what they held, `snapshots` those
    /// that its records name.
    Cleaned {
        at: Millis,
        refs: Vec<(String, CommitId)>,
        bytes: u64,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        snapshots: Vec<SnapshotKey>,
    },
    /// The mission is over.
    MissionEnded { at: Millis, outcome: MissionOutcome, reason: String, code: u8 },
}

/// A cause that an earlier journal does not tell.
fn untold_cause() -> Cause {
    Cause::Unknown(String::new())
}

fn environment() -> u8 {
    ENVIRONMENT
}

fn is_environment(code: &u8) -> bool {
    *code == ENVIRONMENT
}

/// The target branch queued as a merge request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// Merge request number.
    pub mr: RequestId,
    /// The target's head.
    pub head: Tip,
}

impl Record {
    /// The record's kind as stored in the journal's `kind` column.
    pub fn kind(&self) -> String {
        match serde_json::to_value(self) {
            Ok(value) => value["kind"].as_str().unwrap_or_default().to_owned(),
            Err(_) => String::new(),
        }
    }
}
