//! Contents that git-lfs keeps beside git's objects: what workspaces need to see them, and how those made there reach the
//! source.
//!
//! Promises: a workspace filters as the user's repository does, wherever its filter was set up; contents are read from the
//! source's store and copied, never shared with a workspace under one inode; what an attempt adds is in the source's store
//! before anything of it is pinned, each content under the hash it really has, and nothing that is there is ever written.
//! Where git-lfs is not used, none of this costs a process.

use super::contents::{Draft, STORE, content_path, identity, is_oid, list_contents, note_path, own_copy, read_note};
use super::disk::remove_any;
use crate::adapters::git::config_files::Settings;
use crate::adapters::git::{GitError, SourceFacts};
use crate::adapters::os::files::open_untrusted;
use crate::adapters::os::nofollow;
use crate::domain::base::to_hex;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The keys that are read of the source's settings for this module.
pub(crate) const KEYS: &str = r"filter\..*|lfs\.(storage|fetchinclude|fetchexclude)|core\.sharedrepository";

/// More object stores one repository does not borrow from; git itself follows five lists.
const MOST_LENDERS: usize = 32;

/// What workspaces need to know of filters and of git-lfs.
#[derive(Debug, Clone, Default)]
pub(crate) struct LargeFiles {
    /// The lines of a clone's settings; empty where git-lfs is not set up.
    pub(crate) config: Vec<u8>,
    /// The source's folder of contents.
    store: PathBuf,
    /// Object stores that git-lfs reads, and beside which there may be contents too (`../lfs/objects` from each).
    pub(crate) references: Vec<PathBuf>,
    /// Whether a person chose which contents there are (`lfs.fetchinclude`, `lfs.fetchexclude`).
    pub(crate) chooses: bool,
    /// Whether members of a group write into the source.
    shared: bool,
    /// Filters that only the source's own settings define; clones do not have them.
    pub(crate) withheld: BTreeSet<String>,
}

/// What was taken over from a workspace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TakenOver {
    /// Contents that were not there before.
    pub(crate) new: usize,
    /// Files that are not what their names say.
    pub(crate) false_names: usize,
}

impl LargeFiles {
    /// What the source's settings say; `folder` is where `mc` may keep what leads to a store in an unusual place.
    pub(crate) fn of(facts: &SourceFacts, settings: &Settings, folder: &Path) -> io::Result<Self> {
        let mut found = Self::from_settings(facts, settings);
        if let (true, Some(root)) = (found.is_set_up(), found.store.parent())
            && root != facts.common_dir.join("lfs")
        {
            found.references.push(lead_to(root, &folder.join("contents"))?);
        }
        Ok(found)
    }

    /// The same for somebody who only looks.
    pub(crate) fn from_settings(facts: &SourceFacts, settings: &Settings) -> Self {
        let lfs = ["process", "clean", "smudge"].map(|name| settings.value(&format!("filter.lfs.{name}")));
        let set_up = lfs.iter().flatten().any(|line| !line.is_empty());
        let storage = settings.value("lfs.storage").filter(|path| !path.is_empty());
        let root = storage.map_or_else(|| PathBuf::from("lfs"), |path| PathBuf::from(OsStr::from_bytes(path)));
        let root = facts.common_dir.join(root);
        Self {
            config: if set_up { config(settings) } else { Vec::new() },
            store: root.join("objects"),
            references: if set_up { list_alternates(&facts.common_dir) } else { Vec::new() },
            chooses: ["lfs.fetchinclude", "lfs.fetchexclude"].iter().any(|key| settings.value(key).is_some()),
            shared: settings.value("core.sharedrepository").is_some_and(is_shared),
            withheld: find_withheld(settings),
        }
    }

    /// Whether git-lfs is set up for the user or in the repository.
    pub(crate) fn is_set_up(&self) -> bool {
        !self.config.is_empty()
    }

    /// Whether the source has the content of a pointer, in its own store or in one it borrows from.
    pub(crate) fn has_content(&self, pointer: &Pointer) -> bool {
        self.find_content(&pointer.oid).is_some_and(|(_, size)| size == pointer.size)
    }

    /// Where a content is, and how long it is.
    pub(crate) fn find_content(&self, oid: &str) -> Option<(PathBuf, u64)> {
        let beside = |line: &PathBuf| line.parent().unwrap_or(line).join(STORE);
        let stores = std::iter::once(self.store.clone()).chain(self.references.iter().map(beside));
        stores.map(|store| store.join(content_path(oid))).find_map(|path| {
            let meta = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
            Some((path, meta.len()))
        })
    }

    /// Gives a clone that is itself the source of workspaces what git-lfs needs there.
    pub(crate) fn configure_clone(&self, repository: &Path) -> io::Result<()> {
        if !self.is_set_up() {
            return Ok(());
        }
        OpenOptions::new().append(true).open(repository.join("config"))?.write_all(&self.config)?;
        let mut lines =
            OpenOptions::new().append(true).create(true).open(repository.join("objects/info/alternates"))?;
        for store in &self.references {
            lines.write_all(&[store.as_os_str().as_bytes(), b"\n"].concat())?;
        }
        Ok(())
    }

    /// Copies what a workspace's store has and the source's has not, durably.
    pub(crate) fn take_over(&self, git_dir: &Path) -> io::Result<TakenOver> {
        let mut taken = TakenOver::default();
        for (oid, path, meta) in list_contents(git_dir)? {
            let target = self.store.join(content_path(&oid));
            if fs::symlink_metadata(&target).is_ok_and(|there| there.len() == meta.len()) {
                continue;
            }
            match self.copy_in(&path, &oid, &target) {
                Ok(true) => taken.new += 1,
                Ok(false) => taken.false_names += 1,
                Err(e) => return Err(e),
            }
        }
        Ok(taken)
    }

    /// Copies one content into the store, durably; whether it is what its name says.
    pub(crate) fn take(&self, from: &Path, oid: &str) -> io::Result<bool> {
        self.copy_in(from, oid, &self.store.join(content_path(oid)))
    }

    /// Copies one content; whether it is what its name says.
    fn copy_in(&self, from: &Path, oid: &str, to: &Path) -> io::Result<bool> {
        let mut input = open_untrusted(from)?;
        let mode = 0o600 | (input.metadata()?.mode() & 0o044) | if self.shared { 0o060 } else { 0 };
        let folder = to.parent().unwrap_or(&self.store);
        self.make_folder(folder)?;
        let mut draft = Draft::new(folder)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = input.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            draft.file().write_all(&buffer[..read])?;
        }
        if to_hex(&hash.finalize()) != oid {
            return Ok(false);
        }
        draft.file().set_permissions(Permissions::from_mode(mode))?;
        draft.file().sync_all()?;
        draft.name(to)?;
        File::open(folder)?.sync_all()?;
        Ok(true)
    }

    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|dir| !dir.exists()).collect();
        fs::create_dir_all(folder)?;
        for dir in missing {
            if self.shared {
                let mode = fs::metadata(dir)?.mode() | 0o2070;
                fs::set_permissions(dir, Permissions::from_mode(mode))?;
            }
            File::open(dir.parent().unwrap_or(dir))?.sync_all()?;
        }
        Ok(())
    }

    /// Makes the contents in a workspace's store its own: git-lfs links them to those of the source where it can. What an
    /// earlier use had and is gone comes back. What is there now is noted, for [`super::contents::park_contents`].
    pub(crate) fn make_own(&self, files: &Path) -> io::Result<()> {
        let (git_dir, note) = (files.join(".git"), note_path(files));
        let before = read_note(&note);
        if before.is_empty() && fs::symlink_metadata(git_dir.join(STORE)).is_err() {
            return Ok(());
        }
        let mut there: BTreeSet<String> = BTreeSet::new();
        for (oid, path, meta) in list_contents(&git_dir)? {
            if meta.nlink() > 1 {
                own_copy(&path, &path)?;
            }
            there.insert(oid);
        }
        for oid in before.keys().filter(|oid| !there.contains(*oid)) {
            if let Some((from, _)) = self.find_content(oid) {
                own_copy(&from, &git_dir.join(STORE).join(content_path(oid)))?;
            }
        }
        let line = |(oid, _, meta): (String, PathBuf, fs::Metadata)| format!("{oid} {}\n", identity(&meta));
        nofollow::replace(&note, list_contents(&git_dir)?.into_iter().map(line).collect::<String>().as_bytes(), false)
    }
}

/// What a pointer says: a text that stands in git for a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer {
    /// SHA-256 of the content, in hexadecimal digits.
    pub(crate) oid: String,
    /// Its length.
    pub(crate) size: u64,
}

/// No pointer is longer (the specification of git-lfs, "The Pointer").
pub(crate) const LONGEST_POINTER: usize = 1023;

impl Pointer {
    /// Reads one; `None` when the text is none.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(text).ok()?.lines();
        let version = lines.next()?.strip_prefix("version ")?;
        let known =
            ["https://git-lfs.github.com/spec/v1", "http://git-media.io/v/2", "https://hawser.github.com/spec/v1"];
        if !known.contains(&version.trim_end()) {
            return None;
        }
        let fields: BTreeMap<&str, &str> = lines.filter_map(|line| line.split_once(' ')).collect();
        let oid = fields.get("oid")?.strip_prefix("sha256:").filter(|oid| is_oid(oid))?;
        Some(Self { oid: oid.to_owned(), size: fields.get("size")?.parse().ok()? })
    }
}

/// The file for which a checkout found no content.
pub(crate) fn without_content(error: &GitError) -> Option<String> {
    let GitError::Failed { stderr, .. } = error else { return None };
    let end = ": smudge filter lfs failed";
    let line = stderr.lines().find_map(|line| line.trim_end().strip_suffix(end))?;
    Some(line.strip_prefix("fatal: ").or_else(|| line.strip_prefix("error: ")).unwrap_or(line).to_owned())
}

/// The settings of git-lfs as a clone needs them. That contents are not to be fetched by a clone (`--skip`) is no wish about
/// those that are there.
fn config(settings: &Settings) -> Vec<u8> {
    let mut text = b"[filter \"lfs\"]\n".to_vec();
    let line = |text: &mut Vec<u8>, name: &str, value: &[u8]| {
        text.extend_from_slice(format!("\t{name} = ").as_bytes());
        text.extend(super::escape::quote_value(value));
        text.push(b'\n');
    };
    for name in ["clean", "smudge", "process"] {
        if let Some(value) = settings.value(&format!("filter.lfs.{name}")) {
            line(&mut text, name, String::from_utf8_lossy(value).replace(" --skip", "").as_bytes());
        }
    }
    line(&mut text, "required", b"true");
    text.extend_from_slice(b"[lfs]\n");
    line(&mut text, "storage", b"lfs");
    for name in ["fetchinclude", "fetchexclude"] {
        if let Some(value) = settings.value(&format!("lfs.{name}")) {
            line(&mut text, name, value);
        }
    }
    text
}

/// Filters that the source's own settings define and nobody else's.
fn find_withheld(settings: &Settings) -> BTreeSet<String> {
    let names = |own: bool| {
        let ours = settings.iter().filter(move |setting| setting.own == own && !setting.value.is_empty());
        ours.filter_map(|setting| {
            let (name, what) = setting.key.strip_prefix("filter.")?.rsplit_once('.')?;
            (matches!(what, "clean" | "process") && name != "lfs").then(|| name.to_owned())
        })
    };
    let everywhere: BTreeSet<String> = names(false).collect();
    names(true).filter(|name| !everywhere.contains(name)).collect()
}

fn is_shared(value: &[u8]) -> bool {
    let value = String::from_utf8_lossy(value).to_lowercase();
    let number = || u32::from_str_radix(&value, 8).is_ok_and(|mode| mode > 2 && mode & 0o060 == 0o060);
    matches!(value.as_str(), "group" | "true" | "yes" | "on" | "1" | "all" | "world" | "everybody" | "2") || number()
}

/// Every object store a repository borrows from, those too that the lenders borrow from: git-lfs looks no further than the
/// first list.
fn list_alternates(common: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![common.join("objects")]);
    while let Some(objects) = open.pop() {
        let lines = fs::read(objects.join("info/alternates")).unwrap_or_default();
        let lines = lines.split(|b| *b == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#"));
        for store in lines.filter_map(|line| objects.join(OsStr::from_bytes(line)).canonicalize().ok()) {
            if !found.contains(&store) && found.len() < MOST_LENDERS {
                found.push(store.clone());
                open.push(store);
            }
        }
    }
    found
}

/// Git-lfs looks for contents beside the object stores a clone borrows from and nowhere else: an empty one with a link beside it.
fn lead_to(root: &Path, folder: &Path) -> io::Result<PathBuf> {
    let (objects, link) = (folder.join("objects"), folder.join("lfs"));
    fs::create_dir_all(&objects)?;
    if fs::read_link(&link).is_ok_and(|to| to == root) {
        return Ok(objects);
    }
    remove_any(&link)?;
    std::os::unix::fs::symlink(root, &link)?;
    Ok(objects)
}
