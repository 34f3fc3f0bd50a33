//! Pinning work in progress in the repository of the host, for an engine elsewhere that brings it home.

use super::keep::is_used_by;
use crate::adapters::host::local::machine::host::LocalHost;
use crate::adapters::host::local::workspace::{head_ref, progress_ref};
use crate::adapters::host::order::attempt_of;
use crate::domain::trouble::Trouble;
use crate::domain::values::CommitId;

impl LocalHost {
    /// Pins what is in the slot of an attempt that goes on, on the commit it was prepared at; what is pinned, if anything is. The
    /// same work is the same commit.
    ///
    /// # Errors
    /// It cannot be read or pinned now.
    pub async fn pin_progress(&self, slot: u32, label: &str, base: &CommitId) -> Result<Option<CommitId>, Trouble> {
        let pool = self.pool().await.map_err(|e| self.classify_error(&e))?;
        let Some((mission, unit, n)) = attempt_of(label).filter(|_| is_used_by(pool, slot, label)) else {
            return Ok(None);
        };
        let name = progress_ref(&mission, &unit, n);
        let last = self.source.ref_value(&name).await.map_err(|e| self.classify_error(&e))?;
        let message = format!("{unit}: work in progress, attempt {n}\n\nMc-Work-Of: {label}");
        let made = pool.commit_progress(slot, base, last.as_ref(), &message).await;
        let made = made.map_err(|e| self.classify_error(&e))?;
        if let Some(commit) = &made {
            self.source.repin(&name, commit, last.as_ref()).await.map_err(|e| self.classify_error(&e))?;
        }
        Ok(made)
    }

    /// Takes the pin of an attempt away that was collected: what it made is pinned as a whole. Where it is not, the pin stays.
    ///
    /// # Errors
    /// The pin cannot be taken away.
    pub async fn unpin_progress(&self, slot: u32, label: &str) -> Result<(), Trouble> {
        let Some((mission, unit, n)) = attempt_of(label) else { return Ok(()) };
        let pool = self.pool().await.map_err(|e| self.classify_error(&e))?;
        pool.forget_progress(slot).map_err(|e| self.classify_error(&e))?;
        let name = progress_ref(&mission, &unit, n);
        let unpinned = async {
            if self.source.ref_value(&head_ref(&mission, &unit, n)).await?.is_none() {
                return Ok(());
            }
            match self.source.ref_value(&name).await? {
                Some(commit) => self.source.unpin(&name, &commit).await.map(drop),
                None => Ok(()),
            }
        };
        unpinned.await.map_err(|e| self.classify_error(&e))
    }
}
