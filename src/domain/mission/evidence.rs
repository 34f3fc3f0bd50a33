//! Evidence a unit brings of its own: its `verify` and `accept` lines around its landing, and what runs in its workspace
//! before it queues.
//!
//! Wanted: these lines come on top of the gate and never in its place, so the gate's snapshots keep their keys (P13); a
//! unit with `accept` lands only when that line is known to fail on green and to pass on the candidate; not-run shows
//! nothing, neither failing before nor passing after; nobody is blamed for a failure seen once. The reasons are in
//! `docs/decisions/0006-evidence-per-unit.md`.

use super::Decision;
use super::attempts::classify;
use super::cold::Again;
use super::parts::{AcceptPrecondition, Unit};
use super::record::{AttemptClass, NextMove, Record, RejectClass};
use super::report::{Quick, QuickEnd, SessionReport};
use super::state::State;
use crate::domain::base::text::name_first;
use crate::domain::queue::{Extra, Landing, MergeSource, VerifyRole};
use crate::domain::unit::UnitSpec;
use crate::domain::values::{CommitId, Millis, Tip, TreeId};
use crate::domain::verify::snapshot::StageResult;
use crate::domain::verify::{StageOutcome, Summary};

/// Why a script is not run again although it has attempts left.
pub(super) const SAME_AGAIN: &str = "its script made the same change again, on the same green: it is not run any more";

/// Most paths named when a unit touches what is protected.
const NAMED_PATHS: usize = 40;

/// One line of a unit that is run as a stage of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitCheckStage {
    /// `verify` or `accept`.
    pub name: &'static str,
    /// The shell line as the unit says it.
    pub run: String,
}

/// What to run in the workspace of an attempt whose work is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreQueueCheck {
    /// The stages of tier `quick`: it changed something.
    Quick,
    /// Its `accept` line: it says that nothing needs to change.
    Accept,
}

/// How stages of a workspace ended, all together.
#[must_use]
pub fn quick_end(stages: &[StageResult]) -> QuickEnd {
    let any = |wanted: &dyn Fn(&StageResult) -> bool| stages.iter().any(wanted);
    let not_run = |stage: &StageResult| stage.effective() == StageOutcome::NotRun;
    if any(&|stage| stage.effective() == StageOutcome::Failed) {
        QuickEnd::Failed
    } else if any(&|stage| not_run(stage) && stage.exit.is_none()) {
        QuickEnd::Cut
    } else if any(&not_run) {
        QuickEnd::Missing
    } else {
        QuickEnd::Passed
    }
}

/// What is to be run in the workspace of an attempt that ended as `report` says. Work that is not queued anyway, or that a
/// person must look at first, is not looked at.
#[must_use]
pub fn in_workspace(report: &SessionReport, unit: &UnitSpec) -> Option<PreQueueCheck> {
    if report.hold.is_some() {
        return None;
    }
    match classify(report, unit.run.is_some(), false) {
        AttemptClass::Changed => Some(PreQueueCheck::Quick),
        AttemptClass::NoOp if unit.accept.is_some() => Some(PreQueueCheck::Accept),
        _ => None,
    }
}

/// The class of an attempt by what ran in its workspace, when that stands in the way of what it would be otherwise.
pub(super) fn refused(quick: Option<&Quick>, changed: bool) -> Option<AttemptClass> {
    match quick?.end {
        QuickEnd::Passed => None,
        QuickEnd::Missing => Some(AttemptClass::Held),
        QuickEnd::Failed | QuickEnd::Cut if changed => Some(AttemptClass::FailedQuick),
        QuickEnd::Failed | QuickEnd::Cut => Some(AttemptClass::FailedWork),
    }
}

/// The question for a person when a command that judges work in the workspace is missing.
pub(super) fn missing(quick: &Quick, unit: &UnitSpec) -> String {
    format!(
        "a command that judges its work is missing, and not-run never counts as passed; install it, then `mc unit retry {}` \
         (a stage that is wrong needs a new mission): {}",
        unit.id,
        quick.note.trim()
    )
}

/// The lines of a unit that a verification of this role runs; none for the gate's own.
#[must_use]
pub fn extra_stages(role: VerifyRole, unit: &UnitSpec) -> Vec<UnitCheckStage> {
    let line = |name, run: &Option<String>| run.clone().map(|run| UnitCheckStage { name, run });
    let (verify, accept) = (line("verify", &unit.verify), line("accept", &unit.accept));
    match role {
        VerifyRole::Baseline
        | VerifyRole::Before
        | VerifyRole::After
        | VerifyRole::MovedGreen
        | VerifyRole::Cold
        | VerifyRole::ColdSearch => Vec::new(),
        VerifyRole::AcceptBefore => accept.into_iter().collect(),
        VerifyRole::Extra => verify.into_iter().chain(accept).collect(),
    }
}

/// The question for a person when `accept` does not fail on `green`, so that no agent is started; none when it does fail.
#[must_use]
pub fn not_started(unit: &UnitSpec, green: &CommitId, said: &Summary) -> Option<String> {
    let green = green.short();
    let why = match said.outcome {
        StageOutcome::Failed => return None,
        StageOutcome::Passed => format!(
            "`accept` passes on green at {green} before anything was done, so no agent was started: either the work is done \
             already, or the line does not show it"
        ),
        StageOutcome::NotRun => could_not_run(green, said.note.trim(), " and no agent was started"),
    };
    Some(format!(
        "{why}. To have it made all the same, `mc unit retry {}`: from then on `accept` only has to pass afterwards. Else \
         correct `accept` where the unit is written: a new mission takes it up",
        unit.id
    ))
}

fn could_not_run(green: &str, note: &str, so: &str) -> String {
    format!(
        "`accept` could not run on green at {green} ({note}), so nobody knows that it fails there{so}; a line such as \
         `test -e FILE && …` says no where the file is missing"
    )
}

/// What is said of a change of files that decide how changes are verified.
#[must_use]
pub fn deciding_note(paths: &[String]) -> String {
    format!("it changes what decides how changes are verified: {}", named(paths))
}

/// What is said of a change of files with tests that were there before.
#[must_use]
pub fn tests_note(paths: &[String]) -> String {
    format!("it edits existing tests: {}", named(paths))
}

/// The reason for refusing a change of protected paths.
pub(super) fn protected_reason(paths: &[String]) -> String {
    format!("it changes paths that target.verification.protect keeps as they are: {}", named(paths))
}

/// The reason for refusing a change that brings links out of its tree.
pub(super) fn links_reason(links: &[String]) -> String {
    format!("it has links that leave the tree, which queue.links refuses: {}", named(links))
}

/// What a person is told of such a change where it is not refused.
#[must_use]
pub fn links_note(links: &[String]) -> String {
    format!("it has links that leave the tree: {}", named(links))
}

fn named(paths: &[String]) -> String {
    name_first(paths, NAMED_PATHS)
}

impl State {
    pub(super) fn unit_of(&self, landing: &Landing) -> Option<&Unit> {
        match &landing.mr.source {
            MergeSource::Unit { unit, .. } => self.unit(unit),
            MergeSource::Intake | MergeSource::Books { .. } => None,
        }
    }

    /// The stages of a verification of this role in the landing in progress.
    pub(super) fn extras(&self, role: VerifyRole) -> Vec<UnitCheckStage> {
        let unit = self.landing().and_then(|l| self.unit_of(l));
        unit.map(|u| extra_stages(role, &u.spec)).unwrap_or_default()
    }

    /// Folds what `accept` of the unit at `i` said before an agent was, or would have been, started.
    pub(super) fn take_accept(&mut self, i: usize, report: &SessionReport) {
        let Some(accept) = &report.checks.accept else { return };
        self.verifications_run += u64::from(accept.runs);
        self.verifications_reused += u64::from(accept.runs == 0);
        if accept.doubts() {
            self.touch(i, Unit::accept_in_doubt);
        }
    }
}

impl Unit {
    /// Whether running it again would give what is refused now, which is so for scripts only: a refusal of the change itself meets
    /// it however often it is made, and one of what was verified where that was refused before, on the same green. Green may
    /// move, and what a test says may be chance, so the first one is no reason.
    pub(super) fn repeats(&self, landing: &Landing, class: RejectClass) -> bool {
        let verified = landing.trees();
        let same = verified.is_none() || verified == self.refused;
        self.spec.run.is_some() && class == RejectClass::Verification && same
    }

    /// Folds that its change was refused, with green and the merged tree where there was one.
    pub(super) fn was_refused(&mut self, trees: Option<[TreeId; 2]>, at: Millis) {
        self.used += 1;
        self.refused = trees;
        self.steps_back(at);
    }

    /// Folds that it was held because its `accept` shows nothing.
    pub(super) fn accept_in_doubt(&mut self) {
        self.must_fail = AcceptPrecondition::InDoubt;
    }

    /// Whether its `accept` has to fail on green before its change.
    pub(super) fn wants_failure_before(&self) -> bool {
        self.spec.accept.is_some() && self.must_fail != AcceptPrecondition::Waived
    }

    /// Folds a person's fresh start: after that question it is the answer that `accept` need not fail before.
    pub(super) fn accept_answered(&mut self) {
        if self.must_fail == AcceptPrecondition::InDoubt {
            self.must_fail = AcceptPrecondition::Waived;
        }
    }
}

impl Decision<'_> {
    /// Whether the landing may go on to the gate: `accept`, if the unit has one, is known to fail on green. Else asks for
    /// what is missing, or decides.
    pub(super) fn fails_before(&mut self, landing: &Landing) -> bool {
        let Some(unit) = self.state.unit_of(landing) else { return true };
        if !unit.wants_failure_before() {
            return true;
        }
        let Some(before) = self.accept_on_green(landing, StageOutcome::NotRun) else { return false };
        let onto = landing.onto.commit.short();
        let since = match unit_base(self.state, landing) {
            Some(base) if base != landing.onto.commit.short() => {
                format!("; the attempt began at {base}, so another change may have brought it meanwhile")
            }
            _ => String::new(),
        };
        let reason = match before.summary.outcome {
            StageOutcome::Failed => return true,
            StageOutcome::Passed => format!("`accept` passes on green at {onto} without this change{since}"),
            StageOutcome::NotRun => could_not_run(onto, before.summary.note.trim(), ""),
        };
        self.hold_landing(landing, reason);
        false
    }

    /// A change that green has already: it is a no-op, unless the unit's `accept` does not pass there. Until that is known
    /// green itself stands for the candidate.
    pub(super) fn already_there(&mut self, landing: &Landing) {
        if self.state.unit_of(landing).is_some_and(|u| u.spec.accept.is_some()) {
            if landing.candidate().is_none() {
                let (landing, candidate) = (landing.id, landing.onto.clone());
                self.note(Record::candidate(landing, candidate));
                return;
            }
            let Some(now) = self.accept_on_green(landing, StageOutcome::Failed) else { return };
            if now.summary.outcome != StageOutcome::Passed {
                let reason = format!("its change is already on green, and its `accept` does not pass there: {}", {
                    now.summary.note.trim()
                });
                self.reject(landing, RejectClass::Verification, vec![reason]);
                return;
            }
        }
        let (mr, source) = (landing.mr.id, landing.mr.source.clone());
        self.note(Record::MergeEmpty { landing: landing.id, mr, source, at: self.now });
    }

    /// What `accept` says of green; asked for when it is not known. An outcome from `doubted` down is confirmed first.
    fn accept_on_green(&mut self, landing: &Landing, doubted: StageOutcome) -> Option<Extra> {
        let (role, tip) = (VerifyRole::AcceptBefore, landing.onto.clone());
        match landing.accept_before() {
            None => self.verify(tip, role, None, Again::First),
            Some(before) => {
                let outcome = before.summary.outcome;
                let doubtful = outcome == StageOutcome::NotRun || outcome == doubted;
                match self.once_more(&before.key, before.confirmed, before.warm) {
                    Some(again) if doubtful => self.verify(tip, role, None, again),
                    _ => return Some(before.clone()),
                }
            }
        }
        None
    }

    /// Whether the unit's own lines pass on the candidate; else asks for what is missing, or refuses.
    pub(super) fn passes_after(&mut self, landing: &Landing, candidate: &Tip) -> bool {
        if self.state.extras(VerifyRole::Extra).is_empty() {
            return true;
        }
        let Some(extra) = landing.extra() else {
            self.verify(candidate.clone(), VerifyRole::Extra, None, Again::First);
            return false;
        };
        let what = match extra.summary.outcome {
            StageOutcome::Passed => return true,
            StageOutcome::Failed => "does not pass on the merged tree",
            StageOutcome::NotRun => "could not run on the merged tree, which never counts as passed",
        };
        if let Some(again) = self.once_more(&extra.key, extra.confirmed, extra.warm) {
            self.verify(candidate.clone(), VerifyRole::Extra, None, again);
        } else {
            let reason = format!("what this unit must show {what}: {}", extra.summary.note.trim());
            self.reject(landing, RejectClass::Verification, vec![reason]);
        }
        false
    }

    /// One line on what a landing showed beyond the gate, if anything.
    pub(super) fn shown(&self, landing: &Landing) -> Option<String> {
        landing.extra()?;
        let before = match landing.accept_before() {
            Some(before) if before.summary.outcome == StageOutcome::Failed => " (failed before)",
            _ => "",
        };
        let lines: Vec<String> = self
            .state
            .extras(VerifyRole::Extra)
            .iter()
            .map(|stage| format!("`{}`{}", stage.name, if stage.name == "accept" { before } else { "" }))
            .collect();
        Some(format!("its own {} passed", lines.join(" and ")))
    }

    /// Takes a request out of the queue for a person to decide: its change was not shown to be wrong, and another attempt
    /// would not show more.
    fn hold_landing(&mut self, landing: &Landing, reason: String) {
        let Some(unit) = self.state.unit_of(landing) else { return };
        let question = format!(
            "{reason}. So it does not show that the change did it. To land it all the same, `mc unit retry {}`: from then \
             on `accept` only has to pass afterwards. Else correct `accept` where the unit is written: a new mission takes it up",
            unit.spec.id
        );
        let next = NextMove::Hold { question: question.clone(), own_work: unit.spec.run.is_none() };
        self.note(Record::Rejected {
            landing: landing.id,
            mr: landing.mr.id,
            source: landing.mr.source.clone(),
            at: self.now,
            class: RejectClass::Unproven,
            reasons: vec![question],
            next,
            files: Vec::new(),
        });
    }
}

/// Short name of green as it was when the attempt behind a landing began.
fn unit_base<'s>(state: &'s State, landing: &Landing) -> Option<&'s str> {
    let MergeSource::Unit { unit, n } = &landing.mr.source else { return None };
    state.unit(unit)?.attempts.iter().find(|a| a.n == *n).map(|a| a.green.short())
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
