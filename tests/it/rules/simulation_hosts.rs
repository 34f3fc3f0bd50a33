//! Missions on several hosts in the virtual world: cut off, dead and broken hosts, drained ones, labels, and an engine that dies.

use super::simulation::{calm, count, run, unit};
use crate::support::scenario::random as random_scenario;
use mission_control::domain::ending::ProcessEnd;
use mission_control::domain::mission::{
    Command, Event, Health, HostPolicy, Liveness, Mission, Record, SessionReport, UnitState, VerificationRun, Witness,
    decide,
};
use mission_control::domain::trouble::{Cause, Trouble};
use mission_control::domain::values::{HostId, UnitId};
use mission_control::sim::Outcome;
use mission_control::sim::scenario::{HostFault, HostOutage, Scenario};
use std::collections::BTreeSet;

pub(super) fn name(host: &str) -> HostId {
    HostId::new(host).unwrap()
}

pub(super) fn host(host: &str, workers: u32, labels: &[&str]) -> HostPolicy {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    HostPolicy { labels, ..HostPolicy::new(name(host), workers) }
}

fn outage(host: &str, from: u64, until: u64, kind: HostFault) -> HostOutage {
    HostOutage { host: name(host), from, until, kind }
}

/// Units that do not depend on each other, on these hosts.
pub(super) fn on_hosts(units: usize, hosts: Vec<HostPolicy>) -> Scenario {
    let mut scenario = calm((0..units).map(|i| unit(&format!("u{i}"), &[])).collect());
    scenario.policy.hosts = hosts;
    scenario
}

/// A random mission with faults, on random hosts that fail at random.
fn random(seed: u64) -> Scenario {
    let mut scenario = random_scenario(seed);
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x4057);
    let all = ["gpu", "big", "arm"];
    let mut some = |rate: u8| -> BTreeSet<String> {
        all.iter().filter(|_| rng.u8(..) < rate).map(|label| (*label).to_owned()).collect()
    };
    let labels: Vec<BTreeSet<String>> = (0..8).map(|_| some(90)).collect();
    for unit in &mut scenario.units {
        unit.labels = some(12).into_iter().collect();
    }
    let number = rng.usize(1..=5);
    let mut hosts: Vec<HostPolicy> = (0..number)
        .map(|nth| HostPolicy {
            verifiers: rng.u32(0..3),
            labels: labels[nth].clone(),
            ..HostPolicy::new(name(&format!("h{nth}")), rng.u32(1..4))
        })
        .collect();
    if rng.u8(..) < 150 {
        let local = HostPolicy { labels: labels[7].clone(), ..HostPolicy::new(HostId::local(), rng.u32(1..3)) };
        hosts.insert(rng.usize(0..=number), local);
    } else {
        hosts[0].verifiers = hosts[0].verifiers.max(1);
    }
    if rng.u8(..) < 60 {
        scenario.other_tools =
            hosts.iter().skip(1).map(|policy| policy.host.clone()).filter(|h| !h.is_local()).collect();
    }
    scenario.policy.max_running = Some(rng.u32(1..6)).filter(|_| rng.u8(..) < 60);
    scenario.policy.hosts = hosts;
    scenario.faults.host = if rng.u8(..) < 200 { rng.f64() * 0.1 } else { 0.0 };
    scenario.faults.drain = if rng.u8(..) < 80 { rng.f64() * 0.03 } else { 0.0 };
    scenario
}

/// How often something happened that these missions must really meet.
#[derive(Debug, Default)]
struct Met {
    elsewhere: usize,
    verified: usize,
    benched: usize,
    unreachable: usize,
    drained: usize,
    unplaced: usize,
    lost: usize,
    late: [u64; 2],
    crashes: u32,
}

impl Met {
    fn count(&mut self, outcome: &Outcome) {
        self.crashes += outcome.crashes;
        for (sum, now) in self.late.iter_mut().zip(outcome.world.late_results()) {
            *sum += now;
        }
        for record in &outcome.journal {
            match record {
                Record::SessionStarted { host, .. } => self.elsewhere += usize::from(!host.is_local()),
                Record::VerifyStarted(VerificationRun { host, .. }) => self.verified += usize::from(!host.is_local()),
                Record::HostBenched { trouble, .. } => {
                    self.benched += 1;
                    self.unreachable += usize::from(trouble.cause == Cause::Unreachable);
                }
                Record::HostDrained { .. } => self.drained += 1,
                Record::UnitHeld { .. } => self.unplaced += 1,
                Record::CircuitOpened { cause: Cause::Unreachable, .. } => self.lost += 1,
                _ => {}
            }
        }
    }
}

#[test]
fn p9_p10_p14_hold_for_random_missions_on_hosts_that_fail() {
    let seeds = std::env::var("MC_SIM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let first: u64 = std::env::var("MC_SIM_FIRST").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut met = Met::default();
    for seed in first..first + seeds {
        met.count(&run(&random(seed)));
    }
    let Met { elsewhere, verified, benched, unreachable, drained, unplaced, lost, late, crashes } = met;
    assert!(elsewhere > 1_000 && verified > 100 && crashes > 50, "{met:?}");
    assert!(unreachable > 50 && benched > unreachable && drained > 10 && unplaced > 10 && lost > 10, "{met:?}");
    assert!(late[0] > 10 && late[1] > 0, "{met:?}");
}

/// Hosts on which attempts started, in order.
pub(super) fn places(journal: &[Record]) -> Vec<&str> {
    journal
        .iter()
        .filter_map(|r| if let Record::SessionStarted { host, .. } = r { Some(host.as_str()) } else { None })
        .collect()
}

/// Hosts on which verifications ran, in order.
fn verifiers(journal: &[Record]) -> Vec<&str> {
    journal
        .iter()
        .filter_map(|r| if let Record::VerifyStarted(run) = r { Some(run.host.as_str()) } else { None })
        .collect()
}

fn three() -> Vec<HostPolicy> {
    vec![host("local", 2, &[]), host("a", 2, &[]), host("b", 2, &[])]
}

/// Most attempts that were open at once.
fn most_open(journal: &[Record]) -> usize {
    let (mut open, mut most) = (BTreeSet::new(), 0);
    for record in journal {
        match record {
            Record::SessionStarted { session, .. } => drop(open.insert(*session)),
            Record::AttemptJudged { session, .. } => drop(open.remove(session)),
            _ => {}
        }
        most = most.max(open.len());
    }
    most
}

#[test]
fn a_cap_counts_what_runs_on_all_hosts() {
    for (cap, most) in [(None, 6), (Some(3), 3), (Some(1), 1), (Some(20), 6)] {
        let mut scenario = on_hosts(24, three());
        scenario.policy.max_running = cap;
        let outcome = run(&scenario);
        assert_eq!(outcome.state.count(UnitState::Landed), 24);
        assert_eq!(most_open(&outcome.journal), most, "{cap:?}");
    }
}

fn charged(outcome: &Outcome) -> u32 {
    outcome.state.units.iter().map(|unit| unit.infra + unit.used).sum()
}

#[test]
fn units_land_on_all_hosts_and_green_is_the_same_as_on_one() {
    let (many, one) = (run(&on_hosts(24, three())), run(&on_hosts(24, Vec::new())));
    assert_eq!(many.state.count(UnitState::Landed), 24);
    assert_eq!(many.world.green_content(), one.world.green_content());
    let places = places(&many.journal);
    for host in ["local", "a", "b"] {
        assert!(places.iter().filter(|place| **place == host).count() >= 4, "{places:?}");
    }
    assert!(verifiers(&many.journal).iter().collect::<BTreeSet<_>>().len() > 1, "{:?}", verifiers(&many.journal));
}

#[test]
fn p10_a_host_that_never_answers_delays_nobody_and_is_asked_with_growing_pauses() {
    let mut scenario = on_hosts(24, three());
    scenario.host_outages.push(outage("b", 0, u64::MAX, HostFault::Cut));
    let outcome = run(&scenario);
    assert_eq!((outcome.state.count(UnitState::Landed), charged(&outcome)), (24, 0));
    assert!(places(&outcome.journal).iter().all(|place| *place != "b"));
    let asked = |r: &Record| if let Record::HostProbed { at, .. } = r { Some(*at) } else { None };
    let asked: Vec<u64> = outcome.journal.iter().filter_map(asked).collect();
    let pauses: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(asked.len() > 4 && pauses[4] > 4 * pauses[1] && pauses.iter().all(|pause| *pause < 70_000), "{pauses:?}");
}

#[test]
fn p3_p9_a_host_that_is_cut_off_charges_nobody_and_what_it_brings_late_counts_for_nothing() {
    let mut late = [0, 0];
    for seed in 0..8 {
        let mut scenario = on_hosts(24, three());
        scenario.seed = seed;
        scenario.host_outages.push(outage("a", 20_000, 690_000, HostFault::Cut));
        let outcome = run(&scenario);
        assert_eq!((outcome.state.count(UnitState::Landed), charged(&outcome)), (24, 0));
        assert_eq!(count(&outcome.journal, |r| matches!(r, Record::CircuitOpened { .. })), 0);
        for (sum, now) in late.iter_mut().zip(outcome.world.late_results()) {
            *sum += now;
        }
    }
    assert!(late[0] >= 8 && late[1] >= 4, "given up, and arrived later: {late:?}");
}

#[test]
fn what_ended_on_a_host_out_of_reach_is_collected_when_it_is_back_or_begun_elsewhere() {
    let (mut collected, mut left) = (0, 0);
    for (until, seed) in [60_000, 3_000_000].into_iter().flat_map(|until| (0..8).map(move |seed| (until, seed))) {
        let mut scenario = on_hosts(24, three());
        scenario.seed = seed;
        scenario.host_outages.push(outage("a", 20_000, until, HostFault::Cut));
        let outcome = run(&scenario);
        assert_eq!((outcome.state.count(UnitState::Landed), charged(&outcome)), (24, 0));
        collected += count(&outcome.journal, |r| matches!(r, Record::CollectAsked { .. }));
        let given_up = |r: &Record| matches!(r, Record::SessionEnded { report, .. } if report.work.unpinned);
        left += count(&outcome.journal, given_up);
    }
    assert!(collected > 2 && left > 2, "{collected} {left}");
}

#[test]
fn p4_without_any_usable_host_the_circuit_opens_and_a_host_that_answers_closes_it() {
    for (until, suspends) in [(120_000, false), (2_500_000, true)] {
        let mut met = [0; 3];
        for seed in 0..6 {
            let mut scenario = on_hosts(12, vec![host("a", 2, &[]), host("b", 1, &[])]);
            scenario.seed = seed;
            for name in ["a", "b"] {
                scenario.host_outages.push(outage(name, 600, until, HostFault::Cut));
            }
            let journal = run(&scenario);
            assert_eq!((journal.state.count(UnitState::Landed), charged(&journal)), (12, 0));
            assert!(verifiers(&journal.journal).iter().all(|host| *host != "local"));
            let what: [fn(&Record) -> bool; 3] = [
                |r| matches!(r, Record::CircuitOpened { cause: Cause::Unreachable, .. }),
                |r| matches!(r, Record::CircuitClosed { .. }),
                |r| matches!(r, Record::Suspended { code: 6, cause: Some(Cause::Unreachable), .. }),
            ];
            met.iter_mut().zip(what).for_each(|(sum, what)| *sum += count(&journal.journal, what));
        }
        let [opened, closed, suspended] = met;
        assert!(opened > 2 && (suspends || closed > 2), "{met:?}");
        assert_eq!(suspended > 0, suspends, "{met:?}");
    }
}

#[test]
fn a_host_that_can_start_nothing_is_left_out_and_trouble_of_two_hosts_is_common() {
    let mut scenario = on_hosts(24, three());
    scenario.host_outages.push(outage("a", 0, 200_001, HostFault::Broken));
    let one = run(&scenario);
    assert_eq!((one.state.count(UnitState::Landed), charged(&one)), (24, 0));
    let benched = |r: &Record| matches!(r, Record::HostBenched { host, .. } if host.as_str() == "a");
    let opened = |r: &Record| matches!(r, Record::CircuitOpened { cause: Cause::DiskFull(_), .. });
    assert!(count(&one.journal, benched) > 1);
    assert_eq!(count(&one.journal, opened), 0);
    scenario.host_outages.push(outage("b", 0, 200_001, HostFault::Broken));
    let both = run(&scenario);
    assert_eq!(both.state.count(UnitState::Landed), 24);
    assert!(count(&both.journal, opened) > 0);
}

#[test]
fn p13_verifications_run_only_where_the_environment_is_that_of_the_base() {
    let mut scenario = on_hosts(16, three());
    scenario.policy.hosts[0].verifiers = 0;
    scenario.other_tools.insert(name("b"));
    let outcome = run(&scenario);
    assert_eq!(outcome.state.count(UnitState::Landed), 16);
    assert!(verifiers(&outcome.journal).iter().all(|host| *host == "a"));
    assert!(places(&outcome.journal).contains(&"b"));
    // The only host that verifies is away for a while: what was made waits, and nobody is blamed.
    scenario.host_outages.push(outage("a", 20_000, 200_000, HostFault::Cut));
    let outcome = run(&scenario);
    assert_eq!((outcome.state.count(UnitState::Landed), charged(&outcome)), (16, 0));
    assert!(count(&outcome.journal, |r| matches!(r, Record::VerificationDropped { .. })) <= 1);
}

#[test]
fn units_start_only_on_hosts_with_their_labels() {
    let mut scenario = on_hosts(12, vec![host("local", 2, &[]), host("g", 1, &["gpu"]), host("h", 2, &["gpu", "big"])]);
    for (nth, unit) in scenario.units.iter_mut().enumerate() {
        unit.labels = [vec![], vec!["gpu".to_owned()], vec!["big".to_owned(), "gpu".to_owned()]][nth % 3].clone();
    }
    let outcome = run(&scenario);
    assert_eq!(outcome.state.count(UnitState::Landed), 12);
    for unit in &outcome.state.units {
        let place = unit.attempts[0].slot.host.as_str();
        assert!(unit.spec.labels.len() < 2 || place == "h", "{place}");
        assert!(unit.spec.labels.is_empty() || place != "local", "{place}");
    }
    // Its only host is away for good: what can go on does, then the mission says why it does not.
    scenario.host_outages.push(outage("h", 0, 4_000_000, HostFault::Cut));
    let outcome = run(&scenario);
    let suspended = |r: &Record| matches!(r, Record::Suspended { cause: Some(Cause::Unreachable), .. });
    assert!(count(&outcome.journal, suspended) > 0);
    let first = outcome.journal.iter().position(suspended).unwrap();
    let state = Mission::replay(outcome.journal[..=first].iter().cloned()).unwrap();
    assert_eq!((state.count(UnitState::Landed), state.count(UnitState::Pending)), (8, 4));
}

#[test]
fn p7_a_unit_whose_labels_no_host_has_is_held_with_a_question_however_often_it_is_retried() {
    for hosts in [Vec::new(), vec![host("local", 1, &[]), host("a", 1, &["gpu"])]] {
        let mut scenario = on_hosts(3, hosts.clone());
        scenario.units[1].labels = vec!["gpu".to_owned(), "arm".to_owned()];
        let journal = run(&scenario).journal;
        let held = journal.iter().position(|r| matches!(r, Record::UnitHeld { .. })).unwrap();
        let mut state = Mission::begin(&journal[0]).unwrap();
        journal[1..=held].iter().for_each(|record| state.apply(record));
        let unit = UnitId::new("u1").unwrap();
        let reason = state.unit(&unit).unwrap().reason.clone();
        let wanted = if hosts.is_empty() { "there is local (no labels);" } else { "local (no labels), a (gpu);" };
        assert!(reason.starts_with("no host has all its labels (gpu, arm)") && reason.contains(wanted), "{reason}");
        let retry = Event::RetryUnit { unit: unit.clone(), answer: String::new() };
        assert!(matches!(
            decide(&mut state, 90_000, retry).records[..],
            [Record::UnitRetried { .. }, Record::UnitHeld { .. }, ..]
        ));
        assert_eq!(state.unit(&unit).unwrap().state, UnitState::Held);
    }
}

/// The state in the middle of a calm mission on hosts, when so many attempts have started.
pub(super) fn in_the_middle(scenario: &Scenario, started: usize) -> Mission {
    let journal = run(scenario).journal;
    let mut state = Mission::begin(&journal[0]).unwrap();
    let mut left = started;
    for record in &journal[1..] {
        state.apply(record);
        left -= usize::from(matches!(record, Record::SessionStarted { .. }));
        if left == 0 {
            break;
        }
    }
    state
}

#[test]
fn nothing_starts_on_a_drained_host_until_it_is_taken_back_also_after_a_resume() {
    let scenario = on_hosts(12, three());
    let mut state = in_the_middle(&scenario, 6);
    let drained = decide(&mut state, 100_000, Event::DrainHost(name("a")));
    assert!(matches!(drained.records[..], [Record::HostDrained { .. }]) && drained.commands.is_empty());
    assert!(decide(&mut state, 100_000, Event::DrainHost(name("a"))).records.is_empty(), "it is already");
    let running = |state: &Mission| state.running_attempts().filter(|(_, a)| a.slot.host == name("a")).count();
    assert_eq!(running(&state), 2, "what runs there goes on");
    let resumed = decide(&mut state, 100_001, Event::Resumed);
    let probes = resumed.commands.iter().filter(|c| matches!(c, Command::ProbeHost(_))).count();
    assert_eq!((probes, state.hosts().is_drained(&name("a"))), (2, true));
    assert_eq!(state.hosts().health(&name("a")), Some(&Health::Unseen));
    let seen = |host: &str| Event::HostSeen { host: name(host), result: Ok(String::new()) };
    for host in ["a", "b"] {
        let _ = decide(&mut state, 100_002, seen(host));
    }
    let sessions: Vec<_> = state.running_attempts().map(|(_, a)| (a.session, a.slot.host.clone())).collect();
    let mut started = Vec::new();
    for (session, _) in sessions.iter().filter(|(_, host)| *host == name("a")) {
        let gone = Trouble::new(Cause::LostRun, "gone");
        let report = SessionReport::from_end(ProcessEnd::Infrastructure(gone));
        let step = decide(&mut state, 100_003, Event::SessionEnded { session: *session, report: Box::new(report) });
        started.extend(places(&step.records).into_iter().map(str::to_owned));
    }
    assert!(started.is_empty() && running(&state) == 0, "{started:?}");
    let back = decide(&mut state, 100_004, Event::ResumeHost(name("a")));
    assert!(matches!(back.records[0], Record::HostResumed { .. }));
    assert_eq!(places(&back.records), ["a", "a"]);
}

#[test]
fn nothing_starts_on_the_engines_own_machine_while_it_is_drained() {
    let mut state = in_the_middle(&on_hosts(12, three()), 6);
    let drained = decide(&mut state, 100_000, Event::DrainHost(HostId::local()));
    assert!(matches!(drained.records[0], Record::HostDrained { .. }));
    assert!(decide(&mut state, 100_000, Event::DrainHost(HostId::local())).records.is_empty(), "it is already");
    let mine: Vec<_> =
        state.running_attempts().filter(|(_, a)| a.slot.host.is_local()).map(|(_, a)| a.session).collect();
    assert_eq!(mine.len(), 2, "what runs there goes on");
    let mut records = Vec::new();
    for session in mine {
        let gone = SessionReport::from_end(ProcessEnd::Infrastructure(Trouble::new(Cause::LostRun, "gone")));
        records.extend(decide(&mut state, 100_001, Event::SessionEnded { session, report: Box::new(gone) }).records);
    }
    assert!(places(&records).is_empty(), "{records:?}");
    let back = decide(&mut state, 100_002, Event::ResumeHost(HostId::local()));
    assert_eq!(places(&back.records), ["local", "local"]);
}

#[test]
fn what_goes_on_is_told_in_four_words() {
    let mut state = in_the_middle(&on_hosts(12, three()), 6);
    let nobody = |found_here| Witness::Nobody { found_here };
    let words = |state: &Mission, witness| {
        let of_host = |host: &str| Liveness::of_host(state, &name(host), witness).word();
        let of_attempt = |host: &str| {
            let (unit, attempt) = state.running_attempts().find(|(_, a)| a.slot.host == name(host)).unwrap();
            Liveness::of_attempt(state, unit, attempt, witness).word()
        };
        [of_host("local"), of_host("a"), of_attempt("local"), of_attempt("a")]
    };
    assert_eq!(words(&state, Witness::Engine), ["live"; 4]);
    assert_eq!(words(&state, nobody(true)), ["live", "unknown", "live", "unknown"]);
    assert_eq!(words(&state, nobody(false)), ["live", "unknown", "ended", "unknown"]);
    let (at, host) = (100_000, name("a"));
    let benched = |cause| Record::HostBenched {
        host: host.clone(),
        at,
        again_at: at + 1,
        tries: 1,
        trouble: Trouble::new(cause, "x"),
    };
    state.apply(&benched(Cause::Spawn));
    assert_eq!(words(&state, Witness::Engine), ["live", "unknown", "live", "live"]);
    state.apply(&benched(Cause::Unreachable));
    assert_eq!(words(&state, Witness::Engine), ["live", "unreachable", "live", "unreachable"]);
    let over = run(&on_hosts(3, three())).state;
    let attempt = |unit: &mission_control::domain::mission::Unit| {
        Liveness::of_attempt(&over, unit, unit.attempts.last().unwrap(), Witness::Engine)
    };
    assert!(over.units.iter().all(|unit| attempt(unit) == Liveness::Ended));
}

#[test]
fn an_answer_that_nobody_waits_for_says_nothing_of_a_host() {
    let mut state = in_the_middle(&on_hosts(12, three()), 6);
    let down = || Event::HostSeen { host: name("a"), result: Err(Trouble::new(Cause::Unreachable, "late")) };
    assert!(decide(&mut state, 100_000, down()).records.is_empty());
    let unknown = Event::HostSeen { host: name("z"), result: Ok(String::new()) };
    assert!(decide(&mut state, 100_000, unknown).records.is_empty());
}

#[test]
fn p4_a_crash_at_any_decision_leads_to_the_same_landings_on_hosts_that_fail() {
    let mut base = on_hosts(8, three());
    base.host_outages.push(outage("a", 10_000, 60_000, HostFault::Cut));
    base.host_outages.push(outage("b", 30_000, 90_000, HostFault::Dead));
    let calm_run = run(&base);
    let mut crashes = 0;
    for step in 0..calm_run.steps {
        let mut scenario = base.clone();
        scenario.crash_at = Some((step, u8::try_from(step % 2).unwrap()));
        let crashed = run(&scenario);
        crashes += crashed.crashes;
        assert_eq!(crashed.state.count(UnitState::Landed), 8, "step {step}");
        assert_eq!(crashed.world.green_content(), calm_run.world.green_content(), "step {step}");
    }
    assert!(crashes > 20, "{crashes}");
}
