//! `mc mission list --all`: the missions of every repository whose state directory is below the state home. Reads only.

use super::{MissionStatus, history, orphans};
use crate::adapters::host::local::process::lock::living_engine;
use crate::adapters::os::{Environment, clock};
use crate::adapters::store::{KnownStateDir, Store, list_state_dirs};
use crate::domain::trouble::chain;
use crate::engine::error::EngineError;
use crate::report::{GreenRef, Left};
use std::path::{Path, PathBuf};

/// The newest mission of a repository, if it had any, and how many there are.
pub type Newest = Option<(MissionStatus, usize)>;

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
}

/// All repositories known under the state home, and that of `MC_STATE_DIR`, sorted by path.
///
/// # Errors
/// [`EngineError`] when the state home cannot be read; a damaged state directory is a result.
pub async fn list_repositories() -> Result<Vec<Repository>, EngineError> {
    let env = Environment::of_process()?;
    let mut found = Vec::new();
    for place in list_state_dirs(&env)? {
        found.push(read_repository(place).await);
    }
    Ok(found)
}

async fn read_repository(known: KnownStateDir) -> Repository {
    let engine = living_engine(&known.root.join("engine.lock"));
    let newest = newest(&known.root, engine).await.map_err(|error| chain(&error));
    Repository { exists: known.repository.exists(), state: known.root, git_dir: known.repository, newest, engine }
}

async fn newest(root: &Path, engine: Option<u32>) -> Result<Newest, EngineError> {
    let Some(store) = Store::open_existing(&root.join("mc.db"))? else { return Ok(None) };
    let (missions, requests) = (history::list_missions(&store)?.len(), orphans::list_requests(&store)?);
    let Some(history) = history::load(&store, None)? else { return Ok(None) };
    let engine = engine.filter(|_| !history.state.is_over());
    let mut left = Left::default();
    if engine.is_none() && !history.state.is_over() {
        left = Left { requests, agents: orphans::find_agents(&root.join("runs"), &history.state).await };
    }
    let green = history.state.settings["settings"]["green_branch"].as_str().unwrap_or("mc/green");
    let green = GreenRef { name: format!("refs/heads/{green}"), tip: None };
    Ok(Some((MissionStatus { history: Some(history), green, engine, left, now: clock::now() }, missions)))
}
