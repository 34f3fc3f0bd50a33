//! Findings of mypy: its lines `path:line: error: …  [code]` and its summary.
//!
//! Promises: notes are no findings; what prevented further checking is a problem; without a code the message stands for
//! the rule.

use super::found::{Gathered, message, number, split_location};

/// Reads the findings. Beyond doubt are error lines with a summary line.
pub(super) fn gather_findings(output: &str) -> Gathered {
    let mut gathered = Gathered::default();
    for line in output.lines() {
        if let Some((count, whole)) = parse_summary(line) {
            gathered.add_announced(count);
            if !whole {
                gathered.problem("errors prevented further checking");
            }
        } else if let Some((path, said)) = parse_error(line) {
            let rule = code(said);
            gathered.add(path, &rule.map_or_else(|| message(said), str::to_owned), true);
            if rule == Some("syntax") {
                gathered.problem(format!("{path} could not be parsed"));
            }
        } else if line.contains(": error: INTERNAL ERROR") || line.starts_with("mypy: error: ") {
            gathered.problem(format!("mypy gave up: {}", message(line)));
        }
    }
    gathered.sure = gathered.is_summed_up();
    gathered
}

/// Path and message of an error line; a file that cannot be read has no position.
fn parse_error(line: &str) -> Option<(&str, &str)> {
    let found = split_location(line).and_then(|(path, rest)| Some((path, rest.strip_prefix("error: ")?)));
    let unread = || line.split_once(": error: ").filter(|(_, said)| said.starts_with("Cannot read file"));
    found.or_else(unread).filter(|(_, said)| !said.starts_with("INTERNAL ERROR"))
}

/// The code in brackets at the end of a message.
fn code(said: &str) -> Option<&str> {
    let (_, code) = said.trim_end().strip_suffix(']')?.rsplit_once("  [")?;
    let named = !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit());
    named.then_some(code)
}

/// What a summary line counts, and whether everything was checked.
fn parse_summary(line: &str) -> Option<(u64, bool)> {
    let line = line.trim_end();
    if let Some(rest) = line.strip_prefix("Success: no issues found in ") {
        let (_, rest) = number(rest)?;
        return rest.starts_with(" source file").then_some((0, true));
    }
    let (count, rest) = number(line.strip_prefix("Found ")?)?;
    let rest = rest.strip_prefix(" errors in ").or_else(|| rest.strip_prefix(" error in "))?;
    let (_, rest) = number(rest)?;
    let rest = rest.strip_prefix(" files").or_else(|| rest.strip_prefix(" file"))?;
    match rest {
        " (errors prevented further checking)" => Some((count, false)),
        _ if rest.starts_with(" (checked ") => Some((count, true)),
        _ => None,
    }
}
