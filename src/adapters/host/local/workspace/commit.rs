//! Committing what an attempt left uncommitted in its clone.

use super::add::{Added, add_everything};
use super::attempt::Attempt;
use super::error::CollectError;
use super::left_out::LeftOut;
use super::slot::list_differences;
use crate::adapters::git::merge::signed_by;
use crate::adapters::git::{Git, GitError};
use crate::domain::values::{CommitId, Tip, TreeId};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// How the message of a commit says that it holds a half-done merge.
const SNAPSHOT: &str = "snapshot of an unfinished merge";

/// What the head is once everything is committed.
pub(crate) struct Rest {
    /// The head.
    pub(crate) head: Tip,
    /// Whether a commit was made, now or by an earlier collection.
    pub(crate) made_commit: bool,
    /// Whether it is a snapshot of an unfinished merge.
    pub(crate) half_merge: bool,
    /// What git did not take.
    pub(crate) not_added: Vec<LeftOut>,
}

/// Commits what is not committed, ignored files excepted. A commit an earlier collection made counts as made by this one.
/// `found` is the head with its message, where that is known; `left_before` is what an earlier collection moved away.
#[expect(clippy::too_many_arguments, reason = "what is known of the clone by now, used at this place alone")]
pub(crate) async fn commit_rest(
    git: &Git,
    files: &Path,
    identity: &(String, String),
    attempt: &Attempt,
    unfinished: bool,
    found: Option<(Tip, String)>,
    left_before: &[LeftOut],
    notes: &mut Vec<String>,
) -> Result<Rest, CollectError> {
    let found = match found {
        Some(found) => Some(found),
        None => head_of(git).await?,
    };
    // Most agents commit everything; where git sees any difference, or cannot say, everything is added.
    let same = found.is_some() && list_differences(git).await.is_ok_and(|different| different.is_empty());
    let added = match same {
        true => Added { git: git.clone(), left_out: Vec::new() },
        false => add_everything(git, files, notes).await?,
    };
    let (git, not_added) = (&added.git, added.left_out);
    if !same && found.is_some() {
        keep_listed(git, files, left_before).await?;
    }
    let tree = match &found {
        Some((head, _)) if same => head.tree.clone(),
        _ => git.tree_id(&["write-tree"]).await?,
    };
    let trailer = format!("Mc-Work-Of: {}/{}/{}", attempt.mission, attempt.unit, attempt.number);
    if let Some((head, message)) = found.as_ref().filter(|(head, _)| head.tree == tree) {
        let made_commit = message.lines().any(|line| line == trailer);
        let half_merge = unfinished || (made_commit && message.contains(SNAPSHOT));
        return Ok(Rest { head: head.clone(), made_commit, half_merge, not_added });
    }
    let parent = match found {
        Some((head, _)) => head.commit,
        None => {
            notes.push("HEAD named no commit; the files are a commit on the attempt's base".to_owned());
            if git.tree_of(&attempt.base).await? == tree {
                let head = Tip { commit: attempt.base.clone(), tree };
                return Ok(Rest { head, made_commit: false, half_merge: unfinished, not_added });
            }
            attempt.base.clone()
        }
    };
    let what = if unfinished { SNAPSHOT } else { "uncommitted work" };
    let message = format!("{}: {what}, attempt {}\n\n{trailer}", attempt.unit, attempt.number);
    let commit = signed_by(git.clone(), identity, None).commit_tree(&tree, &[&parent], &message).await?;
    // A second collection then finds this commit instead of making another one.
    git.run_text(&["update-ref", "--no-deref", "HEAD", commit.as_str()]).await?;
    Ok(Rest { head: Tip { commit, tree }, made_commit: true, half_merge: unfinished, not_added })
}

/// Lets the index have what HEAD has of the files that an earlier collection moved away: that is no deletion.
async fn keep_listed(git: &Git, files: &Path, left_before: &[LeftOut]) -> Result<(), GitError> {
    let gone = left_before.iter().filter(|left| fs::symlink_metadata(files.join(&left.path)).is_err());
    let paths: Vec<&OsStr> = gone.map(|left| left.path.as_os_str()).collect();
    for chunk in paths.chunks(500) {
        let reset = ["reset", "-q", "HEAD", "--"].map(OsStr::new);
        git.run_bytes(&[&reset[..], chunk].concat()).await?;
    }
    Ok(())
}

/// What HEAD names, with the message of that commit.
async fn head_of(git: &Git) -> Result<Option<(Tip, String)>, GitError> {
    let shown = git.run(&["rev-list", "-1", "--no-commit-header", "--format=%H %T%n%B", "HEAD", "--"]).await?;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let parsed = text.split_once('\n').and_then(|(ids, message)| {
        let (commit, tree) = ids.split_once(' ')?;
        Some((Tip { commit: CommitId::new(commit).ok()?, tree: TreeId::new(tree).ok()? }, message.to_owned()))
    });
    match parsed {
        Some(found) if shown.success() => Ok(Some(found)),
        _ => Ok(git.resolve("HEAD").await?.map(|tip| (tip, String::new()))),
    }
}
