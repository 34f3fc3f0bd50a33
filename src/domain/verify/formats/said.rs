//! What a failing test said: its part of the output, cut by the marks with which its runner begins and ends it.
//!
//! Promises: a part belongs to the test that the mark names, never to another one; what is kept of all tests together is bounded,
//! and each has its share. Of formats whose reader meets the words of a test beside its result (TAP, JUnit XML), the reader keeps them.

use crate::domain::base::text::one_line;
use crate::domain::verify::formats::{Format, go_json, go_lines, jest, nextest, shorten_name, telling, unittest};
use crate::domain::verify::model::results::{TestResult, TestStatus, WHOLE_SUITE};
use std::collections::{BTreeMap, BTreeSet};

/// Most bytes that are kept of one test, and of all of one output together.
pub(super) const ONE: usize = 2 * 1024;
const ALL: usize = 256 * 1024;
/// Fewest bytes of a test of which anything is kept, and longest part that is looked at.
const LEAST: usize = 256;
const PART: usize = 64 * 1024;

/// Gives each failing test what it said.
pub(super) fn attach_messages(format: Format, output: &str, tests: &mut [TestResult]) {
    let failing: Vec<usize> = (0..tests.len()).filter(|at| tests[*at].status == TestStatus::Failed).collect();
    let find: fn(&str, &mut Parts) = match format {
        Format::Cargo => collect_cargo,
        Format::Go => collect_go,
        Format::GoJson => collect_go_json,
        Format::Jest => collect_jest,
        Format::Nextest => collect_nextest,
        Format::Pytest => collect_pytest,
        Format::Unittest => unittest_parts,
        Format::Vitest => collect_vitest,
        _ => |_, _| (),
    };
    if !failing.is_empty() {
        let mut parts =
            Parts { wanted: failing.iter().map(|at| key(format, &tests[*at])).collect(), ..Parts::default() };
        find(output, &mut parts);
        let mut found = parts.group_by_key();
        for at in &failing {
            let test = &tests[*at];
            let Some(candidates) = found.get_mut(&key(format, test)) else { continue };
            // Of two tests of one name in two files, the part that names the file.
            let file = test.suite.rsplit(' ').next().filter(|file| !file.is_empty());
            let own = candidates.iter().position(|part| file.is_some_and(|file| part.contains(file))).unwrap_or(0);
            if own < candidates.len() {
                tests[*at].said = candidates.remove(own);
            }
        }
    }
    // The mark alone says nothing that its name does not.
    let silent =
        |said: &str| format != Format::Junit && said.lines().filter(|line| !line.trim().is_empty()).count() < 2;
    tests.iter_mut().filter(|test| silent(&test.said)).for_each(|test| test.said.clear());
    share(tests);
}

/// Cuts what tests said to the share of each; of the last ones of very many nothing is kept.
pub(in crate::domain::verify) fn share(tests: &mut [TestResult]) {
    let said: Vec<usize> = (0..tests.len()).filter(|at| !tests[*at].said.is_empty()).collect();
    let each = (ALL / said.len().max(1)).clamp(LEAST, ONE);
    for (nth, at) in said.into_iter().enumerate() {
        let text = telling::excerpt(tests[at].said.trim_end().trim_start_matches('\n'), each);
        tests[at].said = if nth < ALL / LEAST { text } else { String::new() };
    }
}

/// By what a part of the output and a test are the same.
fn key(format: Format, test: &TestResult) -> String {
    let (suite, name) = (&test.suite, &test.name);
    match format {
        Format::Pytest if name == WHOLE_SUITE => suite.clone(),
        Format::Pytest => match name.split_once('[') {
            Some((name, rest)) => format!("{}[{rest}", name.replace("::", ".")),
            None => name.replace("::", "."),
        },
        Format::Cargo => name.clone(),
        Format::Nextest => format!("{suite} {name}"),
        Format::Vitest if name == WHOLE_SUITE => suite.clone(),
        Format::Vitest => format!("{suite} > {name}"),
        _ => format!("{suite}\0{name}"),
    }
}

/// Parts of an output as they are found.
#[derive(Default)]
struct Parts {
    wanted: BTreeSet<String>,
    found: Vec<(String, String)>,
    /// Where those of them are that may be gone on with.
    known: BTreeMap<String, usize>,
    /// Those that the next lines belong to.
    open: Vec<usize>,
}

impl Parts {
    fn begin(&mut self, key: String, line: &str) {
        self.open.clear();
        self.join(key, line);
    }

    /// Begins one that shares its lines with those that are open.
    fn join(&mut self, key: String, line: &str) {
        if self.wanted.contains(&key) {
            self.open.push(self.found.len());
            self.found.push((key, line.to_owned()));
        }
    }

    /// Begins one, or goes on with it where it said something before.
    fn resume(&mut self, key: &str, line: Option<&str>) {
        match self.known.get(key) {
            Some(at) => {
                self.open = vec![*at];
                line.into_iter().for_each(|line| self.read_line(line));
            }
            None => {
                self.begin(key.to_owned(), line.unwrap_or_default());
                self.known.extend(self.open.first().map(|at| (key.to_owned(), *at)));
            }
        }
    }

    fn read_line(&mut self, line: &str) {
        for at in &self.open {
            let part = &mut self.found[*at].1;
            if part.len() < PART {
                part.push('\n');
                part.push_str(line);
            }
        }
    }

    fn end(&mut self) {
        self.open.clear();
    }

    fn group_by_key(self) -> BTreeMap<String, Vec<String>> {
        let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, part) in self.found {
            parts.entry(key).or_default().push(part);
        }
        parts
    }
}

/// `---- name stdout ----` up to the next one or the list of failures.
fn collect_cargo(output: &str, parts: &mut Parts) {
    for line in output.lines() {
        match line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" ----"))
            .and_then(|rest| rest.rsplit_once(' '))
        {
            Some((name, "stdout" | "stderr")) => {
                let name = name.split_once(" (line ").map_or(name, |(name, _)| name);
                parts.begin(shorten_name(name), line);
            }
            _ if line == "failures:" || line.starts_with("test result: ") => parts.end(),
            _ => parts.read_line(line),
        }
    }
}

/// `____ name ____` of the sections on failures and errors up to the next one or the next section.
fn collect_pytest(output: &str, parts: &mut Parts) {
    for line in output.lines() {
        let title =
            line.strip_prefix("__").and_then(|rest| rest.strip_suffix("__")).map(|rest| rest.trim_matches('_').trim());
        match title.filter(|title| !title.is_empty()) {
            Some(title) => {
                let of = ["ERROR at setup of ", "ERROR at teardown of ", "ERROR collecting "];
                let name = of.iter().find_map(|words| title.strip_prefix(words)).unwrap_or(title);
                parts.begin(shorten_name(name), line);
            }
            None if line.starts_with("=====") => parts.end(),
            None => parts.read_line(line),
        }
    }
}

/// What stands between the begin of a test and its result, and what is indented below that.
fn collect_go(output: &str, parts: &mut Parts) {
    let wanted = std::mem::take(&mut parts.wanted);
    parts.wanted = wanted.iter().filter_map(|key| Some(key.split_once('\0')?.1.to_owned())).collect();
    let mut mark = 0;
    for line in output.lines() {
        let turn = ["=== RUN   ", "=== CONT  ", "=== NAME  "].iter().find_map(|word| line.strip_prefix(word));
        if let Some(package) = go_lines::parse_package(line.trim_end()).map(|(package, _)| package) {
            for (name, _) in &mut parts.found[mark..] {
                *name = format!("{package}\0{name}");
            }
            mark = parts.found.len();
            parts.known.clear();
            parts.end();
        } else if let Some(test) = turn {
            parts.resume(test, None);
        } else if line.starts_with("=== PAUSE ") || line == "PASS" || line == "FAIL" {
            parts.end();
        } else if let Some((test, status)) = go_lines::result(line) {
            match status {
                TestStatus::Failed => parts.resume(test, Some(line.trim_start())),
                TestStatus::Passed | TestStatus::Skipped => parts.end(),
            }
        } else {
            parts.read_line(line);
        }
    }
}

fn collect_go_json(output: &str, parts: &mut Parts) {
    for line in output.lines().filter(|line| line.starts_with('{') && line.contains("\"output\"")) {
        let Ok(event) = serde_json::from_str::<go_json::Event>(line) else { continue };
        let line = event.output.trim_end();
        if event.action != "output" || line.starts_with("=== ") {
            continue;
        }
        parts.resume(&format!("{}\0{}", event.package, event.test), Some(line));
    }
}

/// The lines below the result of a test up to the next result.
fn collect_nextest(output: &str, parts: &mut Parts) {
    for line in output.lines() {
        match nextest::columns(line) {
            Some((word, rest)) if nextest::status(word) == Some(TestStatus::Failed) => {
                let (binary, name) = nextest::id(rest).unwrap_or_default();
                parts.begin(format!("{binary} {name}"), line.trim_start());
            }
            Some(_) => parts.end(),
            None if line.starts_with("─────") => parts.end(),
            None => parts.read_line(line),
        }
    }
}

/// `FAIL: test (module.Class.test)` below a rule, up to the next rule or the last lines.
fn unittest_parts(output: &str, parts: &mut Parts) {
    let mut rule = false;
    for line in output.lines() {
        let title = unittest::parse_reported(line).filter(|_| rule);
        rule = line == unittest::DOUBLE_RULE;
        match title {
            Some((_, class, name)) => {
                let name = if unittest::SET_UP.contains(&name) { WHOLE_SUITE } else { name };
                parts.begin(format!("{}\0{}", shorten_name(class), shorten_name(name)), line);
            }
            None if rule || line.starts_with("Ran ") => parts.end(),
            None => parts.read_line(line),
        }
    }
}

/// `  ● block › name` below the file, up to the next one or the next file.
fn collect_jest(output: &str, parts: &mut Parts) {
    let mut file = String::new();
    for line in output.lines() {
        if let Some(named) = jest::header(line) {
            named.clone_into(&mut file);
            parts.end();
        } else if let Some(title) = line.strip_prefix("  ● ") {
            let name = title.trim().replace(" › ", " > ");
            let name = if name == "Test suite failed to run" { WHOLE_SUITE } else { &name };
            parts.begin(format!("{file}\0{}", shorten_name(name)), line);
        } else if line.starts_with("Test Suites: ") || line.starts_with("Summary of all failing tests") {
            parts.end();
        } else {
            parts.read_line(line);
        }
    }
}

/// ` FAIL  file > block > name`, one or more of them above what they said, up to the rule.
fn collect_vitest(output: &str, parts: &mut Parts) {
    let mut titles = false;
    for line in output.lines() {
        match line.strip_prefix(" FAIL ") {
            Some(title) => {
                let title = one_line(&title.replace('|', " "));
                let title = title.split_once(" [ ").map_or(title.as_str(), |(file, _)| file).to_owned();
                if !titles {
                    parts.end();
                }
                parts.join(title, line.trim_start());
                titles = true;
            }
            None if line.starts_with('⎯') => {
                titles = false;
                parts.end();
            }
            None => {
                titles = false;
                parts.read_line(line);
            }
        }
    }
}

#[cfg(test)]
#[path = "said_tests.rs"]
mod tests;
