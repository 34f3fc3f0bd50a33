//! What can be read from one run of a stage: tests, findings, a number.
//!
//! Promises: everything has an identity that does not differ from run to run; what is not whole says so in `problem`
//! and is never content.

use serde::{Deserialize, Serialize};
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
    #[must_use]
    pub fn any(&self, status: TestStatus) -> bool {
        self.tests.iter().any(|test| test.status == status)
    }
}

/// The suites of which single tests were reported.
#[derive(Debug, Default)]
pub(super) struct Suites<'a>(BTreeSet<&'a str>);

impl<'a> Suites<'a> {
    /// Those of some results, none of no results.
    pub(super) fn of(results: Option<&'a TestResults>) -> Self {
        let tests = results.into_iter().flat_map(|results| &results.tests);
        Self(tests.filter(|test| test.name != WHOLE_SUITE).map(|test| test.suite.as_str()).collect())
    }

    /// Whether this suite, or one inside it (`module.Class` is inside `module`), was reported: it ran.
    pub(super) fn ran(&self, suite: &str) -> bool {
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
    #[must_use]
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
