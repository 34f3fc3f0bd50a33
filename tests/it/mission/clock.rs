//! The wall clock set forward and back, between engines and while one works (P4, P9, P11): nothing ends by it, what is claimed
//! stays claimed, times of a mission never go back, and durations are those measured.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::Night;
use crate::support::world::within;

const DAY: i64 = 86_400;

/// Longest duration that a unit of these tests can have had, in ms.
const LONGEST: u64 = 120_000;

/// A night whose `mc` reads its wall clock through `~/offset`.
fn with_a_clock() -> Night {
    let mut night = Night::new();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/clock.c");
    night.sh(&format!("cc -shared -fPIC -o ../clock.so {source} -ldl"));
    set(&night, 0);
    let home = night.home();
    night.var("LD_PRELOAD", home.join("clock.so").to_str().unwrap());
    night.var("CLOCK_OFFSET_FILE", home.join("offset").to_str().unwrap());
    let agent = "[agent]\ncommand = \"cat >/dev/null; sh ~/agent\"\nidle_timeout = \"10m\"\nstart_timeout = \"10m\"";
    let caps = "[scheduler]\nsession_timeout = \"10m\"\nlease = \"10m\"\n[scheduler.budget]\nmax_wall_time = \"30m\"";
    night.settings("sh run.sh", &format!("{agent}\n{caps}"));
    night
}

fn set(night: &Night, offset: i64) {
    let (draft, path) = (night.home().join("offset.new"), night.home().join("offset"));
    std::fs::write(&draft, offset.to_string()).unwrap();
    std::fs::rename(&draft, &path).unwrap();
}

/// A unit that runs until `~/go-N` is there; agents do the same.
fn gated(id: &str, gate: u32) -> String {
    let run = format!("touch ~/began-$MC_UNIT; until [ -e ~/go-{gate} ]; do sleep 0.05; done; touch $MC_UNIT");
    format!("[[unit]]\nid = \"{id}\"\ntitle = \"{id}\"\nattempts = 1\nrun = '''{run}'''\n")
}

/// What must hold whatever the clock did.
#[track_caller]
fn measured(night: &Night, units: &[&str]) {
    for id in units {
        assert_eq!(night.unit(id), "landed", "{id}");
        assert_eq!(night.unit_json(id)["attempts"], 1, "{id} was not started again");
    }
    let back = "SELECT count(*) FROM journal a JOIN journal b ON b.seq = a.seq + 1 WHERE b.at_ms < a.at_ms";
    assert_eq!(night.sql(&format!("SELECT ({back}) || ''")), ["0"], "times of the journal go forward");
    for row in night.events().iter().map(|row| &row["record"]).filter(|record| record["kind"] == "session-ended") {
        let ran = &row["report"]["run"]["ran"];
        let (from, to) = (ran[0].as_u64().unwrap(), ran[1].as_u64().unwrap());
        assert!(to >= from && to - from < LONGEST, "{} ran for {} ms", row["session"], to.abs_diff(from));
    }
    let longest = "SELECT max(json_extract(s.value, '$.millis')) || '' FROM snapshots, json_each(body, '$.stages') s";
    let longest: u64 = night.sql(longest)[0].parse().unwrap();
    assert!(longest < LONGEST, "a stage took {longest} ms");
    night.audit();
}

#[test]
fn p11_a_clock_set_while_an_engine_works_ends_nothing_and_is_measured_by_nobody() {
    for (first, second) in [(400 * DAY, -400 * DAY), (-400 * DAY, 400 * DAY)] {
        within(90, move || {
            let night = with_a_clock();
            std::fs::write(
                night.home().join("agent"),
                "touch ~/began-c; until [ -e ~/go-2 ]; do sleep 0.05; done; touch c",
            )
            .unwrap();
            let agent = "[[unit]]\nid = \"c\"\ntitle = \"c\"\nattempts = 1\n";
            let plan = night.plan(&[&gated("a", 1), &gated("b", 2), agent].concat());
            let engine = night.begin(&["mission", "start", "--plan", &plan]);
            night.until("test -e ~/began-a && test -e ~/began-b && test -e ~/began-c");
            set(&night, first);
            night.sh("touch ~/go-1");
            night.until("git cat-file -e mc/green:a");
            set(&night, second);
            night.sh("touch ~/go-2");
            engine.wait().exits(0);
            measured(&night, &["a", "b", "c"]);
        });
    }
}

#[test]
fn p4_a_clock_set_between_two_engines_changes_no_claim_and_no_order() {
    for (first, second) in [(400 * DAY, 0), (0, 400 * DAY)] {
        within(90, move || {
            let night = with_a_clock();
            set(&night, first);
            let plan = night.plan(&[gated("a", 1), gated("b", 2)].concat());
            let engine = night.begin(&["mission", "start", "--plan", &plan]);
            night.until("test -e ~/began-a && test -e ~/began-b");
            engine.signal("KILL");
            engine.wait();
            set(&night, second);
            // One ends while no engine works, the other one is adopted at work.
            night.sh("touch ~/go-1");
            night.until("test -e $RUNS/*/a/1/run/exit");
            let engine = night.begin(&["mission", "resume"]);
            night.until("git cat-file -e mc/green:a");
            night.sh("touch ~/go-2");
            engine.wait().exits(0);
            measured(&night, &["a", "b"]);
        });
    }
}
