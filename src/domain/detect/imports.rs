//! From where a Python environment imports: the folders outside of it that its editable installs name, and whether a stage
//! takes them from the tree it verifies. Formats: the `site` module of Python (`.pth`), setuptools' `__editable__` finders,
//! PEP 610 (`direct_url.json`).
//!
//! Promises: texts in, folders out, no io; what names a folder in a form that is not known is never passed over.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// Where a module is taken from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Import {
    /// A folder that is searched after those of `PYTHONPATH`.
    Searched(PathBuf),
    /// A folder that no `PYTHONPATH` comes before.
    Fixed(PathBuf),
}

impl Import {
    /// The folder.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Searched(folder) | Self::Fixed(folder) => folder,
        }
    }
}

/// What a `.pth` file in `site` adds to the search path; its lines that run code are those of other files.
pub fn of_pth<'t>(project: &'t Path, text: &'t str) -> impl Iterator<Item = Import> + 't {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let paths = lines.filter(|line| !line.starts_with("import ") && !line.starts_with("import\t"));
    paths.map(|path| Import::Searched(project.join(path)))
}

/// What the module of an editable install names. A finder of setuptools maps names of modules to their folders and comes after
/// the search path (it is appended to `sys.meta_path`); others come first.
pub fn of_loader(file: &str, text: &str) -> Vec<Import> {
    let finder = file.starts_with("__editable__") && file.ends_with("_finder.py");
    let strings = quoted_strings(text);
    let mut found = Vec::new();
    for (at, string) in strings.iter().enumerate().filter(|(_, string)| string.starts_with('/')) {
        let module = at.checked_sub(1).and_then(|before| strings.get(before)).map(String::as_str);
        found.push(match module.filter(|_| finder).and_then(|module| search_folder(module, Path::new(string))) {
            Some(folder) => Import::Searched(folder),
            None => Import::Fixed(PathBuf::from(string)),
        });
    }
    found
}

/// The folder that has to be searched for `module` to be found at `path`.
fn search_folder(module: &str, path: &Path) -> Option<PathBuf> {
    let mut path = path.with_extension("");
    for part in module.rsplit('.') {
        if path.file_name()?.to_str()? != part || !path.pop() {
            return None;
        }
    }
    Some(path)
}

/// Texts in quotes, as far as a generated file needs them told apart.
fn quoted_strings(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some(at) = rest.find(['\'', '"']) {
            let quote = &rest[at..=at];
            let Some(end) = rest[at + 1..].find(quote) else { break };
            found.push(rest[at + 1..at + 1 + end].to_owned());
            rest = &rest[at + 2 + end..];
        }
    }
    found
}

/// The folder an editable install was made from; nothing for any other `direct_url.json`.
pub fn of_direct_url(text: &str) -> Option<PathBuf> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value["dir_info"]["editable"].as_bool().filter(|editable| *editable)?;
    Some(PathBuf::from(value["url"].as_str()?.strip_prefix("file://")?))
}

/// Whether a line starts programs of the Python environment that is active: where none is, it gets others or fails. Tools that make
/// an environment in each workspace are no such programs.
pub fn needs_active(line: &str) -> bool {
    let programs = ["python", "python3", "pytest", "coverage", "mypy", "ruff", "bandit"];
    line.split(['&', ';', '|', '\n']).any(|command| {
        let words = shlex::split(command).unwrap_or_default();
        let assigns = |word: &String| word.split_once('=').is_some_and(|(name, _)| !name.contains('/'));
        words.iter().find(|word| !assigns(word)).is_some_and(|word| programs.contains(&word.as_str()))
    })
}

/// Those of `folders` (relative to the top of the repository) that a stage does not take from its own tree, because its line sets
/// `PYTHONPATH` without them. Runs have them in `PYTHONPATH` by themselves.
pub fn hidden_by(line: &str, folders: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut at = PathBuf::new();
    let mut missing: BTreeSet<PathBuf> = BTreeSet::new();
    for command in line.split(['&', ';', '|', '\n']) {
        let words = shlex::split(command).unwrap_or_default();
        if let [first, folder, ..] = words.as_slice()
            && first == "cd"
        {
            at = normalize_path(&at.join(folder));
        }
        for value in words.iter().filter_map(|word| word.strip_prefix("PYTHONPATH=")) {
            if value.contains("$PYTHONPATH") || value.contains("${PYTHONPATH") {
                continue;
            }
            let given: BTreeSet<PathBuf> = value
                .split(':')
                .map(|part| part.strip_prefix("$PWD/").or_else(|| part.strip_prefix("$(pwd)/")).unwrap_or(part))
                .map(|part| normalize_path(&at.join(part)))
                .collect();
            missing.extend(folders.difference(&given).cloned());
        }
    }
    missing.into_iter().collect()
}

/// A relative path without `.` and, where that is possible, `..`.
fn normalize_path(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if parts.file_name().is_some() => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn folders_are_found_in_every_form() {
        let project = Path::new("/v/site-packages");
        let pth = "# a\n/r/a/src\nimport sys; sys.path\n../b\n";
        let found: Vec<Import> = of_pth(project, pth).collect();
        assert_eq!(found, [Import::Searched("/r/a/src".into()), Import::Searched("/v/site-packages/../b".into())]);
        let finder =
            "MAPPING: dict[str, str] = {'pa': '/r/a/lib/pa', 'one': '/r/one.py', 'x.y': '/r/x/y', 'odd': '/r/lib'}\n";
        let found = of_loader("__editable___pa_1_finder.py", finder);
        let (lib, top) = (Import::Searched("/r/a/lib".into()), Import::Searched("/r".into()));
        assert_eq!(found, [lib, top.clone(), top, Import::Fixed("/r/lib".into())]);
        let found = of_loader("_pa_editable_loader.py", "install({\"pa\"}, \"/r/a/build\")");
        assert_eq!(found, [Import::Fixed("/r/a/build".into())]);
        let url = r#"{"dir_info": {"editable": true}, "url": "file:///r/a"}"#;
        assert_eq!(of_direct_url(url), Some("/r/a".into()));
        assert_eq!(of_direct_url(r#"{"url": "file:///r/a", "dir_info": {}}"#), None);
    }

    #[test]
    fn a_line_that_sets_the_path_itself_must_have_all_folders() {
        let folders = set(&["a/src", "b/src"]);
        let missing = |line: &str| hidden_by(line, &folders);
        assert!(missing("pytest").is_empty() && missing("PYTHONPATH=\"x:$PYTHONPATH\" pytest").is_empty());
        assert_eq!(missing("cd ./b && PYTHONPATH=src python3 -m pytest -v"), [PathBuf::from("a/src")]);
        assert!(missing("cd ./b && PYTHONPATH=src:../a/src python3 -m pytest -v").is_empty());
        assert!(missing("PYTHONPATH=$PWD/a/src:b/./src pytest").is_empty());
        assert!(hidden_by("PYTHONPATH=. pytest", &set(&[""])).is_empty());
    }

    #[test]
    fn programs_of_the_active_environment_are_found() {
        for line in [
            "python3 -m pytest -v",
            "cd ./a && PYTHONPATH=src:../b/src python3 -m unittest",
            "pytest",
            "A=1 ruff check",
        ] {
            assert!(needs_active(line), "{line}");
        }
        for line in ["uv run pytest", ".venv/bin/python3 -m pytest", "npm test", "echo python3", "poetry run mypy ."] {
            assert!(!needs_active(line), "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(file in ".*", text in "(.|['\"/\n:=$]|PYTHONPATH=|cd )*") {
            let _ = (of_loader(&file, &text), of_direct_url(&text), hidden_by(&text, &set(&["a"])), needs_active(&text));
            let _ = of_pth(Path::new("/s"), &text).count();
        }
    }
}
