//! The settings file.

use super::problem::Source;
use std::path::{Path, PathBuf};

/// Name of the settings file.
pub const FILE_NAME: &str = "mission-control.toml";

/// The settings file for work begun in `start`: the nearest one in it or above it. `exists` tells whether a file is there.
pub fn find_settings_file(start: &Path, exists: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    start.ancestors().map(|directory| directory.join(FILE_NAME)).find(|path| exists(path))
}

/// The settings file, for telling places in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl File<'_> {
    pub(super) fn source_at(&self, offset: usize) -> Source {
        let line = 1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        Source::File { path: self.path.to_owned(), line }
    }
}
