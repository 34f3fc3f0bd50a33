//! The engine's lock: one live engine per state directory, and the proof token needed to move green.
//!
//! It is an OS lock on an open file, inherited by short-lived children (see [`crate::adapters::host::command`]), so
//! that it outlives a killed engine until the last of its git processes is gone.

use crate::adapters::host::command::ChildGuard;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Proof that this process is the one engine of a state directory. Only [`RunLock::acquire`] makes one.
#[derive(Debug)]
pub struct RunLock {
    file: Arc<File>,
}

/// How often is looked who holds the lock while orphans are waited for.
const LOOK: Duration = Duration::from_millis(500);

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
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open().map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) => {
                if let Some(pid) = holder(&mut file).map_err(failed)? {
                    return Err(LockError::Held { pid });
                }
                let waiter = open().map_err(failed)?;
                let (send, receive) = mpsc::channel();
                std::thread::spawn(move || {
                    let locked = waiter.lock().map(|()| waiter);
                    let _ = send.send(locked);
                });
                let begun = Instant::now();
                file = loop {
                    match receive.recv_timeout(LOOK.min(patience.saturating_sub(begun.elapsed()))) {
                        Ok(Ok(locked)) => break locked,
                        Ok(Err(source)) => return Err(failed(source)),
                        Err(_) => {}
                    }
                    // An engine that had just taken the lock may not have written its name when we looked.
                    if let Some(pid) = holder(&mut file).map_err(failed)? {
                        return Err(LockError::Held { pid });
                    }
                    if begun.elapsed() >= patience {
                        return Err(LockError::Orphans { waited: patience });
                    }
                };
            }
        }
        let pid = std::process::id();
        let line = format!("{pid} {}\n", start_time(pid).unwrap_or(0));
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(line.as_bytes())).map_err(failed)?;
        Ok(Self { file: Arc::new(file) })
    }

    /// What short-lived children get as standard input so that the lock outlives this process with them.
    #[must_use]
    pub fn guard(&self) -> ChildGuard {
        ChildGuard::holding(Arc::clone(&self.file))
    }
}

/// The living engine that an open lock file names now.
fn holder(file: &mut File) -> std::io::Result<Option<u32>> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(living_holder(&text))
}

/// Process id of the living engine named in a lock file's text, if it lives.
#[must_use]
pub fn living_holder(text: &str) -> Option<u32> {
    let mut words = text.split_whitespace();
    let pid: u32 = words.next()?.parse().ok()?;
    let started: u64 = words.next()?.parse().ok()?;
    (start_time(pid)? == started).then_some(pid)
}

/// Start time of a process in clock ticks since boot (field 22 of `/proc/PID/stat`, see proc(5)); absent when it does
/// not exist or is a zombie.
#[must_use]
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = stat.rsplit_once(')')?.1;
    let mut fields = rest.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}
