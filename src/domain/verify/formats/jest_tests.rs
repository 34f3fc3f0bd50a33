//! jest as recorded, with odd trees, and cut off.

use super::*;
use crate::domain::verify::formats::report::tests::prelude::*;

const PASS: &str = include_str!("../../../../tests/data/outputs/jest/pass.txt");
const FAIL: &str = include_str!("../../../../tests/data/outputs/jest/fail.txt");
const EXIT: &str = include_str!("../../../../tests/data/outputs/jest/exit.txt");
const FILES: &str = include_str!("../../../../tests/data/outputs/exit/jest-files.txt");
const FILES_FAIL: &str = include_str!("../../../../tests/data/outputs/jest/files-fail.txt");

fn read(output: &str) -> TestResults {
    parse_output(output).into_test_results("jest")
}

#[test]
fn p8_exit_code_and_report_must_both_be_content() {
    assert_eq!(conclude(Format::Auto, 0, PASS), (Format::Jest, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Auto, 0, FAIL), (Format::Jest, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, FAIL), (Format::Jest, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, PASS), (Format::Jest, StageOutcome::Failed, false));
    assert_eq!(
        conclude(Format::Auto, 0, EXIT),
        (Format::Jest, StageOutcome::Failed, false),
        "process.exit(0) in a test"
    );
    assert_eq!(conclude(Format::Auto, 0, FILES), (Format::Exit, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Auto, 0, FILES_FAIL), (Format::Jest, StageOutcome::Failed, false));
}

#[test]
fn a_tree_may_go_down_and_up_again() {
    let output = "PASS client src/a.test.js (5.2 s)\n  ✓ one (3 ms)\n  a\n    b\n      ✓ two\n    ✓ three (1.2 s)\n  ✓ four\n\n\
                  Test Suites: 1 passed, 1 total\nTests:       4 passed, 4 total\n";
    let results = read(output);
    assert_eq!(results.problem, None);
    let tests = ["one", "a > b > two", "a > three", "four"];
    assert_eq!(names(&results), tests.map(|test| format!("client src/a.test.js: {test}")));
}

#[test]
fn signs_and_lines_of_names_are_part_of_them() {
    let tests = |tree: &str, count: usize| {
        let end = format!("Test Suites: 1 passed, 1 total\nTests:       {count} passed, {count} total\n");
        read(&format!("PASS a.test.js\n{tree}\n\n{end}"))
    };
    let signs = tests("  ✓ block\n    ✓ one (1 ms)\n  ✓ ✓ two\n    ✕ deep\n      ✓ three", 2);
    let named = ["a.test.js: ✓ block > one", "a.test.js: ✓ ✓ two > ✕ deep > three"].map(str::to_owned).to_vec();
    assert_eq!((names(&signs), signs.problem), (named, None));
    let lines = tests("  ✓ one\nmore (1 ms)\n  ✓ one\nother (2 ms)\n  ✓ last", 3);
    let named = ["one more", "one other", "last"].map(|name| format!("a.test.js: {name}")).to_vec();
    assert_eq!((names(&lines), lines.problem), (named, None));
    let lost = tests("  ✓ one\n  more (1 ms)\n  ✓ two", 2);
    assert_eq!(lost.problem.as_deref(), Some("`more (1 ms)` is no test and has none"));
    let cut = tests("  ✓ one\n\nmore\n  ✓ two", 2);
    assert!(cut.problem.is_some(), "a name with an empty line ends what can be read");
}

#[test]
fn failures_that_are_told_again_are_not_further_suites() {
    let end = "Summary of all failing tests\nFAIL red.test.js\n  ● red › is red\n\n    no\n\nTest Suites: ";
    let output = FAIL.replace("Test Suites: ", end);
    assert_ne!(output, FAIL);
    assert_eq!(read(&output), read(FAIL));
}

#[test]
fn two_runs_are_read_together() {
    let results = read(&format!("{PASS}{FAIL}"));
    assert_eq!((results.problem, results.tests.len()), (None, read(PASS).tests.len() + read(FAIL).tests.len()));
}

#[test]
fn a_report_that_is_not_whole_is_a_problem() {
    cut_off(PASS, read);
    for (output, problem) in [
        ("", "no results of jest in the output"),
        (&PASS.replacen("  ✓ adds (2 ms)\n", "", 1), "10 tests by the last lines, 9 were read"),
        (&PASS.replacen("  ✓ adds", "  adds", 1), "`adds (2 ms)` is no test and has none"),
        (
            &PASS.replace("Test Suites: 2 passed, 2 total", "Test Suites: 1 failed, 1 of 2 total"),
            "not all of 2 files were run",
        ),
        (FILES, "the output counts tests without naming them: run jest with --verbose"),
        (EXIT, "a test called process.exit"),
        (
            "FAIL a.test.js\n  ● Test suite failed to run\n\n    no\n\nTest Suites: 1 failed, 1 total\nTests:       0 total\n",
            "no test ran; could not run a.test.js",
        ),
    ] {
        assert_eq!(read(output).problem.as_deref(), Some(problem), "{output}");
    }
}

#[test]
fn words_alone_are_not_recognised() {
    for output in ["PASS a.test.js\n", "Tests: 3 passed, 3 total\n", "  ✓ adds\n", "PASS\n"] {
        assert_eq!(detect_format(output), None, "{output}");
    }
}

#[test]
fn hostile_output_is_read_in_bounds() {
    bounds(read, "PASS a.test.js\n", |n| format!("  ✓ t{n}\n"));
}

proptest! {
    #[test]
    fn any_text_is_read(output in "((PASS |FAIL |a\\.test\\.js|  |✓ |✕ |○ skipped |block| \\(3 ms\\)|Test Suites: |Tests: |1 passed, |1 total|  ● Test suite failed to run|é|\\x00)|\\n){0,60}") {
        let _ = parse_output(&output).is_recognized();
        let _ = read(&output);
    }

    #[test]
    fn every_result_of_a_well_formed_report_is_found(statuses in proptest::collection::vec((0usize..3, 0usize..3), 1..40)) {
        let signs = ["✓", "✕", "○ skipped"];
        let mut lines = String::new();
        for (n, (status, depth)) in statuses.iter().enumerate() {
            for level in 0..*depth {
                lines += &format!("{}block {n} {level}\n", "  ".repeat(level + 1));
            }
            lines += &format!("{}{} t{n} (1 ms)\n", "  ".repeat(depth + 1), signs[*status]);
        }
        let count = |wanted| statuses.iter().filter(|(s, _)| *s == wanted).count();
        prop_assume!(count(0) > 0);
        let results = read(&format!(
            "FAIL a.test.js\n{lines}\nTest Suites: 1 failed, 1 total\nTests:       {} failed, {} skipped, {} passed, {} total\n",
            count(1), count(2), count(0), statuses.len(),
        ));
        let unnamed = count(1) == 0;
        prop_assert_eq!(results.problem.is_some(), unnamed, "a failed file without a failed test");
        let read: Vec<_> = results.tests.iter().map(|test| test.status).collect();
        let wanted: Vec<_> = statuses.iter().map(|(s, _)| [Passed, Failed, Skipped][*s]).collect();
        prop_assert_eq!(read, wanted);
    }
}

/// jest 30; jest-community/jest-junit#211, jestjs/jest#3785: the tests of a file whose `afterAll` throws are counted, not printed.
#[test]
fn p8_tests_that_jest_counts_of_a_broken_file_are_that_suite() {
    let broken = "FAIL ./a.test.js\n\n\n  ● Test suite failed to run\n\n    after\n\n      at Object.<anonymous> (a.test.js:1:46)\n\n";
    let end = |failed: u64, passed: u64, tests: u64| {
        format!(
            "Test Suites: {failed} failed, {passed} passed, {} total\nTests:       {tests} passed, {tests} total\n",
            failed + passed
        )
    };
    let other = "PASS ./o.test.js\n  ✓ other (1 ms)\n\n";
    let Said::Results(both) = parse_output(&format!("{broken}{other}{}", end(1, 1, 3))) else { panic!() };
    assert_eq!((both.tests.len(), both.problem), (2, None));
    assert_eq!(both.tests[0].name, crate::domain::verify::model::results::WHOLE_SUITE);
    let Said::Results(alone) = parse_output(&format!("{broken}{}", end(1, 0, 2))) else { panic!() };
    assert_eq!((alone.tests.len(), alone.problem), (1, None));
    // Without a broken file a count that was not read is no whole report.
    let Said::Results(hidden) = parse_output(&format!("{other}{}", end(0, 1, 3))) else { panic!() };
    assert_eq!(hidden.problem.as_deref(), Some("3 tests by the last lines, 1 were read"));
}
