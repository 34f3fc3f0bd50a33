//! Who took the newest epoch, and the one an engine has.

use crate::adapters::host::local::process::lock::LockFile;
use crate::adapters::os::files::FileIdentity;
use crate::adapters::store::error::StoreError;
use crate::adapters::store::file;
use rusqlite::{Connection, Transaction};
use std::path::Path;

/// An engine's right to write: its epoch, and the lock it rests on.
#[derive(Debug)]
pub(super) struct Tenure {
    pub(super) epoch: u64,
    pub(super) lock: LockFile,
    /// The write-ahead log, which SQLite keeps as long as somebody has the database open.
    pub(super) log: Option<FileIdentity>,
}

/// Who took an epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tenant {
    /// The epoch; 0 for none yet.
    pub epoch: u64,
    /// Who, as it wrote itself down; empty for nobody.
    pub card: String,
}

/// SQLite's integers are signed; milliseconds and row numbers never come near the edge.
pub(super) fn to_sql_integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether the newest epoch is this one, asked within a transaction.
pub(super) fn is_newest(step: &Transaction<'_>, epoch: u64) -> rusqlite::Result<bool> {
    let newest: i64 = step.prepare_cached("SELECT epoch FROM engine")?.query_row([], |row| row.get(0))?;
    Ok(newest == to_sql_integer(epoch))
}

/// Opens a database and tells which file it is; one that is exchanged in between is opened again.
pub(super) fn connect_identified(path: &Path) -> Result<(Connection, FileIdentity), StoreError> {
    let identity = || FileIdentity::of_path(path).map_err(|e| StoreError::from_io(path, e));
    loop {
        let before = identity()?;
        let connection = file::connect(path)?;
        if identity()? == before {
            return Ok((connection, before));
        }
    }
}
