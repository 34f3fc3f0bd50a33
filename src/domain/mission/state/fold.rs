//! `fold`: the only place where a mission's state changes. It folds facts and decides nothing.

use super::mission::State;
use crate::domain::backlog::WAITS;
use crate::domain::mission::model::{
    Attempt, Operation, RefusedTarget, RejectClass, Role, Round, Stage, StopLevel, Unit, UnitState,
};
use crate::domain::mission::protocol::record::Record;
use crate::domain::queue::{After, Change, Landing, MergeSource};
use crate::domain::values::{Millis, SlotId, UnitId};

impl State {
    /// Folds one record.
    #[expect(clippy::too_many_lines, reason = "one arm per record, each a few assignments; splitting hides the list")]
    pub(super) fn fold(&mut self, record: &Record) {
        self.advance_clock(record);
        match record {
            Record::MissionStarted { .. } => {}
            Record::PreflightPassed { baseline } => {
                self.baseline = Some(baseline.clone());
                self.problems.extend(baseline.notes.iter().cloned());
                self.queue.establish_green(&baseline.tip);
                self.stage = Stage::Baseline;
            }
            Record::BaselineAccepted { .. } => self.stage = Stage::Establishing,
            Record::Refused { .. } => self.stage = Stage::Over,
            Record::Established { .. } => self.stage = Stage::BetweenRounds,
            Record::RoundOpened { round, at } => {
                self.stage = Stage::CheckingTarget;
                self.rounds.push(Round { index: *round, opened: *at, ..Round::default() });
            }
            Record::TargetSeen { intake } => {
                self.stage_failures = 0;
                self.target_seen(intake.as_ref());
            }
            Record::PlanAsked { .. } => self.stage = Stage::Reading,
            Record::RoundPlanned { round, units, edges, wave_of, left_over, skipped, reopened } => {
                self.stage_failures = 0;
                self.skipped.clone_from(skipped);
                self.take_plan(*round, units, edges, wave_of, *left_over);
                self.take_reopened(reopened);
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
                    self.unindex_unit(*i);
                }
                self.opened = Some((*round, *wave));
                for i in members {
                    self.index_unit(i);
                }
            }
            Record::SessionStarted { session, role: Role::Worker, unit, n, slot, at, host, green, from, .. } => {
                let Some(i) = self.index.get(unit).copied() else { return };
                let slot = SlotId { host: host.clone(), number: *slot };
                self.session_started(i, Attempt::new(*session, *n, slot, *at, green, from));
            }
            Record::SessionEnded { session, report, .. } => self.session_ended(*session, report),
            Record::AttemptJudged { session, at, class, next, .. } => self.attempt_judged(*session, *at, *class, next),
            Record::CollectFailed { session, at, again_at, trouble, .. } => {
                self.collect_failed(*session, *at, *again_at, trouble);
            }
            Record::CollectAsked { session, .. } => self.collect_asked(*session),
            Record::CircuitOpened { cause, operation, at, again_at } => {
                self.apply_circuit_opened(cause, *operation, *at, *again_at)
            }
            Record::CircuitKept { cause, operation, again_at, tries, .. } => {
                self.apply_circuit_extended(cause, *operation, *again_at, *tries);
            }
            Record::CircuitClosed { causes, .. } => self.apply_circuit_closed(causes),
            Record::HostReady { host, environment, .. } => self.hosts.make_ready(host, environment),
            Record::HostBenched { host, at, again_at, tries, trouble } => {
                self.hosts.bench(host, (*at, *again_at), *tries, &trouble.cause);
                self.apply_bench(host);
            }
            Record::HostProbed { host, .. } => self.hosts.begin_probe(host),
            Record::HostDrained { host, .. } => self.hosts.set_drained(host, true),
            Record::HostResumed { host, .. } => self.hosts.set_drained(host, false),
            Record::UnitHeld { unit, question, .. } => self.unit_to(unit, |u| {
                u.state = UnitState::Held;
                u.reason.clone_from(question);
            }),
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
            Record::UnitCancelled { unit, reason } => self.apply_cancellation(unit, reason),
            Record::VerificationDropped { run, .. } => {
                self.queue.end_run(*run);
                self.verifications_run += 1;
            }
            Record::EnvironmentChanged { environment, .. } => {
                self.queue.change_environment();
                self.baseline.iter_mut().for_each(|baseline| baseline.environment.clone_from(environment));
                if self.stage == Stage::Establishing {
                    self.stage = Stage::Baseline;
                }
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
                        let asked = u.attempts.last().map_or("", Attempt::summary);
                        u.evidence.push(format!("a person answers ({asked}): {answer}"));
                    }
                    u.reason.clear();
                    u.blocked_by = None;
                    (u.used, u.infra, u.conflicts, u.continues, u.starts, u.not_before) = (0, 0, 0, 0, 0, 0);
                    u.turn = None;
                });
            }
            Record::LandingStarted { mr, landing, onto, .. } => {
                if !self.queue.begin_landing(*landing, *mr, onto) {
                    return;
                }
                self.tries_queue();
            }
            Record::CandidateMade { landing, made } => {
                self.apply_success(Operation::Merge, Millis::MAX);
                self.problems.extend(made.notes.iter().cloned());
                self.queue.change_landing(Some(*landing), Change::Made(made.clone()));
            }
            Record::VerifyStarted(run) => {
                self.tries_queue();
                self.queue.begin_run(run.clone());
            }
            Record::Verified { run, key, summary, delta, reused, confirmed, warm, .. } => {
                let found = After {
                    key: key.clone(),
                    summary: summary.clone(),
                    delta: delta.as_deref().cloned().unwrap_or_default(),
                    confirmed: *confirmed,
                    warm: *warm,
                };
                let host = self.run_by(*run).map(|run| run.host.clone()).filter(|_| !reused);
                if !self.queue.finish_run(*run, found) {
                    return;
                }
                host.iter().for_each(|host| self.apply_host_success(host));
                if *reused {
                    self.verifications_reused += 1;
                } else {
                    self.verifications_run += 1;
                    self.apply_success(Operation::Verify, Millis::MAX);
                }
            }
            Record::StepFailed { run, landing, again_at, setup, error, cause, at, .. } => {
                let setup = setup.is_some().then_some(error.as_str());
                self.step_broke_off((*run, *landing), cause, setup, (*at, *again_at));
            }
            Record::StageAsked { host, .. } => {
                self.stage_again_at = None;
                self.checking = self.stage == Stage::Evaluating;
                self.checked_on = host.clone();
            }
            Record::StepAsked { landing } => {
                self.tries_queue();
                self.queue.change_landing(Some(*landing), Change::Asked);
            }
            Record::LandIntended { landing, verdict, .. } => {
                self.queue.change_landing(Some(*landing), Change::Intended(*verdict));
            }
            Record::Landed { landing, source, candidate, green, verdict, at, .. } => {
                self.landed += 1;
                self.apply_success(Operation::Merge, Millis::MAX);
                self.apply_progress(*at);
                let landing = self.queue.land(*landing, source, candidate, green);
                let made =
                    landing.as_ref().and_then(Landing::merged_candidate).filter(|made| !made.deciding.is_empty());
                self.decided.extend(made.map(|made| (source.clone(), candidate.commit.clone(), made.deciding.clone())));
                self.apply_bookkeeping_landed(source);
                if let MergeSource::Unit { unit, .. } = source {
                    self.landed_in_round(unit);
                    self.unit_to(unit, |u| {
                        u.state = UnitState::Landed;
                        u.turn = None;
                        u.reason.clear();
                        u.landed = Some(candidate.clone());
                        u.verdict = Some(*verdict);
                    });
                }
            }
            Record::MergeEmpty { landing, source, .. } => {
                self.queue.end_landing(*landing);
                self.queue.count_decided();
                self.apply_bookkeeping_landed(source);
                if let MergeSource::Unit { unit, .. } = source {
                    self.unit_to(unit, |u| {
                        u.state = UnitState::NoOp;
                        u.turn = None;
                        "its change is already on green".clone_into(&mut u.reason);
                    });
                }
            }
            Record::Rejected { landing, source, at, class, reasons, next, files, .. } => {
                let (trees, head) = self.queue.end_landing(*landing).map(|l| (l.trees(), l.mr.head)).unzip();
                if *class != RejectClass::Infrastructure {
                    self.queue.count_decided();
                }
                match source {
                    MergeSource::Intake => {
                        let why = reasons.join("; ");
                        self.problems.push(format!("target branch not taken in: {why}"));
                        self.refused_target = head.map(|head| RefusedTarget { head, why });
                    }
                    MergeSource::Bookkeeping { .. } => self.apply_bookkeeping_refused(reasons),
                    MergeSource::Unit { unit, .. } => {
                        let Some(i) = self.index.get(unit).copied() else { return };
                        self.update_unit(i, |u| match class {
                            RejectClass::Verification => u.was_refused(trees.flatten(), *at),
                            RejectClass::Conflict => u.lost_in(files, *at),
                            RejectClass::Unproven => u.accept_in_doubt(),
                            RejectClass::Infrastructure => u.infra += 1,
                            RejectClass::Meddling => {}
                        });
                        self.apply_next_move(i, next, source, head.as_ref(), *at);
                    }
                }
            }
            Record::BookkeepingRequested { mr, green, bookkeeping } => {
                self.apply_bookkeeping_requested(*mr, green, bookkeeping)
            }
            Record::BookkeepingNoted { notes } => self.problems.extend(notes.iter().cloned()),
            Record::Requeued { landing, behind, waits_for, .. } => {
                self.queue.end_runs_of(*landing);
                if let Some(mut landing) = self.queue.end_landing(*landing) {
                    landing.mr.waits_for.clone_from(waits_for);
                    self.apply_return(landing.mr, behind.as_ref());
                }
            }
            Record::LandingDelayed { landing, why, again_at } => {
                if self.problems.last() != Some(why) {
                    self.problems.push(why.clone());
                }
                self.queue.change_landing(Some(*landing), Change::WaitsForPerson(*again_at, why.clone()));
            }
            Record::GreenMoved { tip } => self.queue.move_green(tip),
            Record::GreenAccepted { .. } => self.queue.accept_green(),
            Record::ColdMeasured { .. } => self.queue.measure_cold(),
            Record::ColdJudged { tip, holds, reasons, .. } => self.queue.judge_cold(tip, *holds, reasons),
            Record::QueueHeld { landing, reason, hint, code } => {
                self.hold = Some((reason.clone(), hint.clone()));
                self.hold_code = *code;
                self.queue.change_landing(*landing, Change::Paused(0));
            }
            Record::RepositoryChanged { run, held, named, .. } => {
                self.apply_notices(named.iter().chain(held), &format!("verification {run}"));
            }
            Record::PinsFaulty { pins, .. } => self.pins_faulty(pins),
            Record::RoundWorked { .. } => {
                self.stage = Stage::Evaluating;
                self.await_check(false);
            }
            Record::RoundClosed { at, objective, units, .. } => {
                // A unit that was given a fresh start while the round was evaluated still belongs to it.
                let again = self.active > 0;
                self.stage = if again { Stage::Working } else { Stage::BetweenRounds };
                self.checking = false;
                self.stage_again_at = None;
                if objective.is_some() {
                    self.apply_host_success(&self.checked_on.clone());
                }
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
            Record::Unpaused { at } => {
                self.paused = false;
                self.apply_progress(*at);
            }
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
            Record::Suspended { cause, .. } => {
                self.suspended = true;
                self.suspended_by.clone_from(cause);
            }
            Record::Resumed { decided_by, .. } => {
                if let Some(by) = decided_by {
                    self.decided_by.clone_from(by);
                }
                self.attached = true;
                self.suspended = false;
                self.stage_again_at = None;
                self.await_check(self.checking);
                self.waiting = false;
                self.resume_held();
                self.closed = false;
                self.stage_failures = 0;
                self.queue.forget_failures();
                self.clear_trouble();
                self.hosts.ask_all();
                self.access.begin_engine();
                self.stop.take_if(|(level, _)| *level == StopLevel::Interrupt);
                self.queue.wake_landings();
            }
            Record::RolledBack { n, to, landings, .. } => self.apply_rollback(*n, to, landings),
            Record::Closing { .. } => self.apply_closing(),
            Record::RollbackIntended { .. } | Record::RollbackDropped { .. } => {}
            Record::Cleaned { refs, .. } => self.pins_cleaned(refs),
            Record::StopWithdrawn { .. } => {}
            Record::MissionEnded { at, outcome, reason, code } => {
                self.stage = Stage::Over;
                self.ended = Some(*at);
                self.outcome = Some((*outcome, reason.clone(), *code));
            }
        }
    }

    pub(super) fn unit_to(&mut self, unit: &UnitId, change: impl FnOnce(&mut Unit)) {
        if let Some(i) = self.index.get(unit).copied() {
            self.update_unit(i, change);
        }
    }
}
