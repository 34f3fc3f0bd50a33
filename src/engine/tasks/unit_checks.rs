//! What a unit must show beyond the gate: the stages of its own lines, stages run in its workspace, protected paths.
//!
//! What runs in a workspace are supervised runs in `quick/<stage>` below the attempt's folder (`quick/again-<stage>` the
//! second time), so that a new engine adopts them. The work is collected, pinned and written down before the first one
//! starts: nothing they leave in the workspace becomes part of it.

use super::verification::{Extent, NoResult, StageInput, gate_key, gate_stages, run_stage};
use crate::adapters::git::GitError;
use crate::adapters::host::order::{Home, RunKey};
use crate::config::{FILE_NAME, Settings};
use crate::domain::detect::faults::is_test;
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::{
    AttemptOrder, PreQueueCheck, Quick, SessionReport, UnitCheckStage, VerifyOrder, VerifyRole, extra_stages,
    in_workspace, quick_end,
};
use crate::domain::plan::globs::Globs;
use crate::domain::trouble::Trouble;
use crate::domain::values::{Millis, Tip};
use crate::domain::verify::StageOutcome;
use crate::domain::verify::formats::Format;
use crate::domain::verify::judge::confirm::confirm;
use crate::domain::verify::model::key::{Demand, StageKind, StageSpec, Tier};
use crate::domain::verify::model::named::named_paths;
use crate::domain::verify::model::snapshot::{Snapshot, StageResult};
use crate::engine::context::{MissionContext, NamedHost};
use std::collections::BTreeSet;
use std::path::Path;
use tokio::sync::watch;

/// The stages a verification runs, and on how much of the tree: the gate's, or a unit's own lines.
pub fn stages(context: &MissionContext, order: &VerifyOrder) -> (Vec<StageSpec>, Extent) {
    match order.unit_checks.is_empty() {
        true => (gate_stages(context), Extent::Narrowed),
        false => (order.unit_checks.iter().map(|line| own_line(context.settings(), line)).collect(), Extent::Whole),
    }
}

/// The stage that runs one line of a unit.
pub fn own_line(settings: &Settings, line: &UnitCheckStage) -> StageSpec {
    StageSpec {
        name: line.name.to_owned(),
        run: line.run.clone(),
        kind: StageKind::Tests,
        tier: Tier::Gate,
        format: Format::Auto,
        timeout_secs: settings.verification.timeout.as_secs(),
        reports: Vec::new(),
        demand: Demand::default(),
    }
}

/// Protected paths in which a candidate differs from green.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn find_protected_changes(
    context: &MissionContext,
    onto: &Tip,
    candidate: &Tip,
) -> Result<Vec<String>, Trouble> {
    let failed = |e: GitError| context.to_trouble(&e);
    let protect = &context.settings().verification.protect;
    if protect.is_empty() {
        return Ok(Vec::new());
    }
    let globs = Globs::new(protect).map_err(|e| e.to_string())?;
    // Most name a file or folder of the root: then no git has to be asked.
    let plain = |glob: &String| !glob.contains(['*', '?', '[', '{', '\\']);
    if protect.iter().all(plain) {
        let roots = context.source.differing_at_root(&onto.commit, &candidate.commit).await.map_err(failed)?;
        let first = |glob: &String| glob.trim_start_matches("./").split('/').next().map(str::to_owned);
        if !protect.iter().filter_map(first).any(|first| roots.contains(&first)) {
            return Ok(Vec::new());
        }
    }
    let changed = context.source.diff_paths(&onto.commit, &candidate.commit).await.map_err(failed)?;
    Ok(globs.filter_matching(&changed))
}

/// Files that decide how changes are verified in which a candidate differs from green: the settings, and what stages name.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn find_deciding_files(
    context: &MissionContext,
    onto: &Tip,
    candidate: &Tip,
) -> Result<Vec<String>, Trouble> {
    let failed = |e: GitError| context.to_trouble(&e);
    let roots = context.source.differing_at_root(&onto.commit, &candidate.commit).await.map_err(failed)?;
    let mut paths: BTreeSet<String> = [FILE_NAME.to_owned()].into();
    paths.extend(context.settings().file.clone());
    paths.extend(context.settings().verification.stages.iter().flat_map(|stage| named_paths(&stage.run)));
    let mut deciding = Vec::new();
    for path in paths.into_iter().filter(|path| path.split('/').next().is_some_and(|first| roots.contains(first))) {
        let before = context.source.entry(onto.tree.as_str(), &path).await.map_err(failed)?;
        let after = context.source.entry(candidate.tree.as_str(), &path).await.map_err(failed)?;
        // A folder is named for what is in it.
        let folder = [&before, &after].into_iter().flatten().any(|(mode, _)| mode == "040000");
        if before != after && !folder && before.is_some() {
            deciding.push(path);
        }
    }
    Ok(deciding)
}

/// Files in which a candidate changes tests that were there: test files by their names, and those that tests of green's snapshot are named by.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn find_edited_tests(context: &MissionContext, onto: &Tip, candidate: &Tip) -> Result<Vec<String>, Trouble> {
    let edited =
        context.source.list_edited_paths(&onto.commit, &candidate.commit).await.map_err(|e| context.to_trouble(&e))?;
    let (mut tests, others): (Vec<String>, Vec<String>) = edited.into_iter().partition(|path| is_test(path));
    if !others.is_empty() {
        let key = gate_key(context, &onto.tree).await?;
        let green = context
            .snapshot(&key)
            .and_then(|cold| cold.map_or_else(|| context.snapshot(&key.to_warm()), |s| Ok(Some(s))));
        let green = green.map_err(|e| context.to_trouble(&e))?.unwrap_or_default();
        let ran: BTreeSet<&str> = green
            .stages
            .iter()
            .filter_map(|s| s.tests.as_ref())
            .flat_map(|t| &t.tests)
            .map(|t| t.suite.as_str())
            .collect();
        tests.extend(others.into_iter().filter(|path| ran.contains(path.as_str())));
        tests.sort_unstable();
    }
    Ok(tests)
}

/// The stages to run in the workspace of an attempt that ended as `report` says.
pub fn workspace_stages(context: &MissionContext, order: &AttemptOrder, report: &SessionReport) -> Vec<StageSpec> {
    match in_workspace(report, &order.spec) {
        None => Vec::new(),
        Some(PreQueueCheck::Accept) => extra_stages(VerifyRole::AcceptBefore, &order.spec)
            .iter()
            .map(|line| own_line(context.settings(), line))
            .collect(),
        Some(PreQueueCheck::Quick) => {
            context.settings().verification.stages.iter().filter(|s| s.tier == Tier::Quick).cloned().collect()
        }
    }
}

/// The runs in the workspace of an attempt.
pub fn quick_key(context: &MissionContext, order: &AttemptOrder) -> RunKey {
    context.attempt_key(order).join("quick")
}

/// Runs stages in a workspace, or takes them over, and writes into the report what they said.
pub async fn run_quick_stages(
    context: &MissionContext,
    on: &NamedHost,
    order: &AttemptOrder,
    stages: &[StageSpec],
    workspace: &Path,
    report: &mut SessionReport,
    kill: watch::Receiver<bool>,
) {
    let Some(tree) = report.work.head.as_ref().map(|head| head.tree.clone()) else { return };
    let input = StageInput { on, slot: order.slot.number, workspace, tree: &tree, home: Home::Users };
    match run_and_confirm(context, stages, &quick_key(context, order), input, kill).await {
        Ok((quick, flaky)) => {
            report.notes.extend(flaky.iter().map(|name| format!("{name} failed and passed on the same work")));
            report.checks.quick = Some(quick);
        }
        Err(NoResult::Killed) => report.run.end = ProcessEnd::Stopped,
        Err(NoResult::Lost(why)) => report.run.end = ProcessEnd::Infrastructure(why),
    }
}

async fn run_and_confirm(
    context: &MissionContext,
    stages: &[StageSpec],
    key: &RunKey,
    input: StageInput<'_>,
    kill: watch::Receiver<bool>,
) -> Result<(Quick, Vec<String>), NoResult> {
    let (first, began) = run_once(context, stages, |nth| key.join(nth), input, kill.clone()).await?;
    let passed = |stage: &StageResult| stage.effective_outcome() == StageOutcome::Passed;
    let doubted: Vec<StageSpec> =
        stages.iter().zip(&first.stages).filter(|(_, result)| !passed(result)).map(|(s, _)| s.clone()).collect();
    let again = context.settings().queue.confirm_failures && !doubted.is_empty();
    let whole = match again {
        true => {
            let second = run_once(context, &doubted, |nth| key.join(format!("again-{nth}")), input, kill).await?.0;
            confirm(&first, &second)
        }
        false => first,
    };
    let summary = whole.to_summary();
    let end = quick_end(&whole.stages);
    Ok((Quick { end, note: summary.note, confirmed: again, ran: (began, context.clock.now()) }, summary.flaky))
}

/// Runs stages one after the other; also when the first of them began.
async fn run_once(
    context: &MissionContext,
    stages: &[StageSpec],
    key: impl Fn(usize) -> RunKey,
    input: StageInput<'_>,
    kill: watch::Receiver<bool>,
) -> Result<(Snapshot, Millis), NoResult> {
    let mut results: Vec<StageResult> = Vec::new();
    for (nth, stage) in stages.iter().enumerate() {
        if let Some(skipped) = StageResult::without_build(stage, &results) {
            results.push(skipped);
            continue;
        }
        results.push(run_stage(context, stage, key(nth), input, kill.clone()).await?);
    }
    // A stage that was taken over began with an engine that is gone.
    let took: Millis = results.iter().map(|result| result.millis).sum();
    let mut snapshot = Snapshot { stages: results, ..Snapshot::default() };
    context.redactor().clean_snapshot(&mut snapshot);
    Ok((snapshot, context.clock.now().saturating_sub(took)))
}
