//! Limits of what a run takes: by cgroups of its own where they can be made (cgroups(7), both versions), else by limits of each
//! of its processes (getrlimit(2)).
//!
//! In version 1 each controller has a tree, in version 2 all that no tree of version 1 has are in one. A group of version 2 limits
//! what its parent hands out (`cgroup.subtree_control`), which one with processes in it cannot, but for the root of the machine.

use crate::adapters::host::local::process::procfs::unescape;
use crate::adapters::host::local::protocol::Caps;
use rustix::process::{Resource, Rlimit, geteuid, setrlimit};
use std::cmp::Reverse;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Beginning of the names of our groups; the cookie of the run follows.
const PREFIX: &str = "mc-run-";

/// Our own processes in a run's group: its pid 1, and in a user namespace the supervisor.
const OWN: u64 = 2;

/// The group of the run's own processes, in that with the limit: as the root of what they see of groups it is all they can change.
const INNER: &str = "in";

/// An empty group that is as old is not about to be entered by anybody.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// The kernel takes a moment to see that nobody is in a group; so many hundredths of a second.
const EMPTIES: u32 = 300;

/// What hands out controllers to the groups below one of version 2.
const HANDED_OUT: &str = "cgroup.subtree_control";

/// A resource with the files that limit it in version 1 and 2.
#[derive(Debug, PartialEq, Eq)]
struct Kind {
    controller: &'static str,
    files: [&'static str; 2],
}

const MEMORY: Kind = Kind { controller: "memory", files: ["memory.limit_in_bytes", "memory.max"] };
const PROCESSES: Kind = Kind { controller: "pids", files: ["pids.max", "pids.max"] };

/// A limit that is wanted.
type Wanted = (&'static Kind, u64);

fn list_limits(caps: &Caps) -> Vec<Wanted> {
    let memory = caps.memory.map(|bytes| (&MEMORY, bytes));
    memory.into_iter().chain(caps.processes.map(|count| (&PROCESSES, count + OWN))).collect()
}

/// A mounted tree of groups: where this process is in it, and what it controls of what is wanted.
#[derive(Debug, PartialEq, Eq)]
struct Tree {
    version: usize,
    top: PathBuf,
    own: PathBuf,
    wanted: Vec<Wanted>,
}

/// Limits this process and everything it starts; what cannot be limited, each as a sentence.
pub(super) fn take(caps: &Caps, cookie: &str) -> Vec<String> {
    let held: Vec<&Kind> = trees(caps).iter().flat_map(|tree| tree.join(cookie)).collect();
    let mut gaps = Vec::new();
    if let Some(bytes) = caps.memory.filter(|_| !held.contains(&&MEMORY)) {
        gaps.extend(each_process(bytes));
    }
    if let Some(count) = caps.processes.filter(|_| !held.contains(&&PROCESSES)) {
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

/// Removes the groups of a run that has ended; how many of its processes the kernel ended for want of memory.
pub(super) fn leave_groups(caps: &Caps, cookie: &str) -> u64 {
    let mut killed = 0;
    let trees = trees(caps);
    for group in
        trees.iter().flat_map(Tree::places).map(|place| group_of(&place, cookie)).filter(|group| group.exists())
    {
        killed += killed_in(&group);
        for _ in 0..EMPTIES {
            if remove(&group).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    killed
}

/// Removes the groups of a run whose supervisor was killed, wherever they are; nothing while somebody is in them.
pub fn remove_groups(caps: &Caps, cookie: &str) {
    let name = format!("{PREFIX}{cookie}");
    let all = trees(caps);
    for group in all.iter().flat_map(|tree| groups_below(&tree.top)).filter(|group| group.ends_with(&name)) {
        let _ = remove(&group);
    }
}

/// Groups of runs that nobody is in any more, on the whole machine.
pub fn find_abandoned() -> Vec<PathBuf> {
    let any = Caps { memory: Some(0), processes: Some(0) };
    let all: Vec<PathBuf> = trees(&any).iter().flat_map(|tree| groups_below(&tree.top)).collect();
    all.into_iter().filter(|group| is_abandoned(group)).collect()
}

/// Removes a group that [`abandoned`] named; false when somebody came into it, or it is not ours to remove.
pub fn remove_abandoned(group: &Path) -> bool {
    is_abandoned(group) && remove(group).is_ok()
}

fn group_of(place: &Path, cookie: &str) -> PathBuf {
    place.join(format!("{PREFIX}{cookie}"))
}

impl Tree {
    /// Where a group may be made: below our own, in version 2 also beside it.
    fn places(&self) -> Vec<PathBuf> {
        let beside = self.own.parent().filter(|parent| self.version == 2 && parent.starts_with(&self.top));
        [Some(self.own.as_path()), beside].into_iter().flatten().map(Path::to_owned).collect()
    }

    /// Makes a group with the limits and goes into it; those that hold. All of them go into one group: a process is only in one
    /// of a tree.
    fn join(&self, cookie: &str) -> Vec<&'static Kind> {
        let places = self.places().into_iter().map(|place| (self.limited_at(&place), place));
        let mut places: Vec<_> = places.filter(|(limits, _)| !limits.is_empty()).collect();
        places.sort_by_key(|(limits, _)| Reverse(limits.len()));
        let joined = places.into_iter().find(|(limits, place)| {
            sweep(place);
            self.enter(&group_of(place, cookie), limits)
        });
        joined.into_iter().flat_map(|(limits, _)| limits).map(|(kind, _)| kind).collect()
    }

    /// What can be limited in groups at a place. What is not handed out there yet is, where that is allowed.
    fn limited_at(&self, place: &Path) -> Vec<Wanted> {
        let control = place.join(HANDED_OUT);
        let handed_out = |name: &str| {
            fs::read_to_string(&control).is_ok_and(|all| all.split_whitespace().any(|given| given == name))
        };
        let can = |name: &str| {
            self.version == 1 || handed_out(name) || (set(&control, &format!("+{name}")).is_ok() && handed_out(name))
        };
        self.wanted.iter().copied().filter(|(kind, _)| can(kind.controller)).collect()
    }

    fn enter(&self, group: &Path, limits: &[Wanted]) -> bool {
        let inner = group.join(INNER);
        let make = |path: &Path| DirBuilder::new().create(path);
        if make(group).is_err() {
            return false;
        }
        let limited = limits.iter().try_for_each(|(kind, limit)| {
            set(&group.join(kind.files[self.version - 1]), &limit.to_string())?;
            // Else what is over the limit goes to the swap space of the machine. Not every kernel counts it.
            if *kind == &MEMORY {
                let _ = set(&group.join("memory.swap.max"), "0");
                let _ = set(&group.join("memory.memsw.limit_in_bytes"), &limit.to_string());
            }
            Ok::<(), std::io::Error>(())
        });
        // `0` is whoever writes it.
        let joined = limited.and_then(|()| make(&inner)).and_then(|()| set(&inner.join("cgroup.procs"), "0")).is_ok();
        if !joined {
            // Nobody is in what was just made; on another file system it has no file that says so.
            let _ = fs::remove_dir(&inner);
            let _ = fs::remove_dir(group);
        }
        joined
    }
}

/// Writes into a file of a group. It is never made: what can be made is on another file system, and limits nothing.
fn set(file: &Path, text: &str) -> std::io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(text.as_bytes())
}

/// Removes what runs left whose supervisor was killed.
fn sweep(place: &Path) {
    for group in groups_at(place).into_iter().filter(|group| is_abandoned(group)) {
        let _ = remove(&group);
    }
}

fn is_abandoned(group: &Path) -> bool {
    let made = group.metadata().and_then(|meta| meta.modified()).ok();
    made.and_then(|made| made.elapsed().ok()).is_some_and(|old| old > FORGOTTEN) && !is_used(group)
}

fn folders(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

fn is_ours(group: &Path) -> bool {
    group.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

fn groups_at(place: &Path) -> Vec<PathBuf> {
    folders(place).into_iter().filter(|group| is_ours(group)).collect()
}

/// Our groups at and below a place.
fn groups_below(place: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![place.to_owned()]);
    while let Some(place) = left.pop() {
        let (ours, others): (Vec<_>, Vec<_>) = folders(&place).into_iter().partition(|group| is_ours(group));
        found.extend(ours);
        left.extend(others);
    }
    found
}

/// Whether a process is in a group or in one below it; of one that cannot be read that is taken for true.
fn is_used(group: &Path) -> bool {
    fs::read_to_string(group.join("cgroup.procs")).map_or(true, |all| !all.is_empty())
        || folders(group).iter().any(|inner| is_used(inner))
}

/// Removes a group with the groups in it, which a run may have made; none of them while somebody is in one.
fn remove(group: &Path) -> std::io::Result<()> {
    if is_used(group) {
        return Err(std::io::ErrorKind::ResourceBusy.into());
    }
    folders(group).iter().try_for_each(|inner| remove(inner))?;
    fs::remove_dir(group)
}

/// How many processes of a group the kernel has ended for want of memory: version 2 counts those of the groups below with it.
fn killed_in(group: &Path) -> u64 {
    let counted = |file: &str| {
        let text = fs::read_to_string(group.join(file)).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse::<u64>().ok())
    };
    counted("memory.events").unwrap_or_else(|| {
        counted("memory.oom_control").unwrap_or(0) + folders(group).iter().map(|inner| killed_in(inner)).sum::<u64>()
    })
}

/// The trees that control what is wanted.
fn trees(caps: &Caps) -> Vec<Tree> {
    let wanted = list_limits(caps);
    if wanted.is_empty() {
        return Vec::new();
    }
    let read = |path: &str| fs::read(path).unwrap_or_default();
    trees_of(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"), &wanted)
}

/// The same, of what `/proc/self/cgroup` and `/proc/self/mountinfo` say.
fn trees_of(table: &[u8], mounts: &[u8], wanted: &[Wanted]) -> Vec<Tree> {
    // number:controllers:path
    let table = String::from_utf8_lossy(table);
    let lines = table.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let lines: Vec<(Vec<&str>, &str)> = lines.map(|(names, path)| (names.split(',').collect(), path)).collect();
    let is_first = |kind: &Kind| lines.iter().any(|(names, _)| names.contains(&kind.controller));
    let mut found = Vec::new();
    for (names, path) in &lines {
        let version = if names == &[""] { 2 } else { 1 };
        let has = |kind: &Kind| if version == 1 { names.contains(&kind.controller) } else { !is_first(kind) };
        let wanted: Vec<Wanted> = wanted.iter().copied().filter(|(kind, _)| has(kind)).collect();
        let mut mounted = mounts.split(|byte| *byte == b'\n').filter_map(Mounted::parse);
        let mounted = mounted.rfind(|mount| mount.is(version, names));
        let place =
            mounted.and_then(|mount| Some((Path::new(path).strip_prefix(&mount.root).ok()?.to_owned(), mount.top)));
        if let Some((below, top)) = place.filter(|_| !wanted.is_empty()) {
            let own = if below.as_os_str().is_empty() { top.clone() } else { top.join(below) };
            found.push(Tree { version, top, own, wanted });
        }
    }
    found
}

/// A line of `/proc/self/mountinfo` about a tree of groups.
struct Mounted {
    /// The group that is seen there.
    root: PathBuf,
    top: PathBuf,
    /// `cgroup` or `cgroup2`.
    kind: String,
    /// Those of version 1 are among the options of the file system.
    options: String,
}

impl Mounted {
    fn parse(line: &[u8]) -> Option<Self> {
        // proc_pid_mountinfo(5): number, parent, device, root, place, options, tags, "-", kind, source, options
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let dash = words.iter().position(|word| word == b"-")?;
        let path = |word: &[u8]| PathBuf::from(OsString::from_vec(unescape(word)));
        let text = |nth: usize| Some(String::from_utf8_lossy(words.get(nth)?).into_owned());
        Some(Self {
            root: path(words.get(3)?),
            top: path(words.get(4)?),
            kind: text(dash + 1)?,
            options: text(dash + 3)?,
        })
    }

    fn is(&self, version: usize, controllers: &[&str]) -> bool {
        match version {
            1 => {
                let options: Vec<&str> = self.options.split(',').collect();
                self.kind == "cgroup" && controllers.iter().all(|name| options.contains(name))
            }
            _ => self.kind == "cgroup2",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Wanted; 2] = [(&MEMORY, 1), (&PROCESSES, 2)];

    fn tree(version: usize, top: &str, own: &str, wanted: &[Wanted]) -> Tree {
        Tree { version, top: top.into(), own: own.into(), wanted: wanted.to_vec() }
    }

    #[test]
    fn a_tree_of_version_1_has_one_controller_and_that_of_version_2_the_rest() {
        let table = b"8:pids:/a/b\n4:cpu,memory:/x\n1:name=systemd:/\n0::/x\n";
        let mounts = b"1 0 0:1 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            2 1 0:2 / /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids\n\
            3 1 0:3 / /sys/fs/cgroup/cpu,memory rw shared:9 - cgroup cgroup rw,cpu,memory\n\
            4 1 0:4 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let pids = tree(1, "/sys/fs/cgroup/pids", "/sys/fs/cgroup/pids/a/b", &BOTH[1..]);
        let memory = tree(1, "/sys/fs/cgroup/cpu,memory", "/sys/fs/cgroup/cpu,memory/x", &BOTH[..1]);
        assert_eq!(trees_of(table, mounts, &BOTH), [pids, memory]);
        let table = b"4:cpu,memory:/x\n0::/\n";
        let (memory, rest) = (
            tree(1, "/sys/fs/cgroup/cpu,memory", "/sys/fs/cgroup/cpu,memory/x", &BOTH[..1]),
            tree(2, "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified", &BOTH[1..]),
        );
        assert_eq!(trees_of(table, mounts, &BOTH), [memory, rest]);
        assert_eq!(trees_of(b"4:memory:/x\n", b"1 0 0:1 / / rw - tmpfs tmpfs rw\n", &BOTH), []);
    }

    #[test]
    fn groups_are_made_below_the_own_one_or_in_version_2_beside_it() {
        let mounts = b"1 0 0:1 / /sys/fs/cgroup rw - cgroup2 none rw\n";
        let found = trees_of(b"0::/user.slice/app.slice/x.scope\n", mounts, &BOTH);
        let wanted = ["/sys/fs/cgroup/user.slice/app.slice/x.scope", "/sys/fs/cgroup/user.slice/app.slice"];
        assert_eq!(found[0].places(), wanted.map(PathBuf::from));
        let found = trees_of(b"0::/\n", mounts, &BOTH);
        assert_eq!(found[0].places(), [Path::new("/sys/fs/cgroup")]);
        // In a container only a part of the tree is mounted.
        let part = b"1 0 0:1 /docker/x /sys/fs/cgroup rw - cgroup2 none rw\n";
        assert_eq!(trees_of(b"0::/docker/x/y\n", part, &BOTH)[0].own, Path::new("/sys/fs/cgroup/y"));
        assert_eq!(trees_of(b"0::/elsewhere\n", part, &BOTH), []);
    }

    #[test]
    #[allow(clippy::unwrap_used, reason = "tests may panic")]
    fn what_only_looks_like_a_group_limits_nothing() {
        let top = tempfile::tempdir().unwrap();
        let place = top.path().to_str().unwrap();
        for version in [1, 2] {
            assert!(tree(version, place, place, &BOTH).join("c").is_empty());
            assert!(folders(top.path()).is_empty());
        }
    }
}
