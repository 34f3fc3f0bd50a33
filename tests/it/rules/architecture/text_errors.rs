//! Below the engine an error is a value that says what it is, not a text: whoever gets one can decide by it. The functions of
//! today that give a text are counted by file, and the counts can only get smaller. Code of tests does not count.

use super::{Source, tree};
use std::collections::BTreeMap;

/// Files with such functions, and how many lines of each name one.
const KNOWN: &str = include_str!("text_errors.txt");

fn text_errors(file: &Source) -> usize {
    let below = ["src/domain/", "src/adapters/"].iter().any(|ring| file.path.starts_with(ring));
    if !below || file.path.ends_with("_tests.rs") {
        return 0;
    }
    let code = file.text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.filter(|line| line.split_once("Result<").is_some_and(|(_, rest)| rest.contains(", String>"))).count()
}

fn known() -> BTreeMap<&'static str, usize> {
    let row = |line: &'static str| {
        let (count, path) = line.split_once(' ').expect("a count and a path");
        (path, count.parse().expect("a count"))
    };
    KNOWN.lines().map(row).collect()
}

#[test]
fn no_more_errors_are_texts_below_the_engine() {
    let files = tree();
    let found = files.iter().map(|file| (file.path.as_str(), text_errors(file))).filter(|(_, count)| *count > 0);
    let found: BTreeMap<&str, usize> = found.collect();
    let today: String = found.iter().map(|(path, count)| format!("{count} {path}\n")).collect();
    assert!(found == known(), "text_errors.txt would be:\n{today}");
}

#[test]
fn a_text_as_an_error_is_found() {
    let count = |path: &str, text: &str| text_errors(&Source::new(path, text));
    assert_eq!(count("src/adapters/a.rs", "fn a() -> Result<u8, String> {\n/// Result<u8, String>\n"), 1);
    assert_eq!(
        count("src/adapters/a.rs", "fn a() -> Result<String, Error> {\n#[cfg(test)]\nfn b() -> Result<(), String>"),
        0
    );
    assert_eq!(count("src/engine/a.rs", "fn a() -> Result<u8, String> {"), 0);
}
