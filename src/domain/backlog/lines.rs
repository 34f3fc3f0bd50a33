//! The lines of a Markdown file: which are headings, which are ordinary text, which are inside a code block or comment.
//!
//! Follows CommonMark (spec 0.31) where it matters for finding headings. Two deliberate differences: code fences count at any
//! indentation (they may stand in lists), and what would make headings vanish unseen (a fence or comment that is never closed,
//! `##Title` without a space, titles underlined with dashes) is a finding.

use crate::domain::plan::Finding;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// In a code block, comment or front matter, fences included.
    Verbatim,
    Heading(u8),
}

/// One line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// From 1.
    pub number: u32,
    pub kind: Kind,
    /// Without line end; for headings the title only.
    pub text: &'a str,
}

impl Line<'_> {
    pub(super) fn is_blank(&self) -> bool {
        self.kind == Kind::Text && self.text.trim().is_empty()
    }
}

/// A bullet: columns before its marker, and what follows the marker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bullet<'a> {
    pub indent: usize,
    pub content: &'a str,
}

/// What swallows lines until it ends.
enum Block {
    Fence { mark: char, length: usize },
    Comment,
    FrontMatter,
}

/// Splits a text into lines.
pub(super) fn scan<'a>(text: &'a str, findings: &mut Vec<Finding>) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    let mut block: Option<(u32, Block)> = None;
    let mut swallowed = false;
    for (index, raw) in text.split('\n').enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let text = raw.strip_suffix('\r').unwrap_or(raw);
        let mut line = Line { number, kind: Kind::Verbatim, text };
        if let Some((_, inside)) = &block {
            if ends(inside, text) {
                (block, swallowed) = (None, false);
            } else {
                swallowed |= heading(text).is_some() || checkbox(text).is_some();
            }
        } else if let Some(opened) = opens(text, number) {
            block = Some((number, opened));
        } else if let Some((level, title)) = heading(text) {
            (line.kind, line.text) = (Kind::Heading(level), title);
        } else {
            line.kind = Kind::Text;
            suspicious(&line, lines.last(), findings);
        }
        lines.push(line);
    }
    if let Some((line, _)) = block.filter(|_| swallowed) {
        findings.push(Finding::new(line, "opened here and never closed: the headings below it would not be read"));
    }
    lines
}

/// A bullet at any indentation: `-`, `*`, `+`, `1.` or `1)` followed by a space or nothing.
pub(super) fn bullet(text: &str) -> Option<Bullet<'_>> {
    let indent = indent(text);
    let rest = text.trim_start_matches([' ', '\t']);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let after = if (1..=9).contains(&digits) {
        rest[digits..].strip_prefix(['.', ')'])?
    } else {
        rest.strip_prefix(['-', '*', '+'])?
    };
    (after.is_empty() || after.starts_with([' ', '\t'])).then(|| Bullet { indent, content: after.trim() })
}

/// A bullet with a checkbox: whether it is ticked, and what follows it.
pub(super) fn checkbox(text: &str) -> Option<(Bullet<'_>, bool, &str)> {
    let bullet = bullet(text)?;
    let (ticked, rest) = ticked(bullet.content)?;
    Some((bullet, ticked, rest))
}

/// `[ ] rest` or `[x] rest`.
pub(super) fn ticked(content: &str) -> Option<(bool, &str)> {
    let (mark, rest) = content.strip_prefix('[')?.split_once(']')?;
    let ticked = match mark {
        " " | "" => false,
        "x" | "X" => true,
        _ => return None,
    };
    (rest.is_empty() || rest.starts_with(' ')).then(|| (ticked, rest.trim()))
}

/// Columns of white space at the start; a tab reaches the next multiple of four.
pub(super) fn indent(text: &str) -> usize {
    let mut columns = 0;
    for c in text.chars() {
        match c {
            ' ' => columns += 1,
            '\t' => columns += 4 - columns % 4,
            _ => break,
        }
    }
    columns
}

fn heading(text: &str) -> Option<(u8, &str)> {
    if indent(text) > 3 {
        return None;
    }
    let bare = text.trim();
    let rest = bare.trim_start_matches('#');
    let level = u8::try_from(bare.len() - rest.len()).ok().filter(|level| (1..=6).contains(level))?;
    if !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let title = rest.trim();
    let open = title.trim_end_matches('#');
    // A closing run of `#` counts only after a space: `Learn C#` keeps its sign.
    let title = if open.is_empty() || open.ends_with([' ', '\t']) { open.trim_end() } else { title };
    Some((level, title))
}

fn opens(text: &str, number: u32) -> Option<Block> {
    if number == 1 && text.trim_end() == "---" {
        return Some(Block::FrontMatter);
    }
    let mut rest = text.trim_start();
    if let Some(comment) = rest.strip_prefix("<!--") {
        return (!comment.contains("-->")).then_some(Block::Comment);
    }
    while let Some(inner) = bullet(rest) {
        rest = inner.content;
    }
    let mark = rest.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = rest.chars().take_while(|c| *c == mark).count();
    let fence = length >= 3 && !(mark == '`' && rest[length..].contains('`'));
    fence.then_some(Block::Fence { mark, length })
}

fn ends(block: &Block, text: &str) -> bool {
    match block {
        Block::Comment => text.contains("-->"),
        Block::FrontMatter => matches!(text.trim_end(), "---" | "..."),
        Block::Fence { mark, length } => {
            let bare = text.trim();
            bare.len() >= *length && bare.chars().all(|c| c == *mark)
        }
    }
}

/// Lines that look like headings to a person or to other readers, but are not taken here.
fn suspicious(line: &Line<'_>, before: Option<&Line<'_>>, findings: &mut Vec<Finding>) {
    let rest = line.text.trim_start_matches('#');
    let marks = line.text.len() - rest.len();
    if (2..=6).contains(&marks) && rest.starts_with(char::is_alphanumeric) {
        findings.push(Finding::new(line.number, format!("a heading needs a space after `{}`", "#".repeat(marks))));
    }
    let bare = line.text.trim();
    let underline = bare.len() >= 2 && bare.bytes().all(|b| b == b'-') && indent(line.text) <= 3;
    let paragraph = |above: &Line<'_>| {
        let text = above.text.trim_start();
        above.kind == Kind::Text
            && !text.is_empty()
            && indent(above.text) <= 1
            && bullet(text).is_none()
            && !text.starts_with(['>', '|', '-'])
    };
    if underline && before.is_some_and(paragraph) {
        let message =
            "Markdown reads the line above as a heading; write it as `## title`, or put a blank line between them";
        findings.push(Finding::new(line.number, message));
    }
}
