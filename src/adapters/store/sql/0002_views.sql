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

CREATE VIEW units AS
WITH next_moves AS (
  SELECT seq, mission, kind, coalesce(json_extract(body, '$.unit'), json_extract(body, '$.source.unit.unit')) AS unit,
         CASE json_type(body, '$.next') WHEN 'text' THEN json_extract(body, '$.next')
              ELSE (SELECT key FROM json_each(body, '$.next') LIMIT 1) END AS next
  FROM journal
  WHERE kind IN ('session-started', 'attempt-judged', 'unit-blocked', 'unit-unblocked', 'unit-cancelled',
                 'unit-retried', 'landed', 'merge-empty', 'rejected')
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY mission, unit ORDER BY seq DESC) AS newest FROM next_moves
)
SELECT p.mission, p.unit, p.title, p.round, p.wave, p.priority,
       CASE WHEN r.kind IS NULL OR r.kind IN ('unit-unblocked', 'unit-retried') THEN 'pending'
            WHEN r.kind = 'session-started' THEN 'running'
            WHEN r.kind = 'unit-blocked' THEN 'blocked'
            WHEN r.kind = 'unit-cancelled' THEN 'cancelled'
            WHEN r.kind = 'landed' THEN 'landed'
            WHEN r.kind = 'merge-empty' THEN 'no-op'
            ELSE CASE r.next WHEN 'queue' THEN 'queued' WHEN 'retry' THEN 'pending' WHEN 'hold' THEN 'held'
                             WHEN 'fail' THEN 'failed' WHEN 'reject' THEN 'rejected' ELSE r.next END
       END AS state,
       (SELECT count(*) FROM journal j WHERE j.mission = p.mission AND j.kind = 'session-started'
          AND json_extract(j.body, '$.unit') = p.unit) AS attempts
FROM plan p LEFT JOIN ranked r ON r.mission = p.mission AND r.unit = p.unit AND r.newest = 1;

-- What an attempt cost. No agent of this version tells, and unknown is never 0.
CREATE VIEW costs AS
SELECT mission, unit, n, NULL AS usd, NULL AS tokens FROM attempts;
