//! One engine, one owner: what was deleted or forged under a running mission makes neither a second engine nor starts
//! without end (P3, P4, P11).
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::support::night::{Night, unit as script};
use super::support::world::{Engine, PATIENCE, Unit, World, unit, within};
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
            let world = World::new();
            let mut first = world.spawn_mission(&world.plan(&waiting(3)));
            world.await_starts(3);
            for name in gone {
                std::fs::remove_file(world.state().join(name)).unwrap();
            }
            let said = world.resume().exits(5);
            assert!(said.err.contains("another mc (pid "), "{}", said.err);
            // Its lock locks nobody out any more, so the first one stops too; what runs is left to the next.
            if gone.contains(&"engine.lock") {
                let said = ends(&mut first, 5);
                assert!(said.contains("deleted or replaced") && said.contains("mc mission resume"), "{said}");
                open(&world);
                world.resume().exits(0);
            } else {
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
        let world = World::new();
        let mut units = waiting(2);
        units.push(unit("first", "echo first > first.txt"));
        let mut engine = world.spawn_mission(&world.plan(&units));
        world.await_record("landed", 1);
        world.await_starts(3);
        let green = world.green_tree();
        world.git(&["rev-parse", "mc/green"]);
        for name in ["mc.db", "mc.db-wal", "mc.db-shm"] {
            std::fs::remove_file(world.state().join(name)).unwrap();
        }
        open(&world);
        let said = ends(&mut engine, 6);
        assert!(said.contains("mc.db") && said.contains("deleted or replaced"), "{said}");
        assert_eq!(world.green_tree(), green, "nothing lands without a journal");
    });
}

#[test]
fn p3_of_many_starts_at_once_one_runs() {
    within(60, || {
        let world = World::new();
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
    let night = Night::new();
    night.settings("sh run.sh", "[scheduler]\nmax_infrastructure_retries = 1");
    let forge = |how: &str| format!("cd \"$(dirname \"$MC_RESULT\")/run\" || exit 1; {how}; exit 0");
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
    let night = Night::new();
    night.settings("sh run.sh", "[scheduler]\nmax_starts = 3\n[agent]\ncommand = \"cat >/dev/null; sh ~/agent\"");
    let agent = "echo again >> more; printf '{\"status\": \"continue\", \"summary\": \"more\"}' > \"$MC_RESULT\"";
    std::fs::write(night.home().join("agent"), agent).unwrap();
    night.mission("[[unit]]\nid = \"a\"\ntitle = \"a\"\n").exits(3);
    assert_eq!(night.unit("a"), "failed");
    assert_eq!(night.classes("a"), ["continue"; 3]);
    assert!(night.reason("a").contains("started 3 times, and scheduler.max_starts"), "{}", night.reason("a"));
    night.audit();
}
