//! Green without the files of earlier runs. Where a workspace keeps some between two verifications, a result is warm; it is
//! made in a hurry and believed for a while. Here is decided when green is asked from nothing, and what follows.
//!
//! Wanted: a warm failure refuses nobody, a cold run of the same tree decides; green's tip gets a cold run whenever nothing
//! wants to land, at the latest after [`COLD_EVERY`] landings and before the mission ends; a run that only fills the idle time
//! gives way to whatever wants to land. If the tip does not hold, nothing lands any more, cold runs of earlier positions
//! find the first landing that does not hold, and a person decides; nothing is taken back by itself.

use super::Decision;
use super::command::{JobId, VerifyOrder};
use super::event::StopLevel;
use super::parts::Stage;
use super::policy::COLD_EVERY;
use super::probe::Try;
use super::record::Record;
use super::state::State;
use crate::domain::queue::{After, Green, Landing, MergeSource, VerificationRun, VerifyRole};
use crate::domain::values::{CommitId, LandingId, Tip};
use crate::domain::verify::verdict::judge;
use crate::domain::verify::{Cause, Demands, Judgement, Refusal, SnapshotKey, StageOutcome, Summary};

/// Exit code when what was verified does not hold.
const DOES_NOT_HOLD: u8 = 4;

/// A landing on a warm result.
#[derive(Debug, Clone, PartialEq)]
pub struct Unproven {
    /// Whose change it is.
    pub source: MergeSource,
    /// Where green stood before.
    pub onto: CommitId,
    /// Green after it.
    pub tip: Tip,
    /// Key of the snapshot it landed with.
    pub key: SnapshotKey,
    /// What that says.
    pub summary: Summary,
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
    /// Snapshot of that position, made without files of earlier runs.
    pub(super) proven: Option<(SnapshotKey, Summary)>,
    /// Whether green's tip does not hold, and how far the search for the landing that brought it is.
    pub search: Option<Search>,
    /// What the last cold run of a position gave, until it is judged.
    pub(super) found: Option<(CommitId, After)>,
}

impl ColdRuns {
    /// Folds that nothing is known of green, or that it holds where it stands.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Folds that green was taken back: what was taken back needs no proof.
    pub(super) fn back_to(&mut self, to: &Tip) {
        let left = self.unproven.iter().position(|one| one.tip.commit == to.commit).map_or(0, |at| at + 1);
        self.unproven.truncate(left);
        (self.search, self.found) = (None, None);
    }

    /// Folds that a person was told and resumed the mission: everything is asked again.
    pub(super) fn ask_again(&mut self) {
        (self.search, self.found) = (None, None);
    }
}

/// Which run of a tree is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Again {
    /// The first one, or the stored answer.
    First,
    /// One that decides in the place of a warm one.
    Cold,
    /// A second one, to be taken together with this one.
    Confirm(SnapshotKey),
}

/// Whether the candidate failed twice of the same: in a warm run, and in the cold one that decides in its place. Nothing that lay
/// there is blamed then, and nothing that failed once, so a third run has nothing to say.
pub(super) fn failed_alike(landing: &Landing, refusals: &[Refusal], judge: impl Fn(&After) -> Judgement) -> bool {
    let cold = landing.after().is_some_and(|after| !after.warm);
    let sure = !refusals.is_empty() && refusals.iter().all(|refusal| refusal.cause != Cause::NotRun);
    let warm = landing.evidence().and_then(|evidence| evidence.warm.as_ref());
    cold && sure && warm.is_some_and(|warm| judge(warm).refusals == refusals)
}

impl State {
    /// The order of a verification, as first given and as asked again after a restart.
    pub(super) fn verify_order(&self, v: VerificationRun) -> VerifyOrder {
        let landing = v.landing.and_then(|id| self.landing_by(id));
        let onto = landing.map_or(&v.tip.commit, |landing| &landing.onto.commit).clone();
        let extra = self.extras(v.role);
        let VerificationRun { run, tip, role, against, confirms, cold, .. } = v;
        VerifyOrder { run, tip, against, confirms, extra, role, onto, cold }
    }

    /// Whether a run must be cold by what it is for, although it is the first: what later results are compared with, what
    /// nobody asks again later, and what is asked for just that.
    pub(super) fn starts_cold(&self, role: VerifyRole) -> bool {
        self.policy.warm_runs && role != VerifyRole::After
    }

    /// Whether the mission may not end yet because green's tip is known by warm results only.
    pub(super) fn cold_pending(&self) -> bool {
        !self.cold.unproven.is_empty() && self.hold.is_none() && !self.closing()
    }

    /// Whether the verification in progress is of green, and of no change that waits.
    pub(super) fn asks_green(&self) -> bool {
        let of_green =
            |v: &VerificationRun| matches!(v.role, VerifyRole::Cold | VerifyRole::ColdSearch | VerifyRole::MovedGreen);
        self.verifying().is_some_and(of_green)
    }

    /// Whether nothing lands before green was asked from nothing.
    pub(super) fn cold_first(&self) -> bool {
        let many = self.landing().is_none() && self.cold.unproven.len() >= COLD_EVERY;
        // No run begins any more when only the books are left to be written.
        self.cold.search.is_some() || (!self.closing() && (many || self.doubts_green()))
    }

    /// Whether a cold run of green's tip gives way to what wants to land.
    pub(super) fn cold_can_wait(&self) -> bool {
        self.landing().is_none() && self.cold.unproven.len() < COLD_EVERY
    }

    /// The position of green to look at next, counted in the unproven landings, if one is due.
    pub(super) fn cold_next(&self) -> Option<usize> {
        let last = self.cold.unproven.len().checked_sub(1)?;
        let early = matches!(self.stage, Stage::Preflight | Stage::Baseline | Stage::Establishing | Stage::Over);
        if early || !self.may_land() || self.closing() {
            return None;
        }
        match &self.cold.search {
            Some(search) => (search.good < search.bad).then(|| usize::midpoint(search.good, search.bad)),
            None => {
                let idle = self.landing().is_none() && self.queue.is_empty();
                (idle || self.cold_first()).then_some(last)
            }
        }
    }

    /// Whether a cold run refuses the candidate in comparison with a green that is known by a warm result only: which of the
    /// two is to blame is not known.
    fn doubts_green(&self) -> bool {
        let Some(landing) = self.landing().filter(|landing| !landing.at_work()) else { return false };
        let lines = landing.extra().filter(|extra| !extra.warm && extra.summary.outcome != StageOutcome::Passed);
        if lines.is_some() && !self.cold.unproven.is_empty() {
            return true;
        }
        let (Some(after), Some(green)) = (landing.after(), &self.green) else { return false };
        let Some((_, before)) = green.snapshot.as_ref().filter(|_| green.warm && !after.warm) else { return false };
        let demands = self.demands(self.may_remove_tests(&landing.mr.source));
        !self.cold.unproven.is_empty()
            && !judge(&self.with_flaky(before.clone()), &after.summary, &after.delta, &demands).lands
    }

    /// Folds that what is known of green was seen in another environment. Landings on warm results stay to be asked.
    pub(super) fn green_is_stale(&mut self) {
        self.cold.proven = None;
        if let Some(green) = &mut self.green {
            (green.snapshot, green.confirmed, green.twice, green.warm) = (None, false, false, false);
        }
    }

    /// Folds which tests a tree that green has was seen to fail and to pass.
    pub(super) fn knows_flaky(&mut self, summary: Option<&Summary>) {
        self.flaky.extend(summary.into_iter().flat_map(|summary| summary.flaky.iter().cloned()));
    }

    /// What a change is compared with: flaky is what any tree that green had in this mission was seen to fail and to pass. What
    /// only the change itself, or one that was refused, made flaky pardons nobody.
    #[must_use]
    pub fn with_flaky(&self, mut before: Summary) -> Summary {
        before.flaky.extend(self.flaky.iter().filter(|name| !before.flaky.contains(name)).cloned().collect::<Vec<_>>());
        before
    }

    /// Folds that green stands where nobody has verified it.
    pub(super) fn green_unknown(&mut self, tip: &Tip) {
        self.green = Some(Green { tip: tip.clone(), snapshot: None, confirmed: false, twice: false, warm: false });
        self.cold.clear();
        self.foreign_move = None;
    }

    /// Folds that green moved to a candidate, or was found to contain it.
    pub(super) fn green_landed(&mut self, id: LandingId, source: &MergeSource, candidate: &Tip, green: &Tip) {
        let landing = self.queue.end_landing(id);
        let onto = landing.as_ref().map(|landing| landing.onto.commit.clone());
        if let Some(files) =
            landing.as_ref().and_then(Landing::made).map(|made| &made.deciding).filter(|files| !files.is_empty())
        {
            self.decided.push((source.clone(), candidate.commit.clone(), files.clone()));
        }
        let before = self.green.take().and_then(|green| green.snapshot);
        let after = landing.and_then(|landing| landing.after().cloned());
        let (tip, warm) = (candidate.clone(), after.as_ref().is_some_and(|after| after.warm));
        let twice = after.as_ref().is_some_and(|after| after.confirmed);
        let snapshot = after.map(|after| (after.key, after.summary));
        self.knows_flaky(snapshot.as_ref().map(|(_, summary)| summary));
        match (&snapshot, onto) {
            (Some((key, summary)), Some(onto)) if warm => {
                let (source, key, summary) = (source.clone(), key.clone(), summary.clone());
                if self.cold.unproven.is_empty() {
                    self.cold.proven = before;
                }
                self.cold.unproven.push(Unproven { source, onto, tip: tip.clone(), key, summary });
            }
            _ => self.cold.clear(),
        }
        self.green = Some(Green { tip, confirmed: snapshot.is_some(), twice, snapshot, warm });
        self.foreign_move = None;
        if green.commit != candidate.commit {
            // Somebody put more on top of it.
            self.green_moved(green);
        }
    }

    /// Folds that a new engine takes over a mission in which nothing could land: everything is asked again, unless it only ends.
    pub(super) fn resume_held(&mut self) {
        let ends = matches!(self.stop, Some((StopLevel::Now, _))) && self.hold_code == DOES_NOT_HOLD;
        if !ends && self.hold.take().is_some() {
            self.cold.ask_again();
        }
    }

    /// Why a position of green does not hold without files of earlier runs; nothing when it does. What failed at the last
    /// position that was seen without them may fail; what its landings removed is not missing, but nothing else is.
    fn does_not_hold(&self, position: &Unproven, found: &After) -> Vec<String> {
        let demands = Demands { gate: self.policy.gate, ratchet: false, allow_removed_tests: true };
        let Some((_, before)) = &self.cold.proven else { return Vec::new() };
        let judgement = judge(&self.with_flaky(before.clone()), &found.summary, &found.delta, &demands);
        if !judgement.lands {
            return judgement.reasons;
        }
        let count = |summary: &Summary| (summary.passed + summary.failed + summary.skipped, summary.skipped);
        let ((all, skipped), (had, had_skipped)) = (count(&found.summary), count(&position.summary));
        let mut reasons = Vec::new();
        if all < had {
            reasons.push(format!("{} of {had} tests are missing", had - all));
        }
        if skipped > had_skipped {
            reasons.push(format!("{} more tests are skipped", skipped - had_skipped));
        }
        reasons
    }

    /// Folds what a cold run says of a position of green.
    pub(super) fn cold_judged(&mut self, tip: &Tip, holds: bool, reasons: &[String]) {
        let found = self.cold.found.take();
        (self.step_failures, self.setup_failed) = (0, None);
        let Some(at) = self.cold.unproven.iter().position(|one| one.tip == *tip) else { return };
        match (&mut self.cold.search, holds) {
            (None, true) => {
                self.cold.unproven.drain(..=at);
                self.cold.proven = found.as_ref().map(|(_, found)| (found.key.clone(), found.summary.clone()));
            }
            (Some(search), true) => search.good = at + 1,
            (search, false) => {
                let good = search.as_ref().map_or(0, |search| search.good);
                *search = Some(Search { good, bad: at, reasons: reasons.to_vec() });
            }
        }
        if let (true, Some((_, found)), Some(green)) = (holds, found, &mut self.green)
            && green.tip == *tip
        {
            self.flaky.extend(found.summary.flaky.iter().cloned());
            green.snapshot = Some((found.key, found.summary));
            (green.confirmed, green.twice, green.warm) = (true, found.confirmed, false);
            // It was compared with another snapshot.
            self.queue.outdate_landings();
        }
    }
}

impl Decision<'_> {
    /// The run that follows one that does not say what lets a change go on; none when all was asked.
    pub(super) fn once_more(&self, key: &SnapshotKey, confirmed: bool, warm: bool) -> Option<Again> {
        match (warm, confirmed) {
            (true, _) => Some(Again::Cold),
            (false, false) if self.state.policy.confirm_failures => Some(Again::Confirm(key.clone())),
            (false, _) => None,
        }
    }

    /// Asks green from nothing where that is due, and judges the answer.
    pub(super) fn advance_cold(&mut self) {
        let Some(at) = self.state.cold_next().filter(|_| self.state.verifying().is_none()) else { return };
        let Some(position) = self.state.cold.unproven.get(at).cloned() else { return };
        let proven = self.state.cold.proven.as_ref().map(|(key, _)| key.clone());
        let role = if self.state.cold.search.is_some() { VerifyRole::ColdSearch } else { VerifyRole::Cold };
        let found = self.state.cold.found.as_ref().filter(|(of, _)| *of == position.tip.commit);
        let Some((_, found)) = found.cloned() else {
            if self.now >= self.state.base_again_at && self.state.lets(Try::Queue, self.now) {
                self.verify(position.tip, role, proven, Again::First);
            }
            return;
        };
        let reasons = self.state.does_not_hold(&position, &found);
        match self.once_more(&found.key, found.confirmed, found.warm).filter(|_| !reasons.is_empty()) {
            Some(again) => self.verify(position.tip, role, proven, again),
            None => self.judge_cold(position.tip, reasons.is_empty(), reasons),
        }
    }

    /// States whether a position of green holds, and holds the queue when that names the landing since which it does not.
    pub(super) fn judge_cold(&mut self, tip: Tip, holds: bool, reasons: Vec<String>) {
        self.note(Record::ColdJudged { tip, at: self.now, holds, reasons });
        let Some(search) = self.state.cold.search.as_ref().filter(|search| search.good >= search.bad) else { return };
        let Some(culprit) = self.state.cold.unproven.get(search.bad) else { return };
        let (name, at) = (named(&culprit.source), culprit.tip.commit.short());
        let reason = format!(
            "green passes only with files that earlier runs left in the workspace: since {name} landed at {at}, a run \
             without them says: {}",
            search.reasons.join("; ")
        );
        let hint = format!(
            "to take it back: `mc mission stop --now`, then `mc green rollback {}`; to keep it: mend green by hand \
             (`mc verify --fresh` shows what fails), then `mc mission resume`",
            culprit.onto.short()
        );
        self.note(Record::QueueHeld { landing: None, reason, hint, code: DOES_NOT_HOLD });
    }

    /// Kills a cold run that only fills the idle time when something wants to land.
    pub(super) fn make_way(&mut self) {
        let cold = self.state.verifying().is_some_and(|v| v.role == VerifyRole::Cold);
        if let (true, Some(run)) = (cold, self.state.unwanted_verification()) {
            self.ask(super::Command::Cancel(JobId::Run(run)));
        }
    }
}

fn named(source: &MergeSource) -> String {
    match source {
        MergeSource::Unit { unit, .. } => unit.to_string(),
        MergeSource::Intake => "the target branch".to_owned(),
        MergeSource::Books { round } => format!("what the mission wrote about round {round}"),
    }
}
