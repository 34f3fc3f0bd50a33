//! `kill -9` in the middle of appends.

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
