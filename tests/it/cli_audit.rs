//! `mc audit` on a repository in which a unit really landed, and on the same one with each claim made false.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::os::environment::Environment;
use mission_control::adapters::store::place::StateDir;
use mission_control::adapters::store::{Entry, Store};
use mission_control::domain::mission::{DecidedBy, JOURNAL_FORMAT, MergeSource, Record};
use mission_control::domain::plan::graph::Plan;
use mission_control::domain::unit::UnitSpec;
use mission_control::domain::values::{LandingId, MissionId, RequestId, Tip, TreeId, UnitId};
use mission_control::domain::verify::snapshot::{Snapshot, StageResult};
use mission_control::domain::verify::{SnapshotKey, StageOutcome, Verdict};
use std::collections::BTreeSet;
use std::sync::Arc;

const KEY: &str = "0123abcd";

struct Landed {
    world: World,
    tip: Tip,
}

/// A world in which unit `api` of mission `m1` landed on green; the landing commit has these trailers, its snapshot this
/// outcome (no snapshot without one).
async fn landed(trailers: &str, outcome: Option<StageOutcome>) -> Landed {
    let world = World::new().await;
    world.sh("git switch -qc work && echo two >> a && git commit -qam work && git switch -q main").await;
    let tree = world.sh("git rev-parse work^{tree}").await;
    let message = format!("Land api\n\n{}", trailers.replace("TREE", &tree));
    let commit = world.sh(&format!("git commit-tree -p main -p work -m '{message}' {tree}")).await;
    world.sh(&format!("git update-ref refs/heads/mc/green {commit}")).await;
    let tip = Tip { commit: world.id(&commit).await, tree: TreeId::new(&tree).unwrap() };
    let unit = UnitId::new("api").unwrap();
    let plan = Plan::build(vec![UnitSpec::new(unit.clone(), "Api")], &BTreeSet::new()).unwrap();
    let source = MergeSource::Unit { unit, n: 1 };
    let records = [
        Record::MissionStarted {
            format: JOURNAL_FORMAT,
            decided_by: DecidedBy::this(),
            mission: MissionId::new("m1").unwrap(),
            at: 0,
            objective: String::new(),
            policy: Box::default(),
            plan: None,
            settings: serde_json::Value::Null,
        },
        Record::RoundOpened { round: 1, at: 0 },
        Record::RoundPlanned {
            round: 1,
            units: plan.units.into_iter().map(Arc::new).collect(),
            edges: plan.edges,
            wave_of: plan.wave_of,
            left_over: 0,
            aside: Vec::new(),
            reopened: Vec::new(),
        },
        Record::LandIntended {
            landing: LandingId(1),
            candidate: tip.clone(),
            expected: world.id("main").await,
            key: SnapshotKey(KEY.to_owned()),
            verdict: Verdict::Helped,
            accept_before: None,
            extra: None,
        },
        Record::Landed {
            landing: LandingId(1),
            mr: RequestId(1),
            source,
            at: 5,
            candidate: tip.clone(),
            green: tip.clone(),
            verdict: Verdict::Helped,
            reasons: Vec::new(),
        },
    ];
    let mut store = store(&world);
    for record in &records {
        let entry = Entry { kind: record.kind(), body: serde_json::to_string(record).unwrap() };
        store.append(&MissionId::new("m1").unwrap(), 1, &[entry]).unwrap();
    }
    if let Some(outcome) = outcome {
        let stage = StageResult { name: "unit".to_owned(), outcome, ..StageResult::default() };
        let body = serde_json::to_string(&Snapshot { stages: vec![stage], ..Snapshot::default() }).unwrap();
        store.snapshot_replace(&SnapshotKey(KEY.to_owned()), &tip.tree, 1, &body).unwrap();
    }
    Landed { world, tip }
}

fn db(world: &World) -> std::path::PathBuf {
    place(world).db()
}

fn store(world: &World) -> Store {
    let place = place(world);
    place.create().unwrap();
    crate::store_world::open(&place.db())
}

fn place(world: &World) -> StateDir {
    let env = Environment::empty(world.home()).with("HOME", world.home());
    StateDir::locate(&world.repo().join(".git"), &env).unwrap()
}

const TRAILERS: &str = "Mc-Mission: m1\nMc-Unit: api\nMc-Attempt: 1\nMc-Verified-Tree: TREE\nMc-Snapshot: 0123abcd";

/// Runs the audit; what it says must be this.
async fn says(world: &World, code: i32, line: &str) {
    let said = world.mc(&["audit"]).await;
    assert_eq!(said.code, code, "{}{}", said.out, said.err);
    assert!(said.out.starts_with(line), "{}", said.out);
}

#[test]
fn p1_p3_what_landed_holds_and_each_false_claim_is_named() {
    within_a_minute(async {
        let Landed { world, tip } = landed(TRAILERS, Some(StageOutcome::Passed)).await;
        says(&world, 0, "all holds: 5 journal rows, 1 missions, 1 landings, 0 pins checked\n").await;
        assert!(!world.mc_ok(&["report"]).await.contains("WRONG"));
        let short = tip.commit.short();

        world.sh("git update-ref refs/heads/mc/green main").await;
        says(&world, 4, &format!("mission m1, api: its commit {short} is not contained in green at ")).await;
        assert!(world.mc_ok(&["report"]).await.starts_with("WRONG: "), "the report says so too");

        let not_run = landed(TRAILERS, Some(StageOutcome::NotRun)).await;
        says(&not_run.world, 4, "mission m1, api: its snapshot was not run\n").await;
        let unverified = landed(TRAILERS, None).await;
        says(&unverified.world, 4, "mission m1, api: no snapshot of its tree is stored (0123abcd)\n").await;
        let unsigned = landed("Mc-Unit: api", Some(StageOutcome::Passed)).await;
        let short = unsigned.tip.commit.short();
        says(&unsigned.world, 4, &format!("mission m1, api: its commit {short} lacks the trailer `Mc-Mission: m1`\n"))
            .await;

        let db = db(&unsigned.world);
        let tamper = "DROP TRIGGER journal_is_never_changed; UPDATE journal SET at_ms = 9 WHERE seq = 4";
        rusqlite::Connection::open(db).unwrap().execute_batch(tamper).unwrap();
        says(&unsigned.world, 4, "row 4 of the journal was changed: ").await;
    });
}
