//! One run as values: what is to be run, and how it ended.

use super::fence::Fence;
use super::isolation::Isolation;
use super::mounts::Mount;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// One program to be run detached.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// The run directory; made by [`launch`](super::super::rundir::launch), its parents too.
    pub dir: PathBuf,
    /// Working folder of the program.
    pub cwd: PathBuf,
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// The complete environment of the program; `MC_RUN_COOKIE` is added.
    pub env: Vec<(OsString, OsString)>,
    /// A file for its standard input; `/dev/null` without.
    pub stdin: Option<PathBuf>,
    /// Whether its standard error is a file of its own, [`ERRORS`](super::ERRORS); else it is in [`OUTPUT`](super::OUTPUT), too, where
    /// the order of what is printed stays.
    pub errors_apart: bool,
    /// Total time it may take, counted in ticks of the supervisor (of 1 s; of 0.1 s when a limit is below 5 s).
    pub timeout: Duration,
    /// Time between TERM and KILL at timeout and lease expiry.
    pub grace: Duration,
    /// Time without [`renew_lease`](super::super::rundir::Run::renew_lease) after which the supervisor ends the run by itself.
    pub lease: Duration,
    /// How it is contained, as found by [`probe`](crate::adapters::host::local::process::probe::probe).
    pub isolation: Isolation,
    /// A word unique to this run, of letters, digits, `.`, `_` and `-`.
    pub cookie: String,
    /// Folders nobody but this run has business in; processes using them are killed with it (search only).
    pub search_roots: Vec<PathBuf>,
    /// What is mounted for it, in this order; nothing where it has no namespace.
    pub mounts: Vec<Mount>,
    /// What it may reach of the machine's files: by mounts where it has a namespace, by Landlock else.
    pub fence: Option<Fence>,
    /// The program `mc`, which supervises it: [`OURSELVES`](super::OURSELVES) unless somebody else runs.
    pub program: PathBuf,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunExit {
    /// The program exited with this code.
    Code(i32),
    /// A signal ended the program, not sent by its supervisor or [`end`](super::super::rundir::Run::end).
    Signal(i32),
    /// Its total time was up.
    Timeout,
    /// Nobody renewed its lease.
    LeaseExpired,
    /// [`end`](super::super::rundir::Run::end) ended it.
    Killed(KillReason),
    /// The supervisor went away without a record.
    Lost,
}

/// Why its host ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillReason {
    /// Somebody wanted that, or nobody wanted the run any more.
    Wanted,
    /// It gave no sign of life.
    Stalled,
    /// It had given its result and did not leave.
    Overstayed,
}

impl KillReason {
    /// Its word in the files `reason` and `exit`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Wanted => "killed",
            Self::Stalled => "stalled",
            Self::Overstayed => "overstayed",
        }
    }

    /// The reason of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Wanted, Self::Stalled, Self::Overstayed].into_iter().find(|reason| reason.word() == word)
    }
}
