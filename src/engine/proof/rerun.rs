//! `--rerun`: landed trees verified once more in a clean workspace, compared test by test with what they landed on.
//!
//! The same code as `mc verify` runs the stages, in workspaces beside those of missions. A test that says something else is
//! asked a second time before the claim is called broken; one that changes its mind is named flaky.

use super::case::{Case, Checked};
use crate::domain::mission::Record;
use crate::domain::trouble::chain;
use crate::domain::values::Tip;
use crate::domain::verify::{Delta, Snapshot, SnapshotKey, compare_snapshots};
use crate::engine::inspect::history::records;
use crate::engine::run::verify::{VerifyOptions, verify};
use crate::report::{Findings, source_name};
use std::collections::BTreeSet;

/// Test names listed of one rerun.
const NAMES: usize = 10;

/// Verifies each landed tree again.
pub(super) async fn check(case: &mut Case<'_>) -> Checked {
    let history = case.history;
    let mut seen = BTreeSet::new();
    for record in records(history) {
        let Record::Landed { landing, source, candidate, .. } = record else { continue };
        let Some(Record::LandIntended { key, .. }) = case.intents.get(landing).copied() else { continue };
        if !seen.insert(key) {
            continue;
        }
        let what = format!("{}: its tree verifies again as it did", source_name(source));
        let (found, flaky) = rerun_candidate(case, candidate, key).await?;
        let what = if flaky.is_empty() { what } else { format!("{what}; flaky: {}", flaky.join(", ")) };
        case.add_claim(what, found);
    }
    Ok(())
}

/// What verifying a landed tree again finds, and what said something else in each of two runs.
async fn rerun_candidate(case: &Case<'_>, candidate: &Tip, key: &SnapshotKey) -> Checked<(Findings, Vec<String>)> {
    let mut found = Findings::default();
    let Some(before) = snapshot(case, key)? else {
        found.add_unknown(format!("no snapshot is stored under {}", key.short_id()));
        return Ok((found, Vec::new()));
    };
    let mut runs = Vec::new();
    for _ in 0..2 {
        match verify_once(case, candidate, key).await? {
            Ok(run) => runs.push(list_regressions(&before, &run)),
            Err(why) => {
                found.add_unknown(why);
                return Ok((found, Vec::new()));
            }
        }
        if runs[0].is_empty() {
            return Ok((found, Vec::new()));
        }
    }
    let (first, second) = (&runs[0], &runs[1]);
    let flaky = first.symmetric_difference(second).take(NAMES).cloned().collect();
    let both: Vec<String> = first.intersection(second).take(NAMES).cloned().collect();
    if !both.is_empty() {
        found.add_broken(format!("twice it did not: {}", both.join(", ")));
    }
    Ok((found, flaky))
}

/// Runs the stages once on a commit; what that single run gave, or why nothing can be compared.
async fn verify_once(case: &Case<'_>, candidate: &Tip, key: &SnapshotKey) -> Checked<Result<Snapshot, String>> {
    let options = VerifyOptions { rev: Some(candidate.commit.to_string()), base: None, fresh: true };
    // It lands with files of earlier runs at times, and is proven without.
    let key = match verify(case.project, &options, &|_: &str| ()).await {
        Ok(Some(verified)) if verified.after.key == *key || verified.after.key.to_warm() == *key => verified.after.key,
        Ok(Some(_)) => return Ok(Err("stages or environment are others than when it landed".to_owned())),
        Ok(None) => return Ok(Err("it was broken off".to_owned())),
        Err(error) => return Ok(Err(chain(&error))),
    };
    // The newest of the single runs beside the key is the one just made.
    let newest = case.store.list_kept_snapshots(&key)?.pop();
    let found = newest.map_or(Ok(None), |run| snapshot(case, &run))?;
    Ok(found.ok_or_else(|| "the run was not kept".to_owned()))
}

fn snapshot(case: &Case<'_>, key: &SnapshotKey) -> Checked<Option<Snapshot>> {
    Ok(case.store.snapshot_get(key)?.and_then(|body| serde_json::from_str(&body).ok()))
}

/// What a run says worse than the snapshot a landing rests on, by test and stage.
fn list_regressions(before: &Snapshot, after: &Snapshot) -> BTreeSet<String> {
    let Delta { broken, removed, newly_skipped, new_failing, stages_broken, not_run, .. } =
        compare_snapshots(before, after);
    [broken, removed, newly_skipped, new_failing, stages_broken, not_run].into_iter().flatten().collect()
}
