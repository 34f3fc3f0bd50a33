//! What `mc` keeps outside the repository: the state directory ([`place`]), the lock ([`lock`]), the FIFO ([`wake`])
//! and the database with journal, snapshots and signals ([`Store`]).
//!
//! Promises of the store: what [`Store::append`] returned for is on the disk, all of it or nothing; the journal only
//! grows, and [`Store::verify_chain`] finds any change made to it; reading never waits for the engine; a damaged or
//! newer file is left as it is. It knows nothing of what records mean.

pub mod chain;
mod error;
pub mod lock;
mod migrate;
pub mod place;
pub mod wake;

pub use chain::{Chain, Head};
pub use error::StoreError;

use crate::domain::values::{Millis, MissionId, TreeId};
use crate::domain::verify::SnapshotKey;
use migrate::{APPLICATION_ID, MIGRATIONS, migrate, version};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One connection to `mc.db`.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
}

/// One journal entry to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Kind of the record.
    pub kind: String,
    /// The record as JSON; anything else is refused.
    pub body: String,
}

/// One row of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number over all missions, from 1 without gaps.
    pub seq: u64,
    /// The mission it belongs to.
    pub mission: MissionId,
    /// When it was written.
    pub at: Millis,
    /// Kind of the record.
    pub kind: String,
    /// The record as JSON.
    pub body: String,
}

/// A request from another `mc` process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Its number; later ones are higher.
    pub id: i64,
    /// When it was sent.
    pub at: Millis,
    /// What is wanted.
    pub kind: String,
    /// Particulars, as the sender wrote them.
    pub body: String,
}

impl Store {
    /// Opens the database at `path` for the engine: made when absent, checked, migrated. Hold the engine's lock.
    ///
    /// # Errors
    /// [`StoreError`]; a damaged, foreign or newer file is left untouched.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !present(path)? {
            create(path)?;
        }
        let mut store = Self::connect(path)?;
        store.quick_check()?;
        migrate(&mut store.connection, MIGRATIONS).map_err(|e| store.failed(e))?;
        let closing = store.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        closing.map_err(|e| store.failed(e))?;
        Ok(store)
    }

    /// Opens the database for a command that reads or sends a signal, while an engine may write; `None` when there is
    /// none. Never makes, checks through or migrates it: all methods here work from schema version 1 on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_existing(path: &Path) -> Result<Option<Self>, StoreError> {
        if present(path)? { Self::connect(path).map(Some) } else { Ok(None) }
    }

    fn connect(path: &Path) -> Result<Self, StoreError> {
        let failed = |e| StoreError::sql(path, e);
        let corrupt = |what: &str| StoreError::Corrupt { path: path.to_owned(), what: what.to_owned() };
        // Looked at before SQLite does: it takes an empty file for a new database.
        let mut magic = Vec::new();
        let head = File::open(path).and_then(|f| f.take(16).read_to_end(&mut magic));
        head.map_err(|e| StoreError::io(path, e))?;
        if magic != b"SQLite format 3\0" {
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
        Ok(Self { connection, path: path.to_owned() })
    }

    fn quick_check(&self) -> Result<(), StoreError> {
        let found: Vec<String> = self.query("PRAGMA quick_check(3)", [], |row| row.get(0))?;
        if found == ["ok"] {
            return Ok(());
        }
        Err(StoreError::Corrupt { path: self.path.clone(), what: found.join(", ") })
    }

    /// Appends `entries` in one transaction; they are on the disk when this returns. Gives the number of the last row
    /// of the journal.
    ///
    /// # Errors
    /// [`StoreError`]; then none of the entries was written.
    pub fn append(&mut self, mission: &MissionId, at: Millis, entries: &[Entry]) -> Result<u64, StoreError> {
        self.append_answering(mission, at, entries, &[])
    }

    /// Like [`Store::append`], and marks signals as taken in the same transaction, so that a request is neither lost
    /// nor answered twice by a crash between the two.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was written or marked.
    pub fn append_answering(
        &mut self,
        mission: &MissionId,
        at: Millis,
        entries: &[Entry],
        answered: &[i64],
    ) -> Result<u64, StoreError> {
        let at = stored(at);
        self.write(|step| {
            let mut head = head_of(step)?;
            let mut insert = step.prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            for Entry { kind, body } in entries {
                let next = head.seq.saturating_add(1);
                let seq = stored(next);
                let hash =
                    chain::link(&head.hash, seq, mission.as_str().as_bytes(), at, kind.as_bytes(), body.as_bytes());
                insert.execute(params![seq, mission.as_str(), at, kind, body, hash])?;
                head = Head { seq: next, hash };
            }
            for id in answered {
                step.execute("UPDATE signals SET taken_ms = ?1 WHERE id = ?2 AND taken_ms IS NULL", params![at, id])?;
            }
            Ok(head.seq)
        })
    }

    /// Rows with a number above `after`, of one mission or of all, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn rows(&self, mission: Option<&MissionId>, after: u64) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        self.for_each_row(mission, after, |row| {
            rows.push(row);
            Ok::<_, StoreError>(())
        })?;
        Ok(rows)
    }

    /// Visits the rows that [`Store::rows`] gives, one at a time, all from one moment.
    ///
    /// # Errors
    /// [`StoreError`], or what `visit` returns.
    pub fn for_each_row<E: From<StoreError>>(
        &self,
        mission: Option<&MissionId>,
        after: u64,
        mut visit: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |e| self.failed(e);
        let mut sql = "SELECT seq, mission, at_ms, kind, body FROM journal WHERE seq > ?1".to_owned();
        let mut arguments: Vec<&dyn rusqlite::ToSql> = Vec::new();
        let after = stored(after);
        arguments.push(&after);
        let name = mission.map(MissionId::as_str);
        if let Some(name) = &name {
            sql.push_str(" AND mission = ?2");
            arguments.push(name);
        }
        sql.push_str(" ORDER BY seq");
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed)?;
        let mut found = statement.query(arguments.as_slice()).map_err(failed)?;
        while let Some(row) = found.next().map_err(failed)? {
            let read = || Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
            let (seq, mission, at, kind, body): (i64, String, i64, _, _) = read().map_err(failed)?;
            let mission = self.mission(&mission)?;
            visit(Row { seq: seq.cast_unsigned(), mission, at: at.cast_unsigned(), kind, body })?;
        }
        Ok(())
    }

    /// Missions in the order of their first rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn missions(&self) -> Result<Vec<MissionId>, StoreError> {
        let sql = "SELECT mission FROM journal GROUP BY mission ORDER BY min(seq)";
        let names: Vec<String> = self.query(sql, [], |row| row.get(0))?;
        names.iter().map(|name| self.mission(name)).collect()
    }

    /// The last row of the journal.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn head(&self) -> Result<Head, StoreError> {
        head_of(&self.connection).map_err(|e| self.failed(e))
    }

    /// Goes through the whole journal. With a head known from before, a journal that was cut off below it or has
    /// another row in its place is found too.
    ///
    /// # Errors
    /// [`StoreError`]; a broken chain is a result, not an error.
    pub fn verify_chain(&self, known: Option<&Head>) -> Result<Chain, StoreError> {
        let failed = |e| self.failed(e);
        let mut walk = chain::Walk::default();
        let mut statement = self.connection.prepare(chain::COLUMNS).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if let Some(broken) = walk.step(row).map_err(failed)? {
                return Ok(broken);
            }
            if let Some(known) = known.filter(|k| k.seq == walk.head.seq && k.hash != walk.head.hash) {
                return Ok(Chain::Broken { seq: known.seq, what: "it is another row than it was".to_owned() });
            }
        }
        let rows = walk.head.seq;
        Ok(match known {
            Some(known) if known.seq > rows => {
                Chain::Broken { seq: rows + 1, what: format!("the rows up to {} are cut off", known.seq) }
            }
            _ => Chain::Intact { rows },
        })
    }

    /// The body of a stored snapshot.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn snapshot_get(&self, key: &SnapshotKey) -> Result<Option<String>, StoreError> {
        let sql = "SELECT body FROM snapshots WHERE key = ?1";
        self.connection.query_row(sql, [&key.0], |row| row.get(0)).optional().map_err(|e| self.failed(e))
    }

    /// Stores a snapshot. One that is already there under this key stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn snapshot_put(&mut self, key: &SnapshotKey, tree: &TreeId, at: Millis, body: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO snapshots (key, tree, at_ms, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO NOTHING";
        self.write(|step| step.execute(sql, params![key.0, tree.as_str(), stored(at), body]).map(|_| ()))
    }

    /// Leaves a request for the engine and gives its number. [`wake::ring`] afterwards.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn signal_send(&mut self, kind: &str, body: &str, at: Millis) -> Result<i64, StoreError> {
        self.write(|step| {
            step.execute(
                "INSERT INTO signals (at_ms, kind, body) VALUES (?1, ?2, ?3)",
                params![stored(at), kind, body],
            )?;
            Ok(step.last_insert_rowid())
        })
    }

    /// Requests not yet taken, oldest first, left as they are; see [`Store::append_answering`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn signals_waiting(&self) -> Result<Vec<Signal>, StoreError> {
        waiting(&self.connection).map_err(|e| self.failed(e))
    }

    /// Takes all requests, oldest first; each is given once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn signals_take(&mut self, at: Millis) -> Result<Vec<Signal>, StoreError> {
        self.write(|step| {
            let signals = waiting(step)?;
            if !signals.is_empty() {
                step.execute("UPDATE signals SET taken_ms = ?1 WHERE taken_ms IS NULL", [stored(at)])?;
            }
            Ok(signals)
        })
    }

    fn write<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let path = &self.path;
        let whole = || {
            let step = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&step)?;
            step.commit()?;
            Ok(value)
        };
        whole().map_err(|e| StoreError::sql(path, e))
    }

    fn query<T>(
        &self,
        sql: &str,
        arguments: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let found = self.connection.prepare(sql).and_then(|mut s| s.query_map(arguments, read)?.collect());
        found.map_err(|e| self.failed(e))
    }

    fn mission(&self, name: &str) -> Result<MissionId, StoreError> {
        MissionId::new(name).map_err(|e| StoreError::Corrupt { path: self.path.clone(), what: e.to_string() })
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        StoreError::sql(&self.path, source)
    }
}

/// SQLite's integers are signed; milliseconds and row numbers never come near the edge.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn head_of(connection: &Connection) -> rusqlite::Result<Head> {
    let mut last = connection.prepare_cached("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1")?;
    let head = last.query_row([], |row| Ok(Head { seq: row.get::<_, i64>(0)?.cast_unsigned(), hash: row.get(1)? }));
    Ok(head.optional()?.unwrap_or_default())
}

fn waiting(connection: &Connection) -> rusqlite::Result<Vec<Signal>> {
    let sql = "SELECT id, at_ms, kind, body FROM signals WHERE taken_ms IS NULL ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &rusqlite::Row<'_>| {
        let at = row.get::<_, i64>(1)?.cast_unsigned();
        Ok(Signal { id: row.get(0)?, at, kind: row.get(2)?, body: row.get(3)? })
    };
    statement.query_map([], read)?.collect()
}

/// Settings of every connection.
fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// Whether there is a database file. A write-ahead log without one would be replayed into a new file: refused.
fn present(path: &Path) -> Result<bool, StoreError> {
    let size = |path: &Path| match path.metadata() {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::io(path, e)),
    };
    if size(path)?.is_some() {
        return Ok(true);
    }
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if size(Path::new(&log))?.is_some_and(|n| n > 0) {
        let what = "the file is gone, but its -wal is still there".to_owned();
        return Err(StoreError::Corrupt { path: path.to_owned(), what });
    }
    Ok(false)
}

/// Makes the file under another name first: a half-made database is never seen, and an empty one is always damage.
fn create(path: &Path) -> Result<(), StoreError> {
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
