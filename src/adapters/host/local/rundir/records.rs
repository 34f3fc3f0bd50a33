//! Files of a run directory that more than one part writes or reads.

use crate::adapters::host::local::protocol::{RunError, RunExit, SMALL, parse_exit};
use crate::adapters::os::files::{At, read_untrusted};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Removes what was to be run: it may hold secrets, and nobody needs it any more.
pub(super) fn remove_command(dir: &Path) {
    // Mostly it is gone already.
    let _ = std::fs::remove_file(dir.join("command"));
}

/// How the run of a directory ended, once that is on record.
pub(super) fn read_exit(dir: &Path) -> Option<RunExit> {
    parse_exit(&read_untrusted(&dir.join("exit"), SMALL)?)
}

/// Makes a file that is not there yet.
///
/// # Errors
/// [`RunError::Io`].
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), RunError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).at(path)?;
    Ok(file.write_all(text.as_bytes()).at(path)?)
}
