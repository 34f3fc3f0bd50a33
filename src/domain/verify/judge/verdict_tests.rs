//! The gate over small deltas, and what must hold for any two snapshots.

use super::*;
use crate::domain::verify::StageOutcome::{Failed, NotRun, Passed};
use crate::domain::verify::judge::delta::compare_snapshots;
use crate::domain::verify::judge::delta::tests::{any_snapshot, of, snapshot, stage};
use crate::domain::verify::model::results::{TestResult, TestStatus};
use crate::domain::verify::model::snapshot::Snapshot;
use crate::domain::verify::{Demands, Gate, Judgement, Verdict};
use proptest::prelude::*;

const fn demands(gate: Gate, ratchet: bool, allow_removed_tests: bool) -> Demands {
    Demands { gate, ratchet, allow_removed_tests }
}

fn gate(before: &Snapshot, after: &Snapshot, gate: Gate, allow: bool) -> Judgement {
    judge(&before.to_summary(), &after.to_summary(), &compare_snapshots(before, after), &demands(gate, false, allow))
}

fn plain(before: &Snapshot, after: &Snapshot) -> Judgement {
    gate(before, after, Gate::NoRegression, false)
}

fn exit(outcome: StageOutcome) -> Snapshot {
    snapshot(vec![stage("all", outcome, None)])
}

#[test]
fn fixes_never_outweigh_a_break() {
    let found = plain(&of("+a -b -c -d"), &of("-a +b +c +d"));
    assert_eq!((found.verdict, found.lands), (Verdict::Hurt, false));
    assert_eq!(
        found.reasons,
        ["1 test passed before and fails now: t: s: a", "3 tests fixed: t: s: b, t: s: c, t: s: d"]
    );
}

#[test]
fn removed_and_skipped_tests_hurt_unless_allowed() {
    for after in ["+a", "+a ~b", ""] {
        let found = plain(&of("+a +b"), &of(after));
        assert_eq!((found.verdict, found.lands), (Verdict::Hurt, false), "{after}");
        let found = gate(&of("+a +b"), &of(after), Gate::NoRegression, true);
        assert!(found.lands && !found.reasons.is_empty(), "{after}");
    }
    assert!(!gate(&of("+a +b"), &of("-a"), Gate::NoRegression, true).lands);
}

#[test]
fn a_red_base_with_tests_lets_unrelated_work_land_and_names_the_reds() {
    let found = plain(&of("+a -b"), &of("+a -b +c"));
    assert_eq!((found.verdict, found.lands), (Verdict::Helped, true));
    assert_eq!(found.reasons, ["1 test failed before this change too (pre-existing): t: s: b"]);
    assert!(!plain(&of("+a -b"), &of("+a -b -c")).lands);
    let strict = gate(&of("+a -b"), &of("+a -b +c"), Gate::Pass, false);
    assert!(!strict.lands && strict.verdict == Verdict::Helped);
}

#[test]
fn a_red_base_with_exit_code_only_is_nothing_to_judge() {
    let found = plain(&exit(Failed), &exit(Failed));
    assert_eq!((found.verdict, found.lands), (Verdict::Neutral, false));
    assert!(found.reasons[0].starts_with("nothing to judge"), "{:?}", found.reasons);
    assert_eq!(
        (plain(&exit(Failed), &exit(Passed)).verdict, plain(&exit(Failed), &exit(Passed)).lands),
        (Verdict::Helped, true)
    );
}

#[test]
fn a_stage_that_broke_off_is_named_before_the_tests_it_took_with_it() {
    let mut after = of("");
    after.stages[0] = stage("t", Failed, None);
    after.stages[0].reason = Some("Interrupted: 1 error during collection".to_owned());
    for allow in [false, true] {
        let found = gate(&of("+a -b"), &after, Gate::NoRegression, allow);
        assert_eq!(found.verdict, if allow { Verdict::Neutral } else { Verdict::Hurt });
        assert!(!found.lands);
        let first = "1 stage fails in another way than before this change, and tests are missing from it: \
                     t: Interrupted: 1 error during collection";
        assert_eq!(found.reasons, [first, "2 tests disappeared: t: s: a, t: s: b"]);
        assert_eq!(found.refusals[0].cause, Cause::NoJudgement);
        assert_eq!(found.refusals.len(), if allow { 1 } else { 2 });
    }
}

#[test]
fn who_only_misses_tests_is_told_how_they_may_go() {
    for (after, told) in [("+a", true), ("+a ~b", true), ("-a", false), ("+a +b", false)] {
        let found = plain(&of("+a +b"), &of(after));
        assert_eq!(found.reasons.iter().any(|reason| reason.contains("allow-removed-tests")), told, "{after}");
    }
    assert!(!gate(&of("+a +b"), &of("+a"), Gate::NoRegression, true).reasons.join(" ").contains("allow-removed-tests"));
}

#[test]
fn a_suite_that_could_not_run_is_no_test_that_was_there() {
    let whole = |name: &str, status| TestResult::new(name, WHOLE_SUITE, status);
    let mut after = of("+c");
    let tests = &mut after.stages[0].tests.as_mut().unwrap().tests;
    tests[0].suite = "other".to_owned();
    tests.push(whole("s", TestStatus::Failed));
    after.stages[0].outcome = Failed;
    let mut before = of("+a +b +c");
    before.stages[0].tests.as_mut().unwrap().tests[2].suite = "other".to_owned();
    let found = plain(&before, &after);
    assert_eq!(found.reasons[0], "1 suite could not run to its end: t: s (2 tests are missing)");
    assert_eq!(found.refusals[0].cause, Cause::Failing);
    assert!(!found.reasons.iter().any(|reason| reason.contains(WHOLE_SUITE)), "{:?}", found.reasons);
}

#[test]
fn p7_not_run_never_lands() {
    for before in [Passed, Failed, NotRun] {
        for gate_kind in [Gate::NoRegression, Gate::Pass] {
            let found = gate(&exit(before), &exit(NotRun), gate_kind, true);
            assert!(!found.lands && found.reasons.iter().any(|r| r.contains("timeout after 5 s")), "{found:?}");
        }
    }
    let red = |lint| snapshot(vec![stage("t", Failed, Some("-a")), stage("lint", lint, None)]);
    assert!(!plain(&red(NotRun), &red(NotRun)).lands);
    assert!(plain(&red(Passed), &red(Passed)).lands);
}

#[test]
fn each_refusal_says_what_it_is_about() {
    let causes = |found: Judgement| found.refusals.iter().map(|refusal| refusal.cause).collect::<Vec<_>>();
    assert_eq!(causes(plain(&of("+a +b"), &of("-a"))), [Cause::Failing, Cause::Stages, Cause::Removed]);
    assert_eq!(causes(plain(&of("+a"), &of("~a"))), [Cause::Skipped]);
    assert_eq!(causes(plain(&exit(Failed), &exit(Failed))), [Cause::NoJudgement]);
    assert_eq!(causes(gate(&of("-a"), &of("-a"), Gate::Pass, false)), [Cause::Gate]);
    assert_eq!(causes(plain(&exit(Failed), &exit(NotRun))), [Cause::NotRun]);
    assert_eq!(causes(plain(&of("+a +b"), &of("-b"))), [Cause::Failing, Cause::Stages, Cause::Removed]);
}

#[test]
fn an_unchanged_pass_is_neutral_and_lands() {
    let found = gate(&exit(Passed), &exit(Passed), Gate::Pass, false);
    assert_eq!(found, Judgement { verdict: Verdict::Neutral, lands: true, reasons: vec![], refusals: vec![] });
    assert_eq!(plain(&exit(Passed), &exit(Failed)).verdict, Verdict::Hurt);
}

#[test]
fn summaries_are_believed_even_without_a_delta() {
    let nothing = Delta::default();
    for outcome in [Failed, NotRun] {
        let after = exit(outcome).to_summary();
        for before in [Passed, Failed, NotRun] {
            let found = judge(&exit(before).to_summary(), &after, &nothing, &demands(Gate::NoRegression, false, true));
            assert!(!found.lands && !found.reasons.is_empty());
        }
    }
}

#[test]
fn a_test_that_was_flaky_before_blames_nobody() {
    let judged = |flaky: &str, after: &str, gate| {
        let mut before = of("+a +b").to_summary();
        before.flaky = vec![flaky.to_owned()];
        let after = of(after);
        judge(&before, &after.to_summary(), &compare_snapshots(&of("+a +b"), &after), &demands(gate, false, false))
    };
    let calm = judged("t: s: a", "-a +b", Gate::NoRegression);
    assert_eq!((calm.lands, calm.verdict), (true, Verdict::Neutral));
    assert_eq!(
        calm.reasons,
        ["1 test fails of which it is known that chance decides (flaky), so nobody is blamed: t: s: a"]
    );
    // Nothing else is forgiven with it, and the gate `pass` demands all.
    let both = judged("t: s: a", "-a -b", Gate::NoRegression);
    assert_eq!((both.lands, both.reasons[0].as_str()), (false, "1 test passed before and fails now: t: s: b"));
    assert!(!judged("t: s: b", "-a +b", Gate::NoRegression).lands);
    assert!(!judged("t: s: a", "+b", Gate::NoRegression).lands);
    assert!(!judged("t: s: a", "-a +b", Gate::Pass).lands);
    // What only the change itself made flaky is no excuse.
    let mut after = of("-a +b");
    after.flaky = vec!["t: s: a".to_owned()];
    let own = plain(&of("+a +b"), &after);
    assert!(!own.lands && own.reasons[0].ends_with("t: s: a (known to be flaky)"));
    // Nor is a stage that broke beside it.
    let mut broke = of("-a +b");
    broke.stages[0].exit = Some(3);
    let mut before = of("+a +b").to_summary();
    before.flaky = vec!["t: s: a".to_owned()];
    let found = judge(
        &before,
        &broke.to_summary(),
        &compare_snapshots(&of("+a +b"), &broke),
        &demands(Gate::NoRegression, false, false),
    );
    assert!(!found.lands && found.reasons[0].starts_with("1 stage passed before"), "{:?}", found.reasons);
}

#[test]
fn reasons_keep_their_limits() {
    let many = |sign: char, width: usize| -> String { (0..500).map(|n| format!("{sign}{n:0>width$} ")).collect() };
    let short = plain(&of(&many('+', 3)), &of(&many('-', 3)));
    assert!(short.reasons[0].ends_with(", … and 460 more"), "{}", short.reasons[0]);
    let long = plain(&of(&many('+', 3000)), &of(&many('-', 2000)));
    assert!(long.evidence().len() <= EVIDENCE_LIMIT && long.evidence().contains("more"));
    let note = Summary { note: "é\0".repeat(9000), ..exit(Failed).to_summary() };
    let found = judge(&exit(Passed).to_summary(), &note, &Delta::default(), &demands(Gate::NoRegression, false, false));
    assert!(found.evidence().len() <= EVIDENCE_LIMIT && !found.evidence().contains('\0'));
}

proptest! {
    #[test]
    fn p1_what_hurts_or_did_not_run_never_lands(x in any_snapshot(), y in any_snapshot(), allow: bool, strict: bool) {
        let kind = if strict { Gate::Pass } else { Gate::NoRegression };
        let found = gate(&x, &y, kind, allow);
        if found.lands {
            prop_assert_ne!(found.verdict, Verdict::Hurt);
            prop_assert!(y.stages.iter().all(|s| s.effective_outcome() != NotRun) && !y.stages.is_empty());
            if strict || x.to_summary().outcome == Passed {
                prop_assert_eq!(y.to_summary().outcome, Passed);
            }
            let change = compare_snapshots(&x, &y);
            prop_assert!(change.broken.is_empty() && change.new_failing.is_empty());
            prop_assert!(allow || change.worse() == 0);
        } else {
            prop_assert!(!found.reasons.is_empty());
        }
        prop_assert!(found.evidence().len() <= EVIDENCE_LIMIT);
        prop_assert_eq!(found.lands, found.refusals.is_empty());
        let firsts = found.refusals.iter().map(|refusal| &refusal.reason).zip(&found.reasons);
        prop_assert!(firsts.into_iter().all(|(refusal, reason)| refusal == reason));
    }

    #[test]
    fn removing_a_test_is_always_hurt_unless_allowed(x in any_snapshot(), at: proptest::sample::Index) {
        let places: Vec<(usize, usize)> = x.stages.iter().enumerate()
            .filter(|(_, stage)| stage.effective_outcome() != NotRun)
            .flat_map(|(n, stage)| stage.tests.iter().flat_map(move |t| (0..t.tests.len()).map(move |k| (n, k)))).collect();
        prop_assume!(!places.is_empty());
        let (n, k) = places[at.index(places.len())];
        let mut less = x.clone();
        less.stages[n].tests.as_mut().unwrap().tests.remove(k);
        prop_assert_eq!(gate(&x, &less, Gate::NoRegression, false).verdict, Verdict::Hurt);
        let allowed = gate(&x, &less, Gate::NoRegression, true);
        prop_assert!(allowed.verdict != Verdict::Hurt);
    }
}

#[test]
fn names_that_many_tests_have_are_listed_once() {
    let names = ["a", "a", "a", "b"].map(str::to_owned);
    assert_eq!(format_list("4 tests disappeared".to_owned(), &names, 0), "4 tests disappeared: a (3 of this name), b");
    assert_eq!(format_list("x".to_owned(), &names, 2), "x: a (3 of this name), b, … and 2 more");
}
