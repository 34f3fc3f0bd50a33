//! Processes of `mc` that nobody sits in front of: `mc mission start --detach`, whose mission runs in a background process of its own
//! session while this one sees it begin, supervisors of runs, and workers.

use crate::adapters::host::local::process::detached;
use crate::adapters::host::local::supervisor;
use crate::adapters::host::remote::server;
use crate::adapters::os::environment::Environment;
use crate::domain::values::MissionId;
use crate::engine::context::project::Project;
use crate::engine::error::EngineError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often is looked whether the mission has begun, and how many times.
const POLL: (Duration, u32) = (Duration::from_millis(50), 1200);

/// What became of the background process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detached {
    /// It runs this mission.
    Runs(MissionId),
    /// It ended before there was a mission.
    Ended {
        /// Its exit code.
        code: u8,
        /// What it wrote.
        said: String,
    },
}

/// Where the background process writes.
pub fn log_path(project: &Project) -> PathBuf {
    project.state.logs().join("detached.log")
}

/// Starts this program again in the background and waits until its mission is in the journal.
///
/// # Errors
/// [`EngineError`] when it cannot be started or does not begin a mission within a minute.
pub async fn start(project: &Project) -> Result<Detached, EngineError> {
    // Asked here too: the log of the mission that runs is no answer to this command.
    crate::engine::run::mission::check_none_unfinished(project)?;
    project.state.create()?;
    let log = log_path(project);
    let broken = |source| EngineError::File { path: log.clone(), source };
    let known = list_missions(project);
    let mut child = detached::relaunch(&log, "--detach", "--detached").map_err(broken)?;
    let (pause, times) = POLL;
    for _ in 0..times {
        let ended = child.try_wait().map_err(broken)?;
        if let Some(id) = list_missions(project).into_iter().find(|id| !known.contains(id)) {
            return Ok(Detached::Runs(id));
        }
        if let Some(code) = ended {
            return Ok(Detached::Ended { code, said: child.read_output().map_err(broken)? });
        }
        tokio::time::sleep(pause).await;
    }
    Err(EngineError::broken(
        "the process in the background has not begun a mission within a minute",
        format!("see {}", log.display()),
    ))
}

/// Missions so far; a database that is being made counts as none.
fn list_missions(project: &Project) -> Vec<MissionId> {
    project.store().ok().flatten().and_then(|store| store.list_missions().ok()).unwrap_or_default()
}

/// Leaves the terminal's session.
pub fn leave_session() {
    detached::own_session();
}

/// Does the work of a supervisor when the arguments of this process, without its name, ask for it; then its exit code.
pub fn supervise(args: &[OsString]) -> Option<u8> {
    supervisor::main(args)
}

/// Works as a host for the engine at the other end of standard input and output, until that is gone; everything is in folders
/// below `root`.
///
/// # Errors
/// [`EngineError::Broken`] when what comes there is not from an engine.
pub async fn run_worker(root: &Path) -> Result<(), EngineError> {
    let env = Environment::of_process()?;
    server::serve(root, env, tokio::io::stdin(), tokio::io::stdout())
        .await
        .map_err(|e| EngineError::broken(format!("work for an engine: {e}"), "`mc worker` is started by mc itself"))
}
