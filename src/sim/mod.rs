//! The virtual world: the same decisions as a real mission, with a virtual clock, scripted and seeded outcomes and
//! faults, and the promises checked after every step. A product feature (`mc simulate`) and the main test bed.
//!
//! It knows no file, process or real clock; the same scenario and seed give the same trace.

mod bookkeeping;
pub mod check;
mod hosts;
pub mod lines;
pub mod scenario;
mod tree;
mod turns;
pub mod world;

use crate::domain::mission::{
    Command, DecidedBy, Event, JOURNAL_FORMAT, MergeSource, Mission, Policy, Record, RejectClass, StopLevel, UnitState,
    decide,
};
use crate::domain::unit::UnitSpec;
use crate::domain::values::{Millis, MissionId, TreeId, UnitId};
use crate::domain::verify::StageOutcome;
use scenario::Scenario;
use std::collections::BTreeMap;
use world::World;

/// What a simulated mission came to.
#[derive(Debug)]
pub struct Outcome {
    /// The journal.
    pub journal: Vec<Record>,
    /// The state it folds to.
    pub state: Mission,
    /// The world as it was left.
    pub world: World,
    /// Simulated crashes of the engine.
    pub crashes: u32,
    /// Decisions taken.
    pub steps: u64,
}

/// A promise was broken, or the mission did not end.
#[derive(Debug, thiserror::Error)]
#[error("seed {seed}, step {step}, time {now} ms: {what}\nlast records:\n{tail}")]
pub struct Broken {
    /// Seed of the run.
    pub seed: u64,
    /// Decision at which it showed.
    pub step: u64,
    /// Virtual time.
    pub now: Millis,
    /// The promise and how it was broken.
    pub what: String,
    /// The last records of the journal.
    pub tail: String,
}

/// Steps after which a mission counts as endless.
const STEP_LIMIT: u64 = 200_000;

/// Plays a scenario to its end. `watch` sees each durable record with its virtual time.
///
/// # Errors
/// [`Broken`] at the first step after which a promise does not hold.
pub fn run_scenario(scenario: &Scenario, watch: impl FnMut(Millis, &Record)) -> Result<Outcome, Broken> {
    Play::new(scenario, watch).run()
}

struct Play<'s, W> {
    scenario: &'s Scenario,
    world: World,
    rng: fastrand::Rng,
    journal: Vec<Record>,
    state: Mission,
    crashes: u32,
    steps: u64,
    restarts: u32,
    suspensions: u32,
    killing_since: Option<Millis>,
    candidate: Option<TreeId>,
    cancelling: BTreeMap<UnitId, Millis>,
    guard: turns::Guard,
    hosts: hosts::Guard,
    watch: W,
}

/// Where in the handling of one event the engine dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    BeforeCommit,
    AfterCommit,
}

impl<'s, W: FnMut(Millis, &Record)> Play<'s, W> {
    fn new(scenario: &'s Scenario, mut watch: W) -> Self {
        let first = start_record(&scenario.policy, &scenario.units);
        watch(0, &first);
        let state = Mission::begin(&first).unwrap_or_else(|e| unreachable!("{e}"));
        Self {
            scenario,
            world: World::new(scenario),
            rng: fastrand::Rng::with_seed(scenario.seed ^ 0x5eed),
            journal: vec![first],
            state,
            crashes: 0,
            steps: 0,
            restarts: 0,
            suspensions: 0,
            killing_since: None,
            candidate: None,
            cancelling: BTreeMap::new(),
            guard: turns::Guard::default(),
            hosts: hosts::Guard::new(&scenario.policy),
            watch,
        }
    }

    fn run(mut self) -> Result<Outcome, Broken> {
        let mut exit = self.handle_event(Event::Begun)?;
        loop {
            if let Some(code) = exit.take() {
                if self.state.is_over() {
                    self.check(true)?;
                    return Ok(Outcome {
                        journal: self.journal,
                        state: self.state,
                        world: self.world,
                        crashes: self.crashes,
                        steps: self.steps,
                    });
                }
                exit = self.act_as_person(code)?;
                continue;
            }
            if self.steps > STEP_LIMIT {
                return Err(self.broken_error("P10: the mission does not end"));
            }
            self.steps += 1;
            let wake = self.state.next_wake();
            exit = match (self.world.next_event_at(), wake) {
                (None, None) => {
                    return Err(self.broken_error("P10: nothing runs, nothing is due, and the mission is not over"));
                }
                (Some(at), wake) if wake.is_none_or(|w| at <= w) => {
                    self.world.pop().map_or(Ok(None), |event| self.handle_event(event))?
                }
                (_, wake) => {
                    let due = wake.unwrap_or(self.world.now);
                    if due <= self.world.now && self.world.idle_ticks() > 100 {
                        return Err(self.broken_error("P10: the same wake-up again and again"));
                    }
                    self.world.now = self.world.now.max(due);
                    self.handle_event(Event::Tick)?
                }
            };
            if exit.is_none() && self.rng.f64() < self.scenario.faults.crash {
                exit = self.crash()?;
            }
        }
    }

    /// Lets the engine handle one event, dying in the middle when the scenario says so.
    fn handle_event(&mut self, event: Event) -> Result<Option<u8>, Broken> {
        let faults = &self.scenario.faults;
        // What an engine sees as it starts is told once.
        if self.rng.f64() < faults.duplicate && !matches!(event, Event::Begun | Event::Resumed | Event::GreenSeen(_)) {
            let late = self.rng.u64(0..60_000);
            self.world.answer(late, event.clone());
        }
        self.world.outside_moves(&mut self.rng, faults);
        // P10: what became ready more than a second ago must have been started by a wake-up of its own.
        if let Some(unit) = self.state.ready_but_not_started(self.world.now.saturating_sub(1_000)) {
            return Err(self.broken_error(&format!("P10: {unit} was ready for more than a second")));
        }
        self.hosts.check_asked(self.world.now, &self.state).map_err(|what| self.broken_error(&what))?;
        let was_paused = self.state.paused;
        let cut = self.planned_cut();
        let before = self.journal.len();
        let step = decide(&mut self.state, self.world.now, event);
        if cut == Some(Cut::BeforeCommit) && !step.records.is_empty() {
            return self.crash();
        }
        self.append_records(&step.records);
        self.check_fairness(&step.records, was_paused && self.state.paused)
            .and_then(|()| check::check_durability(&self.journal[before..], &step.commands))
            .map_err(|what| self.broken_error(&what))?;
        let whole = self.rng.u8(..) < 8;
        // Each check looks at every unit: of large missions only a sample of the steps is looked at.
        if self.steps.is_multiple_of(self.state.units.len() as u64 / 64 + 1) {
            self.check(whole && self.journal.len() < 20_000)?;
        }
        if cut == Some(Cut::AfterCommit) {
            return self.crash();
        }
        let mut exit = None;
        for command in step.commands {
            if let Command::Exit { code } = command {
                exit = Some(code);
                continue;
            }
            self.world.execute(command, &mut self.rng, self.scenario).map_err(|what| self.broken_error(&what))?;
        }
        Ok(exit)
    }

    /// Nobody is blamed for a failure seen once, a pause starts nothing, and a kill ends soon.
    fn check_fairness(&mut self, records: &[Record], paused: bool) -> Result<(), String> {
        let lands = |record: &Record| matches!(record, Record::LandingStarted { .. } | Record::LandIntended { .. });
        if self.state.cold_runs().search.is_some() && records.iter().any(lands) {
            return Err("P1: something lands on a green that does not hold".to_owned());
        }
        for record in records {
            self.guard.check_record(record, &self.state, &self.world)?;
            self.hosts.check_record(record, &self.state)?;
            match record {
                Record::LandingStarted { .. } => self.candidate = None,
                Record::CandidateMade { made, .. } => self.candidate = Some(made.tip.tree.clone()),
                Record::Rejected { class: RejectClass::Verification, source, .. } => {
                    let Some(tree) = &self.candidate else { continue };
                    let by_own_lines = source.unit().and_then(|unit| self.world.lines.refusing_runs(unit, tree));
                    let twice = by_own_lines.map_or_else(|| self.world.failed_twice(tree), |runs| runs >= 2);
                    let fails = self.world.verified.get(tree).is_some_and(|s| s.outcome != StageOutcome::Passed);
                    if (fails || by_own_lines.is_some()) && self.scenario.policy.confirm_failures && !twice {
                        return Err(format!("{source:?} is blamed for a failure seen once"));
                    }
                }
                Record::UnitCancelAsked { unit, at } => drop(self.cancelling.insert(unit.clone(), *at)),
                Record::UnitCancelled { unit, .. } => drop(self.cancelling.remove(unit)),
                // What is away longer than that was the engine, not the mission.
                Record::Resumed { at, .. } => self.cancelling.values_mut().for_each(|since| *since = *at),
                Record::SessionStarted { unit, .. } | Record::Landed { source: MergeSource::Unit { unit, .. }, .. }
                    if self.cancelling.contains_key(unit) =>
                {
                    return Err(format!("{unit} went on although a person cancelled it"));
                }
                Record::QueueHeld { code: 4, .. } if self.scenario.faults.flaky == 0.0 => {
                    let found = self.state.cold_runs().culprit().map(|(culprit, _)| culprit);
                    if found.is_none_or(|one| !self.world.has_leaning_change(&one.onto.commit, &one.tip.commit)) {
                        return Err(format!("P1: the wrong landing is named: {found:?}"));
                    }
                }
                Record::SessionStarted { unit, .. } if paused => return Err(format!("{unit} started in a pause")),
                _ => {}
            }
        }
        let killing = matches!(self.state.stop, Some((StopLevel::Now | StopLevel::Interrupt, _)));
        let quiet = self.state.is_over() || self.state.suspended;
        self.killing_since = if killing && !quiet { self.killing_since.or(Some(self.world.now)) } else { None };
        if let Some((unit, _)) = self.cancelling.iter().find(|(_, since)| self.world.now > **since + 30_000)
            && !quiet
        {
            return Err(format!("P10: {unit} was cancelled 30 s ago and is not"));
        }
        match self.killing_since {
            Some(since) if self.world.now > since + 30_000 => Err("P5: a kill did not end within 30 s".to_owned()),
            _ => Ok(()),
        }
    }

    fn planned_cut(&mut self) -> Option<Cut> {
        if let Some((step, nth)) = self.scenario.crash_at
            && step == self.steps
            && self.restarts == 0
        {
            return Some([Cut::BeforeCommit, Cut::AfterCommit][usize::from(nth % 2)]);
        }
        let p = self.scenario.faults.crash;
        (p > 0.0 && self.rng.f64() < p).then(|| if self.rng.bool() { Cut::BeforeCommit } else { Cut::AfterCommit })
    }

    /// The engine dies and a new one takes over from the journal.
    fn crash(&mut self) -> Result<Option<u8>, Broken> {
        self.crashes += 1;
        self.restart()
    }

    fn restart(&mut self) -> Result<Option<u8>, Broken> {
        self.restarts += 1;
        self.hosts.engine_died();
        self.world.engine_died(&mut self.rng, &self.scenario.faults);
        self.state =
            Mission::replay(self.journal.iter().cloned()).map_err(|e| self.broken_error(&format!("P14: {e}")))?;
        if self.state.is_over() {
            return Ok(Some(0));
        }
        self.world.now += self.rng.u64(1..5_000);
        let restarts = self.restarts;
        if let Some(tip) = self.world.green_moved_from(self.state.green().map(|green| &green.tip)) {
            let exit = self.handle_event(Event::GreenSeen(tip))?;
            // That engine may have died in its turn.
            if self.restarts > restarts {
                return Ok(exit);
            }
        }
        if let Some(seen) = self.world.take_over_environment(&mut self.rng) {
            let exit = self.handle_event(seen)?;
            if self.restarts > restarts {
                return Ok(exit);
            }
        }
        self.handle_event(Event::Resumed)
    }

    /// Puts records into the journal, before the eyes of who watches.
    fn append_records(&mut self, records: &[Record]) {
        for record in records {
            (self.watch)(self.world.now, record);
            self.journal.push(record.clone());
        }
    }

    /// What a person does when the engine ended without ending the mission.
    fn act_as_person(&mut self, code: u8) -> Result<Option<u8>, Broken> {
        if self.restarts > 400 {
            return Err(self.broken_error("P10: resumed 400 times without an end"));
        }
        self.world.now += 1_000;
        if self.state.suspended_by.is_some() && self.suspensions < 3 {
            self.suspensions += 1;
            self.world.now += 300_000;
            return self.restart();
        }
        if code == 6 && self.rng.bool() {
            self.world.restore_green();
            return self.restart();
        }
        let held = self.state.units.iter().find(|u| u.state == UnitState::Held).map(|u| u.spec.id.clone());
        let said = match held.filter(|_| code == 3) {
            Some(unit) if self.rng.f64() < 0.7 => {
                self.world.count_fresh_start(&unit);
                Some(Event::RetryUnit { unit, answer: "yes".to_owned() })
            }
            _ => (code != 130).then_some(Event::Stop(StopLevel::Now)),
        };
        if let Some(event) = said {
            let step = decide(&mut self.state, self.world.now, event);
            self.append_records(&step.records);
        }
        self.restart()
    }

    fn check(&self, whole: bool) -> Result<(), Broken> {
        check::check_promises(&self.state, &self.world, whole.then_some(self.journal.as_slice()))
            .map_err(|what| self.broken_error(&what))
    }

    fn broken_error(&self, what: &str) -> Broken {
        let tail = self.journal.iter().rev().take(12).rev().map(|r| format!("  {r:?}\n")).collect();
        Broken { seed: self.scenario.seed, step: self.steps, now: self.world.now, what: what.to_owned(), tail }
    }
}

fn start_record(policy: &Policy, units: &[UnitSpec]) -> Record {
    Record::MissionStarted {
        format: JOURNAL_FORMAT,
        decided_by: DecidedBy::current(),
        mission: MissionId::new("simulated").unwrap_or_else(|e| unreachable!("{e}")),
        at: 0,
        objective: "a simulated mission".to_owned(),
        policy: Box::new(policy.clone()),
        plan: Some(units.to_vec()),
        settings: serde_json::Value::Null,
    }
}
