//! Records that end something name what they end: two landings whose records come in any order give the same state.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use crate::rules::simulation::{calm, run, unit};
use mission_control::domain::mission::{
    Command, Event, JobId, MergeSource, Mission, NextMove, Noticed, Record, RejectClass, Unverified, Verification,
    VerificationRun, VerifyRole, decide,
};
use mission_control::domain::trouble::Cause;
use mission_control::domain::unit::UnitSpec;
use mission_control::domain::values::{HostId, LandingId, RequestId, RunId, UnitId};
use proptest::prelude::*;

/// The state in which two units wait in the queue, and their requests.
fn queued() -> (Mission, Vec<(RequestId, MergeSource)>) {
    queued_of(vec![unit("a", &[]), unit("b", &[])])
}

fn queued_of(units: Vec<UnitSpec>) -> (Mission, Vec<(RequestId, MergeSource)>) {
    let journal = run(&calm(units)).journal;
    let first = journal.iter().position(|record| matches!(record, Record::LandingStarted { .. })).unwrap();
    let ended = |record: &&Record| matches!(record, Record::SessionEnded { .. } | Record::AttemptJudged { .. });
    let later = journal[first..].iter().filter(ended);
    let mut state = Mission::begin(&journal[0]).unwrap();
    journal[1..first].iter().chain(later).for_each(|record| state.apply(record));
    let waiting: Vec<_> = state.queue().map(|request| (request.id, request.source.clone())).collect();
    assert_eq!(waiting.len(), 2);
    (state, waiting)
}

fn started(state: &Mission, nth: u64, (run, role): (RunId, VerifyRole)) -> Record {
    Record::VerifyStarted(VerificationRun {
        run,
        landing: Some(LandingId(nth)),
        tip: state.green().unwrap().tip.clone(),
        role,
        host: HostId::local(),
        at: 10 * nth,
        against: None,
        confirms: None,
        cold: false,
    })
}

/// Ways of a landing from its start: still open with what was verified, or to its end.
const WAYS: usize = 8;

/// Those after which it is open.
const OPEN: [usize; 3] = [0, 4, 5];

/// The records of one landing.
fn landing(state: &Mission, nth: u64, (mr, source): &(RequestId, MergeSource), way: usize) -> Vec<Record> {
    let (landing, run, tip, at) = (LandingId(nth), RunId(nth), state.green().unwrap().tip.clone(), 10 * nth);
    let (key, summary) = state.green().unwrap().snapshot.clone().unwrap();
    let (why, confirmed) = ("tried again".to_owned(), nth == 1);
    let verified = |run| Record::Verified { run, at, key, summary, delta: None, reused: false, confirmed, warm: false };
    let requeued = Record::Requeued { landing, mr: *mr, why: why.clone(), behind: None, waits_for: None };
    let ends = match way {
        0 => vec![verified(run)],
        1 => vec![verified(run), Record::MergeEmpty { landing, mr: *mr, source: source.clone(), at }],
        2 => vec![verified(run), requeued],
        3 => vec![
            verified(run),
            Record::Rejected {
                landing,
                mr: *mr,
                source: source.clone(),
                at,
                class: RejectClass::Verification,
                reasons: vec![why.clone()],
                next: NextMove::Retry { not_before: 0, own_work: false, because: why },
                files: Vec::new(),
            },
        ],
        // A run that is lost, and another one.
        4 => vec![
            Record::StepFailed {
                run: Some(run),
                landing: Some(landing),
                what: "verification".to_owned(),
                error: why,
                cause: Cause::LostRun,
                at,
                again_at: 100,
                setup: None,
            },
            started(state, nth, (RunId(nth + 10), VerifyRole::After)),
            verified(RunId(nth + 10)),
        ],
        5 => vec![
            verified(run),
            started(state, nth, (RunId(nth + 10), VerifyRole::UnitChecks)),
            Record::RepositoryChanged { run, at, held: None, named: Vec::new() },
        ],
        6 => vec![Record::VerificationDropped { run, at }, requeued],
        _ => vec![
            Record::UnitCancelled { unit: source.unit().unwrap().clone(), reason: why },
            Record::VerificationDropped { run, at },
        ],
    };
    let mut records = vec![
        Record::LandingStarted { landing, mr: *mr, onto: tip.clone(), at },
        Record::CandidateMade { landing, made: tip.into() },
        started(state, nth, (run, VerifyRole::After)),
    ];
    records.extend(ends);
    records
}

/// The state in which both requests are being landed and verified, by runs 1 and 2.
fn both_open() -> Mission {
    let (mut state, waiting) = queued();
    let begun = [1, 2].map(|nth| landing(&state, nth, &waiting[nth as usize - 1], 0)[..3].to_vec());
    begun.iter().flatten().for_each(|record| state.apply(record));
    state
}

fn told(state: &mut Mission, result: Result<Box<Verification>, Unverified>) -> Vec<Record> {
    decide(state, 1_000, Event::Verified { run: RunId(2), result }).records
}

#[test]
fn what_a_run_says_is_taken_for_the_landing_it_is_a_step_of() {
    let failed = told(&mut both_open(), Err(Unverified::from("no room".to_owned())));
    assert!(matches!(&failed[..], [Record::StepFailed { landing: Some(LandingId(2)), .. }]), "{failed:?}");

    let mut state = both_open();
    let (key, summary) = state.green().unwrap().snapshot.clone().unwrap();
    let noticed = Noticed { held: Some("a hook is new".to_owned()), named: Vec::new() };
    let (delta, reused, confirmed, warm) = (None, false, false, false);
    let meddled =
        told(&mut state, Ok(Box::new(Verification { key, summary, delta, reused, confirmed, warm, noticed })));
    assert!(meddled.iter().any(|r| matches!(r, Record::Rejected { landing: LandingId(2), .. })), "{meddled:?}");
}

#[test]
fn a_unit_that_is_given_up_takes_only_its_own_run_with_it() {
    for (gone, own) in [("a", RunId(1)), ("b", RunId(2))] {
        let mut state = both_open();
        let step = decide(&mut state, 900, Event::CancelUnit(UnitId::new(gone).unwrap()));
        assert!(matches!(&step.commands[..], [Command::Cancel(JobId::Run(run))] if *run == own), "{step:?}");
        let landing = if own == RunId(1) { LandingId(2) } else { LandingId(1) };
        assert_eq!(state.landing().map(|open| open.id), Some(landing));
        let failed = told(&mut state, Err(Unverified::from("no room".to_owned())));
        assert_eq!(matches!(&failed[0], Record::VerificationDropped { .. }), own == RunId(2), "{failed:?}");
    }
}

#[test]
fn own_lines_are_those_of_the_unit_that_is_landed() {
    let mut checked = unit("b", &[]);
    checked.verify = Some("make lint".to_owned());
    let (mut state, waiting) = queued_of(vec![unit("a", &[]), checked]);
    let first = landing(&state, 1, &waiting[0], 0);
    let second = landing(&state, 2, &waiting[1], 5);
    first.iter().chain(&second).for_each(|record| state.apply(record));
    let asked = decide(&mut state, 1_000, Event::Resumed).commands;
    let lines = asked.iter().find_map(|command| match command {
        Command::Verify(order) => Some(order.unit_checks.iter().map(|line| line.name).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(lines, Some(vec!["verify"]), "{asked:?}");
}

proptest! {
    #[test]
    fn two_landings_in_any_order_give_the_same_state(order in prop::collection::vec(any::<bool>(), 12), ends in (0..WAYS, 0..WAYS)) {
        let (start, waiting) = queued();
        let sequences = [landing(&start, 1, &waiting[0], ends.0), landing(&start, 2, &waiting[1], ends.1)];
        let mut plain = start.clone();
        sequences.iter().flatten().for_each(|record| plain.apply(record));
        let (mut mixed, mut left) = (start, sequences.map(Vec::into_iter));
        for first in order {
            if let Some(record) = left[usize::from(first)].next() {
                mixed.apply(&record);
            }
        }
        left.into_iter().flatten().for_each(|record| mixed.apply(&record));
        prop_assert_eq!(&mixed, &plain);
        for (nth, end) in [(1, ends.0), (2, ends.1)] {
            let open = mixed.landing_by(LandingId(nth));
            prop_assert_eq!(open.is_some(), OPEN.contains(&end));
            prop_assert!(open.is_none_or(|open| open.gate_result().is_some_and(|after| after.confirmed == (nth == 1))));
        }
    }
}

#[test]
fn p1_nothing_that_is_open_outlives_a_change_of_the_environment() {
    let mut state = both_open();
    let changed = decide(&mut state, 900, Event::EnvironmentSeen("other".to_owned())).records;
    assert!([1, 2].iter().all(|nth| state.run_by(RunId(*nth)).is_none()), "{changed:?}");
    assert!([1, 2].iter().all(|nth| state.landing_by(LandingId(*nth)).is_none()), "{changed:?}");
    assert_eq!(changed.iter().filter(|r| matches!(r, Record::Requeued { .. })).count(), 2, "{changed:?}");
}
