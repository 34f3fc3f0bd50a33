//! From lines to sections: which headings are items, which boxes are, and what belongs to each of them.
//!
//! Criteria of a task sheet (`## Success Criteria` and its like) and, below `# Task: name`, headings without keys of their own are
//! text of the item above them.

use super::title;
use crate::domain::backlog::bold::{begins_with_keys, split_bold};
use crate::domain::markdown::{Kind, Line, Odd, Oddity};
use crate::domain::plan::Finding;
use crate::domain::plan::names::numbered_title;

/// A heading with the lines up to the next one, or a box with what belongs to it.
pub(super) struct Section<'a> {
    /// Its line, from 1.
    pub line: u32,
    /// The last line of its heading: another one only where it is underlined.
    pub last: u32,
    /// 1 to 6; 0 for a box.
    pub level: u8,
    /// As it stands in the file.
    pub title: &'a str,
    pub body: Vec<Line<'a>>,
    /// Whether a heading of level 1 stands between this one and the one before, or is this one.
    pub fresh: bool,
    /// Criteria that belong to no single item.
    pub criteria: bool,
}

/// The part of a task sheet that a heading or label begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// `Success Criteria`, `Acceptance Tests`: words for the agent.
    Criteria,
    /// `Human Gates`.
    Gates,
}

/// The sections of a file: its headings, or its boxes where no heading is an item.
pub(super) fn split_sections<'a>(lines: &[Line<'a>]) -> Vec<Section<'a>> {
    let found = heading_sections(lines);
    if found.iter().any(|section| !section.criteria) {
        return found;
    }
    let boxes = checkbox_sections(lines);
    if boxes.is_empty() { found } else { boxes }
}

/// The part of a task sheet that goes by this name.
pub(super) fn part(name: &str) -> Option<Part> {
    let name = name.trim_matches(['*', '_', ':', ' ', '\t']);
    let name = numbered_title(name).map_or(name, |(_, words)| words);
    match name.trim_end_matches([':', ' ']).to_ascii_lowercase().as_str() {
        "success criteria" | "acceptance tests" => Some(Part::Criteria),
        "human gates" => Some(Part::Gates),
        _ => None,
    }
}

/// What a person should change or know, in words: faults, and notes.
pub(super) fn report_oddities(oddities: &[Oddity], findings: &mut Vec<Finding>) -> Vec<Finding> {
    let mut notes = Vec::new();
    for Oddity { line, what } in oddities {
        let (list, words) = match what {
            Odd::Unclosed => (&mut *findings, "opened here and never closed: the headings below it would not be read"),
            Odd::Underline => (
                &mut *findings,
                "Markdown reads the text above as a heading; write it as `## title`, or put a blank line between them",
            ),
            Odd::LoneReturn => (
                &mut *findings,
                "a carriage return without a line feed ends no line here; save the file with usual line ends",
            ),
            Odd::Glued => (&mut *findings, "a heading needs a space after its `#`"),
            Odd::InHtml => {
                (&mut notes, "inside raw HTML, so no heading; an empty line above it ends the HTML and makes it one")
            }
            Odd::InItem => (
                &mut notes,
                "belongs to the list item above, so it is no item of its own; without indentation it is one",
            ),
        };
        list.push(Finding::new(*line, words));
    }
    notes
}

/// A heading before it is known what it belongs to.
struct Head<'a> {
    level: u8,
    title: &'a str,
    /// Index of its line, of the first line below it and of the line behind its text.
    at: usize,
    from: usize,
    to: usize,
    fresh: bool,
    task: bool,
    /// Has keys, a box or a priority of its own.
    keys: bool,
    criteria: bool,
}

fn heading_sections<'a>(lines: &[Line<'a>]) -> Vec<Section<'a>> {
    let heads = section_heads(lines);
    let mut sections: Vec<Section<'a>> = Vec::new();
    // Headings before this one are text of the section before them.
    let mut taken = 0;
    for (at, head) in heads.iter().enumerate() {
        if at < taken {
            continue;
        }
        let below = heads[at + 1..].iter().take_while(|next| !next.fresh && next.level > head.level).count();
        let below = &heads[at + 1..at + 1 + below];
        let whole = (head.task && !below.iter().any(|next| next.keys)) || only_criteria(below);
        let last = if whole { below.last().unwrap_or(head) } else { head };
        taken = if whole { at + 1 + below.len() } else { at + 1 };
        sections.push(Section {
            line: lines[head.at].number,
            last: lines[head.from - 1].number,
            level: head.level,
            title: head.title,
            body: lines[head.from..last.to].to_vec(),
            fresh: head.fresh,
            criteria: head.criteria,
        });
    }
    sections
}

fn section_heads<'a>(lines: &[Line<'a>]) -> Vec<Head<'a>> {
    let mut heads: Vec<Head<'a>> = Vec::new();
    let mut fresh = false;
    let mut from = 0;
    let starts = (0..lines.len()).filter(|at| matches!(lines[*at].kind, Kind::Heading(_)));
    let mut starts = starts.peekable();
    while let Some(at) = starts.next() {
        let Some((level, title)) = lines[at].title() else { continue };
        let to = starts.peek().copied().unwrap_or(lines.len());
        let underlines = lines[at + 1..to].iter().take_while(|line| line.kind == Kind::Underline).count();
        from = from.max(at + 1 + underlines);
        let task = level == 1 && title::parse_task(title).is_some();
        if level == 1 {
            fresh = true;
        }
        if level == 1 && !task {
            continue;
        }
        let words = title::parse(title);
        let keys = words.ticked.is_some() || words.priority.is_some() || begins_with_keys(&lines[from..to]);
        let criteria = !keys && part(&words.words).is_some();
        heads.push(Head { level, title, at, from, to, fresh, task, keys, criteria });
        fresh = false;
    }
    heads
}

/// Whether every one of these headings is about criteria, or below one that is.
fn only_criteria(below: &[Head<'_>]) -> bool {
    let mut cover: Option<u8> = None;
    below.iter().all(|head| {
        if cover.is_some_and(|level| head.level > level) {
            return !head.keys;
        }
        cover = head.criteria.then_some(head.level);
        head.criteria
    })
}

/// The items of a file without headings; what is inside an item belongs to it. Boxes below a heading or label about criteria
/// are none.
fn checkbox_sections<'a>(lines: &[Line<'a>]) -> Vec<Section<'a>> {
    let mut sections: Vec<Section<'a>> = Vec::new();
    let mut criteria = false;
    // Column of the item that is open, and its last line.
    let mut open: Option<(usize, u32)> = None;
    for line in lines {
        if let Some((column, _)) = open.filter(|(_, last)| line.number <= *last) {
            if let Some(section) = sections.last_mut() {
                let margin = line.text.bytes().take(column + 2).take_while(|b| matches!(b, b' ' | b'\t')).count();
                section.body.push(Line { text: &line.text[margin..], ..*line });
            }
            continue;
        }
        open = None;
        if let Some((_, title)) = line.title() {
            criteria = part(title).is_some();
        } else if let Some(label) = label(line) {
            criteria = part(label).is_some();
        }
        let (Some((bullet, _, _)), Some(item), false) = (line.parse_checkbox(), line.item, criteria) else { continue };
        let (line, title) = (line.number, bullet.content);
        sections.push(Section { line, last: line, level: 0, title, body: Vec::new(), fresh: false, criteria: false });
        open = Some((bullet.indent, item.last));
    }
    sections
}

/// The words of a line that names what follows: `**Tests**`, `**Tests**: all`, `Tests:`.
fn label<'a>(line: &Line<'a>) -> Option<&'a str> {
    let text = line.bullet().map_or(line.text.trim(), |bullet| bullet.content);
    if line.kind != Kind::Text {
        return None;
    }
    let whole = || text.strip_prefix("**")?.strip_suffix("**").filter(|name| !name.contains("**"));
    split_bold(text).map(|(name, _)| name).or_else(whole).or_else(|| text.strip_suffix(':'))
}
