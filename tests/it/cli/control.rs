//! Control of a mission from a second terminal: giving units up, choosing units, ending it by time or money, taking green
//! back.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};

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
fn p9_the_report_of_an_agent_that_was_cancelled_before_it_changed_anything_is_proven() {
    let night = Night::new();
    let stays = "touch ~/begun; while [ ! -e ~/go ]; do sleep 0.05; done";
    let agent = stays.replace('~', night.home().to_str().unwrap());
    night.settings("sh run.sh", &format!("[agent]\ncommand = {}", serde_json::Value::from(agent)));
    let plan = night.plan("[[unit]]\nid = \"a\"\ntitle = \"A\"\n");
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun");
    night.mc(&["unit", "cancel", "a"]).exits(0);
    engine.wait().exits(3).says(&["a: cancelled, cancelled by a person"]);
    night.audit();
}

#[test]
fn p4_a_stop_that_waits_and_agents_that_outlived_their_engine_are_told_of() {
    let night = Night::new();
    let asks = r#"echo '{"status":"blocked","summary":"which?","blockers":["no access"]}' > $MC_RESULT"#;
    night.settings("sh run.sh", &format!("[agent]\ncommand = {}", serde_json::Value::from(asks)));
    let plan = night.plan(&(waits("a") + "[[unit]]\nid = \"q\"\ntitle = \"Q\"\n"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun-a");
    becomes(&night, "q", "held");
    // While it runs, nobody is sent to a command that refuses.
    let live =
        night.mc(&["status"]).exits(0).says(&["next: answer q (`mc unit show q`): `mc unit retry q --say TEXT`\n"]);
    live.does_not_say(&["mc mission resume"]);
    let said =
        night.mc(&["mission", "start", "--plan", &plan]).exits(2).says(&["is running (pid ", "`mc mission attach`"]);
    said.does_not_say(&["mc mission resume"]);
    engine.signal("KILL");
    engine.wait();

    let alive =
        "attempt 1 of a still runs without an engine: `mc mission resume` adopts it, `mc mission stop --now` ends it";
    night.mc(&["status"]).exits(0).says(&["interrupted, 0 of 2", alive, "1 interrupted", "then `mc mission resume`"]);
    assert_eq!(night.status()["left_running"], serde_json::json!([{"unit": "a", "attempt": 1}]));
    night.mc(&["units"]).exits(0).says(&["a     interrupted  "]).does_not_say(&["running"]);
    night.mc(&["mission", "list"]).exits(0).says(&["  interrupted  "]).does_not_say(&["running", "stop waits"]);
    night.mc(&["unit", "retry", "q", "--say", "the first"]).exits(0).says(&["waits for `mc mission resume`"]);
    night.mc(&["status"]).exits(0).says(&["q is held; its answer waits", "next: `mc mission resume`\n"]);

    // What is asked without an engine waits, is shown, and is taken back by the newer wish to go on.
    let ways = [
        "a stop waits: `mc mission resume` withdraws it and goes on, `mc mission resume --finish` lets what runs finish",
        "`mc mission stop --now` ends it at once",
    ];
    night.mc(&["mission", "stop"]).exits(0).says(&["no engine works on it"]).says(&ways);
    night.mc(&["mission", "stop"]).exits(0);
    night.mc(&["status"]).exits(0).says(&["no engine works on it; a stop waits\n", alive]).says(&ways);
    let seen = night.status();
    assert_eq!((&seen["stop_waits"], &seen["ends_on_resume"]), (&true.into(), &false.into()));
    assert_eq!(seen["answers_wait"][0], "q");
    night.mc(&["mission", "list"]).exits(0).says(&["(a stop waits)"]);
    night.mc(&["mission", "list", "--all"]).exits(0).says(&["interrupted, ", ", a stop waits", "next: a stop waits: "]);
    night
        .mc(&["unit", "retry", "q", "--say", "again"])
        .exits(0)
        .says(&["q: a fresh start waits for `mc mission resume`"]);
    night.write("../go", "");
    let said = night.mc(&["mission", "resume"]).exits(3).says(&["the stop of ", " is withdrawn: the mission goes on"]);
    let said = said.says(&["q: attempt 2", "a: landed", "only units held for a person are left"]);
    assert_eq!(said.text().matches("is withdrawn").count(), 1, "{}", said.text());
    let seen = night.status();
    assert_eq!((&seen["stop_waits"], &seen["mission"]["state"]), (&false.into(), &"waiting".into()));
    // Who wants what is done to land, and nothing more, says so to the resume.
    night.mc(&["mission", "stop"]).exits(0).says(&["`mc mission resume --finish`"]);
    let said = night.mc(&["mission", "resume", "--finish"]).exits(3).says(&["ended: stopped"]);
    said.does_not_say(&["withdrawn", "q: attempt 3"]);
    night.mc(&["status"]).exits(0).does_not_say(&["stop waits"]);
    night.audit();
}

#[test]
fn p4_a_stop_that_is_decided_is_gone_on_with_after_a_crash() {
    let night = Night::new();
    let plan = night.plan(&(waits("a") + &unit("b", "echo b > b.txt") + "depends = [\"a\"]\n"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun-a");
    night.mc(&["mission", "stop"]).exits(0).says(&["told to end when what runs has landed"]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while night.status()["mission"]["state"] != "stopping" {
        assert!(std::time::Instant::now() < deadline, "the stop is not heard");
    }
    engine.signal("KILL");
    engine.wait();
    // One more request beside what is decided changes nothing.
    night.mc(&["mission", "stop"]).exits(0).says(&["its end is decided: `mc mission resume` ends the mission"]);
    let said = night.mc(&["status"]).exits(0).says(&["; it was stopping, resuming ends it\n"]);
    said.says(&["next: `mc mission resume` ends the mission after what runs has landed"]).does_not_say(&["withdraws"]);
    let seen = night.status();
    assert_eq!((&seen["stop_waits"], &seen["ends_on_resume"]), (&false.into(), &true.into()));
    night.mc(&["mission", "list"]).exits(0).says(&["(it was stopping, resuming ends it)"]);
    night.write("../go", "");
    let said = night.mc(&["mission", "resume"]).exits(3).says(&["a: landed", "ended: stopped"]);
    said.does_not_say(&["withdrawn"]);
    night.mc(&["report"]).exits(0).says(&["\nresumed at ", " after the record before\n"]);
    assert_eq!([night.unit("a"), night.unit("b")], ["landed", "cancelled"]);
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
    let lives = "grep -sqz '^MC_RESULT='$HOME'/state/.*runs/.*/a/1/' /proc/[0-9]*/environ";
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
fn p5_without_an_engine_the_verification_of_a_cancelled_unit_is_ended_too() {
    let night = Night::new();
    night.settings("[ ! -e a.txt ] || { setsid sleep 600 & touch ~/begun; sleep 600; }; sh run.sh", "");
    let plan = night.plan(&(unit("a", "echo a > a.txt") + &waits("b")));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun -a -e ~/begun-b");
    engine.signal("KILL");
    engine.wait();
    let lives = "for d in /proc/[0-9]*; do
           case $(readlink $d/cwd 2>/dev/null) in $POOL/*) grep -qsz '^600$' $d/cmdline && exit 0;; esac
         done; exit 1";
    assert!(night.holds(lives), "the verification outlives its engine");
    assert_eq!(night.unit("a"), "queued");
    night.mc(&["unit", "cancel", "a"]).exits(0).says(&["a: cancelled; no engine works on mission"]);
    assert!(!night.holds(lives), "P5: nothing of it lives");
    assert_eq!(night.events().iter().filter(|r| r["record"]["kind"] == "verification-dropped").count(), 1);
    assert_eq!([night.unit("a"), night.unit("b")], ["cancelled", "running"]);
    night.write("../go", "");
    night.mc(&["mission", "resume"]).exits(3).says(&["b: landed"]);
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
    // A time of day that this test does not live to see.
    let later = night.sh("date -d '12 hours' +%H:%M");
    let engine = night.begin(&["mission", "start", "--plan", &plan, "--until", &later]);
    night.until("test -e ~/begun-a");
    night.mc(&["status"]).exits(0).says(&["time: ends at ", " at the latest"]);
    let ends = night.status()["cost"]["ends_at"].clone();
    engine.signal("TERM");
    engine.wait().exits(130);
    assert!(ends.as_str().is_some(), "{ends}");
    night.write("../go", "");
    night.mc(&["mission", "resume"]).exits(0);
}

/// A night with three units landed one after the other in two missions.
fn three_landed() -> Night {
    let night = Night::new();
    let after = |id: &str, on: &str| unit(id, &format!("echo {id} > {id}.txt")) + &format!("depends = [\"{on}\"]\n");
    night.mission(&(unit("a", "echo a > a.txt") + &after("b", "a"))).exits(0);
    night.mission(&unit("c", "echo c > c.txt")).exits(0);
    night
}

#[test]
fn p3_green_goes_back_to_a_verified_commit_and_its_units_are_rolled_back() {
    let night = three_landed();
    let old = night.sh("git rev-parse mc/green");
    night.mc(&["green", "show"]).exits(0).says(&["landing of b, checkpoint m", "landing of a", "base, or the target"]);
    let said = night.mc(&["green", "rollback", "a", "--dry-run"]).exits(0);
    said.says(&[
        ": just after a landed; a stays",
        "2 landings taken back",
        "  b  (mission ",
        "  c  (mission ",
        "nothing was changed",
    ]);
    night.mc(&["green", "rollback", "a"]).exits(2).says(&["needs your yes", "give --yes"]);
    assert_eq!(night.sh("git rev-parse mc/green"), old);
    night.mc(&["green", "rollback", "a", "--yes"]).exits(0).says(&["pinned at refs/mc/rolled-back/1"]);
    assert_eq!(night.sh("git rev-parse refs/mc/rolled-back/1"), old);
    assert!(night.holds("git cat-file -e mc/green:a.txt") && !night.holds("git cat-file -e mc/green:b.txt"));
    assert_eq!(night.unit("c"), "rolled-back");
    let first = night.mc(&["mission", "list"]).exits(0).out;
    assert!(first.lines().next().unwrap().contains("1 landed + 1 rolled-back = 2 units"), "{first}");
    night.mc(&["audit"]).exits(0);
    night.report();
    night.mc(&["green", "rollback", "a", "--yes"]).exits(0).says(&["stands there already"]);
    // What was taken back is planned and lands again.
    night.mission(&unit("b", "echo again > b.txt")).exits(0);
    assert!(night.holds("git cat-file -e mc/green:b.txt && ! git cat-file -e mc/green:c.txt"));
    night.audit();
    night.sh("git update-ref -d refs/mc/rolled-back/1");
    night.mc(&["audit"]).exits(4).says(&["refs/mc/rolled-back/1 does not hold"]);
}

#[test]
fn p1_green_goes_back_to_nothing_that_the_gate_did_not_accept() {
    let night = three_landed();
    let back = |to: &str| night.mc(&["green", "rollback", to, "--yes"]);
    back("zzz").exits(2).says(&["no checkpoint, no landed unit and no commit"]);
    back("mc/green^2").exits(2).says(&["is not on green's own line"]);
    let base = night.sh("git rev-parse main");
    let by_hand = "git update-ref refs/heads/mc/green $(git commit-tree -p mc/green -m by-hand mc/green^{tree})";
    night.sh(&format!("{by_hand}; {by_hand}"));
    night.mission(&unit("d", "echo d > d.txt")).exits(0);
    back("mc/green~2").exits(2).says(&["was never accepted by the gate as green"]);
    night.sql("DELETE FROM snapshots WHERE tree = (SELECT tree FROM landings WHERE unit = 'a')");
    back("a").exits(2).says(&["the snapshot of ", "not stored any more"]);
    back(&base[..12]).exits(0);
    assert_eq!(night.sh("git rev-parse mc/green"), base);
}

#[test]
fn p3_beside_an_unfinished_mission_or_a_person_green_stays() {
    let night = three_landed();
    let plan = night.plan(&waits("w"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun-w");
    night.mc(&["green", "rollback", "a", "--yes"]).exits(5).says(&["another mc (pid ", "hint: `mc mission stop`"]);
    night.mc(&["green", "rollback", "a", "--dry-run"]).exits(0).says(&["not at this moment"]);
    engine.signal("TERM");
    engine.wait().exits(130);
    night.mc(&["green", "rollback", "a", "--yes"]).exits(2).says(&["is unfinished", "`mc mission stop --now`"]);
    night.mc(&["mission", "stop", "--now"]).exits(0);
    night.sh("git worktree add -q ../on-green mc/green");
    night.mc(&["green", "rollback", "a", "--yes"]).exits(2).says(&["green is checked out in"]);
    assert!(night.holds("git cat-file -e mc/green:c.txt"));
    night.sh("git worktree remove ../on-green");
    night.mc(&["green", "rollback", "a", "--yes"]).exits(0);
    night.audit();
}

/// Cuts the last rows of kinds off the journal, as if `mc` had been killed before it wrote them.
pub fn unwritten(night: &Night, kind: &str) {
    let cut = format!("(SELECT min(seq) FROM journal WHERE kind = '{kind}')");
    let db = rusqlite::Connection::open(night.state().join("mc.db")).unwrap();
    db.execute_batch(&format!(
        "DROP TRIGGER journal_is_never_shortened; DELETE FROM journal WHERE seq >= {cut};
         CREATE TRIGGER journal_is_never_shortened BEFORE DELETE ON journal
         BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;"
    ))
    .unwrap();
}

#[test]
fn p4_a_rollback_killed_anywhere_is_settled_by_the_next_command() {
    // Killed after green moved, before any outcome was written: the same command again.
    let night = three_landed();
    night.mc(&["green", "rollback", "a", "--yes"]).exits(0);
    unwritten(&night, "rolled-back");
    assert_eq!(night.unit("c"), "landed");
    night.mc(&["green", "rollback", "main", "--yes"]).exits(0).says(&["refs/mc/rolled-back/2"]);
    assert_eq!(night.unit("c"), "rolled-back");
    let list = night.mc(&["mission", "list"]).exits(0).out;
    assert!(list.lines().next().unwrap().contains("2 rolled-back = 2 units"), "{list}");
    night.audit();
    // Killed after the pin, before green moved: a new mission.
    let night = three_landed();
    let old = night.sh("git rev-parse mc/green");
    night.mc(&["green", "rollback", "a", "--yes"]).exits(0);
    unwritten(&night, "rolled-back");
    night.sh(&format!("git update-ref refs/heads/mc/green {old}"));
    night.mission(&unit("d", "echo d > d.txt")).exits(0);
    assert!(night.sql("SELECT kind FROM journal").contains(&"rollback-dropped".to_owned()));
    night.audit();
    night.mc(&["green", "rollback", "a", "--yes"]).exits(0).says(&["refs/mc/rolled-back/2"]);
    assert_eq!(night.unit("d"), "rolled-back");
    night.audit();
}

#[test]
fn p4_a_resume_without_an_unfinished_mission_says_what_the_last_one_came_to() {
    let night = Night::new();
    night.mc(&["mission", "resume"]).exits(2).says(&["no mission was begun here", "`mc mission start` begins one"]);
    let plan = night.plan(&unit("bad", "exit 1"));
    night.mc(&["mission", "start", "--plan", &plan]).exits(3);
    let said = night.mc(&["mission", "resume"]).exits(3);
    said.says(&["nothing to resume: mission ", " has ended (backlog-done, exit code 3)"]);
    night.mc(&["--json", "mission", "resume"]).exits(3).says(&["\"asked\": \"nothing\""]);
    night.mc(&["mission", "start", "--plan", &night.plan(&unit("good", "echo x > x"))]).exits(0);
    night.mc(&["mission", "resume"]).exits(0);
}
