//! Whole files: reading, replacing at once, making folders.

use super::nofollow;
use crate::domain::values::Millis;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file or folder could not be used.
#[derive(Debug, thiserror::Error)]
#[error("use {}", path.display())]
pub struct FileError {
    /// Which.
    pub path: PathBuf,
    /// The system's reason.
    pub source: Error,
}

impl FileError {
    /// That of a path.
    pub fn new(path: impl AsRef<Path>, source: impl Into<Error>) -> Self {
        Self { path: path.as_ref().to_owned(), source: source.into() }
    }
}

/// Says which file or folder a failure is about.
pub trait At<T> {
    /// The same, of this path.
    ///
    /// # Errors
    /// [`FileError`] with the reason.
    fn at(self, path: impl AsRef<Path>) -> Result<T, FileError>;
}

impl<T, E: Into<Error>> At<T> for Result<T, E> {
    fn at(self, path: impl AsRef<Path>) -> Result<T, FileError> {
        self.map_err(|source| FileError::new(path, source))
    }
}

/// Which file a path leads to, or an open file is: device and inode. While the file is open nobody else can have both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// That of what `path` leads to now.
    ///
    /// # Errors
    /// The system's reason.
    pub fn of_path(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|meta| Self { device: meta.dev(), inode: meta.ino() })
    }

    /// That of an open file.
    ///
    /// # Errors
    /// The system's reason.
    pub fn of(file: &std::fs::File) -> std::io::Result<Self> {
        file.metadata().map(|meta| Self { device: meta.dev(), inode: meta.ino() })
    }
}

/// What was done, or nothing where there is nothing of that name.
///
/// # Errors
/// Every other reason of the system's.
pub fn if_there<T>(done: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match done {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}

/// Reads a text file.
///
/// # Errors
/// The system's reason; text that is not UTF-8 is an error too.
pub fn read_text(path: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}

/// Reads a regular file or what a link to one leads to, or nothing when there is none.
///
/// # Errors
/// The system's reason, or that it is no regular file.
pub fn read_if_there(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    if_there(open_regular(path, OFlags::NONBLOCK).and_then(|file| read_whole(&file)))
}

/// Opens a regular file that somebody else may have put there: no link is followed, neither in its place nor on the way to
/// it, and a pipe, device or folder in its place is an error instead of a wait without end.
///
/// # Errors
/// The system's reason, or that it is no regular file.
pub fn open_untrusted(path: &Path) -> std::io::Result<std::fs::File> {
    let file = std::fs::File::from(nofollow::open(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?);
    require_regular(file)
}

/// Without `NONBLOCK` a pipe that nobody writes to would hold up whoever opens it.
fn open_regular(path: &Path, flags: OFlags) -> std::io::Result<std::fs::File> {
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    require_regular(std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?)
}

fn require_regular(file: std::fs::File) -> std::io::Result<std::fs::File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(Error::new(ErrorKind::InvalidInput, "not a regular file")) }
}

/// Reads what `mc` keeps where runs could have put something else: a regular file that no link leads to, or nothing when
/// there is none.
///
/// # Errors
/// The system's reason; a link on the way, or something else in its place.
pub fn read_own(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    if_there(open_untrusted(path).and_then(|file| read_whole(&file)))
}

/// The text of a regular file of at most `limit` bytes that somebody else may have put there, bytes that are not UTF-8
/// replaced; nothing when there is no such file or it is longer.
pub fn read_untrusted(path: &Path, limit: u64) -> Option<String> {
    let mut bytes = Vec::new();
    open_untrusted(path).ok()?.take(limit + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= limit).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// A file without a name, with this content and open at its beginning.
///
/// # Errors
/// The system's reason.
pub fn create_unnamed(content: &[u8]) -> std::io::Result<Arc<std::fs::File>> {
    let mut file = tempfile::tempfile()?;
    file.write_all(content)?;
    file.rewind()?;
    Ok(Arc::new(file))
}

/// Everything in an open file.
///
/// # Errors
/// The system's reason.
pub fn read_whole(mut file: &std::fs::File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a folder and its parents, mode 0700.
///
/// # Errors
/// The system's reason.
pub fn make_private_dir(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a folder and its parents with the usual mode.
///
/// # Errors
/// The system's reason.
pub fn make_dir(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Writes a private file at `path` below `root`, making folders on the way; false, with nothing written, when any part of
/// the path is a link, which could lead out of `root`.
///
/// # Errors
/// The system's reason.
pub fn write_below(root: &Path, path: &Path, content: &[u8]) -> std::io::Result<bool> {
    let mut to = root.to_owned();
    for part in path.components() {
        to.push(part);
        if to.is_symlink() {
            return Ok(false);
        }
    }
    make_dir(to.parent().unwrap_or(root))?;
    write_private(&to, content).map(|()| true)
}

/// Makes a file of the usual mode that was not there before; nothing that has this name, not even a link that leads nowhere, is
/// written through or replaced.
///
/// # Errors
/// The system's reason; [`ErrorKind::AlreadyExists`] when something has this name.
pub fn create_new(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)
}

/// Writes a file with the usual mode, replacing an old one.
///
/// # Errors
/// The system's reason.
pub fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    std::fs::write(path, content)
}

/// Writes a new private file (mode 0600), replacing an old one.
///
/// # Errors
/// The system's reason.
pub fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)
}

/// Writes a file of `mc` anew in a folder that runs can write to as well; mode 0600, nothing is written through a link.
///
/// # Errors
/// The system's reason.
pub fn write_own(path: &Path, content: &[u8]) -> std::io::Result<()> {
    nofollow::write_new(path, content)
}

/// Replaces such a file at once and durably.
///
/// # Errors
/// The system's reason.
pub fn replace_own(path: &Path, content: &[u8]) -> std::io::Result<()> {
    nofollow::replace(path, content, true)
}

/// Makes a folder with those above it up to `trusted`, mode 0700; links and files in their place give way.
///
/// # Errors
/// The system's reason.
pub fn make_own_dir(trusted: &Path, path: &Path) -> std::io::Result<()> {
    nofollow::make_folder(trusted, path)
}

/// The same for a folder that is to be new: one that is there already, which somebody made in advance, gives way.
///
/// # Errors
/// The system's reason.
pub fn make_new_own_dir(trusted: &Path, path: &Path) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        nofollow::make_folder(trusted, parent)?;
    }
    if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
        nofollow::move_aside(path)?;
    }
    nofollow::make_folder(trusted, path)
}

/// Whether there is a folder that no link leads to.
pub fn is_own_dir(path: &Path) -> bool {
    nofollow::folder(path).is_ok()
}

/// Moves a file within a file system in place of an old one, into a folder that is made, mode 0700, where it is missing.
///
/// # Errors
/// The system's reason.
pub fn move_below_private(from: &Path, to: &Path) -> std::io::Result<()> {
    make_private_dir(to.parent().unwrap_or(Path::new(".")))?;
    std::fs::rename(from, to)
}

/// Whether two paths lead to the same place; false when one leads nowhere.
pub fn is_same_path(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Whether a folder is empty or not there at all.
///
/// # Errors
/// The system's reason; a file in its place is one.
pub fn is_empty_or_absent(path: &Path) -> std::io::Result<bool> {
    Ok(if_there(std::fs::read_dir(path))?.is_none_or(|mut entries| entries.next().is_none()))
}

/// The real path of the nearest folder above `path`, or of itself, that exists.
///
/// # Errors
/// The system's reason.
pub fn real_parent(path: &Path) -> std::io::Result<PathBuf> {
    let mut near = path;
    loop {
        match near.canonicalize() {
            Err(e) if e.kind() == ErrorKind::NotFound => match near.parent() {
                Some(parent) => near = parent,
                None => return Err(e),
            },
            found => return found,
        }
    }
}

/// What a regular file holds from `offset` on, at most `limit` bytes; nothing while it is not there.
///
/// # Errors
/// The system's reason.
pub fn read_from(path: &Path, offset: u64, limit: u64) -> std::io::Result<Vec<u8>> {
    let Some(mut file) = if_there(open_untrusted(path))? else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Disk space of a file or of everything below a folder, in bytes; nothing when it is not there.
pub fn size(path: &Path) -> Option<u64> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    let below =
        if meta.is_dir() { std::fs::read_dir(path).into_iter().flatten().flatten().collect() } else { Vec::new() };
    Some(meta.blocks() * 512 + below.iter().filter_map(|entry| size(&entry.path())).sum::<u64>())
}

/// What is in a folder; nothing when it cannot be read.
pub fn list_dir(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Names of the folders in a folder, sorted; none when it cannot be read.
pub fn folders(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// When a file was last written to; absent when there is none.
pub fn last_modified(path: &Path) -> Option<Millis> {
    modified_at(&std::fs::metadata(path).ok()?)
}

/// The same of what is known of a file.
pub fn modified_at(meta: &std::fs::Metadata) -> Option<Millis> {
    Millis::try_from(meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// What tells one writing of a file from another: inode, size, and the times of its content and of any change.
pub type Stamp = (u64, u64, i64, i64, i64, i64);

/// That of a file.
pub fn stamp_of(meta: &std::fs::Metadata) -> Stamp {
    (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec())
}
