//! Why a stage of a supervisor could not do its work.

use std::fmt::Display;
use std::io;

/// A stage could not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum StageError {
    /// The system did not do what was tried.
    #[error("{tried}: {source}")]
    System {
        /// What was tried, and on which file or folder.
        tried: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The kernel does not take the rules of a fence.
    #[error("restrict a run by Landlock: {0}")]
    Rules(#[from] landlock::RulesetError),
    /// Something is not as a stage needs it.
    #[error("{0}")]
    Unfit(&'static str),
    /// What was found out cannot be told.
    #[error(transparent)]
    Telling(#[from] io::Error),
}

impl From<&'static str> for StageError {
    fn from(what: &'static str) -> Self {
        Self::Unfit(what)
    }
}

/// Says what was tried when the system did not do it.
pub(super) trait Trying<T> {
    /// The same, with what was tried.
    fn trying(self, what: impl Display) -> Result<T, StageError>;
}

impl<T, E: Into<io::Error>> Trying<T> for Result<T, E> {
    fn trying(self, what: impl Display) -> Result<T, StageError> {
        self.map_err(|e| StageError::System { tried: what.to_string(), source: e.into() })
    }
}
