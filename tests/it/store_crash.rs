//! `kill -9` in the middle of appends, and strangers that could cost the engine its log.

#![expect(clippy::disallowed_methods, reason = "a stranger opens the database by itself")]

use crate::store_world::{Part, World, entry, in_time, mission, part_path};
use mission_control::adapters::store::{Chain, Store};
use std::io::Write;

const BATCH: usize = 5;

#[test]
#[ignore = "a part played for p4_killed_in_a_loop_of_appends_the_journal_is_whole"]
fn part_appends_forever() {
    let Some(path) = part_path() else { return };
    let mut store = Store::open(&path).unwrap();
    let start = store.head().unwrap().seq;
    for batch in start.. {
        let entries: Vec<_> = (0..BATCH).map(|i| entry("k", &format!(r#"{{"batch":{batch},"i":{i}}}"#))).collect();
        let seq = store.append(&mission("m1"), batch, &entries).unwrap();
        // A closed pipe means that the test is over.
        if writeln!(std::io::stdout(), "acknowledged {seq}").is_err() {
            return;
        }
    }
}

#[test]
fn p4_killed_in_a_loop_of_appends_the_journal_is_whole() {
    in_time(|| {
        let world = World::new();
        for round in 1..=6_u64 {
            let mut part = Part::play("store_crash::part_appends_forever", &world.db);
            let mut acknowledged = 0_u64;
            for _ in 0..round * 7 {
                acknowledged = part.hear("acknowledged").unwrap().parse().unwrap();
            }
            part.kill();
            while let Some(seq) = part.hear("acknowledged") {
                acknowledged = seq.parse().unwrap();
            }
            let store = world.store();
            let head = store.head().unwrap();
            assert!(head.seq >= acknowledged, "row {acknowledged} was acknowledged, the journal ends at {}", head.seq);
            assert_eq!(head.seq % BATCH as u64, 0, "an append was torn");
            assert_eq!(store.verify_chain(None).unwrap(), Chain::Intact { rows: head.seq });
        }
    });
}

#[test]
#[ignore = "a part played for p4_a_stranger_cannot_delete_the_log_of_a_living_engine"]
fn part_looks_as_sqlite3_does() {
    let Some(path) = part_path() else { return };
    let connection = rusqlite::Connection::open(path).unwrap();
    let rows: i64 = connection.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
    connection.close().unwrap();
    writeln!(std::io::stdout(), "saw {rows}").unwrap();
}

#[test]
fn p4_a_stranger_cannot_delete_the_log_of_a_living_engine() {
    in_time(|| {
        let world = World::new();
        let mut engine = world.filled(3);
        // Another connection of the same process comes and goes: the engine's locks must stay.
        drop(Store::open(&world.db).unwrap());
        drop(Store::open_existing(&world.db).unwrap());
        let mut stranger = Part::play("store_crash::part_looks_as_sqlite3_does", &world.db);
        assert_eq!(stranger.hear("saw").as_deref(), Some("3"));
        stranger.child.wait().unwrap();
        assert!(world.dir.path().join("mc.db-wal").exists(), "the stranger deleted the log");
        engine.append(&mission("m1"), 1, &[entry("k", "{}")]).unwrap();
        drop(engine);
        assert_eq!(world.store().verify_chain(None).unwrap(), Chain::Intact { rows: 4 });
    });
}
