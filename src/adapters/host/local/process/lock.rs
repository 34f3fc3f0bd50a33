//! The engine's lock: one live engine per state directory, and the proof token needed to move green.
//!
//! It is an OS lock on an open file, inherited by short-lived children (see [`crate::adapters::host::local::process::command`]), so
//! that it outlives a killed engine until the last of its git processes is gone. A second file is locked by the engine
//! alone and never inherited: it tells a living engine from left-over children of a dead one, whatever pid namespace the
//! asker is in. A lock file that was deleted or replaced locks nobody out, so its holder compares it with its path again
//! and again ([`LockFile::in_place`]).

use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::host::local::process::procfs;
use crate::adapters::os::files::FileIdentity;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Proof that this process is the one engine of a state directory. Only [`RunLock::acquire`] makes one.
#[derive(Debug)]
pub struct RunLock {
    file: Arc<File>,
    _alive: File,
    place: LockFile,
}

/// Which file the lock was taken on, to be compared with its path later. Holds nothing open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFile {
    path: PathBuf,
    identity: FileIdentity,
}

impl LockFile {
    /// That the path still leads to the file the lock was taken on.
    ///
    /// # Errors
    /// [`LockError::Replaced`] when it was deleted or another file has its name: then it locks nobody out any more.
    pub fn check_in_place(&self) -> Result<(), LockError> {
        match FileIdentity::of_path(&self.path) {
            Ok(found) if found == self.identity => Ok(()),
            _ => Err(LockError::Replaced { path: self.path.clone() }),
        }
    }
}

/// How often is looked who holds the lock while orphans are waited for.
const LOOK: Duration = Duration::from_millis(500);

/// How long the lock of a living engine may be held by one that is not seen to live: by somebody who only asks, or by a
/// child of a killed engine that has not begun its own program yet and still has all that its parent had open.
const UNSEEN: Duration = Duration::from_secs(5);

/// How often is tried again meanwhile.
const RETRY: Duration = Duration::from_millis(20);

/// The lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A living engine holds it.
    #[error("another mc (pid {pid}) works on this repository")]
    Held {
        /// Process id of that engine.
        pid: u32,
    },
    /// The engine is gone, but children of it still run after the whole patience.
    #[error("an earlier mc is gone, but a git process of it still runs after {} s", waited.as_secs())]
    Orphans {
        /// How long was waited.
        waited: Duration,
    },
    /// The file was deleted or replaced while it was held.
    #[error(
        "keep the lock: {} was deleted or replaced while this mc held it, so another one may work here now; this one stops and \
         starts nothing more", path.display()
    )]
    Replaced {
        /// The lock file.
        path: PathBuf,
    },
    /// The file cannot be used.
    #[error("failed to use the lock file {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl RunLock {
    /// Takes the lock file at `path` (made when absent), waiting at most `patience` for orphans of a dead engine.
    /// Blocks the calling thread.
    ///
    /// # Errors
    /// [`LockError::Held`] at once when a living engine has it.
    pub fn acquire(path: &Path, patience: Duration) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { path: path.to_owned(), source };
        let begun = Instant::now();
        loop {
            let mut file = take(path, patience.saturating_sub(begun.elapsed()))?;
            let identity = FileIdentity::of(&file).map_err(failed)?;
            let place = LockFile { path: path.to_owned(), identity };
            if place.check_in_place().is_err() {
                // Somebody put another file there while this one was waited for.
                continue;
            }
            // Whoever made the lock file anew meets the engine that held the deleted one here.
            let alive = take_alive(path, &mut file)?;
            let pid = std::process::id();
            let line = format!("{pid} {}\n", start_time(pid).unwrap_or(0));
            file.set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all(line.as_bytes()))
                .map_err(failed)?;
            return Ok(Self { file: Arc::new(file), _alive: alive, place });
        }
    }

    /// Which file it is, to be compared with its path later.
    #[must_use]
    pub fn place(&self) -> &LockFile {
        &self.place
    }

    /// What short-lived children get as standard input so that the lock outlives this process with them.
    #[must_use]
    pub fn guard(&self) -> ChildGuard {
        ChildGuard::from_lock(Arc::clone(&self.file))
    }
}

/// Locks the file at `path`, once no living engine has it and the children of a dead one are gone.
fn take(path: &Path, patience: Duration) -> Result<File, LockError> {
    let failed = |source| LockError::Io { path: path.to_owned(), source };
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let mut file = open().map_err(failed)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
        Err(TryLockError::WouldBlock) => {}
    }
    let begun = Instant::now();
    if let Some(pid) = find_holder(path, &mut file, begun).map_err(failed)? {
        return Err(LockError::Held { pid });
    }
    let waiter = open().map_err(failed)?;
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let locked = waiter.lock().map(|()| waiter);
        let _ = send.send(locked);
    });
    loop {
        match receive.recv_timeout(LOOK.min(patience.saturating_sub(begun.elapsed()))) {
            Ok(Ok(locked)) => return Ok(locked),
            Ok(Err(source)) => return Err(failed(source)),
            Err(_) => {}
        }
        // An engine that had just taken the lock may not have shown that it lives when we looked.
        if let Some(pid) = find_holder(path, &mut file, begun).map_err(failed)? {
            return Err(LockError::Held { pid });
        }
        if begun.elapsed() >= patience {
            return Err(LockError::Orphans { waited: patience });
        }
    }
}

/// The file beside the lock that a living engine alone has locked.
fn alive_path(path: &Path) -> PathBuf {
    path.with_extension("alive")
}

/// Locks it; `lock` is the lock file, which names who may have it.
fn take_alive(path: &Path, lock: &mut File) -> Result<File, LockError> {
    let failed = |source| LockError::Io { path: path.to_owned(), source };
    let open =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(alive_path(path));
    let file = open.map_err(failed)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) => {}
        }
        if let Some(pid) = find_holder(path, lock, begun).map_err(failed)? {
            return Err(LockError::Held { pid });
        }
        std::thread::sleep(RETRY);
    }
}

/// Whether an engine lives whose lock file is at `path`: the operating system is asked, not a process table, so that it
/// holds across pid namespaces.
pub fn engine_lives(path: &Path) -> bool {
    let Ok(file) = File::open(alive_path(path)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Process id of the engine that lives, as its lock file at `path` names it (0 where that cannot be read).
pub fn living_engine(path: &Path) -> Option<u32> {
    engine_lives(path).then(|| std::fs::read_to_string(path).ok().and_then(|text| first_word(&text)).unwrap_or(0))
}

/// The living engine that holds an open lock file: the process named in it lives, or the operating system has said for long
/// enough that one does.
fn find_holder(path: &Path, file: &mut File, since: Instant) -> std::io::Result<Option<u32>> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    let unseen = || since.elapsed() >= UNSEEN && engine_lives(path);
    Ok(living_holder(&text).or_else(|| unseen().then(|| first_word(&text).unwrap_or(0))))
}

/// Process id of the engine named in a lock file's text, if that very process lives.
fn living_holder(text: &str) -> Option<u32> {
    let mut words = text.split_whitespace();
    let pid: u32 = words.next()?.parse().ok()?;
    let started: u64 = words.next()?.parse().ok()?;
    (start_time(pid)? == started).then_some(pid)
}

fn first_word(text: &str) -> Option<u32> {
    text.split_whitespace().next()?.parse().ok()
}

/// Start time of a process in clock ticks since boot (field 22 of `/proc/PID/stat`, see proc(5)); absent when it does
/// not exist or is a zombie.
pub fn start_time(pid: u32) -> Option<u64> {
    procfs::read_stat(pid).map(|stat| stat.born)
}
