//! Build output that may stay from one verification to the next, by the tools of the proposed stages.

use super::Stage;
use super::stages::add_new;

/// What a stage's line names, and the folders its tools fill.
const OUTPUT: [(&str, &[&str]); 12] = [
    ("cargo ", &["target"]),
    ("gradle", &["build", ".gradle"]),
    ("mvn", &["target"]),
    ("cmake ", &["build"]),
    ("ctest", &["build"]),
    ("npm ", &["node_modules/.cache"]),
    ("pnpm ", &["node_modules/.cache"]),
    ("yarn ", &["node_modules/.cache"]),
    ("npx ", &["node_modules/.cache"]),
    ("pytest", &[".pytest_cache"]),
    ("mypy", &[".mypy_cache"]),
    ("ruff", &[".ruff_cache"]),
];

/// Globs of these folders, where each is named once; a stage that works in a folder below finds them anywhere.
pub fn kept_globs<'a>(stages: impl IntoIterator<Item = &'a Stage>) -> Vec<String> {
    let mut found = Vec::new();
    for stage in stages {
        let below = if stage.run.starts_with("cd ") { "**/" } else { "" };
        let folders = OUTPUT.iter().filter(|(word, _)| stage.run.contains(word)).flat_map(|(_, folders)| *folders);
        add_new(&mut found, folders.map(|folder| format!("{below}{folder}")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::globs::Globs;
    use crate::domain::verify::model::key::StageKind;

    #[test]
    fn each_tool_has_its_folders_once() {
        let stage = |run: &str| Stage {
            name: String::new(),
            run: run.to_owned(),
            kind: StageKind::Tests,
            format: "auto",
            reports: Vec::new(),
            needs: Vec::new(),
            why: String::new(),
        };
        let stages = ["cargo test", "cargo clippy", "cd ./a && npm test", "make test"].map(stage);
        let found = kept_globs(&stages);
        assert_eq!(found, ["target", "**/node_modules/.cache"]);
        assert!(Globs::new(&found).unwrap().matches("a/node_modules/.cache/x"));
        assert!(kept_globs(&[]).is_empty());
    }
}
