//! Rounds: take the target in, read the plan, open waves one after the other, evaluate, go on or end.

use super::decision::Decision;
use crate::domain::backlog;
use crate::domain::backlog::Offer;
use crate::domain::mission::model::{Baseline, NoOffer, Operation, PinFault, Refusal, Stage, Unit};
use crate::domain::mission::protocol::{Command, Intake, Record};
use crate::domain::plan::graph;
use crate::domain::plan::graph::Plan;
use crate::domain::queue::VerifyRole;
use crate::domain::trouble::Trouble;
use crate::domain::unit::UnitSpec;
use crate::domain::values::{Tip, UnitId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The question whether the objective is met, as failures name it.
const CHECK: &str = "the objective's check";

impl Decision<'_> {
    pub(super) fn preflight(&mut self, result: Result<Baseline, Refusal>) {
        if self.state.stage != Stage::Preflight {
            return;
        }
        match (result, self.state.stop) {
            (Ok(baseline), _) => self.record(Record::PreflightPassed { baseline }),
            // Somebody had it end, also the wait for what was missing.
            (Err(_), Some((_, why))) => self.end_stopped(why),
            (Err(refusal), None) => self.refuse_mission(refusal),
        }
    }

    pub(super) fn handle_establish(&mut self, result: Result<(), Refusal>) {
        if self.state.stage != Stage::Establishing {
            return;
        }
        match (result, self.state.green().map(|g| g.tip.clone())) {
            (Ok(()), Some(tip)) => self.record(Record::Established { tip }),
            (Ok(()), None) => {}
            (Err(refusal), _) => self.refuse_mission(refusal),
        }
    }

    pub(super) fn target_checked(&mut self, result: Result<Option<Tip>, Trouble>) {
        if self.state.stage != Stage::CheckingTarget || self.state.stage_again_at.is_some() {
            return;
        }
        let head = match result {
            Ok(head) => head,
            Err(trouble) => return self.step_failed(None, "looking at the target branch", trouble),
        };
        self.assess_success(&[Operation::Plan], self.now);
        let intake = head.map(|head| Intake { mr: self.state.queue.next_request(), head });
        self.record(Record::TargetSeen { intake });
        self.kill_cold_run();
    }

    pub(super) fn backlog_read(&mut self, result: Result<Offer, NoOffer>) {
        if self.state.stage != Stage::Reading || self.state.stage_again_at.is_some() {
            return;
        }
        let read = match result {
            Ok(offer) => Ok(offer),
            Err(NoOffer::Faulty(reason)) => Err(reason),
            Err(NoOffer::Trouble(trouble)) => return self.step_failed(None, "reading the backlog", trouble),
        };
        self.assess_success(&[Operation::Plan], self.now);
        match read {
            Ok(offer) => self.plan_round(offer),
            Err(reason) => self.record(Record::PlanUnreadable { round: self.current_round(), reason }),
        }
    }

    pub(super) fn current_round(&self) -> u32 {
        self.state.rounds.last().map_or(0, |r| r.index)
    }

    /// Makes the round's plan from what the source offers: units the mission does not know yet, as many as allowed.
    pub(super) fn plan_round(&mut self, mut offer: Offer) {
        let round = self.current_round();
        let reopened = offer.reopen_items(&self.named_units());
        let Offer { units: offered, satisfied, mut skipped, .. } = offer;
        let done: BTreeSet<UnitId> = satisfied.into_iter().collect();
        let mut fresh: Vec<UnitSpec> =
            offered.into_iter().filter(|u| !done.contains(&u.id) && self.is_wanted(&u.id)).collect();
        if self.state.plan.is_none() {
            // Names were resolved when the backlog was read: what is missing here was given up there.
            let mut here = done.clone();
            here.extend(self.state.units.iter().map(|u| u.spec.id.clone()));
            let (kept, waiting) = graph::without_waiting(fresh, &here);
            here.extend(kept.iter().map(|u| u.id.clone()));
            skipped.retain(|item| self.is_wanted(&item.unit));
            skipped.extend(backlog::skipped_items(&waiting, &here));
            fresh = kept;
        }
        // A plan drops what needs no wave; the journal keeps dependencies as written, to block what an earlier round failed.
        let written: BTreeMap<UnitId, UnitSpec> = fresh.iter().map(|u| (u.id.clone(), u.clone())).collect();
        let mut known = done;
        known.extend(self.state.units.iter().map(|u| u.spec.id.clone()));
        let limit = match self.state.policy.units_per_round {
            0 => usize::MAX,
            n => n as usize,
        };
        let planned = Plan::build(fresh, &known).and_then(|whole| {
            let left_over = whole.units.len().saturating_sub(limit);
            let plan = if left_over == 0 { whole } else { Plan::build(first_units(&whole, limit), &known)? };
            Ok((plan, left_over))
        });
        match planned {
            Ok((plan, left_over)) => self.record(Record::RoundPlanned {
                round,
                units: plan.units.into_iter().map(|u| Arc::new(written.get(&u.id).cloned().unwrap_or(u))).collect(),
                edges: plan.edges,
                wave_of: plan.wave_of,
                left_over: u32::try_from(left_over).unwrap_or(u32::MAX),
                skipped,
                reopened,
            }),
            Err(findings) => {
                let reason = findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                return self.record(Record::PlanUnreadable { round, reason });
            }
        }
        self.hold_unplaceable(None);
        self.block_orphans();
    }

    /// Closed items that this mission is to take up: those that a person named, each once.
    pub(super) fn named_units(&self) -> BTreeSet<UnitId> {
        let policy = &self.state.policy;
        let named = policy.only.iter().chain(policy.reopen.iter().map(|(unit, _)| unit));
        named.filter(|id| self.state.unit(id).is_none()).cloned().collect()
    }

    /// Whether a unit of the plan source is new to the mission and among those it was started for.
    pub(super) fn is_wanted(&self, id: &UnitId) -> bool {
        let only = &self.state.policy.only;
        (only.is_empty() || only.contains(id)) && self.state.unit(id).is_none()
    }

    /// Blocks pending units that depend on something that ended badly before they were planned or unblocked.
    pub(super) fn block_orphans(&mut self) {
        let blocks = |u: &&Unit| u.state.blocks() && !u.dependants.is_empty();
        let causes: Vec<UnitId> = self.state.units.iter().filter(blocks).map(|u| u.spec.id.clone()).collect();
        causes.iter().for_each(|cause| self.block_dependants(cause));
    }

    pub(super) fn objective_checked(
        &mut self,
        round: u32,
        met: Result<bool, Trouble>,
        pins: Vec<PinFault>,
        moved: Option<Tip>,
    ) {
        if self.state.stage != Stage::Evaluating || round != self.current_round() || self.state.stage_again_at.is_some()
        {
            return;
        }
        if !pins.is_empty() {
            self.record(Record::PinsFaulty { round, at: self.now, pins });
        }
        if let Some(tip) = moved {
            self.green_seen(tip);
        }
        let met = match met {
            Err(trouble) if !self.state.is_kill_requested() => return self.check_failed(trouble),
            met => met == Ok(true),
        };
        if self.state.is_kill_requested() && !met {
            // A check that was killed says nothing about the objective; it is made again after a resume.
            return self.step_failed(None, CHECK, "killed".to_owned().into());
        }
        self.assess_success(&[Operation::Plan], self.now);
        self.close_round(self.state.policy.has_check.then_some(met));
    }

    /// The objective's check met trouble; on a host that does not answer it is nobody's, and it is asked elsewhere.
    fn check_failed(&mut self, trouble: Trouble) {
        let host = self.state.asked_stage_on();
        if self.bench_unreachable(&host, &trouble) {
            return self.record_failure((None, None), CHECK, &trouble.into(), self.now);
        }
        self.step_failed(None, CHECK, trouble.clone());
        self.bench_failing(&host, &trouble);
    }

    pub(super) fn close_round(&mut self, objective: Option<bool>) {
        let round = self.current_round();
        let units = self.state.units.iter().rev().take_while(|u| u.round == round).count();
        let landed = self.state.rounds.last().map_or(0, |r| r.landed);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        self.record(Record::RoundClosed { round, at: self.now, landed, units, objective });
    }

    /// The next step of the round, if it is due.
    pub(super) fn advance_round(&mut self) {
        // A verification that nobody wants any more is waited for too: its processes must be proven gone.
        let free =
            self.state.current_verification().is_none_or(|v| v.role == VerifyRole::Cold && self.state.cold_can_wait());
        let quiet = self.state.landing().is_none() && self.state.queue.is_empty() && free;
        match self.state.stage {
            Stage::Intake if quiet => {
                let round = self.current_round();
                self.record(Record::PlanAsked { round });
                match self.state.plan.clone() {
                    Some(plan) => self.plan_round(Offer { units: plan.to_vec(), ..Offer::default() }),
                    None => self.ask_backlog(),
                }
            }
            Stage::Working if quiet && self.state.active == 0 && self.state.is_idle() => self.next_wave(),
            Stage::BetweenRounds => self.next_round(),
            _ => self.ask_again(),
        }
    }

    /// Asks the question of the round's step again that met trouble, when its time has come.
    pub(super) fn ask_again(&mut self) {
        let due = self.state.stage_again_at.is_some_and(|at| at <= self.now);
        let free = self.state.stop.is_none() && !self.state.paused && self.state.hold.is_none();
        let open = self.state.circuit().is_none_or(|circuit| self.now >= circuit.again_at);
        if !(due && free && open) {
            return;
        }
        let Some(host) = self.state.stage_host() else { return };
        self.record(Record::StageAsked { at: self.now, host });
        self.ask_stage();
    }

    /// Asks the question of the step that the mission stands at, unless it waits.
    pub(super) fn ask_stage(&mut self) {
        if self.state.stage_again_at.is_some() {
            return;
        }
        match (self.state.stage, self.state.green().map(|g| g.tip.clone())) {
            (Stage::Preflight, _) => self.request(Command::Preflight),
            (Stage::Establishing, Some(tip)) => self.establish(tip),
            (Stage::CheckingTarget, Some(green)) => self.request(Command::CheckTarget(green)),
            (Stage::Reading, _) => self.ask_backlog(),
            (Stage::Evaluating, _) => self.evaluate_round(),
            _ => {}
        }
    }

    /// Asks for green at the verified base.
    pub(super) fn establish(&mut self, tip: Tip) {
        let create = self.state.baseline.as_ref().is_some_and(|g| g.create);
        self.request(Command::Establish { tip, create });
    }

    pub(super) fn ask_backlog(&mut self) {
        if let Some(green) = self.state.green().map(|g| g.tip.clone()) {
            let outside = self.state.refused_target.as_ref().map(|outside| outside.head.clone());
            self.request(Command::ReadBacklog { green, outside });
        }
    }

    pub(super) fn next_wave(&mut self) {
        let held = self.state.hold.is_some() || self.state.cold_runs().search.is_some();
        if self.state.paused || self.state.stop.is_some() || held {
            return;
        }
        let Some(open) = self.state.rounds.last() else { return };
        let (round, wave) = (open.index, open.bases.len());
        if wave < open.waves.len() {
            let Some(green) = self.state.green().map(|g| g.tip.commit.clone()) else { return };
            let wave = u32::try_from(wave).unwrap_or(u32::MAX);
            self.record(Record::WaveOpened { round, wave, at: self.now, green });
            return;
        }
        if self.request_bookkeeping() {
            return;
        }
        self.record(Record::RoundWorked { round });
        self.ask_stage();
    }

    /// Has the round's checkpoint pinned and the objective's check run, before the round is closed.
    pub(super) fn evaluate_round(&mut self) {
        match self.state.green().map(|g| g.tip.clone()) {
            Some(green) => {
                let round = self.current_round();
                let (host, pins) = (self.state.asked_stage_on(), self.state.pins());
                self.request(Command::CheckObjective { round, green, host, pins });
            }
            None => self.close_round(None),
        }
    }

    pub(super) fn next_round(&mut self) {
        let held = self.state.hold.is_some() || self.state.cold_runs().search.is_some() || self.state.moved_first();
        if self.state.paused || held || self.state.stop.is_some() {
            return;
        }
        let round = self.current_round();
        if let Some((outcome, reason)) = self.state.mission_outcome() {
            if !self.state.green_pending() {
                self.finish_mission(outcome, reason);
            }
            return;
        }
        let due = self.state.rounds.last().and_then(|r| r.closed).map_or(0, |at| at + self.state.policy.cooldown);
        if self.now < due {
            return;
        }
        let Some(green) = self.state.green().map(|g| g.tip.clone()) else { return };
        self.record(Record::RoundOpened { round: round + 1, at: self.now });
        self.request(Command::CheckTarget(green));
    }
}

/// The first units of a plan by wave, priority and file order; closed under dependencies because waves are.
fn first_units(plan: &Plan, limit: usize) -> Vec<UnitSpec> {
    let chosen: BTreeSet<usize> = plan.group_waves().into_iter().flatten().take(limit).collect();
    chosen.into_iter().map(|i| plan.units[i].clone()).collect()
}
