//! The hosts of a mission, and their slots: which answer, which are left out for a while, and which a person took out of use.
//!
//! Only the methods that say "folds" change it. A host is used while it is ready and not drained; the engine's own machine, where it
//! is one of the hosts, always is ready. Drained, it verifies what no other host can: it has the environment that everything is compared in.

use crate::domain::mission::model::hosts::{Health, HostPolicy};
use crate::domain::mission::model::policy::Policy;
use crate::domain::mission::model::slots::Slots;
use crate::domain::trouble::Cause;
use crate::domain::values::{HostId, Millis};
use std::collections::{BTreeMap, BTreeSet};

/// One host other than the engine's own machine.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    host: HostId,
    health: Health,
    drained: bool,
    /// Whether it was asked and has not answered yet.
    probing: bool,
    /// Times it was benched since something succeeded there.
    tries: u32,
    /// Failures of what needs it, with no success between.
    failures: u32,
}

/// All hosts of a mission.
#[derive(Debug, Clone, PartialEq)]
pub struct Hosts {
    entries: Vec<Entry>,
    index: BTreeMap<HostId, usize>,
    slots: Slots,
    /// When benched hosts are asked again.
    due: BTreeSet<(Millis, usize)>,
    /// Hosts that may be used, or may turn out to be when they answer, and are not drained.
    hopeful: usize,
    /// Hosts that are not drained and have not answered this engine yet.
    unseen: usize,
    /// Whether the engine's own machine runs attempts.
    local: bool,
    /// Whether a person took the engine's own machine out of use.
    local_drained: bool,
}

impl Hosts {
    /// The hosts of a mission that begins; without any, the engine's own machine with all workers.
    pub(in crate::domain::mission) fn begin(policy: &Policy) -> Self {
        let alone = [HostPolicy::new(HostId::local(), policy.workers.max(1))];
        let named = if policy.hosts.is_empty() { &alone[..] } else { &policy.hosts };
        let others = named.iter().filter(|policy| !policy.host.is_local());
        let entry = |policy: &HostPolicy| Entry {
            host: policy.host.clone(),
            health: Health::Unseen,
            drained: false,
            probing: true,
            tries: 0,
            failures: 0,
        };
        let entries: Vec<Entry> = others.map(entry).collect();
        Self {
            index: entries.iter().enumerate().map(|(at, entry)| (entry.host.clone(), at)).collect(),
            hopeful: entries.len(),
            unseen: entries.len(),
            local: named.iter().any(|policy| policy.host.is_local() && policy.workers > 0),
            entries,
            slots: Slots::of_hosts(named, policy.max_running),
            due: BTreeSet::new(),
            local_drained: false,
        }
    }

    fn entry(&self, host: &HostId) -> Option<&Entry> {
        self.index.get(host).map(|at| &self.entries[*at])
    }

    /// Every host but the engine's own machine, in the order of the policy: how it stands, and whether it is drained.
    pub fn list(&self) -> impl Iterator<Item = (&HostId, &Health, bool)> {
        self.entries.iter().map(|entry| (&entry.host, &entry.health, entry.drained))
    }

    /// How a host stands; none for the engine's own machine, and for one that the mission does not know.
    pub fn health(&self, host: &HostId) -> Option<&Health> {
        self.entry(host).map(|entry| &entry.health)
    }

    /// Whether a person took it out of use.
    pub fn is_drained(&self, host: &HostId) -> bool {
        if host.is_local() { self.local_drained } else { self.entry(host).is_some_and(|entry| entry.drained) }
    }

    /// Whether a person can take it out of use: it is one of several, and units start there.
    pub fn can_drain(&self, host: &HostId) -> bool {
        if host.is_local() { self.local && !self.entries.is_empty() } else { self.index.contains_key(host) }
    }

    /// Whether it is left out for a while.
    pub fn is_benched(&self, host: &HostId) -> bool {
        self.benched_since(host).is_some()
    }

    /// Since when it is left out.
    pub(in crate::domain::mission) fn benched_since(&self, host: &HostId) -> Option<Millis> {
        match self.health(host)? {
            Health::Benched { since, .. } => Some(*since),
            Health::Unseen | Health::Ready { .. } => None,
        }
    }

    /// Whether it was asked and has not answered yet.
    pub(in crate::domain::mission) fn is_probing(&self, host: &HostId) -> bool {
        self.entry(host).is_some_and(|entry| entry.probing)
    }

    /// Times it was benched since something succeeded there.
    pub(in crate::domain::mission) fn tries(&self, host: &HostId) -> u32 {
        self.entry(host).map_or(0, |entry| entry.tries)
    }

    /// Failures of what needs it, with no success between.
    pub(in crate::domain::mission) fn failures(&self, host: &HostId) -> u32 {
        self.entry(host).map_or(0, |entry| entry.failures)
    }

    /// The slots of all hosts.
    pub(in crate::domain::mission) const fn slots(&self) -> &Slots {
        &self.slots
    }

    /// When the next benched host is asked again.
    pub(in crate::domain::mission) fn next_probe(&self) -> Option<Millis> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The benched host that is to be asked again now.
    pub(in crate::domain::mission) fn due_probe(&self, now: Millis) -> Option<HostId> {
        let (_, at) = self.due.first().filter(|(due, _)| *due <= now)?;
        Some(self.entries[*at].host.clone())
    }

    /// Whether none may be used, and none that was just asked may turn out to be usable.
    pub(in crate::domain::mission) const fn none_usable(&self) -> bool {
        (!self.local || self.local_drained) && self.hopeful == 0
    }

    /// Whether some host was asked for the first time and has not answered yet.
    pub(in crate::domain::mission) const fn awaits_answers(&self) -> bool {
        self.unseen > 0
    }

    /// Folds that units ask for these labels; the number of that, where a host has them.
    pub(in crate::domain::mission) fn add_demand(&mut self, labels: &[String]) -> Option<usize> {
        let labels = labels.iter().cloned().collect();
        self.slots.add_demand(&labels);
        self.slots.demand(&labels)
    }

    /// The slots, to fold that an attempt takes one or leaves it.
    pub(in crate::domain::mission) const fn slots_mut(&mut self) -> &mut Slots {
        &mut self.slots
    }

    /// Folds that a host answered.
    pub(in crate::domain::mission) fn make_ready(&mut self, host: &HostId, environment: &str) {
        self.update_entry(host, |entry| {
            entry.health = Health::Ready { environment: environment.to_owned() };
            entry.probing = false;
        });
    }

    /// Folds that a host is left out until it is asked again.
    pub(in crate::domain::mission) fn bench(
        &mut self,
        host: &HostId,
        (at, again_at): (Millis, Millis),
        tries: u32,
        cause: &Cause,
    ) {
        self.update_entry(host, |entry| {
            let since = match entry.health {
                Health::Benched { since, .. } => since,
                Health::Unseen | Health::Ready { .. } => at,
            };
            entry.health = Health::Benched { since, again_at, tries, cause: cause.clone() };
            entry.tries = tries;
            entry.probing = false;
        });
    }

    /// Folds that a host is asked.
    pub(in crate::domain::mission) fn begin_probe(&mut self, host: &HostId) {
        self.update_entry(host, |entry| entry.probing = true);
    }

    /// Folds that a person takes a host out of use, or back.
    pub(in crate::domain::mission) fn set_drained(&mut self, host: &HostId, drained: bool) {
        if host.is_local() {
            self.local_drained = drained;
            self.slots.set_local_open(!drained);
        }
        self.update_entry(host, |entry| entry.drained = drained);
    }

    /// Folds that what needs a host failed there.
    pub(in crate::domain::mission) fn count_failure(&mut self, host: &HostId) {
        self.update_entry(host, |entry| entry.failures += 1);
    }

    /// Folds that something succeeded there.
    pub(in crate::domain::mission) fn count_success(&mut self, host: &HostId) {
        self.update_entry(host, |entry| (entry.failures, entry.tries) = (0, 0));
    }

    /// Folds that a new engine begins: it asks every host.
    pub(in crate::domain::mission) fn ask_all(&mut self) {
        let hosts: Vec<HostId> = self.entries.iter().map(|entry| entry.host.clone()).collect();
        for host in &hosts {
            self.update_entry(host, |entry| {
                (entry.health, entry.probing, entry.failures) = (Health::Unseen, true, 0);
            });
        }
    }

    /// The one door to a host's fields: changes it and keeps its slots and the times true.
    fn update_entry(&mut self, host: &HostId, change: impl FnOnce(&mut Entry)) {
        let Some(at) = self.index.get(host).copied() else { return };
        let entry = &mut self.entries[at];
        if let Some(due) = entry.due() {
            self.due.remove(&(due, at));
        }
        self.hopeful -= usize::from(entry.is_hopeful());
        self.unseen -= usize::from(entry.is_unseen());
        change(entry);
        self.hopeful += usize::from(entry.is_hopeful());
        self.unseen += usize::from(entry.is_unseen());
        self.due.extend(entry.due().map(|due| (due, at)));
        let environment = match &entry.health {
            Health::Ready { environment } if !entry.drained => Some(environment.as_str()),
            _ => None,
        };
        self.slots.set_open(host, environment);
    }
}

impl Entry {
    fn due(&self) -> Option<Millis> {
        match self.health {
            Health::Benched { again_at, .. } if !self.probing => Some(again_at),
            _ => None,
        }
    }

    fn is_unseen(&self) -> bool {
        !self.drained && self.health == Health::Unseen
    }

    fn is_hopeful(&self) -> bool {
        !self.drained && !matches!(self.health, Health::Benched { .. })
    }
}
