//! What hosts promise, checked on the records of a step with nothing but the records: what is benched or drained gets nothing new,
//! labels are kept to, verifications run in one environment, nobody is charged for a host that does not answer, what an attempt
//! brings after it was given up counts for nothing, and a benched host is asked again in time.

use crate::domain::ending::ProcessEnd;
use crate::domain::mission::{AttemptClass, HostPolicy, NextMove, Policy, Record, Stage, State, StopLevel};
use crate::domain::trouble::Cause;
use crate::domain::values::{HostId, Millis, RunId, SessionId, SlotId, UnitId};
use std::collections::{BTreeMap, BTreeSet};

/// A benched host is asked at the latest so long after its time has come.
const ASKED_WITHIN: Millis = 1_000;

/// How a host stands, by the records.
#[derive(Debug)]
struct Known {
    policy: HostPolicy,
    environment: Option<String>,
    drained: bool,
    asked_at: Option<Millis>,
    tries: u32,
}

/// What the records said until now.
#[derive(Debug, Default)]
pub(super) struct Guard {
    hosts: BTreeMap<HostId, Known>,
    /// Attempts at once over all hosts, where that is capped.
    most: Option<u32>,
    open: BTreeMap<SessionId, (UnitId, SlotId)>,
    ended: BTreeSet<SessionId>,
    /// Sessions that run nothing any more, and were not collected at once.
    waiting: BTreeSet<SessionId>,
    runs: BTreeMap<RunId, HostId>,
    /// Where the objective's check was asked last.
    checked_on: Option<HostId>,
    /// The newest session whose end was recorded, and why, where it is a host that does not answer.
    unreachable: Option<SessionId>,
    /// Failures that a unit can be charged for since its last fresh start.
    own: BTreeMap<UnitId, u32>,
    environment: String,
}

impl Guard {
    pub(super) fn new(policy: &Policy) -> Self {
        let known = |policy: &HostPolicy| {
            let known = Known { policy: policy.clone(), environment: None, drained: false, asked_at: None, tries: 0 };
            (policy.host.clone(), known)
        };
        Self { hosts: policy.hosts.iter().map(known).collect(), most: policy.max_running, ..Self::default() }
    }

    /// The engine is gone: nobody asks hosts until another one begins.
    pub(super) fn engine_died(&mut self) {
        self.hosts.values_mut().for_each(|known| known.asked_at = None);
    }

    /// Whether every benched host was asked when its time had come.
    pub(super) fn check_asked(&self, now: Millis, state: &State) -> Result<(), String> {
        if state.stop.is_some_and(|(level, _)| level > StopLevel::Drain) {
            return Ok(());
        }
        let late = |known: &&Known| known.asked_at.is_some_and(|at| at + ASKED_WITHIN < now);
        match self.hosts.values().find(late) {
            Some(known) => Err(format!("P10: {} was to be asked again and was not", known.policy.host)),
            None => Ok(()),
        }
    }

    /// Takes one record in; `state` is that after its step.
    pub(super) fn check_record(&mut self, record: &Record, state: &State) -> Result<(), String> {
        if self.hosts.is_empty() {
            return Ok(());
        }
        match record {
            Record::PreflightPassed { baseline } => self.environment.clone_from(&baseline.environment),
            Record::EnvironmentChanged { environment, .. } => self.environment.clone_from(environment),
            Record::Resumed { .. } => {
                self.hosts.values_mut().for_each(|known| (known.environment, known.asked_at) = (None, None));
            }
            Record::Suspended { .. } | Record::Waiting { .. } | Record::MissionEnded { .. } => self.engine_died(),
            Record::HostReady { host, environment, .. } => {
                if let Some(known) = self.hosts.get_mut(host) {
                    (known.environment, known.asked_at) = (Some(environment.clone()), None);
                }
            }
            Record::HostBenched { host, at, again_at, tries, .. } => {
                let known = self.hosts.get_mut(host).ok_or_else(|| format!("{host} is benched and is no host"))?;
                if *again_at <= *at || *tries <= known.tries {
                    return Err(format!("P10: {host} is benched for the {tries}. time until {again_at}, at {at}"));
                }
                (known.environment, known.asked_at, known.tries) = (None, Some(*again_at), *tries);
            }
            Record::HostProbed { host, .. } => {
                self.hosts.get_mut(host).into_iter().for_each(|known| known.asked_at = None)
            }
            Record::HostDrained { host, .. } => {
                self.hosts.get_mut(host).into_iter().for_each(|known| known.drained = true)
            }
            Record::HostResumed { host, .. } => {
                self.hosts.get_mut(host).into_iter().for_each(|known| known.drained = false);
            }
            Record::SessionStarted { session, unit, slot, host, .. } => {
                return self.check_start(*session, unit, SlotId { host: host.clone(), number: *slot }, state);
            }
            Record::VerifyStarted(run) => {
                self.runs.insert(run.run, run.host.clone());
                return self.check_verifier(&format!("verification {}", run.run), &run.host);
            }
            Record::StageAsked { host, .. } if state.policy.has_check && state.stage == Stage::Evaluating => {
                self.checked_on = Some(host.clone());
                return self.check_verifier("the objective's check", host);
            }
            Record::RoundClosed { objective: Some(_), .. } => {
                let known = self.checked_on.as_ref().and_then(|host| self.hosts.get_mut(host));
                known.into_iter().for_each(|known| known.tries = 0);
            }
            Record::Verified { run, .. } => {
                let known = self.runs.get(run).and_then(|host| self.hosts.get_mut(host));
                known.into_iter().for_each(|known| known.tries = 0);
            }
            Record::SessionEnded { session, report, .. } => {
                if self.ended.contains(session) {
                    return Err(format!("P3: session {session} ends a second time"));
                }
                let gone = matches!(&report.run.end, ProcessEnd::Infrastructure(t) if t.cause == Cause::Unreachable);
                let host = self.open.get(session).map(|(_, slot)| &slot.host);
                self.unreachable = (gone && host.is_some_and(|host| !host.is_local())).then_some(*session);
            }
            Record::AttemptJudged { session, unit, class, next, at, .. } => {
                return self.check_judged(*session, unit, *class, next, *at, state);
            }
            Record::CollectFailed { session, unit, trouble, .. } => {
                self.waiting.insert(*session);
                *self.own.entry(unit.clone()).or_default() += u32::from(trouble.cause != Cause::Unreachable);
            }
            Record::Requeued { behind: Some(behind), .. } if behind.own_fault => {
                self.own.values_mut().for_each(|own| *own += 1);
            }
            Record::Rejected { source, .. } => {
                source.unit().into_iter().for_each(|unit| *self.own.entry(unit.clone()).or_default() += 1);
            }
            Record::UnitRetried { unit, .. } => drop(self.own.remove(unit)),
            _ => {}
        }
        Ok(())
    }

    fn usable(&self, host: &HostId) -> Result<&Known, String> {
        let known = self.hosts.get(host).ok_or_else(|| format!("{host} is no host of the mission"))?;
        if !host.is_local() && (known.environment.is_none() || known.drained) {
            return Err(format!("{host} is used although it is benched, drained or has not answered"));
        }
        Ok(known)
    }

    fn check_start(&mut self, session: SessionId, unit: &UnitId, slot: SlotId, state: &State) -> Result<(), String> {
        let known = self.usable(&slot.host)?;
        if known.drained {
            return Err(format!("{unit} starts on {}, which is drained", slot.host));
        }
        let labels = state.unit(unit).map(|unit| unit.spec.labels.clone()).unwrap_or_default();
        if let Some(label) = labels.iter().find(|label| !known.policy.labels.contains(*label)) {
            return Err(format!("{unit} starts on {}, which has no label `{label}`", slot.host));
        }
        if slot.number >= known.policy.workers || self.open.values().any(|(_, taken)| *taken == slot) {
            return Err(format!("P11: {unit} starts in {slot:?}, which is none or is taken"));
        }
        let at_work = self.open.keys().filter(|session| !self.waiting.contains(*session)).count();
        if let Some(most) = self.most.filter(|most| at_work >= *most as usize) {
            return Err(format!("{unit} starts while {at_work} attempts run, of {most} at most"));
        }
        let there = |host: &HostId| self.open.values().filter(|(_, taken)| taken.host == *host).count();
        let fewer = self.hosts.values().find(|other| {
            let host = &other.policy.host;
            let free = there(host) < other.policy.workers as usize && self.usable(host).is_ok() && !other.drained;
            let fits = labels.iter().all(|label| other.policy.labels.contains(label));
            free && fits && there(host) < there(&slot.host)
        });
        if let Some(other) = fewer {
            return Err(format!("{unit} starts on {} although fewer run on {}", slot.host, other.policy.host));
        }
        self.open.insert(session, (unit.clone(), slot));
        Ok(())
    }

    fn check_verifier(&self, what: &str, host: &HostId) -> Result<(), String> {
        let known = self.usable(host).map_err(|why| format!("{what}: {why}"))?;
        let same = known.environment.as_ref().is_none_or(|environment| *environment == self.environment);
        if !same || known.policy.verifiers == 0 {
            return Err(format!("P13: {what} starts on {host}, in {:?}", known.environment));
        }
        Ok(())
    }

    fn check_judged(
        &mut self,
        session: SessionId,
        unit: &UnitId,
        class: AttemptClass,
        next: &NextMove,
        at: Millis,
        state: &State,
    ) -> Result<(), String> {
        let place = self.open.remove(&session);
        if !self.ended.insert(session) {
            return Err(format!("P3: what session {session} brings after its end is taken for {unit}"));
        }
        let gone = self.unreachable == Some(session) && class == AttemptClass::Infrastructure;
        if class == AttemptClass::Infrastructure && !gone {
            *self.own.entry(unit.clone()).or_default() += 1;
        }
        let own = self.own.get(unit).copied().unwrap_or(0);
        let now = state.unit(unit).map_or(0, |unit| unit.infra);
        if now > own {
            return Err(format!(
                "P9: {unit} is charged for {now} failures of infrastructure, and {own} can be its own"
            ));
        }
        let waits = |next: &NextMove| match next {
            NextMove::Retry { not_before, .. } => *not_before > at,
            _ => true,
        };
        if gone && waits(next) {
            return Err(format!("P10: {unit} is not started again at once though its host does not answer: {next:?}"));
        }
        let success =
            !matches!(class, AttemptClass::Infrastructure | AttemptClass::NeverStarted | AttemptClass::Stopped);
        if let Some(known) = place.filter(|_| success).and_then(|(_, slot)| self.hosts.get_mut(&slot.host)) {
            known.tries = 0;
        }
        Ok(())
    }
}
