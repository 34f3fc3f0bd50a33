//! The pool: which slots exist, who uses them, and which of them still hold work that nobody has collected.
//!
//! Promises: one user per slot (an OS lock on a file beside it); a durable marker that names the user is written before
//! the slot is handed out and removed only by [`Pool::release`] or [`Pool::discard_idle`]; a slot whose preparation fails is made
//! anew once and then reported, never handed out half prepared and never waited for.

use super::checkout::{Checkout, Left, Stays, reset};
use super::conversion::Conversion;
use super::disk::{remove_any, sync_folder};
pub use super::error::PoolError;
use super::layout::{SlotFolder, Standing, slot_of};
use super::leftovers::{Keeping, KeptPaths, Made, Prepared, read_note};
use super::lfs::{self, LargeFiles};
use super::pool_folder::{PoolFolder, list_slot_numbers};
use super::slot::{Ignored, Shape, exclude_paths, slot_git};
use super::tags::Tags;
use crate::adapters::git::config_files::IDENTITY;
use crate::adapters::git::{Filtered, Git, GitError, SourceFacts, inspect};
use crate::adapters::os::files::{self, At, FileError, FileIdentity};
use crate::adapters::os::nofollow;
use crate::domain::values::CommitId;
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A look at the disk space of all slots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) bytes: u64,
    pub(super) at: Instant,
    pub(super) took: Duration,
}

/// The setting that names a list of ignored files; a clone does not have that of its source.
const IGNORES: &str = "core.excludesfile";

/// Who uses a slot whose marker cannot be read.
const UNKNOWN: &str = "unknown";

/// The lock of a slot. A child between fork and exec holds a copy of the open file, so closing is not enough.
#[derive(Debug)]
struct SlotLock(File);

impl SlotLock {
    /// Whether it is the lock that stands there. The one of a pool that was taken away keeps nobody out.
    fn is_at(&self, path: &Path) -> bool {
        let own = self.0.metadata().ok();
        own.zip(fs::symlink_metadata(path).ok()).is_some_and(|(a, b)| (a.dev(), a.ino()) == (b.dev(), b.ino()))
    }
}

impl Drop for SlotLock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// The slots below one folder, all clones of one source.
#[derive(Debug)]
pub struct Pool {
    folder: PoolFolder,
    source: Git,
    pub(crate) shape: Shape,
    conversion: Conversion,
    ignored: Ignored,
    /// What the preparations of this engine left beside the slots.
    left: Mutex<BTreeMap<u32, Left>>,
    held: Mutex<BTreeMap<u32, SlotLock>>,
    /// The last look at the disk space of all slots.
    pub(super) measured: Mutex<Option<Measured>>,
    /// Held by whoever measures.
    pub(super) measuring: Mutex<()>,
}

/// That a repository has what clones need of it: all objects, and its whole history unless that may be `cut`.
///
/// # Errors
/// [`PoolError::Incomplete`].
pub(crate) fn refuse_incomplete(facts: &SourceFacts, cut: bool) -> Result<(), PoolError> {
    match (facts.shallow && !cut, facts.partial) {
        (true, _) => Err(PoolError::Incomplete { kind: "shallow", remedy: "--unshallow" }),
        (_, true) => Err(PoolError::Incomplete { kind: "partial", remedy: "--refetch --no-filter" }),
        _ => Ok(()),
    }
}

impl Pool {
    /// Opens the pool in `root` (made when absent) for the repository of `source`.
    ///
    /// # Errors
    /// [`PoolError::Incomplete`] for a shallow or partial source.
    pub async fn open(root: &Path, source: &Git, ignored: Ignored) -> Result<Self, PoolError> {
        Self::of(root, source, ignored, false).await
    }

    /// Like [`Pool::open`], also for a source whose history is cut off. For slots that are only looked at: what is made in
    /// such a slot may not fit into the source.
    ///
    /// # Errors
    /// [`PoolError::Incomplete`] for a partial source.
    pub async fn open_cut(root: &Path, source: &Git, ignored: Ignored) -> Result<Self, PoolError> {
        Self::of(root, source, ignored, true).await
    }

    async fn of(root: &Path, source: &Git, ignored: Ignored, cut: bool) -> Result<Self, PoolError> {
        let facts = inspect(source).await?;
        refuse_incomplete(&facts, cut)?;
        let theirs = [&facts.common_dir, &facts.toplevel];
        let theirs = theirs.into_iter().filter_map(|path| FileIdentity::of_path(path).ok()).collect();
        let folder = PoolFolder::open(root).at(root)?;
        let settings = source.settings(&format!("^({IDENTITY}|{IGNORES}|{})$", lfs::KEYS)).await?;
        let large = LargeFiles::of(&facts, &settings, folder.root()).at(root)?;
        let identity = settings.identity();
        let ignores = settings.value(IGNORES).filter(|path| !path.is_empty());
        let ignores = ignores.map(|path| match path.first() {
            // Git itself knows whose home is meant.
            Some(b'~') => PathBuf::from(OsStr::from_bytes(path)),
            _ => facts.toplevel.join(OsStr::from_bytes(path)),
        });
        let shape = Shape { facts, identity, ignores, excluded: Vec::new(), theirs, tags: Tags::default(), large };
        Ok(Self {
            folder,
            source: source.clone(),
            shape,
            conversion: Conversion::default(),
            ignored,
            left: Mutex::default(),
            held: Mutex::default(),
            measured: Mutex::default(),
            measuring: Mutex::default(),
        })
    }

    /// The same pool, whose slots get these files (paths from the root) that are no part of anybody's work: never
    /// committed unless the repository has them already.
    #[must_use]
    pub fn with_excluded(mut self, paths: &[String]) -> Self {
        self.shape.excluded = paths.to_vec();
        self
    }

    /// The same pool where its source is a mirror of the repository whose work tree is `toplevel`.
    #[must_use]
    pub fn with_toplevel(mut self, toplevel: &Path) -> Self {
        self.shape.theirs.extend(FileIdentity::of_path(toplevel));
        toplevel.clone_into(&mut self.shape.facts.toplevel);
        self
    }

    /// The same pool with tags that others know as well.
    #[must_use]
    pub fn with_tags(mut self, tags: &Tags) -> Self {
        self.shape.tags = tags.clone();
        self
    }

    /// The clone of a slot, where its user works, whether it exists or not.
    pub fn path(&self, slot: u32) -> PathBuf {
        self.folder(slot).work()
    }

    /// The folder of a slot: its clone, its temporary files and its HOME.
    pub fn parent(&self, slot: u32) -> PathBuf {
        self.folder(slot).parent().to_owned()
    }

    pub(crate) fn folder(&self, slot: u32) -> SlotFolder {
        SlotFolder::of(self.folder.root(), slot, self.folder.steady)
    }

    /// Git on a slot.
    pub fn git(&self, slot: u32) -> Git {
        slot_git(&self.source, &self.path(slot))
    }

    pub(crate) fn source(&self) -> &Git {
        &self.source
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.root()
    }

    /// The folder of the pool stands where it was opened: what took its place is put out of the way, a missing one is made again.
    pub(super) fn ensure_root(&self) -> Result<(), PoolError> {
        Ok(self.folder.ensure_root().at(self.folder.root())?)
    }

    /// Nothing took the place of a slot since it was prepared. To be asked before anything is run or read there.
    ///
    /// # Errors
    /// [`PoolError::Replaced`].
    pub fn check(&self, slot: u32) -> Result<(), PoolError> {
        self.ensure_root()?;
        let folder = self.folder(slot);
        match folder.inspect().at(folder.parent())? {
            Standing::Ours => Ok(()),
            _ => Err(PoolError::Replaced { slot }),
        }
    }

    /// The same for the slot whose clone is `work`; anything else is no slot of this pool and passes.
    ///
    /// # Errors
    /// [`PoolError::Replaced`].
    pub fn check_work(&self, work: &Path) -> Result<(), PoolError> {
        let folder = slot_of(work);
        let number = folder.file_name().and_then(|name| name.to_str()?.strip_prefix("slot-")?.parse().ok());
        number.filter(|slot| self.path(*slot) == work).map_or(Ok(()), |slot| self.check(slot))
    }

    /// A note beside the slot for whoever prepares it further (what its setup was made from). It goes with the
    /// files: with all of them, and where ignored ones are removed at each use.
    pub fn stamp(&self, slot: u32) -> PathBuf {
        self.folder(slot).note_path("setup")
    }

    fn marker_path(&self, slot: u32) -> PathBuf {
        self.folder(slot).note_path("dirty")
    }

    /// Takes the lock of a slot unless this pool has it already.
    ///
    /// # Errors
    /// [`PoolError::Busy`] when another process has it.
    pub fn hold(&self, slot: u32) -> Result<(), PoolError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Vacant(place) = held.entry(slot) {
            place.insert(self.lock(slot)?);
        }
        Ok(())
    }

    /// Whether somebody, this pool included, has the lock of a slot.
    pub(super) fn is_used(&self, slot: u32) -> bool {
        let mine = self.held.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&slot);
        mine || self.lock(slot).is_err()
    }

    fn lock(&self, slot: u32) -> Result<SlotLock, PoolError> {
        self.ensure_root()?;
        let path = self.folder(slot).note_path("lock");
        if fs::symlink_metadata(&path).is_ok_and(|meta| !meta.is_file()) {
            remove_any(&path).at(&path)?;
        }
        let open = nofollow::open(&path, OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK, Mode::from(0o666));
        let file = File::from(open.at(&path)?);
        match file.try_lock() {
            Ok(()) => Ok(SlotLock(file)),
            Err(TryLockError::WouldBlock) => Err(PoolError::Busy { slot }),
            Err(TryLockError::Error(source)) => Err(FileError::new(&path, source).into()),
        }
    }

    /// Removes a slot's files with all that is kept about them.
    pub(super) fn wipe(&self, slot: u32) -> Result<(), PoolError> {
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let folder = self.folder(slot);
        let removed = || {
            // What took its place is not ours to delete.
            if let Standing::Replaced(path) = folder.inspect()? {
                folder.quarantine(&path)?;
            }
            folder.remove()
        };
        Ok(removed().at(folder.parent())?)
    }

    fn unlock(&self, slot: u32) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&slot);
    }

    /// Locks a slot for `label`, makes its files equal to `base`, whose objects the source must have, and marks it dirty.
    /// Returns its clone; HEAD is detached at `base` and no branch exists.
    ///
    /// # Errors
    /// [`PoolError::Busy`] while somebody (this pool included) uses it, [`PoolError::Dirty`] when it was not collected,
    /// [`PoolError::Prepare`] when a clone made from nothing fails as well; the slot is free then.
    pub async fn prepare(&self, slot: u32, label: &str, base: &CommitId) -> Result<PathBuf, PoolError> {
        self.prepare_keeping(slot, label, base, None).await.map(|prepared| prepared.workspace)
    }

    /// The same with the say what may be there beside the tree; without, ignored files stay or go as the pool was opened.
    ///
    /// # Errors
    /// As [`Pool::prepare`].
    pub async fn prepare_keeping(
        &self,
        slot: u32,
        label: &str,
        base: &CommitId,
        keeping: Option<Keeping<'_>>,
    ) -> Result<Prepared, PoolError> {
        self.ensure_root()?;
        let lock_file = self.folder(slot).note_path("lock");
        match self.held.lock().unwrap_or_else(PoisonError::into_inner).entry(slot) {
            Entry::Occupied(held) if held.get().is_at(&lock_file) => return Err(PoolError::Busy { slot }),
            Entry::Occupied(held) => drop(held.remove()),
            Entry::Vacant(_) => {}
        }
        let mut lock = self.lock(slot);
        // Somebody who lists the pool holds each lock for a moment.
        for _ in 0..10 {
            if !matches!(lock, Err(PoolError::Busy { .. })) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            lock = self.lock(slot);
        }
        let lock = lock?;
        if let Some(label) = self.label(slot)? {
            return Err(PoolError::Dirty { slot, label });
        }
        let files = self.path(slot);
        let landed = self.of_landed(slot, keeping).await?;
        let stamp = self.stamp(slot);
        // What setup made may be among the files that go now.
        if landed == Some(false) || (landed.is_none() && self.ignored == Ignored::Remove) {
            remove_any(&stamp).at(&stamp)?;
        }
        let made: Made = read_note(&stamp).unwrap_or_default();
        let temporary = if landed == Some(true) { &made.temporary[..] } else { &[] };
        let stays = match (landed, keeping) {
            (Some(true), Some(keeping)) => Stays::Only(KeptPaths { globs: Some(keeping.globs), made: &made.work }),
            (None, _) if self.ignored == Ignored::Keep => Stays::Ignored,
            _ => Stays::Only(KeptPaths::default()),
        };
        let (fresh, mut warm) = match self.prepare_folder(slot, temporary) {
            Err(PoolError::Io(_)) => {
                self.clear_away(slot)?;
                self.prepare_folder(slot, &[])?
            }
            furnished => furnished?,
        };
        let special = self.source.special_entries(base).await;
        let special = special.map_err(|source| PoolError::Prepare { slot, base: base.clone(), source })?;
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).remove(&slot);
        let (conversion, left) = (&self.conversion, left.as_ref());
        let wanted = Checkout { base, special: &special, conversion, stays, fresh, left };
        let done = match reset(&self.source, &self.shape, &files, wanted).await {
            Ok(done) if done.different.is_empty() => {
                warm |= done.stayed;
                done
            }
            _ => {
                warm = false;
                self.clear_away(slot)?;
                let (fresh, _) = self.prepare_folder(slot, &[])?;
                let wanted = Checkout { fresh, left: None, ..wanted };
                // What git calls different in a checkout from nothing is a matter of the repository's own line-end
                // attributes; there is no truer checkout of this commit.
                match reset(&self.source, &self.shape, &files, wanted).await {
                    Ok(done) => done,
                    Err(source) => {
                        self.clear_away(slot)?;
                        return Err(match lfs::without_content(&source) {
                            Some(path) => PoolError::Content { slot, base: base.clone(), path },
                            None => PoolError::Prepare { slot, base: base.clone(), source },
                        });
                    }
                }
            }
        };
        if done.emptied {
            let stamp = self.stamp(slot);
            remove_any(&stamp).at(&stamp)?;
        }
        self.left.lock().unwrap_or_else(PoisonError::into_inner).insert(slot, done.left);
        // Only now: a crash before this leaves no work of anybody that a collection could mistake for the attempt's.
        let marker = self.marker_path(slot);
        self.check(slot)?;
        nofollow::replace(&marker, label.as_bytes(), true).at(&marker)?;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(slot, lock);
        Ok(Prepared { workspace: files, made: read_note(&stamp), warm })
    }

    /// Takes paths out of a slot prepared at `base`, before anything ran in it.
    ///
    /// # Errors
    /// [`PoolError::Git`] when git fails, or the files left are not those of the wanted tree.
    pub async fn exclude_paths(&self, slot: u32, base: &CommitId, wanted: &Filtered) -> Result<(), PoolError> {
        if wanted.removed.is_empty() {
            return Ok(());
        }
        self.check(slot)?;
        let found = exclude_paths(&self.source, &self.path(slot), base, &wanted.removed).await?;
        if found == wanted.tree {
            return Ok(());
        }
        let output = format!("{} instead of {}", found.as_str(), wanted.tree.as_str());
        Err(GitError::Unexpected { command: "git write-tree".to_owned(), output }.into())
    }

    pub(super) fn label(&self, slot: u32) -> Result<Option<String>, PoolError> {
        let marker = self.marker_path(slot);
        match files::read_own(&marker) {
            Ok(bytes) => Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())),
            // A link or pipe that somebody put there says that it is used, and not by whom.
            Err(_) if fs::symlink_metadata(&marker).is_ok_and(|meta| !meta.is_file()) => Ok(Some(UNKNOWN.to_owned())),
            Err(error) => Err(FileError::new(&marker, error).into()),
        }
    }

    /// Gives a slot back. Only for work that is collected (or has nothing to collect, as a verification).
    ///
    /// # Errors
    /// [`PoolError::Io`] when the marker cannot be removed; the slot stays in use then.
    pub fn release(&self, slot: u32) -> Result<(), PoolError> {
        let marker = self.marker_path(slot);
        self.ensure_root()?;
        remove_any(&marker).and_then(|()| sync_folder(&marker)).at(&marker)?;
        self.unlock(slot);
        Ok(())
    }

    /// Unlocks a slot whose work could not be collected and leaves its marker: whoever prepares it next is told.
    pub fn abandon_slot(&self, slot: u32) {
        self.unlock(slot);
    }

    /// Deletes a slot that nobody uses and that holds nothing to collect; whether it was one. Looks under the slot's own
    /// lock: an earlier look may be out of date.
    ///
    /// # Errors
    /// [`PoolError::Io`] when it cannot be deleted.
    pub fn discard_idle(&self, slot: u32) -> Result<bool, PoolError> {
        // A slot of this pool's own has its lock taken as well.
        let _lock = match self.lock(slot) {
            Err(PoolError::Busy { .. }) => return Ok(false),
            lock => lock?,
        };
        if self.label(slot)?.is_some() {
            return Ok(false);
        }
        self.clear_away(slot)
    }

    /// Slots whose last use was not collected, with its label, by number.
    ///
    /// # Errors
    /// [`PoolError::Io`] when the pool cannot be read.
    pub fn dirty_slots(&self) -> Result<Vec<(u32, String)>, PoolError> {
        let mut found = Vec::new();
        for slot in self.list_numbers(".dirty")? {
            found.extend(self.label(slot)?.map(|label| (slot, label)));
        }
        Ok(found)
    }

    pub(super) fn list_numbers(&self, suffix: &str) -> Result<Vec<u32>, PoolError> {
        self.ensure_root()?;
        Ok(list_slot_numbers(self.folder.root(), suffix).at(self.folder.root())?)
    }
}
