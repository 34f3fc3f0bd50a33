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
use crate::domain::queue::{After, Landing, MergeSource, Unproven, VerificationRun, VerifyRole};
use crate::domain::values::Tip;
use crate::domain::verify::verdict::judge;
use crate::domain::verify::{Cause, Demands, Judgement, Refusal, SnapshotKey, StageOutcome, Summary};

/// Exit code when what was verified does not hold.
const DOES_NOT_HOLD: u8 = 4;

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
        !self.cold().unproven().is_empty() && self.hold.is_none() && !self.closing()
    }

    /// Whether the verification in progress is of green, and of no change that waits.
    pub(super) fn asks_green(&self) -> bool {
        let of_green =
            |v: &VerificationRun| matches!(v.role, VerifyRole::Cold | VerifyRole::ColdSearch | VerifyRole::MovedGreen);
        self.verifying().is_some_and(of_green)
    }

    /// Whether nothing lands before green was asked from nothing.
    pub(super) fn cold_first(&self) -> bool {
        let many = self.landing().is_none() && self.cold().unproven().len() >= COLD_EVERY;
        // No run begins any more when only the books are left to be written.
        self.cold().search().is_some() || (!self.closing() && (many || self.doubts_green()))
    }

    /// Whether a cold run of green's tip gives way to what wants to land.
    pub(super) fn cold_can_wait(&self) -> bool {
        self.landing().is_none() && self.cold().unproven().len() < COLD_EVERY
    }

    /// The position of green to look at next, counted in the unproven landings, if one is due.
    pub(super) fn cold_next(&self) -> Option<usize> {
        let last = self.cold().unproven().len().checked_sub(1)?;
        let early = matches!(self.stage, Stage::Preflight | Stage::Baseline | Stage::Establishing | Stage::Over);
        if early || !self.may_land() || self.closing() {
            return None;
        }
        match self.cold().search() {
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
        if lines.is_some() && !self.cold().unproven().is_empty() {
            return true;
        }
        let (Some(after), Some(green)) = (landing.after(), self.green()) else { return false };
        let Some((_, before)) = green.snapshot.as_ref().filter(|_| green.warm && !after.warm) else { return false };
        let demands = self.demands(self.may_remove_tests(&landing.mr.source));
        !self.cold().unproven().is_empty()
            && !judge(&self.with_flaky(before.clone()), &after.summary, &after.delta, &demands).lands
    }

    /// Folds that a new engine takes over a mission in which nothing could land: everything is asked again, unless it only ends.
    pub(super) fn resume_held(&mut self) {
        let ends = matches!(self.stop, Some((StopLevel::Now, _))) && self.hold_code == DOES_NOT_HOLD;
        if !ends && self.hold.take().is_some() {
            self.queue.ask_cold_again();
        }
    }

    /// Why a position of green does not hold without files of earlier runs; nothing when it does. What failed at the last
    /// position that was seen without them may fail; what its landings removed is not missing, but nothing else is.
    fn does_not_hold(&self, position: &Unproven, found: &After) -> Vec<String> {
        let demands = Demands { gate: self.policy.gate, ratchet: false, allow_removed_tests: true };
        let Some((_, before)) = self.cold().proven() else { return Vec::new() };
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
        let Some(position) = self.state.cold().unproven().get(at).cloned() else { return };
        let proven = self.state.cold().proven().map(|(key, _)| key.clone());
        let role = if self.state.cold().search().is_some() { VerifyRole::ColdSearch } else { VerifyRole::Cold };
        let Some(found) = self.state.cold().found(&position.tip.commit).cloned() else {
            if self.now >= self.state.queue.green_due() && self.state.lets(Try::Queue, self.now) {
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
        let Some((culprit, reasons)) = self.state.cold().culprit() else { return };
        let (name, at) = (named(&culprit.source), culprit.tip.commit.short());
        let reason = format!(
            "green passes only with files that earlier runs left in the workspace: since {name} landed at {at}, a run \
             without them says: {}",
            reasons.join("; ")
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
