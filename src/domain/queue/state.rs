//! The state of the merge queue: what waits, what is being landed, what is being verified, what is known of green.
//!
//! Only the methods here that say "folds" change it; each names what it changes by its id, and does nothing where that is not open.

use super::failures::Failures;
use super::green::KnownGreen;
use super::landing::{Change, Landing};
use super::model::{After, Behind, MergeRequest, MergeSource, VerificationRun, VerifyRole};
use super::order::{Key, Place};
use crate::domain::values::{LandingId, Millis, RequestId, RunId, Tip, UnitId};
use std::collections::BTreeMap;

/// Requests in landing order, open landings and runs by id, and the numbers given next.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Queue {
    waiting: BTreeMap<Key, MergeRequest>,
    landings: BTreeMap<LandingId, Landing>,
    runs: BTreeMap<RunId, VerificationRun>,
    /// Green with all that is known of it.
    green: KnownGreen,
    /// Whether that was found in another environment, except for the landing that is intended.
    stale_after: bool,
    /// Of runs that no landing waits for.
    green_failures: Failures,
    /// When green's own runs may be tried again.
    green_due: Millis,
    /// Requests that left because they were decided.
    settled: u64,
    /// The number of the next request.
    next_request: RequestId,
    /// The id of the next landing.
    next_landing: LandingId,
    /// The number of the next verification.
    next_run: RunId,
}

impl Queue {
    /// Requests that wait, in landing order.
    pub fn waiting_requests(&self) -> impl Iterator<Item = &MergeRequest> {
        self.waiting.values()
    }

    /// The waiting request of this number.
    pub fn request(&self, id: RequestId) -> Option<&MergeRequest> {
        self.waiting.values().find(|request| request.id == id)
    }

    /// Whether no request waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Open landings, the oldest first.
    pub fn landings(&self) -> impl Iterator<Item = &Landing> {
        self.landings.values()
    }

    /// The open landing of this id.
    pub fn landing(&self, id: LandingId) -> Option<&Landing> {
        self.landings.get(&id)
    }

    /// Open verifications, the oldest first.
    pub fn runs(&self) -> impl Iterator<Item = &VerificationRun> {
        self.runs.values()
    }

    /// The open verification of this id.
    pub fn run(&self, id: RunId) -> Option<&VerificationRun> {
        self.runs.get(&id)
    }

    /// Green with all that is known of it.
    pub const fn green(&self) -> &KnownGreen {
        &self.green
    }

    /// When green's own runs may be tried again.
    pub const fn green_due(&self) -> Millis {
        self.green_due
    }

    /// The number of the next request.
    pub const fn next_request(&self) -> RequestId {
        self.next_request
    }

    /// The id of the next landing.
    pub const fn next_landing(&self) -> LandingId {
        self.next_landing
    }

    /// The number of the next verification.
    pub const fn next_run(&self) -> RunId {
        self.next_run
    }

    /// Failures in a row: of the landing, or, where none is named, of runs that no landing waits for.
    pub fn failures(&self, landing: Option<LandingId>) -> &Failures {
        landing.and_then(|id| self.landings.get(&id)).map_or(&self.green_failures, |landing| &landing.failures)
    }

    /// Whether the queue settled other requests since this one stepped behind them.
    pub fn has_passed(&self, request: &MergeRequest) -> bool {
        request.behind.is_some_and(|settled| self.settled > settled)
    }

    /// Folds that a request arrives.
    pub fn add(&mut self, request: MergeRequest) {
        self.next_request = self.next_request.max(request.id.next());
        self.waiting.insert(request.key(), request);
    }

    /// Folds that the landing of the waiting request `mr` begins. Whether it waited.
    pub fn begin_landing(&mut self, id: LandingId, mr: RequestId, onto: &Tip) -> bool {
        let Some(key) = self.waiting.keys().find(|(_, request)| *request == mr).copied() else { return false };
        let Some(request) = self.waiting.remove(&key) else { return false };
        self.next_landing = self.next_landing.max(id.next());
        self.green_failures.clear();
        self.landings.insert(id, Landing::begin(id, request, onto.clone()));
        true
    }

    /// Folds what happens to a landing.
    pub fn change_landing(&mut self, id: Option<LandingId>, change: Change) {
        if let Some(landing) = id.and_then(|id| self.landings.get_mut(&id)) {
            landing.apply(change);
        }
    }

    /// Folds that what candidates were compared with is known better.
    fn outdate_landings(&mut self) {
        self.landings.values_mut().for_each(|landing| landing.apply(Change::Outdated));
    }

    /// Folds that a step of a landing, or a run that no landing waits for, met trouble, and when it may be tried again. Whether it
    /// was an open run.
    pub fn fail_step(
        &mut self,
        run: Option<RunId>,
        landing: Option<LandingId>,
        setup: Option<&str>,
        again_at: Millis,
    ) -> bool {
        self.green_due = again_at;
        match landing.and_then(|id| self.landings.get_mut(&id)) {
            Some(landing) => landing.apply(Change::Failed(again_at, setup.map(str::to_owned))),
            None => self.green_failures.add(setup),
        }
        run.and_then(|run| self.runs.remove(&run)).is_some()
    }

    /// Folds that what failed before is past.
    pub fn forget_failures(&mut self) {
        self.green_failures.clear();
        self.landings.values_mut().for_each(|landing| landing.apply(Change::Succeeded));
    }

    /// Folds that every step that is not at work may be tried at once.
    pub fn wake_landings(&mut self) {
        for landing in self.landings.values_mut().filter(|landing| !landing.at_work()) {
            landing.apply(Change::Paused(0));
        }
    }

    /// Folds that every waiting request may be tried at once.
    pub fn wake_requests(&mut self) {
        self.waiting.values_mut().for_each(|request| request.again_at = 0);
    }

    /// Folds that a landing is over; what it was.
    pub fn end_landing(&mut self, id: LandingId) -> Option<Landing> {
        self.settle_environment();
        self.landings.remove(&id)
    }

    /// Folds that green moved to the candidate of a landing, or was found to contain it, and stands at `green` now. The landing.
    pub fn land(&mut self, id: LandingId, source: &MergeSource, candidate: &Tip, green: &Tip) -> Option<Landing> {
        self.count_decided();
        self.green_failures.clear();
        let landing = self.landings.remove(&id);
        let onto = landing.as_ref().map(|landing| landing.onto.clone());
        let after = landing.as_ref().and_then(|landing| landing.gate_result().cloned());
        self.green.has_landed(source, onto, after, candidate, green);
        self.settle_environment();
        landing
    }

    /// Folds that green stands where nobody has verified it.
    pub fn establish_green(&mut self, tip: &Tip) {
        self.green.is_unknown(tip);
    }

    /// Folds that somebody else moved green to `tip`.
    pub fn move_green(&mut self, tip: &Tip) {
        self.green.is_moved(tip);
    }

    /// Folds that a green which somebody moved was judged to be no worse.
    pub fn accept_green(&mut self) {
        self.green.foreign_move = None;
    }

    /// Folds that green was taken back to where it stood before.
    pub fn roll_back_green(&mut self, to: &Tip) {
        self.green.is_rolled_back(to);
    }

    /// Folds that cold runs are made again.
    pub fn ask_cold_again(&mut self) {
        self.green.cold.ask_again();
    }

    /// Folds that what was found until now was found in another environment. By what a landing is intended that one is judged.
    pub fn change_environment(&mut self) {
        self.stale_after = self.landings.values().any(|landing| landing.intended_verdict().is_some());
        if !self.stale_after {
            self.green.is_stale();
        }
    }

    /// Whether what was found of a landing that is intended was found in another environment.
    pub fn is_stale(&self) -> bool {
        self.stale_after
    }

    /// Folds that what was left out because a landing was intended holds now.
    fn settle_environment(&mut self) {
        if std::mem::take(&mut self.stale_after) {
            self.green.is_stale();
        }
    }

    /// Folds what green is compared with by cold runs.
    pub fn measure_cold(&mut self) {
        self.forget_failures();
        self.green.cold.is_measured();
    }

    /// Folds what a cold run says of a position of green.
    pub fn judge_cold(&mut self, tip: &Tip, holds: bool, reasons: &[String]) {
        self.forget_failures();
        if self.green.is_judged_cold(tip, holds, reasons) {
            // It was compared with another snapshot.
            self.outdate_landings();
        }
    }

    /// Folds that a request was decided.
    pub fn count_decided(&mut self) {
        self.settled += 1;
    }

    /// Folds that a request goes back to its place, or steps behind the others.
    pub fn return_request(&mut self, mut request: MergeRequest, behind: Option<&Behind>) {
        if let Some(behind) = behind {
            let last = self.waiting.keys().next_back().map_or(Place::FIRST, |(place, _)| place.place_behind());
            request.defer(behind, last, self.settled);
        }
        self.waiting.insert(request.key(), request);
    }

    /// Folds that nobody wants the requests of a unit any more.
    pub fn remove_of(&mut self, unit: &UnitId) {
        self.waiting.retain(|_, request| request.source.unit() != Some(unit));
    }

    /// Folds that a verification begins.
    pub fn begin_run(&mut self, run: VerificationRun) {
        self.next_run = self.next_run.max(run.run.next());
        self.runs.insert(run.run, run);
    }

    /// Folds what a verification came to. Whether it was open.
    pub fn finish_run(&mut self, id: RunId, found: After) -> bool {
        let Some(run) = self.runs.remove(&id) else { return false };
        let found = After { confirmed: found.confirmed || run.confirms.is_some(), ..found };
        match run.landing {
            Some(_) => self.change_landing(run.landing, Change::Succeeded),
            // What waits for green goes on, too.
            None => self.forget_failures(),
        }
        // Green may have been moved while an earlier engine asked.
        let of_green = self.green.stands_at(&run.tip);
        match run.role {
            VerifyRole::Before if !of_green => self.green.good_is_verified(&run.tip, found),
            VerifyRole::Baseline | VerifyRole::MovedGreen if !of_green => {}
            VerifyRole::Baseline | VerifyRole::Before => {
                self.green.is_verified(&found);
                self.outdate_landings();
            }
            VerifyRole::MovedGreen => self.green.is_verified_after_move(found),
            VerifyRole::After => self.change_landing(run.landing, Change::Verified(Box::new(found))),
            VerifyRole::Cold | VerifyRole::ColdSearch => self.green.cold.found = Some((run.tip.commit, found)),
            role @ (VerifyRole::AcceptBefore | VerifyRole::UnitChecks) => {
                self.change_landing(run.landing, Change::Checked(role, Box::new(found)));
            }
        }
        true
    }

    /// Folds that a verification is over; what it was.
    pub fn end_run(&mut self, id: RunId) -> Option<VerificationRun> {
        self.runs.remove(&id)
    }

    /// Folds that the verifications of a landing are of no interest any more.
    pub fn end_runs_of(&mut self, landing: LandingId) {
        self.runs.retain(|_, run| run.landing != Some(landing));
    }
}
