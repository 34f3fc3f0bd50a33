//! A folder on a disk that several machines share. A worker sees the processes of its own machine alone: what runs on another one
//! would be gone for it, and its workspace free. So it waits until nothing can run there any more.

use crate::adapters::os::{clock, files, machine};
use crate::domain::trouble::{Cause, Trouble};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Folders above that of a run: mission, unit, attempt and what it belongs to.
const DEEPEST: usize = 6;

/// Makes the folder that of this machine.
///
/// # Errors
/// [`Unreachable`](Cause::Unreachable) as long as something that was begun on another machine may live, which it does until its `lease` is
/// over; else the folder cannot be read or written.
pub fn occupy(folder: &Path, runs: &Path, lease: Duration) -> Result<(), Trouble> {
    let failed = |e: io::Error| Trouble::from(format!("use {}: {e}", folder.display()));
    let (path, own) = (folder.join("machine"), machine::name());
    let noted =
        files::read_own(&path).map_err(failed)?.map(|name| String::from_utf8_lossy(&name).trim_end().to_owned());
    if noted.as_ref() == Some(&own) {
        return Ok(());
    }
    if let Some(other) = noted
        && let Some(run) = find_living(runs, lease, DEEPEST)
    {
        let why = format!(
            "{} was used on the machine {other}, and this is {own}: {} may live there until its lease is over; `root` of a host must be \
             on a disk of its own",
            folder.display(),
            run.strip_prefix(runs).unwrap_or(&run).display()
        );
        return Err(Trouble::new(Cause::Unreachable, why));
    }
    files::replace_own(&path, format!("{own}\n").as_bytes()).map_err(failed)
}

/// A run that was begun and has no end, and whose lease, with a tenth for the ticks of its supervisor, is not over.
fn find_living(folder: &Path, lease: Duration, depth: usize) -> Option<PathBuf> {
    let claimed = folder.join("claim").is_dir() && !folder.join("claim/engine").exists();
    if claimed {
        let longest = u64::try_from((lease + lease / 10).as_millis()).unwrap_or(u64::MAX);
        let renewed = std::fs::symlink_metadata(folder.join("lease")).ok().and_then(|meta| files::modified_at(&meta));
        let fresh = renewed.is_some_and(|at| clock::now().saturating_sub(at) < longest);
        return (fresh && !folder.join("exit").exists()).then(|| folder.to_owned());
    }
    let below = depth.checked_sub(1)?;
    let folders = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let folders = folders.filter(|path| std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()));
    folders.into_iter().find_map(|path| find_living(&path, lease, below))
}
