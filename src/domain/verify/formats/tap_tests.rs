//! TAP as runners write it, as it should not be, and as an enemy would.

use super::TestStatus::{Failed, Passed, Skipped};
use super::*;
use crate::domain::ending::ProcessEnd;
use crate::domain::verify::StageOutcome;
use crate::domain::verify::formats::{self, Format, NAME_LIMIT, detect_format};
use crate::domain::verify::model::key::StageSpec;
use crate::domain::verify::model::key::tests::stage as spec;
use crate::domain::verify::model::snapshot::StageResult;
use proptest::prelude::*;

fn names(output: &str) -> Vec<(String, TestStatus)> {
    read(output).tests.into_iter().map(|test| (test.name, test.status)).collect()
}

fn conclude(format: Format, end: ProcessEnd, output: &[u8]) -> StageResult {
    StageResult::from_run(&StageSpec { format, ..spec("unit", "./test") }, &end, output, &[], 1)
}

#[test]
fn a_plain_report() {
    let output = "> app@1 test\nTAP version 13\n# comment\nok 1 - adds\nnot ok 2 - it's #1 in C#\nok 3 slow # SKIP no net\n\
                  not ok 4 later # todo\nok 5 now # TODO\nok\n1..6\n";
    let results = read(output);
    assert_eq!(results.problem, None);
    let wanted = [
        ("adds", Passed),
        ("it's #1 in C#", Failed),
        ("slow", Skipped),
        ("later", Skipped),
        ("now", Passed),
        ("(no description)", Passed),
    ];
    assert_eq!(names(output), wanted.map(|(name, status)| (name.to_owned(), status)));
}

#[test]
fn a_directive_is_a_whole_word_behind_a_blank() {
    for (line, wanted) in [
        ("ok 2 - page has #skip-link", ("page has #skip-link", Passed)),
        ("not ok 2 - page has #skip-link", ("page has #skip-link", Failed)),
        ("not ok a # todos", ("a # todos", Failed)),
        ("not ok a # skip_all", ("a # skip_all", Failed)),
        ("not ok a # skipper", ("a # skipper", Failed)),
        ("not ok a#skip", ("a#skip", Failed)),
        ("not ok a \\# skip", ("a \\# skip", Failed)),
        ("not ok a #skip-link # SKIP off", ("a #skip-link", Skipped)),
        ("ok a #skip", ("a", Skipped)),
        ("ok a # Skipped: off", ("a", Skipped)),
        ("ok a # skipping off", ("a", Skipped)),
        ("not ok a # TODO: later", ("a", Skipped)),
        ("ok 1 # SKIP", ("(no description)", Skipped)),
    ] {
        assert_eq!(names(&format!("1..1\n{line}\n")), [(wanted.0.to_owned(), wanted.1)], "{line}");
    }
}

#[test]
fn identity_is_without_number_and_duration() {
    let first = names("1..2\nok 1 - a # time=12.3ms\nok 2 - 7 dwarfs\n");
    let second = names("1..2\nok 9 a # time=9ms\nok 1 7 dwarfs\r\n");
    assert_eq!(first, second);
    assert_eq!(first[1].0, "7 dwarfs");
    let timed = "1..3\nok 1 b in 4ms\nnot ok 2 waits in 5s in 1sec\nok 3 c # skip\n";
    assert_eq!(names(timed), names(&timed.replace("4ms", "120ms").replace("1sec", "900ms")));
    assert_eq!(names(timed)[1].0, "waits in 5s");
}

#[test]
fn what_all_tests_do_not_end_in_is_no_duration() {
    let ends = names("1..4\nok 1 waits in 5s\nok 2 waits in 10s\nok 3 stops in 5ms\nok 4 stops in 9ms\n");
    let ends: Vec<_> = ends.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(ends, ["waits in 5s", "waits in 10s", "stops in 5ms", "stops in 9ms"]);
    let paths = names("1..2\nok 1 /home/me/a/x.js\nok 2 /home/me/b/x.js\n");
    assert_eq!((paths[0].0.as_str(), paths[1].0.as_str()), ("a/x.js", "b/x.js"));
}

#[test]
fn subtests_are_joined_to_their_parent() {
    let output = "TAP version 14\n# Subtest: math\n    # Subtest: deep\n        ok 1 - one\n        1..1\n    ok 1 - deep\n    \
                  not ok 2 - two\n      ---\n      stack: |\n        ok 7 - not a test\n      ...\n    1..2\nnot ok 1 - math\n1..1\n";
    assert_eq!(read(output).problem, None);
    let wanted = [("math > deep > one", Passed), ("math > deep", Passed), ("math > two", Failed), ("math", Failed)];
    assert_eq!(names(output), wanted.map(|(name, status)| (name.to_owned(), status)));
}

#[test]
fn buffered_subtests_are_joined_too() {
    let output = "TAP version 14\nok 1 - a {\n    ok 1 - x\n    1..1\n}\nnot ok 2 - b\n  ---\n  why: x\n  ...\n{\n    not ok 1 - y\n    \
                  1..1\n}\nok 3 - opens {\nok 4 - c\n1..4\n";
    let wanted = [("a > x", Passed), ("a", Passed), ("b", Failed), ("b > y", Failed), ("opens", Passed), ("c", Passed)];
    assert_eq!(names(output), wanted.map(|(name, status)| (name.to_owned(), status)));
    assert_eq!(read(output).problem, None);
}

#[test]
fn a_report_that_is_not_whole_is_a_problem() {
    for (output, problem) in [
        ("1..3\nok 1\nok 2\n", "3 tests planned, 2 reported"),
        ("1..1\nok 1\nok 2\n", "1 tests planned, 2 reported"),
        ("TAP version 13\nok 1\n", "no plan line"),
        ("", "no TAP in the output"),
        ("1..2\nok 1\nBail out! database gone\nok 2\n", "bail out: database gone"),
        ("1..1\n    ok 1\n    1..2\nok 1 - p\n", "subtest `p`: 2 tests planned, 1 reported"),
        ("1..1\nok 1 - p\n    not ok 1 - q\n", "the last subtest was not finished"),
    ] {
        assert_eq!(read(output).problem.as_deref(), Some(problem), "{output}");
        let stage = conclude(Format::Tap, ProcessEnd::Exited(0), output.as_bytes());
        assert_eq!(stage.outcome, StageOutcome::Failed, "{output}");
    }
    assert_eq!(read("1..0 # SKIP nothing here\n"), TestResults::default());
    assert_eq!(read("1..1\nok 1 a\n1..2\nok 1 b\nok 2 c\n").problem, None, "two documents in one output");
}

#[test]
fn p8_exit_code_and_report_must_both_be_content() {
    let good = b"1..1\nok 1 a\n".as_slice();
    let bad = b"1..1\nnot ok 1 a\n".as_slice();
    let outcome = |end, output| conclude(Format::Auto, end, output).outcome;
    assert_eq!(outcome(ProcessEnd::Exited(0), good), StageOutcome::Passed);
    assert_eq!(outcome(ProcessEnd::Exited(0), bad), StageOutcome::Failed);
    assert_eq!(outcome(ProcessEnd::Exited(1), good), StageOutcome::Failed);
    assert_eq!(conclude(Format::Exit, ProcessEnd::Exited(0), bad).outcome, StageOutcome::Passed);
}

#[test]
fn p7_what_could_not_run_is_not_run() {
    for end in [
        ProcessEnd::Exited(126),
        ProcessEnd::Exited(127),
        ProcessEnd::Signaled(9),
        ProcessEnd::Timeout,
        ProcessEnd::Infrastructure("no such file".to_owned().into()),
    ] {
        let stage = conclude(Format::Auto, end, b"1..1\nok 1 a\n");
        assert_eq!(stage.outcome, StageOutcome::NotRun);
        assert!(!stage.failure_reason().is_empty());
    }
}

#[test]
fn nothing_is_recognised_by_words() {
    for output in [
        "ok  \texample.com/pkg\t0.003s\n",
        "not ok at all\n",
        "1..3 little pigs\nok then\n",
        "    1..1\n    ok 1\n",
        "all tests ok\n1..4\n",
        "TAP version 99\n",
    ] {
        assert_eq!(detect_format(output), None, "{output}");
        assert_eq!(
            formats::read(Format::Auto, output),
            (Format::Exit, crate::domain::verify::model::results::Reading::default())
        );
    }
    assert_eq!(detect_format("okay\n1..1\nok 1 - x\n"), Some(Format::Tap));
}

#[test]
fn hostile_output_is_read_in_bounds() {
    let long = format!("1..2\nok 1 - {}\nok 2 - {}b\n", "a".repeat(50_000_000), "a".repeat(400));
    let results = read(&long);
    assert_eq!(results.tests.len(), 2);
    assert!(results.tests.iter().all(|test| test.name.len() <= NAME_LIMIT));
    assert_ne!(results.tests[0].name, results.tests[1].name);

    let many = "ok\n".repeat(3 * RESULTS_LIMIT);
    let results = read(&many);
    assert_eq!(results.tests.len(), RESULTS_LIMIT);
    assert!(results.problem.is_some());

    let deep: String = (0..2000).map(|depth| format!("{}ok {depth}\n", " ".repeat(4 * depth))).collect();
    assert!(read(&deep).problem.is_some());

    let stage = conclude(Format::Auto, ProcessEnd::Exited(0), b"1..2\nok 1 - \xff\xfe\0x\n\0\nok 2 - y\n");
    assert_eq!(stage.outcome, StageOutcome::Passed);
    assert!(!stage.test_name("", &stage.tests.clone().unwrap().tests[0].name).contains('\0'));
}

proptest! {
    #[test]
    fn any_text_is_read(output in "((ok|not ok|1\\.\\.|#| |\\{|\\}|---|\\.\\.\\.|[0-9]|TODO|Bail out!|é|\\x00|\\\\)|\\n){0,60}") {
        let _ = detect_format(&output);
        let _ = read(&output);
    }

    #[test]
    fn every_result_of_a_well_formed_report_is_found(statuses in proptest::collection::vec(any::<bool>(), 1..40)) {
        let lines: String = statuses.iter().enumerate()
            .map(|(n, ok)| format!("{} {} - t{n}\n", if *ok { "ok" } else { "not ok" }, n + 1)).collect();
        let results = read(&format!("1..{}\n{lines}", statuses.len()));
        prop_assert_eq!(results.problem, None);
        let read: Vec<bool> = results.tests.iter().map(|test| test.status == Passed).collect();
        prop_assert_eq!(read, statuses);
    }
}

/// As prove 3.44 prints it; freebsd/kyua#90, dhershman1/tap-junit#44.
#[test]
fn p8_what_prove_says_of_a_file_is_no_test() {
    let plain = "t/a.t .. \n1..2\nok 1 - works\nok 2 - also\nok\nt/b.t .. \n1..2\nok 1 - works\nok\nok\n\
                 t/c.t .. skipped: no db\nAll tests successful.\n\
                 Files=3, Tests=4,  0 wallclock secs ( 0.01 usr +  0.00 sys =  0.01 CPU)\nResult: PASS\n";
    let timed = plain.replace("t/", "[14:49:11] t/").replace("ok\n[", "ok        4 ms ( 0.00 usr  0.00 sys)\n[");
    let timed = timed.replace("ok\n[14:49:11] t/c", "ok       12 ms ( 0.00 usr)\n[14:49:11] t/c");
    for output in [plain, &timed] {
        let found = read(output);
        let names: Vec<String> = found.tests.iter().map(|test| format!("{}: {}", test.suite, test.name)).collect();
        let wanted = ["t/a.t: works", "t/a.t: also", "t/b.t: works", "t/b.t: (no description)"];
        assert_eq!((names.as_slice(), found.problem), (wanted.map(str::to_owned).as_slice(), None), "{output}");
    }
    let failed = "t/a.t .. \n1..2\nok 1 - works\nnot ok 2 - bad\n#   Failed test 'bad'\nFailed 1/2 subtests \n\n\
                  Test Summary Report\n-------------------\nt/a.t (Wstat: 0 Tests: 2 Failed: 1)\n  Failed test:  2\n\
                  Files=1, Tests=2,  0 wallclock secs\nResult: FAIL\n";
    assert_eq!((read(failed).tests.len(), read(failed).problem), (2, None));
    // The second file speaks on standard error before prove names it.
    let late = "t/a.t .. \n1..1\nok 1 - works\nok\n# 1\nloading\nt/b.t .. \nok 1 - b\n1..1\nok\nAll tests successful.\n\
                Files=2, Tests=2,  1 wallclock secs\nResult: PASS\n";
    assert_eq!((read(late).tests.len(), read(late).problem), (2, None));
    // Without prove such lines are tests.
    assert_eq!(read("1..2\nok\nok\n").tests.len(), 2);
}
