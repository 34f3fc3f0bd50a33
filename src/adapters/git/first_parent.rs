//! The first-parent line of a branch and what lies between two commits.

use super::{Git, GitError, id_lines};
use crate::domain::values::{CommitId, Tip, TreeId};
use std::collections::BTreeSet;

impl Git {
    /// The commits of `from`'s first-parent line, itself first, each with its tree.
    ///
    /// # Errors
    /// [`GitError`] when there is no such commit.
    pub async fn first_parents(&self, from: &CommitId) -> Result<Vec<Tip>, GitError> {
        let args = ["rev-list", "--first-parent", "--no-commit-header", "--format=%H %T", from.as_str()];
        let text = self.run_text(&args).await?;
        Ok(id_lines(&text).filter_map(|(commit, tree)| Some(Tip { commit, tree: TreeId::new(tree).ok()? })).collect())
    }

    /// Commits that `tip` contains and `base` does not.
    ///
    /// # Errors
    /// [`GitError`] when one of them does not exist.
    pub async fn list_commits_between(&self, base: &CommitId, tip: &CommitId) -> Result<BTreeSet<CommitId>, GitError> {
        let text = self.run_text(&["rev-list", tip.as_str(), &format!("^{base}")]).await?;
        Ok(id_lines(&text).map(|(commit, _)| commit).collect())
    }

    /// The commits of `from`'s first-parent line, itself first, with their `Mc-Mission` and `Mc-Unit` trailers (empty without).
    ///
    /// # Errors
    /// [`GitError`] when there is no such commit.
    pub async fn landing_trailers(&self, from: &CommitId) -> Result<Vec<(CommitId, String, String)>, GitError> {
        let value = |key: &str| format!("%(trailers:key={key},valueonly,unfold,separator=%x20)");
        let format = format!("--format=%H %x1f{}%x1f{}", value("Mc-Mission"), value("Mc-Unit"));
        let bytes =
            self.run_bytes(&["rev-list", "--first-parent", "--no-commit-header", &format, from.as_str()]).await?;
        let text = String::from_utf8_lossy(&bytes);
        let read = |(commit, rest): (CommitId, &str)| {
            let mut fields = rest.split('\u{1f}').skip(1).map(|field| field.trim().to_owned());
            Some((commit, fields.next()?, fields.next()?))
        };
        Ok(id_lines(&text).filter_map(read).collect())
    }
}
