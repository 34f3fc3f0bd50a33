//! TAP 12, 13 and 14 (<https://testanything.org/tap-version-14-specification.html>) as per-test results.
//!
//! Promises: recognised by structure only, never guessed from words; a test is identified by its description, without
//! number, directive and duration; a report that is not whole (plan, bail out) is a problem and never a pass;
//! any text is read in one pass with bounded memory per line and in all.

use super::found::digits;
use super::report::Paths;
use super::{RESULTS_LIMIT, said, shorten_name};
use crate::domain::base::text::floor_char_boundary;
use crate::domain::verify::model::results::{TestResult, TestResults, TestStatus};
use std::collections::BTreeMap;

const DEPTH_LIMIT: usize = 16;
const INDENT: usize = 4;

/// Whether the output is TAP beyond doubt: a version line, or a plan line and a result line, all unindented.
pub fn matches_output(output: &str) -> bool {
    let (mut plan, mut result) = (false, false);
    for line in output.lines() {
        match classify(line) {
            Line::Version => return true,
            Line::Plan(_) => plan = true,
            Line::Result { .. } => result = true,
            Line::BailOut(_) | Line::Other => {}
        }
        if plan && result {
            return true;
        }
    }
    false
}

enum Line<'a> {
    Version,
    Plan(u64),
    Result { status: TestStatus, name: &'a str },
    BailOut(&'a str),
    Other,
}

fn classify(line: &str) -> Line<'_> {
    let line = line.trim_end();
    if let Some(number) = line.strip_prefix("TAP version ") {
        return if matches!(number, "12" | "13" | "14") { Line::Version } else { Line::Other };
    }
    if let Some(why) = line.strip_prefix("Bail out!") {
        return Line::BailOut(why.trim());
    }
    if let Some(rest) = line.strip_prefix("1..") {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = rest.split_at(digits);
        return match number.parse() {
            Ok(count) if rest.is_empty() || rest.trim_start().starts_with('#') => Line::Plan(count),
            _ => Line::Other,
        };
    }
    let (ok, rest) = match (line.strip_prefix("not ok"), line.strip_prefix("ok")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Line::Other,
    };
    if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
        return Line::Other;
    }
    let (name, directive) = split_directive(strip_number(rest));
    let status = match (directive, ok) {
        (Some(Directive::Skip), _) | (Some(Directive::Todo), false) => TestStatus::Skipped,
        (_, true) => TestStatus::Passed,
        (_, false) => TestStatus::Failed,
    };
    Line::Result { status, name: strip_time(name) }
}

/// Takes off the number and the dash: ` 12 - name` is `name`.
fn strip_number(rest: &str) -> &str {
    let rest = rest.trim_start();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let rest = match rest[digits..].chars().next() {
        None | Some(' ' | '\t') => rest[digits..].trim_start(),
        Some(_) => rest,
    };
    if rest == "-" { "" } else { rest.strip_prefix("- ").unwrap_or(rest).trim() }
}

enum Directive {
    Skip,
    Todo,
}

/// Splits at the first `#` behind a blank that is followed by SKIP or TODO as a whole word, also in the forms some producers
/// write; any other `#`, also an escaped one, belongs to the name.
fn split_directive(text: &str) -> (&str, Option<Directive>) {
    for (at, _) in text.match_indices('#') {
        if !text[..at].is_empty() && !text[..at].ends_with(char::is_whitespace) {
            continue;
        }
        let rest = text[at + 1..].trim_start();
        let word = rest.split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_')).next().unwrap_or_default();
        let is = |wanted: &str| word.eq_ignore_ascii_case(wanted);
        let directive = match () {
            () if ["skip", "skipped", "skipping"].into_iter().any(is) => Directive::Skip,
            () if is("todo") => Directive::Todo,
            () => continue,
        };
        return (text[..at].trim_end(), Some(directive));
    }
    (text, None)
}

/// Takes off ` # time=12.3ms` (node-tap), which differs from run to run, and the brace that opens a buffered subtest.
fn strip_time(name: &str) -> &str {
    let name = name.strip_suffix('{').map_or(name, str::trim_end);
    match name.rsplit_once('#') {
        Some((head, time)) if time.trim_start().starts_with("time=") => head.trim_end(),
        _ => name,
    }
}

/// A name without ` in 12ms` or ` in 3sec`, where it ends so.
fn without_time(name: &str) -> Option<&str> {
    let (head, time) = name.rsplit_once(" in ")?;
    let number = time.strip_suffix("ms").or_else(|| time.strip_suffix("sec"))?;
    digits(number).then(|| head.trim_end())
}

/// What names of an output are called, which is known only from all of them.
struct Names {
    /// Whether bats tells the time of every test that ran (`--timing`); else an end such as ` in 12ms` belongs to its name.
    timed: bool,
    paths: BTreeMap<String, String>,
}

impl Names {
    fn of(output: &str) -> Self {
        let (mut timed, mut paths) = (true, Paths::default());
        for line in output.lines() {
            if let Line::Result { status, name } = classify(line.trim_start_matches(' ')) {
                paths.add_name(name);
                timed &= line.starts_with(' ') || status == TestStatus::Skipped || without_time(name).is_some();
            }
        }
        Self { timed, paths: paths.short_names() }
    }

    fn display_name(&self, name: &str) -> String {
        let name = without_time(name).filter(|_| self.timed).unwrap_or(name);
        match self.paths.get(name) {
            _ if name.is_empty() => "(no description)".to_owned(),
            Some(short) => short.clone(),
            None => shorten_name(name),
        }
    }
}

/// `prove -v` prints a line before and after each file, and a summary: what it says of a file is no test of it.
struct Prove<'a> {
    lines: std::str::Lines<'a>,
    /// Whether its summary is in the output.
    here: bool,
}

impl<'a> Prove<'a> {
    fn of(output: &'a str) -> Self {
        let summary = |line: &str| line.starts_with("Files=") && line.contains(", Tests=");
        Self { lines: output.lines(), here: output.lines().any(summary) }
    }

    /// The next line, and what it says in the words of prove.
    fn next(&mut self) -> Option<(&'a str, Said<'a>)> {
        let line = self.lines.next()?;
        let said = match Self::file(line) {
            Some(file) if self.here => Said::File(file),
            None if self.here && Self::is_passed(line) && self.is_end() => Said::Passes,
            _ => Said::Nothing,
        };
        Some((line, said))
    }

    /// The file of `t/a.t ..`, with a time in front of it under `--timer`, and `skipped: why` behind it where it has no tests.
    fn file(line: &'a str) -> Option<&'a str> {
        let line = line.strip_prefix('[').and_then(|rest| Some(rest.split_once("] ")?.1)).unwrap_or(line).trim_end();
        let line = line.split_once(" skipped: ").map_or(line, |(line, _)| line);
        let file = line.trim_end_matches('.');
        let known = line.len() - file.len() > 1 && file.ends_with(' ') && !line.starts_with([' ', '#']);
        let file = file.trim_end();
        (known && !file.is_empty() && !matches!(classify(line), Line::Result { .. })).then_some(file)
    }

    /// `ok`, or `ok    12 ms ( …`, which it says of a file.
    fn is_passed(line: &str) -> bool {
        line.strip_prefix("ok").is_some_and(|rest| {
            let rest = rest.trim();
            rest.is_empty() || rest.split_once(" ms").is_some_and(|(ms, _)| ms.bytes().all(|b| b.is_ascii_digit()))
        })
    }

    /// Whether nothing of the file is behind such a line. What the next file says on standard error may come before its name.
    fn is_end(&self) -> bool {
        for next in self.lines.clone().take(LOOKED_AT) {
            let ends = next.is_empty() || next.starts_with('[') || next.starts_with("All tests successful");
            if ends || Self::file(next).is_some() {
                return true;
            }
            if !matches!(classify(next.trim()), Line::Other) {
                return false;
            }
        }
        true
    }
}

/// Lines behind the `ok` of a file that are looked at for what comes next.
const LOOKED_AT: usize = 1000;

enum Said<'a> {
    File(&'a str),
    Passes,
    Nothing,
}

/// What was read at one depth of subtests since the last result line above it.
#[derive(Default)]
struct Level {
    tests: Vec<TestResult>,
    results: u64,
    planned: Option<u64>,
}

struct Reader {
    names: Names,
    /// The file that prove runs.
    suite: String,
    levels: Vec<Level>,
    total: usize,
    problem: Option<String>,
    /// Depth of the failing test that the next lines may belong to.
    heard: Option<usize>,
}

/// Reads an output; one without TAP has a problem.
pub fn read(output: &str) -> TestResults {
    let levels = vec![Level::default()];
    let mut reader =
        Reader { names: Names::of(output), suite: String::new(), levels, total: 0, problem: None, heard: None };
    let mut diagnostics: Option<usize> = None;
    let mut after_result: Option<usize> = None;
    let mut braces: Vec<Brace> = Vec::new();
    let mut lines = Prove::of(output);
    while let Some((line, said)) = lines.next() {
        match said {
            Said::File(file) => file.clone_into(&mut reader.suite),
            Said::Passes => continue,
            Said::Nothing => {}
        }
        let indent = line.bytes().take_while(|b| *b == b' ').count();
        let content = line[indent..].trim_end();
        reader.read_message(indent, line);
        if let Some(margin) = diagnostics {
            if content == "..." && indent == margin {
                diagnostics = None;
                continue;
            }
            if indent >= margin || content.is_empty() {
                continue;
            }
            diagnostics = None;
        }
        if content == "---" && after_result.is_some_and(|result| indent == result + 2) {
            diagnostics = Some(indent);
            continue;
        }
        after_result = None;
        if indent % INDENT != 0 {
            continue;
        }
        let depth = indent / INDENT;
        if content == "{" {
            braces.push(Brace { depth, opened_by: None });
        }
        if content == "}" && braces.last().is_some_and(|brace| brace.depth == depth) {
            reader.close(braces.pop());
            continue;
        }
        let read = classify(content);
        // A description may end in `{` without opening anything.
        while !matches!(read, Line::Other) && braces.last().is_some_and(|brace| brace.depth >= depth) {
            reader.close(braces.pop());
        }
        match read {
            Line::Plan(count) => reader.plan(depth, count),
            Line::Result { status, name } if content.ends_with('{') => {
                braces.push(Brace { depth, opened_by: Some((status, name.to_owned())) });
            }
            Line::Result { status, name } => {
                reader.result(depth, status, name);
                // What is told below the line of a test that failed belongs to it.
                reader.heard = Some(depth).filter(|_| status == TestStatus::Failed);
                reader.append_message(line.trim());
                after_result = Some(indent);
            }
            Line::BailOut(why) => {
                let why = if why.is_empty() { "no reason given" } else { &why[..floor_char_boundary(why, 500)] };
                reader.fail(format!("bail out: {why}"));
                break;
            }
            Line::Version | Line::Other => {}
        }
    }
    while !braces.is_empty() {
        reader.close(braces.pop());
    }
    reader.finish()
}

/// A buffered subtest: its result line comes before its tests, which end at a closing brace.
struct Brace {
    depth: usize,
    /// What the result line said; absent where that line was counted already and the brace stands alone.
    opened_by: Option<(TestStatus, String)>,
}

impl Reader {
    /// Keeps the first problem.
    fn fail(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    /// A line, which is of the test that failed last unless it tells of another one.
    fn read_message(&mut self, indent: usize, line: &str) {
        let content = line.trim();
        let other = !matches!(classify(content), Line::Other) || content.starts_with("# Subtest") || content == "}";
        // Behind `#` anything may be quoted.
        if (other && indent.is_multiple_of(INDENT)) || content.is_empty() && indent == 0 {
            self.heard = None;
        } else {
            self.append_message(line.trim_end());
        }
    }

    fn append_message(&mut self, line: &str) {
        let test = self.heard.and_then(|depth| self.levels.get_mut(depth)).and_then(|level| level.tests.last_mut());
        if let Some(test) = test.filter(|test| test.said.len() < said::ONE * 8) {
            if !test.said.is_empty() {
                test.said.push('\n');
            }
            test.said.push_str(&line[..floor_char_boundary(line, said::ONE)]);
        }
    }

    fn level_mut(&mut self, depth: usize) -> Option<&mut Level> {
        if depth >= DEPTH_LIMIT {
            self.fail(format!("subtests nested deeper than {DEPTH_LIMIT}"));
            return None;
        }
        self.levels.resize_with(self.levels.len().max(depth + 1), Level::default);
        self.levels.get_mut(depth)
    }

    /// Several documents in one output each have a plan; together they must be fulfilled.
    fn plan(&mut self, depth: usize, count: u64) {
        if let Some(level) = self.level_mut(depth) {
            level.planned = Some(level.planned.unwrap_or(0).saturating_add(count));
        }
    }

    fn result(&mut self, depth: usize, status: TestStatus, name: &str) {
        if self.total >= RESULTS_LIMIT {
            self.fail(format!("more than {RESULTS_LIMIT} tests in one output"));
            return;
        }
        if self.level_mut(depth).is_none() {
            return;
        }
        self.total += 1;
        let name = self.names.display_name(name);
        let children = self.fold(depth + 1, &name);
        if let Some(level) = self.levels.get_mut(depth) {
            level.results += 1;
            level.tests.extend(children);
            level.tests.push(TestResult::new(shorten_name(&self.suite), name, status));
        }
    }

    fn close(&mut self, brace: Option<Brace>) {
        let Some(Brace { depth, opened_by }) = brace else { return };
        if let Some((status, name)) = opened_by {
            return self.result(depth, status, &name);
        }
        let parent = self.levels.get(depth).and_then(|level| level.tests.last());
        let Some(parent) = parent.map(|test| test.name.clone()) else { return };
        let children = self.fold(depth + 1, &parent);
        if let Some(level) = self.levels.get_mut(depth) {
            level.tests.extend(children);
        }
    }

    /// Closes every level from `depth` on; their tests get the name of the test they are part of.
    fn fold(&mut self, depth: usize, parent: &str) -> Vec<TestResult> {
        let mut tests = Vec::new();
        while self.levels.len() > depth {
            let Some(level) = self.levels.pop() else { break };
            if let Some(planned) = level.planned.filter(|planned| *planned != level.results) {
                self.fail(format!("subtest `{parent}`: {planned} tests planned, {} reported", level.results));
            }
            tests.splice(0..0, level.tests);
        }
        for test in &mut tests {
            test.name = shorten_name(&format!("{parent} > {}", test.name));
        }
        tests
    }

    fn finish(mut self) -> TestResults {
        let orphans = self.fold(1, "(unfinished subtest)");
        let mut top = self.levels.pop().unwrap_or_default();
        if !orphans.is_empty() {
            self.fail("the last subtest was not finished".to_owned());
            top.tests.extend(orphans);
        }
        match top.planned {
            None if top.results == 0 => self.fail("no TAP in the output".to_owned()),
            None => self.fail("no plan line".to_owned()),
            Some(planned) if planned != top.results => {
                self.fail(format!("{planned} tests planned, {} reported", top.results));
            }
            Some(_) => {}
        }
        TestResults { tests: top.tests, problem: self.problem }
    }
}

#[cfg(test)]
#[path = "tap_tests.rs"]
mod tests;
