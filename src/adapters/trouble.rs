//! From errors to causes: what kind of trouble a failure is, by the system's error number where there is one, by what git
//! says in the C locale (it quotes the system), and by a look at the folders that could be meant.
//!
//! The looks come after the failure: trouble that is over by then is still known by its error and by the path in it.

use super::git::GitError;
use super::host::local::process::command::CommandError;
use super::host::local::process::probe::ProbeError;
use super::host::local::protocol::RunError;
use super::host::local::workspace::collect::CollectError;
use super::host::local::workspace::pool::PoolError;
use super::os::machine::{free_inodes, may_write, no_room};
use super::store::StoreError;
use crate::domain::ending::ProcessExit;
use crate::domain::trouble::{Cause, Spot};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Number of the signal that ends a process whose file grows beyond its limit.
const SIGXFSZ: i32 = 25;

/// What the system says, as programs quote it in the C locale.
const QUOTED: [(&str, Errno); 12] = [
    ("No space left on device", Errno::NOSPC),
    ("Disk quota exceeded", Errno::DQUOT),
    ("Read-only file system", Errno::ROFS),
    ("Permission denied", Errno::ACCESS),
    ("insufficient permission for adding an object", Errno::ACCESS),
    ("Operation not permitted", Errno::PERM),
    ("Too many open files", Errno::MFILE),
    ("Resource temporarily unavailable", Errno::AGAIN),
    ("Cannot allocate memory", Errno::NOMEM),
    ("out of memory", Errno::NOMEM),
    ("File too large", Errno::FBIG),
    ("unable to create thread", Errno::AGAIN),
];

/// The folders a mission works on.
#[derive(Debug, Clone)]
pub struct Places {
    /// The source's git directory.
    pub source: PathBuf,
    /// The state folder.
    pub state: PathBuf,
}

/// The cause of a failure.
pub fn cause_of(error: &(dyn Error + 'static), places: &Places) -> Cause {
    let mut seen = Seen::default();
    seen.read_chain(error);
    if !places.source.exists() {
        return Cause::Missing(Spot::Source);
    }
    if !places.state.exists() {
        return Cause::Missing(Spot::State);
    }
    let told = seen.errno.or_else(|| QUOTED.iter().find(|(text, _)| seen.said.contains(text)).map(|(_, errno)| *errno));
    if let Some(lock) = lock_in_the_way(&seen.said) {
        return Cause::Locked(lock.to_owned());
    }
    told.and_then(|errno| by_number(errno, &seen, places))
        .or(seen.kind)
        .unwrap_or_else(|| Cause::from_message(&seen.whole))
}

/// The lock that git could not make because it is there (`lockfile.c`: unable_to_lock_message).
fn lock_in_the_way(said: &str) -> Option<&str> {
    let (path, why) = said.split_once("Unable to create '")?.1.split_once("': ")?;
    (path.ends_with(".lock") && why.starts_with("File exists")).then_some(path)
}

/// What an error and those behind it say.
#[derive(Default)]
struct Seen {
    errno: Option<Errno>,
    /// A file that could not be used.
    path: Option<PathBuf>,
    /// Words of git or of the supervisor.
    said: String,
    /// The whole error in words.
    whole: String,
    /// What it is when nothing tells more.
    kind: Option<Cause>,
}

impl Seen {
    fn read_chain(&mut self, error: &(dyn Error + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            if !self.whole.is_empty() {
                self.whole.push_str(": ");
            }
            self.whole.push_str(&error.to_string());
            next = self.read_error(error);
        }
    }

    /// Looks at one error; the one behind it. Where an error only passes another one on, that other one is looked at.
    fn read_error<'e>(&mut self, error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
        let behind = error.source();
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            self.errno = self.errno.or_else(|| Errno::from_io_error(io));
        } else if let Some(error) = error.downcast_ref::<GitError>() {
            self.git(error);
        } else if let Some(error) = error.downcast_ref::<CommandError>() {
            self.kind.get_or_insert(Cause::Git);
            if let CommandError::Deadline { .. } = error {
                self.said.clear();
            }
        } else if let Some(error) = error.downcast_ref::<PoolError>() {
            return self.pool(error).or(behind);
        } else if let Some(error) = error.downcast_ref::<CollectError>() {
            match error {
                CollectError::Pool(error) => return self.pool(error).or(behind),
                CollectError::Git(error) => self.git(error),
                CollectError::Io(file) => self.path = Some(file.path.clone()),
                _ => {}
            }
        } else if let Some(error) = error.downcast_ref::<RunError>() {
            self.kind.get_or_insert(Cause::Spawn);
            match error {
                RunError::NotStarted { reason, .. } => self.said.push_str(reason),
                RunError::Io(file) => self.path = Some(file.path.clone()),
                _ => {}
            }
        } else if error.is::<ProbeError>() {
            self.kind.get_or_insert(Cause::Spawn);
        } else if let Some(error) = error.downcast_ref::<StoreError>() {
            match error {
                StoreError::DiskFull { path } => (self.errno, self.path) = (Some(Errno::NOSPC), Some(path.clone())),
                StoreError::Io(file) => self.path = Some(file.path.clone()),
                _ => {}
            }
        }
        behind
    }

    fn pool<'e>(&mut self, error: &'e PoolError) -> Option<&'e (dyn Error + 'static)> {
        match error {
            PoolError::Git(error) => {
                self.git(error);
                error.source()
            }
            PoolError::Io(file) => {
                self.path = Some(file.path.clone());
                Some(&file.source)
            }
            PoolError::Prepare { source, .. } => {
                self.kind.get_or_insert(Cause::Workspace);
                Some(source)
            }
            _ => None,
        }
    }

    fn git(&mut self, error: &GitError) {
        match error {
            GitError::Start(CommandError::Io { .. }) => drop(self.kind.get_or_insert(Cause::Git)),
            GitError::Failed { stderr, ending, .. } => {
                self.said.push_str(stderr);
                if *ending == Some(ProcessExit::Signal(SIGXFSZ)) {
                    self.errno = Some(Errno::FBIG);
                }
            }
            GitError::DiskFull { place, .. } => {
                (self.errno, self.path) = (Some(Errno::NOSPC), Some(place.clone()));
            }
            GitError::Io(file) => self.path = Some(file.path.clone()),
            _ => {}
        }
    }
}

/// The limit of this process or machine that an error comes from, if it is one: no folder has to do with it.
pub fn limit_of(error: &(dyn Error + 'static)) -> Option<Cause> {
    let anywhere = Places { source: PathBuf::from("/"), state: PathBuf::from("/") };
    let cause = cause_of(error, &anywhere);
    matches!(cause, Cause::Descriptors { .. } | Cause::Processes | Cause::Memory | Cause::FileSize).then_some(cause)
}

fn by_number(errno: Errno, seen: &Seen, places: &Places) -> Option<Cause> {
    match errno {
        Errno::NOSPC | Errno::DQUOT => Some(find_full_disk(seen, places)),
        Errno::ROFS | Errno::ACCESS | Errno::PERM => {
            let shut = |folder: &Path| !may_write(folder);
            let source =
                shut(&places.source) || shut(&places.source.join("objects")) || shut(&places.source.join("refs"));
            let spot = if source {
                Spot::Source
            } else if shut(&places.state) {
                Spot::State
            } else {
                find_spot(seen, places)
            };
            Some(Cause::Denied(spot))
        }
        Errno::MFILE | Errno::NFILE => Some(descriptor_cause()),
        Errno::AGAIN => Some(Cause::Processes),
        Errno::NOMEM => Some(Cause::Memory),
        Errno::FBIG => Some(Cause::FileSize),
        _ => None,
    }
}

/// That no file descriptors are left, with their limit.
pub fn descriptor_cause() -> Cause {
    Cause::Descriptors { limit: getrlimit(Resource::Nofile).current }
}

/// Which disk has no room, and whether it is room that it lacks.
fn find_full_disk(seen: &Seen, places: &Places) -> Cause {
    let spots = [(Spot::State, &places.state), (Spot::Source, &places.source)];
    let named = find_spot(seen, places);
    let first = spots.iter().filter(|(spot, _)| *spot == named).chain(&spots);
    for (spot, folder) in first {
        if no_room(folder) {
            return Cause::DiskFull(*spot);
        }
        if free_inodes(folder) == Some(0) {
            return Cause::NoInodes(*spot);
        }
    }
    Cause::DiskFull(named)
}

/// The folder whose path an error names.
fn find_spot(seen: &Seen, places: &Places) -> Spot {
    let below = |folder: &Path| {
        let text = folder.to_string_lossy();
        seen.path.as_ref().is_some_and(|path| path.starts_with(folder)) || seen.said.contains(text.as_ref())
    };
    let home = places.source.parent().filter(|_| places.source.ends_with(".git")).unwrap_or(&places.source);
    match (below(&places.state), below(&places.source) || seen.path.as_deref() == Some(home)) {
        (_, true) => Spot::Source,
        (true, false) => Spot::State,
        (false, false) => Spot::Elsewhere,
    }
}

/// What helps when a disk is full.
pub const ROOM: &str =
    "the disk is full: make room on it (`mc pool prune` and `mc clean` free what mc keeps there), then try again";

/// Whether a full disk is the cause of an error. Not of the store, which says so itself.
pub fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let full = |e: &std::io::Error| matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        let git = matches!(error.downcast_ref(), Some(GitError::DiskFull { .. }));
        if git || error.downcast_ref().is_some_and(full) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::os::files::FileError;
    use std::io;

    fn places() -> (tempfile::TempDir, Places) {
        let home = tempfile::tempdir().expect("a folder");
        let places = Places { source: home.path().join("repo/.git"), state: home.path().join("state") };
        for folder in [&places.source.join("objects"), &places.source.join("refs"), &places.state] {
            std::fs::create_dir_all(folder).expect("made");
        }
        (home, places)
    }

    fn git(stderr: &str) -> GitError {
        GitError::Failed {
            command: "git x".to_owned(),
            ending: Some(ProcessExit::Code(128)),
            stderr: stderr.to_owned(),
        }
    }

    #[test]
    fn p10_causes_are_known_by_number_and_by_what_git_quotes() {
        let (_home, places) = places();
        let of = |error: &(dyn Error + 'static)| cause_of(error, &places);
        let start = |errno: Errno| {
            GitError::Start(CommandError::Io { command: "git x".to_owned(), source: io::Error::from(errno) })
        };
        assert!(matches!(of(&start(Errno::MFILE)), Cause::Descriptors { limit: Some(_) }));
        assert_eq!(of(&start(Errno::AGAIN)), Cause::Processes);
        assert_eq!(of(&start(Errno::NOMEM)), Cause::Memory);
        assert_eq!(of(&start(Errno::NOENT)), Cause::Git);
        let lock = places.source.join("refs/x.lock");
        let unable = format!("error: cannot lock ref 'x': Unable to create '{}': Permission denied", lock.display());
        assert_eq!(of(&git(&unable)), Cause::Denied(Spot::Source));
        let held =
            format!("fatal: cannot lock ref 'x': Unable to create '{}': File exists.\n\nAnother", lock.display());
        assert_eq!(of(&git(&held)), Cause::Locked(lock.display().to_string()));
        assert_eq!(
            of(&PoolError::Git(git("fatal: unable to fork: Resource temporarily unavailable"))),
            Cause::Processes
        );
        let io = |errno: Errno| PoolError::Io(FileError::new(places.state.join("pool"), errno));
        assert_eq!(of(&io(Errno::ROFS)), Cause::Denied(Spot::State));
        assert_eq!(of(&CollectError::Pool(io(Errno::NOSPC))), Cause::DiskFull(Spot::State));
        assert_eq!(of(&git("fatal: bad object")), of(&git("fatal: bad object")));
        assert_ne!(of(&git("fatal: bad object")), of(&git("fatal: broken pack")));
    }

    #[test]
    fn a_source_that_is_gone_is_the_cause_of_whatever_failed() {
        let (home, places) = places();
        std::fs::rename(home.path().join("repo"), home.path().join("away")).expect("moved");
        assert_eq!(cause_of(&git("fatal: not a git repository"), &places), Cause::Missing(Spot::Source));
    }
}
