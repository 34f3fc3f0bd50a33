//! One slot's repository: known-good settings, and making the files equal to a commit.
//!
//! A slot's git directory is made anew for every use, as `git clone --shared --template= --no-checkout` would, but without
//! copying refs. Only the files survive, and an index that `mc` kept beside the slot since it prepared it, so that
//! unchanged files keep their times and incremental builds stay incremental, while nothing an agent planted (hooks,
//! filters, refs, alternates, hidden entries) reaches the next user.

use super::beside::{drop_untracked, entries, last_written, tell_apart};
use super::disk::{open_up, remove_any, remove_special, remove_where};
use super::layout::note;
use super::leftovers::{Kept, drop_others};
use super::survey::survey;
use crate::adapters::git::source::SourceFacts;
use crate::adapters::git::{Git, GitError, Place, fields};
use crate::domain::values::{CommitId, TreeId};
use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Whether ignored files (build output) survive between two uses of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// They stay.
    Keep,
    /// They are removed.
    Remove,
}

/// What stays beside the tree in one preparation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stays<'a> {
    /// Whatever git ignores.
    Ignored,
    /// What is named.
    Only(Kept<'a>),
}

/// What a preparation found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What is still different from the commit, as `git status` shows it.
    pub(crate) different: Vec<Vec<u8>>,
    /// Whether files stayed beside the tree.
    pub(crate) kept: bool,
}

/// What every slot of a pool has in common.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) facts: SourceFacts,
    pub(crate) identity: (String, String),
    /// Files put into every slot that are no part of the work.
    pub(crate) excluded: Vec<String>,
}

impl Shape {
    /// The object store of the source, borrowed by every slot.
    pub(crate) fn objects(&self) -> PathBuf {
        self.facts.common_dir.join("objects")
    }

    fn config(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let sha256 = self.facts.object_format == "sha256";
        let version = if sha256 { "1\n[extensions]\n\tobjectFormat = sha256\n[core]\n" } else { "0\n" };
        text.extend_from_slice(format!("[core]\n\trepositoryFormatVersion = {version}").as_bytes());
        text.extend_from_slice(
            b"\tbare = false\n\tfileMode = true\n\tlogAllRefUpdates = true\n\tignoreCase = false\n\thooksPath = /dev/null\n\tfsmonitor = false\n",
        );
        text.extend_from_slice(b"[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n");
        text.extend_from_slice(b"[commit]\n\tgpgSign = false\n[tag]\n\tgpgSign = false\n[push]\n\tdefault = nothing\n");
        text.extend_from_slice(b"[user]\n\tname = ");
        text.extend(quoted(self.identity.0.as_bytes()));
        text.extend_from_slice(b"\n\temail = ");
        text.extend(quoted(self.identity.1.as_bytes()));
        text.extend_from_slice(b"\n[remote \"origin\"]\n\turl = ");
        text.extend(quoted(self.facts.common_dir.as_os_str().as_bytes()));
        text.extend_from_slice(b"\n\tpushUrl = disabled:clones-of-mc-do-not-push\n");
        text.extend_from_slice(b"\tfetch = +refs/heads/*:refs/remotes/origin/*\n");
        text
    }

    /// Replaces configuration, hooks, info and alternates by known-good ones and removes stale locks. Alternates that
    /// somebody added stay when `extra` names them: they hold objects, nothing that runs.
    pub(crate) fn mend(&self, git_dir: &Path, extra: &[Vec<u8>]) -> io::Result<()> {
        open_up(git_dir, 0o600)?;
        remove_special(git_dir)?;
        remove_where(git_dir, &|path, _| path.extension().is_some_and(|e| e == "lock"))?;
        for name in ["config", "config.worktree", "hooks", "info", "commondir", "shallow", "objects/info/commit-graph"]
        {
            remove_any(&git_dir.join(name))?;
        }
        if !fs::symlink_metadata(git_dir.join("index")).is_ok_and(|m| m.is_file()) {
            remove_any(&git_dir.join("index"))?;
        }
        let info = git_dir.join("objects/info");
        fs::create_dir_all(&info)?;
        let mut lines = self.objects().into_os_string().as_bytes().to_vec();
        lines.push(b'\n');
        for line in extra {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
        // At once: killed in between, the clone still says where its objects are.
        let (list, draft) = (info.join("alternates"), info.join("alternates.new"));
        remove_any(&draft)?;
        fs::write(&draft, lines)?;
        if fs::symlink_metadata(&list).is_ok_and(|m| !m.is_file()) {
            remove_any(&list)?;
        }
        fs::rename(&draft, &list)?;
        if !self.excluded.is_empty() {
            fs::create_dir_all(git_dir.join("info"))?;
            let lines: String = self.excluded.iter().map(|path| ignoring(path)).collect();
            fs::write(git_dir.join("info/exclude"), lines)?;
        }
        if self.facts.shallow {
            fs::copy(self.facts.common_dir.join("shallow"), git_dir.join("shallow"))?;
        }
        fs::write(git_dir.join("config"), self.config())
    }
}

/// From so many files on, git looks at them in several threads: below, starting these costs more than they save (measured
/// with 2,000 files: a fifth of the processor time of `git add`).
const MANY: u64 = 10_000;

/// Git on a slot: exactly its own git directory and files, never found by searching upwards.
pub(crate) fn slot_git(source: &Git, files: &Path) -> Git {
    let index = entries(&files.join(".git/index")).or_else(|| entries(&kept_index(files)));
    let many = index.is_none_or(|entries| entries >= MANY);
    source
        .at(Place::WorkTree { git_dir: files.join(".git"), files: files.to_owned() })
        .with_setting("core.commitGraph=false")
        .with_setting("core.fsync=none")
        .with_setting("core.safecrlf=false")
        .with_setting("core.splitIndex=false")
        // What makes a file count as unchanged is not for the user's settings to say.
        .with_setting("core.checkStat=default")
        .with_setting("core.trustctime=true")
        .with_setting("core.ignoreStat=false")
        // Nor whether two names are one, nor what was untracked when somebody looked last.
        .with_setting("core.ignoreCase=false")
        .with_setting("core.untrackedCache=false")
        .with_setting(&format!("core.preloadIndex={many}"))
}

/// Makes a slot's git directory anew, detached at `base`, as `git init` would without looking at anybody's settings. The
/// index is that of `mc`, not the one the last user of the slot left: it hides nothing and claims nothing.
pub(crate) fn renew(shape: &Shape, files: &Path, base: &CommitId) -> Result<(), GitError> {
    let made = || -> io::Result<()> {
        let git_dir = files.join(".git");
        remove_any(&git_dir)?;
        for folder in ["objects/info", "objects/pack", "refs/heads", "refs/tags", "logs"] {
            fs::create_dir_all(git_dir.join(folder))?;
        }
        fs::write(git_dir.join("HEAD"), format!("{base}\n"))?;
        let zeros = "0".repeat(base.as_str().len());
        let (name, email) = (one_line(&shape.identity.0), one_line(&shape.identity.1));
        fs::write(git_dir.join("logs/HEAD"), format!("{zeros} {base} {name} <{email}> 0 +0000\n"))?;
        shape.mend(&git_dir, &[])
    };
    made().map_err(|source| GitError::Io { path: files.to_owned(), source })
}

/// Makes files and index equal to `base`, with nothing beside them but what stays; `fresh` when the folder is new and empty.
pub(crate) async fn reset(
    source: &Git,
    shape: &Shape,
    files: &Path,
    base: &CommitId,
    stays: Stays<'_>,
    fresh: bool,
) -> Result<Found, GitError> {
    let failed = |source| GitError::Io { path: files.to_owned(), source };
    let (began, before) = (SystemTime::now(), last_written(files));
    let found = survey(files, false).map_err(failed)?;
    renew(shape, files, base)?;
    let git = slot_git(source, files);
    let (index, kept) = (files.join(".git/index"), kept_index(files));
    // Git looks at a file by its path, also through a folder that has become a link to where the files went: without
    // an index every file is written, and every folder made.
    if !found.folder_link && fs::symlink_metadata(&kept).is_ok_and(|m| m.is_file()) {
        fs::rename(&kept, &index).map_err(failed)?;
    }
    if found.odd() && unblock(&git, files).await.is_err() {
        remove_any(&index).map_err(failed)?;
    }
    // As `read-tree --reset -u` does, every file is compared; but what it knows of trees, it keeps.
    let checkout = ["checkout", "-q", "-f", "--detach", base.as_str()];
    if let Err(first) = git.out(&checkout).await {
        if fs::symlink_metadata(&index).is_err() {
            return Err(first);
        }
        remove_any(&index).map_err(failed)?;
        git.out(&checkout).await?;
    }
    // A checkout from nothing is what this commit is; nobody was here to leave anything.
    let mut seen = Found::default();
    if !fresh {
        if found.odd() {
            unblock(&git, files).await?;
            for inner in inner_git_dirs(&git, files).await? {
                remove_any(&inner).map_err(failed)?;
            }
        }
        let now = survey(files, false).map_err(failed)?;
        let simple = !found.odd() && !now.empty_folder && !now.folder_link;
        // Every entry of the index was just compared with its file: with as many files there is nothing beside them.
        let tracked = entries(&index);
        let none = simple && tracked == Some(now.files);
        match stays {
            _ if none => {}
            Stays::Ignored => {
                let gone = if simple { drop_untracked(&git, files).await? } else { None };
                if gone.is_none() {
                    git.out(&["clean", "-ffdq"]).await?;
                    seen.different = differences(&git).await?;
                }
                seen.kept = gone.is_none_or(|gone| tracked != Some(now.files.saturating_sub(gone)));
            }
            Stays::Only(kept) => {
                seen.kept = drop_others(&git, files, kept).await?;
                if !simple {
                    seen.different = differences(&git).await?;
                    // What stays is untracked where the tree does not ignore it.
                    seen.different.retain(|line| !(seen.kept && line.starts_with(b"?")));
                }
            }
        }
        if let (true, Some(before)) = (seen.kept, before) {
            tell_apart(&git, files, began, before).await?;
        }
    }
    if keep_index(&index, &kept).is_err() {
        // Without one the next preparation writes every file.
        remove_any(&kept).map_err(failed)?;
    }
    Ok(seen)
}

/// What git calls different between HEAD, the index and the files.
pub(crate) async fn differences(git: &Git) -> Result<Vec<Vec<u8>>, GitError> {
    let args = ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal"];
    let status = git.bytes(&[&args[..], &["--ignore-submodules=none"]].concat()).await?;
    Ok(fields(&status).map(<[u8]>::to_vec).collect())
}

/// Where the index of a slot is kept while somebody works there.
pub(crate) fn kept_index(files: &Path) -> PathBuf {
    note(files, "index")
}

/// Keeps a copy of the index with its time: git takes a file for unchanged only when it is older than the index that
/// says so.
fn keep_index(index: &Path, kept: &Path) -> io::Result<()> {
    remove_any(kept)?;
    let Ok(meta) = fs::symlink_metadata(index) else { return Ok(()) };
    let draft = kept.with_extension("index-new");
    fs::copy(index, &draft)?;
    OpenOptions::new().write(true).open(&draft)?.set_modified(meta.modified()?)?;
    fs::rename(&draft, kept)
}

/// A name as it may stand in a line of a log.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect()
}

/// Takes paths out of a slot that stands at `base`: HEAD becomes the same commit with the tree that is left, so that files,
/// index and HEAD agree. Says the tree.
pub(crate) async fn narrow(
    source: &Git,
    files: &Path,
    base: &CommitId,
    removed: &[OsString],
) -> Result<TreeId, GitError> {
    let failed = |source| GitError::Io { path: files.to_owned(), source };
    let git = slot_git(source, files);
    git.forget(removed).await?;
    for path in removed {
        let path = files.join(path);
        remove_any(&path).map_err(failed)?;
        for folder in path.ancestors().skip(1).take_while(|dir| *dir != files) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
    let tree = git.tree_id(&["write-tree"]).await?;
    let commit = git.bytes(&["cat-file", "commit", base.as_str()]).await?;
    let draft = files.join(".git/mc-commit");
    fs::write(&draft, with_tree(&commit, &tree)).map_err(failed)?;
    let name = draft.as_os_str();
    // The commit was good enough for the repository, whatever a stricter git would say of an old one.
    let args = ["hash-object", "--literally", "-t", "commit", "-w"].map(OsStr::new).into_iter().chain([name]);
    let args: Vec<&OsStr> = args.collect();
    let commit = git.commit_id(&args).await?;
    remove_any(&draft).map_err(failed)?;
    let shallow = files.join(".git/shallow");
    if let Ok(cut) = fs::read_to_string(&shallow)
        && cut.lines().any(|line| line == base.as_str())
    {
        fs::write(&shallow, format!("{cut}{commit}\n")).map_err(failed)?;
    }
    git.out(&["update-ref", "--no-deref", "HEAD", commit.as_str()]).await?;
    Ok(tree)
}

/// A commit object with another tree; a signature, which would not hold any more, is left out.
fn with_tree(commit: &[u8], tree: &TreeId) -> Vec<u8> {
    let mut text = format!("tree {}\n", tree.as_str()).into_bytes();
    let (mut header, mut signature) = (true, false);
    for line in commit.split_inclusive(|byte| *byte == b'\n').skip(1) {
        header &= line != b"\n";
        signature = header && (line.starts_with(b"gpgsig") || (signature && line.starts_with(b" ")));
        if !signature {
            text.extend_from_slice(line);
        }
    }
    text
}

/// What an index lists.
pub(crate) struct Tracked {
    /// Every path with the letter `git ls-files -v` gives it.
    pub(crate) paths: Vec<(u8, Vec<u8>)>,
    /// Whether one of them is in conflict.
    pub(crate) unmerged: bool,
    /// The paths that stand for commits of other repositories.
    pub(crate) links: Vec<Vec<u8>>,
}

/// Reads the index: `<letter> <mode> <id> <stage> TAB <path>` for each entry.
pub(crate) async fn tracked(git: &Git) -> Result<Tracked, GitError> {
    let bytes = git.bytes(&["ls-files", "-v", "--stage", "-z"]).await?;
    let (mut paths, mut links) = (Vec::new(), Vec::new());
    for field in fields(&bytes) {
        let (Some(letter), Some(tab)) = (field.first(), field.iter().position(|byte| *byte == b'\t')) else { continue };
        if field.get(2..9) == Some(b"160000 ") {
            links.push(field[tab + 1..].to_owned());
        }
        paths.push((*letter, field[tab + 1..].to_owned()));
    }
    let unmerged = paths.iter().any(|(tag, _)| tag.eq_ignore_ascii_case(&b'M'));
    Ok(Tracked { paths, unmerged, links })
}

/// Lets git see again what it was told not to look at (assume-unchanged, skip-worktree); returns how many entries there
/// were. A skipped entry without a file stays skipped: a sparse checkout is no deletion.
pub(crate) async fn unhide(git: &Git, files: &Path, tracked: &[(u8, Vec<u8>)]) -> Result<usize, GitError> {
    let hides = |(tag, path): &&(u8, Vec<u8>)| {
        let absent = || fs::symlink_metadata(files.join(OsStr::from_bytes(path))).is_err();
        tag.is_ascii_lowercase() || (*tag == b'S' && !absent())
    };
    let odd: Vec<&[u8]> = tracked.iter().filter(hides).map(|(_, path)| path.as_slice()).collect();
    for chunk in odd.chunks(500) {
        for flag in ["--no-assume-unchanged", "--no-skip-worktree"] {
            let mut args = vec![OsStr::new("update-index"), OsStr::new(flag), OsStr::new("--")];
            args.extend(chunk.iter().map(|path| OsStr::from_bytes(path)));
            git.bytes(&args).await?;
        }
    }
    Ok(odd.len())
}

/// The real folders below `files` (not itself) that have tracked files.
async fn tracked_folders(git: &Git, files: &Path) -> Result<Vec<PathBuf>, GitError> {
    let tracked = git.bytes(&["ls-files", "-z"]).await?;
    let mut folders = BTreeSet::new();
    for path in fields(&tracked) {
        let ancestors = Path::new(OsStr::from_bytes(path)).ancestors().skip(1);
        // A known folder has known ancestors.
        let _ = ancestors.take_while(|dir| !dir.as_os_str().is_empty()).all(|dir| folders.insert(dir.to_owned()));
    }
    let mut real = HashSet::from([PathBuf::new()]);
    // In order, a folder comes after the one it is in.
    for dir in folders {
        let folder = dir.parent().is_some_and(|above| real.contains(above))
            && fs::symlink_metadata(files.join(&dir)).is_ok_and(|m| m.is_dir());
        if folder {
            real.insert(dir);
        }
    }
    Ok(real.into_iter().filter(|dir| !dir.as_os_str().is_empty()).map(|dir| files.join(dir)).collect())
}

/// Everything called `.git` in folders that have tracked files: git does not look at it, neither to add nor to clean.
pub(crate) async fn inner_git_dirs(git: &Git, files: &Path) -> Result<Vec<PathBuf>, GitError> {
    let inner = tracked_folders(git, files).await?.into_iter().map(|dir| dir.join(".git"));
    Ok(inner.filter(|path| fs::symlink_metadata(path).is_ok()).collect())
}

/// Removes pipes that have the name of a file git reads for its own purposes: it would wait for ever.
pub(crate) async fn unblock(git: &Git, files: &Path) -> Result<(), GitError> {
    for dir in tracked_folders(git, files).await?.into_iter().chain([files.to_owned()]) {
        for name in [".gitignore", ".gitattributes", ".gitmodules"] {
            let path = dir.join(name);
            let pipe = fs::symlink_metadata(&path).is_ok_and(|m| !m.is_file() && !m.is_dir() && !m.is_symlink());
            if pipe {
                remove_any(&path).map_err(|source| GitError::Io { path, source })?;
            }
        }
    }
    Ok(())
}

/// The line of an ignore file that means exactly this path.
fn ignoring(path: &str) -> String {
    let mut line = String::from("/");
    for c in path.trim_start_matches("./").chars() {
        if matches!(c, '\\' | '*' | '?' | '[' | ' ') {
            line.push('\\');
        }
        line.push(c);
    }
    line.push('\n');
    line
}

/// A value of a git configuration file.
fn quoted(value: &[u8]) -> Vec<u8> {
    let mut text = vec![b'"'];
    for byte in value {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            b'\n' => text.extend(*b"\\n"),
            _ => text.push(*byte),
        }
    }
    text.push(b'"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_values_are_quoted() {
        assert_eq!(quoted(b"a \"b\\\nc # d"), b"\"a \\\"b\\\\\\nc # d\"");
    }

    #[test]
    fn a_commit_with_another_tree_is_the_same_otherwise_and_unsigned() {
        let tree = TreeId::new(&"b".repeat(40)).unwrap();
        let commit = b"tree aaaa\nparent cccc\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\ngpgsig -----BEGIN\n x\n \n -----END\n\
            encoding x\n\ngpgsig stays\n body\n";
        let wanted = format!(
            "tree {}\nparent cccc\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\nencoding x\n\ngpgsig stays\n body\n",
            tree.as_str()
        );
        assert_eq!(String::from_utf8_lossy(&with_tree(commit, &tree)), wanted);
    }

    #[test]
    fn ignored_paths_are_literal() {
        assert_eq!(ignoring("a/*b ?"), "/a/\\*b\\ \\?\n");
    }
}
