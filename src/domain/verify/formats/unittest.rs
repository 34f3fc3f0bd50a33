//! The text of Python's unittest with `-v`, and of runners that print like it (Django, nose).
//!
//! Promises: a test is identified by its class with module and its method, whatever describes it; while a test has no result,
//! nothing else is one; a failing part (subtest) fails its test, and so
//! does a report below the results; a class or module that could not be set up or imported is a failed suite; the results are those of `Ran n tests` and
//! of the line below, or the report is not whole.

use super::RESULTS_LIMIT;
use super::report::{Report, Said, is_duration, parse_count};
use crate::domain::verify::model::results::TestStatus;
use std::collections::BTreeMap;

const HINT: &str = "run unittest with -v";
const RULE: &str = "----------------------------------------------------------------------";
/// Above each report.
pub(super) const DOUBLE_RULE: &str = "======================================================================";

/// What is read since the last summary.
#[derive(Default)]
struct Run<'a> {
    open: Option<Open<'a>>,
    /// Tests with a result, by whether they are named in `Ran n tests`.
    ran: u64,
    /// What is known of each test, class and module by suite and name.
    known: BTreeMap<(&'a str, &'a str), Known>,
    /// The test whose result was the last one, unless it passed.
    last: Option<(&'a str, &'a str)>,
    surprises: u64,
    /// In the reports below the first double rule.
    reports: bool,
    /// `Ran n tests` that waits for `OK` or `FAILED`.
    said: Option<u64>,
    previous: &'a str,
}

/// What the lines of results and the reports below them say of one identity.
#[derive(Default)]
struct Known {
    /// Its last place among the tests.
    at: Option<usize>,
    lines: Bad,
    reports: Bad,
}

/// How often something failed.
#[derive(Default, Clone, Copy)]
struct Bad {
    failures: u64,
    errors: u64,
}

impl Bad {
    fn add(&mut self, word: Word) {
        self.failures += u64::from(word == Word::Fail);
        self.errors += u64::from(word == Word::Error);
    }

    fn has_any(self) -> bool {
        self.failures + self.errors > 0
    }
}

/// A test whose result is still to come.
#[derive(Clone, Copy)]
struct Open<'a> {
    suite: &'a str,
    name: &'a str,
    /// The worst result of its parts.
    parts: Option<TestStatus>,
    /// Whether ` ... ` was printed, after which the result follows.
    announced: bool,
    /// Whether a part was named whose description with its result stands on the next line.
    part: bool,
}

#[derive(Default)]
struct Reader<'a> {
    report: Report,
    run: Run<'a>,
    runs: u64,
    singles: u64,
}

/// What the output says.
pub(super) fn parse_output(output: &str) -> Said {
    let mut reader = Reader::default();
    for line in output.lines() {
        reader.read_line(line.trim_end());
    }
    reader.finish()
}

impl<'a> Reader<'a> {
    fn read_line(&mut self, line: &'a str) {
        let run = &mut self.run;
        if let Some(ran) = run.said {
            if let Some(verdict) = verdict(line) {
                self.close(ran, verdict);
            } else if !line.is_empty() {
                run.said = None;
            }
        } else if let Some(ran) = parse_ran(line).filter(|_| run.previous == RULE) {
            run.said = Some(ran);
        } else if line == DOUBLE_RULE {
            run.reports = true;
        } else if run.reports {
            if run.previous == DOUBLE_RULE
                && let Some((word, suite, name)) = parse_reported(line)
                && let Some(known) = self.known_test(suite, name)
            {
                known.reports.add(word);
            }
        } else {
            self.result(line);
        }
        if !line.is_empty() {
            self.run.previous = line;
        }
    }

    fn known_test(&mut self, suite: &'a str, name: &'a str) -> Option<&mut Known> {
        if self.run.known.len() >= RESULTS_LIMIT && !self.run.known.contains_key(&(suite, name)) {
            self.report.fail(format!("more than {RESULTS_LIMIT} tests in one output"));
            return None;
        }
        Some(self.run.known.entry((suite, name)).or_default())
    }

    fn add_failure(&mut self, suite: &'a str, name: &'a str, word: Word) {
        if let Some(known) = self.known_test(suite, name) {
            known.lines.add(word);
        }
    }

    fn result(&mut self, line: &'a str) {
        if let Some(part) = line.strip_prefix("  ") {
            return self.part(part);
        }
        let waiting = match self.run.open {
            Some(open) if !open.announced => return self.read_description(open, line),
            Some(open) if open.part => return self.part_described(line),
            // Until a test has its result no other one begins: what looks like it is what the test prints.
            Some(open) => open.parts.is_none(),
            None => false,
        };
        if let Some((suite, name, rest)) = header(line).filter(|_| !waiting) {
            // A test whose parts were told has a result of its own where it failed besides.
            let parts = self.run.open.filter(|open| (open.suite, open.name) == (suite, name));
            let parts = parts.and_then(|open| open.parts);
            if parts.is_none() {
                self.settle_test();
            }
            self.run.open = None;
            let mut open = Open { suite, name, parts, announced: false, part: false };
            match rest.strip_prefix(" ...") {
                Some(rest) => match status(rest.trim_start()) {
                    Some(word @ (Word::Fail | Word::Error)) if self.run.last == Some((suite, name)) => {
                        // Its test failed, and so did what cleans up behind it.
                        return self.add_further_failure(suite, name, word);
                    }
                    word if SET_UP.contains(&name) => {
                        return self.add_failure(suite, name, word.unwrap_or(Word::Skipped));
                    }
                    Some(word) => return self.end(open, word),
                    None => open.announced = true,
                },
                // A class has a module, so a name in brackets without one is no test.
                None if rest.is_empty() && line.contains('.') => {}
                None => return,
            }
            self.run.open = Some(open);
            return;
        }
        // Below its parts the result of a test repeats its name.
        let Some(open) = self.run.open.filter(|open| open.parts.is_none()) else { return };
        if let Some(word) = status(line) {
            self.run.open = None;
            self.end(open, word);
        }
    }

    /// The line below one that is nothing but a test: the first line of its docstring, with its result.
    fn read_description(&mut self, mut open: Open<'a>, line: &'a str) {
        self.run.open = None;
        let Some((text, word)) = line.rsplit_once(" ... ").or_else(|| line.strip_suffix(" ...").map(|text| (text, "")))
        else {
            // Something else printed a name in brackets.
            return self.result(line);
        };
        if text.contains('.') && header(text).is_some_and(|(.., rest)| rest.is_empty()) {
            self.report.fail(format!("`{}` is described as another test, or printed before one", open.name));
        }
        match status(word) {
            Some(word) => self.end(open, word),
            None => {
                open.announced = true;
                self.run.open = Some(open);
            }
        }
    }

    /// `test_x (m.C.test_x) [part] (i=1) ... FAIL` below its test.
    fn part(&mut self, line: &'a str) {
        let (Some(open), Some((suite, name, _))) = (&mut self.run.open, header(line)) else { return };
        if (open.suite, open.name) != (suite, name) {
            return;
        }
        match line.rsplit_once(" ... ") {
            Some((_, word)) => self.part_ended(word),
            None => open.part = true,
        }
    }

    fn part_described(&mut self, line: &str) {
        if let Some((_, word)) = line.rsplit_once(" ... ") {
            self.part_ended(word);
        }
    }

    fn part_ended(&mut self, word: &str) {
        let (Some(word), Some(open)) = (status(word), &mut self.run.open) else { return };
        open.part = false;
        let part = match word {
            Word::Fail | Word::Error => TestStatus::Failed,
            Word::Skipped => TestStatus::Skipped,
            _ => TestStatus::Passed,
        };
        open.parts = Some(match open.parts {
            Some(TestStatus::Failed) => TestStatus::Failed,
            _ => part,
        });
        let (suite, name) = (open.suite, open.name);
        self.add_failure(suite, name, word);
    }

    /// A test with parts that did not all pass has no result line of its own.
    fn settle_test(&mut self) {
        if let Some((open, parts)) = self.run.open.and_then(|open| Some((open, open.parts?))) {
            self.run.open = None;
            self.add_result(open, parts);
        }
    }

    fn end(&mut self, open: Open<'a>, word: Word) {
        let status = match word {
            Word::Ok => TestStatus::Passed,
            Word::Skipped | Word::Expected => TestStatus::Skipped,
            Word::Fail | Word::Error | Word::Surprise => TestStatus::Failed,
        };
        self.run.surprises += u64::from(word == Word::Surprise);
        self.add_failure(open.suite, open.name, word);
        let status = if open.parts == Some(TestStatus::Failed) { TestStatus::Failed } else { status };
        self.add_result(open, status);
    }

    /// A further failure of the test that has its result.
    fn add_further_failure(&mut self, suite: &'a str, name: &'a str, word: Word) {
        self.add_failure(suite, name, word);
        if let Some(at) = self.known_test(suite, name).and_then(|known| known.at) {
            self.report.update_status(at, TestStatus::Failed);
        }
    }

    fn add_result(&mut self, open: Open<'a>, status: TestStatus) {
        let at = self.report.len();
        if let Some(known) = self.known_test(open.suite, open.name) {
            known.at = Some(at);
        }
        self.run.last = (status != TestStatus::Passed).then_some((open.suite, open.name));
        self.run.ran += 1;
        self.singles += 1;
        if open.suite == "unittest.loader._FailedTest" {
            self.report.broken_suite(open.name);
        } else {
            self.report.test(open.suite, open.name, status);
        }
    }

    fn close(&mut self, ran: u64, verdict: Verdict) {
        self.settle_test();
        if let Some(open) = self.run.open.filter(|open| open.announced && open.parts.is_none()) {
            self.report.fail(format!("no result of `{}` among what tests print: {HINT} and -b", open.name));
        }
        self.runs += 1;
        self.report.failed |= verdict.failed;
        self.report.passed += ran.saturating_sub(verdict.skipped);
        let run = std::mem::take(&mut self.run);
        if run.ran == 0 && ran > 0 {
            self.report.nameless = true;
            return;
        }
        // Not each version tells errors of classes and modules among the results, nor each runner reports below them.
        let mut bad = Bad::default();
        for ((suite, name), known) in &run.known {
            bad.failures += known.lines.failures.max(known.reports.failures);
            bad.errors += known.lines.errors.max(known.reports.errors);
            if SET_UP.contains(name) && (known.lines.has_any() || known.reports.has_any()) {
                self.report.broken_suite(suite);
            } else if let Some(at) = known.at.filter(|_| known.reports.has_any()) {
                self.report.update_status(at, TestStatus::Failed);
            }
        }
        let agree = [run.ran, bad.failures, bad.errors, run.surprises];
        if agree != [ran, verdict.failures, verdict.errors, verdict.surprises] {
            self.report.fail(format!("{ran} tests ran, the results of {} were read", run.ran));
        }
    }

    fn finish(mut self) -> Said {
        self.settle_test();
        if self.run.ran > 0 || self.run.open.is_some_and(|_| self.singles > 0) || self.run.said.is_some() {
            self.report.fail("no summary after the last test: the run was cut off");
        } else if self.runs == 0 {
            return Said::Nothing;
        }
        self.report.said(HINT)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Ok,
    Fail,
    Error,
    Skipped,
    Expected,
    Surprise,
}

fn status(text: &str) -> Option<Word> {
    match text {
        "ok" => Some(Word::Ok),
        "FAIL" => Some(Word::Fail),
        "ERROR" => Some(Word::Error),
        "expected failure" => Some(Word::Expected),
        "unexpected success" => Some(Word::Surprise),
        _ => (text.starts_with("skipped '") || text.starts_with("skipped \"")).then_some(Word::Skipped),
    }
}

/// `test_a (module.Class.test_a)` with what follows, as (`module.Class`, `test_a`, rest); before Python 3.11 the method
/// is not repeated.
fn header(line: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = line.split_once(" (")?;
    let (path, rest) = rest.split_once(')')?;
    let plain = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '<' | '>' | '-'))
    };
    if !plain(name) || !plain(path) {
        return None;
    }
    let suite = path.strip_suffix(name).and_then(|path| path.strip_suffix('.')).unwrap_or(path);
    Some((suite, name, rest))
}

/// What stands for a class or module among tests.
pub(super) const SET_UP: [&str; 4] = ["setUpClass", "tearDownClass", "setUpModule", "tearDownModule"];

/// The suite and name of `ERROR: test_a (module.Class.test_a)`, `FAIL: test_a (module.Class.test_a) [part] (i=1)` and
/// `ERROR: setUpClass (module.Class)`.
pub(super) fn parse_reported(line: &str) -> Option<(Word, &str, &str)> {
    let (word, test) = line.split_once(": ")?;
    let word = status(word).filter(|word| matches!(word, Word::Fail | Word::Error))?;
    let (suite, name, _) = header(test)?;
    Some((word, suite, name))
}

/// `Ran 8 tests in 0.001s`.
fn parse_ran(line: &str) -> Option<u64> {
    let (tests, time) = line.strip_prefix("Ran ")?.split_once(" in ")?;
    parse_count(tests, &["test", "tests"]).filter(|_| is_duration(time))
}

#[derive(Default)]
struct Verdict {
    failed: bool,
    failures: u64,
    errors: u64,
    surprises: u64,
    /// Also those whose failure is expected.
    skipped: u64,
}

/// `OK (skipped=1)`, `FAILED (failures=2, errors=3, unexpected successes=1)`, `NO TESTS RAN`.
fn verdict(line: &str) -> Option<Verdict> {
    let (word, counts) = line.split_once(" (").map_or((line, ""), |(word, rest)| (word, rest.trim_end_matches(')')));
    let mut verdict = Verdict { failed: word == "FAILED", ..Verdict::default() };
    if !matches!(word, "OK" | "FAILED" | "NO TESTS RAN") {
        return None;
    }
    for (what, count) in counts.split(", ").filter_map(|part| part.split_once('=')) {
        let count: u64 = count.parse().ok()?;
        *match what {
            "failures" => &mut verdict.failures,
            "errors" => &mut verdict.errors,
            "unexpected successes" => &mut verdict.surprises,
            "skipped" | "expected failures" => &mut verdict.skipped,
            _ => continue,
        } += count;
    }
    Some(verdict)
}

#[cfg(test)]
#[path = "unittest_tests.rs"]
mod tests;
