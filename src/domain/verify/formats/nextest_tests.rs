//! `cargo nextest run` as recorded, by other versions, and cut off.

use super::*;
use crate::domain::verify::formats::report::tests::prelude::*;

const PASS: &str = include_str!("../../../../tests/data/outputs/nextest/pass.txt");
const FAIL: &str = include_str!("../../../../tests/data/outputs/nextest/fail.txt");
const NOCAPTURE: &str = include_str!("../../../../tests/data/outputs/nextest/nocapture.txt");
const CARGO: &str = include_str!("../../../../tests/data/outputs/cargo/pass.txt");
const QUIET: &str = include_str!("../../../../tests/data/outputs/exit/nextest-quiet.txt");

fn read(output: &str) -> TestResults {
    said(output).into_test_results("cargo nextest")
}

#[test]
fn p8_exit_code_and_report_must_both_be_content() {
    assert_eq!(conclude(Format::Auto, 0, PASS), (Format::Nextest, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Auto, 0, FAIL), (Format::Nextest, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 100, FAIL), (Format::Nextest, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, PASS), (Format::Nextest, StageOutcome::Failed, false));
    assert_eq!(conclude(Format::Auto, 0, QUIET), (Format::Exit, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Nextest, 0, QUIET), (Format::Nextest, StageOutcome::Failed, false));
}

/// Written by hand after the output of 0.9.70, which has no counters and does not indent what tests print.
const OLDER: &str = "    Starting 3 tests across 1 binaries (1 skipped)
        PASS [   0.004s] demo tests::adds
  TRY 1 FAIL [   0.004s] demo tests::flaky

--- TRY 1 STDOUT:        demo tests::flaky ---

running 1 test
test tests::flaky ... FAILED

failures:

failures:
    tests::flaky

test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.00s


  TRY 2 PASS [   0.003s] demo tests::flaky
     SIGSEGV [   0.011s] demo::it dies
------------
     Summary [   0.020s] 3 tests run: 2 passed (1 flaky), 1 failed, 1 skipped
   FLAKY 2/2 [   0.003s] demo tests::flaky
     SIGSEGV [   0.011s] demo::it dies
error: test run failed
";

#[test]
fn older_versions_are_read_too() {
    let results = read(OLDER);
    let statuses: Vec<_> = results.tests.iter().map(|test| test.status).collect();
    assert_eq!((results.problem.as_deref(), statuses), (None, vec![Passed, Passed, Failed]));
    assert_eq!(names(&results), ["demo: tests::adds", "demo: tests::flaky", "demo::it: dies"]);
    assert_eq!(detect_format(OLDER), Some(Format::Nextest), "the sections of single binaries are its own");
}

#[test]
fn every_word_has_a_meaning() {
    for (word, is) in [
        ("PASS", Some(Passed)),
        ("LEAK", Some(Passed)),
        ("FLAKY 2/3", Some(Passed)),
        ("TRY 3 PASS", Some(Passed)),
        ("TRY 1 TMT", Some(Failed)),
        ("TIMEOUT", Some(Failed)),
        ("LEAK-FAIL", Some(Failed)),
        ("FLKY-FL 2/3", Some(Failed)),
        ("XFAIL", Some(Failed)),
        ("ABORT", Some(Failed)),
        ("SKIP", Some(Skipped)),
        ("TRY 2 SLOW", None),
        ("START", None),
        ("SETUP PASS", None),
        ("TRY 1", None),
    ] {
        assert_eq!(status(word), is, "{word}");
    }
}

#[test]
fn doctests_beside_it_are_read_as_neither() {
    for output in [format!("{NOCAPTURE}{CARGO}"), format!("{CARGO}{PASS}"), format!("{PASS}{CARGO}{PASS}")] {
        assert_eq!(detect_format(&output), None);
    }
    assert_eq!(detect_format(&format!("{PASS}{FAIL}")), Some(Format::Nextest), "two runs of one format");
    assert_eq!(read(&format!("{PASS}{FAIL}")).tests.len(), 16);
}

#[test]
fn a_report_that_is_not_whole_is_a_problem() {
    cut_off(PASS, read);
    let (started, _) = PASS.split_once("─\n     Summary").unwrap();
    assert_eq!(read(started).problem.as_deref(), Some("no summary line: the run was cut off"));
    let less = PASS.replacen("        PASS [   0.004s] (2/8) demo tests::adds\n", "", 1);
    assert_eq!(
        read(&less).problem.as_deref(),
        Some("8 passed and 0 failed by the summary, 7 and 0 were read"),
        "one line is missing"
    );
    assert_eq!(read("").problem.as_deref(), Some("no results of cargo nextest in the output"));
}

#[test]
fn hostile_output_is_read_in_bounds() {
    bounds(read, "    Starting 9 tests across 1 binary\n", |n| format!("        PASS [   0.004s] (1/9) demo t{n}\n"));
}

proptest! {
    #[test]
    fn any_text_is_read(output in "((    Starting 2 tests across 1 binary|        PASS \\[|  TRY 1 FAIL \\[|   0\\.004s\\] |\\(1/2\\) |     Summary \\[|2 tests run: |1 passed|, |\\(|\\)|é|───|\\x00|demo a)|\\n){0,60}") {
        let _ = said(&output).is_recognized();
        let _ = read(&output);
        let _ = text_outside(&output);
    }

    #[test]
    fn every_result_of_a_well_formed_report_is_found(passed in proptest::collection::vec(any::<bool>(), 1..40)) {
        let line = |(n, ok): (usize, &bool)| {
            format!("        {} [   0.004s] ({n}/9) demo::it m::t{n:02}\n", if *ok { "PASS" } else { "FAIL" })
        };
        let good = passed.iter().filter(|ok| **ok).count();
        // Without a passed test by name the output may be one that names failures only.
        prop_assume!(good > 0);
        let results = read(&format!(
            "    Starting {0} tests across 1 binary\n{1}     Summary [   0.1s] {0} tests run: {good} passed, {2} failed, 0 skipped\n",
            passed.len(), passed.iter().enumerate().map(line).collect::<String>(), passed.len() - good,
        ));
        prop_assert_eq!(results.problem, None);
        let read: Vec<bool> = results.tests.iter().map(|test| test.status == Passed).collect();
        prop_assert_eq!(read, passed);
    }
}
