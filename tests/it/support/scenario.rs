//! Random scenarios for the simulator: a seed is a mission.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use mission_control::domain::mission::{BookkeepingMode, Budget, Policy};
use mission_control::domain::trouble::{Cause, Spot};
use mission_control::domain::unit::UnitSpec;
use mission_control::domain::values::UnitId;
use mission_control::domain::values::Usd;
use mission_control::sim::scenario::{Behaviour, Faults, Line, Outage, Scenario};
use std::collections::{BTreeMap, BTreeSet};

/// A random scenario: 1 to 24 units in a random graph with random behaviours and, for most seeds, faults.
pub fn random(seed: u64) -> Scenario {
    let mut rng = fastrand::Rng::with_seed(seed);
    let count = rng.usize(1..=24);
    let density = rng.f64() * 0.3;
    let mut units: Vec<UnitSpec> = Vec::new();
    let mut scenario = Scenario::new_calm(Vec::new(), Policy::default(), seed);
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
    scenario.bookkeeping_breaks = apart.u8(..) < 20;
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
        elsewhere: 0.0,
        host: 0.0,
        drain: 0.0,
    }
}
