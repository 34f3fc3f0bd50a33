//! Collecting an attempt: everything that exists in a slot when its run is dead ends up pinned in the source repository.
//!
//! Wanted: no commit, stash or uncommitted file is lost, whatever the agent did to its clone; nothing the agent planted
//! runs (the clone's settings are rewritten before the first git command that could obey them); a second collection of
//! the same slot, after a crash in the middle of the first, gives the same pins; the user's own refs, index and files are
//! not touched. The caller has proven before that no process works in the slot, and releases it afterwards.
//!
//! A clone that is no usable repository any more (its `.git` deleted, replaced by a link, broken) is moved aside and a
//! new one is made around the files, so that they become a commit on the attempt's base.

pub use super::attempt::Attempt;
pub use super::error::CollectError;

use super::after_setup;
use super::clone::{self, foreign_alternates, local_store, own_folders, read_index, same_kind};
use super::commit::{Rest, commit_rest};
use super::contents;
use super::disk::remove_any;
use super::elsewhere::{self, Line};
use super::filtered;
use super::layout::Standing;
use super::left_out::{LeftOut, Why, describe_left_out, find_unlisted, join_names, left_before, quarantine_left_out};
use super::pin::{Pinned, pin_all};
use super::pool::Pool;
use super::quarantine::{Quarantine, odd_places};
use super::scan::scan_workspace;
use super::slot::{Shape, read_tracked, remove_pipes, renew, slot_git, unhide};
use super::submodules;
use super::untracked::record_used;
use crate::adapters::git::GitError;
use crate::adapters::host::local::process::command::CommandError;
use crate::adapters::os::files::{At, FileError};
use crate::adapters::os::machine::no_room;
use crate::domain::values::{CommitId, Tip, UnitId};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

/// What was found and pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// The last state of the work, pinned at [`Attempt::head_ref`].
    pub head: Tip,
    /// The merge base of the head and green, when they have one.
    pub fork: Option<CommitId>,
    /// Whether its tree differs from that of the merge base with green.
    pub changed: bool,
    /// Commits of the head that the base does not have.
    pub commits: u32,
    /// Whether `mc` committed something the agent had left uncommitted.
    pub made_commit: bool,
    /// Whether a merge, rebase, cherry-pick or revert was in progress: the head is a snapshot and must not be queued.
    pub half_merge: bool,
    /// Whether the clone was unusable and made anew around its files.
    pub no_repository: bool,
    /// Other tips, stashes and abandoned commits, pinned as parents of the commit at [`Attempt::kept_ref`].
    pub kept: u32,
    /// Files that `setup` left and nobody changed: no part of the head though git does not ignore them.
    pub left_by_setup: Vec<OsString>,
    /// Where the head was taken from when it is not that of the clone.
    pub taken_from: Option<String>,
    /// Lines of work that the head does not have, when it brings nothing itself.
    pub elsewhere: Vec<Line>,
    /// What is no part of the head though git does not ignore it.
    pub left_out: Vec<LeftOut>,
    /// Why it must not land although it is work: a person must look. Names in it are untrusted text.
    pub holds: Vec<String>,
    /// Unusual things a person may want to know. Names in them are untrusted text.
    pub notes: Vec<String>,
}

impl Collected {
    /// What a report says of it.
    pub fn describe(&self) -> Vec<String> {
        let kept = format!("{} other tips, stashes or abandoned commits are pinned under refs/mc/kept", self.kept);
        self.notes.iter().cloned().chain((self.kept > 0).then_some(kept)).collect()
    }

    /// What is still in the workspace and can neither be read nor moved, for which it is not given back.
    pub fn find_stuck(&self) -> Option<String> {
        let stuck = self.left_out.iter().find(|left| left.place.is_none());
        stuck.map(|left| left.path.to_string_lossy().into_owned())
    }

    /// What a person is asked where the work must not land by itself.
    pub fn question(&self, unit: &UnitId) -> Option<String> {
        let why = self.holds.join("; ");
        (!why.is_empty()).then(|| format!("{why}; look at it, then `mc unit retry {unit}`"))
    }
}

/// Names in a git directory that say an operation is not finished.
const UNFINISHED: [&str; 6] =
    ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "sequencer"];

/// Collects what `attempt` left in `slot`. The run must be dead; the slot is not released.
///
/// Where that fails although source and state directory can be written, what lies in the slot is in the way: it is tried once
/// more, then with a new git directory around the files.
///
/// # Errors
/// [`CollectError::Stuck`] when nothing helps: the slot must be set aside. Any other when something around it failed; the slot
/// keeps its marker and can be collected again.
pub async fn collect(pool: &Pool, slot: u32, attempt: &Attempt) -> Result<Collected, CollectError> {
    let mut error = match collect_once(pool, slot, attempt, false).await {
        Err(error @ (CollectError::Pool(_) | CollectError::Gone { .. })) => return Err(error),
        Err(error) => error,
        done => return done,
    };
    if !surroundings_work(pool, attempt).await {
        return Err(error);
    }
    let slow = matches!(error, CollectError::Git(GitError::Start(CommandError::Deadline { .. })));
    for anew in if slow { &[][..] } else { &[false, true] } {
        error = match collect_once(pool, slot, attempt, *anew).await {
            Err(error) => error,
            done => return done,
        };
    }
    Err(CollectError::Stuck(Box::new(error)))
}

async fn collect_once(pool: &Pool, slot: u32, attempt: &Attempt, anew: bool) -> Result<Collected, CollectError> {
    pool.hold(slot)?;
    let folder = pool.folder(slot);
    let files = folder.work();
    match folder.inspect().at(&files)? {
        Standing::Ours => {}
        gone => {
            if let Standing::Replaced(path) = gone {
                // It is nobody's to look into: no command of git is run there.
                folder.quarantine(&path).at(&files)?;
            }
            if folder.inspect().at(&files)? == Standing::Emptied {
                let quarantine = quarantine_of(pool, attempt);
                odd_places::quarantine_strays(&folder, &quarantine, &mut Vec::new())?;
            }
            return Err(CollectError::Gone { slot });
        }
    }
    let shape = &pool.shape;
    let mut notes = Vec::new();
    record_used(&files).at(&files)?;
    let seen = scan_workspace(&files, true, false).at(&files)?;
    if seen.opened > 0 {
        let closed = seen.opened;
        notes.push(format!("{closed} folders were closed to their owner and were opened"));
    }
    let quarantine = quarantine_of(pool, attempt);
    let git_dir = files.join(".git");
    let git = slot_git(pool.source(), &files);

    let still = after_setup::drop_changed(&files).at(&files)?;
    if still.forgot {
        // What it made is not what it was: it has to run again.
        let stamp = folder.note_path("setup");
        remove_any(&stamp).at(&stamp)?;
    }
    let own = !anew && own_folders(&git_dir) && same_kind(&git_dir, &shape.facts.object_format);
    let extra = if own { foreign_alternates(&git_dir, &shape.list_borrowed_stores()) } else { Vec::new() };
    if own {
        shape.repair(&git_dir, &extra).at(&files)?;
        let spoilt = contents::drop_spoilt(&files).at(&files)?;
        if spoilt > 0 {
            notes.push(format!(
                "{spoilt} contents of git-lfs in its clone were written into; those of the repository count"
            ));
        }
    }
    let mut usable = if own { clone::check_usable(&git, &attempt.base).await? } else { None };
    if own && usable.is_none() {
        // Where what it borrows was away for a moment, that says nothing of the clone.
        pool.source().run_text(&["cat-file", "-e", &format!("{}^{{tree}}", attempt.base)]).await?;
        usable = clone::check_usable(&git, &attempt.base).await?;
    }
    let index = if usable.is_some() { read_index(&git, &git_dir, &mut notes).await? } else { None };
    let no_repository = index.is_none();
    // Without an index this may be one that was being made anew when the engine was killed.
    let cut_short = own && fs::symlink_metadata(git_dir.join("index")).is_err();
    let listing = usable.flatten().filter(|_| !no_repository && !cut_short);
    if no_repository {
        if fs::symlink_metadata(&git_dir).is_ok() {
            let place = quarantine.take(&git_dir)?;
            notes.push(format!("the clone was not usable; what was left of it is in {}", place.display()));
        }
        notes.push("the clone was made anew around its files".to_owned());
        renew(shape, &files, &attempt.base, &[])?;
    }
    // Unless they were what was in the way.
    if (no_repository || cut_short) && !anew {
        for old in quarantine.places() {
            clone::adopt_objects(&old.join("objects"), &git_dir.join("objects")).at(&files)?;
        }
    }
    if no_repository {
        git.run_text(&["read-tree", attempt.base.as_str()]).await?;
    }
    if !extra.is_empty() {
        notes.push("the clone borrowed objects from other places; they are copied".to_owned());
    }

    // What a new git directory was made around is looked through as well: its old one may have hidden anything.
    let odd = seen.needs_listing() || no_repository;
    if odd {
        remove_pipes(&git, &files).await?;
    }
    let index = match index {
        Some(index) => index,
        None => read_tracked(&git).await?,
    };
    let (mut left_by_setup, committed) = after_setup::restore_tracked(&git, &attempt.base, still.tracked).await?;
    left_by_setup.extend(still.untracked);
    if !committed.is_empty() {
        let names = join_names(committed.iter().map(OsString::as_os_str));
        notes.push(format!("its commits have what target.setup changed in tracked files: {names}"));
    }
    let unfinished = index.unmerged || UNFINISHED.iter().any(|name| fs::symlink_metadata(git_dir.join(name)).is_ok());
    let hidden = unhide(&git, &files, &index.paths).await?;
    if hidden > 0 {
        notes.push(format!("{hidden} files were hidden from git and are looked at again"));
    }
    let mut others = odd_places::linked_worktrees(&git, &files, &shape.identity, &quarantine, &mut notes).await?;
    odd_places::quarantine_strays(&folder, &quarantine, &mut notes)?;
    odd_places::restore_unlinked(&git, &files, &attempt.base, &index.links, &quarantine, &mut notes).await?;
    if odd {
        odd_places::quarantine_nested(&git, &files, &attempt.base, &quarantine, &mut notes).await?;
    }
    let mut left_out = left_before(&attempt.run_dir);
    let deep = find_unlisted(&git, &files, &seen.deep, Why::Refused).await?;
    if !deep.is_empty() {
        // Git would stop at them.
        left_out = quarantine_left_out(&files, &attempt.run_dir, &quarantine, join(left_out, deep))?;
    }
    let found = listing.as_ref().and_then(|listing| listing.head.clone());
    let Rest { mut head, made_commit, half_merge, not_added } =
        commit_rest(&git, &files, &shape.identity, attempt, unfinished, found, &left_out, &mut notes).await?;
    left_out = join(join(left_out, not_added), find_unlisted(&git, &files, &seen.closed, Why::Unread).await?);
    // It tells of everything the head has only while nothing was added to it.
    let mut listing = listing.filter(|listing| listing.head.as_ref().is_some_and(|(listed, _)| *listed == head));

    let mut holds = Vec::new();
    let submodules = !index.links.is_empty() || fs::symlink_metadata(git_dir.join("modules")).is_ok();
    if submodules {
        let found = submodules::check_submodules(pool, &git, &files, attempt, &head, &quarantine, &mut notes).await?;
        others.extend(found.commits);
        holds.extend(found.holds);
        left_out = join(left_out, found.left_out);
    }
    take_over_contents(shape, &git_dir, &mut notes).await?;
    let local = local_store(&git, &git_dir, listing.as_ref()).await?;
    others.extend(local.commits);
    let refs = !extra.is_empty() || !local.complete;
    let mut tips = odd_places::find_tips(&git, &others, refs, &[&head.commit, &attempt.base], &mut notes).await?;
    let nothing = !half_merge
        && (!tips.is_empty() || !index.links.is_empty())
        && (head.commit == attempt.base || git.tree_of(&attempt.base).await? == head.tree);
    let (mut taken_from, mut elsewhere) = (None, Vec::new());
    if nothing {
        if holds.is_empty() {
            // Changes that their own settings say not to look at.
            left_out = join(left_out, odd_places::dirty_submodules(&git, &index.links).await?);
        }
        if !tips.is_empty() {
            elsewhere = elsewhere::lines(&git, &head.commit, &attempt.base, &others).await?;
        }
    }
    if let [line] = &elsewhere[..]
        && line.plain
        && attempt.take_elsewhere
        && left_out.is_empty()
        && holds.is_empty()
        // What is run in the workspace later is run on this work.
        && git.run_text(&["checkout", "-q", "-f", "--detach", line.tip.commit.as_str()]).await.is_ok()
    {
        others.push(std::mem::replace(&mut head, line.tip.clone()).commit);
        if submodules {
            let found =
                submodules::check_submodules(pool, &git, &files, attempt, &head, &quarantine, &mut notes).await?;
            others.extend(found.commits);
            holds.extend(found.holds);
        }
        tips = odd_places::find_tips(&git, &others, refs, &[&head.commit, &attempt.base], &mut notes).await?;
        (taken_from, listing) = (Some(line.name.clone()), None);
        elsewhere.clear();
    }
    if seen.filters && head.commit != attempt.base {
        // What cannot be looked at is not looked past.
        holds.extend(match filtered::find_unfit(&git, &shape.large, &attempt.base, &head).await {
            Ok(reasons) => reasons,
            Err(e) => vec![format!("whether its files went through their filters cannot be said: {e}")],
        });
    }
    let Pinned { kept, commits, on_base } = pin_all(pool, slot, attempt, &head, tips, local.objects, listing).await?;
    if !left_out.is_empty() {
        left_out = quarantine_left_out(&files, &attempt.run_dir, &quarantine, left_out)?;
        describe_left_out(&left_out, &mut notes);
    }
    let source = pool.source();
    // A head that grew from green forks where it began; most do.
    let fork = match on_base && attempt.base == attempt.green {
        true => Some(attempt.green.clone()),
        false => source.merge_base(&attempt.green, &head.commit).await?,
    };
    let changed = match &fork {
        Some(fork) => source.tree_of(fork).await? != head.tree,
        None => true,
    };
    Ok(Collected {
        head,
        fork,
        changed,
        commits,
        made_commit,
        half_merge,
        no_repository,
        kept,
        left_by_setup,
        taken_from,
        elsewhere,
        left_out,
        holds,
        notes,
    })
}

/// Both lists, each path once.
fn join(mut all: Vec<LeftOut>, more: Vec<LeftOut>) -> Vec<LeftOut> {
    for left in more {
        if all.iter().all(|known| known.path != left.path) {
            all.push(left);
        }
    }
    all
}

/// Whether the source takes objects and refs just now, and the state directory files.
async fn surroundings_work(pool: &Pool, attempt: &Attempt) -> bool {
    let source = pool.source();
    let _ = fs::create_dir_all(&attempt.run_dir);
    for folder in [&pool.shape.objects(), pool.root(), &attempt.run_dir] {
        if no_room(folder) || tempfile::Builder::new().prefix("tmp_obj_").tempfile_in(folder).is_err() {
            return false;
        }
    }
    let probe = attempt.probe_ref();
    let written = source.compare_and_swap(&probe, &attempt.base, None).await;
    written.is_ok() && source.unpin(&probe, &attempt.base).await.is_ok()
}

/// Where things of an attempt go that cannot stay and must not be deleted.
fn quarantine_of(pool: &Pool, attempt: &Attempt) -> Quarantine {
    let name = format!("{}-{}-{}", attempt.mission, attempt.unit, attempt.number);
    Quarantine { folder: attempt.run_dir.join("aside"), nearby: pool.root().join(format!("aside-{name}")) }
}

/// Takes over what git-lfs keeps in the clone, before anything that needs it is pinned.
async fn take_over_contents(shape: &Shape, git_dir: &Path, notes: &mut Vec<String>) -> Result<(), CollectError> {
    if fs::symlink_metadata(git_dir.join("lfs")).is_err() {
        return Ok(());
    }
    let (large, from) = (shape.large.clone(), git_dir.to_owned());
    let taken = tokio::task::spawn_blocking(move || large.take_over(&from)).await;
    let taken = taken.map_err(|e| FileError::new(git_dir.join("lfs"), io::Error::other(e)))?.at(git_dir.join("lfs"))?;
    if taken.false_names > 0 {
        notes.push(format!(
            "{} contents in its store of git-lfs are not what their names say and are left out",
            taken.false_names
        ));
    }
    Ok(())
}
