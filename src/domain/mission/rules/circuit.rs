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

use crate::domain::mission::model::circuit::{Circuit, Operation, Probe, Try, Witness};

use super::decision::Decision;
use crate::domain::mission::protocol::{Command, Record};

use crate::domain::trouble::Cause;
use crate::domain::values::Millis;
use std::collections::BTreeSet;

/// Exit code of a mission that a common cause suspends.
const SUSPENDED: u8 = 6;

impl Decision<'_> {
    /// Says what a failure means beyond its unit: nothing, that its cause is common, or that it still is.
    pub(super) fn assess_failure(&mut self, cause: &Cause, operation: Operation, by: &Witness) {
        if self.state.is_kill_requested() || cause.is_of_the_run() {
            return;
        }
        let Some(circuit) = &self.state.circuit else {
            if self.state.is_common(cause, by) {
                self.open_circuit(cause, operation);
            }
            return;
        };
        // A question of the round is asked when nothing else can be: it always is the probe.
        let probed = match (self.state.current_probe(), &by.unit) {
            _ if operation == Operation::Plan => true,
            (Some(Probe::Queue), _) => by.slot.is_none(),
            (Some(Probe::Attempt(i)), Some(unit)) => self.state.index.get(unit) == Some(&i),
            _ => false,
        };
        let known =
            circuit.has_cause(cause) && circuit.causes.iter().any(|(c, o)| c == cause && o.contains(&operation));
        let (again_at, tries) = match probed {
            true => (self.now + self.state.policy.pause(circuit.tries + 1), circuit.tries + 1),
            false => (circuit.again_at, circuit.tries),
        };
        if probed || !known {
            self.record(Record::CircuitKept { cause: cause.clone(), operation, at: self.now, again_at, tries });
        }
    }

    /// Makes a cause common.
    pub(super) fn open_circuit(&mut self, cause: &Cause, operation: Operation) {
        let again_at = self.now + self.state.policy.pause(1);
        self.record(Record::CircuitOpened { cause: cause.clone(), operation, at: self.now, again_at });
    }

    /// Says what a success of operations of this kind, begun at `since`, disproves. It counts where the kind has failed, and
    /// where nothing of the kinds that failed is left to be tried.
    pub(super) fn assess_success(&mut self, operations: &[Operation], since: Millis) {
        let Some(circuit) = &self.state.circuit else { return };
        let chances: Vec<Try> = self.state.probe_candidates().into_iter().map(|(chance, _)| chance).collect();
        let probing = self.state.current_probe().is_some();
        let stands = |(_, seen): &&(Cause, BTreeSet<Operation>)| {
            if seen.contains(&Operation::Reach) {
                return true;
            }
            let proved =
                operations.iter().any(|o| seen.contains(o) && (*o != Operation::Prepare || since >= circuit.opened));
            let hopeless =
                !probing && !chances.iter().any(|chance| chance.operations().iter().any(|o| seen.contains(o)));
            !(proved || hopeless)
        };
        let causes: Vec<Cause> = circuit.causes.iter().filter(|c| !stands(c)).map(|(cause, _)| cause.clone()).collect();
        if !causes.is_empty() {
            self.record(Record::CircuitClosed { at: self.now, causes });
        }
    }

    /// Suspends the mission when all that is left waits for an agent that cannot be used. Whether it did.
    pub(super) fn suspend_for_agent(&mut self) -> bool {
        let Some(refusal) = self.state.access.refusal().filter(|_| self.state.waits_for_agent()) else { return false };
        let cause = Some(Cause::Agent(refusal.failure));
        self.record(Record::Suspended { at: self.now, code: SUSPENDED, cause });
        self.request(Command::Exit { code: SUSPENDED });
        true
    }

    /// Suspends the mission when its circuit has been open for too long and nothing is at work any more. Whether it did.
    pub(super) fn suspend_for_trouble(&mut self) -> bool {
        if !self.state.circuit_is_over(self.now) {
            return false;
        }
        let cause = self.state.circuit().and_then(Circuit::cause).cloned();
        self.record(Record::Suspended { at: self.now, code: SUSPENDED, cause });
        self.request(Command::Exit { code: SUSPENDED });
        true
    }
}
