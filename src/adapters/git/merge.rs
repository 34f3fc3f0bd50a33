//! Merging without a work tree, in git directories of our own that borrow the source's object store.
//!
//! In the user's repository a merge would depend on untracked attributes, on merge drivers of the user and on submodules
//! that happen to be checked out. Here it depends on the commits alone: each git gets a directory that was made for it (see
//! [`super::bare`]) and is not believed when somebody touched it, attributes come from green (see [`super::attributes`]),
//! rename detection is fixed. What one git merged is believed where it follows from the two sides without merging (see
//! [`super::sides`]), or where another one in another directory makes the same of it. New objects are written straight into
//! the source's store, so that a candidate can be pinned there at once.

use super::ancestry::Ancestry;
use super::attributes::union_lines;
use super::bare::{self, BareDir};
use super::batch;
use super::batch::Process;
use super::conflicts::{Answer, parse_conflict, read_merge};
use super::source::SourceFacts;
use super::{ATTR_SOURCE, Git, GitError, Place};
use crate::adapters::git::program::{DEADLINE, FLUSHES};
use crate::adapters::host::local::process::command::Coprocess;
use crate::adapters::os::{At, EngineClock};
use crate::domain::values::{CommitId, Tip, TreeId};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;

/// The isolated repository merges are made in.
#[derive(Debug, Clone)]
pub struct MergeRepo {
    /// How git is called, wherever its directory is.
    plain: Git,
    /// The repository whose object store it uses.
    pub(super) source: Git,
    state_dir: PathBuf,
    object_format: String,
    /// Attributes that count above those of green.
    own_attributes: String,
    identity: (String, String),
    version: (u32, u32),
    merger: Standing,
    /// Whether the git that stays and merges answers each question before the next one; known after the first.
    answers: Arc<OnceLock<bool>>,
    /// Keeps commits as objects.
    keeper: Standing,
    ancestry: Arc<Mutex<Ancestry>>,
    /// The commit whose attributes count, and what `--attr-source` names for them.
    pub(super) followed: Arc<Mutex<Option<(CommitId, String)>>>,
    clock: Option<EngineClock>,
}

/// A git that stays, with the directory that was made for it and what it takes attributes from.
#[derive(Debug, Clone)]
struct Standing {
    process: Process,
    bare: Arc<Mutex<Option<MergeDir>>>,
}

/// The directory, and what its attributes come from.
type MergeDir = (BareDir, Option<String>);

/// How long the first question to a git that stays and merges may take. It is one without work: whoever does not answer it
/// at once keeps its answers until its input ends.
const TRIAL: Duration = Duration::from_secs(5);

/// What merging a head into green gave, before it is a commit.
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

/// What a git made of two commits.
enum Made {
    Tree(TreeId),
    Conflict(Vec<u8>),
    Unrelated,
}

impl MergeRepo {
    /// Merging for a repository; git directories for it are made in `state_dir` when they are needed. `union` has globs of
    /// files that are joined line by line.
    ///
    /// # Errors
    /// [`GitError`] when git fails or is too old.
    pub async fn open(state_dir: &Path, source: &Git, facts: &SourceFacts, union: &[String]) -> Result<Self, GitError> {
        let version = source.version().await?;
        let identity = source.identity().await?;
        let plain = source
            .with_place(Place::Folder(state_dir.to_owned()))
            .with_env("GIT_CONFIG_NOSYSTEM", "1")
            .with_env("GIT_CONFIG_SYSTEM", "/dev/null")
            .with_env("GIT_CONFIG_GLOBAL", "/dev/null")
            .with_env("GIT_ATTR_NOSYSTEM", "1")
            .with_env("GIT_OBJECT_DIRECTORY", facts.common_dir.join("objects"))
            .with_setting("core.attributesFile=/dev/null")
            .with_setting("core.commitGraph=false")
            .with_setting("merge.renames=true")
            .with_setting("merge.directoryRenames=conflict")
            .with_setting("merge.renameLimit=7000")
            .with_setting("merge.conflictStyle=merge")
            .with_setting("merge.renormalize=false")
            .with_setting("diff.algorithm=histogram");
        let standing = || Standing { process: Process::of(&facts.common_dir), bare: Arc::default() };
        Ok(Self {
            plain,
            source: source.clone(),
            state_dir: state_dir.to_owned(),
            object_format: facts.object_format.clone(),
            own_attributes: union_lines(union),
            identity,
            version,
            merger: standing(),
            answers: Arc::default(),
            keeper: standing(),
            ancestry: Arc::default(),
            followed: Arc::default(),
            clock: None,
        })
    }

    /// The same, with commits dated by this clock instead of the wall's.
    #[must_use]
    pub fn dated_by(mut self, clock: EngineClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The clock's seconds since the epoch, where one is given.
    fn seconds(&self) -> Option<i64> {
        self.clock.and_then(|clock| i64::try_from(clock.now() / 1_000).ok())
    }

    /// Removes what merging left in `state_dir` with engines that were killed. Only for who holds the engine's lock.
    ///
    /// # Errors
    /// [`GitError::Io`] when the folder cannot be used.
    pub fn sweep(state_dir: &Path) -> Result<(), GitError> {
        Ok(bare::sweep(state_dir).at(state_dir)?)
    }

    fn make_bare_dir(&self) -> Result<BareDir, GitError> {
        Ok(BareDir::make(&self.state_dir, &self.object_format, &self.own_attributes).at(&self.state_dir)?)
    }

    fn git_in(&self, bare: &BareDir, attributes: Option<&str>) -> Git {
        let git = self.plain.with_place(Place::GitDir(bare.path().to_owned()));
        attributes.into_iter().fold(git, |git, source| git.with_option(&format!("--attr-source={source}")))
    }

    /// Works with a git directory made for this alone; what came of it is forgotten when somebody touched that.
    async fn run_isolated<T>(
        &self,
        attributes: Option<&str>,
        work: impl AsyncFnOnce(Git) -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        let bare = self.make_bare_dir()?;
        let done = work(self.git_in(&bare, attributes)).await?;
        let path = || bare.path().to_owned();
        bare.is_untouched().then_some(done).ok_or_else(|| GitError::Touched { path: path() })
    }

    /// Leads one dialogue with a git that stays; it is started anew where its directory or its attributes are not right.
    async fn run_in_batch<T>(
        &self,
        standing: &Standing,
        attributes: Option<&str>,
        patience: Duration,
        start: impl FnOnce(&Git) -> Option<Coprocess>,
        dialogue: impl AsyncFnOnce(&mut Coprocess) -> Option<T>,
    ) -> Option<T> {
        let mut place = standing.bare.lock().await;
        if !place.as_ref().is_some_and(|(bare, then)| then.as_deref() == attributes && bare.is_untouched()) {
            standing.process.discard().await;
            *place = Some((self.make_bare_dir().ok()?, attributes.map(str::to_owned)));
        }
        let (bare, _) = place.as_ref()?;
        let answer = standing.process.run_dialogue(patience, || start(&self.git_in(bare, attributes)), dialogue).await;
        if bare.is_untouched() {
            return answer;
        }
        standing.process.discard().await;
        *place = None;
        None
    }

    /// Merges `head` into `green`; a commit is made of it by those who say the tree in its message. `drop_paths` keep green's version
    /// whatever the head did to them.
    ///
    /// # Errors
    /// [`GitError`] for everything that is not the answer to "do they merge": infrastructure, to be tried again.
    pub async fn merge(&self, green: &Tip, head: &CommitId, drop_paths: &[&str]) -> Result<Merged, GitError> {
        let theirs = self.restore_paths(green, head, drop_paths).await?;
        let attributes = self.attributes(green).await?;
        let attributes = attributes.as_deref();
        let made = match self.merge_in_batch(green, &theirs, attributes).await {
            Some(tree) => Made::Tree(tree),
            // Whatever is not a clean merge is made again by a git that says why.
            None => self.merge_isolated(green, &theirs, attributes).await?,
        };
        let tree = match made {
            Made::Tree(tree) => tree,
            Made::Conflict(told) => {
                let (files, detail) = parse_conflict(&told);
                return Ok(Merged::Conflict { files, detail });
            }
            Made::Unrelated => {
                let detail = format!("{head} has no common history with green {}", green.commit);
                return Ok(Merged::Conflict { files: Vec::new(), detail });
            }
        };
        if !self.is_trivial_merge(green, &theirs, &tree).await {
            match self.merge_isolated(green, &theirs, attributes).await? {
                Made::Tree(again) if again == tree => {}
                _ => return Err(GitError::TwoMerges { ours: green.commit.clone(), theirs }),
            }
        }
        Ok(if tree == green.tree { Merged::Unchanged } else { Merged::Tree(tree) })
    }

    /// Whether a merged tree is what it must be without a look into any file.
    async fn is_trivial_merge(&self, green: &Tip, theirs: &CommitId, merged: &TreeId) -> bool {
        let base = self.ancestry.lock().await.find_merge_base(&self.source, &green.commit, theirs).await;
        let Some(base) = base else { return false };
        let tree = |commit: &CommitId| format!("{commit}^{{tree}}");
        let (base, theirs) = (self.source.object(&tree(&base)).await, self.source.object(&tree(theirs)).await);
        let (Some(base), Some(theirs)) = (base, theirs) else { return false };
        self.source.one_sided(&base, green.tree.as_str(), &theirs, merged.as_str()).await
    }

    /// What a git of its own, in a directory of its own, makes of the two.
    async fn merge_isolated(&self, green: &Tip, theirs: &CommitId, attributes: Option<&str>) -> Result<Made, GitError> {
        let args = ["merge-tree", "--write-tree", "-z", "--name-only", green.commit.as_str(), theirs.as_str()];
        let merge = async |git: Git| {
            let output = git.run(&args).await?;
            Ok(match read_merge(output.code(), &output.stdout) {
                Answer::Clean(tree) => Made::Tree(tree),
                Answer::Conflict => Made::Conflict(output.stdout),
                Answer::Broken => match git.merge_base(&green.commit, theirs).await? {
                    Some(_) => return Err(git.explain_failure(&args, &output)),
                    None => Made::Unrelated,
                },
            })
        };
        self.run_isolated(attributes, merge).await
    }

    /// The tree of a clean merge by the process that stays.
    async fn merge_in_batch(&self, green: &Tip, theirs: &CommitId, attributes: Option<&str>) -> Option<TreeId> {
        if self.source.batch.is_none() || self.answers.get() == Some(&false) {
            return None;
        }
        let start = |git: &Git| {
            let args = ["merge-tree", "--write-tree", "--stdin", "--name-only"];
            git.start_writer(&args, self.version < FLUSHES)
        };
        if self.answers.get().is_none() {
            let trial = async |coprocess: &mut _| batch::merge(coprocess, &green.commit, &green.commit).await;
            let answers = self.run_in_batch(&self.merger, attributes, TRIAL, start, trial).await.is_some();
            if !*self.answers.get_or_init(|| answers) {
                return None;
            }
        }
        let dialogue = async |coprocess: &mut _| batch::merge(coprocess, &green.commit, theirs).await;
        self.run_in_batch(&self.merger, attributes, DEADLINE, start, dialogue).await
    }

    pub(super) fn knows_attr_source(&self) -> bool {
        self.version >= ATTR_SOURCE
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
        match self.commit_in_batch(tree, parents, message, date).await {
            Some(commit) => Ok(commit),
            None => {
                let date = date.or_else(|| self.seconds());
                let made = async |git| signed_by(git, &self.identity, date).commit_tree(tree, parents, message).await;
                self.run_isolated(None, made).await
            }
        }
    }

    /// The commit, when the process that stays can make it.
    async fn commit_in_batch(
        &self,
        tree: &TreeId,
        parents: &[&CommitId],
        message: &str,
        date: Option<i64>,
    ) -> Option<CommitId> {
        self.source.batch.as_ref()?;
        let now = jiff::Zoned::now();
        let offset = now.strftime("%z").to_string();
        let seconds = self.seconds().unwrap_or(now.timestamp().as_second());
        let date = date.map_or((seconds, offset.as_str()), |seconds| (seconds, "+0000"));
        let text = batch::commit_text(tree, parents, message, &self.identity, date)?;
        let args = ["hash-object", "-t", "commit", "-w", "--no-filters", "--stdin-paths"];
        let start = |git: &Git| git.start_writer(&args, false);
        let draft = bare::draft(&self.state_dir, text.as_bytes()).ok()?;
        let dialogue = async |coprocess: &mut _| batch::store_object(coprocess, draft.path()).await;
        let kept = self.run_in_batch(&self.keeper, None, DEADLINE, start, dialogue).await?;
        // The file may have been another one when git read it.
        let same = self.source.content(kept.as_str(), "commit").await.is_some_and(|kept| kept == text.as_bytes());
        same.then_some(kept)
    }

    /// `head`, or a commit on top of it that has green's version of `drop_paths`: merging that one leaves them alone.
    async fn restore_paths(&self, green: &Tip, head: &CommitId, drop_paths: &[&str]) -> Result<CommitId, GitError> {
        let at_root: Vec<&str> = drop_paths.iter().filter_map(|path| path.split('/').next()).collect();
        let differ = |names: BTreeSet<String>| at_root.iter().any(|name| names.contains(*name));
        if drop_paths.is_empty() || !differ(self.source.differing_at_root(&green.commit, head).await?) {
            return Ok(head.clone());
        }
        let mut edits = Vec::new();
        for path in drop_paths {
            let (ours, theirs) =
                (self.source.entry(green.commit.as_str(), path).await?, self.source.entry(head.as_str(), path).await?);
            if ours == theirs {
                continue;
            }
            edits.push(match ours {
                Some((mode, id)) => {
                    ["update-index", "--add", "--replace", "--cacheinfo", &format!("{mode},{id},{path}")]
                        .map(OsString::from)
                        .to_vec()
                }
                None => ["update-index", "--force-remove", "--", path].map(OsString::from).to_vec(),
            });
        }
        if edits.is_empty() {
            return Ok(head.clone());
        }
        let tree = self.edit_tree(head.as_str(), &edits).await?;
        self.commit(&tree, &[head], "mc: the same without edits of files that mc keeps\n", Some(0)).await
    }

    /// A tree with other contents of some files, each with its mode, in the source's object store.
    ///
    /// # Errors
    /// [`GitError`] when git fails or a temporary file cannot be used.
    pub async fn replace_files<P: AsRef<OsStr>>(
        &self,
        tree: &TreeId,
        files: &[(P, &str, &[u8])],
    ) -> Result<TreeId, GitError> {
        let mut edits = Vec::new();
        for (path, mode, content) in files {
            let file = bare::draft(&self.state_dir, content).at(&self.state_dir)?;
            let args = ["hash-object".as_ref(), "-w".as_ref(), "--no-filters".as_ref(), file.path().as_os_str()];
            let blob = self.run_isolated(None, async |git| git.commit_id(&args).await).await?;
            if self.source.content(blob.as_str(), "blob").await.is_some_and(|kept| kept != *content) {
                return Err(GitError::Touched { path: file.path().to_owned() });
            }
            let mut entry = OsString::from(format!("{mode},{blob},"));
            entry.push(path);
            let words = ["update-index", "--add", "--replace", "--cacheinfo"].map(OsString::from);
            edits.push(words.into_iter().chain([entry]).collect());
        }
        self.edit_tree(tree.as_str(), &edits).await
    }

    /// The tree that calls of `update-index` make of another one.
    async fn edit_tree(&self, from: &str, edits: &[Vec<OsString>]) -> Result<TreeId, GitError> {
        let dir = tempfile::tempdir().at(std::env::temp_dir())?;
        let make = async |git: Git| {
            // Removing a path from an index needs a work tree, although none is looked at.
            let place = Place::WorkTree { git_dir: git.place().folder().to_owned(), files: dir.path().to_owned() };
            let git = git.with_place(place).with_env("GIT_INDEX_FILE", dir.path().join("index"));
            git.run_text(&["read-tree", from]).await?;
            for edit in edits {
                git.run_text(edit).await?;
            }
            git.tree_id(&["write-tree"]).await
        };
        self.run_isolated(None, make).await
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
