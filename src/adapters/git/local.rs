//! What of the user's repository only its owner may change: settings, hooks and the files of `info`, as digests, with HEAD and
//! the entries of the index.
//!
//! Promises: nothing is written; a link is known by where it leads, only the folders themselves may be links; settings of
//! branches (`branch.<name>.*`), which people change all the time and which run nothing, are left out, and what `git gc`
//! writes into `info`; the index is compared by its entries, and git is only asked for them when its file was touched since
//! the last look.

use super::{Git, GitError};
use crate::domain::base::digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Larger files are known by their size and time.
const LARGEST: u64 = 1 << 20;

/// Folders in folders are looked into so far.
const DEEPEST: u32 = 4;

/// The repository beside refs and objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalState {
    /// Digest of each file of settings, hooks and `info`, by its path in the git directory.
    pub files: BTreeMap<String, String>,
    /// What HEAD says.
    pub head: String,
    /// Digest of the entries of the index.
    pub index: String,
}

impl LocalState {
    /// Names of the files that differ in the other state.
    pub fn changed_files(&self, other: &Self) -> Vec<String> {
        let names = self.files.keys().chain(other.files.keys().filter(|name| !self.files.contains_key(*name)));
        names.filter(|name| self.files.get(*name) != other.files.get(*name)).cloned().collect()
    }
}

/// Inode, change time in nanoseconds and size of a file.
type Trace = (u64, i128, u64);

/// The last look at the index: what its file was, and the digest of its entries.
#[derive(Debug, Default)]
pub struct SeenIndex(Mutex<Option<(Trace, String)>>);

impl Git {
    /// Settings, hooks and `info` of the repository.
    ///
    /// # Errors
    /// [`GitError`] when git cannot say where its folder is.
    pub async fn local_files(&self) -> Result<BTreeMap<String, String>, GitError> {
        let common = self.common_dir().await?;
        let mut files = BTreeMap::new();
        for name in ["config", "config.worktree"] {
            if let Some(digest) = file_digest(&common.join(name), true) {
                files.insert(name.to_owned(), digest);
            }
        }
        for folder in ["hooks", "info"] {
            list(&common.join(folder), folder, DEEPEST, &mut files);
        }
        // Repositories of submodules and settings of work trees are read by the user's git as well.
        list_inner(&common.join("modules"), "modules", DEEPEST, &mut files);
        list_inner(&common.join("worktrees"), "worktrees", 1, &mut files);
        // Written by `git gc` for servers.
        files.remove("info/refs");
        if let Ok(target) = fs::read_link(common.join("hooks")) {
            files.insert("hooks".to_owned(), format!("link to {}", target.display()));
        }
        Ok(files)
    }

    /// The whole state.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn local_state(&self, seen: &SeenIndex) -> Result<LocalState, GitError> {
        let files = self.local_files().await?;
        let common = self.common_dir().await?;
        let head = fs::read(common.join("HEAD")).unwrap_or_default();
        let head = String::from_utf8_lossy(&head).trim().to_owned();
        let trace = fs::symlink_metadata(common.join("index")).ok().map(|meta| {
            let changed = i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec());
            (meta.ino(), changed, meta.size())
        });
        let Some(trace) = trace else { return Ok(LocalState { files, head, index: String::new() }) };
        let known = seen.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let index = match known {
            Some((last, digest)) if last == trace => digest,
            _ => {
                // One that cannot be read is another one, and hides nothing else; it is asked again.
                match self.run_bytes(&["ls-files", "-s", "-z"]).await {
                    Err(_) => "unreadable".to_owned(),
                    Ok(entries) => {
                        let digest = digest(&entries)[..32].to_owned();
                        *seen.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((trace, digest.clone()));
                        digest
                    }
                }
            }
        };
        Ok(LocalState { files, head, index })
    }
}

/// Every file of a folder, and of folders in it.
fn list(folder: &Path, name: &str, depth: u32, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && depth > 0 {
            list(&entry.path(), &name, depth - 1, files);
        } else if !name.ends_with(".sample") {
            files.extend(file_digest(&entry.path(), false).map(|digest| (name, digest)));
        }
    }
}

/// Settings and hooks of the repositories and work trees in a folder.
fn list_inner(folder: &Path, name: &str, depth: u32, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), format!("{name}/{}", entry.file_name().to_string_lossy()));
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        for inner in ["config", "config.worktree"] {
            files.extend(file_digest(&path.join(inner), true).map(|digest| (format!("{name}/{inner}"), digest)));
        }
        list(&path.join("hooks"), &format!("{name}/hooks"), DEEPEST, files);
        if depth > 1 && !path.join("HEAD").exists() {
            list_inner(&path, &name, depth - 1, files);
        }
    }
}

/// Kind, mode and content; a link is its target. `None`: nothing is there.
fn file_digest(path: &Path, settings: bool) -> Option<String> {
    let meta = fs::symlink_metadata(path).ok()?;
    if meta.is_symlink() {
        let target = fs::read_link(path).ok()?;
        return Some(format!("link {}", &digest(target.as_os_str().as_bytes())[..32]));
    }
    if !meta.is_file() {
        return Some(format!("{:o}", meta.mode()));
    }
    if meta.len() > LARGEST {
        return Some(format!("{} {} {}", meta.len(), meta.ctime(), meta.ctime_nsec()));
    }
    let content = fs::read(path).ok()?;
    let content = if settings { without_branches(&content) } else { content };
    Some(format!("{:o} {}", meta.mode() & 0o111, &digest(&content)[..32]))
}

/// A file of settings without its sections `[branch "…"]`; whole where a line goes on in the next one, or where anything but a
/// name stands in the header, as there settings of other sections can look like theirs.
fn without_branches(config: &[u8]) -> Vec<u8> {
    let lines = || config.split_inclusive(|byte| *byte == b'\n');
    if lines().any(|line| line.trim_ascii_end().ends_with(b"\\")) {
        return config.to_vec();
    }
    let (mut kept, mut of_a_branch) = (Vec::new(), false);
    for line in lines() {
        let text = line.trim_ascii();
        if text.starts_with(b"[") {
            of_a_branch = is_of_a_branch(text);
        }
        if !of_a_branch {
            kept.extend_from_slice(line);
        }
    }
    kept
}

/// Whether a line is the header of a section of one branch, and nothing else.
fn is_of_a_branch(line: &[u8]) -> bool {
    let Some((_, rest)) = line.split_at_checked(7).filter(|(name, _)| name.eq_ignore_ascii_case(b"[branch")) else {
        return false;
    };
    let quoted = rest.trim_ascii_start().strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"]"));
    matches!(rest.first(), Some(b' ' | b'\t'))
        && quoted.is_some_and(|name| !name.iter().any(|byte| b"\"\\[]".contains(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_branches_are_left_out_and_nothing_else() {
        let text = b"[core]\n\tbare = false\n[branch \"main\"]\n\tremote = origin\n[Branch \"x\"]\n\tmerge = y\n[branchless]\n\ta = b\n[alias]\n\tx = y\n";
        assert_eq!(
            String::from_utf8_lossy(&without_branches(text)),
            "[core]\n\tbare = false\n[branchless]\n\ta = b\n[alias]\n\tx = y\n"
        );
        for hidden in [
            "[branch \"x\"][core]\nhooksPath = /tmp\n",
            "[branch \"x\"] [core] fsmonitor = /tmp ;]\n",
            "[core]\n\ta = b\\\n[branch \"x\"]\n\thooksPath = /tmp\n",
            "[branch \"x\\\"][core]\" ]\nhooksPath = /tmp\n",
        ] {
            assert!(String::from_utf8_lossy(&without_branches(hidden.as_bytes())).contains("/tmp"), "{hidden}");
        }
    }
}
