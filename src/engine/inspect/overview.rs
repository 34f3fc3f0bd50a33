//! `mc mission list --all`: the missions of every repository whose state directory is below the state home. Reads only.

use super::history::{self, History};
use super::orphans::{self, Left};
use crate::adapters::host::local::process::lock::living_engine;
use crate::adapters::os::environment::Environment;
use crate::adapters::store::Store;
use crate::adapters::store::place::{Known, known};
use crate::domain::mission::{Event, State};
use crate::domain::trouble::chain;
use crate::engine::error::EngineError;
use std::path::PathBuf;

/// The newest mission of a repository, if it had any, and how many there are.
pub type Newest = Option<(History, usize)>;

/// One repository that had a mission.
#[derive(Debug)]
pub struct Repository {
    /// Its state directory.
    pub state: PathBuf,
    /// Its git directory, as the state directory names it.
    pub git_dir: PathBuf,
    /// Whether it is still there.
    pub exists: bool,
    /// Its newest mission, and how many there are; or what is damaged.
    pub newest: Result<Newest, String>,
    /// Process id of a living engine.
    pub engine: Option<u32>,
    /// What a gone engine left behind.
    pub left: Left,
}

/// Name of the green branch a mission was started with.
#[must_use]
pub fn green_branch(state: &State) -> String {
    let name = state.settings["settings"]["green_branch"].as_str();
    format!("refs/heads/{}", name.unwrap_or("mc/green"))
}

/// All repositories known under the state home, and that of `MC_STATE_DIR`, sorted by path.
///
/// # Errors
/// [`EngineError`] when the state home cannot be read; a damaged state directory is a result.
pub async fn repositories() -> Result<Vec<Repository>, EngineError> {
    let env = Environment::of_process()?;
    let mut found = Vec::new();
    for place in known(&env)? {
        found.push(look(place).await);
    }
    Ok(found)
}

async fn look(known: Known) -> Repository {
    let engine = living_engine(&known.root.join("engine.lock"));
    let read = || -> Result<(Newest, Vec<Event>), EngineError> {
        let Some(store) = Store::open_existing(&known.root.join("mc.db"))? else { return Ok((None, Vec::new())) };
        let missions = history::missions(&store)?.len();
        Ok((history::load(&store, None)?.map(|newest| (newest, missions)), orphans::requests(&store)?))
    };
    let (newest, requests) = match read() {
        Ok((newest, requests)) => (Ok(newest), requests),
        Err(error) => (Err(chain(&error)), Vec::new()),
    };
    let mut left = Left::default();
    if let (Ok(Some((history, _))), None) = (&newest, engine)
        && !history.state.over()
    {
        left = Left { requests, agents: orphans::agents(&known.root.join("runs"), &history.state).await };
    }
    Repository { exists: known.repository.exists(), state: known.root, git_dir: known.repository, newest, engine, left }
}
