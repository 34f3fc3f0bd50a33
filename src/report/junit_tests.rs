//! JUnit XML of tests that are called anything.

use super::super::verify::tests::{HOSTILE, against, alone, silent, stage};
use super::*;
use crate::domain::verify::model::results::TestStatus::{Failed, Passed, Skipped};
use expect_test::expect;

#[test]
fn every_test_and_every_silent_stage_is_a_case() {
    let stages = vec![
        stage("unit", &[("a", Passed), ("b", Failed), ("c", Skipped)]),
        silent("lint", StageOutcome::Passed, Some(0), None, "fine"),
        silent("types", StageOutcome::Failed, Some(3), None, "x < y\nno"),
        silent("build", StageOutcome::NotRun, None, Some("timeout after 5 s"), ""),
    ];
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="mc verify aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" tests="6" failures="2" errors="1" skipped="1" time="1.234">
          <testsuite name="unit" tests="3" failures="1" errors="0" skipped="1" time="1.234">
            <testcase classname="suite" name="a"></testcase>
            <testcase classname="suite" name="b"><failure message="failed; stage unit: exit code 1"></failure></testcase>
            <testcase classname="suite" name="c"><skipped/></testcase>
          </testsuite>
          <testsuite name="lint" tests="1" failures="0" errors="0" skipped="0" time="0.000">
            <testcase classname="lint" name="stage lint"></testcase>
          </testsuite>
          <testsuite name="types" tests="1" failures="1" errors="0" skipped="0" time="0.000">
            <testcase classname="types" name="stage types"><failure message="exit code 3">x &lt; y
        no
        </failure></testcase>
          </testsuite>
          <testsuite name="build" tests="1" failures="0" errors="1" skipped="0" time="0.000">
            <testcase classname="build" name="stage build"><error message="timeout after 5 s"></error></testcase>
          </testsuite>
        </testsuites>
    "#]]
    .assert_eq(&render(&alone(stages)));
}

#[test]
fn a_failure_that_no_test_tells_is_a_case_of_its_own() {
    let mut odd = stage("unit", &[("a", Passed)]);
    (odd.outcome, odd.exit) = (StageOutcome::Failed, Some(1));
    let text = render(&alone(vec![odd]));
    assert!(text.contains("name=\"stage unit\"><failure message=\"exit code 1 although no test failed\">"), "{text}");
    assert!(text.contains("<testsuite name=\"unit\" tests=\"2\" failures=\"1\""), "{text}");
}

#[test]
fn what_does_not_pass_always_has_a_failure() {
    let text = render(&alone(Vec::new()));
    assert!(text.contains("tests=\"1\" failures=\"1\"") && text.contains("name=\"gate\"><failure "), "{text}");
}

#[test]
fn a_failing_test_says_what_it_was_before_and_only_what_no_test_tells_is_said_beside() {
    let before = || vec![stage("unit", &[("kept", Passed), ("old", Failed)]), stage("more", &[("m", Passed)])];
    let failing =
        vec![stage("unit", &[("kept", Failed), ("old", Failed), ("new", Failed)]), stage("more", &[("m", Passed)])];
    let text = render(&against(before(), failing));
    for (name, what) in [
        ("kept", "passed before and fails now"),
        ("old", "failed before this change too (pre-existing)"),
        ("new", "is new and fails"),
    ] {
        let case = format!("name=\"{name}\"><failure message=\"{what}; stage unit: ");
        assert!(text.contains(&case), "{case}: {text}");
    }
    assert!(!text.contains("\"mc verify\" tests"), "the tests tell it all: {text}");

    // A test that is gone fails nowhere.
    let text = render(&against(before(), vec![stage("unit", &[("old", Failed)]), stage("more", &[("m", Passed)])]));
    assert!(
        text.contains("<testsuite name=\"mc verify\" tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\""),
        "{text}"
    );
    assert!(text.contains("<testcase classname=\"mc verify\" name=\"removed tests\"><failure message=\""), "{text}");

    // A stage that breaks without a test that says why.
    let mut odd = stage("more", &[("m", Passed)]);
    (odd.outcome, odd.exit) = (StageOutcome::Failed, Some(1));
    let text = render(&against(before(), vec![stage("unit", &[("kept", Passed), ("old", Failed)]), odd]));
    assert!(text.contains("name=\"stage more\"><failure message=\"exit code 1 although no test failed\">"), "{text}");
    assert!(text.contains("<testcase classname=\"mc verify\" name=\"broken stages\"><failure message=\""), "{text}");
}

#[test]
fn many_failing_tests_repeat_the_output_only_so_often() {
    let names: Vec<String> = (0..30).map(|n| format!("t{n:02}")).collect();
    let tests: Vec<(&str, _)> = names.iter().map(|name| (name.as_str(), Failed)).collect();
    let mut unit = stage("unit", &tests);
    unit.head_tail = (0..100).map(|n| format!("line {n}\n")).collect();
    let text = render(&alone(vec![unit]));
    assert_eq!(text.matches("line 99\n").count(), SHOWN);
    assert_eq!(text.matches("line ").count(), SHOWN * LINES);
}

#[test]
fn p12_no_name_breaks_the_xml() {
    let stages = vec![
        stage(HOSTILE, &[(HOSTILE, Failed)]),
        silent(HOSTILE, StageOutcome::Failed, Some(1), Some(HOSTILE), HOSTILE),
    ];
    let text = render(&alone(stages));
    // What may stand in XML 1.0, and every markup character is ours.
    assert!(text.chars().all(|c| c == '\n' || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}')), "{text}");
    let tags = ["<?xml ", "<testsuites ", "<testsuite ", "<testcase ", "<failure ", "</"];
    for (at, _) in text.match_indices('<') {
        assert!(tags.iter().any(|tag| text[at..].starts_with(tag)), "{}", &text[at..]);
    }
    assert!(!text.contains("]]>") && !text.contains("& "), "{text}");
    assert_eq!(text.matches('"').count() % 2, 0);
}
