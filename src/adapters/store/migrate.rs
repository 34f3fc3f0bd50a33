//! Numbered migrations of `mc.db`, counted by `PRAGMA user_version`.
//!
//! A migration is never changed once released: the next one gets the next number. Each is applied in a transaction
//! together with its number, so that a file is always at one version or the other.

use rusqlite::{Connection, TransactionBehavior};

/// What [`migrate`] applies; the version of a file is the number of those it has had.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("sql/0001_journal.sql"),
    include_str!("sql/0002_views.sql"),
    include_str!("sql/0003_control.sql"),
    include_str!("sql/0004_engine.sql"),
    include_str!("sql/0005_collecting.sql"),
];

/// `PRAGMA application_id` of our files, set by the first migration.
pub(super) const APPLICATION_ID: i64 = 1_835_228_977;

/// The version of a file.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Applies those of `migrations` the file has not had.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    loop {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let have = version(&step)?;
        let Some(sql) = migrations.get(have) else { return Ok(()) };
        step.execute_batch(sql)?;
        step.pragma_update(None, "user_version", i64::try_from(have + 1).unwrap_or(i64::MAX))?;
        step.commit()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: &str = "ALTER TABLE signals ADD COLUMN origin TEXT NOT NULL DEFAULT 'cli';
                        CREATE VIEW kinds AS SELECT kind, count(*) AS n FROM journal GROUP BY kind;";

    fn with_rows() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        connection
            .execute_batch(
                r#"INSERT INTO journal VALUES (1, 'm1', 5, 'k', '{"a":1}', 'h'), (2, 'm1', 6, 'k', '{}', 'i');
                   INSERT INTO signals (at_ms, kind, body) VALUES (1, 'stop', '{}');"#,
            )
            .unwrap();
        connection
    }

    #[test]
    fn a_later_migration_keeps_the_rows() {
        let mut connection = with_rows();
        let have = version(&connection).unwrap();
        let later: Vec<&str> = MIGRATIONS.iter().copied().chain([NEXT]).collect();
        migrate(&mut connection, &later).unwrap();
        assert_eq!(version(&connection).unwrap(), have + 1);
        let n: i64 = connection.query_row("SELECT n FROM kinds WHERE kind = 'k'", [], |r| r.get(0)).unwrap();
        let origin: String = connection.query_row("SELECT origin FROM signals", [], |r| r.get(0)).unwrap();
        assert_eq!((n, origin.as_str()), (2, "cli"));
        migrate(&mut connection, &later).unwrap();
        assert_eq!(version(&connection).unwrap(), have + 1);
    }

    #[test]
    fn a_journal_from_before_epochs_keeps_its_rows_and_begins_at_none() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &MIGRATIONS[..3]).unwrap();
        connection.execute_batch("INSERT INTO journal VALUES (1, 'm1', 5, 'k', '{}', 'h')").unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        let read = |sql: &str| connection.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap();
        assert_eq!((read("SELECT epoch FROM engine"), read("SELECT count(*) FROM journal")), (0, 1));
        connection.execute_batch("UPDATE engine SET epoch = 4").unwrap();
        for back in ["UPDATE engine SET epoch = 4", "UPDATE engine SET epoch = 3", "DELETE FROM engine"] {
            connection.execute_batch(back).unwrap_err();
        }
    }

    #[test]
    fn a_migration_that_fails_half_way_leaves_the_older_version_whole() {
        let mut connection = with_rows();
        let have = version(&connection).unwrap();
        let broken = format!("{NEXT} INSERT INTO no_such_table VALUES (1);");
        let later: Vec<&str> = MIGRATIONS.iter().copied().chain([broken.as_str()]).collect();
        migrate(&mut connection, &later).unwrap_err();
        assert_eq!(version(&connection).unwrap(), have);
        connection.prepare("SELECT origin FROM signals").unwrap_err();
        let rows: i64 = connection.query_row("SELECT count(*) FROM journal", [], |r| r.get(0)).unwrap();
        assert_eq!(rows, 2);
    }

    #[test]
    fn the_first_migration_marks_the_file_as_ours() {
        let connection = with_rows();
        let id: i64 = connection.pragma_query_value(None, "application_id", |r| r.get(0)).unwrap();
        assert_eq!(id, APPLICATION_ID);
    }
}
