//! Limits of what a run takes: by a cgroup of its own where one can be made (cgroups(7), both versions), else by limits of each
//! of its processes (getrlimit(2)).

use crate::adapters::host::rundir::Caps;
use rustix::process::{Resource, Rlimit, geteuid, setrlimit};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where systemd and container engines mount them.
const ROOT: &str = "/sys/fs/cgroup";

/// Beginning of the names of our groups.
const PREFIX: &str = "mc-run-";

/// Our own processes in a run's group: its pid 1, and in a user namespace the supervisor.
const OWN: u64 = 2;

/// The group of the run's own processes, in that with the limit: as the root of what they see of groups it is all they can change.
const INNER: &str = "in";

/// An empty group that is as old belongs to nobody any more.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// A resource with the files that limit it in version 1 and 2.
struct Kind {
    controller: &'static str,
    files: [&'static str; 2],
}

const MEMORY: Kind = Kind { controller: "memory", files: ["memory.limit_in_bytes", "memory.max"] };
const PROCESSES: Kind = Kind { controller: "pids", files: ["pids.max", "pids.max"] };

/// Limits this process and everything it starts; what cannot be limited, each as a sentence.
pub(super) fn take(caps: &Caps, cookie: &str) -> Vec<String> {
    let mut gaps = Vec::new();
    let table = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    if let Some(bytes) = caps.memory
        && !join(&table, &MEMORY, bytes, cookie)
        && let Some(gap) = each_process(bytes)
    {
        gaps.push(gap);
    }
    if let Some(count) = caps.processes
        && !join(&table, &PROCESSES, count + OWN, cookie)
    {
        // Root is never counted, nor would anybody's be who has other processes in the same namespace.
        let limit = Rlimit { current: Some(count + OWN), maximum: Some(count + OWN) };
        if geteuid().is_root() || setrlimit(Resource::Nproc, limit).is_err() {
            gaps.push("[sandbox] max_processes does not hold: no cgroup can be made here".to_owned());
        }
    }
    gaps
}

/// The same where a run has no namespace: what can be limited of one process.
pub(super) fn take_alone(caps: &Caps) -> Vec<String> {
    let memory = caps.memory.and_then(each_process);
    let processes = caps.processes.map(|_| "[sandbox] max_processes does not hold without a pid namespace".to_owned());
    memory.into_iter().chain(processes).collect()
}

/// Limits the memory of each process: what it writes to, not what it only reserves.
fn each_process(bytes: u64) -> Option<String> {
    let set = setrlimit(Resource::Data, Rlimit { current: Some(bytes), maximum: Some(bytes) });
    set.err().map(|e| format!("[sandbox] max_memory does not hold: {e}"))
}

/// Removes the groups of a run that has ended.
pub(super) fn leave(caps: &Caps, cookie: &str) {
    let table = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let kinds = [caps.memory.map(|_| &MEMORY), caps.processes.map(|_| &PROCESSES)];
    for (place, _) in kinds.into_iter().flatten().flat_map(|kind| places(&table, kind)) {
        let group = place.join(format!("{PREFIX}{cookie}"));
        // The kernel takes a moment to see that nobody is in it.
        let gone = || !group.exists() || remove(&group).is_ok();
        for _ in 0..300 {
            if gone() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Makes a group with a limit and goes into it.
fn join(table: &str, kind: &Kind, limit: u64, cookie: &str) -> bool {
    places(table, kind).into_iter().any(|(place, file)| {
        forget(&place);
        let group = place.join(format!("{PREFIX}{cookie}"));
        let inner = group.join(INNER);
        let made = fs::create_dir_all(&inner).is_ok();
        // `0` is whoever writes it.
        let joined = fs::write(group.join(file), limit.to_string())
            .and_then(|()| fs::write(inner.join("cgroup.procs"), "0"))
            .is_ok();
        if made && !joined {
            let _ = remove(&group);
        }
        joined
    })
}

/// Removes what runs left whose supervisor was killed.
fn forget(place: &Path) {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    for group in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let old = group.metadata().and_then(|meta| meta.modified()).ok().and_then(|made| made.elapsed().ok());
        if old.is_some_and(|old| old > FORGOTTEN) {
            let _ = remove(&group.path());
        }
    }
}

/// Removes a group with the groups in it, which a run may have made.
fn remove(group: &Path) -> std::io::Result<()> {
    for inner in fs::read_dir(group)?.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove(&inner.path())?;
    }
    fs::remove_dir(group)
}

/// Where a group may be made, with the file that limits it: in version 1 below our own group of that controller, in version 2
/// below our own, or beside it, since a group with processes has no groups with limits below it.
fn places(table: &str, kind: &Kind) -> Vec<(PathBuf, &'static str)> {
    let mut found = Vec::new();
    for line in table.lines() {
        // number:controllers:path
        let mut words = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (words.next(), words.next()) else { continue };
        let path = path.trim_start_matches('/');
        if controllers.split(',').any(|name| name == kind.controller) {
            found.push((Path::new(ROOT).join(controllers).join(path), kind.files[0]));
        } else if controllers.is_empty() {
            let own = Path::new(ROOT).join(path);
            let beside = own.parent().filter(|parent| parent.starts_with(ROOT)).map(Path::to_owned);
            found.extend([Some(own), beside].into_iter().flatten().map(|place| (place, kind.files[1])));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_made_below_the_own_one_or_beside_it() {
        let one = "8:pids:/a/b\n4:memory:/x\n1:cpu,cpuacct:/\n";
        assert_eq!(places(one, &PROCESSES), [("/sys/fs/cgroup/pids/a/b".into(), "pids.max")]);
        assert_eq!(places(one, &MEMORY), [("/sys/fs/cgroup/memory/x".into(), "memory.limit_in_bytes")]);
        let two = "0::/user.slice/app.slice/x.scope\n";
        let wanted = ["/sys/fs/cgroup/user.slice/app.slice/x.scope", "/sys/fs/cgroup/user.slice/app.slice"];
        assert_eq!(places(two, &MEMORY), wanted.map(|place| (PathBuf::from(place), "memory.max")));
        assert_eq!(places("0::/\n", &MEMORY), [("/sys/fs/cgroup".into(), "memory.max")]);
    }
}
