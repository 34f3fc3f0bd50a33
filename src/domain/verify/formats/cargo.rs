//! The text of `cargo test`, that is of libtest and rustdoc, one section per binary.
//!
//! Promises: a test is identified by its binary with source path and its name, without hash, line number and
//! `should panic`; it stands at the package whose library or program was opened before; a section counts only when its tests are those of its summary and each
//! that was begun has its result, so that nothing a test prints stands for another; a binary that died is a failed suite;
//! where cargo stopped at the first failing binary the report is not whole.

use super::found::digits;
use super::nextest;
use super::report::{Report, Said, cut, parse_count};
use crate::domain::verify::model::results::{Place, TestStatus};
use std::collections::BTreeSet;

const HINT: &str = "run `cargo test` without -q";

/// What the output says outside of runs of nextest.
pub(super) fn parse_output(output: &str) -> Said {
    let mut reader = Reader::default();
    let outside = nextest::text_outside(output);
    outside.lines().for_each(|line| reader.read_line(line.trim_end()));
    reader.finish(|| output.lines().find(|line| line.starts_with("error: could not compile ")).map(super::shorten_name))
}

/// Counts of a section: passed, failed, ignored, measured.
type Counts = [u64; 4];

/// How a test ended, and the place of that among the counts.
type Outcome = (TestStatus, usize);

const PASSED: Outcome = (TestStatus::Passed, 0);
const FAILED: Outcome = (TestStatus::Failed, 1);
const IGNORED: Outcome = (TestStatus::Skipped, 2);
const MEASURED: Outcome = (TestStatus::Passed, 3);

/// What lies between `running n tests` and `test result:`.
#[derive(Default)]
struct Section<'a> {
    announced: u64,
    counts: Counts,
    /// Inside `failures:` or `successes:`, where what tests printed is repeated.
    details: bool,
    /// A test whose result comes on a later line because something was printed between.
    pending: Option<&'a str>,
    /// Whether its result may have been behind something else.
    maybe_ended: bool,
    /// Results at the end of a line that something else begins.
    doubtful: Vec<(&'a str, Outcome)>,
    /// The counts with the doubtful results.
    with_doubtful: Counts,
    /// Tests that were begun, and those with a result.
    begun: BTreeSet<&'a str>,
    ended: BTreeSet<&'a str>,
}

#[derive(Default)]
struct Reader<'a> {
    report: Report,
    suite: String,
    /// The package that is at work, as far as its library or program tells, and whether one of these was opened last.
    package: String,
    units: bool,
    section: Option<Section<'a>>,
    sections: u64,
    /// Whether cargo itself was heard, and what it said of failing binaries.
    headers: bool,
    reruns: u64,
    ran_all: bool,
    last_failed: bool,
}

impl<'a> Reader<'a> {
    fn read_line(&mut self, line: &'a str) {
        let details = self.section.as_ref().is_some_and(|section| section.details);
        if let Some(counts) = line.strip_prefix("test result: ").and_then(parse_summary) {
            return self.read_summary(counts, details);
        }
        if details {
            return;
        }
        if let Some(announced) = line.strip_prefix("running ").and_then(|rest| parse_count(rest, &["test", "tests"])) {
            self.broken_off();
            self.sections += 1;
            self.section = Some(Section { announced, ..Section::default() });
        } else if let Some(suite) = header(line) {
            self.broken_off();
            self.suite = cut(&suite).into_owned();
            self.open(line);
            self.headers = true;
        } else if line.starts_with("error: ") && line.contains("test failed, to rerun pass `") {
            self.reruns += 1;
            if self.section.take().is_some() {
                self.report.broken_suite(&self.suite);
                self.report.failed = true;
            }
        } else if line.starts_with("error: ")
            && [" targets failed:", " target failed:"].iter().any(|e| line.ends_with(e))
        {
            self.ran_all = true;
        } else if let Some(section) = &mut self.section {
            section.read_line(line, &self.suite, &mut self.report);
        }
    }

    /// Two packages of a workspace may each have a `tests/api.rs`, whose line names none of them. cargo runs package by package, of
    /// each the library, then programs, then tests (its `UnitOutput` is ordered by package and target; seen in 1.95), so the
    /// package is that of the library or program that was opened before.
    fn open(&mut self, line: &str) {
        let units = line.trim_start().starts_with("Running unittests ");
        if let Some((name, source)) = self.suite.split_once(' ').filter(|_| units) {
            // A program of another name may be one more of the same package.
            let names = ["src/lib.rs", "src/main.rs"].iter().any(|end| source.ends_with(end));
            if names || !self.units {
                name.clone_into(&mut self.package);
            }
        }
        self.units = units;
        self.report.place = Place { suites: self.package.clone(), ..Place::default() };
    }

    /// A section without a summary is followed by something else, or by nothing.
    fn broken_off(&mut self) {
        if let Some(section) = self.section.take() {
            let read: u64 = section.counts.iter().sum();
            self.report.fail(format!("`{}` ended after {read} of {} tests", self.suite, section.announced));
        }
    }

    fn read_summary(&mut self, said: Counts, details: bool) {
        let Some(mut section) = self.section.take() else {
            // Output of a test that is repeated at the end of its binary's section; or the beginning is missing.
            if said != Counts::default() && self.sections == 0 {
                self.report.fail("a summary without its tests");
                self.sections += 1;
            }
            return;
        };
        section.use_doubtful(said, &self.suite, &mut self.report);
        let read: u64 = section.counts.iter().sum();
        let total: u64 = said.iter().sum();
        if details && section.counts != said && (read > 0 || total != section.announced) {
            self.section = Some(section);
            return;
        }
        self.report.passed += said[0] + said[3];
        self.last_failed = said[1] > 0;
        self.report.failed |= self.last_failed;
        if let Some(lost) = section.lost_test().filter(|_| read > 0) {
            let why =
                format!("`{}`: no result of `{lost}` among what tests print: run without --nocapture", self.suite);
            self.report.fail(why);
        }
        if read == 0 && total > 0 {
            self.report.nameless = true;
        } else if section.counts != said || total != section.announced {
            let why =
                format!("`{}`: {read} tests read, {} announced, {total} summed up", self.suite, section.announced);
            self.report.fail(why);
        }
    }

    fn finish(mut self, not_built: impl FnOnce() -> Option<String>) -> Said {
        self.broken_off();
        if self.sections == 0 {
            return not_built().map_or(Said::Nothing, Said::NotBuilt);
        }
        if !self.ran_all && (self.reruns > 0 || self.last_failed && !self.headers) {
            self.report.fail("cargo may have stopped at the first failing test binary: add --no-fail-fast");
        }
        self.report.said(HINT)
    }
}

impl<'a> Section<'a> {
    fn read_line(&mut self, line: &'a str, suite: &str, report: &mut Report) {
        if matches!(line, "failures:" | "successes:") {
            self.details = true;
            return;
        }
        if let Some((test, rest)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
            match status(rest) {
                Some(status) => self.test(test, status, suite, report),
                None => {
                    self.begin(test);
                    self.doubt_end(rest);
                }
            }
        } else if let Some(test) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ...")) {
            self.begin(test);
        } else if let (Some(test), Some(status)) = (self.pending, status(line)) {
            self.pending = None;
            self.test(test, status, suite, report);
        } else if let Some(found) = parse_garbled(line) {
            self.add_doubtful(found);
        } else {
            self.doubt_end(line);
        }
    }

    /// A result behind what the test printed without a line end.
    fn doubt_end(&mut self, line: &str) {
        let end = [("ok", PASSED), ("FAILED", FAILED)].into_iter().find(|(word, _)| line.ends_with(word));
        if let (Some(test), Some((_, outcome))) = (self.pending, end) {
            self.maybe_ended = true;
            self.add_doubtful((test, outcome));
        }
    }

    /// Until it may have its result no other test is begun: what looks like it is what a test prints.
    fn begin(&mut self, test: &'a str) {
        if self.begun.len() < super::RESULTS_LIMIT {
            self.begun.insert(test);
        }
        if self.pending.is_none() || self.maybe_ended {
            self.pending = Some(test);
            self.maybe_ended = false;
        }
    }

    /// A test that was begun, or has a result that was not taken, without one that was.
    fn lost_test(&self) -> Option<&'a str> {
        let doubtful = self.doubtful.iter().map(|(test, _)| *test);
        self.begun.iter().copied().chain(doubtful).find(|test| !self.ended.contains(test))
    }

    fn add_doubtful(&mut self, found: (&'a str, Outcome)) {
        if self.doubtful.len() < super::RESULTS_LIMIT {
            self.doubtful.push(found);
            self.with_doubtful[found.1.1] += 1;
        }
    }

    fn test(&mut self, test: &'a str, (status, place): Outcome, suite: &str, report: &mut Report) {
        if self.ended.len() < super::RESULTS_LIMIT {
            self.ended.insert(test);
        }
        report.test(suite, &identity(test), status);
        self.counts[place] += 1;
        self.with_doubtful[place] += 1;
    }

    /// Results found behind other text are taken if they are exactly those that the summary knows of besides.
    fn use_doubtful(&mut self, said: Counts, suite: &str, report: &mut Report) {
        if self.counts != said && self.with_doubtful == said {
            for (test, outcome) in std::mem::take(&mut self.doubtful) {
                self.test(test, outcome, suite, report);
            }
        }
    }
}

fn status(text: &str) -> Option<Outcome> {
    let plain = match text.split_once(" <") {
        Some((head, time)) if time.ends_with("s>") => head,
        _ => text,
    };
    match plain {
        "ok" => Some(PASSED),
        "FAILED" | "FAILED (time limit exceeded)" => Some(FAILED),
        "ignored" => Some(IGNORED),
        _ if text.starts_with("ignored, ") => Some(IGNORED),
        _ if text.starts_with("bench: ") => Some(MEASURED),
        _ => None,
    }
}

/// `noise test a::b ... ok`: something without a line end was printed before a result.
fn parse_garbled(line: &str) -> Option<(&str, Outcome)> {
    let (head, word) = line.rsplit_once(" ... ")?;
    let test = &head[head.rfind("test ")? + 5..];
    let outcome = status(word).filter(|outcome| *outcome != MEASURED)?;
    (!test.is_empty() && !test.contains(char::is_whitespace)).then_some((test, outcome))
}

/// `ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s`.
fn parse_summary(text: &str) -> Option<Counts> {
    let mut parts = text.strip_prefix("ok. ").or_else(|| text.strip_prefix("FAILED. "))?.split("; ");
    let mut counts = Counts::default();
    for (count, word) in counts.iter_mut().zip(["passed", "failed", "ignored", "measured"]) {
        *count = parse_count(parts.next()?, &[word])?;
    }
    Some(counts)
}

/// The suite that a line of cargo opens: `Running unittests src/lib.rs (target/debug/deps/demo-0123456789abcdef)` is
/// `demo src/lib.rs`, `Doc-tests demo` is `demo doctests`.
fn header(line: &str) -> Option<String> {
    let text = line.strip_prefix("   ")?.trim_start();
    if let Some(name) = text.strip_prefix("Doc-tests ") {
        return Some(format!("{name} doctests"));
    }
    let (source, binary) = match text.strip_prefix("Running ")?.split_once(" (") {
        Some((source, binary)) => {
            (source.strip_prefix("unittests").unwrap_or(source).trim(), binary.strip_suffix(')')?)
        }
        None => ("", text.strip_prefix("Running ")?),
    };
    let file = binary.rsplit(['/', '\\']).next()?;
    let file = file.strip_suffix(".exe").unwrap_or(file);
    let (name, hash) = file.rsplit_once('-')?;
    if hash.len() != 16 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some(if source.is_empty() { name.to_owned() } else { format!("{name} {source}") })
}

/// `src/lib.rs - add (line 9) - compile` is `src/lib.rs - add`.
fn identity(test: &str) -> String {
    let test = test.trim_end();
    if let Some((head, rest)) = test.rsplit_once(" (line ")
        && rest.split_once(')').is_some_and(|(line, _)| digits(line))
    {
        return head.trim_end_matches([' ', '-']).to_owned();
    }
    test.strip_suffix(" - should panic").unwrap_or(test).to_owned()
}

#[cfg(test)]
#[path = "cargo_tests.rs"]
mod tests;
