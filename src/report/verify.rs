//! What `mc verify` says, as text for people. The other formats are in [`verify_json`](super::verify_json),
//! [`junit`](super::junit) and [`github`](super::github).

use super::{count, sanitize, span, stamp, tests, to_one_line, word};
use crate::domain::base::text::first_chars;
use crate::domain::values::{CommitId, Millis, Tip, TreeId};
use crate::domain::verify::formats::{Format, telling};
use crate::domain::verify::{
    Delta, Gate, Judgement, RuleChange, Snapshot, SnapshotKey, StageKind, StageOutcome, StageResult, TestHistory,
    TestStatus,
};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Most lines of output that are shown of a stage whose tests do not tell why it is not passed.
const OUTPUT_LINES: usize = 40;
/// So many failing tests are shown with so many lines of their own.
const SAID: usize = 5;
const SAID_LINES: usize = 6;
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
    /// When the result was stored, if nothing was run for it.
    pub stored: Option<Millis>,
    /// How often the stages ran now.
    pub runs: u32,
    /// Output of the stages, by name, of two runs one after the other; of a stored result what is still on disk.
    pub logs: Vec<(String, PathBuf)>,
}

impl Side {
    /// That nothing was run, how old the result is and how to get a new one; `None` when it was run now.
    pub fn describe_origin(&self) -> Option<String> {
        let made = self.stored.and_then(minute).map(|made| format!(" of {made}")).unwrap_or_default();
        self.reused.then(|| {
            let key = first_chars(&self.key.0, 12);
            format!(
                "verified before, nothing was run: this is the stored result{made} (snapshot {key}); `--fresh` runs it again"
            )
        })
    }

    /// Where the output of a stage is, one line each.
    pub fn places(&self, stage: &StageResult) -> Vec<String> {
        let logs = self.logs.iter().filter(|(name, _)| *name == stage.name);
        let places: Vec<String> =
            logs.map(|(_, log)| format!("output: {}", sanitize(&log.to_string_lossy()))).collect();
        if places.is_empty() && self.reused {
            return vec!["output: not on this disk any more; `--fresh` runs the stage again".to_owned()];
        }
        places
    }
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

impl Rules {
    /// Whether the revision changes how it is verified.
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty() || self.problem.is_some()
    }

    /// What the revision changes, one line each.
    pub fn lines(&self) -> Vec<String> {
        let value =
            |value: &Option<String>| value.as_deref().map_or_else(|| "not set".to_owned(), |v| to_one_line(v, 300));
        let changes = self.changes.iter().map(|change| {
            format!("{}: {} becomes {}", sanitize(&change.key), value(&change.before), value(&change.after))
        });
        self.problem.iter().map(|problem| to_one_line(problem, 600)).chain(changes).collect()
    }

    /// Whose settings judged.
    pub fn policy_source(&self) -> String {
        format!("{} of {} at {}", sanitize(&self.path), sanitize(&self.asked), self.commit.short_id())
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
    pub fn passes_gate(&self) -> bool {
        match &self.judgement {
            Some(judgement) => judgement.lands,
            None => self.after.snapshot.to_summary().outcome == StageOutcome::Passed,
        }
    }

    /// The answer in a few words.
    pub fn headline(&self) -> String {
        let of = sanitize(&self.after.asked);
        let ending = self.changed_rules().map_or("", |_| "; it changes how it is verified, which was not followed");
        let said = match &self.judgement {
            Some(judgement) if judgement.lands => format!("{of} may land: {}", word(&judgement.verdict)),
            Some(judgement) => format!("{of} may not land: {}", format_reason(judgement)),
            None => format!("{of} {}", tests(&self.after.snapshot.to_summary())),
        };
        said + ending
    }

    /// Which sides of a refusal are stored results, for formats that do not show both sides.
    pub fn stored_notes(&self) -> Vec<String> {
        if self.passes_gate() {
            return Vec::new();
        }
        let sides = [Some(&self.after), self.base.as_ref().map(|base| &base.side)].into_iter().flatten();
        sides.filter_map(|side| Some(format!("{}: {}", sanitize(&side.asked), side.describe_origin()?))).collect()
    }

    /// The settings that judged, when the revision has others.
    pub fn changed_rules(&self) -> Option<&Rules> {
        self.rules.as_ref().filter(|rules| rules.has_changes())
    }
}

fn format_reason(judgement: &Judgement) -> String {
    let first = judgement.reasons.first().map(|reason| to_one_line(reason, 200)).unwrap_or_default();
    match (judgement.verdict, first.is_empty()) {
        (verdict, true) => word(&verdict),
        (crate::domain::verify::Verdict::Hurt, false) => format!("hurt: {first}"),
        (_, false) => first,
    }
}

/// As what the output of a stage was read, and what was found in it.
pub fn describe_format(stage: &StageResult) -> String {
    let format = stage.format.unwrap_or_default();
    if let Some(results) = &stage.tests {
        let [passed, failed, skipped] =
            [TestStatus::Passed, TestStatus::Failed, TestStatus::Skipped].map(|status| stage.count_tests(status));
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
        _ if stage.after_build.is_some() => stage.failure_reason(),
        (None, Format::Exit | Format::Auto) if stage.kind == StageKind::Metric => "no number".to_owned(),
        (None, Format::Exit | Format::Auto) if stage.counted.is_some_and(|n| n > 0) => format!(
            "exit code and a count: {} passed and none is named; let the runner name each test",
            count(stage.counted.unwrap_or(0), "test")
        ),
        (None, Format::Exit | Format::Auto) => "exit code only: name a format or reports to see tests".to_owned(),
        (None, format) => format!("read as {}: nothing found", format.word()),
    }
}

fn outcome_word(stage: &StageResult) -> &'static str {
    match stage.effective_outcome() {
        StageOutcome::Passed => "passed",
        StageOutcome::Failed => "failed",
        StageOutcome::NotRun => "not run",
    }
}

/// What a person reads; `quiet`: only how it ended.
pub fn text(verified: &Verified, quiet: bool) -> String {
    if quiet {
        return verified.headline() + "\n";
    }
    let mut out = String::new();
    write_side(&mut out, &verified.after, "");
    if let Some(base) = &verified.base {
        let how =
            if base.merge_base { format!(" (where it left {})", sanitize(&base.side.asked)) } else { String::new() };
        let _ = writeln!(out, "compared with");
        write_side(&mut out, &base.side, &how);
    }
    if let Some(judgement) = &verified.judgement {
        let ends = if judgement.lands { "may land" } else { "may not land" };
        let _ = writeln!(out, "verdict: {}, {ends} (gate {})", word(&judgement.verdict), word(&verified.gate));
        for reason in &judgement.reasons {
            let _ = writeln!(out, "  - {}", sanitize(reason));
        }
    } else {
        write_list(&mut out, "failing", &list_failing(&verified.after.snapshot));
    }
    write_test_output(&mut out, verified);
    write_list(&mut out, "flaky (failed and passed on the same tree)", &verified.after.snapshot.flaky);
    if !verified.history.is_empty() {
        let _ = writeln!(out, "in stored runs");
        for (name, test) in verified.history.iter().take(NAMES) {
            let _ = writeln!(out, "  {}: {}", to_one_line(name, 200), describe_history(test));
        }
    }
    if let Some(rules) = verified.changed_rules() {
        let _ = writeln!(
            out,
            "{} changes how it is verified; judged by {}",
            sanitize(&verified.after.asked),
            rules.policy_source()
        );
        for line in rules.lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    for note in &verified.notes {
        let _ = writeln!(out, "note: {}", sanitize(note));
    }
    let _ = writeln!(out, "{}", verified.headline());
    out
}

/// What failing tests say, those that count against it first; of those that failed before nothing.
fn write_test_output(out: &mut String, verified: &Verified) {
    let old = verified.delta.as_ref().map_or(&[][..], |delta| &delta.still_failing);
    let said = verified.after.snapshot.stages.iter().flat_map(|stage| {
        let tests = stage.tests.iter().flat_map(|tests| &tests.tests);
        let new = tests.filter(|test| test.status == TestStatus::Failed && !old.contains(&stage.name_of(test)));
        let mut said: Vec<(String, &str)> = new.map(|test| (stage.name_of(test), test.said.as_str())).collect();
        // Where a runner does not say which part of its output belongs to a test, all of it may.
        let silent = stage.is_explained() && !said.is_empty() && said.iter().all(|(_, said)| said.is_empty());
        said.extend(silent.then(|| (stage.test_name("", ""), stage.head_tail.as_str())));
        said
    });
    let said = said.filter(|(_, said)| !said.trim().is_empty());
    for (nth, (name, said)) in said.take(SAID).enumerate() {
        if nth == 0 {
            let _ = writeln!(out, "what failing tests say");
        }
        let _ = writeln!(out, "  {}", to_one_line(&name, 200));
        for line in telling::select_lines(said, SAID_LINES) {
            let _ = writeln!(out, "    | {}", sanitize(line));
        }
    }
}

fn write_side(out: &mut String, side: &Side, how: &str) {
    let summary = side.snapshot.to_summary();
    let left_out = match side.removed {
        0 => String::new(),
        n => format!(", without {} of target.verification.ignore", count(n as u64, "path")),
    };
    let asked = if how.is_empty() { format!("{} at ", sanitize(&side.asked)) } else { String::new() };
    let _ = writeln!(out, "{asked}{}{how}{left_out}: {}", side.tip.commit.short_id(), tests(&summary));
    if let Some(origin) = side.describe_origin() {
        let _ = writeln!(out, "  {origin}");
    }
    let width = side.snapshot.stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or_default();
    for stage in &side.snapshot.stages {
        let name = sanitize(&stage.name);
        let _ = writeln!(
            out,
            "  {name:width$}  {:7}  {:>6}  {}",
            outcome_word(stage),
            span(stage.millis),
            describe_format(stage)
        );
        if stage.effective_outcome() == StageOutcome::Passed || stage.after_build.is_some() {
            continue;
        }
        if !stage.is_explained() || stage.tests.is_none() {
            let _ = writeln!(out, "    {}", sanitize(&stage.failure_reason()));
        }
        if stage.is_explained() && stage.tests.is_none() {
            let names = stage.findings.iter().flat_map(|findings| findings.counts.iter());
            for (name, times) in names.take(NAMES) {
                let times = if *times > 1 { format!(" ({times} times)") } else { String::new() };
                let _ = writeln!(out, "    {}{times}", to_one_line(name, 200));
            }
        }
        if !stage.is_explained() {
            let lines: Vec<&str> = stage.head_tail.trim().lines().collect();
            for line in &lines[lines.len().saturating_sub(OUTPUT_LINES)..] {
                let _ = writeln!(out, "    | {}", sanitize(line));
            }
        }
        for place in side.places(stage) {
            let _ = writeln!(out, "    {place}");
        }
    }
}

fn write_list(out: &mut String, heading: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let _ = writeln!(out, "{heading}");
    for name in names.iter().take(NAMES) {
        let _ = writeln!(out, "  {}", to_one_line(name, 200));
    }
    if names.len() > NAMES {
        let _ = writeln!(out, "  … and {} more", names.len() - NAMES);
    }
}

/// Tests that fail, and stages that are not passed without one.
pub fn list_failing(snapshot: &Snapshot) -> Vec<String> {
    snapshot.suspicious_tests().into_iter().filter(|name| !snapshot.flaky.contains(name)).collect()
}

/// How a test did: `failed in 2 of 2 runs of this tree; other trees: passed in 3, failed in 1; first failure in any tree …`.
pub fn describe_history(test: &TestHistory) -> String {
    let (here, others) = (test.here, test.others);
    let flaky = if here.flaky { "flaky: " } else { "" };
    let mut text = format!("{flaky}failed in {} of {} of this tree", here.failed, count(here.runs, "run"));
    let elsewhere = others.failed + others.flaky > 0;
    if elsewhere || others.passed > 0 {
        let parts = [("passed", others.passed), ("failed", others.failed), ("flaky", others.flaky)];
        let parts: Vec<String> =
            parts.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{word} in {n}")).collect();
        let _ = write!(text, "; other trees: {}", parts.join(", "));
    }
    if let Some(first) = test.first_failed.and_then(minute) {
        let whose = if elsewhere { "first failure in any tree" } else { "first failure" };
        let _ = write!(text, "; {whose} {first}");
    }
    if let Some(last) = test.last_failed.filter(|_| test.failed > 1).and_then(minute) {
        let _ = write!(text, ", last {last}");
    }
    text
}

fn minute(at: Millis) -> Option<String> {
    let stamp = stamp(at)?;
    Some(format!("{}Z", stamp.chars().take(16).collect::<String>()))
}

#[cfg(test)]
#[path = "verify_tests.rs"]
pub(super) mod tests;
