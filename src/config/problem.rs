//! What can be wrong with settings, and where.

use std::fmt;
use std::path::PathBuf;

/// The key that says how a repository is verified, where there are no stages.
pub(super) const VERIFICATION_COMMAND: &str = "target.verification.command";

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Built in.
    Default,
    /// The settings file.
    File {
        /// Its path.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
    /// This environment variable.
    Environment(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "file {}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// Everything that is wrong with the settings, one line each. Always the user's to fix (exit code 2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<Problem>);

impl ConfigError {
    /// Whether nobody has said yet how the repository is verified.
    pub fn without_verification(&self) -> bool {
        let unset = |problem: &Problem| matches!(problem, Problem::Value { place: Source::Default, key, .. } if key == VERIFICATION_COMMAND);
        self.0.iter().any(unset)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file is not TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// Path and line.
        place: Source,
        /// What the parser said.
        message: String,
    },
    /// No such key.
    #[error("{place}: unknown key `{key}`{}", .nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// Where it stands.
        place: Source,
        /// The key as written.
        key: String,
        /// The nearest valid name, if one is near.
        nearest: Option<String>,
    },
    /// A key of a feature that is not built yet.
    #[error("{place}: `{key}` is not supported in this version; remove it")]
    Unsupported {
        /// Where it stands.
        place: Source,
        /// The key, or key and value.
        key: String,
    },
    /// A value that cannot be used; the message says what to do.
    #[error("{place}: `{key}` {message}")]
    Value {
        /// Where it stands.
        place: Source,
        /// The key.
        key: String,
        /// What is wrong and what would be right.
        message: String,
    },
}
