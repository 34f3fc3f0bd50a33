//! Verifications that a mission asks for: of the merge queue's trees, and of its objective. Each has a folder and a slot of its
//! own, by which an engine that takes over finds what an earlier one began.

use super::prepare::{self, Wanted};
use super::repository;
use super::unit_checks;
use super::verification::{Examined, Extent, Question, SlotLease, verify_tree};
use crate::adapters::git::filter::Filtered;
use crate::adapters::host::order::{Home, Ready, Release, RunKey, RunOrder, RunState, Start as Begin, Untracked};
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::{Noticed, Unverified, Verification, VerifyOrder, VerifyRole};
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::{CommitId, HostId, RunId, Tip};
use crate::domain::verify::SnapshotKey;
use crate::domain::verify::judge::delta::compare_snapshots;
use crate::domain::verify::model::key::StageSpec;
use crate::domain::verify::model::snapshot::Start;
use crate::engine::context::{MissionContext, NamedHost};
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
    let on = context.find_host(&order.host)?;
    // The whole queue waits for this.
    on.reach_soon().await?;
    check_environment(context, on).await?;
    let (stages, extent) = unit_checks::stages(context, &order);
    let before = match &order.against {
        None => None,
        Some(key) => {
            let stored = context.snapshot(key).map_err(|e| context.to_trouble(&e))?;
            Some(stored.ok_or_else(|| Trouble::from(format!("the snapshot {} is not stored", key.0)))?)
        }
    };
    let seen = repository::read_before_verification(context).await.map_err(|e| context.to_trouble(&e))?;
    let confirms = order.confirms.as_ref();
    let landed = Some(&order.onto).filter(|_| !order.cold);
    // What is run beside the queue does not take away what the next candidate may start from.
    let aside = context.settings().keeps_files()
        && matches!(
            order.role,
            VerifyRole::Cold | VerifyRole::ColdSearch | VerifyRole::AcceptBefore | VerifyRole::UnitChecks
        );
    let slot = slot_number(on, confirms.is_some() != aside);
    let asked = Asked { on, name: &order.run.to_string(), slot, confirms, landed };
    let examined = verify_in_mission(context, asked, &order.tip, (&stages, extent), kill).await?;
    // Nobody has read the files of a tree whose result was known before.
    if examined.reused && !context.source.adds_whole(&order.tip.commit).await.map_err(|e| context.to_trouble(&e))? {
        return Err(Trouble::from(format!("{} lacks objects", order.tip.commit)).into());
    }
    let Examined { key, snapshot, reused } = examined;
    let delta = before.map(|before| compare_snapshots(&before, &snapshot));
    let of_a_change = matches!(order.role, VerifyRole::After | VerifyRole::UnitChecks);
    let change = Some(&order.tip.commit).filter(|_| of_a_change);
    let noticed = match reused {
        true => Noticed::default(),
        false => repository::compare_after_verification(context, &seen, change).await,
    };
    Ok(Verification {
        key,
        summary: snapshot.to_summary(),
        delta,
        reused,
        confirmed: snapshot.confirmed,
        warm: snapshot.start == Start::Warm,
        noticed,
    })
}

/// That results of this host's runs depend on what those of the mission do: another host may be changed at any time, also the one by
/// whose environment everything is verified. The environment.
async fn check_environment(context: &MissionContext, on: &NamedHost) -> Result<String, Trouble> {
    let failed = |e| context.to_trouble(&e);
    let reference = context.environment(|_| true).await.map_err(failed)?;
    let environment = context.fingerprint(on).await.map_err(failed)?;
    if on.id.is_local() || environment == reference.environment {
        return Ok(environment);
    }
    // It is asked for its environment before it is used again.
    let why = match &reference.host {
        Some(host) if *host == on.id => {
            format!("the environment of {host}, by which this mission verifies, is another one by now")
        }
        Some(host) => format!("{} has another environment than {host}, by which this mission verifies", on.id),
        None => format!("{} has another environment than the one by which this mission verifies", on.id),
    };
    Err(Trouble::new(Cause::Unreachable, why))
}

/// How a verification of a mission is made.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    on: &'a NamedHost,
    /// Names the run within the mission, for its folder and for the store.
    name: &'a str,
    slot: u32,
    confirms: Option<&'a SnapshotKey>,
    landed: Option<&'a CommitId>,
}

/// What any stages say of any commit, in one of the mission's slots for verifications.
async fn verify_in_mission(
    context: &MissionContext,
    asked: Asked<'_>,
    tip: &Tip,
    (stages, extent): (&[StageSpec], Extent),
    kill: watch::Receiver<bool>,
) -> Result<Examined, Unverified> {
    let Asked { on, name, slot, confirms, landed } = asked;
    let user = context.verify_key(name);
    let run = format!("{}-{name}", context.mission);
    let question = Question { on, tip, extent, stages, user: &user, run: &run, confirms, landed };
    let stop = kill.clone();
    let lease = async |filtered: Filtered, landed: Option<CommitId>| {
        if let Some(Ready { workspace, warm, .. }) = on.find_adoptable(slot, user.as_str(), &user.join(0)).await? {
            return Ok(SlotLease { slot, workspace, adopted: true, warm });
        }
        // Before the slot is marked as this run's: what lies there was made in another preparation.
        for nth in 0..stages.len() {
            on.archive_run(&user.join(nth)).await.map_err(Unverified::from)?;
        }
        let beside = landed.map_or(Untracked::Nothing, Untracked::OfLanded);
        let (base, without) = (&tip.commit, Some(&filtered));
        let wanted = Wanted { slot, user: &user, base, without, beside: &beside, session: false };
        let Ready { workspace, warm, .. } = prepare_slot(context, on, wanted, stop).await?;
        Ok(SlotLease { slot, workspace, adopted: false, warm })
    };
    verify_tree(context, question, lease, kill).await
}

/// Ends what a dead engine left running of one of its verifications, and frees its slot: nobody's work is in it.
///
/// # Errors
/// Which processes live on, or why the slot cannot be freed.
pub async fn end_abandoned(context: &MissionContext, host: &HostId, run: RunId) -> Result<(), String> {
    let on = context.find_host(host)?;
    let user = context.verify_key(&run.to_string());
    let alive: Vec<String> = on.end_runs(&user).await?.iter().map(u32::to_string).collect();
    if !alive.is_empty() {
        return Err(format!("processes of verification {run} cannot be ended: {}", alive.join(", ")));
    }
    for used in on.used_slots().await? {
        if used.label == user.as_str() && !on.discard(used.slot, user.as_str()).await? {
            return Err(format!("slot {}: another process has it locked", used.slot));
        }
    }
    Ok(())
}

/// Slots of verifications follow those of units: one, and one more for confirming runs.
fn slot_number(on: &NamedHost, confirming: bool) -> u32 {
    on.workers + u32::from(confirming)
}

/// Prepares a slot for a verification. What an earlier, dead one left in it is nobody's work; what a unit left there, in a
/// mission with more workers, is pinned first.
async fn prepare_slot(
    context: &MissionContext,
    on: &NamedHost,
    wanted: Wanted<'_>,
    kill: watch::Receiver<bool>,
) -> Result<Ready, Unverified> {
    let stale = on.used_slots().await?.into_iter().find(|used| used.slot == wanted.slot);
    if let Some(stale) = stale {
        on.recover(wanted.slot, &stale.label, wanted.base).await?;
    }
    let ready = prepare::prepare_workspace(context, on, wanted, kill).await;
    ready.map_err(|not| prepare::describe_not_ready(context, not))
}

/// Runs one shell line in a prepared slot of a host at `tip` (the objective's check); true when it exits with 0. A run that was lost or ended
/// by us has measured nothing.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn check_objective(
    context: &MissionContext,
    line: &str,
    (tip, host): (&Tip, &HostId),
    round: u32,
    kill: watch::Receiver<bool>,
) -> Result<bool, Trouble> {
    let on = context.find_host(host)?;
    let environment = check_environment(context, on).await?;
    // What an engine in another environment began is not taken over.
    let user = RunKey::of_mission(&context.mission).join(".check").join(format!("{round}-{environment:.12}"));
    let slot = slot_number(on, false);
    let run = find_usable_run(on, &user).await?;
    if on.find_adoptable(slot, user.as_str(), &run).await?.is_none() {
        let beside = Untracked::OfLanded(tip.commit.clone());
        let wanted = Wanted { slot, user: &user, base: &tip.commit, without: None, beside: &beside, session: false };
        prepare_slot(context, on, wanted, kill.clone()).await?;
    }
    let (inherited, timeout) = (&context.settings().verification.env, context.settings().scheduler.session_timeout);
    let order = RunOrder::shell(run, slot, line, inherited, timeout, Home::Slots);
    let ended = on.run(&order, Begin::IfNew, kill, || ()).await;
    let whole = Some(tip.commit.clone()).filter(|_| matches!(ended.end, ProcessEnd::Exited(_)));
    on.release(slot, user.as_str(), &Release::Verified(whole)).await?;
    let trouble = match ended.end {
        ProcessEnd::Exited(code) => return Ok(code == 0),
        ProcessEnd::Signaled(_) | ProcessEnd::Timeout | ProcessEnd::Stalled => return Ok(false),
        ProcessEnd::Infrastructure(trouble) => trouble,
        end @ (ProcessEnd::Stopped | ProcessEnd::NeverStarted) => end.to_string().into(),
    };
    // It says nothing of the objective: whoever asks again gets another run, and not this one.
    on.archive_run(&order.key).await?;
    Err(trouble)
}

/// The first numbered run of a check that says, or may yet say, something: not one that was killed.
async fn find_usable_run(on: &NamedHost, user: &RunKey) -> Result<RunKey, Trouble> {
    let mut nth = 0;
    loop {
        let run = user.join(nth);
        if !matches!(on.look_up(&run).await?, RunState::Killed | RunState::NeverStarted) {
            return Ok(run);
        }
        nth += 1;
    }
}
