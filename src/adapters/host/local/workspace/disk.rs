//! Files and folders of a slot taken away, opened and written durably, whatever somebody did to their rights and kinds.

use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Removes a file, link or folder of any kind, also one with read-only folders in it; nothing there is fine.
pub(crate) fn remove_any(path: &Path) -> io::Result<()> {
    let meta = match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        other => other?,
    };
    if !meta.is_dir() {
        return fs::remove_file(path);
    }
    if fs::remove_dir_all(path).is_ok() {
        return Ok(());
    }
    open_up(path, 0)?;
    fs::remove_dir_all(path)
}

/// Gives the owner back the right to use every folder below `path`, and `bits` on every file, where we may; links are not followed.
/// Says what failed first.
pub(crate) fn open_up(path: &Path, bits: u32) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    let mode = meta.permissions().mode();
    let wanted = match (meta.is_dir(), meta.is_file()) {
        (true, _) => mode | 0o700,
        (_, true) => mode | bits,
        _ => mode,
    };
    let mut done = if wanted == mode { Ok(()) } else { fs::set_permissions(path, fs::Permissions::from_mode(wanted)) };
    if !meta.is_dir() {
        return done;
    }
    for entry in fs::read_dir(path)? {
        let inner = entry.and_then(|entry| open_up(&entry.path(), bits));
        done = done.and(inner);
    }
    done
}

/// Removes what is below `dir`, is no folder and is unwanted, where we may. Says what failed first.
pub(super) fn remove_where(dir: &Path, unwanted: &impl Fn(&Path, FileType) -> bool) -> io::Result<()> {
    let mut done = Ok(());
    for entry in fs::read_dir(dir)? {
        let removed = entry.and_then(|entry| match entry.file_type()? {
            kind if kind.is_dir() => remove_where(&entry.path(), unwanted),
            kind if unwanted(&entry.path(), kind) => fs::remove_file(entry.path()),
            _ => Ok(()),
        });
        done = done.and(removed);
    }
    done
}

/// Removes pipes, sockets and devices below `dir`, where we may: they hold nothing, and make git fail or wait for ever.
pub(super) fn remove_special(dir: &Path) {
    // What stays is told by whoever stumbles over it.
    let _ = remove_where(dir, &|_, kind| !(kind.is_file() || kind.is_symlink()));
}

/// Makes the entry of `path` in its folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_only_folders_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("f"), "x").unwrap();
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o000)).unwrap();
        remove_any(&dir.path().join("a")).unwrap();
        assert!(!dir.path().join("a").exists());
        remove_any(&dir.path().join("a")).unwrap();
    }
}
