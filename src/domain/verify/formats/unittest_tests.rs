//! unittest as recorded, by other versions of Python, and cut off.

use super::*;
use crate::domain::verify::formats::report::tests::prelude::*;

const PASS: &str = include_str!("../../../../tests/data/outputs/unittest/pass.txt");
const FAIL: &str = include_str!("../../../../tests/data/outputs/unittest/fail.txt");
const IMPORT: &str = include_str!("../../../../tests/data/outputs/unittest/import.txt");
const SETUP: &str = include_str!("../../../../tests/data/outputs/unittest/setup.txt");
const SETUP_SKIP: &str = include_str!("../../../../tests/data/outputs/unittest/setup-skip.txt");
const DOTS: &str = include_str!("../../../../tests/data/outputs/exit/unittest-dots.txt");

fn read(output: &str) -> TestResults {
    parse_output(output).into_test_results("unittest")
}

#[test]
fn p8_exit_code_and_report_must_both_be_content() {
    assert_eq!(conclude(Format::Auto, 0, PASS), (Format::Unittest, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Auto, 0, FAIL), (Format::Unittest, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, IMPORT), (Format::Unittest, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, PASS), (Format::Unittest, StageOutcome::Failed, false));
    assert_eq!(conclude(Format::Auto, 0, DOTS), (Format::Exit, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Unittest, 0, DOTS), (Format::Unittest, StageOutcome::Failed, false));
}

#[test]
fn identity_does_not_depend_on_the_version_of_python() {
    let older = PASS.replace(".test_adds)", ")").replace(".test_known)", ")").replace(".test_said)", ")");
    let older = older.replace(".test_skipped)", ")").replace(".test_grüße)", ")");
    assert!(older.contains("test_adds (test_demo.TestDemo) ... ok"));
    assert_eq!(read(&older), read(PASS));
}

#[test]
fn a_result_may_come_lines_after_its_test() {
    let output = "test_a (m.C.test_a) ... printed\nmore\nok\ntest_b (m.C.test_b)\nSays ... so. ... FAIL\n\
                  test_c (m.C.test_c) ... skipped \"it's off\"\n\n\
                  ----------------------------------------------------------------------\nRan 3 tests in 0.001s\n\n\
                  FAILED (failures=1, skipped=1)\n";
    let results = read(output);
    let statuses: Vec<_> = results.tests.iter().map(|test| test.status).collect();
    assert_eq!((results.problem, statuses), (None, vec![Passed, Failed, Skipped]));
}

/// A run of tests that all passed.
fn passed(lines: &str, ran: u64) -> TestResults {
    read(&format!("{lines}\n\n{RULE}\nRan {ran} tests in 0.001s\n\nOK\n"))
}

#[test]
fn p8_what_a_test_prints_stands_for_no_other_test() {
    let new =
        passed("test_new (m.C.test_new) ... \ntest_gone (m.C.test_gone) ... ok\nok\ntest_b (m.C.test_b) ... ok", 2);
    assert_eq!((names(&new), new.problem), (["m.C: test_new", "m.C: test_b"].map(str::to_owned).to_vec(), None));
    // Printed between two tests, while the result of a third cannot be read.
    let lost = passed("gone (m.C.gone) ... ok\ntest_b (m.C.test_b) ... ok\ntest_new (m.C.test_new) ... xok", 2);
    assert!(lost.problem.unwrap().starts_with("no result of `test_new`"));
}

#[test]
fn a_description_is_no_test() {
    let described = passed("test_a (m.C.test_a)\ntest_b (m.C.test_b) ... ok\ntest_c (m.C.test_c)\nSays (so) ... ok", 2);
    assert_eq!(names(&described), ["m.C: test_a", "m.C: test_c"]);
    assert_eq!(described.problem.as_deref(), Some("`test_a` is described as another test, or printed before one"));
    // Printed words in brackets hide no test.
    let printed =
        passed("retry (1)\nuses (a.b)\nmore\ntest_a (m.C.test_a) ... ok\ntest_c (m.C.test_c)\nSays (so) ... ok", 2);
    assert_eq!((names(&printed), printed.problem), (["m.C: test_a", "m.C: test_c"].map(str::to_owned).to_vec(), None));
}

#[test]
fn parts_of_a_described_test_count() {
    let lines = "test_c (m.C.test_c)\nA line ... \n  test_c (m.C.test_c) (i=1)\nA line ... FAIL\n  test_c (m.C.test_c) (i=2)\n\
                 A line ... ok\ntest_d (m.C.test_d) ... ok\n\n======================================================================\n\
                 FAIL: test_c (m.C.test_c) (i=1)\nA line\n";
    let results = read(&format!("{lines}{RULE}\nTraceback\n\n{RULE}\nRan 2 tests in 0.001s\n\nFAILED (failures=1)\n"));
    let statuses: Vec<_> = results.tests.iter().map(|test| (test.name.as_str(), test.status)).collect();
    assert_eq!((results.problem, statuses), (None, vec![("test_c", Failed), ("test_d", Passed)]));
}

#[test]
fn a_report_fails_its_test_whatever_its_line_says() {
    let results = read(SETUP);
    let tests: Vec<_> = results.tests.iter().map(|test| (test.name.as_str(), test.status)).collect();
    let wanted = [
        ("test_b", Passed),
        ("test_both", Failed),
        ("test_fakes", Failed),
        ("test_p", Failed),
        ("(whole suite)", Failed),
    ];
    assert_eq!((results.problem, tests), (None, wanted.to_vec()));
    for (from, to) in [("errors=4", "errors=5"), ("errors=4", "errors=3"), ("failures=2", "failures=1")] {
        assert!(read(&SETUP.replace(from, to)).problem.is_some(), "{to}");
    }
    let unreported = SETUP.replace("ERROR: test_fakes (", "ERROR: ");
    assert!(read(&unreported).problem.is_some(), "an error that no test is known by");
    let rule = "=".repeat(70);
    let quoted = PASS.replace(RULE, &format!("{rule}\nnote\nFAIL: test_adds (test_demo.TestDemo.test_adds)\n\n{RULE}"));
    assert_eq!(read(&quoted), read(PASS), "a report stands below its rule");
}

#[test]
fn a_class_or_module_that_is_skipped_is_no_test() {
    assert_eq!(conclude(Format::Auto, 0, SETUP_SKIP), (Format::Unittest, StageOutcome::Passed, false));
    assert_eq!(names(&read(SETUP_SKIP)), ["test_setup.B: test_b"]);
    let module = SETUP_SKIP.replace("setUpClass (test_setup.A)", "setUpModule (test_other)");
    assert_eq!(read(&module), read(SETUP_SKIP));
}

#[test]
fn two_runs_are_read_together() {
    let results = read(&format!("{PASS}{FAIL}"));
    assert_eq!((results.problem, results.tests.len()), (None, read(PASS).tests.len() + read(FAIL).tests.len()));
}

#[test]
fn a_report_that_is_not_whole_is_a_problem() {
    let first = PASS.split_inclusive('\n').next().unwrap();
    cut_off(PASS, read);
    for (output, problem) in [
        (first, "no summary after the last test: the run was cut off"),
        (&PASS.replacen(first, "", 1), "6 tests ran, the results of 5 were read"),
        (&FAIL.replace("failures=2", "failures=3"), "8 tests ran, the results of 8 were read"),
        ("", "no results of unittest in the output"),
        (DOTS, "the output counts tests without naming them: run unittest with -v"),
    ] {
        assert_eq!(read(output).problem.as_deref(), Some(problem), "{output}");
    }
}

#[test]
fn words_alone_are_not_recognised() {
    for output in ["Ran 3 tests in 0.1s\n\nOK\n", "OK\n", "uses (a fine) ... notation\n", "a (b) ... maybe\n"] {
        assert_eq!(detect_format(output), None, "{output}");
    }
    assert_eq!(names(&read(IMPORT))[0], "test_bad: (whole suite)");
}

#[test]
fn hostile_output_is_read_in_bounds() {
    bounds(read, "", |n| format!("t{n} (m.C.t{n}) ... ok\n"));
}

proptest! {
    #[test]
    fn any_text_is_read(output in "((t \\(m\\.C\\.t\\)| \\.\\.\\. |ok|FAIL|ERROR: |setUpClass \\(m\\.C\\)|-{70}|={70}|Ran 1 test in 0\\.1s|OK|FAILED \\(failures=1\\)|é|\\x00|  )|\\n){0,60}") {
        let _ = parse_output(&output).is_recognized();
        let _ = read(&output);
    }

    #[test]
    fn every_result_of_a_well_formed_report_is_found(passed in proptest::collection::vec(any::<bool>(), 1..40)) {
        let line = |(n, ok): (usize, &bool)| format!("t{n} (m.C.t{n}) ... {}\n", if *ok { "ok" } else { "FAIL" });
        let bad = passed.iter().filter(|ok| !**ok).count();
        let verdict = if bad > 0 { format!("FAILED (failures={bad})") } else { "OK".to_owned() };
        let results = read(&format!(
            "{}\n{RULE}\nRan {} tests in 0.001s\n\n{verdict}\n",
            passed.iter().enumerate().map(line).collect::<String>(), passed.len(),
        ));
        prop_assert_eq!(results.problem, None);
        let read: Vec<bool> = results.tests.iter().map(|test| test.status == Passed).collect();
        prop_assert_eq!(read, passed);
    }
}
