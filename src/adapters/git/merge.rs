//! Merging without a work tree, in a git directory of our own (`merge.git`) that borrows the source's object store.
//!
//! In the user's repository a merge would depend on untracked attributes, on merge drivers of the user and on submodules
//! that happen to be checked out. Here it depends on the two commits alone: no configuration file is read, attributes
//! come from the merged head, rename detection is fixed. New objects are written straight into the source's store, so
//! that a candidate can be pinned there at once.

use super::source::SourceFacts;
use super::staying::{self, Process};
use super::{ATTR_SOURCE, DEADLINE, FLUSHES, Git, GitError, Place, fields};
use crate::domain::values::{CommitId, Tip, TreeId};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;

/// The isolated repository merges are made in.
#[derive(Debug, Clone)]
pub struct MergeRepo {
    git: Git,
    /// The repository whose object store it uses.
    source: Git,
    identity: (String, String),
    version: (u32, u32),
    merger: Merger,
    /// Keeps commits as objects.
    keeper: Process,
}

/// A git that stays and merges.
#[derive(Debug, Clone)]
struct Merger {
    process: Process,
    /// The commit whose attributes it follows.
    attributes: Arc<Mutex<Option<CommitId>>>,
    /// Whether it answers each question before the next one; known after the first.
    answers: Arc<OnceLock<bool>>,
}

/// How long the first question to a git that stays and merges may take. It is one without work: whoever does not answer it
/// at once keeps its answers until its input ends.
const TRIAL: Duration = Duration::from_secs(5);

/// What merging a head into green gave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Integration {
    /// A merge commit (parents green, head) in the source's object store, referenced by nothing yet.
    Candidate(Tip),
    /// The merged tree is green's tree.
    Unchanged,
    /// Both sides changed the same thing, or they have no common history.
    Conflict {
        /// Paths in conflict; bytes that are not UTF-8 are replaced.
        files: Vec<String>,
        /// Git's own messages. Untrusted text.
        detail: String,
    },
}

/// What a merge gave, before it is a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Merged {
    /// The merged tree, in the source's object store.
    Tree(TreeId),
    /// It is green's tree.
    Unchanged,
    /// Both sides changed the same thing, or they have no common history.
    Conflict {
        /// Paths in conflict; bytes that are not UTF-8 are replaced.
        files: Vec<String>,
        /// Git's own messages. Untrusted text.
        detail: String,
    },
}

impl MergeRepo {
    /// Opens `merge.git` in `state_dir`, making it when it is absent or broken.
    ///
    /// # Errors
    /// [`GitError`] when git fails or is too old.
    pub async fn open(state_dir: &Path, source: &Git, facts: &SourceFacts) -> Result<Self, GitError> {
        let version = source.version().await?;
        let identity = source.identity().await?;
        let dir = state_dir.join("merge.git");
        let objects = facts.common_dir.join("objects");
        let plain = source
            .at(Place::Folder(state_dir.to_owned()))
            .with_env("GIT_CONFIG_NOSYSTEM", "1")
            .with_env("GIT_CONFIG_SYSTEM", "/dev/null")
            .with_env("GIT_CONFIG_GLOBAL", "/dev/null")
            .with_env("GIT_ATTR_NOSYSTEM", "1")
            .with_setting("core.attributesFile=/dev/null")
            .with_setting("merge.renames=true")
            .with_setting("merge.directoryRenames=conflict")
            .with_setting("merge.renameLimit=7000")
            .with_setting("merge.conflictStyle=merge")
            .with_setting("merge.renormalize=false")
            .with_setting("diff.algorithm=histogram");
        let git = plain.at(Place::GitDir(dir.clone())).with_env("GIT_OBJECT_DIRECTORY", &objects);
        let usable = dir.is_dir() && git.run(&["rev-parse", "--git-dir"]).await.is_ok_and(|o| o.success());
        if !usable {
            let failed = |source| GitError::Io { path: dir.clone(), source };
            if dir.exists() {
                std::fs::remove_dir_all(&dir).map_err(failed)?;
            }
            let format = format!("--object-format={}", facts.object_format);
            plain.out(&["init", "--quiet", "--bare", "--template=", &format, "merge.git"]).await?;
        }
        let process = || Process::of(&facts.common_dir);
        let merger = Merger { process: process(), attributes: Arc::default(), answers: Arc::default() };
        let keeper = process();
        Ok(Self { git, source: source.clone(), identity, version, merger, keeper })
    }

    /// Merges `head` into `green` and makes the candidate commit with `message` (trailers included) at `date` (seconds
    /// since the epoch; `None`: now). `drop_paths` keep green's version whatever the head did to them.
    ///
    /// # Errors
    /// [`GitError`] for everything that is not the answer to "do they merge": infrastructure, to be tried again.
    pub async fn integrate(
        &self,
        green: &Tip,
        head: &CommitId,
        message: &str,
        drop_paths: &[&str],
        date: Option<i64>,
    ) -> Result<Integration, GitError> {
        Ok(match self.merge(green, head, drop_paths).await? {
            Merged::Tree(tree) => {
                let commit = self.commit(&tree, &[&green.commit, head], message, date).await?;
                Integration::Candidate(Tip { commit, tree })
            }
            Merged::Unchanged => Integration::Unchanged,
            Merged::Conflict { files, detail } => Integration::Conflict { files, detail },
        })
    }

    /// Merges `head` into `green` without making a commit of it, for those who say the tree in its message.
    ///
    /// # Errors
    /// As [`MergeRepo::integrate`].
    pub async fn merge(&self, green: &Tip, head: &CommitId, drop_paths: &[&str]) -> Result<Merged, GitError> {
        let theirs = self.without(green, head, drop_paths).await?;
        match self.merged(green, &theirs).await {
            Some(tree) if tree == green.tree => return Ok(Merged::Unchanged),
            Some(tree) => return Ok(Merged::Tree(tree)),
            // Whatever is not a clean merge is made again by a git that says why.
            None => {}
        }
        let git = self.with_attributes(self.git.clone(), &theirs);
        let args = ["merge-tree", "--write-tree", "-z", "--name-only", green.commit.as_str(), theirs.as_str()];
        let output = git.run(&args).await?;
        match read_merge(output.code(), &output.stdout) {
            Answer::Clean(tree) if tree == green.tree => Ok(Merged::Unchanged),
            Answer::Clean(tree) => Ok(Merged::Tree(tree)),
            Answer::Conflict => {
                let (files, detail) = parse_conflict(&output.stdout);
                Ok(Merged::Conflict { files, detail })
            }
            Answer::Broken => match self.git.merge_base(&green.commit, head).await? {
                Some(_) => Err(git.failed(&args, &output)),
                None => {
                    let detail = format!("{head} has no common history with green {}", green.commit);
                    Ok(Merged::Conflict { files: Vec::new(), detail })
                }
            },
        }
    }

    /// The tree of a clean merge by the process that stays.
    async fn merged(&self, green: &Tip, theirs: &CommitId) -> Option<TreeId> {
        if self.source.staying.is_none() || self.merger.answers.get() == Some(&false) {
            return None;
        }
        let mut followed = self.merger.attributes.lock().await;
        let same = match &*followed {
            Some(_) if !self.attr_source() => true,
            Some(followed) => self.source.same_files_called(".gitattributes", followed, theirs).await == Some(true),
            None => false,
        };
        if !same {
            self.merger.process.leave().await;
            *followed = Some(theirs.clone());
        }
        let start = || {
            let git = followed.iter().fold(self.git.clone(), |git, commit| self.with_attributes(git, commit));
            let args = ["merge-tree", "--write-tree", "--stdin", "--name-only"];
            git.writer(&args, self.version < FLUSHES)
        };
        if self.merger.answers.get().is_none() {
            let trial = async |talker: &mut _| staying::merge(talker, &green.commit, &green.commit).await;
            let answers = self.merger.process.ask_for(TRIAL, start, trial).await.is_some();
            if !*self.merger.answers.get_or_init(|| answers) {
                return None;
            }
        }
        let dialogue = async |talker: &mut _| staying::merge(talker, &green.commit, theirs).await;
        self.merger.process.ask_for(DEADLINE, start, dialogue).await
    }

    fn attr_source(&self) -> bool {
        self.version >= ATTR_SOURCE
    }

    fn with_attributes(&self, git: Git, commit: &CommitId) -> Git {
        if self.attr_source() { git.with_option(&format!("--attr-source={commit}")) } else { git }
    }

    /// Makes a commit of `tree` in the source's object store, unsigned, by the source's identity.
    ///
    /// # Errors
    /// [`GitError`] when git fails.
    pub async fn commit(
        &self,
        tree: &TreeId,
        parents: &[&CommitId],
        message: &str,
        date: Option<i64>,
    ) -> Result<CommitId, GitError> {
        match self.kept(tree, parents, message, date).await {
            Some(commit) => Ok(commit),
            None => signed_by(self.git.clone(), &self.identity, date).commit_tree(tree, parents, message).await,
        }
    }

    /// The commit, when the process that stays can make it.
    async fn kept(&self, tree: &TreeId, parents: &[&CommitId], message: &str, date: Option<i64>) -> Option<CommitId> {
        self.source.staying.as_ref()?;
        let now = jiff::Zoned::now();
        let offset = now.strftime("%z").to_string();
        let date = date.map_or((now.timestamp().as_second(), offset.as_str()), |seconds| (seconds, "+0000"));
        let text = staying::commit_text(tree, parents, message, &self.identity, date)?;
        let args = ["hash-object", "-t", "commit", "-w", "--no-filters", "--stdin-paths"];
        let start = || self.git.writer(&args, false);
        // One name is enough: who has gits that stay holds the lock, and the process is asked by one at a time.
        let draft = self.dir().join("mc-commit");
        self.keeper.ask(start, async |talker| staying::keep(talker, &draft, text.as_bytes()).await).await
    }

    fn dir(&self) -> PathBuf {
        let (Place::GitDir(dir) | Place::Folder(dir) | Place::WorkTree { git_dir: dir, .. }) = self.git.place();
        dir.clone()
    }

    /// `head`, or a commit on top of it that has green's version of `drop_paths`: merging that one leaves them alone.
    async fn without(&self, green: &Tip, head: &CommitId, drop_paths: &[&str]) -> Result<CommitId, GitError> {
        let mut edits: Vec<Vec<String>> = Vec::new();
        let at_root: Vec<&str> = drop_paths.iter().filter_map(|path| path.split('/').next()).collect();
        let differ = |names: BTreeSet<String>| at_root.iter().any(|name| names.contains(*name));
        if drop_paths.is_empty() || !differ(self.source.differing_at_root(&green.commit, head).await?) {
            return Ok(head.clone());
        }
        for path in drop_paths {
            let (ours, theirs) =
                (self.git.entry(green.commit.as_str(), path).await?, self.git.entry(head.as_str(), path).await?);
            if ours == theirs {
                continue;
            }
            edits.push(match ours {
                Some((mode, id)) => {
                    ["update-index", "--add", "--replace", "--cacheinfo", &format!("{mode},{id},{path}")]
                        .map(str::to_owned)
                        .to_vec()
                }
                None => ["update-index", "--force-remove", "--", path].map(str::to_owned).to_vec(),
            });
        }
        if edits.is_empty() {
            return Ok(head.clone());
        }
        let tree = self.edited(head.as_str(), &edits).await?;
        self.commit(&tree, &[head], "mc: the same without edits of files that mc keeps\n", Some(0)).await
    }

    /// A tree with other contents of some files, each with its mode, in the source's object store.
    ///
    /// # Errors
    /// [`GitError`] when git fails or the temporary folder cannot be used.
    pub async fn replaced(&self, tree: &TreeId, files: &[(&str, &str, &[u8])]) -> Result<TreeId, GitError> {
        let mut edits: Vec<Vec<String>> = Vec::new();
        for (path, mode, content) in files {
            let failed = |source| GitError::Io { path: std::env::temp_dir(), source };
            let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
            std::io::Write::write_all(&mut file, content).map_err(failed)?;
            let from = file.path().as_os_str();
            let blob =
                self.git.commit_id(&["hash-object".as_ref(), "-w".as_ref(), "--no-filters".as_ref(), from]).await?;
            let entry = format!("{mode},{blob},{path}");
            edits.push(["update-index", "--add", "--replace", "--cacheinfo", &entry].map(str::to_owned).to_vec());
        }
        self.edited(tree.as_str(), &edits).await
    }

    /// The tree that calls of `update-index` make of another one.
    async fn edited(&self, from: &str, edits: &[Vec<String>]) -> Result<TreeId, GitError> {
        let dir = tempfile::tempdir().map_err(|source| GitError::Io { path: std::env::temp_dir(), source })?;
        // Removing a path from an index needs a work tree, although none is looked at.
        let place = Place::WorkTree { git_dir: self.dir(), files: dir.path().to_owned() };
        let git = self.git.at(place).with_env("GIT_INDEX_FILE", dir.path().join("index"));
        git.out(&["read-tree", from]).await?;
        for edit in edits {
            git.out(edit).await?;
        }
        git.tree_id(&["write-tree"]).await
    }
}

/// Adds author, committer and, if given, both dates (seconds since the epoch, UTC) to every call.
pub(crate) fn signed_by(git: Git, (name, email): &(String, String), date: Option<i64>) -> Git {
    let mut git = git
        .with_env("GIT_AUTHOR_NAME", name)
        .with_env("GIT_AUTHOR_EMAIL", email)
        .with_env("GIT_COMMITTER_NAME", name)
        .with_env("GIT_COMMITTER_EMAIL", email);
    if let Some(seconds) = date {
        let text = format!("@{seconds} +0000");
        git = git.with_env("GIT_AUTHOR_DATE", &text).with_env("GIT_COMMITTER_DATE", &text);
    }
    git
}

impl Git {
    /// Makes a commit object; moves nothing, runs no hook, signs nothing.
    pub(crate) async fn commit_tree(
        &self,
        tree: &TreeId,
        parents: &[&CommitId],
        message: &str,
    ) -> Result<CommitId, GitError> {
        let mut args = vec!["commit-tree", tree.as_str()];
        for parent in parents {
            args.extend(["-p", parent.as_str()]);
        }
        args.extend(["-m", message]);
        self.commit_id(&args).await
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Clean(TreeId),
    Conflict,
    Broken,
}

/// Reads how `git merge-tree` ended. Exit 1 without a tree is a bad object or the like, not a conflict.
fn read_merge(code: Option<i32>, stdout: &[u8]) -> Answer {
    match (code, first_tree(stdout)) {
        (Some(0), Some(tree)) => Answer::Clean(tree),
        (Some(1), Some(_)) => Answer::Conflict,
        _ => Answer::Broken,
    }
}

fn first_tree(stdout: &[u8]) -> Option<TreeId> {
    TreeId::new(std::str::from_utf8(fields(stdout).next()?).ok()?).ok()
}

/// Reads `git merge-tree -z --name-only` after a conflict: tree, paths, an empty field, then messages, each as
/// (number of paths, paths, kind, text).
fn parse_conflict(stdout: &[u8]) -> (Vec<String>, String) {
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let mut rest = fields(stdout).skip(1);
    let mut files: Vec<String> = rest.by_ref().take_while(|f| !f.is_empty()).map(text).collect();
    files.dedup();
    let mut detail = String::new();
    while let Some(count) = rest.next().and_then(|f| std::str::from_utf8(f).ok()?.parse::<usize>().ok()) {
        let mut message = rest.by_ref().skip(count).take(2).map(text);
        if let (Some(kind), Some(line)) = (message.next(), message.next())
            && kind.starts_with("CONFLICT")
        {
            detail.push_str(line.trim_end());
            detail.push('\n');
        }
    }
    (files, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflict_output_is_read() {
        let tree = "a".repeat(40);
        let out = format!(
            "{tree}\0a\nb\0c\0\x001\0a\nb\0Auto-merging\0Auto-merging a\n\x001\0c\0CONFLICT (contents)\0CONFLICT (content): in c\n\0"
        );
        assert_eq!(first_tree(out.as_bytes()), TreeId::new(&tree).ok());
        let (files, detail) = parse_conflict(out.as_bytes());
        assert_eq!(files, ["a\nb", "c"]);
        assert_eq!(detail, "CONFLICT (content): in c\n");
    }

    #[test]
    fn only_exit_1_with_a_tree_is_a_conflict() {
        let tree = "a".repeat(40);
        let with_tree = format!("{tree}\0a\0");
        assert_eq!(read_merge(Some(1), with_tree.as_bytes()), Answer::Conflict);
        assert!(matches!(read_merge(Some(0), with_tree.as_bytes()), Answer::Clean(_)));
        let message = b"merge-tree: dead - not something we can merge\n";
        for (code, out) in [(Some(1), &b""[..]), (Some(1), message), (Some(0), b""), (Some(128), with_tree.as_bytes())]
        {
            assert_eq!(read_merge(code, out), Answer::Broken, "{code:?}");
        }
    }
}
