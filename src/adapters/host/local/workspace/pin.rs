//! Pinning: the objects of a slot are copied into the source and named by refs there, before anything is released.

use super::attempt::Attempt;
use super::error::CollectError;
use super::listing::{Listed, Listing, list};
use super::pack::pack;
use super::pool::Pool;
use super::quarantine::odd_places::is_whole;
use crate::adapters::git::merge::signed_by;
use crate::adapters::git::{Git, GitError};
use crate::domain::values::{CommitId, Tip};
use std::ffi::OsStr;
use std::path::Path;

/// So many objects are unpacked one by one, as git does it; more stay a pack.
const FEW: usize = 100;

/// What pinning did.
pub(crate) struct Pinned {
    /// How many other tips were kept.
    pub(crate) kept: u32,
    /// Commits of the head that the base does not have.
    pub(crate) commits: u32,
    /// Whether the base is the head or an ancestor of it; where that is not easy to see, no.
    pub(crate) on_base: bool,
}

/// Copies the objects into the source and pins them there. `objects` is how many the clone holds itself; `listing` is what
/// the head adds to the base, where it is known.
pub(crate) async fn pin_all(
    pool: &Pool,
    slot: u32,
    attempt: &Attempt,
    head: &Tip,
    tips: Vec<CommitId>,
    objects: usize,
    listing: Option<Listing>,
) -> Result<Pinned, CollectError> {
    let (source, git) = (pool.source(), pool.git(slot));
    let mut wanted: Vec<&CommitId> = tips.iter().filter(|tip| **tip != head.commit).collect();
    // The slot was prepared at the base from this very source: nothing new is nothing to copy.
    if head.commit != attempt.base {
        wanted.insert(0, &head.commit);
    }
    let handed =
        !wanted.is_empty() && objects <= FEW && transfer_commits(source, &git, attempt, &wanted).await.unwrap_or(false);
    if !wanted.is_empty() && !handed {
        copy(source, &git, attempt, &wanted).await?;
    }
    // Read as a whole where it was packed: that each object of it is here now, each under its id, is what was left to know.
    let listing = listing.filter(|_| handed && tips.is_empty());
    let mut found = match &listing {
        Some(listing) if source.has_objects(&listing.objects).await => Some((listing.commits, listing.on_base)),
        _ => check_arrival(source, attempt, head, &tips).await?,
    };
    // What was handed over may be less than it seemed: a fetch looks at what is there instead of trusting the base.
    if found.is_none() && handed {
        copy(source, &git, attempt, &wanted).await?;
        found = check_arrival(source, attempt, head, &tips).await?;
    }
    let Some((commits, on_base)) = found else {
        return Err(CollectError::NotCopied { slot });
    };
    let identity = &pool.shape.identity;
    let kept = record_pins(source, identity, attempt, &head.commit, tips).await?;
    Ok(Pinned { kept, commits, on_base })
}

/// Names objects that are there by the refs of their attempt: the head, and everything else it left. What these refs held before
/// is never dropped. How many other tips there are.
pub(crate) async fn record_pins(
    source: &Git,
    identity: &(String, String),
    attempt: &Attempt,
    head: &CommitId,
    mut tips: Vec<CommitId>,
) -> Result<u32, GitError> {
    let head_ref = attempt.head_ref();
    let old_head = source.ref_value(&head_ref).await?;
    // An earlier pin of the same attempt (work in progress of a remote host, a collection cut short) is never dropped.
    match &old_head {
        Some(old) if attempt.late => tips.extend(Some(head).filter(|head| *head != old).cloned()),
        Some(old) if !source.is_ancestor(old, head).await? => tips.push(old.clone()),
        _ => {}
    }
    let kept = u32::try_from(tips.len()).unwrap_or(u32::MAX);
    if !attempt.late || old_head.is_none() {
        source.repin(&head_ref, head, old_head.as_ref()).await?;
    }
    record_kept(source, identity, attempt, head, tips).await?;
    Ok(kept)
}

/// Names what an attempt left beside its head, beside what is kept of it already. The commit for that is dated as `dated_by` is.
pub(crate) async fn record_kept(
    source: &Git,
    identity: &(String, String),
    attempt: &Attempt,
    dated_by: &CommitId,
    mut tips: Vec<CommitId>,
) -> Result<(), GitError> {
    if tips.is_empty() {
        return Ok(());
    }
    let kept_ref = attempt.kept_ref();
    let old_kept = source.ref_value(&kept_ref).await?;
    let mut keep = keep_commit(source, identity, attempt, dated_by, &tips).await?;
    if let Some(old) = old_kept.as_ref().filter(|old| **old != keep) {
        tips.push(old.clone());
        keep = keep_commit(source, identity, attempt, dated_by, &tips).await?;
    }
    source.repin(&kept_ref, &keep, old_kept.as_ref()).await
}

/// One commit in the source that has all `tips` as parents or grandparents, the same for the same tips.
async fn keep_commit(
    git: &Git,
    identity: &(String, String),
    attempt: &Attempt,
    head: &CommitId,
    tips: &[CommitId],
) -> Result<CommitId, GitError> {
    let empty = git.tree_id(&["hash-object", "-w", "-t", "tree", "/dev/null"]).await?;
    let date = git.run_text(&["rev-list", "-1", "--no-commit-header", "--format=%ct", head.as_str()]).await?;
    let git = signed_by(git.clone(), identity, Some(date.parse().unwrap_or(0)));
    let message = format!("everything else attempt {} of {} left behind", attempt.number, attempt.unit);
    let mut last: Option<CommitId> = None;
    for chunk in tips.chunks(200) {
        let parents: Vec<&CommitId> = last.iter().chain(chunk).collect();
        last = Some(git.commit_tree(&empty, &parents, &message).await?);
    }
    Ok(last.unwrap_or_else(|| head.clone()))
}

/// Makes sure that head and tips are whole in the source; how many commits the head has beyond the base, and whether one
/// of them grew from it. Absent when something is missing.
async fn check_arrival(
    source: &Git,
    attempt: &Attempt,
    head: &Tip,
    tips: &[CommitId],
) -> Result<Option<(u32, bool)>, GitError> {
    let others: Vec<&CommitId> = tips.iter().collect();
    if !others.is_empty() && !is_whole(source, &others, &[&attempt.base]).await? {
        return Ok(None);
    }
    if head.commit == attempt.base {
        return Ok(Some((0, true)));
    }
    match list(source, head.commit.as_str(), &attempt.base).await? {
        Listed::Whole(listing) => Ok(Some((listing.commits, listing.on_base))),
        Listed::Broken => Ok(None),
        // They are only counted.
        Listed::TooMuch => {
            let sound = is_whole(source, &[&head.commit], &[&attempt.base]).await?;
            let commits =
                source.run_text(&["rev-list", "--count", head.commit.as_str(), "--not", attempt.base.as_str()]).await?;
            Ok(sound.then(|| (commits.parse().unwrap_or(u32::MAX), false)))
        }
    }
}

/// Packs in the slot what commits need beyond the base and unpacks it in the source, where git computes each object's id
/// anew: two processes where a fetch takes seven. Whether both went well.
async fn transfer_commits(
    source: &Git,
    slot: &Git,
    attempt: &Attempt,
    commits: &[&CommitId],
) -> Result<bool, GitError> {
    match pack(slot, &attempt.run_dir, commits, &[&attempt.base]).await? {
        Some(pack) => source.run_piped(&["unpack-objects", "-q"], &pack, None).await,
        None => Ok(false),
    }
}

/// Copies commits with everything they need from the slot into the source.
async fn copy(source: &Git, slot: &Git, attempt: &Attempt, commits: &[&CommitId]) -> Result<(), GitError> {
    fetch(source, slot.place().folder(), commits, Some(&attempt.base)).await
}

/// Fetches commits with everything they need from a git directory, and no ref. `known` is what both sides have.
pub(crate) async fn fetch(
    into: &Git,
    git_dir: &Path,
    commits: &[&CommitId],
    known: Option<&CommitId>,
) -> Result<(), GitError> {
    let flags = [
        ["-c", "protocol.version=2"],
        ["-c", "fetch.fsckObjects=false"],
        ["fetch", "--quiet"],
        ["--no-write-fetch-head", "--no-auto-gc"],
        ["--upload-pack=git-upload-pack", "--no-tags"],
        ["--no-auto-maintenance", "--no-recurse-submodules"],
    ];
    let mut args: Vec<&OsStr> = flags.iter().flatten().map(OsStr::new).collect();
    let tip = known.map(|known| format!("--negotiation-tip={known}"));
    args.extend(tip.iter().map(OsStr::new));
    args.extend([OsStr::new("--no-write-commit-graph"), git_dir.as_os_str()]);
    for chunk in commits.chunks(500) {
        let mut fetch = args.clone();
        fetch.extend(chunk.iter().map(|id| OsStr::new(id.as_str())));
        into.run_bytes(&fetch).await?;
    }
    Ok(())
}
