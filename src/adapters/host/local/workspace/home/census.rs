//! What lies below a folder.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What lies below a folder, as far as a change of it shows: paths with time of the last change and size.
pub type Census = Vec<(PathBuf, i64, i64, u64)>;

/// Looks through a folder; no link is followed.
///
/// # Errors
/// The system's reason.
pub fn take_census(folder: &Path) -> io::Result<Census> {
    let (mut found, mut todo) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                todo.push(entry.path());
            }
            found.push((entry.path(), meta.mtime(), meta.mtime_nsec(), meta.len()));
        }
    }
    found.sort();
    Ok(found)
}
