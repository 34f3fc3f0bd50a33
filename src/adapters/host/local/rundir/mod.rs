//! Run directories: agents and verifications run detached under a small supervisor and outlive `mc`.
//!
//! Promises: a run that was started is found again by [`find`] after any crash, exactly one of supervisor and
//! [`claim_ourselves`] wins a directory, a result is read whole or not at all, and the program never sees the engine's
//! environment, lock or descriptors. The protocol, its races and the tests are described in `docs/runs.md`.

mod aside;
mod fence;
mod files;
mod mounts;

pub use aside::put_aside;
pub use fence::{Caps, Fence};
pub use files::{
    Limits, Program, Settings, Start, parse_command, parse_exit, parse_limits, parse_settings, start_text, trial_text,
};
pub use mounts::Mount;

use crate::adapters::host::local::process::contain::{self, Sought};
use crate::adapters::host::local::process::kill;
use crate::adapters::host::local::process::probe::Isolation;
use crate::adapters::host::local::process::procfs::{self, Identity};
use crate::adapters::host::local::supervisor;
use crate::adapters::os::files::read_untrusted;
use crate::adapters::os::nofollow;
use crate::domain::values::Millis;
use rustix::fs::{CWD, FileType, Mode, RenameFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};
use tokio::io::AsyncReadExt;

/// The supervisor, as shell text.
pub const SUPERVISOR: &str = include_str!("../supervisor/supervisor.sh");

/// Where the supervisor finds its own few programs; the run's program gets what its own environment says.
const SUPERVISOR_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a supervisor may take to put its run on record.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// More than any file of the protocol holds; what runs could have put anything in its place.
pub(in crate::adapters::host) const SMALL: u64 = 4 << 20;

/// More than any command file holds: arguments and environment of a program have 6 MiB at most (execve(2)), and a byte takes
/// up to five here.
pub(in crate::adapters::host) const LARGEST_COMMAND: u64 = 32 << 20;

/// One program to be run detached.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// The run directory; made by [`launch`], its parents too.
    pub dir: PathBuf,
    /// Working folder of the program.
    pub cwd: PathBuf,
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// The complete environment of the program; `MC_RUN_COOKIE` is added. Names must be shell identifiers.
    pub env: Vec<(OsString, OsString)>,
    /// A file for its standard input; `/dev/null` without.
    pub stdin: Option<PathBuf>,
    /// Total time it may take, counted in ticks of the supervisor (of 1 s; of 0.1 s when a limit is below 5 s).
    pub timeout: Duration,
    /// Time between TERM and KILL at timeout and lease expiry.
    pub grace: Duration,
    /// Time without [`Run::renew_lease`] after which the supervisor ends the run by itself.
    pub lease: Duration,
    /// How it is contained, as found by [`probe`](crate::adapters::host::local::process::probe::probe).
    pub isolation: Isolation,
    /// A word unique to this run, of letters, digits, `.`, `_` and `-`.
    pub cookie: String,
    /// Folders nobody but this run has business in; processes using them are killed with it (search only).
    pub search_roots: Vec<PathBuf>,
    /// What is mounted for it, in this order; nothing where the supervisor is not this program.
    pub mounts: Vec<Mount>,
    /// What it may reach of the machine's files: by mounts where this program supervises it, by Landlock else.
    pub fence: Option<Fence>,
    /// The program `mc`, for the supervisor of namespaces it makes itself: [`OURSELVES`](crate::adapters::host::local::supervisor::OURSELVES)
    /// unless somebody else runs.
    pub program: PathBuf,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The program exited with this code.
    Code(i32),
    /// A signal ended the program, not sent by its supervisor or [`Run::end`].
    Signal(i32),
    /// Its total time was up.
    Timeout,
    /// Nobody renewed its lease.
    LeaseExpired,
    /// [`Run::end`] ended it.
    Killed,
    /// The supervisor went away without a record.
    Lost,
}

/// What reconcile finds in a run directory.
#[derive(Debug)]
pub enum Found {
    /// Nobody claimed it, or [`claim_ourselves`] did.
    NeverStarted,
    /// Claimed, not yet on record, supervisor alive.
    Starting(Run),
    /// On record, supervisor alive.
    Running(Run),
    /// Ended with a complete record.
    Ended(Exit),
    /// The supervisor is dead without a record, processes of the run live.
    HalfDead(Run),
    /// Nothing is left of it: the machine was restarted, the directory is gone, or all died without a record.
    Gone,
}

/// A run could not be started, or its directory could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The directory is already claimed or used.
    #[error("start a run in {}: the directory is already taken", dir.display())]
    Taken {
        /// The run directory.
        dir: PathBuf,
    },
    /// There is no program.
    #[error("start a run: no program was given")]
    Empty,
    /// A value holds a NUL byte, which no program can be given.
    #[error("start a run: {what} hold a NUL byte")]
    Nul {
        /// Which value.
        what: &'static str,
    },
    /// A variable's name cannot be passed on.
    #[error("start a run: `{name}` cannot be used as the name of an environment variable; remove it from `env`")]
    Name {
        /// The name.
        name: String,
    },
    /// The cookie has characters that could be mistaken.
    #[error("start a run: `{cookie}` is not a usable cookie")]
    Cookie {
        /// The cookie.
        cookie: String,
    },
    /// The supervisor gave up before the program started.
    #[error("start a run in {}: {reason}", dir.display())]
    NotStarted {
        /// The run directory.
        dir: PathBuf,
        /// The last line of its log.
        reason: String,
    },
    /// A file cannot be written or read, or the supervisor cannot be started.
    #[error("use {}", path.display())]
    Io {
        /// The file or program.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// Makes the run directory with all that the supervisor reads; starts nothing. Returns its real path.
///
/// # Errors
/// [`RunError::Taken`] when it exists already.
pub fn prepare(spec: &RunSpec) -> Result<PathBuf, RunError> {
    let (command, mut settings) = (files::command_text(spec)?, spec.clone());
    settings.search_roots = spec.search_roots.iter().map(|r| r.canonicalize().unwrap_or_else(|_| r.clone())).collect();
    let settings = files::settings_text(&settings)?;
    let failed = |source| RunError::Io { path: spec.dir.clone(), source };
    if let Some(parent) = spec.dir.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    DirBuilder::new().mode(0o700).create(&spec.dir).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => RunError::Taken { dir: spec.dir.clone() },
        _ => failed(source),
    })?;
    nofollow::folder(&spec.dir).map_err(failed)?;
    let dir = spec.dir.canonicalize().map_err(failed)?;
    let texts = [("run", settings.as_str()), ("command", &command), ("lease", "0\n"), ("out.log", "")];
    let shell = (!spec.isolation.is_ours()).then_some(("supervisor.sh", SUPERVISOR));
    for (name, text) in texts.into_iter().chain([("supervisor.log", "")]).chain(shell) {
        write_new(&dir.join(name), text)?;
    }
    for name in shell.map_or([].as_slice(), |_| &["ready", "go"]) {
        // The supervisor makes them where this cannot.
        let _ = rustix::fs::mknodat(CWD, dir.join(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
    }
    Ok(dir)
}

/// Starts a run and returns when it is on record. Dropping the future or the [`Run`] leaves the run alone.
///
/// # Errors
/// [`RunError`] when it did not start; then it never will.
pub async fn launch(spec: &RunSpec) -> Result<Run, RunError> {
    let dir = prepare(spec)?;
    let io = |source| RunError::Io { path: dir.clone(), source };
    let log = OpenOptions::new().append(true).open(dir.join("supervisor.log")).map_err(io)?;
    let mut command = if spec.isolation.is_ours() {
        let mut command = tokio::process::Command::new(&spec.program);
        command.arg0("mc").arg(supervisor::FLAG).arg(&dir).arg("run").env_clear();
        command
    } else {
        let mut command = tokio::process::Command::new("setsid");
        command.arg("sh").arg(contain::script(&dir)).arg("run").arg(&dir);
        command.env_clear().env("PATH", SUPERVISOR_PATH).env("LC_ALL", "C");
        command
    };
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let started = command.spawn().map_err(|source| {
        let program = if spec.isolation.is_ours() { spec.program.clone() } else { "setsid".into() };
        RunError::Io { path: program, source }
    });
    let mut child = started?;
    let mut said = String::new();
    if let Some(mut pipe) = child.stdout.take() {
        let _ = tokio::time::timeout(START_PATIENCE, pipe.read_to_string(&mut said)).await;
    }
    let run = Run::open(&dir);
    match (said.trim(), run) {
        ("started", Some(run)) if run.start.is_some() => Ok(run),
        ("claimed", _) => Err(RunError::Taken { dir }),
        (_, run) => {
            match run {
                Some(run) => run.end(Duration::ZERO).await,
                // Its directory is gone, and it may run all the same.
                None => kill::end_traceless(&dir, spec.cwd.clone()).await,
            };
            forget_command(&dir);
            let log = read_untrusted(&dir.join("supervisor.log"), SMALL).unwrap_or_default();
            let told = log.lines().last().or(said.lines().last());
            let reason = told.unwrap_or("the supervisor ended without a word").to_owned();
            Err(RunError::NotStarted { dir, reason })
        }
    }
}

/// Wins the claim of a directory so that its run can never start, or finds that a supervisor has won it (`false`).
/// Winning twice is winning.
///
/// # Errors
/// [`RunError::Io`] when the directory cannot be written.
pub fn claim_ourselves(dir: &Path) -> Result<bool, RunError> {
    let io = |source| RunError::Io { path: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    nofollow::folder(dir).map_err(io)?;
    let (claim, own) = (dir.join("claim"), dir.join(format!("claim.{:016x}", fastrand::u64(..))));
    let taken = |source: std::io::Error| match source.kind() {
        ErrorKind::AlreadyExists => Ok(claim.join("engine").exists()),
        _ => Err(io(source)),
    };
    // Made aside and moved there whole: an engine killed in between leaves no claim that says nothing of who made it.
    match DirBuilder::new().recursive(true).mode(0o700).create(&own).and_then(|()| mark(&own.join("engine"))) {
        Ok(()) => {}
        Err(source) => return Err(io(source)),
    }
    match rustix::fs::renameat_with(CWD, &own, CWD, &claim, RenameFlags::NOREPLACE) {
        Ok(()) => {
            forget_command(dir);
            Ok(true)
        }
        Err(Errno::EXIST) => {
            let _ = std::fs::remove_dir_all(&own);
            taken(Errno::EXIST.into())
        }
        // A file system that cannot move without replacing: a plain claim, marked afterwards.
        Err(Errno::INVAL | Errno::NOSYS) => {
            let _ = std::fs::remove_dir_all(&own);
            match DirBuilder::new().mode(0o700).create(&claim) {
                Ok(()) => write_new(&claim.join("engine"), "").map(|()| true),
                Err(source) => taken(source),
            }
        }
        Err(source) => Err(io(source.into())),
    }
}

/// Removes what was to be run: it may hold secrets, and nobody needs it any more.
fn forget_command(dir: &Path) {
    for name in ["command", "ready", "go"] {
        // Mostly it is gone already.
        let _ = std::fs::remove_file(dir.join(name));
    }
}

fn mark(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// Compares a run directory with the world. Total: whatever a crash or power loss left, one row of the table fits.
pub async fn find(dir: &Path) -> Found {
    let dir = dir.to_owned();
    tokio::task::spawn_blocking(move || find_blocking(&dir)).await.unwrap_or(Found::Gone)
}

fn find_blocking(dir: &Path) -> Found {
    // A link in its place leads to what is no run of ours.
    if nofollow::folder(dir).is_err() {
        return Found::Gone;
    }
    let Ok(dir) = dir.canonicalize() else { return Found::Gone };
    if let Some(exit) = read_exit(&dir) {
        return Found::Ended(exit);
    }
    if !dir.join("claim").exists() || dir.join("claim/engine").exists() {
        return Found::NeverStarted;
    }
    let Some(run) = Run::open(&dir) else { return Found::Gone };
    if run.start.as_ref().is_some_and(|start| start.boot != procfs::boot_id()) {
        return Found::Gone;
    }
    let supervised = run.supervisor.is_some_and(|s| s.alive());
    // It may have started or ended between the looks above: the record is read again after the look at the process.
    let run = run.reread();
    match (read_exit(&dir), supervised, run.start.is_some()) {
        (Some(exit), ..) => Found::Ended(exit),
        (None, true, true) => Found::Running(run),
        (None, true, false) => Found::Starting(run),
        (None, false, _) => {
            forget_command(&dir);
            if run.lives() {
                return Found::HalfDead(run);
            }
            run.forget_groups();
            Found::Gone
        }
    }
}

/// A run on record or about to be. Holds nothing open; dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Run {
    dir: PathBuf,
    settings: Settings,
    start: Option<Start>,
    supervisor: Option<Identity>,
}

impl Run {
    /// The run of a directory, in whatever state it is; absent when its settings cannot be read. Meant for ending what
    /// an ended run left behind; [`find`] says how it is.
    #[must_use]
    pub fn open(dir: &Path) -> Option<Self> {
        let settings = files::parse_settings(&read_untrusted(&dir.join("run"), SMALL)?)?;
        let start = read_untrusted(&dir.join("start"), SMALL).and_then(|t| files::parse_start(&t));
        let supervisor = start.as_ref().map(|s| s.supervisor).or_else(|| contain::find_supervisor(dir));
        Some(Self { dir: dir.to_owned(), settings, start, supervisor })
    }

    /// The same run as its files show it now.
    pub(super) fn reread(&self) -> Self {
        match Self::open(&self.dir) {
            Some(fresh) => Self { supervisor: fresh.supervisor.or(self.supervisor), ..fresh },
            None => self.clone(),
        }
    }

    /// Waits for the end of the supervisor, which need not be a child of ours, and reads what it recorded.
    pub async fn wait(&self) -> Exit {
        if let Some(supervisor) = self.supervisor {
            supervisor.wait().await;
        }
        read_exit(&self.dir).unwrap_or(Exit::Lost)
    }

    /// Tells the supervisor that somebody still wants this run.
    ///
    /// # Errors
    /// [`RunError::Io`] when the directory cannot be written.
    pub fn renew_lease(&self) -> Result<(), RunError> {
        let path = self.dir.join("lease");
        let count: u64 = read_untrusted(&path, SMALL).and_then(|t| t.trim().parse().ok()).unwrap_or(0);
        let written = nofollow::replace(&path, format!("{}\n", count.wrapping_add(1)).as_bytes(), false);
        written.map_err(|source| RunError::Io { path, source })
    }

    /// The merged standard output and error of the program, mode 0600.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.dir.join("out.log")
    }

    /// Size of the log in bytes and time of its last change.
    #[must_use]
    pub fn activity(&self) -> (u64, Millis) {
        let Ok(meta) = std::fs::symlink_metadata(self.log_path()) else { return (0, 0) };
        let changed = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        (meta.len(), changed.map_or(0, |d| Millis::try_from(d.as_millis()).unwrap_or(Millis::MAX)))
    }

    /// The run directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How the run is contained and found.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The supervisor's record, absent while starting.
    #[must_use]
    pub fn start(&self) -> Option<&Start> {
        self.start.as_ref()
    }

    /// The supervisor, dead or alive, where one is known.
    #[must_use]
    pub fn supervisor(&self) -> Option<Identity> {
        self.supervisor
    }

    /// Whether any process of the run lives beside its supervisor.
    fn lives(&self) -> bool {
        match self.start.as_ref().and_then(|s| s.init) {
            Some((init, space)) => init.alive() || !kill::in_namespace(init, space).is_empty(),
            None => !self.sought().scan(true).is_empty(),
        }
    }

    /// Puts on record that the end is ours, unless there is an end already.
    pub(super) fn note_killed(&self) {
        if read_exit(&self.dir).is_none() && self.supervisor.is_some_and(|s| s.alive()) {
            let _ = write_new(&self.dir.join("reason"), "killed\n");
        }
    }

    /// What a search for processes of this run goes by.
    #[must_use]
    pub fn sought(&self) -> Sought {
        let mut sessions = HashMap::new();
        if let Some(start) = &self.start {
            let noted = read_untrusted(&self.dir.join("sessions"), SMALL).unwrap_or_default();
            let pair = |line: &str| -> Option<(u32, u64)> {
                let (session, leader) = line.split_once(' ')?;
                Some((session.parse().ok()?, leader.parse().ok()?))
            };
            sessions.extend(noted.lines().filter_map(pair));
            sessions.insert(start.agent.pid, start.agent.born);
        }
        Sought {
            dir: self.dir.clone(),
            cookie: self.settings.cookie.clone(),
            roots: self.settings.search_roots.clone(),
            supervisor: self.supervisor,
            sessions,
        }
    }
}

/// How long the run of a directory took since its supervisor put it on record. One that ended `just_now` is measured by the
/// kernel's time since its start, which no change of the wall clock touches; of one that ended while nobody watched the files
/// tell, never more than the time since its start.
#[must_use]
pub fn ran_for(dir: &Path, just_now: bool) -> Option<Duration> {
    let changed = |name: &str| std::fs::metadata(dir.join(name)).ok()?.modified().ok();
    let begun = changed("start")?;
    let start = read_untrusted(&dir.join("start"), SMALL).and_then(|text| files::parse_start(&text));
    let age =
        start.filter(|start| start.boot == procfs::boot_id()).and_then(|start| procfs::age(start.supervisor.born));
    let told = changed("exit").and_then(|ended| ended.duration_since(begun).ok());
    match (age, told) {
        (Some(age), Some(told)) if !just_now => Some(age.min(told)),
        (Some(age), _) => Some(age),
        (None, told) => told,
    }
}

/// Every run whose directory is below `root`, two levels deep at most.
#[must_use]
pub fn runs_below(root: &Path) -> Vec<Run> {
    let folders = |dir: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect()
    };
    let first = folders(root);
    let second: Vec<PathBuf> = first.iter().flat_map(|d| folders(d)).collect();
    first.iter().chain(&second).filter_map(|d| Run::open(d)).collect()
}

fn read_exit(dir: &Path) -> Option<Exit> {
    files::parse_exit(&read_untrusted(&dir.join("exit"), SMALL)?)
}

fn write_new(path: &Path, text: &str) -> Result<(), RunError> {
    let io = |source| RunError::Io { path: path.to_owned(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)
}
