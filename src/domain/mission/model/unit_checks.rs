//! The lines a unit brings to be checked by, what runs in its workspace before it queues, and what is said of them.

use super::report::{Quick, QuickEnd};
use crate::domain::base::text::name_first;
use crate::domain::queue::VerifyRole;
use crate::domain::unit::UnitSpec;
use crate::domain::values::CommitId;
use crate::domain::verify::model::snapshot::StageResult;
use crate::domain::verify::{StageOutcome, Summary};

/// Why a script is not run again although it has attempts left.
pub(in crate::domain::mission) const SAME_AGAIN: &str =
    "its script made the same change again, on the same green: it is not run any more";

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
pub fn quick_end(stages: &[StageResult]) -> QuickEnd {
    let any = |wanted: &dyn Fn(&StageResult) -> bool| stages.iter().any(wanted);
    let not_run = |stage: &StageResult| stage.effective_outcome() == StageOutcome::NotRun;
    if any(&|stage| stage.effective_outcome() == StageOutcome::Failed) {
        QuickEnd::Failed
    } else if any(&|stage| not_run(stage) && stage.exit.is_none()) {
        QuickEnd::Cut
    } else if any(&not_run) {
        QuickEnd::Missing
    } else {
        QuickEnd::Passed
    }
}

/// The question for a person when a command that judges work in the workspace is missing.
pub(in crate::domain::mission) fn missing_command_question(quick: &Quick, unit: &UnitSpec) -> String {
    format!(
        "a command that judges its work is missing, and not-run never counts as passed; install it, then `mc unit retry {}` \
         (a stage that is wrong needs a new mission): {}",
        unit.id,
        quick.note.trim()
    )
}

/// The lines of a unit that a verification of this role runs; none for the gate's own.
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
        VerifyRole::UnitChecks => verify.into_iter().chain(accept).collect(),
    }
}

/// The question for a person when `accept` does not fail on `green`, so that no agent is started; none when it does fail.
pub fn not_started(unit: &UnitSpec, green: &CommitId, said: &Summary) -> Option<String> {
    let green = green.short_id();
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

pub(in crate::domain::mission) fn could_not_run(green: &str, note: &str, so: &str) -> String {
    format!(
        "`accept` could not run on green at {green} ({note}), so nobody knows that it fails there{so}; a line such as \
         `test -e FILE && …` says no where the file is missing"
    )
}

/// What is said of a change of files that decide how changes are verified.
pub fn deciding_note(paths: &[String]) -> String {
    format!("it changes what decides how changes are verified: {}", list_paths(paths))
}

/// What is said of a change of files with tests that were there before.
pub fn tests_note(paths: &[String]) -> String {
    format!("it edits existing tests: {}", list_paths(paths))
}

/// The reason for refusing a change of protected paths.
pub(in crate::domain::mission) fn protected_reason(paths: &[String]) -> String {
    format!("it changes paths that target.verification.protect keeps as they are: {}", list_paths(paths))
}

/// The reason for refusing a change that brings links out of its tree.
pub(in crate::domain::mission) fn links_reason(links: &[String]) -> String {
    format!("it has links that leave the tree, which queue.links refuses: {}", list_paths(links))
}

/// What a person is told of such a change where it is not refused.
pub fn links_note(links: &[String]) -> String {
    format!("it has links that leave the tree: {}", list_paths(links))
}

fn list_paths(paths: &[String]) -> String {
    name_first(paths, NAMED_PATHS)
}
