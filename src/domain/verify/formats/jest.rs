//! The text of jest with `--verbose`: a tree of tests below each file.
//!
//! Promises: a test is identified by its file and by the names of its blocks and its own, whatever signs and lines they have; a file that failed to run is a failed
//! suite; the results are those of the `Tests:` line or the report is not whole.

use super::report::{Counts, Report, Said, cut, is_duration, parse_count, without_trailing};
use crate::domain::verify::model::results::TestStatus;
use std::borrow::Cow;

const HINT: &str = "run jest with --verbose";
const DEPTH_LIMIT: usize = 64;

/// One line of a tree, and the lines its name goes on in.
struct Entry<'a> {
    depth: usize,
    text: &'a str,
    more: Vec<&'a str>,
}

#[derive(Default)]
struct Reader<'a> {
    report: Report,
    file: Option<Cow<'a, str>>,
    /// Inside the tree that stands directly below the file.
    tree: bool,
    blocks: Vec<String>,
    /// The last line of the tree: a block if what follows is deeper, else a test.
    last: Option<Entry<'a>>,
    read: Counts,
    /// Files that failed to run to their end since the last `Tests:` line: jest counts their tests and does not print them.
    broken: u64,
    /// Whether a file stood there without its tests: without `--verbose` they are counted only.
    bare: bool,
    /// Whether anything was told of the file.
    told: bool,
    suites: Option<Counts>,
    runs: u64,
    /// Below `Summary of all failing tests`, where everything is said again.
    again: bool,
    /// Whether a test ended the process, perhaps with exit code 0.
    left: bool,
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
        // In a tree only what a name goes on with stands at the margin.
        let margin = !line.is_empty() && !line.starts_with("  ") && header(line).is_none();
        if let Some(last) = self.last.as_mut().filter(|last| margin && last.more.len() < DEPTH_LIMIT) {
            return last.more.push(line);
        }
        if margin || line.is_empty() || !self.tree {
            self.settle_line(0);
        }
        if let Some(suites) = line.strip_prefix("Test Suites: ").and_then(parse_counts) {
            self.suites = Some(suites);
            self.leave_file();
        } else if let (Some(suites), Some(tests)) = (self.suites, line.strip_prefix("Tests: ").and_then(parse_counts)) {
            self.close(suites, tests);
        } else if line.starts_with("  ●  process.exit called with \"") {
            self.report.fail("a test called process.exit");
            self.left = true;
        } else if line == "Summary of all failing tests" {
            self.again = true;
        } else if let Some(file) = header(line).filter(|_| !self.again) {
            self.leave_file();
            self.file = Some(cut(file));
            self.told = false;
            self.tree = true;
            self.blocks.clear();
        } else if line.is_empty() {
            self.tree = false;
        } else if let Some(file) = &self.file {
            if self.tree {
                self.entry(line);
            } else if line == "  ● Test suite failed to run" {
                self.report.broken_suite(file);
                self.broken += 1;
                self.file = None;
            }
        }
    }

    /// Ends what is told of a file.
    fn leave_file(&mut self) {
        self.bare |= self.file.take().is_some() && !self.told;
    }

    fn entry(&mut self, line: &'a str) {
        self.told = true;
        let text = line.trim_start();
        let depth = ((line.len() - text.len()) / 2).saturating_sub(1);
        self.settle_line(depth);
        if line.starts_with("  ● Test suite failed to run") {
            if let Some(file) = &self.file {
                self.report.broken_suite(file);
                self.broken += 1;
            }
        } else if depth <= self.blocks.len() && depth < DEPTH_LIMIT {
            self.blocks.truncate(depth);
            self.last = Some(Entry { depth, text, more: Vec::new() });
        }
    }

    /// Takes the last line for a block if the next one, at `depth`, is deeper; else for a test.
    fn settle_line(&mut self, depth: usize) {
        let (Some(last), Some(file)) = (self.last.take(), &self.file) else { return };
        let test = last.text.split_once(' ').and_then(|(sign, name)| parse_sign(sign, name));
        let Some((status, name)) = test.filter(|_| depth <= last.depth) else {
            if depth <= last.depth {
                self.report.fail(format!("`{}` is no test and has none", last.text));
            }
            return self.blocks.push(cut(&last.full_name(last.text)).into_owned());
        };
        self.read.add(status);
        let name = last.full_name(name);
        let name = without_trailing(&name, is_duration);
        let path: Vec<&str> = self.blocks.iter().map(String::as_str).chain([name]).collect();
        self.report.test(file, &path.join(" > "), status);
    }

    /// Suites that were skipped as a whole have no tree, so skipped tests may be counted only.
    fn close(&mut self, suites: Counts, tests: Counts) {
        self.runs += 1;
        self.again = false;
        self.suites = None;
        self.report.failed |= suites.failed + tests.failed > 0;
        self.report.passed += tests.passed;
        let read = std::mem::take(&mut self.read);
        let broken = std::mem::take(&mut self.broken) > 0;
        let bare = std::mem::take(&mut self.bare);
        let unnamed = broken && !bare && read.passed <= tests.passed && read.failed <= tests.failed;
        if unnamed && read == Counts::default() && tests.passed + tests.failed > 0 {
            self.report.single = true;
        } else if read == Counts::default() && tests.passed + tests.failed > 0 {
            self.report.nameless = true;
        } else if !suites.complete() {
            self.report.fail(format!("not all of {} files were run", suites.total));
        } else if !unnamed && (read.passed, read.failed) != (tests.passed, tests.failed) || read.skipped > tests.skipped
        {
            self.report.fail(format!("{} tests by the last lines, {} were read", tests.total, read.total));
        }
    }

    fn finish(mut self) -> Said {
        self.settle_line(0);
        let cut_off = self.read != Counts::default();
        if self.runs == 0 && !cut_off && !self.left {
            return Said::Nothing;
        }
        if cut_off {
            self.report.fail("no `Tests:` line after the last file: the run was cut off");
        }
        self.report.said(HINT)
    }
}

impl Entry<'_> {
    /// The name with the lines it goes on in.
    fn full_name(&self, name: &str) -> String {
        let lines = [name].into_iter().chain(self.more.iter().map(|line| line.trim()));
        lines.collect::<Vec<_>>().join(" ")
    }
}

/// What the sign in front of a test says of it, and its name behind the word that says it again.
fn parse_sign<'a>(sign: &str, name: &'a str) -> Option<(TestStatus, &'a str)> {
    match sign {
        "✓" | "√" => Some((TestStatus::Passed, name)),
        "✕" | "×" => Some((TestStatus::Failed, name)),
        "○" => Some((TestStatus::Skipped, name.strip_prefix("skipped ").unwrap_or(name))),
        "✎" => Some((TestStatus::Skipped, name.strip_prefix("todo ").unwrap_or(name))),
        _ => None,
    }
}

/// The file of `PASS src/a.test.js (5.2 s)`.
pub(super) fn header(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("PASS ").or_else(|| line.strip_prefix("FAIL "))?;
    let heap = |inside: &str| is_duration(inside) || inside.ends_with(" heap size");
    let file = without_trailing(rest.trim(), heap);
    let file = file.strip_prefix("./").unwrap_or(file);
    (!file.is_empty() && file.contains('.')).then_some(file)
}

/// `      1 skipped, 1 todo, 8 passed, 10 total`; `1 failed, 1 of 6 total` when the rest was not run.
fn parse_counts(text: &str) -> Option<Counts> {
    let mut counts = Counts::default();
    let mut whole = false;
    for part in text.trim().split(", ") {
        if let Some(total) = part.strip_suffix(" total") {
            counts.total = total.rsplit(' ').next()?.parse().ok()?;
            whole = true;
        } else if let Some(passed) = parse_count(part, &["passed"]) {
            counts.passed = passed;
        } else if let Some(failed) = parse_count(part, &["failed"]) {
            counts.failed = failed;
        } else {
            counts.skipped += parse_count(part, &["skipped", "todo", "pending", "obsolete"])?;
        }
    }
    whole.then_some(counts)
}

#[cfg(test)]
#[path = "jest_tests.rs"]
mod tests;
