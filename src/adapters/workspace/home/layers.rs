//! Where goes what is written to the folders that overlays cover: one folder for each in `run`, thrown away with each
//! preparation; in `made` what `setup` wrote, as long as its result is kept.

use super::Homes;
use crate::adapters::workspace::disk::remove_any;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Stands for HOME itself among the names of folders in it.
pub(super) const HOME: &str = ".";

/// The layers of one slot.
#[derive(Debug, Clone)]
pub struct Layers(PathBuf);

impl Layers {
    /// Those in this folder, made when needed.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Drops what runs wrote; afterwards each run of these homes finds its folders.
    ///
    /// # Errors
    /// The system's reason.
    pub fn renew(&self, homes: &Homes) -> io::Result<()> {
        for folder in ["run", "work"] {
            remove_any(&self.0.join(folder))?;
        }
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(self.0.join("run"))?;
        builder.create(self.0.join("work"))?;
        if homes.is_mounted() {
            let names = std::iter::once(Path::new(HOME)).chain(homes.overlaid());
            names.map(|name| self.upper(name)).try_for_each(|upper| builder.create(upper))?;
        }
        Ok(())
    }

    /// Takes away what the kernel left of runs that have ended: folders that their owner may not enter.
    pub fn tidy(&self) {
        for entry in fs::read_dir(self.0.join("work")).into_iter().flatten().flatten() {
            // What stays goes with the next preparation.
            let _ = remove_any(&entry.path());
        }
    }

    /// Keeps what was written since [`Layers::renew`] as what `setup` made.
    ///
    /// # Errors
    /// The system's reason.
    pub fn keep(&self, homes: &Homes) -> io::Result<()> {
        self.forget()?;
        fs::rename(self.0.join("run"), self.0.join("made"))?;
        self.renew(homes)
    }

    /// Drops what `setup` made.
    ///
    /// # Errors
    /// The system's reason.
    pub fn forget(&self) -> io::Result<()> {
        remove_any(&self.0.join("made"))
    }

    /// Whether what `setup` made is there, for all of these homes.
    #[must_use]
    pub fn has_made(&self, homes: &Homes) -> bool {
        std::iter::once(Path::new(HOME)).chain(homes.overlaid()).all(|name| self.made(name).is_some())
    }

    pub(super) fn upper(&self, name: &Path) -> PathBuf {
        self.0.join("run").join(word(name))
    }

    pub(super) fn work(&self, name: &Path, run: &str) -> PathBuf {
        self.0.join("work").join(format!("{run}{}", word(name)))
    }

    pub(super) fn made(&self, name: &Path) -> Option<PathBuf> {
        let folder = self.0.join("made").join(word(name));
        fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir()).then_some(folder)
    }
}

/// The name of a folder as one word, which no other name has.
fn word(name: &Path) -> String {
    let mut word = String::from("_");
    for byte in name.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => word.push(char::from(*byte)),
            other => word += &format!("%{other:02x}"),
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words_of_their_own() {
        assert_eq!(
            [".", ".local/share/uv", "a b"].map(|name| word(Path::new(name))),
            ["_.", "_.local%2fshare%2fuv", "_a%20b"]
        );
    }
}
