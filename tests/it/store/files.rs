//! Files that are no good: damaged, foreign, newer, missing. They are named, and left as they are.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests")]

use crate::store::world::{World, in_time};
use mission_control::adapters::store::{Store, StoreError};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Opens the database as engine and as reader (which must read something); both must refuse with the same message and
/// leave the file as it was.
fn refused(db: &Path) -> String {
    let before = std::fs::read(db).unwrap();
    let engine = Store::open(db).unwrap_err();
    assert_eq!(std::fs::read(db).unwrap(), before, "the engine changed a bad file");
    let reader = Store::open_existing(db).and_then(|s| s.unwrap().rows(None, 0).map(|_| ())).unwrap_err();
    assert_eq!(std::fs::read(db).unwrap(), before, "a reader changed a bad file");
    assert_eq!(std::mem::discriminant(&engine), std::mem::discriminant(&reader), "{engine:?} {reader:?}");
    let message = engine.to_string();
    assert!(message.contains(db.to_str().unwrap()), "{message}");
    message
}

fn says_where_the_work_is(message: &str) {
    assert!(message.contains("refs/mc/") && message.contains("nothing was changed"), "{message}");
}

#[test]
fn garbage_is_refused_untouched() {
    in_time(|| {
        for garbage in [&b"x"[..], b"this is not a database\n", &[0; 8192], &[0xa5; 5000]] {
            let world = World::new();
            std::fs::write(&world.db, garbage).unwrap();
            says_where_the_work_is(&refused(&world.db));
        }
    });
}

#[test]
fn an_empty_file_is_damage_and_not_a_new_journal() {
    in_time(|| {
        let world = World::new();
        std::fs::write(&world.db, b"").unwrap();
        let message = refused(&world.db);
        says_where_the_work_is(&message);
        assert!(message.contains("the file is empty"), "{message}");
    });
}

#[test]
fn a_truncated_file_is_refused_untouched() {
    in_time(|| {
        let world = World::new();
        drop(world.filled(300));
        let whole = std::fs::read(&world.db).unwrap();
        for length in [20, 50, 4096, whole.len() / 2, whole.len() - 4096] {
            std::fs::write(&world.db, &whole[..length]).unwrap();
            says_where_the_work_is(&refused(&world.db));
        }
        // SQLite does not see this one.
        std::fs::write(&world.db, &whole[..whole.len() - 1]).unwrap();
        let engine = Store::open(&world.db).unwrap_err();
        says_where_the_work_is(&engine.to_string());
        assert_eq!(std::fs::read(&world.db).unwrap(), &whole[..whole.len() - 1]);
    });
}

#[test]
fn damage_inside_is_refused_untouched() {
    in_time(|| {
        let world = World::new();
        drop(world.filled(300));
        let mut bytes = std::fs::read(&world.db).unwrap();
        let middle = bytes.windows(6).position(|w| w == b"\"u150\"").unwrap() & !0xfff;
        bytes[middle..middle + 64].fill(0xff);
        std::fs::write(&world.db, bytes).unwrap();
        says_where_the_work_is(&refused(&world.db));
    });
}

#[test]
fn a_damaged_file_with_a_log_beside_it_is_not_written_to_on_closing() {
    in_time(|| {
        let world = World::new();
        drop(world.filled(300));
        let stranger = world.stranger();
        stranger.execute("INSERT INTO signals (at_ms, kind, body) VALUES (1, 'stop', '{}')", []).unwrap();
        let copy = World::new();
        for end in ["", "-wal"] {
            std::fs::copy(format!("{}{end}", world.db.display()), format!("{}{end}", copy.db.display())).unwrap();
        }
        let mut bytes = std::fs::read(&copy.db).unwrap();
        let middle = bytes.windows(6).position(|w| w == b"\"u150\"").unwrap() & !0xfff;
        bytes[middle..middle + 64].fill(0xff);
        std::fs::write(&copy.db, bytes).unwrap();
        says_where_the_work_is(&refused(&copy.db));
    });
}

#[test]
fn a_log_without_its_file_is_not_replayed_into_a_new_one() {
    in_time(|| {
        let world = World::new();
        drop(world.filled(3));
        let stranger = world.stranger();
        stranger.execute("INSERT INTO signals (at_ms, kind, body) VALUES (1, 'stop', '{}')", []).unwrap();
        let copy = World::new();
        std::fs::copy(format!("{}-wal", world.db.display()), format!("{}-wal", copy.db.display())).unwrap();
        let (engine, reader) = (Store::open(&copy.db).unwrap_err(), Store::open_existing(&copy.db).unwrap_err());
        says_where_the_work_is(&engine.to_string());
        says_where_the_work_is(&reader.to_string());
        assert!(!copy.db.exists());
    });
}

#[test]
fn a_newer_file_is_refused_naming_both_versions() {
    in_time(|| {
        let world = World::new();
        drop(world.filled(3));
        let known: i64 = world.stranger().pragma_query_value(None, "user_version", |r| r.get(0)).unwrap();
        world.stranger().pragma_update(None, "user_version", 7_777).unwrap();
        let message = refused(&world.db);
        assert!(message.contains("version 7777") && message.contains(&format!("up to {known}")), "{message}");
        assert!(matches!(Store::open(&world.db).unwrap_err(), StoreError::Newer { found: 7_777, .. }));
    });
}

#[test]
fn a_database_of_another_program_is_refused_untouched() {
    in_time(|| {
        let world = World::new();
        world.stranger().execute_batch("CREATE TABLE journal (x); PRAGMA user_version = 1;").unwrap();
        assert!(refused(&world.db).contains("another program"));
    });
}

#[test]
fn reading_makes_nothing_and_opening_makes_a_private_file() {
    in_time(|| {
        let world = World::new();
        assert!(Store::open_existing(&world.db).unwrap().is_none());
        assert_eq!(std::fs::read_dir(world.dir.path()).unwrap().count(), 0);
        drop(Store::open(&world.db).unwrap());
        let names: Vec<_> = std::fs::read_dir(world.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["mc.db"]);
        assert_eq!(world.db.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    });
}

#[test]
fn a_folder_that_is_missing_is_an_error_that_names_it() {
    in_time(|| {
        let world = World::new();
        let db = world.dir.path().join("gone/mc.db");
        assert!(Store::open(&db).unwrap_err().to_string().contains("gone/mc.db"));
    });
}

#[test]
fn an_epoch_only_grows() {
    in_time(|| {
        let world = World::new();
        drop(world.store());
        let stranger = world.stranger();
        for back in ["UPDATE engine SET epoch = 0", "DELETE FROM engine"] {
            stranger.execute_batch(back).unwrap_err();
        }
    });
}
