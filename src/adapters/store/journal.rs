//! The database of one state directory: journal, requests of people, missions.

use super::chain::{self, Chain, Head};
use super::file;
use crate::adapters::os::files::FileIdentity;
use crate::adapters::store::error::StoreError;
use crate::adapters::store::tenant::{Tenure, connect_identified, is_newest, to_sql_integer};
use crate::domain::values::{Millis, MissionId};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};

/// One connection to `mc.db`.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) identity: FileIdentity,
    pub(super) tenure: Option<Tenure>,
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
    /// Opens the database at `path` for the engine: made when absent, and checked. Hold the engine's lock, and take an
    /// epoch ([`Store::take_epoch`]) before the first append.
    ///
    /// # Errors
    /// [`StoreError`]; a damaged, foreign or newer file is left untouched.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let at_rest = !file::has_log(path);
        let store = Self::open_shared(path)?;
        if at_rest {
            file::not_cut_short(path, &store.connection)?;
        }
        store.quick_check()?;
        file::keep_log(&store.connection).map_err(|e| store.sql_error(e))?;
        let closing = store.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        closing.map_err(|e| store.sql_error(e))?;
        Ok(store)
    }

    /// Opens the database for a command that reads or sends a signal, while an engine may write; `None` when there is
    /// none. Never makes it or checks it through.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_existing(path: &Path) -> Result<Option<Self>, StoreError> {
        if file::exists(path)? { Ok(Some(Self::connect(path)?)) } else { Ok(None) }
    }

    /// Opens the database for a command that keeps snapshots beside an engine: made when absent.
    ///
    /// # Errors
    /// [`StoreError`]; a damaged, foreign or newer file is left untouched.
    pub fn open_shared(path: &Path) -> Result<Self, StoreError> {
        if !file::exists(path)? {
            file::create(path)?;
        }
        Self::connect(path)
    }

    fn connect(path: &Path) -> Result<Self, StoreError> {
        let (connection, identity) = connect_identified(path)?;
        Ok(Self { connection, path: path.to_owned(), identity, tenure: None })
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
    /// [`StoreError`]; then none of the entries was written. [`StoreError::Superseded`] without an epoch, or when a later
    /// engine has begun.
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
        self.check_tenure()?;
        let (at, epoch) = (to_sql_integer(at), self.epoch());
        let appended = self.write(|step| {
            if !is_newest(step, epoch)? {
                return Ok(None);
            }
            let mut head = head_of(step)?;
            let mut insert = step.prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            for Entry { kind, body } in entries {
                let next = head.seq.saturating_add(1);
                let seq = to_sql_integer(next);
                let hash =
                    chain::link(&head.hash, seq, mission.as_str().as_bytes(), at, kind.as_bytes(), body.as_bytes());
                insert.execute(params![seq, mission.as_str(), at, kind, body, hash])?;
                head = Head { seq: next, hash };
            }
            for id in answered {
                step.execute("UPDATE signals SET taken_ms = ?1 WHERE id = ?2 AND taken_ms IS NULL", params![at, id])?;
            }
            Ok(Some(head.seq))
        })?;
        appended.ok_or_else(|| StoreError::Superseded { path: self.path.clone() })
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
        let failed = |e| self.sql_error(e);
        let mut sql = "SELECT seq, mission, at_ms, kind, body FROM journal WHERE seq > ?1".to_owned();
        let mut arguments: Vec<&dyn rusqlite::ToSql> = Vec::new();
        let after = to_sql_integer(after);
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
    pub fn list_missions(&self) -> Result<Vec<MissionId>, StoreError> {
        let sql = "SELECT mission FROM journal GROUP BY mission ORDER BY min(seq)";
        let names: Vec<String> = self.query(sql, [], |row| row.get(0))?;
        names.iter().map(|name| self.mission(name)).collect()
    }

    /// The last row of the journal.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn head(&self) -> Result<Head, StoreError> {
        head_of(&self.connection).map_err(|e| self.sql_error(e))
    }

    /// Goes through the whole journal. With a head known from before, a journal that was cut off below it or has
    /// another row in its place is found too.
    ///
    /// # Errors
    /// [`StoreError`]; a broken chain is a result, not an error.
    pub fn verify_chain(&self, known: Option<&Head>) -> Result<Chain, StoreError> {
        let failed = |e| self.sql_error(e);
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

    /// Leaves a request for the engine and gives its number. [`super::wake::ring`] afterwards.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn signal_send(&mut self, kind: &str, body: &str, at: Millis) -> Result<i64, StoreError> {
        self.write(|step| {
            step.execute(
                "INSERT INTO signals (at_ms, kind, body) VALUES (?1, ?2, ?3)",
                params![to_sql_integer(at), kind, body],
            )?;
            Ok(step.last_insert_rowid())
        })
    }

    /// Requests not yet taken, oldest first, left as they are; see [`Store::append_answering`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn signals_waiting(&self) -> Result<Vec<Signal>, StoreError> {
        let sql = "SELECT id, at_ms, kind, body FROM signals WHERE taken_ms IS NULL ORDER BY id";
        self.query(sql, [], |row| {
            let at = row.get::<_, i64>(1)?.cast_unsigned();
            Ok(Signal { id: row.get(0)?, at, kind: row.get(2)?, body: row.get(3)? })
        })
    }

    pub(super) fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.check_in_place()?;
        let path = &self.path;
        let whole = || {
            let step = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&step)?;
            step.commit()?;
            Ok(value)
        };
        whole().map_err(|e| StoreError::from_sql(path, e))
    }

    pub(super) fn query<T>(
        &self,
        sql: &str,
        arguments: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let found = self.connection.prepare(sql).and_then(|mut s| s.query_map(arguments, read)?.collect());
        found.map_err(|e| self.sql_error(e))
    }

    fn mission(&self, name: &str) -> Result<MissionId, StoreError> {
        MissionId::new(name).map_err(|e| StoreError::Corrupt { path: self.path.clone(), what: e.to_string() })
    }

    pub(super) fn sql_error(&self, source: rusqlite::Error) -> StoreError {
        StoreError::from_sql(&self.path, source)
    }
}

fn head_of(connection: &Connection) -> rusqlite::Result<Head> {
    let mut last = connection.prepare_cached("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1")?;
    let head = last.query_row([], |row| Ok(Head { seq: row.get::<_, i64>(0)?.cast_unsigned(), hash: row.get(1)? }));
    Ok(head.optional()?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::host::local::process::lock::{LockError, RunLock};
    use crate::adapters::store::Tenant;
    use std::time::Duration;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("mc.db")).unwrap();
        take(&dir, &mut store, 1).unwrap();
        (dir, store)
    }

    fn take(dir: &tempfile::TempDir, store: &mut Store, epoch: u64) -> Result<(), StoreError> {
        let lock = RunLock::acquire(&dir.path().join("engine.lock"), Duration::ZERO).unwrap();
        store.take_epoch(&lock, epoch, "{}")
    }

    fn mission() -> MissionId {
        MissionId::new("m1").unwrap()
    }

    fn entry(bytes: usize) -> Entry {
        Entry { kind: "k".to_owned(), body: format!("\"{}\"", "x".repeat(bytes)) }
    }

    #[test]
    fn a_full_disk_is_named_and_leaves_the_journal_as_it_was() {
        let (_dir, mut store) = store();
        store.append(&mission(), 1, &[entry(10)]).unwrap();
        let pages: i64 = store.connection.pragma_query_value(None, "page_count", |r| r.get(0)).unwrap();
        store.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        let full = store.append(&mission(), 2, &[entry(10), entry(100_000)]).unwrap_err();
        assert!(matches!(full, StoreError::DiskFull { .. }), "{full:?}");
        assert_eq!(store.verify_chain(None).unwrap(), Chain::Intact { rows: 1 });
        store.connection.pragma_update_and_check(None, "max_page_count", 1_000_000, |_| Ok(())).unwrap();
        assert_eq!(store.append(&mission(), 3, &[entry(100_000)]).unwrap(), 2);
    }

    #[test]
    fn p4_an_older_engine_appends_nothing_once_a_later_one_began() {
        let (dir, mut older) = store();
        older.append(&mission(), 1, &[entry(1)]).unwrap();
        let mut later = Store::open(&older.path).unwrap();
        assert_eq!(later.read_tenant().unwrap(), Tenant { epoch: 1, card: "{}".to_owned() });
        let nobody = later.append(&mission(), 2, &[entry(1)]).unwrap_err();
        assert!(matches!(nobody, StoreError::Superseded { .. }), "{nobody:?}");
        let taken = take(&dir, &mut later, 1).unwrap_err();
        assert!(matches!(taken, StoreError::Superseded { .. }), "{taken:?}");
        take(&dir, &mut later, 2).unwrap();
        let stopped = older.append(&mission(), 2, &[entry(1)]).unwrap_err();
        assert!(matches!(stopped, StoreError::Superseded { .. }), "{stopped:?}");
        assert_eq!(later.append(&mission(), 2, &[entry(1)]).unwrap(), 2);
    }

    #[test]
    fn p4_nothing_is_written_into_a_database_that_is_not_where_it_was() {
        let replace = |path: &Path| std::fs::copy(path, path.with_extension("copy")).map(drop);
        for put_back in [false, true] {
            let (dir, mut store) = store();
            replace(&store.path).unwrap();
            std::fs::remove_file(&store.path).unwrap();
            if put_back {
                std::fs::rename(store.path.with_extension("copy"), &store.path).unwrap();
            }
            let gone = store.append(&mission(), 1, &[entry(1)]).unwrap_err();
            assert!(matches!(gone, StoreError::Gone { .. }), "{gone:?}");
            let gone = store.signal_send("stop", "", 1).unwrap_err();
            assert!(matches!(gone, StoreError::Gone { .. }), "{gone:?}");
            assert!(matches!(store.check_tenure(), Err(StoreError::Gone { .. })));
            drop(dir);
        }
    }

    #[test]
    fn p4_a_lock_file_that_is_not_where_it_was_ends_the_right_to_append() {
        for put_back in [false, true] {
            let (dir, mut store) = store();
            let path = dir.path().join("engine.lock");
            let file = std::fs::File::open(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            if put_back {
                std::fs::write(&path, "").unwrap();
            }
            let lost = store.append(&mission(), 1, &[entry(1)]).unwrap_err();
            assert!(matches!(lost, StoreError::Lock(LockError::Replaced { .. })), "{lost:?}");
            drop(file);
        }
    }

    #[test]
    fn a_writer_that_never_ends_is_named_as_a_lock() {
        let (_dir, mut store) = store();
        let other = Connection::open(&store.path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        store.connection.busy_timeout(Duration::ZERO).unwrap();
        let locked = store.append(&mission(), 1, &[entry(1)]).unwrap_err();
        assert!(matches!(locked, StoreError::Locked { .. }), "{locked:?}");
        other.execute_batch("COMMIT").unwrap();
        store.append(&mission(), 1, &[entry(1)]).unwrap();
    }

    #[test]
    fn every_connection_syncs_each_commit_and_waits_for_locks() {
        let (_dir, store) = store();
        for store in [Store::open_existing(&store.path).unwrap().unwrap(), store] {
            let text = |name| store.connection.pragma_query_value(None, name, |r| r.get::<_, String>(0)).unwrap();
            let number = |name| store.connection.pragma_query_value(None, name, |r| r.get::<_, i64>(0)).unwrap();
            assert_eq!(text("journal_mode"), "wal");
            // 2 is FULL, https://sqlite.org/pragma.html#pragma_synchronous
            assert_eq!((number("synchronous"), number("foreign_keys")), (2, 1));
            assert!(number("busy_timeout") >= 1_000);
        }
    }

    #[test]
    fn a_store_can_move_to_another_thread() {
        fn sent<T: Send>() {}
        sent::<Store>();
    }
}
