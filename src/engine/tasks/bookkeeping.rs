//! Bookkeeping in the repository: writing marks and a session on top of green, and taking in the target branch where
//! a person changed the same files.
//!
//! Promises: what is written follows from green's own text and the record alone, so writing again gives the same; a file
//! that is no UTF-8 text, no regular file or no backlog is left as it is, and that is said; the text of a person wins.

use super::candidate::{NOT_FROM_AGENTS, message, pin};
use super::verification;
use crate::adapters::git::{Git, GitError, MergeRepo, Merged};
use crate::domain::mission::{Bookkeeping, BookkeepingMode, Integration, MergeSource};
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, LandingId, MissionId, Tip};
use crate::domain::{backlog, progress};
use crate::engine::context::mission::MissionContext;
use crate::report;

/// The two files.
const BACKLOG: &str = NOT_FROM_AGENTS[0];
const PROGRESS: &str = NOT_FROM_AGENTS[1];

/// What bookkeeping makes of the files of one commit.
#[derive(Debug, Default)]
pub struct Written {
    /// Path, mode and new content of each file that changes.
    pub files: Vec<(&'static str, String, String)>,
    /// What was left as it is, one line each.
    pub notes: Vec<String>,
}

/// A file of the repository.
enum Found {
    Missing,
    Text {
        mode: String,
        text: String,
    },
    /// Not to be touched: why.
    Odd(&'static str),
}

async fn read_file(git: &Git, commit: &CommitId, path: &str) -> Result<Found, GitError> {
    let Some((mode, id)) = git.entry(commit.as_str(), path).await? else { return Ok(Found::Missing) };
    if !mode.starts_with("100") {
        return Ok(Found::Odd("is no regular file"));
    }
    Ok(match String::from_utf8(git.run_bytes(&["cat-file", "blob", &id]).await?) {
        Ok(text) => Found::Text { mode, text },
        Err(_) => Found::Odd("is no UTF-8 text"),
    })
}

/// What bookkeeping makes of the files of `onto`.
///
/// # Errors
/// [`GitError`] when git fails.
pub async fn compose_files(
    git: &Git,
    mission: &MissionId,
    onto: &CommitId,
    bookkeeping: &Bookkeeping,
) -> Result<Written, GitError> {
    let mut written = Written::default();
    let left = |path: &str, why: &str| format!("{path} {why} and was left as it is");
    if !bookkeeping.marks.is_empty() {
        match backlog_to_mark(git, onto, bookkeeping.outside.as_ref()).await? {
            Found::Missing => {}
            Found::Odd(why) => written.notes.push(left(BACKLOG, why)),
            Found::Text { mode, text } => match backlog::mark(&text, &bookkeeping.marks) {
                Err(fault) => written.notes.push(left(BACKLOG, &format!("is no backlog ({fault})"))),
                Ok(marked) => {
                    let kept = |(unit, status): &(_, String)| {
                        format!("{BACKLOG}: the status of {unit} is a person's and stays: {status}")
                    };
                    written.notes.extend(marked.kept.iter().map(kept));
                    if marked.text != text {
                        written.files.push((BACKLOG, mode, marked.text));
                    }
                }
            },
        }
    }
    let session = report::progress::session(mission, bookkeeping);
    let mut add = |mode: &str, text: Option<&str>| {
        written.files.push((PROGRESS, mode.to_owned(), progress::add(text, &session)));
    };
    match read_file(git, onto, PROGRESS).await? {
        Found::Missing if bookkeeping.keeps == BookkeepingMode::Backlog => add("100644", None),
        Found::Missing => {}
        Found::Odd(why) => written.notes.push(left(PROGRESS, why)),
        Found::Text { mode, text } => add(&mode, Some(&text)),
    }
    Ok(written)
}

/// Writes the bookkeeping on top of green and pins the candidate.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn write(
    context: &MissionContext,
    id: LandingId,
    onto: &Tip,
    bookkeeping: &Bookkeeping,
) -> Result<Integration, Trouble> {
    let said = |e: GitError| context.to_trouble(&e);
    let Written { files, notes } =
        compose_files(&context.source, &context.mission, &onto.commit, bookkeeping).await.map_err(said)?;
    if files.is_empty() {
        return Ok(Integration::Bookkeeping { candidate: None, notes });
    }
    let merge = context.merge().await.map_err(said)?;
    let contents: Vec<_> = files.iter().map(|(path, mode, text)| (*path, mode.as_str(), text.as_bytes())).collect();
    let tree = merge.replace_files(&onto.tree, &contents).await.map_err(said)?;
    let key = verification::gate_key(context, &tree).await?;
    let message = message(context, &MergeSource::Bookkeeping { round: bookkeeping.round }, "", &tree, &key);
    let commit = merge.commit(&tree, &[&onto.commit], &message, None).await.map_err(said)?;
    pin(context, id, &commit).await?;
    Ok(Integration::Bookkeeping { candidate: Some(Tip { commit, tree }), notes })
}

/// Merges the target branch onto green. Where both changed a file that `mc` keeps, the result is the target's text with the
/// marks and sessions of green; where that cannot be told apart, git merges the file like any other.
///
/// # Errors
/// [`GitError`] for infrastructure.
pub async fn merge_target(git: &Git, merge: &MergeRepo, onto: &Tip, head: &CommitId) -> Result<Merged, GitError> {
    let mut joined: Vec<(&str, String, String)> = Vec::new();
    if let Some(base) = git.merge_base(&onto.commit, head).await? {
        for path in NOT_FROM_AGENTS {
            if let Some((mode, text)) = join_texts(git, path, &base, &onto.commit, head).await? {
                joined.push((path, mode, text));
            }
        }
    }
    let paths: Vec<&str> = joined.iter().map(|(path, ..)| *path).collect();
    let merged = merge.merge(onto, head, &paths).await?;
    let tree = match &merged {
        Merged::Conflict { .. } => return Ok(merged),
        _ if joined.is_empty() => return Ok(merged),
        Merged::Tree(tree) => tree,
        Merged::Unchanged => &onto.tree,
    };
    let files: Vec<_> = joined.iter().map(|(path, mode, text)| (*path, mode.as_str(), text.as_bytes())).collect();
    let tree = merge.replace_files(tree, &files).await?;
    Ok(if tree == onto.tree { Merged::Unchanged } else { Merged::Tree(tree) })
}

/// The text of a kept file that both sides changed, with the mode of the person's; `None` where git is to merge it.
async fn join_texts(
    git: &Git,
    path: &str,
    base: &CommitId,
    green: &CommitId,
    target: &CommitId,
) -> Result<Option<(String, String)>, GitError> {
    let ids = [
        git.entry(base.as_str(), path).await?,
        git.entry(green.as_str(), path).await?,
        git.entry(target.as_str(), path).await?,
    ];
    let [old, ours, theirs] = &ids;
    if ours == old || theirs == old || ours == theirs {
        return Ok(None);
    }
    let old = match read_file(git, base, path).await? {
        Found::Text { text, .. } => text,
        Found::Missing => String::new(),
        Found::Odd(_) => return Ok(None),
    };
    let (Found::Text { text: ours, .. }, Found::Text { mode, text: theirs }) =
        (read_file(git, green, path).await?, read_file(git, target, path).await?)
    else {
        return Ok(None);
    };
    let text = match path {
        BACKLOG => backlog::merge(&old, &ours, &theirs),
        _ => progress::merge(&old, &ours, &theirs),
    };
    Ok(text.map(|text| (mode, text)))
}

/// The backlog that the next round will read: the target's, with the marks of green where green has others.
///
/// # Errors
/// [`GitError`] when git fails.
pub async fn next_backlog(git: &Git, green: Option<&Tip>, target: &Tip) -> Result<Option<Vec<u8>>, GitError> {
    let (own, target) = (green.map(|green| &green.commit), &target.commit);
    let committed = git.read_file(target, BACKLOG).await?;
    let (Some(green), Some(_)) = (own, &committed) else { return Ok(committed) };
    Ok(match compare_backlogs(git, green, target).await? {
        Ahead::Green => git.read_file(green, BACKLOG).await?,
        Ahead::Target => committed,
        Ahead::Joined(_, text) => Some(text.into_bytes()),
    })
}

/// Whose backlog counts when green and the target branch went different ways.
enum Ahead {
    /// Green's: the target has not touched it.
    Green,
    /// The target's.
    Target,
    /// Both changed it: the target's with the marks of green, and its mode.
    Joined(String, String),
}

async fn compare_backlogs(git: &Git, green: &CommitId, target: &CommitId) -> Result<Ahead, GitError> {
    let Some(base) = git.merge_base(green, target).await? else { return Ok(Ahead::Target) };
    if git.entry(base.as_str(), BACKLOG).await? == git.entry(target.as_str(), BACKLOG).await? {
        return Ok(Ahead::Green);
    }
    let joined = join_texts(git, BACKLOG, &base, green, target).await?;
    Ok(joined.map_or(Ahead::Target, |(mode, text)| Ahead::Joined(mode, text)))
}

/// The backlog that is marked on `onto`: its own, or what that becomes with the one of a refused head of the target branch.
async fn backlog_to_mark(git: &Git, onto: &CommitId, outside: Option<&CommitId>) -> Result<Found, GitError> {
    let Some(target) = outside else { return read_file(git, onto, BACKLOG).await };
    match compare_backlogs(git, onto, target).await? {
        Ahead::Green => read_file(git, onto, BACKLOG).await,
        Ahead::Target => read_file(git, target, BACKLOG).await,
        Ahead::Joined(mode, text) => Ok(Found::Text { mode, text }),
    }
}
