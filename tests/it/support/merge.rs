//! Merging and committing in one step, as the engine does it in two.
#![allow(async_fn_in_trait, reason = "only tests of this binary call it")]

use mission_control::adapters::git::GitError;
use mission_control::adapters::git::merge::{MergeRepo, Merged};
use mission_control::domain::values::{CommitId, Tip};

/// What merging gave, with the commit that was made of it.
#[derive(Debug, PartialEq)]
pub enum Integration {
    Candidate(Tip),
    Unchanged,
    Conflict { files: Vec<String>, detail: String },
}

pub trait Integrate {
    async fn integrate(
        &self,
        green: &Tip,
        head: &CommitId,
        message: &str,
        drop: &[&str],
        date: Option<i64>,
    ) -> Result<Integration, GitError>;
}

impl Integrate for MergeRepo {
    async fn integrate(
        &self,
        green: &Tip,
        head: &CommitId,
        message: &str,
        drop: &[&str],
        date: Option<i64>,
    ) -> Result<Integration, GitError> {
        Ok(match self.merge(green, head, drop).await? {
            Merged::Tree(tree) => {
                let commit = self.commit(&tree, &[&green.commit, head], message, date).await?;
                Integration::Candidate(Tip { commit, tree })
            }
            Merged::Unchanged => Integration::Unchanged,
            Merged::Conflict { files, detail } => Integration::Conflict { files, detail },
        })
    }
}
