//! How single tests did in earlier runs: derived from stored runs, kept nowhere else.
//!
//! Promises: a run counts for a test only if the test ran in it; a failure is called forgiven, and a test flaky, only if
//! the same tree passed the test in another run; other trees are told apart; the order in which runs are seen does not
//! matter.

use crate::domain::values::Millis;
use crate::domain::verify::{Snapshot, SnapshotKey, StageOutcome, TestStatus};
use std::collections::{BTreeMap, BTreeSet};

/// Most stored runs that are looked at, newest first.
pub const RUNS_LIMIT: usize = 200;

/// One stored run of one tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// When it was stored.
    pub at: Millis,
    /// Key of the snapshot it is a run of: one tree, one list of stages, one environment.
    pub key: SnapshotKey,
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
    /// Those of the runs that are of the tree in question.
    pub here: Here,
    /// The other trees, each counted once however often it was run.
    pub others: Others,
}

/// How a test did in the runs of the tree in question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Here {
    /// Runs in which it passed or failed.
    pub runs: u64,
    /// Those in which it failed.
    pub failed: u64,
    /// Whether this very tree gave both.
    pub flaky: bool,
}

/// How a test did in other trees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Others {
    /// Trees in which it always passed.
    pub passed: u64,
    /// Trees in which it always failed.
    pub failed: u64,
    /// Trees that gave both.
    pub flaky: u64,
}

/// Tells of each wanted name, a test or a stage as snapshots name them, how it did in the tree of a key and in others. Names
/// that no run knows are left out.
pub fn history(
    wanted: &BTreeSet<String>,
    key: &SnapshotKey,
    runs: impl IntoIterator<Item = PastRun>,
) -> BTreeMap<String, TestHistory> {
    let mut known: BTreeMap<String, TestHistory> = BTreeMap::new();
    let mut trees: BTreeMap<(String, SnapshotKey), Here> = BTreeMap::new();
    for run in runs {
        for (name, failed) in results_by_name(wanted, &run.snapshot) {
            let flaky = run.flaky.contains(&name);
            let tree = trees.entry((name.clone(), run.key.clone())).or_default();
            tree.runs += 1;
            tree.failed += u64::from(failed);
            tree.flaky |= flaky;
            let test = known.entry(name).or_default();
            test.runs += 1;
            if failed {
                test.failed += 1;
                test.forgiven += u64::from(flaky);
                test.first_failed = Some(test.first_failed.map_or(run.at, |at| at.min(run.at)));
                test.last_failed = Some(test.last_failed.map_or(run.at, |at| at.max(run.at)));
            }
        }
    }
    for ((name, of), mut tree) in trees {
        tree.flaky |= tree.failed > 0 && tree.failed < tree.runs;
        let test = known.entry(name).or_default();
        match (of == *key, tree.flaky, tree.failed) {
            (true, ..) => test.here = tree,
            (false, true, _) => test.others.flaky += 1,
            (false, false, 0) => test.others.passed += 1,
            (false, false, _) => test.others.failed += 1,
        }
    }
    known
}

/// The wanted names that ran, each with whether it failed; of two tests of one name the worse one counts.
fn results_by_name(wanted: &BTreeSet<String>, snapshot: &Snapshot) -> BTreeMap<String, bool> {
    let mut seen: BTreeMap<String, bool> = BTreeMap::new();
    let mut note = |name: String, failed: bool| {
        if wanted.contains(&name) {
            *seen.entry(name).or_default() |= failed;
        }
    };
    for stage in &snapshot.stages {
        if stage.effective_outcome() != StageOutcome::NotRun {
            note(stage.test_name("", ""), stage.effective_outcome() == StageOutcome::Failed);
        }
        for test in stage.all_tests() {
            if test.status != TestStatus::Skipped {
                note(stage.name_of(test), test.status == TestStatus::Failed);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verify::model::results::{TestResult, TestResults};
    use crate::domain::verify::model::snapshot::StageResult;

    fn run(at: Millis, key: &str, statuses: &[(&str, TestStatus)], flaky: &[&str]) -> PastRun {
        let tests = statuses.iter().map(|(name, status)| TestResult::new("", *name, *status));
        let tests = TestResults { tests: tests.collect(), problem: None };
        let stage = StageResult {
            name: "unit".to_owned(),
            outcome: StageOutcome::Passed,
            tests: Some(tests),
            ..StageResult::default()
        };
        let snapshot = Snapshot { stages: vec![stage], ..Snapshot::default() };
        PastRun {
            at,
            key: SnapshotKey(key.to_owned()),
            snapshot,
            flaky: flaky.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn failures_are_counted_among_the_runs_that_had_the_test() {
        use TestStatus::{Failed, Passed, Skipped};
        let runs = vec![
            run(30, "x", &[("a", Failed), ("b", Passed)], &[]),
            run(10, "y", &[("a", Failed), ("b", Failed)], &["unit: a"]),
            run(20, "y", &[("a", Passed), ("a", Passed), ("b", Skipped)], &["unit: a"]),
            run(40, "z", &[("c", Failed)], &[]),
        ];
        let wanted = ["unit: a", "unit: b", "unit: d", "unit"].map(str::to_owned).into();
        let known = history(&wanted, &SnapshotKey("none".to_owned()), runs);
        let whole = |runs, failed, forgiven, first, last| TestHistory {
            runs,
            failed,
            forgiven,
            first_failed: first,
            last_failed: last,
            ..TestHistory::default()
        };
        let sums = |name: &str| TestHistory { here: Here::default(), others: Others::default(), ..known[name] };
        assert_eq!(sums("unit: a"), whole(3, 2, 1, Some(10), Some(30)));
        assert_eq!(sums("unit: b"), whole(2, 1, 0, Some(10), Some(10)));
        assert_eq!(sums("unit"), whole(4, 3, 0, Some(10), Some(40)));
        assert!(!known.contains_key("unit: d"));
    }

    #[test]
    fn of_two_tests_of_one_name_the_worse_one_counts() {
        let runs = [run(1, "x", &[("a", TestStatus::Failed), ("a", TestStatus::Passed)], &[])];
        let key = SnapshotKey("x".to_owned());
        assert_eq!(history(&["unit: a".to_owned()].into(), &key, runs)["unit: a"].failed, 1);
    }

    #[test]
    fn only_a_tree_that_gave_both_is_flaky_and_each_other_tree_counts_once() {
        use TestStatus::{Failed, Passed};
        let runs = || {
            vec![
                run(10, "here", &[("a", Failed)], &[]),
                run(20, "here", &[("a", Failed)], &[]),
                run(30, "old", &[("a", Passed)], &[]),
                run(40, "older", &[("a", Failed)], &[]),
                run(50, "older", &[("a", Failed)], &[]),
                run(60, "shaky", &[("a", Failed)], &[]),
                run(70, "shaky", &[("a", Passed)], &[]),
            ]
        };
        let of = |key: &str| history(&["unit: a".to_owned()].into(), &SnapshotKey(key.to_owned()), runs())["unit: a"];
        assert_eq!(of("here").here, Here { runs: 2, failed: 2, flaky: false });
        assert_eq!(of("here").others, Others { passed: 1, failed: 1, flaky: 1 });
        assert_eq!(of("shaky").here, Here { runs: 2, failed: 1, flaky: true });
        assert_eq!(of("shaky").others, Others { passed: 1, failed: 2, flaky: 0 });
    }
}
