//! Units that expect to touch the same files, and the order that keeps them from running side by side.
//!
//! Two globs overlap when the literal prefix of one (up to its first wildcard) is a prefix of the other's. Overlapping
//! units are chained along a given sequence; an edge is left out where the chain implies it already, so 10,000 units that
//! all overlap need 9,999 edges.

use crate::domain::unit::UnitSpec;
use std::collections::{BTreeMap, BTreeSet};

/// The part of a glob before its first wildcard, without a leading `./`.
pub fn literal_prefix(glob: &str) -> &str {
    let bare = glob.strip_prefix("./").unwrap_or(glob);
    let bare = if bare == "." { "" } else { bare };
    &bare[..bare.find(['*', '?', '[', '{', '\\']).unwrap_or(bare.len())]
}

/// The first pair of globs by which two units overlap.
pub fn find_overlap<'a>(one: &'a UnitSpec, other: &'a UnitSpec) -> Option<(&'a str, &'a str)> {
    one.files.iter().find_map(|a| {
        let first = literal_prefix(a);
        let meets = |b: &&String| {
            let second = literal_prefix(b);
            first.starts_with(second) || second.starts_with(first)
        };
        other.files.iter().find(meets).map(|b| (a.as_str(), b.as_str()))
    })
}

/// Pairs (before, after) of indices that order every two overlapping units as they stand in `sequence` (each index once),
/// directly or through others.
///
/// Prefixes form a tree. A unit takes the subtrees of its prefixes, one after the other in sequence; whoever took
/// the nearest prefix above it, or anything below it, comes before. What lies below is then forgotten: the unit now stands
/// for it. So each taking is forgotten once and the work stays near the number of globs.
pub fn chain(units: &[UnitSpec], sequence: &[usize]) -> BTreeSet<(usize, usize)> {
    let prefixes: Vec<Vec<&str>> = units.iter().map(outermost_prefixes).collect();
    let sorted: Vec<&str> = prefixes.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let position: BTreeMap<&str, usize> = sorted.iter().enumerate().map(|(at, prefix)| (*prefix, at)).collect();
    let (parent, end) = tree(&sorted);

    let mut edges = BTreeSet::new();
    let mut holder: BTreeMap<usize, usize> = BTreeMap::new();
    for &unit in sequence {
        for prefix in &prefixes[unit] {
            let Some(&node) = position.get(prefix) else { continue };
            let mut above = Some(node);
            while let Some(at) = above {
                if let Some(&before) = holder.get(&at) {
                    edges.insert((before, unit));
                    break;
                }
                above = parent[at];
            }
            let below: Vec<(usize, usize)> =
                holder.range(node + 1..end[node]).map(|(at, before)| (*at, *before)).collect();
            for (at, before) in below {
                holder.remove(&at);
                edges.insert((before, unit));
            }
            holder.insert(node, unit);
        }
    }
    edges.retain(|(before, after)| before != after);
    edges
}

/// A unit's prefixes without those that lie under another one of its own.
fn outermost_prefixes(unit: &UnitSpec) -> Vec<&str> {
    let all: BTreeSet<&str> = unit.files.iter().map(|glob| literal_prefix(glob)).collect();
    let mut kept: Vec<&str> = Vec::new();
    for prefix in all {
        if kept.last().is_none_or(|last| !prefix.starts_with(last)) {
            kept.push(prefix);
        }
    }
    kept
}

/// For sorted prefixes: the nearest prefix above each one, and the end of the range that lies below it.
fn tree(sorted: &[&str]) -> (Vec<Option<usize>>, Vec<usize>) {
    let mut parent = vec![None; sorted.len()];
    let mut end = vec![sorted.len(); sorted.len()];
    let mut open: Vec<usize> = Vec::new();
    for (at, prefix) in sorted.iter().enumerate() {
        while let Some(&last) = open.last() {
            if prefix.starts_with(sorted[last]) {
                break;
            }
            end[last] = at;
            open.pop();
        }
        parent[at] = open.last().copied();
        open.push(at);
    }
    (parent, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_literal_prefix_ends_at_the_first_wildcard() {
        for (glob, prefix) in
            [("src/**", "src/"), ("./a.rs", "a.rs"), ("*.md", ""), ("a[bc]", "a"), (".", ""), ("x/{a,b}", "x/")]
        {
            assert_eq!(literal_prefix(glob), prefix);
        }
    }
}
