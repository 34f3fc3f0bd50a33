//! `mc mission list --all`: the missions of every repository whose state directory is below the state home. Reads only.

use super::error::{EngineError, chain};
use super::history::{self, History};
use crate::adapters::environment::Environment;
use crate::adapters::files;
use crate::adapters::store::Store;
use crate::adapters::store::lock::living_holder;
use crate::adapters::store::place::{Known, known};
use crate::domain::mission::State;
use std::path::PathBuf;

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
    pub newest: Result<Option<(History, usize)>, String>,
    /// Process id of a living engine.
    pub engine: Option<u32>,
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
pub fn repositories() -> Result<Vec<Repository>, EngineError> {
    let env = Environment::of_process()?;
    Ok(known(&env)?.into_iter().map(look).collect())
}

fn look(known: Known) -> Repository {
    let engine = files::read_text(&known.root.join("engine.lock")).ok().and_then(|text| living_holder(&text));
    let read = || -> Result<Option<(History, usize)>, EngineError> {
        let Some(store) = Store::open_existing(&known.root.join("mc.db"))? else { return Ok(None) };
        let missions = history::missions(&store)?.len();
        Ok(history::load(&store, None)?.map(|newest| (newest, missions)))
    };
    let newest = read().map_err(|error| chain(&error));
    Repository { exists: known.repository.exists(), state: known.root, git_dir: known.repository, newest, engine }
}
