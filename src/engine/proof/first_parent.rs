//! Green's first-parent line since the mission found or made it, with what each commit says of itself.

use crate::adapters::git::Git;
use crate::domain::mission::Record;
use crate::domain::values::{CommitId, Tip, TreeId, UnitId};
use crate::engine::error::EngineError;
use crate::engine::inspect::history::{History, records};
use std::collections::BTreeMap;

/// One commit of the line.
#[derive(Debug, Clone)]
pub(super) struct LineCommit {
    pub(super) tree: TreeId,
    pub(super) parents: Vec<CommitId>,
    /// Committer date in seconds since the epoch.
    pub(super) date: u64,
    /// Trailers in order.
    pub(super) trailers: Vec<(String, String)>,
}

impl LineCommit {
    /// The value of a trailer; absent when it is missing or named twice with different values.
    pub(super) fn trailer(&self, name: &str) -> Option<&str> {
        let mut found = self.trailers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    }
}

/// The line.
#[derive(Debug, Default)]
pub(super) struct Line {
    commits: BTreeMap<CommitId, LineCommit>,
    /// Commits that say they landed a unit of a mission: mission and unit as they write them.
    landings: BTreeMap<(String, String), Vec<CommitId>>,
}

impl Line {
    /// Reads the line from green back to where the first of some missions found it.
    pub(super) async fn read(git: &Git, green: Option<&Tip>, missions: &[History]) -> Result<Self, EngineError> {
        let Some(green) = green else { return Ok(Self::default()) };
        let baseline = missions.iter().flat_map(records).find_map(|record| match record {
            Record::PreflightPassed { baseline } => Some(&baseline.tip.commit),
            _ => None,
        });
        let mut range = green.commit.to_string();
        if let Some(baseline) = baseline
            && git.resolve(baseline.as_str()).await?.is_some()
        {
            range = format!("{baseline}..{range}");
        }
        let bytes = git.run_bytes(&["log", "--first-parent", "-z", FORMAT, &range]).await?;
        let commits: BTreeMap<_, _> = String::from_utf8_lossy(&bytes).split('\0').filter_map(parse).collect();
        let mut landings: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (id, commit) in &commits {
            if let (Some(mission), Some(unit)) = (commit.trailer("Mc-Mission"), commit.trailer("Mc-Unit")) {
                landings.entry((mission.to_owned(), unit.to_owned())).or_default().push(id.clone());
            }
        }
        Ok(Self { commits, landings })
    }

    /// A commit of the line.
    pub(super) fn get(&self, commit: &CommitId) -> Option<&LineCommit> {
        self.commits.get(commit)
    }

    /// Commits that say they landed this unit of a mission.
    pub(super) fn landings_of(&self, mission: &str, unit: &UnitId) -> &[CommitId] {
        self.landings.get(&(mission.to_owned(), unit.to_string())).map_or(&[], Vec::as_slice)
    }

    /// Units of a mission that commits say they landed, as these write their ids, each with its commits.
    pub(super) fn landings<'l>(&'l self, mission: &'l str) -> impl Iterator<Item = (&'l str, &'l [CommitId])> {
        let ours = self.landings.range((mission.to_owned(), String::new())..);
        ours.take_while(move |((of, _), _)| of == mission).map(|((_, unit), commits)| (unit.as_str(), &commits[..]))
    }
}

/// What is asked of each commit.
pub(super) const FORMAT: &str = "--format=%H%n%T%n%P%n%ct%n%(trailers:only,unfold)";

pub(super) fn parse(text: &str) -> Option<(CommitId, LineCommit)> {
    let mut lines = text.lines();
    let commit = CommitId::new(lines.next()?).ok()?;
    let tree = TreeId::new(lines.next()?).ok()?;
    let parents = lines.next()?.split(' ').filter_map(|id| CommitId::new(id).ok()).collect();
    let date = lines.next()?.parse().ok()?;
    let trailer = |line: &str| line.split_once(':').map(|(key, value)| (key.to_owned(), value.trim().to_owned()));
    Some((commit, LineCommit { tree, parents, date, trailers: lines.filter_map(trailer).collect() }))
}
