//! Snapshots: what verifying one tree gave, stage by stage and, where a runner says so, test by test.
//!
//! Promises: a stage counts as passed only if its exit code AND its parsed results are content; not-run is
//! never passed; confirming with a second run forgives only what passed in one of the two, and names it.

use super::formats::{self, Format};
use super::key::{StageKind, StageSpec};
use super::reports::{self, ReportFile};
use super::results::{Findings, TestResult, TestResults, TestStatus};
use super::{StageOutcome, Summary};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Limit of [`StageResult::head_tail`] in bytes.
pub const HEAD_TAIL_LIMIT: usize = 8 * 1024;
const NOTE_LIMIT: usize = 2 * 1024;

/// How the process of a stage ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// It left with this code.
    Exited(i32),
    /// A signal ended it.
    Signalled(i32),
    /// It was killed after its time.
    TimedOut,
    /// It could not be started; the reason.
    NotStarted(String),
}

/// The result of one stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageResult {
    /// Name of the stage.
    pub name: String,
    /// What it looks at.
    #[serde(default)]
    pub kind: StageKind,
    /// How it ended; read it through [`StageResult::effective`].
    pub outcome: StageOutcome,
    /// Exit code, where the process left by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// Why it was not run (timeout, signal, spawn), or what the parser was not content with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Per-test results, where a parser understood the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestResults>,
    /// Findings, where a parser understood the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Findings>,
    /// As what the output was read; [`Format::Exit`]: by exit code only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Duration in milliseconds.
    #[serde(default)]
    pub millis: u64,
    /// Head and tail of the output, at most [`HEAD_TAIL_LIMIT`] bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub head_tail: String,
}

impl StageResult {
    /// Judges a run by its end and its whole output, or the files it left for `reports`: exit 0 passes if the parser is
    /// content too; 126, 127, signal, timeout and a failed start are not-run; everything else failed.
    #[must_use]
    pub fn conclude(spec: &StageSpec, end: &RunEnd, output: &[u8], files: &[ReportFile], millis: u64) -> Self {
        let text = String::from_utf8_lossy(output);
        let (format, reading) = if spec.reports.is_empty() {
            formats::read(spec.format, &text)
        } else {
            (reports::FORMAT, reports::read(&spec.reports, files).into())
        };
        let (outcome, exit, reason) = match end {
            RunEnd::Exited(0) => (StageOutcome::Passed, Some(0), None),
            RunEnd::Exited(126) => (StageOutcome::NotRun, Some(126), Some("exit code 126: not executable".to_owned())),
            RunEnd::Exited(127) => {
                (StageOutcome::NotRun, Some(127), Some("exit code 127: command not found".to_owned()))
            }
            RunEnd::Exited(code) => (StageOutcome::Failed, Some(*code), None),
            RunEnd::Signalled(signal) => (StageOutcome::NotRun, None, Some(format!("ended by signal {signal}"))),
            RunEnd::TimedOut => (StageOutcome::NotRun, None, Some(format!("timeout after {} s", spec.timeout_secs))),
            RunEnd::NotStarted(why) => (StageOutcome::NotRun, None, Some(format!("could not be started: {why}"))),
        };
        let mut result = Self {
            name: spec.name.clone(),
            kind: spec.kind,
            outcome,
            exit,
            reason,
            tests: reading.tests,
            findings: reading.findings,
            format: Some(format),
            millis,
            head_tail: head_tail(&text, HEAD_TAIL_LIMIT),
        };
        result.outcome = result.effective();
        if result.reason.is_none() {
            result.reason = result.tests.as_ref().and_then(|tests| tests.problem.clone());
        }
        result
    }

    /// The outcome with the parsed results taken in: passed only if no test failed and the report is whole.
    #[must_use]
    pub fn effective(&self) -> StageOutcome {
        let contradicted = self.tests.as_ref().is_some_and(|t| t.any(TestStatus::Failed) || t.problem.is_some());
        if self.outcome == StageOutcome::Passed && contradicted { StageOutcome::Failed } else { self.outcome }
    }

    /// Whether its failure is told by single failing tests of a whole report, so that tests can be compared.
    #[must_use]
    pub fn explained(&self) -> bool {
        self.effective() == StageOutcome::Failed
            && self.tests.as_ref().is_some_and(|t| t.any(TestStatus::Failed) && t.problem.is_none())
    }

    /// Why it is not passed, in a few words; empty if it passed.
    #[must_use]
    pub fn why(&self) -> String {
        match (self.effective(), &self.reason, self.exit) {
            (StageOutcome::Passed, ..) => String::new(),
            (_, Some(reason), _) => reason.clone(),
            (_, None, Some(0)) => "a test failed although the exit code is 0".to_owned(),
            (StageOutcome::Failed, None, Some(code)) if !self.explained() && self.tests.is_some() => {
                format!("exit code {code} although no test failed")
            }
            (_, None, Some(code)) => format!("exit code {code}"),
            (StageOutcome::NotRun, None, None) => "not run".to_owned(),
            (StageOutcome::Failed, None, None) => "failed".to_owned(),
        }
    }

    /// Names its tests as `stage: suite: name`, without control characters.
    #[must_use]
    pub fn test_name(&self, suite: &str, name: &str) -> String {
        let parts = [self.name.as_str(), suite, name];
        printable(&parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": "))
    }
}

/// The parsed result of verifying one tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// One result per stage, in the order they ran.
    pub stages: Vec<StageResult>,
    /// Tests and stages that failed in one and passed in another run of this very tree; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaky: Vec<String>,
    /// Whether two runs of the tree went into it, so that a failure in it needs no other confirmation.
    #[serde(default)]
    pub confirmed: bool,
    /// Fingerprint of the environment it was made in: with tree and stages it gives the key again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
}

impl Snapshot {
    /// What a landing needs to know of it. A snapshot without any stage is not-run.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let has = |outcome| self.stages.iter().any(|stage| stage.effective() == outcome);
        let outcome = if has(StageOutcome::Failed) {
            StageOutcome::Failed
        } else if has(StageOutcome::NotRun) || self.stages.is_empty() {
            StageOutcome::NotRun
        } else {
            StageOutcome::Passed
        };
        let count = |status| {
            let tests = self.stages.iter().filter_map(|stage| stage.tests.as_ref()).flat_map(|tests| &tests.tests);
            tests.filter(|test| test.status == status).count() as u64
        };
        Summary {
            outcome,
            passed: count(TestStatus::Passed),
            failed: count(TestStatus::Failed),
            skipped: count(TestStatus::Skipped),
            per_test: self.stages.iter().all(|s| s.effective() == StageOutcome::Passed || s.explained()),
            flaky: self.flaky.clone(),
            note: self.note(),
        }
    }

    /// Names of all tests that failed, of stages that are not passed without a test that says why, and of what is flaky.
    #[must_use]
    pub fn suspicious(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.flaky.iter().cloned().collect();
        for stage in &self.stages {
            let failed = stage.tests.iter().flat_map(|tests| &tests.tests).filter(|t| t.status == TestStatus::Failed);
            names.extend(failed.map(|test| stage.test_name(&test.suite, &test.name)));
            if stage.effective() != StageOutcome::Passed && !stage.explained() {
                names.insert(stage.test_name("", ""));
            }
        }
        names
    }

    /// Tells the first stage that is not passed, failed before not-run.
    fn note(&self) -> String {
        let first = |outcome| self.stages.iter().find(|stage| stage.effective() == outcome);
        let Some(stage) = first(StageOutcome::Failed).or_else(|| first(StageOutcome::NotRun)) else {
            return if self.stages.is_empty() { "no stage was run".to_owned() } else { String::new() };
        };
        let heading = printable(&format!("{}: {}", stage.name, stage.why()));
        let room = NOTE_LIMIT.saturating_sub(heading.len() + 1);
        let excerpt = head_tail(stage.head_tail.trim(), room);
        if excerpt.is_empty() {
            head_tail(&heading, NOTE_LIMIT)
        } else {
            head_tail(&format!("{heading}\n{excerpt}"), NOTE_LIMIT)
        }
    }

    /// The stages by name; of two with one name the second is another one.
    pub(super) fn by_name(&self) -> BTreeMap<(&str, usize), &StageResult> {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut stages = BTreeMap::new();
        for stage in &self.stages {
            let nth = seen.entry(&stage.name).or_default();
            stages.insert((stage.name.as_str(), *nth), stage);
            *nth += 1;
        }
        stages
    }
}

/// Joins two runs of one tree: what passed in either run counts as passed and, if the other run said no, is named flaky.
/// The outcome does not depend on the order of the two; texts and durations are those of the run that decided.
#[must_use]
pub fn confirm(first: &Snapshot, second: &Snapshot) -> Snapshot {
    let mut flaky: BTreeSet<String> = first.flaky.iter().chain(&second.flaky).cloned().collect();
    let (left, right) = (first.by_name(), second.by_name());
    let mut stages: Vec<StageResult> = Vec::new();
    for (name, stage) in &left {
        stages.push(match right.get(name) {
            Some(other) => confirm_stage(stage, other, &mut flaky),
            None => (*stage).clone(),
        });
    }
    stages.extend(right.iter().filter(|(name, _)| !left.contains_key(*name)).map(|(_, stage)| (*stage).clone()));
    let place = |stage: &StageResult| first.stages.iter().chain(&second.stages).position(|s| s.name == stage.name);
    stages.sort_by_key(place);
    let fingerprint = second.fingerprint.clone();
    Snapshot { stages, flaky: flaky.into_iter().collect(), confirmed: true, fingerprint }
}

fn confirm_stage(first: &StageResult, second: &StageResult, flaky: &mut BTreeSet<String>) -> StageResult {
    use StageOutcome::{Failed, NotRun, Passed};
    let known = flaky.len();
    let tests = confirm_tests(first, second, flaky);
    let failing = tests.as_ref().is_some_and(|t| t.any(TestStatus::Failed));
    let whole = first.explained() && second.explained();
    let outcome = match (first.effective(), second.effective()) {
        (NotRun, NotRun) => NotRun,
        _ if failing => Failed,
        (Passed, _) | (_, Passed) => Passed,
        _ if whole => Passed,
        _ => Failed,
    };
    let decisive = if second.effective() == outcome && first.effective() != outcome { second } else { first };
    let mut stage = decisive.clone();
    let forgiven = outcome == Passed && (first.effective() != Passed || second.effective() != Passed);
    if forgiven && flaky.len() == known {
        flaky.insert(first.test_name("", ""));
    }
    if forgiven && stage.effective() != Passed {
        stage.reason = Some("every failing test passed in one of two runs".to_owned());
    }
    stage.outcome = outcome;
    stage.tests = tests;
    if let (Passed, Some(tests)) = (outcome, &mut stage.tests) {
        tests.problem = None;
    }
    stage
}

/// Groups the tests by identity, pairs the best results of both runs and keeps the better one of each pair.
fn confirm_tests(first: &StageResult, second: &StageResult, flaky: &mut BTreeSet<String>) -> Option<TestResults> {
    let (left, right) = match (&first.tests, &second.tests) {
        (None, None) => return None,
        (Some(only), None) | (None, Some(only)) => return Some(only.clone()),
        (Some(left), Some(right)) => (left, right),
    };
    let mut groups: BTreeMap<(&str, &str), [Vec<TestStatus>; 2]> = BTreeMap::new();
    for (run, results) in [left, right].into_iter().enumerate() {
        for test in &results.tests {
            groups.entry((&test.suite, &test.name)).or_default()[run].push(test.status);
        }
    }
    let mut tests = Vec::new();
    for ((suite, name), mut runs) in groups {
        for run in &mut runs {
            run.sort_unstable_by(|a, b| b.cmp(a));
        }
        for nth in 0..runs[0].len().max(runs[1].len()) {
            let pair = [runs[0].get(nth).copied(), runs[1].get(nth).copied()];
            if pair.contains(&Some(TestStatus::Passed)) && pair.contains(&Some(TestStatus::Failed)) {
                flaky.insert(first.test_name(suite, name));
            }
            let status = pair.into_iter().flatten().max().unwrap_or(TestStatus::Failed);
            tests.push(TestResult { suite: suite.to_owned(), name: name.to_owned(), status });
        }
    }
    let problem = left.problem.clone().and(right.problem.clone());
    Some(TestResults { tests, problem })
}

/// The text itself if it is short enough, else its beginning and its (longer) end with a line between that says how
/// much is missing; never longer than `limit` bytes.
#[must_use]
pub fn head_tail(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mark = format!("\n[… {} bytes left out …]\n", text.len() - limit);
    // The number above may gain two digits by the mark's own length.
    let Some(room) = limit.checked_sub(mark.len() + 2) else {
        return text[..floor(text, limit)].to_owned();
    };
    let head = floor(text, room / 3);
    let mut tail = text.len() - (room - head);
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    let mark = format!("\n[… {} bytes left out …]\n", tail - head);
    format!("{}{mark}{}", &text[..head], &text[tail..])
}

/// The greatest character boundary that is not above `at`.
pub(super) fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
