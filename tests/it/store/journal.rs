//! Journal, snapshots and signals.

use crate::store::world::{World, entry, in_time, mission};
use mission_control::adapters::store::{Chain, Entry, Row, Store, StoreError};
use mission_control::domain::values::TreeId;
use mission_control::domain::verify::SnapshotKey;

#[test]
fn rows_come_back_in_order_by_mission_and_after_a_number() {
    in_time(|| {
        let world = World::new();
        let mut store = world.store();
        let (one, two) = (mission("m1"), mission("m2"));
        let odd = "{\"text\":\"line\\u0000 日本 '; DROP TABLE journal; --\"}";
        assert_eq!(store.append(&two, 5, &[entry("started", "{}"), entry("note", odd)]).unwrap(), 2);
        assert_eq!(store.append(&one, 6, &[entry("started", "[1]")]).unwrap(), 3);
        assert_eq!(store.append(&two, 7, &[]).unwrap(), 3);
        assert_eq!(store.append(&two, 7, &[entry("ended", "{}")]).unwrap(), 4);

        let seqs = |rows: Vec<Row>| rows.iter().map(|r| r.seq).collect::<Vec<_>>();
        assert_eq!(seqs(store.rows(None, 0).unwrap()), [1, 2, 3, 4]);
        assert_eq!(seqs(store.rows(Some(&two), 1).unwrap()), [2, 4]);
        assert_eq!(seqs(store.rows(Some(&mission("m9")), 0).unwrap()), [0_u64; 0]);
        assert_eq!(store.list_missions().unwrap(), [two.clone(), one]);
        let note = Row { seq: 2, mission: two, at: 5, kind: "note".to_owned(), body: odd.to_owned() };
        assert_eq!(store.rows(None, 1).unwrap()[0], note);
    });
}

#[test]
fn a_failing_entry_leaves_nothing_of_its_append() {
    in_time(|| {
        let world = World::new();
        let mut store = world.filled(6);
        let before = store.head().unwrap();
        let signal = store.signal_send("stop", "{}", 1).unwrap();
        let entries = [entry("a", "{}"), entry("b", "{}"), entry("c", "not json"), entry("d", "{}")];
        store.append_answering(&mission("m1"), 9, &entries, &[signal]).unwrap_err();
        assert_eq!(store.head().unwrap(), before);
        assert_eq!(store.signals_waiting().unwrap().len(), 1);
        store.append(&mission("m1"), 9, &entries[..2]).unwrap();
        assert_eq!(store.verify_chain(None).unwrap(), Chain::Intact { rows: 8 });
    });
}

#[test]
fn the_journal_refuses_to_be_changed_shortened_or_replaced() {
    in_time(|| {
        let world = World::new();
        drop(world.filled(6));
        let stranger = world.stranger();
        for sql in [
            "UPDATE journal SET body = '{}' WHERE seq = 2",
            "UPDATE journal SET at_ms = at_ms",
            "DELETE FROM journal WHERE seq = 6",
            "DELETE FROM journal",
            "INSERT OR REPLACE INTO journal VALUES (3, 'm1', 1, 'k', '{}', 'h')",
            "INSERT INTO journal VALUES (99, 'm1', 1, 'k', '{}', 'h')",
        ] {
            let error = stranger.execute(sql, []).unwrap_err();
            assert!(error.to_string().contains("the journal is append-only"), "{sql}: {error}");
        }
        assert_eq!(world.store().verify_chain(None).unwrap(), Chain::Intact { rows: 6 });
    });
}

#[test]
fn a_reader_sees_whole_appends_while_the_engine_writes() {
    in_time(|| {
        let world = World::new();
        let mut engine = world.filled(3);
        let reader = Store::open_existing(&world.db).unwrap().unwrap();
        assert_eq!(reader.head().unwrap().seq, 3);

        // An open write transaction does not hold up a reader, nor a reader opened meanwhile.
        let writer = world.stranger();
        writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        writer.execute("INSERT INTO journal VALUES (4, 'm1', 1, 'k', '{}', 'h')", []).unwrap();
        let late = Store::open_existing(&world.db).unwrap().unwrap();
        assert_eq!((reader.rows(None, 0).unwrap().len(), late.rows(None, 0).unwrap().len()), (3, 3));
        writer.execute_batch("ROLLBACK").unwrap();

        // A reader in the middle of its rows does not hold up the engine, and keeps its moment.
        let mut seen = Vec::new();
        reader
            .for_each_row(None, 0, |row| {
                engine.append(&mission("m1"), 9, &[entry("k", "{}"), entry("k", "{}")])?;
                seen.push(row.seq);
                Ok::<_, StoreError>(())
            })
            .unwrap();
        assert_eq!(seen, [1, 2, 3]);
        assert_eq!(reader.head().unwrap().seq, 9);
    });
}

#[test]
fn a_hundred_thousand_rows_load() {
    in_time(|| {
        let world = World::new();
        let mut store = world.store();
        let entries: Vec<Entry> = (0..100_000)
            .map(|i| entry("unit-started", &format!(r#"{{"unit":"u{i}","slot":3,"base":"abc"}}"#)))
            .collect();
        for some in entries.chunks(10_000) {
            store.append(&mission("m1"), 1, some).unwrap();
        }
        let mut bytes = 0;
        let count = |row: Row| {
            bytes += row.body.len();
            Ok::<_, StoreError>(())
        };
        store.for_each_row(Some(&mission("m1")), 0, count).unwrap();
        assert_eq!(bytes, entries.iter().map(|e| e.body.len()).sum::<usize>());
        drop(store);
        assert_eq!(world.store().verify_chain(None).unwrap(), Chain::Intact { rows: 100_000 });
    });
}

#[test]
fn p13_a_snapshot_of_two_runs_takes_the_place_of_the_first() {
    in_time(|| {
        let world = World::new();
        let mut store = world.store();
        let (key, tree) = (SnapshotKey("k1".to_owned()), TreeId::new(&"a".repeat(40)).unwrap());
        assert_eq!(store.snapshot_get(&key).unwrap(), None);
        store.snapshot_replace(&key, &tree, 1, "first").unwrap();
        store.snapshot_replace(&key, &tree, 2, "second").unwrap();
        drop(store);
        assert_eq!(world.store().snapshot_get(&key).unwrap().as_deref(), Some("second"));
    });
}

#[test]
fn signals_are_taken_once_and_oldest_first() {
    in_time(|| {
        let world = World::new();
        let mut engine = world.store();
        let mut sender = Store::open_existing(&world.db).unwrap().unwrap();
        let first = sender.signal_send("pause", "{}", 9).unwrap();
        let second = sender.signal_send("stop", r#"{"now":true}"#, 8).unwrap();
        assert!(second > first);
        let taken = engine.signals_waiting().unwrap();
        assert_eq!(
            taken.iter().map(|s| (s.id, s.kind.as_str())).collect::<Vec<_>>(),
            [(first, "pause"), (second, "stop")]
        );
        assert_eq!(taken[1].body, r#"{"now":true}"#);
        engine.append_answering(&mission("m1"), 11, &[], &[first, second]).unwrap();
        assert_eq!(engine.signals_waiting().unwrap(), []);

        let third = sender.signal_send("resume", "{}", 12).unwrap();
        assert_eq!(engine.signals_waiting().unwrap().len(), 1);
        engine.append_answering(&mission("m1"), 13, &[entry("resumed", "{}")], &[third]).unwrap();
        assert_eq!(sender.signals_waiting().unwrap(), []);
    });
}

#[test]
fn two_senders_and_an_engine_do_not_get_in_each_others_way() {
    in_time(|| {
        let world = World::new();
        let mut engine = world.store();
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let mut sender = Store::open_existing(&world.db).unwrap().unwrap();
                std::thread::spawn(move || {
                    (0..20).for_each(|i| assert!(sender.signal_send("inject", "{}", i).unwrap() > 0))
                })
            })
            .collect();
        for _ in 0..20 {
            engine.append(&mission("m1"), 1, &[entry("k", "{}")]).unwrap();
        }
        senders.into_iter().for_each(|s| s.join().unwrap());
        assert_eq!(engine.signals_waiting().unwrap().len(), 40);
        assert_eq!(engine.verify_chain(None).unwrap(), Chain::Intact { rows: 20 });
    });
}
