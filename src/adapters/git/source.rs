//! Facts about the user's repository. Everything here reads only; not even the index is refreshed.

use super::file_attributes::Entry;
use super::reader::{Answer, is_whole};
use super::{Git, GitError, Place, fields, id_lines, unexpected_output};
use crate::adapters::os::files::At;
use crate::domain::values::{CommitId, Tip, TreeId, UnitId};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Name and address of commits when the user has none configured.
pub const FALLBACK_IDENTITY: (&str, &str) = ("mission-control", "mc@localhost");

/// What kind of repository a folder is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFacts {
    /// Root of the work tree; of a bare repository its git directory.
    pub toplevel: PathBuf,
    /// Real path of the git directory shared by all worktrees.
    pub common_dir: PathBuf,
    /// Whether history is cut off.
    pub shallow: bool,
    /// Whether objects are fetched on demand.
    pub partial: bool,
    /// Whether there is no work tree.
    pub bare: bool,
    /// `sha1` or `sha256`.
    pub object_format: String,
}

/// What is asked of any repository, with or without a work tree.
const FACTS: [&str; 4] = ["rev-parse", "--is-bare-repository", "--is-shallow-repository", "--show-object-format"];

/// Looks at the repository that contains `git`'s folder.
///
/// # Errors
/// [`GitError::NoRepository`], [`GitError::OddPath`] or [`GitError::Ownership`], each with a hint; [`GitError`] when git
/// fails.
pub async fn inspect(git: &Git) -> Result<SourceFacts, GitError> {
    let all = [&FACTS[..], &["--path-format=absolute", "--git-common-dir", "--show-toplevel"]].concat();
    let said = git.run(&all).await?;
    // Where there is no work tree, or a path has lines, each thing is asked by itself.
    let lines: Vec<&[u8]> = said.stdout.split(|b| *b == b'\n').collect();
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let (args, first, at_once) = match lines[..] {
        [bare, shallow, format, common, toplevel, b""] if said.success() => {
            let first = String::from_utf8_lossy(&[bare, shallow, format].join(&b'\n')).into_owned();
            (&all[..], Ok(first), Some((path(common), path(toplevel))))
        }
        _ => (&FACTS[..], git.run_text(&FACTS).await, None),
    };
    let text = match first {
        Err(GitError::Failed { stderr, .. }) if stderr.contains("not a git repository") => {
            let (Place::Folder(dir) | Place::GitDir(dir) | Place::WorkTree { files: dir, .. }) = git.place();
            return Err(GitError::NoRepository { dir: dir.clone() });
        }
        other => other?,
    };
    let [bare, shallow, object_format] = text.lines().collect::<Vec<_>>()[..] else {
        return Err(unexpected_output(args, text.as_bytes()));
    };
    let bare = bare == "true";
    let (common_dir, toplevel) = match at_once {
        Some((common, toplevel)) => (canonicalize_path(&common)?, toplevel),
        None => {
            let common =
                canonicalize_path(&git.path(&["rev-parse", "--path-format=absolute", "--git-common-dir"]).await?)?;
            let toplevel = if bare { common.clone() } else { git.path(&["rev-parse", "--show-toplevel"]).await? };
            (common, toplevel)
        }
    };
    if let Some(path) = [&common_dir, &toplevel].into_iter().find(|path| !in_one_line(path)) {
        return Err(GitError::OddPath { path: path.clone() });
    }
    let pattern = r"^(remote\..*\.(promisor|partialclonefilter)|extensions\.partialclone)$";
    let asked = ["config", "--local", "--name-only", "--get-regexp", pattern];
    let partial = !plainly_whole(&common_dir) && git.run_query(&asked).await?.is_some();
    Ok(SourceFacts {
        toplevel,
        common_dir,
        shallow: shallow == "true",
        partial,
        bare,
        object_format: object_format.to_owned(),
    })
}

impl Git {
    /// Runs git and reads the path it prints, which may be any bytes.
    async fn path(&self, args: &[&str]) -> Result<PathBuf, GitError> {
        let bytes = self.run_bytes(args).await?;
        Ok(PathBuf::from(OsStr::from_bytes(bytes.strip_suffix(b"\n").unwrap_or(&bytes))))
    }

    /// Paths of tracked files that differ from HEAD, in the index or in the work tree.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn tracked_changes(&self) -> Result<Vec<String>, GitError> {
        let args =
            ["status", "--porcelain=v1", "-z", "--untracked-files=no", "--ignore-submodules=dirty", "--no-renames"];
        let bytes = self.run_bytes(&args).await?;
        Ok(fields(&bytes).filter_map(|f| Some(String::from_utf8_lossy(f.get(3..)?).into_owned())).collect())
    }

    /// The worktree that has the branch `refname` checked out or is rebasing it.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn checked_out(&self, refname: &str) -> Result<Option<PathBuf>, GitError> {
        let common = self.common_dir().await?;
        if plainly_elsewhere(&common, refname) {
            return Ok(None);
        }
        let bytes = self.run_bytes(&["worktree", "list", "--porcelain", "-z"]).await?;
        let trees = parse_worktrees(&bytes);
        if let Some(tree) = trees.iter().find(|t| t.branch.as_deref() == Some(refname.as_bytes())) {
            return Ok(Some(tree.path.clone()));
        }
        let mut git_dirs = vec![(common.clone(), trees.first().map(|t| t.path.clone()))];
        for entry in std::fs::read_dir(common.join("worktrees")).into_iter().flatten().flatten() {
            let link = std::fs::read(entry.path().join("gitdir")).unwrap_or_default();
            let path = Path::new(OsStr::from_bytes(link.trim_ascii_end())).parent().map(Path::to_owned);
            // A worktree whose folder was deleted protects nobody.
            git_dirs.push((entry.path(), path.filter(|p| p.exists())));
        }
        for (dir, tree) in git_dirs {
            let busy = ["rebase-merge/head-name", "rebase-apply/head-name"].iter().any(|name| {
                std::fs::read(dir.join(name)).is_ok_and(|text| text.trim_ascii_end() == refname.as_bytes())
            });
            if let (true, Some(tree)) = (busy, tree) {
                return Ok(Some(tree));
            }
        }
        Ok(None)
    }

    pub(super) async fn common_dir(&self) -> Result<PathBuf, GitError> {
        match &self.batch {
            Some(batch) => Ok(batch.common_dir.clone()),
            None => self.path(&["rev-parse", "--path-format=absolute", "--git-common-dir"]).await,
        }
    }

    /// Whether everything that a commit has beyond its parents can be read, by a git that has just started: one that stays
    /// may know objects that are gone.
    ///
    /// # Errors
    /// [`GitError`] when git cannot be run.
    pub async fn adds_whole(&self, commit: &CommitId) -> Result<bool, GitError> {
        let parents = format!("{commit}^@");
        let args = ["rev-list", "--objects", "--quiet", commit.as_str(), "--not", &parents, "--"];
        Ok(self.run(&args).await?.success())
    }

    /// Whether `parent` is the first parent of `child`, as far as that is known without a process of its own.
    pub async fn grew_from(&self, child: &CommitId, parent: &CommitId) -> bool {
        matches!(self.lookup_object(&format!("{child}^1")).await, Some(Answer::Object(id)) if id == parent.as_str())
    }

    /// The commits from `head` down to `base`, which is left out, when each has one parent and there are at most 30; `None`:
    /// that is not so, or only a process of its own could tell.
    pub async fn plain_line(&self, head: &CommitId, base: &CommitId) -> Option<Vec<CommitId>> {
        let mut line = Vec::new();
        let mut at = head.clone();
        while at != *base {
            if line.len() >= 30 || self.lookup_object(&format!("{at}^2")).await? != Answer::Missing {
                return None;
            }
            let Answer::Object(parent) = self.lookup_object(&format!("{at}^1")).await? else { return None };
            line.push(std::mem::replace(&mut at, CommitId::new(&parent).ok()?));
        }
        Some(line)
    }

    /// The commit and tree a revision names; absent when it names none.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn resolve(&self, rev: &str) -> Result<Option<Tip>, GitError> {
        if rev.is_empty() || rev.starts_with('-') {
            return Ok(None);
        }
        // A ref that is named in full is that ref, whatever else git would find by the name.
        let exact = match self.batch.is_some() && is_whole(rev) {
            true => match self.ref_value(rev).await? {
                Some(id) => Some(id),
                None => return Ok(None),
            },
            false => None,
        };
        let name = format!("{}^{{commit}}", exact.as_ref().map_or(rev, CommitId::as_str));
        if let Some(Answer::Object(id)) = self.lookup_object(&name).await
            && let Ok(commit) = CommitId::new(&id)
        {
            let tree = self.tree_of(&commit).await?;
            return Ok(Some(Tip { commit, tree }));
        }
        // Both ids by one process. No option can follow `--end-of-options`, and no path `--`.
        let args = ["rev-list", "-1", "--no-commit-header", "--format=%H %T", "--end-of-options", &name, "--"];
        let output = self.run(&args).await?;
        if !output.success() {
            // A bad name ends as a broken repository does, which also fails here.
            self.run_text(&["rev-parse", "--git-dir"]).await?;
            return Ok(None);
        }
        let text = head_line(&output.stdout);
        let ids = text.split_once(' ').and_then(|(id, tree)| Some((CommitId::new(id).ok()?, TreeId::new(tree).ok()?)));
        let (commit, tree) = ids.ok_or_else(|| unexpected_output(&args, text.as_bytes()))?;
        Ok(Some(Tip { commit, tree }))
    }

    /// The tree of a commit.
    ///
    /// # Errors
    /// [`GitError`] when there is no such commit.
    pub async fn tree_of(&self, commit: &CommitId) -> Result<TreeId, GitError> {
        let name = format!("{commit}^{{tree}}");
        if let Some(Answer::Object(id)) = self.lookup_object(&name).await
            && let Ok(tree) = TreeId::new(&id)
        {
            return Ok(tree);
        }
        self.tree_id(&["rev-parse", "--verify", &name]).await
    }

    /// Whether `a` is `b` or an ancestor of it.
    ///
    /// # Errors
    /// [`GitError`] when one of them does not exist.
    pub async fn is_ancestor(&self, a: &CommitId, b: &CommitId) -> Result<bool, GitError> {
        Ok(self.run_query(&["merge-base", "--is-ancestor", a.as_str(), b.as_str()]).await?.is_some())
    }

    /// The best common ancestor; absent when the histories are unrelated.
    ///
    /// # Errors
    /// [`GitError`] when one of them does not exist.
    pub async fn merge_base(&self, a: &CommitId, b: &CommitId) -> Result<Option<CommitId>, GitError> {
        let found = self.run_query(&["merge-base", a.as_str(), b.as_str()]).await?;
        Ok(found.and_then(|bytes| CommitId::new(&head_line(&bytes)).ok()))
    }

    /// All best common ancestors, sorted by id: none when the histories are unrelated, several when they crossed.
    ///
    /// # Errors
    /// [`GitError`] when one of them does not exist.
    pub async fn merge_bases(&self, a: &CommitId, b: &CommitId) -> Result<Vec<CommitId>, GitError> {
        let found = self.run_query(&["merge-base", "--all", a.as_str(), b.as_str()]).await?.unwrap_or_default();
        let text = String::from_utf8_lossy(&found);
        let mut bases: Vec<CommitId> = text.lines().filter_map(|line| CommitId::new(line).ok()).collect();
        bases.sort();
        Ok(bases)
    }

    /// The content of the file at `path` (from the root) in a commit; absent when there is no such file.
    ///
    /// # Errors
    /// [`GitError`] when there is no such commit.
    pub async fn read_file(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, GitError> {
        match self.entry(commit.as_str(), path).await? {
            Some((mode, id)) if mode.starts_with("100") => Ok(Some(self.run_bytes(&["cat-file", "blob", &id]).await?)),
            _ => Ok(None),
        }
    }

    /// Paths that differ between two commits.
    ///
    /// # Errors
    /// [`GitError`] when one of them does not exist.
    pub async fn diff_paths(&self, a: &CommitId, b: &CommitId) -> Result<Vec<String>, GitError> {
        let args = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--ignore-submodules=none"];
        self.names(&[&args[..], &[a.as_str(), b.as_str()]].concat()).await
    }

    /// The names that a `-z` call prints; bytes that are not UTF-8 are replaced.
    pub(super) async fn names<T: FromIterator<String>>(&self, args: &[&str]) -> Result<T, GitError> {
        let bytes = self.run_bytes(args).await?;
        Ok(fields(&bytes).map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    /// Mode and object id of one path in a tree.
    pub(crate) async fn entry(&self, tree: &str, path: &str) -> Result<Option<(String, String)>, GitError> {
        let bytes = self.run_bytes(&["ls-tree", "-z", "--full-tree", tree, "--", path]).await?;
        Ok(fields(&bytes).find_map(Entry::read).map(|entry| (entry.mode, entry.id)))
    }

    /// Units named by `Mc-Unit` trailers on the first-parent history of `green`, newest first, with their commits.
    ///
    /// # Errors
    /// [`GitError`] when there is no such commit.
    pub async fn landed_units(&self, green: &CommitId) -> Result<Vec<(UnitId, CommitId)>, GitError> {
        let format = "--format=%H %(trailers:key=Mc-Unit,valueonly,unfold,separator=%x20)";
        let args = ["rev-list", "--first-parent", "--no-commit-header", "--grep=^Mc-Unit:", format, green.as_str()];
        let bytes = self.run_bytes(&args).await?;
        let text = String::from_utf8_lossy(&bytes);
        let named = |(commit, units): (CommitId, &str)| {
            let ids = units.split_whitespace().filter_map(|u| UnitId::new(u).ok());
            ids.map(|unit| (unit, commit.clone())).collect::<Vec<_>>()
        };
        Ok(id_lines(&text).flat_map(named).collect())
    }
}

fn head_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned()
}

/// Whether a path can stand in a line of text: records, lists of alternates and messages name it so.
fn in_one_line(path: &Path) -> bool {
    path.to_str().is_some_and(|path| !path.contains(['\n', '\r']))
}

fn canonicalize_path(path: &Path) -> Result<PathBuf, GitError> {
    Ok(path.canonicalize().at(path)?)
}

#[derive(Debug, PartialEq, Eq)]
struct Worktree {
    path: PathBuf,
    branch: Option<Vec<u8>>,
}

/// Reads `git worktree list --porcelain -z`; worktrees whose folder is gone are left out.
fn parse_worktrees(bytes: &[u8]) -> Vec<Worktree> {
    let mut trees = Vec::new();
    let mut current: Option<Worktree> = None;
    for field in bytes.split(|b| *b == 0) {
        if let Some(path) = field.strip_prefix(b"worktree ") {
            current = Some(Worktree { path: PathBuf::from(OsStr::from_bytes(path)), branch: None });
        } else if let Some(branch) = field.strip_prefix(b"branch ") {
            current = current.map(|tree| Worktree { branch: Some(branch.to_owned()), ..tree });
        } else if field.starts_with(b"prunable") {
            current = None;
        } else if field.is_empty() {
            trees.extend(current.take());
        }
    }
    trees
}

/// Whether the settings of a repository itself name no objects that are fetched on demand. `git config --local` reads
/// this file and nothing it includes.
fn plainly_whole(common: &Path) -> bool {
    let text = std::fs::read(common.join("config")).map(|bytes| String::from_utf8_lossy(&bytes).to_lowercase());
    text.is_ok_and(|text| !["promisor", "partialclone"].iter().any(|word| text.contains(word)))
}

/// Whether a look at its files shows that a repository has one work tree at most, on another branch and in no rebase. What
/// is not plain (worktrees, another form of refs, a linked HEAD) is for git to say.
fn plainly_elsewhere(common: &Path, refname: &str) -> bool {
    let head = common.join("HEAD");
    let worktrees = std::fs::read_dir(common.join("worktrees")).is_ok_and(|mut entries| entries.next().is_some());
    let busy = ["rebase-merge", "rebase-apply"].iter().any(|name| common.join(name).exists());
    let plain = std::fs::symlink_metadata(&head).is_ok_and(|meta| meta.is_file()) && !common.join("reftable").exists();
    if worktrees || busy || !plain {
        return false;
    }
    let text = std::fs::read_to_string(&head).unwrap_or_default();
    match text.strip_prefix("ref:").map(str::trim) {
        // A branch may itself be another name of one; then its file says so, as does a linked one.
        Some(branch) if branch.starts_with("refs/") && !branch.contains("..") && branch != refname => {
            let file = common.join(branch);
            match std::fs::symlink_metadata(&file) {
                Ok(meta) if meta.is_file() => {
                    std::fs::read_to_string(&file).is_ok_and(|id| CommitId::new(id.trim()).is_ok())
                }
                Ok(_) => false,
                Err(e) => e.kind() == std::io::ErrorKind::NotFound,
            }
        }
        Some(_) => false,
        None => CommitId::new(text.trim()).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worktree_list_is_read() {
        let text = b"worktree /a\nb\0HEAD 12\0branch refs/heads/main\0\0worktree /c\0HEAD 12\0detached\0\0\
            worktree /gone\0HEAD 12\0branch refs/heads/x\0prunable gitdir file points to non-existent location\0\0";
        let trees = parse_worktrees(text);
        assert_eq!(trees.len(), 2);
        assert_eq!(trees[0].path, PathBuf::from("/a\nb"));
        assert_eq!(trees[0].branch.as_deref(), Some(&b"refs/heads/main"[..]));
        assert_eq!(trees[1].branch, None);
    }
}
