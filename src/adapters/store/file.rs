//! The file `mc.db` from outside: whether it is there, whole and ours, and how it comes to be.
//!
//! Nothing here opens the file but SQLite: closing any descriptor of it would drop the locks of this process's other
//! connections (<https://sqlite.org/howtocorrupt.html>, 2.2), and a stranger that closes it could then delete the
//! write-ahead log under a living engine. Sizes are asked with stat(2), which is harmless.

use super::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a new file gets, with [`APPLICATION_ID`] and [`VERSION`].
const SCHEMA: &str = include_str!("sql/schema.sql");

/// `PRAGMA application_id` of our files.
const APPLICATION_ID: i64 = 1_835_228_977;

/// `PRAGMA user_version` of our files: the version of their schema.
const VERSION: usize = 6;

/// Opens a file that is there, of a version known here; changes nothing in it.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let failed = |e| StoreError::from_sql(path, e);
    let corrupt = |what: &str| StoreError::Corrupt { path: path.to_owned(), what: what.to_owned() };
    // SQLite would take an empty file for a new database; ours never was empty.
    if path.metadata().map_err(|e| StoreError::from_io(path, e))?.len() == 0 {
        return Err(corrupt("the file is empty"));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    // Until a file was found good, closing it must not write the WAL back into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(failed)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed);
    let found = usize::try_from(number("user_version")?).unwrap_or(usize::MAX);
    if number("application_id")? != APPLICATION_ID || found < VERSION {
        return Err(corrupt("it is an SQLite database of another program"));
    }
    if found > VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    Ok(connection)
}

/// Makes the write-ahead log the file's mode, which it keeps; a stranger may have changed it.
pub(super) fn keep_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
}

/// Whether there is a database file. A write-ahead log without one would be replayed into a new file: refused.
pub(super) fn exists(path: &Path) -> Result<bool, StoreError> {
    match path.metadata() {
        Ok(_) => Ok(true),
        Err(e) if e.kind() != ErrorKind::NotFound => Err(StoreError::from_io(path, e)),
        Err(_) if has_log(path) => {
            let what = "the file is gone, but its -wal is still there".to_owned();
            Err(StoreError::Corrupt { path: path.to_owned(), what })
        }
        Err(_) => Ok(false),
    }
}

/// Whether a write-ahead log with contents lies beside the file.
pub(super) fn has_log(path: &Path) -> bool {
    sidecar_path(path, "-wal").metadata().is_ok_and(|log| log.len() > 0)
}

/// Refuses a file shorter than its header says: SQLite reads a page that is cut short as if zeros followed. Only to
/// be asked when there was no log, since with one a checkpoint may have been killed half way.
pub(super) fn not_cut_short(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let wanted = number("page_count").and_then(|pages| Ok(pages * number("page_size")?));
    let wanted = wanted.map_err(|e| StoreError::from_sql(path, e))?.cast_unsigned();
    let length = path.metadata().map_err(|e| StoreError::from_io(path, e))?.len();
    if length >= wanted {
        return Ok(());
    }
    Err(StoreError::Corrupt { path: path.to_owned(), what: format!("it is cut short ({length} bytes of {wanted})") })
}

/// The file that SQLite keeps beside the database under this ending.
pub(super) fn sidecar_path(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Makes the file under another name first: a half-made database is never seen, and an empty one is always damage.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let io = |e| StoreError::from_io(path, e);
    let sql = |e| StoreError::from_sql(path, e);
    let dir = path.parent().unwrap_or(Path::new("."));
    let draft = tempfile::Builder::new().prefix(".mc.db-").tempfile_in(dir).map_err(io)?.into_temp_path();
    let connection = Connection::open(&draft).map_err(sql)?;
    keep_log(&connection).map_err(sql)?;
    connection.execute_batch(SCHEMA).map_err(sql)?;
    connection.close().map_err(|(_, e)| sql(e))?;
    match draft.persist_noclobber(path) {
        Ok(()) => {}
        Err(lost) if lost.error.kind() == ErrorKind::AlreadyExists => {}
        Err(lost) => return Err(io(lost.error)),
    }
    File::open(dir).and_then(|d| d.sync_all()).map_err(io)
}
