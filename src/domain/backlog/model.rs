//! A backlog as it was read: headings, items and findings.

use crate::domain::backlog::status::{ItemState, ItemStatus};
use crate::domain::plan::Finding;
use crate::domain::unit::UnitSpec;
use crate::domain::values::UnitId;
use std::collections::{BTreeMap, BTreeSet};

/// What a heading was taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadingKind {
    /// A work unit.
    Unit(UnitId),
    /// Has sub-headings; stands for all units below it.
    Group,
    /// `status: note`, criteria that belong to no single item, or below such a heading: not work.
    Note,
}

/// One heading (or one checkbox of a file without headings), in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// Line, from 1.
    pub line: u32,
    /// Level: 1 for `# Task: name`, else 2 to 6; 0 for a checkbox.
    pub level: u8,
    /// Phase path such as `2.1.3`: the number in the title where it has one, else the position. Empty for notes.
    pub path: String,
    /// Title without checkbox and priority mark. Untrusted text.
    pub title: String,
    /// What it was taken for.
    pub kind: HeadingKind,
}

/// A backlog without faults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Every unit in file order, whatever its status.
    pub units: Vec<UnitSpec>,
    /// The status of every unit.
    pub statuses: BTreeMap<UnitId, ItemStatus>,
    /// Units for which a person wrote `todo`.
    pub asked: BTreeSet<UnitId>,
    /// Everything that was taken from the file, notes and groups too.
    pub headings: Vec<Heading>,
    /// What is no fault and easily meant in another way, by line.
    pub notes: Vec<Finding>,
}

impl Backlog {
    /// Whether a unit is to be done as far as its own status says: it says nothing else, or that it waits for a unit which
    /// is to be done again or is done.
    pub fn is_requested(&self, id: &UnitId, landed: &BTreeSet<UnitId>) -> bool {
        let Some(status) = self.statuses.get(id) else { return true };
        match status.state {
            ItemState::Todo => true,
            ItemState::Blocked => status.waits_for().is_some_and(|cause| {
                let settled = |status: &ItemStatus| status.state == ItemState::Todo || status.state.is_satisfied();
                landed.contains(&cause) || self.statuses.get(&cause).is_some_and(settled)
            }),
            ItemState::Done | ItemState::NoOp | ItemState::Skipped | ItemState::Failed | ItemState::Held => false,
        }
    }

    /// Units written off as done or no-op: dependencies on them are satisfied.
    pub fn satisfied_units(&self) -> BTreeSet<UnitId> {
        let settled = self.statuses.iter().filter(|(_, status)| status.state.is_satisfied());
        settled.map(|(id, _)| id.clone()).collect()
    }
}
