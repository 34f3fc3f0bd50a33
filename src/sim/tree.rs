//! Trees of the virtual world: sets of changes, with the tests they have and ids made of their content.

use super::scenario::Behaviour;
use crate::domain::base::digest;
use crate::domain::values::{CommitId, Tip, TreeId, UnitId};
use std::collections::{BTreeMap, BTreeSet};

/// What a tree contains: each unit's change, and whether it is a good one.
pub(super) type Content = BTreeMap<UnitId, Behaviour>;

/// The tests of a tree: those that exist, and those that fail; `left` is the tree of the run whose files are still there.
pub(super) fn tests(
    content: &Content,
    red_base: bool,
    red_together: &BTreeSet<(UnitId, UnitId)>,
    left: Option<&Content>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut exist: BTreeSet<String> = (0..3).map(|i| format!("base-{i}")).collect();
    let mut fail = BTreeSet::new();
    if red_base {
        fail.insert("base-0".to_owned());
    }
    for (unit, kind) in content {
        exist.insert(format!("test-{unit}"));
        match kind {
            Behaviour::Breaks => drop(fail.insert("base-1".to_owned())),
            Behaviour::RemovesTest => drop(exist.remove("base-2")),
            Behaviour::Leans if left.is_none() => drop(fail.insert(format!("test-{unit}"))),
            _ => {}
        }
    }
    if left.is_some_and(|left| left.values().any(|kind| *kind == Behaviour::Spoils)) {
        fail.insert("base-1".to_owned());
    }
    for (a, b) in red_together {
        if content.contains_key(a) && content.contains_key(b) {
            fail.insert(format!("test-{b}"));
        }
    }
    fail.retain(|t| exist.contains(t));
    (exist, fail)
}

/// The commit that everything begins at.
pub(super) fn base() -> Tip {
    Tip { commit: hash_commit("base"), tree: hash_tree(&Content::new()) }
}

pub(super) fn hash_commit(text: &str) -> CommitId {
    CommitId::new(&digest(text)[..40]).unwrap_or_else(|e| unreachable!("{e}"))
}

pub(super) fn hash_tree(content: &Content) -> TreeId {
    TreeId::new(&digest(format!("{content:?}"))[..40]).unwrap_or_else(|e| unreachable!("{e}"))
}
