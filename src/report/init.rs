//! `mc init` for people and programs.

use super::{sanitize, span, tests};
use crate::domain::detect::Detected;
use crate::domain::verify::formats::telling;
use crate::domain::verify::{Snapshot, StageOutcome, StageResult, Summary, TestStatus};
use serde_json::{Value, json};

/// Most failing tests that are named per stage.
const FAILED: usize = 10;

/// Most lines of the output of a stage that fails.
const SAID: usize = 6;

/// What is proposed, as lists of what is used and why something is not.
#[derive(Debug)]
pub struct Proposed<'a> {
    /// What the files say.
    pub survey: &'a Detected,
    /// Name, shell line, why it is switched off.
    pub stages: Vec<(&'a str, &'a str, Option<&'a str>)>,
    /// Shell line, why it is switched off.
    pub setups: Vec<(&'a str, Option<&'a str>)>,
    /// Command line of the agent, if there is one.
    pub agent: Option<&'a str>,
    /// The branch work starts from.
    pub branch: &'a str,
    /// What a person should know.
    pub notes: &'a [String],
}

/// The proposal in a few lines.
pub fn format_proposal(proposed: &Proposed<'_>) -> String {
    let found = match proposed.survey.found.as_slice() {
        [] => "no language or build tool that is known here".to_owned(),
        found => found.join(", "),
    };
    let mut lines = vec![row("found", &found), row("branch", proposed.branch)];
    for (name, run, off) in &proposed.stages {
        lines.push(row("stage", &format!("{name}: {run}")));
        lines.extend(off.map(|why| row("", &format!("left out as a comment: {why}"))));
    }
    if proposed.stages.is_empty() {
        lines.push(row("stage", "none; write the command that says whether a tree is good"));
    }
    for (run, off) in &proposed.setups {
        lines.push(row("setup", run));
        lines.extend(off.map(|why| row("", &format!("left out as a comment: {why}"))));
    }
    if !proposed.survey.copy.is_empty() {
        lines.push(row("copy", &proposed.survey.copy.join(", ")));
    }
    lines.push(row("agent", proposed.agent.unwrap_or("none found; write one into [agent] command, or give --agent")));
    lines.extend(proposed.notes.iter().map(|note| row("note", note)));
    lines.join("\n") + "\n"
}

fn row(name: &str, text: &str) -> String {
    format!("{name:8}  {}", sanitize(text)).trim_end().to_owned()
}

/// What the first verification gave, stage by stage.
pub fn format_baseline(snapshot: Option<&Snapshot>, kept: &Snapshot, refusal: &str) -> String {
    let mut lines = Vec::new();
    for stage in snapshot.iter().flat_map(|snapshot| &snapshot.stages) {
        lines.push(row("", &format!("{}: {} in {}", stage.name, tests(&summarize_stage(stage)), span(stage.millis))));
        if stage.effective_outcome() != StageOutcome::Passed {
            let lines_said: Vec<&str> = stage.head_tail.lines().filter(|line| !line.trim().is_empty()).collect();
            // What went wrong stands before the counts at the end.
            let cause = telling::place(&lines_said.join("\n")).unwrap_or(usize::MAX);
            let from = cause.min(lines_said.len().saturating_sub(SAID));
            let said = lines_said.iter().skip(from).take(SAID);
            lines.push(row("", &format!("  {}", stage.failure_reason())));
            let failed = stage.tests.iter().flat_map(|tests| &tests.tests).filter(|t| t.status == TestStatus::Failed);
            let failed: Vec<String> = failed.map(|test| stage.name_of(test)).collect();
            lines.extend(failed.iter().take(FAILED).map(|name| row("", &format!("  red: {name}"))));
            if failed.len() > FAILED {
                lines.push(row("", &format!("  … and {} more", failed.len() - FAILED)));
            }
            lines.extend(said.map(|line| row("", &format!("  | {line}"))));
        }
    }
    for note in snapshot.iter().flat_map(|snapshot| snapshot.stages.iter().filter_map(StageResult::exit_only)) {
        lines.push(row("note", &format!("{note}; let it name its tests (TAP, JUnit reports, a verbose reporter)")));
    }
    let without = snapshot.is_some_and(|snapshot| snapshot.stages.len() != kept.stages.len());
    let without = if without { ", without what is left out" } else { "" };
    let all = snapshot.map(|_| format!("{}{without}", tests(&kept.to_summary())));
    lines.extend(all.map(|all| row("baseline", &all)));
    if !refusal.is_empty() {
        lines.push(row("baseline", "a mission would be refused on it:"));
        lines.extend(refusal.lines().map(|line| row("", line)));
    }
    lines.join("\n") + "\n"
}

/// Counts of one stage.
fn summarize_stage(stage: &StageResult) -> Summary {
    Summary {
        outcome: stage.effective_outcome(),
        passed: stage.count_tests(TestStatus::Passed),
        failed: stage.count_tests(TestStatus::Failed),
        skipped: stage.count_tests(TestStatus::Skipped),
        ..Snapshot::default().to_summary()
    }
}

/// The proposal and the first verification for programs.
pub fn json(
    proposed: &Proposed<'_>,
    text: &str,
    snapshot: Option<&Snapshot>,
    refusal: &str,
    written: &[String],
) -> Value {
    let stages = proposed.stages.iter().map(|(name, run, off)| json!({"name": name, "run": run, "left_out": off}));
    let setups = proposed.setups.iter().map(|(run, off)| json!({"run": run, "left_out": off}));
    let results = snapshot.map(|snapshot| {
        let stage = |stage: &StageResult| {
            let s = summarize_stage(stage);
            json!({"name": stage.name, "outcome": s.outcome, "passed": s.passed, "failed": s.failed, "skipped": s.skipped,
                "why": stage.failure_reason(), "millis": stage.millis})
        };
        let all = snapshot.to_summary();
        json!({"outcome": all.outcome, "passed": all.passed, "failed": all.failed, "skipped": all.skipped,
            "stages": snapshot.stages.iter().map(stage).collect::<Vec<_>>()})
    });
    json!({
        "schema": 1,
        "found": proposed.survey.found,
        "branch": proposed.branch,
        "stages": stages.collect::<Vec<_>>(),
        "setup": setups.collect::<Vec<_>>(),
        "copy": proposed.survey.copy,
        "agent": proposed.agent,
        "notes": proposed.notes,
        "settings": text,
        "baseline": results,
        "refusal": Some(refusal).filter(|why| !why.is_empty()),
        "written": written,
    })
}
