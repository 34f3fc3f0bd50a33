//! What a mission takes up of a backlog, and what it skips: the one place that decides it.
//!
//! Promises: an item that is neither offered nor satisfied is named with the reason; one that says `todo` although it landed
//! is named too.

use super::{Backlog, ItemState, ItemStatus};
use crate::domain::unit::UnitSpec;
use crate::domain::values::{CommitId, UnitId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Why an item is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Its status says that it failed.
    Failed,
    /// Its status says that it waits for a person.
    Held,
    /// Its status says that it waits for a unit that did not make it.
    Blocked,
    /// It depends on an item that is skipped.
    Waits,
    /// Its status says `todo`, and a unit of its id has landed.
    Landed,
}

/// An item that no mission takes up as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedItem {
    /// The item.
    pub unit: UnitId,
    /// Why.
    pub why: Why,
    /// What is known beyond that: the remark of its status, the unit it waits for. Untrusted text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl SkippedItem {
    /// Whether there is work in it that nobody has done.
    pub fn open(&self) -> bool {
        self.why != Why::Landed
    }
}

/// What a backlog offers to a mission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Items to be done, as written.
    pub units: Vec<UnitSpec>,
    /// Ids that need no work: landed before, or written off as done or no-op.
    pub satisfied: Vec<UnitId>,
    /// Items that are not to be done and not done.
    pub skipped: Vec<SkippedItem>,
    /// Items that have not landed and are to be done only when a person names them: failed, held, blocked, no-op, skipped.
    pub closed: Vec<Closed>,
}

/// An item that its status closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The item, as written.
    pub unit: UnitSpec,
    /// Its status, as written.
    pub status: ItemStatus,
}

impl Offer {
    /// Takes up closed items that a person names, and those that were only blocked by one of them; each with its status so far.
    pub fn reopen_items(&mut self, named: &BTreeSet<UnitId>) -> Vec<(UnitId, String)> {
        let mut open = named.clone();
        let mut reopened = Vec::new();
        loop {
            let wanted = |item: &Closed| {
                let blocked = item.status.state == ItemState::Blocked;
                let freed = blocked && item.status.waits_for().is_some_and(|cause| open.contains(&cause));
                open.contains(&item.unit.id) || freed
            };
            let (again, closed): (Vec<Closed>, Vec<Closed>) =
                std::mem::take(&mut self.closed).into_iter().partition(wanted);
            self.closed = closed;
            if again.is_empty() {
                return reopened;
            }
            for Closed { unit, status } in again {
                open.insert(unit.id.clone());
                self.satisfied.retain(|id| *id != unit.id);
                self.skipped.retain(|item| item.unit != unit.id);
                reopened.push((unit.id.clone(), status.to_string()));
                self.units.push(unit);
            }
        }
    }
}

impl Backlog {
    /// What is offered, given what has landed and where.
    pub fn offer_units(&self, landed: &[(UnitId, CommitId)]) -> Offer {
        let landed: BTreeMap<&UnitId, &CommitId> = landed.iter().map(|(unit, commit)| (unit, commit)).collect();
        let mut done = self.satisfied_units();
        done.extend(landed.keys().map(|unit| (*unit).clone()));
        let mut offer = Offer::default();
        for unit in &self.units {
            let Some(status) = self.statuses.get(&unit.id) else { continue };
            let why = match status.state {
                ItemState::Todo if self.asked.contains(&unit.id) => Why::Landed,
                ItemState::Failed => Why::Failed,
                ItemState::Held => Why::Held,
                ItemState::Blocked => Why::Blocked,
                ItemState::Todo | ItemState::Done | ItemState::NoOp | ItemState::Skipped => {
                    offer
                        .units
                        .extend((self.is_requested(&unit.id, &done) && !done.contains(&unit.id)).then(|| unit.clone()));
                    continue;
                }
            };
            let commit = landed.get(&unit.id);
            let (skipped, detail) = match (why, commit) {
                (Why::Landed, Some(commit)) => (true, format!("landed as {}", commit.short_id())),
                (Why::Landed, None) => (false, String::new()),
                _ => (commit.is_none() && !self.is_requested(&unit.id, &done), status.detail.clone()),
            };
            if skipped {
                offer.skipped.push(SkippedItem { unit: unit.id.clone(), why, detail });
            } else if commit.is_none() {
                offer.units.push(unit.clone());
            }
        }
        let offered: BTreeSet<&UnitId> = offer.units.iter().map(|unit| &unit.id).collect();
        let closed = self.units.iter().filter_map(|unit| {
            let status = self.statuses.get(&unit.id)?;
            let over = !matches!(status.state, ItemState::Todo | ItemState::Done);
            let closed = over && !landed.contains_key(&unit.id) && !offered.contains(&unit.id);
            closed.then(|| Closed { unit: unit.clone(), status: status.clone() })
        });
        offer.closed = closed.collect();
        offer.satisfied = done.into_iter().collect();
        offer
    }
}

/// Names the items of `waiting`, which can not be planned beside `there`.
pub fn skipped_items<'u>(
    waiting: &'u [UnitSpec],
    there: &'u BTreeSet<UnitId>,
) -> impl Iterator<Item = SkippedItem> + 'u {
    waiting.iter().map(move |unit| {
        let cause = unit.depends.iter().find(|id| !there.contains(*id));
        let detail = cause.map(|id| format!("depends on {id}")).unwrap_or_default();
        SkippedItem { unit: unit.id.clone(), why: Why::Waits, detail }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::backlog::parse;

    fn id(name: &str) -> UnitId {
        UnitId::new(name).unwrap()
    }

    #[test]
    fn closed_items_are_taken_up_by_their_names_with_what_they_blocked() {
        let text = "## A\n- status: failed (why)\n## B\n- status: blocked (2026-11-20, depends on a)\n## C\n- status: no-op\n## D\n\
                    ## E\n- status: held\n## F\n- status: done\n";
        let mut offer = parse(text).unwrap().offer_units(&[]);
        let named = |names: &[&str]| names.iter().map(|name| id(name)).collect::<BTreeSet<UnitId>>();
        assert_eq!(offer.reopen_items(&named(&["d", "f", "nobody"])), []);
        let again = offer.reopen_items(&named(&["a", "c"]));
        let again: Vec<(&str, &str)> = again.iter().map(|(id, status)| (id.as_str(), status.as_str())).collect();
        assert_eq!(again, [("a", "failed (why)"), ("b", "blocked (2026-11-20, depends on a)"), ("c", "no-op")]);
        let units: Vec<&str> = offer.units.iter().map(|unit| unit.id.as_str()).collect();
        assert_eq!((units, offer.satisfied), (vec!["d", "a", "b", "c"], vec![id("f")]));
        assert_eq!(offer.skipped.iter().map(|item| item.unit.as_str()).collect::<Vec<_>>(), ["e"]);
    }

    #[test]
    fn what_is_neither_offered_nor_done_is_named() {
        let text = "## A\n- status: failed (why)\n## B\n- depends: a\n## C\n- status: todo\n## D\n## E\n- status: held\n\
                    ## F\n- status: blocked (2026-11-20, depends on d)\n## G\n- status: blocked (2026-11-20, depends on a)\n\
                    ## H\n- status: skipped\n## I\n- status: done\n";
        let landed =
            [(id("c"), CommitId::new(&"c".repeat(40)).unwrap()), (id("d"), CommitId::new(&"d".repeat(40)).unwrap())];
        let offer = parse(text).unwrap().offer_units(&landed);
        let units: Vec<&str> = offer.units.iter().map(|unit| unit.id.as_str()).collect();
        assert_eq!(units, ["b", "f"]);
        assert_eq!(offer.satisfied, [id("c"), id("d"), id("i")]);
        let skipped: Vec<(&str, Why, &str)> =
            offer.skipped.iter().map(|a| (a.unit.as_str(), a.why, a.detail.as_str())).collect();
        let waits = "2026-11-20, depends on a";
        assert_eq!(
            skipped,
            [
                ("a", Why::Failed, "why"),
                ("c", Why::Landed, "landed as cccccccccc"),
                ("e", Why::Held, ""),
                ("g", Why::Blocked, waits)
            ]
        );
    }
}
