//! Verifying one tree: from the store when its snapshot is there, else by running every stage in a slot prepared at the
//! exact commit. Stages are supervised runs named by the verification's number, so that a new engine adopts them.

use super::error::chain;
use super::evidence;
use super::prepare::{self, NotReady};
use super::runs::{End, Ended, Job, run};
use super::shop::Shop;
use crate::adapters::clock;
use crate::adapters::host::rundir::{Exit, Found, find};
use crate::adapters::host::tail;
use crate::domain::mission::{Verification, VerifyOrder};
use crate::domain::values::Tip;
use crate::domain::verify::SnapshotKey;
use crate::domain::verify::StageOutcome;
use crate::domain::verify::delta::delta;
use crate::domain::verify::key::{StageSpec, Tier};
use crate::domain::verify::snapshot::{RunEnd, Snapshot, StageResult, confirm};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// How much of a stage's output is parsed; the whole stays on disk.
const PARSED: u64 = 256 << 20;

/// Verifies one tree, or answers from the store.
///
/// # Errors
/// A sentence about infrastructure: nothing is known of the tree.
pub async fn verify(shop: &Shop, order: VerifyOrder, kill: watch::Receiver<bool>) -> Result<Verification, String> {
    let stages = evidence::stages(shop, &order);
    let fingerprint = shop.fingerprint().await.map_err(|e| chain(&e))?;
    let key = SnapshotKey::of(&order.tip.tree, &stages, fingerprint);
    let stored = shop.snapshot(&key).map_err(|e| chain(&e))?;
    let usable = stored.filter(|s| s.summary().outcome != StageOutcome::NotRun);
    let (snapshot, reused) = match (usable, &order.confirms) {
        (Some(snapshot), None) => (snapshot, true),
        (_, confirms) => {
            let mut fresh = run_stages(shop, &order, &stages, kill).await?;
            shop.redactor().snapshot(&mut fresh);
            let kept = format!("{}/{}-{}", key.0, shop.mission, order.run);
            keep(shop, &SnapshotKey(kept), &order.tip, &fresh)?;
            let whole = match confirms {
                None => fresh,
                Some(first) => match shop.snapshot(first).map_err(|e| chain(&e))? {
                    Some(first) => confirm(&first, &fresh),
                    None => fresh,
                },
            };
            keep(shop, &key, &order.tip, &whole)?;
            (whole, false)
        }
    };
    let before = match &order.against {
        None => None,
        Some(key) => Some(
            shop.snapshot(key)
                .map_err(|e| chain(&e))?
                .ok_or_else(|| format!("the snapshot {} is not stored", key.0))?,
        ),
    };
    let delta = before.map(|before| delta(&before, &snapshot));
    Ok(Verification { key, summary: snapshot.summary(), delta, reused, confirmed: snapshot.confirmed })
}

/// The stages that make a snapshot.
#[must_use]
pub fn gate_stages(shop: &Shop) -> Vec<StageSpec> {
    shop.settings().verification.stages.iter().filter(|s| s.tier == Tier::Gate).cloned().collect()
}

fn keep(shop: &Shop, key: &SnapshotKey, tip: &Tip, snapshot: &Snapshot) -> Result<(), String> {
    let text = serde_json::to_string(snapshot).map_err(|e| chain(&e))?;
    shop.store().snapshot_replace(key, &tip.tree, clock::now(), &text).map_err(|e| chain(&e))
}

/// Slots of verifications follow those of units: one, and one more for confirming runs.
fn slot(shop: &Shop, confirming: bool) -> u32 {
    shop.settings().parallel.num_workers + u32::from(confirming)
}

async fn run_stages(
    shop: &Shop,
    order: &VerifyOrder,
    stages: &[StageSpec],
    kill: watch::Receiver<bool>,
) -> Result<Snapshot, String> {
    let dir = shop.verify_dir(order.run);
    let slot = slot(shop, order.confirms.is_some());
    let label = format!("{}/.verify/{}", shop.mission, order.run);
    let workspace = match adoptable(shop, &dir.join("0"), slot, &label).await {
        Some(workspace) => workspace,
        None => in_slot(shop, slot, &label, &order.tip, &dir, kill.clone()).await?,
    };
    let mut results = Vec::new();
    for (nth, stage) in stages.iter().enumerate() {
        let started = clock::now();
        let ended =
            run(shop, stage_job(shop, stage, dir.join(nth.to_string()), workspace.clone()), kill.clone(), false).await;
        let millis = clock::now().saturating_sub(started);
        results.push(conclude(stage, &ended, millis)?);
    }
    let pool = shop.pool().await.map_err(|e| chain(&e))?;
    pool.release(slot).map_err(|e| chain(&e))?;
    Ok(Snapshot { stages: results, ..Snapshot::default() })
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
    dir: &Path,
    kill: watch::Receiver<bool>,
) -> Result<PathBuf, String> {
    let pool = shop.pool().await.map_err(|e| chain(&e))?;
    let stale = pool.dirty_slots().map_err(|e| chain(&e))?.into_iter().find(|(s, _)| *s == slot);
    if let Some((_, old)) = stale {
        super::attempt::rescue(shop, slot, &old, &tip.commit).await?;
    }
    match prepare::workspace(shop, slot, label, &tip.commit, &dir.join("setup"), kill).await {
        Ok(workspace) => Ok(workspace),
        Err(NotReady::Killed) => Err("killed".to_owned()),
        // It quotes what setup said.
        Err(NotReady::Failed(why)) => Err(shop.redactor().clean(&why)),
    }
}

/// The run of one stage.
pub(super) fn stage_job(shop: &Shop, stage: &StageSpec, dir: PathBuf, cwd: PathBuf) -> Job {
    let env = shop.allowed_env(&shop.settings().verification.env);
    Job::shell(dir, cwd, &stage.run, env, Duration::from_secs(stage.timeout_secs))
}

/// What a run says about its stage.
///
/// # Errors
/// A sentence about infrastructure, or that it was killed.
pub(super) fn conclude(stage: &StageSpec, ended: &Ended, millis: u64) -> Result<StageResult, String> {
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
    Ok(StageResult::conclude(stage, &end, &output, millis))
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
        None => in_slot(shop, slot, &label, tip, &dir, kill.clone()).await?,
    };
    let env = shop.allowed_env(&shop.settings().verification.env);
    let job = Job::shell(run_dir, cwd, line, env, shop.settings().scheduler.session_timeout);
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
