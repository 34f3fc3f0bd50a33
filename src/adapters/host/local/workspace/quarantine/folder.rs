//! The folder that takes what an attempt left and cannot stay in its workspace.

use super::super::error::CollectError;
use crate::adapters::os::files::FileError;
use crate::adapters::os::nofollow;
use crate::adapters::os::nofollow::make_folder;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where things go that cannot stay and must not be deleted.
#[derive(Debug)]
pub(crate) struct Quarantine {
    /// The wanted folder, in the run directory.
    pub(crate) folder: PathBuf,
    /// A folder beside the slot, for when the run directory is on another disk.
    pub(crate) nearby: PathBuf,
}

impl Quarantine {
    /// Moves `path` away and returns its new place.
    pub(crate) fn take(&self, path: &Path) -> Result<PathBuf, CollectError> {
        for folder in [&self.folder, &self.nearby] {
            let above = folder.parent().unwrap_or(Path::new("/"));
            // The attempt could have put a link there; then the other place has to do.
            let made = fs::create_dir_all(above).and_then(|()| make_folder(above, folder));
            if let (Err(error), false) = (&made, *folder == self.folder) {
                return Err(FileError::new(path, io::Error::new(error.kind(), error.to_string())).into());
            }
            if made.is_err() {
                continue;
            }
            let free = (0..).map(|n| folder.join(n.to_string())).find(|p| fs::symlink_metadata(p).is_err());
            let Some(target) = free else { continue };
            match fs::rename(path, &target) {
                Ok(()) => return Ok(target),
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
                Err(error) => return Err(FileError::new(path, error).into()),
            }
        }
        Err(FileError::new(path, io::ErrorKind::CrossesDevices).into())
    }

    /// Folders that were moved away, by this engine or by one before it.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        let folders = [&self.folder, &self.nearby].into_iter().filter(|folder| nofollow::folder(folder).is_ok());
        let entries = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        entries.map(|entry| entry.path()).filter(|place| nofollow::folder(place).is_ok()).collect()
    }
}

/// Whether the folder of `path` really is in the workspace, not behind a link to somewhere else.
pub(crate) fn is_within(files: &Path, path: &Path) -> bool {
    path.parent().and_then(|dir| dir.canonicalize().ok()).is_some_and(|dir| dir.starts_with(files))
}
