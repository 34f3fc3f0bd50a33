//! What `mc verify` says: text for people, JSON for programs. The other two formats are in [`junit`](super::junit) and
//! [`github`](super::github).

use super::text::plain;
use super::words::{count, short, span, stamp, tests, word};
use crate::domain::values::{CommitId, Millis, Tip, TreeId};
use crate::domain::verify::formats::Format;
use crate::domain::verify::history::TestHistory;
use crate::domain::verify::key::StageKind;
use crate::domain::verify::results::TestStatus;
use crate::domain::verify::snapshot::{Snapshot, StageResult};
use crate::domain::verify::{Delta, Gate, Judgement, SnapshotKey, StageOutcome};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Most lines of output that are shown of a stage whose tests do not tell why it is not passed.
const OUTPUT_LINES: usize = 40;
/// Most names that one list shows.
const NAMES: usize = 100;

/// One commit as it was verified.
#[derive(Debug, Clone)]
pub struct Side {
    /// The revision as it was given.
    pub asked: String,
    /// The commit with its whole tree.
    pub tip: Tip,
    /// The tree that was verified: without what settings ignore.
    pub tree: TreeId,
    /// How many paths are left out of it.
    pub removed: usize,
    /// Key of the snapshot.
    pub key: SnapshotKey,
    /// All that is known of it.
    pub snapshot: Snapshot,
    /// Whether nothing was run for it.
    pub reused: bool,
    /// How often the stages ran now.
    pub runs: u32,
    /// Output of the stages that ran now, by name; of two runs one after the other.
    pub logs: Vec<(String, PathBuf)>,
}

/// What a commit was compared with.
#[derive(Debug, Clone)]
pub struct Base {
    /// The commit.
    pub side: Side,
    /// Whether it is where the two histories parted, not the revision that was given.
    pub merge_base: bool,
}

/// Settings of a base that judged, and what the revision would change of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The settings file, from the root of the repository.
    pub path: String,
    /// The commit they are of.
    pub commit: CommitId,
    /// The base as it was given.
    pub asked: String,
    /// What the revision's own settings have otherwise.
    pub changes: Vec<RuleChange>,
    /// What is odd about the revision's own settings.
    pub problem: Option<String>,
}

/// A setting that the revision changes; values as TOML, absent when it is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleChange {
    /// The key.
    pub key: String,
    /// In the settings that judged.
    pub before: Option<String>,
    /// In those of the revision.
    pub after: Option<String>,
}

impl Rules {
    /// Whether the revision changes how it is verified.
    #[must_use]
    pub fn changed(&self) -> bool {
        !self.changes.is_empty() || self.problem.is_some()
    }

    /// What the revision changes, one line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let value = |value: &Option<String>| value.as_deref().map_or_else(|| "not set".to_owned(), |v| short(v, 300));
        let changes = self.changes.iter().map(|change| {
            format!("{}: {} becomes {}", plain(&change.key), value(&change.before), value(&change.after))
        });
        self.problem.iter().map(|problem| short(problem, 600)).chain(changes).collect()
    }

    /// Whose settings judged.
    #[must_use]
    pub fn judge(&self) -> String {
        format!("{} of {} at {}", plain(&self.path), plain(&self.asked), self.commit.short())
    }
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Verified {
    /// What is demanded.
    pub gate: Gate,
    /// The commit in question.
    pub after: Side,
    /// What it was compared with.
    pub base: Option<Base>,
    /// What changed; with a base.
    pub delta: Option<Delta>,
    /// What the gate says of it; with a base.
    pub judgement: Option<Judgement>,
    /// How tests that fail or are flaky did in stored runs.
    pub history: BTreeMap<String, TestHistory>,
    /// The settings that judged, where they are those of the base.
    pub rules: Option<Rules>,
    /// What else should be known.
    pub notes: Vec<String>,
}

impl Verified {
    /// Whether the gate lets it pass: against a base as the queue judges, alone only if every stage passed.
    #[must_use]
    pub fn passes(&self) -> bool {
        match &self.judgement {
            Some(judgement) => judgement.lands,
            None => self.after.snapshot.summary().outcome == StageOutcome::Passed,
        }
    }

    /// The answer in a few words.
    #[must_use]
    pub fn headline(&self) -> String {
        let of = plain(&self.after.asked);
        let ending = match self.changed_rules() {
            Some(_) => "; it changes how it is verified, which was not followed",
            None => "",
        };
        let said = match &self.judgement {
            Some(judgement) if judgement.lands => format!("{of} may land: {}", word(&judgement.verdict)),
            Some(judgement) => format!("{of} may not land: {}", reason(judgement)),
            None => format!("{of} {}", tests(&self.after.snapshot.summary())),
        };
        said + ending
    }

    /// The settings that judged, when the revision has others.
    #[must_use]
    pub fn changed_rules(&self) -> Option<&Rules> {
        self.rules.as_ref().filter(|rules| rules.changed())
    }
}

fn reason(judgement: &Judgement) -> String {
    let first = judgement.reasons.first().map(|reason| short(reason, 200)).unwrap_or_default();
    match (judgement.verdict, first.is_empty()) {
        (verdict, true) => word(&verdict),
        (crate::domain::verify::Verdict::Hurt, false) => format!("hurt: {first}"),
        (_, false) => first,
    }
}

/// How often a status occurs in a stage.
#[must_use]
pub fn counted(stage: &StageResult, status: TestStatus) -> u64 {
    let tests = stage.tests.iter().flat_map(|tests| &tests.tests);
    tests.filter(|test| test.status == status).count() as u64
}

/// As what the output of a stage was read, and what was found in it.
#[must_use]
pub fn read_as(stage: &StageResult) -> String {
    let format = stage.format.unwrap_or_default();
    if let Some(results) = &stage.tests {
        let [passed, failed, skipped] =
            [TestStatus::Passed, TestStatus::Failed, TestStatus::Skipped].map(|status| counted(stage, status));
        let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
        let doubt = if results.problem.is_some() { ", not whole" } else { "" };
        return format!("read as {}: {passed} passed, {failed} failed{skipped}{doubt}", format.word());
    }
    if let Some(number) = stage.number {
        return format!("number {number}");
    }
    match (&stage.findings, format) {
        (Some(findings), format) => {
            let doubt = if findings.problem.is_some() { ", not whole" } else { "" };
            format!("read as {}: {}{doubt}", format.word(), count(findings.total(), "finding"))
        }
        (None, Format::Exit | Format::Auto) if stage.kind == StageKind::Metric => "no number".to_owned(),
        (None, Format::Exit | Format::Auto) => "exit code only: name a format or reports to see tests".to_owned(),
        (None, format) => format!("read as {}: nothing found", format.word()),
    }
}

fn outcome(stage: &StageResult) -> &'static str {
    match stage.effective() {
        StageOutcome::Passed => "passed",
        StageOutcome::Failed => "failed",
        StageOutcome::NotRun => "not run",
    }
}

/// What a person reads; `quiet`: only how it ended.
#[must_use]
pub fn text(verified: &Verified, quiet: bool) -> String {
    let mut out = String::new();
    if quiet {
        let _ = writeln!(out, "{}", verified.headline());
        return out;
    }
    side(&mut out, &verified.after, "");
    if let Some(base) = &verified.base {
        let how = match base.merge_base {
            true => format!(" (where it left {})", plain(&base.side.asked)),
            false => String::new(),
        };
        let _ = writeln!(out, "compared with");
        side(&mut out, &base.side, &how);
    }
    if let Some(judgement) = &verified.judgement {
        let ends = if judgement.lands { "may land" } else { "may not land" };
        let _ = writeln!(out, "verdict: {}, {ends} (gate {})", word(&judgement.verdict), word(&verified.gate));
        for reason in &judgement.reasons {
            let _ = writeln!(out, "  - {}", plain(reason));
        }
    } else {
        let failing = failing(&verified.after.snapshot);
        list(&mut out, "failing", &failing);
    }
    list(&mut out, "flaky (failed and passed on the same tree)", &verified.after.snapshot.flaky);
    if !verified.history.is_empty() {
        let _ = writeln!(out, "in stored runs");
        for (name, test) in verified.history.iter().take(NAMES) {
            let _ = writeln!(out, "  {}: {}", short(name, 200), past(test));
        }
    }
    if let Some(rules) = verified.changed_rules() {
        let _ =
            writeln!(out, "{} changes how it is verified; judged by {}", plain(&verified.after.asked), rules.judge());
        for line in rules.lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    for note in &verified.notes {
        let _ = writeln!(out, "note: {}", plain(note));
    }
    let _ = writeln!(out, "{}", verified.headline());
    out
}

fn side(out: &mut String, side: &Side, how: &str) {
    let summary = side.snapshot.summary();
    let left_out = match side.removed {
        0 => String::new(),
        n => format!(", without {} of target.verification.ignore", count(n as u64, "path")),
    };
    let asked = if how.is_empty() { format!("{} at ", plain(&side.asked)) } else { String::new() };
    let _ = writeln!(out, "{asked}{}{how}{left_out}: {}", side.tip.commit.short(), tests(&summary));
    if side.reused {
        let _ = writeln!(out, "  verified before, nothing was run (snapshot {})", &side.key.0[..12]);
    }
    let width = side.snapshot.stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or_default();
    for stage in &side.snapshot.stages {
        let name = plain(&stage.name);
        let _ = writeln!(out, "  {name:width$}  {:7}  {:>6}  {}", outcome(stage), span(stage.millis), read_as(stage));
        if stage.effective() == StageOutcome::Passed {
            continue;
        }
        if stage.explained() && stage.tests.is_none() {
            let _ = writeln!(out, "    {}", plain(&stage.why()));
            let names = stage.findings.iter().flat_map(|findings| findings.counts.iter());
            for (name, times) in names.take(NAMES) {
                let times = if *times > 1 { format!(" ({times} times)") } else { String::new() };
                let _ = writeln!(out, "    {}{times}", short(name, 200));
            }
        }
        if !stage.explained() {
            let _ = writeln!(out, "    {}", plain(&stage.why()));
            let lines: Vec<&str> = stage.head_tail.trim().lines().collect();
            for line in &lines[lines.len().saturating_sub(OUTPUT_LINES)..] {
                let _ = writeln!(out, "    | {}", plain(line));
            }
        }
        for (_, log) in side.logs.iter().filter(|(name, _)| *name == stage.name) {
            let _ = writeln!(out, "    output: {}", plain(&log.to_string_lossy()));
        }
    }
}

fn list(out: &mut String, heading: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let _ = writeln!(out, "{heading}");
    for name in names.iter().take(NAMES) {
        let _ = writeln!(out, "  {}", short(name, 200));
    }
    if names.len() > NAMES {
        let _ = writeln!(out, "  … and {} more", names.len() - NAMES);
    }
}

/// Tests that fail, and stages that are not passed without one.
#[must_use]
pub fn failing(snapshot: &Snapshot) -> Vec<String> {
    snapshot.suspicious().into_iter().filter(|name| !snapshot.flaky.contains(name)).collect()
}

/// How a test did: `failed 3 of 14 runs, 2 of them forgiven as flaky, first seen …`.
#[must_use]
pub fn past(test: &TestHistory) -> String {
    let mut text = format!("failed {} of {}", test.failed, count(test.runs, "run"));
    if test.forgiven > 0 {
        let _ = write!(text, ", {} of them forgiven as flaky", test.forgiven);
    }
    let day = |at: Option<Millis>| at.and_then(stamp).map(|stamp| stamp.chars().take(16).collect::<String>());
    if let Some(first) = day(test.first_failed) {
        let _ = write!(text, ", first seen {first}Z");
    }
    if let Some(last) = day(test.last_failed.filter(|_| test.failed > 1)) {
        let _ = write!(text, ", last {last}Z");
    }
    text
}

/// What a program reads; `docs/verify.md` describes it.
#[must_use]
pub fn json(verified: &Verified) -> Value {
    let history: Vec<Value> = verified.history.iter().map(|(name, test)| history_json(name, test)).collect();
    let base = verified.base.as_ref().map(|base| {
        let mut value = side_json(&base.side);
        value["merge_base"] = json!(base.merge_base);
        value
    });
    json!({
        "schema": 1,
        "passes": verified.passes(),
        "gate": verified.gate,
        "verdict": verified.judgement.as_ref().map(|judgement| judgement.verdict),
        "reasons": verified.judgement.as_ref().map_or(&[][..], |judgement| &judgement.reasons),
        "rev": side_json(&verified.after),
        "base": base,
        "delta": verified.delta.as_ref().map(delta_json),
        "history": history,
        "settings": verified.rules.as_ref().map(rules_json),
        "notes": verified.notes,
    })
}

fn rules_json(rules: &Rules) -> Value {
    let change = |change: &RuleChange| json!({"key": change.key, "before": change.before, "after": change.after});
    json!({
        "path": rules.path,
        "commit": rules.commit,
        "changed": rules.changes.iter().map(change).collect::<Vec<_>>(),
        "problem": rules.problem,
    })
}

fn history_json(name: &str, test: &TestHistory) -> Value {
    json!({
        "test": name,
        "runs": test.runs,
        "failed": test.failed,
        "forgiven": test.forgiven,
        "first_failed": test.first_failed.and_then(stamp),
        "last_failed": test.last_failed.and_then(stamp),
    })
}

fn side_json(side: &Side) -> Value {
    let summary = side.snapshot.summary();
    let stages: Vec<Value> = side.snapshot.stages.iter().map(|stage| stage_json(stage, &side.logs)).collect();
    json!({
        "asked": side.asked,
        "commit": side.tip.commit,
        "tree": side.tip.tree,
        "verified_tree": side.tree,
        "ignored_paths": side.removed,
        "key": side.key,
        "reused": side.reused,
        "runs": side.runs,
        "confirmed": side.snapshot.confirmed,
        "outcome": summary.outcome,
        "passed": summary.passed,
        "failed": summary.failed,
        "skipped": summary.skipped,
        "failing": failing(&side.snapshot),
        "flaky": side.snapshot.flaky,
        "stages": stages,
    })
}

fn stage_json(stage: &StageResult, logs: &[(String, PathBuf)]) -> Value {
    let tests = stage.tests.as_ref().map(|results| {
        json!({
            "passed": counted(stage, TestStatus::Passed),
            "failed": counted(stage, TestStatus::Failed),
            "skipped": counted(stage, TestStatus::Skipped),
            "problem": results.problem,
        })
    });
    let why = (stage.effective() != StageOutcome::Passed).then(|| stage.why());
    let logs: Vec<&PathBuf> = logs.iter().filter(|(name, _)| *name == stage.name).map(|(_, log)| log).collect();
    json!({
        "name": stage.name,
        "kind": stage.kind,
        "outcome": stage.effective(),
        "exit": stage.exit,
        "why": why,
        "read_as": stage.format.unwrap_or_default().word(),
        "tests": tests,
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
        "stages_fixed": delta.stages_fixed,
        "incomparable": delta.incomparable,
        "not_run": delta.not_run,
        "findings": delta.findings,
        "metrics": delta.metrics,
    })
}

#[cfg(test)]
#[path = "verify_tests.rs"]
pub(super) mod tests;
