//! Every recorded output below `tests/data/outputs/<format>` is read as that format and as no other, and says what the
//! expected text beside it says. `exit` holds outputs that only their exit code judges.

use expect_test::expect_file;
use mission_control::domain::verify::formats::{self, Format, WORDS};
use mission_control::domain::verify::results::Reading;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const EXPECTED: &str = "expected";

/// Every recorded output with the format its folder says, sorted.
fn recorded() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/outputs");
    let list = |folder: &Path| {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let mut found = Vec::new();
    for folder in list(&root).into_iter().filter(|path| path.is_dir()) {
        let word = folder.file_name().unwrap().to_str().unwrap().to_owned();
        for path in list(&folder).into_iter().filter(|_| word != EXPECTED) {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            found.push((word.clone(), path, text));
        }
    }
    found
}

/// The format an output is read as when it is said to be `word`.
fn named(word: &str) -> Format {
    Format::from_word(word).unwrap_or_else(|| panic!("tests/data/outputs/{word}: no such format"))
}

fn render(reading: &Reading) -> String {
    let mut text = String::new();
    if let Some(tests) = &reading.tests {
        if let Some(problem) = &tests.problem {
            writeln!(text, "  problem: {problem}").unwrap();
        }
        for test in &tests.tests {
            writeln!(text, "  {:?} [{}] {}", test.status, test.suite, test.name).unwrap();
        }
    }
    if let Some(findings) = &reading.findings {
        if let Some(problem) = &findings.problem {
            writeln!(text, "  problem: {problem}").unwrap();
        }
        for (finding, count) in &findings.counts {
            writeln!(text, "  {count} {finding}").unwrap();
        }
    }
    text
}

#[test]
fn every_recorded_output_is_recognised_as_what_it_is_and_nothing_else() {
    let mut wrong = Vec::new();
    for (word, path, text) in recorded() {
        let wanted = Some(named(&word)).filter(|format| *format != Format::Exit);
        let found = formats::recognise(&text);
        if found != wanted {
            wrong.push(format!("{}: {found:?}", path.display()));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_format_has_recorded_output() {
    let recorded = recorded();
    for word in WORDS.iter().filter(|word| **word != "auto") {
        assert!(recorded.iter().any(|(folder, ..)| folder == word), "no output of {word}");
    }
}

#[test]
fn every_recorded_output_is_read_as_expected() {
    let recorded = recorded();
    for word in WORDS {
        let mut text = String::new();
        for (_, path, output) in recorded.iter().filter(|(folder, ..)| folder == word) {
            let (_, reading) = formats::read(named(word), output);
            writeln!(text, "{}", path.file_name().unwrap().display()).unwrap();
            text.push_str(&render(&reading));
        }
        if *word != "auto" && *word != "exit" {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/outputs").join(EXPECTED);
            expect_file![folder.join(format!("{word}.txt"))].assert_eq(&text);
        }
    }
}

/// Each two outputs of different formats, one after the other.
#[test]
fn outputs_of_two_formats_together_are_read_as_neither() {
    let recorded = recorded();
    let first = |word: &str| recorded.iter().filter(move |(folder, ..)| folder == word).map(|(.., text)| text).next();
    let words = WORDS.iter().filter(|word| !matches!(**word, "auto" | "exit"));
    for one in words.clone() {
        for other in words.clone().filter(|other| *other != one) {
            let together = format!("{}\n{}", first(one).unwrap(), first(other).unwrap());
            assert_eq!(formats::recognise(&together), None, "{one} and {other}");
        }
    }
}
