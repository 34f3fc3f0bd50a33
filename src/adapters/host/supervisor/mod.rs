//! The supervisor of one run as a program: this very binary once more, on hosts where it can make a pid namespace.
//!
//! It keeps the protocol of `docs/runs.md`, as `supervisor.sh` does where there is no namespace or none of ours. Two stages,
//! each a process: `run` claims the directory, puts the run on record, counts its time and writes how it ended; `init` is pid 1
//! of the namespace, waits at the gate, starts the program and reaps. One thread each, because a process with threads can
//! neither enter a user namespace nor fork into a new pid namespace and go on.

mod confine;
mod fence;
mod limits;
mod mounts;
mod namespace;
mod program;
mod watch;

pub use mounts::MOUNTED;

use crate::adapters::host::probe::Isolation;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// First argument of every stage. Not a command of people: no help lists it.
pub const FLAG: &str = "--supervise";

/// What the probe says when it works. A program that knows nothing of [`FLAG`] ends with 0 perhaps, but never says so.
pub const WORKS: &str = "a pid namespace works here";

/// The stage that gives a program its fence by rules: `mc --supervise RUN-FILE confine PROGRAM …`.
pub const CONFINE: &str = "confine";

/// This very program, even after its file was replaced.
pub const OURSELVES: &str = "/proc/self/exe";

/// `O_CLOEXEC` as `/proc/PID/fdinfo` shows it (proc_pid_fdinfo(5), asm-generic/fcntl.h; the same on every Linux that Rust has
/// a tier 1 or 2 target for but SPARC and Alpha).
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

/// Exit code when a stage cannot do its work; the reason is on standard error.
const BROKEN: u8 = 125;

/// Runs the stage that the arguments of this process (without its name) ask for; absent when they ask for none.
#[must_use]
pub fn main(args: &[OsString]) -> Option<u8> {
    let (first, rest) = args.split_first()?;
    if first != FLAG {
        return None;
    }
    let words: Vec<&OsStr> = rest.iter().map(OsString::as_os_str).collect();
    let done = match words.as_slice() {
        [dir, stage] if *stage == "run" => watch::run(Path::new(dir)),
        [dir, stage] if *stage == "init" => namespace::init(Path::new(dir)),
        [word, stage] if *stage == "probe" => namespace::probe(word),
        [_, stage] if *stage == "probed" => namespace::probed(),
        [file, stage] if *stage == "try" => mounts::try_out(Path::new(file)),
        [file, stage] if *stage == "tried" => mounts::tried(Path::new(file)),
        [file, stage, argv @ ..] if *stage == CONFINE => confine::confine(Path::new(file), argv),
        _ => Err("a stage of a supervisor, started by mc alone; see mc --help".to_owned()),
    };
    Some(done.unwrap_or_else(|reason| {
        let _ = writeln!(std::io::stderr(), "{reason}");
        BROKEN
    }))
}

/// A stage as a command of this program, with no environment. Standard error goes where ours goes.
fn stage(first: &OsStr, stage: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let strangers: String = strangers().iter().map(|digit| format!(" {digit}<&-")).collect();
    let mut command = if strangers.is_empty() {
        let mut command = Command::new(OURSELVES);
        command.arg0("mc");
        command
    } else {
        // Closing a descriptor that is only known by its number takes a shell.
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("exec{strangers}; exec \"$@\"")).arg("mc").arg(for_others());
        command
    };
    command.arg(FLAG).arg(first).arg(stage).env_clear().stdin(Stdio::null());
    command
}

/// The file of this program as others find it, a shell for example. The name in /proc is for root: in a user namespace the shell may
/// not look at us.
#[must_use]
pub fn for_others() -> PathBuf {
    let named = std::env::current_exe().ok().filter(|path| path.exists());
    named.unwrap_or_else(|| format!("/proc/{}/exe", std::process::id()).into())
}

/// Descriptors from 3 to 9 that whoever started `mc` left open: the program would keep locks and pipes of others. A shell
/// cannot close larger ones.
fn strangers() -> Vec<u32> {
    let inherited = |number: &u32| {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
        Some(u32::from_str_radix(flags.trim(), 8).ok()? & CLOSE_ON_EXEC == 0)
    };
    (3..=9).filter(|number| inherited(number) == Some(true)).collect()
}

/// The pid namespace of an isolation, if it is one; a supervisor of this form makes the first two only.
fn flavour(isolation: Isolation) -> Option<crate::adapters::host::probe::Flavour> {
    match isolation {
        Isolation::PidNamespace(flavour) => Some(flavour),
        Isolation::Search => None,
    }
}
