//! pytest as recorded, with odd ids, nested sessions and cut off.

use super::*;
use crate::domain::verify::formats::report::tests::prelude::*;

const PASS: &str = include_str!("../../../../tests/data/outputs/pytest/pass.txt");
const PASS_SUMMARY: &str = include_str!("../../../../tests/data/outputs/pytest/pass-rA.txt");
const FAIL: &str = include_str!("../../../../tests/data/outputs/pytest/fail.txt");
const FAIL_SUMMARY: &str = include_str!("../../../../tests/data/outputs/pytest/fail-rA.txt");
const COLLECT: &str = include_str!("../../../../tests/data/outputs/pytest/collect.txt");
const DOTS: &str = include_str!("../../../../tests/data/outputs/exit/pytest-dots.txt");
const DOTS_FAIL: &str = include_str!("../../../../tests/data/outputs/pytest/dots-fail.txt");

fn read(output: &str) -> TestResults {
    parse_output(output).into_test_results("pytest")
}

#[test]
fn p8_exit_code_and_report_must_both_be_content() {
    assert_eq!(conclude(Format::Auto, 0, PASS), (Format::Pytest, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Auto, 0, FAIL), (Format::Pytest, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, FAIL_SUMMARY), (Format::Pytest, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, PASS), (Format::Pytest, StageOutcome::Failed, false));
    assert_eq!(conclude(Format::Auto, 2, COLLECT), (Format::Pytest, StageOutcome::Failed, false));
}

#[test]
fn dots_are_not_results_but_a_counted_failure_is_heard() {
    assert_eq!(conclude(Format::Auto, 0, DOTS), (Format::Exit, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Auto, 0, DOTS_FAIL), (Format::Pytest, StageOutcome::Failed, false));
    assert_eq!(conclude(Format::Pytest, 0, DOTS), (Format::Pytest, StageOutcome::Failed, false));
    assert_eq!(read(DOTS_FAIL).tests, [], "names of failures alone would seem removed once they pass");
}

#[test]
fn result_lines_and_short_summary_name_the_same_tests() {
    let sorted = |output| {
        let mut names: Vec<String> =
            read(output).tests.iter().map(|t| format!("{}::{}: {:?}", t.suite, t.name, t.status)).collect();
        names.sort();
        names
    };
    let lines: Vec<String> = sorted(FAIL).into_iter().filter(|name| !name.contains("Skipped")).collect();
    assert_eq!(sorted(FAIL_SUMMARY), lines);
    assert_eq!(read(PASS_SUMMARY).tests.len(), 7, "skipped tests have no names there");
}

#[test]
fn ids_may_hold_blanks_dashes_brackets_and_words() {
    for (line, node) in [
        ("a.py::t[a - b] - AssertionError: x - y", "a.py::t[a - b]"),
        ("a.py::t[[x]] - no", "a.py::t[[x]]"),
        ("a b.py::C::t - no", "a b.py::C::t"),
        ("a.py::t", "a.py::t"),
        ("a.py - ImportError", "a.py"),
    ] {
        assert_eq!(node_of(line), node);
    }
    for (line, is) in [
        ("a.py::t[x PASSED] PASSED", Some(("a.py::t[x PASSED]", Event::Passed))),
        ("a.py::t SKIPPED (see b.py::u XFAIL (no))", Some(("a.py::t", Event::Skipped))),
        ("a.py::t SUBFAILED[part one] (i=1)", Some(("a.py::t", Event::SubFailed))),
        ("a.py::t printed b.py::u PASSED", None),
        ("a.py::t[x PASSED]", None),
        ("all PASSED", None),
    ] {
        assert_eq!(parse_verbose(line), is, "{line}");
    }
    assert_eq!(without_progress("a.py::t PASSED   [ 50%]"), "a.py::t PASSED");
    assert_eq!(without_progress("a.py::t PASSED   [ 1/12]"), "a.py::t PASSED");
    assert_eq!(without_progress("a.py::t[5 6]"), "a.py::t[5 6]");
}

#[test]
fn sessions_inside_captured_output_are_not_read() {
    let nested = FAIL.replace("FAILED test_red.py::test_fake - no\n___", &format!("{PASS}___"));
    assert_ne!(nested, FAIL);
    assert_eq!(read(&nested), read(FAIL));
}

/// What `pytest -v -s` prints of tests, with `summary` in its last line.
fn uncaptured(lines: &str, summary: &str) -> String {
    format!("=== test session starts ===\ncollected 2 items\n\n{lines}\n=== {summary} in 0.01s ===\n")
}

#[test]
fn p8_what_a_test_prints_stands_for_no_other_test() {
    let names = |lines: &str, summary: &str| names(&read(&uncaptured(lines, summary)));
    // `new` prints the line of a test that is gone.
    let fake = "a.py::new foo\n\na.py::gone PASSED\nPASSED\na.py::kept PASSED";
    assert_eq!(names(fake, "2 passed"), ["a.py: new", "a.py: kept"]);
    // Its own result cannot be read beside what it prints: that is not the whole truth.
    for lines in [
        "a.py::kept PASSED\na.py::new foo\n\na.py::gone PASSED\nxPASSED",
        "a.py::gone PASSED\na.py::kept PASSED\na.py::new xPASSED",
        "a.py::new foo\nPASSED\na.py::gone PASSED\na.py::kept PASSED\nPASSED",
    ] {
        assert!(read(&uncaptured(lines, "2 passed")).problem.is_some(), "{lines}");
    }
    // Words with `::` in them are no test.
    let words = "a.py::new std::vector\nstd::vec is\nPASSED\na.py::kept PASSED";
    assert_eq!(names(words, "2 passed"), ["a.py: new", "a.py: kept"]);
}

#[test]
fn an_internal_error_is_a_problem_whatever_the_last_line_counts() {
    let lines = "a.py::one PASSED\na.py::two \nINTERNALERROR> Traceback (most recent call last):";
    let problem = read(&uncaptured(lines, "1 passed")).problem;
    assert_eq!(problem.as_deref(), Some("pytest had an internal error"));
}

#[test]
fn two_sessions_are_read_together() {
    let both = format!("{PASS}\n{FAIL}");
    let results = read(&both);
    assert_eq!((results.problem, results.tests.len()), (None, read(PASS).tests.len() + read(FAIL).tests.len()));
}

#[test]
fn a_report_that_is_not_whole_is_a_problem() {
    cut_off(PASS, read);
    cut_off(PASS_SUMMARY, read);
    for (output, problem) in [
        (COLLECT, "Interrupted: 1 error during collection"),
        (
            &PASS.replace("6 passed", "7 passed"),
            &format!("8 tests were read, which are not those that the last line counts: {HINT}"),
        ),
        ("", "no results of pytest in the output"),
        (DOTS, &format!("the output counts tests without naming them: {HINT}")),
        ("==== 1 error in 0.01s ====\n", &format!("the output counts tests without naming them: {HINT}")),
        (
            "=== ERRORS ===\n___ ERROR collecting a.py ___\n=== 1 error in 0.01s ===\n",
            "no test ran; could not run a.py",
        ),
    ] {
        assert_eq!(read(output).problem.as_deref(), Some(problem), "{output}");
    }
}

#[test]
fn the_last_line_is_known_by_its_form() {
    for line in ["3 passed in 0.12s", "1 failed, 2 warnings in 61.30s (0:01:01)", "no tests ran in 0.01s"] {
        assert!(parse_summary(line).is_some(), "{line}");
    }
    for line in ["3 passed", "3 passed in May", "8 tests collected in 0.01s", "we passed in 0.1s", "3 passed, in 1s"] {
        assert!(parse_summary(line).is_none(), "{line}");
    }
    assert_eq!(detect_format("3 passed in 0.12s\n"), None);
}

#[test]
fn hostile_output_is_read_in_bounds() {
    bounds(read, "=== test session starts ===\n", |n| format!("a.py::t{n} PASSED\n"));
}

proptest! {
    #[test]
    fn any_text_is_read(output in "((=== |test session starts|short test summary info| ===|a\\.py::t|\\[x| - |\\]| PASSED|FAILED |\\[gw0\\] \\[ 5%\\] |1 passed| in 0\\.1s|!!! |SUBFAILED\\[|é|\\x00)|\\n){0,60}") {
        let _ = parse_output(&output).is_recognized();
        let _ = read(&output);
    }

    #[test]
    fn every_result_of_a_well_formed_report_is_found(passed in proptest::collection::vec(any::<bool>(), 1..40), xdist in any::<bool>()) {
        let line = |(n, ok): (usize, &bool)| {
            let word = if *ok { "PASSED" } else { "FAILED" };
            if xdist { format!("[gw1] [ 5%] {word} a.py::t[{n}] \n") } else { format!("a.py::t[{n}] {word}   [ 5%]\n") }
        };
        let good = passed.iter().filter(|ok| **ok).count();
        let results = read(&format!(
            "=== test session starts ===\n{}\n=== {} failed, {good} passed in 0.03s ===\n",
            passed.iter().enumerate().map(line).collect::<String>(), passed.len() - good,
        ));
        prop_assert_eq!(results.problem.as_deref(), None);
        let read: Vec<_> = results.tests.iter().map(|test| test.status).collect();
        let wanted: Vec<_> = passed.iter().map(|ok| if *ok { Passed } else { Failed }).collect();
        prop_assert_eq!(read, wanted);
    }
}
