//! The six experiments a person makes with a new scheduler, with the real program, real git and real processes.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::world::{Fence, PATIENCE, Unit, World, own_file, unit, until, within};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn eight(script: impl Fn(&str) -> String) -> Vec<Unit> {
    (1..=8).map(|n| format!("u{n}")).map(|id| unit(&id, &script(&id))).collect()
}

/// Works until the test says `go`.
fn until_go(id: &str) -> String {
    format!("until [ -e \"$HOME/go\" ]; do sleep 0.02; done\n{}", own_file(id, 0.0))
}

fn go(world: &World) {
    std::fs::write(world.home().join("go"), "").unwrap();
}

/// Commits at once, leaves something uncommitted, lets a child escape into a session of its own, and then hangs; only
/// the second attempt ends.
fn hangs_at_first(id: &str) -> String {
    let files = own_file(id, 0.0);
    format!(
        "{files}\nif [ $MC_ATTEMPT = 1 ]; then\n  git add -A && git commit -qm 'by hand: {id}'\n  echo more > units/{id}.more\n  \
         setsid sleep 600 & \n  echo \"$MC_UNIT $MC_ATTEMPT $$ hangs\" >> \"$HOME/said/witness\"\n  sleep 600\nfi"
    )
}

fn await_hanging(world: &World, count: usize) {
    until("hanging units", || (world.witness().iter().filter(|s| s.what == "hangs").count() >= count).then_some(()));
}

/// What the first attempts of `hangs_at_first` committed and left is pinned.
#[track_caller]
fn first_attempts_are_pinned(world: &World, count: usize) {
    let pins = world.refs("refs/mc/attempts");
    let firsts: Vec<&String> = pins.keys().filter(|name| name.ends_with("/1")).collect();
    assert_eq!(firsts.len(), count, "{pins:?}");
    for pin in firsts {
        let unit = pin.split('/').nth(4).unwrap();
        let commit = world.git(&["log", "--format=%s", "--grep", "by hand", pin]);
        assert_eq!(commit, format!("by hand: {unit}"));
        assert_eq!(world.git(&["show", &format!("{pin}:units/{unit}.more")]), "more");
    }
}

/// Every file of the repository, its git directory included.
fn everything(dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            everything(&entry.path(), found);
        } else {
            found.insert(entry.path(), std::fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn p1_p6_eight_units_land_in_the_source_and_a_second_mission_builds_on_them() {
    within(120, || {
        let world = World::new();
        let main = world.git(&["rev-parse", "main"]);
        world.start(&world.plan(&eight(|id| own_file(id, 0.1)))).exits(0);
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
        let base = world.kinds("session-started").last().unwrap().body["green"].clone();
        assert_eq!(base, first, "the second mission starts from the first one's green");
        assert_eq!(world.git(&["show", "mc/green:both"]), "made by u1\nmade by u8");
        world.git(&["merge-base", "--is-ancestor", &first, "mc/green"]);
        world.mc(&["audit"]).exits(0);
        world.mc(&["report", "--verify"]).exits(0);
        world.nothing_lives();
    });
}

#[test]
fn p7_a_verification_that_does_not_exist_is_refused_and_changes_nothing() {
    within(120, || {
        let world = World::verified_by("no-such-program-here --check");
        let mut before = BTreeMap::new();
        everything(&world.repo(), &mut before);
        let said = world.start(&world.plan(&eight(|id| own_file(id, 0.1)))).exits(6);
        assert!(said.out.contains("could not run"), "{said:?}");
        let mut after = BTreeMap::new();
        everything(&world.repo(), &mut after);
        let names = |m: &BTreeMap<PathBuf, Vec<u8>>| m.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after));
        assert!(before == after, "the bytes of a file changed");
        assert!(world.refs("refs/mc").is_empty() && world.refs("refs/heads/mc").is_empty());
        assert!(world.witness().is_empty());
        assert_eq!(world.resume().exits(6).out.lines().count(), 1);
        world.nothing_lives();
    });
}

#[test]
fn p2_p5_sigterm_kills_and_pins_and_resume_finishes() {
    within(120, || {
        let world = World::new();
        let engine = world.spawn_mission(&world.plan(&eight(hangs_at_first)));
        await_hanging(&world, 4);
        engine.signal(Signal::TERM);
        engine.end().exits(130);
        world.nothing_lives();
        first_attempts_are_pinned(&world, 4);
        let said = world.start(&world.plan(&eight(hangs_at_first))).exits(2);
        assert!(said.err.contains("mc mission resume") && said.err.contains("stop"), "{}", said.err);

        let engine = world.spawn_resume();
        await_hanging(&world, 8);
        engine.signal(Signal::TERM);
        engine.end().exits(130);
        first_attempts_are_pinned(&world, 8);
        world.resume().exits(0);
        assert_eq!(world.landed().len(), 8);
        world.mc(&["audit"]).exits(0);
        world.mc(&["report", "--verify"]).exits(0);
        world.nothing_lives();
    });
}

#[test]
fn p10_one_interrupt_lets_running_units_land_and_starts_nothing_new() {
    within(120, || {
        let world = World::new();
        let engine = world.spawn_mission(&world.plan(&eight(until_go)));
        world.await_starts(4);
        engine.signal(Signal::INT);
        world.await_record("stop-requested", 1);
        go(&world);
        engine.end().exits(3);
        assert_eq!(world.landed().len(), 4);
        assert_eq!(world.kinds("session-started").len(), 4);
        assert_eq!(world.units().values().filter(|s| *s == "cancelled").count(), 4);
        assert_eq!(world.status()["mission"]["state"], "ended");
        world.mc(&["audit"]).exits(0);
        world.mc(&["report", "--verify"]).exits(0);
        world.nothing_lives();
    });
}

#[test]
fn p5_two_interrupts_kill_and_pin_and_resume_finishes() {
    within(120, || {
        let world = World::new().searching().within(Fence::Off);
        let engine = world.spawn_mission(&world.plan(&eight(hangs_at_first)[..4]));
        await_hanging(&world, 4);
        engine.signal(Signal::INT);
        world.await_record("stop-requested", 1);
        engine.signal(Signal::INT);
        engine.end().exits(130);
        world.nothing_lives();
        first_attempts_are_pinned(&world, 4);
        world.resume().exits(0);
        assert_eq!(world.landed().len(), 4);
        world.nothing_lives();
    });
}

#[test]
fn p5_stop_now_beside_a_live_engine_kills_pins_and_ends() {
    within(120, || {
        let world = World::new();
        let engine = world.spawn_mission(&world.plan(&eight(hangs_at_first)));
        await_hanging(&world, 4);
        world.mc(&["mission", "stop", "--now"]).exits(0);
        engine.end().exits(3);
        stopped(&world);
    });
}

#[test]
fn p5_stop_now_without_an_engine_kills_pins_and_ends() {
    for world in [World::new, || World::new().searching().within(Fence::Off)] {
        within(120, move || {
            let world = world();
            let mut engine = world.spawn_mission(&world.plan(&eight(hangs_at_first)));
            await_hanging(&world, 4);
            assert!(engine.kill());
            world.mc(&["mission", "stop", "--now"]).exits(0);
            stopped(&world);
        });
    }
}

#[track_caller]
fn stopped(world: &World) {
    world.nothing_lives();
    first_attempts_are_pinned(world, 4);
    let status = world.status();
    assert_eq!((&status["mission"]["state"], &status["mission"]["outcome"]), (&"ended".into(), &"stopped".into()));
    assert!(world.units().values().all(|s| s == "cancelled"), "{:?}", world.units());
    let said = world.resume().exits(3);
    assert_eq!(said.out.lines().count(), 1, "{}", said.out);
    world.mc(&["audit"]).exits(0);
    world.mc(&["report", "--verify"]).exits(0);
}

#[test]
fn a_hangup_and_a_closed_pipe_do_not_end_the_mission() {
    within(120, || {
        let world = World::new();
        let engine = world.spawn_unheard(&world.plan(&eight(until_go)[..5]));
        world.await_starts(4);
        engine.signal(Signal::HUP);
        go(&world);
        engine.end().exits(0);
        assert_eq!(world.landed().len(), 5);
        world.nothing_lives();
    });
}

#[test]
fn p10_a_paused_mission_starts_nothing_until_it_is_resumed() {
    within(120, || {
        let world = World::new();
        let plan = world.plan(&eight(until_go));
        let mut engine = world.spawn_mission(&plan);
        world.await_starts(4);
        let said = world.start(&plan).exits(2);
        assert!(said.err.contains("is running (pid ") && said.err.contains("mc mission stop"), "{}", said.err);
        world.mc(&["mission", "pause"]).exits(0);
        world.await_record("paused", 1);
        go(&world);
        world.await_record("attempt-judged", 4);
        assert_eq!(world.status()["mission"]["state"], "paused");
        assert!(engine.ended_within(std::time::Duration::from_millis(300)).is_none());
        assert_eq!(world.kinds("session-started").len(), 4);
        world.resume().exits(0);
        let said = engine.ended_within(PATIENCE).unwrap().exits(0);
        assert_eq!(world.landed().len(), 8, "{}", said.out);
        world.nothing_lives();
    });
}
