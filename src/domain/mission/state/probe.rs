//! What an open circuit lets be tried: one probe at a time, of a kind that failed where there is one, and when.

use super::mission::State;
use crate::domain::mission::model::circuit::{Circuit, Probe, Try};
use crate::domain::mission::model::policy::STRATEGY;
use crate::domain::mission::model::unit::{Attempt, Unit, UnitState};
use crate::domain::values::{LandingId, Millis};

impl State {
    /// The probe that is under way.
    pub(in crate::domain::mission) fn current_probe(&self) -> Option<Probe> {
        self.circuit.as_ref()?.probe.filter(|probe| match probe {
            Probe::Attempt(i) => self.units[*i].state == UnitState::Running,
            Probe::Queue => self.is_queue_busy(),
        })
    }

    /// Whether a step of the merge queue, or a verification, is under way.
    pub(super) fn is_queue_busy(&self) -> bool {
        self.current_verification().is_some() || self.landing().is_some_and(|landing| landing.at_work())
    }

    /// What could be tried, and from when on.
    pub(in crate::domain::mission) fn probe_candidates(&self) -> Vec<(Try, Millis)> {
        let mut chances = Vec::new();
        if let (true, Some(at)) = (self.may_collect(), self.collects_at()) {
            chances.push((Try::Collect, at));
        }
        if let (true, Some(at)) = (self.may_land() && !self.is_queue_busy(), self.queue_due()) {
            chances.push((Try::Queue, at));
        }
        if let (true, Some(at)) = (self.may_dispatch() && self.has_free_slot(), self.starts_at()) {
            chances.push((Try::Start, at));
        }
        chances
    }

    /// When the next attempt may be collected again.
    pub(in crate::domain::mission) fn collects_at(&self) -> Option<Millis> {
        self.units_to_collect().filter_map(|i| self.collect_due(i)).min()
    }

    /// When the attempt of the unit at `i` may be collected again; on a host that is left out, when it is given up.
    pub(in crate::domain::mission) fn collect_due(&self, i: usize) -> Option<Millis> {
        let (at, slot) = (self.units[i].collect_at?, self.units[i].uncollected_slot()?);
        let given_up = self.hosts.benched_since(&slot.host).map(|since| since + self.policy.circuit_after);
        Some(at.max(given_up.unwrap_or(0)))
    }

    /// When the merge queue may go on; absent when nothing in it can.
    pub(super) fn queue_due(&self) -> Option<Millis> {
        // Nothing in it is done while it could not be verified.
        self.next_verifier()?;
        if self.cold_next().is_some() || self.moved_first() {
            return Some(self.queue.green_due());
        }
        if self.cold_first() {
            return None;
        }
        STRATEGY.due_at(&self.queue, |request| self.waits_for_turn(request))
    }

    /// Whether the queue settled other requests since the one of this landing stepped behind them.
    pub(in crate::domain::mission) fn others_passed(&self, landing: LandingId) -> bool {
        self.landing_by(landing).is_some_and(|landing| self.queue.has_passed(&landing.mr))
    }

    /// Whose turn it is to be the probe: kinds that failed go first, in turn.
    fn turn(&self, circuit: &Circuit, now: Millis) -> Option<Try> {
        let due = self.probe_candidates().into_iter().filter(|(chance, at)| *at <= now && circuit.blocks(*chance));
        let mut chances: Vec<Try> = due.map(|(chance, _)| chance).collect();
        if chances.iter().any(|chance| circuit.has_failed(*chance)) {
            chances.retain(|chance| circuit.has_failed(*chance));
        }
        let nth = (circuit.tries as usize).checked_rem(chances.len())?;
        chances.get(nth).copied()
    }

    /// Whether the circuit lets this start now.
    pub(in crate::domain::mission) fn circuit_allows(&self, what: Try, now: Millis) -> bool {
        let Some(circuit) = self.circuit.as_ref().filter(|circuit| circuit.blocks(what)) else { return true };
        match self.current_probe() {
            None => now >= circuit.again_at && self.turn(circuit, now) == Some(what),
            Some(Probe::Queue) => what == Try::Queue,
            Some(Probe::Attempt(_)) => false,
        }
    }

    fn gives_up_at(&self, circuit: &Circuit) -> Millis {
        circuit.progress.saturating_add(self.policy.circuit_after)
    }

    /// Whether nothing of the mission is under way.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_idle() && !self.is_queue_busy() && !self.checking
    }

    /// Whether the circuit has been open for too long, with nothing under way that could close it.
    pub(in crate::domain::mission) fn circuit_is_over(&self, now: Millis) -> bool {
        let over = self.circuit.as_ref().is_some_and(|circuit| now >= self.gives_up_at(circuit));
        over && !self.paused && self.is_at_rest()
    }

    /// The times at which the circuit makes something happen.
    pub(super) fn circuit_wakes(&self) -> Vec<Millis> {
        let Some(circuit) = &self.circuit else { return Vec::new() };
        let mut times = Vec::new();
        if !self.paused && self.is_at_rest() {
            times.push(self.gives_up_at(circuit));
        }
        if self.current_probe().is_none() {
            let blocked = self.probe_candidates().into_iter().filter(|(chance, _)| circuit.blocks(*chance));
            times.extend(blocked.map(|(_, at)| at.max(circuit.again_at)));
        }
        times
    }

    /// Folds that an attempt of the unit at `i` is at work.
    pub(super) fn tries_attempt(&mut self, i: usize, what: Try) {
        if let Some(circuit) = self.circuit.as_mut().filter(|circuit| circuit.blocks(what)) {
            circuit.probe = Some(Probe::Attempt(i));
        }
    }

    /// Folds that the merge queue is at work.
    pub(super) fn tries_queue(&mut self) {
        if let Some(circuit) = self.circuit.as_mut().filter(|circuit| circuit.blocks(Try::Queue)) {
            circuit.probe = Some(Probe::Queue);
        }
    }

    /// Attempts that have ended and wait to be collected, with their unit.
    pub fn uncollected_attempts(&self) -> impl Iterator<Item = (&Unit, &Attempt)> {
        self.units_to_collect().filter_map(|i| Some((&self.units[i], self.units[i].attempts.last()?)))
    }

    /// Units whose attempt has ended and could not be collected yet.
    pub(in crate::domain::mission) fn units_to_collect(&self) -> impl Iterator<Item = usize> + '_ {
        self.uncollected.values().copied()
    }
}
