//! Stores of contents that git-lfs keeps: what is in the one of a workspace, and what of it stays from one use to the next.
//!
//! Promises: nothing behind a link counts, and none is left there; what somebody wrote into is not what it was, whatever its
//! times say; a content has its name only when it is whole.

use super::disk::remove_any;
use super::layout;
use crate::adapters::os::files::read_own;
use rustix::fs::{AtFlags, CWD, OFlags, linkat};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Folder of contents in a git directory.
pub(super) const STORE: &str = "lfs/objects";

/// Removes contents that somebody wrote into: a filter would stumble over them. Those it was prepared with are all in the
/// source.
pub(crate) fn drop_spoilt(files: &Path) -> io::Result<usize> {
    let noted = read_note(&note_path(files));
    remove_links(&files.join(".git/lfs"), 4)?;
    let mut gone = 0;
    for (oid, path, meta) in if noted.is_empty() { Vec::new() } else { list_contents(&files.join(".git"))? } {
        if noted.get(&oid).is_some_and(|then| *then != identity(&meta)) {
            remove_any(&path)?;
            gone += 1;
        }
    }
    Ok(gone)
}

/// Removes links in the store of a workspace, or in its place: a filter would write where they lead.
fn remove_links(path: &Path, depth: usize) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => fs::remove_file(path),
        Ok(meta) if meta.is_dir() && depth > 0 => {
            fs::read_dir(path)?.try_for_each(|entry| remove_links(&entry?.path(), depth - 1))
        }
        _ => Ok(()),
    }
}

/// Puts the contents of a workspace beside it before its git directory goes: those which nobody touched since they were
/// noted. The others are forgotten; what an attempt added was taken over.
pub(crate) fn park_contents(files: &Path) -> io::Result<()> {
    let noted = read_note(&note_path(files));
    let git_dir = files.join(".git");
    if noted.is_empty() || !real_folders(&git_dir) {
        return Ok(());
    }
    let parked = parked_path(files);
    remove_any(&parked)?;
    for (oid, path, meta) in list_contents(&git_dir)? {
        if noted.get(&oid).is_some_and(|then| *then == identity(&meta)) {
            let to = parked.join(content_path(&oid));
            fs::create_dir_all(to.parent().unwrap_or(&parked))?;
            fs::rename(&path, &to)?;
        }
    }
    Ok(())
}

/// Gives a new git directory what was put beside the workspace.
pub(crate) fn restore_contents(files: &Path) -> io::Result<()> {
    let parked = parked_path(files);
    if fs::symlink_metadata(&parked).is_ok_and(|meta| meta.is_dir()) {
        let store = files.join(".git").join(STORE);
        fs::create_dir_all(store.parent().unwrap_or(&store))?;
        fs::rename(&parked, &store)?;
    }
    Ok(())
}

/// What a workspace's contents were when it was prepared.
pub(super) fn note_path(files: &Path) -> PathBuf {
    layout::note_path(files, "lfs")
}

/// Where its contents are while its git directory is made anew.
pub(super) fn parked_path(files: &Path) -> PathBuf {
    layout::note_path(files, "contents")
}

/// Whether it is the name of a content.
pub(crate) fn is_oid(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The place of a content in a store.
pub(super) fn content_path(oid: &str) -> PathBuf {
    let part = |from, to| oid.get(from..to).unwrap_or_default();
    Path::new(part(0, 2)).join(part(2, 4)).join(oid)
}

/// The place of a content in the store of a git directory.
pub(crate) fn path_in_store(git_dir: &Path, oid: &str) -> PathBuf {
    git_dir.join(STORE).join(content_path(oid))
}

/// Every content in the store of a git directory, by name; nothing else that lies there, and nothing behind a link.
pub(super) fn list_contents(git_dir: &Path) -> io::Result<Vec<(String, PathBuf, fs::Metadata)>> {
    let mut found = Vec::new();
    if !real_folders(git_dir) {
        return Ok(found);
    }
    let mut folders = vec![(git_dir.join(STORE), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            match entry.file_name().to_str() {
                _ if meta.is_dir() && depth < 2 => folders.push((entry.path(), depth + 1)),
                Some(name)
                    if meta.is_file() && depth == 2 && is_oid(name) && entry.path().ends_with(content_path(name)) =>
                {
                    found.push((name.to_owned(), entry.path(), meta));
                }
                _ => {}
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

fn real_folders(git_dir: &Path) -> bool {
    ["", "lfs", STORE].iter().all(|name| fs::symlink_metadata(git_dir.join(name)).is_ok_and(|meta| meta.is_dir()))
}

/// What changes when anybody writes into a file, links or replaces it.
pub(super) fn identity(meta: &fs::Metadata) -> String {
    format!("{} {} {} {}", meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec())
}

pub(super) fn read_note(path: &Path) -> BTreeMap<String, String> {
    let text = read_own(path).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = |line: &str| line.split_once(' ').map(|(oid, identity)| (oid.to_owned(), identity.to_owned()));
    text.lines().filter_map(line).filter(|(oid, _)| is_oid(oid)).collect()
}

/// Copies a file to a place, also to its own; the system shares the blocks where its disk can.
pub(super) fn own_copy(from: &Path, to: &Path) -> io::Result<()> {
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder)?;
    let draft = folder.join("copy");
    remove_any(&draft)?;
    fs::copy(from, &draft)?;
    fs::rename(&draft, to)
}

/// A file without a name, or with a temporary one where the disk knows no such files; gone unless it is given a name.
pub(super) enum Draft {
    Unnamed(File),
    Named(tempfile::NamedTempFile),
}

impl Draft {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let flags = i32::try_from(OFlags::TMPFILE.bits()).unwrap_or(0);
        match OpenOptions::new().write(true).mode(0o600).custom_flags(flags).open(folder) {
            Ok(file) => Ok(Self::Unnamed(file)),
            Err(e)
                if matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::IsADirectory | ErrorKind::InvalidInput) =>
            {
                Ok(Self::Named(tempfile::NamedTempFile::new_in(folder)?))
            }
            Err(e) => Err(e),
        }
    }

    pub(super) fn file(&mut self) -> &mut File {
        match self {
            Self::Unnamed(file) => file,
            Self::Named(file) => file.as_file_mut(),
        }
    }

    /// Gives it its name; one that is there already stays what it is.
    pub(super) fn name(self, to: &Path) -> io::Result<()> {
        let there = |e: io::Error| if e.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(e) };
        match self {
            Self::Unnamed(file) => {
                let own = format!("/proc/self/fd/{}", file.as_raw_fd());
                linkat(CWD, own.as_str(), CWD, to, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from).or_else(there)
            }
            Self::Named(file) => file.persist_noclobber(to).map(drop).map_err(|e| e.error).or_else(there),
        }
    }
}
