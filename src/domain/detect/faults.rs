//! Which faults are planted to see whether the gate notices them (`mc doctor --gate`).
//!
//! Promises: chosen from names alone, the same for the same tree; every fault is one a gate worth its name refuses in any
//! language: a test file deleted, a test file broken, the sources broken.

use crate::domain::verify::model::results::TestResult;
use std::collections::BTreeSet;

/// Results looked at for names of files.
const TESTS_LOOKED_AT: usize = 2_000;

/// Shortest name of a test that tells its file.
const LEAST_NAME: usize = 4;

/// What a broken file holds: no program in any language.
pub const GARBAGE: &str = "%%% )( a fault planted by `mc doctor --gate` )( <<< \"' {{{ [[\n";

/// Endings of files that are programs.
const SOURCES: [&str; 42] = [
    "c", "cc", "clj", "cpp", "cs", "cxx", "dart", "erl", "ex", "exs", "fs", "go", "h", "hpp", "hs", "java", "jl", "js",
    "jsx", "kt", "lua", "m", "mjs", "ml", "mts", "php", "pl", "pm", "py", "r", "rb", "rs", "scala", "sh", "svelte",
    "swift", "t", "ts", "tsx", "vue", "xs", "zig",
];

/// One planted fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A tracked test file is deleted.
    Deleted(String),
    /// A tracked test file holds garbage.
    Broken(String),
    /// All these files hold garbage.
    AllBroken(Vec<String>),
}

impl Fault {
    /// What was done, for people.
    pub fn words(&self) -> String {
        match self {
            Self::Deleted(path) => format!("the test file {path} deleted"),
            Self::Broken(path) => format!("the test file {path} filled with garbage"),
            Self::AllBroken(paths) if paths.len() == 1 => format!("{} filled with garbage", paths[0]),
            Self::AllBroken(paths) => format!("{} files filled with garbage ({}, …)", paths.len(), paths[0]),
        }
    }

    /// What it means that the gate let it through.
    pub fn describe_miss(&self) -> String {
        match self {
            Self::Deleted(path) => format!(
                "your verification does not notice a deleted test file ({path}): let it print per-test results, so that \
                 tests that disappear are seen"
            ),
            Self::Broken(path) => format!(
                "your verification does not notice a broken test file ({path}): it does not run it, or hides its failure"
            ),
            Self::AllBroken(_) => {
                "your verification does not notice that the sources are garbage: it looks at nothing, \
                                   always exits with 0, or runs other files than those of its workspace (what is installed \
                                   elsewhere, a path of another checkout)"
                    .to_owned()
            }
        }
    }
}

/// Whether a path looks like that of a test.
pub fn is_test(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    if !SOURCES.contains(&ending) || stem == "__init__" || stem == "conftest" || stem == "mod" {
        return false;
    }
    let lower = stem.to_lowercase();
    let named = lower.starts_with("test_")
        || ["_test", "_spec", ".test", ".spec", "-test", "tests"].iter().any(|e| lower.ends_with(e))
        || stem.ends_with("Test")
        || ending == "t"
        || stem.starts_with("Test");
    let placed = folders.split('/').any(|f| ["test", "tests", "spec", "__tests__", "t"].contains(&f));
    named || (placed && !folders.split('/').any(|f| ["data", "fixtures", "support", "common", "testdata"].contains(&f)))
}

/// Tracked test files that results name: by path, by file name, or by what the file's name means as a suite or test.
pub fn reported_files<'t>(paths: &BTreeSet<String>, tests: impl IntoIterator<Item = &'t TestResult>) -> Vec<String> {
    let mut words: BTreeSet<String> = BTreeSet::new();
    for test in tests.into_iter().take(TESTS_LOOKED_AT) {
        for text in [&test.suite, &test.name] {
            words.extend(text.split([':', ' ', '>', '(', ')', ',']).filter(|word| !word.is_empty()).map(str::to_owned));
        }
    }
    let named = |path: &&String| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let dotted = path.rsplit_once('.').map_or("", |(stem, _)| stem).replace('/', ".");
        words.contains(path.as_str())
            || words.contains(name)
            || words.contains(stem)
            || words
                .iter()
                .any(|word| word.contains('.') && (dotted.ends_with(word.as_str()) || dotted.ends_with(stem_of(word))))
    };
    paths.iter().filter(|path| is_test(path)).filter(named).cloned().collect()
}

/// `tests.test_a.TestCase` without its class.
fn stem_of(word: &str) -> &str {
    match word.rsplit_once('.') {
        Some((stem, last)) if stem.contains('.') && last.starts_with(char::is_uppercase) => stem,
        _ => word,
    }
}

/// Whether a test file holds one of these tests, by its name in the text.
pub fn holds_test<'t>(text: &str, tests: impl IntoIterator<Item = &'t TestResult>) -> bool {
    tests.into_iter().take(TESTS_LOOKED_AT).any(|test| {
        let last = test.name.rsplit([':', ' ', '>', '/', '.']).find(|word| !word.is_empty()).unwrap_or_default();
        let names = [test.name.trim(), last];
        names.into_iter().any(|name| name.len() >= LEAST_NAME && text.contains(name))
    })
}

/// Test files to delete and to break, in the order they are tried, and whether their tests were seen to run: then one is
/// enough. A file that is left out on this machine (a build tag, a marker) says nothing of the verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Their paths.
    pub paths: Vec<String>,
    /// Whether results name them.
    pub sure: bool,
}

/// The test files to try. `reported` are tracked files that the run's results name.
pub fn find_candidates(paths: &BTreeSet<String>, reported: &[String]) -> Candidates {
    // A file named like a test is surer than one that only stands among tests.
    if let Some(known) = reported.iter().find(|path| paths.contains(*path) && is_test(path)) {
        return Candidates { paths: vec![known.clone()], sure: true };
    }
    let tests: Vec<&String> = paths.iter().filter(|path| is_test(path)).collect();
    let places: BTreeSet<usize> = [0, tests.len() / 2, tests.len().saturating_sub(1)].into();
    let chosen = places.into_iter().filter_map(|at| tests.get(at)).map(|path| (*path).clone());
    Candidates { paths: chosen.collect(), sure: false }
}

/// The fault in everything that is no test; absent where a tree has nothing of its own.
pub fn sources_broken(paths: &BTreeSet<String>) -> Option<Fault> {
    let program = |path: &&String| path.rsplit_once('.').is_some_and(|(_, ending)| SOURCES.contains(&ending));
    let sources: Vec<String> = paths.iter().filter(|path| program(path) && !is_test(path)).cloned().collect();
    let own = ["mission-control.toml", "BACKLOG.md", "PROGRESS.md", ".gitignore", ".gitattributes", ".gitmodules"];
    let rest = || paths.iter().filter(|path| !own.contains(&path.as_str())).cloned().collect::<Vec<_>>();
    let all = if sources.is_empty() { rest() } else { sources };
    (!all.is_empty()).then_some(Fault::AllBroken(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verify::model::results::TestStatus;

    fn paths(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn tests_are_told_by_their_names() {
        for path in [
            "tests/test_a.py",
            "a_test.go",
            "src/a.test.ts",
            "src/test/java/x/AppTest.java",
            "tests/it/cli.rs",
            "t/01.pl",
            "t/deep/basic.t",
            "src/delta_tests.rs",
            "spec/a_spec.rb",
            "tests/alpha.sh",
        ] {
            assert!(is_test(path), "{path}");
        }
        for path in
            ["src/latest.py", "tests/__init__.py", "tests/data/a.py", "README.md", "tests/x.json", "src/main.rs"]
        {
            assert!(!is_test(path), "{path}");
        }
    }

    #[test]
    fn a_reported_test_file_is_enough_and_documents_stay() {
        let tree =
            paths(&["README.md", "app.py", "tests/test_a.py", "tests/test_b.py", "tests/test_c.py", "tests/test_d.py"]);
        let found = find_candidates(&tree, &["gone_test.py".to_owned(), "tests/test_b.py".to_owned()]);
        assert_eq!(found, Candidates { paths: vec!["tests/test_b.py".to_owned()], sure: true });
        let found = find_candidates(&tree, &[]);
        assert_eq!((found.paths, found.sure), (["a", "c", "d"].map(|n| format!("tests/test_{n}.py")).to_vec(), false));
        assert_eq!(sources_broken(&tree), Some(Fault::AllBroken(vec!["app.py".to_owned()])));
        let readme = Fault::AllBroken(vec!["README.md".to_owned()]);
        assert_eq!(sources_broken(&paths(&["README.md", "BACKLOG.md"])), Some(readme));
        assert_eq!(sources_broken(&paths(&["BACKLOG.md"])), None);
        assert_eq!(find_candidates(&paths(&["BACKLOG.md"]), &[]), Candidates::default());
    }

    #[test]
    fn a_test_is_found_in_the_text_of_its_file() {
        let test = |name: &str| TestResult::new("demo", name, TestStatus::Passed);
        assert!(holds_test("func TestParse(t *testing.T)", &[test("TestParse")]));
        assert!(holds_test("test('adds two numbers', …)", &[test("adds two numbers")]));
        assert!(!holds_test("func TestOther(t *testing.T)", &[test("TestParse"), test("t")]));
    }
}
