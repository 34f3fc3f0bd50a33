//! The stage of the demo: its folder, its repository and the processes it starts, kills and waits for.

use super::story::{LONG, OLD_CALLER, PARTS, RENAMER, SAME_LINE};
use crate::adapters::git::{Git, GitError, inspect};
use crate::adapters::host::local::demo::{Child, CommandContext, belonging_to, columns};
use crate::adapters::host::local::process::command::{ChildGuard, Output};
use crate::adapters::os::{Environment, Scratch, clock, files};
use crate::adapters::store::{StateDir, Store};
use crate::domain::mission::{Record, State, UnitState};
use crate::domain::trouble::chain;
use crate::domain::values::UnitId;
use crate::engine::error::EngineError;
use crate::engine::inspect::history::{self, History};
use crate::engine::run::signals::Signals;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the world is looked at, and for how long at most, while something is awaited.
const POLL: (Duration, Duration) = (Duration::from_millis(40), Duration::from_secs(180));

/// Where agents and tests leave what the demo looks at: the only folder of theirs that lasts.
const NOTES: &str = "notes";

/// Variables of the user that the children get; everything else they get is the demo's own.
const INHERITED: [&str; 6] = ["PATH", "TERM", "COLUMNS", "LANG", "LC_ALL", "TZ"];

/// The stage of the demo: a folder with a repository in it, and what was seen so far.
#[derive(Debug)]
pub struct Demo {
    folder: Scratch,
    pub(super) again: CommandContext,
    state: StateDir,
    silent: bool,
    child: Option<Child>,
    clock: Instant,
    pub(super) before: BTreeMap<String, String>,
    pub(super) seen: Seen,
    /// Exit code and first line of the audit of a copy with a changed byte.
    pub(super) tampered: (i32, String),
}

/// What was seen while the mission ran and cannot be found out afterwards.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Processes of the folder while agents ran without an engine.
    pub alive: usize,
    /// Signs of life of the long agents at the kill and later.
    pub beats: Vec<(String, u64, u64)>,
    /// Whether SIGKILL ended a living engine.
    pub killed: bool,
    /// Whether the agent that was let go ended while no engine was there.
    pub finished_alone: bool,
    /// Whether a new engine renewed the lease of the running agent.
    pub lease_renewed: bool,
    /// Exit code of the resumed mission.
    pub code: Option<i32>,
}

/// What the mission had done when `mc` was killed.
#[derive(Debug, Clone)]
pub struct Middle {
    /// Process id of the killed `mc`.
    pub pid: u32,
    /// Units that had landed.
    pub landed: usize,
    /// Attempts the journal knows as running.
    pub running: Vec<String>,
}

/// Waits for an interrupt, a termination request or a second of them; returns when the demo has to end.
///
/// # Errors
/// [`EngineError::Broken`] when signals cannot be listened to.
pub async fn wait_for_signal() -> Result<(), EngineError> {
    let mut signals = Signals::new().map_err(|e| wrap_error("listen to signals", &e))?;
    signals.next().await;
    Ok(())
}

fn wrap_error(what: &str, error: &dyn std::error::Error) -> EngineError {
    EngineError::broken(format!("{what}: {}", chain(error)), "")
}

pub(super) fn unexpected_error(what: impl Into<String>) -> EngineError {
    EngineError::broken(what.into(), "`mc demo --keep` leaves everything for a look")
}

impl Demo {
    /// Makes the folder and the repository in it. `silent` children print nothing.
    ///
    /// # Errors
    /// [`EngineError`] when the folder cannot be made or git does not work.
    pub async fn make(silent: bool) -> Result<Self, EngineError> {
        let clock = clock::start_watch();
        let folder = Scratch::new("mc-demo-").map_err(|e| wrap_error("make a temporary folder", &e))?;
        let path = folder.path();
        let user = Environment::of_process()?;
        let mut env = environment(&user, path);
        if user.var("COLUMNS").is_none()
            && let Some(columns) = columns()
        {
            env.push(("COLUMNS".into(), columns.to_string().into()));
        }
        let again = CommandContext { cwd: path.join("till"), env };
        write(path)?;
        let line = "git init -q -b main . && git add -A && git commit -q -m 'A till'";
        shell(&again, &again.cwd, "make the repository", line).await?;
        let mut place = Environment::empty(path).with_var("MC_STATE_DIR", path.join("state"));
        for (name, value) in &again.env {
            place = place.with_var(name, value);
        }
        let facts = inspect(&Git::in_folder(&again.cwd, ChildGuard::none())).await?;
        let state = StateDir::locate(&facts.common_dir, &place)?;
        let before = read_footprint(&again).await?;
        Ok(Self {
            folder,
            again,
            state,
            silent,
            child: None,
            clock,
            before,
            seen: Seen::default(),
            tampered: (-1, "not audited".to_owned()),
        })
    }

    /// Where everything is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The repository.
    pub fn repository(&self) -> &Path {
        &self.again.cwd
    }

    /// The state directory of its missions.
    pub fn state_dir(&self) -> &Path {
        self.state.root()
    }

    /// Time since the demo began.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Starts the mission, waits until it is in the middle of its work, and kills `mc` with SIGKILL.
    ///
    /// # Errors
    /// [`EngineError`] when it does not get that far.
    pub async fn run_and_kill(&mut self) -> Result<Middle, EngineError> {
        self.launch(&["mission", "start"])?;
        self.wait_until("the middle of the mission", |demo| {
            Ok(demo.load_history()?.filter(|h| demo.is_midway(&h.state)))
        })
        .await?;
        let Some(child) = &mut self.child else { return Err(unexpected_error("the mission was not started")) };
        let pid = child.pid();
        self.seen.killed = child.kill().await.map_err(|e| wrap_error("kill mc", &e))?;
        self.child = None;
        // What it wrote until its last instant counts, so the journal is read after its death.
        let state = self.load_history()?.ok_or_else(|| unexpected_error("the mission left no journal"))?.state;
        let running = state.running_attempts().map(|(unit, _)| unit.spec.id.to_string()).collect();
        Ok(Middle { pid, landed: state.count(UnitState::Landed) as usize, running })
    }

    /// The rename has landed, one editor of the same line has met the other, and both long agents are at work.
    fn is_midway(&self, state: &State) -> bool {
        let unit = |id: &str| UnitId::new(id).ok().and_then(|id| state.unit(&id));
        unit(RENAMER).is_some_and(|u| u.state == UnitState::Landed)
            && SAME_LINE.iter().any(|id| unit(id).is_some_and(|u| u.conflicts > 0))
            && self.long_units().all(|id| self.count_beats(id) > 0)
    }

    fn long_units(&self) -> impl Iterator<Item = &'static str> {
        PARTS.iter().filter(|part| part.long).map(|part| part.id)
    }

    pub(super) fn read_lines(&self, name: &str) -> Vec<String> {
        let bytes = files::read_if_there(&self.path().join(NOTES).join(name)).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }

    fn count_beats(&self, unit: &str) -> u64 {
        self.read_lines(&format!("beat.{unit}")).len() as u64
    }

    /// Waits for new signs of life of the long agents; returns how many each gave since the kill.
    ///
    /// # Errors
    /// [`EngineError`] when none come.
    pub async fn watch_orphans(&mut self) -> Result<Vec<(String, u64)>, EngineError> {
        let then: Vec<(String, u64)> = self.long_units().map(|id| (id.to_owned(), self.count_beats(id))).collect();
        self.wait_until("signs of life of the agents", |demo| {
            Ok(then.iter().all(|(id, n)| demo.count_beats(id) >= n + 3).then_some(()))
        })
        .await?;
        self.seen.alive = belonging_to(self.path()).len();
        self.seen.beats = then.into_iter().map(|(id, n)| (id.clone(), n, self.count_beats(&id))).collect();
        Ok(self.seen.beats.iter().map(|(id, then, now)| (id.clone(), now - then)).collect())
    }

    /// Lets the caller of the old name finish while no engine is there.
    ///
    /// # Errors
    /// [`EngineError`] when it does not.
    pub async fn finish_alone(&mut self) -> Result<(), EngineError> {
        self.release_unit(OLD_CALLER)?;
        let done = format!("done.{OLD_CALLER}");
        self.wait_until("an agent to finish alone", |demo| Ok((!demo.read_lines(&done).is_empty()).then_some(())))
            .await?;
        let journal = self.history()?;
        self.seen.finished_alone =
            journal.state.running_attempts().any(|(unit, _)| unit.spec.id.as_str() == OLD_CALLER);
        Ok(())
    }

    fn release_unit(&self, unit: &str) -> Result<(), EngineError> {
        let path = self.path().join(NOTES).join(format!("go.{unit}"));
        files::write_private(&path, b"").map_err(|source| EngineError::File { path, source })
    }

    /// Resumes the mission in a new process, lets the last agent go once that process has taken it over, and waits for
    /// the end.
    ///
    /// # Errors
    /// [`EngineError`] when it does not get to an end.
    pub async fn resume(&mut self) -> Result<(), EngineError> {
        let lease = self.lease_file(LONG)?;
        let old = files::read_if_there(&lease).ok().flatten();
        self.launch(&["mission", "resume"])?;
        self.wait_until("the agent to be taken over", |demo| {
            let resumed = demo.load_history()?.is_some_and(|h| find_resume(&h).is_some());
            let renewed = files::read_if_there(&lease).ok().flatten().is_some_and(|now| Some(now) != old);
            Ok((resumed && renewed).then_some(()))
        })
        .await?;
        self.seen.lease_renewed = true;
        self.release_unit(LONG)?;
        let code = self.wait_until("the end of the mission", |demo| demo.poll_child()).await?;
        self.child = None;
        self.seen.code = Some(code);
        Ok(())
    }

    fn lease_file(&self, unit: &str) -> Result<PathBuf, EngineError> {
        let journal = self.history()?;
        let running = journal.state.running_attempts().find(|(u, _)| u.spec.id.as_str() == unit);
        let (_, attempt) =
            running.ok_or_else(|| unexpected_error(format!("the journal does not know {unit} as running")))?;
        let run = self.state.runs().join(journal.mission.as_str()).join(unit).join(attempt.n.to_string());
        Ok(run.join("run").join("lease"))
    }

    /// Output of another `mc` command on the repository, and its exit code.
    ///
    /// # Errors
    /// [`EngineError`] when it cannot be run.
    pub async fn run_mc(&self, args: &[&str]) -> Result<(String, i32), EngineError> {
        let output = self.again.capture(args).await.map_err(|e| wrap_error("run mc", &e))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok((text, output.code().unwrap_or(-1)))
    }

    /// Copies the journal, changes one byte of a unit's title in the copy, and audits that; returns what the audit says.
    ///
    /// # Errors
    /// [`EngineError`] when the copy cannot be made.
    pub async fn audit_tampered(&mut self) -> Result<&str, EngineError> {
        let copy = self.path().join("tampered");
        let db = copy.join("mc.db");
        let line = "mkdir tampered && cp state/mc.db state/repository state/state-id tampered";
        shell(&self.again, self.path(), "copy the journal", line).await?;
        let failed = |source| EngineError::File { path: db.clone(), source };
        let mut bytes = files::read_if_there(&db).map_err(failed)?.unwrap_or_default();
        let title = PARTS[0].title.as_bytes();
        let at = bytes.windows(title.len()).position(|window| window == title);
        let at = at.ok_or_else(|| unexpected_error("the journal does not name its first unit"))?;
        bytes[at] ^= 0x20;
        files::write_private(&db, &bytes).map_err(failed)?;
        let mut again = self.again.clone();
        again.env.retain(|(name, _)| name != "MC_STATE_DIR");
        again.env.push(("MC_STATE_DIR".into(), copy.into()));
        let output = again.capture(&["audit"]).await.map_err(|e| wrap_error("run mc", &e))?;
        let said = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
        self.tampered = (output.code().unwrap_or(-1), said);
        Ok(&self.tampered.1)
    }

    /// Ends what still runs: the child by its pid, agents by `mc mission stop --now`. What cannot be ended is returned.
    pub async fn end_processes(&mut self) -> Vec<u32> {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill().await;
        }
        let unfinished = self.load_history().ok().flatten().is_some_and(|h| !h.state.is_over());
        if unfinished {
            let _ = self.again.capture(&["mission", "stop", "--now", "-q"]).await;
        }
        belonging_to(self.path())
    }

    /// Leaves the folder where it is.
    pub fn keep(self) {
        self.folder.keep();
    }

    /// Removes the folder.
    ///
    /// # Errors
    /// [`EngineError::Broken`] when something of it stays.
    pub fn remove(self) -> Result<(), EngineError> {
        let path = self.path().to_owned();
        self.folder.remove(&[]).map_err(|e| wrap_error(&format!("remove {}", path.display()), &e))
    }

    fn launch(&mut self, args: &[&str]) -> Result<(), EngineError> {
        self.child = Some(self.again.start(args, self.silent).map_err(|e| wrap_error("start mc", &e))?);
        Ok(())
    }

    pub(super) fn load_history(&self) -> Result<Option<History>, EngineError> {
        Store::open_existing(&self.state.db())?.map_or(Ok(None), |store| history::load(&store, None))
    }

    pub(super) fn history(&self) -> Result<History, EngineError> {
        self.load_history()?.ok_or_else(|| unexpected_error("the journal is gone"))
    }

    fn poll_child(&mut self) -> Result<Option<i32>, EngineError> {
        let ended = self.child.as_mut().map_or(Ok(None), Child::try_wait);
        ended.map_err(|e| wrap_error("wait for mc", &e))
    }

    /// Looks until there is something to see. A child that ends before that is an error, unless its end is awaited.
    async fn wait_until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Self) -> Result<Option<T>, EngineError>,
    ) -> Result<T, EngineError> {
        let (pause, longest) = POLL;
        let clock = clock::start_watch();
        loop {
            let ended = self.poll_child()?;
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            if let Some(code) = ended {
                return Err(unexpected_error(format!("see {what}: mc ended before that with exit code {code}")));
            }
            if clock.elapsed() > longest {
                return Err(unexpected_error(format!("see {what} within {} s", longest.as_secs())));
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// Position of the record of the first resume.
pub(super) fn find_resume(history: &History) -> Option<usize> {
    history.records.iter().position(|(_, _, record)| matches!(record, Record::Resumed { .. }))
}

/// The children's whole environment.
fn environment(user: &Environment, folder: &Path) -> Vec<(OsString, OsString)> {
    let mut env: Vec<(OsString, OsString)> =
        INHERITED.iter().filter_map(|name| Some(((*name).into(), user.var(name)?.to_owned()))).collect();
    let own: [(&str, OsString); 12] = [
        ("HOME", folder.join("home").into()),
        ("TMPDIR", folder.join("tmp").into()),
        ("MC_STATE_DIR", folder.join("state").into()),
        ("DEMO_DIR", folder.into()),
        // What agents and tests leave for the demo to look at, and where its agents are.
        ("MC_SANDBOX_SHARED", folder.join(NOTES).into()),
        ("MC_SANDBOX_READABLE", folder.join("agents").into()),
        ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
        ("GIT_CONFIG_SYSTEM", "/dev/null".into()),
        ("GIT_AUTHOR_NAME", "Demo".into()),
        ("GIT_AUTHOR_EMAIL", "demo@localhost".into()),
        ("GIT_COMMITTER_NAME", "Demo".into()),
        ("GIT_COMMITTER_EMAIL", "demo@localhost".into()),
    ];
    env.extend(own.map(|(name, value)| (name.into(), value)));
    env
}

fn write(folder: &Path) -> Result<(), EngineError> {
    let put = |path: PathBuf, text: &str| {
        let parent = path.parent().unwrap_or(folder);
        let written = files::make_dir(parent).and_then(|()| files::write_private(&path, text.as_bytes()));
        written.map_err(|source| EngineError::File { path: path.clone(), source })
    };
    for name in ["home", "tmp", NOTES] {
        let path = folder.join(name);
        files::make_dir(&path).map_err(|source| EngineError::File { path, source })?;
    }
    for (path, text) in super::story::files() {
        put(folder.join("till").join(path), &text)?;
    }
    for part in &PARTS {
        put(folder.join("agents").join(format!("{}.sh", part.id)), &super::story::script(part))?;
    }
    Ok(())
}

/// What a line of the shell printed that must work.
pub(super) async fn shell(
    again: &CommandContext,
    folder: &Path,
    what: &str,
    line: &str,
) -> Result<Output, EngineError> {
    let output = again.shell(folder, line).await.map_err(GitError::from)?;
    if output.success() {
        return Ok(output);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let reason = stderr.trim().lines().next().unwrap_or("no reason given").to_owned();
    Err(EngineError::broken(format!("{what}: {reason}"), "mc needs git 2.38 or newer"))
}

/// Refs, settings and files of the repository that belong to its user, by name.
pub(super) async fn read_footprint(again: &CommandContext) -> Result<BTreeMap<String, String>, EngineError> {
    let mut found = BTreeMap::new();
    for (name, line) in [
        ("HEAD", "git symbolic-ref HEAD && git rev-parse HEAD"),
        ("branches and tags", "git for-each-ref | grep -v -e refs/mc/ -e refs/heads/mc/"),
        ("settings and hooks", "cat .git/config && ls -l .git/hooks 2>/dev/null; :"),
        ("index", "git ls-files -s"),
        ("files", "git status --porcelain --untracked-files=all --ignored && git hash-object $(git ls-files)"),
    ] {
        let what = format!("look at the {name} of the repository");
        let output = shell(again, &again.cwd, &what, line).await?;
        found.insert(name.to_owned(), String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Ok(found)
}
