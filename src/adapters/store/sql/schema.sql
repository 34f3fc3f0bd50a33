-- Everything of mc.db. A file is made with it whole; see `file.rs`.
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

-- Which engine may write: each one that begins takes the next epoch, and every append of an older one is refused. `card` is
-- who it is, as in refs/mc/owner.
CREATE TABLE engine (
    only  INTEGER PRIMARY KEY CHECK (only = 1),
    epoch INTEGER NOT NULL,
    card  TEXT    NOT NULL
) STRICT;

INSERT INTO engine VALUES (1, 0, '');

CREATE TRIGGER an_epoch_only_grows BEFORE UPDATE ON engine
WHEN NEW.epoch <= OLD.epoch
BEGIN SELECT raise(ABORT, 'an epoch only grows'); END;

CREATE TRIGGER an_epoch_is_never_forgotten BEFORE DELETE ON engine
BEGIN SELECT raise(ABORT, 'an epoch only grows'); END;

-- Views for people and scripts over the journal's JSON. mc itself never reads them: its state is the fold of the journal.

CREATE VIEW plan AS
SELECT j.mission, json_extract(j.body, '$.round') AS round,
       json_extract(j.body, '$.wave_of[' || u.key || ']') AS wave,
       json_extract(u.value, '$.id') AS unit, json_extract(u.value, '$.priority') AS priority,
       json_extract(u.value, '$.title') AS title, coalesce(json_extract(u.value, '$.depends'), '[]') AS depends
FROM journal j, json_each(j.body, '$.units') u
WHERE j.kind = 'round-planned';

CREATE VIEW attempts AS
SELECT s.mission, json_extract(s.body, '$.unit') AS unit, json_extract(s.body, '$.n') AS n,
       json_extract(s.body, '$.session') AS session, json_extract(s.body, '$.slot') AS slot, json_extract(s.body, '$.host') AS host,
       json_extract(s.body, '$.green') AS base, json_extract(s.body, '$.from') AS started_from,
       s.at_ms AS started_ms, j.at_ms AS ended_ms, json_extract(j.body, '$.class') AS class,
       json_extract(e.body, '$.report.work.head.commit') AS head
FROM journal s
LEFT JOIN journal j
  ON j.kind = 'attempt-judged' AND j.mission = s.mission
 AND json_extract(j.body, '$.session') = json_extract(s.body, '$.session')
LEFT JOIN journal e
  ON e.kind = 'session-ended' AND e.mission = s.mission
 AND json_extract(e.body, '$.session') = json_extract(s.body, '$.session')
WHERE s.kind = 'session-started' AND json_extract(s.body, '$.role') = 'worker';

CREATE VIEW landings AS
SELECT mission, json_extract(body, '$.source.unit.unit') AS unit, json_extract(body, '$.source.unit.n') AS n,
       json_extract(body, '$.candidate.commit') AS commit_id, json_extract(body, '$.candidate.tree') AS tree,
       json_extract(body, '$.verdict') AS verdict, at_ms
FROM journal WHERE kind = 'landed';

CREATE VIEW merge_requests AS
WITH made AS (
  SELECT mission, json_extract(body, '$.next.queue.mr') AS mr, json_extract(body, '$.unit') AS unit,
         json_extract(body, '$.n') AS n, at_ms
  FROM journal WHERE kind = 'attempt-judged' AND json_extract(body, '$.next.queue.mr') IS NOT NULL
  UNION ALL
  SELECT mission, json_extract(body, '$.intake.mr'), NULL, NULL, at_ms
  FROM journal WHERE kind = 'target-seen' AND json_extract(body, '$.intake.mr') IS NOT NULL
)
SELECT made.mission, made.mr, made.unit, made.n, made.at_ms AS arrived_ms,
       coalesce((SELECT CASE j.kind WHEN 'merge-empty' THEN 'no-op' ELSE j.kind END FROM journal j
                 WHERE j.mission = made.mission AND j.kind IN ('landed', 'rejected', 'merge-empty')
                   AND json_extract(j.body, '$.mr') = made.mr ORDER BY j.seq DESC LIMIT 1), 'queued') AS state
FROM made;

-- A unit whose attempt has ended and cannot be collected yet waits; it is at work again once that is tried.
CREATE VIEW units AS
WITH next_moves AS (
  SELECT seq, mission, kind, coalesce(json_extract(body, '$.unit'), json_extract(body, '$.source.unit.unit')) AS unit,
         CASE json_type(body, '$.next') WHEN 'text' THEN json_extract(body, '$.next')
              ELSE (SELECT key FROM json_each(body, '$.next') LIMIT 1) END AS next
  FROM journal
  WHERE kind IN ('session-started', 'attempt-judged', 'unit-blocked', 'unit-unblocked', 'unit-cancelled',
                 'unit-retried', 'unit-held', 'landed', 'merge-empty', 'rejected', 'collect-failed', 'collect-asked')
  UNION ALL
  SELECT j.seq, j.mission, j.kind, l.unit, NULL
  FROM journal j, json_each(j.body, '$.landings') c
  JOIN landings l ON l.mission = j.mission AND l.commit_id = c.value
  WHERE j.kind = 'rolled-back'
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY mission, unit ORDER BY seq DESC) AS newest FROM next_moves
)
SELECT p.mission, p.unit, p.title, p.round, p.wave, p.priority,
       CASE WHEN r.kind IS NULL OR r.kind IN ('unit-unblocked', 'unit-retried', 'collect-failed') THEN 'pending'
            WHEN r.kind IN ('session-started', 'collect-asked') THEN 'running'
            WHEN r.kind = 'unit-blocked' THEN 'blocked'
            WHEN r.kind = 'unit-held' THEN 'held'
            WHEN r.kind = 'unit-cancelled' THEN 'cancelled'
            WHEN r.kind = 'landed' THEN 'landed'
            WHEN r.kind = 'rolled-back' THEN 'rolled-back'
            WHEN r.kind = 'merge-empty' THEN 'no-op'
            ELSE CASE r.next WHEN 'queue' THEN 'queued' WHEN 'retry' THEN 'pending' WHEN 'hold' THEN 'held'
                             WHEN 'fail' THEN 'failed' WHEN 'reject' THEN 'rejected' ELSE r.next END
       END AS state,
       (SELECT count(*) FROM journal j WHERE j.mission = p.mission AND j.kind = 'session-started'
          AND json_extract(j.body, '$.unit') = p.unit) AS attempts
FROM plan p LEFT JOIN ranked r ON r.mission = p.mission AND r.unit = p.unit AND r.newest = 1;

-- What an attempt cost in US dollars: nothing for a script, else what somebody measured; unknown is NULL, never 0.
CREATE VIEW costs AS
SELECT a.mission, a.unit, a.n,
       CASE WHEN s.run IS NOT NULL OR a.class = 'never-started' THEN 0.0
            ELSE json_extract(e.body, '$.report.agent.cost.usd') / 1000000.0 END AS usd,
       CASE WHEN s.run IS NOT NULL OR a.class = 'never-started' THEN 0
            ELSE json_extract(e.body, '$.report.agent.cost.tokens') END AS tokens
FROM attempts a
LEFT JOIN (SELECT j.mission, json_extract(u.value, '$.id') AS unit, json_extract(u.value, '$.run') AS run
           FROM journal j, json_each(j.body, '$.units') u WHERE j.kind = 'round-planned') s
  ON s.mission = a.mission AND s.unit = a.unit
LEFT JOIN journal e
  ON e.kind = 'session-ended' AND e.mission = a.mission AND a.class IS NOT NULL
 AND json_extract(e.body, '$.session') = a.session;

-- The version of this schema.
PRAGMA user_version = 6;
COMMIT;
