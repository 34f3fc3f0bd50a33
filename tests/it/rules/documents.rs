//! What the documents name is there: tests in the lessons, files in the architecture.
#![expect(clippy::disallowed_methods, reason = "reads the tree")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("a document")
}

fn sources() -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![root().join("src"), root().join("tests/it")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a source folder") {
            let path = entry.expect("a source folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// Names of all functions.
fn functions() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in sources() {
        let text = std::fs::read_to_string(file).expect("a source");
        names.extend(text.split("fn ").skip(1).filter_map(|rest| {
            let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric())?;
            rest[end..].starts_with(['(', '<']).then(|| rest[..end].to_owned())
        }));
    }
    names
}

/// What stands between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Tests that the last column of a table names and nobody has written.
fn unknown_tests(document: &str, functions: &BTreeSet<String>) -> Vec<String> {
    let rows = document.lines().filter(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.trim_end_matches(['|', ' ']).rsplit(" | ").next().unwrap_or(row));
    let named = cells.flat_map(quoted).map(str::to_owned);
    let is_name = |name: &String| name.contains('_') && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
    named.filter(|name| is_name(name) && !functions.contains(name)).collect()
}

#[test]
fn every_test_that_the_lessons_name_exists() {
    let functions = functions();
    let planted =
        "| L1 | a fault | a rule in `no_such_rule` | `no_such_test`, `every_test_that_the_lessons_name_exists` |";
    assert_eq!(unknown_tests(planted, &functions), ["no_such_test"]);
    assert_eq!(unknown_tests(&text("docs/lessons.md"), &functions), Vec::<String>::new());
}

#[test]
fn every_lesson_has_a_line() {
    let lessons = text("docs/lessons.md");
    let has = |id: &str| {
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_digit());
        lessons.match_indices(id).any(|(at, _)| ends(&lessons[at + id.len()..]))
    };
    let ids = (4..=62_u32).map(|n| format!("H{n}")).chain((1..=55_u32).map(|n| format!("L{n}")));
    let missing: Vec<String> = ids.filter(|id| !has(id)).collect();
    assert_eq!(missing, Vec::<String>::new());
}
