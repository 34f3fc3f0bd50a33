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

pub use limits::{abandoned, forget, remove_abandoned};
pub use mounts::MOUNTED;

use crate::adapters::host::local::process::probe::Isolation;
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

/// Exit code when a stage cannot do its work; the reason is on standard error.
const BROKEN: u8 = 125;

/// Runs the stage that the arguments of this process (without its name) ask for; absent when they ask for none.
#[must_use]
pub fn main(args: &[OsString]) -> Option<u8> {
    let (first, rest) = args.split_first()?;
    if first != FLAG {
        return None;
    }
    close_strangers();
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
    let mut command = Command::new(OURSELVES);
    command.arg0("mc").arg(FLAG).arg(first).arg(stage).env_clear().stdin(Stdio::null());
    command
}

/// The file of this program as others find it, a shell for example. The name in /proc is for root: in a user namespace the shell may
/// not look at us.
#[must_use]
pub fn for_others() -> PathBuf {
    let named = std::env::current_exe().ok().filter(|path| path.exists());
    named.unwrap_or_else(|| format!("/proc/{}/exe", std::process::id()).into())
}

/// Closes what whoever started `mc` left open: the program would keep locks and pipes of others, and through a folder it would come
/// around its fence. Nothing of ours is open yet.
fn close_strangers() {
    let listed = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open: Vec<i32> = listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in open.into_iter().filter(|number| *number > 2) {
        // The listing itself is closed by now.
        let _ = nix::unistd::close(number);
    }
}

/// The pid namespace of an isolation, if it is one; a supervisor of this form makes the first two only.
fn flavour(isolation: Isolation) -> Option<crate::adapters::host::local::process::probe::Flavour> {
    match isolation {
        Isolation::PidNamespace(flavour) => Some(flavour),
        Isolation::Search => None,
    }
}
