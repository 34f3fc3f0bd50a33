//! What is left on hosts when missions are over, and how it goes away: nothing before it is here.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::kit::{Fleet, quick, stuck};
use crate::support::world::{World, until, within};
use std::path::PathBuf;
use std::time::Duration;

/// A verification that never ends where `b` came in.
const HANGS: &str = "while test -e units/b; do sleep 0.05; done";

/// A fleet of one host whose engine was killed while an attempt and a verification were on it, and whose mission was ended while it
/// was out of reach: both are there still.
fn abandoned() -> Fleet {
    let fleet = Fleet::around(World::verified_by(HANGS), &["one"]);
    let mut engine = fleet.start(&fleet.world.plan(&[stuck("a"), quick("b")]));
    until("its work", || fleet.world.witness().iter().any(|seen| seen.what == "stuck").then_some(()));
    let slots = || dirty_slots(&fleet);
    until("a verification of what landed there", || {
        (slots().iter().any(|label| label.contains("/.verify/")) && landing(&fleet)).then_some(())
    });
    let host = fleet.host("one");
    engine.kill();
    host.take_down();
    host.end_worker();
    let said = fleet.mc(&["mission", "stop", "--now"]).exits(0);
    assert!(said.out.contains("one does not answer"), "{}{}", said.out, said.err);
    assert!(!host.processes(&fleet.world).is_empty());
    host.put_up();
    fleet
}

/// Whether a change is verified.
fn landing(fleet: &Fleet) -> bool {
    fleet.world.kinds("verify-started").len() >= 2
}

/// Who has slots on the host.
fn dirty_slots(fleet: &Fleet) -> Vec<String> {
    let pool = std::fs::read_dir(fleet.host("one").base().join("pool")).into_iter().flatten().flatten();
    let marks = pool.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "dirty"));
    marks.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

fn mirror(fleet: &Fleet) -> PathBuf {
    fleet.host("one").base().join("mirror.git")
}

/// A commit that only the host has, under this name there.
fn plant(fleet: &Fleet, name: &str) {
    let line = format!(
        "cd {} && c=$(git commit-tree -m planted HEAD^{{tree}} 2>/dev/null || git commit-tree -m planted $(git for-each-ref \
         --count=1 --format='%(objectname)' refs/mc/sent)^{{tree}}) && git update-ref {name} $c",
        mirror(fleet).display()
    );
    assert!(fleet.world.shell(&line).status().unwrap().success());
}

/// The mission's id.
fn mission(fleet: &Fleet) -> String {
    fleet.world.status()["mission"]["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn is_clean(fleet: &Fleet) {
    assert!(!fleet.host("one").root().exists(), "something is left on the host");
    let pins = fleet.world.refs("refs/mc/attempts");
    let pin = pins.keys().find(|name| name.ends_with("/a/1")).unwrap_or_else(|| panic!("it is not here: {pins:?}"));
    assert_eq!(fleet.world.git(&["show", &format!("{pin}:late.txt")]), "late");
    fleet.world.nothing_lives();
}

#[test]
fn p2_p5_what_an_ended_mission_left_on_a_host_comes_home_before_the_host_is_cleaned() {
    within(90, || {
        let fleet = abandoned();
        // What the engine remembered of its sessions goes.
        fleet.mc(&["clean", "--keep", "0", "--older-than", "0s", "--yes"]).exits(0);
        let would = fleet.mc(&["hosts", "clean", "--dry-run"]).exits(6);
        assert!(!fleet.host("one").processes(&fleet.world).is_empty(), "a dry run ends nothing");
        fleet.mc(&["hosts", "clean"]).exits(0);
        assert_eq!(would.out.matches("has to be brought here or ended first").count(), 4, "{}", would.out);
        is_clean(&fleet);
        fleet.is_sound();
    });
}

#[test]
fn p2_every_pin_of_a_known_mission_comes_home_and_those_of_others_stay() {
    within(90, || {
        let fleet = Fleet::of_commands(&["one"]);
        fleet.start(&fleet.world.plan(&[quick("b")])).end().exits(0);
        let id = mission(&fleet);
        // Where sessions are remembered, only work of attempts that were placed there is taken.
        fleet.mc(&["clean", "--keep", "0", "--older-than", "0s", "--yes"]).exits(0);
        let planted = ["attempts/ID/b/7", "kept/ID/b/8", "progress/ID/b/9"]
            .map(|name| format!("refs/mc/{}", name.replace("ID", &id)));
        planted.iter().for_each(|name| plant(&fleet, name));
        plant(&fleet, "refs/mc/kept/m-other/b/1");
        let said = fleet.mc(&["hosts", "clean"]).exits(6);
        assert!(said.out.contains("refs/mc/kept/m-other/b/1 stays: it is work that was not brought"), "{}", said.out);
        assert!(mirror(&fleet).exists());
        for name in &planted {
            assert_eq!(fleet.world.refs(name).len(), 1, "{name} is not here");
            assert!(!said.out.contains(name), "{}", said.out);
        }
        assert!(fleet.world.refs("refs/mc/kept/m-other").is_empty());
        let other = format!("git --git-dir={} update-ref -d refs/mc/kept/m-other/b/1", mirror(&fleet).display());
        assert!(fleet.world.shell(&other).status().unwrap().success());
        fleet.mc(&["hosts", "clean"]).exits(0);
        assert!(!fleet.host("one").root().exists());
        fleet.world.nothing_lives();
    });
}

#[test]
fn p4_a_cleaning_that_is_killed_again_and_again_loses_nothing_and_comes_to_its_end() {
    within(120, || {
        let fleet = abandoned();
        for n in 0..10_u64 {
            let mut cleaning = fleet.spawn(&["hosts", "clean"]);
            // Whatever it is doing then.
            std::thread::sleep(Duration::from_millis(60 * n));
            cleaning.kill();
            if n % 3 == 2 {
                fleet.host("one").end_worker();
            }
        }
        fleet.mc(&["hosts", "clean"]).exits(0);
        is_clean(&fleet);
        fleet.is_sound();
    });
}
