//! Slots that nobody may use any more: what lies in them could not be collected, or cannot be taken away.
//!
//! Such a slot is moved as a whole into the folder `quarantine` of the pool, with a note of whose work it is and why, and the
//! slot is made anew. Nothing in it is touched. A later engine brings it back, tries to collect it, and puts it back where that
//! fails again. Killed at any instant, the slot is in its old place with its marker, or in quarantine with its note.

use crate::adapters::host::local::workspace::disk::{remove_any, sync_folder};
use crate::adapters::host::local::workspace::pool::{Pool, PoolError};
use crate::adapters::os::files::{self, At, if_there};
use crate::adapters::os::nofollow::replace;
use crate::domain::values::CommitId;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The folder in a pool.
const FOLDER: &str = "quarantine";

/// The note in the folder of one slot.
const NOTE: &str = "note.json";

/// The slot itself.
const SLOT: &str = "slot";

/// What `mc` had noted of which folders it made.
const MADE: &str = "made";

/// Slots with numbers from here on are given to nobody: what comes back from quarantine is collected there.
const ASIDE: u32 = 100_000;

/// Why a slot is in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Who used it, as `mission/unit/attempt`; empty when nothing of anybody's work is in it that is not pinned.
    pub label: String,
    /// The commit that attempt began from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<CommitId>,
    /// What was in the way. Untrusted text.
    pub why: String,
}

/// A slot in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its folder.
    pub path: PathBuf,
    /// Disk space in bytes.
    pub bytes: u64,
    /// Why it is there.
    pub note: Note,
}

/// The slots in quarantine of the pool at `root`, by name.
///
/// # Errors
/// When the folder cannot be read.
pub fn list_quarantined(root: &Path) -> io::Result<Vec<Quarantined>> {
    let Some(entries) = if_there(fs::read_dir(root.join(FOLDER)))? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if fs::symlink_metadata(path.join(SLOT)).is_err() {
            // The move into it was cut short.
            continue;
        }
        let unknown = || Note { label: String::new(), base: None, why: "its note cannot be read".to_owned() };
        let note = fs::read(path.join(NOTE)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        found.push(Quarantined { bytes: files::size(&path).unwrap_or(0), note: note.unwrap_or_else(unknown), path });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Deletes a slot in quarantine.
///
/// # Errors
/// When something in it cannot be deleted; files of other users are such.
pub fn discard(slot: &Quarantined) -> io::Result<()> {
    remove_any(&slot.path.join(SLOT))?;
    remove_any(&slot.path)
}

impl Pool {
    /// Removes a slot that holds nobody's work, or, where something in it cannot be removed, sets it aside. Whether it is removed.
    pub(in super::super) fn clear_away(&self, slot: u32) -> Result<bool, PoolError> {
        let Err(error) = self.wipe(slot) else { return Ok(true) };
        let reason = std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
        let why = format!("it cannot be emptied ({error}{reason}); nobody's work is in it that is not pinned");
        self.move_away(slot, &Note { label: String::new(), base: None, why })?;
        Ok(false)
    }

    /// Moves a slot into quarantine. Its number is free afterwards. Returns where it is now.
    ///
    /// # Errors
    /// [`PoolError`] when another process uses it or it cannot be moved; it stays as it is then.
    pub fn quarantine(&self, slot: u32, note: &Note) -> Result<PathBuf, PoolError> {
        self.hold(slot)?;
        let place = self.move_away(slot, note)?;
        self.release(slot)?;
        Ok(place)
    }

    /// The same for a slot whose lock the caller has.
    pub(in super::super) fn move_away(&self, slot: u32, note: &Note) -> Result<PathBuf, PoolError> {
        // Nothing is written through what took the place of the pool, and what is not there is not moved.
        self.ensure_root()?;
        let folder = self.folder(slot);
        fs::symlink_metadata(folder.parent()).at(folder.parent())?;
        let place = self.free_place(slot, note)?;
        fs::create_dir_all(&place).at(&place)?;
        let text = serde_json::to_vec_pretty(note).at(&place)?;
        replace(&place.join(NOTE), &text, true).at(&place)?;
        if_there(fs::copy(folder.note_path("made"), place.join(MADE))).at(&place)?;
        let from = folder.parent();
        // To move a folder elsewhere one must be allowed to write into it.
        let open = fs::symlink_metadata(from).map(|meta| meta.permissions().mode() | 0o700).at(from)?;
        let _ = fs::set_permissions(from, fs::Permissions::from_mode(open));
        fs::rename(from, place.join(SLOT)).and_then(|()| sync_folder(&place.join(SLOT))).at(&place)?;
        folder.remove().at(&place)?;
        Ok(place)
    }

    /// A name for the slot that no other one has; one whose move was cut short is used again.
    fn free_place(&self, slot: u32, note: &Note) -> Result<PathBuf, PoolError> {
        let root = self.root().join(FOLDER);
        fs::create_dir_all(&root).at(&root)?;
        let name = if note.label.is_empty() { format!("slot-{slot}") } else { note.label.replace('/', ".") };
        let names = (1..).map(|n| if n == 1 { name.clone() } else { format!("{name}-{n}") });
        let mut places = names.map(|name| root.join(name));
        let free = |place: &PathBuf| fs::symlink_metadata(place.join(SLOT)).is_err();
        Ok(places.find(free).ok_or(io::ErrorKind::AlreadyExists).at(&root)?)
    }

    /// The slots of this pool in quarantine.
    ///
    /// # Errors
    /// [`PoolError::Io`].
    pub fn list_quarantined(&self) -> Result<Vec<Quarantined>, PoolError> {
        Ok(list_quarantined(self.root()).at(self.root().join(FOLDER))?)
    }

    /// Brings a slot back under a number that is given to nobody, marked as that of its user, so that it can be collected.
    ///
    /// # Errors
    /// [`PoolError`]; it is in quarantine still.
    pub fn bring_back(&self, entry: &Quarantined) -> Result<u32, PoolError> {
        self.ensure_root()?;
        let taken = |slot: &u32| {
            let folder = self.folder(*slot);
            [folder.parent().to_owned(), folder.note_path("dirty")]
                .iter()
                .any(|path| fs::symlink_metadata(path).is_ok())
        };
        let slot = (ASIDE..).find(|slot| !taken(slot)).unwrap_or(ASIDE);
        self.hold(slot)?;
        let folder = self.folder(slot);
        replace(&folder.note_path("dirty"), entry.note.label.as_bytes(), true).at(folder.parent())?;
        if_there(fs::copy(entry.path.join(MADE), folder.note_path("made"))).at(folder.parent())?;
        fs::rename(entry.path.join(SLOT), folder.parent())
            .and_then(|()| sync_folder(folder.parent()))
            .at(folder.parent())?;
        remove_any(&entry.path).at(folder.parent())?;
        Ok(slot)
    }
}
