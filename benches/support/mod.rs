//! A mission in a world where everything works at once: what its decisions are, without anything around them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark may panic")]

use mission_control::domain::ending::ProcessEnd;
use mission_control::domain::mission::{
    Baseline, Command, DecidedBy, Event, Integration, JOURNAL_FORMAT, LandResult, Mission, Noticed, Policy, Record,
    SessionReport, Verification, decide,
};
use mission_control::domain::unit::UnitSpec;
use mission_control::domain::values::{CommitId, MissionId, Tip, TreeId, UnitId};
use mission_control::domain::verify::{Delta, SnapshotKey, StageOutcome, Summary};
use std::collections::VecDeque;

/// `count` units in chains of ten.
pub fn units(count: usize) -> Vec<UnitSpec> {
    let id = |n: usize| UnitId::new(&format!("unit-{n:05}")).unwrap();
    let unit = |n: usize| {
        let mut spec = UnitSpec::new(id(n), "a title as people write it");
        if !n.is_multiple_of(10) {
            spec.depends.push(id(n - 1));
        }
        spec
    };
    (0..count).map(unit).collect()
}

fn tip(n: u64) -> Tip {
    Tip { commit: CommitId::new(&format!("{n:040x}")).unwrap(), tree: TreeId::new(&format!("{n:040x}")).unwrap() }
}

fn summary() -> Summary {
    Summary {
        outcome: StageOutcome::Passed,
        passed: 1000,
        failed: 0,
        skipped: 3,
        findings: Default::default(),
        per_test: true,
        flaky: Vec::new(),
        note: String::new(),
    }
}

/// The first record of a mission over these units, with sixteen workers.
pub fn first(units: Vec<UnitSpec>) -> Record {
    start(units, Policy { workers: 16, ..Policy::default() })
}

/// The first record of a mission over these units under this policy.
pub fn start(units: Vec<UnitSpec>, policy: Policy) -> Record {
    Record::MissionStarted {
        format: JOURNAL_FORMAT,
        decided_by: DecidedBy::current(),
        mission: MissionId::new("mbench").unwrap(),
        at: 1_000,
        objective: "bench".to_owned(),
        policy: Box::new(policy),
        plan: Some(units),
        settings: serde_json::Value::Null,
    }
}

/// What a world without faults answers.
fn answer(command: Command, next: &mut u64) -> Option<Event> {
    *next += 1;
    Some(match command {
        Command::Preflight => {
            Event::Preflight(Ok(Baseline { tip: tip(1), create: true, environment: String::new(), notes: Vec::new() }))
        }
        Command::Establish { .. } => Event::Established(Ok(())),
        Command::CheckTarget(_) => Event::TargetChecked(Ok(None)),
        Command::Start(order) | Command::Adopt(order) => {
            let mut report = SessionReport::from_end(ProcessEnd::Exited(0));
            report.work.head = Some(tip(*next));
            report.work.changed = true;
            report.run.proof = "pid namespace".to_owned();
            report.run.ran = Some((2_000, 3_000));
            Event::SessionEnded { session: order.session, report: Box::new(report) }
        }
        Command::Integrate { landing, .. } => {
            Event::Integrated { landing, result: Ok(Integration::Candidate(tip(*next).into())) }
        }
        Command::WriteBookkeeping { landing, onto, .. } => Event::Integrated {
            landing,
            result: Ok(Integration::Bookkeeping { candidate: Some(onto), notes: Vec::new() }),
        },
        Command::Verify(order) => {
            let verification = Verification {
                warm: false,
                key: SnapshotKey(format!("{next:064x}")),
                summary: summary(),
                delta: order.against.map(|_| Delta { added: 1, ..Delta::default() }),
                reused: false,
                confirmed: false,
                noticed: Noticed::default(),
            };
            Event::Verified { run: order.run, result: Ok(Box::new(verification)) }
        }
        Command::Land { landing, candidate, .. } => {
            Event::LandEnded { landing, result: Ok(LandResult::Landed(candidate)) }
        }
        Command::CheckObjective { round, .. } => {
            Event::ObjectiveChecked { round, met: Ok(true), pins: Vec::new(), moved: None }
        }
        Command::ProbeHost(host) => Event::HostSeen { host, result: Ok(String::new()) },
        Command::Exit { .. } | Command::ReadBacklog { .. } | Command::Cancel(_) => return None,
    })
}

/// Plays a mission from its first record to its end; `each` sees every record. How many events it took, and the state.
pub fn play(first: &Record, mut each: impl FnMut(Record)) -> (u64, Mission) {
    let mut state = Mission::begin(first).unwrap();
    let (mut now, mut next, mut events) = (2_000, 1, 0);
    let mut waiting = VecDeque::from([Event::Begun]);
    while let Some(event) = waiting.pop_front() {
        now += 1;
        events += 1;
        let step = decide(&mut state, now, event);
        step.records.into_iter().for_each(&mut each);
        for command in step.commands {
            waiting.extend(answer(command, &mut next));
        }
    }
    assert!(state.is_over() && state.landed as usize == state.units.len(), "the mission did not land everything");
    (events, state)
}

/// A journal of at least `length` records, its first one included.
pub fn journal(length: usize) -> Vec<Record> {
    let mut count = length / 16 + 1;
    loop {
        let start = first(units(count));
        let mut records = vec![start.clone()];
        play(&start, |record| records.push(record));
        if records.len() >= length {
            return records;
        }
        count += count / 4;
    }
}
