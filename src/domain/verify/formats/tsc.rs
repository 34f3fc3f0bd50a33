//! Findings of the TypeScript compiler: `path(line,column): error TS2322: …`, and the same with `--pretty`.
//!
//! Promises: errors without a file, of syntax (TS1…) and of the configuration (TS5…) keep it from checking types, which
//! is a problem; related places below an error are no findings.

use super::found::{Gathered, digits, message, number};

/// Reads the findings. Beyond doubt is a line of an error with place and code.
pub(super) fn gather(output: &str) -> Gathered {
    let mut gathered = Gathered::default();
    for line in output.lines() {
        if let Some((path, code)) = error(line) {
            gathered.sure = true;
            gathered.add(path, code, true);
            if code.len() == 6 && (code.starts_with("TS1") || code.starts_with("TS5")) {
                gathered.problem(format!("{path} keeps it from checking types: {code}"));
            }
        } else if let Some((code, said)) = line.strip_prefix("error ").and_then(split_code) {
            gathered.add("(no file)", code, true);
            gathered.problem(format!("{code}: {}", message(said)));
        } else if let Some(count) = parse_summary(line) {
            gathered.add_announced(count);
        }
    }
    gathered
}

/// Path and code of an error line, plain or pretty.
fn error(line: &str) -> Option<(&str, &str)> {
    let plain = || {
        let (place, rest) = line.split_once("): error ")?;
        let (path, position) = place.rsplit_once('(')?;
        let (row, column) = position.split_once(',')?;
        Some((path, row, column, split_code(rest)?.0))
    };
    let pretty = || {
        let (place, rest) = line.split_once(" - error ")?;
        let (path, column) = place.rsplit_once(':')?;
        let (path, row) = path.rsplit_once(':')?;
        Some((path, row, column, split_code(rest)?.0))
    };
    let (path, row, column, code) = plain().or_else(pretty)?;
    (digits(row) && digits(column) && !path.is_empty()).then_some((path, code))
}

/// Splits `TS2322: message`.
fn split_code(text: &str) -> Option<(&str, &str)> {
    let (code, said) = text.split_once(": ")?;
    let number = code.strip_prefix("TS")?;
    ((4..=5).contains(&number.len()) && digits(number)).then_some((code, said))
}

/// What the summary of the pretty form counts: `Found 6 errors in 2 files.`, `Found 1 error in a.ts:1`, `Found 1 error.`
fn parse_summary(line: &str) -> Option<u64> {
    let (count, rest) = number(line.strip_prefix("Found ")?)?;
    let rest = rest.strip_prefix(" errors").or_else(|| rest.strip_prefix(" error"))?;
    (rest.starts_with(" in ") || rest.trim_end() == ".").then_some(count)
}
