//! Where things go in the virtual world: the objective's check, and what starts while other things wait for their host.

use super::simulation::{count, run};
use super::simulation_hosts::{host, in_the_middle, name, on_hosts, places};
use mission_control::domain::mission::{Command, Event, Mission, Record, decide};
use mission_control::domain::trouble::{Cause, Trouble};

#[test]
fn p10_what_waits_to_be_collected_on_a_dead_host_takes_no_place_from_others() {
    let mut scenario = on_hosts(6, vec![host("a", 2, &[]), host("b", 2, &[])]);
    scenario.policy.max_running = Some(2);
    let mut state = in_the_middle(&scenario, 2);
    let at = |state: &Mission, on: &str| {
        state.running_attempts().filter(|(_, a)| a.slot.host == name(on)).map(|(_, a)| a.session).collect::<Vec<_>>()
    };
    assert_eq!((at(&state, "a").len(), at(&state, "b").len()), (1, 1));
    let session = at(&state, "a")[0];
    let gone = || Trouble::new(Cause::Unreachable, "gone");
    let step = decide(&mut state, 100_000, Event::NotCollected { session, trouble: gone() });
    assert_eq!(places(&step.records), ["b"], "{:?}", step.records);
    // It is back: what waits is collected though as many as may run at once do.
    let step = decide(&mut state, 200_000, Event::Tick);
    assert!(step.commands.contains(&Command::ProbeHost(name("a"))), "{:?}", step.commands);
    let step = decide(&mut state, 200_001, Event::HostSeen { host: name("a"), result: Ok(String::new()) });
    assert_eq!(count(&step.records, |r| matches!(r, Record::CollectAsked { .. })), 1);
    assert!(places(&step.records).is_empty(), "two are at work, and one is collected");
}

#[test]
fn p13_the_objective_is_checked_where_a_verification_could_run() {
    let mut scenario = on_hosts(6, vec![host("a", 2, &[]), host("b", 2, &[]), host("c", 2, &[])]);
    scenario.policy.has_check = true;
    scenario.policy.hosts[0].verifiers = 0;
    let journal = run(&scenario).journal;
    let worked = journal.iter().position(|r| matches!(r, Record::RoundWorked { .. })).unwrap();
    let mut state = Mission::begin(&journal[0]).unwrap();
    journal[1..=worked].iter().for_each(|record| state.apply(record));
    let mut now = 200_000;
    let mut asked = |event| {
        now += 1;
        let step = decide(&mut state, now, event);
        let on = |c: &Command| if let Command::CheckObjective { host, .. } = c { Some(host.to_string()) } else { None };
        (step.commands.iter().find_map(on), step.records)
    };
    assert_eq!(asked(Event::DrainHost(name("b"))).0.as_deref(), Some("c"));
    let checked = |met| Event::ObjectiveChecked { round: 1, met, pins: Vec::new(), moved: None };
    let gone = Err(Trouble::new(Cause::Unreachable, "gone"));
    let (on, records) = asked(checked(gone));
    assert_eq!(on, None, "no host can be used for it");
    assert!(records.iter().any(|r| matches!(r, Record::HostBenched { host, .. } if host.as_str() == "c")));
    assert!(records.iter().any(|r| matches!(r, Record::CircuitOpened { cause: Cause::Unreachable, .. })));
    assert_eq!(asked(Event::ResumeHost(name("b"))).0.as_deref(), Some("b"), "it is asked as soon as one can");
    let closed = asked(checked(Ok(true))).1;
    assert!(closed.iter().any(|r| matches!(r, Record::RoundClosed { objective: Some(true), .. })), "{closed:?}");
}
