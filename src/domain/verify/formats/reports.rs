//! Report files of a stage, read as JUnit XML into one list of tests.
//!
//! Promises: the result does not depend on the order in which the files were found; a stage that should have left reports
//! and did not, or whose reports cannot be read whole, has a problem and is never passed by them.

use crate::domain::base::Invalid;
use crate::domain::verify::formats::relative::{relativize_paths, to_text};
use crate::domain::verify::formats::{self, Format, RESULTS_LIMIT};
use crate::domain::verify::model::results::TestResults;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// What report files are.
pub const FORMAT: Format = Format::Junit;

/// A file that a stage left in the work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// Its path from the root of the work tree.
    pub path: String,
    /// Its text, or why it could not be had.
    pub text: Result<String, Invalid>,
}

impl ReportFile {
    /// A file of these bytes, in the encoding that they declare. The paths of the workspace become relative in it.
    pub fn from_bytes(path: String, bytes: Result<Vec<u8>, Invalid>, workspace: &str) -> Self {
        let text =
            bytes.and_then(|bytes| decode(&bytes)).map(|text| relativize_paths(text.into(), workspace).into_owned());
        Self { path, text }
    }
}

/// The text of an XML document: by its byte order mark, else by the encoding that its declaration names
/// (<https://www.w3.org/TR/xml/#sec-guessing>), else UTF-8. Bytes that are none in it stay apart, see [`to_text`].
fn decode(bytes: &[u8]) -> Result<String, Invalid> {
    let encoding = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        None => declared_encoding(bytes)?,
    };
    if encoding == UTF_8 {
        return Ok(to_text(bytes).into_owned());
    }
    let (text, encoding, malformed) = encoding.decode(bytes);
    match malformed {
        true => Err(format!("it is not in the encoding that it declares, {}", encoding.name()).into()),
        false => Ok(text.into_owned()),
    }
}

fn declared_encoding(bytes: &[u8]) -> Result<&'static Encoding, Invalid> {
    let wide = match bytes {
        [b'<', 0, b'?', 0, ..] => Some(UTF_16LE),
        [0, b'<', 0, b'?', ..] => Some(UTF_16BE),
        _ => None,
    };
    if let Some(wide) = wide {
        return Ok(wide);
    }
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(256)]);
    let declaration = head.trim_start().strip_prefix("<?xml").and_then(|rest| Some(rest.split_once("?>")?.0));
    let Some((_, after)) = declaration.and_then(|declaration| declaration.split_once("encoding")) else {
        return Ok(UTF_8);
    };
    let value = after.trim_start().trim_start_matches('=').trim_start();
    let label = value.get(1..).and_then(|rest| rest.split(['"', '\'']).next()).unwrap_or_default();
    Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        format!("it declares the encoding {label}, which is not known here; let the runner write UTF-8").into()
    })
}

/// Reads all reports of one run of a stage.
pub fn read(globs: &[String], files: &[ReportFile]) -> TestResults {
    let mut all = TestResults::default();
    if files.is_empty() {
        all.problem = Some(format!("the stage left no report: no new file matches {}", globs.join(", ")));
    }
    let mut sorted: Vec<&ReportFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    for file in sorted {
        let read = file.text.as_ref().map(|text| formats::read(FORMAT, text).1.tests.unwrap_or_default());
        let broken = |why: &Invalid| TestResults { tests: Vec::new(), problem: Some(why.to_string()) };
        let TestResults { tests, problem } = read.unwrap_or_else(broken);
        let problem = problem.map(|why| format!("report {}: {why}", file.path));
        all.problem = all.problem.or(problem);
        for mut test in tests {
            test.place.file.clone_from(&file.path);
            all.tests.push(test);
        }
    }
    if all.tests.len() > RESULTS_LIMIT {
        all.tests.truncate(RESULTS_LIMIT);
        all.problem.get_or_insert_with(|| format!("the reports name more than {RESULTS_LIMIT} tests"));
    }
    formats::said::share(&mut all.tests);
    all
}
