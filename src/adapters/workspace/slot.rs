//! One slot's repository: known-good settings, and making the files equal to a commit.
//!
//! A slot's git directory is made anew for every use, as `git clone --shared --template= --no-checkout` would, but without
//! copying refs. Only the index and the files survive, so that unchanged files keep their times and incremental builds
//! stay incremental, while nothing an agent planted (hooks, filters, refs, alternates) reaches the next user.

use crate::adapters::git::source::SourceFacts;
use crate::adapters::git::{Git, GitError, Place, fields};
use crate::domain::values::{CommitId, TreeId};
use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, FileType, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
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
            b"\tbare = false\n\tlogAllRefUpdates = true\n\thooksPath = /dev/null\n\tfsmonitor = false\n",
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
        remove_any(&info.join("alternates"))?;
        let mut lines = self.objects().into_os_string().as_bytes().to_vec();
        lines.push(b'\n');
        for line in extra {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
        fs::write(info.join("alternates"), lines)?;
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

/// Git on a slot: exactly its own git directory and files, never found by searching upwards.
pub(crate) fn slot_git(source: &Git, files: &Path) -> Git {
    source
        .at(Place::WorkTree { git_dir: files.join(".git"), files: files.to_owned() })
        .with_setting("core.commitGraph=false")
        .with_setting("core.fsync=none")
        .with_setting("core.safecrlf=false")
}

/// Makes a slot's git directory anew, detached at `base`; files and a usable index stay.
pub(crate) async fn renew(source: &Git, shape: &Shape, files: &Path, base: &CommitId) -> Result<(), GitError> {
    let failed = |source| GitError::Io { path: files.to_owned(), source };
    let git_dir = files.join(".git");
    fs::create_dir_all(files).map_err(failed)?;
    let kept = files.with_extension("index");
    remove_any(&kept).map_err(failed)?;
    let real =
        |path: &Path, dir: bool| fs::symlink_metadata(path).is_ok_and(|m| if dir { m.is_dir() } else { m.is_file() });
    if real(&git_dir, true) && real(&git_dir.join("index"), false) {
        fs::rename(git_dir.join("index"), &kept).map_err(failed)?;
    }
    remove_any(&git_dir).map_err(failed)?;
    let format = format!("--object-format={}", shape.facts.object_format);
    let above = source.at(Place::Folder(files.to_owned()));
    above.out(&["init", "--quiet", "--template=", "--initial-branch=mc-slot", &format]).await?;
    shape.mend(&git_dir, &[]).map_err(failed)?;
    if kept.exists() {
        fs::rename(&kept, git_dir.join("index")).map_err(failed)?;
    }
    let git = slot_git(source, files);
    if unblock(&git, files).await.is_err() || unhide(&git, files, false).await.is_err() {
        remove_any(&git_dir.join("index")).map_err(failed)?;
    }
    git.out(&["update-ref", "--no-deref", "HEAD", base.as_str()]).await?;
    Ok(())
}

/// Makes files and index equal to `base`; says what is still different afterwards.
pub(crate) async fn reset(
    source: &Git,
    shape: &Shape,
    files: &Path,
    base: &CommitId,
    ignored: Ignored,
) -> Result<Vec<String>, GitError> {
    renew(source, shape, files, base).await?;
    let git = slot_git(source, files);
    git.out(&["reset", "--hard", "--quiet", base.as_str()]).await?;
    for inner in inner_git_dirs(&git, files).await? {
        remove_any(&inner).map_err(|source| GitError::Io { path: inner, source })?;
    }
    let flags = if ignored == Ignored::Keep { "-ffdq" } else { "-ffdxq" };
    git.out(&["clean", flags]).await?;
    let status = git.bytes(&["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal"]).await?;
    let mut different: Vec<String> = fields(&status).map(|f| String::from_utf8_lossy(f).into_owned()).collect();
    let head = git.resolve("HEAD").await?.map(|tip| tip.commit);
    if head.as_ref() != Some(base) {
        different.push(format!("HEAD is {head:?}"));
    }
    Ok(different)
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
    let args = [OsStr::new("hash-object"), OsStr::new("-t"), OsStr::new("commit"), OsStr::new("-w"), name];
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

/// Lets git see again what it was told not to look at (assume-unchanged, skip-worktree); returns how many entries there
/// were. With `sparse`, a skipped entry without a file stays skipped: a sparse checkout is no deletion.
pub(crate) async fn unhide(git: &Git, files: &Path, sparse: bool) -> Result<usize, GitError> {
    let bytes = git.bytes(&["ls-files", "-v", "-z"]).await?;
    let odd: Vec<&[u8]> = fields(&bytes)
        .filter_map(|field| {
            let (tag, path) = (*field.first()?, field.get(2..)?);
            let absent = || fs::symlink_metadata(files.join(OsStr::from_bytes(path))).is_err();
            let hidden = tag.is_ascii_lowercase() || (tag == b'S' && !(sparse && absent()));
            hidden.then_some(path)
        })
        .collect();
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

/// Removes a file, link or folder of any kind, also one with read-only folders in it; nothing there is fine.
pub(crate) fn remove_any(path: &Path) -> io::Result<()> {
    let meta = match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        other => other?,
    };
    if !meta.is_dir() {
        return fs::remove_file(path);
    }
    if fs::remove_dir_all(path).is_ok() {
        return Ok(());
    }
    open_up(path, 0)?;
    fs::remove_dir_all(path)
}

/// Gives the owner back the right to use every folder below `path`, and `bits` on every file; links are not followed.
pub(crate) fn open_up(path: &Path, bits: u32) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    let mode = meta.permissions().mode();
    let wanted = match (meta.is_dir(), meta.is_file()) {
        (true, _) => mode | 0o700,
        (_, true) => mode | bits,
        _ => mode,
    };
    if wanted != mode {
        fs::set_permissions(path, fs::Permissions::from_mode(wanted))?;
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            open_up(&entry?.path(), bits)?;
        }
    }
    Ok(())
}

/// Gives the owner back the right to use every folder below and at `path`; returns how many lacked it. Git only warns of
/// a folder it cannot look into, and then takes its files for absent. What is nested too deep to be named is left.
pub(crate) fn open_folders(path: &Path) -> io::Result<usize> {
    let (mut opened, mut folders) = (0, vec![path.to_owned()]);
    while let Some(dir) = folders.pop() {
        let Ok(meta) = fs::symlink_metadata(&dir) else { continue };
        let mode = meta.permissions().mode();
        if mode & 0o700 != 0o700 {
            fs::set_permissions(&dir, fs::Permissions::from_mode(mode | 0o700))?;
            opened += 1;
        }
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(opened)
}

/// Removes pipes, sockets and devices below `dir`: they hold nothing, and make git fail or wait for ever.
pub(crate) fn remove_special(dir: &Path) -> io::Result<()> {
    remove_where(dir, &|_, kind| !(kind.is_file() || kind.is_symlink()))
}

fn remove_where(dir: &Path, unwanted: &impl Fn(&Path, FileType) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            remove_where(&entry.path(), unwanted)?;
        } else if unwanted(&entry.path(), kind) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes `bytes` so that they are on the disk, with their name, when this returns.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_folder(path)
}

/// Makes the entry of `path` in its folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
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

    #[test]
    fn read_only_folders_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("f"), "x").unwrap();
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o000)).unwrap();
        remove_any(&dir.path().join("a")).unwrap();
        assert!(!dir.path().join("a").exists());
        remove_any(&dir.path().join("a")).unwrap();
    }
}
