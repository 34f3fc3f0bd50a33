//! Reading a handoff out of a result file or out of whatever an agent printed.
//!
//! Promises: never panics, never fails for a field of the wrong type, and looks at a bounded number of bytes however the
//! text is made. Of several results in a log the last valid one counts. A result is valid when it is a JSON object
//! whose `status` is one of the four words; anything else is treated as absent.

use super::Handoff;
use crate::domain::base::text::{first_chars, floor_char_boundary};
use crate::domain::mission::Claim;
use serde_json::{Map, Value};

const MARKER: &str = "MC_RESULT";

/// Bytes between the marker and its object: colon, blanks, a code fence.
const MAX_GAP: usize = 64;

/// Longest object looked at, in bytes as printed.
const MAX_OBJECT: usize = 1 << 20;

/// Bytes of objects looked at in one log, so that a log full of unfinished objects costs no more than a long one.
const MAX_EXAMINED: usize = 64 << 20;

/// How often a result may have been put into a JSON string before it was printed.
const MAX_NESTING: usize = 4;

const MAX_SUMMARY_BYTES: usize = 2048;
const MAX_ITEMS: usize = 50;
const MAX_ITEM_CHARS: usize = 500;

/// The handoff of an attempt: from its result file when that holds one, else the last valid `MC_RESULT:{…}` of the log.
pub fn read(file: Option<&str>, log: &str) -> Option<Handoff> {
    file.and_then(|text| parse(text.trim_start_matches('\u{feff}'))).or_else(|| last_in(log, MAX_EXAMINED))
}

fn parse(text: &str) -> Option<Handoff> {
    match serde_json::from_str(text.trim()) {
        Ok(Value::Object(fields)) => build_handoff(&fields),
        _ => None,
    }
}

fn last_in(log: &str, mut budget: usize) -> Option<Handoff> {
    let mut end = log.len();
    while let Some(at) = log[..end].rfind(MARKER) {
        let after = &log[at + MARKER.len()..];
        let found = object_start(after.as_bytes())
            .and_then(|start| object(&after[start..], &mut budget))
            .and_then(|text| parse(&text));
        if found.is_some() || budget == 0 {
            return found;
        }
        end = at;
    }
    None
}

/// Offset of the object's brace behind the marker.
fn object_start(after: &[u8]) -> Option<usize> {
    let (mut i, mut colon) = (0, false);
    while i < MAX_GAP {
        match after.get(i)? {
            b'{' => return colon.then_some(i),
            b':' => colon = true,
            b' ' | b'\t' | b'\r' | b'\n' | b'`' | b'*' | b'"' => {}
            b'\\' => match after.get(i + 1)? {
                b'n' | b'r' | b't' => i += 1,
                b'\\' | b'"' => {}
                _ => return None,
            },
            b'j' if after[i..].starts_with(b"json") => i += 3,
            _ => return None,
        }
        i += 1;
    }
    None
}

/// The object at the start of `text`, with the escapes of the JSON strings around it taken off.
fn object(text: &str, budget: &mut usize) -> Option<String> {
    let bytes = &text.as_bytes()[..text.len().min(MAX_OBJECT).min(*budget)];
    let (length, examined) = match nesting_level(bytes) {
        Some(level) => balanced_length(bytes, level),
        None => (None, MAX_GAP),
    };
    *budget = budget.saturating_sub(examined);
    let mut object = text.get(..length?)?.to_owned();
    for _ in 0..nesting_level(bytes)? {
        object = serde_json::from_str(&format!("\"{object}\"")).ok()?;
    }
    Some(object)
}

/// How many JSON strings the object stands in: its first quote has 0, 1, 3, 7, … backslashes in front.
fn nesting_level(bytes: &[u8]) -> Option<usize> {
    let quote = bytes.iter().take(MAX_GAP * 4).position(|b| *b == b'"')?;
    let slashes = bytes[..quote].iter().rev().take_while(|b| **b == b'\\').count();
    (0..=MAX_NESTING).find(|level| (1 << level) - 1 == slashes)
}

/// Length of the balanced object at the start of `bytes`, if it ends there, and the number of bytes looked at.
///
/// Outside strings only what JSON has there is let pass, which ends the search in prose and in unfinished objects.
fn balanced_length(bytes: &[u8], level: usize) -> (Option<usize>, usize) {
    let (mut depth, mut slashes, mut in_string) = (0_usize, 0_usize, false);
    for (i, byte) in bytes.iter().enumerate() {
        match byte {
            b'\\' if in_string || level > 0 => {
                slashes += 1;
                continue;
            }
            b'"' => match escapes_left(slashes, level) {
                Some(left) if left % 2 == 0 => in_string = !in_string,
                Some(_) if in_string => {}
                _ => return (None, i + 1),
            },
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return (Some(i + 1), i + 1);
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b'+' | b'-' | b'.' | b'E' => {}
            b'0'..=b'9' | b'a'..=b'z' => {}
            _ => return (None, i + 1),
        }
        slashes = 0;
    }
    (None, bytes.len())
}

/// Backslashes in front of a quote once `level` strings around it are read; `None`: the quote ends one of those.
fn escapes_left(slashes: usize, level: usize) -> Option<usize> {
    (0..level).try_fold(slashes, |n, _| (n % 2 == 1).then_some(n / 2))
}

fn build_handoff(fields: &Map<String, Value>) -> Option<Handoff> {
    let status = fields.get("status")?.as_str()?.trim().to_ascii_lowercase();
    let status: Claim = serde_json::from_value(Value::String(status)).ok()?;
    let list = |key: &str| fields.get(key).map(list).unwrap_or_default();
    Some(Handoff {
        status,
        summary: capped_bytes(fields.get("summary").and_then(text).unwrap_or_default()),
        commits: list("commits"),
        files_changed: list("files_changed"),
        no_op_reason: fields.get("no_op_reason").and_then(text).map(capped_bytes),
        discoveries: list("discoveries"),
        concerns: list("concerns"),
        decisions: list("decisions"),
        blockers: list("blockers"),
        follow_ups: list("follow_ups"),
    })
}

fn list(value: &Value) -> Vec<String> {
    let one = std::slice::from_ref(value);
    let items = value.as_array().map_or(one, Vec::as_slice);
    items.iter().filter_map(text).take(MAX_ITEMS).map(|t| first_chars(&t, MAX_ITEM_CHARS).to_owned()).collect()
}

/// Any value as text; nothing for null and blank text.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.trim().to_owned(),
        Value::Array(items) => items.iter().take(MAX_ITEMS).filter_map(text).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    };
    Some(text).filter(|t| !t.is_empty())
}

fn capped_bytes(mut text: String) -> String {
    text.truncate(floor_char_boundary(&text, MAX_SUMMARY_BYTES));
    text
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
