//! What journals and reports claim, checked against what else there is to know of a mission. One list, of which `mc report
//! --verify` checks all for one mission, and `mc audit` the starred ones for every mission:
//!
//! | claims about | file |
//! |---|---|
//! | the chain of the journal*; its rows, times and log | `journal` |
//! | landings on green*, their trailers*, what they rest on*, dates, work, verdicts; refusals; rollbacks* | `landings` |
//! | attempts; their pins* | `attempts` |
//! | verifications | `snapshots` |
//! | what a mission wrote about itself | `books` |
//! | everything that is counted | `accounts` |
//! | landed trees verified once more (`--rerun`) | `again` |
//! | landings no journal knows*, positions of green nobody verified* | `audit`, `positions` |
//!
//! The journal could have been rewritten, hash chain and all. So nothing is believed because the journal says it twice: commits,
//! trailers, trees and dates come from git; results from the stored snapshots, single runs included; outcomes from the
//! attempts' own reports; verdicts, deltas, classes and next moves are decided again by the rules. What is not there any
//! more makes a claim unknown, never held.

mod accounts;
mod again;
mod attempts;
pub mod audit;
mod books;
mod journal;
mod landings;
mod line;
mod positions;
mod rules;
mod snapshots;

use super::context::mission::Effective;
use super::context::project::Project;
use super::error::EngineError;
use super::history::History;
use super::views;
use crate::adapters::git::Git;
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::store::Store;
use crate::config::Settings;
use crate::domain::mission::{Mission, Record};
use crate::domain::values::{CommitId, LandingId, MissionId, TreeId, UnitId};
use crate::domain::verify::SnapshotKey;
use crate::report::claims::{Claim, Findings};
use crate::report::{GreenRef, mission_json};
use line::Line;
use serde_json::Value;
use snapshots::Bodies;
use std::collections::{BTreeMap, BTreeSet};

/// A report whose claims were checked.
#[derive(Debug)]
pub struct Proof {
    /// The mission.
    pub mission: MissionId,
    /// Its claims.
    pub claims: Vec<Claim>,
}

/// Which of the claims are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Those of the journal about git and what is kept.
    Audit,
    /// All.
    Report,
}

/// What is being proven, and what it is proven with.
struct Case<'a> {
    scope: Scope,
    project: &'a Project,
    store: &'a Store,
    git: Git,
    history: &'a History,
    green: &'a GreenRef,
    /// Settings as journaled, when they can be read.
    settings: Option<Settings>,
    line: &'a Line,
    /// Attempt pins by ref name.
    pins: BTreeMap<String, CommitId>,
    /// Pins that `mc clean` deleted, as it wrote them down.
    cleaned: BTreeMap<&'a str, &'a CommitId>,
    /// Snapshots that it deleted.
    cleaned_snapshots: BTreeSet<&'a SnapshotKey>,
    /// Landings that a person took back, with the number of the rollback.
    taken_back: BTreeMap<&'a CommitId, u64>,
    /// What landings were intended to rest on, as far as the journal was read.
    intents: BTreeMap<LandingId, &'a Record>,
    /// Trees without what the settings ignore, as far as that is known.
    filtered: BTreeMap<TreeId, TreeId>,
    report: Value,
    claims: Vec<Claim>,
    /// Tests found failing before and after, and flaky, in the stored snapshots.
    red: BTreeSet<String>,
    flaky: BTreeSet<String>,
}

/// Checks every claim of a mission's report, `None` for the newest; with `rerun` landed trees are verified once more. Absent
/// when there never was a mission.
///
/// # Errors
/// [`EngineError`] when journal or repository cannot be read at all, or the mission is unknown; what does not hold is a
/// claim.
pub async fn prove(project: &Project, mission: Option<&MissionId>, rerun: bool) -> Result<Option<Proof>, EngineError> {
    let Some(store) = project.store()? else { return Ok(None) };
    let Some(mission) = mission.cloned().or(store.missions()?.pop()) else { return Ok(None) };
    let (_, chain) = journal::chain(&store)?;
    let look = match views::look(project, Some(&mission)).await {
        Ok(look) => look,
        Err(error @ (EngineError::Journal { .. } | EngineError::Record { .. })) => {
            let folds =
                Claim::of("the journal folds to a state", Findings::only(crate::domain::trouble::chain(&error)));
            return Ok(Some(Proof { mission, claims: vec![chain, folds] }));
        }
        Err(error) => return Err(error),
    };
    let (Some(history), Some(view)) = (look.history.as_ref(), look.view()) else { return Ok(None) };
    let landed = views::landed(project, &look.green).await?.into_iter().map(|(unit, _)| unit).collect();
    let report = mission_json::json(&view, &look.green, &landed);
    let line = project.source(ChildGuard::none());
    let line = Line::read(&line, look.green.tip.as_ref(), std::slice::from_ref(history)).await?;
    let mut case = Case::open(project, &store, history, &look.green, &line).await?;
    (case.report, case.claims) = (report, vec![chain]);
    journal::check(&mut case)?;
    case.walk().await?;
    accounts::check(&mut case, look.now)?;
    if rerun {
        again::check(&mut case).await?;
    }
    let claims = case.claims;
    Ok(Some(Proof { mission, claims }))
}

impl<'a> Case<'a> {
    /// A case for all claims of one mission, none of which is checked yet.
    async fn open(
        project: &'a Project,
        store: &'a Store,
        history: &'a History,
        green: &'a GreenRef,
        line: &'a Line,
    ) -> Result<Self, EngineError> {
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

    /// Goes through the journal with the state before each record, and checks outcomes where they stand.
    async fn walk(&mut self) -> Result<(), EngineError> {
        let Some((_, _, first)) = self.history.records.first() else { return Ok(()) };
        let Ok(mut state) = Mission::begin(first) else { return Ok(()) };
        let mut bodies = Bodies::default();
        let history = self.history;
        let whole = self.scope == Scope::Report;
        for (_, at, record) in history.records.iter().skip(1) {
            match record {
                Record::AttemptJudged { .. } if whole => attempts::ended(self, &mut state, *at, record),
                Record::AttemptJudged { .. } => attempts::kept(self, &state, record),
                Record::Verified { .. } if whole => snapshots::verified(self, &mut bodies, &state, record).await?,
                Record::LandIntended { landing, .. } => drop(self.intents.insert(*landing, record)),
                Record::Landed { .. } => landings::landed(self, &mut bodies, &mut state, record).await?,
                Record::Rejected { .. } if whole => landings::rejected(self, &state, *at, record).await?,
                Record::RolledBack { .. } if !whole => landings::rolled_back(self, record).await?,
                _ => {}
            }
            state.apply(record);
        }
        Ok(())
    }

    /// Place of a landed unit in the report's JSON.
    fn landed_at(&self, unit: &UnitId) -> Option<String> {
        self.place("landed", unit)
    }

    /// Place of a unit in a list of the report's JSON.
    fn place(&self, list: &str, unit: &UnitId) -> Option<String> {
        let at = self.report[list].as_array()?.iter().position(|row| row["id"] == unit.as_str())?;
        Some(format!("/{list}/{at}"))
    }

    fn mission(&self) -> &MissionId {
        &self.history.mission
    }

    /// Makes a claim; where it stands in the report, the caller says.
    fn claim(&mut self, what: impl Into<String>, findings: Findings) -> &mut Claim {
        let nth = self.claims.len();
        self.claims.push(Claim::of(what, findings));
        &mut self.claims[nth]
    }
}

/// Records of a history without number and time.
fn records(history: &History) -> impl Iterator<Item = &Record> {
    history.records.iter().map(|(_, _, record)| record)
}

/// A row of the journal as it is stored, where types do not matter.
fn body(row: &crate::adapters::store::Row) -> Result<Value, EngineError> {
    serde_json::from_str(&row.body).map_err(|e| EngineError::Record { seq: row.seq, reason: e.to_string() })
}
