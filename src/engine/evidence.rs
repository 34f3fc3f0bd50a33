//! What a unit must show beyond the gate: the stages of its own lines, stages run in its workspace, protected paths.
//!
//! What runs in a workspace are supervised runs in `quick/<stage>` below the attempt's folder (`quick/again-<stage>` the
//! second time), so that a new engine adopts them. The work is collected, pinned and written down before the first one
//! starts: nothing they leave in the workspace becomes part of it.

use super::runs::{End, run};
use super::shop::Shop;
use super::verification::{conclude, gate_stages, stage_job};
use crate::adapters::clock;
use crate::domain::mission::{
    AttemptOrder, AttemptReport, ExtraStage, InWorkspace, Quick, RunEnd, VerifyOrder, VerifyRole, extra_stages,
    in_workspace, quick_end,
};
use crate::domain::plan::globs::Globs;
use crate::domain::values::{Millis, Tip};
use crate::domain::verify::StageOutcome;
use crate::domain::verify::formats::Format;
use crate::domain::verify::key::{StageKind, StageSpec, Tier};
use crate::domain::verify::snapshot::{Snapshot, StageResult, confirm};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// The stages a verification runs: the gate's, or a unit's own lines.
#[must_use]
pub fn stages(shop: &Shop, order: &VerifyOrder) -> Vec<StageSpec> {
    match order.extra.is_empty() {
        true => gate_stages(shop),
        false => order.extra.iter().map(|line| own_line(shop, line)).collect(),
    }
}

fn own_line(shop: &Shop, line: &ExtraStage) -> StageSpec {
    StageSpec {
        name: line.name.to_owned(),
        run: line.run.clone(),
        kind: StageKind::Tests,
        tier: Tier::Gate,
        format: Format::Auto,
        timeout_secs: shop.settings().verification.timeout.as_secs(),
    }
}

/// Protected paths in which a candidate differs from green.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn protected(shop: &Shop, onto: &Tip, candidate: &Tip) -> Result<Vec<String>, String> {
    let protect = &shop.settings().verification.protect;
    if protect.is_empty() {
        return Ok(Vec::new());
    }
    let globs = Globs::new(protect).map_err(|e| e.to_string())?;
    let changed = shop.source.differing(&onto.commit, &candidate.commit).await.map_err(|e| super::error::chain(&e))?;
    Ok(globs.matching(&changed))
}

/// The stages to run in the workspace of an attempt that ended as `report` says.
#[must_use]
pub fn workspace_stages(shop: &Shop, order: &AttemptOrder, report: &AttemptReport) -> Vec<StageSpec> {
    match in_workspace(report, &order.spec) {
        None => Vec::new(),
        Some(InWorkspace::Accept) => {
            extra_stages(VerifyRole::AcceptBefore, &order.spec).iter().map(|line| own_line(shop, line)).collect()
        }
        Some(InWorkspace::Quick) => {
            shop.settings().verification.stages.iter().filter(|s| s.tier == Tier::Quick).cloned().collect()
        }
    }
}

/// Folder of the runs in the workspace of an attempt.
#[must_use]
pub fn quick_dir(attempt_dir: &Path) -> PathBuf {
    attempt_dir.join("quick")
}

/// Why stages did not come to an end.
enum Broken {
    Killed,
    Lost(String),
}

/// Runs stages in a workspace, or takes them over, and writes into the report what they said.
pub async fn look(
    shop: &Shop,
    stages: &[StageSpec],
    attempt_dir: &Path,
    workspace: &Path,
    report: &mut AttemptReport,
    kill: watch::Receiver<bool>,
) {
    match ran(shop, stages, &quick_dir(attempt_dir), workspace, kill).await {
        Ok((quick, flaky)) => {
            report.notes.extend(flaky.iter().map(|name| format!("{name} failed and passed on the same work")));
            report.quick = Some(quick);
        }
        Err(Broken::Killed) => report.end = RunEnd::Stopped,
        Err(Broken::Lost(why)) => report.end = RunEnd::Infrastructure(why),
    }
}

async fn ran(
    shop: &Shop,
    stages: &[StageSpec],
    dir: &Path,
    workspace: &Path,
    kill: watch::Receiver<bool>,
) -> Result<(Quick, Vec<String>), Broken> {
    let (first, began) = pass(shop, stages, |nth| dir.join(nth.to_string()), workspace, kill.clone()).await?;
    let passed = |stage: &StageResult| stage.effective() == StageOutcome::Passed;
    let doubted: Vec<StageSpec> =
        stages.iter().zip(&first.stages).filter(|(_, result)| !passed(result)).map(|(s, _)| s.clone()).collect();
    let again = shop.settings().queue.confirm_failures && !doubted.is_empty();
    let whole = match again {
        true => {
            let second = pass(shop, &doubted, |nth| dir.join(format!("again-{nth}")), workspace, kill).await?.0;
            confirm(&first, &second)
        }
        false => first,
    };
    let summary = whole.summary();
    let end = quick_end(&whole.stages);
    Ok((Quick { end, note: summary.note, confirmed: again, ran: (began, clock::now()) }, summary.flaky))
}

/// Runs stages one after the other; also when the first of them began.
async fn pass(
    shop: &Shop,
    stages: &[StageSpec],
    dir: impl Fn(usize) -> PathBuf,
    workspace: &Path,
    kill: watch::Receiver<bool>,
) -> Result<(Snapshot, Millis), Broken> {
    let (mut results, mut began) = (Vec::new(), None);
    for (nth, stage) in stages.iter().enumerate() {
        let asked = clock::now();
        let ended = run(shop, stage_job(shop, stage, dir(nth), workspace.to_owned()), kill.clone(), false).await;
        let started = ended.started.unwrap_or(asked);
        began.get_or_insert(started);
        if ended.end == End::Killed {
            return Err(Broken::Killed);
        }
        results.push(conclude(stage, &ended, clock::now().saturating_sub(started)).map_err(Broken::Lost)?);
    }
    let mut snapshot = Snapshot { stages: results, ..Snapshot::default() };
    shop.redactor().snapshot(&mut snapshot);
    Ok((snapshot, began.unwrap_or_else(clock::now)))
}
