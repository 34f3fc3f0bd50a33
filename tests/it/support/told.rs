//! A mission once lived through, whose journal, snapshots, refs and runs can be forged and put back.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::night::{Night, unit};
use rusqlite::Connection;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A mission in which two script units and an agent land, one breaks a test, one conflicts, one fails and blocks another.
/// A test is red all the time, and one is flaky once.
pub fn night() -> Night {
    let night = Night::new();
    night.write("tests/red.sh", "false\n");
    night.write("shared", "one\n");
    night.settings(
        "sh run.sh",
        "[agent]\ncommand = '''echo agent > by-agent'''\n[scheduler.parallel]\nnum_workers = 2\n",
    );
    let blocked = "[[unit]]\nid = \"late\"\ntitle = \"Late\"\ndepends = [\"fails\"]\nrun = \"true\"\n";
    let agent = "[[unit]]\nid = \"agent\"\ntitle = \"By an agent\"\nattempts = 1\n";
    let plan = [
        unit("good", "echo true > tests/good.sh; echo good > shared"),
        unit("more", "echo true > tests/more.sh"),
        unit("breaks", "echo false > tests/alpha.sh"),
        unit("fails", "echo it cannot be; exit 3"),
        blocked.to_owned(),
        agent.to_owned(),
    ];
    night.mission(&plan.concat()).exits(3);
    night
}

/// A mission once lived through, and put back after each lie.
pub struct Told {
    pub night: Night,
    kept: tempfile::TempDir,
}

/// One row of the journal.
#[derive(Debug, Clone)]
pub struct Row {
    pub mission: String,
    pub at: i64,
    pub kind: String,
    pub body: Value,
}

const FILES: [&str; 3] = ["mc.db", "mc.db-wal", "mc.db-shm"];

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").args(["-a", "--"]).arg(from).arg(to).status().unwrap();
    assert!(status.success(), "copy {}", from.display());
}

impl Told {
    pub fn new() -> Self {
        Self::of(night())
    }

    /// Of a mission that is told already.
    pub fn of(night: Night) -> Self {
        let told = Self { night, kept: tempfile::tempdir().unwrap() };
        // One file is easier to put back than three.
        Connection::open(told.db()).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        for (path, name) in told.places() {
            copy(&path, &told.kept.path().join(name));
        }
        told
    }

    fn places(&self) -> [(PathBuf, &'static str); 5] {
        let state = self.night.state();
        [
            (state.join("mc.db"), "mc.db"),
            (state.join("logs"), "logs"),
            (self.night.runs(), "runs"),
            (state.join("sessions"), "sessions"),
            (self.night.repo().join(".git/refs"), "refs"),
        ]
    }

    pub fn db(&self) -> PathBuf {
        self.night.state().join("mc.db")
    }

    pub fn put_back(&self) {
        for name in FILES {
            let _ = std::fs::remove_file(self.night.state().join(name));
        }
        for (path, name) in self.places() {
            let _ = std::fs::remove_dir_all(&path);
            copy(&self.kept.path().join(name), &path);
        }
    }

    pub fn rows(&self) -> Vec<Row> {
        let db = Connection::open(self.db()).unwrap();
        let mut query = db.prepare("SELECT mission, at_ms, kind, body FROM journal ORDER BY seq").unwrap();
        let read = |row: &rusqlite::Row<'_>| {
            let body: String = row.get(3)?;
            let body = serde_json::from_str(&body).unwrap();
            Ok(Row { mission: row.get(0)?, at: row.get(1)?, kind: row.get(2)?, body })
        };
        query.query_map([], read).unwrap().map(Result::unwrap).collect()
    }

    /// Writes a journal whose chain is in order, whatever it says.
    pub fn forge(&self, rows: &[Row]) {
        let db = Connection::open(self.db()).unwrap();
        db.execute_batch(
            "DROP TRIGGER journal_is_never_changed; DROP TRIGGER journal_is_never_shortened;
             DROP TRIGGER journal_grows_at_its_end; DELETE FROM journal;",
        )
        .unwrap();
        let mut before = String::new();
        for (seq, row) in (1_i64..).zip(rows) {
            let body = row.body.to_string();
            let mut hash = Sha256::new();
            for field in [
                before.as_bytes(),
                &seq.to_le_bytes(),
                row.mission.as_bytes(),
                &row.at.to_le_bytes(),
                row.kind.as_bytes(),
                body.as_bytes(),
            ] {
                hash.update((field.len() as u64).to_le_bytes());
                hash.update(field);
            }
            before = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
            let sql = "INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            db.execute(sql, rusqlite::params![seq, row.mission, row.at, row.kind, body, before]).unwrap();
        }
    }

    /// Changes rows, mends the chain, and takes the log away that would tell.
    pub fn rewrite(&self, change: impl FnOnce(&mut Vec<Row>)) {
        let mut rows = self.rows();
        change(&mut rows);
        self.forge(&rows);
        std::fs::remove_dir_all(self.night.state().join("logs")).unwrap();
    }

    /// Puts another commit of this tree and message into the place of the newest landing, in journal and repository alike.
    pub fn replaces_the_newest(&self, tree: &str, message: &str) {
        let night = &self.night;
        let newest = night.sh("git log -1 '--format=%(trailers:key=Mc-Unit,valueonly)' mc/green");
        let old = night.sh("git rev-parse mc/green");
        let other = night.sh(&format!("git commit-tree {tree} -p mc/green^1 -p mc/green^2 -m \"{message}\""));
        self.rewrite(|rows| {
            let landed = find(rows, "landed", &format!("\"{}\"", newest.trim()));
            assert_eq!(landed.body["candidate"]["commit"], old.as_str());
            let of = |commit: &str| night.sh(&format!("git rev-parse {commit}^{{tree}}"));
            for (from, to) in [(old.clone(), other.clone()), (of(&old), of(&other))] {
                rows.iter_mut()
                    .filter(|row| row.body.to_string().contains(&from))
                    .for_each(|row| swap(row, &from, &to));
            }
        });
        night.sh(&format!("git update-ref refs/heads/mc/green {other}"));
    }

    pub fn sql(&self, sql: &str) {
        let db = Connection::open(self.db()).unwrap();
        assert!(db.execute(sql, []).unwrap() > 0, "{sql} changed nothing");
    }

    /// The claims as JSON, with the exit code.
    pub fn proof(&self) -> (i32, Value) {
        let said = self.night.mc(&["--json", "report", "--verify"]);
        (said.code, serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {}{}", said.out, said.err)))
    }

    /// The report is found wrong, and one of what does not hold says these words.
    #[track_caller]
    pub fn is_found(&self, lie: &str, words: &str) {
        let (code, proof) = self.proof();
        let broken: Vec<String> = claims(&proof)
            .iter()
            .filter(|claim| claim["holds"] == false)
            .map(|claim| format!("{}: {}", claim["claim"].as_str().unwrap(), claim["why"].as_str().unwrap()))
            .collect();
        assert_eq!(code, 4, "{lie} is not found: {proof:#}");
        assert!(broken.iter().any(|line| line.contains(words)), "{lie}: `{words}` is not in {broken:#?}");
        self.put_back();
    }
}

pub fn claims(proof: &Value) -> &Vec<Value> {
    proof["claims"].as_array().unwrap()
}

/// The first row of a kind that has this text.
pub fn find<'r>(rows: &'r mut [Row], kind: &str, text: &str) -> &'r mut Row {
    let found = rows.iter_mut().find(|row| row.kind == kind && row.body.to_string().contains(text));
    found.unwrap_or_else(|| panic!("no {kind} with {text}"))
}

/// Changes one text of a row.
pub fn swap(row: &mut Row, from: &str, to: &str) {
    let text = row.body.to_string();
    assert!(text.contains(from), "no {from} in {text}");
    row.body = serde_json::from_str(&text.replace(from, to)).unwrap();
}
