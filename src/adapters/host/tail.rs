//! The ends of a log file, in bounded memory. A file that a program put a pipe or device in place of is not opened: that
//! could wait for ever.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// The last `limit` bytes as text; bytes that are not UTF-8 are replaced. Empty when the file cannot be read.
#[must_use]
pub fn of(path: &Path, limit: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = regular(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
}

/// The first `limit` bytes of a log, and whether there are more.
///
/// # Errors
/// The system's reason.
pub fn head(path: &Path, limit: u64) -> std::io::Result<(Vec<u8>, bool)> {
    let mut file = regular(path)?;
    let mut bytes = Vec::new();
    file.by_ref().take(limit).read_to_end(&mut bytes)?;
    Ok((bytes, file.metadata()?.len() > limit))
}

fn regular(path: &Path) -> std::io::Result<File> {
    match std::fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}
