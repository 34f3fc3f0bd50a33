//! Faults of an earlier scheduler, each played once on purpose in the virtual world (see `docs/lessons.md`).
#![expect(clippy::unwrap_used, reason = "a panic is how a test helper fails")]

use mission_control::domain::mission::{MissionOutcome, NextMove, Policy, Record, UnitState};
use mission_control::domain::unit::UnitSpec;
use mission_control::domain::values::UnitId;
use mission_control::sim::scenario::{Behaviour, Scenario};
use mission_control::sim::{Outcome, run_scenario};

fn id(id: &str) -> UnitId {
    UnitId::new(id).unwrap()
}

/// Units `u0`, `u1`, … without dependencies, the first with these behaviours.
fn scenario(count: usize, policy: Policy, first: &[Behaviour]) -> Scenario {
    let units = (0..count).map(|n| UnitSpec::new(id(&format!("u{n}")), "a unit")).collect();
    let mut scenario = Scenario::new_calm(units, policy, 7);
    if !first.is_empty() {
        scenario.behaviours.insert(id("u0"), first.to_vec());
    }
    scenario
}

fn run(scenario: &Scenario) -> Outcome {
    run_scenario(scenario, |_, _| {}).unwrap_or_else(|e| panic!("{e}"))
}

/// State and number of starts of a unit.
fn came_to(outcome: &Outcome, unit: &str) -> (UnitState, usize) {
    let unit = outcome.state.unit(&id(unit)).unwrap();
    (unit.state, unit.attempts.len())
}

#[test]
fn h42_max_rounds_is_the_number_of_rounds() {
    for max_rounds in 1..=4 {
        let outcome = run(&scenario(6, Policy { max_rounds, units_per_round: 1, ..Policy::default() }, &[]));
        assert_eq!(outcome.state.rounds.len(), max_rounds as usize);
        assert_eq!(outcome.state.count(UnitState::Landed), max_rounds);
        assert_eq!(outcome.state.outcome.as_ref().unwrap().0, MissionOutcome::MaxRounds);
    }
}

#[test]
fn h50_completed_without_a_change_is_no_failure_and_h20_satisfies_dependants() {
    let mut scenario = scenario(2, Policy::default(), &[Behaviour::NoOp]);
    scenario.units[1].depends = vec![id("u0")];
    let outcome = run(&scenario);
    assert_eq!(came_to(&outcome, "u0"), (UnitState::NoOp, 1));
    assert_eq!(came_to(&outcome, "u1"), (UnitState::Landed, 1));
    assert_eq!(outcome.state.outcome.as_ref().unwrap().2, 0);
}

#[test]
fn h25_every_failure_path_counts_against_its_own_budget() {
    let policy = || Policy {
        max_attempts: 2,
        max_infrastructure_retries: 3,
        max_continues: 4,
        stall_threshold: 0,
        ..Policy::default()
    };
    let paths = [
        (Behaviour::Fails, UnitState::Failed, 2),
        (Behaviour::Hangs, UnitState::Failed, 2),
        (Behaviour::Empty, UnitState::Failed, 2),
        (Behaviour::Breaks, UnitState::Rejected, 2),
        (Behaviour::RemovesTest, UnitState::Rejected, 2),
        (Behaviour::HostFails, UnitState::Failed, 4),
        (Behaviour::Continues, UnitState::Failed, 5),
    ];
    for (behaviour, state, starts) in paths {
        let outcome = run(&scenario(2, policy(), &[behaviour]));
        assert_eq!(came_to(&outcome, "u0"), (state, starts), "{behaviour:?}");
        assert_eq!(came_to(&outcome, "u1"), (UnitState::Landed, 1), "nobody else is disturbed by {behaviour:?}");
    }
}

#[test]
fn h41_h60_what_is_not_the_works_fault_uses_no_attempt() {
    let policy = Policy { max_attempts: 1, ..Policy::default() };
    let outcome =
        run(&scenario(1, policy, &[Behaviour::HostFails, Behaviour::Continues, Behaviour::HostFails, Behaviour::Good]));
    assert_eq!(came_to(&outcome, "u0"), (UnitState::Landed, 4));
}

#[test]
fn h11_h36_a_change_that_breaks_never_reaches_green() {
    let calm = run(&scenario(2, Policy::default(), &[]));
    let mended = run(&scenario(2, Policy::default(), &[Behaviour::Breaks, Behaviour::Good]));
    assert_eq!(came_to(&mended, "u0"), (UnitState::Landed, 2));
    assert_eq!(mended.state.count(UnitState::Landed), calm.state.count(UnitState::Landed));

    let mut clash = scenario(2, Policy { max_attempts: 1, ..Policy::default() }, &[]);
    clash.red_together.insert((id("u0"), id("u1")));
    let outcome = run(&clash);
    let states = [came_to(&outcome, "u0").0, came_to(&outcome, "u1").0];
    assert!(states.contains(&UnitState::Landed) && states.contains(&UnitState::Rejected), "{states:?}");
}

#[test]
fn h39_h47_a_conflict_is_made_again_on_the_new_green_and_loses_nothing() {
    let mut scenario = scenario(2, Policy::default(), &[]);
    scenario.conflicts.insert((id("u0"), id("u1")));
    let outcome = run(&scenario);
    assert_eq!(outcome.state.count(UnitState::Landed), 2);
    let rejected = outcome.journal.iter().filter(|r| matches!(r, Record::Rejected { .. })).count();
    assert_eq!(rejected, 1, "the conflict really happened");
}

#[test]
fn h41_a_question_is_no_failure_and_the_mission_waits_for_the_answer() {
    let outcome = run(&scenario(2, Policy::default(), &[Behaviour::Asks]));
    let held = |r: &Record| matches!(r, Record::AttemptJudged { next: NextMove::Hold { .. }, .. });
    let waits = outcome.journal.iter().position(|r| matches!(r, Record::Waiting { .. })).expect("it waited");
    assert_eq!(outcome.journal[..waits].iter().filter(|r| held(r)).count(), 1, "asked once, not again and again");
    assert_eq!(came_to(&outcome, "u1"), (UnitState::Landed, 1));
}
