//! The command line on a repository with and without a mission; the mission's journal is that of a simulated one.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::cli::Said;
use crate::support::repo::{World, within_a_minute};
use expect_test::expect;
use mission_control::adapters::os::environment::Environment;
use mission_control::adapters::store::Entry;
use mission_control::adapters::store::place::StateDir;
use mission_control::domain::mission::Policy;
use mission_control::domain::unit::UnitSpec;
use mission_control::domain::values::{MissionId, UnitId};
use mission_control::sim::run_scenario;
use mission_control::sim::scenario::Scenario;
use serde_json::{Value, json};

/// Puts the journal of a simulated mission of units `a` and `b` into the state directory, as far as `rows` rows.
fn plant(world: &World, rows: usize) {
    let units = ["a", "b"].map(|id| UnitSpec::new(UnitId::new(id).unwrap(), id)).to_vec();
    let mut journal = Vec::new();
    run_scenario(&Scenario::new_calm(units, Policy::default(), 3), |at, record| journal.push((at, record.clone())))
        .unwrap();
    let env = Environment::empty(world.home()).with_var("HOME", world.home());
    let place = StateDir::locate(&world.repo().join(".git"), &env).unwrap();
    place.create().unwrap();
    let mut store = crate::store::world::open(&place.db());
    for (at, record) in journal.iter().take(rows) {
        let entry = Entry { kind: record.kind(), body: serde_json::to_string(record).unwrap() };
        store.append(&MissionId::new("simulated").unwrap(), *at, &[entry]).unwrap();
    }
}

#[test]
fn without_a_mission_everything_says_so() {
    within_a_minute(async {
        let world = World::new().await;
        let before = world.everything();
        expect![[r#"
            no mission yet in this repository
            green: mc/green not made yet
            next: `mc plan` shows what would be done, `mc mission start` does it
        "#]]
        .assert_eq(&world.mc_ok(&["status"]).await);
        let status = world.mc_json(&["status", "--json"]).await;
        assert_eq!(status["mission"], Value::Null);
        assert_eq!(status["cost"], json!({"usd": null, "unknown_attempts": 0, "tokens": null}));
        for args in [&["mission", "list"][..], &["events"], &["audit"], &["pool", "list"], &["green", "show"]] {
            world.mc_ok(args).await;
        }
        for args in [&["units"][..], &["report"], &["unit", "show", "a"], &["unit", "retry", "a"]] {
            let Said { code, out, err } = world.mc(args).await;
            assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
            assert!(err.contains("hint: `mc mission start`"), "{err}");
        }
        assert_eq!(world.everything(), before, "P6: looking changes nothing");
        assert!(!world.home().join(".local").exists(), "looking makes no state directory");
    });
}

#[test]
fn the_places_are_named() {
    within_a_minute(async {
        let world = World::new().await;
        world.commit("mission-control.toml", "[rounds]\nmax_rounds = 7\n").await;
        let places = world.mc_json(&["where", "--json"]).await;
        assert_eq!(places["repository"], "HOME/repo");
        assert_eq!(places["config"], "HOME/repo/mission-control.toml");
        let state = places["state"].as_str().unwrap();
        assert!(state.starts_with("HOME/.local/state/mission-control/repo-"), "{state}");
        assert_eq!(places["database"], format!("{state}/mc.db"));
        let text = world.mc_in(&world.home(), &["-C", "repo/src", "where"]).await.out;
        assert!(text.contains(&format!("state          {state}\n")), "{text}");
        let shown = world.mc_ok(&["config", "show"]).await;
        assert!(shown.contains("rounds.max_rounds = 7  # file HOME/repo/mission-control.toml:2\n"), "{shown}");
    });
}

#[test]
fn a_journal_is_shown_and_what_git_does_not_have_is_called_wrong() {
    within_a_minute(async {
        let world = World::new().await;
        plant(&world, usize::MAX);
        let status = world.mc_json(&["status", "--json"]).await;
        assert_eq!(status["mission"]["state"], "ended");
        assert_eq!(status["mission"]["outcome"], "backlog-done");
        assert_eq!(status["units"][0]["state"], "landed");
        assert_eq!(status["green"]["commit"], Value::Null, "green is read from the repository, not from the journal");
        expect![[r#"
            simulated  backlog-done  41.3s  2 landed = 2 units
            next: `git merge mc/green` takes what landed; `mc report` says what that is
        "#]]
        .assert_eq(&world.mc_ok(&["mission", "list"]).await);
        let report = world.mc_ok(&["report"]).await;
        assert!(report.starts_with("WRONG: "), "{report}");
        let audit = world.mc(&["audit"]).await;
        assert_eq!(audit.code, 4);
        expect![[r#"
            mission simulated, a attempt 1: refs/mc/attempts/simulated/a/1 is gone; it pinned 1af5c476e1
            mission simulated, a: landed at f946b58c2a, which green contains once: there is no such commit
            mission simulated, b attempt 1: refs/mc/attempts/simulated/b/1 is gone; it pinned 9963e215a2
            mission simulated, b: landed at 660db62165, which green contains once: there is no such commit
            error: 4 claims do not hold
        "#]]
        .assert_eq(&(audit.out + &audit.err));

        let events = world.mc_ok(&["events", "--follow"]).await;
        let rows: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows[0]["kind"], "mission-started");
        assert_eq!(rows[0]["record"]["kind"], "mission-started");
        assert_eq!(rows.last().unwrap()["seq"], rows.len());
        assert_eq!(rows.last().unwrap()["kind"], "mission-ended");
        let unknown = world.mc(&["unit", "show", "zzz"]).await;
        assert_eq!(unknown.code, 2);
        assert_eq!(world.mc(&["mission", "show", "m0"]).await.code, 2);
        assert_eq!(world.mc(&["unit", "retry", "a"]).await.code, 2, "the mission is over");
    });
}

/// Replaces times since 1970, where simulated missions begin.
fn ageless(text: &str) -> String {
    let old = |word: &str| {
        word.trim_matches(['(', ')']).split_once('h').is_some_and(|(h, _)| h.len() > 4 && h.parse::<u64>().is_ok())
    };
    let line =
        |line: &str| line.split(' ').map(|word| if old(word) { "AGE" } else { word }).collect::<Vec<_>>().join(" ");
    text.lines().map(|l| line(l) + "\n").collect()
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut mc = std::process::Command::new(env!("CARGO_BIN_EXE_mc"));
    let said = mc.args(["config", "show"]).current_dir("/").env_clear().stdout(writer).output().unwrap();
    assert_eq!((said.status.code(), String::from_utf8_lossy(&said.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn an_unfinished_mission_without_an_engine_is_interrupted() {
    within_a_minute(async {
        let world = World::new().await;
        plant(&world, 12);
        expect![[r#"
            interrupted, 0 of 2 units landed, round 1: no engine works on it
            mission simulated: a simulated mission AGE

            needs you
              no engine works on the mission: `mc mission resume` goes on

            left open
              a  attempt 1 for AGE on local, slot 0: a

            units: 1 pending + 1 interrupted = 2 units
            green: mc/green not made yet
            verifications: 1 run, 0 reused
            cost: unknown (1 attempt did not say)
            next: `mc mission resume`
        "#]]
        .assert_eq(&ageless(&world.mc_ok(&["status"]).await));
        world.mc_ok(&["unit", "show", "a"]).await;
        let needs = world.mc_json(&["status", "--json"]).await["needs_you"].clone();
        assert_eq!(needs, json!(["no engine works on the mission: `mc mission resume` goes on"]));
    });
}
