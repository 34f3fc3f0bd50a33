//! What the tests of all readers have in common: the way through the pipeline, cut-off reports, hostile sizes.

use super::*;
use crate::domain::ending::ProcessEnd;
use crate::domain::verify::StageOutcome;
use crate::domain::verify::formats::{Format, NAME_LIMIT};
use crate::domain::verify::model::key::StageSpec;
use crate::domain::verify::model::key::tests::stage as spec;
use crate::domain::verify::model::snapshot::StageResult;

/// What the tests of every reader name.
pub mod prelude {
    pub use super::{bounds, conclude, cut_off, names};
    pub use crate::domain::verify::StageOutcome;
    pub use crate::domain::verify::formats::{Format, detect_format};
    pub use crate::domain::verify::model::results::TestResults;
    pub use crate::domain::verify::model::results::TestStatus::{Failed, Passed, Skipped};
    pub use proptest::prelude::*;
}

/// Runs an output through a stage; gives as what it was read, the outcome, and whether single tests explain a failure.
pub fn conclude(format: Format, exit: i32, output: &str) -> (Format, StageOutcome, bool) {
    let spec = StageSpec { format, ..spec("unit", "./test") };
    let stage = StageResult::from_run(&spec, &ProcessEnd::Exited(exit), output.as_bytes(), &[], 1);
    (stage.format.unwrap(), stage.effective_outcome(), stage.is_explained())
}

/// The tests as `suite: name`.
pub fn names(results: &TestResults) -> Vec<String> {
    let parts = |test: &TestResult| [test.suite.clone(), test.name.clone()].into_iter().filter(|part| !part.is_empty());
    results.tests.iter().map(|test| parts(test).collect::<Vec<_>>().join(": ")).collect()
}

/// A passing report that ends anywhere before its end either has a problem or is no report, and never names other tests.
pub fn cut_off(report: &str, read: fn(&str) -> TestResults) {
    let all = names(&read(report));
    let mut whole = 0;
    for (at, _) in report.match_indices('\n') {
        let results = read(&report[..=at]);
        let known = names(&results).iter().all(|name| all.contains(name) || name.contains(WHOLE_SUITE));
        assert!(known, "names other tests when cut at {at}: {:?}", names(&results));
        whole += usize::from(results.problem.is_none() && results.tests.len() < all.len());
    }
    assert_eq!(whole, 0, "a part of the report passes for the whole");
}

/// Output far beyond what a runner prints: a line of 50 MB, more results than the limit, deep nesting.
pub fn bounds(read: fn(&str) -> TestResults, head: &str, line: fn(usize) -> String) {
    let long = format!("{head}{}\n{}\n", "a".repeat(50_000_000), line(1).replace("t1", &"t".repeat(5_000_000)));
    let results = read(&long);
    assert!(results.tests.iter().all(|test| test.name.len() <= NAME_LIMIT && test.suite.len() <= NAME_LIMIT));
    let many: String = std::iter::once(head.to_owned()).chain((0..RESULTS_LIMIT + 1000).map(line)).collect();
    let results = read(&many);
    assert!(results.tests.len() <= RESULTS_LIMIT);
    assert!(results.problem.is_some());
    let deep: String = (0..2000).map(|depth| format!("{}{}", " ".repeat(depth), line(depth))).collect();
    let _ = read(&format!("{head}{deep}"));
}

/// The names that names get, in their order.
fn called(raw: &[&str]) -> Vec<String> {
    let mut report = Report::default();
    raw.iter().for_each(|name| report.test("s", name, TestStatus::Passed));
    report.into_results().tests.into_iter().map(|test| test.name).collect()
}

#[test]
fn absolute_paths_are_cut_to_their_last_part() {
    for (name, stays) in [
        ("/home/me/slot-3/a.test.js", "a.test.js"),
        ("a/b.rs", "a/b.rs"),
        ("/", "/"),
        ("/ping answers", "/ping answers"),
        ("/a/", "/a/"),
    ] {
        assert_eq!(called(&[name, name]), [stays, stays]);
    }
}

#[test]
fn different_paths_never_become_one_name() {
    for root in ["/home/me/slot-3", "/tmp/x"] {
        let paths = ["/a/x.js", "/b/x.js", "/a/b/x.js", "/y.js"].map(|path| format!("{root}{path}"));
        let paths = paths.each_ref().map(String::as_str);
        assert_eq!(
            called(&paths),
            ["a/x.js", if root == "/tmp/x" { "x/b/x.js" } else { "slot-3/b/x.js" }, "a/b/x.js", "y.js"]
        );
        assert_eq!(called(&paths[..1]), ["x.js"]);
    }
    let deep = "/d".repeat(40);
    let names = called(&[&format!("/one{deep}/x"), &format!("/two{deep}/x"), "/x"]);
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{names:?}");
}

#[test]
fn endless_names_stay_different() {
    let endless = |end: &str| format!("{}{end}", "n".repeat(10 * NAME_LIMIT));
    assert_ne!(cut(&endless("a")), cut(&endless("b")));
    assert!(cut(&endless("a")).len() <= 4 * NAME_LIMIT);
    assert_eq!(cut("short"), "short");
}

#[test]
fn durations_are_known_by_their_form() {
    for (text, is) in [("12 ms", true), ("1.204 s", true), ("3ms", true), ("ms", false), ("0.3x", false), ("1m", true)]
    {
        assert_eq!(is_duration(text), is, "{text}");
    }
    assert_eq!(without_trailing("adds (12 ms) (1 ms)", is_duration), "adds");
    assert_eq!(without_trailing("adds (twice)", is_duration), "adds (twice)");
}

#[test]
fn suites_that_could_not_run_are_nothing_to_compare_with_when_no_test_ran() {
    let mut report = Report { failed: true, ..Report::default() };
    for suite in ["a", "b", "c", "d"] {
        report.broken_suite(suite);
    }
    let results = report.said("").into_test_results("");
    assert_eq!(
        (results.tests.len(), results.problem.as_deref()),
        (0, Some("no test ran; could not run a, b, c and 1 more"))
    );
    let mut report = Report { failed: true, ..Report::default() };
    report.test("a", "b", TestStatus::Passed);
    let results = report.said("").into_test_results("");
    assert!(results.problem.is_some(), "a failure that is counted must be named");
}
