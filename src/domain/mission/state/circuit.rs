//! Sightings of trouble, and the circuit that a common cause opens.

use super::mission::State;
use crate::domain::mission::model::circuit::{Sighting, Witness};
use crate::domain::mission::model::outcome::{cause_of, is_collected};
use crate::domain::mission::model::{AttemptClass, Circuit, Operation, SessionReport};
use crate::domain::queue::{Behind, MergeRequest};
use crate::domain::trouble::Cause;
use crate::domain::values::{HostId, LandingId, Millis, RunId, UnitId};
use std::collections::BTreeSet;

impl State {
    /// The open circuit, if trouble is common.
    pub fn circuit(&self) -> Option<&Circuit> {
        self.circuit.as_ref()
    }

    /// Whether a unit was forgiven so often that its failures are its own.
    fn is_own_fault(&self, unit: &UnitId) -> bool {
        self.unit(unit).is_some_and(|u| u.spared > self.policy.max_infrastructure_retries)
    }

    /// Whether a failure makes its cause common.
    pub(in crate::domain::mission) fn is_common(&self, cause: &Cause, by: &Witness) -> bool {
        if by.unit.as_ref().is_some_and(|unit| self.is_own_fault(unit)) {
            return false;
        }
        let fair = |s: &&Sighting| !s.past && !s.by.unit.as_ref().is_some_and(|unit| self.is_own_fault(unit));
        // What a unit can bring about all by itself needs another unit, or the queue, that meets it too.
        let other = |s: &Sighting| s.by.unit != by.unit || s.by.slot.is_some() != by.slot.is_some();
        // What is met on one host only is that host's, which is left out when it happens again and again.
        let place = |s: &&Sighting| !self.can_bench(&by.host) || s.by.host != by.host;
        let seen = self.sightings.iter().filter(|s| s.cause == *cause).filter(fair).filter(place);
        let same = seen.into_iter().any(|s| cause.blames_nobody() || other(s));
        same && !cause.is_of_the_run()
    }

    /// Folds that trouble is common: what was charged for it is given back.
    pub(super) fn apply_circuit_opened(&mut self, cause: &Cause, operation: Operation, at: Millis, again_at: Millis) {
        let (seen, rest): (Vec<Sighting>, Vec<Sighting>) =
            std::mem::take(&mut self.sightings).into_iter().partition(|s| s.cause == *cause && !s.past);
        self.sightings = rest;
        let mut operations = BTreeSet::from([operation]);
        let mut hit = BTreeSet::new();
        for sighting in seen {
            operations.insert(sighting.operation);
            let Some(unit) = sighting.by.unit else { continue };
            self.unit_to(&unit, |u| u.infra = u.infra.saturating_sub(u32::from(sighting.charged)));
            hit.insert(unit);
        }
        // Whatever waits for a pause of its own waits for the circuit's from now on.
        for i in self.ready.all_delayed().chain(self.turns.iter().map(|(_, i)| *i)).collect::<Vec<_>>() {
            self.update_unit(i, |u| u.not_before = 0);
        }
        for i in self.units_to_collect().collect::<Vec<_>>() {
            self.update_unit(i, |u| u.collect_at = Some(0));
        }
        self.queue.wake_requests();
        let causes = vec![(cause.clone(), operations)];
        self.circuit = Some(Circuit { causes, opened: at, progress: at, again_at, tries: 1, hit, probe: None });
    }

    /// Folds that a host is left out: what was charged for trouble there is given back, as long as it can be the host's.
    pub(super) fn apply_bench(&mut self, host: &HostId) {
        let (seen, rest): (Vec<Sighting>, Vec<Sighting>) =
            std::mem::take(&mut self.sightings).into_iter().partition(|s| s.by.host == *host);
        self.sightings = rest;
        for Sighting { by, charged, .. } in seen {
            let Some(unit) = by.unit.filter(|unit| !self.is_own_fault(unit)) else { continue };
            self.unit_to(&unit, |u| {
                u.infra = u.infra.saturating_sub(u32::from(charged));
                u.spared += 1;
            });
        }
    }

    /// Folds that the circuit stays open.
    pub(super) fn apply_circuit_extended(&mut self, cause: &Cause, operation: Operation, again_at: Millis, tries: u32) {
        let Some(circuit) = &mut self.circuit else { return };
        match circuit.causes.iter_mut().find(|(known, _)| known == cause) {
            Some((_, operations)) => drop(operations.insert(operation)),
            None => circuit.causes.push((cause.clone(), BTreeSet::from([operation]))),
        }
        (circuit.again_at, circuit.tries) = (again_at, tries);
    }

    /// Folds that these causes are disproved.
    pub(super) fn apply_circuit_closed(&mut self, causes: &[Cause]) {
        let Some(circuit) = &mut self.circuit else { return };
        circuit.causes.retain(|(cause, _)| !causes.contains(cause));
        if !circuit.causes.is_empty() {
            return;
        }
        let hit = std::mem::take(&mut circuit.hit);
        self.circuit = None;
        hit.iter().for_each(|unit| self.unit_to(unit, |u| u.spared += 1));
    }

    /// Folds one failure: whom it is charged to. Whether that is its unit.
    pub(super) fn apply_trouble(
        &mut self,
        cause: &Cause,
        operation: Operation,
        by: Witness,
        at: Millis,
        charges: bool,
    ) -> bool {
        if self.is_unreachable(&by.host, cause) {
            return false;
        }
        if cause.is_of_the_run() {
            return charges;
        }
        if let Some(circuit) = &mut self.circuit {
            circuit.hit.extend(by.unit);
            return false;
        }
        if !by.unit.as_ref().is_some_and(|unit| self.is_own_fault(unit)) {
            self.hosts.count_failure(&by.host);
        }
        self.sightings.push(Sighting { cause: cause.clone(), operation, by, at, charged: charges, past: false });
        charges
    }

    /// Folds what the end of an attempt says of trouble. Whether its unit is charged.
    pub(super) fn apply_attempt_trouble(
        &mut self,
        i: usize,
        n: u32,
        at: Millis,
        class: AttemptClass,
        report: &SessionReport,
    ) -> bool {
        if class == AttemptClass::Infrastructure {
            return self.apply_trouble(&cause_of(report), Operation::Prepare, self.attempt_witness(i), at, true);
        }
        if is_collected(class, report) {
            let started = self.units[i].attempts.iter().find(|a| a.n == n).map_or(at, |a| a.started);
            self.apply_success(Operation::Collect, at);
            self.apply_success(Operation::Prepare, started);
            self.apply_progress(at);
            self.apply_host_success(&self.attempt_witness(i).host);
            self.update_unit(i, |u| u.spared = 0);
        }
        false
    }

    /// The attempt of the unit at this index, as a witness.
    pub(in crate::domain::mission) fn attempt_witness(&self, i: usize) -> Witness {
        let unit = &self.units[i];
        let slot = unit.attempts.last().map(|a| a.slot.clone());
        let host = slot.as_ref().map_or_else(HostId::local, |slot| slot.host.clone());
        Witness { unit: Some(unit.spec.id.clone()), slot, host }
    }

    /// The merge queue with the landing that a step of it failed for, as a witness; whatever green is found to be is nobody's.
    pub(in crate::domain::mission) fn step_witness(&self, run: Option<RunId>, landing: Option<LandingId>) -> Witness {
        let landing = landing.filter(|_| !self.asks_green(run)).and_then(|id| self.landing_by(id));
        let host = match (run.and_then(|run| self.run_by(run)), landing) {
            (Some(run), _) => run.host.clone(),
            (None, None) if run.is_none() => self.asked_stage_on(),
            (None, _) => HostId::local(),
        };
        Witness { unit: landing.and_then(|l| l.mr.source.unit()).cloned(), slot: None, host }
    }

    /// Folds that a request goes back to the queue.
    pub(super) fn apply_return(&mut self, mr: MergeRequest, behind: Option<&Behind>) {
        if let (Some(Behind { own_fault: true, .. }), Some(unit)) = (behind, mr.source.unit().cloned()) {
            self.unit_to(&unit, |u| u.infra += 1);
        }
        self.queue.return_request(mr, behind);
    }

    /// Folds a success of operations of this kind that began at `since`: what was seen before is past.
    pub(super) fn apply_success(&mut self, operation: Operation, since: Millis) {
        let hosts = &self.hosts;
        self.sightings.retain_mut(|s| {
            let over = s.operation == operation && s.at <= since;
            s.past |= over;
            !over || hosts.health(&s.by.host).is_some()
        });
    }

    /// Folds that something succeeded on a host: what failed there before says nothing of it any more.
    pub(super) fn apply_host_success(&mut self, host: &HostId) {
        if self.can_bench(host) {
            self.hosts.count_success(host);
            self.sightings.retain(|s| s.by.host != *host);
        }
    }

    /// Folds that something landed or was collected, or that a pause ended.
    pub(super) fn apply_progress(&mut self, at: Millis) {
        if let Some(circuit) = &mut self.circuit {
            circuit.progress = circuit.progress.max(at);
        }
    }

    /// Folds that a new engine begins: everything may be tried at once.
    pub(super) fn clear_trouble(&mut self) {
        self.circuit = None;
        self.suspended_by = None;
        self.sightings.clear();
        for i in self.units_to_collect().collect::<Vec<_>>() {
            self.update_unit(i, |u| u.collect_at = Some(0));
        }
    }
}
