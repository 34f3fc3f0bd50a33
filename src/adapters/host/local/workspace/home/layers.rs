//! Where goes what is written to the folders that overlays cover: one folder for each in `run`, thrown away with each
//! preparation; in `made` what `setup` wrote, as long as its result is kept.

use super::Homes;
use crate::adapters::host::local::workspace::disk::remove_any;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
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

    /// Drops what runs wrote; afterwards each run of these homes finds its folders. What nobody touched stays: on some file
    /// systems a folder costs more than a mount.
    ///
    /// # Errors
    /// The system's reason.
    pub fn renew(&self, homes: &Homes) -> io::Result<()> {
        let wanted: Vec<PathBuf> = match homes.is_mounted() {
            true => std::iter::once(Path::new(HOME)).chain(homes.overlaid()).map(|name| self.upper(name)).collect(),
            false => Vec::new(),
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        for folder in ["run", "work"].map(|folder| self.0.join(folder)) {
            if !fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir()) {
                remove_any(&folder)?;
                builder.create(&folder)?;
            }
        }
        for entry in fs::read_dir(self.0.join("run"))? {
            let path = entry?.path();
            if !wanted.contains(&path) || !is_untouched(&path) {
                remove_any(&path)?;
            }
        }
        self.tidy();
        wanted.iter().try_for_each(|upper| builder.create(upper))
    }

    /// Takes away what the kernel left of runs that have ended: folders that their owner may not enter, and that no other
    /// mount may use.
    pub fn tidy(&self) {
        for work in folders(&self.0.join("work")) {
            for left in folders(&work) {
                // Where it stays, the next mount says why.
                let _ = remove_any(&left);
            }
        }
    }

    /// Removes all of it.
    ///
    /// # Errors
    /// The system's reason.
    pub fn remove(&self) -> io::Result<()> {
        remove_any(&self.0)
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

    pub(super) fn work(&self, name: &Path) -> PathBuf {
        self.0.join("work").join(word(name))
    }

    pub(super) fn made(&self, name: &Path) -> Option<PathBuf> {
        let folder = self.0.join("made").join(word(name));
        fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir()).then_some(folder)
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Whether an upper folder is as it was made: empty, with the mode and without attributes but the kernel's own.
fn is_untouched(upper: &Path) -> bool {
    let as_made = |meta: fs::Metadata| meta.is_dir() && meta.mode() & 0o7777 == 0o700;
    let mut names = vec![0_u8; 4096];
    let length = match rustix::fs::llistxattr(upper, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        Err(_) => return false,
    };
    let own = |name: &[u8]| name.is_empty() || name.starts_with(b"user.overlay.");
    fs::symlink_metadata(upper).is_ok_and(as_made)
        && names[..length].split(|byte| *byte == 0).all(own)
        && fs::read_dir(upper).is_ok_and(|mut entries| entries.next().is_none())
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
