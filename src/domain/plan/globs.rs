//! Globs over the paths of a repository, with one meaning for all who match a path against them.
//!
//! Promises: a glob starts at the root of the repository; `*`, `?` and `[…]` stay within one part of a path, `**` goes
//! through any number of parts, `{a,b}` is either, `\` takes the meaning from a character; whoever matches a folder matches
//! everything below it. A text that is no glob is refused, never taken to match nothing.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A set of globs.
#[derive(Debug, Clone)]
pub struct Globs(GlobSet);

/// A text is no glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{glob}` is no glob: {why}")]
pub struct BadGlob {
    /// The text.
    pub glob: String,
    /// What is wrong with it.
    pub why: String,
}

impl Globs {
    /// Reads globs.
    ///
    /// # Errors
    /// [`BadGlob`] for the first text that is none: empty, absolute, leaving the repository, or not well-formed.
    pub fn new(globs: &[String]) -> Result<Self, BadGlob> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            let bad = |why: &str| BadGlob { glob: glob.clone(), why: why.to_owned() };
            let bare = glob.strip_prefix("./").unwrap_or(glob).trim_end_matches('/');
            if glob.starts_with('/') {
                return Err(bad("it is absolute; globs start at the root of the repository"));
            }
            if bare.is_empty() {
                return Err(bad("it is empty; `**` is everything"));
            }
            if bare.split('/').any(|part| matches!(part, "." | "..")) {
                return Err(bad("it has a part `.` or `..`; `**` is everything"));
            }
            let built = GlobBuilder::new(bare).literal_separator(true).backslash_escape(true).build();
            set.add(built.map_err(|e| bad(&e.kind().to_string()))?);
        }
        let set = set.build().map_err(|e| BadGlob { glob: globs.join(", "), why: e.to_string() })?;
        Ok(Self(set))
    }

    /// Reads globs that git is to match, too, which knows no `{a,b}`.
    ///
    /// # Errors
    /// As [`Globs::new`], and for a brace.
    pub fn of_git(globs: &[String]) -> Result<Self, BadGlob> {
        if let Some(glob) = globs.iter().find(|glob| glob.contains(['{', '}'])) {
            let why = "it has braces, which do not count here; write each alone".to_owned();
            return Err(BadGlob { glob: glob.clone(), why });
        }
        Self::new(globs)
    }

    /// Whether a path relative to the root, or a folder it lies in, matches one of the globs.
    pub fn matches(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        folders.chain([path]).any(|part| self.0.is_match(part))
    }

    /// Those of the paths that match, in their order.
    pub fn filter_matching(&self, paths: &[String]) -> Vec<String> {
        paths.iter().filter(|path| self.matches(path)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(globs: &[&str]) -> Globs {
        Globs::new(&globs.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_glob_matches_from_the_root_and_everything_below_a_folder() {
        for (glob, path, wanted) in [
            ("Cargo.lock", "Cargo.lock", true),
            ("Cargo.lock", "sub/Cargo.lock", false),
            ("**/Cargo.lock", "Cargo.lock", true),
            ("**/Cargo.lock", "a/b/Cargo.lock", true),
            ("tests", "tests/a/b.sh", true),
            ("./tests/", "tests/a", true),
            ("tests", "tests2", false),
            ("tests/*.sh", "tests/a.sh", true),
            ("tests/*.sh", "tests/deep/a.sh", false),
            ("tests/**", "tests/deep/a.sh", true),
            (".github/**", ".github/workflows/ci.yml", true),
            ("*.md", "README.md", true),
            ("*.md", "docs/README.md", false),
            ("src/{a,b}.rs", "src/b.rs", true),
            ("src/[ab].rs", "src/c.rs", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("**", "any/thing", true),
        ] {
            assert_eq!(globs(&[glob]).matches(path), wanted, "{glob} {path}");
        }
        assert!(!globs(&[]).matches("a"));
        let paths = ["x".to_owned(), "b/c".to_owned(), "a".to_owned()];
        assert_eq!(globs(&["a", "b"]).filter_matching(&paths), ["b/c", "a"]);
    }

    #[test]
    fn what_is_no_glob_is_refused_with_the_reason() {
        for (glob, wanted) in [
            ("/etc", "absolute"),
            ("", "empty"),
            ("./", "empty"),
            ("a/../b", "`..`"),
            ("a[", "no glob"),
            ("{a,b", "no glob"),
        ] {
            let error = Globs::new(&[glob.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(wanted), "{glob}: {error}");
        }
    }
}
