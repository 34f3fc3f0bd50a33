//! The text of vitest: its verbose reporter, a line for each test, and its tree reporter.
//!
//! Promises: a test is identified by its file and by the names of its blocks and its own, without what differs from run to run; of
//! several runs in one output it stands at the folder of its own; a file or block that failed besides
//! its tests is a failed suite; the results are those of the `Tests` line or the report is not whole; the default
//! reporter, which names only some tests, is not read as results.

use super::found::digits;
use super::report::{Counts, Report, Said, cut, is_duration};
use crate::domain::verify::model::results::{Place, TestStatus};
use std::collections::BTreeSet;

const HINT: &str = "run vitest with --reporter=verbose, or --reporter=junit";
const DEPTH_LIMIT: usize = 64;

/// One line of a tree, before it is known whether it has lines below it.
struct Leaf<'a> {
    depth: usize,
    status: Option<TestStatus>,
    name: &'a str,
}

/// A test: its file, the blocks it is in, and its name with what is printed behind it.
struct Test<'a> {
    file: &'a str,
    blocks: Vec<&'a str>,
    name: &'a str,
    status: TestStatus,
}

impl Test<'_> {
    /// The name with its blocks; `timed` is whether one time is printed behind it.
    fn path(&self, timed: bool) -> String {
        let name = if timed { without_time(self.name) } else { without_times(self.name) };
        self.blocks.iter().copied().chain([name]).collect::<Vec<_>>().join(" > ")
    }
}

/// Whether a time is printed behind each test that ran: then what else looks like one belongs to the name. Older versions
/// print it behind slow tests only.
fn has_times(tests: &[Test<'_>]) -> bool {
    let ran = |test: &&Test<'_>| test.status != TestStatus::Skipped;
    tests.iter().filter(ran).all(|test| without_time(test.name) != without_notes(test.name))
}

/// One run, from ` RUN  v` on.
#[derive(Default)]
struct Run<'a> {
    /// The folder it is of, as its first line names it.
    root: &'a str,
    verbose: Vec<Test<'a>>,
    tree: Vec<Test<'a>>,
    /// The failed tests by file and name, made when the first failure is reported, below all tests.
    failed: Option<BTreeSet<(String, String)>>,
    /// Whether the tree is surely one of the tree reporter, and not failing tests of the default reporter.
    surely_tree: bool,
    file: Option<(&'a str, u64, u64)>,
    blocks: Vec<&'a str>,
    leaf: Option<Leaf<'a>>,
    broken: Vec<&'a str>,
    files: Option<Counts>,
    tests: Option<Counts>,
    errors: bool,
    /// Inside `stdout | file > test`, up to the next empty line.
    captured: bool,
    reports: bool,
    overflow: bool,
}

/// What the output says.
pub(super) fn parse_output(output: &str) -> Said {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for line in output.lines() {
        let line = line.trim_end();
        let begun = line.trim_start().strip_prefix("RUN  v").filter(|v| v.starts_with(|c: char| c.is_ascii_digit()));
        if let Some(begun) = begun {
            let root = begun.split_once(' ').map_or("", |(_, root)| root.trim());
            runs.push(Run { root, ..Run::default() });
        } else if let Some(run) = runs.last_mut() {
            run.read_line(line);
        }
    }
    let mut report = Report::default();
    let mut any = false;
    for run in &mut runs {
        report.place = place_of(run.root);
        run.end_file();
        any |= run.tests.is_some() || !run.verbose.is_empty() || !run.tree.is_empty();
        report.failed |= run.errors
            || [run.files, run.tests].into_iter().flatten().any(|counts| counts.failed > 0 || !counts.complete());
        report.passed += run.tests.map_or(0, |tests| tests.passed);
        run.judge(&mut report);
    }
    if any { report.said(HINT) } else { Said::Nothing }
}

/// Where a run stands by the folder it is of, as seen from the top of the workspace, whose own path is taken out of outputs. What
/// lies elsewhere has another path in each workspace.
fn place_of(root: &str) -> Place {
    let file = match root {
        "" => ".".to_owned(),
        _ if root.starts_with('/') => String::new(),
        _ => cut(root).into_owned(),
    };
    Place { file, ..Place::default() }
}

impl<'a> Run<'a> {
    fn read_line(&mut self, line: &'a str) {
        let text = line.trim_start();
        if let Some(counts) = text.strip_prefix("Test Files  ").and_then(parse_counts) {
            self.end_file();
            self.files = Some(counts);
        } else if let (Some(_), Some(counts)) = (self.files, text.strip_prefix("Tests  ").and_then(parse_counts)) {
            self.tests = Some(counts);
        } else if self.tests.is_some() && text.starts_with("Errors  ") {
            self.errors = true;
        } else if line.is_empty() {
            self.captured = false;
        } else if line.starts_with("stdout | ") || line.starts_with("stderr | ") {
            self.captured = true;
        } else if text.starts_with('⎯') {
            self.end_file();
            self.reports = true;
        } else if self.reports {
            self.report(text);
        } else if !self.captured {
            self.result(line);
        }
    }

    /// `FAIL  broken.test.js [ broken.test.js ]` stands for a file, `FAIL  a.test.js > group` for a block or a test.
    fn report(&mut self, text: &'a str) {
        let Some(what) = text.strip_prefix("FAIL  ") else { return };
        let file = what.split_once(" [ ").filter(|(file, again)| again.strip_suffix(" ]") == Some(*file));
        let (file, name) = file.map_or_else(|| what.split_once(" > ").unwrap_or((what, "")), |(file, _)| (file, ""));
        let known = self.failed.get_or_insert_with(|| {
            let failed = |tests: &[Test<'_>]| -> Vec<_> {
                let (timed, failed) = (has_times(tests), tests.iter().filter(|test| test.status == TestStatus::Failed));
                failed.map(|test| (cut(test.file).into_owned(), cut(&test.path(timed)).into_owned())).collect()
            };
            failed(&self.verbose).into_iter().chain(failed(&self.tree)).collect()
        });
        let known = known.contains(&(cut(file).into_owned(), cut(name).into_owned()));
        if !known && !self.broken.contains(&file) && self.broken.len() < 1000 {
            self.broken.push(file);
        }
    }

    fn result(&mut self, line: &'a str) {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        let Some((sign, rest)) = text.split_once(' ') else { return };
        let status = match sign {
            "✓" | "√" => Some(TestStatus::Passed),
            "×" | "✗" => Some(TestStatus::Failed),
            "↓" | "□" => Some(TestStatus::Skipped),
            "❯" | "·" => None,
            _ => return,
        };
        if self.verbose.len() + self.tree.len() >= super::RESULTS_LIMIT {
            self.overflow = true;
        } else if indent == 1 {
            self.end_file();
            if let Some((file, tests)) = file_of(rest) {
                self.file = Some((file, tests, 0));
            } else if let (Some(status), Some((file, name))) = (status, rest.split_once(" > ")) {
                self.verbose.push(Test { file, blocks: Vec::new(), name, status });
            }
        } else if self.file.is_some() && indent >= 3 && indent % 2 == 1 {
            self.read_entry((indent - 3) / 2, status, rest);
        }
    }

    fn read_entry(&mut self, depth: usize, status: Option<TestStatus>, rest: &'a str) {
        self.settle_line(depth);
        if depth <= self.blocks.len() && depth < DEPTH_LIMIT {
            self.blocks.truncate(depth);
            self.leaf = Some(Leaf { depth, status, name: rest });
        }
    }

    /// The line before is a block if the next one, at `depth`, is deeper; else it is a test.
    fn settle_line(&mut self, depth: usize) {
        let Some(leaf) = self.leaf.take() else { return };
        let name = block_of(without_times(leaf.name)).filter(|_| depth > leaf.depth);
        if let Some(name) = name {
            self.surely_tree = true;
            self.blocks.push(name);
        } else if let (Some(status), Some((file, _, leaves))) = (leaf.status, &mut self.file) {
            *leaves += 1;
            self.tree.push(Test { file, blocks: self.blocks.clone(), name: leaf.name, status });
        }
    }

    fn end_file(&mut self) {
        self.settle_line(0);
        self.blocks.clear();
        if let Some((file, tests, leaves)) = self.file.take() {
            let own = self.tree.iter().rev().take_while(|test| test.file == file);
            let green = !own.into_iter().any(|test| test.status == TestStatus::Failed);
            self.surely_tree |= green && leaves == tests && tests > 0;
        }
    }

    /// Puts the tests into the report if they are those of the last lines, and not counted only.
    fn judge(&self, report: &mut Report) {
        let Some(said) = self.tests else {
            if !self.verbose.is_empty() || !self.tree.is_empty() {
                report.fail("no `Tests` line: the run was cut off");
                add_tests(&self.verbose, report);
            }
            return;
        };
        let (mut verbose, mut tree) = (Counts::default(), Counts::default());
        self.verbose.iter().for_each(|test| verbose.add(test.status));
        self.tree.iter().for_each(|test| tree.add(test.status));
        let read = if verbose.total > 0 { verbose } else { tree };
        let named = verbose.total > 0 || tree == said && self.surely_tree;
        if !named && said.passed + said.failed > 0 {
            report.nameless = true;
            return;
        }
        if self.errors {
            report.fail("vitest caught errors outside of tests");
        } else if !said.complete() {
            report.fail(format!("not all of {} tests were run", said.total));
        } else if self.overflow {
            report.fail(format!("more than {} tests in one output", super::RESULTS_LIMIT));
        } else if read != said {
            report.fail(format!("{} tests by the last lines, {} were read", said.total, read.total));
        }
        add_tests(if self.verbose.is_empty() { &self.tree } else { &self.verbose }, report);
        self.broken.iter().for_each(|file| report.broken_suite(file));
    }
}

fn add_tests(tests: &[Test<'_>], report: &mut Report) {
    let timed = has_times(tests);
    tests.iter().for_each(|test| report.test(&cut(test.file), &cut(&test.path(timed)), test.status));
}

/// `math.test.js (10 tests | 1 skipped) 354ms` as the file and how many tests it has.
fn file_of(text: &str) -> Option<(&str, u64)> {
    let (file, rest) = without_times(text).rsplit_once(" (")?;
    let tests = rest.strip_suffix(')')?.split(" | ").next()?;
    let tests = tests.strip_suffix(" tests").or_else(|| tests.strip_suffix(" test")).unwrap_or(tests);
    Some((file, tests.parse().ok()?))
}

/// `more (7)` is the block `more`.
fn block_of(text: &str) -> Option<&str> {
    let (name, count) = text.rsplit_once(" (")?;
    count.strip_suffix(')').is_some_and(digits).then_some(name)
}

/// Takes off ` (retry x1)`, ` (repeat x2)` and ` 20 MB heap used`.
fn without_notes(mut text: &str) -> &str {
    loop {
        text = text.trim_end();
        let note = text.rsplit_once(' ').and_then(|(head, last)| {
            let head = head.strip_suffix("(retry").or_else(|| head.strip_suffix("(repeat"))?;
            last.strip_suffix(')').filter(|n| n.starts_with('x')).map(|_| head)
        });
        let heap = || text.strip_suffix(" MB heap used").and_then(|text| text.rsplit_once(' ')).map(|(head, _)| head);
        match note.or_else(heap) {
            Some(head) => text = head,
            None => return text,
        }
    }
}

/// Takes off the notes and one ` 12ms`.
fn without_time(text: &str) -> &str {
    let text = without_notes(text);
    text.rsplit_once(' ').filter(|(_, last)| is_duration(last)).map_or(text, |(head, _)| without_notes(head))
}

/// Takes off all notes and times.
fn without_times(mut text: &str) -> &str {
    loop {
        match without_time(text) {
            same if same.len() == text.len() => return text,
            shorter => text = shorter,
        }
    }
}

/// `2 failed | 3 passed | 1 expected fail | 1 skipped (7)`.
fn parse_counts(text: &str) -> Option<Counts> {
    let text = text.trim();
    let (parts, total) = match text.rsplit_once('(') {
        Some((parts, total)) => (parts.trim(), total.strip_suffix(')')?),
        None if text.starts_with("no tests") => return Some(Counts::default()),
        None => return None,
    };
    let mut counts = Counts { total: total.parse().ok()?, ..Counts::default() };
    for part in parts.split(" | ").filter(|part| !part.is_empty()) {
        let (number, word) = part.trim().split_once(' ')?;
        let place = match word {
            "passed" | "expected fail" => &mut counts.passed,
            "failed" => &mut counts.failed,
            "skipped" | "todo" => &mut counts.skipped,
            _ => return None,
        };
        *place += number.parse::<u64>().ok()?;
    }
    Some(counts)
}

#[cfg(test)]
#[path = "vitest_tests.rs"]
mod tests;
