//! The supervisor of one run: this very binary once more. It keeps the protocol of `docs/runs.md`.
//!
//! Two stages, each a process: `run` claims the directory, puts the run on record, counts its time and writes how it ended; `init`
//! is pid 1 of the namespace, waits at the gate, starts the program and reaps. One thread each, because a process with threads can
//! neither enter a user namespace nor fork into a new pid namespace and go on. Without a namespace `guard` is in its place, and
//! `program` waits at the gate and becomes the program.

mod confine;
mod error;
mod fence;
mod limits;
mod marker;
mod mounts;
mod namespace;
mod program;
mod search;
mod stage;
mod trial;
mod watch;

pub use limits::{find_abandoned, remove_abandoned, remove_groups};

use crate::adapters::host::local::protocol::{BROKEN, FLAG};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;

/// Runs the stage that the arguments of this process (without its name) ask for; absent when they ask for none.
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
        [dir, stage] if *stage == "guard" => search::guard(Path::new(dir)),
        [dir, stage] if *stage == "program" => search::become_program(Path::new(dir)),
        [word, stage] if *stage == "probe" => namespace::probe(word),
        [_, stage] if *stage == "probed" => namespace::run_probe(),
        [_, stage] if *stage == "stay" => marker::stay(),
        [file, stage] if *stage == "try" => trial::try_out(Path::new(file)),
        [file, stage] if *stage == "tried" => trial::run_trial(Path::new(file)),
        _ => Err("a stage of a supervisor, started by mc alone; see mc --help".into()),
    };
    Some(done.unwrap_or_else(|reason| {
        let _ = writeln!(std::io::stderr(), "{reason}");
        BROKEN
    }))
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
