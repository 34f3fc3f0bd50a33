//! The formats in which runners, linters and type checkers say what they found.
//!
//! Promises: a format is named by the settings or recognised by the structure of the output, never guessed from single
//! words; an output in which two formats recognise themselves is read as neither; what is not recognised counts by
//! its exit code only, and the result says so. Every reader is one pass over any text, in bounded memory.

pub mod bandit;
pub mod cargo;
pub mod clippy;
pub mod eslint;
pub mod go;
pub mod go_json;
pub mod jest;
pub mod junit;
pub mod metric;
pub mod mypy;
pub mod nextest;
pub mod pytest;
pub mod ruff;
pub mod tap;
pub mod tsc;
pub mod unittest;
pub mod vitest;

mod found;
mod report;
pub(super) mod said;

use super::results::{Reading, TestStatus};
use crate::domain::base::hex;
use crate::domain::base::text::floor;
use anstream::adapter::strip_str;
use report::Said;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Most tests or findings one output may name; further ones are a problem of the report.
pub const RESULTS_LIMIT: usize = 100_000;
/// Longest name in bytes; longer ones are cut and told apart by a hash.
pub const NAME_LIMIT: usize = 240;

/// How the output of a stage is read. [`FORMATS`] has a row for each that reads something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// By its structure, see [`recognise`]; else by exit code only.
    #[default]
    Auto,
    /// Exit code only.
    Exit,
    /// Findings of bandit.
    Bandit,
    /// `cargo test`.
    Cargo,
    /// Findings of cargo, rustc and clippy.
    Clippy,
    /// Findings of eslint.
    Eslint,
    /// `go test -v`.
    Go,
    /// `go test -json`.
    GoJson,
    /// jest.
    Jest,
    /// JUnit XML.
    Junit,
    /// Findings of mypy.
    Mypy,
    /// `cargo nextest run`.
    Nextest,
    /// pytest.
    Pytest,
    /// Findings of ruff.
    Ruff,
    /// Test Anything Protocol.
    Tap,
    /// Findings of the TypeScript compiler.
    Tsc,
    /// Python's unittest.
    Unittest,
    /// vitest.
    Vitest,
}

/// One format.
struct Known {
    format: Format,
    /// The word used in settings and output.
    word: &'static str,
    reader: Reader,
}

/// How a format is read.
enum Reader {
    /// A runner of tests, by its name: one look tells all.
    Runner(&'static str, fn(&str) -> Said),
    /// Whether the structure of the output is this one's beyond doubt; and what an output said to be of it gives, a problem where
    /// nothing of it is there.
    Own(fn(&str) -> bool, fn(&str) -> Reading),
}
use Reader::{Own, Runner};

impl Known {
    fn recognises(&self, output: &str) -> bool {
        match self.reader {
            Runner(_, said) => said(output).recognised(),
            Own(recognises, _) => recognises(output),
        }
    }

    fn read(&self, output: &str) -> Reading {
        match self.reader {
            Runner(name, said) => said(output).results(name).into(),
            Own(_, read) => read(output),
        }
    }
}

/// Every format that reads something.
#[rustfmt::skip]
const FORMATS: &[Known] = &[
    Known { format: Format::Bandit, word: "bandit", reader: Own(bandit::recognises, |text| bandit::read(text).into()) },
    Known { format: Format::Cargo, word: "cargo", reader: Runner("cargo test", cargo::said) },
    Known { format: Format::Clippy, word: "clippy", reader: Own(clippy::recognises, |text| clippy::read(text).into()) },
    Known { format: Format::Eslint, word: "eslint", reader: Own(eslint::recognises, |text| eslint::read(text).into()) },
    Known { format: Format::Go, word: "go", reader: Runner("go test -v", go::said) },
    Known { format: Format::GoJson, word: "go-json", reader: Own(go_json::recognises, |text| go_json::read(text).into()) },
    Known { format: Format::Jest, word: "jest", reader: Runner("jest", jest::said) },
    Known { format: Format::Junit, word: "junit", reader: Own(junit::recognises, |text| junit::read(text).into()) },
    Known { format: Format::Mypy, word: "mypy", reader: Own(mypy::recognises, |text| mypy::read(text).into()) },
    Known { format: Format::Nextest, word: "nextest", reader: Runner("cargo nextest", nextest::said) },
    Known { format: Format::Pytest, word: "pytest", reader: Runner("pytest", pytest::said) },
    Known { format: Format::Ruff, word: "ruff", reader: Own(ruff::recognises, |text| ruff::read(text).into()) },
    Known { format: Format::Tap, word: "tap", reader: Own(tap::recognises, |text| tap::read(text).into()) },
    Known { format: Format::Tsc, word: "tsc", reader: Own(tsc::recognises, |text| tsc::read(text).into()) },
    Known { format: Format::Unittest, word: "unittest", reader: Runner("unittest", unittest::said) },
    Known { format: Format::Vitest, word: "vitest", reader: Runner("vitest", vitest::said) },
];

/// The formats that give findings, not tests.
const FINDINGS: &[Format] = &[Format::Bandit, Format::Clippy, Format::Eslint, Format::Mypy, Format::Ruff, Format::Tsc];

/// The words of all formats, as settings may name them.
#[rustfmt::skip]
pub const WORDS: &[&str] = &[
    "auto",
    "exit",
    "bandit",
    "cargo",
    "clippy",
    "eslint",
    "go",
    "go-json",
    "jest",
    "junit",
    "mypy",
    "nextest",
    "pytest",
    "ruff",
    "tap",
    "tsc",
    "unittest",
    "vitest",
];

impl Format {
    /// The word used in settings and output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Exit => "exit",
            _ => FORMATS.iter().find(|known| known.format == self).map_or("exit", |known| known.word),
        }
    }

    /// Whether it gives findings, not tests.
    #[must_use]
    pub fn gives_findings(self) -> bool {
        FINDINGS.contains(&self)
    }

    /// The inverse of [`Format::word`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Auto),
            "exit" => Some(Self::Exit),
            _ => FORMATS.iter().find(|known| known.word == word).map(|known| known.format),
        }
    }
}

/// The one format whose structure the output has; `None` when there is none, or more than one. Compilers warn in front
/// of the tests they build: formats of findings are looked for only where there are no tests.
#[must_use]
pub fn recognise(output: &str) -> Option<Format> {
    let output = &*without_sequences(output);
    let outside = &*junit::outside(output);
    let seen = |known: &Known| if known.format == Format::Junit { output } else { outside };
    let one = |findings: bool| {
        let wanted = FORMATS.iter().filter(|known| known.format.gives_findings() == findings);
        let mut found = wanted.filter(|known| known.recognises(seen(known)));
        (found.next().map(|known| known.format), found.next().is_some())
    };
    match one(false) {
        (None, _) => Some(one(true)).and_then(|(format, more)| format.filter(|_| !more)),
        (format, more) => format.filter(|_| !more),
    }
}

/// Reads an output; the format it was read as comes with it, [`Format::Exit`] where nothing was understood.
#[must_use]
pub fn read(format: Format, output: &str) -> (Format, Reading) {
    let output = &*without_sequences(output);
    let format = match format {
        Format::Auto => recognise(output).unwrap_or(Format::Exit),
        named => named,
    };
    match FORMATS.iter().find(|known| known.format == format) {
        Some(known) => {
            let mut reading = known.read(output);
            reading.tests.iter_mut().for_each(|results| said::keep(format, output, &mut results.tests));
            (format, reading)
        }
        None => (Format::Exit, Reading::default()),
    }
}

/// How many tests passed in an output read as `format` that this reading does not name: runners that count them only, without a
/// failure among them; and, where more than one format recognises itself and none is read, those of all. That they passed
/// says the exit code, and only their number that they are there.
#[must_use]
pub fn counted(format: Format, output: &str) -> Option<u64> {
    let output = &*without_sequences(output);
    let outside = &*junit::outside(output);
    let passed = |reading: Reading| {
        let tests = reading.tests.filter(|_| format == Format::Exit)?.tests;
        Some(tests.iter().filter(|test| test.status == TestStatus::Passed).count() as u64)
    };
    let others = FORMATS.iter().filter(|known| known.format != format && !known.format.gives_findings());
    let counted = others.filter_map(|known| match known.reader {
        Runner(name, said) => match said(outside) {
            Said::Counts { failed: false, passed, .. } => Some(passed),
            said if said.recognised() => passed(said.results(name).into()),
            _ => None,
        },
        Own(..) => {
            let seen = if known.format == Format::Junit { output } else { outside };
            known.recognises(seen).then(|| known.read(seen)).and_then(passed)
        }
    });
    counted.reduce(u64::saturating_add)
}

/// A text without colours and other terminal sequences. One that is not ended takes no more with it than its line.
#[must_use]
pub fn without_sequences(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return text.into();
    }
    let mut clean = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.contains('\u{1b}') {
            true => {
                strip_str(line.trim_end_matches('\n')).for_each(|part| clean.push_str(part));
                clean.push_str(if line.ends_with('\n') { "\n" } else { "" });
            }
            false => clean.push_str(line),
        }
    }
    clean.into()
}

/// A name of at most [`NAME_LIMIT`] bytes.
pub(super) fn shorten(name: &str) -> String {
    bounded(name, NAME_LIMIT).into_owned()
}

/// A name of at most `limit` bytes; a longer one ends in a hash of the whole.
fn bounded(name: &str, limit: usize) -> Cow<'_, str> {
    if name.len() <= limit {
        return name.into();
    }
    let hash = hex(&Sha256::digest(name.as_bytes())[..4]);
    format!("{}… {hash}", &name[..floor(name, limit - 16)]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_a_word_and_every_word_a_format() {
        for word in WORDS {
            assert_eq!(Format::from_word(word).map(Format::word), Some(*word));
        }
        assert_eq!(WORDS.len(), FORMATS.len() + 2);
        let json = |format: Format| serde_json::to_value(format).unwrap();
        assert!(FORMATS.iter().all(|known| json(known.format) == known.word));
    }

    #[test]
    fn terminal_sequences_are_gone_as_a_whole() {
        for (text, plain) in [
            ("a\u{1b}[1;31mb\u{1b}[0m\u{1b}[2Kc\n", "abc\n"),
            ("\u{1b}]8;;https://x\u{7}link\u{1b}]8;;\u{1b}\\ end", "link end"),
            ("\u{1b}]0;never ended\nnext\u{1b}[\n\nlast\u{1b}", "\nnext\n\nlast"),
            ("\u{1b}(Bä\tx\r\n", "ä\tx\r\n"),
        ] {
            assert_eq!(without_sequences(text), plain, "{text:?}");
        }
    }
}

#[cfg(test)]
#[path = "findings_tests.rs"]
mod findings_tests;
