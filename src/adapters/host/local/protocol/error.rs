//! Why a run could not be started or its directory not be used.

use crate::adapters::host::local::process::command::CommandError;
use crate::adapters::os::files::FileError;
use std::path::PathBuf;

/// A run could not be started, or its directory could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The directory is already claimed or used.
    #[error("start a run in {}: the directory is already taken", dir.display())]
    Taken {
        /// The run directory.
        dir: PathBuf,
    },
    /// There is no program.
    #[error("start a run: no program was given")]
    Empty,
    /// A value holds a NUL byte, which no program can be given.
    #[error("start a run: {what} hold a NUL byte")]
    Nul {
        /// Which value.
        what: &'static str,
    },
    /// A variable's name cannot be passed on.
    #[error("start a run: `{name}` cannot be used as the name of an environment variable; remove it from `env`")]
    Name {
        /// The name.
        name: String,
    },
    /// The cookie has characters that could be mistaken.
    #[error("start a run: `{cookie}` is not a usable cookie")]
    Cookie {
        /// The cookie.
        cookie: String,
    },
    /// The supervisor gave up before the program started.
    #[error("start a run in {}: {reason}", dir.display())]
    NotStarted {
        /// The run directory.
        dir: PathBuf,
        /// The last line of its log.
        reason: String,
    },
    /// It was to be tried only, and could not be run to its end.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file cannot be written or read, or the supervisor cannot be started.
    #[error(transparent)]
    Io(#[from] FileError),
}
