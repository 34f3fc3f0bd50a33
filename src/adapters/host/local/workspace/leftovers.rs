//! What earlier runs left in the workspace of verifications: what may stay, and everything else taken away.
//!
//! Promises: what stays is named by a setting or was made by `setup`, and comes from a run that went to its end on a commit
//! that has landed, which a note beside the slot says; the note is taken away before the slot is touched and written when
//! the run is over, so that a kill leaves none and nothing stays; a link that a run put in the place of a kept folder does
//! not stay.

use super::disk::{open_up, remove_any, sync_folder};
use crate::adapters::git::answers::fields;
use crate::adapters::git::{Git, GitError};
use crate::adapters::os::files::{self, At};
use crate::adapters::os::nofollow;
use crate::domain::plan::globs::Globs;
use crate::domain::values::CommitId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What may stay in a slot from one verification to the next.
#[derive(Debug, Clone, Copy)]
pub struct Keeping<'a> {
    /// Files may only come from runs of this commit or of an ancestor of it; without one none may.
    pub landed: Option<&'a CommitId>,
    /// Paths that stay beside what `setup` made.
    pub globs: &'a Globs,
}

/// What `setup` made in a slot, and what it was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// A digest of line, inputs and environment.
    pub inputs: String,
    /// Top-most paths in the clone; what it made in HOME is kept there.
    pub work: Vec<OsString>,
    /// Names in the folder for temporary files.
    pub temporary: Vec<OsString>,
}

/// A slot as it was prepared.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its clone.
    pub workspace: PathBuf,
    /// What `setup` made that is still there.
    pub made: Option<Made>,
    /// Whether files of earlier runs are there.
    pub warm: bool,
}

/// What stays beside the tree.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeptPaths<'a> {
    /// What a setting names.
    pub(crate) globs: Option<&'a Globs>,
    /// What `setup` made.
    pub(crate) made: &'a [OsString],
}

impl KeptPaths<'_> {
    /// Whether a path stays with everything below it.
    fn is_kept(&self, path: &Path, link: bool) -> bool {
        // Whatever a link leads to is not what a run left here.
        let named = || !link && self.globs.zip(path.to_str()).is_some_and(|(globs, path)| globs.matches(path));
        self.made.iter().any(|made| made == path) || named()
    }

    fn is_empty(&self) -> bool {
        self.globs.is_none() && self.made.is_empty()
    }
}

/// Paths beside the tracked ones, ignored or not; a folder without tracked files stands for all that is in it.
pub(super) async fn list_others(git: &Git) -> Result<Vec<OsString>, GitError> {
    let listed = git.run_bytes(&["ls-files", "-z", "--others", "--directory"]).await?;
    let path = |name: &[u8]| OsStr::from_bytes(name.strip_suffix(b"/").unwrap_or(name)).to_owned();
    Ok(fields(&listed).map(path).filter(|path| !path.is_empty()).collect())
}

/// Takes away everything beside the tracked files that does not stay; whether anything stayed.
pub(super) async fn drop_others(git: &Git, work: &Path, kept: KeptPaths<'_>) -> Result<bool, GitError> {
    let mut stays = false;
    for path in list_others(git).await? {
        let pruned = prune(work, path.as_ref(), kept);
        stays |= pruned.at(work.join(&path))?;
    }
    Ok(stays)
}

/// Takes away what does not stay of one path; whether anything of it stays.
fn prune(root: &Path, path: &Path, kept: KeptPaths<'_>) -> io::Result<bool> {
    let place = root.join(path);
    let meta = match fs::symlink_metadata(&place) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        meta => meta?,
    };
    if kept.is_kept(path, meta.is_symlink()) {
        return Ok(true);
    }
    let mut stays = false;
    if meta.is_dir() && !kept.is_empty() {
        if fs::read_dir(&place).is_err() {
            open_up(&place, 0)?;
        }
        for entry in fs::read_dir(&place)? {
            stays |= prune(root, &path.join(entry?.file_name()), kept)?;
        }
    }
    if !stays {
        remove_any(&place)?;
    }
    Ok(stays)
}

/// Names of the entries of a folder.
pub(super) fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
}

/// What the note about the last verification in a slot says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ran {
    /// One has begun, with or without files of earlier ones.
    Begun {
        /// With.
        warm: bool,
    },
    /// One went to its end on this commit.
    Ended(CommitId),
}

/// Reads a note beside a slot; absent when there is none or it is of no form this version knows.
pub(super) fn read_note<T: DeserializeOwned>(note: &Path) -> Option<T> {
    serde_json::from_slice(&files::read_own(note).ok()??).ok()
}

/// Writes such a note.
pub(super) fn write_note(note: &Path, told: &impl Serialize) -> io::Result<()> {
    nofollow::replace(note, &serde_json::to_vec(told)?, false)
}

/// Takes the note about the last verification away, so that it is gone on the disk.
pub(super) fn remove_ran_note(note: &Path) -> io::Result<()> {
    match fs::remove_file(note) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.and_then(|()| sync_folder(note)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(globs: &[&str]) -> Globs {
        Globs::new(&globs.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    fn left(root: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut open = vec![PathBuf::new()];
        while let Some(dir) = open.pop() {
            for name in names(&root.join(&dir)).unwrap() {
                let path = dir.join(name);
                if fs::symlink_metadata(root.join(&path)).unwrap().is_dir() {
                    open.push(path.clone());
                }
                found.push(path.to_string_lossy().into_owned());
            }
        }
        found.sort();
        found
    }

    #[test]
    fn p1_only_what_is_named_stays() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for path in ["target/debug/a", "target/log", "build/z", "deps/x/y", "deps2/x"] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), "").unwrap();
        }
        std::os::unix::fs::symlink("/", root.join("cache")).unwrap();
        let (globs, made) = (globs(&["target/debug", "cache"]), [OsString::from("deps")]);
        let kept = KeptPaths { globs: Some(&globs), made: &made };
        let stays: Vec<bool> = ["target", "build", "deps", "deps2", "cache", "absent"]
            .iter()
            .map(|path| prune(root, Path::new(path), kept).unwrap())
            .collect();
        assert_eq!(stays, [true, false, true, false, false, false]);
        assert_eq!(left(root), ["deps", "deps/x", "deps/x/y", "target", "target/debug", "target/debug/a"]);
        assert!(!prune(root, Path::new("target"), KeptPaths::default()).unwrap());
        assert_eq!(left(root), ["deps", "deps/x", "deps/x/y"]);
    }

    #[test]
    fn notes_say_what_they_were_told() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("note");
        assert_eq!((read_note::<Made>(&note), read_note::<Ran>(&note)), (None, None));
        let odd = OsStr::from_bytes(b"a\n\xff b").to_owned();
        let made = Made { inputs: "digest".to_owned(), work: vec![odd, "b/c".into()], temporary: vec!["x".into()] };
        fs::write(&note, serde_json::to_vec(&made).unwrap()).unwrap();
        assert_eq!(read_note(&note), Some(made));
        let commit = CommitId::new(&"a".repeat(40)).unwrap();
        for ran in [Ran::Begun { warm: true }, Ran::Begun { warm: false }, Ran::Ended(commit)] {
            write_note(&note, &ran).unwrap();
            assert_eq!(read_note(&note), Some(ran));
        }
        remove_ran_note(&note).unwrap();
        remove_ran_note(&note).unwrap();
        assert_eq!(read_note::<Made>(&note), None);
    }
}
