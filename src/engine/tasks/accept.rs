//! Whether a unit's `accept` says no on green, asked before an agent is paid to make it say yes.
//!
//! Promises: nothing is run where the answer is known (P13) or another attempt is just asking for it, and what is run is the stored "before" of the landing as long
//! as green's tree stays; the line runs in a slot of its own, where nothing of any unit is, and nothing it leaves becomes part
//! of the work.

use super::prepare::{self, Wanted};
use super::unit_checks::own_line;
use super::verification::{Examined, Extent, Question, SlotLease, verify_tree};
use crate::adapters::git::filter::Filtered;
use crate::adapters::host::order::{NotFresh, NotReady, Ready, RunKey, Untracked};
use crate::adapters::os::files;
use crate::domain::mission::{AcceptBefore, AttemptOrder, Unverified, VerifyRole, extra_stages, not_started};
use crate::domain::trouble::Trouble;
use crate::domain::values::Tip;
use crate::domain::verify::model::key::StageSpec;
use crate::domain::verify::{SnapshotKey, StageOutcome};
use crate::engine::context::{MissionContext, NamedHost};
use std::path::PathBuf;
use tokio::sync::watch;

/// Folders of the runs of the question, and of the second one where the first answer is not sure.
const FIRST: &str = "first";

const AGAIN: &str = "again";

/// Name of the file with the answer.
const SAID: &str = "said.json";

/// Asks `accept` on green where the order wants it; the question for a person when no agent is to be started. What cannot run
/// is asked twice. The answer is kept for [`read_result`] before anything follows from it.
///
/// # Errors
/// [`NotReady`]: nothing is known of it.
pub async fn check_on_green(
    context: &MissionContext,
    on: &NamedHost,
    order: &AttemptOrder,
    kill: watch::Receiver<bool>,
) -> Result<Option<String>, NotReady> {
    if !order.accept_first {
        return Ok(None);
    }
    let lines = extra_stages(VerifyRole::AcceptBefore, &order.spec);
    let stages: Vec<StageSpec> = lines.iter().map(|line| own_line(context.settings(), line)).collect();
    let tree = context.source.tree_of(&order.green).await.map_err(|e| NotReady::Failed(context.to_trouble(&e)))?;
    let green = Tip { commit: order.green.clone(), tree };
    let mut stopped = kill.clone();
    let _turn = tokio::select! {
        turn = context.asking.wait_turn(&green, &order.spec) => turn,
        Ok(_) = stopped.wait_for(|killed| *killed) => return Err(NotReady::Killed),
    };
    let mut found = run_accept(context, on, order, &green, &stages, None, kill.clone()).await?;
    let mut runs = u32::from(!found.reused);
    let unsure = found.snapshot.to_summary().outcome == StageOutcome::NotRun && !found.snapshot.confirmed;
    if unsure && context.settings().queue.confirm_failures {
        found = run_accept(context, on, order, &green, &stages, Some(&found.key), kill).await?;
        runs += 1;
    }
    let summary = found.snapshot.to_summary();
    let before = AcceptBefore { key: found.key, outcome: summary.outcome, runs };
    let failed =
        |e: &(dyn std::error::Error + 'static)| NotReady::Failed(context.to_trouble_at("keep what `accept` said", e));
    let dir = dir(context, order);
    files::make_own_dir(context.state.root(), &dir).map_err(|e| failed(&e))?;
    let question = not_started(&order.spec, &order.green, &summary);
    let text = serde_json::to_vec(&(before, &question)).map_err(|e| failed(&e))?;
    files::replace_own(&dir.join(SAID), &text).map_err(|e| failed(&e))?;
    Ok(question)
}

/// What `accept` said before the attempt of this order, and the question for a person if no agent is started for it; also to an
/// engine that takes it over.
pub fn read_result(context: &MissionContext, order: &AttemptOrder) -> Option<(AcceptBefore, Option<String>)> {
    let kept = files::read_own(&dir(context, order).join(SAID)).ok()??;
    serde_json::from_slice(&kept).ok()
}

/// Ends what an earlier engine left running of the question. Its slot is nobody's work and is freed by its next use.
///
/// # Errors
/// Nothing is known of it.
pub async fn end_abandoned(context: &MissionContext, on: &NamedHost, order: &AttemptOrder) -> Result<(), Trouble> {
    for folder in [FIRST, AGAIN] {
        on.end_runs(&user(context, order).join(folder)).await?;
    }
    Ok(())
}

/// Who uses the slot meanwhile. No unit is called so: nothing in the slot is anybody's work.
fn user(context: &MissionContext, order: &AttemptOrder) -> RunKey {
    RunKey::of_mission(&context.mission).join(".accept").join(format!("{}-{}", order.spec.id, order.n))
}

/// Where the answer is kept.
fn dir(context: &MissionContext, order: &AttemptOrder) -> PathBuf {
    user(context, order).path_in(&context.state.sessions())
}

/// The first slot that nobody uses, behind those of units and of the merge queue: what a unit left in its own decides nothing
/// here, and stays for the next unit.
async fn lease(
    context: &MissionContext,
    on: &NamedHost,
    user: &RunKey,
    green: &Tip,
    kill: watch::Receiver<bool>,
) -> Result<SlotLease, Unverified> {
    let mut slot = on.workers + 2;
    while slot < 2 * (on.workers + 2) {
        let (base, beside) = (&green.commit, &Untracked::Nothing);
        let wanted = Wanted { slot, user, base, without: None, beside, session: false };
        match prepare::prepare_fresh(context, on, wanted, kill.clone()).await {
            Ok(Ready { workspace, warm, .. }) => return Ok(SlotLease { slot, workspace, adopted: false, warm }),
            Err(NotFresh::Busy) => slot += 1,
            Err(NotFresh::Dirty(old)) => on.recover(slot, &old, &green.commit).await?,
            Err(NotFresh::NotReady(not)) => return Err(prepare::describe_not_ready(context, not)),
        }
    }
    Err("all workspaces for `accept` lines are in use".to_owned().into())
}

async fn run_accept(
    context: &MissionContext,
    on: &NamedHost,
    order: &AttemptOrder,
    green: &Tip,
    stages: &[StageSpec],
    confirms: Option<&SnapshotKey>,
    kill: watch::Receiver<bool>,
) -> Result<Examined, NotReady> {
    let again = confirms.is_some();
    let user = user(context, order).join(if again { AGAIN } else { FIRST });
    let run = format!("{}-{}-{}-accept{}", context.mission, order.spec.id, order.n, if again { "-again" } else { "" });
    let extent = Extent::Whole;
    let question = Question { on, tip: green, extent, stages, user: &user, run: &run, confirms, landed: None };
    let stop = kill.clone();
    let lease = async |_: Filtered, _| lease(context, on, &user, green, stop).await;
    let killed = kill.clone();
    let asked = verify_tree(context, question, lease, kill).await;
    asked.map_err(|why| if *killed.borrow() { NotReady::Killed } else { NotReady::Failed(why.into()) })
}
