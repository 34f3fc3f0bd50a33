//! Faults found by reading the code with hostile eyes; each test shows one of them.

use crate::support::fence::Fence;
use crate::support::night::{Night, unit};
use crate::support::repo::{World as Source, within_a_minute};
use crate::support::world::{World, until, within};
use mission_control::adapters::host::local::process::lock::{LockError, RunLock, start_time};
use mission_control::adapters::host::local::workspace::pool::Pool;
use mission_control::adapters::host::local::workspace::slot::Ignored;
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::Write;
use std::time::Duration;

#[test]
fn p2_making_room_never_takes_a_slot_that_somebody_has_taken_meanwhile() {
    within_a_minute(async {
        let source = Source::new().await;
        let base = source.id("main").await;
        let pool = Pool::open(&source.state().join("pool"), &source.source(), Ignored::Keep).await.unwrap();
        let slot = pool.prepare(0, "m1/a/1", &base).await.unwrap();
        fs::write(slot.join("work"), "in progress").unwrap();
        assert!(!pool.discard_idle(0).unwrap(), "in use");
        pool.abandon_slot(0);
        assert!(!pool.discard_idle(0).unwrap(), "not collected");
        assert!(slot.join("work").exists());
        pool.release(0).unwrap();
        assert!(pool.discard_idle(0).unwrap());
        assert!(!slot.exists());
    });
}

#[test]
fn p2_a_verification_never_throws_away_a_units_work_that_was_not_collected() {
    let night = Night::new().within(Fence::Off);
    night.mission_with(&[unit("a", "touch a"), unit("b", "touch b")].join("\n"), &["--workers", "2"]).exits(0);
    // As a collection that failed leaves it: the work, and the marker that names its attempt.
    let mission = night.status()["mission"]["id"].as_str().unwrap().to_owned();
    let pool = night.pool();
    fs::write(pool.join("slot-1/work/precious"), "uncommitted").unwrap();
    fs::write(pool.join("slot-1.dirty"), format!("{mission}/b/9")).unwrap();
    // Behind a worker the engine takes work of attempts alone that it remembers to have placed there.
    let session = night.state().join("sessions").join(&mission).join("b/9");
    fs::create_dir_all(&session).unwrap();
    fs::write(session.join("host"), "local").unwrap();
    // One worker less: what was a unit's slot is now that of verifications.
    night.mission_with(&unit("c", "touch c"), &["--workers", "1"]).exits(0);
    assert_eq!(night.sh(&format!("git show refs/mc/attempts/{mission}/b/9:precious")), "uncommitted");
}

/// A world whose objective is checked by this line.
fn checked_by(line: &str) -> World {
    let world = World::new().within(Fence::Off);
    let path = world.repo().join("mission-control.toml");
    let text = fs::read_to_string(&path).unwrap();
    // A check has a HOME of its own.
    let line = line.replace("~/", &format!("{}/", world.home().display()));
    let text = text.replace("[target]\n", &format!("[target]\ncheck = '''{line}'''\n"));
    world.commit("mission-control.toml", &text);
    world
}

#[test]
fn p5_a_check_of_the_objective_does_not_outlive_the_mission() {
    for stop in [["mission", "stop", "--now"].as_slice(), &[]] {
        within(60, move || {
            let world = checked_by("touch ~/checking; sleep 300");
            let plan = world.plan(&[crate::support::world::unit("a", "touch a")]);
            let engine = world.spawn_mission(&plan);
            until("the check", || world.home().join("checking").exists().then_some(()));
            if stop.is_empty() {
                engine.signal(Signal::TERM);
                engine.end().exits(130);
            } else {
                world.mc(stop).exits(0);
                engine.end();
            }
            world.nothing_lives();
        });
    }
}

#[test]
fn p4_an_interrupted_check_of_the_objective_is_made_again() {
    within(60, || {
        let world = checked_by("touch ~/checking; while [ ! -e ~/go ]; do sleep 0.05; done");
        let engine = world.spawn_mission(&world.plan(&[crate::support::world::unit("a", "touch a")]));
        until("the check", || world.home().join("checking").exists().then_some(()));
        engine.signal(Signal::TERM);
        engine.end().exits(130);
        File::create(world.home().join("go")).unwrap();
        world.resume().exits(0);
        assert_eq!(world.status()["mission"]["outcome"], "objective-met");
    });
}

#[test]
fn p4_a_check_of_the_objective_that_was_lost_has_measured_nothing_and_is_made_again() {
    within(60, || {
        let world = checked_by("touch ~/checking; while [ ! -e ~/go ]; do sleep 0.05; done");
        let _engine = world.spawn_mission(&world.plan(&[crate::support::world::unit("a", "touch a")]));
        until("the check", || world.home().join("checking").exists().then_some(()));
        world.power_loss();
        File::create(world.home().join("go")).unwrap();
        world.resume().exits(0);
        assert_eq!(world.status()["mission"]["outcome"], "objective-met");
        let closed: Vec<bool> =
            world.kinds("round-closed").iter().filter_map(|row| row.body["objective"].as_bool()).collect();
        assert_eq!(closed, [true]);
    });
}

/// Kills the engine of a mission while its unit waits for `~/go`.
fn killed_in_the_middle(night: &Night, script: &str) {
    let script = format!("{script}\ntouch ~/begun; while [ ! -e ~/go ]; do sleep 0.05; done; touch a");
    let plan = night.plan(&unit("a", &script));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("[ -e ~/begun ]");
    engine.signal("KILL");
    engine.wait();
}

#[test]
fn p2_p6_a_mission_is_not_taken_up_in_another_repository() {
    let night = Night::new().within(Fence::Off);
    killed_in_the_middle(&night, "");
    night.sh("git clone -q . ../other");
    for act in [["mission", "resume"].as_slice(), &["mission", "stop", "--now"]] {
        let said = night.mc(&[&["-C", "../other"], act].concat());
        assert_ne!(said.code, 0, "{}", said.text());
        said.says(&["belongs to the repository"]);
    }
    assert_eq!(night.sh("git -C ../other for-each-ref refs/mc refs/heads/mc"), "");
    night.sh("touch ~/go");
    night.mc(&["mission", "resume"]).exits(0);
    assert_eq!(night.unit("a"), "landed");
}

#[test]
fn p3_a_mission_whose_repository_was_taken_over_is_not_resumed_without_a_word() {
    let mut night = Night::new().within(Fence::Off);
    killed_in_the_middle(&night, "");
    let (own, other) = (night.state().display().to_string(), night.home().join("state2").display().to_string());
    night.var("MC_STATE_DIR", &other);
    let machine = night.sh("uname -n");
    night.mission_with(&unit("b", "touch b"), &["--take-over", &machine]).exits(0);
    night.var("MC_STATE_DIR", &own);
    night.sh("touch ~/go");
    night.mc(&["mission", "resume"]).exits(5).says(&["belongs to the state directory", "--take-over"]);
    assert!(!night.holds("git cat-file -e mc/green:a"));
    night.mc(&["mission", "resume", "--take-over", &machine]).exits(0);
    assert!(night.holds("git cat-file -e mc/green:a && git cat-file -e mc/green:b"));
}

#[test]
fn p6_p12_copied_files_reach_no_commit_and_are_not_written_through_links() {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh", "[target]\ncopy = [\".env\", \"conf/local\"]");
    night.write(".env", "SECRET=1");
    night.write("conf/local", "copied");
    fs::create_dir(night.home().join("victim")).unwrap();
    fs::write(night.home().join("victim/local"), "mine").unwrap();
    let sees = "test \"$(cat .env)\" = SECRET=1 && touch a";
    let link = "rm -rf conf; ln -s ~/victim conf";
    night.mission(&unit("a", sees)).exits(0);
    assert_eq!(night.sh("git ls-tree -r --name-only mc/green -- .env conf"), "");
    night.mission(&[unit("b", link), format!("{}depends = [\"b\"]\n", unit("c", "touch c"))].join("\n"));
    assert_eq!(fs::read_to_string(night.home().join("victim/local")).unwrap(), "mine");
}

#[test]
fn p8_a_report_that_an_agent_wrote_itself_is_not_taken_for_ours() {
    let night = Night::new().within(Fence::Off);
    killed_in_the_middle(
        &night,
        "echo '{\"end\":\"stopped\"}' > \"${MC_RESULT%/state/*}/state/sessions/$MC_MISSION/$MC_UNIT/$MC_ATTEMPT/report.json\"",
    );
    let engine = night.begin(&["mission", "resume"]);
    night.sh("touch ~/go");
    engine.wait().exits(0);
    assert_eq!(night.classes("a"), ["changed"]);
}

#[test]
fn p8_edits_of_files_that_mc_keeps_are_no_change() {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh", "[agent]\ncommand = \"cat >/dev/null; echo '- done' >> BACKLOG.md\"");
    let plan = "[[unit]]\nid = \"a\"\ntitle = \"a\"\nattempts = 1\n\
                [[unit]]\nid = \"b\"\ntitle = \"b\"\ndepends = [\"a\"]\nrun = \"touch b\"\n";
    night.mission(plan).exits(3);
    assert_eq!(night.classes("a"), ["empty"]);
    assert_eq!((night.unit("a"), night.unit("b")), ("failed".to_owned(), "blocked".to_owned()));
    assert!(night.mc(&["events"]).out.contains("its edits of BACKLOG.md are left out"));
}

#[test]
fn p6_an_agent_that_merges_what_has_landed_is_not_held() {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh", "[green_branch]\ngreen_branch = \"green\"");
    night.repository_is_attacked("a unit plays the person who makes a branch, and green has another name");
    let source = night.repo().display().to_string();
    let merges = format!(
        "while [ \"$(git -C {source} rev-parse green)\" = \"$MC_BASE\" ]; do sleep 0.05; done
         git -C {source} branch person green; git pull -q --no-rebase {source} green; touch b"
    );
    night.mission(&[unit("a", "touch a"), unit("b", &merges)].join("\n")).exits(0);
    assert_eq!(night.unit("b"), "landed");
    assert!(!night.report().contains("refs/heads/green of the source changed"));
}

#[test]
fn p2_the_target_branch_is_pinned_before_it_is_verified() {
    let night = Night::new().within(Fence::Off);
    night.mission(&unit("a", "true")).exits(0);
    night.write("by-hand", "x");
    night.commit("by hand");
    let head = night.sh("git rev-parse main");
    night.mission(&unit("b", "touch b")).exits(0);
    let pins = night.sh("git for-each-ref --format='%(objectname)' refs/mc/candidates");
    assert!(pins.contains(&head), "{pins}");
}

#[test]
fn p12_what_setup_says_about_a_secret_is_not_journaled() {
    let mut night = Night::new().within(Fence::Off);
    night.var("TOKEN", "s3cr3t-value");
    night.settings("sh run.sh", "env = [\"TOKEN\"]\n[target]\nsetup = \"echo with $TOKEN; exit 1\"");
    let plan = night.plan(&unit("a", "touch a"));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("sleep 0.1; grep -q step-failed ~/state/mc.db-wal");
    engine.signal("KILL");
    engine.wait();
    let said = night.sql("SELECT body FROM journal WHERE kind = 'step-failed'").concat();
    assert!(said.contains("with [TOKEN]") && !said.contains("s3cr3t-value"), "{said}");
}

#[test]
fn a_lock_whose_holder_has_not_signed_yet_is_not_taken_for_an_orphans() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("engine.lock");
    let mut file = File::create(&path).unwrap();
    file.lock().unwrap();
    let waiter = std::thread::spawn({
        let path = path.clone();
        move || RunLock::acquire(&path, Duration::from_secs(20))
    });
    // It looks at the empty file before the holder writes its name, or after: both must say who holds it.
    std::thread::sleep(Duration::from_millis(100));
    let own = std::process::id();
    writeln!(file, "{own} {}", start_time(own).unwrap()).unwrap();
    let started = std::time::Instant::now();
    assert!(matches!(waiter.join().unwrap(), Err(LockError::Held { pid }) if pid == own));
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn p10_a_pipe_in_the_place_of_a_handoff_stops_nobody() {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh", "[agent]\ncommand = \"cat >/dev/null; mkfifo $MC_RESULT; sleep 2.5; touch a\"");
    night.mission("[[unit]]\nid = \"a\"\ntitle = \"a\"\nattempts = 1\n").exits(0);
    assert_eq!(night.unit("a"), "landed");
}
