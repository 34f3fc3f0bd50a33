//! Git directories that hold nothing but what is written here: configuration, attributes, a HEAD that names nothing.
//!
//! Promises: each is a new folder (mode 0700) with a name nobody knows before, in a folder of ours that is no link; what
//! git may have read there is told from what was put there, so that an answer of a git whose folder somebody touched is
//! not believed. Nothing in one is worth keeping, and a link in its place is removed, never followed.

use crate::adapters::host::local::workspace::disk::remove_any;
use crate::adapters::os::files::if_there;
use std::fs::{self, DirBuilder};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the folder they are made in, below the state directory.
const PARENT: &str = "merge.git";

/// A git directory of ours, which goes when it is dropped.
#[derive(Debug)]
pub(super) struct BareDir {
    dir: tempfile::TempDir,
    seals: Vec<Seal>,
}

/// A path and what was there when the folder was complete.
type Seal = (PathBuf, Identity);

/// Device, inode, mode, size, and the times of its content and of any change, which only the system sets.
type Identity = (u64, u64, u32, u64, (i64, i64), (i64, i64));

impl BareDir {
    /// Makes one for objects named by `object_format`; `attributes` count above those of any tree.
    pub(super) fn make(state_dir: &Path, object_format: &str, attributes: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().tempdir_in(parent(state_dir)?)?;
        let config = config(object_format);
        let root = dir.path().to_owned();
        let files = [("HEAD", "ref: refs/heads/none\n"), ("config", config.as_str()), ("info/attributes", attributes)];
        let folders = ["", "info", "refs"].map(|name| root.join(name));
        for folder in &folders[1..] {
            DirBuilder::new().mode(0o700).create(folder)?;
        }
        for (name, text) in files {
            let path = root.join(name);
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())?;
        }
        let paths = folders.into_iter().chain(files.map(|(name, _)| root.join(name)));
        let seals: Vec<Seal> = paths.map(|path| Ok((path.clone(), identity(&path)?))).collect::<Result<_>>()?;
        // Only now: what somebody put there before is seen here, what comes later breaks a seal.
        let entries = |folder: &str| Ok::<_, Error>(fs::read_dir(root.join(folder))?.count());
        let own = entries("")? == 4 && entries("info")? == 1 && entries("refs")? == 0;
        let unchanged = files.iter().all(|(name, text)| fs::read(root.join(name)).is_ok_and(|b| b == text.as_bytes()));
        match own && unchanged {
            true => Ok(Self { dir, seals }),
            false => Err(Error::new(ErrorKind::InvalidData, "somebody wrote into it while it was made")),
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Whether it still is what was made, and nobody touched it meanwhile.
    pub(super) fn is_untouched(&self) -> bool {
        self.seals.iter().all(|(path, seal)| identity(path).is_ok_and(|now| now == *seal))
    }
}

/// The settings of a git directory without a work tree, whose objects are named by `object_format`.
pub(crate) fn config(object_format: &str) -> String {
    let (version, format) = match object_format {
        "sha1" => (0, String::new()),
        other => (1, format!("[extensions]\n\tobjectFormat = {other}\n")),
    };
    format!("[core]\n\trepositoryformatversion = {version}\n\tbare = true\n{format}")
}

/// A file beside the git directories, with a name nobody knows before.
pub(super) fn draft(state_dir: &Path, content: &[u8]) -> Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new_in(parent(state_dir)?)?;
    file.write_all(content)?;
    Ok(file)
}

/// Removes what engines before this one left. Only for who holds the engine's lock; another git that merges just now makes
/// its folder again.
pub(super) fn sweep(state_dir: &Path) -> Result<()> {
    for entry in fs::read_dir(parent(state_dir)?)? {
        remove_any(&entry?.path())?;
    }
    Ok(())
}

/// The folder they are made in. What stands in its place and is no folder of ours is set aside.
fn parent(state_dir: &Path) -> Result<PathBuf> {
    let path = state_dir.join(PARENT);
    match if_there(fs::symlink_metadata(&path))? {
        Some(meta) if meta.is_dir() => return Ok(path),
        Some(_) => move_aside(&path)?,
        None => {}
    }
    match DirBuilder::new().mode(0o700).create(&path) {
        // Another one was quicker.
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(path),
        other => other.map(|()| path),
    }
}

/// Gives what is at `path` another name beside it.
fn move_aside(path: &Path) -> Result<()> {
    for n in 1..1_000_u32 {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".aside-{n}"));
        if fs::symlink_metadata(&name).is_err_and(|e| e.kind() == ErrorKind::NotFound) {
            return fs::rename(path, name);
        }
    }
    Err(Error::new(ErrorKind::AlreadyExists, "too many things were set aside here"))
}

fn identity(path: &Path) -> Result<Identity> {
    let meta = fs::symlink_metadata(path)?;
    let (modified, changed) = ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
    Ok((meta.dev(), meta.ino(), meta.mode(), meta.len(), modified, changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn whatever_is_touched_breaks_a_seal() {
        let state = tempfile::tempdir().unwrap();
        let made = || BareDir::make(state.path(), "sha1", "/a merge=union\n").unwrap();
        assert!(made().is_untouched());
        type Touch = fn(&Path) -> Result<()>;
        let touches: [Touch; 8] = [
            |dir| fs::write(dir.join("info/grafts"), ""),
            |dir| fs::write(dir.join("shallow"), ""),
            |dir| fs::write(dir.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"),
            |dir| fs::remove_file(dir.join("info/attributes")),
            |dir| {
                fs::rename(dir.join("info"), dir.join("old"))
                    .and_then(|()| fs::rename(dir.join("old"), dir.join("info")))
            },
            |dir| fs::create_dir(dir.join("refs/heads")),
            |dir| fs::remove_dir_all(dir).and_then(|()| symlink("/tmp", dir)),
            |dir| fs::remove_dir_all(dir),
        ];
        for (nth, touch) in touches.iter().enumerate() {
            let dir = made();
            touch(dir.path()).unwrap();
            assert!(!dir.is_untouched(), "{nth}");
        }
    }

    #[test]
    fn a_link_in_the_place_of_the_folder_is_set_aside_and_not_followed() {
        let (state, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(other.path().join("file"), "precious").unwrap();
        symlink(other.path(), state.path().join(PARENT)).unwrap();
        let dir = BareDir::make(state.path(), "sha256", "").unwrap();
        assert!(dir.is_untouched() && fs::symlink_metadata(state.path().join(PARENT)).unwrap().is_dir());
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
        symlink(other.path(), state.path().join(PARENT).join("link")).unwrap();
        sweep(state.path()).unwrap();
        assert_eq!(fs::read_dir(state.path().join(PARENT)).unwrap().count(), 0);
        assert_eq!(fs::read(other.path().join("file")).unwrap(), b"precious");
        let aside = fs::read_link(state.path().join("merge.git.aside-1")).unwrap();
        assert_eq!(aside, other.path());
    }
}
