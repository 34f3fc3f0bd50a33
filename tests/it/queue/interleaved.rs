//! Records that end something name what they end: two landings whose records come in any order give the same state.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use crate::rules::simulation::{calm, run, unit};
use mission_control::domain::mission::{
    MergeSource, Mission, NextMove, Record, RejectClass, VerificationRun, VerifyRole,
};
use mission_control::domain::values::{LandingId, RequestId, RunId};
use proptest::prelude::*;

/// The state in which two units wait in the queue, and their requests.
fn queued() -> (Mission, Vec<(RequestId, MergeSource)>) {
    let journal = run(&calm(vec![unit("a", &[]), unit("b", &[])])).journal;
    let first = journal.iter().position(|record| matches!(record, Record::LandingStarted { .. })).unwrap();
    let ended = |record: &&Record| matches!(record, Record::SessionEnded { .. } | Record::AttemptJudged { .. });
    let later = journal[first..].iter().filter(ended);
    let mut state = Mission::begin(&journal[0]).unwrap();
    journal[1..first].iter().chain(later).for_each(|record| state.apply(record));
    let waiting: Vec<_> = state.queue().map(|request| (request.id, request.source.clone())).collect();
    assert_eq!(waiting.len(), 2);
    (state, waiting)
}

/// The records of one landing, from its start to a verified candidate, and to its end if it has one.
fn landing(state: &Mission, nth: u64, (mr, source): &(RequestId, MergeSource), end: usize) -> Vec<Record> {
    let (landing, run, tip, at) = (LandingId(nth), RunId(nth), state.green().unwrap().tip.clone(), 10 * nth);
    let (key, summary) = state.green().unwrap().snapshot.clone().unwrap();
    let why = "tried again".to_owned();
    let ends = [
        None,
        Some(Record::MergeEmpty { landing, mr: *mr, source: source.clone(), at }),
        Some(Record::Requeued { landing, mr: *mr, why: why.clone(), behind: None, waits_for: None }),
        Some(Record::Rejected {
            landing,
            mr: *mr,
            source: source.clone(),
            at,
            class: RejectClass::Verification,
            reasons: vec![why.clone()],
            next: NextMove::Retry { not_before: 0, own_work: false, because: why },
            files: Vec::new(),
        }),
    ];
    let mut records = vec![
        Record::LandingStarted { landing, mr: *mr, onto: tip.clone(), at },
        Record::CandidateMade { landing, made: tip.clone().into() },
        Record::VerifyStarted(VerificationRun {
            run,
            landing: Some(landing),
            tip,
            role: VerifyRole::After,
            at,
            against: None,
            confirms: None,
            cold: false,
        }),
        Record::Verified { run, at, key, summary, delta: None, reused: false, confirmed: nth == 1, warm: false },
    ];
    records.extend(ends[end].clone());
    records
}

proptest! {
    #[test]
    fn two_landings_in_any_order_give_the_same_state(order in prop::collection::vec(any::<bool>(), 10), ends in (0_usize..4, 0_usize..4)) {
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
            prop_assert_eq!(open.is_some(), end == 0);
            prop_assert!(open.is_none_or(|open| open.gate_result().is_some_and(|after| after.confirmed == (nth == 1))));
        }
    }
}
