//! Deltas of small snapshots, confirmation, and what must hold for any two snapshots.

use super::*;
use crate::domain::verify::StageOutcome;
use crate::domain::verify::formats::Format;
use crate::domain::verify::formats::excerpt::HEAD_TAIL_LIMIT;
use crate::domain::verify::formats::excerpt::head_tail;
use crate::domain::verify::judge::confirm::confirm;
use crate::domain::verify::model::key::{Demand, StageKind};
use crate::domain::verify::model::results::{Findings, TestResult, TestResults, WHOLE_SUITE};
use proptest::prelude::*;

impl Delta {
    /// Whether nothing differs; tests, findings and stages that failed on both sides alike are no difference.
    pub fn changes_nothing(&self) -> bool {
        let same = Self {
            still_failing: self.still_failing.clone(),
            incomparable: self.incomparable.clone(),
            not_run: self.not_run.clone(),
            findings: self.findings.clone(),
            said: self.said.clone(),
            unstable: self.unstable.clone(),
            ..Self::default()
        };
        *self == same && self.findings.iter().all(|change| change.new.is_empty() && change.gone.is_empty())
    }

    /// How many entries say that something got worse, whatever the queue demands.
    pub fn worse(&self) -> usize {
        let lists = [&self.broken, &self.removed, &self.newly_skipped, &self.new_failing, &self.stages_broken];
        let security = self.findings.iter().filter(|change| change.kind == StageKind::Security);
        let tests: usize = lists.into_iter().map(Vec::len).sum();
        tests + security.map(|change| change.new.len()).sum::<usize>()
    }
}

/// A stage from a text of tests such as `+a -b ~c`; no text means exit code only.
pub(in crate::domain::verify) fn stage(name: &str, outcome: StageOutcome, tests: Option<&str>) -> StageResult {
    let test = |word: &str| {
        let (sign, name) = word.split_at(1);
        let status = match sign {
            "+" => TestStatus::Passed,
            "-" => TestStatus::Failed,
            _ => TestStatus::Skipped,
        };
        TestResult::new("s", name, status)
    };
    StageResult {
        name: name.into(),
        kind: StageKind::Tests,
        outcome,
        exit: match outcome {
            Passed => Some(0),
            Failed => Some(1),
            NotRun => None,
        },
        reason: (outcome == NotRun).then(|| "timeout after 5 s".into()),
        tests: tests.map(|text| TestResults { tests: text.split_whitespace().map(test).collect(), problem: None }),
        millis: 1,
        ..StageResult::default()
    }
}

pub(in crate::domain::verify) fn snapshot(stages: Vec<StageResult>) -> Snapshot {
    Snapshot { stages, ..Snapshot::default() }
}

/// One stage `t` that passes if no test fails.
pub(in crate::domain::verify) fn of(tests: &str) -> Snapshot {
    let outcome = if tests.contains('-') { Failed } else { Passed };
    snapshot(vec![stage("t", outcome, Some(tests))])
}

#[test]
fn tests_are_compared_by_identity() {
    let found = compare_snapshots(&of("+a +b -c -d +e ~f"), &of("+a -b +c -d ~e -g +h"));
    assert_eq!(found.broken, ["t: s: b"]);
    assert_eq!(found.fixed, ["t: s: c"]);
    assert_eq!(found.still_failing, ["t: s: d"]);
    assert_eq!(found.newly_skipped, ["t: s: e"]);
    assert_eq!(found.removed, ["t: s: f"]);
    assert_eq!(found.new_failing, ["t: s: g"]);
    assert_eq!(found.added, 1);
}

#[test]
fn two_tests_of_one_name_are_two() {
    assert_eq!(compare_snapshots(&of("+a +a"), &of("+a")).removed, ["t: s: a"]);
    assert_eq!(compare_snapshots(&of("+a +a"), &of("+a -a")).broken, ["t: s: a"]);
    // The first is the first, and the second the second.
    assert_eq!(compare_snapshots(&of("+a -a"), &of("+a -a")).still_failing, ["t: s: a"]);
    let flipped = compare_snapshots(&of("+a -a"), &of("-a +a"));
    assert_eq!((flipped.broken, flipped.fixed), (vec!["t: s: a".to_owned()], vec!["t: s: a".to_owned()]));
    let worst = compare_snapshots(&of("+a ~a"), &of("-a"));
    assert_eq!((worst.broken.len(), worst.removed.len()), (1, 1));
}

#[test]
fn h36_a_runner_that_prints_nothing_removed_everything() {
    let after = snapshot(vec![stage("t", Passed, None)]);
    assert_eq!(compare_snapshots(&of("+a +b"), &after).removed, ["t: s: a", "t: s: b"]);
}

#[test]
fn a_stage_that_could_not_run_is_named_and_its_tests_are_not() {
    let after = snapshot(vec![stage("t", NotRun, Some("+a"))]);
    let found = compare_snapshots(&of("+a +b"), &after);
    assert_eq!(found.stages_broken, ["t: timeout after 5 s"]);
    assert_eq!(found.not_run, ["t: timeout after 5 s"]);
    assert!(found.removed.is_empty());
}

#[test]
fn a_failing_stage_whose_tests_all_pass_is_broken() {
    let after = snapshot(vec![stage("t", Failed, Some("+a"))]);
    assert_eq!(compare_snapshots(&of("+a"), &after).stages_broken, ["t: exit code 1 although no test failed"]);
    let red = compare_snapshots(&of("-a"), &of("-a"));
    assert!(red.changes_nothing() && red.incomparable.is_empty());
    let unexplained = compare_snapshots(&of("-a"), &after);
    assert_eq!(unexplained.incomparable, ["t: exit code 1 although no test failed"]);
}

#[test]
fn a_pass_that_names_a_failed_test_is_no_pass() {
    let lying = snapshot(vec![stage("t", Passed, Some("-a"))]);
    assert_eq!(lying.to_summary().outcome, Failed);
    assert_eq!(compare_snapshots(&of("+a"), &lying).stages_broken.len(), 1);
}

#[test]
fn exit_code_only_red_on_both_sides_is_incomparable() {
    let red = snapshot(vec![stage("lint", Failed, None)]);
    let found = compare_snapshots(&red, &red);
    assert_eq!(found.incomparable, ["lint: exit code 1"]);
    assert!(!red.to_summary().per_test && of("-a").to_summary().per_test);
}

/// A stage whose suite `s` could not run as a whole, with a test of another suite.
fn broken_suite() -> Snapshot {
    let test = |suite: &str, name: &str, status| TestResult::new(suite, name, status);
    let mut stage = stage("t", Failed, None);
    let tests = vec![test("s", WHOLE_SUITE, TestStatus::Failed), test("other", "x", TestStatus::Passed)];
    stage.tests = Some(TestResults { tests, problem: None });
    snapshot(vec![stage])
}

fn with_other(mut of: Snapshot) -> Snapshot {
    let other = TestResult::new("other", "x", TestStatus::Passed);
    of.stages[0].tests.as_mut().unwrap().tests.push(other);
    of
}

#[test]
fn a_suite_that_could_not_run_is_compared_with_one_that_does() {
    let (broken, sound) = (broken_suite(), with_other(of("+a +b")));
    let mended = compare_snapshots(&broken, &sound);
    assert_eq!(
        (mended.fixed.as_slice(), mended.removed.len(), mended.added),
        (&["t: s: (whole suite)".to_owned()][..], 0, 2)
    );
    let spoilt = compare_snapshots(&sound, &broken);
    assert_eq!((spoilt.broken.as_slice(), spoilt.removed.len()), (&["t: s: (whole suite)".to_owned()][..], 2));
    assert_eq!(compare_snapshots(&broken, &broken).still_failing, ["t: s: (whole suite)"]);
    let deleted = compare_snapshots(&broken, &with_other(of("")));
    assert_eq!((deleted.removed.as_slice(), deleted.fixed.len()), (&["t: s: (whole suite)".to_owned()][..], 0));
}

#[test]
fn a_suite_that_ran_in_one_of_two_runs_is_flaky() {
    for (first, second) in [(broken_suite(), with_other(of("+a"))), (with_other(of("+a")), broken_suite())] {
        let both = confirm(&first, &second);
        assert_eq!(both.flaky, ["t: s: (whole suite)"]);
        assert_eq!(both.stages[0].effective_outcome(), Passed);
    }
}

#[test]
fn stages_that_come_or_go_are_seen() {
    let both = snapshot(vec![stage("t", Passed, None), stage("t", Failed, None)]);
    let one = snapshot(vec![stage("t", Passed, None)]);
    assert_eq!(compare_snapshots(&both, &one).incomparable.len(), 1);
    assert_eq!(compare_snapshots(&one, &both).stages_broken, ["t: exit code 1 (new stage)"]);
    assert_eq!(compare_snapshots(&one, &snapshot(vec![])).stages_broken, ["t: no longer part of the verification"]);
    assert_eq!(snapshot(vec![]).to_summary().outcome, NotRun);
}

#[test]
fn confirming_forgives_what_passed_once_and_names_it() {
    let joined = confirm(&of("+a -b -c"), &of("-a +b -c"));
    assert_eq!(joined.flaky, ["t: s: a", "t: s: b"]);
    assert_eq!(compare_snapshots(&of("+a +b +c"), &joined).broken, ["t: s: c"]);
    let joined = confirm(&of("+a -b"), &of("-a +b"));
    assert_eq!(joined.to_summary().outcome, Passed);
    let exit = |outcome| snapshot(vec![stage("lint", outcome, None)]);
    for (first, second) in [(Failed, Passed), (Passed, Failed), (NotRun, Passed)] {
        let joined = confirm(&exit(first), &exit(second));
        assert_eq!(joined.to_summary().outcome, Passed);
        assert_eq!(joined.to_summary().flaky, ["lint"]);
    }
    assert_eq!(confirm(&exit(Failed), &exit(NotRun)).to_summary().outcome, Failed);
    assert_eq!(confirm(&exit(NotRun), &exit(NotRun)).to_summary().outcome, NotRun);
    let unexplained = snapshot(vec![stage("t", Failed, Some("+a"))]);
    assert_eq!(confirm(&of("-a"), &unexplained).to_summary().outcome, Failed);
}

#[test]
fn snapshots_and_notes_keep_their_limits() {
    let mut failing = stage("lint", Failed, None);
    failing.head_tail = head_tail(&"é\n".repeat(1_000_000), HEAD_TAIL_LIMIT);
    assert!(failing.head_tail.len() <= HEAD_TAIL_LIMIT && failing.head_tail.len() > HEAD_TAIL_LIMIT - 100);
    let whole = snapshot(vec![failing]);
    assert!(whole.to_summary().note.len() <= 2048 && whole.to_summary().note.starts_with("lint: exit code 1"));
    let text = serde_json::to_string(&whole).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), whole);
    for limit in 0..80 {
        assert!(head_tail(&"é".repeat(200), limit).len() <= limit);
    }
}

pub(in crate::domain::verify) fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    let word = ("[-+~]", "[abc]").prop_map(|(sign, name)| sign + &name);
    let tests = proptest::collection::vec(word, 0..6).prop_map(|words| words.join(" "));
    let outcome = prop_oneof![Just(Passed), Just(Failed), Just(NotRun)];
    let tests = ("[xy]", outcome.clone(), proptest::option::of(tests))
        .prop_map(|(name, outcome, tests)| stage(&name, outcome, tests.as_deref()));
    let counts = proptest::collection::vec(("[pq]", 1_u64..3), 0..3);
    let findings = (outcome.clone(), proptest::option::of((counts, any::<bool>(), any::<bool>())), any::<bool>())
        .prop_map(|(outcome, found, security)| {
            let name = if security { "audit" } else { "lint" };
            let kind = if security { StageKind::Security } else { StageKind::Lint };
            let found = found.map(|(counts, error, broken)| Findings {
                errors: if error { counts.len() as u64 } else { 0 },
                counts: counts.into_iter().collect(),
                problem: broken.then(|| "half".to_owned()),
            });
            StageResult { kind, findings: found, format: Some(Format::Exit), ..stage(name, outcome, None) }
        });
    let metric = (outcome, proptest::option::of(0_u8..6)).prop_map(|(outcome, number)| {
        let number = number.and_then(|number| number.to_string().parse().ok());
        let demand = Demand { at_most: "3".parse().ok(), ..Demand::default() };
        StageResult { kind: StageKind::Metric, number, demand, ..stage("size", outcome, None) }
    });
    proptest::collection::vec(prop_oneof![4 => tests, 1 => findings, 1 => metric], 0..6).prop_map(snapshot)
}

proptest! {
    #[test]
    fn nothing_differs_from_itself(x in any_snapshot()) {
        prop_assert!(compare_snapshots(&x, &x).changes_nothing());
    }

    #[test]
    fn confirming_does_not_depend_on_the_order(x in any_snapshot(), y in any_snapshot()) {
        let (left, right) = (confirm(&x, &y), confirm(&y, &x));
        let told = |s: &Snapshot| { let mut told = s.to_summary(); told.note.clear(); told };
        prop_assert_eq!(told(&left), told(&right));
        prop_assert!(compare_snapshots(&left, &right).changes_nothing());
    }

    #[test]
    fn confirming_with_itself_changes_nothing(x in any_snapshot()) {
        let joined = confirm(&x, &x);
        prop_assert!(joined.flaky.is_empty());
        if x.stages.iter().all(|s| s.effective_outcome() != Failed || s.is_explained()) {
            prop_assert_eq!(joined.to_summary().outcome, x.to_summary().outcome);
        }
    }

    #[test]
    fn p8_confirming_never_invents_a_pass(x in any_snapshot(), y in any_snapshot()) {
        let joined = confirm(&x, &y);
        for ((name, nth), stage) in joined.by_name() {
            if stage.effective_outcome() == Passed {
                let sides = [x.by_name(), y.by_name()];
                let seen: Vec<_> = sides.iter().filter_map(|s| s.get(&(name, nth))).collect();
                let passed = seen.iter().any(|s| s.effective_outcome() == Passed);
                prop_assert!(passed || (seen.len() == 2 && seen.iter().all(|s| s.is_explained())));
            }
        }
    }
}
