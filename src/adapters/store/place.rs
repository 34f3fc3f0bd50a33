//! Where the state directory of a repository is, and what lies in it.
//!
//! Promises: never inside the repository it belongs to, never on a file system whose locks and memory maps cannot be
//! trusted (SQLite's WAL and the engine's lock need both), private to the user, never shared by two repositories.

use super::network;
use crate::adapters::os::environment::Environment;
use crate::adapters::os::files::{At, FileError, if_there, make_private_dir};
use crate::adapters::os::nofollow;
use crate::domain::base::{digest, to_hex};
use std::io::{Read, Write as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// The state directory of one repository. [`StateDir::locate`] names it, [`StateDir::create`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
    common_dir: PathBuf,
}

/// No usable state directory.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Neither a variable nor a home says where to put it.
    #[error("choose a state directory: HOME is not set; set MC_STATE_DIR to a folder outside the repository")]
    NoHome,
    /// It would lie in the work tree or in git's own directory.
    #[error(
        "use the state directory {}: it is inside the repository ({}); set MC_STATE_DIR to a folder outside it",
        root.display(), repository.display()
    )]
    InsideRepository {
        /// The refused folder.
        root: PathBuf,
        /// The work tree or git directory that contains it.
        repository: PathBuf,
    },
    /// Its path is no text in one line, as records and lists of alternates need it.
    #[error(
        "use the state directory {root:?}: its path is not UTF-8 text in one line; set MC_STATE_DIR to another folder"
    )]
    OddPath {
        /// The refused folder.
        root: PathBuf,
    },
    /// Its file system does not keep locks or shared memory reliably.
    #[error(
        "use the state directory {}: it is on a network file system ({kind}); set MC_STATE_DIR to a folder on a local disk",
        root.display()
    )]
    NetworkFileSystem {
        /// The refused folder.
        root: PathBuf,
        /// Name of the file system.
        kind: String,
    },
    /// Another repository keeps its state there.
    #[error(
        "use the state directory {}: it belongs to the repository {}; set MC_STATE_DIR to another folder, or unset it",
        root.display(), other.display()
    )]
    OtherRepository {
        /// The refused folder.
        root: PathBuf,
        /// The git directory it belongs to.
        other: PathBuf,
    },
    /// A file or folder could not be read or made.
    #[error(transparent)]
    Io(#[from] FileError),
}

impl StateDir {
    /// Names the state directory of the repository whose common git directory is `common_dir`: `$MC_STATE_DIR`, else
    /// `mission-control/<name>-<hash>` under `$XDG_STATE_HOME` (when absolute), else under `~/.local/state`. Makes
    /// nothing.
    ///
    /// # Errors
    /// [`PlaceError`] when no place is named, or the place is refused.
    pub fn locate(common_dir: &Path, env: &Environment) -> Result<Self, PlaceError> {
        let common_dir = env.cwd().join(common_dir);
        let common_dir = common_dir.canonicalize().at(&common_dir)?;
        let wanted = match env.var("MC_STATE_DIR") {
            Some(dir) => env.cwd().join(dir),
            None => state_home(env)?.join(own_name(&common_dir)),
        };
        let (existing, root) = real_path(&wanted)?;
        if root.to_str().is_none_or(|path| path.contains(['\n', '\r'])) {
            return Err(PlaceError::OddPath { root });
        }
        if let Some(repository) = repository_around(&root, &common_dir) {
            return Err(PlaceError::InsideRepository { root, repository });
        }
        if let Some(kind) = network::kind(&existing).at(&existing)? {
            return Err(PlaceError::NetworkFileSystem { root, kind });
        }
        Ok(Self { root, common_dir })
    }

    /// Where nothing was kept for the repository here, and no variable names the place: state directories of repositories that
    /// are not where they were. One of them is this repository's own when it was moved; its id tells (see `refs/mc/owner`).
    pub fn of_moved(&self, env: &Environment) -> Vec<(String, Self)> {
        if env.var("MC_STATE_DIR").is_some() || self.root.join("repository").exists() {
            return Vec::new();
        }
        let candidates = list_state_dirs(env).unwrap_or_default();
        let moved = candidates.into_iter().filter(|k| k.repository == self.common_dir || !k.repository.exists());
        let told = moved.filter_map(|known| {
            let id = std::fs::read_to_string(known.root.join("state-id")).ok()?;
            Some((id.trim().to_owned(), Self { root: known.root, common_dir: self.common_dir.clone() }))
        });
        told.collect()
    }

    /// Makes the folders that are missing, each with mode 0700, and marks the place as this repository's. Folders that
    /// exist keep their mode.
    ///
    /// # Errors
    /// [`PlaceError::OtherRepository`] when it is marked as that of another repository which still exists.
    pub fn create(&self) -> Result<(), PlaceError> {
        self.create_shared()?;
        let mark = self.root.join("repository");
        let kept = write_once(&mark, self.common_dir.as_os_str().as_bytes())?;
        let other = PathBuf::from(std::ffi::OsString::from_vec(kept));
        if other == self.common_dir {
            return Ok(());
        }
        if other.exists() {
            return Err(PlaceError::OtherRepository { root: self.root.clone(), other });
        }
        // The repository was moved: the place follows it.
        Ok(std::fs::write(&mark, self.common_dir.as_os_str().as_bytes()).at(&mark)?)
    }

    /// That no other repository that still exists has its state here; changes nothing.
    ///
    /// # Errors
    /// [`PlaceError::OtherRepository`].
    pub fn belongs_here(&self) -> Result<(), PlaceError> {
        let Ok(mark) = std::fs::read(self.root.join("repository")) else { return Ok(()) };
        let other = PathBuf::from(std::ffi::OsString::from_vec(mark));
        match other != self.common_dir && other.exists() {
            true => Err(PlaceError::OtherRepository { root: self.root.clone(), other }),
            false => Ok(()),
        }
    }

    /// Makes the folders that are missing, and marks nothing: for commands that keep only what is valid for a tree wherever
    /// it is, so that one such place can be handed from machine to machine and from clone to clone.
    ///
    /// # Errors
    /// [`PlaceError::Io`].
    pub fn create_shared(&self) -> Result<(), PlaceError> {
        make_private_dir(&self.root).at(&self.root)?;
        for dir in [self.pool(), self.runs(), self.logs()] {
            nofollow::make_folder(&self.root, &dir).at(&dir)?;
        }
        Ok(())
    }

    /// The random id of this state directory, 32 hexadecimal digits, made at the first call; it goes into
    /// `refs/mc/owner`. Needs [`StateDir::create`] first.
    ///
    /// # Errors
    /// [`PlaceError::Io`].
    pub fn state_id(&self) -> Result<String, PlaceError> {
        let path = self.root.join("state-id");
        let source = Path::new("/dev/urandom");
        let mut random = [0_u8; 16];
        std::fs::File::open(source).and_then(|mut f| f.read_exact(&mut random)).at(source)?;
        let text = String::from_utf8_lossy(&write_once(&path, to_hex(&random).as_bytes())?).trim().to_owned();
        if text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(text);
        }
        let reason = "it does not hold 32 hexadecimal digits; delete it, then use --take-over MACHINE";
        Err(FileError::new(&path, std::io::Error::new(std::io::ErrorKind::InvalidData, reason)).into())
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database.
    pub fn db(&self) -> PathBuf {
        self.root.join("mc.db")
    }

    /// The workspace pool: in `chosen` a folder of this state directory's own (several may be told to use the same place, and
    /// workspaces are known by their number), else in the state directory.
    pub fn pool_in(&self, chosen: Option<&Path>) -> PathBuf {
        let Some(chosen) = chosen else { return self.pool() };
        let real = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
        chosen.join(&digest(real.as_os_str().as_bytes())[..12])
    }

    /// The workspace pool in the state directory.
    pub fn pool(&self) -> PathBuf {
        self.root.join("pool")
    }

    /// What the engine remembers of sessions; runs of agents are elsewhere.
    pub fn sessions(&self) -> PathBuf {
        self.root.join("sessions")
    }

    /// Run directories of the local host.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// Logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The FIFO that wakes the engine.
    pub fn wake_fifo(&self) -> PathBuf {
        self.root.join("wake")
    }

    /// The engine's lock file.
    pub fn lock(&self) -> PathBuf {
        self.root.join("engine.lock")
    }
}

/// A state directory that was made for some repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownStateDir {
    /// The state directory.
    pub root: PathBuf,
    /// The git directory it was made for, whether that is still there or not.
    pub repository: PathBuf,
}

/// The state directories below the state home, and that of `MC_STATE_DIR`, sorted by path. Folders that no `mc` marked are
/// left out.
///
/// # Errors
/// [`PlaceError`] when there is no home, or its folder is there and cannot be read.
pub fn list_state_dirs(env: &Environment) -> Result<Vec<KnownStateDir>, PlaceError> {
    let mut roots: Vec<PathBuf> = env.var("MC_STATE_DIR").map(|dir| env.cwd().join(dir)).into_iter().collect();
    let home = state_home(env)?;
    let entries = if_there(std::fs::read_dir(&home)).at(&home)?;
    roots.extend(entries.into_iter().flatten().flatten().map(|entry| entry.path()));
    roots.sort();
    roots.dedup();
    let marked = |root: PathBuf| {
        let mark = std::fs::read(root.join("repository")).ok()?;
        Some(KnownStateDir { root, repository: PathBuf::from(std::ffi::OsString::from_vec(mark)) })
    };
    Ok(roots.into_iter().filter_map(marked).collect())
}

/// The folder of all state directories that no variable names.
fn state_home(env: &Environment) -> Result<PathBuf, PlaceError> {
    let xdg = env.var("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let base = xdg.or_else(|| Some(env.home()?.join(".local/state"))).ok_or(PlaceError::NoHome)?;
    Ok(base.join("mission-control"))
}

/// `<repo-name>-<12 hexadecimal digits of SHA-256 over the real path of the common directory>`.
fn own_name(common_dir: &Path) -> String {
    let named = match (common_dir.file_name(), common_dir.parent()) {
        (Some(name), Some(parent)) if name == ".git" => parent.file_name(),
        (name, _) => name,
    };
    let name = named.unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".git").unwrap_or(&name);
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let name: String = name.chars().map(plain).take(40).collect();
    let hash = digest(common_dir.as_os_str().as_bytes());
    format!("{}-{}", if name.is_empty() { "repository" } else { &name }, &hash[..12])
}

/// Resolves links in the part of `path` that exists; returns that part and the whole.
fn real_path(path: &Path) -> Result<(PathBuf, PathBuf), PlaceError> {
    let mut rest = Vec::new();
    let mut head = path;
    loop {
        match head.canonicalize() {
            Ok(existing) => {
                let whole = rest.iter().rev().fold(existing.clone(), |p: PathBuf, part| match part {
                    Component::ParentDir => p.parent().map_or_else(PathBuf::new, Path::to_owned),
                    part => p.join(part),
                });
                return Ok((existing, whole));
            }
            // A dangling link is not a free name: what lies behind it cannot be judged.
            Err(source) if source.kind() != std::io::ErrorKind::NotFound || head.is_symlink() => {
                return Err(FileError::new(head, source).into());
            }
            Err(source) => match (head.components().next_back(), head.parent()) {
                (Some(part), Some(parent)) => {
                    rest.push(part);
                    head = parent;
                }
                _ => return Err(FileError::new(path, source).into()),
            },
        }
    }
}

/// The work tree or git directory of this repository that contains `root`. Work trees are found from below, by their
/// `.git`, which covers linked ones and those with a separate git directory.
fn repository_around(root: &Path, common_dir: &Path) -> Option<PathBuf> {
    root.ancestors()
        .find(|dir| *dir == common_dir || common_dir_of(dir).as_deref() == Some(common_dir))
        .map(Path::to_owned)
}

fn common_dir_of(work_tree: &Path) -> Option<PathBuf> {
    let dot_git = work_tree.join(".git");
    if dot_git.is_dir() {
        return dot_git.canonicalize().ok();
    }
    let text = std::fs::read_to_string(&dot_git).ok()?;
    let git_dir = work_tree.join(text.strip_prefix("gitdir:")?.trim()).canonicalize().ok()?;
    match std::fs::read_to_string(git_dir.join("commondir")) {
        Ok(common) => git_dir.join(common.trim()).canonicalize().ok(),
        Err(_) => Some(git_dir),
    }
}

/// Writes `text` whole or not at all when there is no such file; returns what the file holds.
fn write_once(path: &Path, text: &[u8]) -> Result<Vec<u8>, PlaceError> {
    if !path.exists() {
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir).at(path)?;
        file.write_all(text).and_then(|()| file.as_file().sync_all()).at(path)?;
        match file.persist_noclobber(path) {
            Ok(_) => {}
            Err(lost) if lost.error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(lost) => return Err(FileError::new(path, lost.error).into()),
        }
    }
    Ok(std::fs::read(path).at(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_and_safe() {
        let name = |path: &str| own_name(Path::new(path)).rsplit_once('-').map(|(n, _)| n.to_owned());
        assert_eq!(name("/w/my repo/.git").as_deref(), Some("my-repo"));
        assert_eq!(name("/w/bare.git").as_deref(), Some("bare"));
        assert_eq!(name("/w/日本/.git").as_deref(), Some("--"));
        assert_ne!(own_name(Path::new("/a/r/.git")), own_name(Path::new("/b/r/.git")));
    }
}
