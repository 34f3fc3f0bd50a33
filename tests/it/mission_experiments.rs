//! The six experiments a person makes with a new scheduler, with the real program, real git and real processes.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::support::world::{World, own_file, unit, within};
use rustix::process::Signal;
use std::collections::BTreeMap;

fn eight() -> Vec<super::support::world::Unit> {
    (1..=8).map(|n| unit(&format!("u{n}"), &own_file(&format!("u{n}"), 0.1))).collect()
}

#[test]
fn p1_p6_eight_units_land_in_the_source_and_a_second_mission_builds_on_them() {
    within(120, || {
        let world = World::new();
        let main = world.git(&["rev-parse", "main"]);
        world.start(&world.plan(&eight())).exits(0);
        let files = world.green_files();
        for n in 1..=8 {
            assert!(files.contains(&format!("units/u{n}")), "{files:?}");
        }
        let mut landed = world.landed();
        landed.sort();
        assert_eq!(landed, ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"]);
        assert_eq!(world.git(&["rev-parse", "main"]), main);
        assert_eq!(world.git(&["status", "--porcelain"]), "");
        assert_eq!(world.git(&["symbolic-ref", "HEAD"]), "refs/heads/main");

        let first = world.git(&["rev-parse", "mc/green"]);
        let reads = unit("reader", "cat units/u1 units/u8 > both");
        world.start(&world.plan(&[reads])).exits(0);
        let base = world.kinds("attempt-started").last().unwrap().body["green"].clone();
        assert_eq!(base, first, "the second mission starts from the first one's green");
        assert_eq!(world.git(&["show", "mc/green:both"]), "made by u1\nmade by u8");
        world.git(&["merge-base", "--is-ancestor", &first, "mc/green"]);
        world.mc(&["audit"]).exits(0);
        world.nothing_lives();
    });
}
