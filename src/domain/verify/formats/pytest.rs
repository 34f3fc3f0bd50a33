//! The text of pytest: result lines of `-v` (also under xdist), else the short summary of `-rA`.
//!
//! Promises: a test is identified by its node id, split at the file; several results of one node are one test and the worst
//! counts; while a node has no result, nothing else is one; a file that could not be collected is a failed suite; the results are those of the last line or the report is
//! not whole; with dots only nothing is called a test.

use super::found::digits;
use super::report::{Report, Said, is_duration};
use crate::domain::verify::model::results::TestStatus;
use std::collections::{BTreeMap, BTreeSet};

const HINT: &str = "run pytest with -v or -rA, or write --junitxml";

/// What one result line says; the order is from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Rerun,
    SubPassed,
    Xfailed,
    Skipped,
    Xpassed,
    Passed,
    SubFailed,
    Failed,
    Error,
}

/// How often each event occurred, and what is known of each node.
#[derive(Default)]
struct Events<'a> {
    counts: BTreeMap<Event, u64>,
    nodes: BTreeMap<&'a str, Event>,
    order: Vec<&'a str>,
    dropped: bool,
}

impl<'a> Events<'a> {
    fn add(&mut self, node: &'a str, event: Event) {
        *self.counts.entry(event).or_default() += 1;
        if let Some(known) = self.nodes.get_mut(node) {
            *known = event.max(*known);
        } else if self.order.len() < super::RESULTS_LIMIT {
            self.nodes.insert(node, event);
            self.order.push(node);
        } else {
            self.dropped = true;
        }
    }

    fn count(&self, event: Event) -> u64 {
        self.counts.get(&event).copied().unwrap_or(0)
    }
}

/// What the last line of a session counts.
#[derive(Default, Clone, Copy)]
struct Summary {
    passed: u64,
    failed: u64,
    errors: u64,
    skipped: u64,
    xfailed: u64,
    xpassed: u64,
}

/// What is read of one session, or of all output as if it were one.
#[derive(Default)]
struct Session<'a> {
    lines: Events<'a>,
    short: Events<'a>,
    /// Files that could not be collected.
    broken: BTreeSet<&'a str>,
    summary: Option<Summary>,
    interrupted: Option<&'a str>,
    /// It said that it broke itself.
    internal: bool,
    place: Place,
    /// A node whose result is still to come.
    pending: Option<&'a str>,
    previous: &'a str,
    header: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Results,
    /// In the reports of failures and of captured output.
    Reports,
    Short,
}

/// What the output says.
pub(super) fn parse_output(output: &str) -> Said {
    let whole = session(output);
    let fits = |session: &Session<'_>| {
        session.summary.is_some() && (session.named_events().is_some() || session.is_nameless())
    };
    // Captured output may hold whole sessions; several real ones each have their own summary.
    let starts = output.lines().filter(|line| parse_heading(line) == Some("test session starts"));
    let starts: Vec<usize> = starts.map(|line| line.as_ptr() as usize - output.as_ptr() as usize).collect();
    if !fits(&whole) && starts.len() > 1 && starts.len() <= 100 {
        let ends = starts.iter().skip(1).copied().chain([output.len()]);
        let parts: Vec<Session<'_>> = starts.iter().zip(ends).map(|(from, to)| session(&output[*from..to])).collect();
        if parts.iter().all(fits) {
            return join_sessions(&parts);
        }
    }
    join_sessions(&[whole])
}

fn join_sessions(sessions: &[Session<'_>]) -> Said {
    let mut report = Report::default();
    for session in sessions {
        if session.internal {
            report.fail("pytest had an internal error");
        }
        let Some(summary) = session.summary else {
            if !session.header {
                return Said::Nothing;
            }
            report.fail("no summary line: the session was cut off");
            session.add_results(&session.lines, &mut report);
            continue;
        };
        report.failed |= summary.failed + summary.errors > 0;
        report.passed += summary.passed + summary.xpassed;
        if let Some(why) = session.interrupted {
            report.fail(why);
        }
        match session.named_events() {
            Some(events) => session.add_results(events, &mut report),
            None if session.is_nameless() => report.nameless = true,
            None => {
                let read = session.lines.order.len();
                report.fail(format!("{read} tests were read, which are not those that the last line counts: {HINT}"));
                session.add_results(&session.lines, &mut report);
            }
        }
    }
    report.said(HINT)
}

impl<'a> Session<'a> {
    /// The events that are those of the summary; the short summary does not name what was skipped.
    fn named_events(&self) -> Option<&Events<'a>> {
        let summary = self.summary?;
        let broken = self.broken.len() as u64;
        let agrees = |events: &Events<'a>| {
            events.count(Event::Passed) == summary.passed
                && events.count(Event::Failed) + events.count(Event::SubFailed) == summary.failed
                && events.count(Event::Error) + broken == summary.errors
                && events.count(Event::Skipped) <= summary.skipped
        };
        let verbose = !self.lines.order.is_empty();
        let lines = agrees(&self.lines)
            && self.lost_node().is_none()
            && self.lines.count(Event::Xfailed) == summary.xfailed
            && self.lines.count(Event::Xpassed) == summary.xpassed;
        let ran = summary.passed + summary.failed + summary.xfailed + summary.xpassed;
        if lines && (verbose || ran == 0) {
            Some(&self.lines)
        } else {
            (summary.passed > 0 && agrees(&self.short)).then_some(&self.short)
        }
    }

    /// The node that was begun last and has no result: what counts in its place is another's.
    fn lost_node(&self) -> Option<&'a str> {
        self.pending.filter(|node| is_test_node(node) && !self.lines.nodes.contains_key(node))
    }

    /// Whether no passed test is named at all: dots.
    fn is_nameless(&self) -> bool {
        self.lines.order.is_empty() && self.short.count(Event::Passed) == 0
    }

    fn add_results(&self, events: &Events<'a>, report: &mut Report) {
        for node in &events.order {
            let status = match events.nodes.get(node) {
                Some(Event::Passed | Event::Xpassed) => TestStatus::Passed,
                Some(Event::Failed | Event::SubFailed | Event::Error) => TestStatus::Failed,
                Some(Event::Skipped | Event::Xfailed) => TestStatus::Skipped,
                Some(Event::Rerun | Event::SubPassed) | None => continue,
            };
            let (file, name) = node.split_once("::").unwrap_or(("", node));
            report.test(file, name, status);
        }
        if events.dropped {
            report.fail(format!("more than {} tests in one output", super::RESULTS_LIMIT));
        }
        self.broken.iter().for_each(|file| report.broken_suite(file));
    }

    fn read_line(&mut self, raw: &'a str) {
        let line = raw.trim_end();
        let title = parse_heading(line);
        if let Some(summary) = parse_summary(title.unwrap_or(line)) {
            self.summary = Some(summary);
            self.interrupted = parse_banner(self.previous);
            self.place = if title.is_some() { Place::Results } else { self.place };
        } else if let Some(title) = title {
            self.read_heading(title);
        } else if self.place == Place::Results {
            self.result(raw.trim_end_matches(['\r', '\n']));
        } else if let Some(file) = line.strip_prefix('_').and_then(parse_collecting) {
            self.broken.insert(file);
        } else if self.place == Place::Short {
            self.read_short_summary(line);
        }
        if !line.is_empty() {
            self.previous = line;
        }
    }

    fn read_heading(&mut self, title: &str) {
        if title == "test session starts" {
            self.header = true;
        } else if title == "short test summary info" {
            self.short = Events::default();
            self.place = Place::Short;
        } else {
            self.place = Place::Reports;
        }
    }

    /// `test_a.py::test_b[x] PASSED    [ 50%]`, or under xdist `[gw0] [ 50%] PASSED test_a.py::test_b[x] `.
    fn result(&mut self, line: &'a str) {
        if let Some(rest) = line.strip_prefix("[gw").and_then(|rest| rest.split_once("] [")) {
            let rest = rest.1.split_once("%] ").and_then(|(_, rest)| rest.split_once(' '));
            // A line that does not end in a blank has something of another process in it.
            if let Some((word, node)) = rest
                && let (Some(event), Some(node)) = (event(word), node.strip_suffix(' '))
                && node.contains("::")
            {
                self.lines.add(node, event);
            }
            return;
        }
        let line = without_progress(line.trim_end());
        // Until a node has its result no other one begins: what looks like it is what the test prints.
        let open = self.pending.filter(|node| is_test_node(node));
        if let (Some(node), Some(event)) = (self.pending, event(line)) {
            self.pending = None;
            self.lines.add(node, event);
        } else if let Some((node, event)) = parse_verbose(line) {
            if open.is_none_or(|open| open == node) {
                self.pending = None;
                self.lines.add(node, event);
            }
        } else if line.starts_with("INTERNALERROR> ") {
            self.internal = true;
        } else if open.is_none() && !line.starts_with(char::is_whitespace) && line.contains("::") {
            self.pending = leading_node(line);
        }
    }

    /// `FAILED test_a.py::test_b[x] - AssertionError: …`.
    fn read_short_summary(&mut self, line: &'a str) {
        let Some((word, rest)) = line.split_once(' ') else { return };
        let Some(event) = event(word) else { return };
        match event {
            Event::Skipped => {}
            Event::Passed => self.short.add(rest, event),
            Event::SubFailed | Event::SubPassed => {
                let node = rest.find("::").map(|at| &rest[rest[..at].rfind(' ').map_or(0, |blank| blank + 1)..]);
                self.short.add(node_of(node.unwrap_or(rest)), event);
            }
            Event::Error if !node_of(rest).contains("::") => {
                self.broken.insert(node_of(rest));
            }
            _ => self.short.add(node_of(rest), event),
        }
    }
}

fn session(text: &str) -> Session<'_> {
    let mut session = Session::default();
    text.lines().for_each(|line| session.read_line(line));
    session
}

/// The title of `==== title ====`.
fn parse_heading(line: &str) -> Option<&str> {
    let title = line.strip_prefix('=')?.strip_suffix('=')?.trim_matches('=');
    title.strip_prefix(' ')?.strip_suffix(' ').filter(|title| !title.is_empty())
}

/// The text of `!!!! text !!!!`.
fn parse_banner(line: &str) -> Option<&str> {
    let text = line.strip_prefix("!!")?.strip_suffix("!!")?.trim_matches('!').trim();
    (!text.is_empty()).then_some(text)
}

/// The file of `____ ERROR collecting test_a.py ____`.
fn parse_collecting(line: &str) -> Option<&str> {
    line.trim_matches('_').trim().strip_prefix("ERROR collecting ")
}

/// A word of a result line; older versions and plugins write `SUBPASS` and `SUBFAIL`, newer add what the subtest is.
fn event(word: &str) -> Option<Event> {
    let plain = word.split_once(['[', '(']).map_or(word, |(head, _)| head);
    let event = match plain {
        "SUBPASSED" | "SUBPASS" | "SUBSKIPPED" | "SUBSKIP" | "SUBXFAIL" => Event::SubPassed,
        "SUBFAILED" | "SUBFAIL" => Event::SubFailed,
        _ if plain.len() != word.len() => return None,
        "PASSED" => Event::Passed,
        "FAILED" => Event::Failed,
        "ERROR" => Event::Error,
        "SKIPPED" => Event::Skipped,
        "XFAIL" => Event::Xfailed,
        "XPASS" => Event::Xpassed,
        "RERUN" => Event::Rerun,
        _ => return None,
    };
    Some(event)
}

/// Splits `node WORD` and `node WORD (reason)`.
fn parse_verbose(line: &str) -> Option<(&str, Event)> {
    let node = |at: usize| Some(&line[..at]).filter(|node| leading_node(node) == Some(node));
    if let Some(at) = line.rfind(' ')
        && let (Some(node), Some(event)) = (node(at), event(&line[at + 1..]))
    {
        return Some((node, event));
    }
    if !line.ends_with(')') && !line.ends_with(']') {
        return None;
    }
    let words = ["SKIPPED (", "XFAIL (", "XPASS (", "SUBPASS", "SUBFAIL", "SUBSKIP"];
    let found = words.iter().filter_map(|word| line.find(&format!(" {word}")).map(|at| (at, word))).min()?;
    let word = line[found.0 + 1..].split(' ').next()?;
    Some((node(found.0)?, event(word)?))
}

/// The node id a line begins with; without capture the output of the test follows it. Only the file and what is in brackets
/// may contain blanks.
fn leading_node(line: &str) -> Option<&str> {
    let name = line.find("::")? + 2;
    let plain = line[name..].find(|c: char| c.is_whitespace() || c == '[').map_or(line.len(), |at| name + at);
    let end = match line[plain..].starts_with('[') {
        true if line.ends_with(']') => line.len(),
        true => plain + line[plain..].find("] ")? + 1,
        false => plain,
    };
    (!line.starts_with(' ') && end > name).then_some(&line[..end])
}

/// Whether a line that begins with this node is pytest's own, and not something that has `::` in it.
fn is_test_node(node: &str) -> bool {
    node.split_once("::").is_some_and(|(file, _)| file.ends_with(".py"))
}

/// Takes off `   [ 50%]` and its variants with counts or times.
fn without_progress(line: &str) -> &str {
    let Some((head, inside)) = line.strip_suffix(']').and_then(|line| line.rsplit_once(" [")) else { return line };
    let text = inside.trim();
    let percent = text.strip_suffix('%').is_some_and(digits);
    let counter = text.split_once('/').is_some_and(|(a, b)| digits(a.trim()) && digits(b));
    if percent || counter || is_duration(text) { head.trim_end() } else { line }
}

/// The node id before ` - message`; a blank and a dash may also stand in the brackets of a parameter.
fn node_of(text: &str) -> &str {
    let ends = text.match_indices(" - ").map(|(at, _)| &text[..at]);
    let closed = |node: &&str| {
        let name = node.rfind("::").map_or(*node, |at| &node[at..]);
        !name.contains('[') || name.ends_with(']')
    };
    let first = ends.clone().take(16).find(closed);
    first.unwrap_or(text)
}

/// `6 failed, 3 passed, 1 skipped, 1 xpassed, 2 errors in 0.03s`, also with `(0:01:02)` behind it.
fn parse_summary(text: &str) -> Option<Summary> {
    let (counts, time) = text.rsplit_once(" in ")?;
    let time = time.split_once(" (").map_or(time, |(seconds, _)| seconds);
    if !is_duration(time) {
        return None;
    }
    let mut summary = Summary::default();
    if counts == "no tests ran" {
        return Some(summary);
    }
    for part in counts.split(", ") {
        let (number, word) = part.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        let place = match word {
            "passed" => &mut summary.passed,
            "failed" => &mut summary.failed,
            "error" | "errors" => &mut summary.errors,
            "skipped" => &mut summary.skipped,
            "xfailed" => &mut summary.xfailed,
            "xpassed" => &mut summary.xpassed,
            "deselected" | "warning" | "warnings" | "rerun" => continue,
            _ if word.starts_with("subtests ") => continue,
            _ => return None,
        };
        *place = number;
    }
    Some(summary)
}

#[cfg(test)]
#[path = "pytest_tests.rs"]
mod tests;
