//! Lines of `go test`, one at a time: what a package or a test came to.

use crate::domain::verify::formats::report::{Report, is_duration};
use crate::domain::verify::model::results::TestStatus;
use std::collections::BTreeMap;

/// How a package ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Package {
    Passed,
    Failed,
    /// Its tests could not be built or set up.
    NotBuilt,
    /// It has no tests, or none was chosen.
    Empty,
}

/// The tests of one package that have a result, and whose turn it is: tests that are not subtests run one after another, until
/// one is paused to go on in parallel.
#[derive(Default)]
pub(super) struct Turn {
    running: Option<String>,
    begun: u64,
    pub(super) closed: BTreeMap<String, Closed>,
    /// Whether one of them failed.
    pub(super) failed: bool,
}

/// A test with a result.
pub(super) struct Closed {
    /// Its last place in the report.
    pub(super) at: usize,
    /// How many tests were announced before the result.
    begun: u64,
}

impl Turn {
    /// Whether a test can be announced now; else the one whose turn it is printed that.
    pub(super) fn begin_test(&mut self, test: &str) -> bool {
        let top = top_test(test);
        if self.running.as_ref().is_some_and(|running| running != top) {
            return false;
        }
        if top == test {
            self.running = Some(test.to_owned());
        }
        self.begun += 1;
        true
    }

    /// The first result of a test.
    pub(super) fn close(&mut self, suite: &str, test: &str, status: TestStatus, report: &mut Report) {
        self.failed |= status == TestStatus::Failed;
        self.closed.insert(test.to_owned(), Closed { at: report.len(), begun: self.begun });
        report.test(suite, test, status);
    }

    /// A further result of a test: a failure behind others is not less true. Where it is the turn of no other, which may
    /// have printed it, the test had not ended before, and what began since did not.
    pub(super) fn add_result(&mut self, test: &str, status: TestStatus, report: &mut Report) {
        let Some(closed) = self.closed.get(test) else { return };
        self.failed |= status == TestStatus::Failed;
        report.update_status(closed.at, status);
        if self.running.is_none() && self.begun > closed.begun {
            report.fail(format!("`{test}` ends twice: what tests print stands among the results"));
        }
    }

    /// Whether it is the turn of the test that this one is part of. Its subtests have their results behind its own.
    pub(super) fn is_inside(&self, test: &str) -> bool {
        top_test(test) != test && self.running.as_deref() == Some(top_test(test))
    }

    /// A test was paused, or ended.
    pub(super) fn end_test(&mut self, test: &str) {
        self.running.take_if(|running| running == test);
    }
}

/// The test that is no subtest.
fn top_test(test: &str) -> &str {
    test.split('/').next().unwrap_or(test)
}

/// `ok  <tab>example.com/a<tab>0.1s`, `FAIL<tab>example.com/a [build failed]`, `?   <tab>example.com/a<tab>[no test files]`.
pub(super) fn parse_package(line: &str) -> Option<(&str, Package)> {
    let mut parts = line.split('\t');
    let (word, name, rest) = (parts.next()?, parts.next()?, parts.next());
    let plain = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    match (word, rest) {
        ("ok  ", Some(time)) if plain(name) => {
            let timed = is_duration(time.split(' ').next().unwrap_or_default()) || time == "(cached)";
            let empty = line.ends_with("[no tests to run]");
            timed.then_some((name, if empty { Package::Empty } else { Package::Passed }))
        }
        ("?   ", Some("[no test files]")) if plain(name) => Some((name, Package::Empty)),
        ("FAIL", Some(time)) if plain(name) && is_duration(time) => Some((name, Package::Failed)),
        ("FAIL", None) => {
            let (name, why) = name.split_once(" [")?;
            (plain(name) && matches!(why, "build failed]" | "setup failed]")).then_some((name, Package::NotBuilt))
        }
        _ => None,
    }
}

/// `    --- PASS: TestA/b (0.00s)`, also behind text without a line end.
pub(super) fn result(line: &str) -> Option<(&str, TestStatus)> {
    let (word, rest) = line[line.rfind("--- ")? + 4..].split_once(": ")?;
    let status = match word {
        "PASS" => TestStatus::Passed,
        "FAIL" => TestStatus::Failed,
        "SKIP" => TestStatus::Skipped,
        _ => return None,
    };
    let (test, time) = rest.strip_suffix(')')?.rsplit_once(" (")?;
    is_duration(time).then_some((test, status))
}
