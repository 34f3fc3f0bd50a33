//! The right of a unit that lost twice to work on files while nobody else changes them.

use crate::domain::values::{Millis, UnitId};
use std::collections::BTreeSet;

/// Most files of one turn.
pub(in crate::domain::mission) const FILES: usize = 200;

/// The right of a unit to work on files while nobody else changes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Since when it has it, or has waited for it again.
    pub(in crate::domain::mission) since: Millis,
    /// The files it lost in.
    pub(in crate::domain::mission) files: BTreeSet<String>,
}

/// Files that a unit has a turn for, as asked of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contested {
    /// The unit.
    pub unit: UnitId,
    /// The files, as a conflict named them.
    pub files: BTreeSet<String>,
}

impl Contested {
    /// Whether a change of these paths touches one of the files.
    pub fn is_touched(&self, paths: &BTreeSet<String>) -> bool {
        paths_overlap(&self.files, paths)
    }
}

/// Whether two sets of paths have one in common, or a folder and something below it.
pub(in crate::domain::mission) fn paths_overlap(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let within = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        one.iter().any(|path| {
            let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
            folders.chain([path.as_str()]).any(|part| other.contains(part))
        })
    };
    within(a, b) || within(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_overlap_when_equal_or_below_each_other() {
        let set = |paths: &[&str]| paths.iter().map(|p| (*p).to_owned()).collect::<BTreeSet<_>>();
        for (a, b, wanted) in [
            (&["a/b", "c"][..], &["c"][..], true),
            (&["a/b"], &["a"], true),
            (&["a"], &["a/b/c"], true),
            (&["a/b"], &["a/bc", "ab", "b"], false),
            (&[], &["a"], false),
        ] {
            assert_eq!(paths_overlap(&set(a), &set(b)), wanted, "{a:?} {b:?}");
            assert_eq!(paths_overlap(&set(b), &set(a)), wanted, "{a:?} {b:?}");
        }
    }
}
