//! The text of `go test -v`.
//!
//! Promises: a test is identified by its package and name with all subtests; a result counts only for a test that was
//! announced when it could begin, not by what another one prints, and of several of one test the worst; a package that could not be built, or whose test binary did not come to its own end, is a failed suite.

#[cfg(test)]
#[path = "go_tests.rs"]
mod tests;

use super::go_json;
use super::report::{Report, Said};
use crate::domain::verify::formats::go_lines::{Package, Turn, parse_package, result};
use crate::domain::verify::model::results::TestStatus;
use std::collections::BTreeMap;

const HINT: &str = "run `go test` with -v or -json";

/// What the output says. Builds that failed are told in text even among events.
pub(super) fn parse_output(output: &str) -> Said {
    match text(output) {
        Said::Results(results) if results.tests.is_empty() && go_json::matches_output(output) => Said::Nothing,
        said => said,
    }
}

fn text(output: &str) -> Said {
    let (mut report, mut pending) = (Report::default(), Pending::default());
    let (mut announced, mut ran, mut packages) = (false, false, 0u64);
    for line in output.lines() {
        let line = line.trim_end();
        if let Some((package, end)) = parse_package(line) {
            packages += 1;
            report.failed |= matches!(end, Package::Failed | Package::NotBuilt);
            report.passed += u64::from(end == Package::Passed);
            ran |= matches!(end, Package::Passed | Package::Failed);
            pending.close(package, end, &mut report);
            pending = Pending { mark: report.len(), ..Pending::default() };
        } else if let Some(test) = line.strip_prefix("=== RUN   ") {
            announced = true;
            if pending.turn.begin_test(test) {
                *pending.open.entry(test).or_default() += 1;
            }
        } else if let Some(test) = line.strip_prefix("=== PAUSE ") {
            pending.turn.end_test(test);
        } else if line == "PASS" || line == "FAIL" {
            pending.end = Some(line == "PASS");
        } else if let Some((test, status)) = result(line) {
            pending.result(test, status, &mut report);
        }
    }
    if packages == 0 && !announced {
        return Said::Nothing;
    }
    report.nameless = !announced && ran;
    if !pending.turn.closed.is_empty() || !pending.open.is_empty() {
        report.truncate(pending.mark);
        report.fail("the last package has no result line: the run was cut off");
    }
    report.said(HINT)
}

/// What is read since the last package.
#[derive(Default)]
struct Pending<'a> {
    mark: usize,
    /// Tests without a result.
    open: BTreeMap<&'a str, usize>,
    /// The line `PASS` or `FAIL` that a test binary prints at its end.
    end: Option<bool>,
    turn: Turn,
}

impl<'a> Pending<'a> {
    fn result(&mut self, test: &'a str, status: TestStatus, report: &mut Report) {
        if self.turn.is_inside(test) {
            return;
        }
        // What a test prints can look like its result.
        let Some(times) = self.open.get_mut(test) else { return self.turn.add_result(test, status, report) };
        *times -= 1;
        if *times == 0 {
            self.open.remove(test);
            self.turn.end_test(test);
        }
        self.turn.close("", test, status, report);
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
        let own_end = self.end == Some(false) && self.turn.failed;
        if end == Package::NotBuilt || end == Package::Failed && !own_end {
            report.broken_suite(package);
        }
    }
}
