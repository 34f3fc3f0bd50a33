//! What the queue knows of green: where it stands, what runs said of it, and what somebody else made of it.
//!
//! Green may rest on *warm* results, made with the files of earlier runs. Landings on such results are *unproven* until a cold run
//! of green holds. A green that somebody else moved is compared with the last one that was verified. Only the functions here that
//! say "folds" change any of it.

use super::model::{After, MergeSource};
use crate::domain::values::{CommitId, Tip};
use crate::domain::verify::{SnapshotKey, Summary};
use std::collections::BTreeSet;

/// Green where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Green {
    /// Where it stands.
    pub tip: Tip,
    /// Its snapshot, when it was verified.
    pub snapshot: Option<(SnapshotKey, Summary)>,
    /// Whether a failing snapshot was confirmed by a second run.
    pub confirmed: bool,
    /// Whether two runs of its tree went into it, whatever they said.
    pub twice: bool,
    /// Whether files of earlier runs were there when it was made.
    pub warm: bool,
}

impl Green {
    /// Green where nobody has verified it.
    fn new_unknown(tip: &Tip) -> Self {
        Self { tip: tip.clone(), snapshot: None, confirmed: false, twice: false, warm: false }
    }

    /// Folds what a run said of it.
    fn is_found(&mut self, found: &After, confirmed: bool) {
        self.snapshot = Some((found.key.clone(), found.summary.clone()));
        (self.confirmed, self.twice, self.warm) = (confirmed, found.confirmed, found.warm);
    }
}

/// A landing on a warm result.
#[derive(Debug, Clone, PartialEq)]
pub struct Unproven {
    /// Whose change it is.
    pub source: MergeSource,
    /// Where green stood before.
    pub onto: Tip,
    /// Green after it.
    pub tip: Tip,
    /// Key of the snapshot it landed with.
    pub key: SnapshotKey,
    /// What that says; absent where it says nothing of the environment in which runs are made now.
    pub summary: Option<Summary>,
}

/// A search for the first position of green that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// So many of the unproven landings, from the oldest, are known to hold.
    pub good: usize,
    /// The earliest that is known not to.
    pub bad: usize,
    /// Why it does not.
    pub reasons: Vec<String>,
}

/// What is known of green by cold runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColdRuns {
    /// Landings on warm results since the last position of green that holds, oldest first.
    pub unproven: Vec<Unproven>,
    /// Snapshot of that position, made without files of earlier runs; absent until there is one of the environment in which runs
    /// are made now.
    pub proven: Option<(SnapshotKey, Summary)>,
    /// How far the search for the landing is that brought what does not hold, when green's tip does not.
    pub search: Option<Search>,
    pub(super) found: Option<(CommitId, After)>,
}

impl ColdRuns {
    /// The first landing that does not hold, when the search has found it, with the reasons.
    pub fn culprit(&self) -> Option<(&Unproven, &[String])> {
        let search = self.search.as_ref().filter(|search| search.good >= search.bad)?;
        Some((self.unproven.get(search.bad)?, &search.reasons))
    }

    /// The position that the unproven landings began with, when nothing is known of it by a run to compare them with.
    pub fn unproven_base(&self) -> Option<&Tip> {
        self.unproven.first().filter(|_| self.proven.is_none()).map(|first| &first.onto)
    }

    /// What the last cold run of this position gave, until it is judged.
    pub fn cold_result(&self, of: &CommitId) -> Option<&After> {
        self.found.as_ref().filter(|(position, _)| position == of).map(|(_, found)| found)
    }

    /// Folds a landing on a warm result; `before` is what green was known by.
    fn add_unproven(&mut self, landing: Unproven, before: Option<(SnapshotKey, Summary)>) {
        if self.unproven.is_empty() {
            self.proven = before;
        }
        self.unproven.push(landing);
    }

    /// Folds that green was taken back: what was taken back needs no proof.
    fn roll_back_to(&mut self, to: &Tip) {
        let left = self.unproven.iter().position(|one| one.tip.commit == to.commit).map_or(0, |at| at + 1);
        self.unproven.truncate(left);
        self.ask_again();
    }

    /// Folds that what cold runs gave was found in another environment.
    fn is_stale(&mut self) {
        self.proven = None;
        self.unproven.iter_mut().for_each(|one| one.summary = None);
        self.ask_again();
    }

    /// Folds that everything is asked again.
    pub(super) fn ask_again(&mut self) {
        (self.search, self.found) = (None, None);
    }

    /// Folds that what the last run found of the position before the unproven landings is what they are compared with.
    pub(super) fn is_measured(&mut self) {
        self.proven = self.found.take().map(|(_, found)| (found.key, found.summary));
    }

    /// Folds the judgement of a position. What the run that was judged had found, where the position is one of these.
    fn is_judged(&mut self, tip: &Tip, holds: bool, reasons: &[String]) -> Option<After> {
        let found = self.found.take().map(|(_, found)| found);
        let at = self.unproven.iter().position(|one| one.tip == *tip)?;
        match (&mut self.search, holds) {
            (None, true) => {
                self.unproven.drain(..=at);
                self.proven = found.as_ref().map(|found| (found.key.clone(), found.summary.clone()));
            }
            (Some(search), true) => search.good = at + 1,
            (search, false) => {
                let good = search.as_ref().map_or(0, |search| search.good);
                *search = Some(Search { good, bad: at, reasons: reasons.to_vec() });
            }
        }
        found
    }
}

/// A move of green by somebody else, until it is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignMove {
    /// The last green that was verified.
    pub good: Green,
    /// What was known of that one by runs without files of earlier runs.
    cold: ColdRuns,
    /// What the moved one was found to be, compared with it.
    pub after: Option<After>,
}

/// Green with all that is known of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownGreen {
    /// Where it stands, once that is known.
    pub now: Option<Green>,
    /// What is known of it by cold runs.
    pub cold: ColdRuns,
    /// A move of it by somebody else that is not judged.
    pub foreign_move: Option<ForeignMove>,
    /// Tests that failed and passed on a tree which green had.
    flaky: BTreeSet<String>,
}

impl KnownGreen {
    pub fn with_flaky(&self, mut before: Summary) -> Summary {
        before.flaky.extend(self.flaky.iter().filter(|name| !before.flaky.contains(name)).cloned().collect::<Vec<_>>());
        before
    }

    pub fn stands_at(&self, tip: &Tip) -> bool {
        self.now.as_ref().is_some_and(|green| green.tip == *tip)
    }

    /// Folds that green stands where nobody has verified it.
    pub(super) fn is_unknown(&mut self, tip: &Tip) {
        self.now = Some(Green::new_unknown(tip));
        self.cold = ColdRuns::default();
        self.foreign_move = None;
    }

    /// Folds that somebody else moved green to `tip`: what was verified last stays what it is compared with.
    pub(super) fn is_moved(&mut self, tip: &Tip) {
        let known = match self.foreign_move.take() {
            Some(open) => Some((open.good, open.cold)),
            None => self.now.take().map(|good| (good, self.cold.clone())),
        };
        match known {
            Some((good, cold)) if good.tip == *tip => (self.now, self.cold) = (Some(good), cold),
            known => {
                self.is_unknown(tip);
                self.foreign_move = known.map(|(good, cold)| ForeignMove { good, cold, after: None });
            }
        }
    }

    /// Folds that what is known of green was seen in another environment. Landings on warm results stay to be asked.
    pub(super) fn is_stale(&mut self) {
        self.flaky.clear();
        self.cold.is_stale();
        if let Some(open) = &mut self.foreign_move {
            open.cold.is_stale();
            open.good = Green::new_unknown(&open.good.tip);
            open.after = None;
        }
        if let Some(green) = &mut self.now {
            *green = Green::new_unknown(&green.tip);
        }
    }

    /// Folds what a verification of green came to.
    pub(super) fn is_verified(&mut self, found: &After) {
        self.flaky.extend(found.summary.flaky.iter().cloned());
        if let Some(green) = &mut self.now {
            green.is_found(found, found.confirmed);
        }
    }

    /// Folds what a verification of a green that somebody moved came to.
    pub(super) fn is_verified_after_move(&mut self, found: After) {
        if let Some(green) = &mut self.now {
            green.is_found(&found, found.confirmed);
        }
        if let Some(open) = &mut self.foreign_move {
            open.after = Some(found);
        }
    }

    /// Folds a further run of the last green that was verified: the moved one is compared with what is known of it now.
    pub(super) fn good_is_verified(&mut self, tip: &Tip, found: After) {
        if let Some(open) = self.foreign_move.as_mut().filter(|open| open.good.tip == *tip) {
            open.good.snapshot = Some((found.key, found.summary));
            (open.good.twice, open.good.warm) = (found.confirmed, false);
            open.after = None;
        }
    }

    /// Folds the judgement of a cold run. Whether green is known better by it.
    pub(super) fn is_judged_cold(&mut self, tip: &Tip, holds: bool, reasons: &[String]) -> bool {
        let found = self.cold.is_judged(tip, holds, reasons).filter(|_| holds);
        let (Some(found), Some(green)) = (found, self.now.as_mut().filter(|green| green.tip == *tip)) else {
            return false;
        };
        self.flaky.extend(found.summary.flaky.iter().cloned());
        green.is_found(&found, true);
        true
    }

    /// Folds that green was taken back to where it stood before.
    pub(super) fn is_rolled_back(&mut self, to: &Tip) {
        self.now = Some(Green::new_unknown(to));
        self.cold.roll_back_to(to);
        self.foreign_move = None;
    }

    /// Folds that green moved to a candidate, which was known by these runs, and now stands at `green`.
    pub(super) fn has_landed(
        &mut self,
        source: &MergeSource,
        onto: Option<Tip>,
        after: Option<After>,
        candidate: &Tip,
        green: &Tip,
    ) {
        let before = self.now.take().and_then(|green| green.snapshot);
        let mut landed = Green::new_unknown(candidate);
        if let Some(after) = &after {
            self.flaky.extend(after.summary.flaky.iter().cloned());
            landed.is_found(after, true);
        }
        match (after, onto) {
            (Some(After { key, summary, warm: true, .. }), Some(onto)) => {
                let (source, tip) = (source.clone(), candidate.clone());
                self.cold.add_unproven(Unproven { source, onto, tip, key, summary: Some(summary) }, before);
            }
            _ => self.cold = ColdRuns::default(),
        }
        self.now = Some(landed);
        self.foreign_move = None;
        if green.commit != candidate.commit {
            // Somebody put more on top of it.
            self.is_moved(green);
        }
    }
}
