//! The pid namespace of a run: entering it, and its pid 1.

use super::error::{StageError, Trying};
use super::stage::{settings, stage};
use super::{fence, limits, mounts, program};
use crate::adapters::host::local::protocol::{BROKEN, Isolation, Settings, WORKS};
use crate::domain::ending::ProcessExit;
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Signal, WaitOptions, getegid, geteuid, set_parent_process_death_signal, setsid, wait};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, capabilities, clear_ambient_capability_set,
    configure_capability_in_ambient_set, set_capabilities,
};
use std::ffi::OsStr;
use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::process::Command;

/// What it takes to mount in a user namespace. The kernel works in folders of an overlay that nobody may enter, with the rights of
/// whoever mounted it; in a user namespace they reach no file but the user's own.
const TO_MOUNT: [CapabilitySet; 5] = [
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::DAC_OVERRIDE,
    CapabilitySet::FOWNER,
    CapabilitySet::CHOWN,
    CapabilitySet::FSETID,
];

/// From now on children of this process are in a new pid namespace; the first of them is its pid 1.
pub(super) fn enter(isolation: Isolation) -> Result<(), StageError> {
    match isolation {
        Isolation::RootNamespace => unshare_namespaces(UnshareFlags::NEWPID, "make a pid namespace"),
        Isolation::UserNamespace => {
            let (user, group) = (geteuid().as_raw(), getegid().as_raw());
            unshare_namespaces(UnshareFlags::NEWUSER | UnshareFlags::NEWPID, "make a user namespace")?;
            // Without it a user may not map groups: user_namespaces(7).
            write("/proc/self/setgroups", "deny")?;
            write("/proc/self/uid_map", &format!("{user} {user} 1"))?;
            write("/proc/self/gid_map", &format!("{group} {group} 1"))?;
            // Pid 1 mounts its own /proc and is a program anew, which would cost it the right to.
            let doing = "pass on the right to mount";
            let sets = capabilities(None).trying(doing)?;
            let inheritable = TO_MOUNT.iter().fold(sets.inheritable, |sum, right| sum | *right);
            set_capabilities(None, CapabilitySets { inheritable, ..sets }).trying(doing)?;
            TO_MOUNT.iter().try_for_each(|right| configure_capability_in_ambient_set(*right, true)).trying(doing)
        }
        Isolation::Search => Err("a search has no namespace".into()),
    }
}

#[expect(
    deprecated,
    reason = "its successor is an unsafe fn, which this crate forbids; what it warns of is file tables of threads, and there is one thread and no new table"
)]
fn unshare_namespaces(what: UnshareFlags, doing: &str) -> Result<(), StageError> {
    rustix::thread::unshare(what).trying(doing)
}

fn write(path: &str, text: &str) -> Result<(), StageError> {
    std::fs::write(path, text).trying(format_args!("write {path}"))
}

/// As pid 1: ends with its parent, sees only its own processes in `/proc` and what `mounts` mounts, and gives back what it
/// only had for that.
pub(super) fn init_namespace(mounts: impl FnOnce() -> Result<(), StageError>) -> Result<(), StageError> {
    set_parent_process_death_signal(Some(Signal::KILL)).trying("tie pid 1 to its supervisor")?;
    unshare_namespaces(UnshareFlags::NEWNS, "make a mount namespace")?;
    let doing = "mount /proc";
    let own = |more| {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | more;
        mount("proc", "/proc", "proc", flags, None)
    };
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).trying(doing)?;
    // Inside of a fence of root only one that is read-only may be had.
    own(MountFlags::empty())
        .or_else(|e| if e == Errno::PERM { own(MountFlags::RDONLY) } else { Err(e) })
        .trying(doing)?;
    mounts()?;
    // Kernels before 4.3 have no such set, and no run of ours then.
    clear_ambient_capability_set().trying("give the right to mount back")?;
    let sets = capabilities(None).trying("read capabilities")?;
    let inheritable = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { inheritable, ..sets }).trying("drop capabilities")
}

/// Raises the fence of a run, if it has one; what of its limits does not hold.
pub(super) fn raise_fence(settings: &Settings) -> Result<Vec<String>, StageError> {
    let Some(fence) = &settings.fence else { return Ok(Vec::new()) };
    let gaps = limits::take(&fence.caps, &settings.cookie);
    if fence.caps.memory.is_some() || fence.caps.processes.is_some() {
        unshare_namespaces(UnshareFlags::NEWCGROUP, "make a namespace of cgroups")?;
    }
    // Queues and shared memory of others have numbers, not paths (ipc_namespaces(7)).
    unshare_namespaces(UnshareFlags::NEWIPC, "make an IPC namespace")?;
    fence::raise(fence, &settings.mounts)?;
    if is_roots(settings) { fence::protect_machine().map(|()| gaps) } else { Ok(gaps) }
}

/// Whether the fence of a run needs to be locked against root.
fn is_roots(settings: &Settings) -> bool {
    settings.fence.is_some() && settings.isolation == Isolation::RootNamespace
}

/// What is said at the gate, before the pid of whoever says it.
pub(super) const READY: &str = "ready ";

/// What pid 1 says when its user namespace waits for its map.
const UNMAPPED: &str = "unmapped\n";

/// As root: goes into one more user namespace, where root is root and can undo no mount that was made before
/// (mount_namespaces(7)). Only somebody outside may map more than one user: the supervisor does.
pub(super) fn lock(settings: &Settings) -> Result<(), StageError> {
    if !is_roots(settings) {
        return Ok(());
    }
    unshare_namespaces(UnshareFlags::NEWUSER | UnshareFlags::NEWNS, "lock the fence in a user namespace")?;
    let mut out = std::io::stdout();
    out.write_all(UNMAPPED.as_bytes()).and_then(|()| out.flush()).trying("ask for a map")?;
    std::io::stdin().read_exact(&mut [0]).trying("wait for a map of users")
}

/// As the supervisor: reads what pid 1 says, and maps users and groups of its user namespace to themselves when it asks.
pub(super) fn answer(pid: u32, said: &mut impl BufRead, gate: &mut impl Write) -> Result<String, StageError> {
    let mut line = String::new();
    let _ = said.read_line(&mut line);
    if line == UNMAPPED {
        for kind in ["uid_map", "gid_map"] {
            let own = std::fs::read_to_string(format!("/proc/self/{kind}")).trying(format_args!("read {kind}"))?;
            write(&format!("/proc/{pid}/{kind}"), &identity_map(&own))?;
        }
        gate.write_all(b"\n").trying("tell pid 1 of its map")?;
        line.clear();
        let _ = said.read_line(&mut line);
    }
    Ok(line)
}

/// The map of a child namespace in which everybody is who they are here.
fn identity_map(map: &str) -> String {
    let ranges = map.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.nth(1)?))
    });
    ranges.map(|(first, count)| format!("{first} {first} {count}\n")).collect()
}

/// Pid 1: says `ready` on standard output, waits at the gate on standard input, starts the program, reaps what is
/// orphaned, and its end ends everything. Its code is [`ProcessExit::number`] of the program's end.
///
/// It leads the session and the group that the program is in, and a signal to that group reaches the program only: what has
/// no handler does nothing to a pid 1 (pid_namespaces(7)).
pub(super) fn init(dir: &Path) -> Result<u8, StageError> {
    let settings = settings(&dir.join("run"))?;
    let program = program::read(dir)?;
    init_namespace(|| {
        settings.mounts.iter().try_for_each(mounts::make).and_then(|()| raise_fence(&settings).map(drop))
    })?;
    lock(&settings)?;
    setsid().trying("make a session")?;
    if !wait_at_gate()? {
        return Ok(BROKEN);
    }
    // Nothing of the machine stays open, and nobody inside looks into this process.
    if let Ok(nothing) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stderr(nothing);
    }
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    program.start(Command::spawn).map_or_else(Ok, |program| reap(program.id()))
}

/// Says [`READY`] and who says it on standard output, and waits at the gate on standard input; false when nothing of this run was
/// put on record and the supervisor is gone.
pub(super) fn wait_at_gate() -> Result<bool, StageError> {
    let mut out = std::io::stdout();
    writeln!(out, "{READY}{}", std::process::id()).and_then(|()| out.flush()).trying("say ready")?;
    Ok(std::io::stdin().read_exact(&mut [0]).is_ok())
}

/// Reaps what ends below this process until the program has; its end as [`ProcessExit::number`].
pub(super) fn reap(program: u32) -> Result<u8, StageError> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if u32::try_from(pid.as_raw_nonzero().get()) == Ok(program) => {
                let code = ProcessExit::from_status(status.exit_status(), status.terminating_signal())
                    .map(ProcessExit::number);
                return Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(BROKEN));
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e).trying("wait for the program"),
        }
    }
}

/// Whether such a namespace works here: says [`WORKS`] when it does.
pub(super) fn probe(word: &OsStr) -> Result<u8, StageError> {
    enter(word.to_str().and_then(|word| word.parse().ok()).ok_or("no such isolation")?)?;
    let status = stage(word, "probed").status().trying("start pid 1")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(BROKEN))
}

/// As the pid 1 of a probe.
pub(super) fn run_probe() -> Result<u8, StageError> {
    init_namespace(|| Ok(()))?;
    let itself = std::fs::read_link("/proc/self").trying("read /proc/self")?;
    if std::process::id() != 1 || itself != Path::new("1") {
        return Err("the new namespace is not what it should be".into());
    }
    writeln!(std::io::stdout(), "{WORKS}")?;
    Ok(0)
}
