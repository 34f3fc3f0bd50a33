//! What people and programs read of a verification, whatever tests are called.

use super::super::verify_json::json as as_json;
use super::*;
use crate::domain::values::CommitId;
use crate::domain::verify::Demands;
use crate::domain::verify::judge::delta::compare_snapshots;
use crate::domain::verify::judge::history::{Here, Others};
use crate::domain::verify::judge::verdict::judge;
use crate::domain::verify::model::results::{TestResult, TestResults};
use expect_test::expect;
use serde_json::{Value, json};

pub const HOSTILE: &str = "a\n::error::b\r\u{1b}[2Jc%0Ad,e:f<g>&\"'\u{0}\u{ffff}##[add-mask]h ]]> ```` i";

pub fn stage(name: &str, tests: &[(&str, TestStatus)]) -> StageResult {
    let failed = tests.iter().any(|(_, status)| *status == TestStatus::Failed);
    let tests = tests.iter().map(|(name, status)| TestResult::new("suite", *name, *status));
    StageResult {
        name: name.to_owned(),
        outcome: if failed { StageOutcome::Failed } else { StageOutcome::Passed },
        exit: Some(i32::from(failed)),
        tests: Some(TestResults { tests: tests.collect(), problem: None }),
        format: Some(Format::Tap),
        millis: 1_234,
        ..StageResult::default()
    }
}

pub fn silent(name: &str, outcome: StageOutcome, exit: Option<i32>, reason: Option<&str>, output: &str) -> StageResult {
    StageResult {
        name: name.to_owned(),
        outcome,
        exit,
        reason: reason.map(str::to_owned),
        format: Some(Format::Exit),
        head_tail: output.to_owned(),
        ..StageResult::default()
    }
}

pub fn side(asked: &str, stages: Vec<StageResult>) -> Side {
    let tree = TreeId::new(&"b".repeat(40)).unwrap();
    let tip = Tip { commit: CommitId::new(&"a".repeat(40)).unwrap(), tree: tree.clone() };
    Side {
        asked: asked.to_owned(),
        tip,
        tree,
        removed: 0,
        key: SnapshotKey("c".repeat(64)),
        snapshot: Snapshot { stages, ..Snapshot::default() },
        reused: false,
        stored: None,
        runs: 1,
        logs: Vec::new(),
    }
}

pub fn alone(stages: Vec<StageResult>) -> Verified {
    Verified {
        gate: Gate::NoRegression,
        after: side("HEAD", stages),
        base: None,
        delta: None,
        judgement: None,
        history: BTreeMap::new(),
        rules: None,
        notes: Vec::new(),
    }
}

pub fn against(before: Vec<StageResult>, after: Vec<StageResult>) -> Verified {
    let base = side("main", before);
    let after = side("HEAD", after);
    let delta = compare_snapshots(&base.snapshot, &after.snapshot);
    let (old, new) = (base.snapshot.to_summary(), after.snapshot.to_summary());
    let judgement =
        judge(&old, &new, &delta, &Demands { gate: Gate::NoRegression, ratchet: false, allow_removed_tests: false });
    Verified {
        after,
        base: Some(Base { side: base, merge_base: true }),
        delta: Some(delta),
        judgement: Some(judgement),
        ..alone(Vec::new())
    }
}

#[test]
fn a_comparison_tells_both_sides_and_why() {
    use TestStatus::{Failed, Passed, Skipped};
    let before = vec![stage("unit", &[("a", Passed), ("b", Passed), ("red", Failed)])];
    let after = vec![
        stage("unit", &[("a", Failed), ("red", Failed), ("new", Skipped)]),
        silent("lint", StageOutcome::NotRun, Some(127), None, "sh: lint: not found"),
    ];
    let mut verified = against(before, after);
    verified.after.removed = 3;
    verified.after.logs.push(("lint".to_owned(), "/logs/1/out.log".into()));
    if let Some(base) = &mut verified.base {
        base.side.reused = true;
        base.side.stored = Some(86_400_000);
    }
    let past = TestHistory {
        runs: 14,
        failed: 5,
        forgiven: 1,
        first_failed: Some(0),
        last_failed: Some(86_400_000),
        here: Here { runs: 2, failed: 2, flaky: false },
        others: Others { passed: 8, failed: 1, flaky: 1 },
    };
    verified.history.insert("unit: suite: a".to_owned(), past);
    verified.notes.push("edits that are not committed are left out: x".to_owned());
    expect![[r#"
        HEAD at aaaaaaaaaa, without 3 paths of target.verification.ignore: fails: 0 passed, 2 failed, 1 skipped
          unit  failed     1.2s  read as tap: 0 passed, 2 failed, 1 skipped
          lint  not run    0.0s  exit code only: name a format or reports to see tests
            exit code 127
            | sh: lint: not found
            output: /logs/1/out.log
        compared with
        aaaaaaaaaa (where it left main): fails: 2 passed, 1 failed
          verified before, nothing was run: this is the stored result of 1970-01-02T00:00Z (snapshot cccccccccccc); `--fresh` runs it again
          unit  failed     1.2s  read as tap: 2 passed, 1 failed
            output: not on this disk any more; `--fresh` runs the stage again
        verdict: hurt, may not land (gate no-regression)
          - 1 test passed before and fails now: unit: suite: a
          - 1 test disappeared: unit: suite: b
          - 1 stage could not run, which never counts as passed: lint: exit code 127 (new stage)
          - 1 test failed before this change too (pre-existing): unit: suite: red
        in stored runs
          unit: suite: a: failed in 2 of 2 runs of this tree; other trees: passed in 8, failed in 1, flaky in 1; first failure in any tree 1970-01-01T00:00Z, last 1970-01-02T00:00Z
        note: edits that are not committed are left out: x
        HEAD may not land: hurt: 1 test passed before and fails now: unit: suite: a
    "#]]
    .assert_eq(&text(&verified, false));
    assert_eq!(text(&verified, true).lines().count(), 1);
    assert!(!verified.passes_gate());
}

#[test]
fn alone_only_what_passes_passes() {
    let outcomes = [(StageOutcome::Passed, true), (StageOutcome::Failed, false), (StageOutcome::NotRun, false)];
    for (outcome, passes) in outcomes {
        assert_eq!(alone(vec![silent("a", outcome, None, None, "")]).passes_gate(), passes);
    }
    assert!(!alone(Vec::new()).passes_gate());
}

#[test]
fn p12_no_name_steers_a_terminal_or_breaks_a_line() {
    let mut verified = alone(vec![stage("unit", &[(HOSTILE, TestStatus::Failed)])]);
    verified.after.asked = HOSTILE.to_owned();
    verified.notes.push(HOSTILE.to_owned());
    verified.after.snapshot.stages.push(silent("x", StageOutcome::Failed, Some(1), Some(HOSTILE), HOSTILE));
    let text = text(&verified, false);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("::")), "{text}");
}

#[test]
fn json_has_every_key_whatever_there_is() {
    use TestStatus::Passed;
    let keys = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let (bare, full) = (as_json(&alone(Vec::new())), as_json(&against(vec![stage("u", &[("a", Passed)])], Vec::new())));
    assert_eq!(keys(&bare), keys(&full));
    assert_eq!(keys(&bare["rev"]), keys(&full["rev"]));
    assert_eq!((&bare["schema"], &bare["base"], &bare["delta"]), (&json!(1), &Value::Null, &Value::Null));
    assert_eq!(full["delta"]["removed"], json!(["u: suite: a"]));
    let documented = include_str!("../../docs/verify.md");
    let mut open = vec![&full];
    while let Some(value) = open.pop() {
        for (key, value) in value.as_object().into_iter().flatten() {
            assert!(documented.contains(&format!("`{key}`")), "docs/verify.md says nothing of `{key}`");
            open.push(value);
        }
        open.extend(value.as_array().into_iter().flatten());
    }
}
