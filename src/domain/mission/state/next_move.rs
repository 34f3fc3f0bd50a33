//! What a next move does to its unit: the one place where an outcome becomes a state.

use super::mission::State;
use crate::domain::mission::model::{NextMove, UnitState};
use crate::domain::queue::{MergeRequest, MergeSource, Place};
use crate::domain::values::{Millis, Tip};

impl State {
    /// Folds what happens to the unit at `i` next; `head` is what its attempt or request carried.
    pub(in crate::domain::mission) fn apply_next_move(
        &mut self,
        i: usize,
        next: &NextMove,
        source: &MergeSource,
        head: Option<&Tip>,
        at: Millis,
    ) {
        if let (NextMove::Queue { mr }, Some(head)) = (next, head) {
            let place = Place::by_age(at, self.units[i].spec.priority);
            self.queue.add(MergeRequest::new(*mr, source.clone(), head.clone(), at, place));
        }
        if !matches!(next, NextMove::Queue { .. } | NextMove::Retry { .. }) {
            self.update_unit(i, |u| u.turn = None);
        }
        self.update_unit(i, |u| match next {
            NextMove::Queue { .. } => u.state = UnitState::Queued,
            NextMove::Retry { not_before, own_work, because } => {
                u.state = UnitState::Pending;
                u.not_before = *not_before;
                u.reason.clone_from(because);
                match (own_work, head) {
                    (true, Some(head)) => u.own_work = Some(head.commit.clone()),
                    (true, None) => {}
                    (false, _) => u.own_work = None,
                }
                if !because.is_empty() {
                    u.evidence.push(because.clone());
                }
            }
            NextMove::NoOp => u.state = UnitState::NoOp,
            NextMove::Hold { question, own_work } => {
                u.state = UnitState::Held;
                if let (true, Some(head)) = (own_work, head) {
                    u.own_work = Some(head.commit.clone());
                }
                u.reason.clone_from(question);
            }
            NextMove::Fail { reason } => {
                u.state = UnitState::Failed;
                u.reason.clone_from(reason);
            }
            NextMove::Reject { reason } => {
                u.state = UnitState::Rejected;
                u.reason.clone_from(reason);
            }
        });
    }
}
