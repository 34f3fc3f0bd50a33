//! One landing and one run at a time: the first request in order whose time has come.

use super::choice::Choice;
use crate::domain::queue::{MergeRequest, Queue};
use crate::domain::values::Millis;

/// The open landing when its step is due; the next request when none is open.
pub(super) fn choose(queue: &Queue, now: Millis, waits: impl Fn(&MergeRequest) -> bool) -> Option<Choice> {
    if queue.runs().next().is_some() {
        return None;
    }
    match queue.landings().next() {
        Some(landing) => landing.due_at().filter(|at| *at <= now).map(|_| Choice::GoOn(landing.id)),
        None => {
            let mut due = queue.waiting_requests().filter(|request| request.again_at <= now && !waits(request));
            due.next().map(|request| Choice::Begin(request.id))
        }
    }
}

/// When the step of the open landing is due, or the first request that waits for nothing else.
pub(super) fn due_at(queue: &Queue, waits: impl Fn(&MergeRequest) -> bool) -> Option<Millis> {
    match queue.landings().next() {
        Some(landing) => landing.due_at(),
        None => queue.waiting_requests().filter(|request| !waits(request)).map(|request| request.again_at).min(),
    }
}
