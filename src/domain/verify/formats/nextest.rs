//! The text of `cargo nextest run` as people read it.
//!
//! Promises: a test is identified by its binary and name; of several tries the last counts, so what passed at a later try
//! passed; the results are those of the summary line or the report is not whole.

use super::report::{Report, Said, parse_count};
use crate::domain::verify::model::results::TestStatus;
use std::borrow::Cow;
use std::collections::BTreeMap;

const HINT: &str = "run `cargo nextest run` with --status-level pass";
/// Words of nextest stand right-aligned before this column.
const COLUMN: usize = 12;

/// What stands around the runs of nextest: without capture the sections of single test binaries are inside.
pub(super) fn text_outside(output: &str) -> Cow<'_, str> {
    let Some(first) = output.lines().position(is_start_line) else { return output.into() };
    let (mut around, mut held) = (Vec::new(), Vec::new());
    let mut inside = false;
    for (place, line) in output.lines().enumerate() {
        inside |= place >= first && is_start_line(line);
        if !inside {
            around.push(line);
        } else if columns(line).is_some_and(|(word, rest)| word == "Summary" && parse_summary(rest).is_some()) {
            held.clear();
            held.push("");
        } else if is_start_line(line) {
            around.append(&mut held);
        } else if !held.is_empty() {
            held.push(line);
        }
    }
    around.append(&mut held);
    around.join("\n").into()
}

/// One run.
#[derive(Default)]
struct Run<'a> {
    tests: BTreeMap<(&'a str, &'a str), TestStatus>,
    summary: Option<Summary>,
}

#[derive(Clone, Copy)]
struct Summary {
    ran: u64,
    of: u64,
    passed: u64,
    failed: u64,
}

/// What the output says.
pub(super) fn said(output: &str) -> Said {
    let mut runs: Vec<Run<'_>> = Vec::new();
    let (mut report, mut total) = (Report::default(), 0);
    for line in output.lines() {
        if is_start_line(line) {
            runs.push(Run::default());
            continue;
        }
        let Some(run) = runs.last_mut() else { continue };
        let Some((word, rest)) = columns(line) else { continue };
        if word == "Summary" {
            run.summary = parse_summary(rest).or(run.summary);
        } else if let (Some(status), Some(id)) = (status(word), id(rest)) {
            if total >= super::RESULTS_LIMIT && !run.tests.contains_key(&id) {
                report.fail(format!("more than {} tests in one output", super::RESULTS_LIMIT));
                continue;
            }
            total += usize::from(run.tests.insert(id, status).is_none());
        }
    }
    if runs.is_empty() {
        return Said::Nothing;
    }
    for run in &runs {
        run.judge(&mut report);
        for ((suite, name), status) in &run.tests {
            report.test(suite, name, *status);
        }
    }
    report.said(HINT)
}

impl Run<'_> {
    /// Compares the tests with the summary, which may be all that tells of passed ones.
    fn judge(&self, report: &mut Report) {
        let count = |status| self.tests.values().filter(|s| **s == status).count() as u64;
        let (passed, failed) = (count(TestStatus::Passed), count(TestStatus::Failed));
        let Some(summary) = self.summary else {
            return report.fail("no summary line: the run was cut off");
        };
        report.failed |= summary.failed > 0;
        report.passed += summary.passed;
        if summary.passed > 0 && passed == 0 {
            report.nameless = true;
        } else if summary.ran != summary.of {
            let missing = summary.of.saturating_sub(summary.ran);
            report.fail(format!("{missing} of {} tests were not run: add --no-fail-fast", summary.of));
        } else if (passed, failed) != (summary.passed, summary.failed) || summary.ran != passed + failed {
            let said = format!("{} passed and {} failed by the summary", summary.passed, summary.failed);
            report.fail(format!("{said}, {passed} and {failed} were read"));
        }
    }
}

/// `    Starting 8 tests across 3 binaries (2 tests skipped)`.
fn is_start_line(line: &str) -> bool {
    let rest = line.strip_prefix("    Starting ").and_then(|rest| rest.split_once(" across "));
    rest.is_some_and(|(tests, binaries)| {
        parse_count(tests, &["test", "tests"]).is_some() && binaries.contains(" binar")
    })
}

/// Splits `        PASS [   0.004s] rest`.
pub(super) fn columns(line: &str) -> Option<(&str, &str)> {
    if line.as_bytes().get(COLUMN..COLUMN + 2)? != b" [" {
        return None;
    }
    let (time, rest) = line.get(COLUMN + 2..)?.split_once("] ")?;
    let timely = time.bytes().all(|b| matches!(b, b' ' | b'.' | b's' | b'>' | b'0'..=b'9'));
    timely.then(|| (line[..COLUMN].trim_start(), rest))
}

/// What a word says of a test; `None` for what is only news of a running one.
pub(super) fn status(word: &str) -> Option<TestStatus> {
    let result = match word.strip_prefix("TRY ") {
        Some(rest) => rest.split_once(' ')?.1,
        None => word,
    };
    match result {
        "PASS" | "LEAK" | "TMPASS" => Some(TestStatus::Passed),
        "SKIP" => Some(TestStatus::Skipped),
        "START" | "SLOW" | "TRMNTG" | "TERMINATING" => None,
        _ if result.starts_with("FLAKY ") => Some(TestStatus::Passed),
        _ if ["DELAY", "RETRY", "SETUP"].iter().any(|news| result.starts_with(news)) => None,
        _ if result.starts_with(|c: char| c.is_ascii_uppercase()) => Some(TestStatus::Failed),
        _ => None,
    }
}

/// `(1/8) demo::api adds` is `adds` of `demo::api`; older versions print no counter.
pub(super) fn id(rest: &str) -> Option<(&str, &str)> {
    let mut rest = rest.trim_start();
    for (open, close) in [('[', "] "), ('(', ") ")] {
        if rest.starts_with(open) {
            rest = rest.split_once(close)?.1.trim_start();
        }
    }
    let (binary, name) = rest.split_once(' ')?;
    let name = name.trim();
    (!binary.is_empty() && !name.is_empty()).then_some((binary, name))
}

/// `5/8 tests run: 3 passed (1 flaky), 2 failed, 1 exec failed, 1 timed out, 2 skipped`.
fn parse_summary(text: &str) -> Option<Summary> {
    let (tests, results) = text.split_once(" run: ")?;
    let (ran, of) = match tests.split_once('/') {
        Some((ran, of)) => (ran.trim().parse().ok()?, parse_count(of, &["test", "tests"])?),
        None => parse_count(tests, &["test", "tests"]).map(|ran| (ran, ran))?,
    };
    let mut summary = Summary { ran, of, passed: 0, failed: 0 };
    let mut rest = results;
    while !rest.is_empty() {
        let end = rest.find([',', '(']).unwrap_or(rest.len());
        let (part, tail) = rest.split_at(end);
        let tail = if tail.starts_with('(') { tail.split_once(')')?.1 } else { tail };
        summary.passed += parse_count(part, &["passed"]).unwrap_or(0);
        summary.failed += parse_count(part, &["failed", "exec failed", "timed out"]).unwrap_or(0);
        rest = tail.trim_start_matches([',', ' ']);
    }
    Some(summary)
}

#[cfg(test)]
#[path = "nextest_tests.rs"]
mod tests;
