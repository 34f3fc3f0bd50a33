//! What agents leave in odd places: repositories inside the workspace, linked worktrees, files git was told not to see,
//! commits no branch points at. Nothing found here is deleted; what cannot be committed is moved aside.

use super::{Quarantine, is_within};
use crate::adapters::git::answers::fields;
use crate::adapters::git::merge::signed_by;
use crate::adapters::git::{Git, GitError, Place};
use crate::adapters::host::local::workspace::add::{Added, add_everything};
use crate::adapters::host::local::workspace::disk::remove_any;
use crate::adapters::host::local::workspace::elsewhere::WORKTREES;
use crate::adapters::host::local::workspace::error::CollectError;
use crate::adapters::host::local::workspace::layout::{SlotFolder, slot_of};
use crate::adapters::host::local::workspace::left_out::{LeftOut, Why, describe_left_out};
use crate::adapters::host::local::workspace::slot::{inner_git_dirs, list_differences};
use crate::adapters::os::files::At;
use crate::domain::values::CommitId;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Moves the git directories of repositories inside the workspace aside, so that their files can be committed as files.
/// Submodules that `base` has, or that `.gitmodules` names, stay.
pub(crate) async fn quarantine_nested(
    git: &Git,
    files: &Path,
    base: &CommitId,
    quarantine: &Quarantine,
    notes: &mut Vec<String>,
) -> Result<(), CollectError> {
    let listed = git.run(&["config", "-z", "--file", ".gitmodules", "--get-regexp", r"\.path$"]).await?;
    let named: HashSet<&[u8]> =
        fields(&listed.stdout).filter_map(|field| field.split(|b| *b == b'\n').nth(1)).collect();
    let mut done = BTreeSet::new();
    loop {
        let others = git.run_bytes(&["ls-files", "-z", "--others", "--exclude-standard"]).await?;
        let mut found: Vec<(Vec<u8>, bool)> =
            fields(&others).filter_map(|f| Some((f.strip_suffix(b"/")?.to_owned(), false))).collect();
        let staged =
            git.run_bytes(&["diff-index", "--cached", "--raw", "-z", "--no-renames", base.as_str(), "--"]).await?;
        found.extend(new_gitlinks(&staged).filter(|path| !named.contains(path)).map(|path| (path.to_owned(), true)));
        for inner in inner_git_dirs(git, files).await? {
            let place = quarantine.take(&inner)?;
            notes.push(format!("{} was in the way of git; it is in {}", inner.display(), place.display()));
        }
        let mut moved = false;
        for (path, linked) in found {
            let inner = files.join(OsStr::from_bytes(&path)).join(".git");
            if fs::symlink_metadata(&inner).is_err() || !is_within(files, &inner) || !done.insert(path.clone()) {
                continue;
            }
            if linked {
                let name = OsStr::from_bytes(&path);
                git.run_bytes(&[OsStr::new("update-index"), OsStr::new("--force-remove"), OsStr::new("--"), name])
                    .await?;
            }
            let place = quarantine.take(&inner)?;
            let name = String::from_utf8_lossy(&path);
            notes.push(format!(
                "{name} was a repository of its own: its files are in the commit, its history in {}",
                place.display()
            ));
            moved = true;
        }
        if !moved {
            return Ok(());
        }
    }
}

/// Files where a commit of another repository should be, but no repository is: git looks at none of them. Those of a link
/// that `base` has are moved aside, the others are made files again.
pub(crate) async fn restore_unlinked(
    git: &Git,
    files: &Path,
    base: &CommitId,
    links: &[Vec<u8>],
    quarantine: &Quarantine,
    notes: &mut Vec<String>,
) -> Result<(), CollectError> {
    for path in links {
        let (name, shown) = (OsStr::from_bytes(path), String::from_utf8_lossy(path));
        let folder = files.join(name);
        let holds = fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
        if !holds || !is_within(files, &folder) || fs::symlink_metadata(folder.join(".git")).is_ok() {
            continue;
        }
        let known = git.entry(base.as_str(), &shown).await?.is_some_and(|(mode, _)| mode == "160000");
        if known {
            let place = quarantine.take(&folder)?;
            // Without a folder git takes the submodule for deleted.
            fs::create_dir(&folder).at(folder)?;
            notes.push(format!(
                "{shown} is a submodule that was not there: the files put in its place are in {}",
                place.display()
            ));
            continue;
        }
        git.run_bytes(&[OsStr::new("update-index"), OsStr::new("--force-remove"), OsStr::new("--"), name]).await?;
        notes.push(format!("{shown} was committed as a repository and is none: its files are in the commit"));
    }
    Ok(())
}

/// Paths that are repositories in the index but not in the compared tree, from `diff-index --raw -z`.
fn new_gitlinks(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = fields(bytes);
    std::iter::from_fn(move || Some((rest.next()?, rest.next()?)))
        .filter(|(meta, _)| meta.get(8..).is_some_and(|m| m.starts_with(b"160000 ")) && !meta.starts_with(b":160000"))
        .map(|(_, path)| path)
}

/// Submodules with changes inside that none of their commits has; git shows them as changed and adds nothing of them.
pub(crate) async fn dirty_submodules(git: &Git, links: &[Vec<u8>]) -> Result<Vec<LeftOut>, GitError> {
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let changed = list_differences(git).await?;
    let paths = changed.iter().filter_map(|field| Some((field.get(1)?, field.get(3..)?)));
    let dirty = paths.filter(|(state, path)| **state == b'M' && links.iter().any(|link| link == path));
    Ok(dirty.map(|(_, path)| LeftOut::new(path, Why::Inside)).collect())
}

/// Moves aside what was made in the folder of the slot beside the clone: it is no part of the work, and the slot's next user
/// shall not find it.
pub(crate) fn quarantine_strays(
    folder: &SlotFolder,
    quarantine: &Quarantine,
    notes: &mut Vec<String>,
) -> Result<(), CollectError> {
    let found = folder.list_strays().at(folder.parent())?;
    if !found.is_empty() {
        // What setup made may be among it.
        remove_any(&folder.note_path("setup")).at(folder.parent())?;
    }
    for path in found {
        let place = quarantine.take(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        notes.push(format!("{name}, made beside the workspace, is no part of the work; it is in {}", place.display()));
    }
    Ok(())
}

/// Commits what is uncommitted in worktrees the agent linked to its clone, and moves those that are inside the
/// folder of its slot aside. Returns the commits to keep.
pub(crate) async fn linked_worktrees(
    git: &Git,
    files: &Path,
    identity: &(String, String),
    quarantine: &Quarantine,
    notes: &mut Vec<String>,
) -> Result<Vec<CommitId>, CollectError> {
    let mut kept = Vec::new();
    let git_dir = files.join(".git");
    for entry in fs::read_dir(git_dir.join("worktrees")).into_iter().flatten().flatten() {
        let back = fs::read(entry.path().join("gitdir")).unwrap_or_default();
        let link = PathBuf::from(OsStr::from_bytes(back.trim_ascii_end()));
        // Only a folder that points back is a worktree of this clone, whatever the entry claims.
        let points_back = fs::symlink_metadata(&link).is_ok_and(|m| m.is_file() && m.len() < 4096)
            && fs::read(&link).is_ok_and(|text| {
                let named = text.strip_prefix(b"gitdir: ").unwrap_or_default().trim_ascii_end();
                Path::new(OsStr::from_bytes(named)).canonicalize().ok() == entry.path().canonicalize().ok()
            });
        let Some(tree_files) = link.parent().filter(|_| points_back) else { continue };
        let tree_git = git.with_place(Place::WorkTree { git_dir: entry.path(), files: tree_files.to_owned() });
        match snapshot(&tree_git, tree_files, identity, notes).await {
            Ok(None) => {}
            Ok(Some(commit)) => {
                // Its folder goes; a collection that is repeated after a crash shall find the same.
                let noted = format!("{WORKTREES}{commit}");
                git.run_text(&["update-ref", &noted, commit.as_str()]).await?;
                kept.push(commit);
            }
            Err(error) => notes.push(format!("could not commit the linked worktree {}: {error}", tree_files.display())),
        }
        // Not the folder of the slot itself, whatever points there.
        let ours = |real: PathBuf| real.starts_with(slot_of(files)) && !files.starts_with(&real);
        if tree_files.canonicalize().is_ok_and(ours) {
            let shown = tree_files.to_owned();
            let place = quarantine.take(tree_files)?;
            notes.push(format!(
                "{} was a linked worktree: its commits are kept, its files are in {}",
                shown.display(),
                place.display()
            ));
        }
    }
    Ok(kept)
}

async fn snapshot(
    git: &Git,
    files: &Path,
    identity: &(String, String),
    notes: &mut Vec<String>,
) -> Result<Option<CommitId>, CollectError> {
    let Added { git, left_out } = &add_everything(git, files, &mut Vec::new()).await?;
    describe_left_out(left_out, notes);
    let tree = git.tree_id(&["write-tree"]).await?;
    let Some(head) = git.resolve("HEAD").await? else { return Ok(None) };
    if head.tree == tree {
        return Ok(Some(head.commit));
    }
    let git = signed_by(git.clone(), identity, None);
    Ok(Some(git.commit_tree(&tree, &[&head.commit], "uncommitted work in a linked worktree").await?))
}

/// What a store holds itself.
pub(crate) struct Stored {
    /// Every commit, whether something points at it or not.
    pub(crate) commits: Vec<CommitId>,
    /// How many objects there are of all kinds.
    pub(crate) objects: usize,
    /// Whether git could read the whole store.
    pub(crate) complete: bool,
}

/// Everything in a store. It must have no alternates just now.
pub(crate) async fn read_store(git: &Git) -> Result<Stored, CollectError> {
    let args = ["cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objecttype) %(objectname)"];
    let output = git.run(&args).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let commits = text.lines().filter_map(|line| CommitId::new(line.strip_prefix("commit ")?).ok()).collect();
    Ok(Stored { commits, objects: text.lines().count(), complete: output.success() })
}

/// Those of `commits` (and, with `refs`, of all refs and reflogs) that are reachable neither from `known` nor from
/// another one of them.
pub(crate) async fn find_tips(
    git: &Git,
    commits: &[CommitId],
    refs: bool,
    known: &[&CommitId],
    notes: &mut Vec<String>,
) -> Result<Vec<CommitId>, CollectError> {
    let mut commits = commits.to_vec();
    commits.retain(|id| !known.contains(&id));
    if commits.is_empty() && !refs {
        return Ok(Vec::new());
    }
    if commits.len() > 1000 {
        // Somebody repacked with all borrowed objects: most of these are old history.
        let mut args = vec!["rev-list"];
        args.extend(known.iter().map(|id| id.as_str()));
        let old = git.run_text(&args).await?;
        let old: HashSet<&str> = old.lines().collect();
        commits.retain(|id| !old.contains(id.as_str()));
    }
    if let Some(found) = find_unreached(git, &commits, refs, known).await? {
        let all: Vec<&CommitId> = found.iter().collect();
        if is_whole(git, &all, known).await? {
            return Ok(found);
        }
    }
    let mut sound = Vec::new();
    for commit in commits.iter().take(1000) {
        if is_whole(git, &[commit], known).await? {
            sound.push(commit.clone());
        }
    }
    notes.push(format!("{} commits in the workspace lack objects and could not be kept", commits.len() - sound.len()));
    Ok(find_unreached(git, &sound, false, known).await?.unwrap_or_default())
}

/// Whether everything that `commits` need beyond `known` can be read.
pub(crate) async fn is_whole(git: &Git, commits: &[&CommitId], known: &[&CommitId]) -> Result<bool, GitError> {
    for chunk in commits.chunks(500) {
        let mut args = vec!["rev-list", "--objects", "--quiet"];
        args.extend(chunk.iter().map(|id| id.as_str()));
        args.push("--not");
        args.extend(known.iter().map(|id| id.as_str()));
        if !git.run(&args).await?.success() {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn find_unreached(
    git: &Git,
    commits: &[CommitId],
    refs: bool,
    known: &[&CommitId],
) -> Result<Option<Vec<CommitId>>, CollectError> {
    let mut listed = String::new();
    let mut chunks: Vec<&[CommitId]> = commits.chunks(1000).collect();
    if chunks.is_empty() && refs {
        chunks.push(&[]);
    }
    for chunk in chunks {
        let mut args = vec!["rev-list", "--parents"];
        if refs {
            args.extend(["--all", "--reflog"]);
        }
        args.extend(chunk.iter().map(CommitId::as_str));
        args.push("--not");
        args.extend(known.iter().map(|id| id.as_str()));
        let output = git.run(&args).await?;
        if !output.success() {
            return Ok(None);
        }
        listed.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    Ok(Some(select_childless(&listed)))
}

/// Those of the commits listed with their parents (`git rev-list --parents`) that are no parent of another one, in order.
pub(crate) fn select_childless(listed: &str) -> Vec<CommitId> {
    let (mut commits, mut parents) = (BTreeSet::new(), HashSet::new());
    for line in listed.lines() {
        let mut ids = line.split(' ');
        commits.extend(ids.next());
        parents.extend(ids);
    }
    commits.into_iter().filter(|id| !parents.contains(id)).filter_map(|id| CommitId::new(id).ok()).collect()
}
