//! `go test` as recorded, in text and as events, by other versions, and cut off.

use super::*;
use crate::domain::verify::formats::report::tests::prelude::*;
use crate::domain::verify::model::results::WHOLE_SUITE;

const PASS: &str = include_str!("../../../../tests/data/outputs/go/pass.txt");
const FAIL: &str = include_str!("../../../../tests/data/outputs/go/fail.txt");
const ALL: &str = include_str!("../../../../tests/data/outputs/go/all.txt");
const PLAIN: &str = include_str!("../../../../tests/data/outputs/exit/go-plain.txt");
const PLAIN_FAIL: &str = include_str!("../../../../tests/data/outputs/go/plain-fail.txt");
const JSON_PASS: &str = include_str!("../../../../tests/data/outputs/go-json/pass.txt");
const JSON_FAIL: &str = include_str!("../../../../tests/data/outputs/go-json/fail.txt");

fn read(output: &str) -> TestResults {
    parse_output(output).into_test_results("go test -v")
}

#[test]
fn p8_exit_code_and_report_must_both_be_content() {
    assert_eq!(conclude(Format::Auto, 0, PASS), (Format::Go, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Auto, 0, FAIL), (Format::Go, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 2, ALL), (Format::Go, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, PASS), (Format::Go, StageOutcome::Failed, false));
    assert_eq!(conclude(Format::Auto, 0, PLAIN), (Format::Exit, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Auto, 0, PLAIN_FAIL), (Format::Go, StageOutcome::Failed, false));
    assert_eq!(conclude(Format::Auto, 0, JSON_PASS), (Format::GoJson, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Auto, 0, JSON_FAIL), (Format::GoJson, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, JSON_PASS), (Format::GoJson, StageOutcome::Failed, false));
}

#[test]
fn text_and_events_name_the_same_tests() {
    for (text, events) in [(PASS, JSON_PASS), (FAIL, JSON_FAIL)] {
        let sorted = |results: TestResults| {
            let mut names = names(&results);
            names.sort();
            names
        };
        assert_eq!(sorted(read(text)), sorted(go_json::read(events)));
    }
}

#[test]
fn lines_of_packages_are_known_by_their_form() {
    for (line, is) in [
        ("ok  \texample.com/a\t0.1s", Some(Package::Passed)),
        ("ok  \texample.com/a\t(cached)\tcoverage: 100.0% of statements", Some(Package::Passed)),
        ("ok  \texample.com/a\t0.1s [no tests to run]", Some(Package::Empty)),
        ("?   \texample.com/a\t[no test files]", Some(Package::Empty)),
        ("FAIL\texample.com/a\t0.1s", Some(Package::Failed)),
        ("FAIL\texample.com/a [build failed]", Some(Package::NotBuilt)),
        ("FAIL\texample.com/a [setup failed]", Some(Package::NotBuilt)),
        ("ok example.com/a 0.1s", None),
        ("ok  \ta b\t0.1s", None),
        ("FAIL\tsomething else", None),
        ("ok  \texample.com/a\tsoon", None),
    ] {
        assert_eq!(parse_package(line).map(|(_, end)| end), is, "{line}");
    }
}

#[test]
fn a_result_counts_only_for_an_announced_test() {
    let output = "=== RUN   TestA\n--- FAIL: TestFake (0.00s)\nnoise--- PASS: TestA (0.00s)\n=== RUN   TestA\n\
                  --- SKIP: TestA (0.00s)\nPASS\nok  \texample.com/a\t0.1s\n";
    let results = read(output);
    let statuses: Vec<_> = results.tests.iter().map(|test| test.status).collect();
    assert_eq!((results.problem, statuses), (None, vec![Passed, Skipped]), "two runs of one test are two tests");
}

#[test]
fn p8_what_a_test_prints_stands_for_no_other_test() {
    let fake = "=== RUN   TestNew\n=== RUN   TestGone\n--- PASS: TestGone (0.00s)\n--- PASS: TestNew (0.00s)\n\
                PASS\nok  \tx/a\t0.1s\n";
    assert_eq!(names(&read(fake)), ["x/a: TestNew"]);
    // The results of subtests stand behind that of their parent.
    let sub = "=== RUN   TestNew\n=== RUN   TestNew/gone\n    --- PASS: TestNew/gone (0.00s)\n--- PASS: TestNew (0.00s)\n\
               PASS\nok  \tx/a\t0.1s\n";
    assert_eq!(read(sub).problem.as_deref(), Some("`x/a`: no result of `TestNew/gone`"));
    let twice = fake.replace("=== RUN   TestGone", "--- PASS: TestNew (0.00s)\n=== RUN   TestGone");
    let why = "`TestNew` ends twice: what tests print stands among the results";
    assert_eq!(read(&twice).problem.as_deref(), Some(why));
    let again = fake.replace("=== RUN   TestGone", "=== RUN   TestNew\n--- PASS: TestNew (0.00s)\n=== RUN   TestGone");
    assert_eq!(names(&read(&again)), ["x/a: TestNew", "x/a: TestNew"]);
    // A test may run its own binary, which says again what is known.
    let own = "=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n=== RUN   TestA\n--- PASS: TestA (0.00s)\n\
               --- PASS: TestB (0.00s)\nPASS\nok  \tx/a\t0.1s\n";
    assert_eq!((names(&read(own)).len(), read(own).problem), (2, None));
    // Tests that go on in parallel take turns.
    let parallel = "=== RUN   TestA\n=== PAUSE TestA\n=== RUN   TestB\n=== RUN   TestB/x\n--- PASS: TestB (0.00s)\n    \
                    --- PASS: TestB/x (0.00s)\n=== CONT  TestA\n=== RUN   TestA/x\n--- PASS: TestA (0.00s)\n    \
                    --- PASS: TestA/x (0.00s)\nPASS\nok  \tx/a\t0.1s\n";
    let results = read(parallel);
    assert_eq!((names(&results).len(), results.problem), (4, None));
    // Events of Go before 1.20 are made from the text, so the same can be printed there.
    let event = |action: &str, test: &str| format!("{{\"Action\":\"{action}\",\"Package\":\"x/a\"{test}}}\n");
    let of = |test: &str| format!(",\"Test\":\"{test}\"");
    let (new, gone) = (of("TestNew"), of("TestGone"));
    let events = [("run", &*new), ("run", &gone), ("pass", &gone), ("pass", &new), ("pass", "")];
    let events: String = events.iter().map(|(action, test)| event(action, test)).collect();
    assert_eq!(names(&go_json::read(&events)), ["x/a: TestNew"]);
    let paused = [("run", &*new), ("pause", &new), ("run", &gone), ("pass", &gone), ("pass", &new), ("pass", "")];
    let paused: String = paused.iter().map(|(action, test)| event(action, test)).collect();
    assert_eq!(names(&go_json::read(&paused)), ["x/a: TestGone", "x/a: TestNew"]);
}

#[test]
fn of_several_results_of_one_test_the_worst_counts() {
    let events = |actions: &[&str]| {
        let line = |action: &&str| format!("{{\"Action\":\"{action}\",\"Package\":\"x/a\",\"Test\":\"TestX\"}}\n");
        let tests: String = actions.iter().map(line).collect();
        let end = "{\"Action\":\"output\",\"Package\":\"x/a\",\"Output\":\"FAIL\\n\"}\n{\"Action\":\"fail\",\"Package\":\"x/a\"}\n";
        go_json::read(&format!("{tests}{end}"))
    };
    let statuses = |results: TestResults| {
        assert_eq!(results.problem, None);
        let single = results.tests.iter().filter(|test| test.name != WHOLE_SUITE);
        single.map(|test| test.status).collect::<Vec<_>>()
    };
    for (actions, wanted) in [
        (&["run", "run", "pass", "fail"][..], &[Failed][..]),
        (&["run", "run", "fail", "pass"], &[Failed]),
        (&["run", "skip", "pass"], &[Passed]),
        (&["run", "pass", "run", "fail"], &[Passed, Failed]),
    ] {
        assert_eq!(statuses(events(actions)), wanted, "{actions:?}");
    }
    let cut = r#"{"Action":"run","Package":"x/a","Test":"TestX"}
{"Action":"output","Package":"x/a","Test":"TestX","Output":"--- PASS: TestX (0.00s)\n"}
{"Action":"pass","Package":"x/a","Test":"TestX"}
{"Action":"run","Package":"x/a","Test":"TestX"}
{"Action":"fail","Package":"x/a"}
"#;
    assert_eq!(statuses(go_json::read(cut)), [Passed, Failed], "the second run has not the result of the first");
    let behind = r#"{"Action":"run","Package":"x/a","Test":"TestX"}
{"Action":"pass","Package":"x/a","Test":"TestX"}
{"Action":"output","Package":"x/a","Test":"TestX","Output":"noise--- FAIL: TestX (0.00s)\n"}
{"Action":"fail","Package":"x/a"}
"#;
    assert_eq!(statuses(go_json::read(behind)), [Failed]);
    for (lines, wanted) in [
        ("--- PASS: TestX (0.00s)\n--- FAIL: TestX (0.00s)\n", Failed),
        ("--- FAIL: TestX (0.00s)\n--- PASS: TestX (0.00s)\n", Failed),
        ("--- SKIP: TestX (0.00s)\n--- FAIL: TestX (0.00s)\n", Failed),
    ] {
        let results = read(&format!("=== RUN   TestX\n{lines}FAIL\nFAIL\tx/a\t0.1s\nFAIL\n"));
        assert_eq!(names(&results), ["x/a: TestX"]);
        assert_eq!(statuses(results), [wanted], "{lines}");
    }
}

#[test]
fn a_package_that_did_not_come_to_its_end_is_a_failed_suite() {
    let whole = |output| {
        read(output).tests.iter().filter(|test| test.name == WHOLE_SUITE).map(|t| t.suite.clone()).collect::<Vec<_>>()
    };
    assert_eq!(whole(ALL), ["example.com/demo/broken", "example.com/demo/crash", "example.com/demo/mainfail"]);
    assert_eq!(whole(FAIL), [""; 0]);
    // Written by hand after the events of Go 1.24, which tells failed builds as events too.
    let events = r#"{"ImportPath":"x/b","Action":"build-output","Output":"b_test.go:5: no\n"}
{"ImportPath":"x/b","Action":"build-fail"}
{"Time":"2026-01-01T00:00:00Z","Action":"start","Package":"x/a"}
{"Action":"run","Package":"x/a","Test":"TestA"}
{"Action":"pass","Package":"x/a","Test":"TestA","Elapsed":0}
{"Action":"pass","Package":"x/a","Elapsed":0}
{"Time":"2026-01-01T00:00:00Z","Action":"start","Package":"x/b"}
{"Action":"output","Package":"x/b","Output":"FAIL\tx/b [build failed]\n"}
{"Action":"fail","Package":"x/b","Elapsed":0,"FailedBuild":"x/b"}
"#;
    assert_eq!(names(&go_json::read(events)), ["x/a: TestA", "x/b: (whole suite)"]);
}

#[test]
fn a_report_that_is_not_whole_is_a_problem() {
    // Behind a package nothing tells that another was to come.
    let (first, _) = PASS.split_once("?   \t").unwrap();
    cut_off(first, read);
    let one = JSON_PASS.lines().filter(|line| line.contains("example.com/demo/math")).collect::<Vec<_>>().join("\n");
    cut_off(&one, go_json::read);
    for (output, problem) in [
        ("=== RUN   TestA\n", "the last package has no result line: the run was cut off"),
        ("=== RUN   TestA\nPASS\nok  \tx/a\t0.1s\n", "`x/a`: no result of `TestA`"),
        ("FAIL\tx/a [build failed]\n", "no test ran; could not run x/a"),
        ("", "no results of go test -v in the output"),
        (PLAIN, "the output counts tests without naming them: run `go test` with -v or -json"),
    ] {
        assert_eq!(read(output).problem.as_deref(), Some(problem), "{output}");
    }
    for (output, problem) in [
        ("{\"Action\":\"run\",\"Package\":\"x\",\"Test\":\"T\"}\n", "`x` has no end: the run was cut off"),
        (
            "{\"Action\":\"run\",\"Package\":\"x\",\"Test\":\"T\"}\n{\"Action\":\"pass\",\"Package\":\"x\"}\n",
            "`x`: no result of `T`",
        ),
        ("{}", "no results of go test -json in the output"),
    ] {
        assert_eq!(go_json::read(output).problem.as_deref(), Some(problem), "{output}");
    }
}

#[test]
fn other_lines_and_objects_are_not_recognised() {
    for output in
        [PLAIN, "ok  \tx\t0.1s\n", "{\"Action\":\"x\"}\n", "{\"a\":1}\n", "--- PASS: TestA (0.00s)\n", "PASS\n"]
    {
        assert_eq!(detect_format(output), None, "{output}");
    }
}

#[test]
fn hostile_output_is_read_in_bounds() {
    bounds(read, "", |n| format!("=== RUN   t{n}\n--- PASS: t{n} (0.00s)\n"));
    bounds(go_json::read, "", |n| {
        format!(
            "{{\"Action\":\"run\",\"Package\":\"x\",\"Test\":\"t{n}\"}}\n{{\"Action\":\"pass\",\"Package\":\"x\",\"Test\":\"t{n}\"}}\n"
        )
    });
}

proptest! {
    #[test]
    fn any_text_is_read(output in "((=== RUN   |T/a|--- |PASS|FAIL|: | \\(0\\.00s\\)|ok  |\\t|x/a|0\\.1s|\\[build failed\\]|\\{\"Action\":\"pass\",\"Package\":\"x\"|,\"Test\":\"T\"|\\}|é|\\x00)|\\n){0,60}") {
        let _ = (parse_output(&output).is_recognized(), go_json::matches_output(&output));
        let _ = (read(&output), go_json::read(&output));
    }

    #[test]
    fn every_result_of_a_well_formed_report_is_found(statuses in proptest::collection::vec(0usize..3, 1..40)) {
        let words = ["PASS", "FAIL", "SKIP"];
        let lines: String = statuses.iter().enumerate()
            .map(|(n, s)| format!("=== RUN   T/{n}\n--- {}: T/{n} (0.00s)\n", words[*s])).collect();
        let end = if statuses.contains(&1) { "FAIL\nFAIL\tx/a\t0.1s\nFAIL\n" } else { "PASS\nok  \tx/a\t0.1s\n" };
        let results = read(&format!("{lines}{end}"));
        prop_assert_eq!(results.problem, None);
        let read: Vec<_> = results.tests.iter().map(|test| test.status).collect();
        let wanted: Vec<_> = statuses.iter().map(|s| [Passed, Failed, Skipped][*s]).collect();
        prop_assert_eq!(read, wanted);
    }
}
