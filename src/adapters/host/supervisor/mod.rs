//! The supervisor of one run as a program: this very binary once more, on hosts where it can make a pid namespace.
//!
//! It keeps the protocol of `docs/runs.md`, as `supervisor.sh` does where there is no namespace or none of ours. Two stages,
//! each a process: `run` claims the directory, puts the run on record, counts its time and writes how it ended; `init` is pid 1
//! of the namespace, waits at the gate, starts the program and reaps. One thread each, because a process with threads can
//! neither enter a user namespace nor fork into a new pid namespace and go on.

mod namespace;
mod program;
mod watch;

use crate::adapters::host::probe::Isolation;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// First argument of every stage. Not a command of people: no help lists it.
pub const FLAG: &str = "--supervise";

/// What the probe says when it works. A program that knows nothing of [`FLAG`] ends with 0 perhaps, but never says so.
pub const WORKS: &str = "a pid namespace works here";

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
    let words: Vec<&OsStr> = rest.iter().map(OsString::as_os_str).collect();
    let done = match words.as_slice() {
        [dir, stage] if *stage == "run" => watch::run(Path::new(dir)),
        [dir, stage] if *stage == "init" => namespace::init(Path::new(dir)),
        [word, stage] if *stage == "probe" => namespace::probe(word),
        [_, stage] if *stage == "probed" => namespace::probed(),
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

/// The flavour a word names; a supervisor of this form makes the first two only.
fn flavour(word: Option<&str>) -> Option<crate::adapters::host::probe::Flavour> {
    match word.and_then(Isolation::from_word)? {
        Isolation::PidNamespace(flavour) => Some(flavour),
        Isolation::Search => None,
    }
}
