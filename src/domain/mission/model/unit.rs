//! A unit of work in a mission and its attempts: plain values. How they change is told by the folds of [`super::super::state`].

use super::outcome::{AttemptClass, RejectClass};
use super::report::{Quick, SessionReport};
use super::said::Said;
use super::turn::{FILES, Turn};
use crate::domain::queue::Landing;
use crate::domain::unit::UnitSpec;
use crate::domain::values::{CommitId, Millis, SessionId, SlotId, Tip, TreeId, UnitId};
use crate::domain::verify::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use strum::{IntoStaticStr, VariantArray};

impl Unit {
    /// Folds that the journal has a stop of its open attempt.
    pub(in crate::domain::mission) fn stop_recorded(&mut self) {
        if let Some(open) = self.attempts.last_mut().filter(|attempt| attempt.ended.is_none()) {
            open.stop_recorded = true;
        }
    }

    /// Whether the journal has a stop of its newest attempt.
    pub(in crate::domain::mission) fn has_recorded_stop(&self) -> bool {
        self.attempts.last().is_some_and(|attempt| attempt.stop_recorded)
    }
}

/// What has been told of a unit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorded {
    /// The state that was last asked to be written.
    pub(in crate::domain::mission) asked: Option<UnitState>,
    /// The mark that is on green.
    pub(in crate::domain::mission) mark: Option<String>,
}

impl Unit {
    /// Whether running it again would give what is refused now, which is so for scripts only: a refusal of the change itself meets
    /// it however often it is made, and one of what was verified where that was refused before, on the same green. Green may
    /// move, and what a test says may be chance, so the first one is no reason.
    pub(in crate::domain::mission) fn would_repeat(&self, landing: &Landing, class: RejectClass) -> bool {
        let verified = landing.trees();
        let same = verified.is_none() || verified == self.refused;
        self.spec.run.is_some() && class == RejectClass::Verification && same
    }

    /// Folds that its change was refused, with green and the merged tree where there was one.
    pub(in crate::domain::mission) fn was_refused(&mut self, trees: Option<[TreeId; 2]>, at: Millis) {
        self.used += 1;
        self.refused = trees;
        self.steps_back(at);
    }

    /// Folds that it was held because its `accept` shows nothing.
    pub(in crate::domain::mission) fn accept_in_doubt(&mut self) {
        self.must_fail = AcceptPrecondition::InDoubt;
    }

    /// Whether its `accept` has to fail on green before its change.
    pub(in crate::domain::mission) fn wants_failure_before(&self) -> bool {
        self.spec.accept.is_some() && self.must_fail != AcceptPrecondition::Waived
    }

    /// Folds a person's fresh start: after that question it is the answer that `accept` need not fail before.
    pub(in crate::domain::mission) fn accept_answered(&mut self) {
        if self.must_fail == AcceptPrecondition::InDoubt {
            self.must_fail = AcceptPrecondition::Waived;
        }
    }
}

/// The states of a unit, in the order reports use; at every instant each unit has exactly one (P9).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the vocabulary of the design")]
pub enum UnitState {
    Pending,
    Running,
    Queued,
    Held,
    Blocked,
    Landed,
    NoOp,
    Rejected,
    Failed,
    Cancelled,
    Skipped,
    RolledBack,
}

impl UnitState {
    /// All states.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The name used in every output.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether dependants may start.
    pub fn is_satisfied(self) -> bool {
        matches!(self, Self::Landed | Self::NoOp)
    }

    /// Whether nothing more happens to the unit by itself.
    pub fn terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::Running | Self::Queued | Self::Held)
    }

    /// Whether dependants are blocked for good.
    pub fn blocks(self) -> bool {
        self.terminal() && !self.is_satisfied()
    }
}

/// One start of one unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The session that it is.
    pub session: SessionId,
    /// Number among those of its unit, from 1: for people and refs.
    pub n: u32,
    /// The slot it ran in.
    pub slot: SlotId,
    /// When the intent was recorded.
    pub started: Millis,
    /// When its outcome was recorded.
    pub ended: Option<Millis>,
    /// Green when it was made.
    pub green: CommitId,
    /// Commit it started from.
    pub from: CommitId,
    /// Its outcome.
    pub class: Option<AttemptClass>,
    /// What was found when it had ended.
    pub report: Option<Arc<SessionReport>>,
    /// Whether its head is known to be pinned no more: somebody deleted the pin and its commit, or `mc clean` took it.
    pub unpinned: bool,
    /// Whether the journal has a stop that kills it.
    pub(in crate::domain::mission) stop_recorded: bool,
}

impl Attempt {
    /// One that starts.
    pub(in crate::domain::mission) fn new(
        session: SessionId,
        n: u32,
        slot: SlotId,
        started: Millis,
        green: &CommitId,
        from: &CommitId,
    ) -> Self {
        let (green, from) = (green.clone(), from.clone());
        let (ended, class, report, unpinned, stop_recorded) = (None, None, None, false, false);
        Self { session, n, slot, started, ended, green, from, class, report, unpinned, stop_recorded }
    }

    /// Its pinned head.
    pub fn head(&self) -> Option<&Tip> {
        self.report.as_ref()?.work.head.as_ref()
    }

    /// Summary, question or reason. Untrusted.
    pub fn summary(&self) -> &str {
        self.report.as_ref().map_or("", |report| &report.agent.summary)
    }

    /// What else the agent said. Untrusted.
    pub fn details(&self) -> &Said {
        self.report.as_ref().map_or(Said::NOTHING, |report| &report.agent.said)
    }

    /// What a person should know.
    pub fn warnings(&self) -> &[String] {
        self.report.as_ref().map_or(&[], |report| &report.notes)
    }

    /// How the end of its processes was proven; empty where it was not.
    pub fn proof(&self) -> &str {
        self.report.as_ref().map_or("", |report| &report.run.proof)
    }

    /// What the stages run in its workspace said.
    pub fn quick_result(&self) -> Option<&Quick> {
        self.report.as_ref()?.checks.quick.as_ref()
    }
}

/// Whether the `accept` line of a unit must fail on green before its change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AcceptPrecondition {
    /// It must.
    #[default]
    Wanted,
    /// It was not shown to fail, and a person was asked.
    InDoubt,
    /// A person said to go on.
    Waived,
}

/// A unit and all that happened to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// What was asked.
    pub spec: Arc<UnitSpec>,
    /// Where it stands.
    pub state: UnitState,
    /// Round it was planned in, from 1.
    pub round: u32,
    /// Wave of that round, from 0.
    pub wave: u32,
    /// Its attempts, append-only.
    pub attempts: Vec<Attempt>,
    /// Attempts that count against the budget.
    pub used: u32,
    /// Infrastructure failures of its own so far.
    pub infra: u32,
    /// Circuits that closed again although it had failed in them, and failures that were forgiven because their host was left out.
    pub spared: u32,
    /// Conflicts at landing so far.
    pub conflicts: u32,
    /// Continuations so far.
    pub continues: u32,
    /// Starts so far that count against their cap.
    pub starts: u32,
    /// Why it is where it is. Untrusted.
    pub reason: String,
    /// The unit whose end blocked it.
    pub blocked_by: Option<UnitId>,
    /// Its landing commit.
    pub landed: Option<Tip>,
    /// Verdict of its landing.
    pub verdict: Option<Verdict>,
    /// What later attempts must know, newest last.
    pub evidence: Vec<String>,
    pub(in crate::domain::mission) known: Recorded,
    pub(in crate::domain::mission) must_fail: AcceptPrecondition,
    pub(in crate::domain::mission) turn: Option<Turn>,
    pub(in crate::domain::mission) not_before: Millis,
    /// When its last attempt, which has ended and keeps its slot, may be collected again.
    pub(in crate::domain::mission) collect_at: Option<Millis>,
    pub(in crate::domain::mission) own_work: Option<CommitId>,
    /// Green and the merged tree of its change that was refused last.
    pub(in crate::domain::mission) refused: Option<[TreeId; 2]>,
    /// What it asks of a host, as a number; absent where no host has its labels.
    pub(in crate::domain::mission) demand: Option<usize>,
    pub(in crate::domain::mission) unmet: u32,
    pub(in crate::domain::mission) dependants: Vec<usize>,
}

/// Conflicts of a unit from which on it gets a turn.
const AFTER: u32 = 2;

impl Unit {
    /// The slot of its attempt that has ended and could not be collected yet.
    pub(in crate::domain::mission) fn uncollected_slot(&self) -> Option<&SlotId> {
        self.collect_at.and(self.attempts.last()).map(|attempt| &attempt.slot)
    }

    /// Folds a conflict in these files.
    pub(in crate::domain::mission) fn lost_in(&mut self, files: &[String], at: Millis) {
        self.conflicts += 1;
        if self.conflicts < AFTER || files.is_empty() {
            return;
        }
        let turn = self.turn.get_or_insert_with(|| Turn { since: at, files: BTreeSet::new() });
        turn.files.extend(files.iter().cloned());
        while turn.files.len() > FILES {
            turn.files.pop_last();
        }
    }

    /// Folds that its attempt, or the landing of its change, came to nothing: others that wait go first.
    pub(in crate::domain::mission) fn steps_back(&mut self, at: Millis) {
        if let Some(turn) = &mut self.turn {
            turn.since = at;
        }
    }

    /// The files it has a turn for.
    pub fn turn_files(&self) -> Option<&BTreeSet<String>> {
        self.turn.as_ref().map(|turn| &turn.files)
    }

    /// Whether nobody else may change the files of its turn just now.
    pub(in crate::domain::mission) fn holds_turn(&self) -> bool {
        let works = matches!(self.state, UnitState::Running | UnitState::Queued) || self.collect_at.is_some();
        self.turn.is_some() && works
    }

    /// Where it stands among those that wait for their turn to begin; none for a unit that has none.
    pub(in crate::domain::mission) fn turn_since(&self) -> Option<Millis> {
        self.turn.as_ref().map(|turn| turn.since)
    }
}
