//! Units that could start as soon as a slot is free for them, by what they ask of a host.

use crate::domain::values::Millis;
use std::collections::BTreeSet;

/// Units that ask the same of a host.
#[derive(Debug, Clone, Default, PartialEq)]
struct Lane {
    /// By priority, then in the order of the plan.
    now: BTreeSet<(u32, usize)>,
    /// By the time before which they do not start.
    delayed: BTreeSet<(Millis, usize)>,
}

/// All such units. Only the methods that say "folds" change it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::domain::mission) struct ReadyUnits(Vec<Lane>);

impl ReadyUnits {
    /// Folds that the unit at `i` waits for nothing but a slot, from `not_before` on.
    pub(in crate::domain::mission) fn insert(&mut self, demand: usize, priority: u32, not_before: Millis, i: usize) {
        if self.0.len() <= demand {
            self.0.resize_with(demand + 1, Lane::default);
        }
        let lane = &mut self.0[demand];
        match not_before {
            0 => lane.now.insert((priority, i)),
            at => lane.delayed.insert((at, i)),
        };
    }

    /// Folds that it does not any more.
    pub(in crate::domain::mission) fn remove(&mut self, demand: usize, priority: u32, not_before: Millis, i: usize) {
        if let Some(lane) = self.0.get_mut(demand) {
            lane.now.remove(&(priority, i));
            lane.delayed.remove(&(not_before, i));
        }
    }

    /// Units of this demand that may start at once, by priority, then in the order of the plan.
    pub(in crate::domain::mission) fn startable(&self, demand: usize) -> impl Iterator<Item = (u32, usize)> + '_ {
        self.0.get(demand).into_iter().flat_map(|lane| lane.now.iter().copied())
    }

    /// Units of this demand that wait for a time, the earliest first.
    pub(in crate::domain::mission) fn delayed(&self, demand: usize) -> impl Iterator<Item = (Millis, usize)> + '_ {
        self.0.get(demand).into_iter().flat_map(|lane| lane.delayed.iter().copied())
    }

    /// Those that wait for a time, of every demand.
    pub(in crate::domain::mission) fn all_delayed(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().flat_map(|lane| lane.delayed.iter().map(|(_, i)| *i))
    }

    /// Demands of which units wait.
    pub(in crate::domain::mission) fn demands(&self) -> impl Iterator<Item = usize> + '_ {
        let waits = |lane: &Lane| !lane.now.is_empty() || !lane.delayed.is_empty();
        self.0.iter().enumerate().filter(move |(_, lane)| waits(lane)).map(|(demand, _)| demand)
    }
}
