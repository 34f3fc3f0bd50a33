//! Repository, agents and verifications without any of them: trees are sets of changes, time is a number.

use super::books::Kept;
use super::lines::Lines;
use super::scenario::{Behaviour, Faults, LONGEST_ATTEMPT, Scenario};
use super::tree::{Content, hash_commit, hash_tree, tests};
use crate::domain::mission::{
    AttemptOrder, AttemptReport, Books, Claim, Command, Cost, Event, Ground, Integration, LandResult, MergeSource,
    RunEnd, StopLevel, Usd, Verification, VerifyOrder,
};
use crate::domain::values::{CommitId, Millis, Tip, TreeId, UnitId};
use crate::domain::verify::{Delta, SnapshotKey, StageOutcome, Summary};
use std::collections::{BTreeMap, BTreeSet};

/// The world outside the engine.
#[derive(Debug)]
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
    runs_by_tree: BTreeMap<TreeId, u32>,
    commits: BTreeMap<CommitId, Content>,
    parents: BTreeMap<CommitId, Vec<CommitId>>,
    agents: BTreeMap<(UnitId, u32), Agent>,
    started: BTreeMap<UnitId, usize>,
    events: BTreeMap<(Millis, u64), Event>,
    seq: u64,
    idle: u32,
    checked_out_until: Millis,
    snapshots: BTreeMap<SnapshotKey, (BTreeSet<String>, BTreeSet<String>)>,
    twice: BTreeSet<SnapshotKey>,
    red_base: bool,
    red_together: BTreeSet<(UnitId, UnitId)>,
    conflicts: BTreeSet<(UnitId, UnitId)>,
    last_green: Option<CommitId>,
    base: Tip,
    foreign: u32,
    lines: Lines,
    pub(super) kept: Kept,
}

#[derive(Debug, Clone)]
struct Agent {
    slot: u32,
    ends: Millis,
    report: AttemptReport,
    collected: bool,
}

impl World {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let mut world = Self {
            now: 0,
            green: None,
            verified: BTreeMap::new(),
            landings: Vec::new(),
            runs: 0,
            runs_by_tree: BTreeMap::new(),
            commits: BTreeMap::new(),
            parents: BTreeMap::new(),
            agents: BTreeMap::new(),
            started: BTreeMap::new(),
            events: BTreeMap::new(),
            seq: 0,
            idle: 0,
            checked_out_until: 0,
            snapshots: BTreeMap::new(),
            twice: BTreeSet::new(),
            red_base: scenario.red_base,
            red_together: scenario.red_together.clone(),
            conflicts: scenario.conflicts.clone(),
            last_green: None,
            base: Tip { commit: hash_commit("base"), tree: hash_tree(&Content::new()) },
            foreign: 0,
            lines: Lines::new(scenario),
            kept: Kept::new(scenario),
        };
        let base = world.base.commit.clone();
        world.commits.insert(base.clone(), Content::new());
        world.parents.insert(base, Vec::new());
        world
    }

    /// What green contains.
    #[must_use]
    pub fn green_content(&self) -> Vec<&UnitId> {
        self.green.iter().filter_map(|g| self.commits.get(g)).flat_map(BTreeMap::keys).collect()
    }

    /// How often a tree was really verified.
    #[must_use]
    pub fn runs_of(&self, tree: &TreeId) -> u32 {
        self.runs_by_tree.get(tree).copied().unwrap_or(0)
    }

    /// How often the own lines of a unit ran on a tree that they refuse.
    pub(super) fn refusing_runs(&self, unit: &UnitId, tree: &TreeId) -> Option<u32> {
        self.lines.refusing_runs(unit, tree)
    }

    /// A unit that landed although its `accept` was not seen to fail before.
    pub(super) fn landed_unproven(&self, waived: impl Fn(&UnitId) -> bool) -> Option<&UnitId> {
        self.lines.shown_nothing(waived)
    }

    /// Whether `ancestor` is contained in `commit`.
    #[must_use]
    pub fn contains(&self, commit: &CommitId, ancestor: &CommitId) -> bool {
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

    pub(super) fn next_event_at(&self) -> Option<Millis> {
        self.events.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let ((at, _), event) = self.events.pop_first()?;
        self.now = self.now.max(at);
        self.idle = 0;
        if let Event::AttemptEnded { unit, n, .. } = &event
            && let Some(agent) = self.agents.get_mut(&(unit.clone(), *n))
        {
            agent.collected = true;
        }
        Some(event)
    }

    pub(super) fn idle_ticks(&mut self) -> u32 {
        self.idle += 1;
        self.idle
    }

    pub(super) fn again(&mut self, event: Event, late: Millis) {
        self.answer(late, event);
    }

    fn answer(&mut self, after: Millis, event: Event) {
        self.seq += 1;
        self.events.insert((self.now + after, self.seq), event);
    }

    /// Everything the engine's process held is gone; agents live on, git steps did or did not happen.
    pub(super) fn engine_died(&mut self, rng: &mut fastrand::Rng, faults: &Faults) {
        self.events.clear();
        for agent in self.agents.values_mut() {
            if !agent.collected && rng.f64() < faults.infrastructure / 4.0 {
                agent.report = AttemptReport::bare(RunEnd::Infrastructure("half dead".to_owned()));
            }
        }
    }

    pub(super) fn restore_green(&mut self) {
        self.green.clone_from(&self.last_green);
    }

    /// What people do to green, and to the mission, while it runs.
    pub(super) fn outside_moves(&mut self, rng: &mut fastrand::Rng, faults: &Faults) {
        if let Some(green) = self.green.clone() {
            if rng.f64() < faults.forward {
                self.foreign += 1;
                let mut content = self.commits.get(&green).cloned().unwrap_or_default();
                if let Ok(id) = UnitId::new(&format!("person-{}", self.foreign)) {
                    content.insert(id, Behaviour::Good);
                }
                let moved = self.commit(&format!("person {}", self.foreign), content, vec![green.clone()]);
                self.kept.person(&moved.commit, rng);
                self.green = Some(moved.commit);
            }
            if rng.f64() < faults.back && green != self.base.commit {
                self.green = Some(self.base.commit.clone());
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
            self.answer(0, Event::CancelUnit { unit });
        }
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
        self.kept.inherit(&commit, parents.first());
        self.parents.insert(commit.clone(), parents);
        Tip { commit, tree }
    }

    pub(super) fn execute(&mut self, command: Command, rng: &mut fastrand::Rng, s: &Scenario) -> Result<(), String> {
        if let (Command::CheckObjective { round, .. }, false) = (&command, s.policy.has_check) {
            self.answer(0, Event::ObjectiveChecked { round: *round, met: true });
            return Ok(());
        }
        let delay = rng.u64(1..500);
        let trouble = rng.f64() < s.faults.infrastructure;
        let failed = "the disk is full".to_owned();
        match command {
            Command::Preflight => {
                let tip = self.base.clone();
                self.answer(delay, Event::Preflight(Ok(Ground { tip, create: true, notes: Vec::new() })));
            }
            Command::Establish { tip, .. } => {
                self.green.get_or_insert(tip.commit);
                self.last_green.clone_from(&self.green);
                self.answer(delay, Event::Established(Ok(())));
            }
            Command::CheckTarget { .. } => self.answer(delay, Event::TargetChecked(None)),
            Command::ReadBacklog { .. } => return Err("a plan mission read a backlog".to_owned()),
            Command::Start(order) => self.start(order, rng, s)?,
            Command::Adopt(order) => self.adopt(&order),
            Command::Kill { unit, n } => self.kill(&unit, n),
            Command::Integrate { token, onto, head, source, .. } => {
                let result = if trouble { Err(failed) } else { Ok(self.integrate(&onto, &head, &source)) };
                self.answer(delay, Event::Integrated { token, result });
            }
            Command::WriteBooks { token, onto, books } => {
                let result = if trouble { Err(failed) } else { Ok(self.write_books(&onto, &books)?) };
                self.answer(delay, Event::Integrated { token, result });
            }
            Command::Verify(order) => {
                let run = order.run;
                let result = if trouble { Err(failed) } else { Ok(Box::new(self.verify(&order, rng, s.faults.flaky))) };
                self.answer(delay + 1_000, Event::Verified { run, result });
            }
            Command::KillVerification { run } => {
                self.events.retain(|_, e| !matches!(e, Event::Verified { run: r, .. } if *r == run));
                self.answer(1, Event::Verified { run, result: Err("killed".to_owned()) });
            }
            Command::Land { token, candidate, expected, source } => {
                let result = if trouble { Err(failed) } else { Ok(self.land(&candidate, &expected, &source)?) };
                self.answer(delay, Event::LandEnded { token, result });
            }
            Command::KillCheck { round } => {
                self.events.retain(|_, e| !matches!(e, Event::ObjectiveChecked { round: r, .. } if *r == round));
                self.answer(1, Event::ObjectiveChecked { round, met: false });
            }
            Command::CheckObjective { round, .. } => {
                self.answer(delay, Event::ObjectiveChecked { round, met: rng.u8(..) < 30 });
            }
            Command::Exit { .. } => {}
        }
        Ok(())
    }

    fn start(&mut self, order: AttemptOrder, rng: &mut fastrand::Rng, s: &Scenario) -> Result<(), String> {
        let unit = order.spec.id.clone();
        let key = (unit.clone(), order.n);
        if self.agents.contains_key(&key) {
            return Err(format!("P4: attempt {} of {unit} was started twice", order.n));
        }
        if let Some((other, _)) = self.agents.iter().find(|(_, a)| !a.collected && a.slot == order.slot) {
            return Err(format!("P5: slot {} of {unit} is still used by {other:?}", order.slot));
        }
        if self.agents.iter().any(|((u, _), a)| *u == unit && !a.collected && a.ends > self.now) {
            return Err(format!("P4: {unit} runs twice"));
        }
        let nth = self.started.entry(unit.clone()).or_default();
        let behaviour = s.behaviour(&unit, *nth);
        *nth += 1;
        let mut content = self.commits.get(&order.from).cloned().ok_or("an attempt starts from an unknown commit")?;
        let script = order.spec.run.is_some();
        let mut report = AttemptReport::bare(RunEnd::Exited(0));
        let mut takes = rng.u64(500..LONGEST_ATTEMPT / 2);
        let mut works = |kind| content.insert(unit.clone(), kind);
        match behaviour {
            Behaviour::Good
            | Behaviour::Breaks
            | Behaviour::RemovesTest
            | Behaviour::FailsQuick
            | Behaviour::MissesQuick
            | Behaviour::Touches => {
                works(behaviour);
                report.claim = Some(Claim::Completed);
            }
            Behaviour::NoOp => report.claim = Some(Claim::Completed),
            Behaviour::Empty => {}
            Behaviour::Fails => {
                works(Behaviour::Good);
                report.end = RunEnd::Exited(1);
            }
            Behaviour::Hangs => {
                works(Behaviour::Good);
                report.end = RunEnd::Timeout;
                takes = LONGEST_ATTEMPT;
            }
            Behaviour::Asks => report.claim = Some(Claim::Blocked),
            Behaviour::Continues => {
                works(Behaviour::Good);
                report.claim = Some(Claim::Continue);
            }
            Behaviour::HostFails => report.end = RunEnd::Infrastructure("spawn failed".to_owned()),
        }
        let head = self.commit(&format!("{unit} {}", order.n), content.clone(), vec![order.from.clone()]);
        let base = self.commits.get(&order.green).map(hash_tree);
        report.changed = base != Some(head.tree.clone());
        report.claim = report.claim.filter(|_| !script);
        report.head = Some(head);
        // Somebody measures one attempt in two; none costs more than what is reserved for it.
        report.cost = (!script && s.policy.budget.counts_unknown && rng.bool()).then(|| Cost {
            usd: Some(Usd(rng.u64(0..=s.policy.budget.per_session.0))),
            tokens: Some(rng.u64(0..50_000)),
        });
        report.quick = self.lines.look(&report, &unit, behaviour, &content, self.now);
        let agent = Agent { slot: order.slot, ends: self.now + takes, report: report.clone(), collected: false };
        self.agents.insert(key, agent);
        self.answer(takes, Event::AttemptEnded { unit, n: order.n, report: Box::new(report) });
        Ok(())
    }

    fn adopt(&mut self, order: &AttemptOrder) {
        let unit = order.spec.id.clone();
        let (after, report) = match self.agents.get(&(unit.clone(), order.n)) {
            Some(agent) => (agent.ends.saturating_sub(self.now), agent.report.clone()),
            None => (1, AttemptReport::bare(RunEnd::NeverStarted)),
        };
        self.answer(after, Event::AttemptEnded { unit, n: order.n, report: Box::new(report) });
    }

    fn kill(&mut self, unit: &UnitId, n: u32) {
        let Some(agent) = self.agents.get_mut(&(unit.clone(), n)) else { return };
        if agent.ends > self.now {
            agent.ends = self.now;
            agent.report.end = RunEnd::Stopped;
        }
        let report = Box::new(agent.report.clone());
        self.events.retain(|_, e| !matches!(e, Event::AttemptEnded { unit: u, n: m, .. } if u == unit && *m == n));
        self.answer(1, Event::AttemptEnded { unit: unit.clone(), n, report });
    }

    fn integrate(&mut self, onto: &Tip, head: &CommitId, source: &MergeSource) -> Integration {
        let green = self.commits.get(&onto.commit).cloned().unwrap_or_default();
        let theirs = self.commits.get(head).cloned().unwrap_or_default();
        if let MergeSource::Unit { unit, .. } = source {
            let clash = |other: &UnitId| {
                let pair = (other.clone().min(unit.clone()), other.clone().max(unit.clone()));
                self.conflicts.iter().any(|(a, b)| (a.min(b), a.max(b)) == (&pair.0, &pair.1))
            };
            let files: Vec<String> = green
                .keys()
                .filter(|other| !theirs.contains_key(*other) && theirs.contains_key(unit) && clash(other))
                .map(ToString::to_string)
                .collect();
            if !files.is_empty() {
                return Integration::Conflict { files, detail: String::new() };
            }
        }
        if matches!(source, MergeSource::Unit { .. }) {
            let touches = |(id, kind): &(&UnitId, &Behaviour)| **kind == Behaviour::Touches && !green.contains_key(*id);
            let paths: Vec<String> = theirs.iter().filter(touches).map(|(id, _)| format!("protected/{id}")).collect();
            if !paths.is_empty() {
                return Integration::Protected { paths };
            }
        }
        let mut merged = green.clone();
        merged.extend(theirs);
        if merged == green {
            return Integration::Unchanged;
        }
        Integration::Candidate(self.commit("merge", merged, vec![onto.commit.clone(), head.clone()]))
    }

    fn write_books(&mut self, onto: &Tip, books: &Books) -> Result<Integration, String> {
        let content = self.kept.changed(self.commits.get(&onto.commit).cloned().unwrap_or_default());
        let tip = self.commit("books", content, vec![onto.commit.clone()]);
        self.kept.write(&tip.commit, books)?;
        Ok(Integration::Books { candidate: Some(tip), notes: Vec::new() })
    }

    fn verify(&mut self, order: &VerifyOrder, rng: &mut fastrand::Rng, flaky: f64) -> Verification {
        if !order.extra.is_empty() {
            let content = self.commits.get(&order.tip.commit).cloned().unwrap_or_default();
            return self.lines.verify(order, &content, rng.f64() < flaky);
        }
        let key = SnapshotKey(format!("snapshot of {:?}", order.tip.tree));
        let reused = order.confirms.is_none() && self.snapshots.contains_key(&key);
        if !reused {
            self.runs += 1;
            *self.runs_by_tree.entry(order.tip.tree.clone()).or_default() += 1;
            let content = self.commits.get(&order.tip.commit).cloned().unwrap_or_default();
            let (exist, mut fail) = tests(&content, self.red_base, &self.red_together);
            if rng.f64() < flaky {
                fail.insert("base-1".to_owned());
            }
            if let Some((_, first)) = order.confirms.as_ref().and_then(|k| self.snapshots.get(k)) {
                fail.retain(|t| first.contains(t));
            }
            self.snapshots.insert(key.clone(), (exist, fail));
        }
        let (exist, fail) = self.snapshots.get(&key).cloned().unwrap_or_default();
        let summary = Summary {
            outcome: if fail.is_empty() { StageOutcome::Passed } else { StageOutcome::Failed },
            passed: (exist.len() - fail.len()) as u64,
            failed: fail.len() as u64,
            skipped: 0,
            findings: BTreeMap::new(),
            per_test: true,
            flaky: Vec::new(),
            note: String::new(),
        };
        self.verified.insert(order.tip.tree.clone(), summary.clone());
        let delta = order.against.as_ref().and_then(|k| self.snapshots.get(k)).map(|(had, failed)| Delta {
            broken: fail.iter().filter(|t| had.contains(*t) && !failed.contains(*t)).cloned().collect(),
            fixed: failed.iter().filter(|t| exist.contains(*t) && !fail.contains(*t)).cloned().collect(),
            removed: had.difference(&exist).cloned().collect(),
            new_failing: fail.difference(had).cloned().collect(),
            added: exist.difference(had).count() as u64,
            still_failing: fail.intersection(failed).cloned().collect(),
            ..Delta::default()
        });
        if order.confirms.is_some() {
            self.twice.insert(key.clone());
        }
        let confirmed = self.twice.contains(&key);
        Verification { key, summary, delta, reused, confirmed }
    }

    fn land(&mut self, candidate: &Tip, expected: &CommitId, source: &MergeSource) -> Result<LandResult, String> {
        let Some(green) = self.green.clone() else { return Ok(LandResult::Back { now: None }) };
        let tip = |world: &Self, c: &CommitId| Tip {
            commit: c.clone(),
            tree: world.commits.get(c).map_or_else(|| hash_tree(&Content::new()), hash_tree),
        };
        if self.contains(&green, &candidate.commit) {
            return Ok(LandResult::Landed { now: tip(self, &green) });
        }
        if green == *expected {
            if self.now < self.checked_out_until {
                return Ok(LandResult::CheckedOut { worktree: "a work tree".to_owned() });
            }
            let unit = source.unit().cloned();
            if let Some(unit) = &unit
                && self.landings.iter().any(|(t, u)| u.as_ref() == Some(unit) && self.contains(&green, &t.commit))
            {
                return Err(format!("P3: {unit} lands twice"));
            }
            if !self.verified.contains_key(&candidate.tree) {
                return Err(format!("P1: green moves to {candidate:?}, whose tree has no snapshot"));
            }
            let passes = |tree: &TreeId| self.verified.get(tree).map(|s| s.outcome == StageOutcome::Passed);
            let before = self.commits.get(expected).map(hash_tree).and_then(|t| passes(&t));
            if before == Some(true) && passes(&candidate.tree) != Some(true) {
                return Err(format!("P1: green would go from passing to {:?}", self.verified.get(&candidate.tree)));
            }
            if !self.contains(&candidate.commit, expected) {
                return Err("P1: the candidate does not contain green".to_owned());
            }
            if let Some(unit) = &unit {
                let before = self.commits.get(expected).map_or_else(|| hash_tree(&Content::new()), hash_tree);
                self.lines.lands(unit, &before, &candidate.tree)?;
            }
            self.green = Some(candidate.commit.clone());
            self.last_green.clone_from(&self.green);
            self.landings.push((candidate.clone(), unit));
            return Ok(LandResult::Landed { now: candidate.clone() });
        }
        if self.contains(&green, expected) {
            return Ok(LandResult::Forward { now: tip(self, &green) });
        }
        Ok(LandResult::Back { now: Some(green) })
    }
}
