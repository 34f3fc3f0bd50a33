//! `cargo test` as recorded, garbled and cut off.

use super::*;
use crate::domain::verify::formats::report::tests::prelude::*;

const PASS: &str = include_str!("../../../../tests/data/outputs/cargo/pass.txt");
const FAIL: &str = include_str!("../../../../tests/data/outputs/cargo/fail.txt");
const CRASH: &str = include_str!("../../../../tests/data/outputs/cargo/crash.txt");
const COMPILE: &str = include_str!("../../../../tests/data/outputs/exit/cargo-compile.txt");
const QUIET: &str = include_str!("../../../../tests/data/outputs/exit/cargo-quiet.txt");

fn read(output: &str) -> TestResults {
    parse_output(output).into_test_results("cargo test")
}

#[test]
fn p8_exit_code_and_report_must_both_be_content() {
    assert_eq!(conclude(Format::Auto, 0, PASS), (Format::Cargo, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Auto, 0, FAIL), (Format::Cargo, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 101, FAIL), (Format::Cargo, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, PASS), (Format::Cargo, StageOutcome::Failed, false));
    assert_eq!(conclude(Format::Auto, 101, CRASH), (Format::Cargo, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 101, COMPILE).1, StageOutcome::Failed);
    assert_eq!(conclude(Format::Auto, 0, QUIET), (Format::Exit, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Cargo, 0, QUIET), (Format::Cargo, StageOutcome::Failed, false));
}

#[test]
fn identity_is_the_same_in_every_build() {
    let other = PASS.replace("demo-8348ca7a80742723", "demo-0123456789abcdef").replace("(line 13)", "(line 31)");
    assert_ne!(other, PASS);
    assert_eq!(names(&read(&other)), names(&read(PASS)));
    let doctests = names(&read(PASS)).into_iter().filter(|name| name == "demo doctests: src/lib.rs - add").count();
    assert_eq!(doctests, 4, "two tests of one name are two");
    assert_eq!(identity("src/lib.rs - (line 3)"), "src/lib.rs");
    assert_eq!(identity("a (line x) b"), "a (line x) b");
}

#[test]
fn headers_of_every_age_and_platform_name_the_binary() {
    for (line, suite) in [
        ("     Running unittests src/lib.rs (target/debug/deps/demo-7215f96713c3f223)", Some("demo src/lib.rs")),
        ("     Running unittests (target/debug/deps/demo-7215f96713c3f223)", Some("demo")),
        ("     Running target/debug/deps/demo-7215f96713c3f223", Some("demo")),
        (r"     Running tests\a.rs (target\debug\deps\a-7215f96713c3f223.exe)", Some(r"a tests\a.rs")),
        ("   Doc-tests demo", Some("demo doctests")),
        ("     Running `rustc --crate-name demo`", None),
        ("Running unittests src/lib.rs (target/debug/deps/demo-7215f96713c3f223)", None),
        ("     Running the tests", None),
    ] {
        assert_eq!(header(line).as_deref(), suite, "{line}");
    }
}

#[test]
fn results_behind_other_text_are_taken_if_the_summary_knows_of_them() {
    let output = "running 2 tests\nnoise without end test a ... ok\ntest b ... FAILED\n\nfailures:\n\nfailures:\n    b\n\n\
                  test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                  error: 1 target failed:\n";
    let results = read(output);
    assert_eq!((results.problem.clone(), names(&results)), (None, vec!["b".to_owned(), "a".to_owned()]));
    let spoofed = output.replace("1 passed; 1 failed", "0 passed; 1 failed").replace("running 2", "running 1");
    assert_eq!(names(&read(&spoofed)), ["b"], "the summary does not know of it");
}

#[test]
fn what_tests_print_is_not_read_as_results() {
    let nested = FAIL.replace(
        "said before",
        "running 1 test\ntest fake ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
    );
    assert_ne!(nested, FAIL);
    assert_eq!(read(&nested), read(FAIL));
}

#[test]
fn p8_what_a_test_prints_stands_for_no_other_test() {
    let run = |lines: &str| {
        read(&format!(
            "running 2 tests\n{lines}\n\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n"
        ))
    };
    for lines in [
        "test gone ... ok\nxtest new ... ok\ntest kept ... ok",
        "test kept ... ok\ntest new ... foo\ntest gone ... ok\nxyes",
        "test new ... \ntest gone ... ok\nxyes\ntest kept ... ok",
    ] {
        let problem = run(lines).problem.unwrap_or_default();
        assert!(problem.starts_with("``: no result of `new` among what tests print"), "{lines}: {problem}");
    }
    let plain = run("test a ... no endok\ntest b ... \nok");
    assert_eq!((names(&plain), plain.problem), (vec!["b".to_owned(), "a".to_owned()], None));
    // Of lines in the middle of a test, the first is the runner's.
    let own = run("test new ... \ntest connection ... retrying\nok\ntest kept ... ok");
    assert_eq!((names(&own), own.problem.is_some()), (vec!["new".to_owned(), "kept".to_owned()], true));
}

#[test]
fn binaries_of_one_name_stand_at_their_packages() {
    let section = |head: &str, name: &str| {
        format!(
            "     Running {head} (target/debug/deps/{name}-0123456789abcdef)\n\nrunning 1 test\ntest a ... ok\n\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\n"
        )
    };
    let (lib, main, extra) = ("unittests src/lib.rs", "unittests src/main.rs", "unittests src/bin/extra.rs");
    let (api, program) = ("tests/api.rs", "unittests src/bin/other.rs");
    let lines = [
        (lib, "alpha"),
        (api, "api"),
        (lib, "mid"),
        (extra, "extra"),
        (api, "api"),
        (main, "only"),
        (api, "api"),
        (program, "other"),
        (api, "api"),
    ];
    let results = read(&lines.map(|(head, name)| section(head, name)).concat());
    assert_eq!(results.problem, None);
    let of_api = results.tests.iter().filter(|test| test.suite == "api tests/api.rs");
    let places: Vec<_> = of_api.map(|test| test.place.suites.as_str()).collect();
    assert_eq!(places, ["alpha", "mid", "only", "other"]);
}

#[test]
fn a_report_that_is_not_whole_is_a_problem() {
    // Between two binaries nothing tells that another was to come; only the way the process ended does.
    let (first, _) = PASS.split_once("     Running unittests src/main.rs").unwrap();
    cut_off(first, read);
    for (output, problem) in [
        ("", "no results of cargo test in the output"),
        (COMPILE, "error: could not compile `demo` (lib) due to 1 previous error"),
        ("running 2 tests\ntest a ... ok\n", "`` ended after 1 of 2 tests"),
        (
            "running 2 tests\ntest a ... ok\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured;",
            "`` ended after 1 of 2 tests",
        ),
        (
            "running 1 test\ntest a ... ok\n\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
            "``: 1 tests read, 1 announced, 2 summed up",
        ),
        ("test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n", "a summary without its tests"),
        (QUIET, "the output counts tests without naming them: run `cargo test` without -q"),
    ] {
        assert_eq!(read(output).problem.as_deref(), Some(problem), "{output}");
    }
}

#[test]
fn a_benchmark_and_a_time_are_no_part_of_the_name() {
    let output = "running 3 tests\ntest a ... ok <0.001s>\ntest b ... bench:          12 ns/iter (+/- 1)\ntest c ... ignored, \
                  x ... ok\n\ntest result: ok. 1 passed; 0 failed; 1 ignored; 1 measured; 0 filtered out; finished in 1s\n";
    let results = read(output);
    assert_eq!(results.problem, None);
    let statuses: Vec<_> = results.tests.iter().map(|test| (test.name.as_str(), test.status)).collect();
    assert_eq!(statuses, [("a", Passed), ("b", Passed), ("c", Skipped)]);
}

#[test]
fn hostile_output_is_read_in_bounds() {
    bounds(read, "running 1000000 tests\n", |n| format!("test t{n} ... ok\n"));
}

#[test]
fn words_alone_are_not_recognised() {
    for output in
        ["running 3 tests\n", "test a ... ok\n", "test result: ok.\n", "error: test failed, to rerun pass `--lib`\n"]
    {
        assert_eq!(detect_format(output).filter(|_| !output.starts_with("running")), None, "{output}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read(output in "((running [0-9] tests?|test | \\.\\.\\. |ok|FAILED|failures:|test result: ok\\. |1 passed; |error: |     Running |é|\\x00|\\()|\\n){0,60}") {
        let _ = parse_output(&output).is_recognized();
        let _ = read(&output);
    }

    #[test]
    fn every_result_of_a_well_formed_report_is_found(statuses in proptest::collection::vec(0usize..3, 1..40)) {
        let words = ["ok", "FAILED", "ignored"];
        let lines: String = statuses.iter().enumerate().map(|(n, s)| format!("test m::t{n} ... {}\n", words[*s])).collect();
        let count = |s| statuses.iter().filter(|x| **x == s).count();
        let end = if count(1) > 0 { "error: 1 target failed:\n" } else { "" };
        let results = read(&format!(
            "running {} tests\n{lines}\ntest result: ok. {} passed; {} failed; {} ignored; 0 measured; 0 filtered out\n{end}",
            statuses.len(), count(0), count(1), count(2),
        ));
        prop_assert_eq!(results.problem, None);
        let read: Vec<_> = results.tests.iter().map(|test| test.status).collect();
        let wanted: Vec<_> = statuses.iter().map(|s| [Passed, Failed, Skipped][*s]).collect();
        prop_assert_eq!(read, wanted);
    }
}
