//! Which unit starts next and where, where the next verification runs, and what waits because no host can be used for it.

use super::mission::State;
use crate::domain::mission::model::circuit::Try;
use crate::domain::mission::model::hosts::{Health, HostPolicy};
use crate::domain::mission::model::{Allowance, Stage, StopLevel, Unit, UnitState};
use crate::domain::trouble::Cause;
use crate::domain::values::{HostId, Millis, SlotId, UnitId};
use std::collections::BTreeMap;
use std::iter;

impl State {
    /// The slot in which the unit at `i` would start now.
    pub(in crate::domain::mission) fn free_slot(&self, i: usize) -> Option<SlotId> {
        self.hosts.slots().next_free(self.units[i].demand?)
    }

    /// Whether a slot is free in which the unit at `i` could start.
    pub(super) fn has_slot_for(&self, i: usize) -> bool {
        self.units[i].demand.is_some_and(|demand| self.hosts.slots().has_free(demand))
    }

    /// Whether a slot is free in which some unit could start.
    pub(super) fn has_free_slot(&self) -> bool {
        self.hosts.slots().open_demands().next().is_some()
    }

    /// Units whose time has come and for which a slot is free, with their priority.
    fn due_units(&self, now: Millis) -> impl Iterator<Item = (u32, usize)> + '_ {
        let due = move |demand| self.ready.delayed(demand).take_while(move |(at, _)| *at <= now).map(|(_, i)| i);
        self.hosts.slots().open_demands().flat_map(due).map(|i| (self.units[i].spec.priority, i))
    }

    /// The unit to start next: one whose turn it is, else by priority, then plan order, among those whose time has come and for
    /// which a slot is free.
    fn next_ready(&self, now: Millis) -> Option<usize> {
        if let Some(turn) = self.next_turn(now) {
            return Some(turn);
        }
        let heads = self.hosts.slots().open_demands().filter_map(|demand| self.ready.startable(demand).next());
        heads.chain(self.due_units(now)).min().map(|(_, i)| i)
    }

    /// The unit to start next, and whether the caps allow it. While agents wait for what others have reserved, scripts that
    /// are ready go before them.
    pub(in crate::domain::mission) fn next_start(&self, now: Millis) -> Option<(usize, Allowance)> {
        let head = self.next_ready(now)?;
        match self.check_allowance(&self.units[head], now) {
            Allowance::Wait => {
                let ready = self.hosts.slots().open_demands().flat_map(|demand| self.ready.startable(demand));
                let script = |(_, i): &(u32, usize)| self.units[*i].spec.run.is_some();
                ready.chain(self.due_units(now)).filter(script).min().map(|(_, i)| (i, Allowance::Start))
            }
            allowance => Some((head, allowance)),
        }
    }

    /// When the next unit that waits for a time may start where a slot is free, by what money allows.
    pub(super) fn next_delayed(&self) -> Option<Millis> {
        let agents = self.agents_from();
        let may = |(_, i): &(Millis, usize)| agents.is_some() || self.units[*i].spec.run.is_some();
        let at = |(at, i): (Millis, usize)| match self.units[i].spec.run {
            Some(_) => at,
            None => at.max(agents.unwrap_or(0)),
        };
        // Agents that are ready and wait for the end of a freeze.
        let frozen = agents.filter(|from| *from > 0).filter(|_| self.has_ready_agent());
        let first =
            |demand, script| self.ready.delayed(demand).find(|(_, i)| self.units[*i].spec.run.is_some() == script);
        let delayed = self.hosts.slots().open_demands().flat_map(|demand| match agents {
            Some(0) => [self.ready.delayed(demand).next(), None],
            Some(_) => [first(demand, true), first(demand, false)],
            None => [first(demand, true), None],
        });
        let delayed = delayed.flatten().map(at);
        delayed.chain(self.turns_due().filter(may).map(at)).chain(frozen).min()
    }

    /// Whether an agent's unit is ready for which a slot is free.
    fn has_ready_agent(&self) -> bool {
        let mut ready = self.hosts.slots().open_demands().flat_map(|demand| self.ready.startable(demand));
        ready.any(|(_, i)| self.units[i].spec.run.is_none())
    }

    /// Whether nothing goes on any more because the agent cannot be used, though units wait for it.
    pub(in crate::domain::mission) fn waits_for_agent(&self) -> bool {
        let agent = |i: usize| self.units[i].spec.run.is_none();
        let wanted = || {
            let ready = self.ready.demands().any(|demand| {
                let delayed = self.ready.delayed(demand).map(|(_, i)| i);
                self.ready.startable(demand).map(|(_, i)| i).chain(delayed).any(agent)
            });
            ready || self.turns.iter().any(|(_, i)| agent(*i))
        };
        self.access.refusal().is_some()
            && self.may_dispatch()
            && self.is_at_rest()
            && self.queue.is_empty()
            && self.landing().is_none()
            && self.collects_at().is_none()
            && self.starts_at().is_none()
            && wanted()
    }

    /// When the next unit may start, by its own pause and by what money allows.
    pub(super) fn starts_at(&self) -> Option<Millis> {
        let agents = self.agents_from() == Some(0);
        let may = |i: &usize| agents || self.units[*i].spec.run.is_some();
        let ready = self.hosts.slots().open_demands().any(|demand| self.ready.startable(demand).any(|(_, i)| may(&i)));
        let ready = ready || self.next_turn(0).is_some_and(|i| may(&i));
        ready.then_some(0).or_else(|| self.next_delayed())
    }

    /// Where the next verification runs: all of one mission run in the environment of its base. None while no such host can be
    /// used.
    pub(in crate::domain::mission) fn next_verifier(&self) -> Option<HostId> {
        if self.policy.hosts.is_empty() {
            return Some(HostId::local());
        }
        self.find_verifier(self.queue.runs().map(|run| &run.host))
    }

    fn find_verifier<'a>(&self, busy: impl Iterator<Item = &'a HostId>) -> Option<HostId> {
        let environment = self.baseline.as_ref().map_or("", |baseline| &baseline.environment);
        self.hosts.slots().next_verifier(environment, busy)
    }

    /// Whether the objective's check waits for a host to be chosen.
    const fn places_check(&self) -> bool {
        matches!(self.stage, Stage::Evaluating) && self.policy.has_check && !self.policy.hosts.is_empty()
    }

    /// Folds that the objective's check is asked: where it is `running` already, or as soon as a host can be chosen for it.
    pub(super) fn await_check(&mut self, running: bool) {
        let places = self.places_check() && !running;
        self.checking = self.stage == Stage::Evaluating && !places;
        if places {
            self.stage_again_at = Some(0);
        }
    }

    /// Where the question of the round's step is asked: the objective's check where a verification could run, be one running there
    /// or not; what runs nothing, on the engine's own machine. None while no such host can be used.
    pub(in crate::domain::mission) fn stage_host(&self) -> Option<HostId> {
        match self.places_check() {
            true => self.next_verifier().or_else(|| self.find_verifier(iter::empty())),
            false => Some(HostId::local()),
        }
    }

    /// Where the question of the round's step was asked.
    pub(in crate::domain::mission) fn asked_stage_on(&self) -> HostId {
        if self.places_check() { self.checked_on.clone() } else { HostId::local() }
    }

    /// Whether a failure that says that a host cannot be reached is that of a host which can be left out.
    pub(in crate::domain::mission) fn can_bench(&self, host: &HostId) -> bool {
        self.hosts.health(host).is_some()
    }

    /// Whether this failure, met there, is that a host does not answer which can be left out.
    pub(in crate::domain::mission) fn is_unreachable(&self, host: &HostId, cause: &Cause) -> bool {
        *cause == Cause::Unreachable && self.can_bench(host)
    }

    /// Whether nothing goes on because no host can be used for it: none at all, or none for what waits while nothing else is
    /// under way.
    pub(in crate::domain::mission) fn lacks_host(&self) -> bool {
        if self.policy.hosts.is_empty() || self.is_kill_requested() {
            return false;
        }
        if self.hosts.none_usable() {
            return true;
        }
        if self.paused || self.hold.is_some() || self.hosts.awaits_answers() || !self.is_at_rest() {
            return false;
        }
        let starts = self.may_dispatch() && (self.has_free_slot() && self.starts_at().is_some());
        let collects = self.may_collect() && self.collects_at().is_some();
        if starts || collects || self.next_verifier().is_some() && self.queue_waits() {
            return false;
        }
        let has_place = |demand| self.hosts.slots().has_place(demand);
        let no_slot =
            |(_, i): &(Millis, usize)| self.is_dispatchable(*i) && !self.units[*i].demand.is_some_and(has_place);
        let no_place = self.ready.demands().any(|demand| !has_place(demand));
        (self.may_dispatch() && (no_place || self.turns.iter().any(no_slot)))
            || (self.next_verifier().is_none() && self.queue_waits())
            || (self.stage_again_at.is_some() && self.stop.is_none() && self.stage_host().is_none())
    }

    /// Whether something is to be verified or landed as soon as that can be done.
    fn queue_waits(&self) -> bool {
        let wants = self.landing().is_some() || !self.queue.is_empty() || self.cold_next().is_some();
        let base = self.stage == Stage::Baseline;
        (wants || base || self.moved_first()) && self.stop.is_none_or(|(level, _)| level == StopLevel::Drain)
    }
}

/// Questions of the simulator.
impl State {
    /// A unit that could start now and does not (P10).
    pub fn ready_but_not_started(&self, now: Millis) -> Option<&UnitId> {
        if !self.attached || self.suspended || self.is_over() || !self.may_dispatch() {
            return None;
        }
        if !self.circuit_allows(Try::Start, now) {
            return None;
        }
        let (next, allowance) = self.next_start(now)?;
        (allowance == Allowance::Start).then_some(&self.units[next].spec.id)
    }

    /// The same where hosts are named, by looking at every unit and every host instead of any index; units that wait for their turn
    /// are left out.
    pub fn startable_by_scan(&self, now: Millis) -> Option<&UnitId> {
        let idle = !self.attached || self.suspended || self.is_over() || !self.may_dispatch();
        if idle || self.policy.hosts.is_empty() || !self.circuit_allows(Try::Start, now) {
            return None;
        }
        let open = self.units.iter().filter_map(|unit| unit.attempts.last()).filter(|attempt| attempt.ended.is_none());
        let mut running: BTreeMap<&HostId, u32> = BTreeMap::new();
        open.for_each(|attempt| *running.entry(&attempt.slot.host).or_default() += 1);
        // What has ended and waits to be collected has its slot, and does not run.
        let at_work = self.units.iter().filter(|unit| unit.state == UnitState::Running).count();
        if self.policy.max_running.is_some_and(|most| at_work >= most as usize) {
            return None;
        }
        let answers = |host: &HostId| matches!(self.hosts.health(host), Some(Health::Ready { .. }) | None);
        let usable = |policy: &&HostPolicy| {
            let host = &policy.host;
            answers(host) && !self.hosts.is_drained(host) && running.get(host).is_none_or(|n| *n < policy.workers)
        };
        let usable: Vec<&HostPolicy> =
            self.policy.hosts.iter().filter(usable).filter(|host| host.workers > 0).collect();
        let startable = |unit: &&Unit| {
            let due = unit.turn.is_none() && unit.not_before <= now;
            let fits = |host: &&HostPolicy| unit.spec.labels.iter().all(|label| host.labels.contains(label));
            due && usable.iter().any(fits) && self.check_allowance(unit, now) == Allowance::Start
        };
        let ready = (0..self.units.len()).filter(|i| self.is_dispatchable(*i)).map(|i| &self.units[i]);
        ready.into_iter().find(startable).map(|unit| &unit.spec.id)
    }
}
