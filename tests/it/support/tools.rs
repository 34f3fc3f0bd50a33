//! What a machine has for a test: a PATH of its own with the programs of every machine and small scripts in the place of a
//! language's tools, and what cannot be tried on it.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests touch the world and may panic"
)]

use super::night::Night;
use std::os::unix::fs::{PermissionsExt, symlink};

/// What scripts and `mc` itself need.
const ORDINARY: [&str; 25] = [
    "sh", "git", "env", "setsid", "unshare", "cat", "cp", "date", "echo", "false", "grep", "ln", "ls", "mkdir", "mv",
    "printf", "pwd", "rm", "sed", "sleep", "sort", "test", "touch", "true", "wc",
];

/// Gives the night a PATH with nothing but ordinary programs and these scripts, by name.
pub fn only(night: &mut Night, fakes: &[(&str, &str)]) {
    let tools = night.home().join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for name in ORDINARY {
        let real = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
        if let Some(real) = real {
            symlink(real.canonicalize().unwrap(), tools.join(name)).ok();
        }
    }
    for (name, script) in fakes {
        let file = tools.join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    night.var("PATH", tools.to_str().unwrap());
}

/// Says aloud that a part of a test is left out here, where the rest of it goes on.
pub fn left_out(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Says aloud that the rest of a test cannot run here; in continuous integration that is a failure.
#[track_caller]
pub fn cannot_run(why: &str) {
    left_out(why);
    assert!(std::env::var_os("CI").is_none(), "it must be tested in CI: {why}");
}

/// The same for what needs cgroups of version 2. Whoever runs the tests where the machine has none says so by `MC_TEST_LACKS=cgroups`.
#[track_caller]
pub fn cannot_limit(why: &str) {
    match std::env::var("MC_TEST_LACKS") {
        Ok(lacks) if lacks == "cgroups" => left_out(why),
        _ => cannot_run(why),
    }
}

/// Whether this part of a test is left out because missions have everything done behind a worker, said aloud: `why` is what it looks
/// at that is then elsewhere.
pub fn only_on_this_machine(why: &str) -> bool {
    let left = super::behind_a_worker();
    if left {
        left_out(why);
    }
    left
}

/// Whether the tests run as root; said aloud where not.
#[track_caller]
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        cannot_run("only root can do what others may not");
    }
    root
}
