//! Findings and numbers from snapshot to verdict: the rows of the table in `verdict`, one by one.

use crate::domain::ending::ProcessEnd;
use crate::domain::verify::StageOutcome::{Failed, NotRun, Passed};
use crate::domain::verify::formats::Format;
use crate::domain::verify::formats::relative::relativize_paths;
use crate::domain::verify::judge::confirm::confirm;
use crate::domain::verify::judge::delta::tests::{any_snapshot, snapshot, stage};
use crate::domain::verify::judge::delta::{KEPT_LIMIT, compare_snapshots};
use crate::domain::verify::judge::verdict::judge;
use crate::domain::verify::model::key::tests::stage as spec;
use crate::domain::verify::model::key::{Better, Demand, StageKind, StageSpec};
use crate::domain::verify::model::results::Findings;
use crate::domain::verify::model::snapshot::{Snapshot, StageResult};
use crate::domain::verify::{Demands, Gate, Judgement, StageOutcome, Verdict};
use proptest::prelude::*;
use std::slice::from_ref;

/// A stage with findings such as `a.py:F401 a.py:F401`, all of which make its tool say no.
fn found(kind: StageKind, outcome: StageOutcome, findings: &str) -> StageResult {
    let mut read = Findings::default();
    for name in findings.split_whitespace() {
        *read.counts.entry(name.replace(':', ": ")).or_default() += 1;
        read.errors += 1;
    }
    StageResult { kind, findings: Some(read), format: Some(Format::Ruff), ..stage(kind.word(), outcome, None) }
}

fn lint(outcome: StageOutcome, findings: &str) -> StageResult {
    found(StageKind::Lint, outcome, findings)
}

/// A metric stage that left with `code` after printing `text`.
fn metric(text: &str, code: i32, demand: Demand) -> StageResult {
    let spec = StageSpec { kind: StageKind::Metric, demand, ..spec("size", "./size") };
    StageResult::from_run(&spec, &ProcessEnd::Exited(code), text.as_bytes(), &[], 1)
}

fn at_most(number: &str) -> Demand {
    Demand { at_most: number.parse().ok(), ..Demand::default() }
}

fn judged(before: &[StageResult], after: &[StageResult], gate: Gate, ratchet: bool) -> Judgement {
    let (before, after) = (snapshot(before.to_vec()), snapshot(after.to_vec()));
    let demands = Demands { gate, ratchet, allow_removed_tests: false };
    judge(&before.to_summary(), &after.to_summary(), &compare_snapshots(&before, &after), &demands)
}

/// One row: what it says without and with ratchet, as (verdict, lands, part of a reason).
#[track_caller]
fn row(before: &[StageResult], after: &[StageResult], calm: (Verdict, bool, &str), strict: (Verdict, bool, &str)) {
    for (ratchet, (verdict, lands, why)) in [(false, calm), (true, strict)] {
        let found = judged(before, after, Gate::NoRegression, ratchet);
        assert_eq!((found.verdict, found.lands), (verdict, lands), "ratchet {ratchet}: {:?}", found.reasons);
        assert!(found.reasons.iter().any(|r| r.contains(why)) || why.is_empty(), "{why}: {:?}", found.reasons);
    }
}

#[track_caller]
fn both(before: &[StageResult], after: &[StageResult], wanted: (Verdict, bool, &str)) {
    row(before, after, wanted, wanted);
}

use Verdict::{Helped, Hurt, Neutral};

#[test]
fn row_1_and_3_tests_count_beside_findings() {
    let t = |tests: &str| stage("t", if tests.contains('-') { Failed } else { Passed }, Some(tests));
    let clean = || lint(Passed, "");
    both(
        &[t("+a"), lint(Passed, "a.py:F401")],
        &[t("-a"), clean()],
        (Hurt, false, "1 test passed before and fails now"),
    );
    both(&[t("+a"), lint(Passed, "a.py:F401")], &[t(""), clean()], (Hurt, false, "1 test disappeared"));
}

#[test]
fn row_2_a_stage_that_passed_must_pass() {
    let new = "stage passes before".replace("passes", "passed");
    both(&[lint(Passed, "")], &[lint(Failed, "a.py:F401")], (Hurt, false, &new));
    both(&[lint(Passed, "")], &[lint(Failed, "a.py:F401")], (Hurt, false, "lint: exit code 1 with 1 finding"));
    // Also where the tool is silent when it is content, and was read as nothing then.
    let silent = StageResult { findings: None, format: Some(Format::Exit), ..lint(Passed, "") };
    both(from_ref(&silent), &[lint(Failed, "a.py:F401")], (Hurt, false, "lint: a.py: F401"));
    both(
        &[metric("3", 0, at_most("3"))],
        &[metric("3.01", 0, at_most("3"))],
        (Hurt, false, "3.01 is above at_most = 3"),
    );
    both(&[metric("3", 0, at_most("3"))], &[metric("3 kB", 0, at_most("3"))], (Hurt, false, "no line of its output"));
    let mut half = lint(Passed, "");
    half.findings.as_mut().unwrap().problem = Some("its JSON is not whole".into());
    both(&[lint(Passed, "")], &[half], (Hurt, false, "1 stage passed before and does not now"));
}

#[test]
fn row_4_security_findings_never_rise() {
    let audit = |outcome, findings: &str| found(StageKind::Security, outcome, findings);
    let why = "1 new security finding: security: a.py: B602";
    both(&[audit(Passed, "")], &[audit(Passed, "a.py:B602")], (Hurt, false, why));
    both(&[audit(Failed, "b.py:B1")], &[audit(Failed, "a.py:B602 b.py:B1")], (Hurt, false, why));
    both(&[audit(Failed, "a.py:B1")], &[audit(Failed, "a.py:B1 a.py:B1")], (Hurt, false, "a.py: B1 (1 -> 2)"));
    // Fixes never outweigh: two gone and one new.
    both(&[audit(Failed, "b.py:B1 c.py:B1")], &[audit(Failed, "a.py:B602")], (Hurt, false, why));
    let silent = StageResult { findings: None, format: Some(Format::Exit), ..audit(Passed, "") };
    both(&[silent], &[audit(Passed, "a.py:B602")], (Hurt, false, why));
    // A snapshot older than the readers of findings accuses nobody.
    let old = StageResult { findings: None, format: None, ..audit(Passed, "") };
    both(&[old], &[audit(Passed, "a.py:B602")], (Neutral, true, ""));
}

#[test]
fn row_5_and_6_other_findings_rise_only_without_ratchet() {
    for kind in [StageKind::Lint, StageKind::Types, StageKind::Build] {
        let one = |outcome, findings: &str| found(kind, outcome, findings);
        let why = format!("1 new {} finding: {}: b.py: F1", kind.word(), kind.word());
        for outcome in [Passed, Failed] {
            let (before, after) = (one(outcome, "a.py:F1"), one(outcome, "a.py:F1 b.py:F1"));
            row(&[before], &[after], (Neutral, true, &why), (Hurt, false, &why));
        }
    }
    // A stage's own word counts more than the queue's.
    let own = |findings: &str, ratchet| StageResult {
        demand: Demand { ratchet: Some(ratchet), ..Demand::default() },
        ..lint(Passed, findings)
    };
    both(&[own("", true)], &[own("a.py:F1", true)], (Hurt, false, "1 new lint finding"));
    both(&[own("", false)], &[own("a.py:F1", false)], (Neutral, true, "1 new lint finding"));
}

#[test]
fn row_7_and_8_numbers_get_worse_only_without_ratchet() {
    let why = "1 metric got worse: size: 2 -> 2.5";
    let (two, more) = (metric("2", 0, at_most("3")), metric("2.5", 0, at_most("3")));
    row(from_ref(&two), from_ref(&more), (Neutral, true, "1 metric changed: size: 2 -> 2.5"), (Hurt, false, why));
    let higher = Demand { at_least: "79".parse().ok(), ..Demand::default() };
    let (up, down) = (metric("80.1%", 0, higher), metric("79.2%", 0, higher));
    row(from_ref(&up), from_ref(&down), (Neutral, true, "size: 80.1 -> 79.2"), (Hurt, false, "size: 80.1 -> 79.2"));
    both(&[down], &[up], (Helped, true, "1 metric got better: size: 79.2 -> 80.1"));
    // Nobody said which way is better: named, never more.
    let free = |text| metric(text, 0, Demand::default());
    both(&[free("1")], &[free("9")], (Neutral, true, "1 metric changed: size: 1 -> 9"));
    let own = Demand { ratchet: Some(true), better: Some(Better::Lower), ..Demand::default() };
    both(&[metric("1", 0, own)], &[metric("2", 0, own)], (Hurt, false, "size: 1 -> 2"));
}

#[test]
fn row_9_a_number_beyond_its_limit_must_not_move_away() {
    let over = |text| metric(text, 0, at_most("3"));
    both(&[over("5")], &[over("6")], (Hurt, false, "1 metric got worse: size: 5 -> 6"));
    both(&[over("5")], &[over("5")], (Neutral, true, ""));
    both(&[over("5")], &[over("4")], (Helped, true, "size: 5 -> 4"));
    both(&[over("5")], &[over("3")], (Helped, true, "1 stage fixed"));
    // Between two limits, the way back is better whatever side it is on.
    let range = Demand { at_least: "2".parse().ok(), ..at_most("3") };
    both(&[metric("1", 0, range)], &[metric("1.5", 0, range)], (Helped, true, "size: 1 -> 1.5"));
    both(&[metric("5", 0, range)], &[metric("6", 0, range)], (Hurt, false, "size: 5 -> 6"));
    both(&[metric("2", 0, range)], &[metric("2.5", 0, range)], (Neutral, true, "1 metric changed"));
}

#[test]
fn row_10_not_run_never_lands() {
    for before in [lint(Passed, ""), lint(Failed, "a.py:F1"), lint(NotRun, "")] {
        let found = judged(&[before], &[lint(NotRun, "a.py:F1")], Gate::NoRegression, false);
        assert!(!found.lands && found.reasons.iter().any(|r| r.contains("could not run")), "{found:?}");
    }
}

#[test]
fn row_11_what_is_not_whole_cannot_be_compared() {
    let nothing = (Neutral, false, "nothing to judge");
    let crash = lint(Failed, "");
    let mut half = lint(Failed, "a.py:F1");
    half.findings.as_mut().unwrap().problem = Some("broken.py could not be parsed".into());
    let whole = lint(Failed, "a.py:F1");
    for (before, after) in [(&whole, &crash), (&whole, &half), (&crash, &whole), (&half, &whole), (&crash, &crash)] {
        both(from_ref(before), from_ref(after), nothing);
    }
    let mute = || metric("none", 0, at_most("3"));
    both(&[mute()], &[mute()], nothing);
    both(&[metric("5", 0, at_most("3"))], &[mute()], nothing);
    // An exit code of its own is no limit.
    both(&[metric("5", 1, at_most("3"))], &[metric("5", 1, at_most("3"))], nothing);
    both(&[metric("1", 1, at_most("3"))], &[metric("1", 1, at_most("3"))], nothing);
    // Findings of a report that is not whole are still new ones, and none of the others is gone.
    let change = compare_snapshots(
        &snapshot(vec![lint(Failed, "a.py:F1 b.py:F1")]),
        &snapshot(vec![{
            let mut half = lint(Failed, "c.py:F1");
            half.findings.as_mut().unwrap().problem = Some("broken.py could not be parsed".into());
            half
        }]),
    );
    assert_eq!((change.findings[0].new.len(), change.findings[0].gone.len()), (1, 0));
}

#[test]
fn row_12_findings_of_before_block_nobody() {
    let red = || lint(Failed, "a.py:F1 a.py:F1 b.py:F2");
    let why = "2 lint findings of before this change too (pre-existing): lint: a.py: F1, lint: b.py: F2";
    both(&[red()], &[red()], (Neutral, true, why));
    let t = |tests| stage("t", Passed, Some(tests));
    both(&[red(), t("+a")], &[red(), t("+a +b")], (Helped, true, why));
    let names: String = (0..50).map(|n| format!("a{n}.py:F1 ")).collect();
    let many = snapshot(vec![lint(Failed, &names)]);
    let change = compare_snapshots(&many, &many);
    assert_eq!((change.findings[0].kept.len(), change.findings[0].kept_total), (KEPT_LIMIT, 50));
    assert!(change.changes_nothing());
    both(&many.stages, &many.stages, (Neutral, true, "… and 10 more"));
    // Where the stage passes with its findings, nothing is named.
    both(&[lint(Passed, "a.py:F1")], &[lint(Passed, "a.py:F1")], (Neutral, true, ""));
}

#[test]
fn row_13_fewer_findings_help_and_trading_them_does_not() {
    let why = "fewer lint finding";
    both(&[lint(Failed, "a.py:F1 b.py:F1")], &[lint(Failed, "a.py:F1")], (Helped, true, why));
    both(&[lint(Failed, "a.py:F1 a.py:F1")], &[lint(Failed, "a.py:F1")], (Helped, true, "lint: a.py: F1 (2 -> 1)"));
    both(&[lint(Failed, "a.py:F1")], &[lint(Passed, "")], (Helped, true, "1 stage fixed"));
    row(
        &[lint(Failed, "a.py:F1 b.py:F1")],
        &[lint(Failed, "c.py:F1")],
        (Neutral, true, "1 new lint finding: lint: c.py: F1"),
        (Hurt, false, "1 new lint finding: lint: c.py: F1"),
    );
}

#[test]
fn row_14_the_gate_pass_demands_every_stage() {
    for stage in [lint(Failed, "a.py:F1"), metric("5", 0, at_most("3"))] {
        let found = judged(from_ref(&stage), from_ref(&stage), Gate::Pass, false);
        assert!(!found.lands && found.reasons[0].contains("the gate `pass`"), "{found:?}");
    }
}

#[test]
fn a_finding_has_one_name_in_every_slot() {
    let text = "\n/pool/slot-4/größe/a.js\n  1:7  error  'x' is defined  no-unused-vars\n\n✖ 1 problem (1 error, 0 warnings)\n";
    let spec = |slot: &str| {
        let output = relativize_paths(text.replace("slot-4", slot).into(), &format!("/pool/{slot}"));
        crate::domain::verify::formats::read(Format::Auto, &output).1.findings.unwrap()
    };
    assert_eq!(spec("slot-4").counts.keys().collect::<Vec<_>>(), ["größe/a.js: no-unused-vars"]);
    assert_eq!(spec("slot-4"), spec("slot-5"));
    assert_eq!(relativize_paths("/pool/slot-41/a /pool/slot-4".into(), "/pool/slot-4"), "/pool/slot-41/a /pool/slot-4");
    assert_eq!(relativize_paths("b/a".into(), ""), "b/a");
}

#[test]
fn summaries_count_findings_by_kind() {
    let whole =
        snapshot(vec![lint(Passed, "a:x a:x b:y"), found(StageKind::Security, Failed, "a:z"), lint(Passed, "")]);
    let summary = whole.to_summary();
    assert_eq!(serde_json::to_value(&summary.findings).unwrap(), serde_json::json!({"lint": 3, "security": 1}));
    assert!(summary.per_test && !snapshot(vec![lint(Failed, "")]).to_summary().per_test);
    let text = serde_json::to_string(&whole).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), whole);
    let older = r#"{"outcome":"passed","passed":1,"failed":0,"skipped":0,"per_test":true}"#;
    assert!(serde_json::from_str::<crate::domain::verify::Summary>(older).unwrap().findings.is_empty());
}

#[test]
fn confirming_forgives_a_finding_or_number_seen_once_and_names_it() {
    let one = |stage: StageResult| snapshot(vec![stage]);
    let joined = confirm(&one(lint(Failed, "a.py:F1 b.py:F1")), &one(lint(Failed, "a.py:F1")));
    assert_eq!((joined.to_summary().outcome, joined.flaky.as_slice()), (Failed, &["lint: b.py: F1".to_owned()][..]));
    assert_eq!(joined.stages[0].findings.as_ref().unwrap().total(), 1);
    let joined = confirm(&one(lint(Failed, "a.py:F1")), &one(lint(Failed, "b.py:F1")));
    assert_eq!((joined.to_summary().outcome, joined.flaky.len()), (Passed, 2));
    // A run that crashed forgives nothing.
    for crash in [lint(Failed, ""), lint(NotRun, "")] {
        let joined = confirm(&one(lint(Failed, "a.py:F1")), &one(crash));
        assert_eq!(joined.to_summary().outcome, Failed);
        assert_eq!(joined.stages[0].findings.as_ref().unwrap().total(), 1);
    }
    let silent = StageResult { findings: None, format: Some(Format::Exit), ..lint(Passed, "") };
    let joined = confirm(&one(lint(Failed, "a.py:F1")), &one(silent));
    assert_eq!((joined.to_summary().outcome, joined.stages[0].findings.as_ref().unwrap().total()), (Passed, 0));
    let over = |text, code| metric(text, code, at_most("3"));
    for (first, second, outcome, number) in [
        (over("5", 0), over("2", 0), Passed, "2"),
        (over("5", 0), over("4", 0), Failed, "4"),
        (over("1", 1), over("5", 0), Failed, "5"),
        (over("1", 1), over("2", 0), Passed, "2"),
    ] {
        for (first, second) in [(&first, &second), (&second, &first)] {
            let joined = confirm(&one(first.clone()), &one(second.clone()));
            assert_eq!(joined.to_summary().outcome, outcome, "{number}");
            assert_eq!(joined.stages[0].number.unwrap().to_string(), number);
        }
    }
}

proptest! {
    #[test]
    fn p1_more_security_findings_never_land(x in any_snapshot(), y in any_snapshot(), ratchet: bool) {
        let demands = Demands { gate: Gate::NoRegression, ratchet, allow_removed_tests: true };
        let change = compare_snapshots(&x, &y);
        let found = judge(&x.to_summary(), &y.to_summary(), &change, &demands);
        let hurts = change.findings.iter().any(|c| c.hurts(ratchet)) || change.metrics.iter().any(|c| c.hurts(ratchet));
        let audits = change.findings.iter().any(|c| c.kind == StageKind::Security && !c.new.is_empty());
        if hurts || audits {
            prop_assert_eq!((found.verdict, found.lands), (Hurt, false));
        }
    }

    #[test]
    fn an_added_finding_is_always_seen(counts in proptest::collection::vec("[ab]", 0..5), added in "[abc]") {
        let text = |names: &[String]| names.iter().map(|name| format!("f:{name} ")).collect::<String>();
        let (mut more, before) = (counts.clone(), lint(Passed, &text(&counts)));
        more.push(added);
        let after = lint(Passed, &text(&more));
        let (calm, strict) = (judged(from_ref(&before), from_ref(&after), Gate::Pass, false), judged(from_ref(&before), from_ref(&after), Gate::Pass, true));
        prop_assert!(calm.lands && !calm.reasons.is_empty() && !strict.lands);
        prop_assert_eq!(judged(&[after], &[before], Gate::Pass, true).verdict, Helped);
    }
}
