//! Adding a session to a progress file, and merging two texts of it.
//!
//! Promises: what a person wrote stays byte by byte; only below the line [`RENEWED`], which a file made here has and
//! everybody may take away, is text written anew. Values are put on one line and cannot end the block they stand in.

use crate::domain::base::text::{one_line, replace_control_chars, shorten};
use crate::domain::markdown::{self, Kind, Line};
use std::fmt::Write;

/// The line below which a section is written anew with each session.
pub const RENEWED: &str =
    "<!-- mc writes the lines below anew with each session; take this line away to keep your own -->";

/// Longest value, in characters.
const LONGEST: usize = 400;

/// What a session says. All of it is untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// Behind the number.
    pub title: String,
    /// In this order.
    pub bullets: Vec<Bullet>,
    /// The same for `## Current State`.
    pub current: Vec<Bullet>,
    /// What is next, numbered.
    pub next: Vec<String>,
}

/// `- **Name**: text`, with items below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bullet {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: String,
    /// Items below it.
    pub below: Vec<String>,
}

impl Bullet {
    /// A bullet with nothing below it.
    pub fn new(name: &'static str, text: &str) -> Self {
        Self { name, text: text.to_owned(), below: Vec::new() }
    }
}

/// The text with one session more, newest first, numbered one above the highest; a whole file where there is none.
pub fn add(text: Option<&str>, session: &Session) -> String {
    let made =
        || format!("# Progress\n\n## Current State\n\n{RENEWED}\n\n## Next Up\n\n{RENEWED}\n\n## Session History\n");
    let text = text.filter(|text| !text.trim().is_empty()).map_or_else(made, str::to_owned);
    let (title, did) = (to_single_line(&session.title), write_bullets(&session.bullets));
    let number = highest_number(&text) + 1;
    let block = format!("<details>\n<summary>Session {number:03} - {title}</summary>\n\n{did}\n</details>\n");
    let next: String =
        (1..).zip(&session.next).map(|(nth, item)| format!("{nth}. {}\n", to_single_line(item))).collect();
    let text = renewed(&text, "Current State", Some(&write_bullets(&session.current)));
    insert_session(&renewed(&text, "Next Up", Some(&next)), &block)
}

fn write_bullets(all: &[Bullet]) -> String {
    let mut out = String::new();
    for bullet in all {
        let _ = writeln!(out, "- **{}**: {}", bullet.name, to_single_line(&bullet.text));
        for item in &bullet.below {
            let _ = writeln!(out, "  - {}", to_single_line(item));
        }
    }
    out
}

/// Text on one line in which no tag begins.
fn to_single_line(text: &str) -> String {
    shorten(&one_line(&replace_control_chars(text)), LONGEST).replace('<', "&lt;")
}

/// A line with its end, and what Markdown makes of it.
type Whole<'a> = (&'a str, Line<'a>);

fn lines(text: &str) -> Vec<Whole<'_>> {
    text.split_inclusive('\n').zip(markdown::read(text).lines).collect()
}

/// Whether a line stands in a code block or comment, where nothing of it is meant.
fn shown_only(line: &Line<'_>) -> bool {
    matches!(line.kind, Kind::Code | Kind::Comment)
}

fn end_of(text: &str) -> &'static str {
    if text.split_inclusive('\n').next().is_some_and(|first| first.ends_with("\r\n")) { "\r\n" } else { "\n" }
}

/// The lines of a section, heading and following headings excluded.
fn section(all: &[Whole<'_>], name: &str) -> Option<(usize, usize)> {
    let heading = |(_, line): &Whole<'_>| matches!(line.kind, Kind::Heading(1 | 2));
    let at = all.iter().position(|(_, line)| line.title() == Some((2, name)))?;
    let underlines = all[at + 1..].iter().take_while(|(_, line)| line.kind == Kind::Underline).count();
    let from = at + 1 + underlines;
    let to = all[from..].iter().position(heading).map_or(all.len(), |n| from + n);
    Some((from, to))
}

/// The text with what stands below [`RENEWED`] in a section replaced; with nothing it is taken away.
fn renewed(text: &str, name: &str, new: Option<&str>) -> String {
    let all = lines(text);
    let Some((from, to)) = section(&all, name) else { return text.to_owned() };
    let Some(mark) = (from..to).find(|at| all[*at].1.kind != Kind::Code && all[*at].0.trim() == RENEWED) else {
        return text.to_owned();
    };
    let end = end_of(text);
    let mut out: String = all[..mark].iter().map(|(line, _)| *line).collect();
    out.push_str(RENEWED);
    out.push_str(end);
    if let Some(new) = new {
        out.push_str(&new.replace('\n', end));
    }
    if to < all.len() {
        out.push_str(end);
    }
    out.extend(all[to..].iter().map(|(line, _)| *line));
    out
}

/// The text with a block before the newest session.
fn insert_session(text: &str, block: &str) -> String {
    let (all, end) = (lines(text), end_of(text));
    let block = block.replace('\n', end);
    let Some((from, to)) = section(&all, "Session History") else {
        let gap = if text.ends_with('\n') { end.to_owned() } else { end.repeat(2) };
        return format!("{text}{gap}## Session History{end}{end}{block}");
    };
    let blank = |at: usize| all.get(at).is_some_and(|(line, _)| line.trim().is_empty());
    let newest = (from..to).find(|at| !shown_only(&all[*at].1) && all[*at].0.trim_start().starts_with("<details"));
    let at = newest.unwrap_or_else(|| (from..to).find(|at| !blank(*at)).unwrap_or(to));
    let mut out: String = all[..at].iter().map(|(line, _)| *line).collect();
    if !out.ends_with('\n') {
        out.push_str(end);
    }
    if newest.is_none() && !(at > from && blank(at - 1)) {
        out.push_str(end);
    }
    out.push_str(&block);
    if newest.is_none() && at < all.len() {
        out.push_str(end);
    }
    out.extend(all[at..].iter().map(|(line, _)| *line));
    out
}

/// The highest number of a session; 0 without any.
fn highest_number(text: &str) -> u32 {
    let lines = markdown::read(text).lines.into_iter().filter(|line| !shown_only(line));
    let numbers = lines.filter_map(|line| number(line.text).map(|(number, _)| number));
    numbers.max().unwrap_or(0)
}

/// The number in the line of a session's summary, and what follows it.
fn number(line: &str) -> Option<(u32, &str)> {
    let rest = line.trim_start().strip_prefix("<summary>Session ")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    Some((rest[..digits].parse().ok()?, &rest[digits..]))
}

/// The blocks of sessions as (first line, line behind the last).
fn blocks(all: &[Whole<'_>]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut open = None;
    for (at, (whole, line)) in all.iter().enumerate() {
        let text = whole.trim();
        if shown_only(line) {
        } else if text.starts_with("<details") {
            open = Some(at);
        } else if text == "</details>"
            && let Some(from) = open.take()
        {
            found.push((from, at + 1));
        }
    }
    found
}

/// The sessions of `new` that `old` has not, newest first, and `new` without them and without what is written anew.
fn split_new_sessions(old: &str, new: &str) -> (Vec<String>, String) {
    let whole = |all: &[Whole<'_>], (from, to): (usize, usize)| -> String {
        all[from..to].iter().map(|(line, _)| *line).collect()
    };
    let (before, after) = (lines(old), lines(new));
    let known: Vec<String> = blocks(&before).into_iter().map(|block| whole(&before, block)).collect();
    let (mut fresh, mut rest, mut at) = (Vec::new(), String::new(), 0);
    for block in blocks(&after) {
        let text = whole(&after, block);
        rest.push_str(&whole(&after, (at, block.0)));
        at = block.1;
        if known.contains(&text) { rest.push_str(&text) } else { fresh.push(text) }
    }
    rest.push_str(&whole(&after, (at, after.len())));
    (fresh, strip_renewed(&rest))
}

/// A text without what is written anew.
fn strip_renewed(text: &str) -> String {
    renewed(&renewed(text, "Current State", None), "Next Up", None).trim_end().to_owned()
}

/// The text of a person with the sessions that another text got beside it, numbered again. `base` is what both come from;
/// empty where there was none. `None` when the other text differs from `base` in more than sessions.
pub fn merge(base: &str, kept: &str, person: &str) -> Option<String> {
    let (fresh, rest) = split_new_sessions(base, kept);
    let made = add(None, &Session::default());
    let from = if base.trim().is_empty() { split_new_sessions("", &made).1 } else { strip_renewed(base) };
    if rest != from {
        return None;
    }
    let mut text = person.to_owned();
    for block in fresh.into_iter().rev() {
        let next = highest_number(&text) + 1;
        let numbered = block.lines().map(|line| match number(line) {
            Some((_, rest)) => format!("<summary>Session {next:03}{rest}\n"),
            None => format!("{line}\n"),
        });
        text = insert_session(&text, &numbered.collect::<String>());
    }
    Some(text)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
