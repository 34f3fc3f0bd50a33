//! Trouble that is nobody's work: a source that is away for a while or for good, and what a mission does meanwhile.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::fence::Fence;
use crate::support::night::{Night, Running, unit};
use crate::support::world::until;

const UNITS: usize = 8;

/// A night whose pauses are short and that gives up after `circuit_after`.
fn night(circuit_after: &str) -> Night {
    let night = Night::new();
    let scheduler = format!("[scheduler]\nretry_pause = 0\ncircuit_after = \"{circuit_after}\"");
    night.settings("sh run.sh", &format!("{scheduler}\n[scheduler.parallel]\nnum_workers = 3"));
    night
}

/// Starts units that wait for `~/go`, of which some have begun.
fn begin(night: &Night) -> Running {
    let script = |n| format!("touch ~/up-{n}; while [ ! -e ~/go ]; do sleep 0.02; done; echo {n} > u{n}.txt");
    let plan: String = (0..UNITS).map(|n| unit(&format!("u{n}"), &script(n))).collect();
    let engine = night.begin(&["mission", "start", "--plan", &night.plan(&plan)]);
    night.until("test -e ~/up-0 -a -e ~/up-1 -a -e ~/up-2");
    engine
}

/// Moves the repository away, and back.
fn moved(night: &Night, away: bool) {
    let (here, there) = (night.repo(), night.home().join("elsewhere"));
    let (from, to) = if away { (here, there) } else { (there, here) };
    std::fs::rename(from, to).unwrap();
}

fn all_landed(night: &Night, attempts: u64) {
    let status = night.status();
    let units = status["units"].as_array().unwrap();
    assert_eq!(units.len(), UNITS);
    for unit in units {
        assert_eq!((&unit["state"], unit["attempts"].as_u64()), (&"landed".into(), Some(attempts)), "{unit}");
    }
    night.audit();
}

#[test]
fn p4_p10_a_source_that_is_away_for_a_while_costs_no_unit_an_attempt() {
    let night = night("10m");
    let mut engine = begin(&night);
    moved(&night, true);
    std::fs::write(night.home().join("go"), "").unwrap();
    engine.said("still: the source repository cannot be found");
    moved(&night, false);
    let common = "the source repository cannot be found where it was: what needs it waits";
    engine.wait().exits(0).says(&[common, "it works again; everything goes on"]);
    // What had run is collected again, and not run again.
    all_landed(&night, 1);
}

#[test]
fn p4_a_source_that_is_gone_for_good_suspends_the_mission_and_a_resume_lands_everything() {
    let night = night("1s");
    let engine = begin(&night);
    moved(&night, true);
    std::fs::write(night.home().join("go"), "").unwrap();
    engine.wait().exits(6).says(&["suspended: the source repository cannot be found where it was", "nothing is lost"]);
    moved(&night, false);
    let status = night.status();
    assert_eq!(status["mission"]["state"], "suspended");
    assert_eq!(status["mission"]["cause"], "the source repository cannot be found where it was");
    let units = status["units"].as_array().unwrap();
    assert!(units.iter().all(|unit| unit["state"] == "pending"), "{units:?}");
    assert!(status["needs_you"][0].as_str().unwrap().contains("`mc mission resume`"), "{status}");
    night.mc(&["status"]).exits(0).says(&["suspended, 0 of 8 units landed", "then `mc mission resume`"]);
    night.mc(&["mission", "start", "--plan", &night.plan(&unit("b", "true"))]).exits(2).says(&["is unfinished"]);
    night.mc(&["mission", "resume"]).exits(0);
    all_landed(&night, 1);
}

#[test]
fn p4_a_stop_while_trouble_is_common_works_at_once() {
    let night = night("10m");
    let mut engine = begin(&night);
    moved(&night, true);
    std::fs::write(night.home().join("go"), "").unwrap();
    engine.said("what needs it waits");
    // Whoever is at work when it is told to end is started again.
    let ended = || night.sh_in(&night.home(), "find $RUNS -path '*/1/run/exit' | wc -l") == "3";
    until("the end of the first three", || ended().then_some(()));
    engine.signal("TERM");
    engine.wait().exits(130);
    moved(&night, false);
    night.mc(&["mission", "resume"]).exits(0);
    all_landed(&night, 1);
}

#[test]
fn p4_p9_a_stop_now_while_work_waits_to_be_collected_keeps_it() {
    let night = night("1s");
    let engine = begin(&night);
    moved(&night, true);
    std::fs::write(night.home().join("go"), "").unwrap();
    engine.wait().exits(6);
    moved(&night, false);
    let mission = night.status()["mission"]["id"].as_str().unwrap().to_owned();
    night.mc(&["mission", "stop", "--now"]).exits(0);
    assert_eq!(night.unit("u0"), "cancelled");
    assert_eq!(night.sh(&format!("git show refs/mc/attempts/{mission}/u0/1:u0.txt")), "0");
}

/// `mc` without `MC_STATE_DIR`, its state below `~/xdg`, in a folder below the home.
fn at_home(night: &Night, folder: &str, args: &str) -> String {
    let mc = env!("CARGO_BIN_EXE_mc");
    night.sh_in(&night.home().join(folder), &format!("env -u MC_STATE_DIR XDG_STATE_HOME=\"$HOME/xdg\" {mc} {args}"))
}

#[test]
fn p2_p4_a_resume_where_the_repository_was_moved_to_finds_its_state_and_collects_everything() {
    let night = night("10m");
    let script = |n| format!("touch ~/up-{n}; while [ ! -e ~/go ]; do sleep 0.02; done; echo {n} > u{n}.txt");
    let plan = night.plan(&(0..2).map(|n| unit(&format!("u{n}"), &script(n))).collect::<String>());
    at_home(&night, "repo", &format!("mission start --plan {plan} > ~/said 2>&1 & echo $! > ~/pid"));
    night.until("test -e ~/up-0 -a -e ~/up-1");
    night.sh("kill -9 $(cat ~/pid)");
    std::fs::write(night.home().join("go"), "").unwrap();
    moved(&night, true);
    at_home(&night, "elsewhere", "mission resume > ~/resumed 2>&1 || { cat ~/resumed; exit 1; }");
    for n in 0..2 {
        let file = night.sh_in(&night.home().join("elsewhere"), &format!("git show mc/green:u{n}.txt"));
        assert_eq!(file, n.to_string());
    }
    let status = at_home(&night, "elsewhere", "--json status");
    assert_eq!(status.matches("\"attempts\": 1").count(), 2, "nothing was run again: {status}");
    moved(&night, false);
}

#[test]
fn p7_a_start_that_is_refused_names_the_cause_and_what_helps() {
    let plan = |night: &Night| night.plan(&unit("a", "echo a > a.txt"));
    let mut night = Night::new();
    night.var("TMPDIR", "/no/such/folder");
    let said = night.mc(&["mission", "start", "--plan", &plan(&night)]).exits(6);
    said.says(&["let TMPDIR name a folder that exists"]).does_not_say(&["mend the repository"]);
    let night = Night::new();
    let limited = |limit: &str| {
        let start = format!("mission start --plan {}", plan(&night));
        night.sh(&format!("({limit}; {} {start} 2>&1 || echo \"exit code $?\")", env!("CARGO_BIN_EXE_mc")))
    };
    let said = limited("ulimit -f 8");
    assert!(said.contains("exit code 6") && said.contains("`ulimit -f unlimited`"), "{said}");
}

#[test]
fn p10_a_lock_that_git_left_beside_green_is_named_and_suspends_the_mission() {
    let night = night("1s").within(Fence::Off);
    let lock = night.repo().join(".git/refs/heads/mc/green.lock");
    // Each try waits as long as git does for a lock.
    let leaves = format!("touch a; touch {}", lock.display());
    let words = ["a lock of git is in the way: ", "mc/green.lock", "when no git works in the repository any more"];
    night.mission(&unit("a", &leaves)).exits(6).says(&words);
    assert_eq!(night.unit("a"), "queued");
    std::fs::remove_file(lock).unwrap();
    night.mc(&["mission", "resume"]).exits(0);
    assert_eq!(night.unit("a"), "landed");
}

#[test]
fn p2_a_worker_that_stops_in_the_middle_of_everything_is_replaced_and_nothing_is_lost() {
    let mut night = night("10m");
    night.var("MC_TEST_HOST", "beat:250");
    let engine = begin(&night);
    // By the id that its lock names.
    let worker = || night.sh("cut -d' ' -f1 ../state/worker/$(cat ../state/state-id)/worker.lock");
    let stopped = worker();
    night.sh(&format!("kill -s STOP {stopped}"));
    night.until(&format!("! kill -0 {stopped} 2>/dev/null"));
    std::fs::write(night.home().join("go"), "").unwrap();
    engine.wait().exits(0);
    assert_ne!(worker(), stopped);
    all_landed(&night, 1);
}

#[test]
fn p7_a_host_that_refuses_is_told_at_once_with_what_it_refuses() {
    let mut night = night("10m");
    night.var("MC_TEST_HOST", "pipe");
    night.sh("mkdir -m 700 ../state && echo > ../state/worker");
    let said = night.mission(&unit("one", "echo 1 > one")).exits(6);
    said.says(&["ask the host behind", "worker --root", "Not a directory"]).does_not_say(&["cannot be reached"]);
}
