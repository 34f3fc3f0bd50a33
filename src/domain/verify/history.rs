//! How single tests did in earlier runs: derived from stored runs, kept nowhere else.
//!
//! Promises: a run counts for a test only if the test ran in it; a failure is called forgiven only if the same tree
//! passed the test in another run; the order in which runs are seen does not matter.

use super::StageOutcome;
use super::results::TestStatus;
use super::snapshot::Snapshot;
use crate::domain::values::Millis;
use std::collections::{BTreeMap, BTreeSet};

/// Most stored runs that are looked at, newest first.
pub const RUNS_LIMIT: usize = 200;

/// One stored run of one tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// When it was stored.
    pub at: Millis,
    /// What it gave.
    pub snapshot: Snapshot,
    /// What all runs of the same tree together call flaky.
    pub flaky: Vec<String>,
}

/// What stored runs say of one test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TestHistory {
    /// Runs in which it passed or failed.
    pub runs: u64,
    /// Those in which it failed.
    pub failed: u64,
    /// Those failures that another run of the same tree took back: it is flaky.
    pub forgiven: u64,
    /// Its first failure among these runs.
    pub first_failed: Option<Millis>,
    /// Its last failure among these runs.
    pub last_failed: Option<Millis>,
}

/// Tells of each wanted name, a test or a stage as snapshots name them, how it did. Names that no run knows are left out.
pub fn history(wanted: &BTreeSet<String>, runs: impl IntoIterator<Item = PastRun>) -> BTreeMap<String, TestHistory> {
    let mut known: BTreeMap<String, TestHistory> = BTreeMap::new();
    for run in runs {
        for (name, failed) in seen(wanted, &run.snapshot) {
            let forgiven = failed && run.flaky.contains(&name);
            let test = known.entry(name).or_default();
            test.runs += 1;
            if failed {
                test.failed += 1;
                test.forgiven += u64::from(forgiven);
                test.first_failed = Some(test.first_failed.map_or(run.at, |at| at.min(run.at)));
                test.last_failed = Some(test.last_failed.map_or(run.at, |at| at.max(run.at)));
            }
        }
    }
    known
}

/// The wanted names that ran, each with whether it failed; of two tests of one name the worse one counts.
fn seen(wanted: &BTreeSet<String>, snapshot: &Snapshot) -> BTreeMap<String, bool> {
    let mut seen: BTreeMap<String, bool> = BTreeMap::new();
    let mut note = |name: String, failed: bool| {
        if wanted.contains(&name) {
            *seen.entry(name).or_default() |= failed;
        }
    };
    for stage in &snapshot.stages {
        if stage.effective() != StageOutcome::NotRun {
            note(stage.test_name("", ""), stage.effective() == StageOutcome::Failed);
        }
        for test in stage.tests.iter().flat_map(|tests| &tests.tests) {
            if test.status != TestStatus::Skipped {
                note(stage.test_name(&test.suite, &test.name), test.status == TestStatus::Failed);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verify::results::{TestResult, TestResults};
    use crate::domain::verify::snapshot::StageResult;

    fn run(at: Millis, statuses: &[(&str, TestStatus)], flaky: &[&str]) -> PastRun {
        let tests = statuses.iter().map(|(name, status)| TestResult {
            suite: String::new(),
            name: (*name).to_owned(),
            status: *status,
        });
        let tests = TestResults { tests: tests.collect(), problem: None };
        let stage = StageResult {
            name: "unit".to_owned(),
            outcome: StageOutcome::Passed,
            tests: Some(tests),
            ..StageResult::default()
        };
        let snapshot = Snapshot { stages: vec![stage], ..Snapshot::default() };
        PastRun { at, snapshot, flaky: flaky.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn failures_are_counted_among_the_runs_that_had_the_test() {
        use TestStatus::{Failed, Passed, Skipped};
        let runs = vec![
            run(30, &[("a", Failed), ("b", Passed)], &[]),
            run(10, &[("a", Failed), ("b", Failed)], &["unit: a"]),
            run(20, &[("a", Passed), ("a", Passed), ("b", Skipped)], &["unit: a"]),
            run(40, &[("c", Failed)], &[]),
        ];
        let wanted = ["unit: a", "unit: b", "unit: d", "unit"].map(str::to_owned).into();
        let known = history(&wanted, runs);
        let whole = |runs, failed, forgiven, first, last| TestHistory {
            runs,
            failed,
            forgiven,
            first_failed: first,
            last_failed: last,
        };
        assert_eq!(known["unit: a"], whole(3, 2, 1, Some(10), Some(30)));
        assert_eq!(known["unit: b"], whole(2, 1, 0, Some(10), Some(10)));
        assert_eq!(known["unit"], whole(4, 3, 0, Some(10), Some(40)));
        assert!(!known.contains_key("unit: d"));
    }

    #[test]
    fn of_two_tests_of_one_name_the_worse_one_counts() {
        let runs = [run(1, &[("a", TestStatus::Failed), ("a", TestStatus::Passed)], &[])];
        assert_eq!(history(&["unit: a".to_owned()].into(), runs)["unit: a"].failed, 1);
    }
}
