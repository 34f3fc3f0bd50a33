//! A verification as JUnit XML, for CI systems that show tests.
//!
//! Promises: well-formed whatever tests are called and programs print; every test of every stage is a case; a stage that is
//! not passed always has a case that says so; what does not pass the gate has a failure, so that who reads nothing but the
//! file sees it. Reasons that are no failing test are cases of a suite `mc verify`.

use super::verify::{Verified, describe_history};
use super::{count, sanitize, to_one_line};
use crate::domain::verify::{Cause, StageOutcome, StageResult, TestResult, TestStatus, WHOLE_SUITE};
use quick_xml::escape::partial_escape;
use std::fmt::Write;

/// The suite of what is no test of the tree.
const OWN: &str = "mc verify";
/// Most lines of output that one failing test shows.
const LINES: usize = 20;
/// So many failing tests of a stage show its output; the others name its place.
const SHOWN: usize = 10;
/// Most characters of a message.
const MESSAGE: usize = 2_000;

/// The whole file.
pub fn render(verified: &Verified) -> String {
    let snapshot = &verified.after.snapshot;
    let mut suites: Vec<Suite> = snapshot.stages.iter().map(|stage| Suite::of(verified, stage)).collect();
    let red = suites.iter().any(|suite| suite.failures + suite.errors > 0);
    suites.extend(Suite::of_gate(verified, red));
    let millis: u64 = snapshot.stages.iter().map(|stage| stage.millis).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut all = Suite::default();
    for suite in &suites {
        all.tests += suite.tests;
        all.failures += suite.failures;
        all.errors += suite.errors;
        all.skipped += suite.skipped;
        all.text.push_str(&suite.text);
    }
    let name = format!("mc verify {}", verified.after.tip.commit.as_str());
    let _ = writeln!(out, "<testsuites {}>", all.attributes(&name, millis));
    out.push_str(&all.text);
    out.push_str("</testsuites>\n");
    out
}

#[derive(Default)]
struct Suite {
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
    text: String,
}

impl Suite {
    fn of(verified: &Verified, stage: &StageResult) -> Self {
        let told = stage.tests.as_ref().map_or(&[][..], |tests| &tests.tests);
        let mut cases = String::new();
        let mut red = 0;
        for test in told {
            let suite = test.shown_suite();
            let suite = if suite.is_empty() { &stage.name } else { suite.as_ref() };
            let inner = match test.status {
                TestStatus::Passed => String::new(),
                TestStatus::Failed => {
                    red += 1;
                    describe_failure(verified, stage, test, red <= SHOWN)
                }
                TestStatus::Skipped => "<skipped/>".to_owned(),
            };
            cases.push_str(&format_case(suite, &test.name, &inner));
        }
        let mut suite = Self {
            tests: told.len() as u64,
            failures: stage.count_tests(TestStatus::Failed),
            skipped: stage.count_tests(TestStatus::Skipped),
            ..Self::default()
        };
        let outcome = stage.effective_outcome();
        // A failing stage speaks for itself where its tests do not.
        if told.is_empty() || (outcome != StageOutcome::Passed && !stage.is_explained()) {
            let mut body = describe_past(verified, stage, &stage.test_name("", ""));
            body.extend(stage.head_tail.lines().map(str::to_owned));
            let inner = match outcome {
                StageOutcome::Passed => String::new(),
                StageOutcome::Failed => format_element("failure", &stage.failure_reason(), &body.join("\n")),
                StageOutcome::NotRun => format_element("error", &stage.failure_reason(), &body.join("\n")),
            };
            suite.tests += 1;
            suite.failures += u64::from(outcome == StageOutcome::Failed);
            suite.errors += u64::from(outcome == StageOutcome::NotRun);
            cases.push_str(&format_case(&stage.name, &format!("stage {}", stage.name), &inner));
        }
        suite.enclose_cases(&stage.name, stage.millis, &cases)
    }

    /// What the gate says beside the tests; `None` when they tell it all. `red`: they tell that it does not pass.
    fn of_gate(verified: &Verified, red: bool) -> Option<Self> {
        let mut suite = Self::default();
        let mut cases = String::new();
        let mut add = |suite: &mut Self, name: &str, tag: &str, message: &str| {
            suite.tests += 1;
            suite.failures += u64::from(tag == "failure");
            suite.skipped += u64::from(tag == "skipped");
            cases.push_str(&format_case(OWN, name, &format_element(tag, message, message)));
        };
        let refusals = verified.judgement.iter().flat_map(|judgement| &judgement.refusals);
        for refusal in refusals.filter(|refusal| !is_told_by_tests(verified, refusal.cause)) {
            add(&mut suite, refusal.cause.word(), "failure", &refusal.reason);
        }
        if let Some(rules) = verified.changed_rules() {
            let by =
                format!("{} changes how it is verified; judged by {}", verified.after.asked, rules.policy_source());
            add(&mut suite, "settings", "skipped", &[vec![by], rules.lines()].concat().join("\n"));
        }
        if !verified.passes_gate() && !red && suite.failures == 0 {
            add(&mut suite, Cause::Gate.word(), "failure", &verified.headline());
        }
        (suite.tests > 0).then(|| suite.enclose_cases(OWN, 0, &cases))
    }

    fn attributes(&self, name: &str, millis: u64) -> String {
        let Self { tests, failures, errors, skipped, .. } = self;
        let (name, seconds, thousandths) = (escape(name), millis / 1000, millis % 1000);
        format!(
            "name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" time=\"{seconds}.{thousandths:03}\""
        )
    }

    fn enclose_cases(mut self, name: &str, millis: u64, cases: &str) -> Self {
        let attributes = self.attributes(name, millis);
        let _ = writeln!(
            self.text,
            "  <testsuite {attributes}>
{cases}  </testsuite>"
        );
        self
    }
}

/// Whether failing tests in the file say as much as a refusal does.
fn is_told_by_tests(verified: &Verified, cause: Cause) -> bool {
    let broken = verified.delta.iter().flat_map(|delta| &delta.stages_broken);
    let stages = &verified.after.snapshot.stages;
    let told = |line: &String| {
        let of = |stage: &&StageResult| line.starts_with(&format!("{}: ", stage.test_name("", "")));
        let red = |stage: &StageResult| stage.is_explained() && stage.count_tests(TestStatus::Failed) > 0;
        stages.iter().find(of).is_some_and(red)
    };
    match cause {
        Cause::Failing => true,
        Cause::Stages => {
            verified.delta.as_ref().is_some_and(|delta| !delta.stages_broken.is_empty()) && broken.into_iter().all(told)
        }
        _ => false,
    }
}

/// Why a test counts as failing, and where its stage said more.
fn describe_failure(verified: &Verified, stage: &StageResult, test: &TestResult, shown: bool) -> String {
    let name = &stage.name_of(test);
    let within = |list: &[String]| list.contains(name);
    let what = match &verified.delta {
        _ if name.ends_with(WHOLE_SUITE) => "could not run to its end",
        Some(delta) if within(&delta.broken) => "passed before and fails now",
        Some(delta) if within(&delta.new_failing) => "is new and fails",
        Some(delta) if within(&delta.still_failing) => "failed before this change too (pre-existing)",
        _ => "failed",
    };
    let mut body = describe_past(verified, stage, name);
    if !test.said.is_empty() {
        body.push("it says:".to_owned());
        body.extend(test.said.lines().map(str::to_owned));
    }
    let shown = shown && test.said.is_empty();
    let output: Vec<&str> = stage.head_tail.trim().lines().collect();
    if shown && !output.is_empty() {
        let last = &output[output.len().saturating_sub(LINES)..];
        body.push(format!("the output of the stage ends with its last {}:", count(last.len() as u64, "line")));
        body.extend(last.iter().map(|line| (*line).to_owned()));
    }
    format_element("failure", &format!("{what}; stage {}: {}", stage.name, stage.failure_reason()), &body.join("\n"))
}

/// How a test or stage did in stored runs, how old the result is when nothing was run, and where the output of the stage is.
fn describe_past(verified: &Verified, stage: &StageResult, name: &str) -> Vec<String> {
    let side = &verified.after;
    verified
        .history
        .get(name)
        .map(describe_history)
        .into_iter()
        .chain(side.describe_origin())
        .chain(side.places(stage))
        .collect()
}

fn format_case(class: &str, name: &str, inner: &str) -> String {
    format!("    <testcase classname=\"{}\" name=\"{}\">{inner}</testcase>\n", escape(class), escape(name))
}

fn format_element(tag: &str, message: &str, body: &str) -> String {
    let lines: String = body.lines().map(|line| escape(line) + "\n").collect();
    format!("<{tag} message=\"{}\">{lines}</{tag}>", escape(&to_one_line(message, MESSAGE)))
}

/// Text on one line for an attribute. Characters that XML 1.0 cannot hold (<https://www.w3.org/TR/xml/#charsets>) are gone
/// with the control characters; the two non-characters that are left are replaced too.
fn escape(text: &str) -> String {
    let text = sanitize(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
    partial_escape(&text).replace('"', "&quot;")
}

#[cfg(test)]
#[path = "junit_tests.rs"]
mod tests;
