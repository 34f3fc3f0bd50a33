//! This very program again, in the background: own session, output appended to a file, no terminal.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The program in the background.
#[derive(Debug)]
pub struct Detached {
    child: Child,
    log: PathBuf,
    from: u64,
}

/// Starts this program again with the same arguments, `--flag` `old` replaced by `new`, writing to the end of `log`.
///
/// # Errors
/// The system's reason.
pub fn relaunch(log: &Path, old: &str, new: &str) -> std::io::Result<Detached> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
    let from = file.metadata()?.len();
    let args = std::env::args_os().skip(1).map(|arg| if arg == old { new.into() } else { arg });
    let child = Command::new(std::env::current_exe()?)
        .args(args)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()?;
    Ok(Detached { child, log: log.to_owned(), from })
}

impl Detached {
    /// Exit code, once it has ended; 1 when a signal ended it.
    ///
    /// # Errors
    /// The system's reason.
    pub fn try_wait(&mut self) -> std::io::Result<Option<u8>> {
        let status = self.child.try_wait()?;
        Ok(status.map(|status| status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    }

    /// What it has written so far, at most 64 KiB.
    ///
    /// # Errors
    /// The system's reason.
    pub fn read_output(&self) -> std::io::Result<String> {
        let mut file = File::open(&self.log)?;
        file.seek(SeekFrom::Start(self.from))?;
        let mut bytes = Vec::new();
        file.take(64 << 10).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Leaves the terminal's session, so that closing it ends nothing. Does nothing when that is done already.
pub fn own_session() {
    // The only failure is that this process leads a group already: then a shell has put it into the background.
    let _ = rustix::process::setsid();
}
