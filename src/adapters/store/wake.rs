//! The FIFO by which other `mc` processes wake the engine, so that it need not poll the database.
//!
//! A ring carries no content: what is wanted stands in the table `signals`. Rings may merge; none is lost while the
//! engine holds the FIFO, and one that comes when no engine listens tells its sender so.

use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use tokio::net::unix::pipe;

/// The engine's end of the FIFO.
#[derive(Debug)]
pub struct Wake {
    receiver: pipe::Receiver,
    path: PathBuf,
}

/// The FIFO cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WakeError {
    /// Something else has its name.
    #[error("listen on {}: it is not a FIFO; move it away", path.display())]
    NotAFifo {
        /// The file in the way.
        path: PathBuf,
    },
    /// It could not be made, opened or read.
    #[error("listen on {}", path.display())]
    Io {
        /// The FIFO.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Wake {
    /// Opens the FIFO at `path`, making it with mode 0600 when absent. Must be called in a tokio runtime with io.
    ///
    /// # Errors
    /// [`WakeError::NotAFifo`] for anything else of that name, links included.
    pub fn open(path: &Path) -> Result<Self, WakeError> {
        let failed = |source| WakeError::Io { path: path.to_owned(), source };
        match rustix::fs::mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        if !path.symlink_metadata().map_err(failed)?.file_type().is_fifo() {
            return Err(WakeError::NotAFifo { path: path.to_owned() });
        }
        // Open for writing too: with a writer of its own it never reads an end of file when a ringer goes away.
        let receiver = pipe::OpenOptions::new().read_write(true).open_receiver(path).map_err(failed)?;
        Ok(Self { receiver, path: path.to_owned() })
    }

    /// Waits for a ring and takes all that have come so far. Loses nothing when dropped while waiting.
    ///
    /// # Errors
    /// [`WakeError::Io`].
    pub async fn wait_for_ring(&mut self) -> Result<(), WakeError> {
        let failed = |source| WakeError::Io { path: self.path.clone(), source };
        let mut bytes = [0_u8; 4096];
        loop {
            self.receiver.readable().await.map_err(failed)?;
            let mut heard = false;
            loop {
                match self.receiver.try_read(&mut bytes) {
                    Ok(0) => break,
                    Ok(_) => heard = true,
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(e) => return Err(failed(e)),
                }
            }
            if heard {
                return Ok(());
            }
        }
    }
}

/// Wakes the engine that listens on `path`, never waiting; false when none does.
pub fn ring(path: &Path) -> bool {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(fifo) = rustix::fs::open(path, flags, Mode::empty()) else { return false };
    if !rustix::fs::fstat(&fifo).is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Fifo) {
        return false;
    }
    match rustix::io::write(&fifo, b"!") {
        Ok(_) => true,
        // Full: the engine has rings it did not take yet.
        Err(errno) => errno == rustix::io::Errno::AGAIN,
    }
}
