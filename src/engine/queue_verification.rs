//! Verifications that a mission asks for: of the merge queue's trees, and of its objective. Each has a folder and a slot of its
//! own, by which an engine that takes over finds what an earlier one began.

use super::context::mission::MissionContext;
use super::error::chain;
use super::evidence;
use super::foreign;
use super::homes::Home;
use super::prepare::{self, Beside, NotReady, Ready, Wanted};
use super::runs::{GRACE, Job, run};
use super::verification::{Examined, Extent, Question, SlotLease, examine, free};
use crate::adapters::git::filter::Filtered;
use crate::adapters::host::local::protocol::Exit;
use crate::adapters::host::local::rundir::{Found, find, put_aside, runs_below};
use crate::adapters::host::local::workspace::leftovers::Ran;
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::{Noticed, Unverified, Verification, VerifyOrder, VerifyRole};
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::{CommitId, RunId, Tip};
use crate::domain::verify::SnapshotKey;
use crate::domain::verify::delta::delta;
use crate::domain::verify::key::StageSpec;
use crate::domain::verify::snapshot::Start;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// Verifies one tree for the merge queue, or answers from the store.
///
/// # Errors
/// A sentence about infrastructure: nothing is known of the tree.
pub async fn verify(
    context: &MissionContext,
    order: VerifyOrder,
    kill: watch::Receiver<bool>,
) -> Result<Verification, Unverified> {
    let (stages, extent) = evidence::stages(context, &order);
    let before = match &order.against {
        None => None,
        Some(key) => Some(
            context
                .snapshot(key)
                .map_err(|e| context.trouble(&e))?
                .ok_or_else(|| Trouble::from(format!("the snapshot {} is not stored", key.0)))?,
        ),
    };
    // An engine that takes over may find other tags, variables or tools: what they change is no change of the candidate's.
    let now = context.fingerprint().await.map_err(|e| context.trouble(&e))?;
    if order.role != VerifyRole::MovedGreen && before.as_ref().is_some_and(|before| before.fingerprint != now) {
        return Err(Unverified::stale());
    }
    let seen = foreign::before_verification(context).await.map_err(|e| context.trouble(&e))?;
    let confirms = order.confirms.as_ref();
    let landed = Some(&order.onto).filter(|_| !order.cold);
    // What is run beside the queue does not take away what the next candidate may start from.
    let aside = context.keeps()
        && matches!(
            order.role,
            VerifyRole::Cold | VerifyRole::ColdSearch | VerifyRole::AcceptBefore | VerifyRole::Extra
        );
    let lease = slot(context, confirms.is_some() != aside);
    let asked = Asked { name: &order.run.to_string(), slot: lease, confirms, landed };
    let examined = in_mission(context, asked, &order.tip, (&stages, extent), kill).await?;
    // Nobody has read the files of a tree whose result was known before.
    if examined.reused && !context.source.adds_whole(&order.tip.commit).await.map_err(|e| context.trouble(&e))? {
        return Err(Trouble::from(format!("{} lacks objects", order.tip.commit)).into());
    }
    let Examined { key, snapshot, reused } = examined;
    let delta = before.map(|before| delta(&before, &snapshot));
    let of_a_change = matches!(order.role, VerifyRole::After | VerifyRole::Extra);
    let noticed = match reused {
        true => Noticed::default(),
        false => foreign::after_verification(context, &seen, Some(&order.tip.commit).filter(|_| of_a_change)).await,
    };
    Ok(Verification {
        key,
        summary: snapshot.summary(),
        delta,
        reused,
        confirmed: snapshot.confirmed,
        warm: snapshot.start == Start::Warm,
        noticed,
    })
}

/// How a verification of a mission is made.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    /// Names the run within the mission, for its folder and for the store.
    name: &'a str,
    slot: u32,
    confirms: Option<&'a SnapshotKey>,
    landed: Option<&'a CommitId>,
}

/// What any stages say of any commit, in one of the mission's slots for verifications.
async fn in_mission(
    context: &MissionContext,
    asked: Asked<'_>,
    tip: &Tip,
    (stages, extent): (&[StageSpec], Extent),
    kill: watch::Receiver<bool>,
) -> Result<Examined, Unverified> {
    let Asked { name, slot, confirms, landed } = asked;
    let dir = context.verify_dir(name);
    let run = format!("{}-{name}", context.mission);
    let question = Question { tip, extent, stages, dir: &dir, run: &run, confirms, landed };
    let label = format!("{}/.verify/{name}", context.mission);
    let stop = kill.clone();
    let lease = async |filtered: Filtered, landed: Option<CommitId>| {
        if let Some(Ready { workspace, warm }) = adoptable(context, &dir.join("0"), slot, &label).await {
            return Ok(SlotLease { slot, workspace, adopted: true, warm });
        }
        // Before the slot is marked as this run's: what lies there was made in another preparation.
        for nth in 0..stages.len() {
            put_aside(&dir.join(nth.to_string()), GRACE).await.map_err(|e| Unverified::from(context.trouble(&e)))?;
        }
        let beside = landed.as_ref().map_or(Beside::Nothing, Beside::OfLanded);
        let wanted = Wanted { slot, label: &label, base: &tip.commit, without: Some(&filtered), beside };
        let Ready { workspace, warm } = in_slot(context, wanted, &dir, stop).await?;
        Ok(SlotLease { slot, workspace, adopted: false, warm })
    };
    examine(context, question, lease, kill).await
}

/// Ends what a dead engine left running of one of its verifications, and frees its slot: nobody's work is in it.
///
/// # Errors
/// Which processes live on, or why the slot cannot be freed.
pub async fn end_abandoned(context: &MissionContext, run: RunId) -> Result<(), String> {
    let mut alive = Vec::new();
    for left in runs_below(&context.verify_dir(&run.to_string())) {
        alive.extend(left.end(GRACE).await.survivors.iter().map(u32::to_string));
    }
    if !alive.is_empty() {
        return Err(format!("processes of verification {run} cannot be ended: {}", alive.join(", ")));
    }
    let pool = context.pool().await.map_err(|e| chain(&e))?;
    let label = format!("{}/.verify/{run}", context.mission);
    for (slot, owner) in pool.dirty_slots().map_err(|e| chain(&e))? {
        if owner == label {
            pool.hold(slot).and_then(|()| pool.release(slot)).map_err(|e| chain(&e))?;
        }
    }
    Ok(())
}

/// Slots of verifications follow those of units: one, and one more for confirming runs.
fn slot(context: &MissionContext, confirming: bool) -> u32 {
    context.settings().parallel.num_workers + u32::from(confirming)
}

/// The slot of a verification that an earlier engine had begun with the run in `first`, when its runs can go on in it.
async fn adoptable(context: &MissionContext, first: &Path, slot: u32, label: &str) -> Option<Ready> {
    let pool = context.pool().await.ok()?;
    let ours = pool.dirty_slots().ok()?.iter().any(|(s, l)| *s == slot && l == label);
    // What nobody noted may have been there.
    let warm = context.keeps() && pool.ran(slot) != Some(Ran::Begun { warm: false });
    (ours && first.join("claim").exists()).then(|| Ready { workspace: pool.path(slot), warm })
}

/// Prepares a slot for a verification. What an earlier, dead one left in it is nobody's work; what a unit left there, in a
/// mission with more workers, is pinned first.
async fn in_slot(
    context: &MissionContext,
    wanted: Wanted<'_>,
    dir: &Path,
    kill: watch::Receiver<bool>,
) -> Result<Ready, Unverified> {
    let pool = context.pool().await.map_err(|e| context.trouble(&e))?;
    let stale = pool.dirty_slots().map_err(|e| context.trouble(&e))?.into_iter().find(|(s, _)| *s == wanted.slot);
    if let Some((_, old)) = stale {
        super::collecting::rescue(context, wanted.slot, &old, wanted.base).await?;
    }
    match prepare::workspace(context, wanted, &dir.join("setup"), kill).await {
        Ok(ready) => Ok(ready),
        Err(NotReady::Killed) => Err("killed".to_owned().into()),
        // It quotes what setup said.
        Err(NotReady::Failed(mut trouble)) => {
            context.redactor().trouble(&mut trouble);
            Err(trouble.into())
        }
        Err(NotReady::Setup { code, why }) => Err(Unverified {
            why: context.redactor().clean(&why),
            cause: Cause::Setup,
            setup: Some(code),
            stale: false,
        }),
    }
}

/// Runs one shell line in a prepared slot at `tip` (the objective's check); true when it exits with 0.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn check(
    context: &MissionContext,
    line: &str,
    tip: &Tip,
    name: &str,
    kill: watch::Receiver<bool>,
) -> Result<bool, Trouble> {
    let dir = context.state.runs().join(context.mission.as_str()).join(".check").join(name);
    let slot = slot(context, false);
    let label = format!("{}/.check/{name}", context.mission);
    let run_dir = untold(&dir).await;
    let cwd = match adoptable(context, &run_dir, slot, &label).await {
        Some(ready) => ready.workspace,
        None => {
            let beside = Beside::OfLanded(&tip.commit);
            let wanted = Wanted { slot, label: &label, base: &tip.commit, without: None, beside };
            in_slot(context, wanted, &dir, kill.clone()).await?.workspace
        }
    };
    let env = context.allowed_env(&context.settings().verification.env);
    let job = Job::shell(run_dir, cwd, line, env, context.settings().scheduler.session_timeout).at_home(Home::Slots);
    let ended = run(context, job, kill, false).await;
    free(context, slot, Some(&tip.commit).filter(|_| matches!(ended.end, ProcessEnd::Exited(_)))).await?;
    Ok(ended.end == ProcessEnd::Exited(0))
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
