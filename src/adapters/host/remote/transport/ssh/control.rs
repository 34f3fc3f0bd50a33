//! The private folder in which the control socket of a connection is. Whoever has the folder has its lock, so that what is found in
//! it belongs to nobody who lives any more.
//!
//! Its path is short, since that of a socket must be, and follows from the state directory and the host: an engine that comes later
//! finds what an earlier one left. It is nobody else's: made with mode 0700, or refused when it is not that of this user alone.

use crate::adapters::os::files::{FileIdentity, list_dir};
use crate::adapters::os::machine::user;
use crate::domain::base::digest;
use rustix::fs::{Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Longest path of the folder: a socket's has 108 bytes, and ssh adds 17 to its name while it makes it.
const LONGEST: usize = 60;

/// Connections to one host that one user may have from one state directory at once: a mission, and commands beside it.
const SLOTS: u32 = 16;

/// How often a folder is made anew that somebody else takes away meanwhile.
const TRIES: u32 = 20;

/// The folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    /// No folder that could hold it.
    #[error(
        "there is no folder for the control socket of ssh: XDG_RUNTIME_DIR, TMPDIR and /tmp are missing or have too long names"
    )]
    NoPlace,
    /// It belongs to others, or others may use it.
    #[error("`{0}` must be a folder of this user alone (mode 0700): remove it")]
    NotPrivate(PathBuf),
    /// Too many connections.
    #[error("{SLOTS} connections to this host are open already (`{0}`)")]
    Busy(PathBuf),
    /// The system's reason.
    #[error("use `{0}`: {1}")]
    Io(PathBuf, #[source] io::Error),
}

/// A folder with its lock. Dropped, both go away.
#[derive(Debug)]
pub(super) struct ControlFolder {
    path: PathBuf,
    base: PathBuf,
    _lock: File,
}

impl ControlFolder {
    /// The first free folder of this host.
    ///
    /// # Errors
    /// [`ControlError`].
    pub(super) fn acquire(env: &[(OsString, OsString)], state: &str, host: &str) -> Result<Self, ControlError> {
        let base = find_place(env, state, host).ok_or(ControlError::NoPlace)?;
        for _ in 0..TRIES {
            match Self::take_slot(&base) {
                // Somebody else gave it back, and removed the folder, in between.
                Err(ControlError::Io(_, e)) if e.kind() == io::ErrorKind::NotFound => {}
                done => return done,
            }
        }
        Err(ControlError::Busy(base))
    }

    fn take_slot(base: &Path) -> Result<Self, ControlError> {
        make_private(base)?;
        for n in 0..SLOTS {
            let path = base.join(n.to_string());
            make_private(&path)?;
            let name = path.join("lock");
            let failed = |e| ControlError::Io(name.clone(), e);
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let lock = rustix::fs::open(&name, flags, Mode::from_raw_mode(0o600)).map_err(|e| failed(e.into()))?;
            let lock = File::from(lock);
            if lock.try_lock().is_err() {
                continue;
            }
            // A lock on a file that was removed locks nobody out.
            if FileIdentity::of_path(&name).map_err(failed)? != FileIdentity::of(&lock).map_err(failed)? {
                return Err(failed(io::ErrorKind::NotFound.into()));
            }
            return Ok(Self { path, base: base.to_owned(), _lock: lock });
        }
        Err(ControlError::Busy(base.to_owned()))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The sockets that are in it.
    pub(super) fn list_sockets(&self) -> Vec<PathBuf> {
        let is_socket =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"m-"));
        list_dir(&self.path).into_iter().filter(is_socket).collect()
    }
}

impl Drop for ControlFolder {
    fn drop(&mut self) {
        for path in list_dir(&self.path) {
            let _ = std::fs::remove_file(path);
        }
        let _ = std::fs::remove_dir(&self.path);
        let _ = std::fs::remove_dir(&self.base);
    }
}

/// The folder for a host, where it can be.
fn find_place(env: &[(OsString, OsString)], state: &str, host: &str) -> Option<PathBuf> {
    let id = digest(format!("{state}\0{host}"));
    let id = &id[..12];
    let var = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str());
    let shared = format!("mc-{}-{id}", user());
    let places = [
        (var("XDG_RUNTIME_DIR"), format!("mc-{id}")),
        (var("TMPDIR"), shared.clone()),
        (Some(OsStr::new("/tmp")), shared),
    ];
    places.into_iter().find_map(|(above, name)| {
        let above = Path::new(above?);
        let path = above.join(name);
        // What ssh would replace in the name of a socket, or a shell take for more, is in none of them.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
        let fits = path.as_os_str().len() <= LONGEST && path.as_os_str().as_encoded_bytes().iter().copied().all(plain);
        (above.is_absolute() && above.is_dir() && fits).then_some(path)
    })
}

/// Makes a folder of this user alone, or makes sure that it is one.
fn make_private(path: &Path) -> Result<(), ControlError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(ControlError::Io(path.to_owned(), e)),
    }
    let meta = std::fs::symlink_metadata(path).map_err(|e| ControlError::Io(path.to_owned(), e))?;
    match meta.is_dir() && meta.uid() == user() && meta.mode() & 0o077 == 0 {
        true => Ok(()),
        false => Err(ControlError::NotPrivate(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(dir: &Path) -> Vec<(OsString, OsString)> {
        vec![("XDG_RUNTIME_DIR".into(), dir.into())]
    }

    #[test]
    fn two_who_live_have_two_folders_and_leave_none() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let acquire = || ControlFolder::acquire(&env(dir.path()), "state", "host").unwrap();
        let (one, two) = (acquire(), acquire());
        assert_ne!(one.path(), two.path());
        let first = one.path().to_owned();
        std::fs::write(first.join("m-1"), "").unwrap();
        assert_eq!(one.list_sockets(), [first.join("m-1")]);
        drop(one);
        assert_eq!(acquire().path(), first);
        drop(two);
        assert_eq!(list_dir(dir.path()), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_folder_of_others_and_a_link_are_refused() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let place = find_place(&env(dir.path()), "state", "host").unwrap();
        std::os::unix::fs::symlink("/tmp", &place).unwrap();
        let refused = || ControlFolder::acquire(&env(dir.path()), "state", "host").unwrap_err();
        assert!(matches!(refused(), ControlError::NotPrivate(_)));
        std::fs::remove_file(&place).unwrap();
        DirBuilder::new().mode(0o755).create(&place).unwrap();
        assert!(matches!(refused(), ControlError::NotPrivate(_)));
    }

    #[test]
    fn a_path_that_is_too_long_is_not_taken() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let long = dir.path().join("x".repeat(LONGEST));
        std::fs::create_dir(&long).unwrap();
        let place = find_place(&env(&long), "state", "host").unwrap();
        assert!(place.starts_with("/tmp") && !place.starts_with(dir.path()), "{}", place.display());
    }
}
