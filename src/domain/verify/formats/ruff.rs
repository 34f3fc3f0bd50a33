//! Findings of ruff: `check` as full text, concise text or JSON, and `format --check`.
//!
//! Promises: a file that could not be parsed was not looked at, which is a problem; text without the summary line is
//! believed (`--quiet` prints none), text against its summary is not.

use super::found::{BROKEN_JSON, Bounded, Gathered, digits, message, number, parse_arrow, split_location};
use serde::Deserialize;

/// One finding of the JSON output.
#[derive(Deserialize)]
struct Item {
    filename: String,
    code: Option<String>,
    message: String,
}

/// Reads the findings. Beyond doubt are findings in one of its texts with its summary line, and in its JSON.
pub(super) fn gather(output: &str) -> Gathered {
    read_json(output).unwrap_or_else(|| read_text(output))
}

fn read_json(output: &str) -> Option<Gathered> {
    let mut gathered = Gathered::from_documents(output, BROKEN_JSON, |gathered, items: Bounded<Item>| {
        for Item { filename, code, message } in items.items {
            finding(gathered, &filename, code.as_deref(), &message);
        }
        if items.more {
            gathered.problem("more findings than can be read");
        }
    })?;
    gathered.sure &= gathered.total > 0;
    Some(gathered)
}

fn read_text(output: &str) -> Gathered {
    let mut gathered = Gathered::default();
    let mut heading: Option<(&str, &str)> = None;
    for line in output.lines() {
        if let Some(count) = parse_summary(line) {
            gathered.add_announced(count);
        } else if let (Some(path), Some((rule, said))) = (parse_arrow(line), heading) {
            finding(&mut gathered, path, Some(rule), said);
        } else if let Some((path, rest)) = split_location(line)
            && let Some((rule, said)) = parse_heading(rest)
        {
            finding(&mut gathered, path, Some(rule), said);
        }
        heading = parse_heading(line);
    }
    gathered.sure = gathered.is_summed_up();
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
fn parse_heading(line: &str) -> Option<(&str, &str)> {
    let (rule, said) = line.split_once(' ')?;
    if let Some(name) = rule.strip_suffix(':') {
        let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        return (named && !matches!(name, "help" | "note" | "error" | "warning")).then_some((name, said));
    }
    let letters = rule.bytes().take_while(u8::is_ascii_uppercase).count();
    let number = &rule[letters..];
    ((1..=8).contains(&letters) && number.len() <= 6 && digits(number)).then_some((rule, said))
}

/// How many findings a summary line counts.
fn parse_summary(line: &str) -> Option<u64> {
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
