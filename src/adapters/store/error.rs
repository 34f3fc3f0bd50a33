//! What can go wrong with `mc.db`, and what to do about it.

use crate::adapters::host::local::process::lock::LockError;
use crate::adapters::os::files::FileError;
use crate::adapters::os::machine::no_room;
use std::path::{Path, PathBuf};

/// The database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk; nothing of the transaction was written.
    #[error(
        "write {}: the disk is full; make room (`mc pool prune`, `mc clean`), then `mc mission resume`, or start again if no mission had begun", path.display()
    )]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// Another process held it for longer than this one waits.
    #[error("use {}: another process has it locked; end what uses it (sqlite3, a backup) and try again", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// The file is damaged, or not one of ours. It was not changed.
    #[error(
        "read {}: {what}; nothing was changed in it. The commits of all attempts are safe in the repository under \
         refs/mc/ (`git for-each-ref refs/mc`); restore the file from a backup, or move it and its -wal away to \
         start with an empty journal", path.display()
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It was deleted or replaced while it was open; nothing was written since.
    #[error(
        "write {}: it was deleted or replaced while mc worked with it, so nothing more is written or started. Put the file back if \
         you can and `mc mission resume`; else `mc mission start` begins a new journal. Commits of attempts are safe in the \
         repository under refs/mc/, and agents that still run end with their lease", path.display()
    )]
    Gone {
        /// The database.
        path: PathBuf,
    },
    /// Another engine began meanwhile, or none has begun; nothing was written.
    #[error(
        "write {}: another mc has begun to work on this repository meanwhile; this one stops and touches nothing more",
        path.display()
    )]
    Superseded {
        /// The database.
        path: PathBuf,
    },
    /// The engine's lock file is not where it was.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A later `mc` made it.
    #[error(
        "read {}: it has schema version {found}, this mc knows versions up to {known}; use the newer mc that wrote it",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Version of the file.
        found: usize,
        /// Latest version known here.
        known: usize,
    },
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] FileError),
    /// Anything else that SQLite says.
    #[error("use {}", path.display())]
    Sql {
        /// The database.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// Names what SQLite's error means for a person.
    pub(super) fn from_sql(path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(Code::DiskFull) => Self::DiskFull { path },
            // A full disk shows as a plain i/o error where SQLite grows its shared-memory file.
            Some(Code::SystemIoFailure) if no_room(&path) => Self::DiskFull { path },
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Locked { path },
            Some(Code::NotADatabase | Code::DatabaseCorrupt) => Self::Corrupt { path, what: source.to_string() },
            _ => Self::Sql { path, source },
        }
    }

    /// An i/o error on `path`; a full disk by its own name.
    pub(super) fn from_io(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io(FileError { path, source }),
        }
    }
}
