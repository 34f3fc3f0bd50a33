//! Settings: built-in defaults, one file, the environment and flags, each value with its source.
//!
//! Promises: no io here (texts and maps come in, values and errors go out); a key that is not known, or not built yet,
//! is an error that names its place and the nearest valid name; what `mc config show` prints is what runs.
//!
//! Precedence, lowest first: default, file, environment, flag.

pub mod schema;

mod branches;
mod checks;
pub mod duration;
pub mod value;

pub mod layers;
pub mod stages;

pub mod settings;

pub mod propose;

pub mod changes;

pub use layers::{Inputs, Layers};
pub use settings::Settings;

use std::path::{Path, PathBuf};

/// Name of the settings file.
pub const FILE_NAME: &str = "mission-control.toml";

/// The settings file for work begun in `start`: the nearest one in it or above it. `exists` tells whether a file is there.
pub fn find_settings_file(start: &Path, exists: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    start.ancestors().map(|directory| directory.join(FILE_NAME)).find(|path| exists(path))
}

/// Everything that is wrong with the settings, one line each. Always the user's to fix (exit code 2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<Problem>);

impl ConfigError {
    /// Whether nobody has said yet how the repository is verified.
    pub fn without_verification(&self) -> bool {
        let unset = |problem: &Problem| matches!(problem, Problem::Value { place: layers::Source::Default, key, .. } if key == settings::VERIFICATION_COMMAND);
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
        place: layers::Source,
        /// What the parser said.
        message: String,
    },
    /// No such key.
    #[error("{place}: unknown key `{key}`{}", .nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// Where it stands.
        place: layers::Source,
        /// The key as written.
        key: String,
        /// The nearest valid name, if one is near.
        nearest: Option<String>,
    },
    /// A key of a feature that is not built yet.
    #[error("{place}: `{key}` is not supported in this version; remove it")]
    Unsupported {
        /// Where it stands.
        place: layers::Source,
        /// The key, or key and value.
        key: String,
    },
    /// A value that cannot be used; the message says what to do.
    #[error("{place}: `{key}` {message}")]
    Value {
        /// Where it stands.
        place: layers::Source,
        /// The key.
        key: String,
        /// What is wrong and what would be right.
        message: String,
    },
}
