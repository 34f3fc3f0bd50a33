//! Whole missions in the virtual world, with the promises checked after every step.

use crate::support::scenario::random as random_scenario;
use mission_control::domain::mission::{
    AttemptClass, BookkeepingMode, Command, EndReason, Event, Integration, JobId, MergeSource, Mission, MissionOutcome,
    NextMove, Policy, Record, RejectClass, StopLevel, UnitState, VerificationRun, VerifyRole, decide,
};
use mission_control::domain::trouble::{Cause, Spot};
use mission_control::domain::{unit::UnitSpec, values::UnitId};
use mission_control::sim::scenario::{Behaviour, Faults, Outage, Scenario};
use mission_control::sim::{Outcome, run_scenario};

pub fn unit(id: &str, depends: &[&str]) -> UnitSpec {
    let mut spec = UnitSpec::new(UnitId::new(id).unwrap(), id);
    spec.depends = depends.iter().map(|d| UnitId::new(d).unwrap()).collect();
    spec
}

pub fn calm(units: Vec<UnitSpec>) -> Scenario {
    Scenario::new_calm(units, Policy::default(), 1)
}

pub fn run(scenario: &Scenario) -> Outcome {
    run_scenario(scenario, |_, _| {}).unwrap_or_else(|e| panic!("{e}"))
}

fn state_of(outcome: &Outcome, id: &str) -> UnitState {
    outcome.state.unit(&UnitId::new(id).unwrap()).unwrap().state
}

#[test]
fn a_calm_mission_lands_everything_with_one_verification_per_landing() {
    let outcome = run(&calm(vec![unit("a", &[]), unit("b", &["a"]), unit("c", &["a"]), unit("d", &["b", "c"])]));
    assert_eq!(outcome.state.count(UnitState::Landed), 4);
    assert_eq!(outcome.state.outcome.as_ref().unwrap().0, MissionOutcome::BacklogDone);
    assert_eq!(outcome.state.outcome.as_ref().unwrap().2, 0);
    assert_eq!(outcome.world.runs, 5, "P13: the baseline and one run per landing");
}

#[test]
fn a_failed_unit_blocks_its_dependants_without_using_their_attempts() {
    let mut scenario = calm(vec![unit("a", &[]), unit("b", &["a"]), unit("c", &["b"]), unit("d", &[])]);
    scenario.behaviours.insert(UnitId::new("a").unwrap(), vec![Behaviour::Fails]);
    let outcome = run(&scenario);
    assert_eq!(state_of(&outcome, "a"), UnitState::Failed);
    assert_eq!(state_of(&outcome, "b"), UnitState::Blocked);
    assert_eq!(state_of(&outcome, "c"), UnitState::Blocked);
    assert_eq!(state_of(&outcome, "d"), UnitState::Landed);
    assert_eq!(outcome.state.unit(&UnitId::new("a").unwrap()).unwrap().attempts.len(), 3);
    assert_eq!(outcome.state.outcome.as_ref().unwrap().2, 3);
}

fn seeds() -> u64 {
    std::env::var("MC_SIM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000)
}

/// How often something happened that random missions must really meet.
#[derive(Default)]
struct Met {
    crashes: u32,
    /// Units' own lines, quick stages and protected paths.
    lines: [u32; 8],
    /// What the mission wrote about its rounds, and ends that were written of early.
    bookkeeping: [usize; 3],
    early: usize,
}

impl Met {
    fn count(&mut self, outcome: &Outcome) {
        let held = |next: &NextMove| matches!(next, NextMove::Hold { question, .. } if question.contains("is missing"));
        self.crashes += outcome.crashes;
        for record in &outcome.journal {
            let what = match record {
                Record::VerifyStarted(VerificationRun { role: VerifyRole::AcceptBefore, .. }) => 0,
                Record::VerifyStarted(VerificationRun { role: VerifyRole::UnitChecks, confirms: None, .. }) => 1,
                Record::VerifyStarted(VerificationRun { role: VerifyRole::UnitChecks, .. }) => 2,
                Record::LandIntended { unit_checks: Some(_), .. } => 3,
                Record::Rejected { class: RejectClass::Unproven, .. } => 4,
                Record::Rejected { reasons, .. } if reasons[0].contains("protect") => 5,
                Record::AttemptJudged { class: AttemptClass::FailedQuick, .. } => 6,
                Record::AttemptJudged { next, .. } if held(next) => 7,
                _ => continue,
            };
            self.lines[what] += 1;
        }
        for (seen, now) in self.bookkeeping.iter_mut().zip(bookkeeping(&outcome.journal)) {
            *seen += now;
        }
        self.early += count(&outcome.journal, |record| matches!(record, Record::Closing { .. }));
    }
}

#[test]
fn p1_p3_p4_p9_p10_p14_hold_for_random_missions_with_faults() {
    let first: u64 = std::env::var("MC_SIM_FIRST").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let (mut met, mut digests) = (Met::default(), String::new());
    for seed in first..first + seeds() {
        let outcome = run(&random_scenario(seed));
        met.count(&outcome);
        digests += &format!("{seed} {}\n", crate::rules::golden::digest(&outcome));
    }
    crate::rules::golden::compare_digests(first, &digests);
    let Met { crashes, lines, bookkeeping, early } = met;
    assert!(crashes > 100, "the faults must really happen: {crashes} crashes");
    assert!(lines.iter().all(|n| *n >= 10), "own lines and quick stages must really take part: {lines:?}");
    assert!(
        bookkeeping[0] > 200 && bookkeeping[1] > 150 && bookkeeping[2] >= 10,
        "bookkeeping must really take part: {bookkeeping:?}"
    );
    assert!(early >= 5, "last bookkeeping of early ends: {early}");
}

#[test]
fn p4_a_crash_at_any_decision_leads_to_the_same_landings() {
    let units = || vec![unit("a", &[]), unit("b", &[]), unit("c", &["a"]), unit("d", &["b", "c"]), unit("e", &["a"])];
    let calm_run = run(&calm(units()));
    let mut crashes = 0;
    for step in 0..calm_run.steps {
        for kind in 0..2 {
            let mut scenario = calm(units());
            scenario.crash_at = Some((step, kind));
            let crashed = run(&scenario);
            crashes += crashed.crashes;
            assert_eq!(crashed.state.count(UnitState::Landed), 5, "step {step} kind {kind}");
            assert_eq!(crashed.world.green_content(), calm_run.world.green_content(), "step {step} kind {kind}");
        }
    }
    assert!(crashes > 20, "{crashes}");
}

#[test]
fn p14_the_same_seed_gives_the_same_journal() {
    for seed in 0..50 {
        let (a, b) = (run(&random_scenario(seed)), run(&random_scenario(seed)));
        assert_eq!(a.journal, b.journal);
    }
}

#[test]
fn faults_are_named_or_refused() {
    assert!(Faults::parse_faults("crash,flaky").unwrap().crash > 0.0);
    assert!(Faults::parse_faults("crahs").unwrap_err().contains("checked-out"));
}

/// Units that fail for one cause in the given time, with four workers.
fn outage(from: u64, until: u64, cause: Cause) -> Scenario {
    let units: Vec<UnitSpec> = (0..20).map(|i| unit(&format!("u{i}"), &[])).collect();
    let mut scenario = calm(units);
    scenario.outages.push(Outage { from, until, cause });
    scenario
}

pub fn count(journal: &[Record], is: fn(&Record) -> bool) -> usize {
    journal.iter().filter(|record| is(record)).count()
}

#[test]
fn p4_p10_trouble_with_one_cause_charges_no_unit_and_all_land_after_it() {
    let causes = [Cause::Denied(Spot::Source), Cause::Processes, Cause::Workspace, Cause::Unknown("odd".to_owned())];
    for (nth, cause) in (0..).zip(causes) {
        for length in [300, 3_000, 60_000, 500_000] {
            let mut scenario = outage(60_000, 60_000 + length, cause.clone());
            scenario.seed = nth;
            let run = run(&scenario);
            assert_eq!(run.state.count(UnitState::Landed), 20, "{cause:?} for {length} ms");
            // Seen once it is a unit's own; common, it is nobody's.
            let opened = count(&run.journal, |r| matches!(r, Record::CircuitOpened { .. }));
            let charged: u32 = run.state.units.iter().map(|u| u.infra).sum();
            assert!(charged <= if opened == 0 { 2 } else { 0 }, "{cause:?} for {length} ms: {charged}");
            assert!(opened > 0 || length < 10_000, "{cause:?} for {length} ms");
            assert_eq!(
                count(&run.journal, |r| matches!(r, Record::UnitCancelled { .. } | Record::Suspended { .. })),
                0
            );
        }
    }
}

#[test]
fn p4_what_ended_in_an_outage_is_collected_again_and_not_run_again() {
    let outcome = run(&outage(30_000, 90_000, Cause::Denied(Spot::Source)));
    assert!(count(&outcome.journal, |r| matches!(r, Record::CollectFailed { .. })) > 2);
    assert_eq!(count(&outcome.journal, |r| matches!(r, Record::CircuitOpened { .. })), 1);
    let again = |u: &&mission_control::domain::mission::Unit| u.attempts.len() > 1;
    assert_eq!(outcome.state.units.iter().filter(again).count(), 0, "nothing that had run was run again");
}

#[test]
fn p10_one_probe_at_a_time_with_growing_pauses_while_trouble_is_common() {
    let outcome = run(&outage(60_000, 400_000, Cause::Denied(Spot::Source)));
    let mut open = false;
    let (mut tries, mut at_work) = (Vec::new(), 0_i32);
    for record in &outcome.journal {
        match record {
            Record::CircuitOpened { .. } => (open, at_work) = (true, 0),
            Record::CircuitClosed { .. } => open = false,
            Record::CollectAsked { at, .. }
            | Record::SessionStarted { at, .. }
            | Record::VerifyStarted(VerificationRun { at, .. }) => {
                at_work += i32::from(open);
                tries.extend(open.then_some(*at));
            }
            Record::CircuitKept { .. } => at_work = 0,
            _ => {}
        }
        assert!(!open || at_work <= 1, "one at a time: {record:?}");
    }
    let pauses: Vec<u64> = tries.windows(2).map(|w| w[1] - w[0]).collect();
    assert!(tries.len() < 25 && pauses.windows(2).take(4).all(|p| p[1] > p[0]), "{pauses:?}");
}

#[test]
fn p4_a_common_cause_that_stays_suspends_the_mission_and_a_resume_lands_everything() {
    let outcome = run(&outage(60_000, 1_500_000, Cause::DiskFull(Spot::Source)));
    let suspended: Vec<&Record> = outcome.journal.iter().filter(|r| matches!(r, Record::Suspended { .. })).collect();
    assert!(!suspended.is_empty());
    let told = |r: &&Record| matches!(r, Record::Suspended { code: 6, cause: Some(cause), .. } if *cause == Cause::DiskFull(Spot::Source));
    assert!(suspended.iter().all(told), "{suspended:?}");
    assert_eq!(outcome.state.count(UnitState::Landed), 20);
    assert_eq!(count(&outcome.journal, |r| matches!(r, Record::UnitCancelled { .. })), 0);
    assert!(outcome.state.units.iter().all(|u| u.infra == 0));
}

#[test]
fn p4_nothing_but_infrastructure_failures_suspends_and_charges_nobody() {
    let units: Vec<UnitSpec> = (0..6).map(|i| unit(&format!("u{i}"), &[])).collect();
    let mut scenario = calm(units.clone());
    for u in &units {
        scenario.behaviours.insert(u.id.clone(), vec![Behaviour::HostFails]);
    }
    let outcome = run(&scenario);
    let first = outcome.journal.iter().position(|r| matches!(r, Record::Suspended { .. })).unwrap();
    let state = Mission::replay(outcome.journal[..=first].iter().cloned()).unwrap();
    assert_eq!(state.suspended_by, Some(Cause::Spawn));
    assert_eq!(state.count(UnitState::Pending), 6);
    assert!(state.units.iter().all(|u| u.infra == 0));
}

#[test]
fn p10_a_unit_that_fails_where_others_pass_uses_up_its_own_budget() {
    let units: Vec<UnitSpec> = (0..12).map(|i| unit(&format!("u{i}"), &[])).collect();
    for bad in [&units[..1], &units[..2]] {
        let mut scenario = calm(units.clone());
        for u in bad {
            scenario.behaviours.insert(u.id.clone(), vec![Behaviour::HostFails]);
        }
        let outcome = run(&scenario);
        assert_eq!(outcome.state.count(UnitState::Landed) as usize, 12 - bad.len());
    }
}

#[test]
fn p11_a_mission_ends_at_its_wall_time_with_everything_killed() {
    let mut scenario = calm(vec![unit("a", &[]), unit("b", &["a"])]);
    scenario.behaviours.insert(UnitId::new("a").unwrap(), vec![Behaviour::Hangs]);
    scenario.policy.max_wall_time = 30_000;
    let outcome = run(&scenario);
    assert_eq!(outcome.state.outcome.as_ref().unwrap().0, MissionOutcome::WallTime);
    assert!(outcome.world.now < 40_000, "{}", outcome.world.now);
    assert_eq!(state_of(&outcome, "a"), UnitState::Cancelled);
}

#[test]
fn p10_a_slot_that_met_infrastructure_is_used_last() {
    let mut scenario = calm(vec![unit("a", &[]), unit("b", &["a"])]);
    scenario.behaviours.insert(UnitId::new("a").unwrap(), vec![Behaviour::HostFails, Behaviour::Good]);
    let outcome = run(&scenario);
    let slots = |id: &str| -> Vec<u32> {
        outcome.state.unit(&UnitId::new(id).unwrap()).unwrap().attempts.iter().map(|a| a.slot.number).collect()
    };
    assert_eq!((slots("a"), slots("b")), (vec![0, 1], vec![1]));
}

#[test]
fn p5_a_stop_that_a_crash_interrupted_kills_what_the_next_engine_takes_over() {
    let journal = run(&calm(vec![unit("a", &[])])).journal;
    let started = journal.iter().position(|r| matches!(r, Record::SessionStarted { .. })).unwrap();
    let stop = Record::StopRequested { level: StopLevel::Now, at: 1, why: EndReason::Person };
    let cut = journal[..=started].iter().cloned().chain([stop]);
    let mut state = Mission::replay(cut).unwrap();
    let commands = decide(&mut state, 2_000, Event::Resumed).commands;
    assert!(matches!(&commands[..], [Command::Adopt(_), Command::Cancel(JobId::Session(_))]), "{commands:?}");
}

#[test]
fn p4_a_crash_at_any_decision_leads_to_the_same_landings_with_own_lines() {
    let units = || {
        let mut units = vec![unit("a", &[]), unit("b", &[]), unit("c", &["a"])];
        for u in &mut units {
            (u.verify, u.accept) = (Some("make lint".to_owned()), Some(format!("test {}", u.id)));
        }
        units
    };
    let mut base = calm(units());
    base.behaviours.insert(UnitId::new("a").unwrap(), vec![Behaviour::FailsQuick, Behaviour::Good]);
    base.behaviours.insert(UnitId::new("b").unwrap(), vec![Behaviour::Touches, Behaviour::Good]);
    let calm_run = run(&base);
    assert_eq!(calm_run.state.count(UnitState::Landed), 3);
    for step in 0..calm_run.steps {
        for kind in 0..2 {
            let mut scenario = base.clone();
            scenario.crash_at = Some((step, kind));
            let crashed = run(&scenario);
            assert_eq!(crashed.state.count(UnitState::Landed), 3, "step {step} kind {kind}");
            assert_eq!(crashed.world.green_content(), calm_run.world.green_content(), "step {step} kind {kind}");
        }
    }
}

/// Requests to write bookkeeping that were made, landed and refused.
fn bookkeeping(journal: &[Record]) -> [usize; 3] {
    let of = |wanted: fn(&Record) -> bool| journal.iter().filter(|record| wanted(record)).count();
    [
        of(|record| matches!(record, Record::BookkeepingRequested { .. })),
        of(|record| matches!(record, Record::Landed { source: MergeSource::Bookkeeping { .. }, .. })),
        of(|record| matches!(record, Record::Rejected { source: MergeSource::Bookkeeping { .. }, .. })),
    ]
}

#[test]
fn p13_the_books_of_a_round_cost_one_run_and_none_when_there_is_nothing_to_tell() {
    let mut scenario = calm(vec![unit("a", &[]), unit("b", &[]), unit("c", &["a"])]);
    scenario.policy.keeps = BookkeepingMode::Backlog;
    scenario.policy.units_per_round = 2;
    let outcome = run(&scenario);
    assert_eq!(outcome.state.count(UnitState::Landed), 3);
    assert_eq!(bookkeeping(&outcome.journal), [2, 2, 0]);
    assert_eq!(outcome.world.runs, 6, "the baseline, three landings, two rounds");
    // What the gate refuses is refused once, after a second and a third look, and stops nobody.
    scenario.bookkeeping_breaks = true;
    let outcome = run(&scenario);
    assert_eq!((outcome.state.count(UnitState::Landed), bookkeeping(&outcome.journal)), (3, [1, 0, 1]));
    assert_eq!(outcome.world.runs, 7);
}

#[test]
fn p4_a_crash_at_any_decision_writes_the_books_once() {
    let mut base = calm(vec![unit("a", &[]), unit("b", &[]), unit("c", &["a"]), unit("d", &["b"])]);
    base.policy.keeps = BookkeepingMode::Backlog;
    base.policy.units_per_round = 2;
    base.behaviours.insert(UnitId::new("b").unwrap(), vec![Behaviour::Breaks]);
    let calm_run = run(&base);
    assert_eq!(bookkeeping(&calm_run.journal), [2, 2, 0]);
    for step in 0..calm_run.steps {
        for kind in 0..2 {
            let mut scenario = base.clone();
            scenario.crash_at = Some((step, kind));
            let crashed = run(&scenario);
            assert_eq!(bookkeeping(&crashed.journal), [2, 2, 0], "step {step} kind {kind}");
            assert_eq!(crashed.world.green_content(), calm_run.world.green_content(), "step {step} kind {kind}");
        }
    }
}

#[test]
fn a_unit_that_a_person_retries_is_told_of_again() {
    let mut scenario = calm(vec![unit("a", &[]), unit("b", &[])]);
    scenario.policy.keeps = BookkeepingMode::Backlog;
    scenario.behaviours.insert(UnitId::new("a").unwrap(), vec![Behaviour::Asks, Behaviour::Good]);
    // Whether the simulated person answers is drawn.
    let answered =
        (0..20).map(|seed| run(&Scenario { seed, ..scenario.clone() })).find(|o| state_of(o, "a") == UnitState::Landed);
    assert_eq!(bookkeeping(&answered.unwrap().journal), [2, 2, 0]);
}

/// A mission that ends before its time while `b` hangs and `c` waits for it, and `a` has landed.
fn cut_short() -> Scenario {
    let mut scenario = calm(vec![unit("a", &[]), unit("b", &["a"]), unit("c", &["b"])]);
    scenario.policy.keeps = BookkeepingMode::Backlog;
    scenario.policy.max_wall_time = 100_000;
    scenario.behaviours.insert(UnitId::new("b").unwrap(), vec![Behaviour::Hangs]);
    scenario
}

#[test]
fn p11_what_landed_before_the_time_was_up_is_told_of_and_nothing_else_happens_any_more() {
    let outcome = run(&cut_short());
    assert_eq!(outcome.state.outcome.as_ref().unwrap().0, MissionOutcome::WallTime);
    assert_eq!([bookkeeping(&outcome.journal), [outcome.state.landed as usize, 0, 0]], [[1, 1, 0], [2, 0, 0]]);
    assert_eq!(
        ["a", "b", "c"].map(|id| state_of(&outcome, id)),
        [UnitState::Landed, UnitState::Cancelled, UnitState::Cancelled]
    );
    assert!(outcome.world.now < 110_000, "{}", outcome.world.now);
    let at = |wanted: fn(&Record) -> bool| outcome.journal.iter().position(wanted).unwrap();
    let closing = at(|record| matches!(record, Record::Closing { .. }));
    assert!(closing < at(|record| matches!(record, Record::BookkeepingRequested { .. })));
    let starts = |record: &Record| matches!(record, Record::SessionStarted { .. });
    assert!(!outcome.journal[closing..].iter().any(starts), "no agent is started after the end");
    // Where nothing was landed or given up there is nothing to tell, and where the gate refuses it the mission ends all the same.
    let mut early = cut_short();
    early.behaviours.insert(UnitId::new("a").unwrap(), vec![Behaviour::Hangs]);
    assert_eq!(bookkeeping(&run(&early).journal), [0, 0, 0]);
    let outcome = run(&Scenario { bookkeeping_breaks: true, ..cut_short() });
    let end = outcome.state.outcome.as_ref().map(|end| end.0);
    assert_eq!((bookkeeping(&outcome.journal), end), ([1, 0, 1], Some(MissionOutcome::WallTime)));
}

#[test]
fn p4_a_crash_while_the_last_books_are_written_writes_them_once() {
    let steps = run(&cut_short()).steps;
    let mut crashes = 0;
    for step in 0..steps {
        for kind in 0..2 {
            let mut scenario = cut_short();
            scenario.crash_at = Some((step, kind));
            let crashed = run(&scenario);
            let [asked, landed, refused] = bookkeeping(&crashed.journal);
            assert_eq!([asked, landed, refused], [1, 1, 0], "step {step} kind {kind}");
            crashes += crashed.crashes;
            assert_eq!(state_of(&crashed, "a"), UnitState::Landed, "step {step} kind {kind}");
        }
    }
    assert!(crashes > 10, "{crashes}");
}

#[test]
fn an_early_end_that_cannot_write_the_books_ends_after_one_try() {
    let journal = run(&cut_short()).journal;
    let last = journal.iter().rposition(|r| matches!(r, Record::LandingStarted { .. })).unwrap();
    let mut state = Mission::begin(&journal[0]).unwrap();
    journal[1..=last].iter().for_each(|record| state.apply(record));
    let landing = state.landing().unwrap().id;
    let step =
        decide(&mut state, 100_500, Event::Integrated { landing, result: Err("the disk is full".to_owned().into()) });
    assert!(matches!(step.records.last(), Some(Record::MissionEnded { outcome: MissionOutcome::WallTime, .. })));
}

#[test]
fn p11_a_change_that_waits_when_the_time_is_up_is_not_landed_any_more() {
    let mut scenario = calm(vec![unit("a", &[]), unit("b", &["a"])]);
    scenario.policy.keeps = BookkeepingMode::Backlog;
    scenario.policy.max_wall_time = 10_000_000;
    let journal = run(&scenario).journal;
    let after = |r: &Record| matches!(r, Record::VerifyStarted(VerificationRun { role: VerifyRole::After, .. }));
    let second = journal.iter().enumerate().filter(|(_, r)| after(r)).nth(1).unwrap().0;
    let mut state = Mission::begin(&journal[0]).unwrap();
    journal[1..=second].iter().for_each(|record| state.apply(record));
    let run = state.current_verification().unwrap().run;
    assert_eq!(decide(&mut state, 10_000_001, Event::Tick).commands, [Command::Cancel(JobId::Run(run))]);
    let step = decide(&mut state, 10_000_002, Event::Verified { run, result: Err("killed".to_owned().into()) });
    assert!(matches!(step.commands[..], [Command::WriteBookkeeping { .. }]), "{:?}", step.records);
    let landing = state.landing().unwrap().id;
    let nothing = Integration::Bookkeeping { candidate: None, notes: Vec::new() };
    let step = decide(&mut state, 10_000_003, Event::Integrated { landing, result: Ok(nothing) });
    assert!(matches!(step.commands[..], [Command::Exit { code: 3 }]), "{:?}", step.records);
    let b = state.unit(&UnitId::new("b").unwrap()).unwrap();
    assert!(b.state == UnitState::Cancelled && b.reason.contains("its change is pinned"), "{}", b.reason);
}

#[test]
fn p5_a_person_ends_what_writes_the_last_books() {
    let journal = run(&cut_short()).journal;
    let last = journal.iter().rposition(|r| matches!(r, Record::VerifyStarted(_))).unwrap();
    let closing = || {
        let mut state = Mission::begin(&journal[0]).unwrap();
        journal[1..=last].iter().for_each(|record| state.apply(record));
        let run = state.current_verification().unwrap().run;
        assert_eq!(state.next_wake(), None, "the time that is up wakes nobody again");
        assert!(decide(&mut state, 101_000, Event::Stop(StopLevel::Drain)).records.is_empty());
        (state, run)
    };
    for (level, end) in [(StopLevel::Now, MissionOutcome::Stopped), (StopLevel::Interrupt, MissionOutcome::WallTime)] {
        let (mut state, run) = closing();
        let commands = decide(&mut state, 101_000, Event::Stop(level)).commands;
        let kills = |command: &Command| *command == Command::Cancel(JobId::Run(run));
        assert!(!commands.is_empty() && commands.iter().all(kills), "{commands:?}");
        let killed = Event::Verified { run, result: Err("killed".to_owned().into()) };
        assert!(matches!(decide(&mut state, 101_001, killed).commands[..], [Command::Exit { .. }]));
        assert_eq!(state.outcome.as_ref().map(|(outcome, ..)| *outcome), Some(end));
    }
}
