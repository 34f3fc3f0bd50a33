//! From sections to a backlog: groups and notes, phase paths, values of keys.

use super::metadata::Entry;
use super::resolve::{self, Draft};
use super::sections::{Section, report_oddities, split_sections};
use super::status::{ItemState, Said};
use super::{Backlog, Heading, HeadingKind, metadata, status, title};
use crate::domain::backlog::node::Node;
use crate::domain::base::Invalid;
use crate::domain::markdown;
use crate::domain::plan::keys::{Key, Value};
use crate::domain::plan::names::numbered_title;
use crate::domain::plan::{Finding, faultless, keys, slug};
use crate::domain::unit::UnitSpec;
use crate::domain::values::UnitId;
use std::collections::{BTreeMap, BTreeSet};

/// Reads a backlog.
///
/// # Errors
/// Every fault, sorted by line: unknown keys and bad values in metadata, duplicate ids, unknown or ambiguous dependencies,
/// cycles, and text that would hide headings.
pub fn parse(text: &str) -> Result<Backlog, Vec<Finding>> {
    let mut findings = Vec::new();
    let (nodes, drafts, notes) = read(text, &mut findings);
    let backlog = Backlog { notes, ..resolve::link(&nodes, drafts, &mut findings) };
    faultless(backlog, findings)
}

/// Where a unit stands in the text.
pub(super) struct Place {
    pub unit: UnitId,
    /// Line of its heading, from 1.
    pub line: u32,
    /// The last line of its heading, where it is underlined.
    pub last: u32,
    /// Level of its heading; 0 for a checkbox.
    pub level: u8,
    /// Its own keys with their lines.
    pub entries: Vec<(Key, u32)>,
}

/// Where the units of a text without faults stand, in file order.
pub(super) fn unit_places(text: &str) -> Vec<Place> {
    let mut findings = Vec::new();
    let (nodes, drafts, _) = read(text, &mut findings);
    let place = |draft: Draft| {
        let node = &nodes[draft.node];
        let entries = node.body.entries.iter().map(|entry| (entry.key, entry.line)).collect();
        Place { unit: draft.spec.id, line: node.heading.line, last: node.last, level: node.heading.level, entries }
    };
    drafts.into_iter().map(place).collect()
}

/// Headings, or checkboxes where there are none, the units they describe, before dependencies are looked at, and notes.
fn read(text: &str, findings: &mut Vec<Finding>) -> (Vec<Node>, Vec<Draft>, Vec<Finding>) {
    let reading = markdown::read(text);
    let mut notes = report_oddities(&reading.oddities, findings);
    let sections = split_sections(&reading.lines);
    let criteria = sections.iter().filter(|section| section.criteria);
    let words = "criteria, not an item; with a key of its own, such as `id`, it is one";
    notes.extend(criteria.map(|section| Finding::new(section.line, words)));
    notes.sort();
    let nodes = build_nodes(&sections, findings);
    let drafts = read_drafts(&nodes, findings);
    (nodes, drafts, notes)
}

fn build_nodes(sections: &[Section<'_>], findings: &mut Vec<Finding>) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::with_capacity(sections.len());
    let mut open: Vec<usize> = Vec::new();
    let mut counted: BTreeMap<Option<usize>, u32> = BTreeMap::new();
    for (at, section) in sections.iter().enumerate() {
        if section.fresh {
            open.clear();
        }
        while open.last().is_some_and(|last| sections[*last].level >= section.level) {
            open.pop();
        }
        let parent = open.last().copied();
        let group = sections.get(at + 1).is_some_and(|next| !next.fresh && next.level > section.level);
        let title = title::of(section.title, section.level);
        if title.words.is_empty() {
            findings.push(Finding::new(section.line, "this item has no title"));
        }
        let body = metadata::read(&section.body, findings);
        let said_note =
            body.entries.iter().any(|entry| entry.key == Key::Status && status::parse(&entry.text) == Ok(Said::Note));
        let note = said_note
            || section.criteria
            || parent.is_some_and(|parent| nodes[parent].heading.kind == HeadingKind::Note);
        let kind = match (note, group) {
            (true, _) => HeadingKind::Note,
            (false, true) => HeadingKind::Group,
            (false, false) => HeadingKind::Unit(slug::id_of_title(&title.words)),
        };
        let path = if note {
            String::new()
        } else {
            let position = counted.entry(parent).and_modify(|count| *count += 1).or_insert(1);
            path(&title.words, parent.map(|parent| nodes[parent].heading.path.as_str()), *position)
        };
        let heading = Heading { line: section.line, level: section.level, path, title: title.words.clone(), kind };
        let (last, raw_title) = (section.last, title::strip_title(section.title, section.level).to_owned());
        nodes.push(Node { heading, last, raw_title, title, parent, body });
        open.push(at);
    }
    nodes
}

/// The number a title carries wins over the position, so that `1.2` means what the file shows.
fn path(title: &str, parent: Option<&str>, position: u32) -> String {
    let below = |number: &str| match parent {
        Some(parent) if !parent.is_empty() => format!("{parent}.{number}"),
        _ => number.to_owned(),
    };
    match numbered_title(title) {
        Some((number, _)) if number.contains('.') => number,
        Some((number, _)) => below(&number),
        None => below(&position.to_string()),
    }
}

/// Reads the values of every unit's keys: its own, then those of the groups above it that it does not set itself.
fn read_drafts(nodes: &[Node], findings: &mut Vec<Finding>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        match &node.heading.kind {
            HeadingKind::Unit(id) => drafts.push(read_draft(nodes, at, id.clone(), findings)),
            HeadingKind::Group => check_group(nodes, node, findings),
            HeadingKind::Note => {}
        }
    }
    drafts
}

fn read_draft(nodes: &[Node], at: usize, id: UnitId, findings: &mut Vec<Finding>) -> Draft {
    let node = &nodes[at];
    let mut draft = Draft::new(at, UnitSpec::new(id, &node.title.words));
    draft.spec.line = node.heading.line;
    draft.spec.description.clone_from(&node.body.description);
    let mut seen: BTreeSet<Key> = BTreeSet::new();

    let own = &node.body.entries;
    if let (Some(mark), Some(entry)) = (node.title.priority, own.iter().find(|entry| entry.key == Key::Priority))
        && keys::parse_priority(strip_quotes(&entry.text)).is_ok_and(|written| written != mark)
    {
        findings.push(Finding::new(entry.line, format!("`priority` contradicts the P{mark} in the heading")));
    }
    if let Some(ticked) = node.title.ticked {
        draft.status.state = if ticked { ItemState::Done } else { ItemState::Todo };
    }
    for entry in own {
        seen.insert(entry.key);
        take(&mut draft, entry, findings);
    }
    let mut marks = node.title.priority;
    let mut above = node.parent;
    while let Some(group) = above.map(|group| &nodes[group]) {
        for entry in &group.body.entries {
            let inherited = match entry.key {
                Key::Id | Key::Estimate => false,
                // What the group waits for, its units wait for, in addition to their own.
                Key::Depends => true,
                Key::Priority => marks.is_none() && seen.insert(Key::Priority),
                Key::Status => node.title.ticked.is_none() && seen.insert(Key::Status),
                key => seen.insert(key),
            };
            if inherited {
                // Faults are reported once, by `check_group`.
                take(&mut draft, entry, &mut Vec::new());
            }
        }
        if !seen.contains(&Key::Priority) {
            marks = marks.or(group.title.priority);
        }
        above = group.parent;
    }
    if let Some(priority) = marks.filter(|_| !seen.contains(&Key::Priority)) {
        draft.spec.priority = priority;
    }
    draft
}

fn check_group(nodes: &[Node], node: &Node, findings: &mut Vec<Finding>) {
    let mut probe = Draft::new(0, UnitSpec::new(slug::id_of_title(&nodes[0].title.words), ""));
    for entry in &node.body.entries {
        if matches!(entry.key, Key::Run | Key::Accept | Key::Checkpoint) {
            let message = format!("`{}` belongs to a unit, and this heading has sub-headings", entry.key.name());
            findings.push(Finding::new(entry.line, message));
        } else {
            take(&mut probe, entry, findings);
        }
    }
}

/// Puts one entry into a draft.
fn take(draft: &mut Draft, entry: &Entry, findings: &mut Vec<Finding>) {
    let outcome = match entry.key {
        Key::Depends => {
            let texts = [entry.text.as_str()].into_iter().chain(entry.items.iter().map(String::as_str));
            let names = texts.map(strip_brackets).filter(|text| !text.is_empty() && !means_nothing(text));
            draft.depends.extend(names.map(|text| (entry.line, text.to_owned())));
            Ok(())
        }
        Key::Status => single_value(entry).and_then(|text| status::parse(&text)).map(|said| {
            if let Said::Status(status) = said {
                draft.asked = status.state == ItemState::Todo;
                draft.status = status;
            }
        }),
        Key::Id => single_value(entry)
            .and_then(|text| UnitId::new(&text).map_err(|invalid| invalid.to_string().into()))
            .map(|id| draft.spec.id = id),
        Key::Gate if entry.items.is_empty() && means_nothing(&entry.text) => Ok(()),
        Key::Gate if !entry.items.is_empty() => {
            let items: Vec<&str> = entry.items.iter().map(String::as_str).filter(|item| !means_nothing(item)).collect();
            draft.spec.gate = (!items.is_empty()).then(|| items.join("; ")).or(draft.spec.gate.take());
            Ok(())
        }
        key @ (Key::Files | Key::Tags | Key::Labels) => {
            let mut items = split_list(strip_brackets(&entry.text));
            items.extend(entry.items.iter().map(|item| strip_quotes(item).to_owned()));
            let items = if items.len() == 1 && means_nothing(&items[0]) { Vec::new() } else { items };
            keys::set(&mut draft.spec, key, Value::List(items))
        }
        key => single_value(entry).and_then(|text| keys::set(&mut draft.spec, key, Value::Text(text))),
    };
    if let Err(problem) = outcome {
        findings.push(Finding::new(entry.line, format!("`{}`: {problem}", entry.key.name())));
    }
}

fn single_value(entry: &Entry) -> Result<String, Invalid> {
    match (entry.items.is_empty(), strip_quotes(&entry.text)) {
        (false, _) => Err("it takes one value, not a list".into()),
        (true, "") => Err("it has no value".into()),
        (true, text) => Ok(text.to_owned()),
    }
}

/// A value without the one pair of backticks or quotes around all of it.
fn strip_quotes(text: &str) -> &str {
    let text = text.trim();
    ['`', '"', '\'']
        .iter()
        .find_map(|mark| text.strip_prefix(*mark)?.strip_suffix(*mark).filter(|inner| !inner.contains(*mark)))
        .unwrap_or(text)
}

/// `[a, b]` without its brackets.
fn strip_brackets(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.filter(|inner| !inner.contains(['[', ']'])).unwrap_or(text)
}

fn means_nothing(text: &str) -> bool {
    matches!(
        text.trim().trim_end_matches('.').to_ascii_lowercase().as_str(),
        "none" | "-" | "–" | "—" | "n/a" | "no" | "nothing"
    )
}

/// Splits at commas that are not inside brackets or braces of a glob.
fn split_list(text: &str) -> Vec<String> {
    let (mut depth, mut from, mut items) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                items.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    items.push(&text[from..]);
    items.into_iter().map(strip_quotes).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
