//! Findings of the TypeScript compiler: `path(line,column): error TS2322: …`, and the same with `--pretty`.
//!
//! Promises: errors without a file, of syntax (TS1…) and of the configuration (TS5…) keep it from checking types, which
//! is a problem; related places below an error are no findings.

use super::found::{Gathered, message, number};
use crate::domain::verify::results::Findings;

/// Whether the output is the compiler's beyond doubt: a line of an error with place and code.
#[must_use]
pub fn recognises(output: &str) -> bool {
    output.lines().any(|line| error(line).is_some())
}

/// Reads the findings.
#[must_use]
pub fn read(output: &str) -> Findings {
    let mut gathered = Gathered::default();
    for line in output.lines() {
        if let Some((path, code)) = error(line) {
            gathered.add(path, code, true);
            if code.starts_with("TS1") && code.len() == 6 || code.starts_with("TS5") && code.len() == 6 {
                gathered.problem(format!("{path} keeps it from checking types: {code}"));
            }
        } else if let Some((code, said)) = line.strip_prefix("error ").and_then(coded) {
            gathered.add("(no file)", code, true);
            gathered.problem(format!("{code}: {}", message(said)));
        } else if let Some(count) = summary(line) {
            gathered.announce(count);
        }
    }
    gathered.finish()
}

/// Path and code of an error line, plain or pretty.
fn error(line: &str) -> Option<(&str, &str)> {
    let plain = || {
        let (place, rest) = line.split_once("): error ")?;
        let (path, position) = place.rsplit_once('(')?;
        let (row, column) = position.split_once(',')?;
        Some((path, row, column, coded(rest)?.0))
    };
    let pretty = || {
        let (place, rest) = line.split_once(" - error ")?;
        let (path, column) = place.rsplit_once(':')?;
        let (path, row) = path.rsplit_once(':')?;
        Some((path, row, column, coded(rest)?.0))
    };
    let (path, row, column, code) = plain().or_else(pretty)?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(row) && digits(column) && !path.is_empty()).then_some((path, code))
}

/// Splits `TS2322: message`.
fn coded(text: &str) -> Option<(&str, &str)> {
    let (code, said) = text.split_once(": ")?;
    let digits = code.strip_prefix("TS")?;
    ((4..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())).then_some((code, said))
}

/// What the summary of the pretty form counts: `Found 6 errors in 2 files.`, `Found 1 error in a.ts:1`, `Found 1 error.`
fn summary(line: &str) -> Option<u64> {
    let (count, rest) = number(line.strip_prefix("Found ")?)?;
    let rest = rest.strip_prefix(" errors").or_else(|| rest.strip_prefix(" error"))?;
    (rest.starts_with(" in ") || rest.trim_end() == ".").then_some(count)
}
