//! What is due to be written into the repository, and whether it was.

use super::mission::State;
use crate::domain::backlog::{ItemState, ItemStatus, Mark};
use crate::domain::mission::model::bookkeeping::{first_line, strip_summary};
use crate::domain::mission::model::{
    Bookkeeping, BookkeepingMode, EndReason, Session, Stage, StopLevel, Unit, UnitOutcome, UnitState,
};
use crate::domain::queue::{Landing, MergeRequest, MergeSource, Place};
use crate::domain::values::{Millis, RequestId, Tip, format_date};
use std::sync::Arc;

/// The mark a unit's state asks for; none while it is open, and none for what a person gave up: that item is still to do.
fn mark(unit: &Unit, at: Millis) -> Option<ItemStatus> {
    let state = match unit.state {
        UnitState::Landed => ItemState::Done,
        UnitState::NoOp => ItemState::NoOp,
        UnitState::Skipped => ItemState::Skipped,
        UnitState::Rejected | UnitState::Failed => ItemState::Failed,
        UnitState::Blocked => ItemState::Blocked,
        UnitState::Held => ItemState::Held,
        UnitState::Pending | UnitState::Running | UnitState::Queued | UnitState::Cancelled | UnitState::RolledBack => {
            return None;
        }
    };
    let head = unit.attempts.iter().rev().find_map(|attempt| attempt.head());
    let reason = match unit.state {
        UnitState::Landed => String::new(),
        UnitState::Rejected => format!("rejected: {}", first_line(&unit.reason)),
        _ => first_line(&unit.reason),
    };
    let head = head.map(|tip| tip.commit.short_id().to_owned());
    let parts = [Some(format_date(at)), head, Some(reason)].into_iter().flatten().filter(|part| !part.is_empty());
    Some(ItemStatus { state, detail: parts.collect::<Vec<_>>().join(", ") })
}

/// Whether a session is due because a unit is in this state.
fn needs_session(state: UnitState) -> bool {
    matches!(
        state,
        UnitState::Landed
            | UnitState::NoOp
            | UnitState::Rejected
            | UnitState::Failed
            | UnitState::Blocked
            | UnitState::Held
    )
}

impl State {
    /// Whether the mission writes down what becomes of its units, and the gate lets it.
    pub fn has_bookkeeping(&self) -> bool {
        !self.policy.keeps.is_nothing() && !self.bookkeeping_refused
    }

    /// Whether the mission was ended before its time, and only what became of its units is still written.
    pub(in crate::domain::mission) fn is_closing(&self) -> bool {
        matches!(self.stop, Some((StopLevel::Drain, EndReason::WallTime)))
    }

    /// Whether an end for this reason may still write bookkeeping: nothing works any more, and green can be moved.
    pub(in crate::domain::mission) fn may_close(&self, why: EndReason) -> bool {
        let early = matches!(self.stage, Stage::Preflight | Stage::Baseline | Stage::Establishing);
        // What may have landed answers for itself.
        let intended = self.landing().is_some_and(|landing| landing.intended_verdict().is_some());
        why == EndReason::WallTime
            && !(self.closed
                || early
                || intended
                || self.hold.is_some()
                || self.cold_runs().search.is_some()
                || self.queue.green().foreign_move.is_some()
                || self.circuit.is_some())
            && (self.bookkeeping.is_some() || self.bookkeeping_due())
    }

    /// Folds that only the bookkeeping is left to be written. What ended the mission is no reason to think that this fails.
    pub(super) fn apply_closing(&mut self) {
        self.closed = true;
        self.stop = self.stop.map(|(_, why)| (StopLevel::Drain, why));
        self.queue.forget_failures();
    }

    /// Whether the bookkeeping of an early end did not get on green at the first try.
    pub(in crate::domain::mission) fn closing_fails(&self, now: Millis) -> bool {
        let fails = |landing: &Landing| landing.due_at().is_some_and(|at| at > now);
        let moved = self.queue.green().foreign_move.is_some()
            && self.current_verification().is_none()
            && self.queue.green_due() > now;
        self.is_closing() && (moved || self.landing().is_some_and(fails))
    }

    pub(in crate::domain::mission) fn bookkeeping_due(&self) -> bool {
        self.has_bookkeeping()
            && self.bookkeeping.is_none()
            && self.units.iter().any(|unit| needs_session(unit.state) && unit.known.asked != Some(unit.state))
    }

    /// What is to be written now.
    pub(in crate::domain::mission) fn assemble_bookkeeping(&self, green: &Tip, at: Millis) -> Bookkeeping {
        let news = |unit: &&Unit| unit.state.terminal() || unit.state == UnitState::Held;
        let told = |unit: &&Unit| news(unit) && unit.known.asked != Some(unit.state);
        let open = |unit: &&Unit| !unit.state.is_satisfied() && !told(unit);
        let marks = match self.policy.keeps {
            BookkeepingMode::Backlog => self
                .units
                .iter()
                .filter_map(|unit| {
                    let status = mark(unit, at)?.to_string();
                    // A mark of the same state stays as it is: the day it was made is the day it happened.
                    let same = unit.known.mark.is_some() && unit.known.asked == Some(unit.state);
                    (!same).then(|| Mark { unit: unit.spec.id.clone(), status, was: unit.known.mark.clone() })
                })
                .collect(),
            BookkeepingMode::Nothing | BookkeepingMode::Progress => Vec::new(),
        };
        let round = self.rounds.last();
        let session = Session {
            objective: self.objective.clone(),
            units: self.units.iter().filter(told).map(UnitOutcome::of).collect(),
            open: self.units.iter().filter(open).map(UnitOutcome::of).collect(),
            left_over: round.map_or(0, |round| round.left_over),
            before: round.and_then(|round| round.before.clone()),
            after: self.green().and_then(|green| green.snapshot.as_ref()).map(|(_, summary)| strip_summary(summary)),
            green: green.commit.clone(),
            runs: self.verifications_run,
            reused: self.verifications_reused,
            ends: self.stop.map(|(_, why)| why),
        };
        let outside = self.refused_target.as_ref().map(|outside| outside.head.commit.clone());
        Bookkeeping {
            round: round.map_or(0, |round| round.index),
            at,
            keeps: self.policy.keeps,
            marks,
            session,
            outside,
        }
    }

    /// Folds the request: it waits in the queue, and its units are told of.
    pub(super) fn apply_bookkeeping_requested(&mut self, mr: RequestId, green: &Tip, bookkeeping: &Bookkeeping) {
        let source = MergeSource::Bookkeeping { round: bookkeeping.round };
        self.queue.add(MergeRequest::new(mr, source, green.clone(), bookkeeping.at, Place::FIRST));
        for told in &bookkeeping.session.units {
            if let Some(i) = self.index.get(&told.unit).copied() {
                self.units[i].known.asked = Some(told.state);
            }
        }
        self.bookkeeping = Some(Arc::new(bookkeeping.clone()));
    }

    /// Folds that the bookkeeping is on green, if it was that.
    pub(super) fn apply_bookkeeping_landed(&mut self, source: &MergeSource) {
        let MergeSource::Bookkeeping { .. } = source else { return };
        let Some(bookkeeping) = self.bookkeeping.take() else { return };
        for mark in &bookkeeping.marks {
            if let Some(i) = self.index.get(&mark.unit).copied() {
                self.units[i].known.mark = Some(mark.status.clone());
            }
        }
    }

    /// Folds that the gate refuses bookkeeping.
    pub(super) fn apply_bookkeeping_refused(&mut self, reasons: &[String]) {
        self.bookkeeping = None;
        self.bookkeeping_refused = true;
        let files =
            if self.policy.keeps == BookkeepingMode::Backlog { "BACKLOG.md and PROGRESS.md" } else { "PROGRESS.md" };
        let why = reasons.join("; ");
        self.problems.push(format!("{files} are not written any more in this mission: the gate refuses that: {why}"));
    }
}
