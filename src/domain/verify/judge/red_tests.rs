//! Red bases from output and exit code to verdict: what may be older than a change, and what may not.

use crate::domain::ending::ProcessEnd;
use crate::domain::verify::judge::confirm::confirm;
use crate::domain::verify::judge::delta::compare_snapshots;
use crate::domain::verify::judge::delta::tests::snapshot;
use crate::domain::verify::judge::verdict::judge;
use crate::domain::verify::model::key::tests::stage as spec;
use crate::domain::verify::model::key::{StageKind, StageSpec};
use crate::domain::verify::model::snapshot::{Snapshot, StageResult};
use crate::domain::verify::{Demands, Gate, Judgement, StageOutcome, Verdict};

fn stage(kind: StageKind, output: &str, code: i32) -> StageResult {
    let spec = StageSpec { kind, ..spec("all", "./all") };
    StageResult::from_run(&spec, &ProcessEnd::Exited(code), output.as_bytes(), &[], 1)
}

fn tests(output: &str, code: i32) -> Snapshot {
    snapshot(vec![stage(StageKind::Tests, output, code)])
}

fn tap(failing: usize, code: i32) -> Snapshot {
    let lines: String = (0..4).map(|n| format!("{}ok - t{n}\n", if n < failing { "not " } else { "" })).collect();
    tests(&format!("1..4\n{lines}"), code)
}

fn judged(before: &Snapshot, after: &Snapshot) -> Judgement {
    let demands = Demands { gate: Gate::NoRegression, ratchet: false, allow_removed_tests: false };
    judge(&before.to_summary(), &after.to_summary(), &compare_snapshots(before, after), &demands)
}

#[track_caller]
fn refused(before: &Snapshot, after: &Snapshot, why: &str) {
    let found = judged(before, after);
    assert!(!found.lands && found.reasons[0].contains(why), "{:?}", found.reasons);
}

const PYTEST: &str = "\
=== test session starts ===
collected 2 items

test_a.py::test_one PASSED [ 50%]
test_a.py::test_two FAILED [100%]

=== 1 failed, 1 passed in 0.01s ===
";
const RUFF: &str = "a.py:1:8: F401 [*] `os` imported but unused\nFound 1 error.\n";

#[test]
fn p8_a_tool_that_breaks_is_no_failing_test_of_before() {
    let base = tests(PYTEST, 1);
    assert!(judged(&base, &tests(PYTEST, 1)).lands);
    refused(&base, &tests(PYTEST, 3), "all: exit code 3, by which the tool says that it broke: internal error");
    refused(
        &base,
        &tests(PYTEST, 2),
        "all: exit code 1 before and 2 (interrupted) now, which nothing it reports explains",
    );
    refused(&base, &tests(PYTEST, 77), "all: exit code 1 before and 77 now");
    // A code that says it broke explains nothing, the second time either.
    refused(&tests(PYTEST, 4), &tests(PYTEST, 4), "wrong usage");
    // `make` leaves with 2 whatever it was.
    assert!(judged(&tests(PYTEST, 2), &tests(PYTEST, 2)).lands);
    // What no longer breaks is no worse.
    assert!(judged(&tests(PYTEST, 3), &tests(PYTEST, 1)).lands);
    let lint = |code| snapshot(vec![stage(StageKind::Lint, RUFF, code)]);
    assert!(judged(&lint(1), &lint(1)).lands);
    refused(&lint(1), &lint(2), "all: exit code 1 before and 2 (wrong configuration or internal error) now");
}

#[test]
fn p8_of_an_unknown_runner_the_code_stays_or_counts_failures() {
    assert!(judged(&tap(2, 1), &tap(2, 1)).lands);
    assert!(judged(&tap(2, 2), &tap(1, 1)).lands);
    refused(&tap(2, 1), &tap(2, 3), "all: exit code 1 before and 3 now");
    refused(&tap(2, 0), &tap(2, 1), "all: exit code 0 before and 1 now");
    assert!(judged(&tap(2, 1), &tap(2, 0)).lands);
}

#[test]
fn a_code_that_counts_failures_is_joined_as_such() {
    let joined = confirm(&tap(3, 3), &tap(1, 1));
    assert_eq!(joined.stages[0].exit, Some(1));
    assert!(judged(&tap(2, 2), &joined).lands);
    assert_eq!(confirm(&tap(1, 1), &tap(3, 3)).stages[0].exit, Some(1));
}

#[test]
fn p8_two_failures_of_different_codes_forgive_nothing() {
    let other = "1..2\nok - t0\nnot ok - t1\n";
    let one = "1..2\nnot ok - t0\nok - t1\n";
    assert_eq!(confirm(&tests(one, 1), &tests(other, 1)).to_summary().outcome, StageOutcome::Passed);
    assert_eq!(confirm(&tests(one, 1), &tests(other, 9)).to_summary().outcome, StageOutcome::Failed);
    // Of two codes the plainer one is believed, whichever came first.
    for joined in [confirm(&tests(PYTEST, 3), &tests(PYTEST, 1)), confirm(&tests(PYTEST, 1), &tests(PYTEST, 3))] {
        assert_eq!(judged(&tests(PYTEST, 1), &joined).verdict, Verdict::Neutral);
        assert!(judged(&tests(PYTEST, 1), &joined).lands);
    }
}

#[test]
fn p1_tests_that_are_only_counted_do_not_disappear_unseen() {
    let dots = |passed: u64| tests(&format!("....\n=== {passed} passed in 0.01s ===\n"), 0);
    assert_eq!(dots(12).stages[0].counted, Some(12));
    assert!(judged(&dots(12), &dots(12)).lands);
    assert_eq!(judged(&dots(12), &dots(13)).verdict, Verdict::Helped);
    refused(&dots(12), &dots(10), "2 tests disappeared: all: (one that is only counted)");
    refused(&dots(12), &tests("....\n=== 11 passed, 1 skipped in 0.01s ===\n", 0), "1 test disappeared");
    refused(&dots(1), &tests("", 0), "1 test disappeared");
    // What gets names is still there; and what fails is said by its name.
    let named = tests(&PYTEST.replace("FAILED", "PASSED").replace("1 failed, 1 passed", "2 passed"), 0);
    assert!(judged(&dots(2), &named).lands);
    refused(&dots(3), &named, "1 test disappeared");
    // Two runners in one output: neither is read, both are counted.
    let two =
        |taps: &str| tests(&format!("{taps}{}", PYTEST.replace("FAILED", "PASSED").replace("1 failed, 1", "2")), 0);
    assert_eq!(two("1..2\nok 1\nok 2\n").stages[0].counted, Some(4));
    refused(&two("1..2\nok 1\nok 2\n"), &two("1..1\nok 1\n"), "1 test disappeared");
    refused(&two("1..2\nok 1\nok 2\n"), &two(""), "2 tests disappeared");
    // A snapshot of before the counting says nothing.
    let mut old = dots(12);
    old.stages[0].counted = None;
    assert!(judged(&old, &dots(3)).lands);
}
