//! The hash chain finds every planted change of the journal.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests")]

use crate::store::world::{World, entry, in_time, mission};
use mission_control::adapters::store::{Chain, Store};

fn verify(world: &World) -> Chain {
    Store::open_existing(&world.db).unwrap().unwrap().verify_chain(None).unwrap()
}

fn broken_at(chain: &Chain) -> Option<u64> {
    match chain {
        Chain::Intact { .. } => None,
        Chain::Broken { seq, .. } => Some(*seq),
    }
}

/// Plants `sql` in a fresh journal of 30 rows and gives the number of the row that is named broken.
fn planted(sql: &str) -> Option<u64> {
    let world = World::new();
    drop(world.filled(30));
    let changed = world.vandal().execute(sql, []).unwrap();
    assert!(changed > 0, "{sql} changed nothing");
    broken_at(&verify(&world))
}

#[test]
fn an_untouched_journal_is_intact() {
    in_time(|| {
        let world = World::new();
        assert_eq!(world.store().verify_chain(None).unwrap(), Chain::Intact { rows: 0 });
        drop(world.filled(30));
        drop(world.vandal());
        assert_eq!(verify(&world), Chain::Intact { rows: 30 });
    });
}

#[test]
fn twenty_changed_bytes_are_found_each_in_its_row() {
    in_time(|| {
        let flip = |text: &str, at: usize| format!("substr({text}, 1, {at}) || 'x' || substr({text}, {at} + 2)");
        let mut plants = Vec::new();
        for (column, places) in [("mission", [0, 1]), ("kind", [0, 5]), ("body", [0, 12]), ("hash", [0, 63])] {
            for at in places {
                for seq in [1, 17] {
                    plants.push((seq, format!("{column} = {}", flip(column, at))));
                }
            }
        }
        plants.push((3, "at_ms = at_ms + 1".to_owned()));
        plants.push((30, "at_ms = at_ms - 256".to_owned()));
        plants.push((9, "hash = upper(hash)".to_owned()));
        plants.push((12, "body = body || ' '".to_owned()));
        plants.push((13, "kind = substr(kind, 1, 4), body = substr(kind, 5) || body".to_owned()));
        plants.push((14, "body = CAST(x'ff' AS TEXT)".to_owned()));
        assert!(plants.len() >= 20);
        for (seq, change) in plants {
            let sql = format!("UPDATE journal SET {change} WHERE seq = {seq}");
            assert_eq!(planted(&sql), Some(seq), "{sql}");
        }
    });
}

#[test]
fn a_changed_number_a_missing_row_and_swapped_rows_are_found() {
    in_time(|| {
        assert_eq!(planted("UPDATE journal SET seq = 31 WHERE seq = 30"), Some(30));
        assert_eq!(planted("UPDATE journal SET seq = seq + 1000"), Some(1));
        assert_eq!(planted("DELETE FROM journal WHERE seq = 1"), Some(1));
        assert_eq!(planted("DELETE FROM journal WHERE seq = 20"), Some(20));
        let swap = |columns: &str| {
            format!(
                "UPDATE journal SET ({columns}) = (SELECT {columns} FROM journal j WHERE j.seq = 15 - journal.seq)
                 WHERE seq IN (7, 8)"
            )
        };
        assert_eq!(planted(&swap("mission, at_ms, kind, body, hash")), Some(7));
        assert_eq!(planted(&swap("mission, at_ms, kind, body")), Some(7));
    });
}

#[test]
fn a_row_of_another_journal_in_the_place_of_its_own_is_found() {
    in_time(|| {
        let (world, other) = (World::new(), World::new());
        other.store().append(&mission("m1"), 1, &[entry("first", "{}")]).unwrap();
        drop((world.filled(30), other.filled(30)));
        let attach = format!("ATTACH '{}' AS other", other.db.display());
        let vandal = world.vandal();
        vandal.execute(&attach, []).unwrap();
        let columns = "mission, at_ms, kind, body, hash";
        let splice = format!(
            "UPDATE main.journal SET ({columns}) = (SELECT {columns} FROM other.journal o WHERE o.seq = journal.seq)
             WHERE seq >= 12"
        );
        assert_eq!(vandal.execute(&splice, []).unwrap(), 19);
        drop(vandal);
        assert_eq!(broken_at(&verify(&world)), Some(12));
    });
}

#[test]
fn a_bit_flipped_in_the_file_is_found() {
    in_time(|| {
        let world = World::new();
        drop(world.filled(30));
        let mut bytes = std::fs::read(&world.db).unwrap();
        let place = bytes.windows(5).position(|w| w == b"\"u23\"").unwrap();
        bytes[place + 2] ^= 1;
        std::fs::write(&world.db, bytes).unwrap();
        assert_eq!(broken_at(&verify(&world)), Some(23));
    });
}

#[test]
fn a_cut_off_tail_is_found_by_who_remembers_the_head() {
    in_time(|| {
        let world = World::new();
        let store = world.filled(30);
        let head = store.head().unwrap();
        assert_eq!(store.verify_chain(Some(&head)).unwrap(), Chain::Intact { rows: 30 });
        drop(store);
        world.vandal().execute("DELETE FROM journal WHERE seq > 28", []).unwrap();
        let store = Store::open_existing(&world.db).unwrap().unwrap();
        assert_eq!(store.verify_chain(None).unwrap(), Chain::Intact { rows: 28 });
        assert_eq!(broken_at(&store.verify_chain(Some(&head)).unwrap()), Some(29));
    });
}

#[test]
fn a_journal_rewritten_as_a_whole_is_found_by_who_remembers_the_head() {
    in_time(|| {
        let (world, other) = (World::new(), World::new());
        let head = world.filled(12).head().unwrap();
        let store = other.filled(30);
        assert_eq!(store.verify_chain(Some(&head)).unwrap(), Chain::Intact { rows: 30 }, "the same first rows");
        let mut forged = head;
        forged.hash = forged.hash.replace(|c: char| c.is_ascii_digit(), "a");
        assert_eq!(broken_at(&store.verify_chain(Some(&forged)).unwrap()), Some(12));
    });
}
