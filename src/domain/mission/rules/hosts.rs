//! Hosts: asked when an engine begins, left out while they do not answer or nothing can run there, and taken out of use by a person.
//!
//! Wanted: a slow or dead host delays nobody else, and no unit is charged for it; no unit is the probe of a host.
//!
//! ```text
//! unseen ── it answers ──► ready ── it does not answer, or nothing runs there three times in a row ──► benched
//!    │                       ▲                                                                          │  ▲
//!    └── it does not ────────┼───────── it answers ◄── asked again, after growing pauses ◄──────────────┘  │
//!                            └─────────────────────── it does not ─────────────────────────────────────────┘
//! ```
//!
//! - What a host that does not answer had is begun elsewhere at once: an attempt under a new session, so that what the old one
//!   brings later changes nothing; a verification as another run. What has ended there and could not be collected is waited for
//!   as long as a circuit may stay open.
//! - What a unit was charged for a host on which nothing succeeded is given back when that is left out. A unit that was forgiven more
//!   often than it may meet infrastructure pays for itself, and says nothing of hosts any more.
//! - Pauses grow with each time that a host is benched until something succeeds there; an answer alone proves little.
//! - Trouble that two hosts meet is common, as is any of the engine's own machine: see [`super::circuit`].
//! - When nothing can go on because of hosts, the circuit opens for that, and closes as soon as something can.

use super::decision::Decision;
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::model::hosts::HOST_FAILURES;
use crate::domain::mission::model::{AttemptClass, Circuit, Operation, SessionReport};
use crate::domain::mission::protocol::{Command, JobId, Record};
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::unit::UnitSpec;
use crate::domain::values::{HostId, UnitId};

impl Decision<'_> {
    /// Asks every host whether it answers.
    pub(super) fn ask_hosts(&mut self) {
        let hosts: Vec<HostId> = self.state.hosts.list().map(|(host, ..)| host.clone()).collect();
        hosts.into_iter().for_each(|host| self.request(Command::ProbeHost(host)));
    }

    /// A host answered, or did not. What nobody asked for, or not any more, says nothing.
    pub(super) fn host_seen(&mut self, host: HostId, result: Result<String, Trouble>) {
        if !self.state.hosts.is_probing(&host) {
            return;
        }
        match result {
            Ok(environment) => self.record(Record::HostReady { host, at: self.now, environment }),
            Err(trouble) => self.bench_host(&host, trouble),
        }
    }

    /// A person takes a host out of use, or back.
    pub(super) fn drain_host(&mut self, host: HostId, drained: bool) {
        if !self.state.hosts.can_drain(&host) || self.state.hosts.is_drained(&host) == drained {
            return;
        }
        let at = self.now;
        self.record(if drained { Record::HostDrained { host, at } } else { Record::HostResumed { host, at } });
    }

    /// Leaves a host out until it is asked again.
    fn bench_host(&mut self, host: &HostId, trouble: Trouble) {
        let tries = self.state.hosts.tries(host) + 1;
        let again_at = self.now + self.state.policy.pause(tries);
        self.record(Record::HostBenched { host: host.clone(), at: self.now, again_at, tries, trouble });
    }

    /// Whether a failure is that a host does not answer which can be left out; then it is.
    pub(super) fn bench_unreachable(&mut self, host: &HostId, trouble: &Trouble) -> bool {
        let gone = self.state.is_unreachable(host, &trouble.cause);
        if gone && !self.state.hosts.is_benched(host) {
            self.bench_host(host, trouble.clone());
        }
        gone
    }

    /// Leaves a host out on which nothing that needs it has succeeded for a while.
    pub(super) fn bench_failing(&mut self, host: &HostId, trouble: &Trouble) {
        if self.state.hosts.failures(host) >= HOST_FAILURES && !self.state.hosts.is_benched(host) {
            self.bench_host(host, trouble.clone());
        }
    }

    /// Asks benched hosts again whose time has come, and says whether anything can go on without them.
    pub(super) fn watch_hosts(&mut self) {
        if self.state.is_kill_requested() {
            return;
        }
        while let Some(host) = self.state.hosts.due_probe(self.now) {
            self.record(Record::HostProbed { host: host.clone(), at: self.now });
            self.request(Command::ProbeHost(host));
        }
        let waits = self.state.circuit().is_some_and(Circuit::waits_for_hosts);
        let (cause, operation, at) = (Cause::Unreachable, Operation::Reach, self.now);
        match (self.state.lacks_host(), self.state.circuit()) {
            (true, None) => self.open_circuit(&cause, operation),
            (true, Some(circuit)) if !waits => {
                let (again_at, tries) = (circuit.again_at, circuit.tries);
                self.record(Record::CircuitKept { cause, operation, at, again_at, tries });
            }
            (false, _) if waits => self.record(Record::CircuitClosed { at, causes: vec![cause] }),
            _ => {}
        }
    }

    /// Ends an attempt whose host has not answered for too long since it ended: its unit starts elsewhere. What it made is kept when
    /// the host is back and its slot is used next.
    pub(super) fn leave_on_host(&mut self, i: usize) {
        let unit = &self.state.units[i];
        let Some(attempt) = unit.attempts.last().filter(|attempt| attempt.ended.is_none()) else { return };
        let (session, slot) = (attempt.session, attempt.slot.clone());
        let why = format!("what it made is on {} (slot {}), which does not answer", slot.host, slot.number);
        let mut report =
            SessionReport::from_end(ProcessEnd::Infrastructure(Trouble::new(Cause::Unreachable, why.clone())));
        report.notes.push(format!("{why}; it is kept when that is used next"));
        report.work.unpinned = true;
        let next = self.next_move(unit, AttemptClass::Infrastructure, &report);
        self.end_session(session, AttemptClass::Infrastructure, next, Box::new(report));
        self.request(Command::Cancel(JobId::Session(session)));
    }

    /// Holds units of which no host has the labels: a person is asked instead of having them wait for ever.
    pub(super) fn hold_unplaceable(&mut self, only: Option<&UnitId>) {
        let new = |id: &UnitId| only.is_none_or(|only| only == id);
        let round = self.current_round();
        let newest = self.state.units.iter().rev().take_while(|unit| only.is_some() || unit.round == round);
        let lost = newest.filter(|unit| unit.demand.is_none() && !unit.state.terminal() && new(&unit.spec.id));
        let asked: Vec<(UnitId, String)> =
            lost.map(|unit| (unit.spec.id.clone(), self.missing_labels_question(&unit.spec))).collect();
        for (unit, question) in asked.into_iter().rev() {
            self.record(Record::UnitHeld { unit, at: self.now, question });
        }
    }

    fn missing_labels_question(&self, spec: &UnitSpec) -> String {
        let hosts = &self.state.policy.hosts;
        let describe = |host: &HostId, labels: &[&str]| match labels {
            [] => format!("{host} (no labels)"),
            labels => format!("{host} ({})", labels.join(", ")),
        };
        let named = hosts
            .iter()
            .map(|policy| describe(&policy.host, &policy.labels.iter().map(String::as_str).collect::<Vec<_>>()));
        let hosts = match hosts.is_empty() {
            true => describe(&HostId::local(), &[]),
            false => named.collect::<Vec<_>>().join(", "),
        };
        let (labels, unit) = (spec.labels.join(", "), &spec.id);
        format!(
            "no host has all its labels ({labels}): there is {hosts}; give them to a host in the settings, or take `labels` out of \
             {unit}, and start a mission for it"
        )
    }
}
