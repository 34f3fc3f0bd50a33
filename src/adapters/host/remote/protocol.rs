//! What engine and worker say to each other.
//!
//! Each request has a number, and one reply with the same number answers it. A request may be sent again over another connection
//! when its reply did not come: each one is idempotent by what it names.

use super::frame::LONGEST;
use crate::adapters::host::local::process::procfs;
use crate::adapters::host::order::{CollectOutcome, Ended};
use crate::adapters::host::{CollectOrder, HostSettings, PrepareOrder, Release, RunKey, RunOrder, Start, UsedSlot};
use crate::adapters::os::files::FileIdentity;
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, MissionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The form of the messages, as `docs/worker-protocol.md` has it. It is apart from the version of `mc`: what only adds (a request, a
/// field that may be missing) leaves it as it is, and two builds of one protocol work together.
pub const PROTOCOL: u32 = 3;

/// The oldest form that this `mc` still understands.
pub const OLDEST: u32 = 3;

/// Which forms of messages an `mc` understands, and which one it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The newest form.
    pub protocol: u32,
    /// The oldest one; where nothing is said, there is but one.
    #[serde(default)]
    pub oldest: Option<u32>,
    /// The version of `mc`, for people.
    #[serde(default)]
    pub version: String,
}

impl Versions {
    /// Those of this `mc`.
    pub fn own() -> Self {
        Self { protocol: PROTOCOL, oldest: Some(OLDEST), version: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// The newest form that both sides understand.
    ///
    /// # Errors
    /// There is none: what each side speaks, which is the older one, and what to do.
    pub fn agree(engine: &Self, worker: &Self) -> Result<u32, Trouble> {
        let common = engine.protocol.min(worker.protocol);
        if common >= engine.first() && common >= worker.first() {
            return Ok(common);
        }
        let (older, advice) = match worker.protocol < engine.protocol {
            true => ("worker", "put the mc of the engine there, or let it send itself (no `program` for this host)"),
            false => ("engine", "use an mc here that is as new as the one there, or another `root` for this host"),
        };
        Err(Trouble::from(format!(
            "the worker speaks {}, the engine {}: the {older} is the older one; {advice}",
            worker.words(),
            engine.words()
        )))
    }

    fn first(&self) -> u32 {
        self.oldest.unwrap_or(self.protocol)
    }

    fn words(&self) -> String {
        let mc = if self.version.is_empty() { "unknown" } else { &self.version };
        match self.first() {
            first if first == self.protocol => format!("protocol {first} (mc {mc})"),
            first => format!("protocols {first} to {} (mc {mc})", self.protocol),
        }
    }
}

/// Variables whose values nobody prints.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variables(pub Vec<(String, OsString)>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What both sides keep to; tests want less.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Limits {
    /// So often each side says something while they are connected.
    pub beat: Duration,
    /// Longest message, and most bytes that follow one.
    pub longest: u32,
    /// Most bytes of each output of a run that are kept by the engine.
    #[serde(default = "longest_output")]
    pub output: u64,
    /// A worker that lives has answered after so long, beside what the operation itself may take.
    #[serde(default = "longest_answer")]
    pub answer: Duration,
}

const fn longest_output() -> u64 {
    4 << 30
}

const fn longest_answer() -> Duration {
    Duration::from_secs(3_600)
}

impl Default for Limits {
    /// A lost line is seen after a minute: before the shortest lease (two minutes) of a run is over, and long after a busy machine
    /// or a bad line has spoken again.
    fn default() -> Self {
        let (output, answer) = (longest_output(), longest_answer());
        Self { beat: Duration::from_secs(15), longest: LONGEST, output, answer }
    }
}

impl Limits {
    /// Whoever says nothing for so long is not there any more.
    pub(super) fn silence(&self) -> Duration {
        self.beat * 4
    }
}

/// Bytes that are sent or read at a time.
pub const PART: u64 = 1 << 20;

/// The first message: who asks, and what the worker must know for all that follows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// What the engine understands.
    #[serde(flatten)]
    pub versions: Versions,
    /// Id of the engine's state directory; everything the worker has for it is in a folder of this name.
    pub state: String,
    /// Number of the engine; a worker that has seen a newer one refuses.
    pub epoch: u64,
    /// What a host is told.
    pub settings: HostSettings,
    /// Where the repository itself is.
    pub place: SourcePlace,
    /// `sha1` or `sha256`.
    pub object_format: String,
    /// Settings of the repository that workspaces follow.
    pub config: Vec<(String, String)>,
    /// Where its history is cut off; empty where it is whole.
    pub shallow: Vec<u8>,
    /// What the repository ignores without a file of the tree: its own list, and that of the user.
    pub ignores: [Vec<u8>; 2],
    /// What both sides keep to.
    pub limits: Limits,
    /// Runs of whose end the engine was not told: they end before anything else is done.
    pub abandoned: Vec<RunKey>,
    /// Variables that the settings pass on to runs, as the engine has them: only here they go from one machine to the other.
    #[serde(default)]
    pub variables: Variables,
    /// The engine takes with an answer what it would ask for next: see [`RunAnswer`] and [`CollectAnswer`].
    #[serde(default)]
    pub takes_more: bool,
}

/// Where a repository is on the engine's machine. A worker on that machine gives workspaces what they have there: the addresses
/// of submodules and of `origin` start from it, and Python environments import from it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourcePlace {
    /// Root of its work tree.
    toplevel: PathBuf,
    /// Its git directory.
    common_dir: PathBuf,
    /// The state directory of the engine.
    state: PathBuf,
    /// What the machine has until it is started anew.
    boot: String,
    /// What the three are.
    identities: Option<[FileIdentity; 3]>,
}

/// What tells the folders of a place from others of the same names.
fn read_identities(folders: [&Path; 3]) -> Option<[FileIdentity; 3]> {
    let [one, two, three] = folders.map(|path| FileIdentity::of_path(path).ok());
    Some([one?, two?, three?])
}

impl SourcePlace {
    /// That of a repository here.
    pub fn of(toplevel: &Path, common_dir: &Path, state: &Path) -> Self {
        let folders = [toplevel, common_dir, state];
        let (identities, boot) = (read_identities(folders), procfs::boot_id());
        let [toplevel, common_dir, state] = folders.map(Path::to_owned);
        Self { toplevel, common_dir, state, boot, identities }
    }

    /// Work tree, git directory and state directory, where this process sees the same ones.
    pub fn local_folders(&self) -> Option<[&Path; 3]> {
        let folders = [self.toplevel.as_path(), &self.common_dir, &self.state];
        let same = self.identities.is_some() && self.identities == read_identities(folders);
        (same && self.boot == procfs::boot_id()).then_some(folders)
    }
}

/// A request, with the number that its reply has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Numbered<T> {
    /// The number.
    pub id: u64,
    /// What is said.
    pub body: T,
}

/// What the engine asks. Where nothing is said of a request, it is the operation of that name of a
/// [`Host`](crate::adapters::host::any::Host).
#[allow(missing_docs)]
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    /// First of all.
    Hello(Box<Hello>),
    /// The request of this number shall end early; it has no reply of its own.
    Cancel(u64),
    /// The engine lives and wants everything that runs. The reply says that the worker lives; nobody waits for it.
    Renew,
    Probe,
    Describe,
    Fingerprint,
    /// Whether what is started there lives on when the way of this name ends by which the worker was reached. Nothing: that was not
    /// known; it is when this worker has ended.
    Outlive(String),
    /// What was begun to find that out is ended: the connection cannot be closed now.
    GiveUpOutlive(String),
    /// What is copied is sent as [`take_contents`] gives it.
    Prepare(Box<PrepareOrder>, Vec<usize>),
    Run(Box<RunOrder>, Start),
    Collect(CollectOrder),
    /// Pins what is in the workspace of an attempt that goes on, on the commit it was prepared at. The reply names what is pinned.
    PinProgress(UsedSlot, CommitId),
    Release(UsedSlot, Release),
    UsedSlots,
    Hold(UsedSlot),
    Adoptable(UsedSlot, RunKey),
    Recover(UsedSlot, CommitId),
    Discard(UsedSlot),
    ListStrays,
    RetryQuarantine,
    EndRuns(RunKey),
    EndTraceless(RunKey, u32),
    LookUp(RunKey),
    PutAside(RunKey),
    /// Which of these commits the mirror lacks, and what it has.
    Compare(Vec<CommitId>),
    /// Puts the bytes of the message at this place of a file for transfer.
    Write(String, u64),
    /// Takes the objects of a file over, keeps these commits and sets these tags; whether that was tried before, and not all of them came.
    /// The bytes of the message are the file, where there are any.
    Import {
        file: String,
        commits: Vec<CommitId>,
        tags: Vec<(String, CommitId)>,
        before: bool,
    },
    /// Makes a file with the objects that the first commits need beyond the others.
    Export(String, Vec<CommitId>, Vec<CommitId>),
    /// The bytes of a file from a place on, at most [`PART`] of them.
    Read(RemoteFile, u64),
    /// A file for transfer is not needed any more.
    Forget(String),
    /// Which of these contents, which git-lfs keeps, the mirror lacks.
    LackedContents(Vec<String>),
    /// Takes a file over as the content of this name.
    TakeContent(String, String),
    /// What is pinned of attempts whose refs begin so.
    Pins(Vec<String>),
    /// These pins are in the repository itself, as they are: what becomes of them there is not the host's to mend.
    Brought(Vec<(String, CommitId)>),
    /// No other mission than this one goes on: forgets what is noted of their pins that the engine has, with the pins, and what was
    /// sent long ago. The reply says how many refs went.
    Tidy(MissionId),
    /// Takes away everything that is kept here for the state directory of the engine, unless something runs or is kept nowhere else.
    Clean(CleanOrder),
}

/// A file on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RemoteFile {
    /// One that is being transferred.
    Transfer(String),
    /// The standard output of a run, with its standard error where that has no file of its own.
    Output(RunKey),
    /// The standard error of a run, where it is kept apart.
    Errors(RunKey),
    /// A content that git-lfs keeps.
    Content(String),
}

/// What the mirror has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Compared {
    /// The commits that it lacks.
    pub missing: Vec<CommitId>,
    /// Commits that it has with everything they need, newest first; not all of them.
    pub tips: Vec<CommitId>,
    /// Its tags.
    pub tags: Vec<(String, CommitId)>,
}

/// What [`Request::Run`] gives back. The bytes are those of the reports, then those of the outputs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RunAnswer(
    pub(super) Ended,
    /// Lengths of the reports.
    pub(super) Vec<usize>,
    /// The ends of standard output and of standard error, where the engine [takes more](Hello::takes_more).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) Vec<OutputEnd>,
);

/// The end of an output when its run has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OutputEnd {
    /// How long the output is.
    pub(super) whole: u64,
    /// So many bytes of its end are with the answer.
    pub(super) sent: usize,
}

/// The end of an output that came with the end of its run.
#[derive(Debug)]
pub(super) struct KeptEnd<'a> {
    /// Where it begins.
    at: u64,
    bytes: &'a [u8],
}

impl<'a> KeptEnd<'a> {
    /// Those of an answer, whose bytes stand one after the other.
    pub(super) fn split(ends: &[OutputEnd], mut rest: &'a [u8]) -> Vec<Self> {
        let mut split = Vec::new();
        for end in ends {
            let (bytes, others) = rest.split_at(end.sent.min(rest.len()));
            rest = others;
            split.push(Self { at: end.whole.saturating_sub(bytes.len() as u64), bytes });
        }
        split
    }

    /// What follows after so many bytes of the output; nothing where that begins before the end.
    pub(super) fn from(&self, offset: u64) -> Option<&'a [u8]> {
        self.bytes.get(usize::try_from(offset.checked_sub(self.at)?).ok()?..)
    }
}

/// Most bytes of one output that are with an answer.
pub(super) const END: u64 = 64 << 10;

/// What [`Request::Collect`] gives back.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CollectAnswer {
    /// What became of the workspace.
    #[serde(flatten)]
    pub(super) outcome: Result<CollectOutcome, Trouble>,
    /// What is pinned of the attempt, where the engine [takes more](Hello::takes_more). Objects that this needs beyond what the order names
    /// are the bytes, where they are no more than [`PART`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pins: Option<Vec<(String, CommitId)>>,
}

/// How a host is cleaned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CleanOrder {
    /// Only what would go is told.
    pub dry_run: bool,
    /// Programs that nobody runs go, too.
    pub programs: bool,
}

/// What is taken away on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleaned {
    /// What goes, by its name below the root of the host, with its bytes.
    pub removed: Vec<(String, u64)>,
    /// What stays, and why. Where there is any, nothing of the state directory goes.
    pub kept: Vec<(String, String)>,
}

/// What the worker says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Reply {
    /// It does not do this, or cannot tell what it did: why. To [`Request::Hello`], that it does not work for this engine.
    Refused(Trouble),
    /// Progress, not the end: the run of this request is on record.
    Began,
    /// What the operation gives back. Of [`Request::Run`] the reports are sent as [`take_contents`] gives them; of
    /// [`Request::Read`] what was read follows.
    Answer(Value),
}

/// Takes contents of files out of a message that has them as numbers: how long each is, and the bytes that follow the message.
pub(super) fn take_contents<'a>(from: impl Iterator<Item = &'a mut Vec<u8>>) -> (Vec<usize>, Vec<u8>) {
    let (mut lengths, mut bytes) = (Vec::new(), Vec::new());
    for content in from {
        lengths.push(content.len());
        bytes.append(content);
    }
    (lengths, bytes)
}

/// Puts them back.
pub(super) fn put_contents<'a>(into: impl Iterator<Item = &'a mut Vec<u8>>, lengths: Vec<usize>, mut rest: &[u8]) {
    for (content, length) in into.zip(lengths) {
        let (own, others) = rest.split_at(length.min(rest.len()));
        *content = own.to_vec();
        rest = others;
    }
}
