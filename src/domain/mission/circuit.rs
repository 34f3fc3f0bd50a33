//! The circuit breaker: trouble that more than one unit meets is nobody's, and waits for one operation to succeed again.
//!
//! A failure of infrastructure seen once belongs to its unit and uses the unit's own budget. Seen again, with no success in
//! between, by another unit or by the merge queue as well as by a unit, its cause is *common* and the circuit opens. What
//! everything needs (disk, source, processes) is common when it is seen a second time, whoever it is; what the processes of
//! one run can do to themselves never is:
//!
//! ```text
//! closed ── a second sighting of one cause, no success in between ──► open ── circuit_after without progress ──► suspended
//!    ▲                                                                 │ ▲                                          │
//!    └── an operation of a kind that failed succeeds ──── one probe at a time, growing pauses ◄──── resume ─────────┘
//! ```
//!
//! - While it is open, what needs the cause waits. The failed operation itself is the probe: one at a time is tried, and the
//!   pause grows with each that fails. No unit is charged, and what was charged for that cause is given back.
//! - Only a success of a kind of operation that failed closes it: that a verification ran says nothing of a source that
//!   cannot be written.
//! - A unit that is the fault itself cannot keep the others waiting for ever: each circuit that closed although this unit
//!   failed in it is counted, and after as many as it has infrastructure retries its failures are its own.

use super::Decision;
use super::command::Command;
use super::parts::Stage;
use super::policy::Policy;
use super::probe::{Probe, Try};
use super::record::{AttemptClass, Record};
use super::report::SessionReport;
use super::state::State;
use crate::domain::ending::ProcessEnd;
use crate::domain::queue::{Behind, MergeRequest};
use crate::domain::trouble::Cause;
use crate::domain::values::{Millis, SlotId, UnitId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Exit code of a mission that a common cause suspends.
const SUSPENDED: u8 = 6;

/// Kinds of operations that can meet trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Getting an attempt to run: its workspace, its processes.
    Prepare,
    /// Keeping what an attempt made.
    Collect,
    /// Merging onto green and moving it.
    Merge,
    /// Running a verification.
    Verify,
    /// Reading what a round is made of.
    Plan,
}

/// Who met trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Witness {
    /// The unit, if it was for one.
    pub unit: Option<UnitId>,
    /// Slot of the attempt; absent for the merge queue.
    pub slot: Option<SlotId>,
}

/// One failure since the last success of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sighting {
    cause: Cause,
    operation: Operation,
    by: Witness,
    at: Millis,
    /// Whether the unit's infrastructure budget was charged.
    charged: bool,
}

/// A common cause that nothing has disproved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    pub(super) causes: Vec<(Cause, BTreeSet<Operation>)>,
    /// When it opened.
    pub opened: Millis,
    /// When something landed or was collected the last time while it was open; first: when it opened.
    pub(super) progress: Millis,
    /// When the next probe may start.
    pub again_at: Millis,
    pub(super) tries: u32,
    hit: BTreeSet<UnitId>,
    pub(super) probe: Option<Probe>,
}

impl Circuit {
    /// The cause it is told by.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.causes.first().map(|(cause, _)| cause)
    }

    fn knows(&self, cause: &Cause) -> bool {
        self.causes.iter().any(|(known, _)| known == cause)
    }

    /// Whether what is to be tried needs what is in trouble.
    pub(super) fn blocks(&self, what: Try) -> bool {
        self.failed(what) || self.causes.iter().any(|(cause, _)| cause.is_shared())
    }

    pub(super) fn failed(&self, what: Try) -> bool {
        self.causes.iter().any(|(_, operations)| what.operations().iter().any(|o| operations.contains(o)))
    }
}

/// First pause where the settings want none.
const SHORTEST_PAUSE: Millis = 10;

impl Policy {
    /// Pause before the try after this many failures: [`Policy::retry_pause`], doubling up to 60 times that.
    #[must_use]
    pub fn pause(&self, failures: u32) -> Millis {
        let factor = 1_u64.checked_shl(failures.saturating_sub(1).min(6)).unwrap_or(60).min(60);
        self.retry_pause.max(SHORTEST_PAUSE).saturating_mul(factor)
    }
}

impl State {
    /// The open circuit, if trouble is common.
    #[must_use]
    pub fn circuit(&self) -> Option<&Circuit> {
        self.circuit.as_ref()
    }

    /// Whether a unit was forgiven so often that its failures are its own.
    fn is_own_fault(&self, unit: &UnitId) -> bool {
        self.unit(unit).is_some_and(|u| u.spared > self.policy.max_infrastructure_retries)
    }

    /// Whether a failure makes its cause common.
    fn is_common(&self, cause: &Cause, by: &Witness) -> bool {
        if by.unit.as_ref().is_some_and(|unit| self.is_own_fault(unit)) {
            return false;
        }
        let fair = |s: &&Sighting| !s.by.unit.as_ref().is_some_and(|unit| self.is_own_fault(unit));
        // What a unit can bring about all by itself needs another unit, or the queue, that meets it too.
        let other = |s: &Sighting| s.by.unit != by.unit || s.by.slot.is_some() != by.slot.is_some();
        let same =
            self.sightings.iter().filter(|s| s.cause == *cause).filter(fair).any(|s| cause.is_nobodys() || other(s));
        same && !cause.is_of_the_run()
    }

    /// Folds that trouble is common: what was charged for it is given back.
    pub(super) fn opens(&mut self, cause: &Cause, operation: Operation, at: Millis, again_at: Millis) {
        let (seen, rest): (Vec<Sighting>, Vec<Sighting>) =
            std::mem::take(&mut self.sightings).into_iter().partition(|s| s.cause == *cause);
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
        for i in self.delayed.iter().chain(&self.turns).map(|(_, i)| *i).collect::<Vec<_>>() {
            self.touch(i, |u| u.not_before = 0);
        }
        for i in self.units_to_collect().collect::<Vec<_>>() {
            self.touch(i, |u| u.collect_at = Some(0));
        }
        self.queue.wake_requests();
        let causes = vec![(cause.clone(), operations)];
        self.circuit = Some(Circuit { causes, opened: at, progress: at, again_at, tries: 1, hit, probe: None });
    }

    /// Folds that the circuit stays open.
    pub(super) fn stays_open(&mut self, cause: &Cause, operation: Operation, again_at: Millis, tries: u32) {
        let Some(circuit) = &mut self.circuit else { return };
        match circuit.causes.iter_mut().find(|(known, _)| known == cause) {
            Some((_, operations)) => drop(operations.insert(operation)),
            None => circuit.causes.push((cause.clone(), BTreeSet::from([operation]))),
        }
        (circuit.again_at, circuit.tries) = (again_at, tries);
    }

    /// Folds that these causes are disproved.
    pub(super) fn closes_circuit(&mut self, causes: &[Cause]) {
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
    pub(super) fn met_trouble(
        &mut self,
        cause: &Cause,
        operation: Operation,
        by: Witness,
        at: Millis,
        charges: bool,
    ) -> bool {
        if cause.is_of_the_run() {
            return charges;
        }
        if let Some(circuit) = &mut self.circuit {
            circuit.hit.extend(by.unit);
            return false;
        }
        self.sightings.push(Sighting { cause: cause.clone(), operation, by, at, charged: charges });
        charges
    }

    /// Folds what the end of an attempt says of trouble. Whether its unit is charged.
    pub(super) fn attempt_tells(
        &mut self,
        i: usize,
        n: u32,
        at: Millis,
        class: AttemptClass,
        report: &SessionReport,
    ) -> bool {
        if class == AttemptClass::Infrastructure {
            return self.met_trouble(&cause_of(report), Operation::Prepare, self.witness(i), at, true);
        }
        if is_collected(class, report) {
            let started = self.units[i].attempts.iter().find(|a| a.n == n).map_or(at, |a| a.started);
            self.succeeded(Operation::Collect, at);
            self.succeeded(Operation::Prepare, started);
            self.progresses(at);
            self.touch(i, |u| u.spared = 0);
        }
        false
    }

    /// Whether the mission waits for the answer to a question of its round, with nothing else under way.
    pub(super) fn asks_for_its_round(&self) -> bool {
        matches!(self.stage, Stage::CheckingTarget | Stage::Reading | Stage::Evaluating) && !self.queue_at_work()
    }

    /// What the step that has just failed was.
    pub(super) fn operation_of_step(&self) -> Operation {
        match self.verifying().is_some() {
            true => Operation::Verify,
            false if self.asks_for_its_round() => Operation::Plan,
            false => Operation::Merge,
        }
    }

    /// The attempt of the unit at this index, as a witness.
    pub(super) fn witness(&self, i: usize) -> Witness {
        let unit = &self.units[i];
        Witness { unit: Some(unit.spec.id.clone()), slot: unit.attempts.last().map(|a| a.slot.clone()) }
    }

    /// The merge queue with what it works on, as a witness.
    pub(super) fn queue_witness(&self) -> Witness {
        let landing = self.landing().filter(|_| !self.asks_green());
        Witness { unit: landing.and_then(|l| l.mr.source.unit()).cloned(), slot: None }
    }

    /// Folds that a request goes back to the queue.
    pub(super) fn goes_back(&mut self, mr: MergeRequest, behind: Option<&Behind>) {
        if let (Some(Behind { own_fault: true, .. }), Some(unit)) = (behind, mr.source.unit().cloned()) {
            self.unit_to(&unit, |u| u.infra += 1);
        }
        self.queue.return_request(mr, behind);
    }

    /// Folds a success of operations of this kind that began at `since`: what was seen before is past.
    pub(super) fn succeeded(&mut self, operation: Operation, since: Millis) {
        self.sightings.retain(|s| s.operation != operation || s.at > since);
    }

    /// Folds that something landed or was collected, or that a pause ended.
    pub(super) fn progresses(&mut self, at: Millis) {
        if let Some(circuit) = &mut self.circuit {
            circuit.progress = circuit.progress.max(at);
        }
    }

    /// Folds that a new engine begins: everything may be tried at once.
    pub(super) fn forgets_trouble(&mut self) {
        self.circuit = None;
        self.suspended_by = None;
        self.sightings.clear();
        for i in self.units_to_collect().collect::<Vec<_>>() {
            self.touch(i, |u| u.collect_at = Some(0));
        }
    }
}

impl Decision<'_> {
    /// Says what a failure means beyond its unit: nothing, that its cause is common, or that it still is.
    pub(super) fn meets(&mut self, cause: &Cause, operation: Operation, by: &Witness) {
        if self.state.killing() || cause.is_of_the_run() {
            return;
        }
        let Some(circuit) = &self.state.circuit else {
            if self.state.is_common(cause, by) {
                self.open_circuit(cause, operation);
            }
            return;
        };
        // A question of the round is asked when nothing else can be: it always is the probe.
        let probed = match (self.state.probing(), &by.unit) {
            _ if operation == Operation::Plan => true,
            (Some(Probe::Queue), _) => by.slot.is_none(),
            (Some(Probe::Attempt(i)), Some(unit)) => self.state.index.get(unit) == Some(&i),
            _ => false,
        };
        let known = circuit.knows(cause) && circuit.causes.iter().any(|(c, o)| c == cause && o.contains(&operation));
        let (again_at, tries) = match probed {
            true => (self.now + self.state.policy.pause(circuit.tries + 1), circuit.tries + 1),
            false => (circuit.again_at, circuit.tries),
        };
        if probed || !known {
            self.note(Record::CircuitKept { cause: cause.clone(), operation, at: self.now, again_at, tries });
        }
    }

    /// Makes a cause common.
    pub(super) fn open_circuit(&mut self, cause: &Cause, operation: Operation) {
        let again_at = self.now + self.state.policy.pause(1);
        self.note(Record::CircuitOpened { cause: cause.clone(), operation, at: self.now, again_at });
    }

    /// Says what a success of operations of this kind, begun at `since`, disproves. It counts where the kind has failed, and
    /// where nothing of the kinds that failed is left to be tried.
    pub(super) fn works(&mut self, operations: &[Operation], since: Millis) {
        let Some(circuit) = &self.state.circuit else { return };
        let chances: Vec<Try> = self.state.chances().into_iter().map(|(chance, _)| chance).collect();
        let probing = self.state.probing().is_some();
        let stands = |(_, seen): &&(Cause, BTreeSet<Operation>)| {
            let proved =
                operations.iter().any(|o| seen.contains(o) && (*o != Operation::Prepare || since >= circuit.opened));
            let hopeless =
                !probing && !chances.iter().any(|chance| chance.operations().iter().any(|o| seen.contains(o)));
            !(proved || hopeless)
        };
        let causes: Vec<Cause> = circuit.causes.iter().filter(|c| !stands(c)).map(|(cause, _)| cause.clone()).collect();
        if !causes.is_empty() {
            self.note(Record::CircuitClosed { at: self.now, causes });
        }
    }

    /// Suspends the mission when its circuit has been open for too long and nothing is at work any more. Whether it did.
    pub(super) fn suspend_for_trouble(&mut self) -> bool {
        if !self.state.circuit_is_over(self.now) {
            return false;
        }
        let cause = self.state.circuit().and_then(Circuit::cause).cloned();
        self.note(Record::Suspended { at: self.now, code: SUSPENDED, cause });
        self.ask(Command::Exit { code: SUSPENDED });
        true
    }
}

/// What stood in the way of an attempt that says nothing of its work.
pub(super) fn cause_of(report: &SessionReport) -> Cause {
    match &report.run.end {
        ProcessEnd::Infrastructure(trouble) => trouble.cause.clone(),
        // It says so itself, and nobody knows better: that is its own affair.
        _ => Cause::LostRun,
    }
}

/// Whether what an attempt made was kept, so that everything it takes works.
pub(super) fn is_collected(class: AttemptClass, report: &SessionReport) -> bool {
    let says_nothing =
        matches!(class, AttemptClass::Infrastructure | AttemptClass::NeverStarted | AttemptClass::Stopped);
    !says_nothing && report.work.head.is_some()
}
