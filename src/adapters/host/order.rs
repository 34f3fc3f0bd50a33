//! What a host is asked to do, and what it answers. All of it are values that can be sent to another machine.

pub use super::error::HostError;
use super::local::machine::fenced::Fenced;
use super::local::machine::imports::Imports;
use super::local::process::kill::KillProof;
use super::local::protocol::Isolation;
use super::local::workspace::collect::Collected;
use super::local::workspace::reports::Found;
use crate::adapters::git::filter::Filtered;
use crate::domain::ending::ProcessEnd;
use crate::domain::handoff::PromptMode;
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::{CommitId, Millis, MissionId, TreeId, UnitId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// Names a run, or a folder of runs, on a host: a path below the folder where runs are. The same key is the same run for
/// ever, which makes every operation that names one idempotent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunKey(String);

/// A text that names no run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no run: names between slashes are neither empty nor `.` nor `..`")]
pub struct BadRunKey(String);

impl RunKey {
    /// The key with these names, which are `/` apart.
    ///
    /// # Errors
    /// [`BadRunKey`] for a text that could lead elsewhere.
    pub fn new(text: impl Into<String>) -> Result<Self, BadRunKey> {
        let text = text.into();
        let bad = |name: &str| matches!(name, "" | "." | "..") || name.contains('\0');
        if text.split('/').any(bad) { Err(BadRunKey(text)) } else { Ok(Self(text)) }
    }

    /// The key of a mission, the folder of everything that runs for it.
    pub fn of_mission(mission: &MissionId) -> Self {
        Self(mission.to_string())
    }

    /// The key of verifications without a mission, the folder of all their runs.
    pub fn of_verifications() -> Self {
        Self(".verify".to_owned())
    }

    /// The key of an attempt, the folder of its runs.
    pub fn of_attempt(mission: &MissionId, unit: &UnitId, n: u32) -> Self {
        Self(format!("{mission}/{unit}/{n}"))
    }

    /// The key of a verification of a mission, the folder of its runs.
    pub fn of_verification(mission: &MissionId, run: &str) -> Self {
        Self(format!("{mission}/.verify/{run}"))
    }

    /// Whether it is below that of a verification of a mission.
    pub fn is_of_verification(&self) -> bool {
        is_verification(&self.0)
    }

    /// A key one level below; `name` is a name of `mc`'s own, without a slash.
    pub fn join(&self, name: impl fmt::Display) -> Self {
        Self(format!("{}/{name}", self.0))
    }

    /// Where it is below `root`, the folder of all runs.
    pub fn path_in(&self, root: &Path) -> PathBuf {
        root.join(&self.0)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RunKey {
    type Error = BadRunKey;

    fn try_from(text: String) -> Result<Self, BadRunKey> {
        Self::new(text)
    }
}

impl From<RunKey> for String {
    fn from(key: RunKey) -> Self {
        key.0
    }
}

/// The attempt that a label names.
pub fn attempt_of(label: &str) -> Option<(MissionId, UnitId, u32)> {
    let mut words = label.split('/');
    let (mission, unit, n) = (words.next()?, words.next()?, words.next()?);
    let attempt = (MissionId::new(mission).ok()?, UnitId::new(unit).ok()?, n.parse().ok()?);
    words.next().is_none().then_some(attempt)
}

/// Whether somebody's work or verification may be in a slot of this label. Where the objective or an `accept` line is asked is nobody's
/// work, and freed by its next use.
pub fn is_work(label: &str) -> bool {
    attempt_of(label).is_some() || is_verification(label)
}

fn is_verification(label: &str) -> bool {
    label.contains("/.verify/")
}

/// Whether an early end is wanted, as soon as it is; false when nobody can want it any more.
pub(super) async fn is_killed(kill: &mut watch::Receiver<bool>) -> bool {
    kill.wait_for(|kill| *kill).await.is_ok()
}

/// Ends as soon as an early end is wanted.
pub(super) async fn until_killed(mut kill: watch::Receiver<bool>) {
    if !is_killed(&mut kill).await {
        std::future::pending().await
    }
}

/// Whose HOME a run has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Home {
    /// The user's.
    #[default]
    Users,
    /// That of the slot.
    Slots,
}

/// A file that is copied into workspaces: its name, and what is in it, if it is there.
pub type Copied = (String, Option<Vec<u8>>);

/// What may be in a workspace beside the tree and what is put there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Untracked {
    /// Whatever git ignores: build output of those who worked there before.
    Ignored,
    /// Nothing.
    Nothing,
    /// What the settings let stay of runs of this commit or of an ancestor of it.
    OfLanded(CommitId),
}

impl Untracked {
    /// Whose HOME `setup`, and what runs there then, has: that of the user while a unit is worked on, one of its own else.
    pub const fn home(&self) -> Home {
        match self {
            Self::Ignored => Home::Users,
            Self::Nothing | Self::OfLanded(_) => Home::Slots,
        }
    }
}

/// A workspace as somebody wants it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PrepareOrder {
    /// The number of its slot.
    pub slot: u32,
    /// Who uses it.
    pub label: String,
    /// The commit it shall stand at.
    pub base: CommitId,
    /// What is taken out of the commit's tree before anything runs in it.
    pub without: Option<Filtered>,
    /// What may be there beside the tree.
    pub beside: Untracked,
    /// What is copied into it.
    pub copies: Vec<Copied>,
    /// What the result of `setup` depends on beside its line, its inputs and its HOME.
    pub environment: String,
    /// The run of `setup`.
    pub setup: RunKey,
    /// The folder of a session that is to begin: what somebody made there in advance is set aside.
    pub session: Option<RunKey>,
}

impl PrepareOrder {
    /// What is in the files that are copied, as far as they are there.
    pub(super) fn contents(&mut self) -> impl Iterator<Item = &mut Vec<u8>> {
        self.copies.iter_mut().filter_map(|(_, content)| content.as_mut())
    }
}

/// A workspace that is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Its folder on the host.
    pub workspace: PathBuf,
    /// The folder on the host of the runs of whoever uses it.
    pub folder: PathBuf,
    /// Whether files of earlier runs are there, or what `setup` made for one.
    pub warm: bool,
}

/// A workspace could not be made ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum NotReady {
    /// We were told to stop.
    Killed,
    /// Infrastructure: why.
    Failed(Trouble),
    /// The setup command ended with an exit code other than 0.
    Setup {
        /// That code.
        code: i32,
        /// The whole sentence, with what it said.
        why: String,
    },
}

impl From<NotReady> for ProcessEnd {
    fn from(not: NotReady) -> Self {
        match not {
            NotReady::Killed => Self::Stopped,
            NotReady::Failed(trouble) => Self::Infrastructure(trouble),
            NotReady::Setup { why, .. } => Self::Infrastructure(Trouble::new(Cause::Setup, why)),
        }
    }
}

/// A slot could not be had as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum NotFresh {
    /// It holds what this user left there.
    Dirty(String),
    /// Somebody uses it.
    Busy,
    /// It could not be made ready.
    NotReady(NotReady),
}

impl From<NotReady> for NotFresh {
    fn from(not: NotReady) -> Self {
        Self::NotReady(not)
    }
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Program {
    /// A shell line of the settings or of a unit.
    Shell(String),
    /// An agent: its command line, which gets the brief in this way.
    Agent {
        /// The line.
        command: String,
        /// The way.
        prompt: PromptMode,
    },
}

/// The folder of a session on its host: what the engine gives to an agent or a script, and where that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFolder {
    /// The folder.
    pub key: RunKey,
    /// The text of the brief.
    pub brief: String,
    /// The commit its workspace was prepared at, where work in progress is to be pinned.
    #[serde(default)]
    pub base: Option<CommitId>,
}

/// Report files that a run may leave in its workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportOrder {
    /// The stage, for messages.
    pub stage: String,
    /// Globs of their paths.
    pub globs: Vec<String>,
    /// The tree that the tracked files are from: what is there and the same is no report.
    pub tree: TreeId,
}

/// Something that is to be run in a workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunOrder {
    /// Names the run for good.
    pub key: RunKey,
    /// The slot in whose workspace it runs.
    pub slot: u32,
    /// What is run.
    pub program: Program,
    /// Names of the variables that it gets of those the host has, beside the usual ones.
    pub inherited: Vec<String>,
    /// Variables that it gets with these values.
    pub variables: Vec<(String, OsString)>,
    /// The folder of the session, where it is one of an agent or a unit's script.
    pub session: Option<SessionFolder>,
    /// Total time.
    pub timeout: Duration,
    /// Longest time without output or file change; `None`: not watched.
    pub idle: Option<Duration>,
    /// Longest time until the first output or file change; `None`: not watched.
    pub start: Option<Duration>,
    /// How long it may go on after its last word in its result; `None`: not watched.
    pub grace_after_result: Option<Duration>,
    /// Whose HOME it has.
    pub home: Home,
    /// Which files it leaves are read.
    pub reports: Option<ReportOrder>,
}

impl RunOrder {
    /// A shell line of the settings in a prepared workspace: no input, no timers but the total one.
    pub fn shell(key: RunKey, slot: u32, line: &str, inherited: &[String], timeout: Duration, home: Home) -> Self {
        Self {
            key,
            slot,
            program: Program::Shell(line.to_owned()),
            inherited: inherited.to_vec(),
            variables: Vec::new(),
            session: None,
            timeout,
            idle: None,
            start: None,
            grace_after_result: None,
            home,
            reports: None,
        }
    }
}

/// Whether a run may be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// It is started where nobody has, and taken over where it was.
    IfNew,
    /// It is only taken over: what nobody claimed is claimed, so that it can never start.
    Never,
}

/// What is known of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunState {
    /// Nothing: nobody has asked for it.
    New,
    /// Nobody has started it, or it may not start any more.
    NeverStarted,
    /// It was started, and may have ended.
    Started,
    /// It was killed because somebody wanted that.
    Killed,
}

/// How a run ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ended {
    /// How the process ended.
    pub end: ProcessEnd,
    /// That it gave its result, said how it went, and did not leave in time: the leaving was done for it.
    pub overstayed: bool,
    /// Where its output is on this machine, if it ever started.
    pub log: Option<PathBuf>,
    /// How the end of all its processes was proven.
    pub proof: Option<KillProof>,
    /// How long it ran, if it ever started.
    pub ran: Option<Duration>,
    /// The text of its result file, where it gave one.
    pub result: Option<String>,
    /// The reports it left.
    pub reports: Vec<Found>,
    /// That nobody saw its end: it was gone when it was looked for.
    #[serde(default)]
    pub unseen: bool,
}

impl Ended {
    /// Of what has left nothing.
    pub fn from_end(end: ProcessEnd) -> Self {
        let (overstayed, unseen) = (false, false);
        Self { end, overstayed, log: None, proof: None, ran: None, result: None, reports: Vec::new(), unseen }
    }

    /// What is in the reports that could be read.
    pub(super) fn contents(&mut self) -> impl Iterator<Item = &mut Vec<u8>> {
        self.reports.iter_mut().filter_map(|(_, report)| report.as_mut().ok())
    }

    /// When it ran, on a clock that shows `now` milliseconds: from when this engine began it, else as long as it ran.
    pub fn span(&self, began: Option<Millis>, now: Millis) -> Option<(Millis, Millis)> {
        let ran = self.ran.map(|ran| Millis::try_from(ran.as_millis()).unwrap_or(Millis::MAX));
        began.or(ran.map(|ran| now.saturating_sub(ran))).map(|began| (began, now))
    }
}

/// Whose work is collected from a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectOrder {
    /// The slot.
    pub slot: u32,
    /// Its mission.
    pub mission: MissionId,
    /// Its unit.
    pub unit: UnitId,
    /// Which start of the unit, from 1.
    pub number: u32,
    /// The commit the slot was prepared at.
    pub base: CommitId,
    /// Green now, or whatever a change is measured against.
    pub green: CommitId,
    /// Whether work that is plainly elsewhere than at HEAD is taken when HEAD brings nothing.
    pub take_elsewhere: bool,
}

/// What became of the workspace of an attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum CollectOutcome {
    /// What it holds is pinned.
    Pinned(Box<Collected>),
    /// It does not exist any more.
    Gone,
    /// It could not be collected and is in quarantine.
    SetAside {
        /// Where.
        place: PathBuf,
        /// What was in the way.
        why: String,
    },
}

/// How a slot is given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Release {
    /// What is in it is nobody's work. The run that went to its end on this commit lets its files stay for the next.
    Verified(Option<CommitId>),
    /// An attempt that was collected from this commit.
    Collected {
        /// Where it was prepared.
        base: CommitId,
        /// What can neither be read nor moved, for which the slot is set aside.
        stuck: Option<String>,
    },
}

/// A slot that somebody uses or has not given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedSlot {
    /// Its number.
    pub slot: u32,
    /// Who.
    pub label: String,
}

/// What a host says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// How runs are contained.
    pub isolation: Isolation,
    /// Whether they are fenced.
    pub fenced: Fenced,
    /// What to say where verifications write into folders of the user's home.
    pub shared_home: Option<String>,
    /// What Python imports from copies of the repository.
    pub imports: Imports,
    /// Whether what runs there goes on when the connection to it is lost; absent where nobody has found out, and on this machine.
    #[serde(default)]
    pub outlives: Option<bool>,
}

/// What is in workspaces and is no part of their commits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strays {
    /// Files that git does not ignore.
    pub unignored: BTreeSet<OsString>,
    /// Tracked files that are not what their commit says.
    pub changed: BTreeSet<OsString>,
}
