//! The file `mc.db` from outside: whether it is there, whole and ours, and how it comes to be.

use super::StoreError;
use super::migrate::{APPLICATION_ID, MIGRATIONS, migrate, version};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How every SQLite file starts.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Opens a file that is there, of a version known here; changes nothing in it.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let failed = |e| StoreError::sql(path, e);
    let corrupt = |what: &str| StoreError::Corrupt { path: path.to_owned(), what: what.to_owned() };
    // Looked at before SQLite does: it takes an empty file for a new database.
    let mut magic = Vec::new();
    let head = File::open(path).and_then(|f| f.take(16).read_to_end(&mut magic));
    head.map_err(|e| StoreError::io(path, e))?;
    if magic != MAGIC {
        return Err(corrupt(if magic.is_empty() { "the file is empty" } else { "the file is no SQLite database" }));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    // Until a file was found good, closing it must not write the WAL back into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(failed)?;
    let id: i64 = connection.pragma_query_value(None, "application_id", |r| r.get(0)).map_err(failed)?;
    let found = version(&connection).map_err(failed)?;
    if id != APPLICATION_ID || found == 0 {
        return Err(corrupt("it is an SQLite database of another program"));
    }
    if found > MIGRATIONS.len() {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() });
    }
    settle(&connection).map_err(failed)?;
    Ok(connection)
}

/// Settings of every connection.
fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// Whether there is a database file. A write-ahead log without one would be replayed into a new file: refused.
pub(super) fn present(path: &Path) -> Result<bool, StoreError> {
    let size = |path: &Path| match path.metadata() {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::io(path, e)),
    };
    if size(path)?.is_some() {
        return Ok(true);
    }
    if size(&beside(path, "-wal"))?.is_some_and(|n| n > 0) {
        let what = "the file is gone, but its -wal is still there".to_owned();
        return Err(StoreError::Corrupt { path: path.to_owned(), what });
    }
    Ok(false)
}

/// Refuses a file shorter than its header says: SQLite reads a page that is cut short as if zeros followed. With a
/// write-ahead log beside it that is no fault, since a checkpoint may have been killed half way.
pub(super) fn whole(path: &Path) -> Result<(), StoreError> {
    if beside(path, "-wal").metadata().is_ok_and(|log| log.len() > 0) {
        return Ok(());
    }
    let mut header = Vec::new();
    let read = File::open(path).and_then(|file| {
        file.metadata().map(|m| m.len()).and_then(|length| file.take(32).read_to_end(&mut header).map(|_| length))
    });
    let length = read.map_err(|e| StoreError::io(path, e))?;
    // https://sqlite.org/fileformat2.html#the_database_header: page size at 16 (1 stands for 65536), pages at 28.
    let &[.., s0, s1, _, _, _, _, _, _, _, _, _, _, n0, n1, n2, n3] = header.as_slice() else { return Ok(()) };
    let size = match u16::from_be_bytes([s0, s1]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let wanted = size * u64::from(u32::from_be_bytes([n0, n1, n2, n3]));
    if header.starts_with(MAGIC) && length < wanted {
        let what = format!("the file is cut short ({length} bytes of {wanted})");
        return Err(StoreError::Corrupt { path: path.to_owned(), what });
    }
    Ok(())
}

/// The file that SQLite keeps beside the database under this ending.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Makes the file under another name first: a half-made database is never seen, and an empty one is always damage.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let io = |e| StoreError::io(path, e);
    let sql = |e| StoreError::sql(path, e);
    let dir = path.parent().unwrap_or(Path::new("."));
    let draft = tempfile::Builder::new().prefix(".mc.db-").tempfile_in(dir).map_err(io)?.into_temp_path();
    let mut connection = Connection::open(&draft).map_err(sql)?;
    settle(&connection).map_err(sql)?;
    migrate(&mut connection, MIGRATIONS).map_err(sql)?;
    connection.close().map_err(|(_, e)| sql(e))?;
    match draft.persist_noclobber(path) {
        Ok(()) => {}
        Err(lost) if lost.error.kind() == ErrorKind::AlreadyExists => {}
        Err(lost) => return Err(io(lost.error)),
    }
    File::open(dir).and_then(|d| d.sync_all()).map_err(io)
}
