//! Dependency cycles, one per knot, each as a path that can be shown.

use super::Finding;
use crate::domain::unit::UnitSpec;
use crate::domain::values::UnitId;
use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};

/// One finding per knot of `depends` (units that depend on each other): a shortest cycle through its first unit,
/// `a -> b -> a`, read as "depends on". `depends[i]` lists indices into `units`.
pub fn findings(units: &[UnitSpec], depends: &[Vec<usize>]) -> Vec<Finding> {
    find_cycles(depends)
        .into_iter()
        .map(|knot| {
            let path = shortest_cycle(depends, &knot);
            let names: Vec<&str> = path.iter().map(|unit| units[*unit].id.as_str()).collect();
            Finding::new(units[path[0]].line, format!("dependency cycle: {}", names.join(" -> ")))
        })
        .collect()
}

/// Gives the units what they depend on, as indices, and adds a finding for each cycle.
pub fn depend(units: &mut [UnitSpec], depends: &[Vec<usize>], faults: &mut Vec<Finding>) {
    faults.extend(findings(units, depends));
    let ids: Vec<UnitId> = units.iter().map(|unit| unit.id.clone()).collect();
    for (unit, list) in units.iter_mut().zip(depends) {
        unit.depends = list.iter().map(|at| ids[*at].clone()).collect();
    }
}

/// Strongly connected components that contain a cycle, each sorted, by their first unit. Tarjan's algorithm without
/// recursion: a chain of 10,000 units must not end in a stack overflow.
fn find_cycles(depends: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let count = depends.len();
    let (mut order, mut low) = (vec![UNSEEN; count], vec![0; count]);
    let (mut open, mut stack, mut next) = (vec![false; count], Vec::new(), 0);
    let mut found = Vec::new();
    for root in 0..count {
        if order[root] != UNSEEN {
            continue;
        }
        let mut path: Vec<(usize, usize)> = vec![(root, 0)];
        while let Some((unit, child)) = path.last_mut() {
            let unit = *unit;
            if *child == 0 {
                (order[unit], low[unit]) = (next, next);
                next += 1;
                open[unit] = true;
                stack.push(unit);
            }
            if let Some(&other) = depends[unit].get(*child) {
                *child += 1;
                if order[other] == UNSEEN {
                    path.push((other, 0));
                } else if open[other] {
                    low[unit] = low[unit].min(order[other]);
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                low[*parent] = low[*parent].min(low[unit]);
            }
            if low[unit] == order[unit] {
                let from = stack.iter().rposition(|member| *member == unit).unwrap_or(0);
                let mut knot = stack.split_off(from);
                knot.iter().for_each(|member| open[*member] = false);
                knot.sort_unstable();
                if knot.len() > 1 || depends[unit].contains(&unit) {
                    found.push(knot);
                }
            }
        }
    }
    found.sort();
    found
}

/// A shortest path from the knot's first unit back to itself, both ends included.
fn shortest_cycle(depends: &[Vec<usize>], knot: &[usize]) -> Vec<usize> {
    let start = knot[0];
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(unit) = queue.pop_front() {
        for &other in depends[unit].iter().filter(|other| knot.binary_search(other).is_ok()) {
            if other == start {
                let mut path = vec![start, unit];
                while let Some(before) = came_from.get(&path[path.len() - 1]) {
                    path.push(*before);
                }
                path.reverse();
                return path;
            }
            if let Entry::Vacant(unseen) = came_from.entry(other) {
                unseen.insert(unit);
                queue.push_back(other);
            }
        }
    }
    vec![start]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knot_is_found_once() {
        let depends = vec![vec![1], vec![0], vec![0, 3], vec![2], vec![4], vec![0, 4]];
        assert_eq!(find_cycles(&depends), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(shortest_cycle(&depends, &[0, 1]), [0, 1, 0]);
        assert_eq!(shortest_cycle(&depends, &[4]), [4, 4]);
        let ring: Vec<Vec<usize>> = (0..5).map(|i| vec![(i + 1) % 5]).collect();
        assert_eq!(shortest_cycle(&ring, &[0, 1, 2, 3, 4]), [0, 1, 2, 3, 4, 0]);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let chain: Vec<Vec<usize>> = (0..200_000).map(|i| if i == 0 { vec![] } else { vec![i - 1] }).collect();
        assert!(find_cycles(&chain).is_empty());
    }
}
