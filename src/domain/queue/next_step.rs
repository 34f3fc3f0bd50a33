//! What a landing needs next: it follows from its phase, from what runs have said of it and of green, and from what is asked of it.
//!
//! Wanted: green only moves to what the gate accepted on exactly that tree; nobody is refused for a failure seen once, nor for one
//! seen only with the files of earlier runs; no run is asked whose answer could change nothing.

use super::green::Green;
use super::landing::{Candidate, Evidence, Landing, Phase};
use super::model::{After, MergeSource, VerifyRole};
use super::state::Queue;
use crate::domain::values::Tip;
use crate::domain::verify::judge::verdict::judge;
use crate::domain::verify::{Cause, Demands, Gate, Judgement, Refusal, SnapshotKey, StageOutcome, Summary, Verdict};

/// Most runs of a tree that differs from green in nothing but what was written about the work itself.
const RECORDS_RUNS: u32 = 3;

/// Which run of a tree is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunKind {
    /// The first one, or the stored answer.
    First,
    /// One that decides in the place of a warm one.
    Cold,
    /// A second one, to be taken together with this one.
    Confirm(SnapshotKey),
}

/// What a request's own `accept` line must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// There is none.
    Nothing,
    /// It passes afterwards.
    Passes,
    /// It fails on green and passes afterwards.
    Changes,
}

/// What is asked of the change of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What the gate demands.
    pub demands: Demands,
    /// Whether a failure counts only when a second run shows it, too.
    pub confirm_failures: bool,
    /// What its own `accept` line must show.
    pub accept: Accept,
    /// Whether lines of its own must pass on the merged tree.
    pub unit_checks: bool,
}

/// What green is as the base of comparisons.
#[derive(Debug, Clone, PartialEq)]
pub enum Base<'a> {
    /// Not known yet: this run is missing.
    Missing(RunKind),
    /// Nothing can be compared with it, for this reason.
    Unusable(String),
    /// What a run said of it.
    Known(&'a SnapshotKey, &'a Summary),
}

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Refused {
    /// Green has its change already, and its `accept` line does not pass there.
    AcceptOnGreen(Box<After>),
    /// Its own lines do not pass on the merged tree.
    UnitChecks(Box<After>),
    /// The gate.
    Gate(Judgement, Box<After>),
}

/// The next step of a landing.
#[derive(Debug, Clone, PartialEq)]
pub enum NextStep {
    /// Git merges it onto green.
    Merge,
    /// Green takes the place of the candidate of a change that it has already.
    StandIn,
    /// Green has its change already, and that is all that was wanted.
    Nothing,
    /// A run is made of this tree, in comparison with this snapshot.
    Verify(Tip, VerifyRole, Option<SnapshotKey>, RunKind),
    /// Nothing can land on green, for this reason.
    BaseUnusable(String),
    /// Its `accept` line does not fail on green: a person decides.
    Unproven(Box<After>),
    /// It does not land.
    Refuse(Refused),
    /// It lands: moving green is recorded as intended.
    Intend(SnapshotKey, Verdict),
    /// Git moves green, as was intended before.
    Move,
}

impl Terms {
    /// The run that follows one that does not say what lets a change go on; none when all was asked.
    pub fn select_next_run(&self, found: &After) -> Option<RunKind> {
        match (found.warm, found.confirmed) {
            (true, _) => Some(RunKind::Cold),
            (false, false) if self.confirm_failures => Some(RunKind::Confirm(found.key.clone())),
            (false, _) => None,
        }
    }

    /// Whether tests that disappeared may only have other names in each run: green was run once, and no second run of it was asked.
    pub fn doubts_names(&self, green: &Green, after: &After) -> bool {
        self.confirm_failures && !green.twice && after.delta.loses_tests() && !self.demands.allow_removed_tests
    }
}

impl Green {
    /// What it is as the base of comparisons.
    pub fn base(&self, gate: Gate, confirm_failures: bool) -> Base<'_> {
        match &self.snapshot {
            None => Base::Missing(RunKind::First),
            Some((key, summary)) if confirm_failures && !self.confirmed && summary.outcome != StageOutcome::Passed => {
                Base::Missing(RunKind::Confirm(key.clone()))
            }
            Some((key, summary)) => match unusable_reason(gate, summary) {
                Some(reason) => Base::Unusable(reason),
                None => Base::Known(key, summary),
            },
        }
    }
}

impl Queue {
    /// What `landing` needs next on `green`.
    #[must_use]
    pub fn next_step(&self, landing: &Landing, green: &Green, terms: &Terms) -> NextStep {
        let known = match &landing.phase {
            Phase::Merging => return NextStep::Merge,
            Phase::Intended(..) => return NextStep::Move,
            Phase::Proving(known) => known,
        };
        let (candidate, evidence) = &**known;
        if candidate.tip.commit == landing.onto.commit {
            return next_step_when_merged(landing, terms);
        }
        if terms.accept == Accept::Changes {
            match accept_on_green(landing, terms, StageOutcome::NotRun) {
                Err(again) => return verify_accept(landing, again),
                Ok(before) if before.summary.outcome != StageOutcome::Failed => {
                    return NextStep::Unproven(Box::new(before.clone()));
                }
                Ok(_) => {}
            }
        }
        let (key, before) = match green.base(terms.demands.gate, terms.confirm_failures) {
            Base::Missing(again) => return NextStep::Verify(green.tip.clone(), VerifyRole::Before, None, again),
            Base::Unusable(reason) => return NextStep::BaseUnusable(reason),
            Base::Known(key, before) => (key.clone(), before.clone()),
        };
        let verify = |again| NextStep::Verify(candidate.tip.clone(), VerifyRole::After, Some(key.clone()), again);
        let Some(after) = &evidence.after else { return verify(RunKind::First) };
        let before = self.green().with_flaky(before);
        let judge_run = |run: &After| judge(&before, &run.summary, &run.delta, &terms.demands);
        let judgement = judge_run(after);
        let failed = after.warm || after.summary.outcome != StageOutcome::Passed;
        let doubtful = (failed || after.delta.by_chance(terms.demands.ratchet))
            && !failed_alike(evidence, &judgement.refusals, judge_run);
        let again = terms.select_next_run(after).filter(|_| doubtful);
        // A test that chance decides about is given a second chance before green has it failing.
        let pardons = judgement.lands && after.delta.breaks_tests() && again.is_some();
        if judgement.lands && !pardons {
            return unit_checks(candidate, evidence, terms)
                .unwrap_or_else(|| NextStep::Intend(after.key.clone(), judgement.verdict));
        }
        if let Some(again) = again {
            return verify(again);
        }
        if terms.doubts_names(green, after) {
            return NextStep::Verify(green.tip.clone(), VerifyRole::Before, None, RunKind::Confirm(key));
        }
        if doubts_records(landing, evidence, terms, &judgement) {
            return verify(RunKind::Confirm(after.key.clone()));
        }
        NextStep::Refuse(Refused::Gate(judgement, Box::new(after.clone())))
    }
}

/// The next step of a change that green has already: it changes nothing, unless its `accept` line does not pass there. Until that is
/// known green itself stands for the candidate.
#[must_use]
pub fn next_step_when_merged(landing: &Landing, terms: &Terms) -> NextStep {
    if terms.accept == Accept::Nothing {
        return NextStep::Nothing;
    }
    if landing.candidate().is_none() {
        return NextStep::StandIn;
    }
    match accept_on_green(landing, terms, StageOutcome::Failed) {
        Err(again) => verify_accept(landing, again),
        Ok(now) if now.summary.outcome == StageOutcome::Passed => NextStep::Nothing,
        Ok(now) => NextStep::Refuse(Refused::AcceptOnGreen(Box::new(now.clone()))),
    }
}

/// What `accept` says of green, or which run of it is missing. An outcome that is `doubted` is confirmed first, as is one of no run.
fn accept_on_green<'a>(landing: &'a Landing, terms: &Terms, doubted: StageOutcome) -> Result<&'a After, RunKind> {
    let Some(before) = landing.accept_before() else { return Err(RunKind::First) };
    let doubtful = [StageOutcome::NotRun, doubted].contains(&before.summary.outcome);
    match terms.select_next_run(before) {
        Some(again) if doubtful => Err(again),
        _ => Ok(before),
    }
}

fn verify_accept(landing: &Landing, again: RunKind) -> NextStep {
    NextStep::Verify(landing.onto.clone(), VerifyRole::AcceptBefore, None, again)
}

/// What is missing before the request's own lines pass on the merged tree, or that they do not; none when they pass.
fn unit_checks(candidate: &Candidate, evidence: &Evidence, terms: &Terms) -> Option<NextStep> {
    if !terms.unit_checks {
        return None;
    }
    let verify = |again| NextStep::Verify(candidate.tip.clone(), VerifyRole::UnitChecks, None, again);
    let Some(checks) = &evidence.unit_checks else { return Some(verify(RunKind::First)) };
    (checks.summary.outcome != StageOutcome::Passed).then(|| {
        let again = terms.select_next_run(checks);
        again.map_or_else(|| NextStep::Refuse(Refused::UnitChecks(Box::new(checks.clone()))), verify)
    })
}

/// Whether the candidate failed twice of the same: in a warm run, and in the cold one that decides in its place. Nothing that lay
/// there is blamed then, and nothing that failed once, so a third run has nothing to say.
fn failed_alike(evidence: &Evidence, refusals: &[Refusal], judge: impl Fn(&After) -> Judgement) -> bool {
    let cold = evidence.after.as_ref().is_some_and(|after| !after.warm);
    let sure = !refusals.is_empty() && refusals.iter().all(|refusal| refusal.cause != Cause::NotRun);
    cold && sure && evidence.warm.as_ref().is_some_and(|warm| judge(warm).refusals == refusals)
}

/// Whether what was written about the work itself is verified once more: it changes no code, so a test that fails on it most likely
/// fails by chance.
fn doubts_records(landing: &Landing, evidence: &Evidence, terms: &Terms, judgement: &Judgement) -> bool {
    matches!(landing.mr.source, MergeSource::Bookkeeping { .. })
        && terms.confirm_failures
        && evidence.asked < RECORDS_RUNS
        && judgement.refusals.iter().all(|refusal| matches!(refusal.cause, Cause::Failing | Cause::Stages))
}

/// Why a snapshot cannot serve as a base under this gate, if it cannot.
pub fn unusable_reason(gate: Gate, summary: &Summary) -> Option<String> {
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

#[cfg(test)]
#[path = "next_step_tests.rs"]
mod tests;
