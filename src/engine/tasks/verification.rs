//! Verifying one tree: from the store when its snapshot is there, else by running every stage in a slot prepared at the
//! exact tree. One piece of code for missions and for `mc verify`: [`verify_tree`]; who asks brings the [`SlotLease`].
//!
//! Promises: a snapshot is stored under a key over the tree that was really verified, each single run of it beside that under
//! a name of its own; report files count only if this run wrote them.

use crate::adapters::git::filter::Filtered;
use crate::adapters::host::local::process::tail;
use crate::adapters::host::order::{Ended, Home, Release, ReportOrder, RunKey, RunOrder, Start as Begin};
use crate::adapters::os::clock;
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::Unverified;
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, Tip, TreeId};
use crate::domain::verify::formats::relative::{relativize_paths, to_text};
use crate::domain::verify::formats::reports::ReportFile;
use crate::domain::verify::judge::confirm::confirm;
use crate::domain::verify::model::key::{StageSpec, Tier};
use crate::domain::verify::model::snapshot::{Snapshot, StageResult, Start};
use crate::domain::verify::{SnapshotKey, StageOutcome};
use crate::engine::context::{ExecutionContext, NamedHost};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// How much of a stage's output is parsed; the whole stays on disk.
const PARSED: u64 = 256 << 20;

/// One question: what do these stages say of this tree?
#[derive(Debug)]
pub struct Question<'a> {
    /// The host.
    pub on: &'a NamedHost,
    /// The commit.
    pub tip: &'a Tip,
    /// How much of its tree counts.
    pub extent: Extent,
    /// What is run, in this order.
    pub stages: &'a [StageSpec],
    /// The folder of this verification's runs on its host; also who uses the slot.
    pub user: &'a RunKey,
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

/// A prepared workspace, given back by [`verify_tree`].
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

/// The key of a tree's snapshot by the gate's stages in the environment by which everything is verified.
///
/// # Errors
/// What stands in the way of knowing it.
pub async fn gate_key(execution: &ExecutionContext, tree: &TreeId) -> Result<SnapshotKey, Trouble> {
    let filtered = execution.filter_tree(tree).await.map_err(|e| execution.to_trouble(&e))?;
    let reference = execution.environment(|_| true).await.map_err(|e| execution.to_trouble(&e))?;
    Ok(SnapshotKey::of(&filtered.tree, &gate_stages(execution), &reference.environment))
}

/// The key of a tree's snapshot made on a host, and the tree that is verified in its place.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn key(
    execution: &ExecutionContext,
    on: &NamedHost,
    tree: &TreeId,
    stages: &[StageSpec],
) -> Result<(SnapshotKey, Filtered), Trouble> {
    let filtered = execution.filter_tree(tree).await.map_err(|e| execution.to_trouble(&e))?;
    let fingerprint = execution.fingerprint(on).await.map_err(|e| execution.to_trouble(&e))?;
    Ok((SnapshotKey::of(&filtered.tree, stages, &fingerprint), filtered))
}

/// Answers from the store, or runs the stages where `lease` says. `lease` is given the tree to be verified, and the commit
/// from whose runs files may be there, and only waited for when something is run. A stored result in which files of earlier
/// runs had no part comes first; one in which they had is an answer only when it passes.
///
/// # Errors
/// A sentence about infrastructure: nothing is known of the tree.
pub async fn verify_tree<F>(
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
        Extent::Narrowed => key(execution, question.on, tree, stages).await?,
        Extent::Whole => {
            let fingerprint = execution.fingerprint(question.on).await.map_err(|e| execution.to_trouble(&e))?;
            (SnapshotKey::of(tree, stages, &fingerprint), Filtered { tree: tree.clone(), removed: Vec::new() })
        }
    };
    let (cold, warm) = (key.clone(), key.to_warm());
    let stored = |key: &SnapshotKey| execution.snapshot(key).map_err(|e| execution.to_trouble(&e));
    // What this very run gave, when an engine died between keeping that and saying so.
    for key in [&cold, &warm] {
        if let Some(fresh) = stored(&single_run_key(key, &question))? {
            let known = stored(key)?;
            return join_and_store(execution, &question, key.clone(), &filtered.tree, fresh, known);
        }
    }
    let mut landed =
        question.landed.filter(|_| execution.settings().keeps_files() && question.confirms.is_none()).cloned();
    if question.confirms.is_none() {
        if let Some(snapshot) = stored(&cold)?.filter(|s| s.to_summary().outcome != StageOutcome::NotRun) {
            return Ok(Examined { key: cold, snapshot, reused: true });
        }
        match stored(&warm)?.filter(|_| landed.is_some()) {
            Some(snapshot) if snapshot.to_summary().outcome == StageOutcome::Passed => {
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
    fresh.fingerprint = execution.fingerprint(question.on).await.map_err(|e| execution.to_trouble(&e))?;
    fresh.start = if lease.warm { Start::Warm } else { Start::Cold };
    execution.redactor().clean_snapshot(&mut fresh);
    store_snapshot(execution, &single_run_key(&key, &question), &tree, &fresh)?;
    join_and_store(execution, &question, key, &tree, fresh, None)
}

/// Under which key the result of one run is kept beside what all runs of its tree say together.
fn single_run_key(key: &SnapshotKey, question: &Question<'_>) -> SnapshotKey {
    SnapshotKey(format!("{}/{}", key.0, question.run))
}

/// Keeps what a run gave, taken together with the one it confirms; `known` is what an engine that died may have made of it.
fn join_and_store(
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
            let first = execution.snapshot(first).map_err(|e| execution.to_trouble(&e))?;
            first.filter(|first| first.start == fresh.start)
        }
    };
    let snapshot = match (first, known) {
        (Some(_), Some(known)) if known.confirmed => known,
        (None, Some(known)) => known,
        (Some(first), _) => confirm(&first, &fresh),
        (None, None) => fresh,
    };
    store_snapshot(execution, &key, tree, &snapshot)?;
    Ok(Examined { key, snapshot, reused: false })
}

fn store_snapshot(
    execution: &ExecutionContext,
    key: &SnapshotKey,
    tree: &TreeId,
    snapshot: &Snapshot,
) -> Result<(), Trouble> {
    let text = serde_json::to_string(snapshot).map_err(|e| execution.to_trouble(&e))?;
    execution.store().snapshot_replace(key, tree, execution.clock.now(), &text).map_err(|e| execution.to_trouble(&e))
}

/// The stages that make a snapshot.
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
        let key = question.user.join(nth);
        if !lease.adopted {
            // It ran in a workspace that was prepared otherwise.
            question.on.archive_run(&key).await?;
        }
        let (slot, workspace, tree) = (lease.slot, lease.workspace.as_path(), &question.tip.tree);
        let input = StageInput { on: question.on, slot, workspace, tree, home: Home::Slots };
        let result = run_stage(execution, stage, key, input, kill.clone()).await;
        results.push(result.map_err(Trouble::from)?);
    }
    let whole = |stage: &StageResult| stage.exit.is_some() || stage.after_build.is_some();
    // Of a run that was broken off no files stay for the next.
    let ended = Some(question.tip.commit.clone()).filter(|_| results.iter().all(whole));
    question.on.release(lease.slot, question.user.as_str(), &Release::Verified(ended)).await?;
    Ok(Snapshot { stages: results, ..Snapshot::default() })
}

/// What a stage runs on.
#[derive(Debug, Clone, Copy)]
pub struct StageInput<'a> {
    /// The host.
    pub on: &'a NamedHost,
    /// The slot.
    pub slot: u32,
    /// Its folder on the host.
    pub workspace: &'a Path,
    /// The tree its tracked files are from.
    pub tree: &'a TreeId,
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
    key: RunKey,
    input: StageInput<'_>,
    kill: watch::Receiver<bool>,
) -> Result<StageResult, NoResult> {
    let asked = execution.clock.now();
    let inherited = &execution.settings().verification.env;
    let timeout = Duration::from_secs(stage.timeout_secs);
    let mut order = RunOrder::shell(key, input.slot, &stage.run, inherited, timeout, input.home);
    order.reports = (!stage.reports.is_empty()).then(|| ReportOrder {
        stage: stage.name.clone(),
        globs: stage.reports.clone(),
        tree: input.tree.clone(),
    });
    let mut ended = input.on.run(&order, Begin::IfNew, kill, || ()).await;
    if ended.end == ProcessEnd::Stopped {
        return Err(NoResult::Killed);
    }
    let millis = ended.ran.map_or_else(|| execution.clock.now().saturating_sub(asked), clock::to_millis);
    let root = input.workspace.to_string_lossy();
    let reports = std::mem::take(&mut ended.reports).into_iter();
    let reports: Vec<ReportFile> = reports.map(|(path, bytes)| ReportFile::from_bytes(path, bytes, &root)).collect();
    conclude_stage(stage, input.workspace, &ended, &reports, millis).map_err(NoResult::Lost)
}

fn conclude_stage(
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
        Some(log) => tail::read_head(log, PARSED).map_err(|e| Trouble::from(format!("read {}: {e}", log.display())))?.0,
        None => Vec::new(),
    };
    let output = relativize_paths(to_text(&output), &workspace.to_string_lossy());
    Ok(StageResult::from_run(stage, &ended.end, output.as_bytes(), left, millis))
}
