//! The folders of a repository in which projects are looked for, and what is in one.

use super::Files;
use std::collections::BTreeSet;

/// Folders that hold code of others, or code that is no part of the product.
const PASSED_OVER: [&str; 14] = [
    "build",
    "dist",
    "doc",
    "docs",
    "example",
    "examples",
    "fixtures",
    "node_modules",
    "out",
    "target",
    "testdata",
    "third_party",
    "thirdparty",
    "vendor",
];

/// Folders two levels down are no projects of their own below these.
const OF_TESTS: [&str; 8] = ["bench", "benchmarks", "fuzz", "spec", "template", "templates", "test", "tests"];

/// Whether a project is looked for in this folder: the top, and folders of the first two levels that hold the product.
pub(super) fn is_place(folder: &str) -> bool {
    let mut parts = folder.split('/').filter(|part| !part.is_empty());
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => true,
        (Some(first), None, _) => !passed_over(first),
        (Some(first), Some(second), None) => {
            ![first, second].iter().any(|part| passed_over(part) || OF_TESTS.contains(part))
        }
        _ => false,
    }
}

pub(super) fn passed_over(folder: &str) -> bool {
    PASSED_OVER.contains(&folder) || folder.starts_with('.') || folder.chars().any(char::is_control)
}

/// Every folder of the first two levels in which a project is looked for, those around others first.
pub(super) fn folders(files: &Files) -> BTreeSet<&str> {
    let ends = |path: &str| path.match_indices('/').map(|(at, _)| at).take(2).collect::<Vec<_>>();
    let all = files.paths.iter().flat_map(|path| ends(path).into_iter().map(|end| &path[..end]));
    all.filter(|folder| is_place(folder)).collect()
}

/// The top of the repository, or one folder of it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) files: &'a Files,
    pub(super) folder: &'a str,
}

impl Place<'_> {
    pub(super) fn has_file(&self, name: &str) -> bool {
        self.files.paths.contains(&join_folder(self.folder, name))
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.files.texts.get(&join_folder(self.folder, name)).map_or("", String::as_str)
    }

    /// Paths below this place, relative to it.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        let start = join_folder(self.folder, "");
        self.files.paths.iter().filter_map(move |path| path.strip_prefix(start.as_str()))
    }

    /// Contents read below this place, with their paths relative to it.
    pub(super) fn texts_below(&self) -> impl Iterator<Item = (&str, &str)> {
        let (start, texts) = (join_folder(self.folder, ""), self.files.texts.iter());
        texts.filter_map(move |(path, text)| Some((path.strip_prefix(start.as_str())?, text.as_str())))
    }
}

pub(super) fn join_folder(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
