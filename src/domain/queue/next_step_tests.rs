//! From a phase and what runs have said to the next step, row by row.

use super::super::landing::Change;
use super::super::model::MergeRequest;
use super::super::order::Place;
use super::*;
use crate::domain::values::{CommitId, LandingId, RequestId, TreeId, UnitId};
use crate::domain::verify::Delta;
use serde_json::json;

fn tip(letter: &str) -> Tip {
    Tip { commit: CommitId::new(&letter.repeat(40)).unwrap(), tree: TreeId::new(&letter.repeat(40)).unwrap() }
}

fn key(digit: &str) -> SnapshotKey {
    serde_json::from_value(json!(digit.repeat(64))).unwrap()
}

fn summary(outcome: StageOutcome) -> Summary {
    let failed = u64::from(outcome == StageOutcome::Failed);
    Summary {
        outcome,
        passed: 3,
        failed,
        skipped: 0,
        findings: std::collections::BTreeMap::new(),
        per_test: true,
        flaky: Vec::new(),
        note: "said".to_owned(),
    }
}

fn green(outcome: Option<StageOutcome>, confirmed: bool) -> Green {
    let snapshot = outcome.map(|outcome| (key("1"), summary(outcome)));
    Green { tip: tip("a"), snapshot, confirmed, twice: confirmed, warm: false }
}

fn after(outcome: StageOutcome, confirmed: bool, warm: bool) -> After {
    let broken = if outcome == StageOutcome::Failed { vec!["test: s: t".to_owned()] } else { Vec::new() };
    After { key: key("2"), summary: summary(outcome), delta: Delta { broken, ..Delta::default() }, confirmed, warm }
}

fn check(outcome: StageOutcome, confirmed: bool) -> Box<After> {
    let (summary, delta) = (summary(outcome), Delta::default());
    Box::new(After { key: key("3"), summary, delta, confirmed, warm: false })
}

fn landing(changes: impl IntoIterator<Item = Change>, at: &str) -> Landing {
    let source = MergeSource::Unit { unit: UnitId::new("u").unwrap(), n: 1 };
    let mr = MergeRequest::new(RequestId(1), source, tip("c"), 0, Place::FIRST);
    let mut landing = Landing::begin(LandingId(1), mr, tip("a"));
    let (touches, notes, deciding, tests) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    landing.apply(Change::Made(Candidate { tip: tip(at), touches, notes, deciding, tests }));
    changes.into_iter().for_each(|change| landing.apply(change));
    landing
}

const TERMS: Terms = Terms {
    demands: Demands { gate: Gate::NoRegression, ratchet: false, allow_removed_tests: false },
    confirm_failures: true,
    accept: Accept::Nothing,
    unit_checks: false,
};

fn step(landing: &Landing, green: &Green, terms: Terms) -> NextStep {
    Queue::default().next_step(landing, green, &terms)
}

use StageOutcome::{Failed, NotRun, Passed};

#[test]
fn green_is_known_before_a_candidate_is_compared_with_it() {
    let made = landing([], "b");
    let before = |again| NextStep::Verify(tip("a"), VerifyRole::Before, None, again);
    assert_eq!(step(&made, &green(None, false), TERMS), before(RunKind::First));
    assert_eq!(step(&made, &green(Some(Failed), false), TERMS), before(RunKind::Confirm(key("1"))));
    assert!(matches!(step(&made, &green(Some(NotRun), true), TERMS), NextStep::BaseUnusable(_)));
    let strict = Terms { demands: Demands { gate: Gate::Pass, ..TERMS.demands }, ..TERMS };
    assert!(matches!(step(&made, &green(Some(Failed), true), strict), NextStep::BaseUnusable(_)));
    let verify = NextStep::Verify(tip("b"), VerifyRole::After, Some(key("1")), RunKind::First);
    assert_eq!(step(&made, &green(Some(Passed), false), TERMS), verify);
}

#[test]
fn a_failure_refuses_only_when_it_was_seen_twice_and_without_files_of_earlier_runs() {
    let known = green(Some(Passed), false);
    let found = |run: After| landing([Change::Verified(Box::new(run))], "b");
    let again = |again| NextStep::Verify(tip("b"), VerifyRole::After, Some(key("1")), again);
    assert_eq!(step(&found(after(Failed, false, false)), &known, TERMS), again(RunKind::Confirm(key("2"))));
    assert_eq!(step(&found(after(Failed, false, true)), &known, TERMS), again(RunKind::Cold));
    let refused = |step| matches!(step, NextStep::Refuse(Refused::Gate(..)));
    assert!(refused(step(&found(after(Failed, true, false)), &known, TERMS)));
    let once = Terms { confirm_failures: false, ..TERMS };
    assert!(refused(step(&found(after(Failed, false, false)), &known, once)));
    // Warm and then cold, of the same: no third run.
    let both = [after(Failed, false, true), after(Failed, false, false)].map(|run| Change::Verified(Box::new(run)));
    assert!(refused(step(&landing(both, "b"), &known, TERMS)));
    let lands = NextStep::Intend(key("2"), Verdict::Neutral);
    assert_eq!(step(&found(after(Passed, false, false)), &known, TERMS), lands);
}

#[test]
fn what_the_request_must_show_comes_before_and_after_the_gate() {
    let known = green(Some(Passed), false);
    let changes = Terms { accept: Accept::Changes, unit_checks: true, ..TERMS };
    let on_green = |again| NextStep::Verify(tip("a"), VerifyRole::AcceptBefore, None, again);
    let before = |check| Change::Checked(VerifyRole::AcceptBefore, check);
    assert_eq!(step(&landing([], "b"), &known, changes), on_green(RunKind::First));
    let cut = landing([before(check(NotRun, false))], "b");
    assert_eq!(step(&cut, &known, changes), on_green(RunKind::Confirm(key("3"))));
    for shows_nothing in [check(Passed, false), check(NotRun, true)] {
        let landing = landing([before(shows_nothing.clone())], "b");
        assert_eq!(step(&landing, &known, changes), NextStep::Unproven(shows_nothing));
    }
    let passed = || vec![before(check(Failed, false)), Change::Verified(Box::new(after(Passed, false, false)))];
    let own = |again| NextStep::Verify(tip("b"), VerifyRole::UnitChecks, None, again);
    assert_eq!(step(&landing(passed(), "b"), &known, changes), own(RunKind::First));
    let checked =
        |found: Box<After>| landing(passed().into_iter().chain([Change::Checked(VerifyRole::UnitChecks, found)]), "b");
    assert_eq!(step(&checked(check(Failed, false)), &known, changes), own(RunKind::Confirm(key("3"))));
    let refused = NextStep::Refuse(Refused::UnitChecks(check(Failed, true)));
    assert_eq!(step(&checked(check(Failed, true)), &known, changes), refused);
    assert!(matches!(step(&checked(check(Passed, false)), &known, changes), NextStep::Intend(..)));
}

#[test]
fn a_change_that_green_has_already_needs_no_run_but_that_of_its_own_line() {
    let (known, passes) = (green(Some(Passed), false), Terms { accept: Accept::Passes, ..TERMS });
    assert_eq!(step(&landing([], "a"), &known, TERMS), NextStep::Nothing);
    let source = MergeSource::Intake;
    let mr = MergeRequest::new(RequestId(1), source, tip("c"), 0, Place::FIRST);
    let merging = Landing::begin(LandingId(1), mr, tip("a"));
    assert_eq!(step(&merging, &known, passes), NextStep::Merge);
    assert_eq!(next_step_when_merged(&merging, &passes), NextStep::StandIn);
    let first = NextStep::Verify(tip("a"), VerifyRole::AcceptBefore, None, RunKind::First);
    assert_eq!(step(&landing([], "a"), &known, passes), first);
    let said = |found| landing([Change::Checked(VerifyRole::AcceptBefore, found)], "a");
    assert_eq!(step(&said(check(Passed, false)), &known, passes), NextStep::Nothing);
    let refused = NextStep::Refuse(Refused::AcceptOnGreen(check(Failed, true)));
    assert_eq!(step(&said(check(Failed, true)), &known, passes), refused);
}

#[test]
fn what_is_intended_is_only_moved() {
    let intended =
        landing([Change::Verified(Box::new(after(Passed, false, false))), Change::Intended(Verdict::Neutral)], "b");
    for known in [green(None, false), green(Some(NotRun), true)] {
        assert_eq!(step(&intended, &known, TERMS), NextStep::Move);
    }
}
