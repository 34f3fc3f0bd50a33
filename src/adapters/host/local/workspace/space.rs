//! Which slots there are and how much room they take, and giving it back.

use super::layout::layers_folder;
use super::pool::{Measured, Pool, PoolError};
use super::quarantine::list_quarantined;
use crate::adapters::os::files;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// What `mc pool list` shows of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotInfo {
    /// Its number.
    pub slot: u32,
    /// Its folder, with clone, temporary files and HOME.
    pub path: PathBuf,
    /// Disk space in bytes.
    pub bytes: u64,
    /// Who used it last, when that was not collected yet.
    pub dirty: Option<String>,
    /// Whether somebody holds its lock.
    pub in_use: bool,
}

/// How many times as long as a measurement took its answer is good: looking through every file of every slot never takes
/// more than a hundredth of the time.
const LASTS: u32 = 100;

/// What is written in so short a time fills no disk; small workspaces are not looked through for each unit.
const LASTS_AT_LEAST: Duration = Duration::from_secs(5);

impl Pool {
    /// All slots with their size.
    ///
    /// # Errors
    /// [`PoolError::Io`] when the pool cannot be read.
    pub fn list(&self) -> Result<Vec<SlotInfo>, PoolError> {
        let mut found = Vec::new();
        for slot in self.list_numbers("")? {
            let (path, in_use) = (self.parent(slot), self.is_used(slot));
            found.push(SlotInfo { slot, bytes: self.bytes(slot), dirty: self.label(slot)?, in_use, path });
        }
        Ok(found)
    }

    /// Disk space of a slot, with what was written to folders of tools.
    fn bytes(&self, slot: u32) -> u64 {
        let parts = [self.parent(slot), layers_folder(&self.path(slot))];
        parts.iter().filter_map(|part| files::size(part)).sum()
    }

    /// Disk space of all slots in bytes. The answer may be a little old: it costs a look at every file.
    ///
    /// # Errors
    /// [`PoolError::Io`] when the pool cannot be read.
    pub fn measure_usage(&self) -> Result<u64, PoolError> {
        let known = || *self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |known: &Measured| known.at.elapsed() < (known.took * LASTS).max(LASTS_AT_LEAST);
        if let Some(known) = known().filter(fresh) {
            return Ok(known.bytes);
        }
        // One looks; who comes meanwhile does with the answer of before.
        let _measuring = match (self.measuring.try_lock(), known()) {
            (Ok(alone), _) => alone,
            (Err(_), Some(known)) => return Ok(known.bytes),
            (Err(_), None) => self.measuring.lock().unwrap_or_else(PoisonError::into_inner),
        };
        if let Some(known) = known().filter(fresh) {
            return Ok(known.bytes);
        }
        let began = Instant::now();
        let slots: u64 = self.list_numbers("")?.into_iter().map(|slot| self.bytes(slot)).sum();
        let bytes = slots + list_quarantined(self.root()).iter().flatten().map(|entry| entry.bytes).sum::<u64>();
        let fresh = Measured { bytes, at: Instant::now(), took: began.elapsed() };
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
        Ok(bytes)
    }

    /// Deletes the slots that nobody uses and that hold nothing to collect; returns their numbers.
    ///
    /// # Errors
    /// [`PoolError::Io`] when one cannot be deleted.
    pub fn prune(&self) -> Result<Vec<u32>, PoolError> {
        let mut gone = Vec::new();
        for info in self.list()? {
            if info.dirty.is_none() && !info.in_use && self.discard_idle(info.slot)? {
                gone.push(info.slot);
            }
        }
        Ok(gone)
    }
}
