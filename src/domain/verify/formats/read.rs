//! Which format an output has, and reading it.

use super::{
    bandit, cargo, clippy, eslint, go, go_json, jest, junit, mypy, nextest, pytest, ruff, said, tap, tsc, unittest,
    vitest, without_sequences,
};
use crate::domain::verify::formats::format::{FINDINGS, Format};
use crate::domain::verify::formats::found::Gathered;
use crate::domain::verify::formats::report::Said;
use crate::domain::verify::{Reading, TestResults, TestStatus};
use Reader::{Finder, Own, Runner};

/// One format.
struct Known {
    format: Format,
    reader: Reader,
}

/// How a format is read.
enum Reader {
    /// A runner of tests, by its name: one look tells all.
    Runner(&'static str, fn(&str) -> Said),
    /// A tool that gives findings: one look tells all.
    Finder(fn(&str) -> Gathered),
    /// Whether the structure of the output is this one's beyond doubt; and what an output said to be of it gives, a problem where
    /// nothing of it is there.
    Own(fn(&str) -> bool, fn(&str) -> TestResults),
}

impl Known {
    fn matches_output(&self, output: &str) -> bool {
        match self.reader {
            Runner(_, said) => said(output).is_recognized(),
            Finder(gather) => gather(output).sure,
            Own(recognises, _) => recognises(output),
        }
    }

    fn read(&self, output: &str) -> Reading {
        match self.reader {
            Runner(name, said) => said(output).into_test_results(name).into(),
            Finder(gather) => gather(output).finish().into(),
            Own(_, read) => read(output).into(),
        }
    }
}

/// Every format that reads something.
#[rustfmt::skip]
const FORMATS: &[Known] = &[
    Known { format: Format::Bandit, reader: Finder(bandit::gather) },
    Known { format: Format::Cargo, reader: Runner("cargo test", cargo::parse_output) },
    Known { format: Format::Clippy, reader: Finder(clippy::gather) },
    Known { format: Format::Eslint, reader: Finder(eslint::gather) },
    Known { format: Format::Go, reader: Runner("go test -v", go::parse_output) },
    Known { format: Format::GoJson, reader: Own(go_json::matches_output, go_json::read) },
    Known { format: Format::Jest, reader: Runner("jest", jest::parse_output) },
    Known { format: Format::Junit, reader: Own(junit::matches_output, junit::read) },
    Known { format: Format::Mypy, reader: Finder(mypy::gather_findings) },
    Known { format: Format::Nextest, reader: Runner("cargo nextest", nextest::said) },
    Known { format: Format::Pytest, reader: Runner("pytest", pytest::parse_output) },
    Known { format: Format::Ruff, reader: Finder(ruff::gather) },
    Known { format: Format::Tap, reader: Own(tap::matches_output, tap::read) },
    Known { format: Format::Tsc, reader: Finder(tsc::gather) },
    Known { format: Format::Unittest, reader: Runner("unittest", unittest::parse_output) },
    Known { format: Format::Vitest, reader: Runner("vitest", vitest::parse_output) },
];

impl Format {
    /// The word used in settings and output.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// Whether it gives findings, not tests.
    pub fn gives_findings(self) -> bool {
        FINDINGS.contains(&self)
    }
}

/// The one format whose structure the output has; `None` when there is none, or more than one. Compilers warn in front
/// of the tests they build: formats of findings are looked for only where there are no tests.
pub fn detect_format(output: &str) -> Option<Format> {
    let output = &*without_sequences(output);
    let outside = &*junit::text_outside(output);
    let seen = |known: &Known| if known.format == Format::Junit { output } else { outside };
    let one = |findings: bool| {
        let wanted = FORMATS.iter().filter(|known| known.format.gives_findings() == findings);
        let mut found = wanted.filter(|known| known.matches_output(seen(known)));
        (found.next().map(|known| known.format), found.next().is_some())
    };
    match one(false) {
        (None, _) => Some(one(true)).and_then(|(format, more)| format.filter(|_| !more)),
        (format, more) => format.filter(|_| !more),
    }
}

/// Reads an output; the format it was read as comes with it, [`Format::Exit`] where nothing was understood.
pub fn read(format: Format, output: &str) -> (Format, Reading) {
    let output = &*without_sequences(output);
    let format = match format {
        Format::Auto => detect_format(output).unwrap_or(Format::Exit),
        named => named,
    };
    match FORMATS.iter().find(|known| known.format == format) {
        Some(known) => {
            let mut reading = known.read(output);
            reading.tests.iter_mut().for_each(|results| said::attach_messages(format, output, &mut results.tests));
            (format, reading)
        }
        None => (Format::Exit, Reading::default()),
    }
}

/// How many tests passed in an output read as `format` that this reading does not name: runners that count them only, without a
/// failure among them; and, where more than one format recognises itself and none is read, those of all. That they passed
/// says the exit code, and only their number that they are there.
pub fn count_unnamed(format: Format, output: &str) -> Option<u64> {
    let output = &*without_sequences(output);
    let outside = &*junit::text_outside(output);
    let passed = |reading: Reading| {
        let tests = reading.tests.filter(|_| format == Format::Exit)?.tests;
        Some(tests.iter().filter(|test| test.status == TestStatus::Passed).count() as u64)
    };
    let others = FORMATS.iter().filter(|known| known.format != format && !known.format.gives_findings());
    let counted = others.filter_map(|known| match known.reader {
        Runner(name, said) => match said(outside) {
            Said::Counts { failed: false, passed, .. } => Some(passed),
            said if said.is_recognized() => passed(said.into_test_results(name).into()),
            _ => None,
        },
        Finder(_) | Own(..) => {
            let seen = if known.format == Format::Junit { output } else { outside };
            known.matches_output(seen).then(|| known.read(seen)).and_then(passed)
        }
    });
    counted.reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verify::formats::WORDS;

    #[test]
    fn every_format_has_a_word_and_every_word_a_format() {
        for word in WORDS {
            assert_eq!(word.parse().map(Format::word), Ok(*word));
        }
        assert_eq!(WORDS.len(), FORMATS.len() + 2);
        let json = |format: Format| serde_json::to_value(format).unwrap();
        assert!(FORMATS.iter().all(|known| json(known.format) == known.format.word()));
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
