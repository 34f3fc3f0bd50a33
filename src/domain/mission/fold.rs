//! `apply`: the only place where a mission's state changes. It folds facts and decides nothing.

use super::books::{Known, plain};
use super::command::MergeSource;
use super::event::{PinFault, StopLevel};
use super::parts::{
    After, Attempt, Extra, Green, Landing, MergeRequest, MustFail, Outside, Round, Stage, Unit, UnitState, Verifying,
};
use super::policy::AGE_BOOST;
use super::record::{AttemptClass, NextMove, Record, RejectClass, VerifyRole};
use super::state::State;
use crate::domain::backlog::WAITS;
use crate::domain::plan::graph::Edge;
use crate::domain::unit::UnitSpec;
use crate::domain::values::{Millis, Tip, UnitId};
use std::sync::Arc;

impl State {
    /// Folds one record.
    #[expect(clippy::too_many_lines, reason = "one arm per record, each a few assignments; splitting hides the list")]
    pub fn apply(&mut self, record: &Record) {
        self.tell_time(record);
        match record {
            Record::MissionStarted { .. } => {}
            Record::PreflightPassed { ground } => {
                self.ground = Some(ground.clone());
                self.problems.extend(ground.notes.iter().cloned());
                self.green = Some(Green { tip: ground.tip.clone(), snapshot: None, confirmed: false });
                self.stage = Stage::Baseline;
            }
            Record::BaselineAccepted { .. } => self.stage = Stage::Establishing,
            Record::Refused { .. } => self.stage = Stage::Over,
            Record::Established { .. } => self.stage = Stage::BetweenRounds,
            Record::RoundOpened { round, at } => {
                self.stage = Stage::CheckingTarget;
                self.rounds.push(Round {
                    index: *round,
                    opened: *at,
                    closed: None,
                    waves: Vec::new(),
                    landed: 0,
                    left_over: 0,
                    objective: None,
                    bases: Vec::new(),
                    took_target: false,
                    before: None,
                });
            }
            Record::TargetSeen { intake } => self.target_seen(intake.as_ref()),
            Record::PlanAsked { .. } => self.stage = Stage::Reading,
            Record::RoundPlanned { round, units, edges, wave_of, left_over, aside } => {
                self.aside.clone_from(aside);
                self.take_plan(*round, units, edges, wave_of, *left_over);
            }
            Record::PlanUnreadable { reason, .. } => {
                self.problems.push(reason.clone());
                self.unreadable = true;
                self.stage = Stage::Working;
            }
            Record::WaveOpened { round, wave, green, .. } => {
                let Some(open) = self.rounds.last_mut() else { return };
                open.bases.push(green.clone());
                let members = open.waves.get(*wave as usize).cloned().unwrap_or_default();
                for i in &members {
                    self.forget(*i);
                }
                self.opened = Some((*round, *wave));
                for i in members {
                    self.remember(i);
                }
            }
            Record::AttemptStarted { unit, n, slot, at, host, green, from, .. } => {
                let Some(i) = self.index.get(unit).copied() else { return };
                if let Some(place) = self.slots.get_mut(*slot as usize) {
                    *place = Some(i);
                }
                self.touch(i, |u| {
                    u.state = UnitState::Running;
                    u.reason.clear();
                    u.attempts.push(Attempt {
                        n: *n,
                        slot: *slot,
                        host: host.clone(),
                        started: *at,
                        ended: None,
                        green: green.clone(),
                        from: from.clone(),
                        class: None,
                        head: None,
                        summary: String::new(),
                        notes: Vec::new(),
                        proof: String::new(),
                        quick: None,
                        stop_recorded: false,
                    });
                    u.starts += 1;
                });
            }
            Record::AttemptEnded { unit, n, at, class, next, report } => {
                let Some(i) = self.index.get(unit).copied() else { return };
                for (slot, trouble) in self.slots.iter_mut().zip(&mut self.slot_trouble).filter(|(s, _)| **s == Some(i))
                {
                    *slot = None;
                    *trouble = if *class == AttemptClass::Infrastructure { *trouble + 1 } else { 0 };
                }
                self.infra_in_row = if *class == AttemptClass::Infrastructure { self.infra_in_row + 1 } else { 0 };
                self.take_accept(i, report);
                self.charge(self.units[i].spec.run.is_some(), *class, report.cost);
                self.touch(i, |u| {
                    if let Some(attempt) = u.attempts.iter_mut().find(|a| a.n == *n) {
                        attempt.ended = Some(*at);
                        attempt.class = Some(*class);
                        attempt.head.clone_from(&report.head);
                        attempt.summary.clone_from(&report.summary);
                        attempt.notes.clone_from(&report.notes);
                        attempt.proof.clone_from(&report.proof);
                        attempt.quick.clone_from(&report.quick);
                    }
                    if *next == NextMove::NoOp {
                        u.reason.clone_from(&report.summary);
                    }
                    match class {
                        AttemptClass::FailedWork
                        | AttemptClass::FailedQuick
                        | AttemptClass::FailedTimeout
                        | AttemptClass::FailedStalled
                        | AttemptClass::Empty => u.used += 1,
                        AttemptClass::Infrastructure => u.infra += 1,
                        AttemptClass::Continue => u.continues += 1,
                        // The journal says who ended it: no fault of the unit, and no way to start without end.
                        AttemptClass::Stopped => u.starts = u.starts.saturating_sub(1),
                        _ => {}
                    }
                });
                let source = MergeSource::Unit { unit: unit.clone(), n: *n };
                self.follow(i, next, &source, report.head.as_ref(), *at);
            }
            Record::UnitBlocked { unit, cause } => self.unit_to(unit, |u| {
                u.state = UnitState::Blocked;
                u.reason = format!("{WAITS}{cause}");
                u.blocked_by = Some(cause.clone());
            }),
            Record::UnitUnblocked { unit } => self.unit_to(unit, |u| {
                u.state = UnitState::Pending;
                u.reason.clear();
                u.blocked_by = None;
            }),
            Record::UnitCancelAsked { unit, .. } => {
                self.cancelling.insert(unit.clone());
                self.unit_to(unit, Unit::stop_recorded);
            }
            Record::UnitCancelled { unit, reason } => self.cancelled(unit, reason),
            Record::VerificationDropped { .. } => {
                self.verifying = None;
                self.verifications_run += 1;
            }
            Record::UnitRetried { unit, answer, .. } => {
                self.waiting = false;
                if self.stage == Stage::BetweenRounds {
                    self.stage = Stage::Working;
                    self.emptied = false;
                }
                self.unit_to(unit, |u| {
                    u.state = UnitState::Pending;
                    u.accept_answered();
                    if !answer.is_empty() {
                        let asked = u.attempts.last().map_or("", |a| a.summary.as_str());
                        u.evidence.push(format!("a person answers ({asked}): {answer}"));
                    }
                    u.reason.clear();
                    u.blocked_by = None;
                    (u.used, u.infra, u.conflicts, u.continues, u.starts, u.not_before) = (0, 0, 0, 0, 0, 0);
                });
            }
            Record::LandingStarted { mr, token, onto, .. } => {
                let Some(key) = self.queue.keys().find(|(_, id)| id == mr).copied() else { return };
                let Some(request) = self.queue.remove(&key) else { return };
                self.next_token = self.next_token.max(token + 1);
                self.landing = Some(Landing {
                    mr: request,
                    token: *token,
                    onto: onto.clone(),
                    candidate: None,
                    after: None,
                    accept_before: None,
                    extra: None,
                    intended: None,
                    in_flight: true,
                    again_at: 0,
                });
            }
            Record::CandidateMade { candidate, .. } => {
                self.step_failures = 0;
                if let Some(landing) = &mut self.landing {
                    landing.candidate = Some(candidate.clone());
                    landing.in_flight = false;
                    landing.again_at = 0;
                }
            }
            Record::VerifyStarted { run, tip, role, at, against, confirms } => {
                self.next_run = self.next_run.max(run + 1);
                self.verifying = Some(Verifying {
                    run: *run,
                    tip: tip.clone(),
                    role: *role,
                    against: against.clone(),
                    confirms: confirms.clone(),
                    started: *at,
                });
            }
            Record::Verified { key, summary, delta, reused, confirmed, .. } => {
                let Some(done) = self.verifying.take() else { return };
                if *reused {
                    self.verifications_reused += 1;
                } else {
                    self.verifications_run += 1;
                }
                self.step_failures = 0;
                let confirmed = *confirmed || done.confirms.is_some();
                match done.role {
                    VerifyRole::Baseline | VerifyRole::Before => {
                        if let Some(green) = &mut self.green {
                            green.snapshot = Some((key.clone(), summary.clone()));
                            green.confirmed = confirmed;
                        }
                    }
                    role @ (VerifyRole::After | VerifyRole::MovedGreen) => {
                        let delta = delta.as_deref().cloned().unwrap_or_default();
                        let after = After { key: key.clone(), summary: summary.clone(), delta, confirmed };
                        match (role, &mut self.landing) {
                            (VerifyRole::MovedGreen, _) => self.moved_green_verified(after),
                            (_, Some(landing)) => landing.after = Some(after),
                            (_, None) => {}
                        }
                    }
                    role @ (VerifyRole::AcceptBefore | VerifyRole::Extra) => {
                        self.take_extra(role, Extra { key: key.clone(), summary: summary.clone(), confirmed });
                    }
                }
            }
            Record::StepFailed { again_at, setup, error, .. } => {
                self.step_failures += 1;
                self.setup_failed = setup.map(|_| error.clone());
                self.infra_in_row += 1;
                self.base_again_at = *again_at;
                self.checking = false;
                if self.verifying.take().is_some() {
                    self.verifications_run += 1;
                }
                if let Some(landing) = &mut self.landing {
                    landing.in_flight = false;
                    landing.again_at = *again_at;
                }
            }
            Record::StepAsked { .. } => {
                if let Some(landing) = &mut self.landing {
                    landing.in_flight = true;
                }
            }
            Record::LandIntended { verdict, .. } => {
                if let Some(landing) = &mut self.landing {
                    landing.intended = Some(*verdict);
                    landing.in_flight = true;
                }
            }
            Record::Landed { source, candidate, green, verdict, .. } => {
                self.step_failures = 0;
                self.infra_in_row = 0;
                self.landings += 1;
                let after = self.landing.take().and_then(|l| l.after);
                let snapshot = after.map(|a| (a.key, a.summary));
                self.green = Some(Green { tip: candidate.clone(), confirmed: snapshot.is_some(), snapshot });
                if green.commit != candidate.commit {
                    // Somebody put more on top of it.
                    self.green_moved(green);
                }
                self.books_kept(source);
                if let MergeSource::Unit { unit, .. } = source {
                    if let Some(round) = self.rounds.last_mut() {
                        round.landed += 1;
                    }
                    self.unit_to(unit, |u| {
                        u.state = UnitState::Landed;
                        u.reason.clear();
                        u.landed = Some(candidate.clone());
                        u.verdict = Some(*verdict);
                    });
                }
            }
            Record::MergeEmpty { source, .. } => {
                self.landing = None;
                self.books_kept(source);
                if let MergeSource::Unit { unit, .. } = source {
                    self.unit_to(unit, |u| {
                        u.state = UnitState::NoOp;
                        "its change is already on green".clone_into(&mut u.reason);
                    });
                }
            }
            Record::Rejected { source, at, class, reasons, next, .. } => {
                let head = self.landing.take().map(|l| l.mr.head);
                match source {
                    MergeSource::Intake => {
                        let why = reasons.join("; ");
                        self.problems.push(format!("target branch not taken in: {why}"));
                        self.outside = head.map(|head| Outside { head, why });
                    }
                    MergeSource::Books { .. } => self.books_refused(reasons),
                    MergeSource::Unit { unit, .. } => {
                        let Some(i) = self.index.get(unit).copied() else { return };
                        self.touch(i, |u| match class {
                            RejectClass::Verification => u.used += 1,
                            RejectClass::Conflict => u.conflicts += 1,
                            RejectClass::Unproven => u.accept_in_doubt(),
                            RejectClass::Meddling => {}
                        });
                        self.follow(i, next, source, head.as_ref(), *at);
                    }
                }
            }
            Record::BooksAsked { mr, green, books } => self.books_asked(*mr, green, books),
            Record::BooksNoted { notes } => self.problems.extend(notes.iter().cloned()),
            Record::Requeued { .. } => {
                self.verifying = None;
                if let Some(landing) = self.landing.take() {
                    self.queue.insert((landing.mr.order, landing.mr.id), landing.mr);
                }
            }
            Record::LandingDelayed { why, again_at, .. } => {
                if self.problems.last() != Some(why) {
                    self.problems.push(why.clone());
                }
                if let Some(landing) = &mut self.landing {
                    landing.in_flight = false;
                    landing.again_at = *again_at;
                }
            }
            Record::GreenMoved { tip } => self.green_moved(tip),
            Record::GreenAccepted { .. } => self.foreign_move = None,
            Record::QueueHeld { reason, hint } => {
                self.hold = Some((reason.clone(), hint.clone()));
                if let Some(landing) = &mut self.landing {
                    landing.in_flight = false;
                }
            }
            Record::RepositoryMeddled { run, what, .. } => {
                self.problems.push(format!("{what} while verification {run} ran"));
            }
            Record::PinsFaulty { pins, .. } => self.problems.extend(pins.iter().map(PinFault::words)),
            Record::RoundWorked { .. } => {
                self.stage = Stage::Evaluating;
                self.checking = true;
            }
            Record::RoundClosed { at, objective, units, .. } => {
                // A unit that was given a fresh start while the round was evaluated still belongs to it.
                let again = self.active > 0;
                self.stage = if again { Stage::Working } else { Stage::BetweenRounds };
                self.checking = false;
                if let Some(round) = self.rounds.last_mut() {
                    round.closed = Some(*at);
                    round.objective = *objective;
                    let (empty, exhausted) = (*units == 0, self.plan.is_some() && round.left_over == 0);
                    self.emptied = (empty || exhausted) && !again;
                    if empty && !round.took_target && round.index > 1 {
                        self.rounds.pop();
                    }
                }
            }
            Record::Paused { .. } => self.paused = true,
            Record::Unpaused { .. } => self.paused = false,
            Record::StopRequested { level, why, .. } => {
                self.paused = false;
                self.waiting = false;
                self.stop = Some((*level, *why));
                if *level > StopLevel::Drain {
                    self.record_stops();
                }
            }
            Record::Waiting { .. } => {
                self.waiting = true;
                self.suspended = true;
            }
            Record::Suspended { .. } => self.suspended = true,
            Record::Resumed { .. } => {
                self.attached = true;
                self.suspended = false;
                self.checking = self.stage == Stage::Evaluating;
                self.waiting = false;
                self.hold = None;
                self.closed = false;
                self.step_failures = 0;
                self.infra_in_row = 0;
                self.stop.take_if(|(level, _)| *level == StopLevel::Interrupt);
                self.landing.iter_mut().for_each(|landing| landing.again_at = 0);
            }
            Record::RolledBack { n, to, landings, .. } => self.rolled_back(*n, to, landings),
            Record::Closing { .. } => self.closes(),
            Record::RollbackIntended { .. } | Record::RollbackDropped { .. } => {}
            Record::Cleaned { .. } | Record::StopWithdrawn { .. } => {}
            Record::MissionEnded { at, outcome, reason, code } => {
                self.stage = Stage::Over;
                self.ended = Some(*at);
                self.outcome = Some((*outcome, reason.clone(), *code));
            }
        }
    }

    pub(super) fn unit_to(&mut self, unit: &UnitId, change: impl FnOnce(&mut Unit)) {
        if let Some(i) = self.index.get(unit).copied() {
            self.touch(i, change);
        }
    }

    fn take_plan(&mut self, round: u32, units: &[Arc<UnitSpec>], edges: &[Edge], wave_of: &[u32], left_over: u32) {
        let first = self.units.len();
        let depth = wave_of.iter().max().map_or(0, |w| *w as usize + 1);
        let mut waves = vec![Vec::new(); depth];
        for (offset, (spec, wave)) in units.iter().zip(wave_of).enumerate() {
            waves[*wave as usize].push(first + offset);
            self.index.insert(spec.id.clone(), first + offset);
            self.counts[UnitState::Pending as usize] += 1;
            self.units.push(Unit {
                spec: Arc::clone(spec),
                state: UnitState::Pending,
                round,
                wave: *wave,
                attempts: Vec::new(),
                used: 0,
                infra: 0,
                conflicts: 0,
                continues: 0,
                starts: 0,
                reason: String::new(),
                blocked_by: None,
                landed: None,
                verdict: None,
                evidence: Vec::new(),
                known: Known::default(),
                must_fail: MustFail::Wanted,
                not_before: 0,
                own_work: None,
                unmet: 0,
                dependants: Vec::new(),
            });
        }
        debug_assert!(edges.iter().all(|e| e.before < units.len() && e.after < units.len()));
        for (offset, spec) in units.iter().enumerate() {
            for (nth, dependency) in spec.depends.iter().enumerate() {
                let Some(d) = self.index.get(dependency).copied() else { continue };
                if !self.units[d].state.satisfies() && !spec.depends[..nth].contains(dependency) {
                    self.units[d].dependants.push(first + offset);
                    self.units[first + offset].unmet += 1;
                }
            }
        }
        if let Some(open) = self.rounds.last_mut() {
            open.waves = waves;
            open.left_over = left_over;
            open.before = self.green.as_ref().and_then(|g| g.snapshot.as_ref()).map(|(_, summary)| plain(summary));
        }
        self.stage = Stage::Working;
    }

    fn follow(&mut self, i: usize, next: &NextMove, source: &MergeSource, head: Option<&Tip>, at: Millis) {
        if let (NextMove::Queue { mr }, Some(head)) = (next, head) {
            let order = at + AGE_BOOST * Millis::from(self.units[i].spec.priority);
            self.next_mr = self.next_mr.max(mr + 1);
            let request = MergeRequest { id: *mr, source: source.clone(), head: head.clone(), arrived: at, order };
            self.queue.insert((order, *mr), request);
        }
        self.touch(i, |u| match next {
            NextMove::Queue { .. } => u.state = UnitState::Queued,
            NextMove::Retry { not_before, own_work, because } => {
                u.state = UnitState::Pending;
                u.not_before = *not_before;
                u.reason.clone_from(because);
                match (own_work, head) {
                    (true, Some(head)) => u.own_work = Some(head.commit.clone()),
                    (true, None) => {}
                    (false, _) => u.own_work = None,
                }
                if !because.is_empty() {
                    u.evidence.push(because.clone());
                }
            }
            NextMove::NoOp => u.state = UnitState::NoOp,
            NextMove::Hold { question, own_work } => {
                u.state = UnitState::Held;
                if let (true, Some(head)) = (own_work, head) {
                    u.own_work = Some(head.commit.clone());
                }
                u.reason.clone_from(question);
            }
            NextMove::Fail { reason } => {
                u.state = UnitState::Failed;
                u.reason.clone_from(reason);
            }
            NextMove::Reject { reason } => {
                u.state = UnitState::Rejected;
                u.reason.clone_from(reason);
            }
        });
    }
}
