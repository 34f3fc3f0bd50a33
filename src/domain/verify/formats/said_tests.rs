//! What failing tests said, in recorded outputs and in those that once showed other tests.

use crate::domain::verify::formats::{Format, read};
use crate::domain::verify::model::results::TestStatus;

/// Each failing test with the first and the last line of what it said.
fn said(format: Format, output: &str) -> Vec<(String, String)> {
    let tests = read(format, output).1.tests.unwrap().tests;
    let failing = tests.into_iter().filter(|test| test.status == TestStatus::Failed);
    failing.map(|test| (test.name, test.said)).collect()
}

#[track_caller]
fn of<'a>(all: &'a [(String, String)], name: &str) -> &'a str {
    &all.iter().find(|(other, _)| other == name).unwrap_or_else(|| panic!("{name}: {all:#?}")).1
}

macro_rules! recorded {
    ($path:literal) => {
        include_str!(concat!("../../../../tests/data/outputs/", $path))
    };
}

#[test]
fn each_runner_marks_what_a_test_said() {
    for (format, output, name, begin, inside) in [
        (Format::Cargo, recorded!("cargo/fail.txt"), "takes_from", "---- takes_from stdout ----", "panicked at"),
        (Format::Cargo, recorded!("cargo/fail.txt"), "src/lib.rs - add", "---- src/lib.rs - add (line 13)", "left: 4"),
        (Format::Nextest, recorded!("nextest/fail.txt"), "tests::wrong", "FAIL [", "this is red"),
        (Format::Nextest, recorded!("nextest/fail.txt"), "takes_from", "FAIL [", "panicked at tests/api.rs:7:5"),
        (Format::Pytest, recorded!("pytest/fail.txt"), "test_red", "____", "E         {'a': 1} != {'a': 2}"),
        (Format::Pytest, recorded!("pytest/fail.txt"), "test_error", "____", "RuntimeError: no database"),
        (Format::Pytest, recorded!("pytest/fail.txt"), "test_teardown", "____", "RuntimeError: cannot close"),
        (Format::Unittest, recorded!("unittest/fail.txt"), "test_parts", "FAIL: test_parts", "AssertionError: 1 == 1"),
        (Format::Unittest, recorded!("unittest/fail.txt"), "(whole suite)", "ERROR: setUpClass", "no database"),
        (Format::Go, recorded!("go/fail.txt"), "TestRed", "", "odd_test.go:15: two is not three\n--- FAIL: TestRed"),
        (Format::Go, recorded!("go/fail.txt"), "TestDeep/a/x", "", "odd_test.go:20: no"),
        (Format::GoJson, recorded!("go-json/fail.txt"), "TestRed", "", "two is not three\n--- FAIL: TestRed"),
        (Format::Jest, recorded!("jest/fail.txt"), "red > is red", "  ● red › is red", "Received"),
        (
            Format::Vitest,
            recorded!("vitest/tree-fail.txt"),
            "red > is red",
            "FAIL  red.test.js",
            "to deeply equal { a: 2 }",
        ),
        (
            Format::Vitest,
            recorded!("vitest/tree-fail.txt"),
            "(whole suite)",
            "FAIL  broken.test.js",
            "Cannot find module",
        ),
        (Format::Tap, recorded!("tap/bats.txt"), "is red", "not ok 2 is red", "failed\n# not ok 7 fake"),
        (
            Format::Junit,
            recorded!("junit/node-fail.xml"),
            "is red",
            "Error [ERR_TEST_FAILURE]: 2 == 3",
            "AssertionError",
        ),
        (
            Format::Junit,
            recorded!("junit/pytest-fail.xml"),
            "test_red",
            "E   AssertionError: two - words",
            "Differing items",
        ),
    ] {
        let all = said(format, output);
        let found = of(&all, name);
        assert!(found.starts_with(begin) && found.contains(inside), "{format:?} {name}: {found}");
    }
}

#[test]
fn nothing_of_another_test_is_shown() {
    // 801 tests; a name with a word of failure passes, and number 600 fails.
    let mut output = "1..801\n".to_owned();
    for n in 1..=800 {
        match n {
            600 => output.push_str("not ok 600 sum 600 should be right\n  sum is 4, not 3\n"),
            _ => output.push_str(&format!("ok {n} sum {n} should be right\n")),
        }
        if n == 100 {
            output.push_str("ok 801 it should assert its input\n");
        }
    }
    assert_eq!(
        said(Format::Tap, &output),
        [("sum 600 should be right".to_owned(), "not ok 600 sum 600 should be right\n  sum is 4, not 3".to_owned())]
    );
    let mut output = "=== RUN   TestAdd\n    a_test.go:6: the sum is -1\n--- FAIL: TestAdd (0.00s)\n".to_owned();
    for n in 0..150 {
        output.push_str(&format!("=== RUN   TestTable{n}\n    a_test.go:10: Expected: {n}\n    a_test.go:10: Actual:   {n}\n--- PASS: TestTable{n} (0.00s)\n"));
    }
    output.push_str("FAIL\nFAIL\texample.com/demo\t0.01s\nFAIL\n");
    let all = said(Format::Go, &output);
    assert_eq!(of(&all, "TestAdd"), "    a_test.go:6: the sum is -1\n--- FAIL: TestAdd (0.00s)");
}

#[test]
fn two_tests_of_one_name_in_two_files_have_their_own_words() {
    let output = "=== test session starts ===\ncollected 2 items\n\na/test_x.py::test_one FAILED [ 50%]\nb/test_x.py::test_one FAILED [100%]\n\n\
                  === FAILURES ===\n____ test_one ____\n\nE   assert 'b'\n\nb/test_x.py:3: AssertionError\n\
                  ____ test_one ____\n\nE   assert 'a'\n\na/test_x.py:3: AssertionError\n=== short test summary info ===\n\
                  FAILED a/test_x.py::test_one\nFAILED b/test_x.py::test_one\n=== 2 failed in 0.01s ===\n";
    let all = said(Format::Pytest, output);
    assert!(all[0].1.contains("assert 'a'") && all[1].1.contains("assert 'b'"), "{all:#?}");
}

#[test]
fn what_is_kept_is_bounded_and_each_has_its_share() {
    let tests = |count: usize, lines: usize| {
        let mut output = format!("1..{count}\n");
        for n in 0..count {
            output.push_str(&format!("not ok - t{n}\n"));
            output.extend((0..lines).map(|line| format!("#  line {line} of {n}\n")));
        }
        said(Format::Tap, &output)
    };
    let few = tests(3, 1_000);
    assert!(few.iter().all(|(_, said)| said.len() <= super::ONE && said.contains("line 0 of")), "{few:?}");
    let many = tests(5_000, 40);
    assert!(many.iter().map(|(_, said)| said.len()).sum::<usize>() <= super::ALL);
    assert!(many[0].1.starts_with("not ok - t0"));
}
