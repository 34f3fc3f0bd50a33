//! What can go wrong around a mission, with the hint that helps and the kind that decides the exit code.

use crate::adapters::git::GitError;
use crate::adapters::host::local::process::lock::LockError;
use crate::adapters::host::order::HostError;
use crate::adapters::os::environment::EnvironmentError;
use crate::adapters::os::machine::file_size_limit;
use crate::adapters::store::{PlaceError, StoreError};
use crate::adapters::trouble::{ROOM, is_full, limit_of};
use crate::config::ConfigError;
use crate::domain::mission::{Refusal, ReplayError};
use crate::domain::trouble::Cause;
use std::path::PathBuf;

/// Who has to do something about an error; the command line turns it into an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Arguments, configuration, plan, an unfinished mission: exit 2.
    Usage,
    /// A check did not hold: exit 4.
    Check,
    /// Another mc holds the repository: exit 5.
    Busy,
    /// git, disk, agent, database, baseline: exit 6.
    Environment,
}

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The person asked for something that cannot be; `hint` says what to do instead.
    #[error("{what}")]
    Usage {
        /// What is wrong.
        what: String,
        /// What helps.
        hint: String,
    },
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A settings, plan or backlog file cannot be read.
    #[error("read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file a person asked for cannot be written.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The process's environment is unusable.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// There is no usable state directory.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lock could not be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The journal does not fold.
    #[error("read the journal of mission {mission}")]
    Journal {
        /// The mission.
        mission: String,
        /// What is wrong with it.
        source: ReplayError,
    },
    /// A record cannot be read.
    #[error("read record {seq} of the journal: {reason}")]
    Record {
        /// Its number.
        seq: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The mission cannot start.
    #[error("{}", .0.reason)]
    Refused(Refusal),
    /// Something else of the environment.
    #[error("{what}")]
    Broken {
        /// What failed, on what.
        what: String,
        /// What helps.
        hint: String,
    },
}

impl EngineError {
    /// Something that cannot be, and what to do instead.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), hint: hint.into() }
    }

    /// What failed, and what helps.
    pub fn broken(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Broken { what: what.into(), hint: hint.into() }
    }

    /// Who has to do something.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Usage { .. } | Self::Config(_) | Self::File { .. } => Kind::Usage,
            Self::Git(GitError::NotOwner { .. })
            | Self::Lock(LockError::Held { .. } | LockError::Replaced { .. })
            | Self::Store(StoreError::Superseded { .. } | StoreError::Lock(_)) => Kind::Busy,
            Self::Refused(refusal) => match refusal.exit {
                2 => Kind::Usage,
                5 => Kind::Busy,
                _ => Kind::Environment,
            },
            Self::Environment(_)
            | Self::Write { .. }
            | Self::Git(_)
            | Self::Place(_)
            | Self::Store(_)
            | Self::Lock(_)
            | Self::Record { .. }
            | Self::Journal { .. }
            | Self::Broken { .. } => Kind::Environment,
        }
    }

    /// Whether the reason is an engine that works here and can be told.
    pub fn engine_lives(&self) -> bool {
        matches!(self, Self::Lock(LockError::Held { .. }))
    }

    /// What helps, if the message does not say so itself.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } | Self::Broken { hint, .. } => Some(hint.clone()).filter(|h| !h.is_empty()),
            Self::Refused(refusal) => Some(refusal.hint.clone()).filter(|h| !h.is_empty()),
            Self::Config(error) if error.without_verification() => Some(
                "`mc init` looks at the repository and writes a settings file; `mc config show` prints every key with its \
                 value and source"
                    .to_owned(),
            ),
            Self::Config(_) => Some("`mc config show` prints every key with its value and source".to_owned()),
            Self::Lock(LockError::Held { .. }) => {
                Some("`mc status` shows what it does; `mc mission stop` ends it".to_owned())
            }
            Self::Git(GitError::NotOwner { .. }) | Self::Lock(LockError::Replaced { .. }) | Self::Store(StoreError::Superseded { .. } | StoreError::Lock(_)) => Some(
                "`mc status` shows who works here; when nobody does, `mc mission resume` goes on and takes over what still runs"
                    .to_owned(),
            ),
            Self::Lock(LockError::Orphans { .. }) => {
                Some("wait for that git process to end, then try again".to_owned())
            }
            Self::Git(error) if is_full(error) => Some(ROOM.to_owned()),
            Self::Git(error) => limit_of(error).map(|limit| format!("{}: {}", limit.words(), limit.remedy())),
            Self::Store(_) | Self::Place(_) | Self::Lock(_) if !is_full(self) && file_size_limit().is_some() => {
                let limit = Cause::FileSize;
                let bytes = file_size_limit().unwrap_or_default();
                Some(format!("files may have {bytes} bytes at most here; {} if that is why", limit.remedy()))
            }
            _ => Some(ROOM.to_owned()).filter(|_| is_full(self)),
        }
    }
}

/// Where the engine's own words are that are in no record.
pub const PRINTED: &str =
    "see what mc printed; with --detach that is in `detached.log` in the folder `logs` that `mc where` names";

impl From<HostError> for EngineError {
    fn from(error: HostError) -> Self {
        let what = error.to_string();
        match error {
            HostError::Usage { hint, .. } => Self::Usage { what, hint },
            HostError::Broken { hint, .. } => Self::Broken { what, hint },
            HostError::Trouble(trouble) => Self::Broken { what, hint: trouble.cause.remedy().to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::os::files::FileError;
    use std::io::ErrorKind;

    #[test]
    fn a_full_disk_is_told_wherever_it_shows() {
        let path = PathBuf::from("/state/engine.lock");
        let io = |kind| std::io::Error::from(kind);
        let full = [
            EngineError::Place(PlaceError::Io(FileError::new(&path, ErrorKind::StorageFull))),
            EngineError::Lock(LockError::Io { path: path.clone(), source: io(ErrorKind::QuotaExceeded) }),
            EngineError::Write { path: path.clone(), source: io(ErrorKind::StorageFull) },
            EngineError::Git(GitError::DiskFull { command: String::new(), place: path.clone(), stderr: String::new() }),
            EngineError::Git(GitError::Io(FileError::new(&path, ErrorKind::StorageFull))),
        ];
        for error in full {
            assert_eq!(error.hint().as_deref(), Some(ROOM), "{error}");
            assert_eq!(error.kind(), Kind::Environment, "{error}");
        }
        let other = EngineError::Lock(LockError::Io { path, source: io(ErrorKind::PermissionDenied) });
        assert_eq!(other.hint(), None);
    }
}
