//! JUnit XML as recorded in its dialects, broken, and by an enemy.

use super::*;
use crate::domain::verify::formats::report::tests::prelude::*;

const PASS: &str = include_str!("../../../../tests/data/outputs/junit/vitest-pass.xml");
const FAIL: &str = include_str!("../../../../tests/data/outputs/junit/phpunit.xml");
const RERUN: &str = include_str!("../../../../tests/data/outputs/junit/surefire.xml");
const NEXTEST: &str = include_str!("../../../../tests/data/outputs/junit/nextest.xml");
const CARGO: &str = include_str!("../../../../tests/data/outputs/cargo/pass.txt");

#[test]
fn p8_exit_code_and_report_must_both_be_content() {
    assert_eq!(conclude(Format::Auto, 0, PASS), (Format::Junit, StageOutcome::Passed, false));
    assert_eq!(conclude(Format::Auto, 0, FAIL), (Format::Junit, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, FAIL), (Format::Junit, StageOutcome::Failed, true));
    assert_eq!(conclude(Format::Auto, 1, PASS), (Format::Junit, StageOutcome::Failed, false));
    assert_eq!(conclude(Format::Auto, 0, &format!("> app@1 test\n{PASS}")).0, Format::Junit);
}

#[test]
fn names_are_unescaped_and_text_is_no_result() {
    let xml = "<testsuite name='s'><testcase classname='&lt;A&gt;' name='&quot;a&#x20;b&quot;\n&amp; c'>\
               <system-out><![CDATA[<failure/> </testcase> ok 1]]> &amp; <b/></system-out></testcase></testsuite>";
    assert_eq!(names(&read(xml)), ["<A>: \"a b\" & c"]);
    assert_eq!(read(xml).tests[0].status, Passed);
}

#[test]
fn only_the_last_try_counts() {
    let flaky = read(RERUN).tests.into_iter().find(|test| test.name == "flaky").unwrap();
    assert_eq!((flaky.status, read(RERUN).problem), (Passed, None));
}

#[test]
fn results_are_the_children_of_a_case() {
    for (inside, status) in [
        ("", Passed),
        ("<failure/>", Failed),
        ("<error message='x'>y</error>", Failed),
        ("<skipped/>", Skipped),
        ("<skipped/><failure/>", Failed),
        ("<error/><skipped/>", Failed),
        ("<flakyFailure><failure/></flakyFailure>", Passed),
        ("<rerunFailure/><error/>", Failed),
        ("<warning/>", Passed),
    ] {
        let xml = format!("<testsuites><testsuite><testcase name='a'>{inside}</testcase></testsuite></testsuites>");
        assert_eq!(read(&xml).tests[0].status, status, "{inside}");
    }
}

/// As node 20 writes them, and as nobody else does.
#[test]
fn a_todo_of_node_may_fail() {
    let case = |inside: &str| {
        read(&format!("<testsuites><testcase name=\"a\" classname=\"test\">{inside}</testcase></testsuites>"))
    };
    let failure = "<failure type=\"testCodeFailure\" message=\"x\"/>";
    for (inside, status) in [
        (format!("<skipped type=\"todo\" message=\"later\"/>{failure}"), Skipped),
        ("<skipped type=\"todo\" message=\"true\"/>".to_owned(), Skipped),
        (format!("<skipped type=\"skipped\"/>{failure}"), Failed),
        (format!("<skipped/>{failure}"), Failed),
    ] {
        assert_eq!(case(&inside).tests[0].status, status, "{inside}");
    }
}

#[test]
fn a_status_that_says_failed_is_a_failure() {
    for (status, wanted) in [
        ("fail", Failed),
        ("failed", Failed),
        ("Failure", Failed),
        ("ERROR", Failed),
        ("run", Passed),
        ("passed", Passed),
        ("notrun", Skipped),
        ("Skipped", Skipped),
        ("pending", Skipped),
    ] {
        let bad = u64::from(wanted == Failed);
        let xml = format!("<testsuite failures='{bad}'><testcase name='a' status='{status}'/></testsuite>");
        assert_eq!((read(&xml).tests[0].status, read(&xml).problem), (wanted, None), "{status}");
    }
}

#[test]
fn documents_one_after_another_are_read_together() {
    let results = read(&format!("{PASS}\n{RERUN}\nDone in 3 s & left\n"));
    assert_eq!((results.problem, results.tests.len()), (None, read(PASS).tests.len() + read(RERUN).tests.len()));
    let broken = read(&format!("{PASS}\na & b\n<testsuite><testcase name='x'/>"));
    assert!(broken.problem.is_some());
}

#[test]
fn what_stands_inside_a_report_is_told_by_the_report_alone() {
    assert_eq!(detect_format(NEXTEST), Some(Format::Junit), "its output holds sections of libtest");
    assert_eq!(detect_format(&format!("{CARGO}{NEXTEST}")), None);
    assert_eq!(detect_format(&format!("{NEXTEST}{CARGO}")), None);
    assert_eq!(
        text_outside(&format!("before\n{PASS}\nbetween\n{FAIL}after")).split_whitespace().collect::<Vec<_>>(),
        ["before", "between", "after"]
    );
}

#[test]
fn a_report_that_is_not_whole_is_a_problem() {
    cut_off(PASS, read);
    for (xml, problem) in [
        ("", "no results of JUnit XML in the output"),
        ("<html><testsuite/></html>", "no results of JUnit XML in the output"),
        ("<testsuite tests='2'><testcase name='a'/></testsuite>", "the report: 2 tests declared, 1 reported"),
        (
            "<testsuite name='s' failures='1' tests='1'><testcase name='a'/></testsuite>",
            "s: 1 failures declared, 0 reported",
        ),
        ("<testsuite><testcase name='a'/>", "the report ends before its last element"),
        (
            "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><testsuite/>",
            "a document type declaration is not read",
        ),
    ] {
        assert_eq!(read(xml).problem.as_deref(), Some(problem), "{xml}");
        assert_eq!(conclude(Format::Junit, 0, xml).1, StageOutcome::Failed, "{xml}");
    }
    for xml in [
        "<testsuite><testcase name='a'></testsuite>",
        "<testsuite><testcase name='&nothing;'/></testsuite>",
        "<testsuite><testcase name='a' <</testsuite>",
    ] {
        assert!(read(xml).problem.unwrap().starts_with("not well-formed XML"), "{xml}");
    }
}

#[test]
fn hostile_output_is_read_in_bounds() {
    bounds(read, "<testsuite>\n", |n| format!("<testcase classname='c' name='t{n}'/>\n"));
    let deep = "<testsuite>".repeat(100_000);
    assert_eq!(read(&deep).problem.as_deref(), Some("suites nested deeper than 64"));
    let wide = format!("<testsuite {}/>", (0..200_000).map(|n| format!("a{n}='' ")).collect::<String>());
    assert_eq!(read(&wide).problem, None);
    let inside = format!("<testsuite><testcase name='a'>{}", "<b>".repeat(200_000));
    assert!(read(&inside).problem.is_some());
}

proptest! {
    #[test]
    fn any_text_is_read(output in "((<testsuites?>|</testsuites?>|<testcase name='a'/?>|</testcase>|<failure/?>|<!\\[CDATA\\[|\\]\\]>|<!--|-->|&amp;|&x;|<|>|'|é|\\x00|<\\?xml \\?>|<!DOCTYPE a>)|\\n){0,60}") {
        let _ = matches_output(&output);
        let _ = read(&output);
        let _ = text_outside(&output);
    }

    #[test]
    fn every_result_of_a_well_formed_report_is_found(cases in proptest::collection::vec((0usize..3, "\\PC{1,12}"), 1..40)) {
        let insides = ["", "<failure/>", "<skipped/>"];
        let escape = |name: &str| quick_xml::escape::escape(name.to_owned()).into_owned();
        let lines: String = cases.iter()
            .map(|(s, name)| format!("<testcase classname=\"c\" name=\"n{}\">{}</testcase>", escape(name), insides[*s])).collect();
        let results = read(&format!("<testsuite name=\"s\" tests=\"{}\">{lines}</testsuite>", cases.len()));
        prop_assert_eq!(results.problem, None);
        let read: Vec<_> = results.tests.into_iter().map(|test| (test.status, test.name)).collect();
        let wanted: Vec<_> = cases.iter().map(|(s, name)| ([Passed, Failed, Skipped][*s], format!("n{name}").trim().to_owned())).collect();
        prop_assert_eq!(read, wanted);
    }
}
