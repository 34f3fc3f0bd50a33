//! Joining two runs of one tree, so that nobody is blamed for what failed once.
//!
//! Promises: what passed in either run counts as passed and is named flaky if the other run said no; the outcome does not
//! depend on the order of the two; a run whose results are not whole forgives nothing but by its exit code.

use crate::domain::verify::model::codes::Left;
use crate::domain::verify::model::identity::{self, Alike, Entry};
use crate::domain::verify::model::results::{
    Findings, Place, Steadiness, TestResult, TestResults, TestStatus, WHOLE_SUITE, is_inside,
};
use crate::domain::verify::{Better, Number, Snapshot, StageOutcome, StageResult};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Joins two runs of one tree: what passed in either run counts as passed and, if the other run said no, is named flaky.
/// Both have found the same beside the tree. The outcome does not depend on the order of the two; texts and durations are those of the run that decided.
pub fn confirm(first: &Snapshot, second: &Snapshot) -> Snapshot {
    let mut flaky: BTreeSet<String> = first.flaky.iter().chain(&second.flaky).cloned().collect();
    let (left, right) = (first.by_name(), second.by_name());
    let mut stages: Vec<StageResult> = Vec::new();
    for (name, stage) in &left {
        stages.push(match right.get(name) {
            Some(other) => confirm_stage(stage, other, &mut flaky),
            None => (*stage).clone(),
        });
    }
    stages.extend(right.iter().filter(|(name, _)| !left.contains_key(*name)).map(|(_, stage)| (*stage).clone()));
    let place = |stage: &StageResult| first.stages.iter().chain(&second.stages).position(|s| s.name == stage.name);
    stages.sort_by_key(place);
    let fingerprint = second.fingerprint.clone();
    Snapshot { stages, flaky: flaky.into_iter().collect(), confirmed: true, fingerprint, start: second.start }
}

fn confirm_stage(first: &StageResult, second: &StageResult, flaky: &mut BTreeSet<String>) -> StageResult {
    use StageOutcome::{Failed, NotRun, Passed};
    let known = flaky.len();
    let tests = confirm_tests(first, second, flaky);
    let failing = tests.as_ref().is_some_and(|t| t.has_status(TestStatus::Failed));
    let findings = confirm_findings(first, second, flaky);
    let number = confirm_number(first, second);
    let accused = findings.as_ref().is_some_and(|f| f.errors > 0)
        || number.is_some_and(|number| first.demand.way_back(number).is_some());
    let whole = first.is_explained() && second.is_explained() && !accused && same_word(first, second);
    let outcome = match (first.effective_outcome(), second.effective_outcome()) {
        (NotRun, NotRun) => NotRun,
        _ if failing => Failed,
        (Passed, _) | (_, Passed) => Passed,
        _ if whole => Passed,
        _ => Failed,
    };
    // Of two that fail, the one that says why.
    let better = first.effective_outcome() != outcome || failure_clarity(second) > failure_clarity(first);
    let decisive = if second.effective_outcome() == outcome && better { second } else { first };
    let mut stage = decisive.clone();
    if let Some(joined) = tests.as_ref().filter(|_| failing && counts_failures(first) && counts_failures(second)) {
        // The code such a runner would have left with.
        let failures = joined.tests.iter().filter(|test| test.status == TestStatus::Failed).count();
        stage.exit = i32::try_from(failures.min(255)).ok();
    }
    let forgiven = outcome == Passed && (first.effective_outcome() != Passed || second.effective_outcome() != Passed);
    if forgiven && flaky.len() == known {
        flaky.insert(first.test_name("", ""));
    }
    if forgiven && stage.effective_outcome() != Passed {
        stage.reason = Some("every failing test passed in one of two runs".to_owned());
    }
    stage.outcome = outcome;
    (stage.tests, stage.findings, stage.number) = (tests, findings, number);
    stage.counted = first.counted.max(second.counted);
    if outcome == Passed {
        stage.tests.iter_mut().for_each(|tests| tests.problem = None);
        stage.findings.iter_mut().for_each(|findings| findings.problem = None);
    }
    stage
}

/// Whether neither run's exit code tells of something that the other's does not.
fn same_word(first: &StageResult, second: &StageResult) -> bool {
    match (first.exit_code(), second.exit_code()) {
        (Some(one), Some(other)) => one.follows_from(other) && other.follows_from(one),
        _ => true,
    }
}

fn counts_failures(stage: &StageResult) -> bool {
    stage.exit_code().is_some_and(Left::counts)
}

/// How plainly a run says why it failed: by what it reports, by a code that means nothing else, by the lowest code.
fn failure_clarity(stage: &StageResult) -> (bool, bool, Reverse<Option<i32>>) {
    (stage.is_explained(), stage.exit_code().is_some_and(|left| left.says_no() || left.counts()), Reverse(stage.exit))
}

/// Keeps of each finding as many as both runs have; a run that is not whole says nothing about what is missing in it.
fn confirm_findings(first: &StageResult, second: &StageResult, flaky: &mut BTreeSet<String>) -> Option<Findings> {
    let errors = |stage: &StageResult| stage.findings.as_ref().map_or(0, |findings| findings.errors);
    if first.findings.is_none() && second.findings.is_none() {
        return None;
    }
    let (left, right) = match (first.known_findings(), second.known_findings()) {
        (Some(left), Some(right)) => (left, right),
        (Some(_), None) => return first.findings.clone(),
        (None, Some(_)) => return second.findings.clone(),
        (None, None) => return union_findings(first.findings.as_ref(), second.findings.as_ref()),
    };
    let mut counts = BTreeMap::new();
    for name in left.keys().chain(right.keys()) {
        let [one, other] = [&left, &right].map(|side| side.get(name).copied().unwrap_or(0));
        if one != other {
            flaky.insert(first.test_name("", name));
        }
        if one.min(other) > 0 {
            counts.insert((*name).to_owned(), one.min(other));
        }
    }
    let mut joined = Findings { counts, errors: 0, problem: None };
    joined.errors = errors(first).min(errors(second)).min(joined.total());
    Some(joined)
}

/// Of two runs that are not whole, everything either of them has.
fn union_findings(left: Option<&Findings>, right: Option<&Findings>) -> Option<Findings> {
    let (Some(left), Some(right)) = (left, right) else { return left.or(right).cloned() };
    let mut joined = left.clone();
    for (name, count) in &right.counts {
        let kept = joined.counts.entry(name.clone()).or_default();
        *kept = (*kept).max(*count);
    }
    joined.errors = left.errors.max(right.errors);
    joined.problem = [&left.problem, &right.problem].into_iter().flatten().min().cloned();
    Some(joined)
}

/// The better number of the two, one within the limits before one beyond them. A run that failed by itself does not count
/// beside one that did not.
fn confirm_number(first: &StageResult, second: &StageResult) -> Option<Number> {
    let demand = first.demand;
    let content = |run: &&StageResult| run.exit == Some(0);
    let mut runs = vec![first, second];
    if runs.iter().any(content) {
        runs.retain(content);
    }
    runs.into_iter().filter_map(|run| run.number).min_by(|a, b| {
        let within = demand.way_back(*a).is_some().cmp(&demand.way_back(*b).is_some());
        within.then(if demand.better_direction() == Some(Better::Higher) { b.cmp(a) } else { a.cmp(b) })
    })
}

/// Joins the tests of both runs, the better result of each. Where the runs do not agree which test is which, the best of one is
/// taken with the best of the other, so that never fewer fail than failed in the better run.
fn confirm_tests(first: &StageResult, second: &StageResult, flaky: &mut BTreeSet<String>) -> Option<TestResults> {
    let (left, right) = match (&first.tests, &second.tests) {
        (None, None) => return None,
        (Some(only), None) | (None, Some(only)) => return Some(only.clone()),
        (Some(left), Some(right)) => (left, right),
    };
    let mut joined = Vec::new();
    let mut lost: [Vec<Entry<'_>>; 2] = Default::default();
    let whole = left.problem.is_none() && right.problem.is_none();
    let suites = left.tests.iter().chain(&right.tests).filter(|test| test.name == WHOLE_SUITE);
    let broken: BTreeSet<&str> = suites.map(|test| test.suite.as_str()).collect();
    for alike in identity::match_tests([Some(left), Some(right)]) {
        let alone = !alike.stray && alike.runs.iter().any(Vec::is_empty);
        // What went with a suite that broke in one run is not another test than in the other.
        let broke =
            alike.runs.iter().flatten().any(|(test, _)| broken.iter().any(|suite| is_inside(&test.suite, suite)));
        match alone && whole && !broke {
            true => lost.iter_mut().zip(alike.runs).for_each(|(lost, run)| lost.extend(run)),
            false => joined.extend(join(alike, whole && !broke)),
        }
    }
    joined.extend(join_lost(lost));
    let mut results = TestResults { tests: Vec::new(), problem: left.problem.clone().and(right.problem.clone()) };
    let mut disagreed = Vec::new();
    for Joined { test, runs, steady } in joined {
        let status = runs.into_iter().flatten().max().unwrap_or(TestStatus::Failed);
        disagreed.push(runs.contains(&Some(TestStatus::Passed)) && runs.contains(&Some(TestStatus::Failed)));
        // Whose place is not known again has none.
        let place = if steady == Steadiness::Shuffled { Place::default() } else { test.place.clone() };
        let said = if status == TestStatus::Failed { test.said.clone() } else { String::new() };
        results.tests.push(TestResult { status, steady, place, said, ..test.clone() });
    }
    identity::label(&mut results);
    let named = results.tests.iter().zip(disagreed).filter(|(_, disagreed)| *disagreed);
    flaky.extend(named.map(|(test, _)| first.name_of(test)));
    Some(results)
}

/// One test and how it ended in both runs.
struct Joined<'a> {
    test: &'a TestResult,
    runs: [Option<TestStatus>; 2],
    steady: Steadiness,
}

/// Joins tests of one suite and name.
fn join(alike: Alike<'_>, whole: bool) -> Vec<Joined<'_>> {
    let known = alike.runs.iter().flatten().map(|(test, _)| test.steady).max().unwrap_or_default();
    let [mut first, mut second] = alike.runs;
    let best = |pairs: &[(TestStatus, TestStatus)]| {
        let mut best: Vec<TestStatus> = pairs.iter().map(|(one, other)| *one.max(other)).collect();
        best.sort_unstable();
        best
    };
    let (one, other) = (first.clone(), second.clone());
    first.sort_by_key(|(_, status)| Reverse(*status));
    second.sort_by_key(|(_, status)| Reverse(*status));
    let pairs = |one: &[Entry<'_>], other: &[Entry<'_>]| {
        one.iter().zip(other).map(|(one, other)| (one.1, other.1)).collect::<Vec<_>>()
    };
    let in_order =
        !alike.stray && one.len() == other.len() && best(&pairs(&one, &other)) == best(&pairs(&first, &second));
    let both = !first.is_empty() && !second.is_empty();
    let shuffled = !in_order && both && (alike.stray || first.len() == second.len());
    let steady = if shuffled { known.max(Steadiness::Shuffled) } else { known };
    let [first, second] = if in_order { [one, other] } else { [first, second] };
    let longer = if first.len() >= second.len() { &first } else { &second };
    let joined = longer.iter().enumerate().map(|(nth, (test, _))| {
        let runs = [&first, &second].map(|run| run.get(nth).map(|(_, status)| *status));
        let once = whole && runs.contains(&None);
        Joined { test, runs, steady: if once { steady.max(Steadiness::Sometimes) } else { steady } }
    });
    joined.collect()
}

/// Joins tests whose suite and name only one of two whole runs has: as many as both have are the same under another name, and
/// the rest was there once.
fn join_lost(mut lost: [Vec<Entry<'_>>; 2]) -> Vec<Joined<'_>> {
    let renamed = lost[0].len().min(lost[1].len());
    // The names do not depend on the order of the runs, nor on how they ended.
    lost.sort_by(|one, other| one.first().map(|(test, _)| test).cmp(&other.first().map(|(test, _)| test)));
    let names: Vec<&TestResult> = lost[0].iter().take(renamed).map(|(test, _)| *test).collect();
    lost.iter_mut().for_each(|run| run.sort_by_key(|(_, status)| Reverse(*status)));
    let statuses = |run: &[Entry<'_>], nth: usize| run.get(nth).map(|(_, status)| *status);
    let both = names.into_iter().enumerate().map(|(nth, test)| {
        let runs = [statuses(&lost[0], nth), statuses(&lost[1], nth)];
        Joined { test, runs, steady: Steadiness::Renamed }
    });
    let once = lost.iter().flat_map(|run| run.iter().skip(renamed));
    let once = once.map(|(test, status)| Joined { test, runs: [Some(*status), None], steady: Steadiness::Sometimes });
    both.chain(once).collect()
}
