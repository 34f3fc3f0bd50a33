//! Reading journals: missions with their state, for status, reports and resuming. Opens nothing for writing.

use crate::adapters::store::{Row, Store};
use crate::domain::mission::{MergeSource, Mission, Record};
use crate::domain::values::{CommitId, Millis, MissionId, UnitId};
use crate::engine::context::project::Project;
use crate::engine::error::EngineError;

/// One mission as its journal tells it.
#[derive(Debug)]
pub struct History {
    /// The mission.
    pub mission: MissionId,
    /// Its records with their journal number and time.
    pub records: Vec<(u64, Millis, Record)>,
    /// What they fold to.
    pub state: Mission,
}

/// All missions in the order they were started.
///
/// # Errors
/// [`EngineError`] when the database cannot be read.
pub fn list_missions(store: &Store) -> Result<Vec<MissionId>, EngineError> {
    Ok(store.list_missions()?)
}

/// All missions in the order they were started, as their journals tell them.
///
/// # Errors
/// [`EngineError`] when a journal does not fold.
pub fn all(store: &Store) -> Result<Vec<History>, EngineError> {
    let loaded = store.list_missions()?.into_iter().filter_map(|mission| load(store, Some(&mission)).transpose());
    loaded.collect()
}

/// One mission; `None` for the newest. Absent when there is none.
///
/// # Errors
/// [`EngineError`] when the id is unknown or its journal does not fold.
pub fn load(store: &Store, mission: Option<&MissionId>) -> Result<Option<History>, EngineError> {
    let known = store.list_missions()?;
    if let Some(id) = mission.filter(|id| !known.contains(id)) {
        return Err(EngineError::usage(format!("there is no mission {id}"), "`mc mission list` names them"));
    }
    let Some(mission) = mission.or(known.last()).cloned() else { return Ok(None) };
    let mut records = Vec::new();
    // One row at a time: the text of a long journal is larger than what it says.
    store.for_each_row(Some(&mission), 0, |row| {
        records.push((row.seq, row.at, read::<Record>(&row)?));
        Ok::<(), EngineError>(())
    })?;
    let state = Mission::replay(records.iter().map(|(_, _, r)| r.clone()))
        .map_err(|source| EngineError::Journal { mission: mission.to_string(), source })?;
    Ok(Some(History { mission, records, state }))
}

/// One journal row as a record.
///
/// # Errors
/// [`EngineError::Record`] when it is not one this version knows.
pub fn read<T: serde::de::DeserializeOwned>(row: &Row) -> Result<T, EngineError> {
    serde_json::from_str(&row.body).map_err(|e| EngineError::Record { seq: row.seq, reason: e.to_string() })
}

/// Landed units of all missions with their landing commits, oldest first; without what a person took back.
///
/// # Errors
/// [`EngineError`] when the database cannot be read.
pub fn list_landings(store: &Store) -> Result<Vec<(UnitId, CommitId)>, EngineError> {
    let mut found = Vec::new();
    store.for_each_row(None, 0, |row| {
        if row.kind == "landed"
            && let Record::Landed { source: MergeSource::Unit { unit, .. }, candidate, .. } = read(&row)?
        {
            found.push((unit, candidate.commit));
        } else if row.kind == "rolled-back"
            && let Record::RolledBack { landings, .. } = read(&row)?
        {
            found.retain(|(_, commit)| !landings.contains(commit));
        }
        Ok::<(), EngineError>(())
    })?;
    Ok(found)
}

pub(in crate::engine) fn load_unfinished(project: &Project) -> Result<Option<History>, EngineError> {
    load_unfinished_in(project.store()?)
}

pub(in crate::engine) fn load_unfinished_in(store: Option<Store>) -> Result<Option<History>, EngineError> {
    let Some(store) = store else { return Ok(None) };
    Ok(load(&store, None)?.filter(|h| !h.state.is_over()))
}

/// Records of a history without number and time.
pub(in crate::engine) fn records(history: &History) -> impl Iterator<Item = &Record> {
    history.records.iter().map(|(_, _, record)| record)
}
