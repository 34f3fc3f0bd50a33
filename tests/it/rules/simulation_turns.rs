//! Turns in the virtual world: units that add to one file all land, and nobody else waits for them.

use crate::rules::simulation::{calm, run, unit};
use mission_control::domain::mission::{NextMove, Record, UnitState};
use mission_control::domain::unit::UnitSpec;
use mission_control::domain::values::{RequestId, UnitId};
use mission_control::sim::scenario::{Faults, Scenario};

/// So many units that all add to one file.
fn crowd(count: usize, workers: u32, seed: u64) -> Scenario {
    let units: Vec<UnitSpec> = (0..count).map(|i| unit(&format!("u{i}"), &[])).collect();
    let mut scenario = calm(units);
    (scenario.seed, scenario.policy.workers) = (seed, workers);
    let id = |i: usize| UnitId::new(&format!("u{i}")).unwrap();
    for a in 0..count {
        scenario.conflicts.extend((0..a).map(|b| (id(b), id(a))));
    }
    scenario
}

#[test]
fn p10_units_that_add_to_one_file_all_land() {
    for count in [2, 5, 8, 13, 24] {
        for workers in [1, 2, 4, 8, 24] {
            for seed in 0..8 {
                let outcome = run(&crowd(count, workers, seed));
                assert_eq!(outcome.state.count(UnitState::Landed) as usize, count, "{workers} workers, seed {seed}");
                // Whoever has lost twice waits for its turn, and lands with it.
                let most = outcome.state.units.iter().map(|unit| unit.conflicts).max();
                assert!(most <= Some(2), "{count} units, {workers} workers, seed {seed}: {most:?} conflicts");
            }
        }
    }
}

#[test]
fn p4_p10_units_that_add_to_one_file_land_in_whatever_trouble() {
    let (mut crashes, mut waits) = (0, 0);
    for seed in 0..150_u32 {
        let mut scenario = crowd(3 + seed as usize % 9, 2 + seed % 4, seed.into());
        scenario.faults = Faults::parse_faults("crash,duplicate,checked-out").unwrap();
        let outcome = run(&scenario);
        assert!(outcome.state.all_done(), "seed {seed}: {:?}", outcome.state.outcome);
        crashes += outcome.crashes;
        waits += outcome.journal.iter().filter(|r| matches!(r, Record::Requeued { waits_for: Some(_), .. })).count();
    }
    assert!(crashes > 100 && waits > 50, "{crashes} crashes, {waits} waits");
}

#[test]
fn p10_requests_elsewhere_land_while_a_unit_has_its_turn() {
    let mut scenario = crowd(6, 8, 3);
    scenario.units.extend((0..6).map(|i| unit(&format!("v{i}"), &[])));
    let outcome = run(&scenario);
    assert_eq!(outcome.state.count(UnitState::Landed), 12);
    let elsewhere = |mr: &RequestId| {
        outcome.journal.iter().any(|record| match record {
            Record::AttemptJudged { unit, next: NextMove::Queue { mr: own }, .. } => {
                own == mr && unit.as_str().starts_with('v')
            }
            _ => false,
        })
    };
    let waited = |r: &&Record| matches!(r, Record::Requeued { waits_for: Some(_), mr, .. } if elsewhere(mr));
    assert_eq!(outcome.journal.iter().filter(waited).count(), 0);
}
