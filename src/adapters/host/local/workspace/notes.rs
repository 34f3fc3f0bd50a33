//! What is noted beside a slot: how far the last run of a verification there came, and what `setup` made or left.

use super::after_setup;
use super::disk::remove_any;
use super::leftovers::{
    Keeping, KeptPaths, Made, Ran, drop_others, list_others, names, read_note, remove_ran_note, write_note,
};
use super::pool::{Pool, PoolError};
use super::slot::list_differences;
use crate::adapters::os::files::At;
use crate::domain::plan::globs::Globs;
use std::ffi::OsString;
use std::path::PathBuf;

impl Pool {
    /// Whether files in a slot are of a run that went to its end on a commit that has landed; absent when nobody asks. The note
    /// that says so is taken away, whoever comes.
    pub(super) async fn of_landed(&self, slot: u32, keeping: Option<Keeping<'_>>) -> Result<Option<bool>, PoolError> {
        let note = self.run_note_path(slot);
        let ran: Option<Ran> = read_note(&note);
        remove_ran_note(&note).at(&note)?;
        let Some(keeping) = keeping else { return Ok(None) };
        let (Some(onto), Some(Ran::Ended(commit))) = (keeping.landed, ran) else { return Ok(Some(false)) };
        // A commit that is gone has not landed.
        Ok(Some(commit == *onto || self.source().is_ancestor(&commit, onto).await.unwrap_or(false)))
    }

    pub(super) fn run_note_path(&self, slot: u32) -> PathBuf {
        self.folder(slot).note_path("ran")
    }

    /// What is noted of the last verification in a slot.
    pub fn read_last_run(&self, slot: u32) -> Option<Ran> {
        read_note(&self.run_note_path(slot))
    }

    /// Notes how far the verification in a slot of this pool is.
    ///
    /// # Errors
    /// [`PoolError::Io`] when it cannot be written.
    pub fn record_run(&self, slot: u32, ran: &Ran) -> Result<(), PoolError> {
        let note = self.run_note_path(slot);
        Ok(write_note(&note, ran).at(&note)?)
    }

    /// Notes that `setup` was run in a prepared slot and what it was run for; with `listed`, also what it made there, so that
    /// this may stay. A setup that changes tracked files makes what cannot stay: it is run at each use.
    ///
    /// # Errors
    /// [`PoolError`] when the slot cannot be read or the note not be written.
    pub async fn record_setup(&self, slot: u32, inputs: String, listed: bool) -> Result<(), PoolError> {
        let stamp = self.stamp(slot);
        let mut made = Made { inputs, ..Made::default() };
        if listed {
            let git = self.git(slot);
            let tracked = |line: &Vec<u8>| !line.starts_with(b"?");
            if list_differences(&git).await?.iter().any(tracked) {
                return Ok(remove_any(&stamp).at(&stamp)?);
            }
            let folder = self.folder(slot);
            let listed = |path: PathBuf| names(&path).at(&path);
            (made.work, made.temporary) = (list_others(&git).await?, listed(folder.temporary())?);
            // A file that is copied into each workspace is brought by each preparation.
            made.work.retain(|path| !self.shape.excluded.iter().any(|name| path == name.as_str()));
        }
        Ok(write_note(&stamp, &made).at(&stamp)?)
    }

    /// Takes away what `setup` made for other inputs; whether anything of earlier runs is left.
    ///
    /// # Errors
    /// [`PoolError`] when something cannot be removed.
    pub async fn drop_made(&self, slot: u32, globs: &Globs) -> Result<bool, PoolError> {
        let stamp = self.stamp(slot);
        remove_any(&stamp).at(&stamp)?;
        let copied: Vec<OsString> = self.shape.excluded.iter().map(OsString::from).collect();
        let kept = KeptPaths { globs: Some(globs), made: &copied };
        // Its HOME has been made anew by now, and what setup wrote there is dropped where it is kept.
        let temporary = self.folder(slot).temporary();
        let emptied =
            names(&temporary).and_then(|all| all.iter().try_for_each(|name| remove_any(&temporary.join(name))));
        emptied.at(&temporary)?;
        let git = self.git(slot);
        drop_others(&git, &self.path(slot), kept).await?;
        Ok(list_others(&git).await?.iter().any(|path| !copied.contains(path)))
    }

    /// Makes the folder of a slot, or takes out of it what its last user left beside the clone but the temporary files named;
    /// whether the clone has to be made from nothing, and whether anything stays.
    pub(super) fn prepare_folder(&self, slot: u32, kept: &[OsString]) -> Result<(bool, bool), PoolError> {
        let (folder, stamp) = (self.folder(slot), self.stamp(slot));
        let fresh = folder.make().at(folder.parent())?;
        let cleared = folder.clear_but(kept).at(folder.parent())?;
        // What setup made may be among what goes now.
        if fresh || cleared.strays {
            remove_any(&stamp).at(&stamp)?;
        }
        Ok((fresh, cleared.stays))
    }

    /// Notes what `setup` left in a slot though git does not ignore it, before anybody works there: it is no part of their work.
    /// Its names.
    ///
    /// # Errors
    /// [`PoolError::Git`].
    pub async fn record_left_by_setup(&self, slot: u32) -> Result<Vec<OsString>, PoolError> {
        Ok(after_setup::record_left(&self.git(slot), &self.path(slot)).await?)
    }

    /// Tracked files in a slot that are not what the index says.
    ///
    /// # Errors
    /// [`PoolError::Git`].
    pub async fn list_changed(&self, slot: u32) -> Result<Vec<OsString>, PoolError> {
        Ok(after_setup::list_changed(&self.git(slot)).await?)
    }

    /// Files in a slot that are neither tracked nor ignored.
    ///
    /// # Errors
    /// [`PoolError::Git`].
    pub async fn list_unignored(&self, slot: u32) -> Result<Vec<OsString>, PoolError> {
        Ok(after_setup::list_unignored(&self.git(slot)).await?)
    }
}
