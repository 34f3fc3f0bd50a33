//! What the tests of the store share: a deadline, a database in a folder of its own, children of this very binary.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests")]

use mission_control::adapters::host::local::process::lock::RunLock;
use mission_control::adapters::store::{Entry, Store};
use mission_control::domain::values::MissionId;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Runs a test's body with a deadline of a minute.
pub fn in_time(body: impl FnOnce() + Send + 'static) {
    let (send, receive) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        body();
        let _ = send.send(());
    });
    match receive.recv_timeout(Duration::from_secs(60)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the test did not end within a minute"),
        _ => worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}

pub fn mission(name: &str) -> MissionId {
    MissionId::new(name).unwrap()
}

pub fn entry(kind: &str, body: &str) -> Entry {
    Entry { kind: kind.to_owned(), body: body.to_owned() }
}

/// Opens a database as an engine does that takes the next epoch.
pub fn open(db: &Path) -> Store {
    let mut store = Store::open(db).unwrap();
    let lock = RunLock::acquire(&db.with_file_name("engine.lock"), Duration::from_secs(5)).unwrap();
    let epoch = store.read_tenant().unwrap().epoch + 1;
    store.take_epoch(&lock, epoch, "").unwrap();
    store
}

/// A folder with a database path in it.
pub struct World {
    pub dir: tempfile::TempDir,
    pub db: PathBuf,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("mc.db");
        Self { dir, db }
    }

    pub fn store(&self) -> Store {
        open(&self.db)
    }

    /// A connection that knows nothing of our rules, as a person with `sqlite3` has it.
    pub fn stranger(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(&self.db).unwrap()
    }

    /// The same with the guards of the journal taken down.
    pub fn vandal(&self) -> rusqlite::Connection {
        let connection = self.stranger();
        connection
            .execute_batch(
                "DROP TRIGGER journal_grows_at_its_end; DROP TRIGGER journal_is_never_changed;
                 DROP TRIGGER journal_is_never_shortened; PRAGMA ignore_check_constraints = ON;",
            )
            .unwrap();
        connection
    }

    /// A journal of two missions, `rows` rows in appends of three.
    pub fn filled(&self, rows: u64) -> Store {
        let mut store = self.store();
        let all: Vec<Entry> =
            (1..=rows).map(|i| entry("unit-started", &format!(r#"{{"unit":"u{i}","n":1}}"#))).collect();
        for (i, entries) in all.chunks(3).enumerate() {
            let name = if i % 2 == 0 { "m1" } else { "m2" };
            store.append(&mission(name), 1_000 + i as u64, entries).unwrap();
        }
        store
    }
}

/// A child that runs one ignored test of this binary with a path in `MC_TEST_STORE`; killed when dropped.
pub struct Part {
    pub child: Child,
    pub lines: BufReader<ChildStdout>,
    pub stdin: Option<ChildStdin>,
}

impl Part {
    pub fn play(test: &str, path: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
            .env("MC_TEST_STORE", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let stdin = child.stdin.take();
        Self { child, lines, stdin }
    }

    /// The rest of the next line that starts with `mark`; `None` when the child's output ends before.
    pub fn hear(&mut self, mark: &str) -> Option<String> {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            // libtest writes "test NAME ... " without a line end before what the test prints.
            if let Some((_, rest)) = line.split_once(mark) {
                return line.ends_with('\n').then(|| rest.trim().to_owned());
            }
            line.clear();
        }
        None
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path given to a [`Part`]; `None` when somebody runs all ignored tests.
pub fn part_path() -> Option<PathBuf> {
    std::env::var_os("MC_TEST_STORE").map(PathBuf::from)
}
