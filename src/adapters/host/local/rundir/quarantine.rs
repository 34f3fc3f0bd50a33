//! Putting an earlier run aside, so that its directory can be used for a new one.

use super::find::{Found, claim_ourselves, find};
use crate::adapters::host::local::protocol::RunError;
use crate::adapters::os::files::{At, FileError};
use crate::adapters::os::nofollow;
use std::path::Path;
use std::time::Duration;

/// Ends what was begun in a run directory and keeps it beside it, as `DIR.N`, so that nothing of it is taken over: for runs in
/// a workspace that has been prepared anew since. Nothing where there is none.
///
/// # Errors
/// [`RunError::Io`] when it cannot be moved, or something of it cannot be ended.
pub async fn archive_run_dir(dir: &Path, grace: Duration) -> Result<(), RunError> {
    if std::fs::symlink_metadata(dir).is_err() {
        return Ok(());
    }
    if nofollow::folder(dir).is_ok() {
        loop {
            match find(dir).await {
                Found::Starting(run) | Found::Running(run) | Found::HalfDead(run) => {
                    let alive: Vec<String> = run.end(grace).await.survivors.iter().map(u32::to_string).collect();
                    if !alive.is_empty() {
                        let what = format!("processes of an earlier run cannot be ended: {}", alive.join(", "));
                        return Err(FileError::new(dir, std::io::Error::other(what)).into());
                    }
                }
                Found::Ended(_) | Found::Gone => break,
                // A supervisor on its way finds that it may not begin.
                Found::NeverStarted if claim_ourselves(dir)? => break,
                Found::NeverStarted => {}
            }
        }
    }
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let mut places = (1..).map(|n: u32| dir.with_file_name(format!("{name}.{n}")));
    let free = places.find(|place| std::fs::symlink_metadata(place).is_err());
    let place = free.ok_or(std::io::ErrorKind::AlreadyExists).at(dir)?;
    Ok(std::fs::rename(dir, place).at(dir)?)
}
