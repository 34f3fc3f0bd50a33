//! Looking at the clone that an attempt left, whose every part may have been replaced: whether it is a repository, and what is
//! in its own store.

use super::disk::remove_any;
use super::error::CollectError;
use super::listing::{Listed, Listing, list, nothing_else};
use super::quarantine::odd_places;
use super::slot::{Tracked, read_tracked};
use crate::adapters::git::{Git, GitError};
use crate::adapters::os::files::{At, read_untrusted};
use crate::domain::values::CommitId;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Whether the parts of a git directory we write to are its own, not links to somebody else's.
pub(super) fn own_folders(git_dir: &Path) -> bool {
    let kind = |name: &str| fs::symlink_metadata(git_dir.join(name)).ok();
    let folder = |name: &str| kind(name).is_some_and(|m| m.is_dir());
    let optional = |name: &str| kind(name).is_none_or(|m| m.is_dir());
    fs::symlink_metadata(git_dir).is_ok_and(|m| m.is_dir())
        && folder("objects")
        && folder("refs")
        && ["objects/info", "objects/pack", "logs", "refs/heads"].into_iter().all(optional)
        && fs::read_dir(git_dir.join("objects")).is_ok_and(|mut entries| {
            entries.all(|entry| entry.is_ok_and(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink())))
        })
        && kind("HEAD").is_some_and(|m| m.is_file())
}

/// Larger settings are not read.
const LONGEST_CONFIG: u64 = 1 << 20;

/// Whether a repository names its objects as the source does. Somebody may have made another one in its place, whose index
/// means nothing here and is read all the same.
pub(super) fn same_kind(git_dir: &Path, format: &str) -> bool {
    let Some(config) = read_untrusted(&git_dir.join("config"), LONGEST_CONFIG) else { return true };
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        key.trim().eq_ignore_ascii_case("objectformat").then(|| value.trim().to_ascii_lowercase())
    };
    config.lines().find_map(value).as_deref().unwrap_or("sha1") == format
}

/// Whether git takes it for a repository and everything its head needs can be read (`Some`), and what that is, where it can
/// be listed.
pub(super) async fn check_usable(git: &Git, base: &CommitId) -> Result<Option<Option<Listing>>, GitError> {
    if let Listed::Whole(listing) = list(git, "HEAD", base).await? {
        return Ok(Some(Some(listing)));
    }
    // A head that names no commit yet is fine; one that lacks objects is not.
    if !git.run(&["rev-parse", "--git-dir"]).await?.success() {
        return Ok(None);
    }
    let head = git.run(&["rev-parse", "--verify", "--quiet", "HEAD"]).await?;
    let sound = match CommitId::new(String::from_utf8_lossy(&head.stdout).trim()) {
        Ok(head) => odd_places::is_whole(git, &[&head], &[base]).await?,
        Err(_) => true,
    };
    Ok(sound.then_some(None))
}

/// What the index lists. One that cannot be read gives way to that of HEAD; `None`: there is none either.
pub(super) async fn read_index(
    git: &Git,
    git_dir: &Path,
    notes: &mut Vec<String>,
) -> Result<Option<Tracked>, CollectError> {
    if let Ok(index) = read_tracked(git).await {
        return Ok(Some(index));
    }
    let path = git_dir.join("index");
    remove_any(&path).at(&path)?;
    if git.run_text(&["read-tree", "HEAD"]).await.is_err() {
        return Ok(None);
    }
    notes.push("the index could not be read; that of HEAD took its place".to_owned());
    Ok(read_tracked(git).await.ok())
}

/// The list of stores a clone borrows from, and where it is while [`local_store`] looks at the clone's own.
const ALTERNATES: [&str; 2] = ["objects/info/alternates", "objects/info/alternates.hidden"];

/// Existing folders in the alternates of a clone that `mc` did not put there; also in the list that a collection which was
/// killed had put away.
pub(super) fn foreign_alternates(git_dir: &Path, own: &[PathBuf]) -> Vec<Vec<u8>> {
    let list = |name: &str| {
        let path = git_dir.join(name);
        let usable = fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() && m.len() < 1 << 16);
        if usable { fs::read(&path).unwrap_or_default() } else { Vec::new() }
    };
    let text = ALTERNATES.map(list).join(&b'\n');
    let mut seen = BTreeSet::new();
    let foreign = |line: &&[u8]| {
        let dir = Path::new(std::ffi::OsStr::from_bytes(line));
        dir.is_absolute() && !own.iter().any(|own| own == dir) && dir.is_dir() && seen.insert(line.to_vec())
    };
    text.split(|b| *b == b'\n').filter(foreign).map(<[u8]>::to_vec).collect()
}

/// Gives a store what another one holds that was set aside, without taking it away there: its commits are work whatever became
/// of the repository around them. Nothing is read, and no link is followed.
pub(super) fn adopt_objects(old: &Path, new: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(old).is_ok_and(|kind| kind.is_dir()) {
        return Ok(());
    }
    for folder in fs::read_dir(old)?.flatten() {
        let name = folder.file_name();
        let hex = name.len() == 2 && name.as_bytes().iter().all(u8::is_ascii_hexdigit);
        if !(hex || name == "pack") || !folder.file_type()?.is_dir() {
            continue;
        }
        fs::create_dir_all(new.join(&name))?;
        for object in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let extension = Path::new(&object.file_name()).extension().map(std::ffi::OsStr::to_owned);
            let wanted = hex || extension.is_some_and(|e| e == "pack" || e == "idx");
            if wanted && object.file_type()?.is_file() {
                match fs::hard_link(object.path(), new.join(&name).join(object.file_name())) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// What is in the clone's own store and not in `listing`, found by listing the store without what it borrows where there may
/// be more.
pub(super) async fn local_store(
    git: &Git,
    git_dir: &Path,
    listing: Option<&Listing>,
) -> Result<odd_places::Stored, CollectError> {
    if let Some(objects) = listing.and_then(|listing| nothing_else(&git_dir.join("objects"), listing)) {
        return Ok(odd_places::Stored { commits: Vec::new(), objects, complete: true });
    }
    let [alternates, hidden] = ALTERNATES.map(|name| git_dir.join(name));
    // What stands there was taken into the list when the clone was mended.
    remove_any(&hidden).at(&alternates)?;
    fs::rename(&alternates, &hidden).at(&alternates)?;
    let found = odd_places::read_store(git).await;
    fs::rename(&hidden, &alternates).at(&alternates)?;
    found
}
