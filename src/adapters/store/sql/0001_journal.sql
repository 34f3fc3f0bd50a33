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
