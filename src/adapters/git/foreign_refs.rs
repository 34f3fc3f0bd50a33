//! Foreign refs: those of others than `mc`, and what they hold before and after an attempt.
//!
//! Git reads every file of a folder of refs it is asked for, and ours holds several for each unit; so only the folders of
//! others are asked for. While none of their files was touched the last answer is given again: each change of a ref puts a
//! new file in the place of the old one, with another inode or change time, which nobody but the system sets.

use super::{Git, GitError};
use crate::adapters::git::ref_name::RefName;
use crate::adapters::git::seen_refs::{RefFiles, Refs, is_settled, scan_ref_files};
use crate::adapters::os::files::if_there;
use crate::domain::values::CommitId;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

impl Git {
    /// What the files of refs of others are now: no process is needed to see that nothing moved.
    ///
    /// # Errors
    /// [`GitError`] when git cannot say where its folder is.
    pub async fn ref_files(&self) -> Result<RefFiles, GitError> {
        Ok(RefFiles(scan_ref_files(&self.common_dir().await?)))
    }

    /// Every ref that is not `mc`'s own, with the object it holds: compared before and after an attempt.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn refs_snapshot(&self) -> Result<BTreeMap<RefName, CommitId>, GitError> {
        let common = self.common_dir().await?;
        let trace = self.batch.as_ref().and_then(|batch| Some((&batch.foreign_refs, scan_ref_files(&common)?)));
        if let Some((remembered, now)) = &trace
            && let Ok(last) = remembered.0.lock()
            && let Some((then, refs)) = &*last
            && then == now
        {
            return Ok(refs.clone());
        }
        let places = list_namespaces(&common).unwrap_or_else(|| vec!["refs".into()]);
        let listed = self.listed_refs(&places).await?;
        let refs: Refs = listed.into_iter().filter(|(name, _)| !is_ours(name)).collect();
        if let Some((remembered, then)) = trace
            && let Ok(mut last) = remembered.0.lock()
        {
            *last = is_settled(&then).then(|| (then, refs.clone()));
        }
        Ok(refs)
    }
}

fn is_ours(name: &RefName) -> bool {
    [&b"refs/heads/mc/"[..], b"refs/mc/"].iter().any(|folder| name.as_bytes().starts_with(folder))
}

/// The folders and single names below `refs` that hold refs of others, for a repository that keeps refs as files; `None`
/// where that cannot be told from files alone. Refs of one work tree (gitrepository-layout) are always among them.
fn list_namespaces(common: &Path) -> Option<Vec<OsString>> {
    if common.join("reftable").exists() {
        return None;
    }
    let mut names: BTreeSet<Vec<u8>> = ["heads", "bisect", "worktree", "rewritten"].map(Vec::from).into();
    for entry in std::fs::read_dir(common.join("refs")).ok()? {
        names.insert(entry.ok()?.file_name().into_vec());
    }
    let packed = if_there(std::fs::read(common.join("packed-refs"))).ok()?.unwrap_or_default();
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
