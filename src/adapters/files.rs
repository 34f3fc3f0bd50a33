//! Whole files: reading, replacing at once, making folders.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Reads a text file.
///
/// # Errors
/// The system's reason; text that is not UTF-8 is an error too.
pub fn read_text(path: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}

/// Reads a file, or nothing when there is none. A pipe or device is not opened: that could wait for ever.
///
/// # Errors
/// The system's reason.
pub fn read_if_there(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => std::fs::read(path).map(Some),
        Ok(_) => Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no regular file")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Makes a folder and its parents, mode 0700.
///
/// # Errors
/// The system's reason.
pub fn make_private_dir(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a folder and its parents with the usual mode.
///
/// # Errors
/// The system's reason.
pub fn make_dir(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Replaces a file at once and durably: a crash leaves the old or the new content, mode 0600.
///
/// # Errors
/// The system's reason.
pub fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    std::fs::File::open(folder)?.sync_all()
}

/// Writes a private file at `path` below `root`, making folders on the way; false, with nothing written, when any part of
/// the path is a link, which could lead out of `root`.
///
/// # Errors
/// The system's reason.
pub fn write_below(root: &Path, path: &Path, content: &[u8]) -> std::io::Result<bool> {
    let mut to = root.to_owned();
    for part in path.components() {
        to.push(part);
        if to.is_symlink() {
            return Ok(false);
        }
    }
    make_dir(to.parent().unwrap_or(root))?;
    write_private(&to, content).map(|()| true)
}

/// Writes a new private file (mode 0600), replacing an old one.
///
/// # Errors
/// The system's reason.
pub fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)
}
