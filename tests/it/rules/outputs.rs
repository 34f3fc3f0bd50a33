//! Every recorded output below `tests/data/outputs/<format>` is read as that format and as no other, and says what the
//! expected text beside it says. `exit` holds outputs of runners that name no tests.

use expect_test::expect_file;
use mission_control::domain::verify::formats::{self, Format};
use mission_control::domain::verify::model::results::TestResults;
use std::collections::BTreeSet;
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

/// The recorded outputs of test runners: those that do not give findings when read as what their folder says.
fn of_runners() -> Vec<(String, PathBuf, String)> {
    let findings = |word: &str, text: &str| formats::read(named(word), text).1.findings.is_some();
    recorded().into_iter().filter(|(word, _, text)| !findings(word, text)).collect()
}

/// The format an output is read as when it is said to be `word`.
fn named(word: &str) -> Format {
    word.parse().unwrap_or_else(|_| panic!("tests/data/outputs/{word}: no such format"))
}

fn render(tests: &TestResults) -> String {
    let mut text = String::new();
    if let Some(problem) = &tests.problem {
        writeln!(text, "  problem: {problem}").unwrap();
    }
    for test in &tests.tests {
        writeln!(text, "  {:?} [{}] {}", test.status, test.suite, test.name).unwrap();
    }
    text
}

#[test]
fn every_recorded_output_is_recognised_as_what_it_is_and_nothing_else() {
    let mut wrong = Vec::new();
    for (word, path, text) in of_runners() {
        let found = formats::detect_format(&text);
        let right = match named(&word) {
            // A compiler that finds faults may be heard; tests must not be.
            Format::Exit => formats::read(Format::Auto, &text).1.tests.is_none(),
            wanted => found == Some(wanted),
        };
        if !right {
            wrong.push(format!("{}: {found:?}", path.display()));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Where passed tests have names they are not counted besides; and of those that have none, each runner tells how many.
#[test]
fn tests_without_names_are_counted() {
    let mut counted = Vec::new();
    for (word, path, text) in of_runners() {
        if let Some(passed) = formats::count_unnamed(named(&word), &text) {
            counted.push(format!("{word}/{}: {passed}", path.file_name().unwrap().to_str().unwrap()));
        }
    }
    let wanted = [
        "cargo-quiet.txt: 11",
        "go-plain.txt: 1",
        "jest-files.txt: 8",
        "nextest-quiet.txt: 8",
        "pytest-dots.txt: 6",
        "pytest-quiet.txt: 6",
        "pytest-xdist-dots.txt: 6",
        "unittest-dots.txt: 4",
        "vitest-files.txt: 9",
    ];
    assert_eq!(counted, wanted.map(|line| format!("exit/{line}")));
}

#[test]
fn every_recorded_output_is_read_as_expected() {
    let recorded = of_runners();
    let words: BTreeSet<&String> = recorded.iter().map(|(word, ..)| word).collect();
    assert!(words.len() > 10, "outputs of {words:?} only");
    for word in words.into_iter().filter(|word| *word != "exit") {
        let mut text = String::new();
        for (_, path, output) in recorded.iter().filter(|(folder, ..)| folder == word) {
            let (_, reading) = formats::read(named(word), output);
            writeln!(text, "{}", path.file_name().unwrap().display()).unwrap();
            text.push_str(&render(&reading.tests.unwrap_or_default()));
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/outputs").join(EXPECTED);
        expect_file![folder.join(format!("{word}.txt"))].assert_eq(&text);
    }
}

/// Each two outputs of different formats, one after the other.
#[test]
fn outputs_of_two_formats_together_are_read_as_neither() {
    let recorded = of_runners();
    let mut firsts: Vec<(&str, &str)> = Vec::new();
    for (word, _, text) in recorded.iter().filter(|(word, ..)| word != "exit") {
        if firsts.last().is_none_or(|(last, _)| last != word) {
            firsts.push((word, text));
        }
    }
    for (one, first) in &firsts {
        for (other, second) in firsts.iter().filter(|(other, _)| other != one) {
            let together = format!("{first}\n{second}");
            assert_eq!(formats::detect_format(&together), None, "{one} and {other}");
        }
    }
}
