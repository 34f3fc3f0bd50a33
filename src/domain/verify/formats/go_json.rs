//! The events of `go test -json`, one JSON object a line (`go doc test2json`).
//!
//! Promises: identity and broken packages are those of [`super::go`]; an announced test without a result, or a package without
//! an end, is a problem; of several results of one test, which runs its own binary again, the worst counts.

use super::go_lines::{self, Package, Turn};
use super::report::{Report, Said, worst_status};
use crate::domain::verify::model::results::{TestResults, TestStatus};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Whether a line of the output is an event of a package.
pub fn matches_output(output: &str) -> bool {
    output.lines().filter_map(event).any(|event| !event.package.is_empty())
}

/// Reads an output; one without events has a problem.
pub fn read(output: &str) -> TestResults {
    parse_output(output).into_test_results("go test -json")
}

/// One line of `go test -json` (`go doc test2json`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
pub(super) struct Event {
    pub(super) action: String,
    pub(super) package: String,
    pub(super) test: String,
    pub(super) output: String,
    failed_build: String,
}

/// One package.
#[derive(Default)]
struct Tests {
    open: BTreeSet<String>,
    own_end: bool,
    /// Results that only the printed text has, where a test printed before it without a line end.
    printed: BTreeMap<String, TestStatus>,
    turn: Turn,
}

fn event(line: &str) -> Option<Event> {
    let event = line.starts_with("{\"").then(|| serde_json::from_str::<Event>(line).ok())?;
    event.filter(|event| !event.action.is_empty())
}

fn parse_output(output: &str) -> Said {
    let mut report = Report::default();
    let mut packages: BTreeMap<String, Tests> = BTreeMap::new();
    let mut events = 0u64;
    for line in output.lines() {
        let Some(event) = event(line) else {
            if let Some((package, Package::NotBuilt)) = go_lines::parse_package(line.trim_end()) {
                report.broken_suite(package);
            }
            continue;
        };
        if event.package.is_empty() {
            continue;
        }
        events += 1;
        let ends = event.test.is_empty() && matches!(event.action.as_str(), "pass" | "fail" | "skip");
        let tests = packages.entry(event.package.clone()).or_default();
        tests.take(&event, &mut report);
        if ends {
            packages.remove(&event.package);
        }
    }
    if events == 0 {
        return Said::Nothing;
    }
    if let Some(package) = packages.keys().next() {
        report.fail(format!("`{package}` has no end: the run was cut off"));
    }
    Said::Results(report.into_results())
}

impl Tests {
    fn take(&mut self, event: &Event, report: &mut Report) {
        let status = match event.action.as_str() {
            "pass" => TestStatus::Passed,
            "fail" => TestStatus::Failed,
            "skip" => TestStatus::Skipped,
            "run" => {
                if self.turn.begin_test(&event.test) && self.open.insert(event.test.clone()) {
                    self.printed.remove(&event.test);
                }
                return;
            }
            "output" => return self.read_printed(event),
            "pause" => return self.turn.end_test(&event.test),
            _ => return,
        };
        self.turn.end_test(&event.test);
        if event.test.is_empty() {
            self.close(event, status, report);
        } else if self.open.remove(&event.test) {
            self.turn.close(&event.package, &event.test, status, report);
        } else {
            self.turn.add_result(&event.test, status, report);
        }
    }

    fn read_printed(&mut self, event: &Event) {
        let line = event.output.trim_end();
        if event.test.is_empty() {
            self.own_end |= line == "FAIL";
        } else if let Some((test, status)) = go_lines::result(line)
            && (self.open.contains(test) || self.turn.closed.contains_key(test) && status == TestStatus::Failed)
        {
            self.turn.end_test(test);
            let status = self.printed.get(test).map_or(status, |before| worst_status(*before, status));
            self.printed.insert(test.to_owned(), status);
        }
    }

    fn close(&mut self, event: &Event, status: TestStatus, report: &mut Report) {
        // In a package that passed, such a line is what a test says of something else.
        for (test, _) in self.printed.iter().filter(|(_, printed)| [status, **printed] == [TestStatus::Failed; 2]) {
            if let Some(closed) = self.turn.closed.get(test).filter(|_| !self.open.contains(test)) {
                self.turn.failed = true;
                report.update_status(closed.at, TestStatus::Failed);
            }
        }
        for test in std::mem::take(&mut self.open) {
            match (self.printed.get(&test), status) {
                (Some(status), _) => report.test(&event.package, &test, *status),
                (None, TestStatus::Failed) => report.test(&event.package, &test, TestStatus::Failed),
                (None, _) => report.fail(format!("`{}`: no result of `{test}`", event.package)),
            }
            self.turn.failed |= status == TestStatus::Failed;
        }
        if status == TestStatus::Failed && (!event.failed_build.is_empty() || !self.turn.failed || !self.own_end) {
            report.broken_suite(&event.package);
        }
    }
}
