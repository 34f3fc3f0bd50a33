//! Work in progress: a commit of what is in a workspace while somebody works there, so that a machine that is lost takes little with
//! it.
//!
//! Whoever works notices nothing: neither index nor HEAD nor files of the clone are touched, and no lock of it is taken. The clone's
//! git directory belongs to that program and is not used at all, since its settings could run anything: the index and the objects are
//! those of the source. Files are opened as what they were when they were listed, without following a link: a fence is no use to
//! whoever can have a file read that lies behind it. What is in repositories within the workspace is left to the collection.

use super::after_setup;
use super::disk::remove_any;
use super::error::CollectError;
use super::escape::to_ignore_line;
use super::pool::Pool;
use crate::adapters::git::answers::fields;
use crate::adapters::git::merge::signed_by;
use crate::adapters::git::{Git, Place};
use crate::adapters::os::files::{At, create_unnamed, if_there};
use crate::adapters::os::nofollow;
use crate::domain::values::CommitId;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// So many bytes of files that changed are part of one commit; more of them wait for the collection.
const MOST_BYTES: u64 = 1 << 30;

/// What has become of a path that was listed.
enum Now {
    /// It is in the staging folder.
    Staged,
    /// It is no file any more.
    Gone,
    /// It is left out.
    LeftOut,
}

impl Pool {
    /// A commit on `base`, with what is in the slot and `message`; nothing where that is what `base` has. `last` is the commit that
    /// was made before: it stays when nothing changed since. `git` is the source, in whose object store the commit is.
    pub(crate) async fn commit_progress(
        &self,
        slot: u32,
        base: &CommitId,
        last: Option<&CommitId>,
        message: &str,
    ) -> Result<Option<CommitId>, CollectError> {
        let (folder, files) = (self.folder(slot), self.path(slot));
        self.check(slot)?;
        let index = folder.note_path("progress");
        let git_dir = self.shape.facts.common_dir.clone();
        let of_source = self.source().with_place(Place::WorkTree { git_dir: git_dir.clone(), files: files.clone() });
        let git = of_source.with_env("GIT_INDEX_FILE", &index);
        // One that another session had stands at another commit.
        let noted = folder.note_path("progress-base");
        if fs::read_to_string(&noted).ok().as_deref() != Some(base.as_str()) || !index.exists() {
            if_there(fs::remove_file(&index)).at(&index)?;
            git.run_text(&["read-tree", base.as_str()]).await?;
            fs::write(&noted, base.as_str()).at(&noted)?;
        }
        // Files that are as the index says are known by their times from then on.
        git.run(&["update-index", "-q", "--refresh", "--unmerged", "--ignore-missing", "--ignore-submodules"]).await?;
        let list = folder.note_path("progress-ignored");
        let mut lines: Vec<u8> = self.shape.excluded.iter().flat_map(|path| to_ignore_line(path.as_bytes())).collect();
        lines.extend(after_setup::lines(&files));
        fs::write(&list, lines).at(&list)?;
        let ignored = [b"--exclude-from=".as_slice(), list.as_os_str().as_bytes()].concat();
        let ignored = OsStr::from_bytes(&ignored);
        let others = ["ls-files", "-z", "--others", "--exclude-standard"].map(OsStr::new);
        let listed = [
            git.run_bytes(&["ls-files", "-z", "--modified"]).await?,
            git.run_bytes(&[&others[..], &[ignored]].concat()).await?,
        ]
        .concat();
        let staging = tempfile::tempdir_in(&git_dir).at(&git_dir)?;
        let (mut staged, mut gone, mut room) = (Vec::new(), Vec::new(), MOST_BYTES);
        // What ends with a slash is a repository of its own.
        for path in fields(&listed).filter(|path| !path.ends_with(b"/")) {
            match stage(&files, staging.path(), Path::new(OsStr::from_bytes(path)), &mut room).at(&files)? {
                Now::Staged => staged.extend([path, b"\0"].concat()),
                Now::Gone => gone.extend([path, b"\0"].concat()),
                Now::LeftOut => {}
            }
        }
        let place = Place::WorkTree { git_dir, files: staging.path().to_owned() };
        let staging_git = self.source().with_place(place).with_env("GIT_INDEX_FILE", &index);
        update(&git, &["--force-remove"], &gone, &index).await?;
        update(&staging_git, &["--add", "--replace"], &staged, &index).await?;
        let tree = git.tree_id(&["write-tree"]).await?;
        let known = last.unwrap_or(base);
        if git.tree_of(known).await? == tree {
            return Ok(last.cloned());
        }
        let git = signed_by(self.source().clone(), &self.shape.identity, None);
        Ok(Some(git.commit_tree(&tree, &[base], message).await?))
    }

    /// Forgets what is known of the work in progress of a slot.
    pub(crate) fn forget_progress(&self, slot: u32) -> io::Result<()> {
        let folder = self.folder(slot);
        let notes = ["progress", "progress-base", "progress-ignored"];
        notes.iter().try_for_each(|kind| remove_any(&folder.note_path(kind)))
    }
}

async fn update(git: &Git, how: &[&str], paths: &[u8], index: &Path) -> Result<(), CollectError> {
    if paths.is_empty() {
        return Ok(());
    }
    let names = create_unnamed(paths).at(index)?;
    let args = [&["update-index"], how, &["-z", "--stdin"]].concat();
    match git.run_piped(&args, &names, None).await? {
        true => Ok(()),
        false => Err(io::Error::other("git does not take the files of a workspace into an index")).at(index)?,
    }
}

/// Copies what is at `path` in the workspace to the same place in the staging folder.
fn stage(files: &Path, staging: &Path, path: &Path, room: &mut u64) -> io::Result<Now> {
    let (from, to) = (files.join(path), staging.join(path));
    let opened = nofollow::open(&from, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).map(File::from);
    let made = |to: &PathBuf| to.parent().map_or(Ok(()), fs::create_dir_all);
    let file = match opened {
        Ok(file) => file,
        Err(error) => {
            let link = nofollow::open(&from, OFlags::PATH, Mode::empty()).ok();
            let target = link.and_then(|link| rustix::fs::readlinkat(&link, "", Vec::new()).ok());
            return match target {
                Some(target) => {
                    made(&to)?;
                    symlink(OsStr::from_bytes(target.as_bytes()), &to)?;
                    Ok(Now::Staged)
                }
                None if error.kind() == ErrorKind::PermissionDenied => Ok(Now::LeftOut),
                None => Ok(Now::Gone),
            };
        }
    };
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(Now::Gone);
    }
    if meta.len() > *room {
        return Ok(Now::LeftOut);
    }
    made(&to)?;
    let mut copy = File::create(&to)?;
    // It may grow meanwhile.
    *room -= io::copy(&mut file.take(*room), &mut copy)?;
    let executable = meta.mode() & 0o100 != 0;
    copy.set_permissions(Permissions::from_mode(if executable { 0o755 } else { 0o644 }))?;
    Ok(Now::Staged)
}
