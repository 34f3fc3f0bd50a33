//! Finding every process of a run without a pid namespace.
//!
//! A process belongs to the run when it is not older than it and carries its cookie or limit, is in its session,
//! descends from one that belongs, or has its working folder, root, program or an open file under the run's folders.
//! Never found, whatever they carry: pid 1, `mc` itself, its ancestors and its own session. What can evade this is
//! written down in `docs/runs.md`.

use crate::adapters::host::local::process::procfs::{self, Identity, Stat};
use crate::adapters::host::local::protocol::FLAG;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// What is known about a run whose processes are sought.
#[derive(Debug, Clone)]
pub struct Sought {
    /// The run directory. Readers of files in it are followers of the log, not members; writers are members.
    pub dir: PathBuf,
    /// Value of `MC_RUN_COOKIE` in the run's environment.
    pub cookie: String,
    /// Folders whose users belong to the run, as real paths.
    pub roots: Vec<PathBuf>,
    /// The supervisor, where one is known.
    pub supervisor: Option<Identity>,
    /// Leader of the program's session. Without a start record it is absent: the gate was never opened and only the supervisor's
    /// own stages can exist.
    pub session: Option<Identity>,
}

/// Words that follow the directory in the arguments of the supervisor's stages.
const STAGES: [&[u8]; 4] = [b"run", b"init", b"guard", b"program"];

/// Whether the arguments are those of one of these stages of the supervisor of the run in `dir`.
fn is_stage(arguments: &[Vec<u8>], dir: &Path, stages: &[&[u8]]) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let dir = dir.as_os_str().as_bytes();
    let ours = |three: &[Vec<u8>]| three[0] == FLAG.as_bytes() && three[1] == dir && stages.contains(&&*three[2]);
    arguments.windows(3).any(ours)
}

/// The soft limit of real-time processor time that a supervisor gives its program: a number which no other process has and all
/// below inherit, through `setsid` and an emptied environment.
pub fn mark_of(supervisor: Identity) -> String {
    format!("1{}{:07}", supervisor.born, supervisor.pid)
}

/// The living supervisor of a run directory that has no readable start record.
pub fn find_supervisor(dir: &Path) -> Option<Identity> {
    procfs::list_processes()
        .into_iter()
        .find(|(pid, stat)| stat.session == *pid && is_stage(&procfs::read_arguments(*pid), dir, &[b"run"]))
        .map(|(pid, stat)| Identity { pid, born: stat.born })
}

impl Sought {
    /// One look at `/proc`. The supervisor's own session is left out unless `whole` is asked for.
    pub fn scan(&self, whole: bool) -> Vec<Identity> {
        let table: BTreeMap<u32, Stat> = procfs::list_processes().into_iter().collect();
        let spared = find_protected(&table);
        let guard = self.supervisor.filter(|s| table.get(&s.pid).is_none_or(|stat| stat.born == s.born));
        let guarded = |stat: &Stat| guard.is_some_and(|s| stat.session == s.pid);
        let since = self.supervisor.map_or(0, |s| s.born);
        let allowed = |pid: &u32, stat: &Stat| !spared.contains(pid) && stat.born >= since && (whole || !guarded(stat));
        let mut members: HashSet<u32> = HashSet::new();
        for (pid, stat) in table.iter().filter(|(pid, stat)| allowed(pid, stat)) {
            let led = |leader: Identity| table.get(&leader.pid).is_none_or(|now| now.born == leader.born);
            let by_session = self.session.is_some_and(|leader| stat.session == leader.pid && led(leader));
            if guarded(stat) || by_session || self.has_marker(*pid) || self.has_run_paths(*pid) {
                members.insert(*pid);
            }
        }
        loop {
            let below = |stat: &Stat| members.contains(&stat.parent) || guard.is_some_and(|s| s.pid == stat.parent);
            let more: Vec<u32> = table
                .iter()
                .filter(|(pid, stat)| !members.contains(pid) && below(stat) && allowed(pid, stat))
                .map(|(pid, _)| *pid)
                .collect();
            if more.is_empty() {
                break;
            }
            members.extend(more);
        }
        let identity = |(pid, stat): (&u32, &Stat)| Identity { pid: *pid, born: stat.born };
        table.iter().filter(|(pid, _)| members.contains(pid)).map(identity).collect()
    }

    fn has_marker(&self, pid: u32) -> bool {
        let wanted = format!("MC_RUN_COOKIE={}", self.cookie);
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|b| *b == 0).any(|entry| entry == wanted.as_bytes())
            || self.has_limit_mark(pid)
            || is_stage(&procfs::read_arguments(pid), &self.dir, &STAGES)
    }

    fn has_limit_mark(&self, pid: u32) -> bool {
        let Some(supervisor) = self.supervisor else { return false };
        let mark = format!(" {} ", mark_of(supervisor));
        std::fs::read_to_string(format!("/proc/{pid}/limits")).is_ok_and(|limits| limits.contains(&mark))
    }

    fn has_run_paths(&self, pid: u32) -> bool {
        if self.session.is_none() {
            return false;
        }
        let under_root = |path: &Path| {
            let path = strip_deleted_mark(path);
            self.roots.iter().any(|root| path.starts_with(root))
        };
        procfs::read_links(pid).any(|path| under_root(&path) || strip_deleted_mark(&path).starts_with(&self.dir))
            || procfs::open_files(pid)
                .iter()
                .any(|(path, writes)| under_root(path) || (*writes && strip_deleted_mark(path).starts_with(&self.dir)))
    }
}

/// `/proc` marks the path of a removed file or folder at its end.
fn strip_deleted_mark(path: &Path) -> PathBuf {
    path.to_str().and_then(|p| p.strip_suffix(" (deleted)")).map_or_else(|| path.to_owned(), PathBuf::from)
}

/// Pid 1, `mc` itself, its ancestors and its session.
fn find_protected(table: &BTreeMap<u32, Stat>) -> HashSet<u32> {
    let own = std::process::id();
    let mut spared = HashSet::from([0, 1, own]);
    let mut at = own;
    while let Some(stat) = table.get(&at) {
        if at != own && !spared.insert(at) {
            break;
        }
        at = stat.parent;
    }
    if let Some(session) = table.get(&own).map(|s| s.session) {
        spared.extend(table.iter().filter(|(_, s)| s.session == session).map(|(pid, _)| *pid));
    }
    spared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_supervisor_is_taken_for_it() {
        let words = |line: &str| -> Vec<Vec<u8>> { line.split(' ').map(|word| word.as_bytes().to_vec()).collect() };
        let is = |line: &str, stages: &[&[u8]]| is_stage(&words(line), Path::new("/runs/1"), stages);
        assert!(is("mc --supervise /runs/1 run", &[b"run"]));
        assert!(is("mc --supervise /runs/1 init", &STAGES) && is("mc --supervise /runs/1 program", &STAGES));
        assert!(!is("mc --supervise /runs/1 program", &[b"run"]), "the loader is no supervisor");
        for other in ["tar czf x -C /runs/1 run start", "cp -r /runs/1 run", "mc --supervise /runs/2 run"] {
            assert!(!is(other, &STAGES), "{other}");
        }
    }
}
