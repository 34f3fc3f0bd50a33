//! Report files of a stage, read as JUnit XML into one list of tests.
//!
//! Promises: the result does not depend on the order in which the files were found; a stage that should have left reports
//! and did not, or whose reports cannot be read whole, has a problem and is never passed by them.

use super::formats::{self, Format, RESULTS_LIMIT};
use super::results::TestResults;

/// What report files are.
pub const FORMAT: Format = Format::Junit;

/// A file that a stage left in the work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// Its path from the root of the work tree.
    pub path: String,
    /// Its text, or why it could not be had.
    pub text: Result<String, String>,
}

/// Reads all reports of one run of a stage.
#[must_use]
pub fn read(globs: &[String], files: &[ReportFile]) -> TestResults {
    let mut all = TestResults::default();
    let problem = |all: &mut TestResults, what: String| {
        if all.problem.is_none() {
            all.problem = Some(what);
        }
    };
    if files.is_empty() {
        problem(&mut all, format!("the stage left no report: no new file matches {}", globs.join(", ")));
    }
    let mut sorted: Vec<&ReportFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    for file in sorted {
        match &file.text {
            Err(why) => problem(&mut all, format!("report {}: {why}", file.path)),
            Ok(text) => {
                let tests = junit(text);
                if let Some(why) = tests.problem {
                    problem(&mut all, format!("report {}: {why}", file.path));
                }
                all.tests.extend(tests.tests);
            }
        }
    }
    if all.tests.len() > RESULTS_LIMIT {
        all.tests.truncate(RESULTS_LIMIT);
        problem(&mut all, format!("the reports name more than {RESULTS_LIMIT} tests"));
    }
    all
}

fn junit(text: &str) -> TestResults {
    let (_, reading) = formats::read(FORMAT, text);
    reading.tests.unwrap_or_else(|| TestResults { tests: Vec::new(), problem: Some("it is no JUnit XML".to_owned()) })
}
