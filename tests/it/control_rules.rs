//! The rules of cancelling, of caps on time and money and of chosen units, shown on `decide` and in the virtual world.

use mission_control::domain::mission::{
    Command, Event, Integration, Policy, Record, State, UnitState, VerifyRole, decide,
};
use mission_control::domain::unit::UnitSpec;
use mission_control::domain::values::UnitId;
use mission_control::sim::scenario::Scenario;
use mission_control::sim::{Outcome, play};

fn id(text: &str) -> UnitId {
    UnitId::new(text).unwrap()
}

fn unit(text: &str, depends: &[&str]) -> UnitSpec {
    let mut spec = UnitSpec::new(id(text), text);
    spec.depends = depends.iter().map(|d| id(d)).collect();
    spec
}

fn run(scenario: &Scenario) -> Outcome {
    play(scenario, |_, _| {}).unwrap_or_else(|e| panic!("{e}"))
}

/// The journal of a calm mission of `a` and `b`, which depends on it.
fn journal() -> Vec<Record> {
    run(&Scenario::calm(vec![unit("a", &[]), unit("b", &["a"])], Policy::default(), 1)).journal
}

/// A journal up to and with the first record that fits, and the state of the engine that wrote it.
fn until(journal: &[Record], fits: impl Fn(&Record) -> bool) -> (Vec<Record>, State) {
    let end = journal.iter().position(fits).unwrap();
    let mut state = State::begin(&journal[0]).unwrap();
    journal[1..=end].iter().for_each(|record| state.apply(record));
    (journal[..=end].to_vec(), state)
}

fn cancel(state: &mut State) -> (Vec<Record>, Vec<Command>) {
    let step = decide(state, 1_000_000, Event::CancelUnit { unit: id("a") });
    (step.records, step.commands)
}

#[test]
fn p4_an_engine_that_died_while_it_cancelled_is_followed_by_one_that_kills() {
    let (mut cut, mut state) = until(&journal(), |r| matches!(r, Record::AttemptStarted { .. }));
    let (records, commands) = cancel(&mut state);
    assert!(matches!(&records[..], [Record::UnitCancelAsked { .. }]), "the intent comes before the kill: {records:?}");
    assert!(matches!(&commands[..], [Command::Kill { n: 1, .. }]), "{commands:?}");
    cut.extend(records);
    let commands = decide(&mut State::replay(cut).unwrap(), 2_000_000, Event::Resumed).commands;
    assert!(matches!(&commands[..], [Command::Adopt(_), Command::Kill { n: 1, .. }]), "{commands:?}");
}

#[test]
fn a_unit_cancelled_while_it_is_merged_leaves_the_queue_whatever_the_merge_comes_to() {
    let journal = journal();
    let conflict = Integration::Conflict { files: vec!["f".to_owned()], detail: String::new() };
    for result in [Ok(conflict), Ok(Integration::Unchanged), Err("the disk is full".to_owned())] {
        let (_, mut state) = until(&journal, |r| matches!(r, Record::LandingStarted { .. }));
        let (records, _) = cancel(&mut state);
        assert!(matches!(&records[..], [Record::UnitCancelAsked { .. }]), "git is at work on it: {records:?}");
        let token = state.landing.as_ref().unwrap().token;
        drop(decide(&mut state, 1_000_001, Event::Integrated { token, result }));
        assert_eq!(state.unit(&id("a")).unwrap().state, UnitState::Cancelled);
        assert_eq!(state.unit(&id("b")).unwrap().state, UnitState::Blocked);
        assert!(state.landing.is_none() && state.queue().count() == 0);
    }
}

#[test]
fn a_verification_nobody_wants_any_more_is_killed_and_is_no_failure() {
    let after = |r: &Record| matches!(r, Record::VerifyStarted { role: VerifyRole::After, .. });
    let (mut cut, mut state) = until(&journal(), after);
    let (records, commands) = cancel(&mut state);
    assert!(state.landing.is_none() && state.verifying.is_some(), "its processes live until they are proven gone");
    let run = state.verifying.as_ref().unwrap().run;
    assert_eq!(commands, [Command::KillVerification { run }]);
    cut.extend(records);
    let resumed = decide(&mut State::replay(cut).unwrap(), 2_000_000, Event::Resumed).commands;
    assert!(resumed.contains(&Command::KillVerification { run }), "{resumed:?}");
    let step = decide(&mut state, 1_000_001, Event::Verified { run, result: Err("killed".to_owned()) });
    assert!(matches!(&step.records[0], Record::VerificationDropped { .. }), "{:?}", step.records);
    assert!(state.verifying.is_none());
}

#[test]
fn p3_what_may_have_landed_is_not_cancelled() {
    let (_, mut state) = until(&journal(), |r| matches!(r, Record::LandIntended { .. }));
    assert_eq!(cancel(&mut state), (Vec::new(), Vec::new()));
    let (_, mut state) = until(&journal(), |r| matches!(r, Record::Landed { .. }));
    let (records, _) = cancel(&mut state);
    assert!(!records.iter().any(|r| matches!(r, Record::UnitCancelAsked { .. } | Record::UnitCancelled { .. })));
}

#[test]
fn p9_p10_missions_whose_units_are_cancelled_again_and_again_end_and_add_up() {
    let mut cancelled = 0;
    for seed in 0..400 {
        let mut scenario = Scenario::random(seed);
        scenario.faults.cancel = 0.2;
        cancelled += run(&scenario).state.count(UnitState::Cancelled);
    }
    assert!(cancelled > 500, "the fault must really happen: {cancelled}");
}
