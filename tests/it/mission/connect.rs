//! Missions on hosts that a command reaches: what holds a connection (the allocation of a cluster) is given back while nothing is to be
//! done there, and a cap on units that run at once counts those of all hosts.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::host::outlive::{KILLS, can_kill};
use crate::support::night::{Night, unit};
use mission_control::adapters::host::local::process::procfs::read_stat;
use std::os::unix::fs::PermissionsExt;

/// A mission that waits for nothing but its units, with these hosts.
fn night(hosts: &str) -> Night {
    let night = Night::new();
    night.settings("sh run.sh", &format!("[scheduler]\nretry_pause = 0\n{hosts}"));
    night
}

/// A host that a script reaches, which gets the command line as its arguments.
fn host(night: &Night, name: &str, script: &str, more: &str) -> String {
    let path = night.home().join(format!("to-{name}"));
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (path, root, program) = (path.display(), night.home().join(name), night.program());
    format!(
        "[[backend.hosts]]\nname = \"{name}\"\nconnect = [\"{path}\"]\nroot = \"{}\"\nprogram = \"{}\"\n{more}\n",
        root.display(),
        program.display()
    )
}

#[test]
fn p12_what_holds_a_connection_is_given_back_while_others_work() {
    let night = Night::new();
    let lines = "echo begun >> ~/lines; \"$@\"; echo ended >> ~/lines";
    let far = host(&night, "far", lines, "idle = \"1s\"\nmax_verifiers = 0\nlabels = [\"far\"]");
    night.settings("sh run.sh", &format!("[scheduler]\nretry_pause = 0\n[backend]\nlocal_workers = 1\n{far}"));
    let there = |id: &str, after: &str| {
        format!("{}labels = [\"far\"]\ndepends = [{after}]\n", unit(id, &format!("echo {id} > {id}.txt")))
    };
    // It goes on here until the other side was let go.
    let wait = unit("wait", "until grep -q ended ~/lines; do sleep 0.05; done; echo wait > wait.txt");
    let plan = format!("{}{wait}depends = [\"first\"]\n{}", there("first", ""), there("last", "\"wait\""));
    night.mission(&plan).exits(0);
    for id in ["first", "wait", "last"] {
        assert_eq!(night.unit(id), "landed", "{id}");
    }
    assert_eq!(night.sh("sort ~/lines | uniq -c | tr -s ' '"), " 2 begun\n 2 ended");
    night.audit();
}

#[test]
fn p2_an_attempt_that_went_with_its_connection_is_charged_to_nobody() {
    if !can_kill() {
        return;
    }
    let night = night("");
    // What cuts the connection is on this side of it.
    let cuts = format!(
        "exec 3<&0; echo begun >> ~/lines; sh -c '{}' sh \"$@\" <&3 & p=$!
        {{ until test -e ~/cut -o ! -e /proc/$p; do sleep 0.05; done; rm -f ~/cut; kill -s KILL $p; }} 2>/dev/null &
        wait $p",
        KILLS
    );
    let far = host(&night, "far", &cuts, "max_workers = 1\nlabels = [\"far\"]");
    let scheduler = "[scheduler]\nretry_pause = 1\nmax_infrastructure_retries = 1";
    night.settings("sh run.sh", &format!("{scheduler}\n[backend]\nlocal_workers = 1\n{far}"));
    let script = "echo $MC_ATTEMPT > by-$MC_ATTEMPT.txt; if [ $MC_ATTEMPT -lt 4 ]; then touch ~/cut; sleep 1000; fi";
    night.mission(&format!("{}labels = [\"far\"]\n", unit("one", script))).exits(0);
    assert_eq!(night.unit("one"), "landed");
    let first = night.sh("git for-each-ref --format='%(refname)' 'refs/mc/attempts/*/one/1'");
    assert_eq!(night.sh(&format!("git show {first}:by-1.txt")), "1", "what it made is kept");
    // One to find out how that way is, one for each attempt.
    assert_eq!(night.sh("grep -c begun ~/lines"), "5");
    night.audit();
}

#[test]
fn a_number_of_workers_that_a_person_set_counts_those_of_all_hosts() {
    let night = night("");
    let hosts: String =
        ["a", "b"].iter().map(|name| host(&night, name, "exec \"$@\"", "max_workers = 2\nmax_verifiers = 0")).collect();
    night.settings("sh run.sh", &format!("[scheduler]\nretry_pause = 0\n[backend]\nlocal_workers = 1\n{hosts}"));
    // Whoever is not alone says so.
    let alone = "mkdir ~/busy || touch ~/both; sleep 0.3; rmdir ~/busy; echo x > $MC_UNIT.txt";
    let plan: String = ["u1", "u2", "u3", "u4"].iter().map(|id| unit(id, alone)).collect();
    night.mission_with(&plan, &["--dry-run"]).exits(0).says(&["would use 5 workers"]);
    night.mission_with(&plan, &["--dry-run", "--workers", "3"]).exits(0).says(&["would use 3 workers"]);
    night.mission_with(&plan, &["--dry-run", "--workers", "9"]).exits(0).says(&["would use 5 workers"]);
    night.mission_with(&plan, &["--workers", "1"]).exits(0);
    assert_eq!(night.sh("ls ~ | grep -c -x -e both -e busy || true"), "0", "two ran at once");
    night.audit();
}

/// Waits as long as `~/hold` is there, like what stands in the queue of a cluster; what it started beside itself is in `~/helpers`.
const QUEUED: &str =
    "trap 'echo told >> ~/lines; exit 1' TERM; sleep 1000 & echo $! >> ~/helpers; echo begun >> ~/lines
    while test -e ~/hold; do sleep 0.02; done; kill $!; trap - TERM; \"$@\"; echo ended >> ~/lines";

#[test]
fn p10_a_host_that_is_waited_for_delays_nobody_and_keeps_its_place() {
    let mut night = night("");
    // Whatever else says nothing for a second is out of reach.
    night.var("MC_TEST_LINES", "beat:250,patience:500");
    let far = host(&night, "far", QUEUED, "labels = [\"far\"]");
    night.settings("sh run.sh", &format!("[scheduler]\nretry_pause = 0\n[backend]\nlocal_workers = 1\n{far}"));
    night.sh("touch ~/hold");
    let far = format!("{}labels = [\"far\"]\n", unit("far", "echo far > far.txt"));
    let long = "sleep 2; test -e ~/hold; grep -c begun ~/lines > here.txt";
    let engine = night.begin(&["mission", "start", "--plan", &night.plan(&(far + &unit("here", long)))]);
    night.until("git show mc/green:here.txt");
    assert_eq!(night.sh("git show mc/green:here.txt; cat ~/lines"), "1\nbegun", "it lost its place");
    night.sh("rm ~/hold");
    engine.wait().exits(0);
    assert_eq!((night.unit("far"), night.classes("far").len()), ("landed".to_owned(), 1));
    night.audit();
}

#[test]
fn p5_a_stop_ends_the_wait_for_a_host_at_once_and_what_waits() {
    // The first wait of a mission is for the base, a later one for a unit.
    for (words, later) in
        [(&["mission", "stop"][..], false), (&["mission", "stop", "--now"], true), (&["mission", "stop"], true)]
    {
        let night = night("");
        let local = u32::from(later);
        let far = host(&night, "far", QUEUED, "idle = \"1s\"\nmax_verifiers = 1\nlabels = [\"far\"]");
        let scheduler = "[scheduler]\nretry_pause = 1";
        night.settings("sh run.sh", &format!("{scheduler}\n[backend]\nlocal_workers = {local}\n{far}"));
        // One connection is to learn how the way is, the other one for its first answer.
        let wait = "until test $(grep -c ended ~/lines) = 2; do sleep 0.02; done; touch ~/hold; echo x > x.txt";
        let there = format!("{}labels = [\"far\"]\n", unit("there", "echo y > y.txt"));
        let plan = match later {
            true => format!("{}{there}depends = [\"first\"]\n", unit("first", wait)),
            false => there,
        };
        if !later {
            night.sh("touch ~/hold");
        }
        let mut engine = night.begin(&["mission", "start", "--plan", &night.plan(&plan)]);
        let waits = "test -e ~/hold -a -e ~/lines && test $(grep -c begun ~/lines) -gt $(grep -c ended ~/lines)";
        assert!(engine.until(|| night.holds(waits)));
        let begun = std::time::Instant::now();
        night.mc(words).exits(0).says(&["told to"]);
        let said = engine.wait();
        assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{:?}", begun.elapsed());
        assert_ne!(said.code, 0, "{}", said.text());
        assert_eq!(night.sh("grep -c told ~/lines"), "1", "{}", said.text());
        let helpers = night.sh("cat ~/helpers");
        assert!(helpers.lines().all(|pid| read_stat(pid.parse().unwrap()).is_none()), "{helpers}");
        if later {
            assert_eq!((night.unit("first").as_str(), night.unit("there").as_str()), ("landed", "cancelled"));
        }
        night.audit();
    }
}
