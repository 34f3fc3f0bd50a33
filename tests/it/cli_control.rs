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

#[test]
fn only_chosen_units_run_and_what_they_lack_is_named() {
    let night = Night::new();
    let depends = |on: &str| format!("depends = [\"{on}\"]\n");
    let plan = unit("a", "echo a > a.txt")
        + &(unit("b", "echo b > b.txt") + &depends("a"))
        + &(unit("c", "echo c > c.txt") + &depends("b"));
    let only = |names: &str| night.mission_with(&plan, &["--only", names]);
    only("d,a").exits(2).says(&["there is no open unit `d`", "hint: `mc plan` lists the open units"]);
    only("aa").exits(2).says(&["(did you mean `a`?)"]);
    let said = only("c").exits(2);
    said.says(&["c depends on b, which is neither chosen nor landed", "b depends on a", "add --only a,b"]);
    night.mission_with(&plan, &["--only", "c", "--dry-run"]).exits(2).says(&["add --only a,b"]);
    night.mission_with(&plan, &["--only", "a", "--dry-run"]).exits(0).says(&["1 unit in 1 wave"]);
    only("a").exits(0).says(&["units: 1 landed = 1 unit"]);
    night.mission_with(&plan, &["--only", "b", "--only", "c"]).exits(0).says(&["units: 2 landed = 2 units"]);
    assert!(night.holds("git cat-file -e mc/green:c.txt"));
    only("b").exits(2).says(&["unit b is done already"]);
}

#[test]
fn only_chooses_from_the_backlog_as_well() {
    let night = Night::new();
    night.write(
        "BACKLOG.md",
        "## A\n- run: echo a > a.txt\n\n## B\n- run: echo b > b.txt\n- depends: a\n\n## C\n- run: true\n",
    );
    night.commit("backlog");
    night.mc(&["mission", "start", "--only", "b"]).exits(2).says(&["add --only a"]);
    night.mc(&["mission", "start", "--only", "b,a"]).exits(0).says(&["units: 2 landed = 2 units"]);
    night.mc(&["mission", "start", "--only", "c"]).exits(0).says(&["units: 1 no-op = 1 unit"]);
}

/// A night whose agent leaves a file named after its unit.
fn with_agent() -> Night {
    let night = Night::new();
    night.settings("sh run.sh", "[agent]\ncommand = \"echo x > $MC_UNIT.txt\"\n[scheduler.parallel]\nnum_workers = 1");
    night
}

const AGENTS: &str = "[[unit]]\nid = \"a\"\ntitle = \"A\"\n[[unit]]\nid = \"b\"\ntitle = \"B\"\n\
                      [[unit]]\nid = \"c\"\ntitle = \"C\"\n[[unit]]\nid = \"s\"\ntitle = \"S\"\npriority = 0\nrun = \"echo s > s.txt\"\n";

#[test]
fn p9_p11_a_cap_counts_each_attempt_nobody_measured_and_what_runs_lands() {
    let night = with_agent();
    night.mission_with(AGENTS, &["--max-cost", "3"]).exits(2).says(&["5 is reserved for each attempt of an agent"]);
    let said = night.mission_with(AGENTS, &["--max-cost", "10"]).exits(3);
    said.says(&["ended: budget, the budget allows no further attempt"]);
    let cost = night.status()["cost"].clone();
    assert_eq!((&cost["usd"], &cost["unknown_attempts"]), (&serde_json::Value::Null, &2.into()));
    assert_eq!((cost["counted_usd"].as_f64(), cost["cap_usd"].as_f64()), (Some(10.0), Some(10.0)));
    assert_eq!(["a", "b", "c", "s"].map(|id| night.unit(id)), ["landed", "landed", "cancelled", "landed"]);
    assert!(night.report().contains("cost: unknown (2 attempts did not say); 10.00 USD of 10.00 USD counted"));
}

#[test]
fn p9_the_built_in_cap_says_once_that_it_does_not_count_what_is_unknown() {
    let night = with_agent();
    let said = night.mission(AGENTS).exits(0);
    let note = "the built-in cap of 100 USD is not applied to it";
    assert_eq!(said.out.matches(note).count(), 1, "{}", said.out);
    assert_eq!(night.mc(&["status"]).exits(0).out.matches("cost: unknown (3 attempts did not say)").count(), 1);
    let scripts = Night::new();
    scripts.mission(&unit("a", "echo a > a.txt")).exits(0).does_not_say(&["USD"]);
    let cost = scripts.status()["cost"].clone();
    assert_eq!(
        (cost["usd"].as_f64(), cost["tokens"].as_u64(), cost["unknown_attempts"].as_u64()),
        (Some(0.0), Some(0), Some(0))
    );
}

#[test]
fn p11_until_is_a_time_of_day_that_is_shown_and_survives_a_resume() {
    let night = Night::new();
    let plan = night.plan(&waits("a"));
    for wrong in ["25:00", "7", "12:5"] {
        night.mc(&["mission", "start", "--plan", &plan, "--until", wrong]).exits(2).says(&["HH:MM"]);
    }
    // Any time of day will do: at the latest it comes within a day.
    let engine = night.begin(&["mission", "start", "--plan", &plan, "--until", "03:10"]);
    night.until("test -e ~/begun-a");
    night.mc(&["status"]).exits(0).says(&["time: ends at ", " at the latest"]);
    let ends = night.status()["cost"]["ends_at"].clone();
    engine.signal("TERM");
    engine.wait().exits(130);
    assert!(ends.as_str().is_some(), "{ends}");
    night.write("../go", "");
    night.mc(&["mission", "resume"]).exits(0);
}
