//! A verification as JUnit XML, for CI systems that show tests.
//!
//! Promises: well-formed whatever tests are called and programs print; every test of every stage is a case; a stage that is
//! not passed always has a case that says so.

use super::text::plain;
use super::verify::{Verified, counted};
use crate::domain::verify::StageOutcome;
use crate::domain::verify::results::TestStatus;
use crate::domain::verify::snapshot::StageResult;
use std::fmt::Write;

/// The whole file.
#[must_use]
pub fn junit(verified: &Verified) -> String {
    let snapshot = &verified.after.snapshot;
    let suites: Vec<Suite> = snapshot.stages.iter().map(Suite::of).collect();
    let sum = |part: fn(&Suite) -> u64| suites.iter().map(part).sum::<u64>();
    let millis: u64 = snapshot.stages.iter().map(|stage| stage.millis).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"mc verify {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\">",
        escaped(verified.after.tip.commit.as_str()),
        sum(|s| s.tests),
        sum(|s| s.failures),
        sum(|s| s.errors),
        sum(|s| s.skipped),
        seconds(millis)
    );
    suites.iter().for_each(|suite| out.push_str(&suite.text));
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
    fn of(stage: &StageResult) -> Self {
        let told = stage.tests.as_ref().map_or(&[][..], |tests| &tests.tests);
        let mut cases = String::new();
        for test in told {
            let suite = if test.suite.is_empty() { &stage.name } else { &test.suite };
            let inner = match test.status {
                TestStatus::Passed => "",
                TestStatus::Failed => "<failure message=\"failed\"/>",
                TestStatus::Skipped => "<skipped/>",
            };
            let _ = writeln!(
                cases,
                "    <testcase classname=\"{}\" name=\"{}\">{inner}</testcase>",
                escaped(suite),
                escaped(&test.name)
            );
        }
        let mut suite = Self {
            tests: told.len() as u64,
            failures: counted(stage, TestStatus::Failed),
            skipped: counted(stage, TestStatus::Skipped),
            ..Self::default()
        };
        let outcome = stage.effective();
        // A failing stage speaks for itself where its tests do not.
        if told.is_empty() || (outcome != StageOutcome::Passed && !stage.explained()) {
            let (why, output) = (escaped(&stage.why()), lines(&stage.head_tail));
            let inner = match outcome {
                StageOutcome::Passed => String::new(),
                StageOutcome::Failed => format!("<failure message=\"{why}\">{output}</failure>"),
                StageOutcome::NotRun => format!("<error message=\"{why}\">{output}</error>"),
            };
            suite.tests += 1;
            suite.failures += u64::from(outcome == StageOutcome::Failed);
            suite.errors += u64::from(outcome == StageOutcome::NotRun);
            let name = escaped(&stage.name);
            let _ = writeln!(cases, "    <testcase classname=\"{name}\" name=\"stage {name}\">{inner}</testcase>");
        }
        let _ = writeln!(
            suite.text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\">\n{cases}  </testsuite>",
            escaped(&stage.name),
            suite.tests,
            suite.failures,
            suite.errors,
            suite.skipped,
            seconds(stage.millis)
        );
        suite
    }
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// Text on one line for an attribute. Characters that XML 1.0 cannot hold (<https://www.w3.org/TR/xml/#charsets>) are gone
/// with the control characters; the two non-characters that are left are replaced too.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

fn lines(text: &str) -> String {
    text.lines().map(|line| escaped(line) + "\n").collect()
}

#[cfg(test)]
#[path = "junit_tests.rs"]
mod tests;
