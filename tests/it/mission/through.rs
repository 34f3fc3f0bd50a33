//! Missions through commands that behave like those which lead into a container, and to another user: with nothing of the caller's
//! environment, another home, no terminal, and words of their own on standard error.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{NOBODY, Night, unit};
use crate::support::tools::{cannot_run, is_root};
use serde_json::Value;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

/// A file that can be run.
fn script(night: &Night, name: &str, text: &str) -> String {
    let path = night.home().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// A host behind these words.
fn host(name: &str, connect: &[&str], more: &str) -> String {
    format!("[[backend.hosts]]\nname = \"{name}\"\nconnect = {}\n{more}\n", Value::from(connect))
}

/// What the engine has is not there, and nothing can be asked of anybody.
const SEES: &str =
    "{ env | grep -c ^MC_STATE_DIR=; test -t 0 && echo terminal; id -u; echo $HOME; } > seen.txt || true";

#[test]
fn a_mission_runs_in_what_is_like_a_container() {
    let night = Night::new();
    let folder = night.home().join("box");
    std::fs::create_dir(&folder).unwrap();
    // Without `-t` a container has no terminal, and its processes are no children of the client's session.
    let enter = format!(
        "echo 'box: attached' >&2; export PATH={} HOME={}; exec setsid --wait \"$@\"",
        std::env::var("PATH").unwrap(),
        folder.display()
    );
    let enter = script(&night, "enter", &enter);
    let more = format!("program = \"{}\"", night.program().display());
    night.settings(
        "sh run.sh",
        &format!("[scheduler]\nretry_pause = 0\n{}", host("box", &["env", "-i", &enter], &more)),
    );
    night.mission(&unit("a", SEES)).exits(0);
    assert_eq!(night.unit("a"), "landed");
    let seen = night.sh("git show mc/green:seen.txt");
    assert_eq!(seen.lines().next(), Some("0"), "{seen}");
    assert!(!seen.contains("terminal") && seen.contains("/box"), "{seen}");
    assert!(folder.join(".local/share/mission-control").is_dir());
    night.audit();
}

#[test]
fn what_such_a_command_fails_at_is_told_with_its_words() {
    let night = Night::new();
    let cases = [
        (125, "docker: Error response from daemon: No such container: box", false),
        (126, "OCI runtime exec failed: exec: \\\"sh\\\": permission denied", true),
        (127, "OCI runtime exec failed: exec: \\\"sh\\\": executable file not found in PATH", true),
    ];
    let fails = script(&night, "fails", "echo \"$2\" >&2; exit $1");
    let hosts = cases.iter().map(|(code, said, _)| {
        let words = ["env", "-i", &fails, &code.to_string(), &said.replace('\\', "")];
        host(&format!("h{code}"), &words, "")
    });
    night.settings("sh run.sh", &hosts.collect::<String>());
    let told = night.mc(&["hosts", "check", "--json"]).exits(6);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    for ((code, said, no_shell), host) in cases.iter().zip(told["hosts"].as_array().unwrap()) {
        let (why, way) = (host["error"].as_str().unwrap(), host["way"].as_str().unwrap());
        assert!(why.contains(&format!("exit code {code}")) && why.contains(&said.replace('\\', "")), "{why}");
        assert_eq!(why.contains("it could not run `sh` there"), *no_shell, "{why}");
        assert!(way.starts_with(&format!("env -i {fails} {code}")), "{way}");
    }
}

#[test]
fn a_mission_runs_as_another_user() {
    if !is_root() {
        return cannot_run("only root becomes another user without being asked");
    }
    let night = Night::new();
    // Its home is below folders that everybody may pass.
    let place = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode: u32| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let home = place.path().join("home");
    std::fs::create_dir(&home).unwrap();
    open(place.path(), 0o755);
    chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
    std::fs::copy(night.program(), place.path().join("mc")).unwrap();
    open(&place.path().join("mc"), 0o755);
    let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
    let (path, at) = (format!("PATH={}", std::env::var("PATH").unwrap()), format!("HOME={}", home.display()));
    let words = ["setpriv", &user, &group, "--clear-groups", "env", "-i", &path, &at];
    let more = format!("program = \"{}\"", place.path().join("mc").display());
    night.settings("sh run.sh", &format!("[scheduler]\nretry_pause = 0\n{}", host("other", &words, &more)));
    night.mission(&unit("a", SEES)).exits(0);
    let seen = night.sh("git show mc/green:seen.txt");
    assert!(seen.contains(&format!("\n{NOBODY}\n")), "{seen}");
    assert!(home.join(".local/share/mission-control").is_dir());
    night.mc(&["hosts", "clean"]).exits(0);
    assert!(!home.join(".local/share/mission-control").exists());
    night.audit();
}
