//! Where a branch stood before, as git's own log of it tells.

use super::{Git, GitError, id_lines};
use crate::domain::values::{CommitId, Millis};

impl Git {
    /// Where `refname` (in full) stood, oldest first, with the time of each move; empty where git keeps no log of it.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn read_reflog(&self, refname: &str) -> Result<Vec<(CommitId, Millis)>, GitError> {
        let args = ["log", "-g", "--date=unix", "--format=%H %gd", refname, "--"];
        let output = self.run(&args).await?;
        if !output.success() {
            return Ok(Vec::new());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let moves = id_lines(&text).filter_map(|(id, name)| Some((id, seconds(name)?.saturating_mul(1_000))));
        let mut moves: Vec<(CommitId, Millis)> = moves.collect();
        moves.reverse();
        Ok(moves)
    }
}

/// The time in `refs/heads/x@{1767225600}`.
fn seconds(name: &str) -> Option<u64> {
    name.rsplit_once("@{")?.1.strip_suffix('}')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_moves_are_read() {
        assert_eq!(seconds("refs/heads/mc/green@{1767225600}"), Some(1_767_225_600));
        assert_eq!(seconds("refs/heads/a@{b@{12}"), Some(12));
        assert_eq!(seconds("refs/heads/a"), None);
    }
}
