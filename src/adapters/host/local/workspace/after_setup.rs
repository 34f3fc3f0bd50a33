//! Files that `setup` leaves or changes in a workspace though git does not ignore them: they are nobody's work.
//!
//! They are noted beside the slot, each with what it was, and stand in the clone's own list of ignored files from then on: neither
//! the unit nor a collection commits them, and they stay for the slot's next user, as `setup` may not run again. One that
//! somebody changed is work like any other. A tracked file that `setup` changed is what it was before again when the work is
//! collected, unless somebody changed or committed it.

use super::layout::note_path;
use crate::adapters::git::answers::fields;
use crate::adapters::git::{Git, GitError};
use crate::adapters::os::files::{At, read_if_there};
use crate::adapters::os::nofollow::replace;
use crate::domain::base::digest;
use crate::domain::values::CommitId;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// More files than this are not told apart: git would compare each file with each of their names.
const MOST: usize = 2_000;

/// Larger files are known by size and time.
const LARGEST: u64 = 4 << 20;

/// A file as it was when `setup` had ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    path: Vec<u8>,
    mode: u32,
    size: u64,
    changed: i128,
    /// Of the content, or of what a link names.
    hash: Option<String>,
    /// Whether git tracks it: then it was changed, or, without a mode, deleted.
    #[serde(default)]
    tracked: bool,
}

impl Left {
    fn of(files: &Path, path: &[u8]) -> Option<Self> {
        let full = files.join(OsStr::from_bytes(path));
        let meta = fs::symlink_metadata(&full).ok()?;
        let content = match (meta.is_symlink(), meta.is_file() && meta.len() <= LARGEST) {
            (true, _) => Some(fs::read_link(&full).ok()?.into_os_string().into_vec()),
            (_, true) => fs::read(&full).ok(),
            _ => None,
        };
        let hash = content.map(digest);
        let changed = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        Some(Self { path: path.to_vec(), mode: meta.mode(), size: meta.len(), changed, hash, tracked: false })
    }

    fn of_tracked(files: &Path, path: &[u8]) -> Self {
        let gone = || Self { path: path.to_vec(), mode: 0, size: 0, changed: 0, hash: None, tracked: false };
        Self { tracked: true, ..Self::of(files, path).unwrap_or_else(gone) }
    }

    /// Whether the file is what it was.
    fn is_still(&self, files: &Path) -> bool {
        let now = if self.tracked { Some(Self::of_tracked(files, &self.path)) } else { Self::of(files, &self.path) };
        now.is_some_and(|now| {
            let same = (now.mode, now.size) == (self.mode, self.size);
            same && if self.hash.is_some() { now.hash == self.hash } else { now.changed == self.changed }
        })
    }
}

fn list(files: &Path) -> PathBuf {
    note_path(files, "left")
}

fn read_left(files: &Path) -> Vec<Left> {
    fs::read(list(files)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn write_left(files: &Path, left: &[Left]) -> io::Result<()> {
    replace(&list(files), &serde_json::to_vec(left)?, true)
}

/// Files of a clone that are neither tracked nor ignored.
pub(super) async fn list_unignored(git: &Git) -> Result<Vec<OsString>, GitError> {
    let others = git.run_bytes(&["ls-files", "-z", "--others", "--exclude-standard"]).await?;
    Ok(fields(&others).map(|path| OsStr::from_bytes(path).to_owned()).collect())
}

/// Tracked files of a clone that are not what its index says.
pub(super) async fn list_changed(git: &Git) -> Result<Vec<OsString>, GitError> {
    let changed = git.run_bytes(&["diff-files", "-z", "--name-only", "--ignore-submodules=all"]).await?;
    Ok(fields(&changed).map(|path| OsStr::from_bytes(path).to_owned()).collect())
}

/// Notes what `setup` has left in the clone `files`, where nobody has worked since; all of it by name.
pub(super) async fn record_left(git: &Git, files: &Path) -> Result<Vec<OsString>, GitError> {
    // Nobody has worked here yet: what is there now is what `setup` left, also where it ran again.
    let before = read_left(files);
    let untracked = before.iter().filter(|left| !left.tracked);
    let mut left: Vec<Left> = untracked.filter_map(|left| Left::of(files, &left.path)).collect();
    let others = list_unignored(git).await?;
    // A name with a line break cannot stand in a list of ignored files.
    let sound = |path: &&[u8]| !path.ends_with(b"/") && !path.contains(&b'\n');
    let new: Vec<&[u8]> = others.iter().map(|path| path.as_bytes()).filter(sound).collect();
    if !new.is_empty() && left.len() + new.len() <= MOST {
        left.extend(new.into_iter().filter_map(|path| Left::of(files, path)));
    }
    left.extend(list_changed(git).await?.iter().take(MOST).map(|path| Left::of_tracked(files, path.as_bytes())));
    if left != before {
        write_left(files, &left).and_then(|()| ignore_left(files)).at(list(files))?;
    }
    Ok(left.into_iter().map(|left| OsString::from_vec(left.path)).collect())
}

/// The lines of the clone's list of ignored files for what `setup` left.
pub(super) fn lines(files: &Path) -> Vec<u8> {
    read_left(files)
        .iter()
        .filter(|left| !left.tracked)
        .flat_map(|left| super::escape::to_ignore_line(&left.path))
        .collect()
}

/// Adds what is noted to the clone's own list of ignored files.
fn ignore_left(files: &Path) -> io::Result<()> {
    let info = files.join(".git/info");
    fs::create_dir_all(&info)?;
    let mut text = read_if_there(&info.join("exclude"))?.unwrap_or_default();
    text.extend(lines(files));
    fs::write(info.join("exclude"), text)
}

/// Forgets those files that somebody changed or took away since: what is there now is work. What is still as `setup` left it, by
/// name, and whether anything was forgotten.
pub(super) fn drop_changed(files: &Path) -> io::Result<StillLeft> {
    let left = read_left(files);
    let before = left.len();
    let same: Vec<Left> = left.into_iter().filter(|left| left.is_still(files)).collect();
    if same.len() < before {
        write_left(files, &same)?;
    }
    let forgot = same.len() < before;
    let (tracked, untracked): (Vec<Left>, Vec<Left>) = same.into_iter().partition(|left| left.tracked);
    let names = |left: Vec<Left>| left.into_iter().map(|left| OsString::from_vec(left.path)).collect();
    Ok(StillLeft { untracked: names(untracked), tracked: names(tracked), forgot })
}

/// What is still as `setup` left it when work is collected.
#[derive(Debug, Default)]
pub(super) struct StillLeft {
    /// Files that git does not track.
    pub(super) untracked: Vec<OsString>,
    /// Tracked files that it changed or deleted.
    pub(super) tracked: Vec<OsString>,
    /// Whether anything was forgotten.
    pub(super) forgot: bool,
}

/// Makes tracked files that `setup` changed what they are in HEAD; those for which that differs from `base` are named apart, as
/// they are part of commits of somebody.
pub(super) async fn restore_tracked(
    git: &Git,
    base: &CommitId,
    tracked: Vec<OsString>,
) -> Result<(Vec<OsString>, Vec<OsString>), GitError> {
    if tracked.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let git = git.clone().with_option("--literal-pathspecs");
    let diff = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", base.as_str(), "HEAD"];
    let committed = git.run_bytes(&diff).await?;
    let committed: Vec<&[u8]> = fields(&committed).collect();
    let (mut left, mut theirs) = (Vec::new(), Vec::new());
    for path in tracked {
        // Where HEAD has no such file, its deletion is a commit of somebody.
        let args = ["checkout", "-q", "HEAD", "--"].map(OsStr::new);
        let done = git.run(&[&args[..], &[path.as_os_str()]].concat()).await?.success();
        let list = if done && !committed.contains(&path.as_bytes()) { &mut left } else { &mut theirs };
        list.push(path);
    }
    Ok((left, theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_was_until_its_content_or_kind_changes() {
        let dir = tempfile::tempdir().unwrap();
        let files = dir.path().join("slot-1/work");
        fs::create_dir_all(&files).unwrap();
        fs::write(files.join("touched"), "1").unwrap();
        fs::write(files.join("changed"), "1").unwrap();
        fs::write(files.join("kind"), "1").unwrap();
        std::os::unix::fs::symlink("a", files.join("link")).unwrap();
        let left: Vec<Left> =
            ["touched", "changed", "kind", "link"].iter().map(|n| Left::of(&files, n.as_bytes()).unwrap()).collect();
        write_left(&files, &left).unwrap();
        assert_eq!(drop_changed(&files).unwrap().untracked.len(), 4);
        fs::write(files.join("touched"), "1").unwrap();
        fs::write(files.join("changed"), "2").unwrap();
        fs::remove_file(files.join("kind")).unwrap();
        std::os::unix::fs::symlink("1", files.join("kind")).unwrap();
        let still = drop_changed(&files).unwrap();
        assert_eq!((still.untracked, still.forgot), (vec!["touched".into(), "link".into()], true));
        assert!(!drop_changed(&files).unwrap().forgot);
        assert_eq!(lines(&files), b"/touched\n/link\n");
    }
}
