//! The folder of a pool: that it is the one that was opened, and no link.
//!
//! Whoever runs in a slot can rename the folder of the pool and put a link or another one in its place. So it is known by its
//! identity while an engine works; what took its place is put out of the way and an empty pool is made. Between two engines
//! only a person moves it: what lies in a pool that was copied is noted as it is.

use super::layout::SlotFolder;
use crate::adapters::os::files::read_own;
use crate::adapters::os::nofollow::{Identity, clear_the_way, folder, make_folder, move_aside, replace};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Which layout the slots of a pool have, and the inode of its folder when they were noted.
const NOTE: &str = "layout";

/// File systems on which a folder keeps its inode for good (statfs(2)): ext, tmpfs, xfs, btrfs, f2fs, zfs, bcachefs, ramfs.
/// Elsewhere, as on overlays and on file systems of programs, it may change by itself and tells nothing.
const STEADY: [u64; 8] =
    [0xef53, 0x0102_1994, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1, 0xca45_1a4e, 0x8584_58f6];

/// The opened folder of a pool.
#[derive(Debug)]
pub(super) struct PoolFolder {
    root: PathBuf,
    known: Mutex<Identity>,
    /// Whether inodes tell folders apart here.
    pub(super) steady: bool,
}

impl PoolFolder {
    /// Opens the folder of a pool, made when absent. The way to it may have links, which are a person's; the folder itself, and
    /// that of a pool it lies in, may not be one.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let own = own_parts(root);
        let above = own.first().and_then(|first| first.parent()).unwrap_or(root);
        fs::create_dir_all(above)?;
        let real = above.canonicalize()?;
        let root = root.strip_prefix(above).map_or_else(|_| root.to_owned(), |rest| real.join(rest));
        make_folder(&real, &root)?;
        let known = Identity::of(&root)?;
        record_slots(&root, known)?;
        Ok(Self { steady: is_steady(&root), known: Mutex::new(known), root })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Sees to it that the folder is the one that was opened, or a new one in its place.
    pub(super) fn ensure_root(&self) -> io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |it: &Identity| *it == *known || (!self.steady && it.device == known.device);
        if Identity::of(&self.root).is_ok_and(|it| same(&it)) {
            return Ok(());
        }
        tracing::warn!("{} is gone or was replaced; it is made again", self.root.display());
        let own = own_parts(&self.root);
        for part in &own {
            clear_the_way(part)?;
        }
        if fs::symlink_metadata(&self.root).is_ok() {
            move_aside(&self.root)?;
        }
        let above = own.first().and_then(|first| first.parent()).unwrap_or(&self.root);
        make_folder(above, &self.root)?;
        *known = Identity::of(&self.root)?;
        record_slots(&self.root, *known)
    }
}

/// The parts of the path that are ours: the folder, and for the pool that lies in another one, that one before it.
fn own_parts(root: &Path) -> Vec<&Path> {
    let nested = root.file_name().is_some_and(|name| name == "verify");
    root.parent().filter(|_| nested).into_iter().chain([root]).collect()
}

/// Notes the slots of a pool that has no note of them, or was copied since.
fn record_slots(root: &Path, known: Identity) -> io::Result<()> {
    let text = format!("2 {}\n", known.inode);
    let note = root.join(NOTE);
    let read = read_own(&note).unwrap_or_default();
    let noted = read.as_deref().is_some_and(|noted| noted == text.as_bytes());
    if noted || (read.is_some() && !is_steady(root)) {
        return Ok(());
    }
    for slot in list_slot_numbers(root, "")? {
        SlotFolder::of(root, slot, true).record_existing()?;
    }
    replace(&note, text.as_bytes(), true)
}

fn is_steady(root: &Path) -> bool {
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, reason = "its type depends on the machine")]
    let kind = folder(root).and_then(|root| Ok(rustix::fs::fstatfs(root)?)).map(|stat| stat.f_type as u64);
    kind.is_ok_and(|kind| STEADY.contains(&(kind & 0xffff_ffff)))
}

/// Numbers of the slots that have an entry `slot-N` with this suffix in the pool, in order.
pub(super) fn list_slot_numbers(root: &Path, suffix: &str) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|n| n.strip_prefix("slot-")?.strip_suffix(suffix)?.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
