//! Appending lines to a private file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A file that only grows, mode 0600.
#[derive(Debug)]
pub struct Appender(File);

impl Appender {
    /// Opens or makes it.
    ///
    /// # Errors
    /// The system's reason.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self(OpenOptions::new().append(true).create(true).mode(0o600).open(path)?))
    }

    /// Writes one line in one call.
    ///
    /// # Errors
    /// The system's reason.
    pub fn line(&mut self, text: &str) -> std::io::Result<()> {
        self.0.write_all(format!("{text}\n").as_bytes())
    }
}
