//! What of an attempt is no part of its commit though git does not ignore it: known by its bytes, moved away from the workspace
//! and told. Nothing of it is ever deleted.

use super::error::CollectError;
use super::quarantine::{Quarantine, is_within};
use crate::adapters::git::Git;
use crate::adapters::os::files::At;
use crate::adapters::os::nofollow::replace;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why a file is no part of the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// Git does not take its name, or what it is.
    Refused,
    /// It may not be read by us.
    Unread,
    /// It is a submodule with changes inside that are in none of its commits.
    Inside,
}

/// A file or folder of the workspace that is no part of the commit though git does not ignore it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its path from the root of the workspace.
    pub path: OsString,
    /// Why.
    pub why: Why,
    /// Where it is now; absent: still in the slot, which must not be used any more.
    pub place: Option<PathBuf>,
}

impl LeftOut {
    pub(crate) fn new(path: &[u8], why: Why) -> Self {
        Self { path: OsStr::from_bytes(path).to_owned(), why, place: None }
    }
}

/// Folders of the workspace that cannot be listed and are not ignored: git takes what is in them for absent.
pub(crate) async fn find_unlisted(
    git: &Git,
    files: &Path,
    folders: &[PathBuf],
    why: Why,
) -> Result<Vec<LeftOut>, CollectError> {
    let mut found: Vec<LeftOut> = Vec::new();
    for folder in folders {
        let Ok(path) = folder.strip_prefix(files) else { continue };
        let path = if why == Why::Refused { truncate_path(path) } else { path.to_owned() };
        if path.as_os_str().is_empty() || path.starts_with(".git") || found.iter().any(|left| left.path == path) {
            continue;
        }
        // This command takes no literal names, but asks for no pattern either.
        let git = git.clone().with_env("GIT_LITERAL_PATHSPECS", "0");
        let plain = Path::new(".").join(&path);
        let args = [OsStr::new("check-ignore"), OsStr::new("-q"), OsStr::new("--"), plain.as_os_str()];
        if !git.run(&args).await?.success() {
            found.push(LeftOut::new(path.as_os_str().as_bytes(), why));
        }
    }
    Ok(found)
}

/// The outer folders of a path, as far as they can be named from anywhere.
fn truncate_path(path: &Path) -> PathBuf {
    const SHORT: usize = 1000;
    let mut short = PathBuf::new();
    for part in path.components() {
        if !short.as_os_str().is_empty() && short.as_os_str().len() + part.as_os_str().len() > SHORT {
            break;
        }
        short.push(part);
    }
    short
}

/// Names of others for a sentence: the first few.
pub fn join_names<'a>(names: impl ExactSizeIterator<Item = &'a OsStr>) -> String {
    const FEW: usize = 5;
    let more = names.len().saturating_sub(FEW);
    let mut text: Vec<String> = names.take(FEW).map(|name| name.to_string_lossy().into_owned()).collect();
    if more > 0 {
        text.push(format!("{more} more"));
    }
    text.join(", ")
}

/// The list of what was left out, in the folder of the attempt: written before anything of it is moved, so that a collection
/// that is repeated after a crash leaves out the same.
fn list(run_dir: &Path) -> PathBuf {
    run_dir.join("left-out")
}

/// What an earlier collection of the same attempt has left out.
pub(crate) fn left_before(run_dir: &Path) -> Vec<LeftOut> {
    let bytes = fs::read(list(run_dir)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Moves what was left out away from the workspace. What cannot be moved keeps its place.
pub(crate) fn quarantine_left_out(
    files: &Path,
    run_dir: &Path,
    quarantine: &Quarantine,
    mut left_out: Vec<LeftOut>,
) -> Result<Vec<LeftOut>, CollectError> {
    let place = list(run_dir);
    let text = serde_json::to_vec(&left_out).at(&place)?;
    fs::create_dir_all(run_dir).at(&place)?;
    replace(&place, &text, true).at(&place)?;
    for left in &mut left_out {
        let path = files.join(&left.path);
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            // Moved before a crash: somewhere in that folder.
            left.place = Some(quarantine.folder.clone());
        } else if is_within(files, &path) {
            left.place = quarantine.take(&path).ok();
            if left.why == Why::Inside && left.place.is_some() {
                // Without a folder git takes the submodule for deleted.
                fs::create_dir(&path).at(&place)?;
            }
        }
    }
    Ok(left_out)
}

/// What is said of it.
pub(crate) fn describe_left_out(left_out: &[LeftOut], notes: &mut Vec<String>) {
    for (why, words) in [
        (Why::Refused, "git does not take"),
        (Why::Unread, "mc may not read"),
        (Why::Inside, "no commit has the changes inside the submodule"),
    ] {
        let of: Vec<&LeftOut> = left_out.iter().filter(|left| left.why == why).collect();
        if of.is_empty() {
            continue;
        }
        let names = join_names(of.iter().map(|left| left.path.as_os_str()));
        let place = match of.iter().find_map(|left| left.place.as_deref()).and_then(Path::parent) {
            Some(place) => format!("kept in {}", place.display()),
            None => "still in the workspace".to_owned(),
        };
        notes.push(format!("{words} {names}: no part of the commit, {place}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_remembered_by_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let (files, run) = (dir.path().join("work"), dir.path().join("run"));
        fs::create_dir_all(files.join("d")).unwrap();
        let quarantine = Quarantine { folder: run.join("aside"), nearby: dir.path().join("near") };
        for name in [&b"git~1"[..], b"d/\xff\n"] {
            fs::write(files.join(OsStr::from_bytes(name)), name).unwrap();
        }
        let left = vec![LeftOut::new(b"git~1", Why::Refused), LeftOut::new(b"d/\xff\n", Why::Unread)];
        let files = files.canonicalize().unwrap();
        let moved = quarantine_left_out(&files, &run, &quarantine, left.clone()).unwrap();
        assert_eq!(left_before(&run), left);
        for (moved, left) in moved.iter().zip(&left) {
            assert_eq!(fs::read(moved.place.as_ref().unwrap()).unwrap(), left.path.as_bytes());
            assert!(!files.join(&left.path).exists());
        }
        // Again, as after a crash.
        assert!(quarantine_left_out(&files, &run, &quarantine, left).unwrap().iter().all(|left| left.place.is_some()));
        assert_eq!(join_names(["a", "b", "c", "d", "e", "f", "g"].iter().map(OsStr::new)), "a, b, c, d, e, 2 more");
    }
}
