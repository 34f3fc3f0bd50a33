//! The lines of an output that say what went wrong, to be shown and kept before all others.
//!
//! Nothing is judged by them: they are found by words that runners and compilers print (`assert`, `panicked`, `error:`, …), so
//! they may be the wrong ones, and are only ever an excerpt of the output itself.

use super::snapshot::floor;
use std::ops::Range;

/// Lines looked through behind the name of a test for what it said.
const REACH: usize = 40;

/// Words of a line that says what is wrong, in small letters.
const STRONG: &[&str] = &["assert", "panicked", "expect", "exception", "error:", "error["];

/// Words of a line that only says that something is wrong.
const WEAK: &[&str] = &["fail", "error", "not ok"];

/// How plainly a line says what went wrong; 0 for one that does not.
fn weight(line: &str) -> u8 {
    // So pytest begins what it explains.
    if line.starts_with("E  ") {
        return 3;
    }
    let low = line.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| low.contains(word));
    match low.contains("pass") || low.trim_end().ends_with(" ok") {
        true => 0,
        false if says(STRONG) => 2,
        false => u8::from(says(WEAK)),
    }
}

/// The first of the lines that say it most plainly, if any does.
fn plainest<'a>(lines: impl Iterator<Item = &'a str>) -> Option<(u8, usize)> {
    let heavy = lines.enumerate().map(|(at, line)| (weight(line), at)).filter(|(weight, _)| *weight > 0);
    heavy.max_by_key(|(weight, at)| (*weight, std::cmp::Reverse(*at)))
}

/// From which line on an output says what went wrong; `None` where no line says so.
#[must_use]
pub fn place(text: &str) -> Option<usize> {
    plainest(text.lines()).map(|(_, at)| at)
}

/// At most `most` lines in which the output says what went wrong with the test of this name, without blank ones: of the lines
/// that name it, the one that stands nearest before lines that say so. Empty where there is none.
#[must_use]
pub fn of_test<'a>(output: &'a str, name: &str, most: usize) -> Vec<&'a str> {
    let name = name.rsplit([':', '>', '›']).next().unwrap_or_default().trim();
    let lines: Vec<&str> = output.lines().collect();
    let found = lines.iter().enumerate().filter(|(_, line)| names(line, name)).filter_map(|(at, line)| {
        let behind = &lines[at + 1..lines.len().min(at + 1 + REACH)];
        let (said, distance) = plainest(behind.iter().copied()).filter(|(said, _)| *said > 1)?;
        // A line that gives the result of the test is followed by those of others.
        let told = weight(line) > 0 || line.contains(['✕', '×']);
        Some((told, 3 - said, distance, at + 1 + distance))
    });
    let Some((.., from)) = found.min() else { return Vec::new() };
    lines[from..].iter().filter(|line| !line.trim().is_empty()).take(most).copied().collect()
}

/// Whether a line has this name as a word of its own.
fn names(line: &str, name: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    !name.is_empty()
        && line.match_indices(name).any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at + name.len()..]);
            !before.ends_with(inside) && !after.starts_with(inside)
        })
}

/// The text itself if it is short enough, else its beginning, its end and, where what lies between says what went wrong, that
/// place too; each cut is marked with the number of bytes left out. Never longer than `limit` bytes.
#[must_use]
pub fn excerpt(text: &str, limit: usize) -> String {
    let whole = super::snapshot::head_tail(text, limit);
    // Marks of two cuts.
    let Some(room) = limit.checked_sub(120).filter(|_| text.len() > limit) else { return whole };
    let (head, tail) = (floor(text, room / 6), floor(text, text.len() - room / 2));
    let Some(told) = place_between(text, head..tail) else { return whole };
    let end = floor(text, tail.min(told + room / 3));
    let cut = |bytes: usize| if bytes > 0 { format!("\n[… {bytes} bytes left out …]\n") } else { String::new() };
    let (before, after) = (cut(told - head), cut(tail - end));
    format!("{}{before}{}{after}{}", &text[..head], &text[told..end], &text[tail..])
}

/// Where the line before the one that says most plainly what went wrong begins, if that says more than all the rest.
fn place_between(text: &str, range: Range<usize>) -> Option<usize> {
    let (said, at) = plainest(text[range.clone()].split('\n'))?;
    let outside = [&text[..range.start], &text[range.end..]];
    if said < 2 || outside.into_iter().any(|part| plainest(part.lines()).is_some_and(|(other, _)| other >= said)) {
        return None;
    }
    let before: usize = text[range.clone()].split('\n').take(at.saturating_sub(1)).map(|line| line.len() + 1).sum();
    Some(range.start + before)
}

#[cfg(test)]
#[path = "telling_tests.rs"]
mod tests;
