//! One supervised run from start to proven end: launching or adopting it, renewing its lease, watching its timers.
//!
//! Agents, setup commands and verification stages all go through [`run`]; there is no second way to start one.

use super::context::execution::ExecutionContext;
use super::fence::Reach;
use super::homes;
use crate::adapters::host::local::process::kill::KillProof;
use crate::adapters::host::local::protocol::{Exit, OURSELVES, RunError, RunSpec};
use crate::adapters::host::local::rundir::{Found, Run, claim_ourselves, find, launch, ran_for};
use crate::adapters::host::local::supervisor::{self};
use crate::adapters::host::local::workspace::activity::changed_since;
use crate::adapters::host::local::workspace::layout::slot_of;
use crate::adapters::os::clock::{self, EngineClock};
use crate::adapters::os::files;
use crate::domain::ending::ProcessEnd;
use crate::domain::handoff;
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::Millis;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

pub use super::homes::Home;

/// Does the work of a supervisor when the arguments of this process, without its name, ask for it; then its exit code.
#[must_use]
pub fn supervise(args: &[OsString]) -> Option<u8> {
    supervisor::main(args)
}

/// What is to be run.
#[derive(Debug)]
pub struct Job {
    /// Run directory; names the run for good.
    pub dir: PathBuf,
    /// Working folder, also searched for left-over processes.
    pub cwd: PathBuf,
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// Complete environment.
    pub env: Vec<(OsString, OsString)>,
    /// File for standard input.
    pub stdin: Option<PathBuf>,
    /// Total time.
    pub timeout: Duration,
    /// Longest time without output or file change; `None`: not watched.
    pub idle: Option<Duration>,
    /// Longest time until the first output or file change; `None`: not watched.
    pub start: Option<Duration>,
    /// File it gives its result in, and how long it may go on after its last word there; `None`: not watched.
    pub result: Option<(PathBuf, Duration)>,
    /// Whose HOME it has.
    pub home: Home,
    /// What it may reach beside what every run may.
    pub reach: Reach,
}

impl Job {
    /// A shell line of the settings in a prepared workspace: no input, no timers but the total one.
    #[must_use]
    pub fn shell(dir: PathBuf, cwd: PathBuf, line: &str, env: Vec<(OsString, OsString)>, timeout: Duration) -> Self {
        let argv = vec!["sh".into(), "-c".into(), line.into()];
        let home = Home::Users;
        let reach = Reach::default();
        Self { dir, cwd, argv, env, stdin: None, timeout, idle: None, start: None, result: None, home, reach }
    }

    /// The same with this HOME.
    #[must_use]
    pub fn at_home(mut self, home: Home) -> Self {
        self.home = home;
        self
    }
}

/// How a job ended.
#[derive(Debug)]
pub struct Ended {
    /// How the process ended.
    pub end: ProcessEnd,
    /// That it gave its result, said how it went, and did not leave in time: the leaving was done for it.
    pub overstayed: bool,
    /// Where its output is, if it ever started.
    pub log: Option<PathBuf>,
    /// How the end of all its processes was proven.
    pub proof: Option<KillProof>,
    /// How long it ran, if it ever started.
    pub ran: Option<Duration>,
}

impl Ended {
    /// When it ran, on a clock that shows `now`: from when this engine began it, else as long as it ran.
    #[must_use]
    pub fn span(&self, began: Option<Millis>, now: Millis) -> Option<(Millis, Millis)> {
        began.or(self.ran.map(|ran| now.saturating_sub(clock::millis(ran)))).map(|began| (began, now))
    }
}

/// How often is looked whether a result was given: ten times within the time a program may go on after it.
fn result_look(job: &Job) -> Duration {
    let grace = job.result.as_ref().map_or(Duration::MAX, |(_, grace)| *grace);
    (grace / 10).clamp(Duration::from_millis(100), Duration::from_secs(5))
}

/// Longest result file that is looked at while the program still runs.
const RESULT_LIMIT: u64 = 1 << 20;

/// Time between TERM and KILL.
pub const GRACE: Duration = Duration::from_secs(5);

/// Runs a job that may have been started by an earlier engine: takes over what is there, else starts it. `adopt_only`
/// never starts anything: what nobody claimed is claimed, so that it can never start.
pub async fn run(execution: &ExecutionContext, job: Job, kill: watch::Receiver<bool>, adopt_only: bool) -> Ended {
    let cwd = job.cwd.clone();
    let ended = until_the_end(execution, job, kill, adopt_only).await;
    homes::leave(&cwd);
    ended
}

async fn until_the_end(
    execution: &ExecutionContext,
    job: Job,
    mut kill: watch::Receiver<bool>,
    adopt_only: bool,
) -> Ended {
    loop {
        let found = if job.dir.exists() { find(&job.dir).await } else { Found::NeverStarted };
        match found {
            Found::Starting(run) | Found::Running(run) => return watch(execution, &job, run, &mut kill).await,
            Found::Ended(exit) => return finished(&job, exit, None).await,
            Found::HalfDead(run) => {
                let proof = run.end(GRACE).await;
                return ended(lost("its supervisor died"), &job, Some(proof));
            }
            Found::Gone => return ended(lost("it vanished without a record"), &job, None),
            Found::NeverStarted if adopt_only || *kill.borrow() => match claim_ourselves(&job.dir) {
                Ok(true) if adopt_only => return ended(ProcessEnd::NeverStarted, &job, None),
                Ok(true) => return ended(ProcessEnd::Stopped, &job, None),
                Ok(false) => {}
                Err(e) => return ended(ProcessEnd::Infrastructure(execution.trouble(&e)), &job, None),
            },
            Found::NeverStarted if job.dir.exists() => {
                // An engine died between making the directory and its claim; whoever claims it now owns it.
                match claim_ourselves(&job.dir) {
                    Ok(true) => return ended(lost("its engine died before the start"), &job, None),
                    Ok(false) => {}
                    Err(e) => return ended(ProcessEnd::Infrastructure(execution.trouble(&e)), &job, None),
                }
            }
            Found::NeverStarted if replaced(execution, &job).await => {
                return ended(lost("its workspace is gone"), &job, None);
            }
            Found::NeverStarted => match start(execution, &job).await {
                Ok(run) => return watch(execution, &job, run, &mut kill).await,
                Err(RunError::Taken { .. }) => {}
                Err(e) => return ended(ProcessEnd::Infrastructure(execution.trouble(&e)), &job, None),
            },
        }
    }
}

/// Whether what stands in the place of the workspace is not what was prepared.
async fn replaced(execution: &ExecutionContext, job: &Job) -> bool {
    match execution.pool().await {
        Ok(pool) => pool.check_work(&job.cwd).is_err(),
        Err(_) => false,
    }
}

/// Runs a job that no earlier engine has started; `began` is told once it is on record.
pub async fn run_telling(
    execution: &ExecutionContext,
    job: Job,
    kill: watch::Receiver<bool>,
    began: impl FnOnce(),
) -> Ended {
    let dir = job.dir.clone();
    let on_record = async {
        while ran_for(&dir, true).is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let mut ended = std::pin::pin!(run(execution, job, kill, false));
    tokio::select! {
        ended = &mut ended => return ended,
        () = on_record => began(),
    }
    ended.await
}

fn lost(why: &str) -> ProcessEnd {
    ProcessEnd::Infrastructure(Trouble::new(Cause::LostRun, why))
}

async fn start(execution: &ExecutionContext, job: &Job) -> Result<Run, RunError> {
    // A link in the place of one of our folders is taken away, and the run gets its own.
    if let Some(above) = job.dir.parent().filter(|above| above.starts_with(execution.state.root())) {
        let made = files::make_own_dir(execution.state.root(), above);
        made.map_err(|source| RunError::Io { path: above.to_owned(), source })?;
    }
    let failed = |reason| RunError::NotStarted { dir: job.dir.clone(), reason };
    let isolation = execution.isolation().await.map_err(|e| failed(e.to_string()))?;
    let cookie = clock::new_cookie();
    let around = homes::around(execution, &job.cwd, job.home, &job.reach, &job.env).await.map_err(failed)?;
    let given = |name: &OsString| around.env.iter().any(|(own, _)| own == name);
    let env = job.env.iter().filter(|(name, _)| !given(name)).chain(&around.env).cloned().collect();
    launch(&RunSpec {
        dir: job.dir.clone(),
        cwd: job.cwd.clone(),
        argv: job.argv.clone(),
        env,
        stdin: job.stdin.clone(),
        timeout: job.timeout,
        grace: GRACE,
        lease: execution.lease(),
        isolation,
        program: OURSELVES.into(),
        cookie,
        search_roots: vec![slot_of(&job.cwd).to_owned()],
        mounts: around.mounts,
        fence: around.fence,
    })
    .await
}

async fn watch(execution: &ExecutionContext, job: &Job, run: Run, kill: &mut watch::Receiver<bool>) -> Ended {
    let mut lease = tokio::time::interval((execution.lease() / 4).max(Duration::from_millis(200)));
    let mut told = false;
    let exit = run.wait();
    tokio::pin!(exit);
    let steady = EngineClock::start(0);
    // File times come from the wall clock. What it jumped ahead by (a suspended machine) is no time without a sign of life.
    let now = || clock::now().min(steady.now());
    let mut look = Box::pin(tokio::time::sleep(next_look(job, &run, now())));
    let (mut done, mut result) = (tokio::time::interval(result_look(job)), None);
    loop {
        tokio::select! {
            exit = &mut exit => return finished(job, exit, Some(&run)).await,
            _ = lease.tick() => {
                if let Err(e) = run.renew_lease() {
                    tracing::warn!("renew a lease: {e}");
                }
            }
            changed = wait_for_kill(kill), if !told => {
                told = true;
                if changed {
                    let proof = run.end(GRACE).await;
                    return ended(ProcessEnd::Stopped, job, Some(proof));
                }
            }
            _ = done.tick(), if job.result.is_some() => {
                if overstays(job, &mut result) {
                    let proof = run.end(GRACE).await;
                    return Ended { overstayed: true, ..ended(ProcessEnd::Exited(0), job, Some(proof)) };
                }
            }
            () = &mut look => {
                if stalled(job, &run, now()).await {
                    let proof = run.end(GRACE).await;
                    return ended(ProcessEnd::Stalled, job, Some(proof));
                }
                look = Box::pin(tokio::time::sleep(next_look(job, &run, now())));
            }
        }
    }
}

/// Looks for a result that stays as it is; true when the program has been going on for too long since it was written.
fn overstays(job: &Job, seen: &mut Option<(String, Instant)>) -> bool {
    let Some((file, grace)) = &job.result else { return false };
    let text = files::read_untrusted(file, RESULT_LIMIT).filter(|text| handoff::read(Some(text), "").is_some());
    match (text, &seen) {
        (Some(text), Some((known, since))) if text == *known => since.elapsed() >= *grace,
        (text, _) => {
            *seen = text.map(|text| (text, Instant::now()));
            false
        }
    }
}

/// Resolves to true when the kill is asked for, to false when nobody can ask for it any more.
async fn wait_for_kill(kill: &mut watch::Receiver<bool>) -> bool {
    kill.wait_for(|k| *k).await.is_ok()
}

/// How long until a timer could have run out.
fn next_look(job: &Job, run: &Run, now: Millis) -> Duration {
    let (bytes, changed) = run.activity();
    let limit = match (bytes, job.start, job.idle) {
        (0, Some(start), Some(idle)) => start.min(idle),
        (0, Some(start), None) => start,
        (_, _, Some(idle)) => idle,
        (_, _, None) => return Duration::from_secs(3_600),
    };
    let passed = Duration::from_millis(now.saturating_sub(changed));
    limit.saturating_sub(passed).clamp(Duration::from_millis(100), Duration::from_secs(3_600))
}

/// Whether neither output nor a file change shows life within the limit that holds now.
async fn stalled(job: &Job, run: &Run, now: Millis) -> bool {
    let (bytes, changed) = run.activity();
    let limit = if bytes == 0 { job.start.or(job.idle) } else { job.idle };
    let Some(limit) = limit else { return false };
    let since = now.saturating_sub(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    if changed > since {
        return false;
    }
    let cwd = job.cwd.clone();
    !tokio::task::spawn_blocking(move || changed_since(&cwd, since)).await.unwrap_or(true)
}

async fn finished(job: &Job, exit: Exit, run: Option<&Run>) -> Ended {
    let proof = match run {
        Some(run) => Some(run.end(Duration::ZERO).await),
        None => match Run::open(&job.dir) {
            Some(run) => Some(run.end(Duration::ZERO).await),
            None => None,
        },
    };
    let end = match exit {
        Exit::Code(code) => ProcessEnd::Exited(code),
        Exit::Signal(signal) => ProcessEnd::Signaled(signal),
        Exit::Timeout => ProcessEnd::Timeout,
        Exit::LeaseExpired => lost("its lease expired: no engine renewed it in time"),
        Exit::Killed => ProcessEnd::Stopped,
        Exit::Lost => lost("its supervisor died without a record"),
    };
    Ended { ran: ran_for(&job.dir, run.is_some()), ..ended(end, job, proof) }
}

fn ended(end: ProcessEnd, job: &Job, proof: Option<KillProof>) -> Ended {
    let log = job.dir.join("out.log");
    Ended { end, overstayed: false, log: log.exists().then_some(log), proof, ran: ran_for(&job.dir, true) }
}
