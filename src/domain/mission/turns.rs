//! Turns: a unit that lost to others twice works on while nobody else changes the files it lost in.
//!
//! Wanted: units that change one file all land, each at the latest with the attempt it has its turn for; nobody waits for
//! longer than that attempt and what came of it; no two wait for each other; what does not touch those files goes on.
//!
//! - A conflict in named files gives a unit a *turn* from the second one on. It keeps it until it lands, or ends otherwise.
//! - It *holds* its files from the start of an attempt until that has ended without a change, or its change is decided. While
//!   it holds them, requests of others that touch them wait; a candidate tells which it touches, so each is merged once in
//!   vain at most.
//! - It does not start while another one holds one of its files, or while a landing that touches them is under way: those
//!   come first, the older turn before the younger one, whatever their priorities.
//! - A request that has waited once is decided before the next turn begins, so it waits for one attempt only.
//! - Who holds files waits for older turns alone, which wait for no younger one: there is no circle.

use super::Decision;
use super::budget::Allowance;
use super::parts::{Unit, UnitState};
use super::probe::Try;
use super::record::Record;
use super::state::State;
use crate::domain::queue::{Landing, MergeRequest, MergeSource};
use crate::domain::values::{LandingId, Millis, Tip, UnitId};
use std::collections::BTreeSet;

/// Conflicts of a unit from which on it gets a turn.
const AFTER: u32 = 2;

/// Most files of one turn.
const FILES: usize = 200;

/// The right of a unit to work on files while nobody else changes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Since when it has it, or has waited for it again.
    pub(super) since: Millis,
    /// The files it lost in.
    pub(super) files: BTreeSet<String>,
}

/// Files that a unit has a turn for, as asked of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contested {
    /// The unit.
    pub unit: UnitId,
    /// The files, as a conflict named them.
    pub files: BTreeSet<String>,
}

impl Contested {
    /// Whether a change of these paths touches one of the files.
    #[must_use]
    pub fn is_touched(&self, paths: &BTreeSet<String>) -> bool {
        overlap(&self.files, paths)
    }
}

/// Whether two sets of paths have one in common, or a folder and something below it.
fn overlap(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let within = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        one.iter().any(|path| {
            let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
            folders.chain([path.as_str()]).any(|part| other.contains(part))
        })
    };
    within(a, b) || within(b, a)
}

impl Unit {
    /// Folds a conflict in these files.
    pub(super) fn lost_in(&mut self, files: &[String], at: Millis) {
        self.conflicts += 1;
        if self.conflicts < AFTER || files.is_empty() {
            return;
        }
        let turn = self.turn.get_or_insert_with(|| Turn { since: at, files: BTreeSet::new() });
        turn.files.extend(files.iter().cloned());
        while turn.files.len() > FILES {
            turn.files.pop_last();
        }
    }

    /// Folds that its attempt, or the landing of its change, came to nothing: others that wait go first.
    pub(super) fn steps_back(&mut self, at: Millis) {
        if let Some(turn) = &mut self.turn {
            turn.since = at;
        }
    }

    /// The files it has a turn for.
    #[must_use]
    pub fn turn_files(&self) -> Option<&BTreeSet<String>> {
        self.turn.as_ref().map(|turn| &turn.files)
    }

    /// Whether nobody else may change the files of its turn just now.
    fn holds(&self) -> bool {
        let works = matches!(self.state, UnitState::Running | UnitState::Queued) || self.collect_at.is_some();
        self.turn.is_some() && works
    }

    /// Where it stands among those that wait for their turn to begin; none for a unit that has none.
    pub(super) fn turn_since(&self) -> Option<Millis> {
        self.turn.as_ref().map(|turn| turn.since)
    }
}

impl State {
    /// Whether a request waits for the attempt of another unit that holds files it touches.
    #[must_use]
    pub fn waits(&self, request: &MergeRequest) -> bool {
        let Some((unit, n)) = request.waits_for() else { return false };
        self.unit(unit).is_some_and(|u| u.holds() && u.attempts.last().is_some_and(|a| a.n == *n))
    }

    /// The files of turns of other units.
    pub(super) fn contested(&self, own: Option<&UnitId>) -> Vec<Contested> {
        let others = self.turns.iter().map(|(_, i)| &self.units[*i]).filter(|u| Some(&u.spec.id) != own);
        others
            .filter_map(|u| Some(Contested { unit: u.spec.id.clone(), files: u.turn.as_ref()?.files.clone() }))
            .collect()
    }

    /// Whom a candidate of `own` that touches files of these units has to wait for: the first that holds them, and whose
    /// turn is older than its own.
    pub(super) fn goes_behind(&self, own: &UnitId, touched: &[UnitId]) -> Option<(UnitId, u32)> {
        let place = |id: &UnitId| {
            let i = *self.index.get(id)?;
            let unit = &self.units[i];
            Some((unit.turn.as_ref().filter(|_| unit.holds())?.since, i))
        };
        let own = place(own);
        let older = touched.iter().filter_map(place).filter(|other| own.is_none_or(|own| *other < own)).min()?;
        let unit = &self.units[older.1];
        Some((unit.spec.id.clone(), unit.attempts.last()?.n))
    }

    /// The unit whose turn may begin now.
    pub(super) fn next_turn(&self, now: Millis) -> Option<usize> {
        if self.turns.is_empty() || self.landing_is_unknown() || self.somebody_waited() {
            return None;
        }
        let holders = self.turns.iter().map(|(_, i)| &self.units[*i]).filter(|u| u.holds());
        let held = holders.filter_map(|u| u.turn.as_ref()).flat_map(|turn| turn.files.iter().cloned());
        let mut taken: BTreeSet<String> = held.collect();
        for (_, i) in &self.turns {
            let unit = &self.units[*i];
            let (Some(turn), true) = (&unit.turn, self.dispatchable(*i) && unit.not_before <= now) else { continue };
            let landing = self
                .landing()
                .is_some_and(|landing| landing.made().is_some_and(|made| made.touches.contains(&unit.spec.id)));
            if !landing && !overlap(&turn.files, &taken) {
                return Some(*i);
            }
            taken.extend(turn.files.iter().cloned());
        }
        None
    }

    /// When turns of units that wait for a time can begin, with the unit.
    pub(super) fn turns_due(&self) -> impl Iterator<Item = (Millis, usize)> + '_ {
        let waits = |i: &usize| self.units[*i].not_before > 0 && self.dispatchable(*i);
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
        self.queue().any(|request| request.waits_for().is_some() && !self.waits(request))
    }
}

impl Decision<'_> {
    /// A candidate that touches files of other units' turns: it waits for the one that holds them, or goes before all.
    pub(super) fn contested(
        &mut self,
        landing: &Landing,
        candidate: Tip,
        touches: Vec<UnitId>,
        notes: Vec<String>,
        (deciding, tests): (Vec<String>, Vec<String>),
    ) {
        let own = landing.mr.source.unit();
        match own.and_then(|own| self.state.goes_behind(own, &touches)) {
            Some((unit, n)) => {
                let why = format!("{unit} has its turn for files that this touches; it waits for attempt {n} of that");
                let waits_for = Some((unit, n));
                self.note(Record::Requeued { landing: landing.id, mr: landing.mr.id, why, behind: None, waits_for });
            }
            None => {
                self.note(Record::CandidateMade { landing: landing.id, candidate, touches, notes, deciding, tests })
            }
        }
    }

    /// Starts units whose turn begins, before the next landing could take their files from them.
    pub(super) fn begin_turns(&mut self) {
        while self.state.may_dispatch()
            && self.state.lets(Try::Start, self.now)
            && let (Some(slot), Some(i)) = (self.state.slots.free().cloned(), self.state.next_turn(self.now))
            && self.state.allowance(&self.state.units[i]) == Allowance::Start
            && self.start(slot, i)
        {}
    }
}

impl Record {
    /// That a candidate was made of which nothing needs to be known.
    pub(super) fn candidate(id: LandingId, candidate: Tip) -> Self {
        Self::CandidateMade {
            landing: id,
            candidate,
            touches: Vec::new(),
            notes: Vec::new(),
            deciding: Vec::new(),
            tests: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_overlap_when_equal_or_below_each_other() {
        let set = |paths: &[&str]| paths.iter().map(|p| (*p).to_owned()).collect::<BTreeSet<_>>();
        for (a, b, wanted) in [
            (&["a/b", "c"][..], &["c"][..], true),
            (&["a/b"], &["a"], true),
            (&["a"], &["a/b/c"], true),
            (&["a/b"], &["a/bc", "ab", "b"], false),
            (&[], &["a"], false),
        ] {
            assert_eq!(overlap(&set(a), &set(b)), wanted, "{a:?} {b:?}");
            assert_eq!(overlap(&set(b), &set(a)), wanted, "{a:?} {b:?}");
        }
    }
}
