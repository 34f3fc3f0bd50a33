//! One engine per state directory, and the lock that outlives it with its children.

use crate::store::world::{Part, in_time, part_path};
use mission_control::adapters::host::local::process::command::CommandLine;
use mission_control::adapters::host::local::process::lock::{LockError, RunLock};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

const AT_ONCE: Duration = Duration::ZERO;
const PATIENT: Duration = Duration::from_secs(30);

#[test]
#[ignore = "a part played for the tests below"]
fn part_holds_the_lock_until_its_input_ends() {
    let Some(path) = part_path() else { return };
    let _lock = RunLock::acquire(&path, AT_ONCE).unwrap();
    writeln!(std::io::stdout(), "holding").unwrap();
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

#[test]
#[ignore = "a part played for p4_the_lock_outlives_a_killed_engine_with_its_children"]
fn part_holds_the_lock_and_runs_a_child() {
    let Some(path) = part_path() else { return };
    let lock = RunLock::acquire(&path, AT_ONCE).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let child = CommandLine::new("cat").arg(path.with_file_name("fifo"));
    runtime.block_on(child.run(&lock.guard())).unwrap();
}

fn held_by(path: &Path) -> Option<u32> {
    match RunLock::acquire(path, AT_ONCE) {
        Err(LockError::Held { pid }) => Some(pid),
        Ok(_) => None,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_second_engine_is_told_the_pid_of_the_first() {
    in_time(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.lock");
        let mut first = Part::play("store::lock::part_holds_the_lock_until_its_input_ends", &path);
        first.hear("holding").unwrap();
        assert_eq!(held_by(&path), Some(first.child.id()));
        assert!(LockError::Held { pid: 41 }.to_string().contains("pid 41"));
        drop(first.stdin.take());
        first.child.wait().unwrap();
        assert_eq!(held_by(&path), None);
    });
}

#[test]
fn p4_the_lock_is_free_at_once_after_a_kill() {
    in_time(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.lock");
        let mut first = Part::play("store::lock::part_holds_the_lock_until_its_input_ends", &path);
        first.hear("holding").unwrap();
        first.kill();
        let _lock = RunLock::acquire(&path, AT_ONCE).unwrap();
        assert_eq!(held_by(&path), Some(std::process::id()));
    });
}

#[test]
fn p4_the_lock_outlives_a_killed_engine_with_its_children() {
    in_time(|| {
        let dir = tempfile::tempdir().unwrap();
        let (path, fifo) = (dir.path().join("engine.lock"), dir.path().join("fifo"));
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        let mut engine = Part::play("store::lock::part_holds_the_lock_and_runs_a_child", &path);
        // Opening waits for a reader: from here on the child runs.
        let end_of_child = OpenOptions::new().write(true).open(&fifo).unwrap();
        assert_eq!(held_by(&path), Some(engine.child.id()));
        engine.kill();

        let refused = RunLock::acquire(&path, Duration::from_millis(100)).unwrap_err();
        assert!(matches!(refused, LockError::Orphans { .. }), "{refused:?}");

        let next = std::thread::spawn(move || RunLock::acquire(&path, PATIENT).map(|_| ()));
        drop(end_of_child);
        next.join().unwrap().unwrap();
    });
}

/// A child that a killed engine had just forked has all that its parent had open until it begins its own program.
#[test]
fn p3_p4_a_child_of_a_killed_engine_that_has_not_begun_yet_is_no_engine() {
    in_time(|| {
        for file in ["engine.alive", "engine.lock"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("engine.lock");
            std::fs::write(&path, format!("{} 1\n", u32::MAX)).unwrap();
            let open = |name: &str| {
                let path = dir.path().join(name);
                let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap();
                file.lock().unwrap();
                file
            };
            let held: Vec<_> =
                ["engine.alive", file].iter().take(1 + usize::from(file == "engine.lock")).map(|f| open(f)).collect();
            let next = std::thread::spawn(move || RunLock::acquire(&path, PATIENT).map(|_| ()));
            // Longer than any answer that is given at once.
            std::thread::sleep(Duration::from_millis(700));
            drop(held);
            next.join().unwrap().unwrap_or_else(|e| panic!("{file}: {e}"));
        }
    });
}
