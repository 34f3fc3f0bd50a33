//! What is simulated: units with their behaviour, limits, and the faults that disturb them.

use super::lines::Line;
use crate::domain::mission::{BookkeepingMode, Budget, Policy, Usd};
use crate::domain::trouble::{Cause, Spot};
use crate::domain::unit::UnitSpec;
use crate::domain::values::{Millis, UnitId};
use std::collections::{BTreeMap, BTreeSet};

/// A whole scenario; the same one gives the same run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Seed of every random choice.
    pub seed: u64,
    /// Limits of the mission.
    pub policy: Policy,
    /// The plan.
    pub units: Vec<UnitSpec>,
    /// How each unit's attempts behave; the last entry repeats. Absent: changes one thing and is done.
    pub behaviours: BTreeMap<UnitId, Vec<Behaviour>>,
    /// Pairs whose changes conflict as text when made side by side.
    pub conflicts: BTreeSet<(UnitId, UnitId)>,
    /// Pairs that verify apart and fail together.
    pub red_together: BTreeSet<(UnitId, UnitId)>,
    /// What units' own lines say; the others as `mc simulate` takes them: `accept` fails until its unit is in.
    pub lines: BTreeMap<String, Line>,
    /// Whether the base has one failing test.
    pub red_base: bool,
    /// Whether the gate refuses what the mission writes about itself.
    pub books_break: bool,
    /// Times in which everything fails for one cause.
    pub outages: Vec<Outage>,
    /// Random disturbances.
    pub faults: Faults,
    /// Dies at this decision, before (even) or after (odd) its commit.
    pub crash_at: Option<(u64, u8)>,
}

/// A time in which nothing can be prepared, collected, merged or verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// When it begins.
    pub from: Millis,
    /// When it is over.
    pub until: Millis,
    /// What stands in the way.
    pub cause: Cause,
}

/// What one attempt does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Changes something good.
    Good,
    /// Changes something that breaks a test.
    Breaks,
    /// Removes a test.
    RemovesTest,
    /// Ends well without a change, declared.
    NoOp,
    /// Ends well without a change, undeclared.
    Empty,
    /// Fails.
    Fails,
    /// Runs into its timeout.
    Hangs,
    /// Asks a question.
    Asks,
    /// Wants to go on from its own work.
    Continues,
    /// The host fails.
    HostFails,
    /// Changes something good that the quick stages refuse.
    FailsQuick,
    /// Changes something good, and a command of the quick stages is missing.
    MissesQuick,
    /// Changes something good and a protected path.
    Touches,
    /// Changes something that passes only where an earlier run left files.
    Leans,
    /// Changes something good that leaves files which make later runs fail where they are.
    Spoils,
}

/// Probabilities of disturbances, each per opportunity.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults {
    /// The engine dies at a decision.
    pub crash: f64,
    /// An event comes twice.
    pub duplicate: f64,
    /// A git step or verification meets infrastructure.
    pub infrastructure: f64,
    /// Somebody moves green forward.
    pub forward: f64,
    /// Somebody moves green forward to a commit that breaks a test.
    pub forward_red: f64,
    /// Somebody moves green back.
    pub back: f64,
    /// A verification fails one test that passes otherwise.
    pub flaky: f64,
    /// A person pauses, resumes or stops.
    pub person: f64,
    /// Green is checked out for a while.
    pub checked_out: f64,
    /// A person cancels a unit.
    pub cancel: f64,
    /// An attempt says of itself that it was killed, though nobody asked for that.
    pub forged_stop: f64,
    /// A good change depends on files of earlier runs, or leaves some that make good work fail.
    pub leftovers: f64,
}

impl Faults {
    /// Faults by name, each at its usual rate: `crash`, `duplicate`, `infrastructure`, `forward`, `forward-red`, `back`, `flaky`,
    /// `person`, `checked-out`, `cancel`, `forged-stop`, `leftovers`, or `all`.
    ///
    /// # Errors
    /// The unknown name with the list of known ones.
    pub fn named(names: &str) -> Result<Self, String> {
        let mut faults = Self::default();
        for name in names.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            match name {
                "crash" => faults.crash = 0.03,
                "duplicate" => faults.duplicate = 0.05,
                "infrastructure" => faults.infrastructure = 0.03,
                "forward" => faults.forward = 0.01,
                "forward-red" => faults.forward_red = 0.005,
                "back" => faults.back = 0.002,
                "flaky" => faults.flaky = 0.05,
                "person" => faults.person = 0.005,
                "checked-out" => faults.checked_out = 0.02,
                "cancel" => faults.cancel = 0.01,
                "forged-stop" => faults.forged_stop = 0.05,
                "leftovers" => faults.leftovers = 0.05,
                "all" => {
                    let all = "crash,duplicate,infrastructure,forward,forward-red,back,flaky,person,checked-out,cancel,\
                               forged-stop,leftovers";
                    return Self::named(all);
                }
                _ => {
                    return Err(format!(
                        "unknown fault `{name}`: use crash, duplicate, infrastructure, forward, forward-red, back, flaky, person, \
                         checked-out, cancel, forged-stop, leftovers or all"
                    ));
                }
            }
        }
        Ok(faults)
    }
}

impl Scenario {
    /// A scenario in which every unit does what it should.
    #[must_use]
    pub fn calm(units: Vec<UnitSpec>, policy: Policy, seed: u64) -> Self {
        Self {
            seed,
            policy,
            units,
            behaviours: BTreeMap::new(),
            conflicts: BTreeSet::new(),
            red_together: BTreeSet::new(),
            lines: BTreeMap::new(),
            red_base: false,
            books_break: false,
            outages: Vec::new(),
            faults: Faults::default(),
            crash_at: None,
        }
    }

    /// A random scenario: 1 to 24 units in a random graph with random behaviours and, for most seeds, faults.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let count = rng.usize(1..=24);
        let density = rng.f64() * 0.3;
        let mut units: Vec<UnitSpec> = Vec::new();
        let mut scenario = Self::calm(Vec::new(), Policy::default(), seed);
        for i in 0..count {
            let Ok(id) = UnitId::new(&format!("u{i}")) else { continue };
            let mut spec = UnitSpec::new(id.clone(), &format!("unit {i}"));
            spec.priority = rng.u32(0..4);
            spec.depends = units.iter().filter(|_| rng.f64() < density).map(|u| u.id.clone()).collect();
            spec.run = rng.bool().then(|| "true".to_owned());
            spec.allow_removed_tests = rng.u8(..) < 12;
            spec.attempts = (rng.u8(..) < 40).then(|| rng.u32(1..4));
            let behaviours = (0..rng.usize(1..4)).map(|_| random_behaviour(&mut rng)).collect();
            scenario.behaviours.insert(id.clone(), behaviours);
            for other in &units {
                if rng.f64() < 0.05 {
                    scenario.conflicts.insert((other.id.clone(), id.clone()));
                }
                if rng.f64() < 0.03 {
                    scenario.red_together.insert((other.id.clone(), id.clone()));
                }
            }
            units.push(spec);
        }
        own_lines(&mut units, &mut scenario.lines, seed);
        crowd(&units, &mut scenario.conflicts, seed);
        scenario.units = units;
        scenario.red_base = rng.u8(..) < 30;
        scenario.policy = Policy {
            workers: rng.u32(1..6),
            max_attempts: rng.u32(1..4),
            units_per_round: if rng.bool() { 0 } else { rng.u32(1..8) },
            max_rounds: rng.u32(1..12),
            stall_threshold: rng.u32(0..4),
            cooldown: if rng.bool() { 0 } else { 5_000 },
            confirm_failures: rng.u8(..) < 220,
            max_wall_time: if rng.u8(..) < 20 { rng.u64(10_000..600_000) } else { Policy::default().max_wall_time },
            has_check: rng.u8(..) < 40,
            ..Policy::default()
        };
        scenario.faults = random_faults(&mut rng);
        // Drawn apart, so that everything else plays as it did.
        let mut apart = fastrand::Rng::with_seed(seed ^ 0xb00c);
        scenario.policy.keeps = if apart.bool() { BookkeepingMode::Backlog } else { BookkeepingMode::Nothing };
        scenario.books_break = apart.u8(..) < 20;
        let mut apart = fastrand::Rng::with_seed(seed ^ 0x5709);
        scenario.faults.forged_stop = if apart.u8(..) < 50 { apart.f64() } else { 0.0 };
        scenario.policy.max_starts = if apart.bool() { apart.u32(3..12) } else { scenario.policy.max_starts };
        let mut apart = fastrand::Rng::with_seed(seed ^ 0x007a6e);
        if apart.u8(..) < 40 {
            let from = apart.u64(0..300_000);
            let until = from + apart.u64(500..30_000) * if apart.u8(..) < 50 { 60 } else { 1 };
            let causes = [Cause::Denied(Spot::Source), Cause::Spawn, Cause::Unknown("odd".to_owned())];
            scenario.outages.push(Outage { from, until, cause: causes[apart.usize(..causes.len())].clone() });
        }
        let mut apart = fastrand::Rng::with_seed(seed ^ 0xc01d);
        scenario.policy.warm_runs = apart.u8(..) < 100;
        if scenario.policy.warm_runs && apart.bool() {
            scenario.faults.leftovers = apart.f64() * 0.2;
        }
        if rng.u8(..) < 64 {
            scenario.policy.budget = Budget {
                per_run: Usd(rng.u64(0..60_000_000)),
                per_session: Usd(rng.u64(1..5_000_000)),
                max_tokens: if rng.bool() { 0 } else { rng.u64(1..500_000) },
                counts_unknown: rng.u8(..) < 200,
            };
        }
        if rng.u8(..) < 20 {
            scenario.policy.until = rng.u64(10_000..900_000);
        }
        scenario
    }

    pub(super) fn behaviour(&self, unit: &UnitId, nth: usize) -> Behaviour {
        match self.behaviours.get(unit).map(Vec::as_slice) {
            Some([]) | None => Behaviour::Good,
            Some(list) => list[nth.min(list.len() - 1)],
        }
    }
}

/// Has many units of some scenarios add to one file, drawn apart from everything else.
fn crowd(units: &[UnitSpec], conflicts: &mut BTreeSet<(UnitId, UnitId)>, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0xc0_1f1c);
    if rng.u8(..) >= 40 {
        return;
    }
    let members: Vec<&UnitId> = units.iter().map(|unit| &unit.id).filter(|_| rng.u8(..) < 180).collect();
    for (nth, a) in members.iter().enumerate() {
        conflicts.extend(members[..nth].iter().map(|b| ((*b).clone(), (*a).clone())));
    }
}

/// Gives some units lines of their own, drawn apart from everything else.
fn own_lines(units: &mut [UnitSpec], lines: &mut BTreeMap<String, Line>, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0xacce97);
    let ids: Vec<UnitId> = units.iter().map(|u| u.id.clone()).collect();
    let rate = if rng.bool() { rng.f64() * 0.5 } else { 0.0 };
    for unit in units {
        if rng.f64() < rate {
            let (text, line) = match rng.u8(0..10) {
                0..8 => ("passes", Line::Passes),
                8 => ("fails", Line::Fails),
                _ => ("cannot run", Line::CannotRun),
            };
            lines.insert(text.to_owned(), line);
            unit.verify = Some(text.to_owned());
        }
        if rng.f64() < rate {
            let other = ids[rng.usize(..ids.len())].clone();
            let (text, line) = match rng.u8(0..20) {
                0..12 => (format!("has {}", unit.id), Line::Once(unit.id.clone())),
                12..16 => (format!("has {other}"), Line::Once(other)),
                16 => ("passes".to_owned(), Line::Passes),
                17 => ("fails".to_owned(), Line::Fails),
                18 => (format!("brings {}", unit.id), Line::Brings(unit.id.clone())),
                _ => ("cannot run".to_owned(), Line::CannotRun),
            };
            lines.insert(text.clone(), line);
            unit.accept = Some(text);
        }
    }
}

fn random_behaviour(rng: &mut fastrand::Rng) -> Behaviour {
    match rng.u8(0..100) {
        0..54 => Behaviour::Good,
        54..56 => Behaviour::FailsQuick,
        56..57 => Behaviour::MissesQuick,
        57..60 => Behaviour::Touches,
        60..68 => Behaviour::Breaks,
        68..72 => Behaviour::RemovesTest,
        72..76 => Behaviour::NoOp,
        76..80 => Behaviour::Empty,
        80..87 => Behaviour::Fails,
        87..91 => Behaviour::Hangs,
        91..94 => Behaviour::Asks,
        94..97 => Behaviour::Continues,
        _ => Behaviour::HostFails,
    }
}

fn random_faults(rng: &mut fastrand::Rng) -> Faults {
    let mut some = |rate: f64| if rng.bool() { rng.f64() * rate } else { 0.0 };
    Faults {
        crash: some(0.1),
        duplicate: some(0.2),
        infrastructure: some(0.1),
        forward: some(0.03),
        forward_red: some(0.01),
        back: some(0.005),
        flaky: some(0.1),
        person: some(0.01),
        checked_out: some(0.1),
        cancel: some(0.03),
        // Drawn apart, so that everything else plays as it did.
        forged_stop: 0.0,
        leftovers: 0.0,
    }
}

/// How long one attempt of a simulated unit takes at most.
pub(super) const LONGEST_ATTEMPT: Millis = 120_000;
