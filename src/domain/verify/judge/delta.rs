//! What changed between two snapshots, by identity.
//!
//! Promises: which test is which is said by [`crate::domain::verify::model::identity`], so that two tests of one name are two and nothing that got worse
//! is paired away by something that got better; what cannot be compared is said. Findings are
//! compared by their counts per (stage, file, rule): one that moved to another file is a new one and a gone one.

use crate::domain::base::text::replace_control_chars;
use crate::domain::verify::StageOutcome::{Failed, NotRun, Passed};
use crate::domain::verify::formats::RESULTS_LIMIT;
use crate::domain::verify::formats::telling::{self, Said};
use crate::domain::verify::model::identity::{self, Alike};
use crate::domain::verify::model::results::{Steadiness, TestResult, TestStatus};
use crate::domain::verify::{Better, Delta, FindingsChange, MetricChange, Snapshot, StageKind, StageResult};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

/// Most findings that one stage names as pre-existing: each comparison is journaled, and they are in every one.
pub const KEPT_LIMIT: usize = 40;
/// Most tests that are named because their names differ from run to run: they are in every comparison.
pub const UNSTABLE_LIMIT: usize = 40;

/// What stands for a test that is counted, but not named.
const COUNTED: &str = "(one that is only counted)";

impl Delta {
    /// Whether something may be worse by chance although every stage passes: one measurement, or tests that disappeared or
    /// became skipped in this run.
    pub fn by_chance(&self, ratchet: bool) -> bool {
        self.loses_tests() || self.metrics.iter().any(|change| change.hurts(ratchet))
    }

    /// Whether tests fail that did not, whoever is to blame.
    pub fn breaks_tests(&self) -> bool {
        !self.broken.is_empty() || !self.new_failing.is_empty()
    }

    /// Whether tests disappeared or became skipped: nobody is blamed for that before both trees were run twice, since a name may
    /// differ from run to run.
    pub fn loses_tests(&self) -> bool {
        !self.removed.is_empty() || !self.newly_skipped.is_empty()
    }
}

impl FindingsChange {
    /// Whether more findings hurt where the queue says `ratchet`; more security findings always do.
    pub fn hurts(&self, ratchet: bool) -> bool {
        !self.new.is_empty() && (self.kind == StageKind::Security || self.ratchet.unwrap_or(ratchet))
    }

    /// Whether there are fewer findings and nothing took their place.
    pub fn helps(&self) -> bool {
        self.new.is_empty() && !self.gone.is_empty()
    }
}

impl MetricChange {
    /// Whether the number got worse; `None` where nobody said which way is better.
    pub fn is_worse(&self) -> Option<bool> {
        self.better.map(|better| match better {
            Better::Lower => self.after > self.before,
            Better::Higher => self.after < self.before,
        })
    }

    /// Whether a worse number hurts where the queue says `ratchet`; one that is beyond its limit must not move away from it.
    pub fn hurts(&self, ratchet: bool) -> bool {
        self.is_worse() == Some(true) && (self.beyond || self.ratchet.unwrap_or(ratchet))
    }
}

/// `stage: 80.1 -> 79.2`.
impl fmt::Display for MetricChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.stage, self.before, self.after)
    }
}

/// Compares two snapshots of the same stages.
///
/// A runner that printed tests before and none after has removed them all. The tests of a stage that could not run
/// after are not called removed: the stage itself is named. A stage that failed on both sides is broken only by
/// its tests; where those do not tell why it fails now, or why its exit code is another one, it is incomparable.
pub fn compare_snapshots(before: &Snapshot, after: &Snapshot) -> Delta {
    let mut delta = Delta::default();
    let (old, new) = (before.by_name(), after.by_name());
    let fine = |stage: &&StageResult| stage.effective_outcome() == Passed;
    let broken: BTreeSet<&str> = after.stages.iter().filter(|stage| !fine(stage)).map(|s| s.name.as_str()).collect();
    let passed = before.stages.iter().filter(fine).map(|stage| stage.name.as_str());
    let builds: BTreeSet<&str> = passed.filter(|name| broken.contains(name)).collect();
    for (name, stage) in &old {
        match new.get(name) {
            // The build that broke is named in its place.
            Some(after) if after.after_build.as_deref().is_some_and(|build| builds.contains(build)) => {}
            Some(after) => {
                compare_stage(stage, after, &mut delta);
                delta.findings.extend(compare_findings(stage, after));
                delta.metrics.extend(compare_numbers(stage, after));
            }
            None => {
                let list = if fine(stage) { &mut delta.stages_broken } else { &mut delta.incomparable };
                list.push(format!("{}: no longer part of the verification", stage.test_name("", "")));
            }
        }
        compare_tests(stage, Some(stage), new.get(name).copied(), &mut delta);
    }
    for (_, stage) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        let line = format!("{}: {} (new stage)", stage.test_name("", ""), stage.failure_reason());
        match stage.effective_outcome() {
            Passed => {}
            Failed => delta.stages_broken.push(line),
            NotRun => delta.not_run.push(line),
        }
        compare_tests(stage, None, Some(stage), &mut delta);
    }
    for list in [
        &mut delta.broken,
        &mut delta.fixed,
        &mut delta.removed,
        &mut delta.newly_skipped,
        &mut delta.new_failing,
        &mut delta.still_failing,
        &mut delta.stages_broken,
        &mut delta.stages_fixed,
        &mut delta.incomparable,
        &mut delta.not_run,
        &mut delta.unstable,
    ] {
        list.sort_unstable();
    }
    delta.unstable.truncate(UNSTABLE_LIMIT);
    delta.said = failure_quotes(after, &delta);
    delta.findings.sort_by(|a, b| a.stage.cmp(&b.stage));
    delta.metrics.sort_by(|a, b| a.stage.cmp(&b.stage));
    delta
}

/// What newly failing tests say, then what those stages say that are in the way without a test that tells why.
fn failure_quotes(after: &Snapshot, delta: &Delta) -> Vec<Said> {
    let failing: BTreeSet<&String> = delta.broken.iter().chain(&delta.new_failing).collect();
    let tests =
        after.stages.iter().flat_map(|stage| stage.failing().map(|test| (stage.name_of(test), test.said.as_str())));
    let lines: Vec<&String> = delta.stages_broken.iter().chain(&delta.incomparable).chain(&delta.not_run).collect();
    let untold = |line: &&String| !delta.told_by_tests.contains(line);
    // Where a runner does not say which part of its output belongs to a test, all of it may.
    let silent = |stage: &StageResult| {
        let mut new = stage.all_tests().filter(|test| failing.contains(&stage.name_of(test))).peekable();
        new.peek().is_some() && new.all(|test| test.said.is_empty())
    };
    let in_the_way = |stage: &&StageResult| {
        let of = format!("{}: ", stage.test_name("", ""));
        let untold = lines.iter().copied().filter(untold).any(|line| line.starts_with(&of));
        stage.after_build.is_none() && (untold || silent(stage))
    };
    let stages =
        after.stages.iter().filter(in_the_way).map(|stage| (stage.test_name("", ""), stage.head_tail.as_str()));
    telling::make_quotes(tests.filter(|(name, _)| failing.contains(name)).chain(stages))
}

fn compare_stage(before: &StageResult, after: &StageResult, delta: &mut Delta) {
    let name = after.test_name("", "");
    let line = || format!("{name}: {}", replace_control_chars(&after.failure_reason()));
    if after.effective_outcome() == NotRun {
        delta.not_run.push(line());
    }
    match (before.effective_outcome(), after.effective_outcome()) {
        (Passed, Passed) | (Failed | NotRun, NotRun) => {}
        (_, Passed) => delta.stages_fixed.push(name),
        (Passed, _) => {
            delta.stages_broken.push(line());
            delta.told_by_tests.extend(after.told_by_tests().then(line));
        }
        (Failed | NotRun, Failed) if !after.is_explained() || !are_comparable(before, after) => {
            delta.incomparable.push(line());
        }
        (Failed | NotRun, Failed) => delta.incomparable.extend(another_code(before, after)),
    }
}

/// Where both sides are red and the exit code says something else than before: what.
fn another_code(before: &StageResult, after: &StageResult) -> Option<String> {
    let (had, has) = (before.exit_code()?, after.exit_code()?);
    if has.follows_from(had) {
        return None;
    }
    let meaning = has.meaning().map(|meaning| format!(" ({meaning})")).unwrap_or_default();
    let name = after.test_name("", "");
    Some(format!(
        "{name}: exit code {} before and {}{meaning} now, which nothing it reports explains",
        had.code, has.code
    ))
}

/// Whether both sides say why they fail in the same form. New failing tests are seen without it; findings and numbers mean
/// nothing beside a failure of another kind.
fn are_comparable(before: &StageResult, after: &StageResult) -> bool {
    let findings = after.tests.is_some() || after.findings.is_none() || before.known_findings().is_some();
    findings && (after.number.is_none() || before.number.is_some())
}

fn compare_findings(before: &StageResult, after: &StageResult) -> Option<FindingsChange> {
    let (old, found) = (before.known_findings()?, after.findings.as_ref()?);
    let whole = after.known_findings().is_some();
    let mut change = FindingsChange {
        stage: after.test_name("", ""),
        kind: after.kind,
        ratchet: after.demand.ratchet,
        ..FindingsChange::default()
    };
    let names: BTreeSet<&str> = old.keys().copied().chain(found.counts.keys().map(String::as_str)).collect();
    for name in names {
        let (had, has) = (old.get(name).copied().unwrap_or(0), found.counts.get(name).copied().unwrap_or(0));
        let counted = if had.max(has) > 1 { format!(" ({had} -> {has})") } else { String::new() };
        let line = format!("{}{counted}", after.test_name("", name));
        match had.cmp(&has) {
            Ordering::Less => change.new.push(line),
            // What a report that is not whole does not name may still be there.
            Ordering::Greater if whole => change.gone.push(line),
            Ordering::Equal if whole && after.effective_outcome() == Failed => {
                change.kept_total += 1;
                if change.kept.len() < KEPT_LIMIT {
                    change.kept.push(after.test_name("", name));
                }
            }
            Ordering::Greater | Ordering::Equal => {}
        }
    }
    let told = [&change.new, &change.gone, &change.kept].iter().any(|list| !list.is_empty());
    told.then_some(change)
}

fn compare_numbers(before: &StageResult, after: &StageResult) -> Option<MetricChange> {
    let (had, has) = (before.number?, after.number?);
    (had != has).then(|| MetricChange {
        stage: after.test_name("", ""),
        before: had,
        after: has,
        better: after.demand.way_back(has).or(after.demand.better_direction()),
        ratchet: after.demand.ratchet,
        beyond: after.demand.way_back(has).is_some(),
    })
}

/// What stands for a test whose name differs from run to run.
const RENAMED: &str = "(one whose name differs from run to run)";

fn compare_tests(stage: &StageResult, before: Option<&StageResult>, after: Option<&StageResult>, delta: &mut Delta) {
    use TestStatus as Status;
    let results = [before, after].map(|side| side.and_then(|result| result.tests.as_ref()));
    let ran = after.is_none_or(|stage| stage.effective_outcome() != NotRun);
    let (mut renamed, mut new) = (Vec::new(), Vec::new());
    for [had, has] in identity::match_tests(results).iter().flat_map(Alike::pairs) {
        let name = |test: &TestResult| stage.name_of(test);
        match (had, has) {
            (Some((_, Status::Failed)), Some((test, Status::Failed))) => delta.still_failing.push(name(test)),
            (Some((_, Status::Passed)), Some((test, Status::Failed))) => delta.broken.push(name(test)),
            (Some((_, Status::Passed | Status::Failed)), Some((test, Status::Skipped))) => {
                delta.newly_skipped.push(name(test));
            }
            (Some((_, Status::Failed)), Some((test, Status::Passed))) => delta.fixed.push(name(test)),
            (Some((_, Status::Skipped)), Some((_, Status::Passed))) => delta.added += 1,
            (Some((_, Status::Skipped)), Some((test, Status::Failed))) => delta.new_failing.push(name(test)),
            (Some((test, status)), None) => match test.steady {
                Steadiness::Renamed => renamed.push((name(test), status)),
                Steadiness::Sometimes => delta.unstable.push(name(test)),
                Steadiness::Steady | Steadiness::Shuffled if ran => delta.removed.push(name(test)),
                Steadiness::Steady | Steadiness::Shuffled => {}
            },
            (None, Some((test, status))) => new.push((name(test), status)),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    compare_renamed(stage, renamed, new, ran, delta);
    compare_counted(before, after, delta);
}

/// Tests that have another name in each run of the tree before, and those that have no name of before: only the number tells
/// whether one of them is gone, and only the number of failing ones whether one was broken.
fn compare_renamed(
    stage: &StageResult,
    renamed: Vec<(String, TestStatus)>,
    new: Vec<(String, TestStatus)>,
    ran: bool,
    delta: &mut Delta,
) {
    let of = |list: &[(String, TestStatus)], status| list.iter().filter(|(_, other)| *other == status).count();
    if ran {
        let gone = renamed.len().saturating_sub(new.len());
        delta.removed.extend((0..gone).map(|_| stage.test_name("", RENAMED)));
    }
    delta.added += of(&new, TestStatus::Passed).saturating_sub(of(&renamed, TestStatus::Passed)) as u64;
    let known = of(&renamed, TestStatus::Failed);
    let failing = new.into_iter().filter(|(_, status)| *status == TestStatus::Failed).map(|(name, _)| name);
    // More of them fail than did: any of them may be the one.
    let failing: Vec<String> = failing.collect();
    let list = if failing.len() > known { &mut delta.new_failing } else { &mut delta.still_failing };
    list.extend(failing);
    delta.unstable.extend(renamed.into_iter().map(|(name, _)| name));
}

/// Tests that are only counted: fewer of them, and not more with a name, are tests that disappeared or became skipped.
fn compare_counted(before: Option<&StageResult>, after: Option<&StageResult>, delta: &mut Delta) {
    let (Some(before), Some(after)) = (before, after) else { return };
    let (had, has) = (before.counted.unwrap_or(0), after.counted.unwrap_or(0));
    let named = |stage: &StageResult| stage.count_tests(TestStatus::Passed);
    let gone = had.saturating_sub(has.saturating_add(named(after).saturating_sub(named(before))));
    if after.effective_outcome() != NotRun {
        let name = after.test_name("", COUNTED);
        delta.removed.extend((0..gone.min(RESULTS_LIMIT as u64)).map(|_| name.clone()));
    }
    if before.counted.is_some() {
        delta.added += has.saturating_sub(had);
    }
}

#[cfg(test)]
#[path = "delta_tests.rs"]
pub(in crate::domain::verify) mod tests;
