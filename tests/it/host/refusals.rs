//! What is wrong on a host is said in words of which a person knows what to do.

use super::remote::{Line, host_of, settings};
use super::ways::{Elsewhere, Remote};
use crate::support::repo::within_a_minute;
use crate::support::tools::is_root;
use mission_control::adapters::host::remote::transport::{Target, Way};
use mission_control::domain::trouble::{Cause, Trouble};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// Why a host does not answer; it is asked once.
async fn refusal(there: &Elsewhere, way: Way) -> Trouble {
    let line = Line { way: Some(way), patience: Duration::from_millis(1), ..Line::to(PathBuf::new()) };
    host_of(&there.world, line, settings()).await.used_slots().await.unwrap_err()
}

/// Whether a trouble says these words, and stays until somebody mends it.
fn says(trouble: &Trouble, words: &[&str]) {
    assert_ne!(trouble.cause, Cause::Unreachable, "{trouble}");
    for word in words {
        assert!(trouble.why.contains(word), "`{word}` is missing in: {trouble}");
    }
}

#[test]
fn p12_a_program_that_is_no_mc_is_named() {
    within_a_minute(async {
        let mut there = Elsewhere::new().await;
        let file = there.world.home().join("git");
        std::fs::write(&file, "#!/bin/sh\necho git version 2\n").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        there.worker.program = Some("~/git".to_owned());
        let trouble = refusal(&there, there.way("exec \"$@\"")).await;
        says(&trouble, &["/git` is no mc: `--version` says git version 2", "`program` of this host"]);
    });
}

#[test]
fn p12_a_disk_that_lets_no_program_run_is_told_from_a_program_that_does_not_run() {
    within_a_minute(async {
        let mut there = Elsewhere::new().await;
        let disk = there.world.home().join("disk");
        std::fs::create_dir(&disk).unwrap();
        there.worker.root = disk.join("root").display().to_string();
        let alone = if is_root() { "" } else { "--user --map-root-user" };
        let mount = format!("mount -t tmpfs -o noexec none {} && exec \\\"\\$@\\\"", disk.display());
        let trouble =
            refusal(&there, there.way(&format!("exec unshare {alone} --mount sh -c \"{mount}\" sh \"$@\""))).await;
        says(&trouble, &["`root` of this host", "no program runs in", "noexec", "Permission denied"]);
    });
}

#[test]
fn p12_a_login_that_runs_nothing_is_said_with_the_command_that_tries_it() {
    within_a_minute(async {
        for (login, printed) in
            [("false", "(exit code 1): "), ("echo no shell here; exit 7", "(exit code 7), and printed: no shell here")]
        {
            let remote = Remote::new(&[&format!("ForceCommand {login}")]).await;
            let trouble = refusal(&remote.there, remote.way(remote.sshd.target())).await;
            says(&trouble, &[printed, "its login must run commands; `ssh ", " true` has to work"]);
        }
    });
}

#[test]
fn p12_the_fingerprint_of_a_host_that_an_alias_names_is_asked_of_the_machine() {
    within_a_minute(async {
        let remote = Remote::new(&[]).await;
        let (target, home) = (remote.sshd.target(), remote.there.world.home());
        let port = target.port.unwrap();
        let config = home.join("ssh-config");
        std::fs::write(&config, format!("Host box\n  HostName 127.0.0.1\n  Port {port}\n")).unwrap();
        std::fs::write(home.join("none"), "").unwrap();
        let alias = Target {
            hostname: "box".to_owned(),
            port: None,
            config_file: Some(config),
            known_hosts: Some(home.join("none")),
            ..target
        };
        let scan = format!("`ssh-keyscan -p {port} 127.0.0.1 | ssh-keygen -lf -`");
        says(&refusal(&remote.there, remote.way(alias)).await, &["is not known here", &scan]);
    });
}
