-- Units taken back, requests of cancelled units, and costs where somebody measured them.

DROP VIEW units;
CREATE VIEW units AS
WITH next_moves AS (
  SELECT seq, mission, kind, coalesce(json_extract(body, '$.unit'), json_extract(body, '$.source.unit.unit')) AS unit,
         CASE json_type(body, '$.next') WHEN 'text' THEN json_extract(body, '$.next')
              ELSE (SELECT key FROM json_each(body, '$.next') LIMIT 1) END AS next
  FROM journal
  WHERE kind IN ('session-started', 'attempt-judged', 'unit-blocked', 'unit-unblocked', 'unit-cancelled',
                 'unit-retried', 'landed', 'merge-empty', 'rejected')
  UNION ALL
  SELECT j.seq, j.mission, j.kind, l.unit, NULL
  FROM journal j, json_each(j.body, '$.landings') c
  JOIN landings l ON l.mission = j.mission AND l.commit_id = c.value
  WHERE j.kind = 'rolled-back'
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY mission, unit ORDER BY seq DESC) AS newest FROM next_moves
)
SELECT p.mission, p.unit, p.title, p.round, p.wave, p.priority,
       CASE WHEN r.kind IS NULL OR r.kind IN ('unit-unblocked', 'unit-retried') THEN 'pending'
            WHEN r.kind = 'session-started' THEN 'running'
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

-- What an attempt cost in US dollars: nothing for a script, else what somebody measured; unknown is NULL, never 0.
DROP VIEW costs;
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
