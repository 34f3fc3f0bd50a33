//! Units that change the same file: each lands, with its turn where it lost to others before.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{self, Night};
use crate::support::world::{World, unit, until, within};

/// Units that each add a line to one file, at different times.
fn adding(count: usize) -> Vec<String> {
    let add = |n| night::unit(&format!("u{n}"), &format!("sleep 0.{n}; echo \"- entry {n}\" >> CHANGELOG.md"));
    (1..=count).map(add).collect()
}

#[test]
fn p10_eight_units_that_add_to_one_file_all_land() {
    let night = Night::new();
    night.settings("sh run.sh", "[scheduler.parallel]\nnum_workers = 8");
    night.write("CHANGELOG.md", "# Changes\n");
    night.commit("changes");
    let own: Vec<String> =
        (1..4).map(|n| night::unit(&format!("v{n}"), &format!("sleep 0.{n}; echo {n} > v{n}"))).collect();
    night.mission(&[adding(8), own].concat().join("\n")).exits(0);
    assert_eq!(night.sh("git show mc/green:CHANGELOG.md | grep -c entry"), "8");
    let status = night.status();
    assert!(status["units"].as_array().unwrap().iter().all(|unit| unit["state"] == "landed"), "{status}");
    // Nobody works in vain more than twice: at the first conflict, and at the one that gives it its turn.
    assert!(status["units"].as_array().unwrap().iter().all(|unit| unit["attempts"].as_u64() <= Some(3)), "{status}");
    night.audit();
}

#[test]
fn p4_p10_units_that_add_to_one_file_land_when_the_engine_is_killed_between() {
    within(60, || {
        let world = World::verified_by("sleep 0.05; for t in tests/*.sh; do sh \"$t\" || exit 1; done");
        world.commit("CHANGELOG.md", "# Changes\n");
        let add = |n: usize| unit(&format!("u{n}"), &format!("sleep 0.{n}; echo entry {n} >> CHANGELOG.md"));
        let plan = world.plan(&(1..7).map(add).collect::<Vec<_>>());
        let mut engine = world.spawn_mission(&plan);
        for lost in [1, 3, 5] {
            until("a conflict", || {
                let rejected = world.journal().iter().filter(|row| row.kind == "rejected").count();
                (rejected >= lost).then_some(())
            });
            engine.kill();
            engine = world.spawn_resume();
        }
        engine.end().exits(0);
        assert_eq!(world.git(&["show", "mc/green:CHANGELOG.md"]).lines().count(), 7);
        assert!(world.units().values().all(|state| state == "landed"), "{:?}", world.units());
    });
}
