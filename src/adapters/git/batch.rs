//! Persistent git processes: asked again and again, they save the start of a process for each question.
//!
//! Promises: an answer belongs to its question (a process that did not answer in the expected form is left behind, never
//! asked again), and is that of a process that has seen the packs and settings of now; whatever goes wrong with one is no error, the caller then starts a git of its own, which says what is
//! wrong. Those that write hold the engine's lock like every other git that writes, do one thing at a time, and end when the
//! engine is gone: what they had begun is done or undone by then.

use crate::adapters::git::owner_card::OWNER_REF;
use crate::adapters::git::seen_refs::Remembered;
use crate::adapters::git::seen_trees::Trees;
use crate::adapters::host::local::process::command::Coprocess;
use crate::adapters::os::files::{Stamp, stamp_of};
use crate::domain::values::{CommitId, TreeId};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long an answer may take before the process is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The persistent processes for one repository, and what does not change while they do. Clones share all of it.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// `cat-file --batch-command`.
    pub(super) reader: Process,
    /// `update-ref --stdin`.
    pub(super) refs: Process,
    /// Git directory shared by all worktrees.
    pub(super) common_dir: PathBuf,
    /// Foreign refs as they were when their files were last looked at.
    pub(super) foreign_refs: Remembered,
    /// What was read of tree objects, which never change.
    pub(super) trees: Trees,
}

impl Batch {
    pub(super) fn of(common_dir: &Path) -> Self {
        let process = || Process::of(common_dir);
        Self {
            reader: process(),
            refs: process(),
            common_dir: common_dir.to_owned(),
            foreign_refs: Remembered::default(),
            trees: Trees::default(),
        }
    }
}

/// One coprocess, started at the first question and anew when the fingerprint of the repository has changed.
#[derive(Debug, Clone)]
pub(super) struct Process {
    common_dir: Arc<PathBuf>,
    coprocess: Arc<Mutex<Option<(Coprocess, RepoFingerprint)>>>,
    /// It once kept silent, and is not asked again.
    silent: Arc<AtomicBool>,
}

impl Process {
    pub(super) fn of(common_dir: &Path) -> Self {
        Self { common_dir: Arc::new(common_dir.to_owned()), coprocess: Arc::default(), silent: Arc::default() }
    }

    /// Leads one dialogue, which may take so long. `start` starts the process when there is none; `None`: no answer was to be had.
    pub(super) async fn run_dialogue<T>(
        &self,
        patience: Duration,
        start: impl FnOnce() -> Option<Coprocess>,
        dialogue: impl AsyncFnOnce(&mut Coprocess) -> Option<T>,
    ) -> Option<T> {
        if self.silent.load(Ordering::Relaxed) {
            return None;
        }
        let mut place = self.coprocess.lock().await;
        let fingerprint = fingerprint(&self.common_dir);
        // Taken out while it is asked: dropped half way, it could give the answer to another question next.
        let mut coprocess = match place.take() {
            Some((coprocess, then)) if then == fingerprint => coprocess,
            _ => start()?,
        };
        let Ok(answer) = tokio::time::timeout(patience, dialogue(&mut coprocess)).await else {
            self.silent.store(true, Ordering::Relaxed);
            return None;
        };
        *place = answer.is_some().then_some((coprocess, fingerprint));
        answer
    }

    /// Leaves the process behind; the next question starts another one.
    pub(super) async fn discard(&self) {
        *self.coprocess.lock().await = None;
    }
}

/// What git reads once and goes on believing: how refs are kept, and which packs there are. Inode, size and times of each.
type RepoFingerprint = Vec<Option<Stamp>>;

/// A process that has a pack open takes its objects for there when it is long gone (`git gc`, `git repack`), and one that
/// knows refs as files goes on writing files after `git refs migrate`.
fn fingerprint(common_dir: &Path) -> RepoFingerprint {
    let objects = common_dir.join("objects");
    let lists = std::fs::read_to_string(objects.join("info/alternates")).unwrap_or_default();
    let borrowed = lists.lines().map(|line| objects.join(line).join("pack"));
    let own = ["config", "reftable", "objects/pack", "objects/info/alternates"].map(|name| common_dir.join(name));
    let seen = |path: PathBuf| std::fs::metadata(path).ok().map(|meta| stamp_of(&meta));
    own.into_iter().chain(borrowed).map(seen).collect()
}

/// The input of `git update-ref --stdin` that moves `refname` from `old` to `new`, while the owner's card is where it is;
/// `None`: not a name that can be said there in a line of words.
pub(super) fn format_update(refname: &str, new: &str, old: &str, owner: Option<&CommitId>) -> Option<String> {
    let verify = owner.map(format_owner_check).unwrap_or_default();
    is_plain_refname(refname).then(|| format!("{verify}option no-deref\nupdate {refname} {new} {old}\n"))
}

/// The input of `git update-ref --stdin` that deletes `refname` if it holds `old`, while the owner's card is where it is.
pub(super) fn format_deletion(refname: &str, old: &str, owner: &CommitId) -> Option<String> {
    let verify = format_owner_check(owner);
    is_plain_refname(refname).then(|| format!("{verify}option no-deref\ndelete {refname} {old}\n"))
}

fn format_owner_check(owner: &CommitId) -> String {
    format!("option no-deref\nverify {OWNER_REF} {owner}\n")
}

fn is_plain_refname(refname: &str) -> bool {
    !refname.is_empty() && !refname.starts_with('"') && refname.bytes().all(|b| b > b' ' && b != 0x7f)
}

/// Says such input as one transaction; `Some`: git has done it.
pub(super) async fn run_transaction(coprocess: &mut Coprocess, said: &str) -> Option<()> {
    let started = coprocess.query(&format!("start\n{said}commit\n")).await.ok()?;
    let done = coprocess.read_line().await.ok()?;
    (started == "start: ok" && done == "commit: ok").then_some(())
}

/// Asks `git merge-tree --stdin` to merge two commits. The tree of a clean merge; `None` for everything else.
pub(super) async fn merge(coprocess: &mut Coprocess, ours: &CommitId, theirs: &CommitId) -> Option<TreeId> {
    coprocess.send(&format!("{ours} {theirs}\n")).await.ok()?;
    let clean = coprocess.read_field().await.ok()? == b"1";
    if !clean {
        return None;
    }
    let tree = TreeId::new(std::str::from_utf8(&coprocess.read_field().await.ok()?).ok()?).ok()?;
    coprocess.read_field().await.ok()?.is_empty().then_some(tree)
}

/// Has `git hash-object --stdin-paths` keep a file as an object; says its id.
pub(super) async fn store_object(coprocess: &mut Coprocess, draft: &Path) -> Option<CommitId> {
    let path = draft.to_str().filter(|path| path.starts_with('/') && !path.contains('\n'))?;
    CommitId::new(&coprocess.query(&format!("{path}\n")).await.ok()?).ok()
}

/// A commit as `git commit-tree` writes it (see gitformat-signature and `git cat-file commit`). `None` where git would
/// change what it is given: a name it takes characters away from, a parent named twice, a message it does not take.
pub(super) fn commit_text(
    tree: &TreeId,
    parents: &[&CommitId],
    message: &str,
    (name, email): &(String, String),
    (seconds, offset): (i64, &str),
) -> Option<String> {
    let twice = parents.iter().enumerate().any(|(n, parent)| parents[..n].contains(parent));
    if twice || message.is_empty() || message.contains('\0') || !is_plain_ident(name) || !is_plain_ident(email) {
        return None;
    }
    let mut text = format!("tree {}\n", tree.as_str());
    for parent in parents {
        text.push_str(&format!("parent {parent}\n"));
    }
    for role in ["author", "committer"] {
        text.push_str(&format!("{role} {name} <{email}> {seconds} {offset}\n"));
    }
    text.push('\n');
    text.push_str(message);
    if !message.ends_with('\n') {
        text.push('\n');
    }
    Some(text)
}

/// Whether git takes a name as it is: it removes some characters everywhere and more of them at both ends (`ident.c`).
fn is_plain_ident(name: &str) -> bool {
    let crud = |c: char| c <= ' ' || matches!(c, '.' | ',' | ':' | ';' | '<' | '>' | '"' | '\\' | '\'');
    !name.is_empty() && !name.starts_with(crud) && !name.ends_with(crud) && !name.contains(['<', '>', '\n', '\0'])
}
