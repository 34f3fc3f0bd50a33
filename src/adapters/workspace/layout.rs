//! Where the parts of a slot are.
//!
//! `slot-N` is a folder that `mc` makes (mode 0700): `work` in it is the clone, `tmp` the folder for temporary files of
//! whatever runs there, `home` the HOME of verifications. What somebody puts beside these three is told from the work and
//! does not reach the next user. What `mc` itself notes about a slot lies beside `slot-N`: `.lock`, `.dirty` (who works
//! there), `.made` (which folders `mc` made), `.setup` (what setup made), `.ran` (the last verification), `.index`, `.used`,
//! `.layers` (a folder: what was written to folders of tools).

use super::disk::{remove_any, write_durably};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The clone.
const WORK: &str = "work";

/// Temporary files of whatever runs in the slot.
const TEMPORARY: &str = "tmp";

/// The HOME of verifications.
const HOME: &str = "home";

/// The folder of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotFolder(PathBuf);

impl SlotFolder {
    /// That of the slot with this number in the pool at `root`.
    pub(crate) fn of(root: &Path, slot: u32) -> Self {
        Self(root.join(format!("slot-{slot}")))
    }

    /// The folder itself.
    pub(crate) fn parent(&self) -> &Path {
        &self.0
    }

    /// The clone.
    pub(crate) fn work(&self) -> PathBuf {
        self.0.join(WORK)
    }

    /// The folder for temporary files.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.0.join(TEMPORARY)
    }

    /// The HOME of verifications.
    pub(crate) fn home(&self) -> PathBuf {
        self.0.join(HOME)
    }

    /// One of the notes of `mc` about the slot, out of what belongs to its user.
    pub(crate) fn note(&self, kind: &str) -> PathBuf {
        self.0.with_extension(kind)
    }

    /// Makes what is missing of the folder; whether the clone has to be made from nothing. The folder of an earlier version,
    /// which was the clone itself, becomes `work`. Killed at any instant, the next call goes on: everything is put together
    /// under another name and noted before it gets the name of the slot.
    pub(crate) fn make(&self) -> io::Result<bool> {
        let (made, draft) = (self.note("made"), self.note("new"));
        for odd in [&self.0, &draft] {
            if fs::symlink_metadata(odd).is_ok_and(|meta| !meta.is_dir()) {
                remove_any(odd)?;
            }
        }
        let there = fs::symlink_metadata(&self.0).is_ok();
        if there && fs::symlink_metadata(&made).is_ok() {
            let mut fresh = false;
            for path in [self.work(), self.temporary(), self.home()] {
                if fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir()) {
                    continue;
                }
                remove_any(&path)?;
                fresh |= path == self.work();
                if path == self.work() { fs::create_dir(&path)? } else { make_private(&path).map(drop)? }
            }
            if fresh {
                self.write_made(&self.0)?;
            }
            return Ok(fresh);
        }
        make_private(&draft)?;
        let work = draft.join(WORK);
        if there {
            fs::rename(&self.0, &work)?;
        }
        fs::create_dir_all(&work)?;
        let fresh = is_empty(&work)?;
        make_private(&draft.join(TEMPORARY))?;
        make_private(&draft.join(HOME))?;
        self.write_made(&draft)?;
        fs::rename(&draft, &self.0)?;
        Ok(fresh)
    }

    /// Takes over the folder of an earlier version, where there is one, or goes on doing so.
    pub(crate) fn adopt(&self) -> io::Result<()> {
        let there = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
        let unknown = there(&self.0) && fs::symlink_metadata(self.note("made")).is_err();
        if unknown || (!there(&self.0) && there(&self.note("new").join(WORK))) {
            self.make()?;
        }
        Ok(())
    }

    /// Notes which folders were made for the slot, as they are in `parent`.
    fn write_made(&self, parent: &Path) -> io::Result<()> {
        let inode = |path: &Path| fs::symlink_metadata(path).map(|meta| meta.ino());
        let text = format!("slot {}\nwork {}\n", inode(parent)?, inode(&parent.join(WORK))?);
        write_durably(&self.note("made"), text.as_bytes())
    }

    /// What is in the folder beside the parts that belong there.
    pub(crate) fn strays(&self) -> io::Result<Vec<PathBuf>> {
        let parts = [self.work(), self.temporary(), self.home()];
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            found.extend(Some(entry?.path()).filter(|path| !parts.contains(path)));
        }
        found.sort();
        Ok(found)
    }

    /// Takes away what a user of the slot left beside the clone: strays, what is in the HOME, and temporary files but for those
    /// that are named.
    pub(crate) fn clear_but(&self, temporary: &[PathBuf]) -> io::Result<Cleared> {
        let strays = self.strays()?;
        strays.iter().try_for_each(|path| remove_any(path))?;
        clear(&self.home(), &[])?;
        let stays = clear(&self.temporary(), temporary)?;
        Ok(Cleared { strays: !strays.is_empty(), stays })
    }

    /// Removes the folder with everything in it and all notes about what is in it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let notes = ["setup", "ran", "index", "used", "layers", "new"].map(|kind| self.note(kind));
        notes.iter().try_for_each(|path| remove_any(path))?;
        // Without its note the folder would be taken for that of an earlier version.
        remove_any(&self.0)?;
        remove_any(&self.note("made"))
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
#[must_use]
pub fn work_folder(root: &Path, slot: u32) -> PathBuf {
    SlotFolder::of(root, slot).work()
}

/// The folder for temporary files of the slot whose clone is `work`.
#[must_use]
pub fn temporary_folder(work: &Path) -> PathBuf {
    slot_of(work).join(TEMPORARY)
}

/// The HOME of verifications in the slot whose clone is `work`.
#[must_use]
pub fn home_folder(work: &Path) -> PathBuf {
    slot_of(work).join(HOME)
}

/// Where goes what verifications in the slot whose clone is `work` write to folders of tools.
#[must_use]
pub fn layers_folder(work: &Path) -> PathBuf {
    note(work, "layers")
}

/// One of the notes about the slot whose clone is `work`.
pub(crate) fn note(work: &Path, kind: &str) -> PathBuf {
    slot_of(work).with_extension(kind)
}

/// The folder of the slot whose clone is `work`; `work` itself when it is no clone of a slot.
#[must_use]
pub fn slot_of(work: &Path) -> &Path {
    let named = work.file_name().is_some_and(|name| name == WORK);
    work.parent().filter(|_| named).unwrap_or(work)
}

/// Makes a private folder unless it is there; whether it was not.
fn make_private(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(folder)?.next().is_none())
}

/// Takes everything but the entries named out of a folder of ours, whatever was done to its mode; whether anything stays.
fn clear(folder: &Path, kept: &[PathBuf]) -> io::Result<bool> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            remove_any(folder)?;
            return make_private(folder).map(|_| false);
        }
        entries => entries?,
    };
    let mut stays = false;
    for entry in entries {
        let entry = entry?;
        match kept.iter().any(|name| name.as_os_str() == entry.file_name()) {
            true => stays = true,
            false => remove_any(&entry.path())?,
        }
    }
    Ok(stays)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> (tempfile::TempDir, SlotFolder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = SlotFolder::of(dir.path(), 3);
        (dir, folder)
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_parts_of_a_slot_are_private_and_made_once() {
        let (_dir, slot) = slot();
        assert!(slot.make().unwrap(), "the clone is new");
        assert!(!slot.make().unwrap());
        assert_eq!(names(slot.parent()), ["home", "tmp", "work"]);
        for part in [slot.parent(), &slot.temporary(), &slot.home()] {
            assert_eq!(fs::metadata(part).unwrap().mode() & 0o7777, 0o700, "{}", part.display());
        }
        fs::remove_dir(slot.work()).unwrap();
        assert!(slot.make().unwrap(), "it has to be made again");
    }

    #[test]
    fn p2_the_folder_of_an_earlier_version_becomes_the_clone_wherever_the_move_was_cut_short() {
        for cut in 0..4 {
            let (_dir, slot) = slot();
            let draft = slot.note("new");
            fs::create_dir(slot.parent()).unwrap();
            fs::write(slot.parent().join("precious"), "x").unwrap();
            if cut > 0 {
                fs::create_dir(&draft).unwrap();
            }
            if cut > 1 {
                fs::rename(slot.parent(), draft.join(WORK)).unwrap();
            }
            if cut > 2 {
                slot.write_made(&draft).unwrap();
            }
            assert!(!slot.make().unwrap(), "cut {cut}");
            assert_eq!(fs::read_to_string(slot.work().join("precious")).unwrap(), "x", "cut {cut}");
            assert_eq!(names(slot.parent()), ["home", "tmp", "work"], "cut {cut}");
            assert!(fs::symlink_metadata(&draft).is_err(), "cut {cut}");
        }
    }

    #[test]
    fn what_is_beside_the_parts_goes_and_nothing_else_does() {
        let (_dir, slot) = slot();
        slot.make().unwrap();
        for path in ["work/kept", "tmp/a", "home/b", "stray"] {
            fs::write(slot.parent().join(path), "").unwrap();
        }
        assert_eq!(slot.strays().unwrap(), [slot.parent().join("stray")]);
        let kept = [PathBuf::from("a")];
        assert_eq!(slot.clear_but(&kept).unwrap(), Cleared { strays: true, stays: true });
        assert_eq!(names(&slot.temporary()), ["a"]);
        assert_eq!(slot.clear_but(&[]).unwrap(), Cleared { strays: false, stays: false });
        assert_eq!(names(slot.parent()), ["home", "tmp", "work"]);
        assert_eq!(names(&slot.work()), ["kept"]);
        assert!(is_empty(&slot.temporary()).unwrap() && is_empty(&slot.home()).unwrap());
    }

    #[test]
    fn a_part_that_became_something_else_is_made_again_and_not_followed() {
        let (dir, slot) = slot();
        slot.make().unwrap();
        let other = dir.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("file"), "").unwrap();
        for part in [slot.temporary(), slot.home()] {
            fs::remove_dir(&part).unwrap();
            std::os::unix::fs::symlink(&other, &part).unwrap();
        }
        slot.make().unwrap();
        slot.clear_but(&[]).unwrap();
        assert_eq!(names(&other), ["file"]);
    }
}
