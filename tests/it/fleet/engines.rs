//! What happens to engines while something runs on hosts, and what people ask of them.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::kit::{Fault, Fleet, SHORT, held, host_of, quick, stuck};
use crate::support::world::{Unit, World, until, within};
use std::time::{Duration, Instant};

/// A fleet with a unit at work on each host; the engine.
fn at_work(fleet: &Fleet, units: &[Unit]) -> crate::support::world::Engine {
    let engine = fleet.start(&fleet.world.plan(units));
    units.iter().filter(|unit| unit.depends.is_empty()).for_each(|unit| drop(fleet.await_work(&unit.id)));
    engine
}

#[test]
fn p4_an_engine_that_is_killed_is_followed_by_one_that_takes_over_what_runs_on_hosts() {
    within(90, || {
        let fleet = Fleet::of_servers(&["one", "two"]);
        let units = [held("a"), held("b"), held("c"), quick("d").after(&["a", "b", "c"])];
        let mut engine = at_work(&fleet, &units);
        assert!(engine.kill());
        let mut fault = Fault::happens("engine killed with -9");
        let engine = fleet.spawn(&["mission", "resume"]);
        fleet.world.await_record("resumed", 1);
        fault.is_seen();
        for host in ["one", "two"] {
            fleet.await_host("host-ready", host, 2);
        }
        fault.end();
        fleet.go();
        engine.end().exits(0);
        for id in ["a", "b", "c"] {
            assert_eq!((fleet.attempts(id), fleet.starts(id)), (1, 1), "{id} was adopted");
        }
        fleet.is_whole(&units);
    });
}

#[test]
fn p5_a_stop_now_leaves_no_process_on_any_host_and_keeps_what_was_made() {
    within(90, || {
        for dead in [false, true] {
            let fleet = Fleet::of_commands(&["one", "two"]);
            let units = [stuck("a"), stuck("b"), stuck("c")];
            let mut engine = at_work(&fleet, &units);
            if dead {
                engine.kill();
            }
            let fault = Fault::happens(if dead { "stop --now after an engine was killed" } else { "stop --now" });
            let said = fleet.mc(&["mission", "stop", "--now"]);
            said.exits(0);
            if !dead {
                engine.end().exits(3);
            }
            fault.end();
            fleet.world.nothing_lives();
            let pins = fleet.world.refs("refs/mc/attempts");
            for id in ["a", "b", "c"] {
                let pin = pins.keys().find(|name| name.ends_with(&format!("/{id}/1")));
                let pin = pin.unwrap_or_else(|| panic!("{id} is not kept: {pins:?}"));
                assert_eq!(fleet.world.git(&["show", &format!("{pin}:late.txt")]), "late");
            }
            fleet.is_sound();
        }
    });
}

#[test]
fn p10_a_stop_now_while_a_host_is_out_of_reach_says_so_and_does_not_hang() {
    within(120, || {
        for dead in [false, true] {
            let fleet = Fleet::of_commands(&["one", "two"]);
            let units = [stuck("a"), stuck("b"), stuck("c")];
            let mut engine = at_work(&fleet, &units);
            fleet.host("one").take_down();
            fleet.host("one").kill_worker();
            if dead {
                engine.kill();
            }
            let begun = Instant::now();
            let said = fleet.mc(&["mission", "stop", "--now"]);
            let told = if dead { said } else { engine.end() };
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
            let text = format!("{}{}", told.out, told.err);
            assert!(text.contains("one") && text.contains("does not answer"), "{text}");
            // What it made is still there, and ends with its lease.
            assert!(!fleet.host("one").processes(&fleet.world).is_empty());
            assert!(fleet.host("two").processes(&fleet.world).is_empty());
            fleet.world.power_loss();
        }
    });
}

#[test]
#[ignore = "long: tests/run --long plays it"]
fn p4_an_engine_that_takes_over_while_a_host_is_out_of_reach_waits_for_the_lease_and_begins_elsewhere() {
    within(90, || {
        let fleet = Fleet::of_commands(&["one", "two"]).with(|fleet| fleet.lease = SHORT);
        let units = [stuck("a"), held("last").after(&["a"])];
        let mut engine = at_work(&fleet, &units);
        let lost = fleet.host_of("a");
        engine.kill();
        fleet.host(&lost).take_down();
        let begun = Instant::now();
        let mut fault = Fault::happens("resume while a host is out of reach");
        let engine = fleet.spawn(&["mission", "resume"]);
        fleet.await_host("host-benched", &lost, 1);
        fault.is_seen();
        until("another attempt", || (fleet.attempts("a") == 2).then_some(()));
        fault.end();
        assert!(begun.elapsed() >= Duration::from_secs(2), "before its lease was over: {:?}", begun.elapsed());
        fleet.await_work("last");
        let ready = fleet.world.kinds("host-ready").iter().filter(|row| row.body["host"] == lost.as_str()).count();
        fleet.host(&lost).put_up();
        fleet.await_host("host-ready", &lost, ready + 1);
        fleet.go();
        engine.end().exits(0);
        let pin = fleet.world.refs("refs/mc/attempts").into_keys().find(|name| name.ends_with("/a/1")).unwrap();
        assert_eq!(fleet.world.git(&["show", &format!("{pin}:late.txt")]), "late");
        fleet.is_whole(&units);
    });
}

#[test]
#[ignore = "long: tests/run --long plays it"]
fn p10_a_signal_while_what_was_taken_over_is_out_of_reach_is_answered_at_once() {
    within(90, || {
        let fleet = Fleet::of_commands(&["one", "two"]);
        let units = [held("a"), held("b"), held("c")];
        let mut engine = at_work(&fleet, &units);
        let lost = fleet.host_of("a");
        engine.kill();
        fleet.host(&lost).take_down();
        let engine = fleet.spawn(&["mission", "resume"]);
        fleet.await_host("host-benched", &lost, 1);
        let begun = Instant::now();
        engine.signal(rustix::process::Signal::TERM);
        engine.end().exits(130);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        // Nothing is lost by it.
        fleet.host(&lost).put_up();
        fleet.go();
        fleet.mc(&["mission", "resume"]).exits(0);
        fleet.is_whole(&units);
    });
}

#[test]
#[ignore = "long: tests/run --long plays it"]
fn p6_two_repositories_work_on_one_host_at_once() {
    within(90, || {
        let one = Fleet::of_commands(&["both"]);
        let root = one.host("both").root();
        let two = Fleet::of_commands(&["both"]).with(|fleet| fleet.host_mut("both").set_root(&root));
        let units: Vec<Unit> = (0..5).map(|n| quick(&format!("u{n}"))).chain([held("held")]).collect();
        let fleets = [&one, &two];
        let engines = fleets.map(|fleet| fleet.start(&fleet.world.plan(&units)));
        fleets.iter().for_each(|fleet| drop(fleet.await_work("held")));
        let workers =
            std::fs::read_dir(&root).unwrap().flatten().filter(|entry| entry.path().join("mirror.git").exists());
        assert_eq!(workers.count(), 2, "each has a folder of its own");
        fleets.iter().for_each(|fleet| fleet.go());
        engines.into_iter().for_each(|engine| drop(engine.end().exits(0)));
        assert_eq!(one.landed_files(), two.landed_files());
        fleets.iter().for_each(|fleet| fleet.is_whole(&units));
    });
}

#[test]
#[ignore = "long: tests/run --long plays it"]
fn p1_checks_and_accept_lines_are_asked_on_hosts_where_nothing_runs_here() {
    within(90, || {
        let world = World::with(
            "for t in tests/*.sh; do sh \"$t\" || exit 1; done",
            "check = \"test -f units/b\"\nsetup = \"echo ready > ready\"",
        );
        world.commit(".gitignore", "ready\n");
        let fleet = Fleet::around(world, &["one", "two"]);
        let units = [quick("a"), quick("b").after(&["a"])];
        let plan = fleet.world.plan(&units);
        let text = std::fs::read_to_string(&plan)
            .unwrap()
            .replace("[[unit]]\n", "[[unit]]\naccept = \"test -f ready -a -f units/a\"\n");
        // Of the first one it fails before and holds after; of the second it would hold before.
        let (first, second) = text.split_at(text.rfind("[[unit]]").unwrap());
        let second = second.replace("units/a\"", "units/b\"");
        std::fs::write(&plan, format!("{first}{second}")).unwrap();
        fleet.start(&plan).end().exits(0);
        let [sessions, verifications] = fleet.used();
        assert!(!sessions.contains_key("local") && !verifications.contains_key("local"), "{verifications:?}");
        fleet.is_whole(&units);
    });
}

#[test]
#[ignore = "long: tests/run --long plays it"]
fn p1_a_host_whose_environment_changed_verifies_nothing_any_more() {
    within(90, || {
        let fleet = Fleet::of_commands(&["one", "two"]).with(|fleet| {
            fleet.world_settings(
                "[target.verification]\n",
                "[target.verification]\nfingerprint = [\"cat ~/version\"]\n",
            );
            fleet.machines.iter().for_each(|host| std::fs::write(host.home().join("version"), "1").unwrap());
        });
        let mut units: Vec<Unit> = (0..2).map(|n| quick(&format!("u{n}"))).collect();
        units.push(held("held"));
        units.extend((2..6).map(|n| quick(&format!("u{n}")).after(&["held"])));
        let engine = fleet.start(&fleet.world.plan(&units));
        fleet.await_work("held");
        until("landings", || (fleet.world.kinds("landed").len() >= 2).then_some(()));
        let runs = fleet.world.kinds("verify-started");
        // Where nothing else is at work, the first one verifies.
        let changed = "one";
        let fault = Fault::happens("environment of a host changed");
        std::fs::write(fleet.host(changed).home().join("version"), "2").unwrap();
        fleet.go();
        fleet.await_host("host-ready", changed, 2);
        fault.end();
        engine.end().exits(0);
        // One was broken off before it ran.
        let later = &fleet.world.kinds("verified")[runs.len()..];
        let started = fleet.world.kinds("verify-started");
        for run in later {
            let by = started.iter().find(|row| row.body["run"] == run.body["run"]).unwrap();
            assert_ne!(host_of(&by.body), changed, "{}", by.body);
        }
        assert!(later.len() >= 4);
        fleet.is_whole(&units);
    });
}

/// A `setup` of units that says that it began, and goes on until a file `on` exists.
const SLOW: &str = "case $PWD in */slot-[0-3]*) n=$(($(cat HOME/setups 2>/dev/null | wc -l) + 1)); echo began >> HOME/setups; \
                    until test -e HOME/on; do touch HOME/setup-$n; sleep 0.02; done;; esac";

fn with_slow_setup() -> Fleet {
    let world = World::with("for t in tests/*.sh; do sh \"$t\" || exit 1; done", "setup = '''true'''");
    let fleet = Fleet::around(world, &["one"]).with(|fleet| fleet.host_mut("one").workers = 4);
    let slow = SLOW.replace("HOME", fleet.world.home().join("said").to_str().unwrap());
    fleet.world_settings("'''true'''", &format!("'''{slow}'''"));
    fleet
}

/// How many setups have begun on the host.
fn await_setups(fleet: &Fleet, count: usize) {
    let began = || std::fs::read_to_string(fleet.world.home().join("said/setups")).unwrap_or_default().lines().count();
    until("a setup", || (began() >= count).then_some(()));
}

#[test]
fn p2_what_takes_longer_than_a_question_may_is_asked_again_when_its_line_is_lost() {
    within(90, || {
        let fleet = with_slow_setup();
        let units = [quick("a")];
        let engine = fleet.start(&fleet.world.plan(&units));
        await_setups(&fleet, 1);
        // Longer than a question is asked again.
        std::thread::sleep(Duration::from_secs(3));
        let (host, old) = (fleet.host("one"), fleet.host("one").worker());
        host.kill_worker();
        host.await_other_worker(old);
        std::fs::write(fleet.world.home().join("said/on"), "").unwrap();
        engine.end().exits(0);
        assert_eq!(fleet.world.kinds("host-benched").len(), 0);
        assert_eq!(fleet.attempts("a"), 1);
        fleet.is_whole(&units);
    });
}

#[test]
fn p5_a_setup_that_goes_on_out_of_reach_is_ended_before_its_slot_is_used_again() {
    within(90, || {
        let fleet = with_slow_setup();
        let units = [quick("a")];
        let engine = fleet.start(&fleet.world.plan(&units));
        await_setups(&fleet, 1);
        let host = fleet.host("one");
        host.take_down();
        host.kill_worker();
        fleet.await_host("host-benched", "one", 1);
        host.put_up();
        await_setups(&fleet, 2);
        let mark = fleet.world.home().join("said/setup-1");
        std::fs::remove_file(&mark).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert!(!mark.exists(), "the first setup works beside the second one");
        std::fs::write(fleet.world.home().join("said/on"), "").unwrap();
        engine.end().exits(0);
        fleet.is_whole(&units);
    });
}
