//! Report files in a workspace: finding those that globs name, clearing old ones away, reading new ones.
//!
//! Promises: no link is followed, neither out of the workspace nor within it, and git's own folder is never looked into; how
//! many entries are looked at, how many files are read and how long they are is bounded, and what is beyond a bound is said
//! to be unreadable, not left out; what the tree has is no report of a run, wherever it lies and however new: a file that was
//! tracked is one only if it was written again with another content.

use super::disk::remove_any;
use crate::adapters::os::files::{Stamp, is_own_dir, open_untrusted, stamp_of};
use crate::domain::base::Invalid;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Most entries of a workspace that are looked at.
const ENTRIES: usize = 1_000_000;
/// Most report files.
const FILES: usize = 2_000;
/// Longest single report in bytes.
const LONGEST: u64 = 64 << 20;
/// Longest reports of one run together in bytes.
pub const TOGETHER: u64 = 256 << 20;

/// SHA-256 of a content.
type Content = [u8; 32];

/// The tracked files that match, as they were before a run; everything else that matched is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    writings: BTreeMap<PathBuf, Stamp>,
    /// Where each content is; what cannot be read whole has none, and is no report either.
    contents: BTreeMap<Content, PathBuf>,
}

/// A report: its path from the root of the workspace, and its bytes or why there are none.
pub type Found = (String, Result<Vec<u8>, Invalid>);

/// Removes what matches, so that nothing of an earlier run is taken for a report of the next one, and a build that
/// thinks it is up to date writes its reports again. Tracked files belong to the tree: they stay, and are remembered. With
/// `keep` nothing is removed: a run may be writing just now.
///
/// # Errors
/// The system's reason.
pub fn clear_old_reports(
    root: &Path,
    matches: impl Fn(&str) -> bool,
    tracked: &BTreeSet<OsString>,
    keep: bool,
) -> io::Result<Before> {
    let mut before = Before::default();
    if !is_own_dir(root) {
        return Err(io::Error::other("the workspace is gone or was replaced"));
    }
    let (found, whole) = find(root, matches, ENTRIES);
    if !whole {
        return Err(io::Error::other(format!("the workspace has more than {ENTRIES} files")));
    }
    for path in found {
        let full = root.join(&path);
        if tracked.contains(path.as_os_str()) {
            if let Ok(bytes) = bytes(&full, LONGEST) {
                before.contents.insert(Sha256::digest(&bytes).into(), path.clone());
            }
            before.writings.insert(path, stamp_of(&fs::symlink_metadata(&full)?));
        } else if !keep {
            remove_any(&full)?;
        }
    }
    Ok(before)
}

/// Reads what matches and was written since `before`.
pub fn read(root: &Path, matches: impl Fn(&str) -> bool, before: &Before) -> Vec<Found> {
    let fresh = |path: &PathBuf| {
        let now = fs::symlink_metadata(root.join(path)).map(|meta| stamp_of(&meta));
        before.writings.get(path).is_none_or(|old| now.is_ok_and(|now| now != *old))
    };
    let (found, whole) = find(root, matches, FILES + before.writings.len());
    let mut room = TOGETHER;
    let mut files: Vec<Found> = Vec::new();
    for path in found.iter().filter(|path| fresh(path)) {
        let bytes = bytes(&root.join(path), room.min(LONGEST));
        room = room.saturating_sub(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64));
        let text = bytes.and_then(|bytes| match before.contents.get::<Content>(&Sha256::digest(&bytes).into()) {
            None => Ok(bytes),
            Some(tracked) => Err(Invalid(format!(
                "it is what the tree has as {}, which tells nothing of this run: take that file out of git, or narrow \
                 `reports`",
                tracked.display()
            ))),
        });
        files.push((path.to_string_lossy().into_owned(), text));
    }
    if !whole {
        files.push(("…".to_owned(), Err(format!("more than {FILES} report files or {ENTRIES} files in all").into())));
    }
    files
}

/// The first part of these globs that is a symbolic link, so that nothing below it is looked at.
pub fn link_in_the_way<'g>(root: &Path, globs: impl IntoIterator<Item = &'g String>) -> Option<String> {
    globs.into_iter().find_map(|glob| {
        let parts = glob.split('/').filter(|part| !matches!(*part, "" | "."));
        let literal = parts.take_while(|part| !part.contains(['*', '?', '[', '{', '\\']) && *part != "..");
        let mut path = PathBuf::new();
        literal.into_iter().find_map(|part| {
            path.push(part);
            let link = fs::symlink_metadata(root.join(&path)).is_ok_and(|meta| meta.file_type().is_symlink());
            link.then(|| path.to_string_lossy().into_owned())
        })
    })
}

fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>, Invalid> {
    let mut bytes = Vec::new();
    let read = open_untrusted(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(error.to_string().into()),
        Ok(_) if bytes.len() as u64 > limit => Err(format!("it is longer than {limit} bytes").into()),
        Ok(_) => Ok(bytes),
    }
}

/// Everything below `root` that matches and is no folder, sorted; and whether that is all of it.
fn find(root: &Path, matches: impl Fn(&str) -> bool, limit: usize) -> (BTreeSet<PathBuf>, bool) {
    let (mut found, mut open, mut seen) = (BTreeSet::new(), vec![PathBuf::new()], 0_usize);
    // What a workspace was replaced by is not looked into.
    if !is_own_dir(root) {
        return (found, false);
    }
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            seen += 1;
            if seen > ENTRIES || found.len() > limit {
                return (found, false);
            }
            // The kind of the entry itself: a link to a folder is no folder here.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && path != Path::new(".git") {
                open.push(path);
            } else if !is_folder && matches(&path.to_string_lossy()) {
                found.insert(path);
            }
        }
    }
    (found, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn xml(path: &str) -> bool {
        path.ends_with(".xml")
    }

    #[test]
    fn p7_only_what_this_run_wrote_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for folder in ["out", ".git"] {
            fs::create_dir(root.join(folder)).unwrap();
        }
        for path in ["out/old.xml", "fixture.xml", "rewritten.xml", ".git/x.xml", "out/other.txt"] {
            fs::write(root.join(path), "before").unwrap();
        }
        let tracked = ["fixture.xml", "rewritten.xml"].map(OsString::from).into();
        let old = clear_old_reports(root, xml, &tracked, false).unwrap();
        assert!(!root.join("out/old.xml").exists() && root.join("fixture.xml").exists());
        assert!(root.join(".git/x.xml").exists() && root.join("out/other.txt").exists());
        assert_eq!(read(root, xml, &old), []);
        fs::write(root.join("rewritten.xml"), "longer than before").unwrap();
        fs::write(root.join("out/new.xml"), "new").unwrap();
        let wanted = [("out/new.xml", "new"), ("rewritten.xml", "longer than before")];
        assert_eq!(read(root, xml, &old), wanted.map(|(path, text)| (path.to_owned(), Ok(text.as_bytes().to_vec()))));
    }

    #[test]
    fn p8_what_the_tree_has_is_no_report_of_a_run() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::write(root.join("stale.xml"), "green").unwrap();
        fs::write(root.join("fixture.xml"), "fixture").unwrap();
        let tracked = ["stale.xml", "fixture.xml"].map(OsString::from).into();
        let old = clear_old_reports(root, xml, &tracked, false).unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
        // Touched, put there again, copied elsewhere.
        fs::File::options().append(true).open(root.join("stale.xml")).unwrap().set_modified(later).unwrap();
        fs::copy(root.join("stale.xml"), root.join("copy.xml")).unwrap();
        let found = read(root, xml, &old);
        assert_eq!(found.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["copy.xml", "stale.xml"]);
        for (path, text) in found {
            assert!(text.unwrap_err().0.starts_with("it is what the tree has as stale.xml"), "{path}");
        }
        fs::remove_file(root.join("stale.xml")).unwrap();
        fs::write(root.join("stale.xml"), "green").unwrap();
        assert!(read(root, xml, &old).iter().all(|(_, text)| text.is_err()));
        fs::write(root.join("stale.xml"), "green at another time").unwrap();
        assert!(read(root, xml, &old).iter().any(|(path, text)| path == "stale.xml" && text.is_ok()));
    }

    #[test]
    fn p12_links_and_pipes_are_no_reports_and_lead_nowhere() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret.xml"), "secret").unwrap();
        symlink(outside.path(), dir.path().join("folder")).unwrap();
        symlink(outside.path().join("secret.xml"), dir.path().join("link.xml")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe.xml"), rustix::fs::Mode::RUSR).unwrap();
        let found = read(dir.path(), xml, &Before::default());
        let names: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, ["link.xml", "pipe.xml"]);
        assert!(found.iter().all(|(_, text)| text.is_err()), "{found:?}");
        clear_old_reports(dir.path(), xml, &BTreeSet::new(), false).unwrap();
        assert!(outside.path().join("secret.xml").exists());
    }
}
