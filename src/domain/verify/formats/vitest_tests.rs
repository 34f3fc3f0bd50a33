//! vitest as recorded by its reporters, and cut off.

use super::*;
use crate::domain::verify::formats::report::tests::prelude::*;

const PASS: &str = include_str!("../../../../tests/data/outputs/vitest/pass.txt");
const FAIL: &str = include_str!("../../../../tests/data/outputs/vitest/fail.txt");
const TREE: &str = include_str!("../../../../tests/data/outputs/vitest/tree.txt");
const TREE_FAIL: &str = include_str!("../../../../tests/data/outputs/vitest/tree-fail.txt");
const LATE: &str = include_str!("../../../../tests/data/outputs/vitest/late.txt");
const FILES: &str = include_str!("../../../../tests/data/outputs/exit/vitest-files.txt");
const FILES_FAIL: &str = include_str!("../../../../tests/data/outputs/vitest/files-fail.txt");

fn read(output: &str) -> TestResults {
    parse_output(output).into_test_results("vitest")
}

#[test]
fn p8_exit_code_and_report_must_both_be_content() {
    assert_eq!(conclude(Format::Auto, 0, PASS), (Format::Vitest, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Auto, 0, FAIL), (Format::Vitest, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, TREE_FAIL), (Format::Vitest, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, PASS), (Format::Vitest, StageOutcome::Failed, false));
    assert_eq!(conclude(Format::Auto, 0, LATE), (Format::Vitest, StageOutcome::Failed, false));
    assert_eq!(conclude(Format::Auto, 0, FILES), (Format::Exit, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Auto, 0, FILES_FAIL), (Format::Vitest, StageOutcome::Failed, false));
}

#[test]
fn both_reporters_name_the_same_tests() {
    for (lines, tree) in [(PASS, TREE), (FAIL, TREE_FAIL)] {
        let sorted = |output| {
            let mut names = names(&read(output));
            names.sort();
            names
        };
        assert_eq!(sorted(lines), sorted(tree));
    }
}

/// With one failing file the default reporter lists all its tests, but without their blocks.
#[test]
fn the_default_reporter_is_never_taken_for_a_tree() {
    let red = " RUN  v4.1.12 /x\n\n ❯ red.test.js (2 tests | 1 failed) 8ms\n   ✓ is green 1ms\n   × is red 6ms\n\n \
               Test Files  1 failed (1)\n      Tests  1 failed | 1 passed (2)\n";
    assert!(read(red).problem.unwrap().starts_with("the output counts tests"));
    assert_eq!(read(red).tests, []);
}

#[test]
fn what_differs_from_run_to_run_is_no_part_of_the_name() {
    for text in ["adds", "adds 12ms", "adds 1.20s", "adds 9ms (retry x1)", "adds 3ms (repeat x2) 20 MB heap used"] {
        assert_eq!((without_time(text), without_times(text)), ("adds", "adds"), "{text}");
    }
    assert_eq!((without_time("adds 3 numbers"), without_time("stops in 5ms 0ms")), ("adds 3 numbers", "stops in 5ms"));
}

#[test]
fn a_time_in_a_name_is_part_of_it_where_every_test_has_its_own() {
    let run = |lines: &[&str]| {
        let lines: String = lines.iter().map(|line| format!(" ✓ a.js > {line}\n")).collect();
        names(&read(&format!(" RUN  v4.1.12 /x\n\n{lines}\n Test Files  1 passed (1)\n      Tests  2 passed (2)\n")))
    };
    assert_eq!(run(&["stops in 5ms 0ms", "stops in 9s 1ms"]), ["a.js: stops in 5ms", "a.js: stops in 9s"]);
    // Older versions tell the time of slow tests only.
    assert_eq!(run(&["stops in 5ms 400ms", "adds"]), run(&["stops in 5ms", "adds 500ms"]));
}

#[test]
fn two_runs_are_read_together() {
    let results = read(&format!("{PASS}{FAIL}"));
    assert_eq!((results.problem, results.tests.len()), (None, read(PASS).tests.len() + read(FAIL).tests.len()));
}

#[test]
fn runs_of_several_folders_stand_at_theirs() {
    let run = |root: &str| {
        format!(" RUN  v3.2.7 {root}\n\n ✓ a.js > adds 1ms\n\n Test Files  1 passed (1)\n      Tests  1 passed (1)\n")
    };
    let roots = ["", ".", "packages/a", "packages/b", "/elsewhere/b"];
    let results = read(&roots.map(run).concat());
    assert_eq!((results.problem, results.tests.len()), (None, roots.len()));
    let places: Vec<_> = results.tests.iter().map(|test| test.place.file.as_str()).collect();
    assert_eq!(places, [".", ".", "packages/a", "packages/b", ""]);
}

#[test]
fn a_report_that_is_not_whole_is_a_problem() {
    cut_off(PASS, read);
    cut_off(TREE, read);
    for (output, problem) in [
        ("", "no results of vitest in the output"),
        (&PASS.replacen(" ✓ math", " math", 1), "11 tests by the last lines, 10 were read"),
        (LATE, "vitest caught errors outside of tests"),
        (FILES, "the output counts tests without naming them: run vitest with --reporter=verbose, or --reporter=junit"),
    ] {
        assert_eq!(read(output).problem.as_deref(), Some(problem), "{output}");
    }
}

#[test]
fn words_alone_are_not_recognised() {
    for output in [" RUN  v4.1.12 /x\n", " Test Files  1 passed (1)\n      Tests  1 passed (1)\n", " ✓ a.test.js > b\n"]
    {
        assert_eq!(detect_format(output), None, "{output}");
    }
}

#[test]
fn hostile_output_is_read_in_bounds() {
    bounds(read, " RUN  v1.0.0 /x\n", |n| format!(" ✓ a.test.js > t{n} 1ms\n"));
}

proptest! {
    #[test]
    fn any_text_is_read(output in "(( RUN  v1| ✓ | × | ❯ |   |a\\.test\\.js| > |\\(2 tests\\)|block \\(2\\)| Test Files  |      Tests  |1 passed|1 failed| \\| | \\(1\\)| FAIL  |⎯⎯|stdout \\| |é|\\x00)|\\n){0,60}") {
        let _ = parse_output(&output).is_recognized();
        let _ = read(&output);
    }

    #[test]
    fn every_result_of_a_well_formed_report_is_found(statuses in proptest::collection::vec(0usize..3, 1..40)) {
        let signs = ["✓", "×", "↓"];
        let lines: String = statuses.iter().enumerate().map(|(n, s)| format!(" {} a.test.js > m > t{n} 1ms\n", signs[*s])).collect();
        let count = |wanted| statuses.iter().filter(|s| **s == wanted).count();
        let results = read(&format!(
            " RUN  v4.1.12 /x\n\n{lines}\n Test Files  1 passed (1)\n      Tests  {} failed | {} passed | {} skipped ({})\n",
            count(1), count(0), count(2), statuses.len(),
        ));
        prop_assert_eq!(results.problem, None);
        let read: Vec<_> = results.tests.iter().map(|test| test.status).collect();
        let wanted: Vec<_> = statuses.iter().map(|s| [Passed, Failed, Skipped][*s]).collect();
        prop_assert_eq!(read, wanted);
    }
}
