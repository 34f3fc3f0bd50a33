//! What can be read from one run of a stage: tests, findings, a number.
//!
//! Promises: everything has an identity that does not differ from run to run; what is not whole says so in `problem`
//! and is never content.

use crate::domain::base::is_default;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Name of the test that stands for a suite that could not be built, loaded or run to its end. Readers write it only for
/// such a suite; when it is gone later and tests of the suite are reported, the suite has run: see [`Suites`].
pub const WHOLE_SUITE: &str = "(whole suite)";

/// How one test ended. The order is from worst evidence to best: of two runs the greater one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestStatus {
    /// Not executed, or its failure is declared to be expected.
    Skipped,
    /// It said no.
    Failed,
    /// It said yes.
    Passed,
}

/// What stands around a test in a report: where it ran. Each part counts only where it tells two tests of one suite and name
/// apart, see [`crate::domain::verify::model::identity`]: the name of a machine or a time in the name of a suite is no part of what a test is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// The report file, or the project.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The suites around it, outermost first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub suites: String,
    /// What the report calls the host: a machine, or a browser.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
}

impl Place {
    /// Its parts, always in one order: host, suites, file.
    pub(in crate::domain::verify) fn parts(&self) -> [&str; 3] {
        [&self.host, &self.suites, &self.file]
    }
}

/// One test of one stage; two of the same suite and name are two tests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TestResult {
    /// File, class or package, empty where the format knows none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suite: String,
    /// Name without numbers, times and other things that differ from run to run.
    pub name: String,
    /// How it ended.
    pub status: TestStatus,
    /// Where it ran; empty where the format does not say.
    #[serde(default, skip_serializing_if = "is_default")]
    pub place: Place,
    /// What of its place tells it from others of its suite and name in the same results; empty where there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// What it said, where it failed and its runner tells which part of the output that is; an excerpt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub said: String,
    /// How sure it is that it is the same test in every run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub steady: Steadiness,
}

/// Whether two runs of one tree agree about which test is which.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Steadiness {
    /// They do, or there was one run only.
    #[default]
    Steady,
    /// Not of several of one suite and name: their order or their places differ.
    Shuffled,
    /// It has another name in each run.
    Renamed,
    /// It was there in one of the two runs only.
    Sometimes,
}

impl TestResult {
    /// A test of which no place is known.
    pub fn new(suite: impl Into<String>, name: impl Into<String>, status: TestStatus) -> Self {
        let (suite, name) = (suite.into(), name.into());
        Self {
            suite,
            name,
            status,
            place: Place::default(),
            label: String::new(),
            said: String::new(),
            steady: Steadiness::Steady,
        }
    }

    /// Its suite as it is shown, with what tells it from others of the same name: `login.spec.ts [firefox]`.
    pub fn shown_suite(&self) -> Cow<'_, str> {
        match (self.label.is_empty(), self.suite.is_empty()) {
            (true, _) => Cow::Borrowed(&self.suite),
            (false, true) => Cow::Owned(format!("[{}]", self.label)),
            (false, false) => Cow::Owned(format!("{} [{}]", self.suite, self.label)),
        }
    }
}

/// What a parser of test reports read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResults {
    /// The tests, in the order of the output.
    pub tests: Vec<TestResult>,
    /// Why the results cannot be the whole truth (plan not fulfilled, bail out); the stage has failed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl TestResults {
    /// Whether a test has this status.
    pub fn has_status(&self, status: TestStatus) -> bool {
        self.tests.iter().any(|test| test.status == status)
    }
}

/// Whether a suite is this one or inside of it: `module.Class` is inside `module`.
pub(in crate::domain::verify) fn is_inside(suite: &str, outer: &str) -> bool {
    suite.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The suites of which single tests were reported.
#[derive(Debug, Default)]
pub(in crate::domain::verify) struct Suites<'a>(BTreeSet<&'a str>);

impl<'a> Suites<'a> {
    /// Those of some results, none of no results.
    pub(in crate::domain::verify) fn of(results: Option<&'a TestResults>) -> Self {
        let tests = results.into_iter().flat_map(|results| &results.tests);
        Self(tests.filter(|test| test.name != WHOLE_SUITE).map(|test| test.suite.as_str()).collect())
    }

    /// Whether this suite, or one inside it (`module.Class` is inside `module`), was reported: it ran.
    pub(in crate::domain::verify) fn has_run(&self, suite: &str) -> bool {
        let inside = format!("{suite}.");
        self.0.contains(suite) || self.0.range(inside.as_str()..).next().is_some_and(|other| other.starts_with(&inside))
    }
}

/// What a parser of linters, type checkers and audits read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How often each finding occurs, by `file: rule` (no line numbers: they move with every edit above).
    pub counts: BTreeMap<String, u64>,
    /// How many of them make the tool say no; only these explain a failing exit code.
    #[serde(default)]
    pub errors: u64,
    /// Why the findings cannot be the whole truth; the stage has failed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Findings {
    /// All findings together.
    pub fn total(&self) -> u64 {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// What one output, or one report file, says. All empty: nothing was understood, exit code only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Per-test results.
    pub tests: Option<TestResults>,
    /// Findings.
    pub findings: Option<Findings>,
}

impl From<TestResults> for Reading {
    fn from(tests: TestResults) -> Self {
        Self { tests: Some(tests), findings: None }
    }
}

impl From<Findings> for Reading {
    fn from(findings: Findings) -> Self {
        Self { tests: None, findings: Some(findings) }
    }
}
