//! What lies beside the tracked files of a slot: untracked files go, ignored ones may stay, and then times must tell.
//!
//! Build output that is kept is what makes a second verification fast. Some tools know their output by the size of a source
//! file and its time in whole seconds (bytecode of Python, caches of mypy). Two trees checked out in the same second would
//! look the same to them, and the tests of one would be run with the code of the other.

use super::disk::remove_any;
use super::layout::note_path;
use super::slot::kept_index;
use crate::adapters::git::answers::fields;
use crate::adapters::git::{Git, GitError};
use crate::adapters::os::files::{At, FileError, create_new};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// File systems take the time of a file from a clock that ticks at most so much later than the one we read.
const TICK: Duration = Duration::from_millis(20);

/// A clock that went back further than this is not waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Removes untracked files as `git clean` would, with the folders that are empty then, and says how many. Absent when there
/// is anything that only git should take away.
pub(super) async fn drop_untracked(git: &Git, files: &Path) -> Result<Option<u64>, GitError> {
    let others = git.run_bytes(&["ls-files", "-z", "--others", "--exclude-standard"]).await?;
    if fields(&others).any(|name| name.ends_with(b"/")) {
        return Ok(None);
    }
    let mut gone = 0;
    for name in fields(&others) {
        let path = files.join(OsStr::from_bytes(name));
        if fs::remove_file(&path).is_err() {
            return Ok(None);
        }
        gone += 1;
        // A folder that still holds something stays, and with it those above.
        let _ = path.ancestors().skip(1).take_while(|dir| *dir != files).try_for_each(fs::remove_dir);
    }
    Ok(Some(gone))
}

/// The file whose time says when somebody's work in a slot had ended.
pub(super) fn used_path(files: &Path) -> PathBuf {
    note_path(files, "used")
}

/// Notes that somebody's work in the slot has ended by now.
pub(super) fn record_used(files: &Path) -> io::Result<()> {
    remove_any(&used_path(files)).and_then(|()| create_new(&used_path(files), b""))
}

/// When tracked files of a slot may last have been written: by its last preparation or by whoever worked there.
pub(super) fn last_written(files: &Path) -> Option<SystemTime> {
    let time = |path: PathBuf| fs::symlink_metadata(path).and_then(|meta| meta.modified()).ok();
    // Without an index of ours the preparation was cut short; its git directory is from that time or later.
    time(kept_index(files)).or_else(|| time(files.join(".git"))).max(time(used_path(files)))
}

/// Makes sure that what was written into a slot since `began` has a time in a later second than `before`: what was not, is
/// given the time of the next one.
pub(super) async fn separate_mtimes(
    git: &Git,
    files: &Path,
    began: SystemTime,
    before: SystemTime,
) -> Result<(), GitError> {
    let second = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if second(began - TICK) > second(before) {
        return Ok(());
    }
    let next = UNIX_EPOCH + Duration::from_secs(second(before) + 1) + TICK;
    if let Ok(wait) = next.duration_since(SystemTime::now()) {
        if wait > PATIENCE {
            let what = format!("the clock is {} s behind the files of the workspace", wait.as_secs());
            return Err(FileError::new(files, io::Error::other(what)).into());
        }
        tokio::time::sleep(wait).await;
    }
    let mut folders = vec![files.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).at(files)? {
            let entry = entry.at(files)?;
            let meta = entry.metadata().at(files)?;
            if meta.is_dir() && !(folder == files && entry.file_name() == ".git") {
                folders.push(entry.path());
            } else if meta.is_file() && meta.modified().is_ok_and(|time| time >= began - TICK) {
                touch(&entry.path()).at(files)?;
            }
        }
    }
    // The index knows files by their times.
    git.run_text(&["update-index", "-q", "--refresh"]).await.map(drop)
}

fn touch(path: &Path) -> io::Result<()> {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    // A file that may not be written may be touched by its owner.
    Ok(rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?)
}
