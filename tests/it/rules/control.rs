//! The rules of cancelling, of caps on time and money and of chosen units, shown on `decide` and in the virtual world.

use crate::support::scenario::random as random_scenario;
use mission_control::domain::mission::{
    Budget, Command, DecidedBy, Event, Integration, JobId, LandResult, Mission, MissionOutcome, Noticed, Policy,
    Record, Step, UnitState, Unverified, Verification, VerificationRun, VerifyRole, decide,
};
use mission_control::domain::trouble::Cause;
use mission_control::domain::unit::UnitSpec;
use mission_control::domain::values::{RunId, SessionId, UnitId, Usd};
use mission_control::domain::verify::{SnapshotKey, StageOutcome, Summary};
use mission_control::sim::scenario::{Behaviour, Scenario};
use mission_control::sim::{Outcome, run_scenario};

fn id(text: &str) -> UnitId {
    UnitId::new(text).unwrap()
}

fn unit(text: &str, depends: &[&str]) -> UnitSpec {
    let mut spec = UnitSpec::new(id(text), text);
    spec.depends = depends.iter().map(|d| id(d)).collect();
    spec
}

fn run(scenario: &Scenario) -> Outcome {
    run_scenario(scenario, |_, _| {}).unwrap_or_else(|e| panic!("{e}"))
}

/// The journal of a calm mission of `a` and `b`, which depends on it.
fn journal() -> Vec<Record> {
    run(&Scenario::new_calm(vec![unit("a", &[]), unit("b", &["a"])], Policy::default(), 1)).journal
}

/// A journal up to and with the first record that fits, and the state of the engine that wrote it.
fn until(journal: &[Record], fits: impl Fn(&Record) -> bool) -> (Vec<Record>, Mission) {
    let end = journal.iter().position(fits).unwrap();
    let mut state = Mission::begin(&journal[0]).unwrap();
    journal[1..=end].iter().for_each(|record| state.apply(record));
    (journal[..=end].to_vec(), state)
}

fn cancel(state: &mut Mission) -> (Vec<Record>, Vec<Command>) {
    let step = decide(state, 1_000_000, Event::CancelUnit(id("a")));
    (step.records, step.commands)
}

#[test]
fn p4_an_engine_that_died_while_it_cancelled_is_followed_by_one_that_kills() {
    let (mut cut, mut state) = until(&journal(), |r| matches!(r, Record::SessionStarted { .. }));
    let (records, commands) = cancel(&mut state);
    assert!(matches!(&records[..], [Record::UnitCancelAsked { .. }]), "the intent comes before the kill: {records:?}");
    assert!(matches!(&commands[..], [Command::Cancel(JobId::Session(SessionId(1)))]), "{commands:?}");
    cut.extend(records);
    let commands = decide(&mut Mission::replay(cut).unwrap(), 2_000_000, Event::Resumed).commands;
    assert!(
        matches!(&commands[..], [Command::Adopt(_), Command::Cancel(JobId::Session(SessionId(1)))]),
        "{commands:?}"
    );
}

#[test]
fn a_unit_cancelled_while_it_is_merged_leaves_the_queue_whatever_the_merge_comes_to() {
    let journal = journal();
    let conflict = Integration::Conflict { files: vec!["f".to_owned()], detail: String::new() };
    for result in [Ok(conflict), Ok(Integration::Unchanged), Err("the disk is full".to_owned().into())] {
        let (_, mut state) = until(&journal, |r| matches!(r, Record::LandingStarted { .. }));
        let (records, _) = cancel(&mut state);
        assert!(matches!(&records[..], [Record::UnitCancelAsked { .. }]), "git is at work on it: {records:?}");
        let landing = state.landing().unwrap().id;
        drop(decide(&mut state, 1_000_001, Event::Integrated { landing, result }));
        assert_eq!(state.unit(&id("a")).unwrap().state, UnitState::Cancelled);
        assert_eq!(state.unit(&id("b")).unwrap().state, UnitState::Blocked);
        assert!(state.landing().is_none() && state.queue().count() == 0);
    }
}

#[test]
fn a_verification_nobody_wants_any_more_is_killed_and_is_no_failure() {
    let after = |r: &Record| matches!(r, Record::VerifyStarted(VerificationRun { role: VerifyRole::After, .. }));
    let (mut cut, mut state) = until(&journal(), after);
    let (records, commands) = cancel(&mut state);
    assert!(
        state.landing().is_none() && state.current_verification().is_some(),
        "its processes live until they are proven gone"
    );
    let run = state.current_verification().unwrap().run;
    assert_eq!(commands, [Command::Cancel(JobId::Run(run))]);
    cut.extend(records);
    let resumed = decide(&mut Mission::replay(cut).unwrap(), 2_000_000, Event::Resumed).commands;
    assert!(resumed.contains(&Command::Cancel(JobId::Run(run))), "{resumed:?}");
    let step = decide(&mut state, 1_000_001, Event::Verified { run, result: Err("killed".to_owned().into()) });
    assert!(matches!(&step.records[0], Record::VerificationDropped { .. }), "{:?}", step.records);
    assert!(state.current_verification().is_none());
}

#[test]
fn only_a_setup_that_says_no_twice_in_the_same_words_on_the_base_ends_a_start_early() {
    let journal = journal();
    // What each try comes to, and how many tries there are before the start is refused.
    let tries = |role: VerifyRole, failure: &dyn Fn(u64) -> Unverified| {
        let (_, mut state) =
            until(&journal, |r| matches!(r, Record::VerifyStarted(VerificationRun { role: of, .. }) if *of == role));
        for (nth, now) in (1..=6).zip((1_000_000..).step_by(1_000_000)) {
            let run = state.current_verification().unwrap().run;
            let step = decide(&mut state, now, Event::Verified { run, result: Err(failure(nth)) });
            let over = |r: &Record| matches!(r, Record::Refused { .. } | Record::StopRequested { .. });
            if step.records.iter().any(over) {
                return nth;
            }
            drop(decide(&mut state, now + 500_000, Event::Tick));
            if let Some(landing) = state.landing().filter(|landing| landing.candidate().is_none()) {
                return 10 * nth + landing.id.0;
            }
        }
        0
    };
    let setup = |why: String| Unverified { why, cause: Cause::Setup, setup: Some(3) };
    assert_eq!(tries(VerifyRole::Baseline, &|n| setup(format!("try {n}: no lock"))), 2);
    assert_eq!(tries(VerifyRole::Baseline, &|n| setup("no lock ".repeat(n as usize))), 6, "other words each time");
    assert_eq!(tries(VerifyRole::Baseline, &|_| "the disk is full".to_owned().into()), 6, "no setup");
    assert!(tries(VerifyRole::After, &|_| setup("no lock".to_owned())) > 2, "not on the base");
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
        let mut scenario = random_scenario(seed);
        scenario.faults.cancel = 0.2;
        cancelled += run(&scenario).state.count(UnitState::Cancelled);
    }
    assert!(cancelled > 500, "the fault must really happen: {cancelled}");
}

/// A mission of `n` units that depend on nothing, under a cap that counts what nobody measured.
fn capped(n: u32, script: bool, per_run: u64) -> Scenario {
    let mut units: Vec<UnitSpec> = (0..n).map(|i| unit(&format!("u{i}"), &[])).collect();
    units.iter_mut().for_each(|u| u.run = script.then(|| "true".to_owned()));
    let mut scenario = Scenario::new_calm(units, Policy { workers: 2, ..Policy::default() }, 1);
    let (per_run, per_session) = (Usd(per_run * 1_000_000), Usd(1_000_000));
    scenario.policy.budget = Budget { per_run, per_session, max_tokens: 0, counts_unknown: true };
    scenario
}

fn outcome(outcome: &Outcome) -> (MissionOutcome, u8) {
    let (end, _, code) = outcome.state.outcome.clone().unwrap();
    (end, code)
}

#[test]
fn p11_a_cap_on_money_lets_running_units_land_and_starts_nothing_more() {
    for seed in 0..40 {
        let mut scenario = capped(9, false, 3);
        scenario.seed = seed;
        let end = run(&scenario);
        let attempts: usize = end.state.units.iter().map(|u| u.attempts.len()).sum();
        assert!((3..9).contains(&attempts), "measured attempts cost less than their reserve: {attempts}");
        assert_eq!(outcome(&end), (MissionOutcome::Budget, 3));
        assert_eq!(end.state.count(UnitState::Landed) as usize, attempts, "what had begun landed");
        assert!(end.state.charged_cost() <= Usd(3_000_000), "{:?}", end.state.charged_cost());
    }
}

#[test]
fn p9_scripts_cost_nothing_and_a_cap_that_is_large_enough_stops_nobody() {
    let scripts = run(&capped(6, true, 1));
    assert_eq!((outcome(&scripts), scripts.state.charged_cost()), ((MissionOutcome::BacklogDone, 0), Usd(0)));
    assert_eq!(scripts.state.account.unknown, 0);
    let agents = run(&capped(6, false, 6));
    assert_eq!(outcome(&agents), (MissionOutcome::BacklogDone, 0));
}

#[test]
fn p11_a_cap_on_tokens_starts_nothing_once_it_is_reached() {
    let mut scenario = capped(9, false, 100);
    scenario.policy.budget.max_tokens = 1;
    let end = run(&scenario);
    assert_eq!(outcome(&end), (MissionOutcome::Budget, 3));
    assert!(end.state.count(UnitState::Landed) < 9);
}

/// The state a new engine finds, resumed at `now`, of a mission whose engine died after the first attempt's start.
fn resumed(policy: Policy, now: u64) -> Mission {
    let journal = run(&Scenario::new_calm(vec![unit("a", &[])], policy, 1)).journal;
    let (cut, _) = until(&journal, |r| matches!(r, Record::SessionStarted { .. }));
    let mut state = Mission::replay(cut).unwrap();
    drop(decide(&mut state, now, Event::Resumed));
    state
}

#[test]
fn p11_time_in_which_no_engine_ran_uses_up_no_wall_time() {
    let policy = Policy { max_wall_time: 3_600_000, ..Policy::default() };
    let morning = 10 * 3_600_000;
    let state = resumed(policy.clone(), morning);
    assert!(state.stop.is_none(), "a night without an engine: {:?}", state.stop);
    let end = state.ends_at().unwrap();
    assert!(end > morning + 3_500_000 && end < morning + 3_600_000, "what the first engine worked counts: {end}");
    let mut state = state;
    drop(decide(&mut state, end, Event::Tick));
    assert!(state.stop.is_some());
    // A request that waited for the resume is no sign of life of the engine that died.
    let journal = run(&Scenario::new_calm(vec![unit("a", &[])], policy, 1)).journal;
    let (mut cut, _) = until(&journal, |r| matches!(r, Record::SessionStarted { .. }));
    cut.push(Record::UnitCancelAsked { unit: id("a"), at: morning });
    cut.push(Record::Resumed { at: morning, decided_by: None });
    assert_eq!(Mission::replay(cut).unwrap().ends_at(), Some(end));
}

#[test]
fn p11_a_time_of_day_is_absolute_and_the_earlier_end_counts() {
    let policy = Policy { until: 5 * 3_600_000, ..Policy::default() };
    let state = resumed(policy.clone(), 10 * 3_600_000);
    assert!(state.stop.is_some(), "it was to end at five");
    assert_eq!(resumed(policy, 1_000_000).ends_at(), Some(5 * 3_600_000));
    let policy = Policy { until: 5 * 3_600_000, max_wall_time: 600_000, ..Policy::default() };
    assert!(resumed(policy, 1_000_000).ends_at().unwrap() < 5 * 3_600_000);
}

#[test]
fn p9_p10_p11_hold_for_random_missions_under_caps_with_faults() {
    let mut ended = 0;
    for seed in 0..600 {
        let mut scenario = random_scenario(seed);
        let per_run = Usd((seed % 40) * 500_000);
        scenario.policy.budget =
            Budget { per_run, per_session: Usd(1_000_000), max_tokens: (seed % 3) * 90_000, counts_unknown: true };
        ended += u32::from(outcome(&run(&scenario)).0 == MissionOutcome::Budget);
    }
    assert!(ended > 60, "the caps must really be met: {ended}");
}

#[test]
fn a_unit_given_a_fresh_start_while_its_round_is_evaluated_is_tried_again() {
    let mut scenario = Scenario::new_calm(vec![unit("a", &[])], Policy::default(), 1);
    scenario.behaviours.insert(id("a"), vec![Behaviour::Fails]);
    let (_, mut state) = until(&run(&scenario).journal, |r| matches!(r, Record::RoundWorked { .. }));
    drop(decide(&mut state, 1_000_000, Event::RetryUnit { unit: id("a"), answer: String::new() }));
    let step = decide(
        &mut state,
        1_000_001,
        Event::ObjectiveChecked { round: 1, met: Ok(true), pins: Vec::new(), moved: None },
    );
    let starts = |c: &Command| matches!(c, Command::Start(order) if order.n == 4);
    assert!(step.commands.iter().any(starts), "{:?}", step.records);
}

#[test]
fn a_mission_that_another_mc_resumes_goes_on_by_its_rules() {
    let journal = journal();
    let (mut cut, _) = until(&journal, |r| matches!(r, Record::SessionStarted { .. }));
    let Record::MissionStarted { decided_by, .. } = &mut cut[0] else { panic!() };
    decided_by.rules += 1;
    let mut state = Mission::replay(cut.clone()).unwrap();
    assert_ne!(state.decided_by, DecidedBy::current());
    let resumed = decide(&mut state, 1_000_000, Event::Resumed).records;
    assert!(
        matches!(&resumed[0], Record::Resumed { decided_by: Some(by), .. } if *by == DecidedBy::current()),
        "{resumed:?}"
    );
    cut.extend(resumed);
    let mut again = Mission::replay(cut).unwrap();
    assert_eq!(again.decided_by, DecidedBy::current());
    let resumed = decide(&mut again, 2_000_000, Event::Resumed).records;
    assert!(matches!(&resumed[0], Record::Resumed { decided_by: None, .. }), "it is said once: {resumed:?}");
}

/// The same mission, taken over by an engine in another environment after the first record that fits and `more` that follow.
fn resumed_elsewhere(fits: impl Fn(&Record) -> bool, more: impl Fn(&mut Mission) -> Vec<Record>) -> (Mission, Step) {
    let (mut cut, mut state) = until(&journal(), fits);
    cut.extend(more(&mut state));
    let mut state = Mission::replay(cut).unwrap();
    let mut seen = decide(&mut state, 2_000_000, Event::EnvironmentSeen("other".to_owned()));
    let again = decide(&mut state, 2_000_000, Event::EnvironmentSeen("other".to_owned()));
    assert_eq!(again, Step::default(), "it is told once");
    let resumed = decide(&mut state, 2_000_000, Event::Resumed);
    seen.records.extend(resumed.records);
    seen.commands.extend(resumed.commands);
    (state, seen)
}

/// What passes when a run of this number is asked.
fn passes(run: RunId) -> Event {
    let summary = Summary { passed: 1, per_test: true, outcome: StageOutcome::Passed, ..Summary::default() };
    let found = Verification {
        key: SnapshotKey("k".to_owned()),
        summary,
        delta: None,
        reused: false,
        confirmed: false,
        warm: false,
        noticed: Noticed::default(),
    };
    Event::Verified { run, result: Ok(Box::new(found)) }
}

#[test]
fn p1_a_result_of_another_environment_lands_nothing_after_a_resume() {
    let after = |r: &Record| matches!(r, Record::VerifyStarted(VerificationRun { role: VerifyRole::After, .. }));
    let paused = |state: &mut Mission| {
        let run = state.current_verification().unwrap().run;
        let mut records = decide(state, 1_000_000, Event::Pause).records;
        records.extend(decide(state, 1_000_001, passes(run)).records);
        assert!(state.landing().unwrap().gate_result().is_some());
        records
    };
    let (state, step) = resumed_elsewhere(after, paused);
    let merges = |c: &Command| matches!(c, Command::Integrate { .. });
    assert!(step.commands.iter().any(merges), "it is made anew: {:?}", step.commands);
    assert!(!step.commands.iter().any(|c| matches!(c, Command::Land { .. })), "{:?}", step.commands);
    assert!(state.green().unwrap().snapshot.is_none(), "green is verified again");
}

#[test]
fn p1_a_run_of_another_environment_is_not_taken_over() {
    for role in [VerifyRole::Baseline, VerifyRole::After] {
        let begun = |r: &Record| matches!(r, Record::VerifyStarted(VerificationRun { role: of, .. }) if *of == role);
        let (_, state) = until(&journal(), begun);
        let old = state.current_verification().unwrap().run;
        let (state, step) = resumed_elsewhere(begun, |_| Vec::new());
        assert!(step.records.contains(&Record::VerificationDropped { run: old, at: 2_000_000 }), "{:?}", step.records);
        let takes_over = |c: &Command| matches!(c, Command::Verify(order) if order.run == old);
        assert!(!step.commands.iter().any(takes_over) && state.run_by(old).is_none(), "{:?}", step.commands);
    }
}

#[test]
fn p1_a_base_that_was_accepted_in_another_environment_is_verified_again() {
    let (_, step) = resumed_elsewhere(|r| matches!(r, Record::BaselineAccepted { .. }), |_| Vec::new());
    assert!(
        matches!(&step.commands[..], [Command::Verify(order)] if order.role == VerifyRole::Baseline),
        "{:?}",
        step.commands
    );
}

#[test]
fn p1_a_landing_that_may_have_happened_answers_for_itself_and_says_nothing_of_green_elsewhere() {
    let (mut state, step) = resumed_elsewhere(|r| matches!(r, Record::LandIntended { .. }), |_| Vec::new());
    let Some(Command::Land { landing, candidate, ask_only: true, .. }) =
        step.commands.into_iter().find(|c| matches!(c, Command::Land { .. }))
    else {
        panic!("it is asked again")
    };
    let mut not_moved = state.clone();
    let ended = Event::LandEnded { landing, result: Ok(LandResult::NotMoved) };
    let records = decide(&mut not_moved, 2_000_001, ended).records;
    assert!(
        matches!(&records[0], Record::Requeued { .. }),
        "what it was accepted by is of another environment: {records:?}"
    );
    let landed = Event::LandEnded { landing, result: Ok(LandResult::Landed(candidate)) };
    let records = decide(&mut state, 2_000_001, landed).records;
    assert!(matches!(&records[0], Record::Landed { .. }), "{records:?}");
    assert!(state.green().unwrap().snapshot.is_none());
}
