//! One slot's repository: a git directory with known-good settings, and what its index lists.
//!
//! A slot's git directory is made anew for every use, as `git clone --shared --template= --no-checkout` would, but without
//! copying refs. Only the files survive, and an index that `mc` kept beside the slot since it prepared it, so that
//! unchanged files keep their times and incremental builds stay incremental, while nothing an agent planted (hooks,
//! filters, refs, alternates, hidden entries) reaches the next user.

use super::after_setup;
use super::contents;
use super::disk::{open_up, remove_any, remove_where};
use super::escape::{quote_value, to_ignore_line};
use super::index_file::entries;
use super::layout::note_path;
use super::lfs::LargeFiles;
use super::tags::Tags;
use crate::adapters::git::answers::fields;
use crate::adapters::git::{Git, GitError, Place, SourceFacts};
use crate::adapters::os::files::{At, FileIdentity};
use crate::domain::values::{CommitId, TreeId};
use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Whether ignored files (build output) survive between two uses of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// They stay.
    Keep,
    /// They are removed.
    Remove,
}

/// What every slot of a pool has in common.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) facts: SourceFacts,
    pub(crate) identity: (String, String),
    /// The list of ignored files that the repository's settings name.
    pub(crate) ignores: Option<PathBuf>,
    /// Files put into every slot that are no part of the work.
    pub(crate) excluded: Vec<String>,
    /// Folders that are the user's own: nothing is rewritten there, whatever leads to them.
    pub(crate) theirs: Vec<FileIdentity>,
    /// The tags of the source.
    pub(crate) tags: Tags,
    /// What git-lfs needs.
    pub(crate) large: LargeFiles,
}

/// A longer list of ignored files is not read.
const LONGEST_EXCLUDE: u64 = 1 << 20;

impl Shape {
    /// The last line of defence: a git directory that is rewritten is not that of the source, and its files are not the
    /// source's files.
    fn refuse_theirs(&self, git_dir: &Path) -> io::Result<()> {
        for path in [git_dir, git_dir.parent().unwrap_or(git_dir)] {
            // What a link leads to counts as well.
            if FileIdentity::of_path(path).is_ok_and(|it| self.theirs.contains(&it)) {
                return Err(io::Error::other("it is the source repository itself; it is left alone"));
            }
        }
        Ok(())
    }

    /// The object store of the source, borrowed by every slot.
    pub(crate) fn objects(&self) -> PathBuf {
        self.facts.common_dir.join("objects")
    }

    /// The object stores that every slot borrows from.
    pub(crate) fn list_borrowed_stores(&self) -> Vec<PathBuf> {
        std::iter::once(self.objects()).chain(self.large.references.iter().cloned()).collect()
    }

    fn config(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let sha256 = self.facts.object_format == "sha256";
        let version = if sha256 { "1\n[extensions]\n\tobjectFormat = sha256\n[core]\n" } else { "0\n" };
        text.extend_from_slice(format!("[core]\n\trepositoryFormatVersion = {version}").as_bytes());
        text.extend_from_slice(
            b"\tbare = false\n\tfileMode = true\n\tlogAllRefUpdates = true\n\tignoreCase = false\n\thooksPath = /dev/null\n\tfsmonitor = false\n",
        );
        if let Some(ignores) = &self.ignores {
            text.extend_from_slice(b"\texcludesFile = ");
            text.extend(quote_value(ignores.as_os_str().as_bytes()));
            text.push(b'\n');
        }
        text.extend_from_slice(b"[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n");
        text.extend_from_slice(b"[commit]\n\tgpgSign = false\n[tag]\n\tgpgSign = false\n[push]\n\tdefault = nothing\n");
        text.extend_from_slice(b"[user]\n\tname = ");
        text.extend(quote_value(self.identity.0.as_bytes()));
        text.extend_from_slice(b"\n\temail = ");
        text.extend(quote_value(self.identity.1.as_bytes()));
        text.extend_from_slice(b"\n[remote \"origin\"]\n\turl = ");
        // As in a clone of the folder a person works in: addresses of submodules are taken from it.
        text.extend(quote_value(self.facts.toplevel.as_os_str().as_bytes()));
        text.extend_from_slice(b"\n\tpushUrl = disabled:clones-of-mc-do-not-push\n");
        text.extend_from_slice(b"\tfetch = +refs/heads/*:refs/remotes/origin/*\n");
        text.extend_from_slice(&self.large.config);
        text
    }

    /// Replaces configuration, hooks, info and alternates by known-good ones and removes stale locks. Alternates that
    /// somebody added stay when `extra` names them: they hold objects, nothing that runs.
    pub(crate) fn repair(&self, git_dir: &Path, extra: &[Vec<u8>]) -> io::Result<()> {
        self.refuse_theirs(git_dir)?;
        open_up(git_dir, 0o600)?;
        // Git writes through links; those among its objects only lead to more of them.
        let objects = git_dir.join("objects");
        remove_where(git_dir, &|path, kind| {
            !(kind.is_file() || kind.is_symlink()) || (kind.is_symlink() && !path.starts_with(&objects))
        })?;
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
        let own = self.list_borrowed_stores();
        let own = own.iter().map(|store| store.as_os_str().as_bytes());
        let lines: Vec<u8> =
            own.chain(extra.iter().map(Vec::as_slice)).flat_map(|line| [line, b"\n"]).flatten().copied().collect();
        // At once: killed in between, the clone still says where its objects are.
        let (list, draft) = (info.join("alternates"), info.join("alternates.new"));
        remove_any(&draft)?;
        fs::write(&draft, lines)?;
        if fs::symlink_metadata(&list).is_ok_and(|m| !m.is_file()) {
            remove_any(&list)?;
        }
        fs::rename(&draft, &list)?;
        // What the repository itself ignores without a file of the tree is ignored here too.
        let list = self.facts.common_dir.join("info/exclude");
        let usable = fs::metadata(&list).is_ok_and(|meta| meta.is_file() && meta.len() <= LONGEST_EXCLUDE);
        let mut lines = if usable { fs::read(&list)? } else { Vec::new() };
        if !lines.is_empty() && !lines.ends_with(b"\n") {
            lines.push(b'\n');
        }
        lines.extend(self.excluded.iter().flat_map(|path| to_ignore_line(path.as_bytes())));
        lines.extend(git_dir.parent().map(after_setup::lines).unwrap_or_default());
        // The folder is there after any clone, and tools write into it.
        fs::create_dir_all(git_dir.join("info"))?;
        fs::write(git_dir.join("info/exclude"), lines)?;
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
        .with_place(Place::WorkTree { git_dir: files.join(".git"), files: files.to_owned() })
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
/// index is that of `mc`, not the one the last user of the slot left: it hides nothing and claims nothing. `tags` is what
/// [`Tags::format_packed_refs`] says.
pub(crate) fn renew(shape: &Shape, files: &Path, base: &CommitId, tags: &[u8]) -> Result<(), GitError> {
    let made = || -> io::Result<()> {
        let git_dir = files.join(".git");
        shape.refuse_theirs(&git_dir)?;
        contents::park_contents(files)?;
        remove_any(&git_dir)?;
        for folder in ["objects/info", "objects/pack", "refs/heads", "refs/tags", "logs"] {
            fs::create_dir_all(git_dir.join(folder))?;
        }
        contents::restore_contents(files)?;
        fs::write(git_dir.join("HEAD"), format!("{base}\n"))?;
        if !tags.is_empty() {
            fs::write(git_dir.join("packed-refs"), tags)?;
        }
        let zeros = "0".repeat(base.as_str().len());
        let (name, email) = (one_line(&shape.identity.0), one_line(&shape.identity.1));
        fs::write(git_dir.join("logs/HEAD"), format!("{zeros} {base} {name} <{email}> 0 +0000\n"))?;
        shape.repair(&git_dir, &[])
    };
    Ok(made().at(files)?)
}

/// What git calls different between HEAD, the index and the files.
pub(crate) async fn list_differences(git: &Git) -> Result<Vec<Vec<u8>>, GitError> {
    let args = ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal"];
    let status = git.run_bytes(&[&args[..], &["--ignore-submodules=none"]].concat()).await?;
    Ok(fields(&status).map(<[u8]>::to_vec).collect())
}

/// Where the index of a slot is kept while somebody works there.
pub(crate) fn kept_index(files: &Path) -> PathBuf {
    note_path(files, "index")
}

/// A name as it may stand in a line of a log.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect()
}

/// Takes paths out of a slot that stands at `base`: HEAD becomes the same commit with the tree that is left, so that files,
/// index and HEAD agree. Says the tree.
pub(crate) async fn exclude_paths(
    source: &Git,
    files: &Path,
    base: &CommitId,
    removed: &[OsString],
) -> Result<TreeId, GitError> {
    let git = slot_git(source, files);
    git.remove_from_index(removed).await?;
    for path in removed {
        let path = files.join(path);
        remove_any(&path).at(files)?;
        for folder in path.ancestors().skip(1).take_while(|dir| *dir != files) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
    let tree = git.tree_id(&["write-tree"]).await?;
    let commit = git.run_bytes(&["cat-file", "commit", base.as_str()]).await?;
    let draft = files.join(".git/mc-commit");
    fs::write(&draft, with_tree(&commit, &tree)).at(files)?;
    let name = draft.as_os_str();
    // The commit was good enough for the repository, whatever a stricter git would say of an old one.
    let args = ["hash-object", "--literally", "-t", "commit", "-w"].map(OsStr::new).into_iter().chain([name]);
    let args: Vec<&OsStr> = args.collect();
    let commit = git.commit_id(&args).await?;
    remove_any(&draft).at(files)?;
    let shallow = files.join(".git/shallow");
    if let Ok(cut) = fs::read_to_string(&shallow)
        && cut.lines().any(|line| line == base.as_str())
    {
        fs::write(&shallow, format!("{cut}{commit}\n")).at(files)?;
    }
    git.run_text(&["update-ref", "--no-deref", "HEAD", commit.as_str()]).await?;
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
pub(crate) async fn read_tracked(git: &Git) -> Result<Tracked, GitError> {
    let bytes = git.run_bytes(&["ls-files", "-v", "--stage", "-z"]).await?;
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
            git.run_bytes(&args).await?;
        }
    }
    Ok(odd.len())
}

/// The real folders below `files` (not itself) that have tracked files.
pub(crate) async fn tracked_folders(git: &Git, files: &Path) -> Result<Vec<PathBuf>, GitError> {
    let tracked = git.run_bytes(&["ls-files", "-z"]).await?;
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
pub(crate) async fn remove_pipes(git: &Git, files: &Path) -> Result<(), GitError> {
    for dir in tracked_folders(git, files).await?.into_iter().chain([files.to_owned()]) {
        for name in [".gitignore", ".gitattributes", ".gitmodules"] {
            let path = dir.join(name);
            let pipe = fs::symlink_metadata(&path).is_ok_and(|m| !m.is_file() && !m.is_dir() && !m.is_symlink());
            if pipe {
                remove_any(&path).at(&path)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
