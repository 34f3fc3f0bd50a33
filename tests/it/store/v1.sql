-- Schema version 1 with rows, hashes computed by an independent program from the encoding in chain.rs.
PRAGMA journal_mode = wal;
BEGIN;
-- "mc_1": tells a file of ours from any other SQLite file.
PRAGMA application_id = 1835228977;

CREATE TABLE journal (
    seq     INTEGER PRIMARY KEY,
    mission TEXT    NOT NULL,
    at_ms   INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    body    TEXT    NOT NULL CHECK (json_valid(body)),
    hash    TEXT    NOT NULL
) STRICT;

CREATE INDEX journal_by_mission ON journal (mission, seq);

-- REPLACE deletes without firing a delete trigger: the insert trigger closes that way too.
CREATE TRIGGER journal_grows_at_its_end BEFORE INSERT ON journal
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM journal)
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER journal_is_never_changed BEFORE UPDATE ON journal
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER journal_is_never_shortened BEFORE DELETE ON journal
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;

CREATE TABLE snapshots (
    key   TEXT    NOT NULL PRIMARY KEY,
    tree  TEXT    NOT NULL,
    at_ms INTEGER NOT NULL,
    body  TEXT    NOT NULL
) STRICT;

CREATE INDEX snapshots_by_tree ON snapshots (tree);

CREATE TABLE signals (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms    INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    taken_ms INTEGER
) STRICT;

CREATE INDEX signals_waiting ON signals (id) WHERE taken_ms IS NULL;
PRAGMA user_version = 1;
INSERT INTO journal VALUES (1, 'm7k', 1700000000000, 'mission-started', '{"v":1,"objective":"x"}', '4e70883fbb4521b0ca78d0ab727048a7971c0187ed23ee0653ff8ed522a02614');
INSERT INTO journal VALUES (2, 'm7k', 1700000000001, 'unit-started', '{"unit":"u1","n":1}', 'b6ecfde5b2ed6f52444302647db88160f6f2e9d1c9ecfc5da0cb9bc90efcde82');
INSERT INTO journal VALUES (3, 'm8q', 1700000000002, 'note', '{"title":"Übung"}', '2979a5b7f021071e983d4d6fe30d817fe29a8ff4537d4d319d793070226f6191');
INSERT INTO snapshots VALUES ('k', 't', 1, '{}');
INSERT INTO signals (at_ms, kind, body, taken_ms) VALUES (1, 'pause', '{}', 2), (3, 'stop', '{}', NULL);
COMMIT;
