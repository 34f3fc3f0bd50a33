//! Plan files: `[[unit]]` tables in TOML, or `{"unit": [...]}` in JSON, with the keys of the backlog plus `title`,
//! `description` and `max_attempts`.
//!
//! Both formats become one tree of values with lines, so that a rule exists once. Lines are exact for TOML and those of the
//! unit's `{` for JSON.

use super::graph::index_units;
use super::keys::{self, Key, Value};
use super::names::{Found, NameKind, Names, Target};
use super::{Finding, cycles, faultless, slug};
use crate::domain::base::nearest::{find_nearest, format_hint};
use crate::domain::unit::UnitSpec;
use crate::domain::values::UnitId;
use std::collections::BTreeMap;

mod tree;
use tree::{Entry, Node};

/// Format of a plan file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `[[unit]]` tables.
    Toml,
    /// An object with one array, `unit`.
    Json,
}

/// Reads a plan file. Dependencies may be written as id or as title; ids are derived from titles where absent.
///
/// # Errors
/// Every fault of the file, sorted by line: syntax, unknown keys (with the nearest valid one), bad values, duplicate ids,
/// unknown dependencies and cycles.
pub fn parse(text: &str, format: Format) -> Result<Vec<UnitSpec>, Vec<Finding>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = match format {
        Format::Toml => tree::from_toml(text)?,
        Format::Json => tree::from_json(text)?,
    };
    let mut findings = Vec::new();
    let mut read = (Vec::new(), Vec::new());
    for entry in root {
        let message = match entry.node {
            Node::List(tables) if entry.key == "unit" => {
                read.extend(tables.into_iter().filter_map(|(line, node)| unit(line, node, &mut findings)));
                continue;
            }
            _ if entry.key == "unit" => "`unit` must be a list of tables; write `[[unit]]` above each one".to_owned(),
            _ => {
                let near = format_hint(find_nearest(&entry.key, ["unit"]));
                format!("unknown key `{}`{near}; a plan file holds `[[unit]]` tables only", entry.key)
            }
        };
        findings.push(Finding::new(entry.line, message));
    }
    let (mut units, wanted) = read;
    link(&mut units, wanted, &mut findings);
    faultless(units, findings)
}

/// Dependencies of one unit as written, with their line.
type Wanted = (u32, Vec<String>);

fn unit(line: u32, node: Node, findings: &mut Vec<Finding>) -> Option<(UnitSpec, Wanted)> {
    let Node::Table(entries) = node else {
        findings.push(Finding::new(line, format!("a unit must be a table, not {}", node.kind())));
        return None;
    };
    let mut unit = UnitSpec::new(slug::id_of_title("unit"), "");
    unit.line = line;
    let (mut id, mut wanted, mut seen) = (None, (line, Vec::new()), BTreeMap::new());
    for Entry { line, key: word, node } in entries {
        let Some(key) = find_key(&word) else {
            let message = match Key::parse(&word) {
                Some(_) => format!("`{word}` belongs to BACKLOG.md; a plan file has no such key"),
                None => {
                    format!("unknown key `{word}`{}", format_hint(Key::nearest_name(&word, |key| key != Key::Status)))
                }
            };
            findings.push(Finding::new(line, message));
            continue;
        };
        if let Some(first) = seen.insert(key, line) {
            findings.push(Finding::new(line, format!("`{}` is given twice (first at line {first})", key.name())));
            continue;
        }
        let outcome = node.value().and_then(|value| match key {
            Key::Id => keys::parse_text(value)
                .and_then(|text| UnitId::new(&text).map_err(|invalid| invalid.to_string().into()))
                .map(|valid| id = Some(valid)),
            Key::Depends => keys::parse_list(value).map(|names| wanted = (line, names)),
            _ => keys::set(&mut unit, key, value),
        });
        if let Err(problem) = outcome {
            findings.push(Finding::new(line, format!("`{word}`: {problem}")));
        }
    }
    let named = seen.contains_key(&Key::Id) || seen.contains_key(&Key::Title);
    if !named {
        findings.push(Finding::new(line, "a unit needs a `title` or an `id`"));
        return None;
    }
    unit.title = unit.title.trim().to_owned();
    match (id, unit.title.is_empty()) {
        (Some(id), true) => (unit.title, unit.id) = (id.to_string(), id),
        (Some(id), false) => unit.id = id,
        (None, false) => unit.id = slug::id_of_title(&unit.title),
        (None, true) => return None,
    }
    Some((unit, wanted))
}

fn find_key(word: &str) -> Option<Key> {
    Key::parse(word).filter(|key| *key != Key::Status)
}

fn link(units: &mut [UnitSpec], wanted: Vec<Wanted>, findings: &mut Vec<Finding>) {
    let mut names = Names::default();
    let first = index_units(units, findings);
    for (at, unit) in units.iter().enumerate().filter(|(at, unit)| first.get(&unit.id) == Some(at)) {
        // The place in the list tells units apart where a minified file has them all on one line.
        let tag = u32::try_from(at).unwrap_or(u32::MAX);
        names.add(NameKind::Id, unit.id.as_str(), tag, Target::Units(vec![at]));
        names.add(NameKind::Title, &unit.title, tag, Target::Units(vec![at]));
    }
    let mut depends = vec![Vec::new(); units.len()];
    for (at, (line, list)) in wanted.into_iter().enumerate() {
        for name in list {
            let problem = match names.resolve(&name) {
                Found::Units(found) => {
                    let fresh: Vec<usize> = found.into_iter().filter(|unit| !depends[at].contains(unit)).collect();
                    depends[at].extend(fresh);
                    continue;
                }
                Found::Ambiguous(_) | Found::Note(_) => format!("several units are called `{name}`; use the `id`"),
                Found::Unknown(near) => format!("unknown unit `{name}`{}", format_hint(near.as_deref())),
            };
            findings.push(Finding::new(line, format!("`{}` depends on {problem}", units[at].id)));
        }
    }
    cycles::depend(units, &depends, findings);
}

#[cfg(test)]
mod tests;
