//! Where a head left green, told from the parents of commits alone, read through the process that stays.
//!
//! Promises: what it names is a common ancestor of both, and the only best one as far as it looked; where it would have to
//! look far, or histories crossed, it names none. It never asks a commit twice.

use super::Git;
use crate::domain::values::CommitId;
use std::collections::{BTreeSet, HashSet, VecDeque};

/// Commits below green that are known from the start.
const BELOW: usize = 512;

/// Commits of a head that are looked at before it counts as far away.
const FAR: usize = 256;

/// Ancestors of green, kept while green moves forward.
#[derive(Debug, Default)]
pub(super) struct Ancestry {
    tip: Option<CommitId>,
    known: HashSet<CommitId>,
}

impl Ancestry {
    /// The one best common ancestor of green and a head; `None`: there are several, none, or it is far away.
    pub(super) async fn find_merge_base(&mut self, git: &Git, green: &CommitId, head: &CommitId) -> Option<CommitId> {
        self.advance_to(git, green).await?;
        let (mut open, mut seen, mut met) = (vec![head.clone()], HashSet::new(), BTreeSet::new());
        while let Some(commit) = open.pop() {
            if self.known.contains(&commit) {
                met.insert(commit);
                continue;
            }
            if !seen.insert(commit.clone()) {
                continue;
            }
            let parents = git.read_parents(&commit).await?;
            if parents.is_empty() || seen.len() > FAR {
                return None;
            }
            open.extend(parents);
        }
        let one = met.len() == 1;
        met.pop_first().filter(|_| one)
    }

    /// Takes in the commits that came to green since; starts anew where it was moved to another line.
    async fn advance_to(&mut self, git: &Git, green: &CommitId) -> Option<()> {
        if self.tip.as_ref() == Some(green) {
            return Some(());
        }
        if let Some(old) = self.tip.take()
            && let Some(new) = self.find_new_commits(git, green, &old).await
        {
            self.known.extend(new);
        } else {
            self.known.clear();
            let mut open = VecDeque::from([green.clone()]);
            while let Some(commit) = open.pop_front().filter(|_| self.known.len() < BELOW) {
                if self.known.insert(commit.clone()) {
                    open.extend(git.read_parents(&commit).await?);
                }
            }
        }
        self.tip = Some(green.clone());
        Some(())
    }

    /// Commits of green that were not known at its old tip, which must be among its ancestors.
    async fn find_new_commits(&self, git: &Git, green: &CommitId, old: &CommitId) -> Option<HashSet<CommitId>> {
        let (mut open, mut new, mut passed) = (vec![green.clone()], HashSet::new(), false);
        while let Some(commit) = open.pop() {
            passed |= commit == *old;
            if self.known.contains(&commit) || !new.insert(commit.clone()) {
                continue;
            }
            if new.len() > FAR {
                return None;
            }
            open.extend(git.read_parents(&commit).await?);
        }
        passed.then_some(new)
    }
}
