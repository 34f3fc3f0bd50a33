//! Missions without faults: what lands is what lands on one machine.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::kit::{Fleet, held, landed_files, quick};
use crate::support::tools::is_root;
use crate::support::world::{Unit, World, until, within};
use std::os::unix::fs::MetadataExt;

/// Whatever a unit makes, it makes with its test.
const BOTH_CAME: &str = "for f in units/*; do [ ! -e $f ] || [ -e tests/${f##*/}.sh ] || exit 1; done";

#[test]
#[ignore = "long: tests/run --long plays it"]
fn p1_p3_forty_units_on_this_machine_and_two_hosts_make_the_tree_that_they_make_here() {
    within(120, || {
        let units: Vec<Unit> = [held("held")].into_iter().chain((1..40).map(|n| quick(&format!("u{n}")))).collect();
        let world = || World::verified_by(BOTH_CAME);
        let alone = world();
        std::fs::write(alone.home().join("go"), "").unwrap();
        let alone_ends = alone.spawn_mission(&alone.plan(&units));
        let fleet = Fleet::of_servers_around(world(), &["one", "two"]).with(|fleet| fleet.local = 2);
        let engine = fleet.start(&fleet.world.plan(&units));
        // As long as it is at work here, a host that has less to do verifies.
        assert_eq!(fleet.await_work("held"), "local");
        until("landings", || (fleet.world.kinds("landed").len() >= 20).then_some(()));
        fleet.go();
        engine.end().exits(0);
        alone_ends.end().exits(0);
        alone.without_oracle("what it landed is what the other one landed, which is asked");
        assert_eq!(fleet.landed_files(), landed_files(&alone));
        let [sessions, verifications] = fleet.used();
        for name in ["one", "two"] {
            assert!(sessions.get(name).is_some_and(|count| *count > 2), "{sessions:?}");
        }
        assert!(verifications.get("one").is_some_and(|count| *count > 5), "{verifications:?}");
        assert_eq!(fleet.world.status()["units"].as_array().unwrap().len(), 40);
        fleet.is_whole(&units);
    });
}

#[test]
fn p1_an_ordinary_user_is_enough_on_a_host() {
    within(90, || {
        let fleet = Fleet::of_an_ordinary_user("plain");
        let units: Vec<Unit> = (0..6).map(|n| quick(&format!("u{n}"))).collect();
        fleet.start(&fleet.world.plan(&units)).end().exits(0);
        let [sessions, verifications] = fleet.used();
        assert_eq!((sessions["plain"], verifications.len()), (6, 1), "{verifications:?}");
        if is_root() {
            assert_eq!(std::fs::metadata(fleet.host("plain").base()).unwrap().uid(), 65534);
        }
        fleet.is_whole(&units);
    });
}

#[test]
fn p10_each_unit_of_a_full_fleet_is_told_with_its_host() {
    within(90, || {
        let fleet = Fleet::of_commands(&["one", "two"]);
        let units: Vec<Unit> = (0..4).map(|n| held(&format!("u{n}"))).collect();
        let engine = fleet.start(&fleet.world.plan(&units));
        units.iter().for_each(|unit| drop(fleet.await_work(&unit.id)));
        let status = fleet.world.status();
        for unit in status["units"].as_array().unwrap() {
            assert!(["one", "two"].contains(&unit["host"].as_str().unwrap_or_default()), "{unit}");
        }
        fleet.go();
        engine.end().exits(0);
        fleet.is_whole(&units);
    });
}
