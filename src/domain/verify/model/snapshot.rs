//! Snapshots: what verifying one tree gave, stage by stage and, where a runner says so, test by test.
//!
//! Promises: a stage counts as passed only if its exit code AND its parsed results are content; not-run is
//! never passed.

use crate::domain::base::is_default;
use crate::domain::base::text::replace_control_chars;
use crate::domain::ending::ProcessEnd;
use crate::domain::verify::formats::excerpt::{HEAD_TAIL_LIMIT, head_tail};
use crate::domain::verify::formats::relative::to_text;
use crate::domain::verify::formats::reports::ReportFile;
use crate::domain::verify::formats::{self, Format, metric, reports, telling};
use crate::domain::verify::model::codes::Left;
use crate::domain::verify::model::identity;
use crate::domain::verify::model::key::{Demand, StageKind, StageSpec};
use crate::domain::verify::model::number::Number;
use crate::domain::verify::{
    Findings, Reading, SnapshotKey, StageOutcome, Summary, TestResult, TestResults, TestStatus,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const NOTE_LIMIT: usize = 2 * 1024;

/// The result of one stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageResult {
    /// Name of the stage.
    pub name: String,
    /// What it looks at.
    #[serde(default)]
    pub kind: StageKind,
    /// How it ended; read it through [`StageResult::effective_outcome`].
    pub outcome: StageOutcome,
    /// Exit code, where the process left by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The build stage before it that did not pass, so that it was not run: what it would say is about another build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_build: Option<String>,
    /// Why it was not run (timeout, signal, spawn), or what the parser was not content with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Per-test results, where a parser understood the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestResults>,
    /// How many tests passed that are only counted, see [`formats::count_unnamed`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<u64>,
    /// Findings, where a parser understood the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Findings>,
    /// The number a metric stage printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Number>,
    /// What was demanded of it besides its exit code.
    #[serde(default, skip_serializing_if = "is_default")]
    pub demand: Demand,
    /// As what the output was read; [`Format::Exit`]: by exit code only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Duration in milliseconds.
    #[serde(default)]
    pub millis: u64,
    /// Head and tail of the output and what says plainest what went wrong, at most [`HEAD_TAIL_LIMIT`] bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub head_tail: String,
}

impl StageResult {
    /// Judges a run by its end and its whole output, or the files it left for `reports`: exit 0 passes if the parser is
    /// content too; 126, 127, signal, timeout and a failed start are not-run; everything else failed.
    pub fn from_run(spec: &StageSpec, end: &ProcessEnd, output: &[u8], files: &[ReportFile], millis: u64) -> Self {
        let text = to_text(output);
        let text = formats::without_sequences(&text);
        let (format, mut reading) = read_output(spec, &text, files);
        reading.tests.iter_mut().for_each(identity::label);
        let counts = spec.kind == StageKind::Tests && spec.format != Format::Exit;
        let reason = match end {
            ProcessEnd::Exited(126) => Some("exit code 126: not executable".to_owned()),
            ProcessEnd::Exited(127) => Some("exit code 127: command not found".to_owned()),
            ProcessEnd::Exited(_) => None,
            ProcessEnd::Signaled(_) => Some(format!("ended by {end}")),
            ProcessEnd::Timeout | ProcessEnd::Stalled => Some(format!(
                "timeout after {} s (`timeout` of the stage, or target.verification.timeout)",
                spec.timeout_secs
            )),
            ProcessEnd::Stopped | ProcessEnd::NeverStarted | ProcessEnd::Infrastructure(_) => {
                Some(format!("did not run to its end: {end}"))
            }
        };
        let exit = if let ProcessEnd::Exited(code) = end { Some(*code) } else { None };
        let outcome = match (exit, &reason) {
            (Some(0), None) => StageOutcome::Passed,
            (_, None) => StageOutcome::Failed,
            (_, Some(_)) => StageOutcome::NotRun,
        };
        let mut result = Self {
            name: spec.name.clone(),
            kind: spec.kind,
            outcome,
            exit,
            after_build: None,
            reason,
            tests: reading.tests,
            counted: (spec.reports.is_empty() && counts).then(|| formats::count_unnamed(format, &text)).flatten(),
            findings: reading.findings,
            number: (spec.kind == StageKind::Metric).then(|| metric::read(&text)).flatten(),
            demand: spec.demand,
            format: Some(format),
            millis,
            head_tail: telling::excerpt(&text, HEAD_TAIL_LIMIT),
        };
        result.outcome = result.effective_outcome();
        if result.reason.is_none() {
            result.reason = result.problem().map(str::to_owned).or_else(|| result.off_limits());
        }
        result
    }

    /// A stage that is not run, since a build before it, in the results so far, did not pass; `None` where it is to be run.
    pub fn without_build(spec: &StageSpec, so_far: &[Self]) -> Option<Self> {
        let broke = |stage: &&Self| stage.kind == StageKind::Build && stage.effective_outcome() != StageOutcome::Passed;
        let build = so_far.iter().find(broke)?.name.clone();
        Some(Self {
            name: spec.name.clone(),
            kind: spec.kind,
            demand: spec.demand,
            reason: Some(format!("not run, since stage {build} does not pass")),
            after_build: Some(build),
            ..Self::default()
        })
    }

    /// What is to be said of tests that give nothing but their exit code.
    pub fn exit_only(&self) -> Option<String> {
        let only = self.format.is_none_or(|format| format == Format::Exit) && self.tests.is_none();
        let seen = match self.counted {
            Some(1..) => {
                "counts its tests and names none: one in the place of another goes unseen; let the runner name each"
            }
            _ => "tells its exit code only: tests that disappear or are skipped go unseen",
        };
        (only && self.kind == StageKind::Tests).then(|| format!("stage {} {seen}", replace_control_chars(&self.name)))
    }

    /// That it passed without a single test, although it is there for tests.
    pub fn no_test(&self) -> Option<String> {
        let none = self.tests.as_ref().is_some_and(|tests| tests.tests.is_empty() && tests.problem.is_none());
        let fine = self.effective_outcome() == StageOutcome::Passed && self.counted.unwrap_or(0) == 0;
        (self.kind == StageKind::Tests && none && fine).then(|| {
            format!("stage {}: no test ran: what it left or printed names none", replace_control_chars(&self.name))
        })
    }

    /// Its tests, as far as they could be read.
    pub(in crate::domain::verify) fn all_tests(&self) -> impl Iterator<Item = &TestResult> {
        self.tests.iter().flat_map(|tests| &tests.tests)
    }

    /// Those of its tests that failed.
    pub(in crate::domain::verify) fn failing(&self) -> impl Iterator<Item = &TestResult> {
        self.all_tests().filter(|test| test.status == TestStatus::Failed)
    }

    /// How many of its tests ended so.
    pub fn count_tests(&self, status: TestStatus) -> u64 {
        self.all_tests().filter(|test| test.status == status).count() as u64
    }

    /// Why what was read of it is not the whole truth.
    pub fn problem(&self) -> Option<&str> {
        let tests = self.tests.as_ref().and_then(|tests| tests.problem.as_deref());
        tests.or_else(|| self.findings.as_ref().and_then(|findings| findings.problem.as_deref()))
    }

    /// Why the number of a metric is not as demanded; one that cannot be read never is.
    pub fn off_limits(&self) -> Option<String> {
        match (self.kind, self.number) {
            (StageKind::Metric, None) => Some("no line of its output is one decimal number".to_owned()),
            (_, Some(number)) => self.demand.exceeded_limit(number),
            _ => None,
        }
    }

    /// The outcome with the parsed results taken in: passed only if no test failed, the report is whole and a number is
    /// within its limits. Findings alone fail nothing: whether they do is for the tool to say.
    pub fn effective_outcome(&self) -> StageOutcome {
        let contradicted = self.failing().next().is_some() || self.problem().is_some() || self.off_limits().is_some();
        if self.outcome == StageOutcome::Passed && contradicted { StageOutcome::Failed } else { self.outcome }
    }

    /// Whether its failure is told by something whole that can be compared: single failing tests, findings that make
    /// their tool say no, or nothing but a number beyond its limit.
    pub fn is_explained(&self) -> bool {
        let broke = self.exit_code().is_some_and(Left::is_broken);
        self.effective_outcome() == StageOutcome::Failed && self.problem().is_none() && !broke && self.cause()
    }

    /// Its exit code with what was read beside it.
    pub fn exit_code(&self) -> Option<Left> {
        let failures = self.count_tests(TestStatus::Failed);
        self.exit.map(|code| Left { format: self.format.unwrap_or_default(), code, failures })
    }

    /// Whether its failing tests say all there is: it would have passed without them.
    pub fn told_by_tests(&self) -> bool {
        let tests = self.failing().next().is_some();
        let only = self.findings.is_none() && self.number.is_none();
        let code = self.exit_code().is_none_or(|left| matches!(left.code, 0 | 1) || left.says_no() || left.counts());
        self.is_explained() && tests && only && code
    }

    fn cause(&self) -> bool {
        self.failing().next().is_some()
            || self.findings.as_ref().is_some_and(|findings| findings.errors > 0)
            || (self.exit == Some(0) && self.number.is_some_and(|number| self.demand.way_back(number).is_some()))
    }

    /// Why it is not passed, in a few words; empty if it passed.
    pub fn failure_reason(&self) -> String {
        match (self.effective_outcome(), &self.reason, self.exit) {
            (StageOutcome::Passed, ..) => String::new(),
            (_, Some(reason), _) => reason.clone(),
            (_, None, Some(0)) => "a test failed although the exit code is 0".to_owned(),
            (StageOutcome::Failed, None, Some(code)) if self.exit_code().is_some_and(Left::is_broken) => {
                let meaning = self.exit_code().and_then(Left::meaning).unwrap_or_default();
                format!("exit code {code}, by which the tool says that it broke: {meaning}")
            }
            (StageOutcome::Failed, None, Some(code)) => match (self.is_explained(), &self.tests, &self.findings) {
                (false, Some(_), _) => format!("exit code {code} although no test failed"),
                (false, None, Some(_)) => format!("exit code {code}, which no finding explains"),
                (true, None, Some(findings)) => {
                    let total = findings.total();
                    format!("exit code {code} with {total} finding{}", if total == 1 { "" } else { "s" })
                }
                _ => format!("exit code {code}"),
            },
            (_, None, Some(code)) => format!("exit code {code}"),
            (StageOutcome::NotRun, None, None) => "not run".to_owned(),
            (StageOutcome::Failed, None, None) => "failed".to_owned(),
        }
    }

    /// All its findings: none where it passed without printing any. `None` where they are not the whole truth (it did not
    /// run, failed for another reason, or the snapshot is older than the readers of findings).
    pub(in crate::domain::verify) fn known_findings(&self) -> Option<BTreeMap<&str, u64>> {
        let passed = self.effective_outcome() == StageOutcome::Passed;
        match &self.findings {
            Some(findings) if passed || self.is_explained() => {
                Some(findings.counts.iter().map(|(name, count)| (name.as_str(), *count)).collect())
            }
            None if passed && self.format.is_some() => Some(BTreeMap::new()),
            _ => None,
        }
    }

    /// Names a test of it as `stage: suite: name`, with what tells it from others of the same name.
    pub fn name_of(&self, test: &TestResult) -> String {
        self.test_name(&test.shown_suite(), &test.name)
    }

    /// Names its tests as `stage: suite: name`, without control characters.
    pub fn test_name(&self, suite: &str, name: &str) -> String {
        let parts = [self.name.as_str(), suite, name];
        replace_control_chars(&parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": "))
    }
}

/// What the output of a stage says. A metric stage is read for its number alone; where tests are expected, a compiler's
/// warnings say nothing about them.
fn read_output(spec: &StageSpec, text: &str, files: &[ReportFile]) -> (Format, Reading) {
    let nothing = (Format::Exit, Reading::default());
    if spec.kind == StageKind::Metric {
        return nothing;
    }
    if !spec.reports.is_empty() {
        return (reports::FORMAT, reports::read(&spec.reports, files).into());
    }
    let (format, reading) = formats::read(spec.format, text);
    let unwanted = spec.kind == StageKind::Tests && format.gives_findings();
    if unwanted { nothing } else { (format, reading) }
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
    /// Whether files of earlier runs were there when it was made.
    #[serde(default)]
    pub start: Start,
}

/// What a run found beside the tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Nothing but what was copied and what `setup` made for it.
    #[default]
    Cold,
    /// Files that runs of landed trees left, or what `setup` made for one of them.
    Warm,
}

impl Snapshot {
    /// Its own key, by that of its tree, stages and environment.
    pub fn key_for(&self, key: SnapshotKey) -> SnapshotKey {
        match self.start {
            Start::Cold => key,
            Start::Warm => key.to_warm(),
        }
    }

    /// What a landing needs to know of it. A snapshot without any stage is not-run.
    pub fn to_summary(&self) -> Summary {
        let has = |outcome| self.stages.iter().any(|stage| stage.effective_outcome() == outcome);
        let outcome = if has(StageOutcome::Failed) {
            StageOutcome::Failed
        } else if has(StageOutcome::NotRun) || self.stages.is_empty() {
            StageOutcome::NotRun
        } else {
            StageOutcome::Passed
        };
        let count = |status| self.stages.iter().map(|stage| stage.count_tests(status)).sum();
        Summary {
            outcome,
            passed: count(TestStatus::Passed),
            failed: count(TestStatus::Failed),
            skipped: count(TestStatus::Skipped),
            findings: self.findings(),
            per_test: self.stages.iter().all(|s| s.effective_outcome() == StageOutcome::Passed || s.is_explained()),
            flaky: self.flaky.clone(),
            note: self.describe_obstacle(),
        }
    }

    /// How many findings there are, by the kind of their stage; a kind is absent where nothing was read.
    fn findings(&self) -> BTreeMap<StageKind, u64> {
        let mut counts = BTreeMap::new();
        for stage in &self.stages {
            if let Some(findings) = &stage.findings {
                let count: &mut u64 = counts.entry(stage.kind).or_default();
                *count = count.saturating_add(findings.total());
            }
        }
        counts
    }

    /// Names of all tests that failed, of stages that are not passed without a test that says why, and of what is flaky.
    pub fn suspicious_tests(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.flaky.iter().cloned().collect();
        for stage in &self.stages {
            names.extend(stage.failing().map(|test| stage.name_of(test)));
            let told = stage.is_explained() && stage.failing().next().is_some();
            if stage.effective_outcome() != StageOutcome::Passed && !told {
                names.insert(stage.test_name("", ""));
            }
        }
        names
    }

    /// Tells the stage that stands in the way: one that does not say by tests or findings why it failed before one that could not
    /// run and one that does; where all passed, those in which no test ran.
    fn describe_obstacle(&self) -> String {
        let of = |wanted: &dyn Fn(&&StageResult) -> bool| self.stages.iter().find(wanted);
        let failed = |stage: &&StageResult| stage.effective_outcome() == StageOutcome::Failed;
        let not_run =
            |stage: &&StageResult| stage.effective_outcome() == StageOutcome::NotRun && stage.after_build.is_none();
        let Some(stage) = of(&|s| failed(s) && !s.is_explained()).or_else(|| of(&not_run)).or_else(|| of(&failed))
        else {
            let empty = self.stages.iter().filter_map(StageResult::no_test).collect::<Vec<_>>().join("; ");
            return if self.stages.is_empty() { "no stage was run".to_owned() } else { head_tail(&empty, NOTE_LIMIT) };
        };
        let heading = replace_control_chars(&format!("{}: {}", stage.name, stage.failure_reason()));
        let room = NOTE_LIMIT.saturating_sub(heading.len() + 1);
        let said = telling::make_quotes(stage.failing().map(|test| (stage.name_of(test), test.said.as_str())));
        let body = match stage.is_explained() && !said.is_empty() {
            true => telling::format_quotes(&said).join("\n"),
            false => telling::excerpt(stage.head_tail.trim(), room),
        };
        let text = if body.is_empty() { heading } else { format!("{heading}\n{body}") };
        head_tail(&text, NOTE_LIMIT)
    }

    /// The stages by name; of two with one name the second is another one.
    pub(in crate::domain::verify) fn by_name(&self) -> BTreeMap<(&str, usize), &StageResult> {
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
