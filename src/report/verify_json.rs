//! What `mc verify` says, as JSON for programs; `docs/verify.md` describes it.

use super::verify::{Rules, Side, Verified, list_failing};
use super::words::stamp;
use crate::domain::verify::{Delta, StageOutcome, StageResult, TestHistory, TestStatus};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What a program reads; `docs/verify.md` describes it.
pub fn json(verified: &Verified) -> Value {
    let history: Vec<Value> = verified.history.iter().map(|(name, test)| history_json(name, test)).collect();
    let base = verified.base.as_ref().map(|base| {
        let mut value = side_json(&base.side);
        value["merge_base"] = json!(base.merge_base);
        value
    });
    let mut notes = verified.notes.clone();
    notes.extend(verified.stored_notes());
    json!({
        "schema": 1,
        "passes": verified.passes_gate(),
        "gate": verified.gate,
        "verdict": verified.judgement.as_ref().map(|judgement| judgement.verdict),
        "reasons": verified.judgement.as_ref().map_or(&[][..], |judgement| &judgement.reasons),
        "rev": side_json(&verified.after),
        "base": base,
        "delta": verified.delta.as_ref().map(delta_json),
        "history": history,
        "settings": verified.rules.as_ref().map(rules_json),
        "notes": notes,
    })
}

fn rules_json(rules: &Rules) -> Value {
    json!({"path": rules.path, "commit": rules.commit, "changed": rules.changes, "problem": rules.problem})
}

fn history_json(name: &str, test: &TestHistory) -> Value {
    json!({
        "test": name,
        "runs": test.runs,
        "failed": test.failed,
        "forgiven": test.forgiven,
        "first_failed": test.first_failed.and_then(stamp),
        "last_failed": test.last_failed.and_then(stamp),
        "this_tree": {"runs": test.here.runs, "failed": test.here.failed, "flaky": test.here.flaky},
        "other_trees": {"passed": test.others.passed, "failed": test.others.failed, "flaky": test.others.flaky},
    })
}

fn side_json(side: &Side) -> Value {
    let summary = side.snapshot.to_summary();
    let stages: Vec<Value> = side.snapshot.stages.iter().map(|stage| stage_json(stage, &side.logs)).collect();
    json!({
        "asked": side.asked,
        "commit": side.tip.commit,
        "tree": side.tip.tree,
        "verified_tree": side.tree,
        "ignored_paths": side.removed,
        "key": side.key,
        "reused": side.reused,
        "start": side.snapshot.start,
        "stored_at": side.stored.and_then(stamp),
        "runs": side.runs,
        "confirmed": side.snapshot.confirmed,
        "outcome": summary.outcome,
        "passed": summary.passed,
        "failed": summary.failed,
        "skipped": summary.skipped,
        "failing": list_failing(&side.snapshot),
        "flaky": side.snapshot.flaky,
        "stages": stages,
    })
}

fn stage_json(stage: &StageResult, logs: &[(String, PathBuf)]) -> Value {
    let tests = stage.tests.as_ref().map(|results| {
        json!({
            "passed": stage.count_tests(TestStatus::Passed),
            "failed": stage.count_tests(TestStatus::Failed),
            "skipped": stage.count_tests(TestStatus::Skipped),
            "problem": results.problem,
        })
    });
    let why = (stage.effective_outcome() != StageOutcome::Passed).then(|| stage.failure_reason());
    let logs: Vec<&PathBuf> = logs.iter().filter(|(name, _)| *name == stage.name).map(|(_, log)| log).collect();
    json!({
        "name": stage.name,
        "kind": stage.kind,
        "outcome": stage.effective_outcome(),
        "exit": stage.exit,
        "why": why,
        "read_as": stage.format.unwrap_or_default().word(),
        "tests": tests,
        "counted": stage.counted,
        "findings": stage.findings.as_ref().map(|findings| findings.total()),
        "number": stage.number,
        "millis": stage.millis,
        "logs": logs,
    })
}

fn delta_json(delta: &Delta) -> Value {
    json!({
        "broken": delta.broken,
        "fixed": delta.fixed,
        "removed": delta.removed,
        "newly_skipped": delta.newly_skipped,
        "new_failing": delta.new_failing,
        "added": delta.added,
        "still_failing": delta.still_failing,
        "stages_broken": delta.stages_broken,
        "told_by_tests": delta.told_by_tests,
        "stages_fixed": delta.stages_fixed,
        "incomparable": delta.incomparable,
        "not_run": delta.not_run,
        "said": delta.said,
        "unstable": delta.unstable,
        "findings": delta.findings,
        "metrics": delta.metrics,
    })
}
