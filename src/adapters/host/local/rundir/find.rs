//! Comparing a run directory with the world, and winning its claim.

use super::records::{read_exit, remove_command, write_new};
use super::run::Run;
use crate::adapters::host::local::process::procfs;
use crate::adapters::host::local::protocol::{RunError, RunExit};
use crate::adapters::os::files::{At, FileError};
use crate::adapters::os::nofollow;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use std::fs::{DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// What reconcile finds in a run directory.
#[derive(Debug)]
pub enum Found {
    /// Nobody claimed it, or [`claim_ourselves`] did.
    NeverStarted,
    /// Claimed, not yet on record, supervisor alive.
    Starting(Run),
    /// On record, supervisor alive.
    Running(Run),
    /// Ended with a complete record.
    Ended(RunExit),
    /// The supervisor is dead without a record, processes of the run live.
    HalfDead(Run),
    /// Nothing is left of it: the machine was restarted, the directory is gone, or all died without a record.
    Gone,
}

/// Wins the claim of a directory so that its run can never start, or finds that a supervisor has won it (`false`).
/// Winning twice is winning.
///
/// # Errors
/// [`RunError::Io`] when the directory cannot be written.
pub fn claim_ourselves(dir: &Path) -> Result<bool, RunError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).at(dir)?;
    nofollow::folder(dir).at(dir)?;
    let (claim, own) = (dir.join("claim"), dir.join(format!("claim.{:016x}", fastrand::u64(..))));
    let taken = |source: std::io::Error| match source.kind() {
        ErrorKind::AlreadyExists => Ok(claim.join("engine").exists()),
        _ => Err(FileError::new(dir, source).into()),
    };
    // Made aside and moved there whole: an engine killed in between leaves no claim that says nothing of who made it.
    match DirBuilder::new().recursive(true).mode(0o700).create(&own).and_then(|()| mark(&own.join("engine"))) {
        Ok(()) => {}
        Err(source) => return Err(FileError::new(dir, source).into()),
    }
    match rustix::fs::renameat_with(CWD, &own, CWD, &claim, RenameFlags::NOREPLACE) {
        Ok(()) => {
            remove_command(dir);
            Ok(true)
        }
        Err(Errno::EXIST) => {
            let _ = std::fs::remove_dir_all(&own);
            taken(Errno::EXIST.into())
        }
        // A file system that cannot move without replacing: a plain claim, marked afterwards.
        Err(Errno::INVAL | Errno::NOSYS) => {
            let _ = std::fs::remove_dir_all(&own);
            match DirBuilder::new().mode(0o700).create(&claim) {
                Ok(()) => write_new(&claim.join("engine"), "").map(|()| true),
                Err(source) => taken(source),
            }
        }
        Err(source) => Err(FileError::new(dir, source).into()),
    }
}

fn mark(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// Compares a run directory with the world. Total: whatever a crash or power loss left, one row of the table fits.
pub async fn find(dir: &Path) -> Found {
    let dir = dir.to_owned();
    tokio::task::spawn_blocking(move || find_blocking(&dir)).await.unwrap_or(Found::Gone)
}

fn find_blocking(dir: &Path) -> Found {
    // A link in its place leads to what is no run of ours.
    if nofollow::folder(dir).is_err() {
        return Found::Gone;
    }
    let Ok(dir) = dir.canonicalize() else { return Found::Gone };
    if let Some(exit) = read_exit(&dir) {
        return Found::Ended(exit);
    }
    if !dir.join("claim").exists() || dir.join("claim/engine").exists() {
        return Found::NeverStarted;
    }
    let Some(run) = Run::open(&dir) else { return Found::Gone };
    if run.start().is_some_and(|start| start.boot != procfs::boot_id()) {
        return Found::Gone;
    }
    let supervised = run.supervisor().is_some_and(|s| s.is_alive());
    // It may have started or ended between the looks above: the record is read again after the look at the process.
    let run = run.reload();
    match (read_exit(&dir), supervised, run.start().is_some()) {
        (Some(exit), ..) => Found::Ended(exit),
        (None, true, true) => Found::Running(run),
        (None, true, false) => Found::Starting(run),
        (None, false, _) => {
            remove_command(&dir);
            if run.has_live_processes() {
                return Found::HalfDead(run);
            }
            run.remove_groups();
            Found::Gone
        }
    }
}
