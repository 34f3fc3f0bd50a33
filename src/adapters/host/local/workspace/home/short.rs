//! A short name for a folder with a long one: the path of a Unix socket has 107 bytes at most (unix(7)), and tools put some below
//! the folder for temporary files with long names of their own.
//!
//! The short name is an empty private folder in `/tmp`; a run sees the long-named one there, in its mount namespace.

use crate::adapters::os::machine;
use crate::domain::base::digest;
use rustix::fs::{CWD, Mode, mkdirat};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Longer paths get a short name: what is left of 107 bytes is for the tools.
pub const LONGEST: usize = 60;

/// Where short names are.
const PLACE: &str = "/tmp";

/// The short name of a folder of ours, made when absent; absent where it cannot be had, or is not needed.
pub fn create_short_name(folder: &Path) -> Option<PathBuf> {
    let name = name(folder)?;
    let made = mkdirat(CWD, &name, Mode::RWXU);
    // Whoever else may write there could have been first.
    let ours = |meta: &fs::Metadata| meta.is_dir() && meta.uid() == machine::user() && meta.mode() & 0o077 == 0;
    let there = fs::symlink_metadata(&name).is_ok_and(|meta| ours(&meta));
    (made.is_ok() || there).then_some(name)
}

/// Removes the short name of a folder, when nothing runs there any more.
pub fn remove_short_name(folder: &Path) {
    if let Some(name) = name(folder) {
        // Mostly it is not there.
        let _ = fs::remove_dir(name);
    }
}

fn name(folder: &Path) -> Option<PathBuf> {
    let bytes = folder.as_os_str().as_bytes();
    if bytes.len() <= LONGEST {
        return None;
    }
    Some(Path::new(PLACE).join(format!("mc-{}-{}", machine::user(), &digest(bytes)[..12])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_have_short_names_of_their_own() {
        let [long, other] =
            ["a", "b"].map(|last| PathBuf::from("/x".repeat(40)).join(last).join(std::process::id().to_string()));
        assert_eq!(create_short_name(Path::new("/short")), None);
        let short = create_short_name(&long).unwrap();
        assert_eq!(create_short_name(&long), Some(short.clone()), "the same once more");
        assert_ne!(create_short_name(&other), Some(short.clone()));
        assert!(short.as_os_str().len() < 30 && fs::metadata(&short).unwrap().mode() & 0o7777 == 0o700);
        [&long, &other].into_iter().for_each(|folder| remove_short_name(folder));
        assert!(!short.exists());
        std::os::unix::fs::symlink("/", &short).unwrap();
        assert_eq!(create_short_name(&long), None, "somebody else's");
        fs::remove_file(&short).unwrap();
    }
}
