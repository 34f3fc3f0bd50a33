//! Findings of the Rust compiler and of clippy: what cargo prints for people, and `--message-format=json`.
//!
//! Promises: code that does not compile was not looked at as a whole, which is a problem; counts of cargo and rustc that
//! differ from what was read are one too; warnings alone never explain a failing exit code.
//!
//! In text the compiler names one of its own lints only where it meets it first, so there the message stands for the
//! rule; JSON always names it.

use super::found::{Bounded, Gathered, digits, message, number, parse_arrow, split_location};
use crate::domain::base::digest;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Reads the findings. Beyond doubt are cargo's JSON, and diagnostics with their places and a line that counts them.
pub(super) fn gather(output: &str) -> Gathered {
    read_json(output).unwrap_or_else(|| read_text(output))
}

/// One line of cargo's JSON.
#[derive(Deserialize)]
struct Line {
    reason: String,
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    level: String,
    code: Option<Code>,
    #[serde(default)]
    spans: Bounded<Span>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Default, Deserialize)]
struct Span {
    file_name: String,
    is_primary: bool,
    line_start: u64,
    column_start: u64,
}

fn read_json(output: &str) -> Option<Gathered> {
    let mut gathered = Gathered::default();
    let mut ends = true;
    let mut seen = BTreeSet::new();
    for line in output.lines().filter(|line| line.starts_with("{\"reason\":\"")) {
        gathered.sure = true;
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            gathered.problem("a line of its JSON is not whole");
            continue;
        };
        ends = line.reason == "build-finished" || (ends && line.reason != "compiler-message");
        let Some(said) = line.message.filter(|_| line.reason == "compiler-message") else { continue };
        let Some(span) = said.spans.items.iter().find(|span| span.is_primary) else {
            add_loose(&mut gathered, &said);
            continue;
        };
        let code = said.code.as_ref().map(|code| code.code.as_str());
        // The same file is looked at once per target (library, its tests); cargo's text says it once.
        let place = format!("{} {} {} {code:?}", span.line_start, span.column_start, said.message);
        let once = seen.len() > super::RESULTS_LIMIT || seen.insert(digest(format!("{} {place}", span.file_name)));
        if once {
            add_diagnostic(&mut gathered, &span.file_name, &said.level, code, &said.message, said.code.is_some());
        }
    }
    if !ends {
        gathered.problem("its JSON ends before the build has finished");
    }
    gathered.sure.then_some(gathered)
}

/// A diagnostic without a place: what the compiler says at its end, or what keeps it from going on.
fn add_loose(gathered: &mut Gathered, said: &Diagnostic) {
    let counts = said.message.starts_with("aborting due to ") || said.message.ends_with(" emitted");
    if said.level.starts_with("error") && !counts {
        gathered.add("(no file)", &message(&said.message), true);
        gathered.problem(format!("does not compile: {}", message(&said.message)));
    }
}

/// One diagnostic with its place. An error that is no lint means that the code does not compile.
fn add_diagnostic(gathered: &mut Gathered, path: &str, level: &str, rule: Option<&str>, said: &str, lint: bool) {
    let error = level.starts_with("error");
    if !error && level != "warning" {
        return;
    }
    let rule = rule.map_or_else(|| message(said), str::to_owned);
    gathered.add(path, &rule, error);
    let code = rule.strip_prefix('E').is_some_and(|code| code.len() == 4 && digits(code));
    if error && (!lint || code) {
        gathered.problem(format!("does not compile: {path}: {}", message(said)));
    }
}

/// A diagnostic of the text while its lines are read.
struct Block<'a> {
    error: bool,
    /// An error code, or the name of a lint of clippy.
    rule: Option<Cow<'a, str>>,
    said: &'a str,
    path: Option<&'a str>,
    /// Whether a note tells that it is a lint.
    lint: bool,
}

#[derive(Default)]
struct Text {
    gathered: Gathered,
    /// Warnings and errors that were read.
    read: [u64; 2],
    /// Headings without a place: cargo's own words, or rare diagnostics that have none.
    loose: [u64; 2],
    /// Warnings counted by cargo and rustc, duplicates taken off.
    warnings: Option<u64>,
    /// Errors counted by them: the most of one target, and all together; one that two targets share is printed once.
    errors: Option<(u64, u64)>,
    summaries: u64,
    /// Messages, without the names in them, that a note called a lint.
    lints: BTreeSet<String>,
}

fn read_text(output: &str) -> Gathered {
    let mut text = Text::default();
    let mut block: Option<Block<'_>> = None;
    for line in output.lines() {
        if text.read_summary(line) {
            text.close(block.take());
        } else if let Some(next) = parse_heading(line) {
            text.close(block.replace(next));
        } else if let Some((path, mut next)) =
            split_location(line).and_then(|(path, rest)| Some((path, parse_heading(rest)?)))
        {
            // `--message-format=short`.
            next.path = Some(path);
            text.close(block.replace(next));
        } else if let Some(block) = &mut block {
            if block.path.is_none() {
                block.path = parse_arrow(line);
            }
            read_note(block, line);
        }
    }
    text.close(block);
    text.finish()
}

/// `warning: …`, `error: …`, `error[E0425]: …`.
fn parse_heading(line: &str) -> Option<Block<'_>> {
    let (error, rest) = match (line.strip_prefix("warning"), line.strip_prefix("error")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return None,
    };
    let (rule, said) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once("]: ").map(|(code, said)| (Some(Cow::Borrowed(code)), said))?,
        None => (None, rest.strip_prefix(": ")?),
    };
    Some(Block { error, rule, said, path: None, lint: false })
}

/// Lines of a block that name its lint.
fn read_note(block: &mut Block<'_>, line: &str) {
    if let Some((_, rule)) = line.split_once("for further information visit ").and_then(|(_, url)| url.rsplit_once('#'))
    {
        let named = !rule.is_empty() && rule.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if named && line.contains("/rust-clippy/") && line.starts_with([' ', '=']) {
            (block.rule, block.lint) = (Some(Cow::Owned(format!("clippy::{rule}"))), true);
        }
    }
    let told =
        ["= note: `#[deny(", "= note: `#[forbid(", "= note: `-D ", "= note: requested on the command line with `-D "];
    let trimmed = line.trim_start();
    block.lint |= line == "note: the lint level is defined here" || told.iter().any(|note| trimmed.starts_with(note));
}

/// A message without the names in it: what two findings of one lint have in common.
fn strip_names(said: &str) -> String {
    said.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

impl Text {
    fn close(&mut self, block: Option<Block<'_>>) {
        let Some(block) = block else { return };
        let kind = usize::from(block.error);
        let Some(path) = block.path else {
            self.loose[kind] += 1;
            return;
        };
        self.read[kind] += 1;
        let limit = super::RESULTS_LIMIT;
        if block.lint && block.rule.is_none() && self.lints.len() < limit {
            self.lints.insert(strip_names(block.said));
        }
        let lint = block.lint || self.lints.contains(&strip_names(block.said));
        let level = if block.error { "error" } else { "warning" };
        add_diagnostic(&mut self.gathered, path, level, block.rule.as_deref(), block.said, lint);
    }

    /// Takes a line with which cargo or rustc counts what it said.
    fn read_summary(&mut self, line: &str) -> bool {
        if let Some(rest) = line.strip_prefix("warning: `") {
            let Some((count, rest)) = rest.split_once(" generated ").and_then(|(_, rest)| number(rest)) else {
                return false;
            };
            let copies = rest.split_once('(').and_then(|(_, rest)| number(rest));
            let copies = copies.filter(|(_, rest)| rest.starts_with(" duplicate")).map_or(0, |(count, _)| count);
            self.count_warnings(count.saturating_sub(copies));
            return true;
        }
        if let Some((count, rest)) = line.strip_prefix("warning: ").and_then(number) {
            let ours = matches!(rest, " warning emitted" | " warnings emitted");
            if ours {
                self.count_warnings(count);
            }
            return ours;
        }
        let cargo = line.strip_prefix("error: could not compile `");
        let rustc = line.strip_prefix("error: aborting due to ");
        let Some(rest) = cargo.or(rustc) else { return false };
        self.summaries += 1;
        let counted = match cargo {
            Some(rest) => rest.rsplit_once(" due to ").map(|(_, rest)| rest),
            None => Some(rest),
        };
        match counted.and_then(number) {
            Some((count, rest)) => {
                let (most, sum) = self.errors.unwrap_or_default();
                self.errors = Some((most.max(count), sum.saturating_add(count)));
                // Cargo counts the warnings on a line of their own.
                let warned = rest.split_once("; ").and_then(|(_, rest)| number(rest)).filter(|_| cargo.is_none());
                if let Some((count, _)) = warned {
                    self.count_warnings(count);
                }
            }
            None => self.gathered.problem(format!("does not compile: {}", message(line))),
        }
        true
    }

    fn count_warnings(&mut self, count: u64) {
        self.summaries += 1;
        self.warnings = Some(self.warnings.unwrap_or(0).saturating_add(count));
    }

    fn finish(mut self) -> Gathered {
        let [warnings, errors] = self.read;
        let [loose_warnings, loose_errors] = self.loose;
        if let Some(counted) = self.warnings.filter(|n| !(warnings..=warnings + loose_warnings).contains(n)) {
            self.gathered.problem(format!("its summary counts {counted} warnings, {warnings} could be read"));
        }
        match self.errors {
            Some((most, sum)) if !(most..=sum).contains(&errors) => {
                self.gathered.problem(format!("its summary counts {sum} errors, {errors} could be read"));
            }
            None if loose_errors > 0 => self.gathered.problem("the compiler or cargo gave up before it looked"),
            _ => {}
        }
        self.gathered.sure = self.gathered.total > 0 && self.summaries > 0;
        self.gathered
    }
}
