//! What is shown and kept of an output, before all others the lines that say what went wrong.
//!
//! Nothing is judged by them: they are found by words that runners and compilers print (`assert`, `panicked`, `error:`, …). Whose
//! they are is not found by words: a test is only ever quoted from its own part of the output (see [`crate::domain::verify::formats`]), and a stage
//! where no test tells of it.

use crate::domain::base::text::{floor_char_boundary, replace_control_chars};
use crate::domain::verify::formats::excerpt::{head_tail, left_out};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Words of a line that says what is wrong, in small letters.
const STRONG: &[&str] = &["assert", "panicked", "expect", "exception", "error:", "error["];

/// Words of a line that only says that something is wrong.
const WEAK: &[&str] = &["fail", "error", "not ok"];

/// How plainly a line says what went wrong; 0 for one that does not.
fn line_weight(line: &str) -> u8 {
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
fn find_plainest<'a>(lines: impl Iterator<Item = &'a str>) -> Option<(u8, usize)> {
    let heavy = lines.enumerate().map(|(at, line)| (line_weight(line), at)).filter(|(weight, _)| *weight > 0);
    heavy.max_by_key(|(weight, at)| (*weight, std::cmp::Reverse(*at)))
}

/// From which line on an output says what went wrong; `None` where no line says so.
pub fn place(text: &str) -> Option<usize> {
    find_plainest(text.lines()).map(|(_, at)| at)
}

/// At most `most` lines of what a test or a stage said, without blank ones: its first line and those in which it says most plainly
/// what went wrong.
pub fn select_lines(said: &str, most: usize) -> Vec<&str> {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.len() <= most || most < 2 {
        return lines.into_iter().take(most).collect();
    }
    let told = find_plainest(lines.iter().skip(1).copied()).map_or(1, |(_, at)| at + 1);
    // What explains it stands around it.
    let from = told.min(lines.len() + 1 - most).max(1);
    lines.iter().take(1).chain(&lines[from..]).take(most).copied().collect()
}

/// What stands between a change and green, in its own words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The test, or the stage where no test tells of it.
    pub by: String,
    /// Its part of the output, an excerpt.
    pub text: String,
}

/// Most bytes of all that a comparison quotes: it is journaled.
const QUOTED: usize = 4 * 1024;
/// Most tests and stages that it quotes.
const QUOTES: usize = 10;

/// Cuts what several said to the share of each, the first ones where there are too many.
pub(in crate::domain::verify) fn make_quotes<'a>(said: impl Iterator<Item = (String, &'a str)>) -> Vec<Said> {
    let said: Vec<(String, &str)> = said.filter(|(_, text)| !text.trim().is_empty()).take(QUOTES).collect();
    let share = QUOTED / said.len().max(1);
    said.into_iter().map(|(by, text)| Said { by, text: excerpt(text.trim_end(), share) }).collect()
}

/// Quotes as lines of a text: `NAME says:` and what it said behind bars.
pub fn format_quotes(said: &[Said]) -> Vec<String> {
    let quoted = |one: &Said| {
        let bars: String = one.text.lines().map(|line| format!("\n{BAR}{line}")).collect();
        format!("{}{SAYS}{bars}", replace_control_chars(&one.by))
    };
    said.iter().map(quoted).collect()
}

const SAYS: &str = " says:";
const BAR: &str = "  | ";

/// The quotes of a text that [`format_quotes`] made, cut to `most` lines together, the share of each; empty where it has none.
pub fn trim_quotes(text: &str, most: usize) -> Vec<String> {
    let mut said: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix(BAR), said.last_mut()) {
            (Some(line), Some((_, lines))) => lines.push(line),
            _ if line.ends_with(SAYS) => said.push((line, Vec::new())),
            _ => {}
        }
    }
    said.retain(|(_, lines)| !lines.is_empty());
    let share = (most / said.len().max(1)).max(3);
    let shown = said.into_iter().take((most / 3).max(1));
    let shown = shown.flat_map(|(by, lines)| {
        let text = lines.join("\n");
        let lines: Vec<String> = select_lines(&text, share - 1).into_iter().map(|line| format!("  {line}")).collect();
        std::iter::once(by.to_owned()).chain(lines).collect::<Vec<_>>()
    });
    shown.take(most).collect()
}

/// The text itself if it is short enough, else its beginning, its end and, where what lies between says what went wrong, that
/// place too; each cut is marked with the number of bytes left out. Never longer than `limit` bytes.
pub fn excerpt(text: &str, limit: usize) -> String {
    let whole = head_tail(text, limit);
    // Marks of two cuts.
    let Some(room) = limit.checked_sub(120).filter(|_| text.len() > limit) else { return whole };
    let (head, tail) = (floor_char_boundary(text, room / 6), floor_char_boundary(text, text.len() - room / 2));
    let Some(told) = place_between(text, head..tail) else { return whole };
    let end = floor_char_boundary(text, tail.min(told + room / 3));
    let cut = |bytes: usize| if bytes > 0 { left_out(bytes) } else { String::new() };
    let (before, after) = (cut(told - head), cut(tail - end));
    format!("{}{before}{}{after}{}", &text[..head], &text[told..end], &text[tail..])
}

/// Where the line before the one that says most plainly what went wrong begins, if that says more than all the rest.
fn place_between(text: &str, range: Range<usize>) -> Option<usize> {
    let (said, at) = find_plainest(text[range.clone()].split('\n'))?;
    let outside = [&text[..range.start], &text[range.end..]];
    if said < 2 || outside.into_iter().any(|part| find_plainest(part.lines()).is_some_and(|(other, _)| other >= said)) {
        return None;
    }
    let before: usize = text[range.clone()].split('\n').take(at.saturating_sub(1)).map(|line| line.len() + 1).sum();
    Some(range.start + before)
}

#[cfg(test)]
#[path = "telling_tests.rs"]
mod tests;
