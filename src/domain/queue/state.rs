//! The state of the merge queue: what waits, what is being landed, what is being verified.
//!
//! Only the methods here that say "folds" change it; each names what it changes by its id, and does nothing where that is not open.

use super::landing::{Change, Landing};
use super::model::{Behind, MergeRequest, VerificationRun};
use crate::domain::values::{LandingId, RunId, Tip, UnitId};
use std::collections::BTreeMap;

/// Requests in landing order, open landings and runs by id, and the numbers given next.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    waiting: BTreeMap<(u64, u64), MergeRequest>,
    landings: BTreeMap<LandingId, Landing>,
    runs: BTreeMap<RunId, VerificationRun>,
    /// Requests that left because they were decided.
    settled: u64,
    next_request: u64,
    next_landing: LandingId,
    next_run: RunId,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            landings: BTreeMap::new(),
            runs: BTreeMap::new(),
            settled: 0,
            next_request: 1,
            next_landing: LandingId::FIRST,
            next_run: RunId::FIRST,
        }
    }
}

impl Queue {
    /// Requests that wait, in landing order.
    pub fn waiting(&self) -> impl Iterator<Item = &MergeRequest> {
        self.waiting.values()
    }

    /// Whether no request waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Open landings, the oldest first.
    pub fn landings(&self) -> impl Iterator<Item = &Landing> {
        self.landings.values()
    }

    /// The open landing of this id.
    #[must_use]
    pub fn landing(&self, id: LandingId) -> Option<&Landing> {
        self.landings.get(&id)
    }

    /// Open verifications, the oldest first.
    pub fn runs(&self) -> impl Iterator<Item = &VerificationRun> {
        self.runs.values()
    }

    /// The open verification of this id.
    #[must_use]
    pub fn run(&self, id: RunId) -> Option<&VerificationRun> {
        self.runs.get(&id)
    }

    /// The number of the next request.
    #[must_use]
    pub const fn next_request(&self) -> u64 {
        self.next_request
    }

    /// The id of the next landing.
    #[must_use]
    pub const fn next_landing(&self) -> LandingId {
        self.next_landing
    }

    /// The id of the next verification.
    #[must_use]
    pub const fn next_run(&self) -> RunId {
        self.next_run
    }

    /// Whether the queue settled other requests since this one stepped behind them.
    #[must_use]
    pub fn has_passed(&self, request: &MergeRequest) -> bool {
        request.stepped_behind().is_some_and(|settled| self.settled > settled)
    }

    /// Folds that a request arrives.
    pub fn add(&mut self, request: MergeRequest) {
        self.next_request = self.next_request.max(request.id + 1);
        self.waiting.insert((request.order, request.id), request);
    }

    /// Folds that the landing of the waiting request `mr` begins. Whether it waited.
    pub fn begin_landing(&mut self, id: LandingId, mr: u64, onto: &Tip) -> bool {
        let Some(key) = self.waiting.keys().find(|(_, request)| *request == mr).copied() else { return false };
        let Some(request) = self.waiting.remove(&key) else { return false };
        self.next_landing = self.next_landing.max(id.next());
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
    pub fn outdate_landings(&mut self) {
        self.landings.values_mut().for_each(|landing| landing.apply(Change::Outdated));
    }

    /// Folds that every step that is not at work may be tried at once.
    pub fn wake_landings(&mut self) {
        for landing in self.landings.values_mut().filter(|landing| !landing.at_work()) {
            landing.apply(Change::Paused(0));
        }
    }

    /// Folds that every waiting request may be tried at once.
    pub fn wake_requests(&mut self) {
        self.waiting.values_mut().for_each(MergeRequest::be_due);
    }

    /// Folds that a landing is over; what it was.
    pub fn end_landing(&mut self, id: LandingId) -> Option<Landing> {
        self.landings.remove(&id)
    }

    /// Folds that a request was decided.
    pub fn settle(&mut self) {
        self.settled += 1;
    }

    /// Folds that a request goes back to its place, or steps behind the others.
    pub fn return_request(&mut self, mut request: MergeRequest, behind: Option<&Behind>) {
        if let Some(behind) = behind {
            let last = self.waiting.keys().next_back().map_or(0, |(order, _)| order + 1);
            request.step_behind(behind, last, self.settled);
        }
        self.waiting.insert((request.order, request.id), request);
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

    /// Folds that a verification is over; what it was.
    pub fn end_run(&mut self, id: RunId) -> Option<VerificationRun> {
        self.runs.remove(&id)
    }

    /// Folds that the verifications of a landing are of no interest any more.
    pub fn end_runs_of(&mut self, landing: LandingId) {
        self.runs.retain(|_, run| run.landing != Some(landing));
    }
}
