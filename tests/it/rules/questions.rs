//! What a round asks of the world while an idle run of green is open: each has its own end, and each is asked again.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use crate::rules::simulation::{calm, run, unit};
use mission_control::domain::mission::{
    Command, Event, JobId, Mission, Operation, Record, StopLevel, Unverified, VerifyRole, decide,
};
use mission_control::domain::trouble::{Cause, Spot, Trouble};
use mission_control::domain::values::{Millis, RunId};

/// A mission whose first round is evaluated while green is asked from nothing, and that run. One unit is left for later.
fn evaluated() -> (Mission, RunId) {
    let mut scenario = calm(vec![unit("a", &[]), unit("b", &[])]);
    (scenario.policy.warm_runs, scenario.policy.has_check, scenario.policy.units_per_round) = (true, true, 1);
    let journal = run(&scenario).journal;
    let end = journal.iter().position(|record| matches!(record, Record::RoundWorked { .. })).unwrap();
    let mut state = Mission::begin(&journal[0]).unwrap();
    journal[1..=end].iter().for_each(|record| state.apply(record));
    let open = state.current_verification().unwrap();
    assert_eq!(open.role, VerifyRole::Cold);
    let run = open.run;
    (state, run)
}

fn checked(met: Result<bool, Trouble>) -> Event {
    Event::ObjectiveChecked { round: 1, met, pins: Vec::new(), moved: None }
}

fn full() -> Trouble {
    Trouble::new(Cause::DiskFull(Spot::State), "the disk is full")
}

fn tell(state: &mut Mission, at: Millis, event: Event) -> Vec<Command> {
    decide(state, at, event).commands
}

/// What is asked when the mission wakes next by itself.
fn wake(state: &mut Mission) -> Vec<Command> {
    let at = state.next_wake().expect("it wakes by itself");
    tell(state, at, Event::Tick)
}

#[test]
fn p10_a_question_of_the_round_that_met_trouble_is_asked_again_beside_an_idle_run() {
    let (mut state, _) = evaluated();
    tell(&mut state, 1_000_000, checked(Err(full())));
    let asked = wake(&mut state);
    assert!(matches!(&asked[..], [Command::CheckObjective { round: 1, .. }]), "{asked:?}");

    tell(&mut state, 2_000_000, checked(Ok(false)));
    tell(&mut state, 2_000_000, Event::TargetChecked(Err(full())));
    // Seen twice, it is a common cause: it was a question of the round that met it, and not the run.
    let causes = state.circuit().map(|circuit| format!("{circuit:?}")).unwrap_or_default();
    assert!(!causes.contains(&format!("{:?}", Operation::Verify)), "{causes}");
    let asked = wake(&mut state);
    assert!(matches!(&asked[..], [Command::CheckTarget { .. }]), "{asked:?}");
    assert!(state.current_verification().is_some(), "the idle run was open all the time");
}

#[test]
fn p5_a_stop_kills_the_check_of_the_objective_after_the_idle_run_beside_it_failed() {
    for level in [StopLevel::Interrupt, StopLevel::Now] {
        let (mut state, idle) = evaluated();
        tell(&mut state, 1_000_000, Event::Verified { run: idle, result: Err(Unverified::from(full())) });
        let stopped = tell(&mut state, 1_000_000, Event::Stop(level));
        assert!(matches!(&stopped[..], [Command::Cancel(JobId::Check(1))]), "{stopped:?}");
        let ended = tell(&mut state, 1_000_001, checked(Err(full())));
        assert!(matches!(&ended[..], [Command::Exit { .. }]), "it ends with its last process: {ended:?}");
    }
}
