//! One walk through a workspace: what is in it that git alone would not show, or would stumble over.
//!
//! Most workspaces have none of it, and then the calls of git that look for such things one by one are not needed.

use crate::adapters::git::file_attributes::names_filter;
use crate::adapters::os::files::read_untrusted;
use crate::adapters::os::machine;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Paths from this length on cannot be given to the system (`PATH_MAX`).
const LONGEST: usize = 4096;

/// What a walk found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ScanResult {
    /// Folders that were closed to their owner and are open now.
    pub(crate) opened: usize,
    /// Something called `.git` below the root's own: a repository, or an obstacle that git does not look at.
    pub(crate) inner_git: bool,
    /// A pipe, socket or device. One with a name git reads for its own purposes makes git wait for ever.
    pub(crate) special: bool,
    /// A folder without entries, which git neither shows nor takes for a change.
    pub(crate) empty_folder: bool,
    /// Folders that could not be looked into: they are somebody else's, or nested too deep to be named.
    pub(crate) closed: Vec<PathBuf>,
    /// Folders in which names are longer than a path may be.
    pub(crate) deep: Vec<PathBuf>,
    /// A link to a folder: behind it git compares files that are not where the index says.
    pub(crate) folder_link: bool,
    /// A folder whose mode is not that of a new one.
    pub(crate) odd_mode: bool,
    /// Attribute files, by their path from the root.
    pub(crate) attributes: Vec<PathBuf>,
    /// A file of attributes that names a filter.
    pub(crate) filters: bool,
    /// Files and links.
    pub(crate) files: u64,
}

impl ScanResult {
    /// Whether the listing of tracked folders is needed to put right what was found.
    pub(crate) fn needs_listing(&self) -> bool {
        self.inner_git || self.special || !self.closed.is_empty() || !self.deep.is_empty()
    }
}

/// Larger files of attributes are not read by git either.
const LARGEST: u64 = 100 << 20;

/// Whether a file of attributes names a filter; what cannot be read might.
fn filters(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
        && read_untrusted(path, LARGEST).is_none_or(|text| names_filter(text.as_bytes()))
}

/// Walks everything below `root`; links are not followed. With `open`, folders closed to their owner are opened first,
/// those of its git directory too: git only warns of a folder it cannot look into, and then takes its files for absent.
/// What cannot be opened, and what is nested too deep to be named, is said.
/// With `modes` the modes of folders are looked at as well.
pub(crate) fn scan_workspace(root: &Path, open: bool, modes: bool) -> io::Result<ScanResult> {
    let mut found = ScanResult::default();
    let mut folders = vec![(root.to_owned(), false)];
    let usual = usual_mode(root);
    while let Some((dir, gits)) = folders.pop() {
        if open || modes {
            let mode = fs::symlink_metadata(&dir).map_or(0o700, |meta| meta.permissions().mode());
            found.odd_mode |= !gits && mode & 0o7777 != usual;
            let opened = fs::Permissions::from_mode(mode | 0o700);
            if open && mode & 0o700 != 0o700 && fs::set_permissions(&dir, opened).is_ok() {
                found.opened += 1;
            }
        }
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                let list = if too_long(&error) { &mut found.deep } else { &mut found.closed };
                list.push(dir);
                continue;
            }
        };
        let mut entries = entries.peekable();
        found.empty_folder |= !gits && entries.peek().is_none();
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if gits {
                // The git directory itself is looked through by whoever repairs it.
                if open && kind.is_dir() {
                    folders.push((entry.path(), true));
                }
                continue;
            }
            let name = entry.file_name();
            if dir.as_os_str().len() + 1 + name.len() >= LONGEST && found.deep.last() != Some(&dir) {
                found.deep.push(dir.clone());
            }
            let named_git = name == ".git";
            let own = named_git && dir == root;
            found.inner_git |= named_git && !own;
            found.files += u64::from(!kind.is_dir());
            found.folder_link |= kind.is_symlink() && fs::metadata(entry.path()).is_ok_and(|m| m.is_dir());
            if name == ".gitattributes" {
                found.filters |= filters(&entry.path());
                found.attributes.extend(entry.path().strip_prefix(root).map(Path::to_owned));
            }
            found.special |= !own && !kind.is_dir() && !kind.is_file() && !kind.is_symlink();
            if kind.is_dir() && (!own || open) {
                folders.push((entry.path(), own));
            }
        }
    }
    Ok(found)
}

/// The mode of a folder that is made in the place of `root`: what the umask leaves, and the group of the folder above where
/// that is to be passed on.
pub(crate) fn usual_mode(root: &Path) -> u32 {
    let above = root.parent().and_then(|above| fs::symlink_metadata(above).ok());
    let passed_on = above.map_or(0, |above| above.permissions().mode() & 0o2000);
    (0o777 & !machine::read_umask()) | passed_on
}

fn too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NAMETOOLONG.raw_os_error())
}
