//! Which hosts verify, and by whose environment.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::kit::{Fleet, held, quick};
use crate::support::world::{Unit, World, within};
use std::path::Path;

#[test]
fn p1_a_host_on_which_nothing_may_verify_gives_no_environment_to_the_base() {
    within(90, || {
        let mut fleet = Fleet::of_commands(&["one", "two"]).with(|fleet| {
            fleet.world_settings(
                "[target.verification]\n",
                "[target.verification]\nfingerprint = [\"cat ~/version\"]\n",
            );
            fleet.machines.iter().for_each(|host| std::fs::write(host.home().join("version"), &host.name).unwrap());
        });
        fleet.host_mut("one").verifiers = 0;
        // The one that verifies answers last.
        let answers = fleet.world.home().join("answers");
        fleet.host("two").lead_by(&format!("until test -e {}; do sleep 0.02; done", answers.display()));
        let units: Vec<Unit> = (0..3).map(|n| quick(&format!("u{n}"))).collect();
        let engine = fleet.start(&fleet.world.plan(&units));
        fleet.await_host("host-ready", "one", 1);
        std::fs::write(answers, "").unwrap();
        engine.end().exits(0);
        let [_, verifications] = fleet.used();
        assert_eq!(verifications.keys().collect::<Vec<_>>(), ["two"]);
        fleet.is_whole(&units);
    });
}

#[test]
fn p10_a_mission_that_is_resumed_while_no_host_answers_goes_on_as_soon_as_one_does() {
    within(90, || {
        let fleet = Fleet::of_commands(&["one"]);
        let units = [quick("a"), held("b"), quick("c").after(&["b"])];
        let mut engine = fleet.start(&fleet.world.plan(&units));
        fleet.await_work("b");
        engine.kill();
        let host = fleet.host("one");
        host.take_down();
        let engine = fleet.spawn(&["mission", "resume"]);
        fleet.await_host("host-benched", "one", 1);
        host.put_up();
        fleet.go();
        engine.end().exits(0);
        assert_eq!(fleet.attempts("b"), 1, "it was adopted");
        assert!(fleet.world.kinds("environment-changed").is_empty(), "nothing was verified anew");
        fleet.is_whole(&units);
    });
}

#[test]
fn p13_the_objective_is_checked_on_no_drained_host() {
    within(90, || {
        let world =
            World::with("for t in tests/*.sh; do sh \"$t\" || exit 1; done", "check = \"pwd >> HOME/checked-in\"");
        let fleet = Fleet::around(world, &["one", "two"]);
        let said = fleet.world.home().join("checked-in");
        fleet.world_settings("HOME/checked-in", &said.display().to_string());
        let units = [held("a")];
        let engine = fleet.start(&fleet.world.plan(&units));
        fleet.await_work("a");
        fleet.mc(&["hosts", "drain", "one"]).exits(0);
        fleet.await_host("host-drained", "one", 1);
        fleet.go();
        engine.end().exits(0);
        let places = std::fs::read_to_string(said).unwrap();
        let two = fleet.host("two").root();
        assert!(places.lines().all(|place| Path::new(place).starts_with(&two)), "{places}");
        fleet.is_whole(&units);
    });
}
