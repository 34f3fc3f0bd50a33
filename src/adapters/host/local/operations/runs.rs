//! One supervised run from start to proven end: launching or adopting it, renewing its lease, watching its timers.
//!
//! Agents, setup commands and verification stages all go through `LocalHost::run`; there is no second way to start one.

use super::stage;
use crate::adapters::host::local::machine::around::{build_surroundings, tidy_layers};
use crate::adapters::host::local::machine::fenced::Reach;
use crate::adapters::host::local::machine::host::LocalHost;
use crate::adapters::host::local::process::kill::KillProof;
use crate::adapters::host::local::protocol::{KillReason, OURSELVES, OUTPUT, RunError, RunExit, RunSpec};
use crate::adapters::host::local::rundir::{Found, Run, archive_run_dir, claim_ourselves, find, launch, ran_for};
use crate::adapters::host::local::workspace::{changed_since, slot_of};
use crate::adapters::host::order::{Ended, Program, RunOrder, SessionFolder, Start, is_killed};
use crate::adapters::os::clock::{self, EngineClock};
use crate::adapters::os::files::{self, At};
use crate::adapters::os::machine::find_program;
use crate::domain::ending::ProcessEnd;
use crate::domain::handoff::{self, PromptMode};
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::{LONGEST_ARGUMENT, Millis};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often is looked whether a result was given: ten times within the time a program may go on after it.
fn result_interval(job: &Job) -> Duration {
    let grace = job.grace().unwrap_or(Duration::MAX);
    (grace / 10).clamp(Duration::from_millis(100), Duration::from_secs(5))
}

/// Longest result file that is looked at while the program still runs.
const RESULT_LIMIT: u64 = 1 << 20;

/// Longest result file that is read when it has ended.
const LONGEST_RESULT: u64 = 8 << 20;

/// Time between TERM and KILL.
pub const GRACE: Duration = Duration::from_secs(5);

/// An order with the places of this host.
struct Job<'a> {
    order: &'a RunOrder,
    /// Run directory.
    dir: PathBuf,
    /// Working folder, also searched for left-over processes.
    cwd: PathBuf,
    /// The folder of the session.
    session: Option<PathBuf>,
    /// The engine is elsewhere.
    served: bool,
}

impl Job<'_> {
    fn grace(&self) -> Option<Duration> {
        self.order.grace_after_result.filter(|grace| !grace.is_zero())
    }

    fn result(&self) -> Option<PathBuf> {
        self.session.as_deref().map(result_file)
    }
}

/// The brief in the folder of a session.
pub fn brief_file(session: &Path) -> PathBuf {
    session.join("brief.md")
}

/// The result in the folder of a session; its own folder is what the agent may write.
pub fn result_file(session: &Path) -> PathBuf {
    session.join("result/result.json")
}

async fn until_the_end(
    host: &LocalHost,
    job: &Job<'_>,
    mut kill: watch::Receiver<bool>,
    start: Start,
    began: impl FnOnce(),
) -> Ended {
    let adopt_only = start == Start::Never;
    let run = loop {
        let found = if job.dir.exists() { find(&job.dir).await } else { Found::NeverStarted };
        match found {
            Found::Starting(run) | Found::Running(run) => break run,
            Found::Ended(exit) => return finish_run(job, exit, None).await,
            Found::HalfDead(run) => {
                let proof = run.end(GRACE).await;
                return Ended { unseen: true, ..build_ended(lost_run("its supervisor died"), job, Some(proof)) };
            }
            Found::Gone => {
                return Ended { unseen: true, ..build_ended(lost_run("it vanished without a record"), job, None) };
            }
            Found::NeverStarted if adopt_only || *kill.borrow() => match claim_ourselves(&job.dir) {
                Ok(true) if adopt_only => return build_ended(ProcessEnd::NeverStarted, job, None),
                Ok(true) => return build_ended(ProcessEnd::Stopped, job, None),
                Ok(false) => {}
                Err(e) => return build_ended(ProcessEnd::Infrastructure(host.classify_error(&e)), job, None),
            },
            Found::NeverStarted if job.dir.exists() => {
                // Whoever wanted to start it died between making the directory and its claim. It never ran: whoever claims it now may put
                // it aside and start anew.
                let aside = match claim_ourselves(&job.dir) {
                    Ok(true) => archive_run_dir(&job.dir, GRACE).await,
                    Ok(false) => Ok(()),
                    Err(e) => Err(e),
                };
                if let Err(e) = aside {
                    return build_ended(ProcessEnd::Infrastructure(host.classify_error(&e)), job, None);
                }
            }
            Found::NeverStarted if is_replaced(host, job).await => {
                return Ended { unseen: true, ..build_ended(lost_run("its workspace is gone"), job, None) };
            }
            Found::NeverStarted => match begin(host, job).await {
                Ok(run) => break run,
                Err(RunError::Taken { .. }) => {}
                Err(e) => return build_ended(ProcessEnd::Infrastructure(host.classify_error(&e)), job, None),
            },
        }
    };
    began();
    watch(host, job, run, &mut kill).await
}

/// Whether what stands in the place of the workspace is not what was prepared for whoever this run belongs to.
async fn is_replaced(host: &LocalHost, job: &Job<'_>) -> bool {
    let Ok(pool) = host.pool().await else { return false };
    let RunOrder { key, slot, .. } = job.order;
    let own = |label: &str| key.as_str().strip_prefix(label).is_some_and(|rest| rest.starts_with('/'));
    let is_ours = |(used, label): &(u32, String)| used == slot && own(label);
    !pool.dirty_slots().is_ok_and(|used| used.iter().any(is_ours)) || pool.check_work(&job.cwd).is_err()
}

fn lost_run(why: &str) -> ProcessEnd {
    ProcessEnd::Infrastructure(Trouble::new(Cause::LostRun, why))
}

/// Starts it; when this returns, it is on record.
async fn begin(host: &LocalHost, job: &Job<'_>) -> Result<Run, RunError> {
    // A link in the place of one of our folders is taken away, and the run gets its own.
    if let Some(above) = job.dir.parent().filter(|above| above.starts_with(host.root())) {
        let made = files::make_own_dir(host.root(), above);
        made.at(above)?;
    }
    let order = job.order;
    let mut env = host.allowed_env(&order.inherited);
    env.extend(order.variables.iter().map(|(name, value)| (OsString::from(name), value.clone())));
    let (mut reach, mut stdin) = (Reach::default(), None);
    if let (Some(session), Some(folder)) = (&order.session, &job.session) {
        let made = furnish_session(host, session, folder);
        made.at(folder)?;
        let (brief, result) = (brief_file(folder), result_file(folder));
        env.push(("MC_WORKSPACE".into(), job.cwd.clone().into()));
        env.push(("MC_BRIEF".into(), brief.clone().into()));
        env.push(("MC_RESULT".into(), result.clone().into()));
        reach.writable.extend(result.parent().map(Path::to_owned));
        reach.readable.push(brief);
    }
    let argv = match (&order.program, &job.session) {
        (Program::Agent { command, prompt }, Some(folder)) => {
            let brief = brief_file(folder);
            reach.readable.extend(agent_files(host, command));
            match prompt {
                PromptMode::Stdin => {
                    stdin = Some(brief);
                    shell(command)
                }
                PromptMode::File => with_argument(command, brief.into()),
                PromptMode::Arg => {
                    // Longer than a program can be given, the brief is only named.
                    let text = files::read_untrusted(&brief, LONGEST_ARGUMENT as u64).unwrap_or_else(|| {
                        format!("Your instructions are in the file {}: read it first.", brief.display())
                    });
                    with_argument(command, text.into())
                }
            }
        }
        (Program::Shell(line) | Program::Agent { command: line, .. }, _) => shell(line),
    };
    let failed = |reason| RunError::NotStarted { dir: job.dir.clone(), reason };
    let isolation = host.isolation().await.map_err(|e| failed(e.to_string()))?;
    let cookie = clock::new_cookie();
    let around =
        build_surroundings(host, &job.cwd, order.home, &reach, &env).await.map_err(|trouble| failed(trouble.why))?;
    let given = |name: &OsString| around.env.iter().any(|(own, _)| own == name);
    env.retain(|(name, _)| !given(name));
    env.extend(around.env.iter().cloned());
    launch(&RunSpec {
        dir: job.dir.clone(),
        cwd: job.cwd.clone(),
        argv,
        env,
        stdin,
        errors_apart: order.session.is_some(),
        timeout: order.timeout,
        grace: GRACE,
        lease: host.settings.lease(),
        isolation,
        program: OURSELVES.into(),
        cookie,
        search_roots: vec![slot_of(&job.cwd).to_owned()],
        mounts: around.mounts,
        fence: around.fence,
    })
    .await
}

/// Puts the brief where the agent finds it, beside an empty folder for its result.
fn furnish_session(host: &LocalHost, session: &SessionFolder, folder: &Path) -> std::io::Result<()> {
    files::make_own_dir(host.root(), folder)?;
    files::make_new_own_dir(host.root(), result_file(folder).parent().unwrap_or(folder))?;
    files::replace_own(&brief_file(folder), session.brief.as_bytes())
}

/// The files that the agent's command line names: its program, and whatever is given by its path. They may lie where a fence
/// shows nothing else.
fn agent_files(host: &LocalHost, command: &str) -> Vec<PathBuf> {
    let mut words = command.split_whitespace().map(|word| word.trim_matches(['\'', '"']));
    let path = host.env.var("PATH").unwrap_or_default();
    let program = words.next().and_then(|word| find_program(word, path, Path::new("/")));
    program.into_iter().chain(words.map(PathBuf::from).filter(|path| path.is_absolute())).collect()
}

fn shell(line: &str) -> Vec<OsString> {
    vec!["sh".into(), "-c".into(), line.into()]
}

/// The configured command line with one more argument, which reaches it as a positional parameter and never as text of
/// the shell line.
fn with_argument(command: &str, argument: OsString) -> Vec<OsString> {
    vec!["sh".into(), "-c".into(), format!("{command} \"$1\"").into(), "sh".into(), argument]
}

async fn watch(host: &LocalHost, job: &Job<'_>, run: Run, kill: &mut watch::Receiver<bool>) -> Ended {
    let mut lease = tokio::time::interval((host.settings.lease() / 4).max(Duration::from_millis(200)));
    let mut told = false;
    let exit = run.wait();
    tokio::pin!(exit);
    let steady = EngineClock::start(0);
    // File times come from the wall clock. What it jumped ahead by (a suspended machine) is no time without a sign of life.
    let now = || clock::now().min(steady.now());
    let mut look = Box::pin(tokio::time::sleep(next_check(job, &run, now())));
    let (mut done, mut result) = (tokio::time::interval(result_interval(job)), None);
    loop {
        tokio::select! {
            exit = &mut exit => return finish_run(job, exit, Some(&run)).await,
            _ = lease.tick(), if host.is_wanted() => {
                if let Err(e) = run.renew_lease() {
                    tracing::warn!("renew a lease: {e}");
                }
            }
            changed = is_killed(kill), if !told => {
                told = true;
                if changed {
                    return end_for(KillReason::Wanted, job, &run).await;
                }
            }
            _ = done.tick(), if job.grace().is_some() => {
                if has_overstayed(job, &mut result) {
                    return end_for(KillReason::Overstayed, job, &run).await;
                }
            }
            () = &mut look => {
                if is_stalled(job, &run, now()).await {
                    return end_for(KillReason::Stalled, job, &run).await;
                }
                look = Box::pin(tokio::time::sleep(next_check(job, &run, now())));
            }
        }
    }
}

/// Looks for a result that stays as it is; true when the program has been going on for too long since it was written.
fn has_overstayed(job: &Job<'_>, seen: &mut Option<(String, Instant)>) -> bool {
    let Some((file, grace)) = job.result().zip(job.grace()) else { return false };
    let text = files::read_untrusted(&file, RESULT_LIMIT).filter(|text| handoff::read(Some(text), "").is_some());
    match (text, &seen) {
        (Some(text), Some((known, since))) if text == *known => since.elapsed() >= grace,
        (text, _) => {
            *seen = text.map(|text| (text, Instant::now()));
            false
        }
    }
}

/// How long until a timer could have run out.
fn next_check(job: &Job<'_>, run: &Run, now: Millis) -> Duration {
    let (bytes, changed) = run.read_activity();
    let limit = match (bytes, job.order.start, job.order.idle) {
        (0, Some(start), Some(idle)) => start.min(idle),
        (0, Some(start), None) => start,
        (_, _, Some(idle)) => idle,
        (_, _, None) => return Duration::from_secs(3_600),
    };
    let passed = Duration::from_millis(now.saturating_sub(changed));
    limit.saturating_sub(passed).clamp(Duration::from_millis(100), Duration::from_secs(3_600))
}

/// Whether neither output nor a file change shows life within the limit that holds now.
async fn is_stalled(job: &Job<'_>, run: &Run, now: Millis) -> bool {
    let (bytes, changed) = run.read_activity();
    let limit = if bytes == 0 { job.order.start.or(job.order.idle) } else { job.order.idle };
    let Some(limit) = limit else { return false };
    let since = now.saturating_sub(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    if changed > since {
        return false;
    }
    let cwd = job.cwd.clone();
    !tokio::task::spawn_blocking(move || changed_since(&cwd, since)).await.unwrap_or(true)
}

async fn finish_run(job: &Job<'_>, exit: RunExit, run: Option<&Run>) -> Ended {
    let left = if run.is_none() { Run::open(&job.dir) } else { None };
    let proof = match run.or(left.as_ref()) {
        Some(run) => Some(run.end(Duration::ZERO).await),
        None => None,
    };
    Ended { ran: ran_for(&job.dir, run.is_some()), ..convert_exit(exit, job, proof) }
}

/// Ends a run of which we found that it must not go on.
async fn end_for(why: KillReason, job: &Job<'_>, run: &Run) -> Ended {
    let (proof, exit) = run.end_for(why, GRACE).await;
    convert_exit(exit, job, Some(proof))
}

/// What the record of its end says of a run, to whoever ended it and to whoever asks again.
fn convert_exit(exit: RunExit, job: &Job<'_>, proof: Option<KillProof>) -> Ended {
    let end = match exit {
        RunExit::Code(code) => ProcessEnd::Exited(code),
        RunExit::Signal(signal) => ProcessEnd::Signaled(signal),
        RunExit::Timeout => ProcessEnd::Timeout,
        // No fault of the run, nor of who wrote it.
        RunExit::LeaseExpired if job.served => {
            let why = "its lease ended while the engine could not reach this host";
            ProcessEnd::Infrastructure(Trouble::new(Cause::Unreachable, why))
        }
        RunExit::LeaseExpired => lost_run("its lease expired: no engine renewed it in time"),
        RunExit::Killed(KillReason::Wanted) => ProcessEnd::Stopped,
        RunExit::Killed(KillReason::Stalled) => ProcessEnd::Stalled,
        RunExit::Killed(KillReason::Overstayed) => ProcessEnd::Exited(0),
        RunExit::Lost => lost_run("its supervisor died without a record"),
    };
    Ended { overstayed: exit == RunExit::Killed(KillReason::Overstayed), ..build_ended(end, job, proof) }
}

fn build_ended(end: ProcessEnd, job: &Job<'_>, proof: Option<KillProof>) -> Ended {
    let log = job.dir.join(OUTPUT);
    Ended { log: log.exists().then_some(log), proof, ran: ran_for(&job.dir, true), ..Ended::from_end(end) }
}

impl LocalHost {
    /// Runs an order to its proven end; one that was begun is taken over. `began` is told once it is on record.
    pub async fn run(
        &self,
        order: &RunOrder,
        start: Start,
        kill: watch::Receiver<bool>,
        began: impl FnOnce(),
    ) -> Ended {
        let host = self;
        let cwd = match host.pool().await {
            Ok(pool) => pool.path(order.slot),
            Err(e) => return Ended::from_end(ProcessEnd::Infrastructure(host.classify_error(&e))),
        };
        let session = order.session.as_ref().map(|session| host.run_dir(&session.key));
        let job = Job { order, dir: host.run_dir(&order.key), cwd, session, served: host.serves_another() };
        let reports = match stage::clear(host, &job.cwd, order.reports.as_ref(), job.dir.exists()).await {
            Ok(reports) => reports,
            Err(trouble) => return Ended::from_end(ProcessEnd::Infrastructure(trouble)),
        };
        let mut ended = until_the_end(host, &job, kill, start, began).await;
        tidy_layers(&job.cwd);
        ended.result = job.result().and_then(|file| files::read_untrusted(&file, LONGEST_RESULT));
        match stage::read(&job.cwd, order.reports.as_ref(), reports).await {
            Ok(reports) => ended.reports = reports,
            Err(trouble) => ended.end = ProcessEnd::Infrastructure(trouble),
        }
        ended
    }
}
