//! Refs of others as they were seen, and whether their files still say so.

use crate::adapters::git::ref_name::RefName;
use crate::adapters::os::files::if_there;
use crate::domain::values::CommitId;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// More files than this are not looked at one by one.
const MANY: usize = 2_000;

/// A file changed later than this before the look may be changed again without a trace: times are told in ticks.
const SETTLED: Duration = Duration::from_secs(2);

/// What the files of refs were at one time; nothing where files do not tell what refs there are.
#[derive(Debug, Clone, Default)]
pub struct RefFiles(pub(super) Option<Trace>);

impl RefFiles {
    /// Whether files tell what refs there are.
    pub fn is_conclusive(&self) -> bool {
        self.0.is_some()
    }

    /// Whether nothing was moved since, as far as files tell.
    pub fn is_unmoved_since(&self, other: &Self) -> bool {
        self.0.is_some() && self.0 == other.0
    }
}

/// Inode, change time in nanoseconds and size of each file of refs.
type Trace = BTreeMap<PathBuf, (u64, i128, u64)>;

/// Refs by name.
pub(super) type Refs = BTreeMap<RefName, CommitId>;

/// The last answer and what the files were when it was given.
#[derive(Debug, Clone, Default)]
pub(super) struct Remembered(pub(super) Arc<Mutex<Option<(Trace, Refs)>>>);

/// What the files of refs are now; `None` where that does not tell what refs there are: tables, refs of linked work trees,
/// links to files elsewhere, or very many. A ref that names another one is a file that stays when that one moves: the other
/// is among the files itself, unless it is ours.
pub(super) fn scan_ref_files(common: &Path) -> Option<Trace> {
    let worktrees = std::fs::read_dir(common.join("worktrees")).is_ok_and(|mut entries| entries.next().is_some());
    if worktrees || common.join("reftable").exists() {
        return None;
    }
    let mut found = Trace::new();
    let mut note = |path: PathBuf, meta: &std::fs::Metadata| {
        let changed = i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec());
        found.insert(path, (meta.ino(), changed, meta.size()));
        found.len() <= MANY
    };
    let packed = common.join("packed-refs");
    let meta = if_there(std::fs::symlink_metadata(&packed)).ok()?;
    meta.is_none_or(|meta| meta.is_file() && note(packed, &meta)).then_some(())?;
    let refs = common.join("refs");
    let ours = [refs.join("mc"), refs.join("heads/mc")];
    let mut folders = vec![refs];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).ok()? {
            let path = entry.ok()?.path();
            let meta = std::fs::symlink_metadata(&path).ok()?;
            if meta.is_dir() {
                if !ours.contains(&path) {
                    folders.push(path);
                }
            } else if !meta.is_file() || !note(path, &meta) {
                return None;
            }
        }
    }
    Some(found)
}

/// Whether a change from now on would show: the newest file is old enough.
pub(super) fn is_settled(trace: &Trace) -> bool {
    let Ok(now) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) else { return false };
    let newest = trace.values().map(|(_, changed, _)| *changed).max().unwrap_or(0);
    i128::try_from((now.saturating_sub(SETTLED)).as_nanos()).is_ok_and(|limit| newest < limit)
}
