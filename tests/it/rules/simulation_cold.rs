//! The simulator where workspaces keep files of earlier runs, and where engines take over in another environment.

use crate::rules::simulation::{calm, count, run, unit};
use crate::support::scenario::random as random_scenario;
use mission_control::domain::mission::{
    Command, Event, Mission, Record, StopLevel, Unverified, VerificationRun, VerifyOrder, VerifyRole, decide,
};
use mission_control::domain::trouble::Trouble;
use mission_control::domain::unit::UnitSpec;
use mission_control::sim::scenario::Behaviour;

/// Where results may be warm, green is asked from nothing in time, and a landing that needs files of earlier runs is named.
#[test]
fn p1_green_that_holds_only_with_leftovers_is_found_in_the_virtual_world() {
    let units: Vec<UnitSpec> = (0..25).map(|i| unit(&format!("u{i:02}"), &[])).collect();
    for culprit in [1, 4, 9, 10, 24] {
        let mut scenario = calm(units.clone());
        scenario.policy.warm_runs = true;
        scenario.policy.workers = 25;
        let id = units[culprit].id.clone();
        scenario.behaviours.insert(id.clone(), vec![Behaviour::Leans]);
        let outcome = run(&scenario);
        let held = outcome.journal.iter().filter_map(|r| match r {
            Record::QueueHeld { reason, code: 4, .. } => Some(reason.clone()),
            _ => None,
        });
        let held: Vec<String> = held.collect();
        assert!(held.iter().any(|reason| reason.contains(&format!("since {id} landed"))), "{id}: {held:?}");
        assert_eq!(outcome.state.outcome.as_ref().unwrap().2, 4, "{id}");
    }
    let mut scenario = calm(units.clone());
    scenario.policy.warm_runs = true;
    let outcome = run(&scenario);
    assert_eq!(outcome.state.outcome.as_ref().unwrap().2, 0);
    let cold = |r: &&Record| matches!(r, Record::VerifyStarted(VerificationRun { role: VerifyRole::Cold, .. }));
    assert!(outcome.journal.iter().filter(cold).count() >= 2, "at the latest after ten landings");
}

/// All units have landed, and a person ends the mission while green is asked from nothing.
#[test]
fn p1_a_mission_that_ends_before_green_was_asked_from_nothing_says_so() {
    let mut scenario = calm(vec![unit("a", &[])]);
    scenario.policy.warm_runs = true;
    let outcome = run(&scenario);
    assert_eq!(outcome.state.outcome.as_ref().unwrap().2, 0);
    let asked = |r: &Record| matches!(r, Record::VerifyStarted(VerificationRun { role: VerifyRole::Cold, .. }));
    let at = outcome.journal.iter().rposition(asked).unwrap();
    let mut state = Mission::begin(&outcome.journal[0]).unwrap();
    outcome.journal[1..=at].iter().for_each(|record| state.apply(record));
    let run = state.current_verification().unwrap().run;
    drop(decide(&mut state, 900_000, Event::Stop(StopLevel::Now)));
    drop(decide(&mut state, 900_001, Event::Verified { run, result: Err(Trouble::from("killed".to_owned()).into()) }));
    let (_, reason, code) = state.outcome.as_ref().unwrap();
    assert_eq!(reason, "stopped by request; the last landing was not verified without files of earlier runs");
    assert_eq!(*code, 3);
}

#[test]
fn p13_without_leftovers_nothing_is_run_more_often_in_the_virtual_world() {
    let units: Vec<UnitSpec> = (0..25).map(|i| unit(&format!("u{i:02}"), &[])).collect();
    assert_eq!(run(&calm(units)).world.runs, 26);
}

/// Engines that take over with other tools, with which another test fails, are disturbed like all others.
#[test]
fn p1_p3_p4_hold_for_random_missions_that_go_on_with_other_tools() {
    let (mut changed, mut measured, mut judged) = (0, 0, 0);
    for seed in 0..300 {
        let mut scenario = random_scenario(seed);
        scenario.policy.warm_runs |= seed % 2 == 0;
        scenario.faults.crash = 0.04;
        scenario.faults.elsewhere = 0.5;
        let journal = run(&scenario).journal;
        changed += count(&journal, |r| matches!(r, Record::EnvironmentChanged { .. }));
        measured += count(&journal, |r| matches!(r, Record::ColdMeasured { .. }));
        judged += count(&journal, |r| matches!(r, Record::ColdJudged { holds: true, .. }));
    }
    assert!(changed > 300 && measured > 10 && judged > measured, "{changed} {measured} {judged}");
}

/// What the base fails is found out only where green's tip fails: a landing is blamed for what fails since it, and for no more.
#[test]
fn p1_p13_with_other_tools_green_is_asked_before_what_it_began_with() {
    let units: Vec<UnitSpec> = (0..12).map(|i| unit(&format!("u{i:02}"), &[])).collect();
    for red_base in [true, false] {
        let (mut changed, mut measured) = (0, 0);
        for step in (30..70).step_by(5) {
            let mut scenario = calm(units.clone());
            scenario.policy.warm_runs = true;
            scenario.faults.elsewhere = 1.0;
            (scenario.red_base, scenario.crash_at) = (red_base, Some((step, 0)));
            let outcome = run(&scenario);
            assert_eq!(outcome.state.outcome.as_ref().unwrap().2, 0, "{red_base} {step}");
            changed += count(&outcome.journal, |r| matches!(r, Record::EnvironmentChanged { .. }));
            measured += count(&outcome.journal, |r| matches!(r, Record::ColdMeasured { .. }));
        }
        // With the other tools the base passes where it failed, and fails where it passed.
        assert!(changed >= 6 && (measured == 0) == red_base, "{red_base}: {changed} {measured}");
    }
}

/// A preparation that says no with other tools, of green and of what its landings began with, is no landing's fault.
#[test]
fn p1_a_setup_that_fails_with_other_tools_blames_no_landing() {
    let mut scenario = calm(vec![unit("a", &[])]);
    scenario.policy.warm_runs = true;
    scenario.faults.elsewhere = 1.0;
    let journal = run(&scenario).journal;
    let landed = journal.iter().position(|r| matches!(r, Record::Landed { .. })).unwrap();
    let mut state = Mission::replay(journal[..=landed].to_vec()).unwrap();
    let (green, base) = (state.green().unwrap().tip.clone(), state.cold_runs().unproven[0].onto.clone());
    let mut now = 1_000_000;
    let mut events = vec![Event::Resumed, Event::EnvironmentSeen("other".to_owned())];
    let (mut asked, mut held) = (Vec::new(), None);
    while held.is_none() && now < 10_000_000 {
        let step = decide(&mut state, now, events.pop().unwrap_or(Event::Tick));
        for record in &step.records {
            assert!(!matches!(record, Record::ColdJudged { .. }), "{record:?}");
            if let Record::QueueHeld { reason, code, .. } = record {
                held = Some((reason.clone(), *code));
            }
        }
        for command in step.commands {
            let Command::Verify(VerifyOrder { run, tip, .. }) = command else { continue };
            asked.push(tip);
            let not = Unverified { setup: Some(1), ..Trouble::from("setup: no such tool".to_owned()).into() };
            events.push(Event::Verified { run, result: Err(not) });
        }
        now += 60_000;
    }
    let (reason, code) = held.expect("nothing waits for ever");
    assert!(code == 6 && reason.contains(base.commit.short_id()) && reason.contains("no such tool"), "{code} {reason}");
    assert!(asked.first() == Some(&green) && asked.last() == Some(&base), "{asked:?}");
}
