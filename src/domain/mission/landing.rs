//! The landing of one merge request, as a step machine over [`super::state::Landing`].
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

use super::Decision;
use super::attempts::starts_reason;
use super::command::{Command, MergeSource, VerifyOrder};
use super::event::{Integration, LandResult, Refusal, StopLevel, Unverified, Verification};
use super::evidence::protected_reason;
use super::parts::{Landing, MergeRequest, Stage};
use super::policy::{CIRCUIT, MAX_STEP_FAILURES, backoff};
use super::record::{EndReason, MissionOutcome, NextMove, Record, RejectClass, VerifyRole};
use crate::domain::values::Tip;
use crate::domain::verify::verdict::judge;
use crate::domain::verify::{Demands, Gate, SnapshotKey, StageOutcome, Summary};

/// Pause before a landing that waits for a person's work tree is tried again.
const CHECKED_OUT_PAUSE: u64 = 2_000;

/// Failures of a landing's steps after which its candidate is made anew.
const REMAKE_AFTER: u32 = 3;

impl Decision<'_> {
    /// Verifies the untouched base, then has green made or adopted there.
    pub(super) fn advance_baseline(&mut self) {
        if self.state.stage != Stage::Baseline || self.state.verifying.is_some() || self.now < self.state.base_again_at
        {
            return;
        }
        let Some(green) = self.state.green.clone() else { return };
        match (&green.snapshot, green.confirmed) {
            (None, _) => self.verify(green.tip, VerifyRole::Baseline, None, None),
            (Some((key, summary)), false) if self.wants_confirmation(summary) => {
                self.verify(green.tip, VerifyRole::Baseline, None, Some(key.clone()));
            }
            (Some((_, summary)), _) => match unjudgeable(self.state.policy.gate, summary) {
                Some(reason) => self.refuse(Refusal {
                    reason: format!("the untouched base {} does not verify: {reason}", green.tip.commit.short()),
                    hint:
                        "run the verification command in a fresh clone, mend it or the configuration, then start again"
                            .to_owned(),
                    exit: 6,
                }),
                None => {
                    let create = self.state.ground.as_ref().is_some_and(|g| g.create);
                    self.note(Record::BaselineAccepted { tip: green.tip.clone() });
                    self.ask(Command::Establish { tip: green.tip, create });
                }
            },
        }
    }

    fn wants_confirmation(&self, summary: &Summary) -> bool {
        self.state.policy.confirm_failures && summary.outcome != StageOutcome::Passed
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        let (reason, code) = (refusal.reason.clone(), refusal.exit);
        self.note(Record::Refused { refusal });
        self.end(MissionOutcome::Refused, reason, code);
    }

    pub(super) fn verify(
        &mut self,
        tip: Tip,
        role: VerifyRole,
        against: Option<SnapshotKey>,
        confirms: Option<SnapshotKey>,
    ) {
        let order = VerifyOrder { run: self.state.next_run, tip, against, confirms, extra: self.state.extras(role) };
        self.note(Record::VerifyStarted {
            run: order.run,
            tip: order.tip.clone(),
            role,
            at: self.now,
            against: order.against.clone(),
            confirms: order.confirms.clone(),
        });
        self.ask(Command::Verify(order));
    }

    /// Starts a landing if none is in progress, or asks for the next step of the one that is.
    pub(super) fn advance_landing(&mut self) {
        if !self.state.may_land() || self.state.verifying.is_some() || self.state.stage == Stage::Baseline {
            return;
        }
        let Some(green) = self.state.green.clone() else { return };
        let intended = self.state.landing.as_ref().is_some_and(|landing| landing.intended.is_some());
        if !intended && !self.judges_green(&green) {
            return;
        }
        let Some(landing) = self.state.landing.clone() else {
            let Some(request) = self.state.queue().next().cloned() else { return };
            let token = self.state.next_token;
            self.note(Record::LandingStarted { mr: request.id, token, onto: green.tip.clone(), at: self.now });
            self.integrate(token, green.tip, &request);
            return;
        };
        if landing.in_flight || self.now < landing.again_at {
            return;
        }
        let Some(candidate) = landing.candidate.clone() else {
            self.note(Record::StepAsked { token: landing.token });
            self.integrate(landing.token, landing.onto, &landing.mr);
            return;
        };
        if landing.intended.is_some() {
            self.note(Record::StepAsked { token: landing.token });
            self.land(&landing, candidate);
            return;
        }
        if candidate.commit == landing.onto.commit {
            self.already_there(&landing);
            return;
        }
        if !self.fails_before(&landing) {
            return;
        }
        match &green.snapshot {
            None => self.verify(green.tip, VerifyRole::Before, None, None),
            Some((key, summary)) if self.wants_confirmation(summary) && !green.confirmed => {
                self.verify(green.tip, VerifyRole::Before, None, Some(key.clone()));
            }
            Some((before_key, before)) => match unjudgeable(self.state.policy.gate, before) {
                Some(reason) => self.note(Record::QueueHeld {
                    reason: format!("green at {} does not verify: {reason}", green.tip.commit.short()),
                    hint: "mend green (or the verification) by hand, then `mc mission resume`".to_owned(),
                }),
                None => match &landing.after {
                    None => self.verify(candidate, VerifyRole::After, Some(before_key.clone()), None),
                    Some(after) => {
                        let (before_key, before, after) = (before_key.clone(), before.clone(), after.clone());
                        let demands = self.demands(self.may_remove_tests(&landing.mr.source));
                        let judgement = judge(&before, &after.summary, &after.delta, &demands);
                        let measured = after.delta.number_hurts(demands.ratchet);
                        let seen_once = !after.confirmed && (measured || after.summary.outcome != StageOutcome::Passed);
                        if judgement.lands {
                            if !self.passes_after(&landing, &candidate) {
                                return;
                            }
                            self.note(Record::LandIntended {
                                token: landing.token,
                                candidate: candidate.clone(),
                                expected: landing.onto.commit.clone(),
                                key: after.key,
                                verdict: judgement.verdict,
                                accept_before: landing.accept_before.as_ref().map(|e| e.key.clone()),
                                extra: landing.extra.as_ref().map(|e| e.key.clone()),
                            });
                            self.land(&landing, candidate);
                        } else if seen_once && self.state.policy.confirm_failures {
                            self.verify(candidate, VerifyRole::After, Some(before_key), Some(after.key));
                        } else {
                            let mut reasons = judgement.reasons;
                            // Where no test can be named, the output is all the next attempt has to go by.
                            let unnamed = !after.summary.per_test || !after.delta.stages_broken.is_empty();
                            if unnamed && !after.summary.note.is_empty() {
                                reasons.push(after.summary.note);
                            }
                            self.reject(&landing, RejectClass::Verification, reasons);
                        }
                    }
                },
            },
        }
    }

    fn land(&mut self, landing: &Landing, candidate: Tip) {
        self.ask(Command::Land {
            token: landing.token,
            candidate,
            expected: landing.onto.commit.clone(),
            source: landing.mr.source.clone(),
        });
    }

    pub(super) fn integrate(&mut self, token: u64, onto: Tip, mr: &MergeRequest) {
        let title = match &mr.source {
            MergeSource::Unit { unit, .. } => self.state.unit(unit).map(|u| u.spec.title.clone()).unwrap_or_default(),
            MergeSource::Intake => String::new(),
            MergeSource::Books { .. } => return self.write_books(token, onto),
        };
        let (head, source) = (mr.head.commit.clone(), mr.source.clone());
        self.ask(Command::Integrate { token, onto, head, source, title });
    }

    fn may_remove_tests(&self, source: &MergeSource) -> bool {
        match source {
            MergeSource::Unit { unit, .. } => self.state.unit(unit).is_some_and(|u| u.spec.allow_removed_tests),
            MergeSource::Intake => true,
            MergeSource::Books { .. } => false,
        }
    }

    fn open_landing(&self, token: u64) -> Option<Landing> {
        self.state.landing.clone().filter(|l| l.token == token && l.in_flight)
    }

    pub(super) fn integrated(&mut self, token: u64, result: Result<Integration, String>) {
        let Some(landing) = self.open_landing(token).filter(|l| l.candidate.is_none()) else { return };
        if self.merge_given_up(&landing) {
            return;
        }
        match result {
            Ok(Integration::Candidate(candidate)) => self.note(Record::CandidateMade { token, candidate }),
            Ok(Integration::Unchanged) => self.already_there(&landing),
            Ok(Integration::Books { candidate, notes }) => {
                if !notes.is_empty() {
                    self.note(Record::BooksNoted { notes });
                }
                match candidate {
                    Some(candidate) => self.note(Record::CandidateMade { token, candidate }),
                    None => self.already_there(&landing),
                }
            }
            Ok(Integration::Protected { paths }) => {
                self.reject(&landing, RejectClass::Verification, vec![protected_reason(&paths)]);
            }
            Ok(Integration::Conflict { files, detail }) => {
                let reason = format!("conflicts with green in {}", files.join(", "));
                self.reject(&landing, RejectClass::Conflict, vec![reason, detail]);
            }
            Err(error) => self.step_failed("merge onto green", error),
        }
    }

    pub(super) fn verified(&mut self, run: u64, result: Result<Box<Verification>, Unverified>) {
        if self.state.verifying.as_ref().is_none_or(|v| v.run != run) {
            return;
        }
        match result {
            Ok(v) => {
                let meddled = v.meddled.clone();
                self.note(Record::Verified {
                    run,
                    at: self.now,
                    key: v.key,
                    summary: v.summary,
                    delta: v.delta.map(Box::new),
                    reused: v.reused,
                    confirmed: v.confirmed,
                });
                if let Some(what) = meddled {
                    self.repository_meddled(run, what);
                }
            }
            Err(_) if self.state.unwanted_verification().is_some() => {
                self.note(Record::VerificationDropped { run, at: self.now });
            }
            Err(not) => self.not_verified(not),
        }
    }

    pub(super) fn land_ended(&mut self, token: u64, result: Result<LandResult, String>) {
        let Some(landing) = self.open_landing(token) else { return };
        let (Some(candidate), Some(verdict)) = (landing.candidate.clone(), landing.intended) else { return };
        match result {
            Ok(LandResult::Landed { now }) => {
                let reasons = self.reasons(&landing);
                self.note(Record::Landed {
                    mr: landing.mr.id,
                    source: landing.mr.source,
                    at: self.now,
                    candidate,
                    green: now,
                    verdict,
                    reasons,
                });
            }
            Ok(LandResult::Forward { now }) => {
                self.note(Record::GreenMoved { tip: now });
                let why = "somebody moved green forward; merged and verified again".to_owned();
                self.note(Record::Requeued { mr: landing.mr.id, why });
            }
            Ok(LandResult::Back { now }) => {
                let expected = &landing.onto.commit;
                let found = now.map_or("is gone".to_owned(), |c| format!("stands at {}", c.short()));
                self.note(Record::QueueHeld {
                    reason: format!("somebody moved green back: it {found} and no longer contains {}", expected.short()),
                    hint: format!(
                        "to go on: put green back to {expected} (it is pinned under refs/mc/), then `mc mission resume`; \
                         to accept the new green: `mc mission stop --now`, then `mc mission start --take-over`"
                    ),
                });
            }
            Ok(LandResult::CheckedOut { worktree }) => self.note(Record::LandingDelayed {
                token,
                why: format!(
                    "landings wait: green is checked out in {worktree}; switch that work tree to another branch"
                ),
                again_at: self.now + CHECKED_OUT_PAUSE,
            }),
            Err(error) => self.step_failed("moving green", error),
        }
    }

    /// While no engine ran a person moved green, perhaps to mend it: what was known of it holds no more. A landing whose
    /// compare-and-swap may have happened is left to answer for itself.
    pub(super) fn green_seen(&mut self, tip: Tip) {
        let known = self.state.green.as_ref().is_some_and(|g| g.tip.commit != tip.commit);
        let early = matches!(self.state.stage, Stage::Preflight | Stage::Baseline | Stage::Establishing);
        let landing = self.state.landing.as_ref();
        if !known || early || landing.is_some_and(|l| l.intended.is_some()) {
            return;
        }
        let mr = landing.map(|l| l.mr.id);
        self.note(Record::GreenMoved { tip });
        if let Some(mr) = mr {
            let why = "green was moved while no engine ran; merged and verified again".to_owned();
            self.note(Record::Requeued { mr, why });
        }
    }

    pub(super) fn reasons(&self, landing: &Landing) -> Vec<String> {
        let before = self.state.green.as_ref().and_then(|g| g.snapshot.as_ref());
        let (Some((_, before)), Some(after)) = (before, &landing.after) else { return Vec::new() };
        let mut reasons = judge(before, &after.summary, &after.delta, &self.demands(true)).reasons;
        reasons.extend(self.shown(landing));
        reasons
    }

    pub(super) const fn demands(&self, allow_removed_tests: bool) -> Demands {
        let policy = &self.state.policy;
        Demands { gate: policy.gate, ratchet: policy.ratchet, allow_removed_tests }
    }

    pub(super) fn reject(&mut self, landing: &Landing, class: RejectClass, reasons: Vec<String>) {
        let source = landing.mr.source.clone();
        let because = reasons.join("\n");
        let next = match &source {
            MergeSource::Intake | MergeSource::Books { .. } => NextMove::Reject { reason: because },
            MergeSource::Unit { unit, .. } => {
                let Some(unit) = self.state.unit(unit) else { return };
                let budget = unit.spec.attempts.unwrap_or(self.state.policy.max_attempts).max(1);
                let exhausted = match class {
                    RejectClass::Verification => unit.used + 1 >= budget,
                    RejectClass::Conflict => unit.conflicts + 1 > self.state.policy.max_conflicts,
                    RejectClass::Unproven | RejectClass::Meddling => false,
                };
                let own_work = class == RejectClass::Verification && unit.spec.run.is_none();
                if exhausted {
                    NextMove::Reject { reason: because }
                } else if self.state.starts_used(unit) {
                    NextMove::Reject { reason: starts_reason(unit, &because) }
                } else {
                    NextMove::Retry { not_before: 0, own_work, because }
                }
            }
        };
        self.note(Record::Rejected { mr: landing.mr.id, source: source.clone(), at: self.now, class, reasons, next });
        if let MergeSource::Unit { unit, .. } = source {
            self.block_dependants(&unit);
        }
    }

    /// A setup command that says no twice in the same words on the base is no trouble of the host that passes.
    fn not_verified(&mut self, not: Unverified) {
        let before = self.state.setup_failed.as_ref();
        let again = not.setup.is_some()
            && self.state.step_failures > 0
            && before.is_some_and(|before| wording(before) == wording(&not.why));
        if again && self.state.stage == Stage::Baseline && !self.state.killing() {
            let hint =
                "mend target.setup or what it works on, commit that, then start again; `mc doctor --baseline` tries it";
            self.refuse(Refusal {
                reason: format!("twice in the same way: {}", not.why),
                hint: hint.to_owned(),
                exit: 6,
            });
            return;
        }
        self.failed_at("verification", not);
    }

    pub(super) fn step_failed(&mut self, what: &str, error: String) {
        self.failed_at(what, error.into());
    }

    fn failed_at(&mut self, what: &str, Unverified { why: error, setup }: Unverified) {
        if self.state.killing() {
            // A kill we asked for is no failure of the host; the step is asked again after a resume.
            self.note(Record::StepFailed { what: what.to_owned(), error, at: self.now, again_at: self.now, setup });
            return;
        }
        let failures = self.state.step_failures + 1;
        let again_at = self.now + backoff(failures);
        self.note(Record::StepFailed { what: what.to_owned(), error: error.clone(), at: self.now, again_at, setup });
        let landing = self.state.landing.as_ref().filter(|l| l.candidate.is_some() && l.intended.is_none());
        if failures == REMAKE_AFTER
            && let Some(mr) = landing.map(|l| l.mr.id)
        {
            // Its candidate may be what is broken (pruned, for one): it is made again.
            self.note(Record::Requeued { mr, why: format!("{what} failed {failures} times: merged again") });
            return;
        }
        if failures < MAX_STEP_FAILURES {
            return;
        }
        if self.state.stage == Stage::Baseline {
            self.refuse(Refusal {
                reason: format!("{what} failed {failures} times: {error}"),
                hint: "see the message; `mc where` names the logs".to_owned(),
                exit: 6,
            });
        } else {
            self.stop(StopLevel::Now, EndReason::Circuit);
        }
    }

    /// Opens the circuit when nothing but infrastructure failures come back.
    pub(super) fn watch_circuit(&mut self) {
        let trip = self.state.infra_in_row >= CIRCUIT && self.state.stop.is_none();
        if trip {
            self.stop(StopLevel::Now, EndReason::Circuit);
        }
    }
}

/// A message without its numbers: times and the number of a try differ from try to try.
fn wording(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// Why a snapshot cannot serve as a base under this gate, if it cannot.
fn unjudgeable(gate: Gate, summary: &Summary) -> Option<String> {
    let note = if summary.note.is_empty() { String::new() } else { format!(": {}", summary.note) };
    match (summary.outcome, gate) {
        (StageOutcome::Passed, _) => None,
        (StageOutcome::NotRun, _) => Some(format!("it could not run{note}")),
        (StageOutcome::Failed, Gate::Pass) => Some(format!("it fails, and the gate is `pass`{note}")),
        (StageOutcome::Failed, Gate::NoRegression) if summary.per_test => None,
        (StageOutcome::Failed, Gate::NoRegression) => {
            Some(format!("it fails and gives no per-test results and no findings, so nothing can be judged{note}"))
        }
    }
}
