//! Control of a mission from a second terminal: giving units up, choosing units, ending it by time or money, taking green
//! back.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::support::night::{Night, unit};

/// A unit that says that it began, leaves a file and stays until `~/go` exists.
fn waits(id: &str) -> String {
    let run = format!("echo half > {id}.txt; touch ~/begun-{id}; while [ ! -e ~/go ]; do sleep 0.05; done");
    unit(id, &run)
}

/// Waits until a unit is in a state.
fn becomes(night: &Night, id: &str, state: &str) {
    let begun = std::time::Instant::now();
    while night.unit(id) != state {
        assert!(begun.elapsed() < std::time::Duration::from_secs(40), "{id} never became {state}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn p2_a_running_unit_is_cancelled_and_its_work_kept_while_the_rest_goes_on() {
    let night = Night::new();
    let after = "depends = [\"a\"]\n";
    let plan =
        night.plan(&(waits("a") + &unit("after", "echo x > x") + after + &unit("b", "sleep 0.3; echo b > b.txt")));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun-a");
    night.mc(&["unit", "cancel", "aa"]).exits(2).says(&["no unit `aa` (did you mean `a`?)"]);
    night.mc(&["unit", "cancel", "a"]).exits(0).says(&["a: told to be cancelled"]);
    engine.wait().exits(3).says(&["a: to be cancelled", "a: cancelled, cancelled by a person", "b: landed"]);
    assert_eq!([night.unit("a"), night.unit("after"), night.unit("b")], ["cancelled", "blocked", "landed"]);
    let mission = night.status()["mission"]["id"].as_str().unwrap().to_owned();
    assert_eq!(night.sh(&format!("git show refs/mc/attempts/{mission}/a/1:a.txt")), "half");
    night.mc(&["unit", "cancel", "b"]).exits(2).says(&["there is no unfinished mission"]);
    night.audit();
}

#[test]
fn p4_without_an_engine_a_unit_is_killed_and_cancelled_here_and_the_mission_stays_resumable() {
    let night = Night::new();
    let plan = night.plan(&(waits("a") + &unit("b", "while [ ! -e ~/go ]; do sleep 0.05; done; echo b > b.txt")));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun-a");
    engine.signal("KILL");
    engine.wait();
    // Whoever works on `a` has a path of this night in its environment.
    let lives = "grep -sqz '^MC_RESULT='$HOME'/state/runs/.*/a/1/' /proc/[0-9]*/environ";
    assert!(night.holds(lives), "the agent outlives its engine");
    night.mc(&["unit", "cancel", "a"]).exits(0).says(&["a: cancelled; no engine works on mission"]);
    assert!(!night.holds(lives), "P5: nothing of it lives");
    assert_eq!([night.unit("a"), night.unit("b")], ["cancelled", "running"]);
    night.write("../go", "");
    night.mc(&["mission", "resume"]).exits(3).says(&["b: landed"]);
    assert_eq!(night.unit("a"), "cancelled");
    night.audit();
}

#[test]
fn a_cancelled_unit_gets_a_fresh_start_while_its_mission_lasts() {
    let night = Night::new();
    let plan = night.plan(&(waits("a") + &unit("b", "touch ~/begun-b; while [ ! -e ~/end ]; do sleep 0.05; done")));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun-a -a -e ~/begun-b");
    night.mc(&["unit", "cancel", "a"]).exits(0);
    becomes(&night, "a", "cancelled");
    night.mc(&["unit", "cancel", "a"]).exits(2).says(&["a is cancelled"]);
    night.write("../go", "");
    night.mc(&["unit", "retry", "a"]).exits(0);
    becomes(&night, "a", "landed");
    night.write("../end", "");
    engine.wait().exits(0);
}
