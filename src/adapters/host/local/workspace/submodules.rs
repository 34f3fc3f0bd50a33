//! Work inside submodules: it is another repository's, so it cannot land; it is kept, and said.
//!
//! Promises: a commit that an attempt made in a submodule, and what it left uncommitted there, is pinned in the source like
//! any other tip; a submodule is moved only to a commit that can be had without the workspace: from the source's own copy of
//! the submodule, or from a repository on this machine that `.gitmodules` names. What a remote repository has is not asked.

use super::add::{Added, add_everything};
use super::attempt::Attempt;
use super::clone::{foreign_alternates, own_folders, same_kind};
use super::error::CollectError;
use super::escape::quote_value;
use super::left_out::LeftOut;
use super::pin::fetch;
use super::pool::Pool;
use super::quarantine::Quarantine;
use super::quarantine::odd_places::select_childless;
use super::slot::slot_git;
use crate::adapters::git::answers::fields;
use crate::adapters::git::file_attributes::Entry;
use crate::adapters::git::merge::signed_by;
use crate::adapters::git::{Git, GitError, Place};
use crate::adapters::os::files::{At, read_untrusted};
use crate::domain::values::{CommitId, Tip};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Submodules within submodules are looked for so deep.
const DEEPEST: usize = 8;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Commits to be pinned; they are in the workspace's own store now.
    pub(crate) commits: Vec<CommitId>,
    /// Why the work must not land, a sentence for each reason.
    pub(crate) holds: Vec<String>,
    /// What git does not take of the files in submodules.
    pub(crate) left_out: Vec<LeftOut>,
}

/// What `.gitmodules` says of a submodule.
#[derive(Debug, Clone, Default)]
struct Named {
    name: String,
    url: String,
    /// Which differences do not count (`untracked`, `dirty`, `all`; gitmodules(5)).
    ignore: String,
}

/// Where an attempt's submodules are looked for.
struct Search<'a> {
    pool: &'a Pool,
    git: &'a Git,
    files: &'a Path,
    /// Names and addresses of submodules by path, as the base has them; those it does not have, as the head has them.
    named: BTreeMap<Vec<u8>, Named>,
    /// Commits that submodules of the base stand at.
    before: BTreeSet<String>,
}

/// Looks at every submodule that is there and at every one that moved.
pub(crate) async fn check_submodules(
    pool: &Pool,
    git: &Git,
    files: &Path,
    attempt: &Attempt,
    head: &Tip,
    quarantine: &Quarantine,
    notes: &mut Vec<String>,
) -> Result<Found, CollectError> {
    let before = git.entries_of(attempt.base.as_str()).await?;
    let now = git.entries_of(head.tree.as_str()).await?;
    let link = |entry: &&Entry| entry.mode == "160000";
    let before: BTreeSet<String> = before.iter().filter(link).map(|entry| entry.id.clone()).collect();
    let links: Vec<&Entry> = now.iter().filter(link).collect();
    let moved: Vec<&Entry> = links.iter().copied().filter(|entry| !before.contains(&entry.id)).collect();
    let mut named = names(git, head.commit.as_str()).await?;
    named.extend(names(git, attempt.base.as_str()).await?);
    let search = Search { pool, git, files, named, before };

    let mut found = Found::default();
    let mut inner = Vec::new();
    repositories(&files.join(".git/modules"), 0, &mut inner);
    for entry in &links {
        let embedded = files.join(&entry.path).join(".git");
        let own = fs::symlink_metadata(&embedded).is_ok_and(|meta| meta.is_dir());
        if own && embedded.parent().and_then(|dir| dir.canonicalize().ok()).is_some_and(|dir| dir.starts_with(files)) {
            inner.push(embedded);
        }
    }
    for git_dir in &inner {
        search.work_in(git_dir, &moved, quarantine, &mut found, notes).await?;
    }
    for entry in &moved {
        search.check_moved(entry, &inner, &mut found).await?;
    }
    found.commits.sort_unstable();
    found.commits.dedup();
    Ok(found)
}

impl Search<'_> {
    /// Keeps what is in one submodule's repository and nowhere else.
    async fn work_in(
        &self,
        git_dir: &Path,
        moved: &[&Entry],
        quarantine: &Quarantine,
        found: &mut Found,
        notes: &mut Vec<String>,
    ) -> Result<(), CollectError> {
        let shape = &self.pool.shape;
        let worktree = find_worktree(git_dir, self.files);
        let shown = match &worktree {
            Some(worktree) => worktree.strip_prefix(self.files).unwrap_or(worktree),
            None => git_dir.strip_prefix(self.files.join(".git/modules")).unwrap_or(git_dir),
        };
        let shown = shown.display().to_string();
        let usable = own_folders(git_dir) && same_kind(git_dir, &shape.facts.object_format);
        let fresh = match usable {
            true => self.new_in(git_dir, worktree.as_deref(), &shown, &mut found.left_out, notes).await,
            false => Ok(None),
        };
        match fresh {
            Ok(Some((commits, _))) if commits.is_empty() => return Ok(()),
            Ok(Some((commits, left))) => {
                let mut unknown = Vec::new();
                for commit in commits {
                    if left.as_ref() == Some(&commit) || !self.is_available(&shown, &commit).await? {
                        unknown.push(commit);
                    }
                }
                if unknown.is_empty() {
                    return Ok(());
                }
                if fetch(self.git, git_dir, &unknown.iter().collect::<Vec<_>>(), None).await.is_ok() {
                    let what = if left.is_some() { "uncommitted work" } else { "commits" };
                    // Of those that the head points to, more is said.
                    let told = |id: &&CommitId| moved.iter().any(|entry| entry.id == id.as_str());
                    let ids: Vec<&str> = unknown.iter().filter(|id| !told(id)).map(CommitId::as_str).collect();
                    if !ids.is_empty() {
                        found.holds.push(format!(
                            "it left {what} inside the submodule {shown}, which cannot land from here: it is kept, and \
                             `git -C {shown} fetch {} {}` takes it to where it belongs",
                            self.home(),
                            ids.join(" ")
                        ));
                    }
                    found.commits.extend(unknown);
                    return Ok(());
                }
            }
            Ok(None) | Err(_) => {}
        }
        let place = quarantine.take(git_dir)?;
        notes.push(format!("the repository of the submodule {shown} could not be read; it is in {}", place.display()));
        found.holds.push(format!("it left a submodule {shown} that could not be read; it is in {}", place.display()));
        Ok(())
    }

    /// The tips of what was made in a submodule's repository, and which of them is work that nobody had committed. `None`:
    /// it cannot be read.
    async fn new_in(
        &self,
        git_dir: &Path,
        worktree: Option<&Path>,
        shown: &str,
        left_out: &mut Vec<LeftOut>,
        notes: &mut Vec<String>,
    ) -> Result<Option<(Vec<CommitId>, Option<CommitId>)>, CollectError> {
        let shape = &self.pool.shape;
        let borrowed = foreign_alternates(git_dir, &shape.list_borrowed_stores());
        shape.repair(git_dir, &borrowed).at(git_dir)?;
        if let Some(files) = worktree {
            // A second look finds its files again.
            let line = [&b"[core]\n\tworktree = "[..], &quote_value(files.as_os_str().as_bytes()), b"\n"].concat();
            let mut config = OpenOptions::new().append(true).open(git_dir.join("config")).at(git_dir)?;
            config.write_all(&line).at(git_dir)?;
        }
        let base = slot_git(self.pool.source(), self.files);
        let place = match worktree {
            Some(files) => Place::WorkTree { git_dir: git_dir.to_owned(), files: files.to_owned() },
            None => Place::GitDir(git_dir.to_owned()),
        };
        let git = base.with_place(place);
        let left = match worktree {
            Some(files) => {
                let ignore = self.named.get(shown.as_bytes()).map_or("", |named| named.ignore.as_str());
                let (left, refused) = commit_uncommitted(&git, files, ignore, &shape.identity, notes).await?;
                let within = files.strip_prefix(self.files).unwrap_or(files);
                left_out.extend(refused.into_iter().map(|it| LeftOut { path: within.join(&it.path).into(), ..it }));
                left
            }
            None => None,
        };
        let mut args = vec!["rev-list", "--parents", "--ignore-missing", "HEAD", "--branches", "--reflog"];
        let stash = git.run(&["rev-parse", "--verify", "--quiet", "refs/stash"]).await?;
        args.extend(stash.success().then_some("refs/stash"));
        args.extend(left.as_ref().map(CommitId::as_str));
        args.extend(["--not", "--remotes"]);
        let mut known = Vec::new();
        for id in &self.before {
            let there = git.run(&["cat-file", "-e", &format!("{id}^{{commit}}")]).await?;
            known.extend(there.success().then_some(id.as_str()));
        }
        args.extend(known);
        let output = git.run(&args).await?;
        if !output.success() {
            return Ok(None);
        }
        Ok(Some((select_childless(&String::from_utf8_lossy(&output.stdout)), left)))
    }

    /// A submodule that stands at a commit the base has for none.
    async fn check_moved(&self, entry: &Entry, inner: &[PathBuf], found: &mut Found) -> Result<(), CollectError> {
        let shown = entry.display_path();
        let Ok(commit) = CommitId::new(&entry.id) else { return Ok(()) };
        let Some(Named { name, url, .. }) = self.named.get(entry.path.as_bytes()) else {
            found.holds.push(format!(
                "{shown} would be a commit of another repository ({}), and .gitmodules does not say of which one",
                commit.short_id()
            ));
            return Ok(());
        };
        if self.is_available(&shown, &commit).await? {
            return Ok(());
        }
        if !found.commits.contains(&commit) {
            for git_dir in inner {
                if fetch(self.git, git_dir, &[&commit], None).await.is_ok() {
                    found.commits.push(commit.clone());
                    break;
                }
            }
        }
        let kept = match found.commits.contains(&commit) {
            true => format!("it is kept: `git -C {shown} fetch {} {commit}`", self.home()),
            false => "nothing here has it".to_owned(),
        };
        found.holds.push(format!(
            "{shown} would point to commit {}, which neither your repository's submodule {name} has nor a repository on this \
             machine by its address {url}, so a clone could not check it out; {kept}; make it known there (push, or fetch)",
            commit.short_id()
        ));
        Ok(())
    }

    /// Whether a commit of the submodule at a path can be had without the workspace: something that stays leads to it.
    async fn is_available(&self, path: &str, commit: &CommitId) -> Result<bool, GitError> {
        let Some(Named { name, url, .. }) = self.named.get(path.as_bytes()) else { return Ok(false) };
        let facts = &self.pool.shape.facts;
        let mut places = Vec::new();
        if is_plain(Path::new(name)) {
            places.push(facts.common_dir.join("modules").join(name));
        }
        let own = self.git_of_source().run(&["config", "--get", &format!("submodule.{name}.url")]).await?;
        let own = own.success().then(|| String::from_utf8_lossy(&own.stdout).trim().to_owned());
        for url in own.iter().chain([url]) {
            places.extend(self.on_this_machine(url).await?);
        }
        for place in places {
            let place = place.canonicalize().unwrap_or(place);
            if place.starts_with(self.pool.root()) || !place.join("HEAD").is_file() {
                continue;
            }
            let git = self.pool.source().with_place(Place::GitDir(place));
            let beyond = git.run(&["rev-list", "-1", commit.as_str(), "--not", "--all", "--"]).await?;
            if beyond.success() && beyond.stdout.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The git directory an address leads to, when it is a path.
    async fn on_this_machine(&self, url: &str) -> Result<Option<PathBuf>, GitError> {
        let facts = &self.pool.shape.facts;
        let origin = match url.starts_with("./") || url.starts_with("../") {
            false => None,
            true => {
                let said = self.git_of_source().run(&["config", "--get", "remote.origin.url"]).await?;
                Some(said.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned()))
            }
        };
        let base = match &origin {
            None | Some(None) => facts.toplevel.clone(),
            Some(Some(origin)) => match local(origin) {
                Some(origin) => facts.toplevel.join(origin),
                None => return Ok(None),
            },
        };
        let Some(path) = local(url).map(|path| normalize_path(&base.join(path))) else { return Ok(None) };
        let with = |end: &str| {
            let mut path = path.clone().into_os_string();
            path.push(end);
            PathBuf::from(path)
        };
        Ok([path.join(".git"), path.clone(), with(".git")].into_iter().find(|dir| dir.join("HEAD").is_file()))
    }

    fn git_of_source(&self) -> Git {
        self.pool.source().with_place(Place::GitDir(self.pool.shape.facts.common_dir.clone()))
    }

    /// The repository, as a word of a shell line.
    fn home(&self) -> String {
        let path = self.pool.shape.facts.toplevel.display().to_string();
        shlex::try_quote(&path).map_or_else(|_| path.clone(), |quoted| quoted.into_owned())
    }
}

/// A path of this machine in an address.
fn local(url: &str) -> Option<PathBuf> {
    if let Some(path) = url.strip_prefix("file://") {
        return path.starts_with('/').then(|| PathBuf::from(path));
    }
    let first = url.split('/').next().unwrap_or_default();
    (!url.is_empty() && !first.contains(':')).then(|| PathBuf::from(url))
}

/// A path without `.` and `..`, as git joins addresses.
fn normalize_path(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                found.pop();
            }
            Component::CurDir => {}
            other => found.push(other),
        }
    }
    found
}

/// Whether a name leads nowhere else.
fn is_plain(name: &Path) -> bool {
    name.components().all(|part| matches!(part, Component::Normal(_)))
}

/// Names and addresses of submodules by path, as a commit's `.gitmodules` has them.
async fn names(git: &Git, commit: &str) -> Result<BTreeMap<Vec<u8>, Named>, GitError> {
    let blob = format!("{commit}:.gitmodules");
    let args = ["config", "-z", "--blob", &blob, "--get-regexp", r"^submodule\..*\.(path|url|ignore)$"];
    let listed = git.run(&args).await?;
    let mut found: BTreeMap<String, (Vec<u8>, Named)> = BTreeMap::new();
    for field in fields(&listed.stdout).filter(|_| listed.success()) {
        let Some(end) = field.iter().position(|b| *b == b'\n') else { continue };
        let key = String::from_utf8_lossy(&field[..end]).into_owned();
        let value = &field[end + 1..];
        let Some((name, what)) = key.strip_prefix("submodule.").and_then(|rest| rest.rsplit_once('.')) else {
            continue;
        };
        let entry = found.entry(name.to_owned()).or_default();
        match what {
            "path" => entry.0 = value.to_vec(),
            "url" => entry.1.url = String::from_utf8_lossy(value).into_owned(),
            _ => entry.1.ignore = String::from_utf8_lossy(value).into_owned(),
        }
    }
    Ok(found.into_iter().map(|(name, (path, named))| (path, Named { name, ..named })).collect())
}

/// Git directories below a folder of them (`.git/modules`), also those of submodules within submodules.
fn repositories(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    if depth > DEEPEST || !fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_dir()) {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if fs::symlink_metadata(path.join("HEAD")).is_ok() {
            repositories(&path.join("modules"), depth + 1, found);
            found.push(path);
        } else {
            repositories(&path, depth + 1, found);
        }
    }
}

/// Larger files are no link to a git directory, and no settings of one.
const LONGEST: u64 = 1 << 16;

/// The files of a submodule's git directory: what its settings name, within the workspace, and which name it in turn.
fn find_worktree(git_dir: &Path, files: &Path) -> Option<PathBuf> {
    if git_dir.file_name() == Some(OsStr::new(".git")) {
        return git_dir.parent().map(Path::to_owned);
    }
    let config = read_untrusted(&git_dir.join("config"), LONGEST)?;
    let named = config.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        key.trim().eq_ignore_ascii_case("worktree").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    let folder = git_dir.join(named).canonicalize().ok().filter(|dir| dir.starts_with(files) && dir != files)?;
    let link = read_untrusted(&folder.join(".git"), LONGEST)?;
    let back = folder.join(link.strip_prefix("gitdir: ")?.trim_end()).canonicalize().ok()?;
    (back == git_dir.canonicalize().ok()?).then_some(folder)
}

/// A commit of what is not committed in a submodule, the same for the same files (`None`: everything is), and what git does
/// not take.
async fn commit_uncommitted(
    git: &Git,
    files: &Path,
    ignore: &str,
    identity: &(String, String),
    notes: &mut Vec<String>,
) -> Result<(Option<CommitId>, Vec<LeftOut>), CollectError> {
    let Some(head) = git.resolve("HEAD").await? else { return Ok((None, Vec::new())) };
    let Added { git, left_out } = match ignore {
        "all" | "dirty" => return Ok((None, Vec::new())),
        "untracked" => {
            git.run_bytes(&["add", "--update"]).await?;
            Added { git: git.clone(), left_out: Vec::new() }
        }
        _ => add_everything(git, files, notes).await?,
    };
    let tree = git.tree_id(&["write-tree"]).await?;
    if tree == head.tree {
        return Ok((None, left_out));
    }
    let date = git.run_text(&["rev-list", "-1", "--no-commit-header", "--format=%ct", head.commit.as_str()]).await?;
    let git = signed_by(git, identity, Some(date.parse().unwrap_or(0)));
    let commit = git.commit_tree(&tree, &[&head.commit], "uncommitted work in a submodule").await?;
    Ok((Some(commit), left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_paths_are_told_from_others() {
        assert_eq!(local("file:///a/b"), Some(PathBuf::from("/a/b")));
        assert_eq!(local("../lib"), Some(PathBuf::from("../lib")));
        assert_eq!(local("/a:b/c"), Some(PathBuf::from("/a:b/c")));
        for url in ["https://example.org/a.git", "git@example.org:a/b.git", "example.org:a", "ssh://x/y", ""] {
            assert_eq!(local(url), None, "{url}");
        }
        assert_eq!(normalize_path(Path::new("/a/b/../lib/./x")), Path::new("/a/lib/x"));
        assert!(is_plain(Path::new("a/b")) && !is_plain(Path::new("../a")) && !is_plain(Path::new("/a")));
    }
}
