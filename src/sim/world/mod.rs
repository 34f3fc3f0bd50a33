//! Repository, agents and verifications without any of them: trees are sets of changes, time is a number.

mod attempts;
mod hosts;
mod outages;
mod queue;

use self::outages::{HostWorld, tells_unreachable};
use super::bookkeeping::RecordedFiles;
use super::lines::Lines;
use super::scenario::{Behaviour, Faults, Scenario, files};
use super::tree::{Content, base, hash_commit, hash_tree};
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::{Baseline, Command, Event, JobId, SessionReport, StopLevel};
use crate::domain::trouble::{Cause, Spot, Trouble};
use crate::domain::values::{CommitId, Millis, SessionId, SlotId, Tip, TreeId, UnitId};
use crate::domain::verify::{SnapshotKey, StageOutcome, Summary};
use std::collections::{BTreeMap, BTreeSet};

/// The world outside the engine.
#[derive(Debug, Default)]
pub struct World {
    /// Virtual time in milliseconds.
    pub now: Millis,
    /// Where green stands.
    pub green: Option<CommitId>,
    /// Trees whose snapshot is stored, with their summary.
    pub verified: BTreeMap<TreeId, Summary>,
    /// Every move of green made by the engine: landed tree, and the unit if it was one.
    pub landings: Vec<(Tip, Option<UnitId>)>,
    /// Verifications that really ran.
    pub runs: u64,
    /// Of each run of a tree, whether it was cold and what failed in it.
    failures: BTreeMap<TreeId, Vec<(bool, BTreeSet<String>)>>,
    commits: BTreeMap<CommitId, Content>,
    parents: BTreeMap<CommitId, Vec<CommitId>>,
    agents: BTreeMap<SessionId, Agent>,
    counts: BTreeMap<UnitId, Counts>,
    sessions: BTreeMap<SessionId, UnitId>,
    events: BTreeMap<(Millis, u64), Event>,
    seq: u64,
    idle: u32,
    checked_out_until: Millis,
    snapshots: BTreeMap<SnapshotKey, (BTreeSet<String>, BTreeSet<String>)>,
    twice: BTreeSet<SnapshotKey>,
    /// Commits with which a person broke green.
    red: BTreeSet<CommitId>,
    files: BTreeMap<UnitId, String>,
    last_green: Option<CommitId>,
    foreign: u32,
    pub(super) lines: Lines,
    pub(super) kept: RecordedFiles,
    scenario: Scenario,
    /// The commit of the run whose files are in the workspace of verifications.
    left: Option<CommitId>,
    /// Trees that were verified without files of earlier runs.
    colds: BTreeSet<TreeId>,
    /// What the world knows of hosts.
    hosts: HostWorld,
    /// How often an engine took over with other tools than the one before.
    environment: u32,
    /// So many landings are older than that.
    pub landed_elsewhere: usize,
}

/// How often something happened to a unit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    started: usize,
    /// An attempt of it was told to be killed.
    pub kills: usize,
    /// A person gave it a fresh start.
    pub fresh_starts: usize,
    /// An attempt of it met trouble that is nobody's.
    pub troubled: usize,
}

#[derive(Debug, Clone)]
struct Agent {
    unit: UnitId,
    n: u32,
    slot: SlotId,
    began: Millis,
    ends: Millis,
    report: SessionReport,
    collected: bool,
}

impl World {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let mut world = Self {
            files: files(&scenario.conflicts),
            lines: Lines::new(scenario),
            kept: RecordedFiles::new(scenario),
            hosts: HostWorld::new(scenario),
            scenario: scenario.clone(),
            ..Self::default()
        };
        let base = base().commit;
        world.commits.insert(base.clone(), Content::new());
        world.parents.insert(base, Vec::new());
        world
    }

    /// What green contains.
    pub fn green_content(&self) -> Vec<&UnitId> {
        self.green.iter().filter_map(|g| self.commits.get(g)).flat_map(BTreeMap::keys).collect()
    }

    /// The file that a unit shares with those it conflicts with, if it has one.
    pub(super) fn file_of(&self, unit: &UnitId) -> Option<&String> {
        self.files.get(unit)
    }

    /// Where green stands, when that is not where the journal has it and all that landed is still in it.
    pub(super) fn green_moved_from(&self, known: Option<&Tip>) -> Option<Tip> {
        let (now, known) = (self.green.as_ref()?, known?);
        let own = &self.landings.last()?.0.commit;
        let tree = self.commits.get(now).map(hash_tree)?;
        (*now != known.commit && self.contains_commit(now, own)).then(|| Tip { commit: now.clone(), tree })
    }

    /// What is counted of a unit.
    pub(super) fn counts_of(&self, unit: &UnitId) -> Counts {
        self.counts.get(unit).copied().unwrap_or_default()
    }

    pub(super) fn count_fresh_start(&mut self, unit: &UnitId) {
        self.counts.entry(unit.clone()).or_default().fresh_starts += 1;
    }

    /// Whether what failed on a tree was seen twice, at least once without files of earlier runs.
    pub(super) fn failed_twice(&self, tree: &TreeId) -> bool {
        let (cold, warm): (Vec<_>, Vec<_>) = self.failures.get(tree).into_iter().flatten().partition(|(cold, _)| *cold);
        let alike = |(_, left): &&(bool, BTreeSet<String>)| warm.iter().any(|(_, right)| !left.is_disjoint(right));
        cold.len() >= 2 || cold.iter().any(alike)
    }

    /// Whether a commit has, over another one, a change that passes only with files of earlier runs.
    pub(super) fn has_leaning_change(&self, onto: &CommitId, commit: &CommitId) -> bool {
        let had = self.commits.get(onto);
        self.commits
            .get(commit)
            .into_iter()
            .flatten()
            .any(|(unit, kind)| *kind == Behaviour::Leans && had.is_none_or(|had| had.get(unit) != Some(kind)))
    }

    /// Whether `ancestor` is contained in `commit`.
    pub fn contains_commit(&self, commit: &CommitId, ancestor: &CommitId) -> bool {
        let mut open = vec![commit];
        let mut seen = BTreeSet::new();
        while let Some(c) = open.pop() {
            if c == ancestor {
                return true;
            }
            if seen.insert(c) {
                open.extend(self.parents.get(c).into_iter().flatten());
            }
        }
        false
    }

    /// What is known of the nearest first-parent ancestor of `commit`, itself included, that was verified.
    fn last_verified(&self, commit: &CommitId) -> Option<&Summary> {
        let parent = |commit: &&CommitId| self.parents.get(*commit).and_then(|parents| parents.first());
        let mut line = std::iter::successors(Some(commit), parent);
        line.find_map(|commit| self.verified.get(&hash_tree(self.commits.get(commit)?)))
    }

    pub(super) fn next_event_at(&self) -> Option<Millis> {
        self.events.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let ((at, _), event) = self.events.pop_first()?;
        self.now = self.now.max(at);
        self.idle = 0;
        if let Event::RetryUnit { unit, .. } = &event {
            self.count_fresh_start(&unit.clone());
        }
        let event = self.pass_host(event)?;
        let Event::SessionEnded { session, report } = &event else { return Some(event) };
        // What an attempt made can be kept only while nothing stands in the way.
        let outage = self.current_outage().filter(|_| report.work.head.is_some());
        let agent = self.agents.get_mut(session).filter(|agent| !agent.collected && !tells_unreachable(report));
        match (outage, agent) {
            (Some(trouble), Some(_)) => Some(Event::NotCollected { session: *session, trouble }),
            (_, agent) => {
                agent.into_iter().for_each(|agent| agent.collected = true);
                Some(event)
            }
        }
    }

    pub(super) fn idle_ticks(&mut self) -> u32 {
        self.idle += 1;
        self.idle
    }

    /// What stands in the way of everything now, if something does.
    fn current_outage(&self) -> Option<Trouble> {
        let now = self.scenario.outages.iter().find(|outage| (outage.from..outage.until).contains(&self.now))?;
        Some(Trouble::new(now.cause.clone(), "an outage"))
    }

    pub(super) fn answer(&mut self, after: Millis, event: Event) {
        self.seq += 1;
        self.events.insert((self.now + after, self.seq), event);
    }

    /// Everything the engine's process held is gone; agents live on, git steps did or did not happen.
    pub(super) fn engine_died(&mut self, rng: &mut fastrand::Rng, faults: &Faults) {
        self.events.clear();
        let mut agents: Vec<&mut Agent> = self.agents.values_mut().collect();
        agents.sort_by(|a, b| (&a.unit, a.n).cmp(&(&b.unit, b.n)));
        for agent in agents {
            if !agent.collected && rng.f64() < faults.infrastructure / 4.0 {
                agent.report =
                    SessionReport::from_end(ProcessEnd::Infrastructure(Trouble::new(Cause::LostRun, "half dead")));
            }
        }
    }

    /// The environment of the engine that takes over, where scenarios have more than one.
    pub(super) fn take_over_environment(&mut self, rng: &mut fastrand::Rng) -> Option<Event> {
        let often = self.scenario.faults.elsewhere;
        if often > 0.0 && rng.f64() < often {
            self.environment += 1;
            self.scenario.red_base = !self.scenario.red_base;
            self.landed_elsewhere = self.landings.len();
            self.verified.clear();
            self.snapshots.clear();
            self.twice.clear();
            self.failures.clear();
            self.colds.clear();
        }
        (often > 0.0).then(|| Event::EnvironmentSeen(self.environment_name()))
    }

    /// Empty where scenarios have one only.
    fn environment_name(&self) -> String {
        if self.scenario.faults.elsewhere > 0.0 { self.environment.to_string() } else { String::new() }
    }

    pub(super) fn restore_green(&mut self) {
        self.green.clone_from(&self.last_green);
    }

    /// What people do to green, and to the mission, while it runs.
    pub(super) fn outside_moves(&mut self, rng: &mut fastrand::Rng, faults: &Faults) {
        if let Some(green) = self.green.clone() {
            let red = faults.forward_red > 0.0 && rng.f64() < faults.forward_red;
            if red || rng.f64() < faults.forward {
                self.foreign += 1;
                let mut content = self.commits.get(&green).cloned().unwrap_or_default();
                // What failed by chance and was believed is no worse when it is broken.
                let failing = self.last_verified(&green).is_some_and(|s| s.outcome != StageOutcome::Passed);
                if let Ok(id) = UnitId::new(&format!("person-{}", self.foreign)) {
                    content.insert(id, if red { Behaviour::Breaks } else { Behaviour::Good });
                }
                let moved = self.commit(&format!("person {}", self.foreign), content, vec![green.clone()]);
                self.kept.write_as_person(&moved.commit, rng);
                if red && !self.scenario.red_base && !failing {
                    self.red.insert(moved.commit.clone());
                }
                self.green = Some(moved.commit);
            }
            if rng.f64() < faults.back && green != base().commit {
                self.green = Some(base().commit);
            }
        }
        if rng.f64() < faults.checked_out {
            self.checked_out_until = self.now + 5_000;
        }
        // No number is drawn without the fault: plans of people play as they did.
        if faults.cancel > 0.0
            && rng.f64() < faults.cancel
            && let Ok(unit) = UnitId::new(&format!("u{}", rng.u8(0..24)))
        {
            self.answer(0, Event::CancelUnit(unit));
        }
        self.disturb_hosts(rng, faults);
        if rng.f64() < faults.person {
            let event = match rng.u8(0..14) {
                10.. => match UnitId::new(&format!("u{}", rng.u8(0..24))) {
                    Ok(unit) => Event::RetryUnit { unit, answer: String::new() },
                    Err(_) => Event::Tick,
                },
                0..4 => Event::Pause,
                4..7 => Event::Unpause,
                7 => Event::Stop(StopLevel::Drain),
                8 => Event::Stop(StopLevel::Interrupt),
                _ => Event::Stop(StopLevel::Now),
            };
            if event == Event::Pause {
                self.answer(30_000, Event::Unpause);
            }
            self.answer(0, event);
        }
    }

    fn commit(&mut self, salt: &str, content: Content, parents: Vec<CommitId>) -> Tip {
        let tree = hash_tree(&content);
        let commit = hash_commit(&format!("{salt} {tree:?} {parents:?}"));
        self.commits.insert(commit.clone(), content);
        self.kept.inherit_files(&commit, parents.first());
        self.parents.insert(commit.clone(), parents);
        Tip { commit, tree }
    }

    pub(super) fn execute(&mut self, command: Command, rng: &mut fastrand::Rng, s: &Scenario) -> Result<(), String> {
        if let (Command::CheckObjective { round, green, .. }, false) = (&command, s.policy.has_check) {
            let moved = self.moved_on(green);
            self.answer(0, Event::ObjectiveChecked { round: *round, met: Ok(true), pins: Vec::new(), moved });
            return Ok(());
        }
        let delay = rng.u64(1..500);
        let random = rng.f64() < s.faults.infrastructure;
        let full = || Trouble::new(Cause::DiskFull(Spot::State), "the disk is full");
        let trouble = self.current_outage().or(random.then(full));
        match command {
            Command::Preflight => {
                let tip = base();
                self.answer(
                    delay,
                    Event::Preflight(Ok(Baseline {
                        tip,
                        create: true,
                        environment: self.environment_name(),
                        notes: Vec::new(),
                    })),
                );
            }
            Command::Establish { tip, .. } => {
                self.green.get_or_insert(tip.commit);
                self.last_green.clone_from(&self.green);
                self.answer(delay, Event::Established(Ok(())));
            }
            Command::CheckTarget(_) => {
                let result = self.current_outage().map_or(Ok(None), Err);
                self.answer(delay, Event::TargetChecked(result));
            }
            Command::ReadBacklog { .. } => return Err("a plan mission read a backlog".to_owned()),
            Command::Start(order) => self.start_attempt(order, rng, s)?,
            Command::Adopt(order) => self.adopt_attempt(&order),
            Command::Cancel(JobId::Session(session)) => self.kill(session),
            Command::Integrate { landing, onto, head, source, contested, .. } => {
                let result = trouble.map_or_else(|| Ok(self.integrate(&onto, &head, &source, &contested)), Err);
                self.answer(delay, Event::Integrated { landing, result });
            }
            Command::WriteBookkeeping { landing, onto, bookkeeping } => {
                let result = match trouble {
                    Some(trouble) => Err(trouble),
                    None => Ok(self.write_bookkeeping(&onto, &bookkeeping)?),
                };
                self.answer(delay, Event::Integrated { landing, result });
            }
            Command::Verify(order) => {
                let run = order.run;
                let trouble = self.begin_run(run, &order.host)?.or(trouble);
                let result = match trouble {
                    Some(trouble) => Err(trouble.into()),
                    None => Ok(Box::new(self.verify(&order, rng, s.faults.flaky))),
                };
                self.answer(delay + 1_000, Event::Verified { run, result });
            }
            Command::Cancel(JobId::Run(run)) => {
                self.events.retain(|_, e| !matches!(e, Event::Verified { run: r, .. } if *r == run));
                self.answer(1, Event::Verified { run, result: Err("killed".to_owned().into()) });
            }
            Command::Land { landing, candidate, expected, source, ask_only } => {
                let result = match trouble {
                    Some(trouble) => Err(trouble),
                    None => Ok(self.land(&candidate, &expected, &source, ask_only)?),
                };
                self.answer(delay, Event::LandEnded { landing, result });
            }
            Command::Cancel(JobId::Check(round)) => {
                self.events.retain(|_, e| !matches!(e, Event::ObjectiveChecked { round: r, .. } if *r == round));
                self.answer(1, Event::ObjectiveChecked { round, met: Ok(false), pins: Vec::new(), moved: None });
            }
            Command::CheckObjective { round, green, host, .. } => {
                let moved = self.moved_on(&green);
                let trouble = self.begin_check(&host)?.or_else(|| self.current_outage());
                let met = trouble.map_or(Ok(rng.u8(..) < 30), Err);
                self.answer(delay, Event::ObjectiveChecked { round, met, pins: Vec::new(), moved });
            }
            Command::ProbeHost(host) => self.probe_host(host, delay),
            Command::Exit { .. } => {}
        }
        Ok(())
    }
}
