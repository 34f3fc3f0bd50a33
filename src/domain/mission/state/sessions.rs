//! What happens to sessions, folded: a worker's session is an attempt of its unit, open until it has ended and its outcome is
//! judged, in one transaction.

use super::mission::State;
use crate::domain::mission::model::circuit::Try;
use crate::domain::mission::model::said::no_op;
use crate::domain::mission::model::{Attempt, AttemptClass, NextMove, Operation, SessionReport, Unit, UnitState};
use crate::domain::queue::MergeSource;
use crate::domain::trouble::Trouble;
use crate::domain::values::{Millis, SessionId};
use std::sync::Arc;

impl State {
    /// The attempt that is this session, with its unit.
    pub fn attempt_by(&self, session: SessionId) -> Option<(&Unit, &Attempt)> {
        let (i, nth) = self.sessions.unit_attempt(session)?;
        let unit = &self.units[i];
        Some((unit, unit.attempts.get(nth)?))
    }

    /// The index of the unit whose open attempt is this session.
    pub(in crate::domain::mission) fn open_session(&self, session: SessionId) -> Option<usize> {
        let (i, nth) = self.sessions.unit_attempt(session)?;
        let attempt = self.units[i].attempts.get(nth)?;
        attempt.ended.is_none().then_some(i)
    }

    /// Folds that an attempt of the unit at `i` starts.
    pub(super) fn session_started(&mut self, i: usize, attempt: Attempt) {
        self.sessions.insert(attempt.session, (i, self.units[i].attempts.len()));
        self.hosts.slots_mut().take(&attempt.slot, i, self.units[i].spec.run.is_none());
        self.update_unit(i, |u| {
            u.state = UnitState::Running;
            u.reason.clear();
            u.attempts.push(attempt);
            u.starts += 1;
        });
        self.tries_attempt(i, Try::Start);
    }

    /// Folds that a session ended; what it means is judged next.
    pub(in crate::domain::mission) fn session_ended(&mut self, session: SessionId, report: &SessionReport) {
        let Some(i) = self.open_session(session) else { return };
        if let Some(attempt) = self.units[i].attempts.iter_mut().find(|a| a.session == session) {
            attempt.report = Some(Arc::new(report.clone()));
        }
    }

    /// Folds what became of an attempt that has ended, and what happens to its unit next.
    pub(super) fn attempt_judged(&mut self, session: SessionId, at: Millis, class: AttemptClass, next: &NextMove) {
        let Some(i) = self.open_session(session) else { return };
        let Some(attempt) = self.units[i].attempts.iter().find(|a| a.session == session) else { return };
        let Some(report) = attempt.report.clone() else { return };
        let (n, slot, started) = (attempt.n, attempt.slot.clone(), attempt.started);
        if self.units[i].spec.run.is_none() {
            self.access.take_end(started, at, class, &report);
        }
        let unit = self.units[i].spec.id.clone();
        let charged = self.apply_attempt_trouble(i, n, at, class, &report);
        self.hosts.slots_mut().release(&slot, i, class == AttemptClass::Infrastructure);
        self.take_accept(i, &report);
        self.apply_notices(report.work.repository.iter(), &format!("attempt {n} of {unit}"));
        self.charge_attempt(self.units[i].spec.run.is_some(), class, report.agent.cost);
        self.update_unit(i, |u| {
            u.collect_at = None;
            if !matches!(next, NextMove::Queue { .. }) {
                u.steps_back(at);
            }
            if let Some(attempt) = u.attempts.iter_mut().find(|a| a.session == session) {
                attempt.ended = Some(at);
                attempt.class = Some(class);
            }
            if *next == NextMove::NoOp {
                u.reason = no_op(&u.spec, &report.agent.summary);
            }
            match class {
                AttemptClass::FailedWork
                | AttemptClass::FailedQuick
                | AttemptClass::FailedTimeout
                | AttemptClass::FailedStalled
                | AttemptClass::Empty => u.used += 1,
                AttemptClass::Infrastructure if charged => u.infra += 1,
                AttemptClass::Infrastructure => u.starts = u.starts.saturating_sub(1),
                AttemptClass::Continue => u.continues += 1,
                // The journal says who ended it: no fault of the unit, and no way to start without end.
                AttemptClass::Stopped => u.starts = u.starts.saturating_sub(1),
                // Nor is it a fault of the unit that no agent could work.
                AttemptClass::Limit | AttemptClass::Refused => u.starts = u.starts.saturating_sub(1),
                _ => {}
            }
        });
        let source = MergeSource::Unit { unit, n };
        self.apply_next_move(i, next, &source, report.work.head.as_ref(), at);
    }

    /// Folds that what an ended session made could not be kept yet.
    pub(super) fn collect_failed(&mut self, session: SessionId, at: Millis, again_at: Millis, trouble: &Trouble) {
        let Some(i) = self.open_session(session) else { return };
        let charges = !self.is_kill_requested();
        let charged = self.apply_trouble(&trouble.cause, Operation::Collect, self.attempt_witness(i), at, charges);
        self.update_unit(i, |u| {
            u.state = UnitState::Pending;
            u.infra += u32::from(charged);
            u.collect_at = Some(again_at);
            u.reason = format!("what its attempt made is in its workspace and could not be kept yet: {trouble}");
        });
        self.mark_ended(i, true);
    }

    /// Folds that an ended session is collected again.
    pub(super) fn collect_asked(&mut self, session: SessionId) {
        let Some(i) = self.open_session(session) else { return };
        self.update_unit(i, |u| {
            u.state = UnitState::Running;
            u.collect_at = None;
            u.reason.clear();
        });
        self.mark_ended(i, false);
        self.tries_attempt(i, Try::Collect);
    }

    /// Folds whether the newest attempt of the unit at `i` has ended and waits to be collected.
    fn mark_ended(&mut self, i: usize, ended: bool) {
        if let Some(attempt) = self.units[i].attempts.last() {
            self.hosts.slots_mut().set_ended(&attempt.slot, i, ended);
        }
    }
}
