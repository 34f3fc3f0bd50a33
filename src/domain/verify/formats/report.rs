//! What the readers of test runners have in common: the results as they are gathered, and how much an output says.
//!
//! Promises: bounded memory whatever the output; what could not run is named by its suite; an output that only counts its
//! tests is never passed off as per-test results.

use super::{NAME_LIMIT, RESULTS_LIMIT, bounded, shorten_name};
use crate::domain::base::text::name_first;
use crate::domain::verify::model::results::{Place, TestResult, TestResults, TestStatus, WHOLE_SUITE};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// How much an output says in the words of one runner.
#[derive(Debug)]
pub(super) enum Said {
    /// It has not the structure of this runner's output.
    Nothing,
    /// Nor has it, for a reason that is known.
    NotBuilt(String),
    /// Tests are counted, but those that passed are not named.
    Counts {
        /// Whether a failure is counted: the exit code must not be believed alone then.
        failed: bool,
        /// How many passed; of `go test`, which tells no more, packages.
        passed: u64,
        /// What to run so that tests are named.
        hint: &'static str,
    },
    /// Tests by name.
    Results(TestResults),
}

impl Said {
    /// Whether the output is to be read as this runner's. Mere counts without a failure add nothing to the exit code.
    pub(super) fn is_recognized(&self) -> bool {
        match self {
            Self::Nothing | Self::NotBuilt(_) => false,
            Self::Counts { failed, .. } => *failed,
            Self::Results(_) => true,
        }
    }

    /// What an output said to be of this runner gives.
    pub(super) fn into_test_results(self, runner: &str) -> TestResults {
        match self {
            Self::Nothing => problem(format!("no results of {runner} in the output")),
            Self::NotBuilt(why) => problem(why),
            Self::Counts { hint, .. } => problem(format!("the output counts tests without naming them: {hint}")),
            Self::Results(results) => results,
        }
    }
}

fn problem(why: String) -> TestResults {
    TestResults { tests: Vec::new(), problem: Some(why) }
}

/// Results as they are gathered.
#[derive(Default)]
pub(super) struct Report {
    tests: Vec<TestResult>,
    problem: Option<String>,
    /// Whether a suite could not run as a whole, and whether any single test was read, or ran without being named.
    whole: bool,
    pub(super) single: bool,
    paths: Paths,
    /// Where the tests that follow stand.
    pub(super) place: Place,
    /// Whether tests that passed are counted only.
    pub(super) nameless: bool,
    /// Whether the output counts any failure, and how many that passed.
    pub(super) failed: bool,
    pub(super) passed: u64,
}

impl Report {
    /// How many tests there are; a mark for [`Report::name_suite`].
    pub(super) fn len(&self) -> usize {
        self.tests.len()
    }

    /// Keeps the first problem.
    pub(super) fn fail(&mut self, problem: impl Into<String>) {
        self.problem.get_or_insert_with(|| shorten_name(&problem.into()));
    }

    /// One test; names are cut to their limit here.
    pub(super) fn test(&mut self, suite: &str, name: &str, status: TestStatus) {
        if self.tests.len() >= RESULTS_LIMIT {
            return self.fail(format!("more than {RESULTS_LIMIT} tests in one output"));
        }
        let name = if name.is_empty() { "(no name)" } else { name };
        self.single |= name != WHOLE_SUITE;
        let (suite, name) = (self.paths.add_name(suite), self.paths.add_name(name));
        let place = self.place.clone();
        self.tests.push(TestResult { place, ..TestResult::new(suite, name, status) });
    }

    /// What the last test said, if it failed.
    pub(super) fn append_message(&mut self, text: String) {
        if let Some(test) = self.tests.last_mut().filter(|test| test.status == TestStatus::Failed) {
            test.said = text;
        }
    }

    /// A further result of the test at `at`: a failure is never taken back, and nothing that ran was skipped.
    pub(super) fn update_status(&mut self, at: usize, status: TestStatus) {
        if let Some(test) = self.tests.get_mut(at) {
            test.status = worst_status(test.status, status);
        }
    }

    /// A suite that could not be built, loaded or run to its end.
    pub(super) fn broken_suite(&mut self, suite: &str) {
        self.whole = true;
        self.test(suite, WHOLE_SUITE, TestStatus::Failed);
    }

    /// Gives the tests from `mark` on the suite that the output named only after them.
    pub(super) fn name_suite(&mut self, mark: usize, suite: &str) {
        let suite = self.paths.add_name(suite);
        for test in self.tests.iter_mut().skip(mark) {
            test.suite.clone_from(&suite);
        }
    }

    /// Drops the tests from `mark` on: their suite never came.
    pub(super) fn truncate(&mut self, mark: usize) {
        self.tests.truncate(mark);
    }

    /// Gives back what was gathered where the form of the output cannot hide what passed.
    pub(super) fn into_results(mut self) -> TestResults {
        self.settle_names();
        TestResults { tests: self.tests, problem: self.problem }
    }

    fn settle_names(&mut self) {
        let paths = std::mem::take(&mut self.paths).short_names();
        for test in self.tests.iter_mut().filter(|_| !paths.is_empty()) {
            for name in [&mut test.suite, &mut test.name] {
                if let Some(short) = paths.get(name) {
                    name.clone_from(short);
                }
            }
        }
    }

    /// What the output says; `hint` is what to run so that tests are named. Where no single test ran there is nothing to compare
    /// the next run with.
    pub(super) fn said(mut self, hint: &'static str) -> Said {
        if self.nameless {
            return Said::Counts { failed: self.failed, passed: self.passed, hint };
        }
        self.settle_names();
        if self.whole && !self.single {
            let broken = self.tests.iter().filter(|test| test.name == WHOLE_SUITE);
            let why = format!("no test ran; could not run {}", name_first(broken.map(|test| &test.suite), 3));
            self.tests.clear();
            self.fail(why);
        } else if self.failed && !self.tests.iter().any(|test| test.status == TestStatus::Failed) {
            self.fail("a failure is counted, but no test is named that failed");
        }
        Said::Results(self.into_results())
    }
}

/// How many tests there are, by how they ended, as a runner counts them and as they are read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: u64,
    pub(super) failed: u64,
    /// Everything else but the total.
    pub(super) skipped: u64,
    pub(super) total: u64,
}

impl Counts {
    pub(super) fn add(&mut self, status: TestStatus) {
        self.total += 1;
        *match status {
            TestStatus::Passed => &mut self.passed,
            TestStatus::Failed => &mut self.failed,
            TestStatus::Skipped => &mut self.skipped,
        } += 1;
    }

    /// Whether every test that is counted ended.
    pub(super) const fn complete(self) -> bool {
        self.passed + self.failed + self.skipped == self.total
    }
}

/// Of two results of one test, failed before passed before skipped.
pub(super) fn worst_status(one: TestStatus, other: TestStatus) -> TestStatus {
    if one == TestStatus::Failed || other == TestStatus::Failed { TestStatus::Failed } else { one.max(other) }
}

/// Names that are absolute paths. They differ with the folder in which the tree lies: of each only so much of its end is kept
/// that no two of one output have one name.
#[derive(Default)]
pub(super) struct Paths(BTreeSet<String>);

/// Most parts of a path that are kept.
const PARTS_LIMIT: usize = 32;

impl Paths {
    /// The name to be kept until all are known: of a path it is the whole, of any other name what it is in the end.
    pub(super) fn add_name(&mut self, name: &str) -> String {
        let path = name.starts_with('/') && !name.ends_with('/') && !name.contains(char::is_whitespace);
        if !path {
            return shorten_name(name);
        }
        let path = cut(name).into_owned();
        if self.0.len() < RESULTS_LIMIT {
            self.0.insert(path.clone());
        }
        path
    }

    /// What each path that was noted is called.
    pub(super) fn short_names(self) -> BTreeMap<String, String> {
        let (mut short, mut open) = (BTreeMap::new(), self.0);
        for parts in 1..=PARTS_LIMIT {
            let mut alike: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for path in std::mem::take(&mut open) {
                alike.entry(last_parts(&path, parts).to_owned()).or_default().push(path);
            }
            for (end, mut paths) in alike {
                match paths.pop() {
                    Some(path) if paths.is_empty() || parts == PARTS_LIMIT => {
                        short.insert(path, shorten_name(&end));
                        short.extend(paths.into_iter().map(|path| (path.clone(), shorten_name(&path))));
                    }
                    path => open.extend(paths.into_iter().chain(path)),
                }
            }
        }
        short
    }
}

/// The last parts of a path.
fn last_parts(path: &str, parts: usize) -> &str {
    path.rmatch_indices('/').nth(parts - 1).map_or(path, |(at, _)| &path[at + 1..])
}

/// A name that is repeated with each of many tests, bounded: an endless one must not be copied as often.
pub(super) fn cut(name: &str) -> Cow<'_, str> {
    bounded(name, 4 * NAME_LIMIT)
}

/// `12 tests` as 12, if the words after the number are one of `words`.
pub(super) fn parse_count(text: &str, words: &[&str]) -> Option<u64> {
    let (number, word) = text.trim().split_once(' ')?;
    if words.contains(&word.trim()) { number.parse().ok() } else { None }
}

/// Takes a trailing `(…)` off as often as its content is `wanted`, with the blanks before it.
pub(super) fn without_trailing(mut text: &str, wanted: fn(&str) -> bool) -> &str {
    loop {
        let open = text.strip_suffix(')').and_then(|head| head.rfind('(').map(|at| (&head[..at], &head[at + 1..])));
        match open {
            Some((head, inside)) if wanted(inside) => text = head.trim_end(),
            _ => return text,
        }
    }
}

/// Whether a text is a duration such as `12 ms`, `1.204 s` or `3ms`.
pub(super) fn is_duration(text: &str) -> bool {
    let number = text.strip_suffix("ms").or_else(|| text.strip_suffix('s')).or_else(|| text.strip_suffix('m'));
    number.is_some_and(|number| {
        let number = number.trim_end();
        number.starts_with(|c: char| c.is_ascii_digit()) && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    })
}

#[cfg(test)]
#[path = "report_tests.rs"]
pub(super) mod tests;
