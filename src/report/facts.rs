//! Facts about a mission that only its journal has: tests before and after each landing, why verifications ran, time.

use crate::domain::mission::{MergeSource, Record, VerifyRole};
use crate::domain::values::{CommitId, Millis, Tip, UnitId};
use crate::domain::verify::{Delta, SnapshotKey, Summary, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// One landing.
#[derive(Debug, Clone)]
pub struct LandingFact {
    /// Whose change; absent for the target branch.
    pub unit: Option<UnitId>,
    /// Whether it took in what the target branch had.
    pub intake: bool,
    /// The attempt whose change it is.
    pub attempt: Option<u32>,
    /// When it landed.
    pub at: Millis,
    /// Where green stood before.
    pub onto: Option<CommitId>,
    /// Key of the candidate's snapshot.
    pub key: Option<SnapshotKey>,
    /// What differs between the two snapshots.
    pub delta: Option<Delta>,
    /// Whether more than one run of the candidate's tree went into its snapshot.
    pub confirmed: bool,
    /// Files with tests that were there before, which it changed.
    pub tests: Vec<String>,
    /// The landed commit.
    pub tip: Tip,
    /// Verdict.
    pub verdict: Verdict,
    /// Green's snapshot before.
    pub before: Option<Summary>,
    /// The candidate's snapshot.
    pub after: Option<Summary>,
}

/// What a journal tells beyond its state.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Landings in order.
    pub landings: Vec<LandingFact>,
    /// Verification runs by what they were for: base, green, candidates, second runs, broken off,
    /// units' own lines, what the mission writes about itself, green without files of earlier runs.
    pub runs: [u64; 8],
    /// Snapshot of the untouched base.
    pub base: Option<Summary>,
    /// Where the mission found green or made it.
    pub ground: Option<CommitId>,
    /// Time the processes of attempts ran, added up.
    pub agent_time: Millis,
    /// Tests that failed before and after a compared change, and findings that stood in its way on both sides, whatever
    /// became of them later.
    pub still_failing: BTreeSet<String>,
    /// Tests that failed in one and passed in another run of one tree.
    pub flaky: BTreeSet<String>,
    /// Attempts by the way the end of their processes was proven.
    pub proofs: BTreeMap<String, u64>,
    /// Attempts that ran and whose processes nobody proved gone.
    pub unproven: u64,
    /// Units of the plan source that the last round left for later ones.
    pub left_over: u32,
}

/// The newest answer about a candidate.
#[derive(Debug, Clone)]
struct Candidate {
    summary: Summary,
    delta: Option<Delta>,
    confirmed: bool,
}

/// Reads the facts out of a journal.
#[must_use]
pub fn facts<'a>(records: impl IntoIterator<Item = &'a Record>) -> Facts {
    let mut facts = Facts::default();
    let (mut open, mut green, mut after) = (None, None, None::<Candidate>);
    let (mut onto, mut key, mut edited) = (None, None, Vec::new());
    let (mut books, mut writes) = (None, false);
    for record in records {
        match record {
            Record::PreflightPassed { ground } => facts.ground = Some(ground.tip.commit.clone()),
            Record::VerifyStarted { role, confirms, .. } => open = Some((*role, confirms.is_some())),
            Record::StepFailed { .. } | Record::VerificationDropped { .. } => {
                facts.runs[4] += u64::from(open.take().is_some())
            }
            Record::RoundPlanned { left_over, .. } => facts.left_over = *left_over,
            Record::Verified { summary, delta, reused, confirmed, .. } => {
                let Some((role, second)) = open.take() else { continue };
                let kind = match (second, role) {
                    (_, VerifyRole::After) if writes => 6,
                    (_, VerifyRole::Cold | VerifyRole::ColdSearch) => 7,
                    (true, _) => 3,
                    (_, VerifyRole::Baseline) => 0,
                    (_, VerifyRole::Before | VerifyRole::MovedGreen) => 1,
                    (_, VerifyRole::After) => 2,
                    (_, VerifyRole::AcceptBefore | VerifyRole::Extra) => 5,
                };
                facts.runs[kind] += u64::from(!reused);
                facts.flaky.extend(summary.flaky.iter().cloned());
                if let Some(delta) = delta {
                    facts.still_failing.extend(delta.still_failing.iter().cloned());
                    facts.still_failing.extend(delta.findings.iter().flat_map(|change| &change.kept).cloned());
                }
                match role {
                    VerifyRole::After => {
                        let confirmed = *confirmed || second;
                        after =
                            Some(Candidate { summary: summary.clone(), delta: delta.as_deref().cloned(), confirmed });
                    }
                    VerifyRole::Before | VerifyRole::MovedGreen => green = Some(summary.clone()),
                    VerifyRole::Baseline => {
                        facts.base = Some(summary.clone());
                        green = Some(summary.clone());
                    }
                    VerifyRole::AcceptBefore | VerifyRole::Extra | VerifyRole::Cold | VerifyRole::ColdSearch => {}
                }
            }
            Record::GreenMoved { .. } => green = None,
            Record::BooksAsked { mr, .. } => books = Some(*mr),
            Record::LandingStarted { mr, onto: tip, .. } => {
                writes = books == Some(*mr);
                (after, key, edited) = (None, None, Vec::new());
                onto = Some(tip.commit.clone());
            }
            Record::CandidateMade { tests, .. } => edited.clone_from(tests),
            Record::LandIntended { key: intended, .. } => key = Some(intended.clone()),
            Record::Landed { source, at, candidate, green: now, verdict, .. } => {
                let (unit, attempt) = match source {
                    MergeSource::Unit { unit, n } => (Some(unit.clone()), Some(*n)),
                    MergeSource::Intake | MergeSource::Books { .. } => (None, None),
                };
                let (tip, verdict, found) = (candidate.clone(), *verdict, after.take());
                facts.landings.push(LandingFact {
                    unit,
                    intake: *source == MergeSource::Intake,
                    attempt,
                    at: *at,
                    onto: onto.take(),
                    key: key.take(),
                    delta: found.as_ref().and_then(|f| f.delta.clone()),
                    confirmed: found.as_ref().is_some_and(|f| f.confirmed),
                    tests: std::mem::take(&mut edited),
                    tip,
                    verdict,
                    before: green.take(),
                    after: found.as_ref().map(|f| f.summary.clone()),
                });
                green = found.map(|f| f.summary).filter(|_| now.tree == candidate.tree);
            }
            Record::AttemptEnded { report, .. } => {
                facts.runs[5] += report.checks.accept.as_ref().map_or(0, |accept| u64::from(accept.runs));
                facts.agent_time += report.run.ran.map_or(0, |(from, to)| to.saturating_sub(from));
                match report.run.proof.is_empty() {
                    false => *facts.proofs.entry(report.run.proof.clone()).or_default() += 1,
                    // One that was stopped while its workspace was prepared had no process.
                    true => facts.unproven += u64::from(report.run.ran.is_some()),
                }
            }
            _ => {}
        }
    }
    facts
}
