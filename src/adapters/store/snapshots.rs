//! Which snapshots are stored, and taking away those that nothing rests on.

use super::{Store, StoreError, stored};
use crate::domain::values::{Millis, TreeId};
use crate::domain::verify::SnapshotKey;

impl Store {
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
        self.query("SELECT key FROM snapshots WHERE at_ms < ?1", [stored(at)], |row| row.get(0).map(SnapshotKey))
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
        self.connection.execute_batch("VACUUM").map_err(|e| self.failed(e))
    }
}
