//! Ending a run and proving that nothing of it is left.
//!
//! TERM to the program's group, grace, then KILL of the pid namespace's pid 1 or of everything a search finds, then a
//! last look at `/proc`. Every signal goes to a process whose start time was just compared.

use crate::adapters::host::local::process::contain::{self, Sought};
use crate::adapters::host::local::process::procfs::{self, Identity};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How it is known that nothing is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
pub enum Method {
    /// Its pid namespace is empty: the kernel's own bookkeeping.
    #[strum(to_string = "pid namespace")]
    PidNamespace,
    /// A search found nothing more, twice in a row.
    #[strum(to_string = "search")]
    Search,
}

/// What was killed at the end of a run and what could not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillProof {
    /// How it is known.
    pub method: Method,
    /// Processes of the run that live on; empty when the promise holds.
    pub survivors: Vec<u32>,
    /// How many were killed after the grace.
    pub killed: u32,
}

impl KillProof {
    /// Whether nothing is left.
    pub fn is_complete(&self) -> bool {
        self.survivors.is_empty()
    }
}

/// How long the kernel and the supervisor get to finish what was killed.
pub(in super::super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long what seems to live on in a pid namespace is looked at again before it is said to live.
const DOUBT: Duration = Duration::from_secs(2);

/// Time between two such looks.
const LOOK: Duration = Duration::from_millis(20);

/// Ends what may still run of a run directory whose files are gone: its supervisor, known by its arguments, all that
/// descends from it, and every user of `root`, where nobody but the run has business.
pub async fn end_traceless(dir: &Path, root: PathBuf) -> KillProof {
    let dir = dir.to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        let dir = dir.canonicalize().unwrap_or(dir);
        let supervisor = contain::find_supervisor(&dir);
        // The session of a supervisor, or else one that cannot be: users of the root count only where one is known.
        let session = supervisor.or(Some(Identity { pid: u32::MAX, born: 0 }));
        let roots = vec![root.canonicalize().unwrap_or(root)];
        search_and_kill(&Sought { dir, cookie: "none".to_owned(), roots, supervisor, session }, true)
    });
    // Without a look there is no proof: pid 0 stands for whatever may live.
    ended.await.unwrap_or(KillProof { method: Method::Search, survivors: vec![0], killed: 0 })
}

/// Ends the pid namespace whose pid 1 is `init`. Its `supervisor` has time to record that.
pub(in super::super) fn end_namespace(init: Identity, space: u64, supervisor: Option<Identity>) -> KillProof {
    // A dead pid 1 has taken everything with it.
    let killed = if init.is_alive() { in_namespace(init, space).len() } else { 0 };
    init.signal(Signal::KILL);
    let _ = init.wait_blocking(PATIENCE);
    if let Some(supervisor) = supervisor {
        let _ = supervisor.wait_blocking(PATIENCE);
    }
    let deadline = Instant::now() + DOUBT;
    let look = || living_in(init, space).into_iter().chain(Some(init).filter(Identity::is_alive)).collect();
    let survivors = find_survivors(look, || {
        std::thread::sleep(LOOK);
        Instant::now() < deadline
    });
    let survivors = survivors.iter().map(|one| one.pid).collect();
    KillProof { method: Method::PidNamespace, survivors, killed: u32::try_from(killed).unwrap_or(u32::MAX) }
}

/// Living processes of the pid namespace whose pid 1 is `init`. Those of namespaces nested in it die with it and are
/// not listed.
pub fn in_namespace(init: Identity, space: u64) -> Vec<u32> {
    living_in(init, space).iter().map(|one| one.pid).collect()
}

fn living_in(init: Identity, space: u64) -> Vec<Identity> {
    let inside = procfs::find_processes(|pid| procfs::pid_namespace(pid) == Some(space)).into_iter();
    let found = inside.map(|(pid, stat)| Identity { pid, born: stat.born });
    let found: Vec<(Identity, Option<u32>)> = found.map(|one| (one, procfs::inner_pid(one.pid))).collect();
    of_run(init, &found, Identity::is_alive)
}

/// Which of the processes found in a namespace, each with its pid in there, are of the run whose pid 1 is `init`. The kernel
/// gives the inode of a dead namespace to the next one, that of another run for example: that one has another pid 1. One that
/// ended between being found and being asked for its pid tells nothing, and may have been that pid 1; what ended is left out
/// after all were asked, so that what dies with a pid 1 is not taken for a process of this run.
fn of_run(init: Identity, found: &[(Identity, Option<u32>)], alive: impl Fn(&Identity) -> bool) -> Vec<Identity> {
    if found.iter().any(|(one, inner)| *one != init && *inner == Some(1)) {
        return Vec::new();
    }
    found.iter().map(|(one, _)| *one).filter(alive).collect()
}

/// What is found in every look, as long as there is time for `more`: a process that a look caught on its way out, or one of
/// another run that just began in a namespace of the same number, is found once and not again.
fn find_survivors(mut look: impl FnMut() -> Vec<Identity>, mut more: impl FnMut() -> bool) -> Vec<Identity> {
    let mut found = look();
    while !found.is_empty() && more() {
        let now = look();
        found.retain(|one| now.contains(one));
    }
    found
}

/// Freezes all that is found, so that nothing can fork away, then kills it; until two looks in a row find nothing.
pub(in super::super) fn search_and_kill(sought: &Sought, whole: bool) -> KillProof {
    let deadline = Instant::now() + PATIENCE;
    let (mut killed, mut quiet) = (HashSet::new(), 0);
    while quiet < 2 && Instant::now() < deadline {
        let mut frozen: Vec<Identity> = Vec::new();
        loop {
            let fresh: Vec<Identity> = sought.scan(whole).into_iter().filter(|p| !frozen.contains(p)).collect();
            if fresh.is_empty() || Instant::now() > deadline {
                break;
            }
            for one in &fresh {
                one.signal(Signal::STOP);
            }
            frozen.extend(fresh);
        }
        quiet = if frozen.is_empty() { quiet + 1 } else { 0 };
        for one in &frozen {
            if one.signal(Signal::KILL) {
                killed.insert(*one);
            }
        }
        for one in &frozen {
            let _ = one.wait_blocking(Duration::from_millis(200));
        }
    }
    let survivors = if quiet < 2 { sought.scan(whole).iter().map(|p| p.pid).collect() } else { Vec::new() };
    KillProof { method: Method::Search, survivors, killed: u32::try_from(killed.len()).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INIT: Identity = Identity { pid: 100, born: 7 };
    const OTHER: Identity = Identity { pid: 523, born: 9 };
    const BELOW: Identity = Identity { pid: 524, born: 9 };

    #[test]
    fn processes_of_a_later_namespace_of_the_same_number_are_none_of_the_run() {
        let all = |_: &Identity| true;
        assert!(of_run(INIT, &[(OTHER, Some(1)), (BELOW, Some(2))], all).is_empty());
        // Its pid 1 ended after it was found, and took the other one with it.
        assert!(of_run(INIT, &[(OTHER, None), (BELOW, Some(2))], |_| false).is_empty());
        // The same pid, born later, is another process.
        assert!(of_run(INIT, &[(Identity { born: 8, ..INIT }, Some(1)), (BELOW, Some(2))], all).is_empty());
    }

    #[test]
    fn what_lives_in_the_namespace_of_the_run_is_named() {
        assert_eq!(of_run(INIT, &[(INIT, Some(1)), (BELOW, Some(2))], |_| true), [INIT, BELOW]);
        assert_eq!(of_run(INIT, &[(INIT, None), (BELOW, None)], |one| *one == BELOW), [BELOW]);
    }

    #[test]
    fn only_what_every_look_finds_is_said_to_live() {
        let play = |looks: &[&[Identity]]| {
            let (mut left, mut seen) = (looks.iter(), 0);
            let found = find_survivors(
                || left.next().unwrap().to_vec(),
                || {
                    seen += 1;
                    seen < looks.len()
                },
            );
            (found, seen)
        };
        assert_eq!(play(&[&[], &[OTHER]]), (vec![], 0), "nothing is asked again where nothing is found");
        assert_eq!(play(&[&[OTHER, BELOW], &[], &[OTHER]]), (vec![], 1));
        assert_eq!(play(&[&[OTHER, BELOW], &[BELOW], &[OTHER, BELOW]]), (vec![BELOW], 3));
        assert_eq!(play(&[&[OTHER], &[BELOW], &[BELOW]]), (vec![], 1), "other ones each time");
    }
}
