//! Whether anything in a workspace changed lately: the sign of life of an agent that prints nothing.

use crate::domain::values::Millis;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Entries looked at before the answer is "yes": a workspace too large to look through is not called stalled.
const LIMIT: usize = 200_000;

/// Whether a file or folder below `root` changed after `since`. Links are not followed.
#[must_use]
pub fn changed_since(root: &Path, since: Millis) -> bool {
    let mut open: Vec<PathBuf> = vec![root.to_owned()];
    let mut seen = 0;
    while let Some(path) = open.pop() {
        seen += 1;
        if seen > LIMIT {
            return true;
        }
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let at = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        if at.is_some_and(|at| at.as_millis() > u128::from(since)) {
            return true;
        }
        if meta.is_dir()
            && let Ok(entries) = fs::read_dir(&path)
        {
            open.extend(entries.flatten().map(|e| e.path()));
        }
    }
    false
}

/// The time of the latest change of a file below `root` among the first `limit` entries, git's own files aside; absent when
/// there is nothing.
#[must_use]
pub fn latest_change(root: &Path, limit: usize) -> Option<Millis> {
    let mut open: std::collections::VecDeque<PathBuf> = [root.to_owned()].into();
    let (mut seen, mut latest) = (0, None);
    while let Some(path) = open.pop_front() {
        seen += 1;
        if seen > limit {
            break;
        }
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let at = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        latest = latest.max(at.and_then(|at| Millis::try_from(at.as_millis()).ok()));
        if meta.is_dir()
            && let Ok(entries) = fs::read_dir(&path)
        {
            open.extend(entries.flatten().filter(|e| e.file_name() != ".git").map(|e| e.path()));
        }
    }
    latest
}
