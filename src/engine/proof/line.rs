//! Green's first-parent line since the mission found or made it, with what each commit says of itself.

use super::{Case, records};
use crate::adapters::git::Git;
use crate::domain::mission::Record;
use crate::domain::values::{CommitId, Tip, TreeId};
use crate::engine::error::EngineError;
use crate::engine::history::History;
use std::collections::BTreeMap;

/// One commit of the line.
#[derive(Debug, Clone)]
pub(in crate::engine) struct LineCommit {
    pub(in crate::engine) tree: TreeId,
    pub(super) parents: Vec<CommitId>,
    /// Committer date in seconds since the epoch.
    pub(super) date: u64,
    /// Trailers in order.
    pub(in crate::engine) trailers: Vec<(String, String)>,
}

impl LineCommit {
    /// The value of a trailer; absent when it is missing or named twice with different values.
    pub(in crate::engine) fn trailer(&self, name: &str) -> Option<&str> {
        let mut found = self.trailers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    }
}

/// The line.
#[derive(Debug, Default)]
pub(super) struct Line {
    commits: BTreeMap<CommitId, LineCommit>,
}

impl Line {
    /// Reads the line from green back to where the mission found it.
    pub(super) async fn read(git: &Git, green: Option<&Tip>, history: &History) -> Result<Self, EngineError> {
        let Some(green) = green else { return Ok(Self::default()) };
        let ground = records(history).find_map(|record| match record {
            Record::PreflightPassed { ground } => Some(ground.tip.commit.clone()),
            _ => None,
        });
        let mut range = green.commit.to_string();
        if let Some(ground) = ground
            && git.resolve(ground.as_str()).await?.is_some()
        {
            range = format!("{ground}..{range}");
        }
        let bytes = git.bytes(&["log", "--first-parent", "-z", FORMAT, &range]).await?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(Self { commits: text.split('\0').filter_map(parse).collect() })
    }

    /// A commit of the line.
    pub(super) fn get(&self, commit: &CommitId) -> Option<&LineCommit> {
        self.commits.get(commit)
    }

    /// Commits that say they landed a unit of a mission, with the unit's id as they write it.
    pub(super) fn landings<'l>(&'l self, mission: &'l str) -> impl Iterator<Item = (&'l CommitId, &'l str)> {
        let ours = move |commit: &&LineCommit| commit.trailer("Mc-Mission") == Some(mission);
        let all = self.commits.iter().filter(move |(_, commit)| ours(commit));
        all.filter_map(|(id, commit)| Some((id, commit.trailer("Mc-Unit")?)))
    }
}

/// What is asked of each commit.
pub(in crate::engine) const FORMAT: &str = "--format=%H%n%T%n%P%n%ct%n%(trailers:only,unfold)";

/// Reads commits as [`FORMAT`] gives them, NUL between two.
pub(in crate::engine) fn read(bytes: &[u8]) -> BTreeMap<CommitId, LineCommit> {
    String::from_utf8_lossy(bytes).split('\0').filter_map(parse).collect()
}

fn parse(text: &str) -> Option<(CommitId, LineCommit)> {
    let mut lines = text.lines();
    let commit = CommitId::new(lines.next()?).ok()?;
    let tree = TreeId::new(lines.next()?).ok()?;
    let parents = lines.next()?.split(' ').filter_map(|id| CommitId::new(id).ok()).collect();
    let date = lines.next()?.parse().ok()?;
    let trailer = |line: &str| line.split_once(':').map(|(key, value)| (key.to_owned(), value.trim().to_owned()));
    Some((commit, LineCommit { tree, parents, date, trailers: lines.filter_map(trailer).collect() }))
}

impl Case<'_> {
    /// A commit as the line has it, or read from the repository when it is not on the line.
    pub(super) async fn commit(&self, id: &CommitId) -> Result<Option<LineCommit>, EngineError> {
        if let Some(found) = self.line.get(id) {
            return Ok(Some(found.clone()));
        }
        if self.git.resolve(id.as_str()).await?.is_none() {
            return Ok(None);
        }
        let bytes = self.git.bytes(&["log", "-1", "-z", FORMAT, id.as_str()]).await?;
        Ok(String::from_utf8_lossy(&bytes).split('\0').find_map(parse).map(|(_, commit)| commit))
    }
}
