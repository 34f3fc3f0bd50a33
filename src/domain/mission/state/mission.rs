//! The state of a mission: the fold of its journal, with the questions that rules and views ask of it.
//!
//! Nothing here changes a field except through [`super::fold`]; counters, the ready set and the number of active units
//! are kept by one function (`State::update_unit`) so that a decision costs the same for ten units and ten thousand.

use super::hosts::Hosts;
use super::ready::ReadyUnits;
use crate::domain::backlog::SkippedItem;
use crate::domain::mission::model::access::AgentAccess;
use crate::domain::mission::model::circuit::{Sighting, Try};
use crate::domain::mission::model::session::Sessions;
use crate::domain::mission::model::{
    AcceptPrecondition, Account, Attempt, Baseline, Bookkeeping, Circuit, Clock, EndReason, MissionOutcome,
    MissionState, Policy, RefusedTarget, Round, Stage, StopLevel, Unit, UnitState,
};
use crate::domain::mission::protocol::record::DecidedBy;
use crate::domain::queue::{ColdRuns, Green, Landing, MergeRequest, MergeSource, Queue, VerificationRun};
use crate::domain::trouble::Cause;
use crate::domain::unit::UnitSpec;
use crate::domain::values::{CommitId, HostId, LandingId, Millis, MissionId, RunId, SlotId, UnitId};
use crate::domain::verify::Summary;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The whole mission.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "names of the design; units in the types")]
pub struct State {
    /// Whose rules decided it until now.
    pub decided_by: DecidedBy,
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
    /// The common cause that the mission is suspended for.
    pub suspended_by: Option<Cause>,
    pub hold: Option<(String, String)>,
    /// The exit code that goes with the hold.
    pub hold_code: u8,
    pub outcome: Option<(MissionOutcome, String, u8)>,
    pub baseline: Option<Baseline>,
    /// What changed in the user's repository while the mission ran, one sentence each.
    pub repository: Vec<String>,
    /// Landings that changed what decides how changes are verified: whose, where green stood then, and the files.
    pub decided: Vec<(MergeSource, CommitId, Vec<String>)>,
    pub units: Vec<Unit>,
    pub rounds: Vec<Round>,
    pub verifications_run: u64,
    pub verifications_reused: u64,
    /// Landings that green has.
    pub landed: u64,
    pub problems: Vec<String>,
    /// What the newest plan skipped.
    pub skipped: Vec<SkippedItem>,
    /// The target branch as this round saw it, when it was refused.
    pub refused_target: Option<RefusedTarget>,
    pub account: Account,
    /// What is to be written about a round, while that is in the queue.
    pub bookkeeping: Option<Arc<Bookkeeping>>,
    pub(in crate::domain::mission) bookkeeping_refused: bool,
    /// Whether this engine has begun to write the last bookkeeping of an early end; it tries once.
    pub(in crate::domain::mission) closed: bool,
    pub(in crate::domain::mission) clock: Clock,
    /// Whether agents can work.
    pub access: AgentAccess,
    pub(in crate::domain::mission) emptied: bool,
    pub(in crate::domain::mission) unreadable: bool,
    pub(in crate::domain::mission) queue: Queue,
    pub(in crate::domain::mission) sessions: Sessions,
    pub(in crate::domain::mission) index: BTreeMap<UnitId, usize>,
    pub(in crate::domain::mission) counts: [u32; 12],
    pub(in crate::domain::mission) ready: ReadyUnits,
    /// Units that have a turn for files, the oldest first.
    pub(in crate::domain::mission) turns: BTreeSet<(Millis, usize)>,
    pub(in crate::domain::mission) active: u32,
    pub(in crate::domain::mission) opened: Option<(u32, u32)>,
    pub(in crate::domain::mission) hosts: Hosts,
    /// Units whose attempt has ended and could not be collected yet, by their slots.
    pub(in crate::domain::mission) uncollected: BTreeMap<SlotId, usize>,
    /// Failures in a row of what a round asks.
    pub(in crate::domain::mission) stage_failures: u32,
    /// When the question of the round's step that met trouble may be asked again.
    pub(in crate::domain::mission) stage_again_at: Option<Millis>,
    pub(in crate::domain::mission) sightings: Vec<Sighting>,
    pub(in crate::domain::mission) circuit: Option<Circuit>,
    /// Whether the round's checkpoint and the objective's check are under way.
    pub(in crate::domain::mission) checking: bool,
    /// Where the objective's check runs, or ran last.
    pub(in crate::domain::mission) checked_on: HostId,
    pub(in crate::domain::mission) attached: bool,
    /// Units a person gave up whose attempt or merge has not ended yet.
    pub(in crate::domain::mission) cancelling: BTreeSet<UnitId>,
}

impl State {
    /// The unit of this id.
    pub fn unit(&self, id: &UnitId) -> Option<&Unit> {
        self.index.get(id).map(|i| &self.units[*i])
    }

    /// Units in one state.
    pub fn count(&self, state: UnitState) -> u32 {
        self.counts[state as usize]
    }

    /// The hosts, and how each stands.
    pub const fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Merge requests waiting, in landing order.
    pub fn queue(&self) -> impl Iterator<Item = &MergeRequest> {
        self.queue.waiting_requests()
    }

    /// Green where it stands, once that is known.
    pub const fn green(&self) -> Option<&Green> {
        self.queue.green().now.as_ref()
    }

    /// Landings on warm results, and what cold runs said of them.
    pub const fn cold_runs(&self) -> &ColdRuns {
        &self.queue.green().cold
    }

    /// What a change is compared with: `before`, and what is known to be flaky of trees that green had.
    pub fn with_flaky(&self, before: Summary) -> Summary {
        self.queue.green().with_flaky(before)
    }

    /// The landing in progress: the queue lands one request after the other.
    pub fn landing(&self) -> Option<&Landing> {
        self.queue.landings().next()
    }

    /// The open landing of this id.
    pub fn landing_by(&self, id: LandingId) -> Option<&Landing> {
        self.queue.landing(id)
    }

    /// The open verification of this id.
    pub fn run_by(&self, id: RunId) -> Option<&VerificationRun> {
        self.queue.run(id)
    }

    /// The verification in progress: one at a time.
    pub fn current_verification(&self) -> Option<&VerificationRun> {
        self.queue.runs().next()
    }

    /// Every open verification.
    pub fn verifications(&self) -> impl Iterator<Item = &VerificationRun> {
        self.queue.runs()
    }

    /// Attempts that run now, with their unit.
    pub fn running_attempts(&self) -> impl Iterator<Item = (&Unit, &Attempt)> {
        let at_work = self.hosts.slots().occupants().map(|i| &self.units[i]).filter(|u| u.state == UnitState::Running);
        at_work.filter_map(|unit| Some((unit, unit.attempts.last()?)))
    }

    /// Whether the mission is over.
    pub fn is_over(&self) -> bool {
        self.outcome.is_some()
    }

    /// Whether the mission is on its way to an end that a resume does not take back.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_some_and(|(level, _)| level != StopLevel::Interrupt)
    }

    /// State of the mission as people see it.
    pub fn mission_state(&self) -> MissionState {
        if self.is_over() {
            MissionState::Ended
        } else if self.suspended_by.is_some() {
            MissionState::Suspended
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

    /// The earliest time at which a [`Event::Tick`](crate::domain::mission::Event::Tick) would lead to something; absent when only events can.
    pub fn next_wake(&self) -> Option<Millis> {
        if self.is_over() || self.suspended || !self.attached {
            return None;
        }
        let mut times = self.circuit_wakes();
        let free = |what| self.circuit().is_none_or(|circuit| !circuit.blocks(what));
        if self.stop.is_none_or(|(level, _)| level == StopLevel::Drain) && !self.is_closing() {
            times.extend(self.ends_at());
        }
        if self.may_dispatch() && free(Try::Start) {
            times.extend(self.next_delayed());
        }
        times.extend(self.hosts.next_probe().filter(|_| !self.is_kill_requested()));
        if let (true, Some(at)) = (self.may_land() && !self.is_queue_busy(), self.queue_due())
            && free(Try::Queue)
            && (self.landing().is_some() || at > 0)
        {
            times.push(at);
        }
        if self.may_collect() && free(Try::Collect) {
            times.extend(self.collects_at());
        }
        if self.stage == Stage::Baseline && self.current_verification().is_none() && self.next_verifier().is_some() {
            times.push(self.queue.green_due());
        }
        if self.stage == Stage::BetweenRounds
            && self.stop.is_none()
            && !self.paused
            && self.hold.is_none()
            && self.cold_runs().search.is_none()
            && !self.moved_first()
            && !(self.green_pending() && self.mission_outcome().is_some())
            && let Some(closed) = self.rounds.last().and_then(|r| r.closed)
        {
            times.push(closed + self.policy.cooldown);
        }
        if self.stop.is_none() && !self.paused && self.hold.is_none() && self.stage_host().is_some() {
            let at = self.stage_again_at.map(|at| at.max(self.circuit().map_or(0, |circuit| circuit.again_at)));
            times.extend(at);
        }
        times.into_iter().min()
    }

    /// Whether new attempts may start.
    pub(in crate::domain::mission) fn may_dispatch(&self) -> bool {
        let calm = self.hold.is_none() && self.cold_runs().search.is_none();
        self.stage == Stage::Working && !self.paused && self.stop.is_none() && calm
    }

    /// Whether what attempts that have ended made may be collected: also in a pause, and while the mission drains.
    pub(in crate::domain::mission) fn may_collect(&self) -> bool {
        self.stop.is_none_or(|(level, _)| level == StopLevel::Drain)
    }

    /// Whether a landing may start or go on to its next step.
    pub(in crate::domain::mission) fn may_land(&self) -> bool {
        !self.paused && self.hold.is_none() && self.stop.is_none_or(|(level, _)| level == StopLevel::Drain)
    }

    /// Whether no attempt is at work.
    pub(in crate::domain::mission) fn is_idle(&self) -> bool {
        self.running_attempts().next().is_none()
    }

    /// Whether the unit's wave has opened.
    fn has_opened(&self, unit: &Unit) -> bool {
        self.opened.is_some_and(|opened| (unit.round, unit.wave) <= opened)
    }

    pub(super) fn is_dispatchable(&self, i: usize) -> bool {
        let unit = &self.units[i];
        unit.state == UnitState::Pending && unit.unmet == 0 && unit.collect_at.is_none() && self.has_opened(unit)
    }

    fn holds_wave(&self, i: usize) -> bool {
        let unit = &self.units[i];
        match unit.state {
            UnitState::Pending => unit.collect_at.is_some() || self.is_dispatchable(i),
            UnitState::Running | UnitState::Queued => self.has_opened(unit),
            _ => false,
        }
    }

    /// The one door to a unit's fields: changes it and keeps counters and sets true.
    pub(in crate::domain::mission) fn update_unit(&mut self, i: usize, change: impl FnOnce(&mut Unit)) {
        self.unindex_unit(i);
        self.counts[self.units[i].state as usize] -= 1;
        let satisfied = self.units[i].state.is_satisfied();
        change(&mut self.units[i]);
        self.counts[self.units[i].state as usize] += 1;
        self.index_unit(i);
        let now = self.units[i].state.is_satisfied();
        if satisfied != now {
            for d in self.units[i].dependants.clone() {
                self.unindex_unit(d);
                let unmet = &mut self.units[d].unmet;
                *unmet = if now { unmet.saturating_sub(1) } else { *unmet + 1 };
                self.index_unit(d);
            }
        }
    }

    /// Takes a unit out of the derived sets; pairs with [`State::index_unit`].
    pub(super) fn unindex_unit(&mut self, i: usize) {
        if self.holds_wave(i) {
            self.active -= 1;
        }
        let unit = &self.units[i];
        if let Some(slot) = unit.uncollected_slot() {
            self.uncollected.remove(slot);
        }
        if let Some(since) = unit.turn_since() {
            self.turns.remove(&(since, i));
        } else if let (true, Some(demand)) = (self.is_dispatchable(i), unit.demand) {
            self.ready.remove(demand, unit.spec.priority, unit.not_before, i);
        }
    }

    /// Puts a unit into the derived sets it belongs to now.
    pub(super) fn index_unit(&mut self, i: usize) {
        if self.holds_wave(i) {
            self.active += 1;
        }
        let unit = &self.units[i];
        if let Some(slot) = unit.uncollected_slot() {
            self.uncollected.insert(slot.clone(), i);
        }
        if let Some(since) = unit.turn_since() {
            self.turns.insert((since, i));
        } else if let (true, Some(demand)) = (self.is_dispatchable(i), unit.demand) {
            self.ready.insert(demand, unit.spec.priority, unit.not_before, i);
        }
    }

    /// Whether everything that was planned ended well, and the target branch was taken in.
    pub fn planned_done(&self) -> bool {
        self.units.iter().all(|u| u.state.is_satisfied()) && self.refused_target.is_none()
    }

    /// Whether every unit known at this time ended well, none of the plan source was left (for a later round, or
    /// skipped), and the target branch was taken in.
    pub fn all_done(&self) -> bool {
        self.planned_done() && self.rounds.last().is_none_or(|r| r.left_over == 0) && self.left_open().is_none()
    }

    /// The first item skipped that is not done; the mission was not asked for those outside of its choice.
    pub fn left_open(&self) -> Option<&SkippedItem> {
        self.skipped.iter().find(|item| item.open())
    }
}

/// Questions of the simulator.
impl State {
    /// Whether a person said that a unit's `accept` need not fail before its change.
    pub fn accept_waived(&self, id: &UnitId) -> bool {
        self.unit(id).is_some_and(|u| u.must_fail == AcceptPrecondition::Waived)
    }

    /// Whether two states are the same but for which engine holds them (P14).
    pub fn equals_without_engine(&self, other: &Self) -> bool {
        let (mut a, mut b) = (self.clone(), other.clone());
        (a.attached, b.attached) = (true, true);
        a == b
    }
}
