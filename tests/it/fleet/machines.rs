//! What happens to machines: they die, fill up, lack something, lose what they had, or answer what nobody understands.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::kit::{Fault, Fleet, SHORT, held, host_of, quick, stuck};
use crate::support::tools::{is_root, only_on_this_machine};
use crate::support::world::{Unit, World, own_file, unit, until, within};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A plan of quick units, and one that is held so that the mission lasts.
fn quick_and_held(count: usize) -> Vec<Unit> {
    (0..count).map(|n| quick(&format!("u{n}"))).chain([held("held")]).collect()
}

/// What is said of the first time that a host was left out.
fn why_benched(fleet: &Fleet, host: &str) -> String {
    fleet.await_host("host-benched", host, 1);
    let rows = fleet.world.kinds("host-benched");
    rows.iter().find(|row| row.body["host"] == host).unwrap().body["trouble"].to_string()
}

/// Waits until so many quick units have landed.
fn await_landed(fleet: &Fleet, count: usize) {
    until("landings", || (fleet.world.kinds("landed").len() >= count).then_some(()));
}

#[test]
fn p4_a_worker_that_is_killed_is_replaced_and_a_host_that_reboots_begins_again() {
    within(90, || {
        let fleet = Fleet::of_commands(&["one"]);
        let units = [stuck("a"), held("b")];
        let engine = fleet.start(&fleet.world.plan(&units));
        fleet.await_work("a");
        fleet.await_work("b");
        let host = fleet.host("one");
        let old = host.worker();
        let fault = Fault::happens("worker killed with -9");
        host.kill_worker();
        host.await_other_worker(old);
        fault.end();
        assert_eq!((fleet.attempts("b"), fleet.starts("b")), (1, 1));
        let mut fault = Fault::happens("host rebooted");
        host.reboot(&fleet.world);
        until("the end of its attempts", || (fleet.world.kinds("attempt-judged").len() >= 2).then_some(()));
        fault.is_seen();
        until("another attempt", || (fleet.attempts("a") == 2).then_some(()));
        fleet.await_work("a");
        fault.end();
        fleet.go();
        engine.end().exits(0);
        let pin = fleet.world.refs("refs/mc/attempts").into_keys().find(|name| name.ends_with("/a/1")).unwrap();
        assert_eq!(fleet.world.git(&["show", &format!("{pin}:late.txt")]), "late");
        fleet.is_whole(&units);
    });
}

/// A process whose view of the machine's files has a small disk at a folder.
struct SmallDisk(Child);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        let line = format!("mount -t tmpfs -o size=2m none {0} && touch {0}/ready && exec sleep 600", at.display());
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &line]).stdin(Stdio::null()).stdout(Stdio::null());
        let disk = Self(command.spawn().unwrap());
        until("a small disk", || disk.at(at).join("ready").exists().then_some(()));
        disk
    }

    /// A path as it is there.
    fn at(&self, path: &Path) -> std::path::PathBuf {
        Path::new(&format!("/proc/{}/root", self.0.id())).join(path.strip_prefix("/").unwrap())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "long: tests/run --long plays it"]
fn p10_a_host_whose_disk_is_full_is_left_out_until_there_is_room() {
    if !is_root() {
        return;
    }
    within(90, || {
        let mut fleet = Fleet::of_commands(&["full", "good"]);
        let folder = fleet.world.home().join("hosts/full/disk");
        std::fs::create_dir_all(&folder).unwrap();
        let disk = SmallDisk::mount(&folder);
        let host = fleet.host_mut("full");
        host.set_root(&folder.join("mc"));
        host.lead_by(&format!("set -- nsenter --mount=/proc/{}/ns/mnt -- \"$@\"", disk.0.id()));
        let fill = disk.at(&folder).join("fill");
        // As much as there is room for.
        let _ = std::fs::write(&fill, vec![0; 4 << 20]);
        let units = quick_and_held(6);
        let fault = Fault::happens("disk full on a host");
        let engine = fleet.start(&fleet.world.plan(&units));
        let why = why_benched(&fleet, "full");
        fault.end();
        assert!(why.contains("No space left"), "{why}");
        await_landed(&fleet, 6);
        let fault = Fault::happens("room on its disk again");
        std::fs::remove_file(fill).unwrap();
        fleet.await_host("host-ready", "full", 1);
        fault.end();
        fleet.go();
        engine.end().exits(0);
        fleet.is_whole(&units);
    });
}

#[test]
fn p10_a_host_without_git_or_that_answers_garbage_is_left_out_and_the_others_go_on() {
    within(90, || {
        let fleet = Fleet::of_commands(&["bare", "odd", "good"]);
        let tools = fleet.world.home().join("tools");
        std::fs::create_dir_all(&tools).unwrap();
        let link = "for t in sh dd cat cut tr wc mkdir chmod uname ls find; do ln -s $(command -v $t) ../tools/; done";
        assert!(fleet.world.shell(link).status().unwrap().success());
        fleet.host("bare").lead_by(&format!("PATH={}", tools.display()));
        fleet.host("odd").lead_by("echo Welcome; head -c 300000 /dev/urandom; sleep 600");
        let units = quick_and_held(8);
        let fault = Fault::happens("git missing on a host");
        let engine = fleet.start(&fleet.world.plan(&units));
        let why = why_benched(&fleet, "bare");
        fault.end();
        assert!(why.contains("git"), "{why}");
        let fault = Fault::happens("garbage from a host");
        why_benched(&fleet, "odd");
        fault.end();
        await_landed(&fleet, 8);
        fleet.host("bare").lead_by("");
        fleet.host("odd").lead_by("");
        fleet.await_host("host-ready", "bare", 1);
        fleet.await_host("host-ready", "odd", 1);
        fleet.go();
        engine.end().exits(0);
        fleet.is_whole(&units);
    });
}

#[test]
#[ignore = "long: tests/run --long plays it"]
fn p2_a_host_that_answers_garbage_in_the_middle_is_left_out_and_its_unit_begins_elsewhere() {
    within(90, || {
        let fleet = Fleet::of_commands(&["one", "two"]).with(|fleet| {
            fleet.lease = SHORT;
            // So long what ended there is waited for.
            fleet.more = "[scheduler]\ncircuit_after = \"2s\"".to_owned();
        });
        let units = [stuck("a"), held("last").after(&["a"])];
        let engine = fleet.start(&fleet.world.plan(&units));
        let odd = fleet.await_work("a");
        let mut fault = Fault::happens("garbage from a host in the middle");
        fleet.host(&odd).lead_by("echo no frame of mc; head -c 1000000 /dev/zero; sleep 600");
        fleet.host(&odd).kill_worker();
        fleet.await_host("host-benched", &odd, 1);
        fault.is_seen();
        until("another attempt", || (fleet.attempts("a") == 2).then_some(()));
        fault.end();
        fleet.await_work("last");
        fleet.host(&odd).lead_by("");
        fleet.await_host("host-ready", &odd, 2);
        fleet.go();
        engine.end().exits(0);
        assert!(!fleet.world.green_files().contains("late.txt"));
        fleet.is_whole(&units);
    });
}

#[test]
fn p10_a_host_that_dies_while_it_verifies_holds_the_queue_for_no_lease() {
    within(90, || {
        let stalls = "while [ -e units/a ] && [ -e $HOME/stall ]; do sleep 0.03; done";
        let fleet = Fleet::around(World::verified_by(stalls), &["one", "two"]);
        let units = [quick("a"), held("last")];
        std::fs::write(fleet.world.home().join("stall"), "").unwrap();
        let engine = fleet.start(&fleet.world.plan(&units));
        fleet.await_work("last");
        let verifies = until("a verification of a change", || {
            let rows = fleet.world.kinds("verify-started");
            rows.iter().find(|row| row.body["role"] == "after").map(|row| host_of(&row.body))
        });
        let host = fleet.host(&verifies);
        until("its stage", || {
            let waits = host.processes(&fleet.world).into_iter().any(|pid| {
                std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep\x000.03"))
            });
            waits.then_some(())
        });
        let mut fault = Fault::happens("host dies while it verifies");
        host.take_down();
        host.kill_worker();
        fleet.await_host("host-benched", &verifies, 1);
        fault.is_seen();
        std::fs::remove_file(fleet.world.home().join("stall")).unwrap();
        await_landed(&fleet, 1);
        fault.end();
        host.put_up();
        fleet.await_host("host-ready", &verifies, 2);
        fleet.go();
        engine.end().exits(0);
        fleet.is_whole(&units);
    });
}

#[test]
#[ignore = "long: tests/run --long plays it"]
fn p5_a_host_without_namespaces_searches_and_leaves_nothing() {
    if only_on_this_machine("the view of a host") {
        return;
    }
    within(90, || {
        let fleet = Fleet::of_commands(&["flat"]);
        let refuse = "set -- unshare --user --map-root-user sh -c \
            'echo 0 >/proc/sys/user/max_pid_namespaces; echo 0 >/proc/sys/user/max_user_namespaces; exec \"$@\"' sh \"$@\"";
        fleet.host("flat").lead_by(refuse);
        let leaves = format!("(setsid sleep 1000 >/dev/null 2>&1 &)\n{}", own_file("a", 0.0));
        let units = [unit("a", &leaves), quick("b")];
        fleet.start(&fleet.world.plan(&units)).end().exits(0);
        fleet.is_whole(&units);
    });
}

#[test]
#[ignore = "long: tests/run --long plays it"]
fn p2_a_mirror_that_is_damaged_costs_no_unit_an_attempt() {
    within(90, || {
        let fleet = Fleet::of_commands(&["one", "two"]).with(|fleet| {
            fleet.machines[0].workers = 1;
            fleet.machines[1].workers = 1;
        });
        let units = [
            quick("a"),
            quick("b"),
            held("c").after(&["a"]),
            quick("d").after(&["c"]),
            quick("e").after(&["c"]),
            held("last").after(&["d", "e"]),
        ];
        let engine = fleet.start(&fleet.world.plan(&units));
        let at = fleet.await_work("c");
        await_landed(&fleet, 2);
        let fault = Fault::happens("mirror damaged on a host");
        let mirror = fleet.host(&at).base().join("mirror.git");
        let damage =
            format!("find {0}/objects -type f | while read f; do chmod u+w $f; echo x > $f; done", mirror.display());
        assert!(fleet.world.shell(&damage).status().unwrap().success());
        fleet.go();
        engine.end().exits(0);
        fault.end();
        fleet.is_whole(&units);
    });
}

#[test]
#[ignore = "long: tests/run --long plays it"]
fn p2_what_a_host_that_burnt_had_for_longer_than_pin_every_is_here() {
    within(90, || {
        let fleet = Fleet::of_commands(&["one", "two"]).with(|fleet| {
            fleet.lease = SHORT;
            fleet.backend = "pin_every = \"1s\"".to_owned();
        });
        let units = [stuck("a"), quick("b").after(&["a"])];
        let engine = fleet.start(&fleet.world.plan(&units));
        let burnt = fleet.await_work("a");
        until("a pin of its work", || (!fleet.world.refs("refs/mc/progress").is_empty()).then_some(()));
        let pins = fleet.world.refs("refs/mc/progress");
        let mut fault = Fault::happens("host burnt");
        let host = fleet.host(&burnt);
        host.reboot(&fleet.world);
        host.take_down();
        std::fs::remove_dir_all(host.home()).unwrap();
        fleet.await_host("host-benched", &burnt, 1);
        fault.is_seen();
        until("another attempt", || (fleet.attempts("a") == 2).then_some(()));
        fault.end();
        engine.end().exits(0);
        let (name, _) = pins.first_key_value().unwrap();
        assert_eq!(fleet.world.git(&["show", &format!("{name}:late.txt")]), "late");
        let landed = fleet.world.landed();
        assert_eq!(landed, ["a", "b"]);
        fleet.world.nothing_lives();
    });
}

#[test]
fn p11_a_host_whose_clock_is_an_hour_off_measures_and_ends_nothing_wrongly() {
    within(90, || {
        let fleet = Fleet::of_commands(&["early", "late"]);
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/clock.c");
        let clock = fleet.world.home().join("clock.so");
        let make = format!("cc -shared -fPIC -o {} {source} -ldl", clock.display());
        assert!(fleet.world.shell(&make).status().unwrap().success());
        for (name, offset) in [("early", -3_600), ("late", 3_600)] {
            let file = fleet.world.home().join(name);
            std::fs::write(&file, offset.to_string()).unwrap();
            let set = format!("CLOCK_OFFSET_FILE={} LD_PRELOAD={}", file.display(), clock.display());
            fleet.host(name).lead_by(&format!("export {set}"));
        }
        let units: Vec<Unit> = (0..6).map(|n| quick(&format!("u{n}"))).chain([held("x"), held("y")]).collect();
        let engine = fleet.start(&fleet.world.plan(&units));
        fleet.await_work("x");
        fleet.await_work("y");
        for host in &fleet.machines {
            let old = host.worker();
            host.kill_worker();
            host.await_other_worker(old);
        }
        fleet.go();
        engine.end().exits(0);
        assert_eq!((fleet.starts("x"), fleet.starts("y")), (1, 1));
        for row in fleet.world.kinds("session-ended") {
            let ran = &row.body["report"]["run"]["ran"];
            let (from, to) = (ran[0].as_u64().unwrap(), ran[1].as_u64().unwrap());
            assert!(to >= from && to - from < 60_000, "{} ran for {} ms", row.body["session"], to.abs_diff(from));
            assert!(row.at.abs_diff(to) < 60_000, "it ended at {to}, and that is known at {}", row.at);
        }
        fleet.is_whole(&units);
    });
}
