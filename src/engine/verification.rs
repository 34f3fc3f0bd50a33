//! Verifying one tree: from the store when its snapshot is there, else by running every stage in a slot prepared at the
//! exact tree. One piece of code for missions and for `mc verify`: [`examine`]; who asks brings the [`Seat`].
//!
//! Promises: a snapshot is stored under a key over the tree that was really verified, each single run of it beside that under
//! a name of its own; report files count only if this run wrote them.

use super::bench::Bench;
use super::error::chain;
use super::evidence;
use super::foreign;
use super::homes::Home;
use super::prepare::{self, NotReady, Wanted};
use super::runs::{End, Ended, GRACE, Job, run};
use super::shop::Shop;
use crate::adapters::clock;
use crate::adapters::git::filter::Filtered;
use crate::adapters::host::rundir::{Exit, Found, find, runs_below};
use crate::adapters::host::tail;
use crate::adapters::workspace::reports;
use crate::domain::mission::{Unverified, Verification, VerifyOrder};
use crate::domain::plan::globs::Globs;
use crate::domain::values::{Tip, TreeId};
use crate::domain::verify::SnapshotKey;
use crate::domain::verify::StageOutcome;
use crate::domain::verify::confirm::confirm;
use crate::domain::verify::delta::delta;
use crate::domain::verify::key::{StageSpec, Tier};
use crate::domain::verify::reports::ReportFile;
use crate::domain::verify::snapshot::{RunEnd, Snapshot, StageResult, relative};
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
pub struct Seat {
    /// Its slot.
    pub slot: u32,
    /// Its folder.
    pub workspace: PathBuf,
    /// Whether runs of a dead engine go on in it.
    pub adopted: bool,
}

/// The key of a tree's snapshot, and the tree that is verified in its place.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn key(bench: &Bench, tree: &TreeId, stages: &[StageSpec]) -> Result<(SnapshotKey, Filtered), String> {
    let filtered = bench.verified(tree).await.map_err(|e| chain(&e))?;
    let fingerprint = bench.fingerprint().await.map_err(|e| chain(&e))?;
    Ok((SnapshotKey::of(&filtered.tree, stages, fingerprint), filtered))
}

/// Answers from the store, or runs the stages where `seat` says. `seat` is given the tree to be verified and only waited for
/// when something is run.
///
/// # Errors
/// A sentence about infrastructure: nothing is known of the tree.
pub async fn examine<F>(
    bench: &Bench,
    question: Question<'_>,
    seat: impl FnOnce(Filtered) -> F,
    kill: watch::Receiver<bool>,
) -> Result<Examined, Unverified>
where
    F: Future<Output = Result<Seat, Unverified>>,
{
    let (tree, stages) = (&question.tip.tree, question.stages);
    let (key, filtered) = match question.extent {
        Extent::Narrowed => key(bench, tree, stages).await?,
        Extent::Whole => {
            let fingerprint = bench.fingerprint().await.map_err(|e| chain(&e))?;
            (SnapshotKey::of(tree, stages, fingerprint), Filtered { tree: tree.clone(), removed: Vec::new() })
        }
    };
    let stored = bench.snapshot(&key).map_err(|e| chain(&e))?;
    let usable = stored.filter(|s| s.summary().outcome != StageOutcome::NotRun);
    if let (Some(snapshot), None) = (usable, question.confirms) {
        return Ok(Examined { key, snapshot, reused: true });
    }
    let tree = filtered.tree.clone();
    let seat = seat(filtered).await?;
    let mut fresh = run_stages(bench, &question, &seat, kill).await?;
    fresh.fingerprint = bench.fingerprint().await.map_err(|e| chain(&e))?.to_owned();
    bench.redactor().snapshot(&mut fresh);
    keep(bench, &SnapshotKey(format!("{}/{}", key.0, question.run)), &tree, &fresh)?;
    let first = match question.confirms {
        None => None,
        Some(first) => bench.snapshot(first).map_err(|e| chain(&e))?,
    };
    let snapshot = first.map_or_else(|| fresh.clone(), |first| confirm(&first, &fresh));
    keep(bench, &key, &tree, &snapshot)?;
    Ok(Examined { key, snapshot, reused: false })
}

fn keep(bench: &Bench, key: &SnapshotKey, tree: &TreeId, snapshot: &Snapshot) -> Result<(), String> {
    let text = serde_json::to_string(snapshot).map_err(|e| chain(&e))?;
    bench.store().snapshot_replace(key, tree, clock::now(), &text).map_err(|e| chain(&e))
}

/// Verifies one tree for the merge queue, or answers from the store.
///
/// # Errors
/// A sentence about infrastructure: nothing is known of the tree.
pub async fn verify(shop: &Shop, order: VerifyOrder, kill: watch::Receiver<bool>) -> Result<Verification, Unverified> {
    let (stages, extent) = evidence::stages(shop, &order);
    let files = shop.source.local_files().await.map_err(|e| chain(&e))?;
    let examined =
        in_mission(shop, &order.run.to_string(), &order.tip, (&stages, extent), order.confirms.as_ref(), kill).await?;
    // Nobody has read the files of a tree whose result was known before.
    if examined.reused && !shop.source.adds_whole(&order.tip.commit).await.map_err(|e| chain(&e))? {
        return Err(format!("{} lacks objects", order.tip.commit).into());
    }
    let before = match &order.against {
        None => None,
        Some(key) => Some(
            shop.snapshot(key)
                .map_err(|e| chain(&e))?
                .ok_or_else(|| format!("the snapshot {} is not stored", key.0))?,
        ),
    };
    let Examined { key, snapshot, reused } = examined;
    let delta = before.map(|before| delta(&before, &snapshot));
    let meddled = if reused { None } else { foreign::changed_files(shop, &files).await };
    Ok(Verification { key, summary: snapshot.summary(), delta, reused, confirmed: snapshot.confirmed, meddled })
}

/// What any stages say of any commit, in the mission's slot for verifications. `name` names the run within the mission, for
/// its folder and for the store.
///
/// # Errors
/// A sentence about infrastructure: nothing is known of the tree.
pub async fn in_mission(
    shop: &Shop,
    name: &str,
    tip: &Tip,
    (stages, extent): (&[StageSpec], Extent),
    confirms: Option<&SnapshotKey>,
    kill: watch::Receiver<bool>,
) -> Result<Examined, Unverified> {
    let dir = shop.verify_dir(name);
    let run = format!("{}-{name}", shop.mission);
    let question = Question { tip, extent, stages, dir: &dir, run: &run, confirms };
    let (slot, label) = (slot(shop, confirms.is_some()), format!("{}/.verify/{name}", shop.mission));
    let stop = kill.clone();
    let seat = async |filtered: Filtered| match adoptable(shop, &dir.join("0"), slot, &label).await {
        Some(workspace) => Ok(Seat { slot, workspace, adopted: true }),
        None => {
            let workspace = in_slot(shop, slot, &label, tip, Some(&filtered), &dir, stop).await?;
            Ok(Seat { slot, workspace, adopted: false })
        }
    };
    examine(shop, question, seat, kill).await
}

/// Ends what a dead engine left running of one of its verifications, and frees its slot: nobody's work is in it.
///
/// # Errors
/// Which processes live on, or why the slot cannot be freed.
pub async fn end_abandoned(shop: &Shop, run: u64) -> Result<(), String> {
    let mut alive = Vec::new();
    for left in runs_below(&shop.verify_dir(&run.to_string())) {
        alive.extend(left.end(GRACE).await.survivors.iter().map(u32::to_string));
    }
    if !alive.is_empty() {
        return Err(format!("processes of verification {run} cannot be ended: {}", alive.join(", ")));
    }
    let pool = shop.pool().await.map_err(|e| chain(&e))?;
    let label = format!("{}/.verify/{run}", shop.mission);
    for (slot, owner) in pool.dirty_slots().map_err(|e| chain(&e))? {
        if owner == label {
            pool.hold(slot).and_then(|()| pool.release(slot)).map_err(|e| chain(&e))?;
        }
    }
    Ok(())
}

/// The stages that make a snapshot.
#[must_use]
pub fn gate_stages(bench: &Bench) -> Vec<StageSpec> {
    bench.settings().verification.stages.iter().filter(|s| s.tier == Tier::Gate).cloned().collect()
}

/// Slots of verifications follow those of units: one, and one more for confirming runs.
fn slot(shop: &Shop, confirming: bool) -> u32 {
    shop.settings().parallel.num_workers + u32::from(confirming)
}

async fn run_stages(
    bench: &Bench,
    question: &Question<'_>,
    seat: &Seat,
    kill: watch::Receiver<bool>,
) -> Result<Snapshot, String> {
    let mut results = Vec::new();
    for (nth, stage) in question.stages.iter().enumerate() {
        let dir = question.dir.join(nth.to_string());
        let adopted = seat.adopted && dir.exists();
        let on = Ground { workspace: &seat.workspace, tree: &question.tip.tree, adopted, home: Home::Slots };
        let result = run_stage(bench, stage, dir, on, kill.clone()).await;
        results.push(result.map_err(|none| none.to_string())?);
    }
    let pool = bench.pool().await.map_err(|e| chain(&e))?;
    pool.release(seat.slot).map_err(|e| chain(&e))?;
    Ok(Snapshot { stages: results, ..Snapshot::default() })
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
    Lost(String),
}

/// Runs one stage to its end, or takes it over, and reads what it printed or left.
///
/// # Errors
/// [`NoResult`]: nothing is known of what it would say.
pub async fn run_stage(
    bench: &Bench,
    stage: &StageSpec,
    dir: PathBuf,
    on: Ground<'_>,
    kill: watch::Receiver<bool>,
) -> Result<StageResult, NoResult> {
    let old = clear(bench, stage, on).await.map_err(NoResult::Lost)?;
    let asked = clock::now();
    let env = bench.allowed_env(&bench.settings().verification.env);
    let timeout = Duration::from_secs(stage.timeout_secs);
    let job = Job::shell(dir, on.workspace.to_owned(), &stage.run, env, timeout).at_home(on.home);
    let ended = run(bench, job, kill, false).await;
    if ended.end == End::Killed {
        return Err(NoResult::Killed);
    }
    let millis = clock::now().saturating_sub(ended.started.unwrap_or(asked));
    let left = left(stage, on, old).await.map_err(NoResult::Lost)?;
    conclude(stage, on.workspace, &ended, &left, millis).map_err(NoResult::Lost)
}

/// Makes the workspace ready for a stage with reports: what an earlier run left is no report of this one. Where the stage
/// may already be at work, nothing is touched, and what is there and tracked does not count.
async fn clear(bench: &Bench, stage: &StageSpec, on: Ground<'_>) -> Result<reports::Before, String> {
    if stage.reports.is_empty() {
        return Ok(reports::Before::default());
    }
    let wanted = globs(stage)?;
    let tracked = bench.source.files_of(on.tree).await.map_err(|e| chain(&e))?.into_iter().collect();
    let (root, keep) = (on.workspace.to_owned(), on.adopted);
    let cleared = blocking(move || reports::before(&root, |path| wanted.matches(path), &tracked, keep)).await?;
    cleared.map_err(|e| format!("stage `{}`: clear old reports away: {e}", stage.name))
}

fn globs(stage: &StageSpec) -> Result<Globs, String> {
    Globs::new(&stage.reports).map_err(|bad| format!("stage `{}`: reports: {bad}", stage.name))
}

/// The reports a stage left.
async fn left(stage: &StageSpec, on: Ground<'_>, old: reports::Before) -> Result<Vec<ReportFile>, String> {
    if stage.reports.is_empty() {
        return Ok(Vec::new());
    }
    let (wanted, root) = (globs(stage)?, on.workspace.to_owned());
    let found = blocking(move || reports::read(&root, |path| wanted.matches(path), &old)).await?;
    let root = on.workspace.to_string_lossy();
    let named = |text: String| String::from_utf8_lossy(&relative(text.into_bytes(), &root)).into_owned();
    Ok(found.into_iter().map(|(path, text)| ReportFile { path, text: text.map(named) }).collect())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|e| e.to_string())
}

/// The slot of a verification that an earlier engine had begun with the run in `first`, when its runs can go on in it.
async fn adoptable(shop: &Shop, first: &Path, slot: u32, label: &str) -> Option<PathBuf> {
    let pool = shop.pool().await.ok()?;
    let ours = pool.dirty_slots().ok()?.iter().any(|(s, l)| *s == slot && l == label);
    (ours && first.join("claim").exists()).then(|| pool.path(slot))
}

/// Prepares a slot for a verification. What an earlier, dead one left in it is nobody's work; what a unit left there, in a
/// mission with more workers, is pinned first.
async fn in_slot(
    shop: &Shop,
    slot: u32,
    label: &str,
    tip: &Tip,
    without: Option<&Filtered>,
    dir: &Path,
    kill: watch::Receiver<bool>,
) -> Result<PathBuf, Unverified> {
    let pool = shop.pool().await.map_err(|e| chain(&e))?;
    let stale = pool.dirty_slots().map_err(|e| chain(&e))?.into_iter().find(|(s, _)| *s == slot);
    if let Some((_, old)) = stale {
        super::attempt::rescue(shop, slot, &old, &tip.commit).await?;
    }
    let wanted = Wanted { slot, label, base: &tip.commit, without, home: Home::Slots };
    match prepare::workspace(shop, wanted, &dir.join("setup"), kill).await {
        Ok(workspace) => Ok(workspace),
        Err(NotReady::Killed) => Err("killed".to_owned().into()),
        // It quotes what setup said.
        Err(NotReady::Failed(why)) => Err(shop.redactor().clean(&why).into()),
        Err(NotReady::Setup { code, why }) => Err(Unverified { why: shop.redactor().clean(&why), setup: Some(code) }),
    }
}

fn conclude(
    stage: &StageSpec,
    workspace: &Path,
    ended: &Ended,
    left: &[ReportFile],
    millis: u64,
) -> Result<StageResult, String> {
    let end = match &ended.end {
        End::Exited(code) => RunEnd::Exited(*code),
        End::Signaled(signal) => RunEnd::Signalled(*signal),
        End::Timeout | End::Stalled | End::Overstayed => RunEnd::TimedOut,
        End::Killed => return Err("killed".to_owned()),
        End::NeverStarted => return Err("it never started".to_owned()),
        End::Lost(why) => return Err(format!("verification stage `{}`: {why}", stage.name)),
    };
    let output = match &ended.log {
        Some(log) => tail::head(log, PARSED).map_err(|e| format!("read {}: {e}", log.display()))?.0,
        None => Vec::new(),
    };
    let output = relative(output, &workspace.to_string_lossy());
    Ok(StageResult::conclude(stage, &end, &output, left, millis))
}

/// Runs one shell line in a prepared slot at `tip` (the objective's check); true when it exits with 0.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn check(
    shop: &Shop,
    line: &str,
    tip: &Tip,
    name: &str,
    kill: watch::Receiver<bool>,
) -> Result<bool, String> {
    let dir = shop.state.runs().join(shop.mission.as_str()).join(".check").join(name);
    let slot = slot(shop, false);
    let label = format!("{}/.check/{name}", shop.mission);
    let run_dir = untold(&dir).await;
    let cwd = match adoptable(shop, &run_dir, slot, &label).await {
        Some(workspace) => workspace,
        None => in_slot(shop, slot, &label, tip, None, &dir, kill.clone()).await?,
    };
    let env = shop.allowed_env(&shop.settings().verification.env);
    let job = Job::shell(run_dir, cwd, line, env, shop.settings().scheduler.session_timeout).at_home(Home::Slots);
    let ended = run(shop, job, kill, false).await;
    let pool = shop.pool().await.map_err(|e| chain(&e))?;
    pool.release(slot).map_err(|e| chain(&e))?;
    Ok(ended.end == End::Exited(0))
}

/// The first numbered run directory below `dir` that says, or may yet say, something: not one that was killed.
async fn untold(dir: &Path) -> PathBuf {
    let mut nth = 0;
    loop {
        let run = dir.join(nth.to_string());
        if !run.exists() || !matches!(find(&run).await, Found::Ended(Exit::Killed) | Found::NeverStarted) {
            return run;
        }
        nth += 1;
    }
}
