//! The state of a mission: the fold of its journal, with the questions that rules and views ask of it.
//!
//! Nothing here changes a field except through [`super::fold`]; counters, the ready set and the number of active units
//! are kept by one function ([`State::touch`]) so that a decision costs the same for ten units and ten thousand.

use super::command::MergeSource;
use super::event::{Ground, StopLevel};
use super::policy::Policy;
use super::record::{AttemptClass, EndReason, MissionOutcome, VerifyRole};
use crate::domain::unit::UnitSpec;
use crate::domain::values::{CommitId, Millis, MissionId, Tip, UnitId};
use crate::domain::verify::{Delta, SnapshotKey, Summary, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The states of a unit; at every instant each unit has exactly one (P9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// All states in the order reports use.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Running,
        Self::Queued,
        Self::Held,
        Self::Blocked,
        Self::Landed,
        Self::NoOp,
        Self::Rejected,
        Self::Failed,
        Self::Cancelled,
        Self::Skipped,
        Self::RolledBack,
    ];

    /// The name used in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Blocked => "blocked",
            Self::Landed => "landed",
            Self::NoOp => "no-op",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::RolledBack => "rolled-back",
        }
    }

    /// Whether dependants may start.
    #[must_use]
    pub fn satisfies(self) -> bool {
        matches!(self, Self::Landed | Self::NoOp)
    }

    /// Whether nothing more happens to the unit by itself.
    #[must_use]
    pub fn terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::Running | Self::Queued | Self::Held)
    }

    /// Whether dependants are blocked for good.
    #[must_use]
    pub fn blocks(self) -> bool {
        self.terminal() && !self.satisfies()
    }
}

/// One start of one unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Number, from 1.
    pub n: u32,
    /// Slot of the pool.
    pub slot: u32,
    /// Host it ran on.
    pub host: String,
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
    /// Its pinned head.
    pub head: Option<Tip>,
    /// Summary, question or reason. Untrusted.
    pub summary: String,
    /// What a person should know.
    pub notes: Vec<String>,
    /// How the end of its processes was proven.
    pub proof: String,
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
    /// Infrastructure failures so far.
    pub infra: u32,
    /// Conflicts at landing so far.
    pub conflicts: u32,
    /// Continuations so far.
    pub continues: u32,
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
    pub(super) not_before: Millis,
    pub(super) own_work: Option<CommitId>,
    pub(super) unmet: u32,
    pub(super) dependants: Vec<usize>,
}

/// One round.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// Number, from 1.
    pub index: u32,
    /// When it began.
    pub opened: Millis,
    /// When it was evaluated.
    pub closed: Option<Millis>,
    /// Its waves as indices into [`State::units`].
    pub waves: Vec<Vec<usize>>,
    /// Units landed in it.
    pub landed: u32,
    /// Units of the plan source left for later rounds.
    pub left_over: u32,
    /// Whether the objective's check passed at its end.
    pub objective: Option<bool>,
    /// Green at the opening of each wave.
    pub bases: Vec<CommitId>,
    pub(super) took_target: bool,
}

/// A change waiting to land.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeRequest {
    /// Number.
    pub id: u64,
    /// Whose change it is.
    pub source: MergeSource,
    /// What to merge.
    pub head: Tip,
    /// When it entered the queue.
    pub arrived: Millis,
    /// Position key: smaller lands earlier.
    pub order: u64,
}

/// The one landing in progress: a step machine whose next step follows from what is filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Landing {
    /// The request.
    pub mr: MergeRequest,
    /// Fencing token of this try.
    pub token: u64,
    /// Green it is made on.
    pub onto: Tip,
    /// The merged commit.
    pub candidate: Option<Tip>,
    /// Snapshot of the candidate.
    pub after: Option<After>,
    /// Whether moving green is journaled as intended.
    pub intended: Option<Verdict>,
    /// Whether git is at work on it now.
    pub in_flight: bool,
    pub(super) again_at: Millis,
}

/// What verifying a candidate gave.
#[derive(Debug, Clone, PartialEq)]
pub struct After {
    /// Snapshot key.
    pub key: SnapshotKey,
    /// Summary.
    pub summary: Summary,
    /// Difference to green.
    pub delta: Delta,
    /// Whether this is the second run of the tree.
    pub confirmed: bool,
}

/// The verification in progress.
#[derive(Debug, Clone, PartialEq)]
pub struct Verifying {
    /// Number.
    pub run: u64,
    /// Tree and commit.
    pub tip: Tip,
    /// What for.
    pub role: VerifyRole,
    /// Snapshot to compare with.
    pub against: Option<SnapshotKey>,
    /// Snapshot it confirms.
    pub confirms: Option<SnapshotKey>,
    /// When it was asked.
    pub started: Millis,
}

/// Green as the mission knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Green {
    /// Where it stands.
    pub tip: Tip,
    /// Its snapshot, when it was verified.
    pub snapshot: Option<(SnapshotKey, Summary)>,
    /// Whether a failing snapshot was confirmed by a second run.
    pub confirmed: bool,
}

/// What the mission waits for outside of units and landings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "one word per step of design section 12")]
pub enum Stage {
    Preflight,
    Baseline,
    Establishing,
    CheckingTarget,
    Intake,
    Reading,
    Working,
    Evaluating,
    BetweenRounds,
    Over,
}

/// State of the mission as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the vocabulary of the design")]
pub enum MissionState {
    Starting,
    Running,
    Paused,
    Waiting,
    Stopping,
    Ended,
}

/// The whole mission.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "names of the design; units in the types")]
pub struct State {
    pub mission: MissionId,
    pub objective: String,
    pub policy: Policy,
    pub plan: Option<Arc<Vec<UnitSpec>>>,
    pub settings: serde_json::Value,
    pub started: Millis,
    pub ended: Option<Millis>,
    pub stage: Stage,
    pub paused: bool,
    pub stop: Option<(StopLevel, EndReason)>,
    pub waiting: bool,
    pub suspended: bool,
    pub hold: Option<(String, String)>,
    pub outcome: Option<(MissionOutcome, String, u8)>,
    pub ground: Option<Ground>,
    pub green: Option<Green>,
    pub units: Vec<Unit>,
    pub rounds: Vec<Round>,
    pub landing: Option<Landing>,
    pub verifying: Option<Verifying>,
    pub verifications_run: u64,
    pub verifications_reused: u64,
    pub landings: u64,
    pub problems: Vec<String>,
    pub(super) emptied: bool,
    pub(super) unreadable: bool,
    pub(super) queue: BTreeMap<(u64, u64), MergeRequest>,
    pub(super) index: BTreeMap<UnitId, usize>,
    pub(super) counts: [u32; 12],
    pub(super) ready: BTreeSet<(u32, usize)>,
    pub(super) delayed: BTreeSet<(Millis, usize)>,
    pub(super) active: u32,
    pub(super) opened: Option<(u32, u32)>,
    pub(super) slots: Vec<Option<usize>>,
    pub(super) next_mr: u64,
    pub(super) next_token: u64,
    pub(super) next_run: u64,
    pub(super) step_failures: u32,
    pub(super) base_again_at: Millis,
    pub(super) infra_in_row: u32,
    pub(super) attached: bool,
}

impl State {
    /// The unit of this id.
    #[must_use]
    pub fn unit(&self, id: &UnitId) -> Option<&Unit> {
        self.index.get(id).map(|i| &self.units[*i])
    }

    /// Units in one state.
    #[must_use]
    pub fn count(&self, state: UnitState) -> u32 {
        self.counts[state as usize]
    }

    /// Merge requests waiting, in landing order.
    pub fn queue(&self) -> impl Iterator<Item = &MergeRequest> {
        self.queue.values()
    }

    /// Attempts that run now, with their unit.
    pub fn running(&self) -> impl Iterator<Item = (&Unit, &Attempt)> {
        self.slots.iter().flatten().filter_map(|i| Some((&self.units[*i], self.units[*i].attempts.last()?)))
    }

    /// Whether the mission is over.
    #[must_use]
    pub fn over(&self) -> bool {
        self.outcome.is_some()
    }

    /// State of the mission as people see it.
    #[must_use]
    pub fn mission_state(&self) -> MissionState {
        if self.over() {
            MissionState::Ended
        } else if self.stop.is_some() {
            MissionState::Stopping
        } else if self.paused || self.hold.is_some() {
            MissionState::Paused
        } else if self.waiting {
            MissionState::Waiting
        } else if matches!(self.stage, Stage::Preflight | Stage::Baseline | Stage::Establishing) {
            MissionState::Starting
        } else {
            MissionState::Running
        }
    }

    /// The earliest time at which a [`super::Event::Tick`] would lead to something; absent when only events can.
    #[must_use]
    pub fn next_wake(&self) -> Option<Millis> {
        if self.over() || self.suspended || !self.attached {
            return None;
        }
        let mut times = Vec::new();
        if self.stop.is_none_or(|(level, _)| level == StopLevel::Drain) && self.policy.max_wall_time > 0 {
            times.push(self.started + self.policy.max_wall_time);
        }
        if self.may_dispatch() && self.free_slot().is_some() {
            times.extend(self.delayed.first().map(|(at, _)| *at));
        }
        if let Some(landing) = &self.landing
            && !landing.in_flight
            && self.verifying.is_none()
            && self.may_land()
        {
            times.push(landing.again_at);
        }
        if self.stage == Stage::Baseline && self.verifying.is_none() {
            times.push(self.base_again_at);
        }
        if self.stage == Stage::BetweenRounds
            && !self.paused
            && self.hold.is_none()
            && let Some(closed) = self.rounds.last().and_then(|r| r.closed)
        {
            times.push(closed + self.policy.cooldown);
        }
        times.into_iter().min()
    }

    /// Whether new attempts may start.
    pub(super) fn may_dispatch(&self) -> bool {
        self.stage == Stage::Working && !self.paused && self.stop.is_none() && self.hold.is_none()
    }

    /// Whether a landing may start or go on to its next step.
    pub(super) fn may_land(&self) -> bool {
        !self.paused && self.hold.is_none() && self.stop.is_none_or(|(level, _)| level == StopLevel::Drain)
    }

    pub(super) fn free_slot(&self) -> Option<u32> {
        self.slots.iter().position(Option::is_none).and_then(|p| u32::try_from(p).ok())
    }

    pub(super) fn idle(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    /// Whether the unit's wave has opened.
    fn opened(&self, unit: &Unit) -> bool {
        self.opened.is_some_and(|opened| (unit.round, unit.wave) <= opened)
    }

    fn dispatchable(&self, i: usize) -> bool {
        let unit = &self.units[i];
        unit.state == UnitState::Pending && unit.unmet == 0 && self.opened(unit)
    }

    fn holds_wave(&self, i: usize) -> bool {
        let unit = &self.units[i];
        match unit.state {
            UnitState::Pending => self.dispatchable(i),
            UnitState::Running | UnitState::Queued => self.opened(unit),
            _ => false,
        }
    }

    /// The one door to a unit's fields: changes it and keeps counters and sets true.
    pub(super) fn touch(&mut self, i: usize, change: impl FnOnce(&mut Unit)) {
        self.forget(i);
        self.counts[self.units[i].state as usize] -= 1;
        let satisfied = self.units[i].state.satisfies();
        change(&mut self.units[i]);
        self.counts[self.units[i].state as usize] += 1;
        self.remember(i);
        let now = self.units[i].state.satisfies();
        if satisfied != now {
            for d in self.units[i].dependants.clone() {
                self.forget(d);
                let unmet = &mut self.units[d].unmet;
                *unmet = if now { unmet.saturating_sub(1) } else { *unmet + 1 };
                self.remember(d);
            }
        }
    }

    /// Takes a unit out of the derived sets; pairs with [`State::remember`].
    pub(super) fn forget(&mut self, i: usize) {
        if self.holds_wave(i) {
            self.active -= 1;
        }
        if self.dispatchable(i) {
            self.ready.remove(&(self.units[i].spec.priority, i));
            self.delayed.remove(&(self.units[i].not_before, i));
        }
    }

    /// Puts a unit into the derived sets it belongs to now.
    pub(super) fn remember(&mut self, i: usize) {
        if self.holds_wave(i) {
            self.active += 1;
        }
        if self.dispatchable(i) {
            match self.units[i].not_before {
                0 => self.ready.insert((self.units[i].spec.priority, i)),
                at => self.delayed.insert((at, i)),
            };
        }
    }

    /// The unit to start next: by priority, then plan order, among those whose time has come.
    pub(super) fn next_ready(&self, now: Millis) -> Option<usize> {
        let due = self.delayed.range(..=(now, usize::MAX)).map(|(_, i)| (self.units[*i].spec.priority, *i)).min();
        self.ready.first().copied().into_iter().chain(due).min().map(|(_, i)| i)
    }

    /// Whether every unit known at this time ended well.
    #[must_use]
    pub fn all_done(&self) -> bool {
        self.units.iter().all(|u| u.state.satisfies()) && self.rounds.last().is_none_or(|r| r.left_over == 0)
    }
}

/// Questions of the simulator.
impl State {
    /// A unit that could start now and does not (P10).
    #[must_use]
    pub fn ready_but_not_started(&self, now: Millis) -> Option<&UnitId> {
        if !self.attached || self.suspended || self.over() || !self.may_dispatch() {
            return None;
        }
        self.free_slot()?;
        self.next_ready(now).map(|i| &self.units[i].spec.id)
    }

    /// Whether two states are the same but for which engine holds them (P14).
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let (mut a, mut b) = (self.clone(), other.clone());
        (a.attached, b.attached) = (true, true);
        a == b
    }
}
