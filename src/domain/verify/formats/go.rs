//! The text of `go test -v`.
//!
//! Promises: a test is identified by its package and name with all subtests; a result counts only for a test that was
//! announced when it could begin, not by what another one prints, and of several of one test the worst; a package that could not be built, or whose test binary did not come to its own end, is a failed suite.

use super::go_json;
use super::report::{Report, Said, duration};
use crate::domain::verify::results::TestStatus;
use std::collections::BTreeMap;

const HINT: &str = "run `go test` with -v or -json";

/// What the output says. Builds that failed are told in text even among events.
pub(super) fn said(output: &str) -> Said {
    match text(output) {
        Said::Results(results) if results.tests.is_empty() && go_json::recognises(output) => Said::Nothing,
        said => said,
    }
}

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

/// What is read since the last package.
#[derive(Default)]
struct Pending<'a> {
    mark: usize,
    /// Tests without a result.
    open: BTreeMap<&'a str, usize>,
    closed: BTreeMap<&'a str, Closed>,
    results: u64,
    failed: bool,
    /// The line `PASS` or `FAIL` that a test binary prints at its end.
    end: Option<bool>,
    turn: Turn,
}

/// Whose turn it is: tests that are not subtests run one after another, until one is paused to go on in parallel.
#[derive(Default)]
pub(super) struct Turn {
    running: Option<String>,
    begun: u64,
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
    pub(super) fn begins(&mut self, test: &str) -> bool {
        let top = top(test);
        if self.running.as_ref().is_some_and(|running| running != top) {
            return false;
        }
        if top == test {
            self.running = Some(test.to_owned());
        }
        self.begun += 1;
        true
    }

    /// A test whose result has this place in the report.
    pub(super) const fn closed(&self, at: usize) -> Closed {
        Closed { at, begun: self.begun }
    }

    /// A further result of a test: a failure behind others is not less true. Where it is the turn of no other, which may
    /// have printed it, the test had not ended before, and what began since did not.
    pub(super) fn again(&self, test: &str, closed: &Closed, status: TestStatus, report: &mut Report) {
        report.further(closed.at, status);
        if self.running.is_none() && self.begun > closed.begun {
            report.fail(format!("`{test}` ends twice: what tests print stands among the results"));
        }
    }

    /// Whether it is the turn of the test that this one is part of. Its subtests have their results behind its own.
    fn is_inside(&self, test: &str) -> bool {
        top(test) != test && self.running.as_deref() == Some(top(test))
    }

    /// A test was paused, or ended.
    pub(super) fn ends(&mut self, test: &str) {
        self.running.take_if(|running| running == test);
    }
}

/// The test that is no subtest.
fn top(test: &str) -> &str {
    test.split('/').next().unwrap_or(test)
}

fn text(output: &str) -> Said {
    let (mut report, mut pending) = (Report::default(), Pending::default());
    let (mut announced, mut packages, mut passed) = (false, 0u64, 0u64);
    let (mut ran, mut failed) = (false, false);
    for line in output.lines() {
        let line = line.trim_end();
        if let Some((package, end)) = package(line) {
            packages += 1;
            failed |= matches!(end, Package::Failed | Package::NotBuilt);
            passed += u64::from(end == Package::Passed);
            ran |= matches!(end, Package::Passed | Package::Failed);
            pending.close(package, end, &mut report);
            pending = Pending { mark: report.len(), ..Pending::default() };
        } else if let Some(test) = line.strip_prefix("=== RUN   ") {
            announced = true;
            if pending.turn.begins(test) {
                *pending.open.entry(test).or_default() += 1;
            }
        } else if let Some(test) = line.strip_prefix("=== PAUSE ") {
            pending.turn.ends(test);
        } else if line == "PASS" || line == "FAIL" {
            pending.end = Some(line == "PASS");
        } else if let Some((test, status)) = result(line) {
            pending.result(test, status, &mut report);
        }
    }
    if packages == 0 && !announced {
        return Said::Nothing;
    }
    if !announced && ran {
        return Said::Counts { failed, passed, hint: HINT };
    }
    if pending.results > 0 || !pending.open.is_empty() {
        report.forget(pending.mark);
        report.fail("the last package has no result line: the run was cut off");
    }
    Said::Results(report.finish(failed))
}

impl<'a> Pending<'a> {
    fn result(&mut self, test: &'a str, status: TestStatus, report: &mut Report) {
        if self.turn.is_inside(test) {
            return;
        }
        let Some(times) = self.open.get_mut(test) else {
            // What a test prints can look like its result.
            if let Some(closed) = self.closed.get(test) {
                self.failed |= status == TestStatus::Failed;
                self.turn.again(test, closed, status, report);
            }
            return;
        };
        *times -= 1;
        if *times == 0 {
            self.open.remove(test);
            self.turn.ends(test);
        }
        self.results += 1;
        self.failed |= status == TestStatus::Failed;
        self.closed.insert(test, self.turn.closed(report.len()));
        report.test("", test, status);
    }

    fn close(&mut self, package: &str, end: Package, report: &mut Report) {
        for test in std::mem::take(&mut self.open).into_keys() {
            match end {
                Package::Passed | Package::Empty => report.fail(format!("`{package}`: no result of `{test}`")),
                Package::Failed | Package::NotBuilt => report.test("", test, TestStatus::Failed),
            }
        }
        report.name_suite(self.mark, package);
        // A binary that ends by itself says so; one that panics or is killed does not.
        let own_end = self.end == Some(false) && self.failed;
        if end == Package::NotBuilt || end == Package::Failed && !own_end {
            report.broken_suite(package);
        }
    }
}

/// `ok  <tab>example.com/a<tab>0.1s`, `FAIL<tab>example.com/a [build failed]`, `?   <tab>example.com/a<tab>[no test files]`.
pub(super) fn package(line: &str) -> Option<(&str, Package)> {
    let mut parts = line.split('\t');
    let (word, name, rest) = (parts.next()?, parts.next()?, parts.next());
    let plain = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
    match (word, rest) {
        ("ok  ", Some(time)) if plain(name) => {
            let timed = duration(time.split(' ').next().unwrap_or_default()) || time == "(cached)";
            let empty = line.ends_with("[no tests to run]");
            timed.then_some((name, if empty { Package::Empty } else { Package::Passed }))
        }
        ("?   ", Some("[no test files]")) if plain(name) => Some((name, Package::Empty)),
        ("FAIL", Some(time)) if plain(name) && duration(time) => Some((name, Package::Failed)),
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
    duration(time).then_some((test, status))
}

#[cfg(test)]
#[path = "go_tests.rs"]
mod tests;
