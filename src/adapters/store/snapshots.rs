//! Snapshots and raw runs of the store, by key, tree, mission and age.

use super::tenant::to_sql_integer;
use super::{Store, StoreError};
use crate::domain::values::{Millis, MissionId, TreeId};
use crate::domain::verify::SnapshotKey;
use rusqlite::{OptionalExtension, params};

impl Store {
    /// The body of a stored snapshot.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn snapshot_get(&self, key: &SnapshotKey) -> Result<Option<String>, StoreError> {
        Ok(self.snapshot_row(key)?.map(|(_, _, body)| body))
    }

    /// Keys and times of stored single runs, newest first: their keys are `<key of the tree>/<name of the run>`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn snapshot_runs(&self, limit: usize) -> Result<Vec<(SnapshotKey, Millis)>, StoreError> {
        let sql = "SELECT key, at_ms FROM snapshots WHERE instr(key, '/') > 0 ORDER BY at_ms DESC, key LIMIT ?1";
        self.query(sql, [to_sql_integer(limit as u64)], |row| {
            Ok((SnapshotKey(row.get(0)?), row.get::<_, i64>(1)?.cast_unsigned()))
        })
    }

    /// The tree a stored snapshot is of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn snapshot_tree(&self, key: &SnapshotKey) -> Result<Option<String>, StoreError> {
        Ok(self.snapshot_row(key)?.map(|(tree, ..)| tree))
    }

    /// Tree, time and body of a stored snapshot.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn snapshot_row(&self, key: &SnapshotKey) -> Result<Option<(String, Millis, String)>, StoreError> {
        let sql = "SELECT tree, at_ms, body FROM snapshots WHERE key = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned(), row.get(2)?));
        self.connection.query_row(sql, [&key.0], read).optional().map_err(|e| self.sql_error(e))
    }

    /// Keys of the single runs kept for a snapshot, `<key>/<mission>-<run>`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn list_kept_snapshots(&self, key: &SnapshotKey) -> Result<Vec<SnapshotKey>, StoreError> {
        let sql = "SELECT key FROM snapshots WHERE key > ?1 || '/' AND key < ?1 || '0' ORDER BY at_ms, key";
        self.query(sql, [&key.0], |row| row.get(0).map(SnapshotKey))
    }

    /// Keys of the single runs that one mission kept, in no order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn snapshot_runs_of(&self, mission: &MissionId) -> Result<Vec<SnapshotKey>, StoreError> {
        let sql = "SELECT key FROM snapshots WHERE instr(key, '/' || ?1 || '-') > 0";
        self.query(sql, [mission.as_str()], |row| row.get(0).map(SnapshotKey))
    }

    /// Keeps the snapshot of a tree in place of an older one: a second run of the tree knows more than the first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn snapshot_replace(
        &mut self,
        key: &SnapshotKey,
        tree: &TreeId,
        at: Millis,
        body: &str,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO snapshots (key, tree, at_ms, body) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (key) DO UPDATE SET at_ms = excluded.at_ms, body = excluded.body";
        self.write(|step| step.execute(sql, params![key.0, tree.as_str(), to_sql_integer(at), body]).map(|_| ()))
    }

    /// Keys of the snapshots of one tree.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn snapshots_of(&self, tree: &TreeId) -> Result<Vec<SnapshotKey>, StoreError> {
        self.query("SELECT key FROM snapshots WHERE tree = ?1", [tree.as_str()], |row| row.get(0).map(SnapshotKey))
    }

    /// Keys of the snapshots stored before a time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn snapshots_before(&self, at: Millis) -> Result<Vec<SnapshotKey>, StoreError> {
        self.query("SELECT key FROM snapshots WHERE at_ms < ?1", [to_sql_integer(at)], |row| {
            row.get(0).map(SnapshotKey)
        })
    }

    /// Deletes snapshots, and the requests that were answered; gives the disk back when there is something to give.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn snapshots_delete(&mut self, keys: &[SnapshotKey]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.write(|step| {
            let mut delete = step.prepare("DELETE FROM snapshots WHERE key = ?1")?;
            for key in keys {
                delete.execute([&key.0])?;
            }
            step.execute("DELETE FROM signals WHERE taken_ms IS NOT NULL", []).map(|_| ())
        })?;
        self.connection.execute_batch("VACUUM").map_err(|e| self.sql_error(e))
    }
}
