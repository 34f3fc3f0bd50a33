//! What a timeline says.

use crate::domain::mission::SessionReport;
use crate::domain::queue::{MergeSource, VerifyRole};
use crate::domain::values::{CommitId, LandingId, Millis, RunId, Tip, UnitId};
use crate::domain::verify::{Delta, SnapshotKey, Summary, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use strum::{IntoStaticStr, VariantArray};

/// What a unit's time is spent on, in the order of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Phase {
    /// Planned; its wave is not open yet, or a dependency is not done.
    Planned,
    /// Ready, and no attempt runs: no free slot, or a pause before the next try.
    Waiting,
    /// An attempt was begun and its process does not run yet.
    Prepare,
    /// The process of an attempt runs.
    Agent,
    /// The process ended; its work is being collected and pinned.
    Collect,
    /// In the merge queue.
    Queue,
    /// Being merged onto green.
    Merge,
    /// A verification runs for its landing.
    Verify,
    /// The other steps of its landing.
    Land,
    /// Held for a person, or ended until a person gave it a fresh start.
    Parked,
    /// The mission was suspended.
    Away,
}

impl Phase {
    /// All phases.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The word used in every output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Milliseconds by phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases([Millis; 11]);

impl Phases {
    /// Time in one phase.
    pub fn of(&self, phase: Phase) -> Millis {
        self.0[phase as usize]
    }

    /// Time in all phases together.
    pub fn total(&self) -> Millis {
        self.0.iter().sum()
    }

    /// Phases with the time spent in each, in the order of a unit's life.
    pub fn iter(&self) -> impl Iterator<Item = (Phase, Millis)> {
        Phase::ALL.iter().copied().zip(self.0)
    }

    pub(super) fn add(&mut self, phase: Phase, time: Millis) {
        self.0[phase as usize] += time;
    }
}

/// A span of time; without an end it goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// When it began.
    pub from: Millis,
    /// When it ended.
    pub until: Option<Millis>,
}

impl Span {
    /// Its length, up to `now` when it goes on.
    pub fn length(&self, now: Millis) -> Millis {
        self.until.unwrap_or(now).saturating_sub(self.from)
    }
}

/// Times of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitTimes {
    /// The unit.
    pub unit: UnitId,
    /// From planning to its end; to the last one, if it was given a fresh start.
    pub span: Span,
    /// What the time was spent on.
    pub phases: Phases,
    /// Its attempts in order.
    pub attempts: Vec<AttemptTimes>,
}

/// Times of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptTimes {
    /// Its number.
    pub n: u32,
    /// From the intent to the collected outcome.
    pub span: Span,
    /// When its process ran, if it did.
    pub ran: Option<Span>,
}

/// What a verification answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer<'a> {
    /// Key of its snapshot.
    pub key: &'a SnapshotKey,
    /// What it says.
    pub summary: &'a Summary,
    /// What differs from the snapshot it was compared with.
    pub delta: Option<&'a Delta>,
    /// Whether a stored snapshot answered.
    pub reused: bool,
    /// Whether more than one run of the tree went into the snapshot.
    pub confirmed: bool,
}

/// How a verification ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum VerificationEnd<'a> {
    /// It runs.
    Open,
    /// It answered.
    Answered(Answer<'a>),
    /// It was given up on the way.
    BrokenOff,
}

/// One verification.
#[derive(Debug, Clone, PartialEq)]
pub struct VerificationEntry<'a> {
    /// Its id.
    pub run: RunId,
    /// What it was for.
    pub role: VerifyRole,
    /// Whether it makes sure of an earlier one.
    pub confirms: bool,
    /// The landings that wait for it.
    pub landings: Vec<LandingId>,
    /// Whether it is of what the mission writes about itself.
    pub of_bookkeeping: bool,
    /// From asking to the answer.
    pub span: Span,
    /// How it ended.
    pub end: VerificationEnd<'a>,
}

impl<'a> VerificationEntry<'a> {
    /// What it answered, if it did.
    pub const fn answer(&self) -> Option<Answer<'a>> {
        match self.end {
            VerificationEnd::Answered(answer) => Some(answer),
            VerificationEnd::Open | VerificationEnd::BrokenOff => None,
        }
    }
}

/// What a landing came to when it landed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Landed<'a> {
    /// When.
    pub at: Millis,
    /// The landed commit.
    pub tip: &'a Tip,
    /// The verdict.
    pub verdict: Verdict,
    /// Green's snapshot before.
    pub before: Option<&'a Summary>,
}

/// One landing, whatever became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LandingEntry<'a> {
    /// Its id.
    pub id: LandingId,
    /// Whose change; absent for a request that no record names.
    pub source: Option<MergeSource>,
    /// Where green stood.
    pub onto: &'a CommitId,
    /// Files with tests that were there before, which the change touches.
    pub tests: &'a [String],
    /// Key of the snapshot it was intended to land with.
    pub key: Option<&'a SnapshotKey>,
    /// The newest answer about its candidate.
    pub after: Option<Answer<'a>>,
    /// How it landed, if it did.
    pub landed: Option<Landed<'a>>,
}

impl LandingEntry<'_> {
    /// The number of the attempt whose change it is, where it is of this unit.
    pub fn attempt_of(&self, unit: &UnitId) -> Option<u32> {
        match &self.source {
            Some(MergeSource::Unit { unit: of, n }) if of == unit => Some(*n),
            _ => None,
        }
    }
}

/// Times of one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundTimes {
    /// Its number.
    pub index: u32,
    /// From its opening to its evaluation.
    pub span: Span,
    /// Its waves; one ends where the next opens or all are worked.
    pub waves: Vec<Span>,
}

/// A mission over time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timeline<'a> {
    /// From its start to its end.
    pub span: Span,
    /// Units in the order they were planned.
    pub units: Vec<UnitTimes>,
    /// Rounds.
    pub rounds: Vec<RoundTimes>,
    /// Verifications in the order they were asked.
    pub runs: Vec<VerificationEntry<'a>>,
    /// Landings in the order they ended; those that go on come last.
    pub landings: Vec<LandingEntry<'a>>,
    /// Reports of ended attempts.
    pub reports: Vec<&'a SessionReport>,
    /// Where the mission found green or made it.
    pub baseline: Option<&'a CommitId>,
    /// Units of the plan source that the last round left for later ones.
    pub left_over: u32,
    /// Time it was suspended.
    pub away: Millis,
    /// The last record.
    pub last: Millis,
}

impl<'a> Timeline<'a> {
    /// Time during which a verification ran.
    pub fn verifying_time(&self, now: Millis) -> Millis {
        let (mut sum, mut reached) = (0, 0);
        for Span { from, until } in self.runs.iter().map(|run| run.span) {
            let until = until.unwrap_or(now);
            sum += until.saturating_sub(from.max(reached));
            reached = reached.max(until);
        }
        sum
    }

    /// Share of the mission's time, from 0 to 1, during which a verification ran; absent before any time passed.
    pub fn verify_share(&self, now: Millis) -> Option<f64> {
        let wall = self.span.length(now);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a mission are far below 2^52")]
        let share = || (self.verifying_time(now) as f64 / wall as f64).min(1.0);
        (wall > 0).then(share)
    }

    /// The landing of this id.
    pub fn landing(&self, id: LandingId) -> Option<&LandingEntry<'a>> {
        self.landings.iter().find(|landing| landing.id == id)
    }

    /// What landed, in order, with how.
    pub fn landed_landings(&self) -> impl DoubleEndedIterator<Item = (&LandingEntry<'a>, Landed<'a>)> {
        self.landings.iter().filter_map(|landing| Some((landing, landing.landed?)))
    }

    /// What verifications answered.
    pub fn answers(&self) -> impl DoubleEndedIterator<Item = (&VerificationEntry<'a>, Answer<'a>)> {
        self.runs.iter().filter_map(|run| Some((run, run.answer()?)))
    }

    /// The newest snapshot of the untouched base.
    pub fn base(&self) -> Option<&'a Summary> {
        let base = self.answers().rfind(|(run, _)| run.role == VerifyRole::Baseline);
        base.map(|(_, answer)| answer.summary)
    }

    /// Verifications that were run, by what they were for: base, green, candidates, second runs, broken off, units' own lines, what
    /// the mission writes about itself, green without files of earlier runs.
    pub fn run_counts(&self) -> [u64; 8] {
        let mut counts = [0; 8];
        for run in &self.runs {
            let kind = match (run.end, run.role) {
                (VerificationEnd::BrokenOff, _) => 4,
                (VerificationEnd::Open, _) => continue,
                (VerificationEnd::Answered(answer), _) if answer.reused => continue,
                (_, VerifyRole::After) if run.of_bookkeeping => 6,
                (_, VerifyRole::Cold | VerifyRole::ColdSearch) => 7,
                _ if run.confirms => 3,
                (_, VerifyRole::Baseline) => 0,
                (_, VerifyRole::Before | VerifyRole::MovedGreen) => 1,
                (_, VerifyRole::After) => 2,
                (_, VerifyRole::AcceptBefore | VerifyRole::UnitChecks) => 5,
            };
            counts[kind] += 1;
        }
        // Asked before an agent was started.
        let accepts = self.reports.iter().filter_map(|report| report.checks.accept.as_ref());
        counts[5] += accepts.map(|accept| u64::from(accept.runs)).sum::<u64>();
        counts
    }

    /// Tests that failed before and after a compared change, and findings that stood in its way on both sides, whatever became of
    /// them later.
    pub fn still_failing(&self) -> BTreeSet<&'a String> {
        let deltas = || self.answers().filter_map(|(_, answer)| answer.delta);
        let findings = deltas().flat_map(|delta| &delta.findings).flat_map(|change| &change.kept);
        deltas().flat_map(|delta| &delta.still_failing).chain(findings).collect()
    }

    /// Tests that failed in one and passed in another run of one tree.
    pub fn flaky_tests(&self) -> BTreeSet<&'a String> {
        self.answers().flat_map(|(_, answer)| &answer.summary.flaky).collect()
    }

    /// Time the processes of attempts ran, added up.
    pub fn run_time(&self) -> Millis {
        self.reports.iter().filter_map(|report| report.run.ran).map(|(from, to)| to.saturating_sub(from)).sum()
    }

    /// Attempts by the way the end of their processes was proven.
    pub fn count_proofs(&self) -> BTreeMap<&'a str, u64> {
        let mut proofs = BTreeMap::new();
        for report in self.reports.iter().filter(|report| !report.run.proof.is_empty()) {
            *proofs.entry(report.run.proof.as_str()).or_default() += 1;
        }
        proofs
    }

    /// Attempts that ran and whose processes nobody proved gone; one that was stopped while its workspace was prepared had none.
    pub fn count_unproven(&self) -> u64 {
        self.reports.iter().filter(|report| report.run.proof.is_empty() && report.run.ran.is_some()).count() as u64
    }
}
