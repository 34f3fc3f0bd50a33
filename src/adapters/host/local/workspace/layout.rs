//! Where the parts of a slot are.
//!
//! `slot-N` is a folder that `mc` makes (mode 0700): `work` in it is the clone, `tmp` the folder for temporary files of
//! whatever runs there, `home` the HOME of verifications. What somebody puts beside these three is told from the work and
//! does not reach the next user. What `mc` itself notes about a slot lies beside `slot-N`: `.lock`, `.dirty` (who works
//! there), `.made` (which folders `mc` made), `.setup` (what setup made), `.left` (what `setup` left in the clone of a unit), `.ran` (the
//! last verification), `.index`, `.print`, `.used`, `.lfs`, `.contents`, `.layers` (a folder: what was written to folders of tools).

use super::disk::remove_any;
use crate::adapters::os::files::{if_there, read_untrusted};
use crate::adapters::os::nofollow::{Identity, clear_the_way, make_folder, replace};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The clone.
const WORK: &str = "work";

/// Temporary files of whatever runs in the slot.
const TEMPORARY: &str = "tmp";

/// The HOME of verifications.
const HOME: &str = "home";

/// Where what is not ours goes that stood in the place of a slot.
const QUARANTINE: &str = "quarantine";

/// What is at the place of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    Absent,
    /// The folder that `mc` made, with its clone.
    Ours,
    /// The folder that `mc` made; its clone is gone.
    Emptied,
    /// This path is not what `mc` made: a link, a file, another folder.
    Replaced(PathBuf),
}

/// Which folders `mc` made for a slot, by their inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Made {
    Slot { slot: u64, work: u64 },
}

/// The folder of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotFolder {
    path: PathBuf,
    /// Whether inodes tell folders apart where the pool is.
    steady: bool,
}

impl SlotFolder {
    /// That of the slot with this number in the pool at `root`, where inodes are `steady` or are not.
    pub(crate) fn of(root: &Path, slot: u32, steady: bool) -> Self {
        Self { path: root.join(format!("slot-{slot}")), steady }
    }

    /// The folder itself.
    pub(crate) fn parent(&self) -> &Path {
        &self.path
    }

    /// The clone.
    pub(crate) fn work(&self) -> PathBuf {
        self.path.join(WORK)
    }

    /// The folder for temporary files.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.path.join(TEMPORARY)
    }

    /// The HOME of verifications.
    pub(crate) fn home(&self) -> PathBuf {
        self.path.join(HOME)
    }

    /// One of the notes of `mc` about the slot, out of what belongs to its user.
    pub(crate) fn note_path(&self, kind: &str) -> PathBuf {
        self.path.with_extension(kind)
    }

    fn root(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    fn read_made(&self) -> Option<Made> {
        serde_json::from_str(&read_untrusted(&self.note_path("made"), 4_096)?).ok()
    }

    /// What is there now. Nothing is followed: a link is not what it leads to.
    pub(crate) fn inspect(&self) -> io::Result<Standing> {
        let device = Identity::of(self.root())?.device;
        let same = |path: &Path, inode: u64| {
            Identity::of(path).is_ok_and(|it| it.device == device && (!self.steady || it.inode == inode))
        };
        if !is_there(&self.path)? {
            return Ok(Standing::Absent);
        }
        let work = self.work();
        Ok(match self.read_made() {
            Some(Made::Slot { slot, .. }) if !same(&self.path, slot) => Standing::Replaced(self.path.clone()),
            Some(Made::Slot { work: inode, .. }) if same(&work, inode) => Standing::Ours,
            Some(_) if is_there(&work)? => Standing::Replaced(work),
            Some(_) => Standing::Emptied,
            None => Standing::Replaced(self.path.clone()),
        })
    }

    /// Makes what is missing of the folder, after what is not ours was put out of the way; whether the clone has to be made from
    /// nothing. Killed at any instant, the next call goes on: everything is
    /// put together under another name and noted before it gets the name of the slot.
    pub(crate) fn make(&self) -> io::Result<bool> {
        // The folder, its clone, and what an earlier call had begun.
        for _ in 0..4 {
            match self.inspect()? {
                Standing::Replaced(path) => drop(self.quarantine(&path)?),
                Standing::Absent if self.is_draft_ours() => fs::rename(self.note_path("new"), &self.path)?,
                Standing::Absent => self.build()?,
                Standing::Emptied => {
                    fs::create_dir(self.work())?;
                    self.write_made(&self.path)?;
                }
                Standing::Ours => {
                    for path in [self.temporary(), self.home()] {
                        if Identity::of(&path).is_err() {
                            remove_any(&path)?;
                            make_private(&path)?;
                        }
                    }
                    return is_empty(&self.work());
                }
            }
        }
        Err(io::Error::other("what stands in its place comes back each time it is put away"))
    }

    /// Puts a folder together under another name.
    fn build(&self) -> io::Result<()> {
        let draft = self.note_path("new");
        match is_empty(&draft.join(WORK)) {
            // Nobody's work.
            Ok(true) => remove_any(&draft)?,
            _ if !is_there(&draft)? => {}
            _ => drop(self.quarantine(&draft)?),
        }
        make_private(&draft)?;
        fs::create_dir(draft.join(WORK))?;
        make_private(&draft.join(TEMPORARY))?;
        make_private(&draft.join(HOME))?;
        self.write_made(&draft)?;
        fs::rename(&draft, &self.path)
    }

    /// Whether everything was put together and only the name is missing.
    fn is_draft_ours(&self) -> bool {
        let draft = self.note_path("new");
        let inode = |path: &Path| Identity::of(path).ok().map(|it| it.inode);
        self.read_made().is_some_and(|Made::Slot { slot, work }| {
            inode(&draft) == Some(slot) && inode(&draft.join(WORK)) == Some(work)
        })
    }

    /// Puts what is not ours out of the way without looking into it: a link is removed, everything else is kept in the
    /// quarantine of the pool. Says where it is.
    pub(crate) fn quarantine(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        if fs::symlink_metadata(path)?.is_symlink() {
            return clear_the_way(path);
        }
        let folder = self.root().join(QUARANTINE);
        make_folder(self.root(), &folder)?;
        let name = path.strip_prefix(self.root()).unwrap_or(path).to_string_lossy().replace('/', "-");
        let mut places = (1..).map(|n: u32| folder.join(format!("replaced-{name}.{n}")));
        let place = places.find(|place| fs::symlink_metadata(place.join("slot")).is_err());
        let place = place.ok_or(io::ErrorKind::AlreadyExists)?;
        make_folder(&folder, &place)?;
        let why = format!("it stood in the place of {name} and is not what mc made there");
        let note = serde_json::json!({"label": "", "why": why});
        replace(&place.join("note.json"), note.to_string().as_bytes(), true)?;
        fs::rename(path, place.join("slot"))?;
        tracing::warn!("{} is not what mc made there; it is kept in {}", path.display(), place.display());
        Ok(Some(place))
    }

    /// Notes what is there without a note as made by `mc`: in a pool that a person copied.
    pub(crate) fn record_existing(&self) -> io::Result<()> {
        if Identity::of(&self.work()).is_ok() { self.write_made(&self.path) } else { Ok(()) }
    }

    /// Notes which folders were made for the slot, as they are in `parent`.
    fn write_made(&self, parent: &Path) -> io::Result<()> {
        let made = Made::Slot { slot: Identity::of(parent)?.inode, work: Identity::of(&parent.join(WORK))?.inode };
        replace(&self.note_path("made"), &serde_json::to_vec(&made)?, true)
    }

    /// What is in the folder beside the parts that belong there.
    pub(crate) fn list_strays(&self) -> io::Result<Vec<PathBuf>> {
        let parts = [self.work(), self.temporary(), self.home()];
        let Some(entries) = if_there(fs::read_dir(&self.path))? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for entry in entries {
            found.extend(Some(entry?.path()).filter(|path| !parts.contains(path)));
        }
        found.sort();
        Ok(found)
    }

    /// Takes away what a user of the slot left beside the clone: strays, what is in the HOME, and temporary files but for those
    /// that are named.
    pub(crate) fn clear_but(&self, temporary: &[OsString]) -> io::Result<Cleared> {
        let strays = self.list_strays()?;
        strays.iter().try_for_each(|path| remove_any(path))?;
        clear(&self.home(), &[])?;
        let stays = clear(&self.temporary(), temporary)?;
        Ok(Cleared { strays: !strays.is_empty(), stays })
    }

    /// Removes the folder with everything in it and all notes about what is in it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let notes = ["setup", "left", "ran", "index", "print", "used", "lfs", "contents", "layers", "new"]
            .map(|kind| self.note_path(kind));
        notes.iter().try_for_each(|path| remove_any(path))?;
        // Without its note the folder would be taken for somebody else's.
        remove_any(&self.path)?;
        remove_any(&self.note_path("made"))
    }
}

/// What was beside the clone of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cleared {
    /// Things that have no place there.
    pub(crate) strays: bool,
    /// Whether anything that was named is still there.
    pub(crate) stays: bool,
}

/// The clone of a slot in the pool at `root`.
pub fn work_folder(root: &Path, slot: u32) -> PathBuf {
    SlotFolder::of(root, slot, true).work()
}

/// The folder for temporary files of the slot whose clone is `work`.
pub fn temporary_folder(work: &Path) -> PathBuf {
    slot_of(work).join(TEMPORARY)
}

/// The HOME of verifications in the slot whose clone is `work`.
pub fn home_folder(work: &Path) -> PathBuf {
    slot_of(work).join(HOME)
}

/// Where goes what verifications in the slot whose clone is `work` write to folders of tools.
pub fn layers_folder(work: &Path) -> PathBuf {
    note_path(work, "layers")
}

/// One of the notes about the slot whose clone is `work`.
pub(crate) fn note_path(work: &Path, kind: &str) -> PathBuf {
    slot_of(work).with_extension(kind)
}

/// The folder of the slot whose clone is `work`; `work` itself when it is no clone of a slot.
pub fn slot_of(work: &Path) -> &Path {
    let named = work.file_name().is_some_and(|name| name == WORK);
    work.parent().filter(|_| named).unwrap_or(work)
}

/// Makes a private folder unless it is there.
fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Whether anything has this name, a link that leads nowhere included.
fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(folder)?.next().is_none())
}

/// Takes everything but the entries named out of a folder of ours, whatever was done to its mode; whether anything stays.
fn clear(folder: &Path, kept: &[OsString]) -> io::Result<bool> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            remove_any(folder)?;
            return make_private(folder).map(|()| false);
        }
        entries => entries?,
    };
    let mut stays = false;
    for entry in entries {
        let entry = entry?;
        if kept.contains(&entry.file_name()) { stays = true } else { remove_any(&entry.path())? }
    }
    Ok(stays)
}

/// Where a path below a pool is within the clone of a slot, if it is in one.
pub fn work_below(path: &Path) -> Option<PathBuf> {
    let mut parts = path.components().map(|part| part.as_os_str());
    parts.find(|part| part.to_string_lossy().starts_with("slot-"))?;
    (parts.next()? == WORK).then(|| parts.collect())
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
