//! Foreign refs: those of others than `mc`, and what they hold before and after an attempt.
//!
//! Git reads every file of a folder of refs it is asked for, and ours holds several for each unit; so only the folders of
//! others are asked for. While none of their files was touched the last answer is given again: each change of a ref puts a
//! new file in the place of the old one, with another inode or change time, which nobody but the system sets.

use super::refs::RefName;
use super::{Git, GitError};
use crate::domain::values::CommitId;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
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
pub struct RefFiles(Option<Trace>);

impl RefFiles {
    /// Whether files tell what refs there are.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.0.is_some()
    }

    /// Whether nothing was moved since, as far as files tell.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.is_some() && self.0 == other.0
    }
}

/// Inode, change time in nanoseconds and size of each file of refs.
type Trace = BTreeMap<PathBuf, (u64, i128, u64)>;

/// Refs by name.
type Refs = BTreeMap<RefName, CommitId>;

/// The last answer and what the files were when it was given.
#[derive(Debug, Clone, Default)]
pub(super) struct Remembered(Arc<Mutex<Option<(Trace, Refs)>>>);

impl Git {
    /// What the files of refs of others are now: no process is needed to see that nothing moved.
    ///
    /// # Errors
    /// [`GitError`] when git cannot say where its folder is.
    pub async fn ref_files(&self) -> Result<RefFiles, GitError> {
        Ok(RefFiles(trace(&self.common_dir().await?)))
    }

    /// Every ref that is not `mc`'s own, with the object it holds: compared before and after an attempt.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn refs_snapshot(&self) -> Result<BTreeMap<RefName, CommitId>, GitError> {
        let common = self.common_dir().await?;
        let trace = self.batch.as_ref().and_then(|batch| Some((&batch.foreign_refs, trace(&common)?)));
        if let Some((remembered, now)) = &trace
            && let Ok(last) = remembered.0.lock()
            && let Some((then, refs)) = &*last
            && then == now
        {
            return Ok(refs.clone());
        }
        let places = namespaces(&common).unwrap_or_else(|| vec!["refs".into()]);
        let listed = self.listed_refs(&places).await?;
        let refs: Refs = listed.into_iter().filter(|(name, _)| !is_ours(name)).collect();
        if let Some((remembered, then)) = trace
            && let Ok(mut last) = remembered.0.lock()
        {
            *last = settled(&then).then(|| (then, refs.clone()));
        }
        Ok(refs)
    }
}

fn is_ours(name: &RefName) -> bool {
    [&b"refs/heads/mc/"[..], b"refs/mc/"].iter().any(|folder| name.as_bytes().starts_with(folder))
}

/// The folders and single names below `refs` that hold refs of others, for a repository that keeps refs as files; `None`
/// where that cannot be told from files alone. Refs of one work tree (gitrepository-layout) are always among them.
fn namespaces(common: &Path) -> Option<Vec<OsString>> {
    if common.join("reftable").exists() {
        return None;
    }
    let mut names: BTreeSet<Vec<u8>> = ["heads", "bisect", "worktree", "rewritten"].map(Vec::from).into();
    for entry in std::fs::read_dir(common.join("refs")).ok()? {
        names.insert(entry.ok()?.file_name().into_vec());
    }
    let packed = match std::fs::read(common.join("packed-refs")) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(_) => return None,
    };
    for line in packed.split(|b| *b == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#")) {
        if line.starts_with(b"^") {
            continue;
        }
        let name = &line[line.iter().position(|b| *b == b' ')? + 1..];
        names.insert(name.strip_prefix(b"refs/")?.split(|b| *b == b'/').next()?.to_vec());
    }
    names.remove(&b"mc"[..]);
    Some(names.iter().map(|name| OsString::from_vec([b"refs/", name.as_slice()].concat())).collect())
}

/// What the files of refs are now; `None` where that does not tell what refs there are: tables, refs of linked work trees,
/// links to files elsewhere, or very many. A ref that names another one is a file that stays when that one moves: the other
/// is among the files itself, unless it is ours.
fn trace(common: &Path) -> Option<Trace> {
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
    match std::fs::symlink_metadata(common.join("packed-refs")) {
        Ok(meta) => meta.is_file() && note(common.join("packed-refs"), &meta),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => true,
        Err(_) => false,
    }
    .then_some(())?;
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
fn settled(trace: &Trace) -> bool {
    let Ok(now) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) else { return false };
    let newest = trace.values().map(|(_, changed, _)| *changed).max().unwrap_or(0);
    i128::try_from((now.saturating_sub(SETTLED)).as_nanos()).is_ok_and(|limit| newest < limit)
}
