//! Work that an attempt left elsewhere than at the HEAD of its clone: on another branch, in a linked worktree, in the stash.
//!
//! An agent that commits in a worktree of its own has worked, though HEAD stands where it stood. Looked for only where the
//! clone holds commits that HEAD does not have.

use crate::adapters::git::{Git, GitError};
use crate::domain::values::{CommitId, Tip};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Refs of a clone below which the last state of each linked worktree is noted.
pub(crate) const WORKTREES: &str = "refs/mc/worktrees/";

/// Refs that hold work which somebody meant to keep.
const PLACES: [&str; 4] = ["refs/heads", "refs/stash", "refs/tags", WORKTREES];

/// One line of work that HEAD does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What holds it, in words. Untrusted.
    pub name: String,
    /// Its last commit.
    pub tip: Tip,
    /// Whether it is a branch or worktree that grew from the attempt's base: work like that of HEAD.
    pub plain: bool,
}

/// The lines of work in a clone besides `head`. `own` are the commits that were made or fetched there.
pub(crate) async fn lines(
    git: &Git,
    head: &CommitId,
    base: &CommitId,
    own: &[CommitId],
) -> Result<Vec<Line>, GitError> {
    let own: HashSet<&str> = own.iter().map(CommitId::as_str).collect();
    let listing = ["for-each-ref", "--format=%(objectname) %(*objectname) %(refname)"];
    let listed = git.run_bytes(&[&listing[..], &PLACES].concat()).await?;
    let mut found: Vec<Line> = Vec::new();
    for line in listed.split(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let words: Vec<&str> = text.splitn(3, ' ').collect();
        let [id, peeled, name] = words[..] else { continue };
        let id = if peeled.is_empty() { id } else { peeled };
        let known = found.iter_mut().find(|line| line.tip.commit.as_str() == id);
        let name = in_words(name);
        if let Some(known) = known {
            known.plain |= !name.starts_with(STASH) && !name.starts_with(TAG);
            if !name.starts_with(WORKTREE) {
                known.name = if known.name.starts_with(WORKTREE) { name } else { format!("{}, {name}", known.name) };
            }
            continue;
        }
        let Ok(commit) = CommitId::new(id) else { continue };
        if !own.contains(id) || git.is_ancestor(&commit, head).await? || git.is_ancestor(&commit, base).await? {
            continue;
        }
        let grown = git.is_ancestor(base, &commit).await?;
        // A tag may come with whatever was fetched.
        if name.starts_with(TAG) && !grown {
            continue;
        }
        let plain = grown && !name.starts_with(STASH) && !name.starts_with(TAG);
        let tree = git.tree_of(&commit).await?;
        found.push(Line { name, tip: Tip { commit, tree }, plain });
    }
    let mut outer = Vec::new();
    for (n, line) in found.iter().enumerate() {
        let mut within = false;
        for other in found.iter().enumerate().filter(|(other, _)| *other != n).map(|(_, line)| line) {
            within |= git.is_ancestor(&line.tip.commit, &other.tip.commit).await?;
        }
        if !within {
            outer.push(line.clone());
        }
    }
    Ok(outer)
}

const BRANCH: &str = "branch ";
const TAG: &str = "tag ";
const STASH: &str = "the stash";
const WORKTREE: &str = "a linked worktree";

fn in_words(refname: &str) -> String {
    match refname.split_at_checked("refs/heads/".len()) {
        Some(("refs/heads/", name)) => format!("{BRANCH}{name}"),
        _ if refname == "refs/stash" => STASH.to_owned(),
        _ if refname.starts_with(WORKTREES) => WORKTREE.to_owned(),
        _ => format!("{TAG}{}", refname.trim_start_matches("refs/tags/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_are_named_in_words() {
        let words = ["refs/heads/feature/x", "refs/stash", "refs/mc/worktrees/1", "refs/tags/v1"].map(in_words);
        assert_eq!(words, ["branch feature/x", "the stash", "a linked worktree", "tag v1"]);
    }
}
