//! One engine, one owner: what was deleted or forged under a running mission makes neither a second engine nor starts
//! without end (P3, P4, P11).
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::fence::Fence;
use crate::support::night::{Night, Running, unit as script};
use crate::support::tools::cannot_run;
use crate::support::world::{Engine, PATIENCE, Unit, World, unit, within};
use std::collections::BTreeSet;

/// Units that each wait for a file of the test before they do anything.
fn waiting(count: usize) -> Vec<Unit> {
    let script = |id: &str| format!("until [ -e \"$HOME/open\" ]; do sleep 0.05; done\necho {id} > {id}.txt");
    (0..count).map(|n| format!("u{n}")).map(|id| unit(&id, &script(&id))).collect()
}

fn open(world: &World) {
    std::fs::write(world.home().join("open"), "").unwrap();
}

#[track_caller]
fn ends(engine: &mut Engine, code: i32) -> String {
    let said = engine.ended_within(PATIENCE).expect("it ends");
    said.err.clone() + &said.exits(code).out
}

/// Each attempt started once, and no unit twice at a time.
#[track_caller]
fn started_once(world: &World) {
    let mut known = BTreeSet::new();
    for seen in world.witness().into_iter().filter(|seen| seen.what == "start") {
        assert!(known.insert((seen.unit.clone(), seen.attempt)), "{seen:?} twice");
    }
    let units: BTreeSet<&String> = known.iter().map(|(unit, _)| unit).collect();
    assert_eq!(units.len(), known.len(), "a unit was started again while it ran: {known:?}");
}

#[test]
fn p3_p4_without_its_lock_file_there_is_still_one_engine() {
    for gone in [&["engine.lock"][..], &["engine.alive"], &["engine.lock", "engine.alive"]] {
        within(60, move || {
            let world = World::new().within(Fence::Off);
            let mut first = world.spawn_mission(&world.plan(&waiting(3)));
            world.await_starts(3);
            for name in gone {
                std::fs::remove_file(world.state().join(name)).unwrap();
            }
            let second = world.spawn_resume();
            // Its lock locks nobody out any more, so the first one stops, too; what runs is left to the next.
            if gone.contains(&"engine.lock") {
                let said = ends(&mut first, 5);
                assert!(said.contains("deleted or replaced") && said.contains("mc mission resume"), "{said}");
                open(&world);
                let said = second.end();
                // The second one was refused, or came when the first had noticed and was gone.
                match said.code {
                    Some(5) => drop(world.resume().exits(0)),
                    _ => drop(said.exits(0)),
                }
            } else {
                let said = second.end().exits(5);
                assert!(said.err.contains("another mc (pid "), "{}", said.err);
                open(&world);
                ends(&mut first, 0);
            }
            started_once(&world);
            world.nothing_lives();
            world.mc(&["audit"]).exits(0);
            world.mc(&["report", "--verify"]).exits(0);
        });
    }
}

#[test]
fn p4_an_engine_whose_database_is_deleted_ends_and_lands_nothing_more() {
    within(60, || {
        let world = World::new().within(Fence::Off);
        let mut units = waiting(2);
        units.push(unit("first", "echo first > first.txt"));
        let mut engine = world.spawn_mission(&world.plan(&units));
        world.await_record("landed", 1);
        world.await_starts(3);
        let green = world.green_tree();
        for name in ["mc.db", "mc.db-wal", "mc.db-shm"] {
            std::fs::remove_file(world.state().join(name)).unwrap();
        }
        open(&world);
        let said = ends(&mut engine, 6);
        assert!(said.contains("mc.db") && said.contains("deleted or replaced"), "{said}");
        assert_eq!(world.green_tree(), green, "nothing lands without a journal");
        let said = world.mc(&["audit"]).exits(4);
        assert!(
            said.out.contains("of first (mission m") && said.out.contains("no journal here knows it"),
            "{}",
            said.out
        );
        let said = world.start(&world.plan(&[unit("next", "echo next > next.txt")])).exits(0);
        let told = said.out + &said.err + &world.mc(&["report"]).exits(0).out;
        assert!(told.contains("no journal here knows these landings on green"), "{told}");
    });
}

#[test]
fn p3_of_many_starts_at_once_one_runs() {
    within(60, || {
        let world = World::new().within(Fence::Off);
        let plan = world.plan(&waiting(2));
        let mut engines: Vec<Engine> = (0..3).map(|_| world.spawn_mission(&plan)).collect();
        world.await_starts(2);
        open(&world);
        let codes: Vec<Option<i32>> =
            engines.iter_mut().map(|engine| engine.ended_within(PATIENCE).expect("it ends").code).collect();
        assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
        // 2: it came so late that the mission of the first was on record.
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 2 | 5))), "{codes:?}");
        started_once(&world);
        world.mc(&["audit"]).exits(0);
    });
}

#[test]
fn p11_a_run_that_says_it_was_killed_is_not_started_without_end() {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh", "[scheduler]\nmax_infrastructure_retries = 1");
    let forge = |how: &str| format!("cd \"$(dirname \"$MC_RESULT\")/../run\" || exit 1; {how}; exit 0");
    let plan = [
        script("says", &forge("printf killed > reason")),
        script("links", &forge("ln -s start reason")),
        script("blocks", &forge("mkdir reason")),
        script("good", "touch good"),
    ]
    .concat();
    night.mission(&plan).exits(3);
    for id in ["says", "links", "blocks"] {
        assert_eq!(night.unit(id), "failed", "{id}");
        assert_eq!(night.classes(id), ["infrastructure"; 2], "{id}");
        assert!(night.reason(id).contains("no stop of mc on record"), "{}", night.reason(id));
    }
    assert_eq!(night.unit("good"), "landed");
    night.audit();
}

#[test]
fn p11_starts_of_every_class_together_have_a_cap() {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh", "[scheduler]\nmax_starts = 3\n[agent]\ncommand = \"cat >/dev/null; sh ~/agent\"");
    let agent = "echo again >> more; printf '{\"status\": \"continue\", \"summary\": \"more\"}' > \"$MC_RESULT\"";
    std::fs::write(night.home().join("agent"), agent).unwrap();
    night.mission("[[unit]]\nid = \"a\"\ntitle = \"a\"\n").exits(3);
    assert_eq!(night.unit("a"), "failed");
    assert_eq!(night.classes("a"), ["continue"; 3]);
    assert!(night.reason("a").contains("started 3 times, and scheduler.max_starts"), "{}", night.reason("a"));
    night.audit();
}

/// A unit that waits for `~/go` and says in `~/began-ID` that it runs.
fn gated(id: &str) -> String {
    script(id, &format!("touch ~/began-{id}; until [ -e ~/go ]; do sleep 0.05; done; touch {id}"))
}

/// A mission of units that wait, begun; their names.
fn begun(night: &Night, ids: &[&str]) -> Running {
    let plan = night.plan(&ids.iter().map(|id| gated(id)).collect::<String>());
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until(&ids.iter().map(|id| format!("test -e ~/began-{id}")).collect::<Vec<_>>().join(" && "));
    engine
}

/// The card of a state directory on another machine, as its engine would claim the repository.
fn claimed_from_the_attic(night: &Night) {
    let card = r#"{"state_id":"0123456789abcdef0123456789abcdef","path":"/srv/state","repository":"/srv/repo/.git","epoch":7,"host":"attic","machine":"fedcba9876543210fedcba9876543210","boot":"b","pid_namespace":1,"pid":1,"started":1}"#;
    night.sh(&format!("git update-ref refs/mc/owner $(printf '%s' '{card}' | git hash-object -w --stdin)"));
}

#[test]
fn p3_an_engine_whose_repository_was_claimed_stops_with_5_and_touches_nothing_more() {
    let night = Night::new().within(Fence::Off);
    let engine = begun(&night, &["a", "b"]);
    let green = night.sh("git rev-parse mc/green");
    claimed_from_the_attic(&night);
    night.sh("touch ~/go");
    engine.wait().exits(5).says(&["was claimed by another mc", "refs/mc/owner"]);
    assert_eq!(night.sh("git rev-parse mc/green"), green);
    assert_eq!(night.sh("git for-each-ref refs/mc/attempts"), "", "no pin is made in somebody else's repository");
    for act in [&["mission", "resume"][..], &["mission", "stop", "--now"], &["unit", "cancel", "a"]] {
        night.mc(act).exits(5).says(&["belongs to the state directory /srv/state on attic", "--take-over attic"]);
    }
    night.mc(&["mission", "resume", "--take-over", "cellar"]).exits(5).says(&["on attic, not to one on cellar"]);
    night.mc(&["mission", "resume", "--take-over", "attic"]).exits(0);
    assert!(night.holds("git cat-file -e mc/green:a && git cat-file -e mc/green:b"));
    night.audit();
}

#[test]
fn p3_nobody_takes_over_from_an_engine_that_lives() {
    let mut night = Night::new().within(Fence::Off);
    let engine = begun(&night, &["a"]);
    let (own, other) = (night.state().display().to_string(), night.home().join("state2").display().to_string());
    let machine = night.sh("uname -n");
    night.var("MC_STATE_DIR", &other);
    for locks in ["", "rm ../state/engine.lock ../state/engine.alive"] {
        // It would stop as soon as it sees that its lock is gone.
        engine.signal("STOP");
        night.sh(locks);
        let said = night.mission_with(&script("b", "touch b"), &["--take-over", &machine]).exits(5);
        said.says(&["another mc (pid ", &own, "nobody takes over from an mc that lives"]);
    }
    engine.signal("CONT");
    night.var("MC_STATE_DIR", &own);
    night.sh("touch ~/go");
    // Its own lock is gone, so it stops; the next one goes on.
    engine.wait().exits(5);
    night.mc(&["mission", "resume"]).exits(0);
    assert_eq!(night.unit("a"), "landed");
    night.audit();
}

#[test]
fn p3_a_card_that_is_deleted_under_a_mission_is_put_back() {
    let night = Night::new().within(Fence::Off);
    let engine = begun(&night, &["a"]);
    let card = night.sh("git rev-parse refs/mc/owner");
    night.sh("git update-ref -d refs/mc/owner && touch ~/go");
    engine.wait().exits(0);
    assert_eq!(night.sh("git rev-parse refs/mc/owner"), card);
    night.audit();
}

#[test]
fn p3_a_copy_of_a_repository_is_nobodys() {
    let mut night = Night::new().within(Fence::Off);
    let engine = begun(&night, &["a"]);
    night.sh("cp -a . ../copy");
    let own = night.state().display().to_string();
    night.var("MC_STATE_DIR", &night.home().join("state2").display().to_string());
    let plan = night.plan(&script("b", "touch b"));
    night.mc(&["-C", "../copy", "mission", "start", "--plan", &plan]).exits(0);
    assert!(night.holds("git -C ../copy cat-file -e mc/green:b && ! git cat-file -e mc/green:b"));
    night.var("MC_STATE_DIR", &own);
    night.sh("touch ~/go");
    engine.wait().exits(0);
    night.audit();
}

#[test]
fn p3_a_copied_state_directory_does_not_own_what_the_first_one_owns() {
    let mut night = Night::new().within(Fence::Off);
    night.mission(&script("a", "touch a")).exits(0);
    night.sh("cp -a ../state ../state2");
    let own = night.state().display().to_string();
    night.var("MC_STATE_DIR", &night.home().join("state2").display().to_string());
    night.mission(&script("b", "touch b")).exits(5).says(&[&own, "--take-over"]);
    night.sh("rm -rf ../state");
    night.mission(&script("b", "touch b")).exits(0);
}

#[test]
fn p6_one_state_directory_tells_nothing_to_a_second_repository() {
    let night = Night::new().within(Fence::Off);
    night.mission(&script("a", "touch a")).exits(0);
    night.sh("git clone -q . ../other");
    let there = |args: &[&str]| night.mc(&[&["-C", "../other"], args].concat());
    let slots = "find ../state/pool | sort | head -40";
    let before = night.sh(slots);
    for read in ["status", "report", "units", "audit", "events"] {
        there(&[read]).exits(6).says(&["belongs to the repository"]);
    }
    there(&["pool", "prune"]).exits(6).says(&["belongs to the repository"]);
    there(&["clean", "--yes"]).exits(6).says(&["belongs to the repository"]);
    assert_eq!(night.sh(slots), before);
}

#[test]
fn p3_an_engine_in_another_pid_namespace_is_told_and_not_waited_for() {
    let night = Night::new().within(Fence::Off);
    let inside = "unshare --pid --fork --mount-proc";
    if !night.holds(&format!("{inside} true")) {
        cannot_run("no pid namespace can be made here");
        return;
    }
    let engine = begun(&night, &["a", "b"]);
    let mc = env!("CARGO_BIN_EXE_mc");
    let started = std::time::Instant::now();
    night.sh(&format!("{inside} {mc} unit cancel b"));
    night.sh(&format!("{inside} {mc} mission stop --now"));
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "the lock was asked, not a process table");
    engine.wait().exits(3);
    assert_eq!((night.unit("a"), night.unit("b")), ("cancelled".to_owned(), "cancelled".to_owned()));
    night.audit();
}

#[test]
fn p11_starts_that_a_recorded_stop_ended_use_nothing_up() {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh", "[scheduler]\nmax_starts = 2");
    let plan = night.plan(&script("a", "touch ~/began-$MC_ATTEMPT; until [ -e ~/go ]; do sleep 0.05; done; touch a"));
    let mut engine = night.begin(&["mission", "start", "--plan", &plan]);
    for n in 1..=4 {
        night.until(&format!("test -e ~/began-{n}"));
        engine.signal("TERM");
        engine.wait().exits(130);
        engine = night.begin(&["mission", "resume"]);
    }
    night.sh("touch ~/go");
    engine.wait().exits(0);
    assert_eq!(night.classes("a"), ["stopped", "stopped", "stopped", "stopped", "changed"]);
    night.audit();
}
