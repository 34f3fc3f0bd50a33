//! Which engine may write into the database: the one of the newest epoch, while lock and database are where they were.
//!
//! Promises: an engine whose lock file was deleted, so that another one began beside it, or whose database was deleted or
//! replaced, appends nothing more: the epoch is compared within the transaction of each append, and both files are compared
//! with their paths before it.

use super::tenant::to_sql_integer;
use super::{Store, StoreError, file};
use crate::adapters::host::local::process::lock::RunLock;
use crate::adapters::os::files::FileIdentity;
use crate::adapters::store::tenant::{Tenant, Tenure};
use rusqlite::params;

impl Store {
    /// The engine that took the newest epoch.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read_tenant(&self) -> Result<Tenant, StoreError> {
        let read =
            |row: &rusqlite::Row<'_>| Ok(Tenant { epoch: row.get::<_, i64>(0)?.cast_unsigned(), card: row.get(1)? });
        self.connection.query_row("SELECT epoch, card FROM engine", [], read).map_err(|e| self.sql_error(e))
    }

    /// Takes `epoch`, from which on older engines append nothing and this store may. `card` says who it is.
    ///
    /// # Errors
    /// [`StoreError::Superseded`] when an engine has that epoch or a later one.
    pub fn take_epoch(&mut self, lock: &RunLock, epoch: u64, card: &str) -> Result<(), StoreError> {
        let sql = "UPDATE engine SET epoch = ?1, card = ?2 WHERE epoch < ?1";
        if self.write(|step| step.execute(sql, params![to_sql_integer(epoch), card]))? == 0 {
            return Err(StoreError::Superseded { path: self.path.clone() });
        }
        self.tenure = Some(Tenure { epoch, lock: lock.place().clone(), log: self.log() });
        Ok(())
    }

    /// The epoch it took; 0 for none.
    pub fn epoch(&self) -> u64 {
        self.tenure.as_ref().map_or(0, |tenure| tenure.epoch)
    }

    /// That this store may append: an epoch was taken, and the files it rests on are where they were.
    ///
    /// # Errors
    /// [`StoreError::Superseded`], [`StoreError::Lock`] or [`StoreError::Gone`].
    pub fn check_tenure(&self) -> Result<(), StoreError> {
        self.check_in_place()?;
        let Some(tenure) = &self.tenure else { return Err(StoreError::Superseded { path: self.path.clone() }) };
        // What is committed lies in the log first: without it the newest records would be gone.
        if tenure.log.is_some() && tenure.log != self.log() {
            return Err(StoreError::Gone { path: self.path.clone() });
        }
        Ok(tenure.lock.check_in_place()?)
    }

    fn log(&self) -> Option<FileIdentity> {
        FileIdentity::of_path(&file::sidecar_path(&self.path, "-wal")).ok()
    }

    /// That the path still leads to the database that is open: what is written into a deleted file is lost.
    pub(super) fn check_in_place(&self) -> Result<(), StoreError> {
        match FileIdentity::of_path(&self.path) {
            Ok(found) if found == self.identity => Ok(()),
            _ => Err(StoreError::Gone { path: self.path.clone() }),
        }
    }
}
