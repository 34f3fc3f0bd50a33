//! Verifying one tree: from the store when its snapshot is there, else by running every stage in a slot prepared at the
//! exact tree. One piece of code for missions and for `mc verify`: [`examine`]; who asks brings the [`SlotLease`].
//!
//! Promises: a snapshot is stored under a key over the tree that was really verified, each single run of it beside that under
//! a name of its own; report files count only if this run wrote them.

use super::context::execution::ExecutionContext;
use super::homes::Home;
use super::runs::{Ended, GRACE, Job, run};
use crate::adapters::git::filter::Filtered;
use crate::adapters::host::local::process::tail;
use crate::adapters::host::local::rundir::put_aside;
use crate::adapters::host::local::workspace::leftovers::Ran;
use crate::adapters::host::local::workspace::reports;
use crate::adapters::os::clock;
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::Unverified;
use crate::domain::plan::globs::Globs;
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, Tip, TreeId};
use crate::domain::verify::SnapshotKey;
use crate::domain::verify::StageOutcome;
use crate::domain::verify::confirm::confirm;
use crate::domain::verify::key::{StageSpec, Tier};
use crate::domain::verify::reports::ReportFile;
use crate::domain::verify::snapshot::{Snapshot, StageResult, Start, readable, relative};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// How much of a stage's output is parsed; the whole stays on disk.
const PARSED: u64 = 256 << 20;

/// One question: what do these stages say of this tree?
#[derive(Debug)]
pub struct Question<'a> {
    /// The commit.
    pub tip: &'a Tip,
    /// How much of its tree counts.
    pub extent: Extent,
    /// What is run, in this order.
    pub stages: &'a [StageSpec],
    /// Folder of this verification's runs.
    pub dir: &'a Path,
    /// Name under which this single run is stored beside the key.
    pub run: &'a str,
    /// The snapshot of an earlier run of the same tree that this one confirms; a stored answer is not taken then.
    pub confirms: Option<&'a SnapshotKey>,
    /// Files of earlier runs may be there from runs of this commit or of its ancestors, and a result with some is an answer.
    pub landed: Option<&'a CommitId>,
}

/// How much of a tree a verification sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What `target.verification.ignore` leaves: the gate's.
    Narrowed,
    /// All of it: a unit whose work is what the gate ignores must be able to show it.
    Whole,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Examined {
    /// Its key.
    pub key: SnapshotKey,
    /// What all runs of the tree that are known say together.
    pub snapshot: Snapshot,
    /// Whether nothing was run for it.
    pub reused: bool,
}

/// A prepared workspace, given back by [`examine`].
#[derive(Debug)]
pub struct SlotLease {
    /// Its slot.
    pub slot: u32,
    /// Its folder.
    pub workspace: PathBuf,
    /// Whether runs of a dead engine go on in it.
    pub adopted: bool,
    /// Whether files of earlier runs are there.
    pub warm: bool,
}

/// The key of a tree's snapshot, and the tree that is verified in its place.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn key(
    execution: &ExecutionContext,
    tree: &TreeId,
    stages: &[StageSpec],
) -> Result<(SnapshotKey, Filtered), Trouble> {
    let filtered = execution.verified(tree).await.map_err(|e| execution.trouble(&e))?;
    let fingerprint = execution.fingerprint().await.map_err(|e| execution.trouble(&e))?;
    Ok((SnapshotKey::of(&filtered.tree, stages, fingerprint), filtered))
}

/// Answers from the store, or runs the stages where `lease` says. `lease` is given the tree to be verified, and the commit
/// from whose runs files may be there, and only waited for when something is run. A stored result in which files of earlier
/// runs had no part comes first; one in which they had is an answer only when it passes.
///
/// # Errors
/// A sentence about infrastructure: nothing is known of the tree.
pub async fn examine<F>(
    execution: &ExecutionContext,
    question: Question<'_>,
    lease: impl FnOnce(Filtered, Option<CommitId>) -> F,
    kill: watch::Receiver<bool>,
) -> Result<Examined, Unverified>
where
    F: Future<Output = Result<SlotLease, Unverified>>,
{
    let (tree, stages) = (&question.tip.tree, question.stages);
    let (key, filtered) = match question.extent {
        Extent::Narrowed => key(execution, tree, stages).await?,
        Extent::Whole => {
            let fingerprint = execution.fingerprint().await.map_err(|e| execution.trouble(&e))?;
            (SnapshotKey::of(tree, stages, fingerprint), Filtered { tree: tree.clone(), removed: Vec::new() })
        }
    };
    let (cold, warm) = (key.clone(), key.warm());
    let stored = |key: &SnapshotKey| execution.snapshot(key).map_err(|e| execution.trouble(&e));
    // What this very run gave, when an engine died between keeping that and saying so.
    for key in [&cold, &warm] {
        if let Some(fresh) = stored(&of_run(key, &question))? {
            let known = stored(key)?;
            return joined(execution, &question, key.clone(), &filtered.tree, fresh, known);
        }
    }
    let mut landed = question.landed.filter(|_| execution.keeps() && question.confirms.is_none()).cloned();
    if question.confirms.is_none() {
        if let Some(snapshot) = stored(&cold)?.filter(|s| s.summary().outcome != StageOutcome::NotRun) {
            return Ok(Examined { key: cold, snapshot, reused: true });
        }
        match stored(&warm)?.filter(|_| landed.is_some()) {
            Some(snapshot) if snapshot.summary().outcome == StageOutcome::Passed => {
                return Ok(Examined { key: warm, snapshot, reused: true });
            }
            // Another one of the kind would decide nothing.
            Some(_) => landed = None,
            None => {}
        }
    }
    let tree = filtered.tree.clone();
    let lease = lease(filtered, landed).await?;
    let key = if lease.warm { warm } else { cold };
    let mut fresh = run_stages(execution, &question, &lease, kill).await?;
    fresh.fingerprint = execution.fingerprint().await.map_err(|e| execution.trouble(&e))?.to_owned();
    fresh.start = if lease.warm { Start::Warm } else { Start::Cold };
    execution.redactor().snapshot(&mut fresh);
    keep(execution, &of_run(&key, &question), &tree, &fresh)?;
    joined(execution, &question, key, &tree, fresh, None)
}

/// Under which key the result of one run is kept beside what all runs of its tree say together.
fn of_run(key: &SnapshotKey, question: &Question<'_>) -> SnapshotKey {
    SnapshotKey(format!("{}/{}", key.0, question.run))
}

/// Keeps what a run gave, taken together with the one it confirms; `known` is what an engine that died may have made of it.
fn joined(
    execution: &ExecutionContext,
    question: &Question<'_>,
    key: SnapshotKey,
    tree: &TreeId,
    fresh: Snapshot,
    known: Option<Snapshot>,
) -> Result<Examined, Unverified> {
    let first = match question.confirms {
        None => None,
        // Only equals are joined.
        Some(first) => {
            let first = execution.snapshot(first).map_err(|e| execution.trouble(&e))?;
            first.filter(|first| first.start == fresh.start)
        }
    };
    let snapshot = match (first, known) {
        (Some(_), Some(known)) if known.confirmed => known,
        (None, Some(known)) => known,
        (Some(first), _) => confirm(&first, &fresh),
        (None, None) => fresh,
    };
    keep(execution, &key, tree, &snapshot)?;
    Ok(Examined { key, snapshot, reused: false })
}

fn keep(execution: &ExecutionContext, key: &SnapshotKey, tree: &TreeId, snapshot: &Snapshot) -> Result<(), Trouble> {
    let text = serde_json::to_string(snapshot).map_err(|e| execution.trouble(&e))?;
    execution.store().snapshot_replace(key, tree, execution.clock.now(), &text).map_err(|e| execution.trouble(&e))
}

/// The stages that make a snapshot.
#[must_use]
pub fn gate_stages(execution: &ExecutionContext) -> Vec<StageSpec> {
    execution.settings().verification.stages.iter().filter(|s| s.tier == Tier::Gate).cloned().collect()
}

async fn run_stages(
    execution: &ExecutionContext,
    question: &Question<'_>,
    lease: &SlotLease,
    kill: watch::Receiver<bool>,
) -> Result<Snapshot, Trouble> {
    let mut results: Vec<StageResult> = Vec::new();
    for (nth, stage) in question.stages.iter().enumerate() {
        if let Some(skipped) = StageResult::without_build(stage, &results) {
            results.push(skipped);
            continue;
        }
        let dir = question.dir.join(nth.to_string());
        if !lease.adopted {
            // It ran in a workspace that was prepared otherwise.
            put_aside(&dir, GRACE).await.map_err(|e| execution.trouble(&e))?;
        }
        let adopted = lease.adopted && dir.exists();
        let on = Ground { workspace: &lease.workspace, tree: &question.tip.tree, adopted, home: Home::Slots };
        let result = run_stage(execution, stage, dir, on, kill.clone()).await;
        results.push(result.map_err(Trouble::from)?);
    }
    let whole = |stage: &StageResult| stage.exit.is_some() || stage.after_build.is_some();
    free(execution, lease.slot, Some(&question.tip.commit).filter(|_| results.iter().all(whole))).await?;
    Ok(Snapshot { stages: results, ..Snapshot::default() })
}

/// Gives back the slot of a run, which went to its end on this commit, or was broken off.
pub(super) async fn free(execution: &ExecutionContext, slot: u32, ended: Option<&CommitId>) -> Result<(), Trouble> {
    let pool = execution.pool().await.map_err(|e| execution.trouble(&e))?;
    if let (true, Some(commit)) = (execution.keeps(), ended) {
        pool.note_ran(slot, &Ran::Ended(commit.clone())).map_err(|e| execution.trouble(&e))?;
    }
    pool.release(slot).map_err(|e| execution.trouble(&e))
}

/// What a stage runs on.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The folder.
    pub workspace: &'a Path,
    /// The tree its tracked files are from.
    pub tree: &'a TreeId,
    /// Whether the stage may already be at work, started by an earlier engine.
    pub adopted: bool,
    /// Whose HOME the stage has.
    pub home: Home,
}

/// A stage came to no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoResult {
    /// We were told to stop.
    #[error("killed")]
    Killed,
    /// Infrastructure: why.
    #[error("{0}")]
    Lost(Trouble),
}

impl From<NoResult> for Trouble {
    fn from(none: NoResult) -> Self {
        match none {
            NoResult::Killed => Self::from("killed".to_owned()),
            NoResult::Lost(trouble) => trouble,
        }
    }
}

/// Runs one stage to its end, or takes it over, and reads what it printed or left.
///
/// # Errors
/// [`NoResult`]: nothing is known of what it would say.
pub async fn run_stage(
    execution: &ExecutionContext,
    stage: &StageSpec,
    dir: PathBuf,
    on: Ground<'_>,
    kill: watch::Receiver<bool>,
) -> Result<StageResult, NoResult> {
    let old = clear(execution, stage, on).await.map_err(NoResult::Lost)?;
    let asked = execution.clock.now();
    let env = execution.allowed_env(&execution.settings().verification.env);
    let timeout = Duration::from_secs(stage.timeout_secs);
    let job = Job::shell(dir, on.workspace.to_owned(), &stage.run, env, timeout).at_home(on.home);
    let ended = run(execution, job, kill, false).await;
    if ended.end == ProcessEnd::Stopped {
        return Err(NoResult::Killed);
    }
    let millis = ended.ran.map_or_else(|| execution.clock.now().saturating_sub(asked), clock::millis);
    let left = left(stage, on, old).await.map_err(NoResult::Lost)?;
    conclude(stage, on.workspace, &ended, &left, millis).map_err(NoResult::Lost)
}

/// Makes the workspace ready for a stage with reports: what an earlier run left is no report of this one. Where the stage
/// may already be at work, nothing is touched, and what is there and tracked does not count.
async fn clear(execution: &ExecutionContext, stage: &StageSpec, on: Ground<'_>) -> Result<reports::Before, Trouble> {
    if stage.reports.is_empty() {
        return Ok(reports::Before::default());
    }
    let wanted = globs(stage)?;
    let tracked = execution.source.files_of(on.tree).await.map_err(|e| execution.trouble(&e))?.into_iter().collect();
    let (root, keep) = (on.workspace.to_owned(), on.adopted);
    let cleared = blocking(move || reports::before(&root, |path| wanted.matches(path), &tracked, keep)).await?;
    cleared.map_err(|e| execution.trouble_at(&format!("stage `{}`: clear old reports away", stage.name), &e))
}

fn globs(stage: &StageSpec) -> Result<Globs, String> {
    Globs::new(&stage.reports).map_err(|bad| format!("stage `{}`: reports: {bad}", stage.name))
}

/// The reports a stage left.
async fn left(stage: &StageSpec, on: Ground<'_>, old: reports::Before) -> Result<Vec<ReportFile>, Trouble> {
    if stage.reports.is_empty() {
        return Ok(Vec::new());
    }
    let (wanted, root) = (globs(stage)?, on.workspace.to_owned());
    let named = stage.reports.clone();
    let read = move || {
        let found = reports::read(&root, |path| wanted.matches(path), &old);
        let link = if found.is_empty() { reports::link_in_the_way(&root, &named) } else { None };
        (found, link)
    };
    let (mut found, link) = blocking(read).await?;
    found.extend(link.map(|link| {
        let why =
            "it is a symbolic link, and none is followed; let the stage copy its reports to a folder of the workspace";
        (link, Err(why.to_owned()))
    }));
    let root = on.workspace.to_string_lossy();
    Ok(found.into_iter().map(|(path, bytes)| ReportFile::decoded(path, bytes, &root)).collect())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|e| e.to_string())
}

fn conclude(
    stage: &StageSpec,
    workspace: &Path,
    ended: &Ended,
    left: &[ReportFile],
    millis: u64,
) -> Result<StageResult, Trouble> {
    match &ended.end {
        ProcessEnd::Exited(_) | ProcessEnd::Signaled(_) | ProcessEnd::Timeout | ProcessEnd::Stalled => {}
        ProcessEnd::Stopped => return Err("killed".to_owned().into()),
        ProcessEnd::NeverStarted => return Err("it never started".to_owned().into()),
        ProcessEnd::Infrastructure(trouble) => {
            return Err(trouble.clone().while_trying(&format!("verification stage `{}`", stage.name)));
        }
    }
    let output = match &ended.log {
        Some(log) => tail::head(log, PARSED).map_err(|e| Trouble::from(format!("read {}: {e}", log.display())))?.0,
        None => Vec::new(),
    };
    let output = relative(readable(&output), &workspace.to_string_lossy());
    Ok(StageResult::conclude(stage, &ended.end, output.as_bytes(), left, millis))
}
