//! Titles: what stands in a heading besides the words (checkbox, `P0`).

use crate::domain::markdown::parse_box;
use crate::domain::plan::names::numbered_title;

/// A heading's text taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Title {
    /// Without checkbox and priority mark.
    pub words: String,
    /// From `P0`, `[P1]:`, `(P2)`.
    pub priority: Option<u32>,
    /// From `[x]` or `[ ]`.
    pub ticked: Option<bool>,
}

/// The title of a heading of this level: of `# Task: name` the name.
pub(super) fn of(text: &str, level: u8) -> Title {
    match parse_task(text).filter(|_| level == 1) {
        Some((ticked, name)) => {
            let title = parse(name);
            Title { ticked: title.ticked.or(ticked), ..title }
        }
        None => parse(text),
    }
}

/// What a dependency calls a heading of this level as it stands: `Task: name` without its checkbox.
pub(super) fn strip_title(text: &str, level: u8) -> &str {
    parse_box(text.trim()).filter(|_| level == 1).map_or(text, |(_, rest)| rest)
}

/// The name in `Task: name`, with its checkbox; `Task 2: name` keeps its number.
pub(super) fn parse_task(text: &str) -> Option<(Option<bool>, &str)> {
    let (ticked, rest) = parse_box(text.trim()).map_or((None, text.trim()), |(ticked, rest)| (Some(ticked), rest));
    let word = rest.get(..4).filter(|word| word.eq_ignore_ascii_case("task"))?;
    let after = rest[word.len()..].trim_start();
    match after.strip_prefix(':') {
        Some(name) => Some((ticked, name.trim())),
        None => {
            let number = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            (numbered_title(rest).is_some() && number.starts_with(':')).then_some((ticked, rest))
        }
    }
}

/// A mark is `P` with one or two digits, at the start of the title or in brackets anywhere. A title that would be
/// empty without its mark keeps it.
pub(super) fn parse(text: &str) -> Title {
    let (ticked, rest) = parse_box(text.trim()).map_or((None, text.trim()), |(ticked, rest)| (Some(ticked), rest));
    let marked = leading_mark(rest).or_else(|| bracketed_mark(rest)).filter(|(_, words)| !words.is_empty());
    let (priority, words) = marked.unwrap_or((None, rest.to_owned()));
    Title { words, priority, ticked }
}

type Marked = (Option<u32>, String);

fn leading_mark(text: &str) -> Option<Marked> {
    let (word, rest) = text.split_once([' ', ':']).unwrap_or((text, ""));
    let level = parse_mark(word)?;
    let rest = rest.trim_start_matches([' ', ':', '-', '–', '—']);
    Some((Some(level), rest.to_owned()))
}

fn bracketed_mark(text: &str) -> Option<Marked> {
    for (at, _) in text.match_indices(['[', '(']) {
        let inner = &text[at + 1..];
        let Some(close) = inner.find([']', ')']) else { continue };
        let Some(level) = parse_mark(&inner[..close]) else { continue };
        let head = text[..at].trim_end();
        let tail = inner[close + 1..].trim_start_matches([':', ' ']);
        return Some((Some(level), format!("{head} {tail}").trim().to_owned()));
    }
    None
}

fn parse_mark(word: &str) -> Option<u32> {
    let digits = word.strip_prefix(['P', 'p'])?;
    let plain = matches!(digits.len(), 1 | 2) && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_leave_the_words() {
        for (text, words, priority, ticked) in [
            ("P0: Fix the leak", "Fix the leak", Some(0), None),
            ("[P1] Fix", "Fix", Some(1), None),
            ("[x] Fix (P2)", "Fix", Some(2), Some(true)),
            ("[ ] P3 — Fix", "Fix", Some(3), Some(false)),
            ("Task 1: [P1]: Fix", "Task 1: Fix", Some(1), None),
            ("Support P2P and (p2p)", "Support P2P and (p2p)", None, None),
            ("P0", "P0", None, None),
            ("Remove P1 from titles", "Remove P1 from titles", None, None),
        ] {
            assert_eq!(parse(text), Title { words: words.to_owned(), priority, ticked }, "{text}");
        }
    }
}
