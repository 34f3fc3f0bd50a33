//! The SQL views tell the same as the fold, for random journals; and recorded journals fold as they always did.

use crate::support::scenario::random as random_scenario;
use mission_control::adapters::store::Entry;
use mission_control::domain::mission::{Mission, Record, State, UnitState};
use mission_control::domain::values::MissionId;
use mission_control::sim::run_scenario;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn stored(journal: &[Record], folder: &Path) -> PathBuf {
    let db = folder.join("mc.db");
    let mut store = crate::store::world::open(&db);
    let mission = MissionId::new("simulated").unwrap();
    let entries: Vec<Entry> =
        journal.iter().map(|r| Entry { kind: r.kind(), body: serde_json::to_string(r).unwrap() }).collect();
    store.append(&mission, 1, &entries).unwrap();
    db
}

fn column(db: &Connection, sql: &str) -> Vec<(String, String)> {
    let mut rows = db.prepare(sql).unwrap();
    let found = rows.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    found.map(Result::unwrap).collect()
}

/// A rollback of the newest landing of a mission, if it has one.
fn taken_back(state: &State) -> Option<Record> {
    let landed = state.units.iter().rev().find_map(|unit| unit.landed.clone())?;
    let to = state.green().cloned()?.tip;
    Some(Record::RolledBack { n: 1, at: 1, from: landed.commit.clone(), to, landings: vec![landed.commit] })
}

#[test]
fn p9_views_and_fold_agree() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let outcome = run_scenario(&random_scenario(seed), |_, _| {}).unwrap();
        let mut whole = outcome.journal.clone();
        whole.extend(taken_back(&outcome.state));
        // A cut in the middle shows running, queued and held units too.
        for part in [whole.len(), whole.len() - 1, whole.len() / 2, whole.len() / 3] {
            let journal = &whole[..part.max(1)];
            let state = Mission::replay(journal.to_vec()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let db = Connection::open(stored(journal, folder.path())).unwrap();
            let units = column(&db, "SELECT unit, state FROM units");
            assert_eq!(units.len(), state.units.len(), "seed {seed}");
            for (id, shown) in units {
                let unit = state.units.iter().find(|u| u.spec.id.as_str() == id).unwrap();
                assert_eq!(shown, unit.state.name(), "seed {seed}, {id}");
                seen.insert(shown);
            }
            let attempts: usize = state.units.iter().map(|u| u.attempts.len()).sum();
            assert_eq!(column(&db, "SELECT unit, CAST(n AS TEXT) FROM attempts").len(), attempts, "seed {seed}");
            let landed = column(&db, "SELECT unit, commit_id FROM landings WHERE unit IS NOT NULL");
            assert_eq!(landed.len(), state.units.iter().filter(|u| u.landed.is_some()).count(), "seed {seed}");
            let queued = column(&db, "SELECT unit, state FROM merge_requests WHERE state = 'queued'").len();
            let waiting = state.queue().count() + usize::from(state.landing().is_some());
            assert!(queued >= waiting.min(queued), "seed {seed}");
            let unknown = column(&db, "SELECT unit, 'x' FROM costs WHERE usd IS NULL").len() as u64;
            assert_eq!(unknown, state.account.unknown + state.agents_running(), "seed {seed}: unknown is never 0");
            let known =
                column(&db, "SELECT 'x', CAST(CAST(round(coalesce(sum(usd), 0) * 1e6) AS INTEGER) AS TEXT) FROM costs");
            assert_eq!(known[0].1, state.account.usd.0.to_string(), "seed {seed}");
        }
    }
    for state in [
        UnitState::Running,
        UnitState::Queued,
        UnitState::Held,
        UnitState::Blocked,
        UnitState::Rejected,
        UnitState::RolledBack,
    ] {
        assert!(seen.contains(state.name()), "{} was never seen: {seen:?}", state.name());
    }
}

/// What a fold of a journal amounts to, in words that stay the same when fields are added.
fn digest(state: &State) -> Value {
    json!({
        "state": serde_json::to_value(state.mission_state()).unwrap(),
        "outcome": state.outcome.as_ref().map(|(o, reason, code)| json!([serde_json::to_value(o).unwrap(), reason, code])),
        "units": state.units.iter().map(|u| json!({
            "id": u.spec.id, "state": u.state.name(), "round": u.round, "wave": u.wave,
            "attempts": u.attempts.iter().map(|a| serde_json::to_value(a.class).unwrap()).collect::<Vec<_>>(),
            "used": u.used, "landed": u.landed, "reason": u.reason,
        })).collect::<Vec<_>>(),
        "rounds": state.rounds.iter().map(|r| json!([r.index, r.landed, r.left_over])).collect::<Vec<_>>(),
        "green": state.green().map(|g| &g.tip),
        "verifications": [state.verifications_run, state.verifications_reused],
        "queue": state.queue().map(|m| m.id).collect::<Vec<_>>(),
        "problems": state.problems,
    })
}

/// Recorded journals are never changed. To add one: put `NAME.jsonl` (a record a line) into the folder and run this test
/// once with `MC_RECORD_JOURNALS=1`.
#[test]
fn p14_golden_journals_fold_to_the_recorded_state() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "jsonl") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let records: Vec<Record> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let found = serde_json::to_string_pretty(&digest(&Mission::replay(records).unwrap())).unwrap() + "\n";
        let expected = path.with_extension("state.json");
        if std::env::var_os("MC_RECORD_JOURNALS").is_some() && !expected.exists() {
            std::fs::write(&expected, &found).unwrap();
        }
        assert_eq!(found, std::fs::read_to_string(&expected).unwrap(), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 5, "the recorded journals are there: {seen}");
}

/// Writes journals of simulated missions for the recorded ones; run by hand with `--ignored`.
#[test]
#[ignore = "records journals, by hand"]
fn record_simulated_journals() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals");
    for seed in [3_u64, 41, 77, 1_234] {
        let outcome = run_scenario(&random_scenario(seed), |_, _| {}).unwrap();
        let lines: String = outcome.journal.iter().map(|r| serde_json::to_string(r).unwrap() + "\n").collect();
        let path = folder.join(format!("simulated-{seed}.jsonl"));
        if !path.exists() {
            std::fs::write(path, lines).unwrap();
        }
    }
}
