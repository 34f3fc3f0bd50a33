//! Which request goes first, and that nothing goes on beside it.

use super::super::landing::{Candidate, Change};
use super::super::model::{Behind, MergeSource};
use super::super::order::Place;
use super::*;
use crate::domain::values::{CommitId, LandingId, RequestId, Tip, TreeId, UnitId};

fn tip() -> Tip {
    Tip { commit: CommitId::new(&"a".repeat(40)).unwrap(), tree: TreeId::new(&"b".repeat(40)).unwrap() }
}

fn request(id: u64, priority: u32) -> MergeRequest {
    let source = MergeSource::Unit { unit: UnitId::new(&format!("u{id}")).unwrap(), n: 1 };
    MergeRequest::new(RequestId(id), source, tip(), id, Place::by_age(id, priority))
}

fn choose(queue: &Queue, now: Millis) -> Option<Choice> {
    Strategy::Serial.choose(queue, now, |request| request.id == RequestId(9))
}

#[test]
fn requests_go_by_priority_and_age_and_those_that_wait_let_others_pass() {
    let mut queue = Queue::default();
    assert_eq!(choose(&queue, 0), None);
    for (id, priority) in [(9, 0), (1, 2), (2, 1), (3, 1)] {
        queue.add(request(id, priority));
    }
    assert_eq!(choose(&queue, 0), Some(Choice::Begin(RequestId(2))));
    queue.add(MergeRequest::new(RequestId(4), MergeSource::Intake, tip(), 0, Place::FIRST));
    assert_eq!(choose(&queue, 0), Some(Choice::Begin(RequestId(4))), "the target goes before units");
    assert_eq!(Strategy::Serial.due_at(&queue, |_| true), None, "all wait for others");
}

#[test]
fn one_landing_goes_on_at_a_time_and_what_steps_behind_is_last() {
    let mut queue = Queue::default();
    queue.add(request(1, 0));
    queue.add(request(2, 0));
    assert!(queue.begin_landing(LandingId(1), RequestId(1), &tip()));
    assert_eq!(choose(&queue, 5), None, "git is at work on it");
    let (touches, notes, deciding, tests) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let made = Candidate { tip: tip(), touches, notes, deciding, tests };
    queue.change_landing(Some(LandingId(1)), Change::Made(made));
    assert_eq!(choose(&queue, 5), Some(Choice::GoOn(LandingId(1))));
    queue.fail_step(None, Some(LandingId(1)), None, 7);
    assert_eq!((choose(&queue, 5), Strategy::Serial.due_at(&queue, |_| false)), (None, Some(7)));
    assert_eq!((queue.failures(Some(LandingId(1))).row, queue.failures(None).row), (1, 0));
    let mr = queue.end_landing(LandingId(1)).unwrap().mr;
    queue.return_request(mr, Some(&Behind { again_at: 8, failures: 1, own_fault: false }));
    assert_eq!(choose(&queue, 9), Some(Choice::Begin(RequestId(2))));
    let order: Vec<RequestId> = queue.waiting_requests().map(|request| request.id).collect();
    assert_eq!(order, [RequestId(2), RequestId(1)]);
}
