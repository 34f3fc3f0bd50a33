//! Whether anything in a workspace changed lately: the sign of life of an agent that prints nothing.

use crate::adapters::os::files::modified_at;
use crate::domain::values::Millis;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// Entries looked at before the answer is "yes": a workspace too large to look through is not called stalled.
const LIMIT: usize = 200_000;

/// Whether a file or folder below `root` changed after `since`. Links are not followed.
pub fn changed_since(root: &Path, since: Millis) -> bool {
    // The first beyond the limit says so: it is not looked at.
    walk_times(root, |_| true).zip(0..=LIMIT).any(|(at, seen)| seen == LIMIT || at.is_some_and(|at| at > since))
}

/// The times of `root` and of what is below it, the nearest first; absent for what is gone by then.
fn walk_times(root: &Path, wanted: impl Fn(&OsStr) -> bool) -> impl Iterator<Item = Option<Millis>> {
    let mut open = VecDeque::from([root.to_owned()]);
    std::iter::from_fn(move || {
        let path = open.pop_front()?;
        let Ok(meta) = fs::symlink_metadata(&path) else { return Some(None) };
        if meta.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            open.extend(entries.filter(|entry| wanted(&entry.file_name())).map(|entry| entry.path()));
        }
        Some(modified_at(&meta))
    })
}

/// The time of the latest change of a file below `root` among the first `limit` entries, git's own files aside; absent when
/// there is nothing.
pub fn latest_change(root: &Path, limit: usize) -> Option<Millis> {
    walk_times(root, |name| name != ".git").take(limit).flatten().max()
}
