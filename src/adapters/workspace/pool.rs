//! The pool: which slots exist, who uses them, and which of them still hold work that nobody has collected.
//!
//! Promises: one user per slot (an OS lock on a file beside it); a durable marker that names the user is written before
//! the slot is handed out and removed only by [`Pool::release`] or [`Pool::discard`]; a slot whose preparation fails is made
//! anew once and then reported, never handed out half prepared and never waited for.

use super::disk::{remove_any, sync_folder, write_durably};
use super::layout::{SlotFolder, layers_folder};
use super::leftovers::{Keeping, Kept, Made, Prepared};
use super::slot::{Ignored, Shape, Stays, narrow, reset, slot_git};
use crate::adapters::files;
use crate::adapters::git::filter::Filtered;
use crate::adapters::git::source::inspect;
use crate::adapters::git::{Git, GitError};
use crate::domain::values::CommitId;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A slot cannot be had or used.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Somebody else uses it.
    #[error("use slot {slot}: another process has it locked")]
    Busy {
        /// The slot.
        slot: u32,
    },
    /// It holds work that was not collected.
    #[error("use slot {slot}: it still holds the work of {label}")]
    Dirty {
        /// The slot.
        slot: u32,
        /// Who used it last.
        label: String,
    },
    /// The source lacks objects a clone would need.
    #[error("clone a {kind} repository: run `git fetch {remedy}` first")]
    Incomplete {
        /// `shallow` or `partial`.
        kind: &'static str,
        /// Options of `git fetch` that complete it.
        remedy: &'static str,
    },
    /// It could not be made equal to the wanted commit, not even from nothing.
    #[error("prepare slot {slot} at {base}")]
    Prepare {
        /// The slot.
        slot: u32,
        /// The wanted commit.
        base: CommitId,
        /// What git said.
        source: GitError,
    },
    /// A file of the pool cannot be used.
    #[error("use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

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

/// The lock of a slot. A child between fork and exec holds a copy of the open file, so closing is not enough.
#[derive(Debug)]
struct SlotLock(File);

impl Drop for SlotLock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// The slots below one folder, all clones of one source.
#[derive(Debug)]
pub struct Pool {
    root: PathBuf,
    source: Git,
    shape: Shape,
    ignored: Ignored,
    held: Mutex<BTreeMap<u32, SlotLock>>,
    measured: Mutex<Option<Measured>>,
    /// Held by whoever measures.
    measuring: Mutex<()>,
}

/// A look at the disk space of all slots.
#[derive(Debug, Clone, Copy)]
struct Measured {
    bytes: u64,
    at: Instant,
    took: Duration,
}

/// How many times as long as a measurement took its answer is good: looking through every file of every slot never takes
/// more than a hundredth of the time.
const LASTS: u32 = 100;

/// What is written in so short a time fills no disk; small workspaces are not looked through for each unit.
const LASTS_AT_LEAST: Duration = Duration::from_secs(5);

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
        if facts.shallow && !cut {
            return Err(PoolError::Incomplete { kind: "shallow", remedy: "--unshallow" });
        }
        if facts.partial {
            return Err(PoolError::Incomplete { kind: "partial", remedy: "--refetch --no-filter" });
        }
        let identity = source.identity().await?;
        let shape = Shape { facts, identity, excluded: Vec::new() };
        fs::create_dir_all(root).map_err(|e| io_error(root, e))?;
        let root = root.canonicalize().map_err(|e| io_error(root, e))?;
        Ok(Self {
            root,
            source: source.clone(),
            shape,
            ignored,
            held: Mutex::default(),
            measured: Mutex::default(),
            measuring: Mutex::default(),
        })
    }

    /// The same pool, whose slots get these files (paths from the root) that are no part of anybody's work: never
    /// committed unless the repository has them already.
    #[must_use]
    pub fn excluding(mut self, paths: &[String]) -> Self {
        self.shape.excluded = paths.to_vec();
        self
    }

    /// The clone of a slot, where its user works, whether it exists or not.
    #[must_use]
    pub fn path(&self, slot: u32) -> PathBuf {
        self.folder(slot).work()
    }

    /// The folder of a slot: its clone, its temporary files and its HOME.
    #[must_use]
    pub fn parent(&self, slot: u32) -> PathBuf {
        self.folder(slot).parent().to_owned()
    }

    /// Where what runs in a slot puts its temporary files. Empty after each preparation.
    #[must_use]
    pub fn temporary(&self, slot: u32) -> PathBuf {
        self.folder(slot).temporary()
    }

    /// The HOME of verifications in a slot. Empty after each preparation.
    #[must_use]
    pub fn home(&self, slot: u32) -> PathBuf {
        self.folder(slot).home()
    }

    pub(crate) fn folder(&self, slot: u32) -> SlotFolder {
        SlotFolder::of(&self.root, slot)
    }

    /// Git on a slot.
    #[must_use]
    pub fn git(&self, slot: u32) -> Git {
        slot_git(&self.source, &self.path(slot))
    }

    pub(crate) fn source(&self) -> &Git {
        &self.source
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A note beside the slot for whoever prepares it further (what its setup was made from). It goes with the
    /// files: with all of them, and where ignored ones are removed at each use.
    #[must_use]
    pub fn stamp(&self, slot: u32) -> PathBuf {
        self.folder(slot).note("setup")
    }

    fn marker(&self, slot: u32) -> PathBuf {
        self.folder(slot).note("dirty")
    }

    /// Takes the lock of a slot unless this pool has it already.
    ///
    /// # Errors
    /// [`PoolError::Busy`] when another process has it.
    pub fn hold(&self, slot: u32) -> Result<(), PoolError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let std::collections::btree_map::Entry::Vacant(place) = held.entry(slot) {
            place.insert(self.lock(slot)?);
        }
        Ok(())
    }

    fn lock(&self, slot: u32) -> Result<SlotLock, PoolError> {
        let path = self.folder(slot).note("lock");
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(|e| io_error(&path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(SlotLock(file)),
            Err(TryLockError::WouldBlock) => Err(PoolError::Busy { slot }),
            Err(TryLockError::Error(source)) => Err(io_error(&path, source)),
        }
    }

    /// Removes a slot's files with all that is kept about them.
    fn wipe(&self, slot: u32) -> Result<(), PoolError> {
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let folder = self.folder(slot);
        folder.remove().map_err(|e| io_error(folder.parent(), e))
    }

    fn let_go(&self, slot: u32) {
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
        if self.held.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&slot) {
            return Err(PoolError::Busy { slot });
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
            remove_any(&stamp).map_err(|e| io_error(&stamp, e))?;
        }
        let made = Made::read(&stamp).unwrap_or_default();
        let temporary = if landed == Some(true) { made.temporary() } else { &[] };
        let stays = match (landed, keeping) {
            (Some(true), Some(keeping)) => Stays::Only(Kept { globs: Some(keeping.globs), made: made.work() }),
            (None, _) if self.ignored == Ignored::Keep => Stays::Ignored,
            _ => Stays::Only(Kept::default()),
        };
        let (fresh, mut warm) = self.furnish(slot, temporary)?;
        match reset(&self.source, &self.shape, &files, base, stays, fresh).await {
            Ok(found) if found.different.is_empty() => warm |= found.kept,
            _ => {
                warm = false;
                self.wipe(slot)?;
                self.furnish(slot, &[])?;
                // What git calls different in a checkout from nothing is a matter of the repository's own line-end
                // attributes; there is no truer checkout of this commit.
                if let Err(source) = reset(&self.source, &self.shape, &files, base, stays, true).await {
                    self.wipe(slot)?;
                    return Err(PoolError::Prepare { slot, base: base.clone(), source });
                }
            }
        }
        // Only now: a crash before this leaves no work of anybody that a collection could mistake for the attempt's.
        let marker = self.marker(slot);
        write_durably(&marker, label.as_bytes()).map_err(|e| io_error(&marker, e))?;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(slot, lock);
        Ok(Prepared { workspace: files, made: Made::read(&stamp), warm })
    }

    /// Takes paths out of a slot prepared at `base`, before anything ran in it.
    ///
    /// # Errors
    /// [`PoolError::Git`] when git fails, or the files left are not those of the wanted tree.
    pub async fn narrow(&self, slot: u32, base: &CommitId, wanted: &Filtered) -> Result<(), PoolError> {
        if wanted.removed.is_empty() {
            return Ok(());
        }
        let found = narrow(&self.source, &self.path(slot), base, &wanted.removed).await?;
        if found == wanted.tree {
            return Ok(());
        }
        let output = format!("{} instead of {}", found.as_str(), wanted.tree.as_str());
        Err(GitError::Unexpected { command: "git write-tree".to_owned(), output }.into())
    }

    fn label(&self, slot: u32) -> Result<Option<String>, PoolError> {
        let marker = self.marker(slot);
        match fs::read(&marker) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(&marker, error)),
        }
    }

    /// Gives a slot back. Only for work that is collected (or has nothing to collect, as a verification).
    ///
    /// # Errors
    /// [`PoolError::Io`] when the marker cannot be removed; the slot stays in use then.
    pub fn release(&self, slot: u32) -> Result<(), PoolError> {
        let marker = self.marker(slot);
        remove_any(&marker).and_then(|()| sync_folder(&marker)).map_err(|e| io_error(&marker, e))?;
        self.let_go(slot);
        Ok(())
    }

    /// Unlocks a slot whose work could not be collected and leaves its marker: whoever prepares it next is told.
    pub fn leave(&self, slot: u32) {
        self.let_go(slot);
    }

    /// Deletes a slot with everything in it. Only for work that is collected or is none.
    ///
    /// # Errors
    /// [`PoolError::Busy`] when another process uses it.
    pub fn discard(&self, slot: u32) -> Result<(), PoolError> {
        self.hold(slot)?;
        self.wipe(slot)?;
        self.release(slot)
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
        self.wipe(slot)?;
        Ok(true)
    }

    /// Slots whose last use was not collected, with its label, by number.
    ///
    /// # Errors
    /// [`PoolError::Io`] when the pool cannot be read.
    pub fn dirty_slots(&self) -> Result<Vec<(u32, String)>, PoolError> {
        let mut found = Vec::new();
        for slot in self.numbers(".dirty")? {
            found.extend(self.label(slot)?.map(|label| (slot, label)));
        }
        Ok(found)
    }

    /// All slots with their size.
    ///
    /// # Errors
    /// [`PoolError::Io`] when the pool cannot be read.
    pub fn list(&self) -> Result<Vec<SlotInfo>, PoolError> {
        let mut found = Vec::new();
        for slot in self.numbers("")? {
            let path = self.parent(slot);
            let mine = self.held.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&slot);
            let in_use = mine || self.lock(slot).is_err();
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
    pub fn used(&self) -> Result<u64, PoolError> {
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
        let bytes = self.numbers("")?.into_iter().map(|slot| self.bytes(slot)).sum();
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

    fn numbers(&self, suffix: &str) -> Result<Vec<u32>, PoolError> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(|e| io_error(&self.root, e))? {
            let name = entry.map_err(|e| io_error(&self.root, e))?.file_name();
            let number: Option<u32> =
                name.to_str().and_then(|n| n.strip_prefix("slot-")?.strip_suffix(suffix)?.parse().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

pub(super) fn io_error(path: &Path, source: io::Error) -> PoolError {
    PoolError::Io { path: path.to_owned(), source }
}
