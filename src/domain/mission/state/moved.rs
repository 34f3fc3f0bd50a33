//! A green that somebody else moved, and pins and settings of the repository that somebody changed.

use super::mission::State;
use crate::domain::mission::model::answer::PinFault;
use crate::domain::values::{CommitId, UnitId};
use std::collections::BTreeSet;

impl State {
    /// Whether a green that somebody moved is judged before anything else lands. What may have landed answers first.
    pub(in crate::domain::mission) fn moved_first(&self) -> bool {
        let intended = self.landing().is_some_and(|landing| landing.intended_verdict().is_some());
        self.queue.green().foreign_move.is_some() && !intended
    }

    /// Whether the mission may not end yet because of what green is: moved by somebody, or known by warm results only.
    pub(in crate::domain::mission) fn green_pending(&self) -> bool {
        self.cold_pending() || (self.moved_first() && self.hold.is_none() && !self.is_closing())
    }

    /// Unit, number and head of every ended attempt whose work is pinned.
    pub(in crate::domain::mission) fn pins(&self) -> Vec<(UnitId, u32, CommitId)> {
        let attempts = self.units.iter().flat_map(|unit| unit.attempts.iter().map(move |attempt| (unit, attempt)));
        attempts.filter_map(|(u, a)| Some((u.spec.id.clone(), a.n, a.head()?.commit.clone()))).collect()
    }

    /// Folds pins that were not what the journal says.
    pub(super) fn pins_faulty(&mut self, pins: &[PinFault]) {
        for fault in pins {
            let words = fault.words();
            if !self.problems.contains(&words) {
                self.problems.push(words);
            }
            let ours = |unit: &UnitId, n: u32| *unit == fault.unit && n == fault.n;
            self.unpin(ours, !fault.restored);
        }
    }

    /// Folds that these pins were deleted because nobody needs them any more.
    pub(super) fn pins_cleaned(&mut self, refs: &[(String, CommitId)]) {
        let folder = format!("refs/mc/attempts/{}/", self.mission);
        let gone: BTreeSet<&str> = refs.iter().filter_map(|(name, _)| name.strip_prefix(&folder)).collect();
        self.unpin(|unit, n| gone.contains(format!("{unit}/{n}").as_str()), true);
    }

    fn unpin(&mut self, which: impl Fn(&UnitId, u32) -> bool, unpinned: bool) {
        for unit in &mut self.units {
            let id = &unit.spec.id;
            unit.attempts.iter_mut().filter(|a| which(id, a.n)).for_each(|attempt| attempt.unpinned = unpinned);
        }
    }

    /// Folds what changed in the user's repository while `whose` ran; what was told before is not told again.
    pub(super) fn apply_notices<'a>(&mut self, what: impl Iterator<Item = &'a String>, whose: &str) {
        for what in what {
            let told = format!("{what} while ");
            if !self.repository.iter().any(|known| known.starts_with(&told)) {
                self.repository.push(format!("{told}{whose} ran"));
            }
        }
    }
}
