//! The places where attempts run: slots of hosts, each used by at most one unit; and where verifications can run.
//!
//! What is free is indexed by what units can ask of a host (their labels, as a number: a *demand*) and by how much runs there, and
//! where verifications can run by the environment; a decision costs the same for one host and a thousand.

use super::hosts::HostPolicy;
use crate::domain::values::{HostId, SlotId};
use std::collections::{BTreeMap, BTreeSet};

/// The demand of units without labels.
pub(in crate::domain::mission) const ANY_HOST: usize = 0;

/// What a full host counts as, so that hosts of different sizes are compared by how busy they are.
const FULL: u64 = 1_000_000;

/// One slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Slot {
    /// Whether an attempt was in it.
    used: bool,
    /// Attempts in it, one after the other, that met infrastructure.
    trouble: u32,
}

/// A free slot of a host: by trouble, then used before, then by number.
type FreeSlot = (u32, bool, u32);

/// A host with a free slot: by attempts running there, then by its best free slot, then by the order of the policy.
type Rank = (u32, u32, bool, usize);

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    policy: HostPolicy,
    /// Whether something new may start there.
    open: bool,
    /// The environment of verifications there; absent: none can run there.
    environment: Option<String>,
    slots: Vec<Slot>,
    free: BTreeSet<FreeSlot>,
    running: u32,
    /// Demands that it meets.
    meets: Vec<usize>,
}

/// What units ask of their host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Demand {
    labels: BTreeSet<String>,
    /// Hosts that meet it, have a free slot and may be used.
    free: BTreeSet<Rank>,
}

/// The unit in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Occupant {
    unit: usize,
    /// Whether an agent works for it, not a script.
    agent: bool,
    /// Whether its attempt has ended and waits to be collected.
    ended: bool,
}

/// All slots of a mission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::mission) struct Slots {
    places: Vec<Place>,
    index: BTreeMap<HostId, usize>,
    taken: BTreeMap<SlotId, Occupant>,
    /// Slots in which an attempt has ended and waits to be collected.
    ended: usize,
    /// Attempts may run in so many slots at once, over all hosts.
    most: usize,
    agents: u64,
    demands: Vec<Demand>,
    /// Hosts on which verifications can run, by their environment, the least busy first.
    verifiers: BTreeMap<String, BTreeSet<(u64, usize)>>,
    /// The machine the engine runs on, where it is one of the hosts.
    local: Option<usize>,
}

impl Slots {
    /// Free slots of these hosts, of which only the machine the engine runs on may be used yet, and `most` at once, if that is given.
    pub(in crate::domain::mission) fn of_hosts(hosts: &[HostPolicy], most: Option<u32>) -> Self {
        let mut slots = Self {
            places: Vec::new(),
            index: BTreeMap::new(),
            taken: BTreeMap::new(),
            ended: 0,
            most: most.map_or(usize::MAX, |most| most as usize),
            agents: 0,
            demands: vec![Demand::default()],
            verifiers: BTreeMap::new(),
            local: None,
        };
        for policy in hosts {
            let number = slots.places.len();
            slots.index.insert(policy.host.clone(), number);
            slots.places.push(Place {
                policy: policy.clone(),
                open: false,
                environment: None,
                slots: vec![Slot::default(); policy.workers as usize],
                free: (0..policy.workers).map(|slot| (0, true, slot)).collect(),
                running: 0,
                meets: vec![ANY_HOST],
            });
            if policy.host.is_local() {
                slots.local = Some(number);
                slots.update_place(number, |place| place.open = true);
            }
        }
        slots
    }

    /// The number of what these labels ask of a host; absent where no host has them all, or nobody asked for them yet.
    pub(in crate::domain::mission) fn demand(&self, labels: &BTreeSet<String>) -> Option<usize> {
        self.demands.iter().position(|demand| demand.labels == *labels)
    }

    /// Folds that units ask for these labels.
    pub(in crate::domain::mission) fn add_demand(&mut self, labels: &BTreeSet<String>) {
        let meets = |place: &Place| place.policy.labels.is_superset(labels);
        if self.demand(labels).is_some() || !self.places.iter().any(meets) {
            return;
        }
        let number = self.demands.len();
        let mut free = BTreeSet::new();
        for (at, place) in self.places.iter_mut().enumerate().filter(|(_, place)| meets(place)) {
            place.meets.push(number);
            free.extend(place.rank(at));
        }
        self.demands.push(Demand { labels: labels.clone(), free });
    }

    /// Whether a slot is free on a host that meets this demand, and may be taken.
    pub(in crate::domain::mission) fn has_free(&self, demand: usize) -> bool {
        self.taken.len() - self.ended < self.most && self.has_place(demand)
    }

    /// Whether a slot is free on a host that meets this demand, however many are taken.
    pub(in crate::domain::mission) fn has_place(&self, demand: usize) -> bool {
        self.demands.get(demand).is_some_and(|demand| !demand.free.is_empty())
    }

    /// Demands for which a slot is free.
    pub(in crate::domain::mission) fn open_demands(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.demands.len()).filter(|demand| self.has_free(*demand))
    }

    /// The free slot to use next for this demand: on the host where the fewest attempts run; there, and among such hosts, one that
    /// met infrastructure lately comes last, so that a broken one stops nobody, and one that was used before goes first.
    pub(in crate::domain::mission) fn next_free(&self, demand: usize) -> Option<SlotId> {
        if !self.has_free(demand) {
            return None;
        }
        let (.., place) = self.demands.get(demand)?.free.first()?;
        let place = self.places.get(*place)?;
        let (_, _, number) = *place.free.first()?;
        Some(SlotId { host: place.policy.host.clone(), number })
    }

    /// Units whose attempts are in slots, in the order of those.
    pub(in crate::domain::mission) fn occupants(&self) -> impl Iterator<Item = usize> + '_ {
        self.taken.values().map(|occupant| occupant.unit)
    }

    /// Slots in which agents are, not scripts.
    pub(in crate::domain::mission) const fn agents(&self) -> u64 {
        self.agents
    }

    /// Folds that an attempt of `unit` begins in a slot; whether an agent works for it.
    pub(in crate::domain::mission) fn take(&mut self, id: &SlotId, unit: usize, agent: bool) {
        let Some(number) = self.index.get(&id.host).copied() else { return };
        if self.places[number].slots.get(id.number as usize).is_none() {
            return;
        }
        if let Some(before) = self.taken.insert(id.clone(), Occupant { unit, agent, ended: false }) {
            self.agents -= u64::from(before.agent);
            self.ended -= usize::from(before.ended);
        }
        self.agents += u64::from(agent);
        self.update_place(number, |place| {
            place.running += u32::from(place.free.remove(&place.free_slot(id.number)));
            place.slots[id.number as usize].used = true;
        });
    }

    /// Folds that the attempt of `unit` left its slot, whether or not it met infrastructure there.
    pub(in crate::domain::mission) fn release(&mut self, id: &SlotId, unit: usize, infrastructure: bool) {
        let Some(number) = self.index.get(&id.host).copied() else { return };
        let Some(occupant) = self.taken.get(id).filter(|occupant| occupant.unit == unit) else { return };
        self.agents -= u64::from(occupant.agent);
        self.ended -= usize::from(occupant.ended);
        self.taken.remove(id);
        self.update_place(number, |place| {
            let slot = &mut place.slots[id.number as usize];
            slot.trouble = if infrastructure { slot.trouble + 1 } else { 0 };
            place.running -= 1;
            place.free.insert(place.free_slot(id.number));
        });
    }

    /// Folds whether the attempt of `unit` in a slot has ended and waits to be collected: nothing runs in it then.
    pub(in crate::domain::mission) fn set_ended(&mut self, id: &SlotId, unit: usize, ended: bool) {
        let Some(occupant) = self.taken.get_mut(id).filter(|occupant| occupant.unit == unit) else { return };
        self.ended -= usize::from(occupant.ended);
        self.ended += usize::from(ended);
        occupant.ended = ended;
    }

    /// Folds whether something new may start on a host, and in which environment verifications run there.
    pub(in crate::domain::mission) fn set_open(&mut self, host: &HostId, environment: Option<&str>) {
        let Some(number) = self.index.get(host).copied() else { return };
        self.update_place(number, |place| {
            place.open = environment.is_some();
            place.environment = environment.filter(|_| place.policy.verifiers > 0).map(str::to_owned);
        });
    }

    /// Folds whether something new may start on the machine the engine runs on; verifications can, after those of other hosts.
    pub(in crate::domain::mission) fn set_local_open(&mut self, open: bool) {
        if let Some(number) = self.local {
            self.update_place(number, |place| place.open = open);
        }
    }

    /// Where the next verification in this environment runs, while others run on `busy` hosts: where the least runs for what it can,
    /// the engine's own machine first among equals, and last where it is drained. That machine has the environment by definition.
    pub(in crate::domain::mission) fn next_verifier<'a>(
        &self,
        environment: &str,
        busy: impl Iterator<Item = &'a HostId>,
    ) -> Option<HostId> {
        let busy: Vec<&HostId> = busy.collect();
        let local = self.local.filter(|at| self.places[*at].policy.verifiers > 0);
        // One more than those that are busier than the index knows.
        let known = self.verifiers.get(environment).into_iter().flatten().take(busy.len() + 1);
        let choices = known.map(|(_, at)| *at).chain(local).filter_map(|at| {
            let place = &self.places[at];
            let verifying = busy.iter().filter(|host| ***host == place.policy.host).count();
            let free = (verifying as u64) < u64::from(place.policy.verifiers);
            let drained = Some(at) == local && !place.open;
            free.then(|| (drained, place.load(verifying as u64), Some(at) != local, at))
        });
        choices.min().map(|(.., at)| self.places[at].policy.host.clone())
    }

    /// The one door to a host's fields: changes it and keeps the indexes true.
    fn update_place(&mut self, number: usize, change: impl FnOnce(&mut Place)) {
        let place = &mut self.places[number];
        let (rank, verifies) = (place.rank(number), place.verifies());
        change(place);
        let (now, verifies_now) = (place.rank(number), place.verifies());
        if rank != now {
            for demand in &place.meets {
                let free = &mut self.demands[*demand].free;
                if let Some(rank) = &rank {
                    free.remove(rank);
                }
                free.extend(now);
            }
        }
        if verifies != verifies_now {
            if let Some((environment, load)) = verifies
                && let Some(known) = self.verifiers.get_mut(&environment)
            {
                known.remove(&(load, number));
                if known.is_empty() {
                    self.verifiers.remove(&environment);
                }
            }
            if let Some((environment, load)) = verifies_now {
                self.verifiers.entry(environment).or_default().insert((load, number));
            }
        }
    }
}

impl Place {
    fn free_slot(&self, number: u32) -> FreeSlot {
        let slot = self.slots.get(number as usize).copied().unwrap_or_default();
        (slot.trouble, !slot.used, number)
    }

    fn rank(&self, place: usize) -> Option<Rank> {
        let (trouble, cold, _) = self.free.first().filter(|_| self.open)?;
        Some((self.running, *trouble, *cold, place))
    }

    fn load(&self, verifying: u64) -> u64 {
        (u64::from(self.running) + verifying) * FULL / u64::from(self.policy.workers.max(1))
    }

    fn verifies(&self) -> Option<(String, u64)> {
        Some((self.environment.clone()?, self.load(0)))
    }
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
