//! What is being proven, and what it is proven with.

use crate::adapters::git::Git;
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::store::Store;
use crate::config::Settings;
use crate::domain::mission::Record;
use crate::domain::values::{CommitId, LandingId, MissionId, TreeId, UnitId};
use crate::domain::verify::SnapshotKey;
use crate::engine::context::{Effective, Project};
use crate::engine::error::EngineError;
use crate::engine::inspect::history::{History, records};
use crate::engine::proof::first_parent::{FORMAT, Line, LineCommit, parse};
use crate::report::{Claim, Findings, GreenRef};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a look at journal and repository comes to, unless they cannot be read at all.
pub(super) type Checked<T = ()> = Result<T, EngineError>;

/// Which of the claims are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those of the journal about git and what is kept.
    Audit,
    /// All.
    Report,
}

/// What is being proven, and what it is proven with.
pub(super) struct Case<'a> {
    pub(super) scope: Scope,
    pub(super) project: &'a Project,
    pub(super) store: &'a Store,
    pub(super) git: Git,
    pub(super) history: &'a History,
    pub(super) green: &'a GreenRef,
    /// Settings as journaled, when they can be read.
    pub(super) settings: Option<Settings>,
    pub(super) line: &'a Line,
    /// Attempt pins by ref name.
    pub(super) pins: BTreeMap<String, CommitId>,
    /// Pins that `mc clean` deleted, as it wrote them down.
    pub(super) cleaned: BTreeMap<&'a str, &'a CommitId>,
    /// Snapshots that it deleted.
    pub(super) cleaned_snapshots: BTreeSet<&'a SnapshotKey>,
    /// Landings that a person took back, with the number of the rollback.
    pub(super) taken_back: BTreeMap<&'a CommitId, u64>,
    /// What landings were intended to rest on, as far as the journal was read.
    pub(super) intents: BTreeMap<LandingId, &'a Record>,
    /// Trees without what the settings ignore, as far as that is known.
    pub(super) filtered: BTreeMap<TreeId, TreeId>,
    pub(super) report: Value,
    pub(super) claims: Vec<Claim>,
    /// Tests found failing before and after, and flaky, in the stored snapshots.
    pub(super) red: BTreeSet<String>,
    pub(super) flaky: BTreeSet<String>,
}

impl<'a> Case<'a> {
    /// A case for all claims of one mission, none of which is checked yet.
    pub(super) async fn open(
        project: &'a Project,
        store: &'a Store,
        history: &'a History,
        green: &'a GreenRef,
        line: &'a Line,
    ) -> Checked<Self> {
        let git = project.source(ChildGuard::none());
        let pins = git.list_refs(&format!("refs/mc/attempts/{}", history.mission)).await?.into_iter().collect();
        let effective: Option<Effective> = serde_json::from_value(history.state.settings.clone()).ok();
        let mut case = Self {
            scope: Scope::Report,
            project,
            store,
            git,
            history,
            green,
            settings: effective.map(|effective| effective.settings),
            line,
            pins,
            cleaned: BTreeMap::new(),
            cleaned_snapshots: BTreeSet::new(),
            taken_back: BTreeMap::new(),
            intents: BTreeMap::new(),
            filtered: BTreeMap::new(),
            report: Value::Null,
            claims: Vec::new(),
            red: BTreeSet::new(),
            flaky: BTreeSet::new(),
        };
        for record in records(history) {
            match record {
                Record::Cleaned { refs, snapshots, .. } => {
                    case.cleaned.extend(refs.iter().map(|(name, commit)| (name.as_str(), commit)));
                    case.cleaned_snapshots.extend(snapshots);
                }
                Record::RolledBack { n, landings, .. } => {
                    case.taken_back.extend(landings.iter().map(|commit| (commit, *n)));
                }
                _ => {}
            }
        }
        Ok(case)
    }

    /// Place of a landed unit in the report's JSON.
    pub(super) fn landed_pointer(&self, unit: &UnitId) -> Option<String> {
        self.unit_pointer("landed", unit)
    }

    /// Place of a unit in a list of the report's JSON.
    pub(super) fn unit_pointer(&self, list: &str, unit: &UnitId) -> Option<String> {
        let at = self.report[list].as_array()?.iter().position(|row| row["id"] == unit.as_str())?;
        Some(format!("/{list}/{at}"))
    }

    pub(super) fn mission(&self) -> &MissionId {
        &self.history.mission
    }

    /// Makes a claim; where it stands in the report, the caller says.
    pub(super) fn add_claim(&mut self, what: impl Into<String>, findings: Findings) -> &mut Claim {
        let nth = self.claims.len();
        self.claims.push(Claim::of(what, findings));
        &mut self.claims[nth]
    }

    /// A commit as the line has it, or read from the repository when it is not on the line.
    pub(super) async fn commit(&self, id: &CommitId) -> Checked<Option<LineCommit>> {
        if let Some(found) = self.line.get(id) {
            return Ok(Some(found.clone()));
        }
        if self.git.resolve(id.as_str()).await?.is_none() {
            return Ok(None);
        }
        let bytes = self.git.run_bytes(&["log", "-1", "-z", FORMAT, id.as_str()]).await?;
        Ok(String::from_utf8_lossy(&bytes).split('\0').find_map(parse).map(|(_, commit)| commit))
    }
}
