//! Paths and globs of the settings, matched against paths of a tree.
//!
//! Promises: a pattern is meant from the root of the repository; `*` and `?` stay within one name, `**` crosses folders;
//! a pattern that names a folder takes everything below it; matching looks at names only.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Patterns, ready to match.
#[derive(Debug, Clone)]
pub struct Paths(GlobSet);

impl Paths {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// Which pattern is wrong, and why; reads on after a key's name.
    pub fn new(patterns: &[String]) -> Result<Self, String> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let plain = pattern.strip_prefix("./").unwrap_or(pattern);
            let plain = plain.strip_suffix('/').unwrap_or(plain);
            if plain.is_empty() || plain.starts_with('/') || plain.split('/').any(|part| matches!(part, "." | "..")) {
                return Err(format!("must name paths below the root of the repository; `{pattern}` does not"));
            }
            for glob in [plain.to_owned(), format!("{plain}/**")] {
                let glob = GlobBuilder::new(&glob).literal_separator(true).backslash_escape(true).build();
                set.add(glob.map_err(|error| format!("holds `{pattern}`, which is no glob: {}", error.kind()))?);
            }
        }
        set.build().map(Self).map_err(|error| format!("cannot be used: {error}"))
    }

    /// Whether nothing can match.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a path from the root, with `/` between its parts, is meant.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching<'a>(patterns: &[&str], paths: &[&'a str]) -> Vec<&'a str> {
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        let paths_set = Paths::new(&patterns).unwrap();
        paths.iter().copied().filter(|path| paths_set.matches(path)).collect()
    }

    #[test]
    fn patterns_are_meant_from_the_root_and_folders_take_what_is_below() {
        let all = ["docs/a.md", "docs/deep/b.png", "README.md", "src/README.md", "src/docs/x", "docsx"];
        assert_eq!(matching(&["docs"], &all), ["docs/a.md", "docs/deep/b.png"]);
        assert_eq!(matching(&["./docs/"], &all), ["docs/a.md", "docs/deep/b.png"]);
        assert_eq!(matching(&["*.md"], &all), ["README.md"]);
        assert_eq!(matching(&["**/*.md"], &all), ["docs/a.md", "README.md", "src/README.md"]);
        assert_eq!(matching(&["docs/*"], &all), ["docs/a.md", "docs/deep/b.png"]);
        assert_eq!(matching(&["docs/*.md"], &all), ["docs/a.md"]);
        assert_eq!(matching(&["{src,docs}/**/*.{md,png}"], &all), ["docs/a.md", "docs/deep/b.png", "src/README.md"]);
        assert!(matching(&[], &all).is_empty());
    }

    #[test]
    fn p7_patterns_that_leave_the_repository_or_are_no_globs_are_refused() {
        for wrong in ["", "/", "/etc/*", "../x", "a/../b", "./", "[", "a{b"] {
            assert!(Paths::new(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
