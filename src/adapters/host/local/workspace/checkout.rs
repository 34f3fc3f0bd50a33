//! Making the files of a slot equal to a commit: as a fresh checkout of it would be, with unchanged files left alone.
//!
//! What an earlier preparation wrote stays where nothing says otherwise: the index is the one that `mc` kept beside the
//! slot, git compares every file with it (size, times, inode, owner), and attributes, settings and umask are those it was
//! written under. Where one of these is not the same, every file is written anew.

use super::conversion::Conversion;
use super::disk::{remove_any, remove_special};
use super::index_file::{entries, late_entries};
use super::layout::note_path;
use super::leftovers::{KeptPaths, drop_others};
use super::scan::{ScanResult, scan_workspace, usual_mode};
use super::slot::{
    Shape, inner_git_dirs, kept_index, list_differences, read_tracked, remove_pipes, renew, slot_git, tracked_folders,
};
use super::untracked::{drop_untracked, last_written, separate_mtimes};
use crate::adapters::git::{Git, GitError, Special};
use crate::adapters::os::files::{At, FileError, read_own};
use crate::adapters::os::nofollow;
use crate::domain::values::CommitId;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Most paths given to one call of git.
const AT_ONCE: usize = 500;

/// How a slot is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checkout<'a> {
    /// The commit it shall stand at.
    pub(crate) base: &'a CommitId,
    /// What of its tree decides how files come out.
    pub(crate) special: &'a Special,
    /// What else decides it.
    pub(crate) conversion: &'a Conversion,
    /// What stays beside the tree.
    pub(crate) stays: Stays<'a>,
    /// Whether the folder is new and empty.
    pub(crate) fresh: bool,
    /// What this engine left when it prepared the slot last; absent when it did not.
    pub(crate) left: Option<&'a Left>,
}

/// What stays beside the tree in one preparation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stays<'a> {
    /// Whatever git ignores.
    Ignored,
    /// What is named.
    Only(KeptPaths<'a>),
}

/// What a preparation leaves beside a slot, as the engine that prepared it remembers it: runs can write there as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Left {
    print: String,
    index: Option<(u64, u64, i64, i64)>,
}

impl Left {
    fn of(print: &str, kept: &Path) -> Self {
        let index = fs::symlink_metadata(kept).ok().filter(fs::Metadata::is_file);
        // The time of the last change of the inode is nobody's to choose.
        Self { print: print.to_owned(), index: index.map(|m| (m.ino(), m.size(), m.ctime(), m.ctime_nsec())) }
    }
}

/// What became of a slot.
#[derive(Debug, Default)]
pub(crate) struct Reset {
    /// What is still different from the commit, as `git status` shows it.
    pub(crate) different: Vec<Vec<u8>>,
    /// Whether what somebody put in the place of a commit of another repository was taken away.
    pub(crate) emptied: bool,
    /// Whether files stayed beside the tree.
    pub(crate) stayed: bool,
    /// What is left for the next preparation.
    pub(crate) left: Left,
}

/// Makes files and index equal to a commit, as a fresh checkout of it would be.
pub(crate) async fn reset(source: &Git, shape: &Shape, files: &Path, wanted: Checkout<'_>) -> Result<Reset, GitError> {
    let Checkout { base, special, stays, fresh, .. } = wanted;
    let (began, before) = (SystemTime::now(), last_written(files));
    let found = scan_workspace(files, false, !fresh).at(files)?;
    let tags = shape.tags.format_packed_refs(source, &shape.facts, base).await?;
    renew(shape, files, base, &tags)?;
    let git = slot_git(source, files);
    let (index, kept, printed) = (files.join(".git/index"), kept_index(files), note_path(files, "print"));
    let print = wanted.conversion.print(&git, special).await?;
    // What an earlier checkout wrote is as this one would write it only under the same attributes and settings.
    let same_print = match wanted.left {
        Some(left) => *left == Left::of(&print, &kept),
        None => read_own(&printed).ok().flatten().as_deref() == Some(print.as_bytes()),
    };
    // Git looks at a file by its path, also through a folder that has become a link to where the files went: without
    // an index every file is written, and every folder made.
    let trusted = same_print && !found.folder_link && fs::symlink_metadata(&kept).is_ok_and(|m| m.is_file());
    if trusted {
        fs::rename(&kept, &index).at(files)?
    } else {
        remove_any(&kept).at(files)?
    }
    drop_attributes(source, files, &found, wanted).await?;
    if found.special {
        // Git neither lists nor removes pipes, sockets and devices, and an earlier run may have left them.
        remove_special(files);
    }
    if found.needs_listing() && remove_pipes(&git, files).await.is_err() {
        remove_any(&index).at(files)?;
    }
    if trusted {
        remove_odd_modes(&git, files, base.as_str().len() / 2).await?;
    }
    // As `read-tree --reset -u` does, every file is compared; but what it knows of trees, it keeps.
    let checkout = ["checkout", "-q", "-f", "--detach", base.as_str()];
    if let Err(first) = git.run_text(&checkout).await {
        if fs::symlink_metadata(&index).is_err() {
            return Err(first);
        }
        remove_any(&index).at(files)?;
        git.run_text(&checkout).await?;
    }
    shape.large.make_own(files).at(files)?;
    // A checkout from nothing is what this commit is; nobody was here to leave anything.
    let mut done = Reset::default();
    if !fresh {
        if found.needs_listing() {
            remove_pipes(&git, files).await?;
            for inner in inner_git_dirs(&git, files).await? {
                remove_any(&inner).at(files)?;
            }
        }
        if found.odd_mode {
            usual_modes(&git, files).await?;
        }
        done.emptied = empty_links(files, special).at(files)?;
        let now = scan_workspace(files, false, false).at(files)?;
        if now.special {
            return Err(
                FileError::new(files, io::Error::other("pipes, sockets or devices in it cannot be removed")).into()
            );
        }
        let simple = !found.needs_listing() && !now.empty_folder && !now.folder_link;
        // Every entry of the index was just compared with its file: with as many files there is nothing beside them.
        let tracked = entries(&index).map(|all| all.saturating_sub(special.links.len() as u64));
        match stays {
            _ if simple && tracked == Some(now.files) => {}
            Stays::Ignored => {
                let gone = if simple { drop_untracked(&git, files).await? } else { None };
                if gone.is_none() {
                    git.run_text(&["clean", "-ffdq"]).await?;
                    done.different = list_differences(&git).await?;
                }
                done.stayed = gone.is_none_or(|gone| tracked != Some(now.files.saturating_sub(gone)));
            }
            Stays::Only(kept) => {
                done.stayed = drop_others(&git, files, kept).await?;
                if !simple {
                    done.different = list_differences(&git).await?;
                    // What stays is untracked where the tree does not ignore it.
                    done.different.retain(|line| !(done.stayed && line.starts_with(b"?")));
                }
            }
        }
        if let (true, Some(before)) = (done.stayed, before) {
            separate_mtimes(&git, files, began, before).await?;
        }
    }
    let noted = nofollow::replace(&printed, print.as_bytes(), false).and_then(|()| keep_index(&index, &kept));
    if noted.is_err() {
        // Without one the next preparation writes every file.
        remove_any(&kept).at(files)?;
    }
    done.left = Left::of(&print, &kept);
    Ok(done)
}

/// Removes files with a mode that no new file gets where git would not see it: it looks at one bit of a mode, and at the time
/// of the change. What is gone is written as new files are. `id_length`: bytes of an object's id.
async fn remove_odd_modes(git: &Git, files: &Path, id_length: usize) -> Result<(), GitError> {
    let late = match late_entries(&files.join(".git/index"), id_length) {
        Some(late) => late,
        None => {
            let known = read_tracked(git).await?.paths;
            known.into_iter().map(|(_, path)| PathBuf::from(OsString::from_vec(path))).collect()
        }
    };
    let usual = usual_mode(files);
    for path in late {
        let path = files.join(path);
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let mode = meta.permissions().mode() & 0o7777;
        if meta.is_file() && mode != usual & 0o777 && mode != usual & 0o666 {
            remove_any(&path).at(&path)?;
        }
    }
    Ok(())
}

/// Takes away attribute files that the wanted tree does not have where it has files: git would go by them while it checks
/// out.
async fn drop_attributes(source: &Git, files: &Path, found: &ScanResult, wanted: Checkout<'_>) -> Result<(), GitError> {
    let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
    let foreign = found.attributes.iter().filter(|path| !wanted.special.attributes.contains_key(&bytes(path)));
    let foreign: Vec<(&PathBuf, Vec<u8>)> =
        foreign.map(|path| (path, path.parent().map(bytes).unwrap_or_default())).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let mut folders: Vec<Vec<u8>> = foreign.iter().map(|(_, folder)| folder.clone()).collect();
    folders.retain(|folder| !folder.is_empty());
    folders.sort();
    folders.dedup();
    let mut known = Vec::new();
    for chunk in folders.chunks(AT_ONCE) {
        known.extend(source.has_folders(wanted.base, chunk).await?);
    }
    for (path, folder) in foreign {
        // Those of installed packages lie where nothing is tracked.
        if folder.is_empty() || known.contains(&folder) {
            let path = files.join(path);
            remove_any(&path).at(&path)?;
        }
    }
    Ok(())
}

/// Gives every folder that has tracked files the mode of a new one.
async fn usual_modes(git: &Git, files: &Path) -> Result<(), GitError> {
    for dir in tracked_folders(git, files).await?.into_iter().chain([files.to_owned()]) {
        let mode = fs::Permissions::from_mode(usual_mode(files));
        fs::set_permissions(&dir, mode).at(dir)?;
    }
    Ok(())
}

/// Empties the folders that stand for commits of other repositories, as they are in a clone; whether there was anything. They
/// belong to no repository any more once the slot's git directory is made anew.
fn empty_links(files: &Path, special: &Special) -> io::Result<bool> {
    let mut emptied = false;
    for path in special.links.keys() {
        let folder = files.join(OsStr::from_bytes(path));
        if nofollow::folder(&folder).is_err() || fs::read_dir(&folder)?.next().is_none() {
            continue;
        }
        remove_any(&folder)?;
        fs::create_dir(&folder)?;
        emptied = true;
    }
    Ok(emptied)
}

/// Keeps a copy of the index with its time: git takes a file for unchanged only when it is older than the index that
/// says so.
fn keep_index(index: &Path, kept: &Path) -> io::Result<()> {
    remove_any(kept)?;
    let Ok(meta) = fs::symlink_metadata(index) else { return Ok(()) };
    let draft = kept.with_extension("index-new");
    // Whatever somebody put there, nothing is written through it.
    remove_any(&draft)?;
    let mut copy = OpenOptions::new().write(true).create_new(true).open(&draft)?;
    io::copy(&mut fs::File::open(index)?, &mut copy)?;
    copy.set_modified(meta.modified()?)?;
    fs::rename(&draft, kept)
}
