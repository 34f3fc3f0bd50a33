//! Whose turn it is for files that units lost in.

use super::mission::State;
use crate::domain::mission::model::turn::{Contested, paths_overlap};
use crate::domain::queue::{Landing, MergeRequest, MergeSource};
use crate::domain::values::{Millis, UnitId};
use std::collections::BTreeSet;

impl State {
    /// Whether a request waits for the attempt of another unit that holds files it touches.
    pub fn waits_for_turn(&self, request: &MergeRequest) -> bool {
        let Some((unit, n)) = &request.waits_for else { return false };
        self.unit(unit).is_some_and(|u| u.holds_turn() && u.attempts.last().is_some_and(|a| a.n == *n))
    }

    /// The files of turns of other units.
    pub(in crate::domain::mission) fn contested_files(&self, own: &UnitId) -> Vec<Contested> {
        let others = self.turns.iter().map(|(_, i)| &self.units[*i]).filter(|u| u.spec.id != *own);
        others
            .filter_map(|u| Some(Contested { unit: u.spec.id.clone(), files: u.turn.as_ref()?.files.clone() }))
            .collect()
    }

    /// Whom a candidate of `own` that touches files of these units has to wait for: the first that holds them, and whose
    /// turn is older than its own.
    pub(in crate::domain::mission) fn find_earlier_turn(
        &self,
        own: &UnitId,
        touched: &[UnitId],
    ) -> Option<(UnitId, u32)> {
        let place = |id: &UnitId| {
            let i = *self.index.get(id)?;
            let unit = &self.units[i];
            Some((unit.turn.as_ref().filter(|_| unit.holds_turn())?.since, i))
        };
        let own = place(own);
        let older = touched.iter().filter_map(place).filter(|other| own.is_none_or(|own| *other < own)).min()?;
        let unit = &self.units[older.1];
        Some((unit.spec.id.clone(), unit.attempts.last()?.n))
    }

    /// The unit whose turn may begin now.
    pub(in crate::domain::mission) fn next_turn(&self, now: Millis) -> Option<usize> {
        if self.turns.is_empty() || self.landing_is_unknown() || self.somebody_waited() {
            return None;
        }
        let holders = self.turns.iter().map(|(_, i)| &self.units[*i]).filter(|u| u.holds_turn());
        let held = holders.filter_map(|u| u.turn.as_ref()).flat_map(|turn| turn.files.iter().cloned());
        let mut taken: BTreeSet<String> = held.collect();
        for (_, i) in &self.turns {
            let unit = &self.units[*i];
            let (Some(turn), true) = (&unit.turn, self.is_dispatchable(*i) && unit.not_before <= now) else { continue };
            let landing = self.landing().is_some_and(|landing| {
                landing.merged_candidate().is_some_and(|made| made.touches.contains(&unit.spec.id))
            });
            if !landing && !paths_overlap(&turn.files, &taken) && self.has_slot_for(*i) {
                return Some(*i);
            }
            taken.extend(turn.files.iter().cloned());
        }
        None
    }

    /// When turns of units that wait for a time can begin, with the unit.
    pub(super) fn turns_due(&self) -> impl Iterator<Item = (Millis, usize)> + '_ {
        let waits = |i: &usize| self.units[*i].not_before > 0 && self.is_dispatchable(*i);
        let due = self.turns.iter().map(|(_, i)| *i).filter(waits).map(|i| (self.units[i].not_before, i));
        due.filter(|(at, i)| self.next_turn(*at) == Some(*i))
    }

    /// Whether a unit's change is being merged, so that nobody knows yet what it touches.
    fn landing_is_unknown(&self) -> bool {
        let unknown = |landing: &&Landing| landing.at_work() && landing.candidate().is_none();
        self.landing().filter(unknown).is_some_and(|l| matches!(l.mr.source, MergeSource::Unit { .. }))
    }

    /// Whether a request that waited for a turn can land now.
    fn somebody_waited(&self) -> bool {
        self.queue().any(|request| request.waits_for.is_some() && !self.waits_for_turn(request))
    }
}
