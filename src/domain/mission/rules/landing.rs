//! The landing of one merge request, as a step machine over [`Landing`](crate::domain::queue::Landing).
//!
//! Wanted: green only moves to a commit whose tree has a stored snapshot that the gate accepted (P1); each unit lands at
//! most once (P3); a tree is verified once (P13); nobody is blamed for a failure seen once.
//!
//! ```text
//! integrate ─► green has a snapshot? ─no─► verify green (confirm a failure)
//!     │ conflict: reject                        │ nothing to judge: hold the queue
//!     │ unchanged: no-op                        ▼
//!     └────────────────────────────► verify candidate ─► judge ─lands─► intend ─► compare-and-swap
//!                                                          │ hurt once: verify again     │ moved forward: requeue
//!                                                          ▼ hurt twice: reject          │ moved back: hold the queue
//! ```

use super::acceptance::refusal_reasons;
use super::decision::Decision;
use super::outcome::starts_reason;
use crate::domain::mission::model::circuit::Try;
use crate::domain::mission::model::end::ENVIRONMENT;
use crate::domain::mission::model::policy::STRATEGY;
use crate::domain::mission::model::unit_checks::{SAME_AGAIN, links_reason, protected_reason, tests_note};
use crate::domain::mission::model::{
    Integration, LandResult, MissionOutcome, NextMove, Operation, Refusal, RejectClass, Stage, Unverified, Verification,
};
use crate::domain::mission::protocol::{Command, Record};
use crate::domain::queue::{
    Base, Behind, Choice, Landing, MergeRequest, MergeSource, NextStep, RunKind, VerificationRun, VerifyRole,
    next_step_when_merged,
};
use crate::domain::trouble::Trouble;
use crate::domain::values::{LandingId, RunId, Tip, UnitId};
use crate::domain::verify::SnapshotKey;
use crate::domain::verify::judge::verdict::judge;

/// Why a landing is begun again in another environment.
const ELSEWHERE: &str = "made anew with other tags, variables or tools";

/// Pause before a landing that waits for a person's work tree is tried again.
const CHECKED_OUT_PAUSE: u64 = 2_000;

impl Decision<'_> {
    /// Verifies the untouched base, then has green made or adopted there.
    pub(super) fn advance_baseline(&mut self) {
        if self.state.stage != Stage::Baseline
            || self.state.current_verification().is_some()
            || self.now < self.state.queue.green_due()
        {
            return;
        }
        let Some(green) = self.state.green().cloned() else { return };
        match green.base(self.state.policy.gate, self.state.policy.confirm_failures) {
            Base::Missing(again) => self.verify(None, green.tip.clone(), VerifyRole::Baseline, None, again),
            Base::Unusable(reason) => self.refuse_mission(Refusal {
                reason: format!("the untouched base {} does not verify: {reason}", green.tip.commit.short_id()),
                hint: "run the verification command in a fresh clone, mend it or the configuration, then start again"
                    .to_owned(),
                exit: 6,
            }),
            Base::Known(..) => {
                self.record(Record::BaselineAccepted { tip: green.tip.clone() });
                self.establish(green.tip);
            }
        }
    }

    pub(super) fn refuse_mission(&mut self, refusal: Refusal) {
        let (reason, code) = (refusal.reason.clone(), refusal.exit);
        self.record(Record::Refused { refusal });
        self.end(MissionOutcome::Refused, reason, code);
    }

    /// Asks for a run: a step of this landing, if its role is one, or one of green.
    pub(super) fn verify(
        &mut self,
        landing: Option<LandingId>,
        tip: Tip,
        role: VerifyRole,
        against: Option<SnapshotKey>,
        again: RunKind,
    ) {
        let cold = match again {
            RunKind::First => self.state.starts_cold(role),
            RunKind::Cold => true,
            RunKind::Confirm(_) => self.state.policy.warm_runs,
        };
        let confirms = if let RunKind::Confirm(key) = again { Some(key) } else { None };
        // It is asked for again when a host can be used for it.
        let Some(host) = self.state.next_verifier() else { return };
        let (run, at) = (self.state.queue.next_run(), self.now);
        let landing = landing.filter(|_| role.is_of_landing());
        let asked = VerificationRun { run, landing, tip, role, host, at, against, confirms, cold };
        self.record(Record::VerifyStarted(asked.clone()));
        let order = self.state.verify_order(asked);
        self.request(Command::Verify(order));
    }

    /// Starts a landing if none is in progress, or asks for the next step of the one that is.
    pub(super) fn advance_landing(&mut self) {
        if !self.state.may_land() || self.state.current_verification().is_some() || self.state.stage == Stage::Baseline
        {
            return;
        }
        let blocked = self.state.cold_first() || self.state.next_verifier().is_none();
        if blocked || !self.state.circuit_allows(Try::Queue, self.now) {
            return;
        }
        let Some(green) = self.state.green().cloned() else { return };
        if self.state.moved_first() && !self.judges_green(&green) {
            return;
        }
        let waits = |request: &MergeRequest| self.state.waits_for_turn(request);
        let landing = match STRATEGY.choose(&self.state.queue, self.now, waits) {
            None => return,
            Some(Choice::GoOn(landing)) => self.state.landing_by(landing).cloned(),
            Some(Choice::Begin(request)) => {
                let Some(request) = self.state.queue.request(request).cloned() else { return };
                let landing = self.state.queue.next_landing();
                self.record(Record::LandingStarted { mr: request.id, landing, onto: green.tip.clone(), at: self.now });
                return self.integrate(landing, green.tip, &request);
            }
        };
        let Some(landing) = landing else { return };
        let terms = self.state.landing_terms(&landing);
        let step = self.state.queue.next_step(&landing, &green, &terms);
        self.take_step(&landing, step);
    }

    /// Records the next step of a landing and asks the world for it.
    fn take_step(&mut self, landing: &Landing, step: NextStep) {
        let id = landing.id;
        match step {
            NextStep::Merge => {
                self.record(Record::StepAsked { landing: id });
                self.integrate(id, landing.onto.clone(), &landing.mr);
            }
            NextStep::Move => {
                self.record(Record::StepAsked { landing: id });
                self.land(landing);
            }
            NextStep::StandIn => {
                self.record(Record::CandidateMade { landing: id, made: landing.onto.clone().into() });
            }
            NextStep::Nothing => {
                let (mr, source) = (landing.mr.id, landing.mr.source.clone());
                self.record(Record::MergeEmpty { landing: id, mr, source, at: self.now });
            }
            NextStep::Verify(tip, role, against, again) => self.verify(Some(id), tip, role, against, again),
            NextStep::BaseUnusable(reason) => self.record(Record::QueueHeld {
                landing: Some(id),
                reason: format!("green at {} does not verify: {reason}", landing.onto.commit.short_id()),
                hint: "mend green (or the verification) by hand, then `mc mission resume`".to_owned(),
                code: ENVIRONMENT,
            }),
            NextStep::Unproven(before) => self.hold_unproven(landing, &before),
            NextStep::Refuse(refused) => self.refuse_tree(landing, refusal_reasons(refused)),
            NextStep::Intend(key, verdict) => {
                let Some(candidate) = landing.candidate().cloned() else { return };
                self.record(Record::LandIntended {
                    landing: id,
                    candidate,
                    expected: landing.onto.commit.clone(),
                    key,
                    verdict,
                    accept_before: landing.accept_before().map(|e| e.key.clone()),
                    unit_checks: landing.unit_checks_result().map(|e| e.key.clone()),
                });
                self.land(landing);
            }
        }
    }

    /// The step of a landing whose change green has already.
    fn already_there(&mut self, landing: &Landing) {
        let terms = self.state.landing_terms(landing);
        self.take_step(landing, next_step_when_merged(landing, &terms));
    }

    pub(super) fn land(&mut self, landing: &Landing) {
        let Some(candidate) = landing.candidate().cloned() else { return };
        let (expected, source) = (landing.onto.commit.clone(), landing.mr.source.clone());
        let ask_only = self.state.queue.is_stale();
        self.request(Command::Land { landing: landing.id, candidate, expected, source, ask_only });
    }

    pub(super) fn integrate(&mut self, id: LandingId, onto: Tip, mr: &MergeRequest) {
        let (head, source) = (mr.head.commit.clone(), mr.source.clone());
        let (title, contested) = match &source {
            MergeSource::Unit { unit, .. } => {
                let title = self.state.unit(unit).map(|u| u.spec.title.clone()).unwrap_or_default();
                (title, self.state.contested_files(unit))
            }
            MergeSource::Intake => (String::new(), Vec::new()),
            MergeSource::Bookkeeping { .. } => return self.write_bookkeeping(id, onto),
        };
        self.request(Command::Integrate { landing: id, onto, head, source, title, contested });
    }

    pub(super) fn open_landing(&self, id: LandingId) -> Option<Landing> {
        self.state.landing_by(id).filter(|landing| landing.at_work()).cloned()
    }

    pub(super) fn handle_integration(&mut self, id: LandingId, result: Result<Integration, Trouble>) {
        let Some(landing) = self.open_landing(id).filter(|l| l.candidate().is_none()) else { return };
        let merged = result.is_ok();
        self.handle_merge(&landing, result);
        if merged {
            self.assess_success(&[Operation::Merge], self.now);
        }
    }

    pub(super) fn handle_merge(&mut self, landing: &Landing, result: Result<Integration, Trouble>) {
        if self.merge_given_up(landing) {
            return;
        }
        match result {
            Ok(Integration::Candidate(candidate)) => self.handle_contested(landing, candidate),
            Ok(Integration::Links(links)) => self.refuse_tree(landing, vec![links_reason(&links)]),
            Ok(Integration::Unchanged) => self.already_there(landing),
            Ok(Integration::Bookkeeping { candidate, notes }) => {
                if !notes.is_empty() {
                    self.record(Record::BookkeepingNoted { notes });
                }
                match candidate {
                    Some(tip) => self.record(Record::CandidateMade { landing: landing.id, made: tip.into() }),
                    None => self.already_there(landing),
                }
            }
            Ok(Integration::Protected(paths)) => self.refuse_tree(landing, vec![protected_reason(&paths)]),
            Ok(Integration::Conflict { files, detail }) => {
                let reason = format!("conflicts with green in {}", files.join(", "));
                self.refuse_change(landing, RejectClass::Conflict, vec![reason, detail], files);
            }
            Err(trouble) => self.step_failed(Some(landing.id), "merge onto green", trouble),
        }
    }

    pub(super) fn handle_verification(&mut self, run: RunId, result: Result<Box<Verification>, Unverified>) {
        let Some(open) = self.state.run_by(run).cloned() else { return };
        match result {
            Ok(v) => {
                let (ran, noticed) = (!v.reused, v.noticed);
                self.record(Record::Verified {
                    run,
                    at: self.now,
                    key: v.key,
                    summary: v.summary,
                    delta: v.delta.map(Box::new),
                    reused: v.reused,
                    confirmed: v.confirmed,
                    warm: v.warm,
                });
                if ran {
                    self.assess_success(&[Operation::Verify], self.now);
                }
                self.repository_changed(&open, noticed);
            }
            Err(_) if self.state.is_unwanted(&open) => {
                self.record(Record::VerificationDropped { run, at: self.now });
            }
            Err(not) => self.handle_unverified(run, not),
        }
    }

    pub(super) fn land_ended(&mut self, id: LandingId, result: Result<LandResult, Trouble>) {
        let Some(landing) = self.open_landing(id) else { return };
        let (Some(candidate), Some(verdict)) = (landing.candidate().cloned(), landing.intended_verdict()) else {
            return;
        };
        match result {
            Ok(LandResult::Landed(now)) => {
                let reasons = self.reasons(&landing);
                self.record(Record::Landed {
                    landing: landing.id,
                    mr: landing.mr.id,
                    source: landing.mr.source,
                    at: self.now,
                    candidate,
                    green: now,
                    verdict,
                    reasons,
                });
                self.assess_success(&[Operation::Merge, Operation::Verify], self.now);
            }
            Ok(LandResult::Forward(now)) => {
                self.record(Record::GreenMoved { tip: now });
                self.requeue(&landing, "somebody moved green forward; merged and verified again", None, None);
            }
            Ok(LandResult::Back(now)) => {
                let expected = &landing.onto.commit;
                let found = now.map_or("is gone".to_owned(), |c| format!("stands at {}", c.short_id()));
                self.record(Record::QueueHeld {
                    landing: Some(landing.id),
                    reason: format!("somebody moved green back: it {found} and no longer contains {}", expected.short_id()),
                    hint: format!(
                        "to go on: put green back to {expected} (it is pinned under refs/mc/), then `mc mission resume`; \
                         to accept the new green: `mc mission stop --now`, then `mc mission start --accept-green`"
                    ),
                    code: ENVIRONMENT,
                });
            }
            Ok(LandResult::CheckedOut(worktree)) => self.record(Record::LandingDelayed {
                landing: id,
                why: format!(
                    "landings wait: green is checked out in {worktree}; switch that work tree to another branch"
                ),
                again_at: self.now + CHECKED_OUT_PAUSE,
            }),
            Ok(LandResult::NotMoved) => self.requeue(&landing, ELSEWHERE, None, None),
            Err(trouble) => self.step_failed(Some(id), "moving green", trouble),
        }
    }

    /// Somebody moved green while no engine ran, perhaps to mend it, or was seen to have done so at the end of a round: what was
    /// known of it holds no more. A landing whose compare-and-swap may have happened is left to answer for itself.
    pub(super) fn green_seen(&mut self, tip: Tip) {
        let known = self.state.green().is_some_and(|g| g.tip.commit != tip.commit);
        let early = matches!(self.state.stage, Stage::Preflight | Stage::Baseline | Stage::Establishing);
        let landing = self.state.landing().cloned();
        if !known || early || landing.as_ref().is_some_and(|l| l.intended_verdict().is_some()) {
            return;
        }
        self.record(Record::GreenMoved { tip });
        if let Some(landing) = landing {
            if let Some(run) = self.state.current_verification().map(|v| v.run) {
                self.record(Record::VerificationDropped { run, at: self.now });
            }
            self.requeue(&landing, "somebody moved green; merged and verified again", None, None);
        }
    }

    /// A new engine runs things with other tags, variables or tools than the one before it: no run of that one is taken over, no
    /// result of it decides, and what was made to be compared is made anew. Before that a landing whose compare-and-swap may
    /// have happened answers for itself; if it has not, that one is made anew, too.
    pub(super) fn environment_seen(&mut self, environment: String) {
        if self.state.is_environment(&environment) {
            return;
        }
        while let Some(run) = self.state.current_verification().map(|v| v.run) {
            self.record(Record::VerificationDropped { run, at: self.now });
        }
        self.record(Record::EnvironmentChanged { at: self.now, environment });
        let open = self.state.queue.landings().filter(|landing| landing.intended_verdict().is_none());
        for landing in open.cloned().collect::<Vec<_>>() {
            self.requeue(&landing, ELSEWHERE, None, None);
        }
    }

    pub(in crate::domain::mission) fn reasons(&self, landing: &Landing) -> Vec<String> {
        let before = self.state.green().and_then(|g| g.snapshot.as_ref());
        let (Some((_, before)), Some(after)) = (before, landing.gate_result()) else { return Vec::new() };
        let before = &self.state.with_flaky(before.clone());
        let mut reasons = judge(before, &after.summary, &after.delta, &self.state.demands(true)).reasons;
        reasons.extend(self.summarize_checks(landing));
        if let Some(made) = landing.merged_candidate() {
            reasons.extend(made.notes.iter().cloned());
            reasons.extend((!made.tests.is_empty()).then(|| tests_note(&made.tests)));
        }
        reasons
    }

    /// Records that the request of a landing goes back to the queue.
    pub(super) fn requeue(
        &mut self,
        landing: &Landing,
        why: &str,
        behind: Option<Behind>,
        waits_for: Option<(UnitId, u32)>,
    ) {
        let (landing, mr, why) = (landing.id, landing.mr.id, why.to_owned());
        self.record(Record::Requeued { landing, mr, why, behind, waits_for });
    }

    /// Records that a change leaves the queue, and what its unit does next.
    pub(super) fn record_rejection(
        &mut self,
        landing: &Landing,
        class: RejectClass,
        reasons: Vec<String>,
        next: NextMove,
        files: Vec<String>,
    ) {
        let (id, mr, source, at) = (landing.id, landing.mr.id, landing.mr.source.clone(), self.now);
        self.record(Record::Rejected { landing: id, mr, source, at, class, reasons, next, files });
    }

    /// Refuses a change for what its merged tree is.
    fn refuse_tree(&mut self, landing: &Landing, reasons: Vec<String>) {
        self.refuse_change(landing, RejectClass::Verification, reasons, Vec::new());
    }

    /// Refuses a change; its unit tries again as far as it has attempts left, and where that could give another change.
    pub(super) fn refuse_change(
        &mut self,
        landing: &Landing,
        class: RejectClass,
        mut reasons: Vec<String>,
        files: Vec<String>,
    ) {
        let source = landing.mr.source.clone();
        let repeats = self.state.unit_of(landing).is_some_and(|unit| unit.would_repeat(landing, class));
        if repeats && landing.candidate().is_some() {
            reasons.push(SAME_AGAIN.to_owned());
        }
        let because = reasons.join("\n");
        let next = match &source {
            MergeSource::Intake | MergeSource::Bookkeeping { .. } => NextMove::Reject { reason: because },
            MergeSource::Unit { unit, .. } => {
                let Some(unit) = self.state.unit(unit) else { return };
                let budget = unit.spec.attempts.unwrap_or(self.state.policy.max_attempts).max(1);
                let exhausted = match class {
                    RejectClass::Verification => unit.used + 1 >= budget,
                    RejectClass::Conflict => unit.conflicts + 1 > self.state.policy.max_conflicts,
                    RejectClass::Unproven | RejectClass::Infrastructure | RejectClass::Meddling => false,
                };
                let own_work = class == RejectClass::Verification && unit.spec.run.is_none();
                if exhausted || repeats {
                    NextMove::Reject { reason: because }
                } else if self.state.starts_used(unit) {
                    NextMove::Reject { reason: starts_reason(unit, &because) }
                } else {
                    NextMove::Retry { not_before: 0, own_work, because }
                }
            }
        };
        self.record_rejection(landing, class, reasons, next, files);
        if let MergeSource::Unit { unit, .. } = source {
            self.block_dependants(&unit);
        }
    }
}
