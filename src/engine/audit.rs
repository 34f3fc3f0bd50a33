//! `mc audit`: what the journal claims, checked against the repository and the snapshot store.

use super::context::mission::Effective;
use super::context::project::Project;
use super::error::EngineError;
use super::evidence_audit;
use super::green_positions::{self, Landings};
use super::history::{self, History};
use super::unrecorded::{Known, known, unrecorded};
use super::views;
use crate::adapters::git::Git;
use crate::adapters::git::source::SourceFacts;
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::store::{Chain, Store};
use crate::domain::mission::{MergeSource, Record, UnitState};
use crate::domain::plan::globs::Globs;
use crate::domain::values::{CommitId, Tip, TreeId};
use crate::domain::verify::key::{StageSpec, Tier};
use crate::domain::verify::snapshot::Snapshot;
use crate::domain::verify::{SnapshotKey, StageOutcome};
use std::collections::{BTreeMap, BTreeSet};

/// What was checked and what does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Rows of the journal.
    pub rows: u64,
    /// Missions.
    pub missions: u64,
    /// Landings of units and of the target branch.
    pub landings: u64,
    /// Pins of attempts.
    pub pins: u64,
    /// What does not hold, one line each.
    pub broken: Vec<String>,
}

/// Checks the chain of the journal, every landing against green, its trailers and its stored snapshots, that no unit landed
/// twice, that no landing is on green which no journal knows, and that the work of every attempt is pinned.
///
/// # Errors
/// [`EngineError`] when journal or repository cannot be read at all; what does not hold is a result.
pub async fn audit(project: &Project) -> Result<Audit, EngineError> {
    let mut audit = Audit::default();
    let git = project.source(ChildGuard::none());
    let green = views::green(project).await?.tip;
    let Some(store) = project.store()? else {
        lost(&mut audit, &git, &Known::default(), green.as_ref()).await?;
        return Ok(audit);
    };
    match store.verify_chain(None)? {
        Chain::Intact { rows } => audit.rows = rows,
        Chain::Broken { seq, what } => {
            audit.broken.push(format!("row {seq} of the journal was changed: {what}"));
            return Ok(audit);
        }
    }
    lost(&mut audit, &git, &known(&store)?, green.as_ref()).await?;
    let mut histories = Vec::new();
    for mission in history::missions(&store)? {
        audit.missions += 1;
        match history::load(&store, Some(&mission)) {
            Ok(history) => histories.extend(history),
            Err(error) => audit.broken.push(format!("mission {mission}: its journal does not fold: {error}")),
        }
    }
    let landings = Landings::read(&git, green.as_ref(), &histories).await?;
    let look = Look { git: &git, green: green.as_ref(), store: &store, facts: &project.facts, landings: &landings };
    for history in &histories {
        check(&mut audit, &look, history).await?;
    }
    let names: BTreeSet<String> = histories.iter().filter_map(green_ref).collect();
    for name in names {
        audit.broken.extend(green_positions::unjudged(&git, &name, &histories).await?);
    }
    Ok(audit)
}

/// Landings that no journal knows: there is nothing to check them by.
async fn lost(audit: &mut Audit, git: &Git, known: &Known, green: Option<&Tip>) -> Result<(), EngineError> {
    let Some(green) = green else { return Ok(()) };
    for landing in unrecorded(git, known, green).await? {
        audit.broken.push(format!("{} is on green, and no journal here knows it", landing.told()));
    }
    Ok(())
}

/// What an intended landing rests on: the gate's snapshot, and those of the unit's own lines.
type Shown<'a> = (&'a SnapshotKey, Option<&'a SnapshotKey>, Option<&'a SnapshotKey>);

/// What landings are checked against.
struct Look<'a> {
    git: &'a Git,
    green: Option<&'a Tip>,
    store: &'a Store,
    facts: &'a SourceFacts,
    landings: &'a Landings,
}

/// Full name of the green branch of a mission.
fn green_ref(history: &History) -> Option<String> {
    let effective: Effective = serde_json::from_value(history.state.settings.clone()).ok()?;
    Some(format!("refs/heads/{}", effective.settings.green_branch))
}

async fn check(audit: &mut Audit, look: &Look<'_>, history: &History) -> Result<(), EngineError> {
    let Look { git, store, facts, .. } = *look;
    let mission = &history.mission;
    let mut rule = Rule::of(history);
    if let Ok(rule) = &mut rule {
        rule.filter(look, history).await;
    }
    let mut keys: BTreeMap<&CommitId, Shown<'_>> = BTreeMap::new();
    let mut landed = BTreeSet::new();
    let taken_back: BTreeSet<&CommitId> = history.records.iter().flat_map(|(_, _, record)| taken(record)).collect();
    for (_, _, record) in &history.records {
        match record {
            Record::RolledBack { n, from, .. } => {
                let pin = format!("refs/mc/rolled-back/{n}");
                if git.ref_value(&pin).await?.as_ref() != Some(from) {
                    audit.broken.push(format!("mission {mission}: {pin} does not hold what rollback {n} took back"));
                }
            }
            Record::LandIntended { candidate, key, accept_before, extra, .. } => {
                keys.insert(&candidate.commit, (key, accept_before.as_ref(), extra.as_ref()));
            }
            Record::Landed { source, candidate, .. } => {
                audit.landings += 1;
                let name = match source {
                    MergeSource::Unit { unit, .. } => unit.to_string(),
                    MergeSource::Intake => "target branch".to_owned(),
                    MergeSource::Books { round } => format!("progress of round {round}"),
                };
                if let MergeSource::Unit { unit, .. } = source
                    && !landed.insert(unit)
                {
                    audit.broken.push(format!("mission {mission}, {name}: landed twice"));
                }
                let key = keys.get(&candidate.commit).copied();
                // What a person took back need not be in green; everything else about it still holds.
                let taken_back = taken_back.contains(&candidate.commit);
                let gate = key.map(|(gate, ..)| gate);
                let mut problems = landing(look, taken_back, candidate, gate, source, mission.as_str())?;
                if let (Some(gate), Ok(rule), true) = (gate, &rule, problems.is_empty()) {
                    problems.extend(rule.broken_by(git, facts, store, candidate, gate).await?);
                }
                if let Some((_, accept_before, extra)) = key {
                    problems.extend(evidence_audit::own_lines(store, accept_before, extra)?);
                }
                audit.broken.extend(problems.into_iter().map(|what| format!("mission {mission}, {name}: {what}")));
            }
            _ => {}
        }
    }
    let unrecorded =
        history.state.units.iter().filter(|u| u.state == UnitState::Landed && !landed.contains(&u.spec.id));
    let unrecorded = unrecorded.map(|unit| format!("mission {mission}, {}: no record of its landing", unit.spec.id));
    audit.broken.extend(unrecorded);
    let (pins, broken) = evidence_audit::pins(git, history).await?;
    audit.pins += pins;
    audit.broken.extend(broken);
    Ok(())
}

fn taken(record: &Record) -> &[CommitId] {
    match record {
        Record::RolledBack { landings, .. } => landings,
        _ => &[],
    }
}

/// How a mission's settings lead from a landed tree to the key of its snapshot.
struct Rule {
    stages: Vec<StageSpec>,
    ignore: Globs,
    /// Whether anything is ignored at all.
    ignores: bool,
    /// Landed trees without it, as far as that is known.
    left: BTreeMap<TreeId, TreeId>,
}

impl Rule {
    fn of(history: &History) -> Result<Self, String> {
        let effective: Effective =
            serde_json::from_value(history.state.settings.clone()).map_err(|e| format!("its settings: {e}"))?;
        let verification = effective.settings.verification;
        Ok(Self {
            left: BTreeMap::new(),
            ignores: !verification.ignore.is_empty(),
            ignore: Globs::new(&verification.ignore).map_err(|bad| bad.to_string())?,
            stages: verification.stages.into_iter().filter(|stage| stage.tier == Tier::Gate).collect(),
        })
    }

    /// Takes out of all landed trees at once what is ignored; what this cannot do is done for each alone.
    async fn filter(&mut self, look: &Look<'_>, history: &History) {
        let landed = history.records.iter().filter_map(|(_, _, record)| match record {
            Record::Landed { candidate, .. } => {
                look.landings.commit(&candidate.commit).map(|commit| commit.tree.clone())
            }
            _ => None,
        });
        let trees: Vec<TreeId> = landed.filter(|_| self.ignores).collect();
        match look.git.trees_without_paths(look.facts, &trees, |path| self.ignore.matches(path)).await {
            Ok(left) => self.left = trees.into_iter().zip(left).collect(),
            Err(error) => tracing::debug!("take out what is ignored: {error}"),
        }
    }

    /// What does not hold between a landing and the snapshot it rests on: the snapshot must be of the landed tree without
    /// what settings ignore, and its key that of tree, stages and the fingerprint it notes.
    async fn broken_by(
        &self,
        git: &Git,
        facts: &SourceFacts,
        store: &Store,
        candidate: &Tip,
        key: &SnapshotKey,
    ) -> Result<Option<String>, EngineError> {
        let of = store.snapshot_tree(key)?;
        let known = self.left.get(&candidate.tree).filter(|left| of.as_deref() == Some(left.as_str()));
        let verified = match (self.ignores, known) {
            (true, Some(left)) => left.clone(),
            (true, None) => git.without_paths(facts, &candidate.tree, |path| self.ignore.matches(path)).await?.tree,
            (false, _) => candidate.tree.clone(),
        };
        if of.as_deref() != Some(verified.as_str()) {
            let of = of.unwrap_or_default();
            return Ok(Some(format!("its snapshot is of the tree {of}, not of {}", verified.as_str())));
        }
        let snapshot = store.snapshot_get(key)?.and_then(|body| serde_json::from_str::<Snapshot>(&body).ok());
        // Snapshots of earlier versions do not say what they were made in.
        let snapshot = snapshot.unwrap_or_default();
        let follows = || snapshot.key_for(SnapshotKey::of(&verified, &self.stages, &snapshot.fingerprint));
        if snapshot.fingerprint.is_empty() || follows() == *key {
            return Ok(None);
        }
        Ok(Some(format!("its snapshot {} does not follow from its tree and the mission's stages", key.0)))
    }
}

fn landing(
    look: &Look<'_>,
    taken_back: bool,
    candidate: &Tip,
    key: Option<&SnapshotKey>,
    source: &MergeSource,
    mission: &str,
) -> Result<Vec<String>, EngineError> {
    let mut broken = Vec::new();
    let short = candidate.commit.short();
    let Some(commit) = look.landings.commit(&candidate.commit).filter(|commit| commit.tree == candidate.tree) else {
        return Ok(vec![format!("its commit {short} does not exist with the recorded tree")]);
    };
    match look.green {
        _ if taken_back => {}
        None => broken.push("green does not exist".to_owned()),
        Some(green) if !look.landings.in_green(&candidate.commit) => {
            broken.push(format!("its commit {short} is not contained in green at {}", green.commit.short()));
        }
        Some(_) => {}
    }
    let Some(key) = key else {
        broken.push(format!("its commit {short} landed without a journaled intent"));
        return Ok(broken);
    };
    match look.store.snapshot_get(key)?.map(|body| serde_json::from_str::<Snapshot>(&body)) {
        None => broken.push(format!("no snapshot of its tree is stored ({})", key.0)),
        Some(Err(error)) => broken.push(format!("its snapshot cannot be read: {error}")),
        Some(Ok(snapshot)) if snapshot.summary().outcome == StageOutcome::NotRun => {
            broken.push("its snapshot was not run".to_owned());
        }
        Some(Ok(_)) => {}
    }
    let MergeSource::Unit { unit, .. } = source else {
        // What was taken in may be a commit of the target branch itself.
        return Ok(broken);
    };
    // The key in `Mc-Snapshot` is that of the first run; a second, confirming one may be what the landing rests on.
    let wanted = [
        ("Mc-Mission", mission),
        ("Mc-Verified-Tree", candidate.tree.as_str()),
        ("Mc-Snapshot", ""),
        ("Mc-Unit", unit.as_str()),
        ("Mc-Attempt", ""),
    ];
    for (name, value) in &wanted {
        let says = |(n, v): &(String, String)| n == name && !v.is_empty() && (value.is_empty() || v == value);
        if !commit.trailers.iter().any(says) {
            broken.push(format!("its commit {short} lacks the trailer `{name}: {value}`"));
        }
    }
    Ok(broken)
}
