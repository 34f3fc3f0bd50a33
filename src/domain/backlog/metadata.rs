//! The metadata of one heading, and what of its text is the description.
//!
//! Two forms. A block: the first bullet under the heading is `- key: value` with a known key; the contiguous bullets are
//! metadata and an unknown key among them is a fault (a checkbox ends the block: it is an acceptance criterion). A task sheet:
//! `**Priority**: High` and its like anywhere in the text, where unknown bold words are ordinary text. Success criteria and
//! acceptance tests of a sheet stay in the description: they are words for the agent, not commands.

use super::sections::{Part, part};
use crate::domain::backlog::bold::{find_key, is_allowed, split_bold, split_pair};
use crate::domain::base::nearest::{find_nearest, format_hint};
use crate::domain::markdown::{Kind, Line, bullet, indent, parse_box};
use crate::domain::plan::{Finding, Key};

/// One key with its value as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub key: Key,
    pub line: u32,
    /// What stands behind the colon, continuation lines joined by spaces.
    pub text: String,
    /// Nested bullets, or those below a bold key.
    pub items: Vec<String>,
}

/// What was found below a heading.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub entries: Vec<Entry>,
    pub description: String,
}

/// Reads the lines below a heading.
pub(super) fn read(body: &[Line<'_>], findings: &mut Vec<Finding>) -> Body {
    let mut reader = Reader { body, taken: vec![false; body.len()], entries: Vec::new(), findings };
    reader.block();
    reader.read_keys();
    let Reader { taken, entries, .. } = reader;
    let kept: Vec<&str> = body.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(line, _)| line.text).collect();
    let first = kept.iter().position(|text| !text.trim().is_empty()).unwrap_or(kept.len());
    let last = kept.iter().rposition(|text| !text.trim().is_empty()).map_or(first, |last| last + 1);
    Body { entries, description: kept[first..last].join("\n") }
}

struct Reader<'a, 'f> {
    body: &'a [Line<'a>],
    taken: Vec<bool>,
    entries: Vec<Entry>,
    findings: &'f mut Vec<Finding>,
}

impl<'a> Reader<'a, '_> {
    fn block(&mut self) {
        let end = self.body.iter().position(|line| matches!(line.kind, Kind::Heading(_))).unwrap_or(self.body.len());
        if let Some(line) = self.body[..end].iter().find(|line| !line.is_blank()) {
            self.code(line);
        }
        let found = self.body[..end].iter().enumerate();
        let Some((start, first, depth)) =
            found.filter_map(|(at, line)| Some((at, line.bullet()?, line.item?.depth))).next()
        else {
            return;
        };
        match split_pair(first.content) {
            Some((word, _)) if find_key(word).is_some() => {}
            Some((word, _)) => return self.near_miss(word, self.body[start].number),
            None => return,
        }
        let mut current: Option<Entry> = None;
        for at in start..end {
            let line = self.body[at];
            let here = line.bullet();
            let nested = match line.item {
                Some(item) => item.depth > depth,
                None => indent(line.text) >= first.indent + 2,
            };
            let other = !nested && (here.is_none() || line.parse_checkbox().is_some());
            if !matches!(line.kind, Kind::Text | Kind::Inner) || line.is_blank() || other {
                self.code(&line);
                break;
            }
            // A value does not go on in a heading, whether it is underlined or not.
            if line.kind == Kind::Inner {
                self.findings.push(Finding::new(line.number, "Markdown reads a heading here, inside of the metadata"));
                break;
            }
            self.taken[at] = true;
            match (nested, here, &mut current) {
                (true, Some(item), Some(entry)) => entry.items.push(item.content.to_owned()),
                (true, None, Some(entry)) => append_continuation(entry, line.text.trim()),
                (true, _, None) => {}
                (false, item, _) => {
                    self.add_entry(current.take());
                    current = item.and_then(|item| self.entry(item.content, line.number));
                }
            }
        }
        self.add_entry(current);
    }

    /// A key in indented code is no key, and that was not meant where keys stand.
    fn code(&mut self, line: &Line<'_>) {
        let key =
            bullet(line.text).and_then(|item| split_pair(item.content)).filter(|(word, _)| find_key(word).is_some());
        if let Some((word, _)) = key.filter(|_| line.kind == Kind::Code) {
            let message = format!("`{word}` is indented so far that Markdown reads code, no key; take spaces away");
            self.findings.push(Finding::new(line.number, message));
        }
    }

    /// A bullet of the block: a known key, or a finding.
    fn entry(&mut self, content: &str, line: u32) -> Option<Entry> {
        let Some((word, value)) = split_pair(content) else {
            let message = "not `key: value`; leave a blank line between the metadata and other bullets";
            self.findings.push(Finding::new(line, message));
            return None;
        };
        let Some(key) = find_key(word) else {
            let near = format_hint(Key::nearest_name(word, is_allowed));
            let message =
                format!("unknown key `{word}`{near}; leave a blank line between the metadata and other bullets");
            self.findings.push(Finding::new(line, message));
            return None;
        };
        Some(Entry { key, line, text: value.to_owned(), items: Vec::new() })
    }

    /// The first bullet is no known key, so the bullets are description; but when it is nearly one, that was not meant.
    fn near_miss(&mut self, word: &str, line: u32) {
        const LONG: [&str; 10] = [
            "priority",
            "depends",
            "timeout",
            "attempts",
            "estimate",
            "checkpoint",
            "verify",
            "accept",
            "labels",
            "allow-removed-tests",
        ];
        let lower = word.to_ascii_lowercase();
        let near = find_nearest(&lower, LONG).filter(|name| name.len() > 6 || lower.len() == name.len());
        if near.is_some() {
            let message =
                format!("unknown key `{word}`{}; put text above the first bullet if it is no key", format_hint(near));
            self.findings.push(Finding::new(line, message));
        }
    }

    fn read_keys(&mut self) {
        for at in 0..self.body.len() {
            let line = self.body[at];
            if self.taken[at] {
                continue;
            }
            if line.title().is_some_and(|(_, title)| part(title) == Some(Part::Gates)) {
                self.gates(at);
                continue;
            }
            if line.kind != Kind::Text || indent(line.text) > 3 {
                continue;
            }
            let content = line.bullet().map_or(line.text.trim(), |item| item.content);
            let Some((word, value)) = split_bold(content) else { continue };
            let Some(key) = find_key(word)
                .filter(|key| matches!(key, Key::Priority | Key::Estimate | Key::Depends | Key::Gate | Key::Status))
            else {
                continue;
            };
            self.taken[at] = true;
            let mut entry = Entry { key, line: line.number, text: value.to_owned(), items: Vec::new() };
            if value.is_empty() {
                entry.items = self.items_below(at);
            }
            // An empty heading of a sheet says nothing; only a priority cannot be nothing.
            if !(entry.text.is_empty() && entry.items.is_empty()) || key == Key::Priority {
                self.add_entry(Some(entry));
            }
        }
    }

    /// A heading `Human Gates`: its bullets, or else its text, are the gate.
    fn gates(&mut self, at: usize) {
        let below = self.body[at + 1..].iter().take_while(|line| !matches!(line.kind, Kind::Heading(_)));
        let end = at + 1 + below.count();
        let mut entry = Entry { key: Key::Gate, line: self.body[at].number, text: String::new(), items: Vec::new() };
        for line in &self.body[at + 1..end] {
            match line.bullet() {
                Some(item) => {
                    entry.items.push(parse_box(item.content).map_or(item.content, |(_, rest)| rest).to_owned())
                }
                None if matches!(line.kind, Kind::Text | Kind::Code | Kind::Html) && !line.text.trim().is_empty() => {
                    append_continuation(&mut entry, line.text.trim());
                }
                None => {}
            }
        }
        self.taken[at..end].iter_mut().for_each(|taken| *taken = true);
        if !(entry.text.is_empty() && entry.items.is_empty()) {
            self.add_entry(Some(entry));
        }
    }

    /// The bullets below a bold key, one blank line allowed before them.
    fn items_below(&mut self, at: usize) -> Vec<String> {
        let mut items = Vec::new();
        let skip = usize::from(self.body.get(at + 1).is_some_and(Line::is_blank));
        for next in at + 1 + skip..self.body.len() {
            let Some(item) = self.body[next].bullet().filter(|item| split_bold(item.content).is_none()) else { break };
            self.taken[next] = true;
            items.push(parse_box(item.content).map_or(item.content, |(_, rest)| rest).to_owned());
        }
        items
    }

    fn add_entry(&mut self, entry: Option<Entry>) {
        let Some(entry) = entry else { return };
        match self.entries.iter().find(|other| other.key == entry.key) {
            None => self.entries.push(entry),
            Some(first) => {
                let message = format!("`{}` is given twice (first at line {})", entry.key.name(), first.line);
                self.findings.push(Finding::new(entry.line, message));
            }
        }
    }
}

fn append_continuation(entry: &mut Entry, text: &str) {
    let target = entry.items.last_mut().unwrap_or(&mut entry.text);
    if !target.is_empty() {
        target.push(' ');
    }
    target.push_str(text);
}
