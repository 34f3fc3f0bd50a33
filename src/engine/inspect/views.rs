//! What commands that only look need of the world: a mission with its green, places, the pool, the backlog.
//!
//! Nothing here changes the repository; [`prune`] alone deletes anything, and only slots that hold nothing.

use super::history::{self, History};
use super::orphans;
use crate::adapters::host::local::machine::host::verify_pool;
use crate::adapters::host::local::process::{ChildGuard, living_engine};
use crate::adapters::host::local::protocol::{ERRORS, OUTPUT};
use crate::adapters::host::local::workspace::pool::PoolError;
use crate::adapters::host::local::workspace::quarantine::{self, Quarantined};
use crate::adapters::host::local::workspace::{Ignored, Pool, SlotInfo};
use crate::adapters::host::order::RunKey;
use crate::adapters::os::{Environment, clock, files};
use crate::adapters::store::Store;
use crate::config::Layers;
use crate::domain::backlog::{self, Backlog};
use crate::domain::detect::network;
use crate::domain::mission::Record;
use crate::domain::plan::Finding;
use crate::domain::plan::file::{self, Format};
use crate::domain::progress;
use crate::domain::unit::UnitSpec;
use crate::domain::values::{CommitId, Millis, MissionId, RunId, UnitId};
use crate::engine::context::project::{Project, Where, read_layers};
use crate::engine::error::EngineError;
use crate::report::status::next_action;
use crate::report::{GreenRef, Left, View, count};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The wall clock.
pub fn now() -> Millis {
    clock::now()
}

/// The settings layers, the folder relative paths are meant from and the settings file; needs no repository.
///
/// # Errors
/// [`EngineError`] when a file cannot be read or a key is wrong.
pub fn layers(place: &Where) -> Result<(Layers, PathBuf, Option<PathBuf>), EngineError> {
    read_layers(&Environment::of_process()?, place)
}

/// A mission, green and who is at work, as of one moment.
#[derive(Debug)]
pub struct MissionStatus {
    /// The mission; absent when there never was one.
    pub history: Option<History>,
    /// Green as the repository has it.
    pub green: GreenRef,
    /// Process id of a living engine.
    pub engine: Option<u32>,
    /// What a gone engine left behind.
    pub left: Left,
    /// The time of looking.
    pub now: Millis,
}

impl MissionStatus {
    /// The mission as reports want it.
    pub fn view(&self) -> Option<View<'_>> {
        let history = self.history.as_ref()?;
        let (state, records) = (&history.state, history.records.as_slice());
        Some(View { now: self.now, state, records, engine: self.engine, left: &self.left })
    }

    /// The command to type next.
    pub fn next_command(&self) -> String {
        match self.view() {
            Some(view) => next_action(&view, &self.green),
            None => "`mc plan` shows what would be done, `mc mission start` does it".to_owned(),
        }
    }
}

/// Looks at one mission, `None` for the newest.
///
/// # Errors
/// [`EngineError`] when the mission is unknown, or journal or repository cannot be read.
pub async fn read_status(project: &Project, mission: Option<&MissionId>) -> Result<MissionStatus, EngineError> {
    // The lock is looked at first: an engine that ends in between is reported as such by its journal.
    let engine = engine_pid(project);
    let (mut history, mut left) = (None, Left::default());
    match project.store()? {
        Some(store) => {
            history = history::load(&store, mission)?;
            // Requests are for the unfinished mission, of which there is one at most.
            if engine.is_none() && history.as_ref().is_some_and(|h| !h.state.is_over()) {
                left.requests = orphans::list_requests(&store)?;
            }
        }
        None if mission.is_some() => {
            let what = "there is no mission in this repository yet";
            return Err(EngineError::usage(what, "`mc mission start` starts one"));
        }
        None => {}
    }
    let open = history.as_ref().map(|h| &h.state).filter(|state| !state.is_over());
    let engine = engine.filter(|_| open.is_some());
    if let (Some(state), None) = (open, engine) {
        left.agents = orphans::find_agents(&project.state.runs(), state).await;
    }
    Ok(MissionStatus { history, green: read_green(project).await?, engine, left, now: clock::now() })
}

/// Looks at the newest mission that has a unit; at the newest mission where none has.
///
/// # Errors
/// As [`read_status`].
pub async fn read_status_of(project: &Project, unit: &str) -> Result<MissionStatus, EngineError> {
    let newest = read_status(project, None).await?;
    let Ok(id) = UnitId::new(unit) else { return Ok(newest) };
    if newest.history.as_ref().is_none_or(|history| history.state.unit(&id).is_some()) {
        return Ok(newest);
    }
    let Some(store) = project.store()? else { return Ok(newest) };
    for mission in history::list_missions(&store)?.iter().rev().skip(1) {
        let found = history::load(&store, Some(mission))?.filter(|history| history.state.unit(&id).is_some());
        if found.is_some() {
            return Ok(MissionStatus { history: found, engine: None, left: Left::default(), ..newest });
        }
    }
    Ok(newest)
}

/// Records of a mission with a number above `after`, with number and time; none without a mission.
///
/// # Errors
/// [`EngineError`] when the journal cannot be read.
pub fn records_since(
    store: &Store,
    mission: Option<&MissionId>,
    after: u64,
) -> Result<Vec<(u64, Millis, Record)>, EngineError> {
    let Some(mission) = mission else { return Ok(Vec::new()) };
    let rows = store.rows(Some(mission), after)?;
    rows.iter().map(|row| Ok((row.seq, row.at, history::read(row)?))).collect()
}

/// Process id of the engine of another process that works on this repository.
pub fn engine_pid(project: &Project) -> Option<u32> {
    // A command that has just run the mission itself does not count: it is about to leave.
    living_engine(&project.state.lock()).filter(|pid| *pid != std::process::id())
}

/// Name of the repository for people: `target.name`, else that of its folder.
pub fn repository_name(project: &Project) -> String {
    let folder = || project.facts.toplevel.file_name().map(|name| name.to_string_lossy().into_owned());
    Some(project.layers.text("target.name")).filter(|name| !name.is_empty()).or_else(folder).unwrap_or_default()
}

/// Full name of the green ref by the settings.
pub fn green_name(project: &Project) -> String {
    format!("refs/heads/{}", project.layers.text("green_branch.green_branch"))
}

/// The target branch by the settings, without `refs/heads/`.
pub fn target_branch(project: &Project) -> String {
    project.layers.text("target.branch")
}

/// Green as the repository has it.
///
/// # Errors
/// [`EngineError::Git`].
pub async fn read_green(project: &Project) -> Result<GreenRef, EngineError> {
    let name = green_name(project);
    let tip = project.source(ChildGuard::none()).resolve(&name).await?;
    Ok(GreenRef { name, tip })
}

/// Units named by trailers on green's history, newest first, with their landing commits; empty without green.
///
/// # Errors
/// [`EngineError::Git`].
pub async fn list_landed(project: &Project, green: &GreenRef) -> Result<Vec<(UnitId, CommitId)>, EngineError> {
    match &green.tip {
        Some(tip) => Ok(project.source(ChildGuard::none()).landed_units(&tip.commit).await?),
        None => Ok(Vec::new()),
    }
}

/// The same without their commits.
///
/// # Errors
/// [`EngineError::Git`].
pub async fn landed_units(project: &Project, green: &GreenRef) -> Result<BTreeSet<UnitId>, EngineError> {
    Ok(list_landed(project, green).await?.into_iter().map(|(unit, _)| unit).collect())
}

/// A file of units with faults, all of them with lines; nothing is taken from it.
#[derive(Debug, thiserror::Error)]
#[error("{} has {}", path.display(), count(findings.len() as u64, "fault"))]
pub struct Faulty {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Reads a text file named by a person, relative to the current directory; needs no repository.
///
/// # Errors
/// [`EngineError::File`].
pub fn read_text(path: &Path) -> Result<String, EngineError> {
    let whole = Environment::of_process()?.cwd().join(path);
    files::read_text(&whole).map_err(|source| EngineError::File { path: path.to_owned(), source })
}

/// Writes files into a folder named by a person, relative to the current directory and made when absent; returns where.
///
/// # Errors
/// [`EngineError::File`].
pub fn write_files(folder: &Path, named: &[(String, Vec<u8>)]) -> Result<Vec<PathBuf>, EngineError> {
    let whole = Environment::of_process()?.cwd().join(folder);
    let broken = |source| EngineError::File { path: whole.clone(), source };
    files::make_dir(&whole).map_err(broken)?;
    let mut written = Vec::new();
    for (name, content) in named {
        let path = whole.join(name);
        files::write(&path, content).map_err(|source| EngineError::File { path: path.clone(), source })?;
        written.push(path);
    }
    Ok(written)
}

/// Reads a backlog file.
///
/// # Errors
/// [`EngineError`] when there is no such file. The inner result holds the findings.
pub fn read_backlog(path: &Path) -> Result<Result<Backlog, Faulty>, EngineError> {
    if !Environment::of_process()?.cwd().join(path).exists() {
        return Err(EngineError::usage(
            format!("there is no {}", path.display()),
            "write one (each `## Heading` is a work unit), or give a plan file with --plan",
        ));
    }
    let parsed = backlog::parse(&read_text(path)?);
    Ok(parsed.map_err(|findings| Faulty { path: path.to_owned(), findings }))
}

/// The progress file beside a backlog, if there is one: sessions of its history. The inner error holds the findings.
///
/// # Errors
/// [`EngineError`] when it is there and cannot be read.
pub fn check_progress(backlog: &Path) -> Result<Option<Result<u32, Faulty>>, EngineError> {
    let path = backlog.with_file_name("PROGRESS.md");
    if !Environment::of_process()?.cwd().join(&path).exists() {
        return Ok(None);
    }
    let checked = progress::check(&read_text(&path)?);
    Ok(Some(checked.map_err(|findings| Faulty { path, findings })))
}

/// Reads a plan file; its format follows from its name.
///
/// # Errors
/// [`EngineError::File`]. The inner result holds the findings.
pub fn read_plan(path: &Path) -> Result<Result<Vec<UnitSpec>, Faulty>, EngineError> {
    let format = if path.extension().is_some_and(|e| e == "json") { Format::Json } else { Format::Toml };
    let parsed = file::parse(&read_text(path)?, format);
    Ok(parsed.map_err(|findings| Faulty { path: path.to_owned(), findings }))
}

/// The file of what an attempt's process printed: its standard output, or its standard error.
pub fn attempt_log_path(project: &Project, mission: &MissionId, unit: &UnitId, n: u32, errors: bool) -> PathBuf {
    let run = RunKey::of_attempt(mission, unit, n).join("run").path_in(&project.state.runs());
    run.join(if errors { ERRORS } else { OUTPUT })
}

/// What is in a log, as far as it is there.
///
/// # Errors
/// [`EngineError::File`] when it is there and cannot be read.
pub fn read_log(path: &Path) -> Result<Option<Vec<u8>>, EngineError> {
    files::read_own(path).map_err(|source| EngineError::File { path: path.to_owned(), source })
}

/// Output of every stage of a verification of a mission, by its place in the list of stages, as far as it is there.
///
/// # Errors
/// [`EngineError::File`] when a log is there and cannot be read.
pub fn verification_logs(
    project: &Project,
    mission: &MissionId,
    run: RunId,
) -> Result<Vec<(usize, PathBuf, Vec<u8>)>, EngineError> {
    let dir = project.state.runs().join(mission.as_str()).join(".verify").join(run.to_string());
    let mut logs = Vec::new();
    for nth in 0.. {
        let path = dir.join(nth.to_string()).join(OUTPUT);
        match read_log(&path)? {
            Some(bytes) => logs.push((nth, path, bytes)),
            None => break,
        }
    }
    Ok(logs)
}

/// What is in a log from `offset` on, at most `limit` bytes; nothing while there is none.
///
/// # Errors
/// [`EngineError::File`] when it is there and cannot be read.
pub fn read_log_from(path: &Path, offset: u64, limit: u64) -> Result<Vec<u8>, EngineError> {
    files::read_from(path, offset, limit).map_err(|source| EngineError::File { path: path.to_owned(), source })
}

/// What the engine remembers of one attempt.
pub fn session_dir(project: &Project, mission: &MissionId, unit: &UnitId, n: u32) -> PathBuf {
    RunKey::of_attempt(mission, unit, n).path_in(&project.state.sessions())
}

/// The folder of the workspace pool, whether it exists or not.
pub fn pool_dir(project: &Project) -> PathBuf {
    project.state.pool_in(project.layers.path("scheduler.parallel.pool_dir").as_deref())
}

/// The pools that exist: that of missions, and that of verifications beside them.
async fn open_pools(project: &Project) -> Result<Vec<Pool>, EngineError> {
    project.state.belongs_here()?;
    let mut pools = Vec::new();
    for root in [pool_dir(project), verify_pool(&pool_dir(project))] {
        if root.is_dir() {
            let source = project.source(ChildGuard::none());
            pools.push(Pool::open_cut(&root, &source, Ignored::Keep).await.map_err(pool_error)?);
        }
    }
    Ok(pools)
}

fn pool_error(error: PoolError) -> EngineError {
    match error {
        PoolError::Git(error) => EngineError::Git(error),
        other => {
            let reason = std::error::Error::source(&other).map_or_else(String::new, |source| format!(": {source}"));
            EngineError::broken(format!("{other}{reason}"), "")
        }
    }
}

/// The slots of the workspace pools; their folders are not made by looking.
///
/// # Errors
/// [`EngineError`] when the pool cannot be read.
pub async fn list_slots(project: &Project) -> Result<Vec<SlotInfo>, EngineError> {
    let each = open_pools(project).await?.into_iter().map(|pool| pool.list().map_err(pool_error));
    Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Deletes the slots that nobody uses and that hold nothing to collect; returns their numbers.
///
/// # Errors
/// [`EngineError`] when a slot cannot be deleted.
pub async fn prune(project: &Project) -> Result<Vec<u32>, EngineError> {
    let each = open_pools(project).await?.into_iter().map(|pool| pool.prune().map_err(pool_error));
    Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
}

/// What to do about workspaces in quarantine.
pub const ABOUT_QUARANTINE: &str = "the next start or resume tries to collect what is in quarantine; where that cannot be, mend what is in \
     the way or take from the folder what you need, then `mc pool prune --quarantined` deletes it";

/// The workspaces in quarantine.
///
/// # Errors
/// [`EngineError`] when the pool cannot be read.
pub fn list_quarantined(project: &Project) -> Result<Vec<Quarantined>, EngineError> {
    let mut found = Vec::new();
    for root in [pool_dir(project), verify_pool(&pool_dir(project))] {
        found.extend(quarantine::list_quarantined(&root).map_err(|source| EngineError::File { path: root, source })?);
    }
    Ok(found)
}

/// What is deleted, and what stays with the reason.
pub type Pruned = (Vec<PathBuf>, Vec<(PathBuf, String)>);

/// Deletes workspaces in quarantine in which nobody's work is that is not pinned, and, with `all`, the others too.
///
/// # Errors
/// [`EngineError`] when the pool cannot be read.
pub fn prune_quarantine(project: &Project, all: bool) -> Result<Pruned, EngineError> {
    let (mut gone, mut stays) = (Vec::new(), Vec::new());
    for entry in list_quarantined(project)? {
        let path = entry.path.clone();
        if !all && !entry.note.label.is_empty() {
            let holds = format!("it holds work of {}", entry.note.label);
            stays.push((path, format!("{holds}; `mc pool prune --quarantined` deletes it all the same")));
            continue;
        }
        match quarantine::discard(&entry) {
            Ok(()) => gone.push(path),
            Err(e) => stays.push((path, format!("it cannot be deleted ({e}); its owner or root can"))),
        }
    }
    Ok((gone, stays))
}

/// Variables of the network that are set here and not given to verifications, for somebody whose mission was refused. Names only.
pub fn describe_withheld(project: &Project) -> Option<String> {
    let settings = project.settings().ok()?;
    network::withheld_message(|name| project.env.var(name).is_some(), &settings.verification.env)
}
