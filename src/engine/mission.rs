//! Running missions: the entry points behind `mc mission start|resume|stop|pause`.

use super::error::EngineError;
use super::observer::Observer;
use super::site::Site;
use std::path::PathBuf;

/// What `mc mission start` was told beyond settings.
#[derive(Debug, Clone, Default)]
pub struct StartOptions {
    /// Plan file that replaces the backlog.
    pub plan: Option<PathBuf>,
    /// Start although tracked files have changes (they are left out).
    pub allow_dirty: bool,
    /// Take the repository over from another state directory.
    pub take_over: bool,
}

/// Starts a mission and runs it to its end; the result is the exit code.
///
/// # Errors
/// [`EngineError`] when it cannot start or run.
pub async fn start(
    _site: &Site,
    _options: &StartOptions,
    _observers: Vec<Box<dyn Observer>>,
) -> Result<u8, EngineError> {
    Ok(1)
}

/// Takes an unfinished mission over and runs it to its end; `None` when there is nothing to resume.
///
/// # Errors
/// [`EngineError`] when it cannot run.
pub async fn resume(
    _site: &Site,
    _take_over: bool,
    _observers: Vec<Box<dyn Observer>>,
) -> Result<Option<u8>, EngineError> {
    Ok(None)
}

/// What became of a stop or pause request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The engine of this mission was told.
    Told(String),
    /// There is no unfinished mission.
    Nothing,
    /// No engine runs; the mission was ended here (`stop --now`), or the request waits for the next resume.
    NoEngine(String),
}

/// Asks the mission to stop; with `now` everything is killed and pinned, here if no engine runs.
///
/// # Errors
/// [`EngineError`] when the request cannot be left.
pub async fn stop(_site: &Site, _now: bool, _observers: Vec<Box<dyn Observer>>) -> Result<Asked, EngineError> {
    Ok(Asked::Nothing)
}

/// Asks the mission to start nothing new.
///
/// # Errors
/// [`EngineError`] when the request cannot be left.
pub async fn pause(_site: &Site) -> Result<Asked, EngineError> {
    Ok(Asked::Nothing)
}
