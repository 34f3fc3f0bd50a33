-- A unit whose attempt has ended and cannot be collected yet waits; it is at work again once that is tried.

DROP VIEW units;
CREATE VIEW units AS
WITH next_moves AS (
  SELECT seq, mission, kind, coalesce(json_extract(body, '$.unit'), json_extract(body, '$.source.unit.unit')) AS unit,
         CASE json_type(body, '$.next') WHEN 'text' THEN json_extract(body, '$.next')
              ELSE (SELECT key FROM json_each(body, '$.next') LIMIT 1) END AS next
  FROM journal
  WHERE kind IN ('session-started', 'attempt-judged', 'unit-blocked', 'unit-unblocked', 'unit-cancelled',
                 'unit-retried', 'landed', 'merge-empty', 'rejected', 'collect-failed', 'collect-asked')
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
