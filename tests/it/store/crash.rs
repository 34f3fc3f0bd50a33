//! `kill -9` in the middle of appends; locks that keep the log.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "helpers of tests")]

use crate::store::world::{Part, World, entry, in_time, mission, open, part_path};
use mission_control::adapters::store::{Chain, Store};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const BATCH: usize = 5;

#[test]
#[ignore = "a part played for p4_killed_in_a_loop_of_appends_the_journal_is_whole"]
fn part_appends_forever() {
    let Some(path) = part_path() else { return };
    let mut store = open(&path);
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
            let mut part = Part::play("store::crash::part_appends_forever", &world.db);
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

/// This process's POSIX locks on a file (`/proc/locks`, see proc(5): field 5 is the process, field 6 ends in the inode).
fn own_locks(file: &Path) -> usize {
    let (pid, inode) = (std::process::id().to_string(), format!(":{}", file.metadata().unwrap().ino()));
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let fields = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter(|f| f[1] == "POSIX" && f[4] == pid && f[5].ends_with(&inode)).count()
}

#[test]
fn p4_a_second_connection_of_the_engine_costs_it_no_lock() {
    in_time(|| {
        let world = World::new();
        let engine = world.filled(3);
        // Without this lock a stranger (an older sqlite3, a backup program) would delete the log when it closes.
        assert_eq!(own_locks(&world.db), 1);
        drop(Store::open(&world.db).unwrap());
        drop(Store::open_existing(&world.db).unwrap());
        assert_eq!(own_locks(&world.db), 1);
        drop(engine);
        assert_eq!(own_locks(&world.db), 0);
    });
}
