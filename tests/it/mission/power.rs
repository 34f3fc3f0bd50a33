//! What a power loss leaves: no process lives, and files are truncated, empty or gone. A resume ends with a clear outcome,
//! loses nothing that was committed or written, and lands nothing twice (P2, P3, P4).
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::world::{Fence, Unit, World, own_file, unit, until, within};
use std::fs::{remove_dir_all, remove_file, write};
use std::path::{Path, PathBuf};

/// A mission in the middle: `first` has landed, `worker` has committed, written more and works on, nothing else is open.
struct Torn {
    world: World,
    units: Vec<Unit>,
}

impl Torn {
    fn at_work() -> Self {
        Self::at_work_in(World::new())
    }

    fn at_work_in(world: World) -> Self {
        let worker = format!(
            "{}\nif [ $MC_ATTEMPT = 1 ]; then\n  git add -A && git commit -qm 'by hand'\n  echo more > units/more\n  \
             echo \"$MC_UNIT $MC_ATTEMPT $$ works\" >> \"$HOME/said/witness\"\n  until [ -e \"$HOME/go\" ]; do sleep 0.02; done\nfi",
            own_file("worker", 0.0)
        );
        let units = vec![
            unit("first", &own_file("first", 0.0)),
            unit("worker", &worker).after(&["first"]),
            unit("last", &own_file("last", 0.0)).after(&["worker"]),
        ];
        let mut engine = world.spawn_mission(&world.plan(&units));
        until("the unit at work", || world.witness().iter().any(|s| s.what == "works").then_some(()));
        engine.kill();
        Self { world, units }
    }

    /// The worker ends by itself while no engine lives.
    fn ended() -> Self {
        let torn = Self::at_work();
        torn.go();
        until("the record of the end", || torn.run().join("exit").exists().then_some(()));
        torn
    }

    fn go(&self) {
        write(self.world.home().join("go"), "").unwrap();
    }

    fn attempt(&self) -> PathBuf {
        self.world.attempts()[&("worker".to_owned(), 1)].clone()
    }

    /// What the engine remembers of it.
    fn session(&self) -> PathBuf {
        let attempt = self.attempt();
        self.world.state().join("sessions").join(attempt.strip_prefix(self.world.runs()).unwrap())
    }

    fn run(&self) -> PathBuf {
        self.attempt().join("run")
    }

    /// The slot whose marker names the worker.
    fn slot(&self) -> PathBuf {
        let markers = std::fs::read_dir(self.world.pool()).unwrap().flatten().map(|e| e.path());
        let mut markers = markers.filter(|p| p.extension().is_some_and(|e| e == "dirty"));
        let marker = markers.find(|p| std::fs::read_to_string(p).unwrap().contains("/worker/")).unwrap();
        marker.with_extension("")
    }

    /// Resumes to the end; everything landed once. The attempts the worker needed.
    #[track_caller]
    fn resumes(&self) -> usize {
        let starts = self.goes_on();
        self.world.mc(&["audit"]).exits(0);
        self.world.mc(&["report", "--verify"]).exits(0);
        starts
    }

    /// The same where the workspace of its first attempt is gone: the audit names what is pinned nowhere.
    fn resumes_without_its_workspace(&self) -> usize {
        let starts = self.goes_on();
        let said = self.world.mc(&["audit"]).exits(4).out;
        assert!(said.contains("worker attempt 1: what it left is not pinned"), "{said}");
        self.world.mc(&["report", "--verify"]).exits(4);
        starts
    }

    fn goes_on(&self) -> usize {
        let world = &self.world;
        world.resume().exits(0);
        assert_eq!(world.landed(), ["first", "worker", "last"]);
        let files = world.green_files();
        for Unit { id, .. } in &self.units {
            assert!(files.contains(&format!("units/{id}")), "{files:?}");
        }
        world.nothing_lives();
        world.kinds("session-started").iter().filter(|r| r.body["unit"] == "worker").count()
    }

    /// What the worker committed and what it left uncommitted in its first attempt is pinned.
    #[track_caller]
    fn nothing_is_lost(&self) {
        let pins = self.world.refs("refs/mc/attempts");
        let pin = pins.keys().find(|name| name.ends_with("/worker/1")).unwrap_or_else(|| panic!("no pin: {pins:?}"));
        assert_eq!(self.world.git(&["log", "--format=%s", "--grep", "by hand", pin]), "by hand");
        assert_eq!(self.world.git(&["show", &format!("{pin}:units/more")]), "more");
    }
}

fn emptied(path: &Path) {
    assert!(path.exists(), "{}", path.display());
    write(path, "").unwrap();
}

fn cut(path: &Path) {
    let text = std::fs::read(path).unwrap();
    write(path, &text[..text.len() / 2]).unwrap();
}

#[test]
fn p4_power_is_lost_while_a_unit_works() {
    within(120, || {
        let torn = Torn::at_work();
        torn.world.power_loss();
        assert_eq!(torn.resumes(), 2);
        torn.nothing_is_lost();
    });
}

#[test]
fn p4_the_boot_changed_and_pids_mean_nothing() {
    within(120, || {
        let torn = Torn::at_work();
        torn.world.power_loss();
        let start = torn.run().join("start");
        let text = std::fs::read_to_string(&start).unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        assert!(text.contains(boot.trim()));
        write(&start, text.replace(boot.trim(), "before")).unwrap();
        assert_eq!(torn.resumes(), 2);
        torn.nothing_is_lost();
    });
}

#[test]
fn p4_an_end_cut_in_the_middle_is_no_end() {
    for damage in [emptied, cut] {
        within(120, move || {
            let torn = Torn::ended();
            torn.world.power_loss();
            damage(&torn.run().join("exit"));
            assert_eq!(torn.resumes(), 2);
            torn.nothing_is_lost();
        });
    }
}

#[test]
fn p4_a_start_record_cut_in_the_middle() {
    within(120, || {
        let torn = Torn::ended();
        torn.world.power_loss();
        emptied(&torn.run().join("start"));
        assert_eq!(torn.resumes(), 1, "its end is on record");
        torn.nothing_is_lost();
    });
    within(120, || {
        let torn = Torn::at_work();
        torn.world.power_loss();
        cut(&torn.run().join("start"));
        assert_eq!(torn.resumes(), 2);
        torn.nothing_is_lost();
    });
    within(120, || {
        let torn = Torn::at_work();
        emptied(&torn.run().join("start"));
        torn.go();
        assert_eq!(torn.resumes(), 1, "it lived and was adopted all the same");
        torn.nothing_is_lost();
    });
}

#[test]
fn p4_a_report_cut_in_the_middle_is_made_again() {
    within(120, || {
        let torn = Torn::ended();
        torn.world.power_loss();
        write(torn.session().join("report.json"), "{\"end\": {\"exi").unwrap();
        assert_eq!(torn.resumes(), 1);
        torn.nothing_is_lost();
    });
}

#[test]
fn p2_a_run_directory_is_gone_but_its_work_is_not() {
    for whole in [false, true] {
        within(120, move || {
            let torn = Torn::at_work();
            torn.world.power_loss();
            remove_dir_all(if whole { torn.attempt() } else { torn.run() }).unwrap();
            assert_eq!(torn.resumes(), 2);
            torn.nothing_is_lost();
        });
    }
}

#[test]
fn p5_a_run_directory_is_gone_while_its_unit_lives() {
    for world in [World::new, || World::new().searching().within(Fence::Off)] {
        within(120, move || {
            let torn = Torn::at_work_in(world());
            remove_dir_all(torn.run()).unwrap();
            assert_eq!(torn.resumes(), 2);
            torn.nothing_is_lost();
        });
    }
}

#[test]
fn p4_a_workspace_is_gone() {
    within(120, || {
        let torn = Torn::at_work();
        torn.world.power_loss();
        remove_dir_all(torn.slot()).unwrap();
        assert_eq!(torn.resumes_without_its_workspace(), 2);
    });
    within(120, || {
        let torn = Torn::at_work();
        torn.world.power_loss();
        remove_dir_all(torn.world.pool()).unwrap();
        assert_eq!(torn.resumes_without_its_workspace(), 2);
    });
}

/// A mission in the middle of verifying what `worker` did; no engine lives.
fn while_verifying() -> Torn {
    let world = World::verified_by(
        "while [ -e \"$HOME/hold\" ]; do sleep 0.02; done; for t in tests/*.sh; do sh \"$t\" || exit 1; done",
    );
    let wait = format!("until [ -e \"$HOME/go\" ]; do sleep 0.02; done\n{}", own_file("worker", 0.0));
    let units = vec![
        unit("first", &own_file("first", 0.0)),
        unit("worker", &wait).after(&["first"]),
        unit("last", &own_file("last", 0.0)).after(&["worker"]),
    ];
    let mut engine = world.spawn_mission(&world.plan(&units));
    world.await_starts(2);
    write(world.home().join("hold"), "").unwrap();
    let torn = Torn { world, units };
    torn.go();
    let verifying = torn.world.kinds("verify-started").len() + 1;
    torn.world.await_record("verify-started", verifying);
    let run = torn.world.kinds("verify-started").last().unwrap().body["run"].to_string();
    until("the verification at work", || verification(&torn.world, &run)?.join("start").exists().then_some(()));
    engine.kill();
    torn
}

/// The run directory of a verification's only stage.
fn verification(world: &World, run: &str) -> Option<PathBuf> {
    let missions = std::fs::read_dir(world.runs()).ok()?.flatten();
    missions.map(|m| m.path().join(".verify").join(run).join("0")).find(|p| p.exists())
}

fn unheld(torn: &Torn) {
    remove_file(torn.world.home().join("hold")).unwrap();
}

#[test]
fn p4_a_verification_that_lived_is_adopted() {
    within(120, || {
        let torn = while_verifying();
        let asked = torn.world.kinds("verify-started");
        let lease = verification(&torn.world, &asked.last().unwrap().body["run"].to_string()).unwrap().join("lease");
        let before = std::fs::read(&lease).unwrap();
        let engine = torn.world.spawn_resume();
        until("a renewed lease", || (std::fs::read(&lease).unwrap() != before).then_some(()));
        unheld(&torn);
        engine.end().exits(0);
        torn.resumes();
        let last = &torn.world.kinds("verify-started")[asked.len()..];
        assert_eq!(last.len(), 1, "only the last unit is verified anew: {last:?}");
    });
}

#[test]
fn p3_what_landing_needs_is_gone() {
    within(120, || {
        let torn = while_verifying();
        torn.world.power_loss();
        unheld(&torn);
        remove_dir_all(torn.world.state().join("merge.git")).unwrap();
        torn.resumes();
    });
    within(120, || {
        let torn = while_verifying();
        unheld(&torn);
        for (name, _) in torn.world.refs("refs/mc/candidates") {
            torn.world.git(&["update-ref", "-d", &name]);
        }
        torn.resumes();
    });
    within(120, || {
        let torn = while_verifying();
        torn.world.power_loss();
        unheld(&torn);
        let fifo = std::fs::read_dir(torn.world.state()).unwrap().flatten();
        let mut fifo = fifo.filter(|e| std::os::unix::fs::FileTypeExt::is_fifo(&e.file_type().unwrap()));
        remove_file(fifo.next().unwrap().path()).unwrap();
        torn.resumes();
    });
}

/// Fails the first time it is asked to write the tree of a slot.
const FAILS_ONCE: &str = r#"#!/bin/sh
PATH=${PATH#*:}
case $(readlink /proc/$$/fd/0) in */engine.lock | */worker.lock) ;; *) exec git "$@" ;; esac
case $* in
*write-tree*) if rm "$HOME/break" 2>/dev/null; then echo "no space left on device" >&2; exit 128; fi ;;
esac
exec git "$@"
"#;

#[test]
fn p2_what_could_not_be_collected_is_collected_before_the_slot_is_used_again() {
    within(120, || {
        let torn = Torn::at_work();
        torn.world.program("git", FAILS_ONCE);
        write(torn.world.home().join("break"), "").unwrap();
        torn.go();
        // The collection is tried again, not the unit.
        assert_eq!(torn.resumes(), 1);
        torn.nothing_is_lost();
    });
}
