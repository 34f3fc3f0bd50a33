//! From drafts to units: ids made unique, dependencies resolved, cycles found.

use super::status::{ItemState, ItemStatus};
use super::{Backlog, HeadingKind};
use crate::domain::backlog::node::Node;
use crate::domain::base::nearest::format_hint;
use crate::domain::plan::graph::duplicate_finding;
use crate::domain::plan::keys::Key;
use crate::domain::plan::names::{Found, NameKind, Names, Target, numbered_title};
use crate::domain::plan::{Finding, cycles};
use crate::domain::unit::UnitSpec;
use std::collections::{BTreeMap, BTreeSet};

/// A unit whose dependencies are still words.
pub(super) struct Draft {
    /// Index of its heading.
    pub node: usize,
    pub spec: UnitSpec,
    pub status: ItemStatus,
    /// Whether the status was written as `todo`, not left out.
    pub asked: bool,
    /// Line and text of each written dependency; a text may name several.
    pub depends: Vec<(u32, String)>,
}

impl Draft {
    pub(super) fn new(node: usize, spec: UnitSpec) -> Self {
        Self { node, spec, status: ItemStatus::new(ItemState::Todo), asked: false, depends: Vec::new() }
    }
}

/// Resolves all names; the result is complete only if nothing was added to `findings`.
pub(super) fn link(nodes: &[Node], drafts: Vec<Draft>, findings: &mut Vec<Finding>) -> Backlog {
    let mut names = names(nodes, &drafts, findings);
    // What a group waits for is asked again for each of its units.
    let mut answers: BTreeMap<String, Found> = BTreeMap::new();
    let mut depends: Vec<Vec<usize>> = Vec::with_capacity(drafts.len());
    for draft in &drafts {
        let (mut list, mut seen) = (Vec::new(), BTreeSet::new());
        for (line, text) in &draft.depends {
            for name in names.split(text) {
                match answers.entry(name.clone()).or_insert_with(|| names.resolve(&name)) {
                    Found::Units(units) => list.extend(units.iter().copied().filter(|unit| seen.insert(*unit))),
                    problem => findings.push(Finding::new(*line, describe_unresolved(&name, problem))),
                }
            }
        }
        depends.push(list);
    }
    let mut backlog =
        Backlog { headings: nodes.iter().map(|node| node.heading.clone()).collect(), ..Backlog::default() };
    for draft in drafts {
        backlog.headings[draft.node].kind = HeadingKind::Unit(draft.spec.id.clone());
        if draft.asked {
            backlog.asked.insert(draft.spec.id.clone());
        }
        backlog.statuses.insert(draft.spec.id.clone(), draft.status);
        backlog.units.push(draft.spec);
    }
    cycles::depend(&mut backlog.units, &depends, findings);
    backlog
}

fn describe_unresolved(name: &str, problem: &Found) -> String {
    match problem {
        Found::Note(line) => format!("depends on `{name}`, which is a note (line {line}), not a unit"),
        Found::Ambiguous(lines) => {
            let lines: Vec<String> = lines.iter().take(5).map(u32::to_string).collect();
            format!("depends on `{name}`, which may mean lines {}; use an `id`", lines.join(", "))
        }
        Found::Units(_) => format!("depends on `{name}`"),
        Found::Unknown(near) => format!("depends on unknown unit `{name}`{}", format_hint(near.as_deref())),
    }
}

/// Every name in the file. Of two units with one id only the first keeps it, and the second is a finding.
fn names(nodes: &[Node], drafts: &[Draft], findings: &mut Vec<Finding>) -> Names {
    let mut names = Names::default();
    let mut first: BTreeMap<String, u32> = BTreeMap::new();
    let members = members(nodes, drafts);
    let mut unit_at: BTreeMap<usize, &Draft> = drafts.iter().map(|draft| (draft.node, draft)).collect();
    for (at, node) in nodes.iter().enumerate() {
        let line = node.heading.line;
        let draft = unit_at.remove(&at);
        let explicit = node.body.entries.iter().find(|entry| entry.key == Key::Id);
        let id = match &draft {
            Some(draft) => Some(draft.spec.id.as_str().to_owned()),
            None => explicit.map(|entry| entry.text.trim().trim_matches('`').to_owned()),
        };
        let target = match node.heading.kind {
            HeadingKind::Note => Target::Note,
            _ => Target::Units(members[at].clone()),
        };
        if let Some(id) = id {
            if let Some(earlier) = first.get(&id) {
                findings.push(duplicate_finding(id, explicit.map_or(line, |entry| entry.line), *earlier));
                continue;
            }
            names.add(NameKind::Id, &id, line, target.clone());
            first.insert(id, line);
        }
        for title in [node.heading.title.as_str(), node.raw_title.as_str()] {
            names.add(NameKind::Title, title, line, target.clone());
        }
        if let Some((_, words)) = numbered_title(&node.heading.title) {
            names.add(NameKind::Words, words, line, target.clone());
        }
        names.add(NameKind::Path, &node.heading.path, line, target);
    }
    names
}

/// For each heading the units (indices into `drafts`) it stands for.
fn members(nodes: &[Node], drafts: &[Draft]) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); nodes.len()];
    for (unit, draft) in drafts.iter().enumerate() {
        let mut at = Some(draft.node);
        while let Some(node) = at {
            members[node].push(unit);
            at = nodes[node].parent;
        }
    }
    members
}
