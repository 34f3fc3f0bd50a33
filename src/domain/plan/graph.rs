//! The dependency graph of one plan: units, edges, waves.
//!
//! Promises: waves respect every edge, every unit is in exactly one wave, there is no cycle. `Depends` edges are what people
//! asked for; `Order` edges only keep units with overlapping files apart, and a failed predecessor by such an edge blocks
//! nobody.
//!
//! Overlapping units are ordered by priority, then by their place in the file, as far as dependencies allow: the sequence
//! used is the one topological order in which the first unit by that rule comes as early as it can, then the second, and so
//! on (what must precede an urgent unit is as urgent as that unit). Edges only point forward in it, so none can close
//! a cycle.

use super::{Finding, cycles, overlap};
use crate::domain::base::nearest::{find_nearest, format_hint};
use crate::domain::unit::UnitSpec;
use crate::domain::values::UnitId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt;

/// Why one unit comes before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeKind {
    /// The later one needs the result of the earlier one.
    Depends,
    /// They expect to touch the same files.
    Order,
}

/// One edge; indices into [`Plan::units`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Edge {
    /// The unit that comes first.
    pub before: usize,
    /// The unit that waits.
    pub after: usize,
    /// Why.
    pub kind: EdgeKind,
}

/// Units with a checked graph over them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In file order; `depends` names units of this plan only.
    pub units: Vec<UnitSpec>,
    /// Sorted, each pair once.
    pub edges: Vec<Edge>,
    /// Wave of each unit, from 0: the longest path of edges that leads to it.
    pub wave_of: Vec<u32>,
}

impl Plan {
    /// Checks the units and lays them out. Dependencies in `satisfied` (landed or no-op) are dropped.
    ///
    /// # Errors
    /// Every duplicate id, unknown dependency and cycle, sorted by line.
    pub fn build(mut units: Vec<UnitSpec>, satisfied: &BTreeSet<UnitId>) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        for unit in &mut units {
            let mut seen = BTreeSet::new();
            unit.depends.retain(|id| !satisfied.contains(id) && seen.insert(id.clone()));
        }
        let depends = resolve_depends(&units, &mut findings);
        findings.extend(cycles::findings(&units, &depends));
        if !findings.is_empty() {
            findings.sort();
            return Err(findings);
        }

        let sequence = sort_topologically(&units, &depends);
        let mut edges: BTreeMap<(usize, usize), EdgeKind> =
            overlap::chain(&units, &sequence).into_iter().map(|pair| (pair, EdgeKind::Order)).collect();
        for (after, list) in depends.iter().enumerate() {
            edges.extend(list.iter().map(|before| ((*before, after), EdgeKind::Depends)));
        }
        let edges: Vec<Edge> = edges.into_iter().map(|((before, after), kind)| Edge { before, after, kind }).collect();
        let wave_of = compute_levels(&edges, &sequence);
        Ok(Self { units, edges, wave_of })
    }

    /// The units of each wave, by priority, then in file order.
    pub fn group_waves(&self) -> Vec<Vec<usize>> {
        let count = self.wave_of.iter().max().map_or(0, |last| *last as usize + 1);
        let mut waves = vec![Vec::new(); count];
        for (unit, wave) in self.wave_of.iter().enumerate() {
            waves[*wave as usize].push(unit);
        }
        for wave in &mut waves {
            wave.sort_by_key(|unit| (self.units[*unit].priority, *unit));
        }
        waves
    }
}

/// The units that can be planned, and those that wait, themselves or through others, for what is neither among them nor
/// satisfied: something a person or an earlier mission gave up.
pub fn without_waiting(mut units: Vec<UnitSpec>, satisfied: &BTreeSet<UnitId>) -> (Vec<UnitSpec>, Vec<UnitSpec>) {
    let mut waiting = Vec::new();
    loop {
        let there: BTreeSet<UnitId> = units.iter().map(|unit| unit.id.clone()).collect();
        let waits = |unit: &UnitSpec| unit.depends.iter().any(|id| !there.contains(id) && !satisfied.contains(id));
        if !units.iter().any(waits) {
            return (units, waiting);
        }
        let (out, kept): (Vec<UnitSpec>, Vec<UnitSpec>) = units.into_iter().partition(waits);
        waiting.extend(out);
        units = kept;
    }
}

/// The places of the units by their ids, and a finding for each that is there twice.
pub(super) fn index_units(units: &[UnitSpec], findings: &mut Vec<Finding>) -> BTreeMap<UnitId, usize> {
    let mut index: BTreeMap<UnitId, usize> = BTreeMap::new();
    for (at, unit) in units.iter().enumerate() {
        let first = *index.entry(unit.id.clone()).or_insert(at);
        if first != at {
            findings.push(duplicate_finding(&unit.id, unit.line, units[first].line));
        }
    }
    index
}

/// The finding for a second unit with the same id.
pub(in crate::domain) fn duplicate_finding(id: impl fmt::Display, line: u32, first: u32) -> Finding {
    let place = if first == 0 { String::new() } else { format!(" (first at line {first})") };
    Finding::new(line, format!("duplicate id `{id}`{place}; give one of them another `id`"))
}

/// The places of what each unit depends on, and a finding for each id that no unit has, or two.
fn resolve_depends(units: &[UnitSpec], findings: &mut Vec<Finding>) -> Vec<Vec<usize>> {
    let index = index_units(units, findings);
    let mut suggestions_left = 50_u32;
    let mut all = Vec::with_capacity(units.len());
    for unit in units {
        let mut list = Vec::new();
        for id in &unit.depends {
            if let Some(at) = index.get(id) {
                list.push(*at);
                continue;
            }
            let near =
                (suggestions_left > 0).then(|| find_nearest(id.as_str(), index.keys().map(UnitId::as_str))).flatten();
            suggestions_left = suggestions_left.saturating_sub(1);
            let what = format!("`{}` depends on unknown unit `{id}`{}", unit.id, format_hint(near));
            findings.push(Finding::new(unit.line, what));
        }
        all.push(list);
    }
    all
}

/// The topological order described above: built from its end, always taking the last unit by (priority, place) that
/// nobody left over waits for.
fn sort_topologically(units: &[UnitSpec], depends: &[Vec<usize>]) -> Vec<usize> {
    let mut dependants = vec![0_usize; units.len()];
    depends.iter().flatten().for_each(|before| dependants[*before] += 1);
    let mut free: BinaryHeap<(u32, usize)> =
        (0..units.len()).filter(|unit| dependants[*unit] == 0).map(|unit| (units[unit].priority, unit)).collect();
    let mut reversed = Vec::with_capacity(units.len());
    while let Some((_, unit)) = free.pop() {
        reversed.push(unit);
        for &before in &depends[unit] {
            dependants[before] -= 1;
            if dependants[before] == 0 {
                free.push((units[before].priority, before));
            }
        }
    }
    reversed.reverse();
    reversed
}

/// Longest path to each unit. `edges` is sorted by `before` and points forward in `sequence`.
fn compute_levels(edges: &[Edge], sequence: &[usize]) -> Vec<u32> {
    let mut level = vec![0; sequence.len()];
    for &unit in sequence {
        let from = edges.partition_point(|edge| edge.before < unit);
        for edge in edges[from..].iter().take_while(|edge| edge.before == unit) {
            level[edge.after] = level[edge.after].max(level[unit] + 1);
        }
    }
    level
}

#[cfg(test)]
mod tests;
