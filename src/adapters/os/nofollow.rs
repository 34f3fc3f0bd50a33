//! Opening and making things in folders of ours without following a link.
//!
//! What runs write to, anybody who runs there can replace by a link: to a file of the user, to a pipe nobody reads, to another
//! repository. Wanted: no part of a path is a link, from the root of the file system on; what is found in the place of
//! a folder of ours and is none is taken out of the way, never looked into. Paths come from real ones (the state
//! directory is resolved once when it is located), so that a link in them is one that somebody put there since.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

/// Opens what is at `path`, no part of which may be a link.
///
/// # Errors
/// The system's reason; `ELOOP` or `ENOTDIR` for a link.
pub fn open(path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match rustix::fs::openat2(CWD, path, flags, mode, ResolveFlags::NO_SYMLINKS) {
        // Kernels before 5.6, and sandboxes that do not know the call.
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(path, flags, mode),
        opened => Ok(opened?),
    }
}

/// The same by opening one folder after the other.
fn step_by_step(path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let passing = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut parts: Vec<Component<'_>> = path.components().collect();
    let last = parts.pop().ok_or(Errno::NOENT)?;
    let start = if path.is_absolute() { "/" } else { "." };
    let mut at = rustix::fs::openat(CWD, start, passing, Mode::empty())?;
    for part in parts {
        at = rustix::fs::openat(&at, part.as_os_str(), passing, Mode::empty())?;
    }
    Ok(rustix::fs::openat(&at, last.as_os_str(), flags, mode)?)
}

/// Holds the folder at `path`, no part of which may be a link.
///
/// # Errors
/// The system's reason.
pub fn folder(path: &Path) -> io::Result<OwnedFd> {
    open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
}

/// What tells a folder from every other one: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The device of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

impl Identity {
    /// That of the folder at `path`, no part of which may be a link.
    ///
    /// # Errors
    /// The system's reason.
    pub fn of(path: &Path) -> io::Result<Self> {
        let stat = rustix::fs::fstat(folder(path)?)?;
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "their width depends on the machine")]
        Ok(Self { device: stat.st_dev as u64, inode: stat.st_ino as u64 })
    }
}

/// Makes the folder `path` (mode 0700) with those above it up to `trusted`, a real path. A link or file in the place of one
/// of them is taken out of the way: the link is removed, the file renamed.
///
/// # Errors
/// The system's reason.
pub fn make_folder(trusted: &Path, path: &Path) -> io::Result<()> {
    if folder(path).is_ok() {
        return Ok(());
    }
    let below = path.strip_prefix(trusted).map_err(|_| io::Error::other("not below the folder it belongs to"))?;
    let mut at = trusted.to_owned();
    for part in below.components() {
        let parent = folder(&at)?;
        at.push(part);
        clear_the_way(&at)?;
        match rustix::fs::mkdirat(&parent, part.as_os_str(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    folder(path).map(drop)
}

/// Takes away what is at `path` and is no folder: a link is removed, anything else gets another name. Says where it is now.
///
/// # Errors
/// The system's reason.
pub fn clear_the_way(path: &Path) -> io::Result<Option<PathBuf>> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => {
            std::fs::remove_file(path)?;
            tracing::warn!("{} was a link; it is removed, where it led is left alone", path.display());
            Ok(None)
        }
        Ok(meta) if !meta.is_dir() => move_aside(path).map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives what is at `path` another name beside it, one that nothing has; says which.
///
/// # Errors
/// The system's reason.
pub fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let named = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".replaced-{n}"));
        PathBuf::from(name)
    };
    let mut free = (1..).map(named).filter(|name| std::fs::symlink_metadata(name).is_err());
    let free = free.next().ok_or(ErrorKind::AlreadyExists)?;
    std::fs::rename(path, &free)?;
    tracing::warn!("{} is not what mc made there; it is {} now", path.display(), free.display());
    Ok(free)
}

/// Writes a private file anew at `path`, no part of which may be a link; what was there goes.
///
/// # Errors
/// The system's reason.
pub fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let (parent, name) = open_parent(path)?;
    match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    create(&parent, name)?.write_all(content)
}

/// Puts a private file at `path` at once and durably: a crash leaves the old or the new content. No part of the path may be a
/// link; a link or file that has the name gives way.
///
/// # Errors
/// The system's reason.
pub fn replace(path: &Path, content: &[u8], durably: bool) -> io::Result<()> {
    let (parent, name) = open_parent(path)?;
    let draft = format!(".{}.{:016x}", name.to_string_lossy(), fastrand::u64(..));
    let written = || -> io::Result<()> {
        let mut file = create(&parent, draft.as_ref())?;
        file.write_all(content)?;
        if durably {
            file.sync_all()?;
        }
        Ok(rustix::fs::renameat(&parent, &draft, &parent, name)?)
    };
    if let Err(error) = written() {
        let _ = rustix::fs::unlinkat(&parent, &draft, AtFlags::empty());
        return Err(error);
    }
    // A descriptor that only names a folder cannot be synced.
    if durably { File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all() } else { Ok(()) }
}

fn open_parent(path: &Path) -> io::Result<(OwnedFd, &std::ffi::OsStr)> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    Ok((folder(path.parent().unwrap_or(Path::new(".")))?, name))
}

fn create(parent: &OwnedFd, name: &std::ffi::OsStr) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/file"), "x").unwrap();
        symlink(root.join("a"), root.join("link")).unwrap();
        symlink("file", root.join("a/b/there")).unwrap();
        (dir, root)
    }

    #[test]
    fn p12_no_part_of_a_path_may_be_a_link_with_and_without_openat2() {
        let (_dir, root) = place();
        let read = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        for opened in [open, step_by_step] {
            assert!(opened(&root.join("a/b/file"), read, Mode::empty()).is_ok());
            for link in ["link/b/file", "link", "a/b/there"] {
                assert!(opened(&root.join(link), read, Mode::empty()).is_err(), "{link}");
            }
        }
        assert_eq!(Identity::of(&root.join("a")).unwrap(), Identity::of(&root.join("a/b/..")).unwrap());
        assert_ne!(Identity::of(&root.join("a")).unwrap(), Identity::of(&root.join("a/b")).unwrap());
        assert!(Identity::of(&root.join("link")).is_err());
    }

    #[test]
    fn p12_what_stands_in_the_place_of_a_folder_of_ours_gives_way_and_is_not_looked_into() {
        let (_dir, root) = place();
        make_folder(&root, &root.join("link/c")).unwrap();
        assert!(root.join("link/c").is_dir() && !root.join("a/c").exists());
        fs::write(root.join("plain"), "kept").unwrap();
        make_folder(&root, &root.join("plain/d")).unwrap();
        assert_eq!(fs::read_to_string(root.join("plain.replaced-1")).unwrap(), "kept");
        make_folder(&root, &root.join("plain/d")).unwrap();
        assert!(make_folder(&root.join("a"), &root.join("elsewhere")).is_err());
    }

    #[test]
    fn p12_nothing_is_written_through_a_link() {
        let (_dir, root) = place();
        for write in [write_new, |path: &Path, content: &[u8]| replace(path, content, true)] {
            let there = root.join("a/b/there");
            write(&there, b"new").unwrap();
            assert_eq!(fs::read_to_string(&there).unwrap(), "new");
            assert_eq!(fs::read_to_string(root.join("a/b/file")).unwrap(), "x");
            assert!(write(&root.join("link/b/file"), b"new").is_err());
            fs::remove_file(&there).unwrap();
            symlink("file", &there).unwrap();
        }
        let names = fs::read_dir(root.join("a/b")).unwrap().count();
        assert_eq!(names, 2, "no draft is left");
    }
}
