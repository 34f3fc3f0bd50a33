//! Findings of ruff: `check` as full text, concise text or JSON, and `format --check`.
//!
//! Promises: a file that could not be parsed was not looked at, which is a problem; text without the summary line is
//! believed (`--quiet` prints none), text against its summary is not.

use super::found::{Bounded, Gathered, arrow, documents, located, message, number};
use crate::domain::verify::results::Findings;
use serde::Deserialize;

/// One finding of the JSON output.
#[derive(Deserialize)]
struct Item {
    filename: String,
    code: Option<String>,
    message: String,
}

/// Whether the output is ruff's beyond doubt: findings in one of its texts and its summary line, or its JSON.
#[must_use]
pub fn recognises(output: &str) -> bool {
    match json(output) {
        Some((gathered, whole)) => whole && gathered.total() > 0,
        None => {
            let gathered = text(output);
            gathered.total() > 0 && gathered.announced().is_some()
        }
    }
}

/// Reads the findings.
#[must_use]
pub fn read(output: &str) -> Findings {
    match json(output) {
        Some((mut gathered, whole)) => {
            if !whole {
                gathered.problem("its JSON is not whole");
            }
            gathered.finish()
        }
        None => text(output).finish(),
    }
}

fn json(output: &str) -> Option<(Gathered, bool)> {
    let (mut gathered, mut any) = (Gathered::default(), false);
    let whole = documents(output, |items: Bounded<Item>| {
        any = true;
        for Item { filename, code, message } in items.items {
            finding(&mut gathered, &filename, code.as_deref(), &message);
        }
        if items.more {
            gathered.problem("more findings than can be read");
        }
    });
    (any || !whole).then_some((gathered, whole))
}

fn text(output: &str) -> Gathered {
    let mut gathered = Gathered::default();
    let mut heading: Option<(&str, &str)> = None;
    for line in output.lines() {
        if let Some(count) = summary(line) {
            gathered.announce(count);
        } else if let (Some(path), Some((rule, said))) = (arrow(line), heading) {
            finding(&mut gathered, path, Some(rule), said);
        } else if let Some((path, rest)) = located(line)
            && let Some((rule, said)) = headed(rest)
        {
            finding(&mut gathered, path, Some(rule), said);
        }
        heading = headed(line);
    }
    gathered
}

fn finding(gathered: &mut Gathered, path: &str, rule: Option<&str>, said: &str) {
    match rule {
        Some("invalid-syntax") | None => {
            gathered.add(path, "invalid-syntax", true);
            gathered.problem(format!("{path} could not be parsed: {}", message(said)));
        }
        Some(rule) => gathered.add(path, rule, true),
    }
}

/// A line that begins a finding: `F401 [*] …`, `invalid-syntax: …`.
fn headed(line: &str) -> Option<(&str, &str)> {
    let (rule, said) = line.split_once(' ')?;
    if let Some(name) = rule.strip_suffix(':') {
        let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        return (named && !matches!(name, "help" | "note" | "error" | "warning")).then_some((name, said));
    }
    let letters = rule.bytes().take_while(u8::is_ascii_uppercase).count();
    let digits = &rule[letters..];
    let code = (1..=8).contains(&letters) && (1..=6).contains(&digits.len());
    (code && digits.bytes().all(|b| b.is_ascii_digit())).then_some((rule, said))
}

/// How many findings a summary line counts.
fn summary(line: &str) -> Option<u64> {
    let line = line.trim_end();
    if line == "All checks passed!" {
        return Some(0);
    }
    if let Some(rest) = line.strip_prefix("Found ") {
        let (count, rest) = number(rest)?;
        return match rest.strip_prefix(" errors").or_else(|| rest.strip_prefix(" error"))? {
            "." => Some(count),
            // `--fix`: 1 fixed, 2 remaining.
            fixed => number(fixed.strip_suffix(" remaining).")?.rsplit_once(", ")?.1).map(|(left, _)| left),
        };
    }
    let (count, rest) = number(line)?;
    [" file would be reformatted", " files would be reformatted"]
        .iter()
        .any(|words| rest.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with(',')))
        .then_some(count)
}
