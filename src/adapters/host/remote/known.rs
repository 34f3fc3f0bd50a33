//! What is known here to be in the mirror of a host.

use super::objects::TIPS;
use super::protocol::Compared;
use crate::domain::values::CommitId;
use std::collections::VecDeque;

/// So many commits are remembered.
const REMEMBERED: usize = 1_000;

/// What is known to be in a mirror.
#[derive(Debug)]
pub(super) struct Sent {
    /// The connection over which that was learned.
    pub(super) connection: u64,
    /// The newest last.
    pub(super) commits: VecDeque<CommitId>,
    /// All of them.
    pub(super) tags: Vec<(String, CommitId)>,
}

impl Sent {
    /// As the mirror would answer.
    pub(super) fn compare(&self, commits: &[CommitId]) -> Compared {
        Compared {
            missing: commits.iter().filter(|id| !self.commits.contains(id)).cloned().collect(),
            tips: self.commits.iter().rev().take(TIPS).cloned().collect(),
            tags: self.tags.clone(),
        }
    }

    /// These are there as well.
    pub(super) fn add(&mut self, commits: &[CommitId]) {
        self.commits.retain(|id| !commits.contains(id));
        self.commits.extend(commits.iter().cloned());
        let more = self.commits.len().saturating_sub(REMEMBERED);
        self.commits.drain(..more);
    }
}
