//! The clone oracle: what green says must be true for whoever clones it.
//!
//! At the end of a test every commit that green pointed to is taken by `git clone --no-local`, with source and state
//! directory out of reach, and verified by the stages, setup, copied files and ignored paths that the mission journaled, in a
//! new home and a new temporary folder: what passed in the stored snapshot passes there. And the user's repository is as it was,
//! but for what a person of the test did to it.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use mission_control::adapters::host::local::workspace::reports;
use mission_control::domain::ending::ProcessEnd;
use mission_control::domain::plan::globs::Globs;
use mission_control::domain::verify::StageOutcome;
use mission_control::domain::verify::formats::relative::{relativize_paths, to_text};
use mission_control::domain::verify::formats::reports::ReportFile;
use mission_control::domain::verify::model::key::{StageSpec, Tier};
use mission_control::domain::verify::model::results::{Steadiness, TestResult, TestStatus};
use mission_control::domain::verify::model::snapshot::{Snapshot, StageResult};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The machine of a test, as the oracle needs it.
pub struct Scene<'a> {
    /// Folder of everything; the oracle's own files go there, too.
    pub home: &'a Path,
    pub repo: PathBuf,
    pub state: PathBuf,
    /// The program, for a folder, with the user, the `PATH` and the variables of the test.
    pub command: &'a dyn Fn(&str, &Path) -> Command,
}

/// A position of green with the key of the snapshot by which it was accepted, and the mission's settings.
struct Position {
    commit: String,
    key: String,
    settings: Value,
}

/// What does not hold, one line each; empty when all is well.
pub fn ask(scene: &Scene<'_>) -> Vec<String> {
    let positions = positions(&scene.state.join("mc.db"));
    if positions.is_empty() {
        return Vec::new();
    }
    let place = scene.home.join("oracle");
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o777)).unwrap();
    let clone = "git -c protocol.file.allow=always clone -q --no-local --no-checkout \"$1\" clone || exit 1
         cd clone
         { git fetch -q origin '+refs/mc/*:refs/mc/*' '+refs/heads/*:refs/remotes/origin/*' || true; }
         # Whoever clones it has git-lfs where the repository has it, and fetches what there is.
         if git -C \"$1\" config filter.lfs.process >/dev/null; then
           git lfs install --local >/dev/null; mkdir -p .git/lfs/objects
           if not=$(git -C \"$1\" config lfs.fetchexclude); then git config lfs.fetchexclude \"$not\"; fi
           git -C \"$1\" lfs env | sed -n 's/^Local\\(Media\\|Reference\\)Dirs*=//p' | while read -r from; do
             if [ -d \"$from\" ]; then cp -R \"$from/.\" .git/lfs/objects/; fi
           done
         fi";
    let mut command = (scene.command)("sh", &place);
    let cloned = command.args(["-ec", clone, "sh"]).arg(&scene.repo).output().unwrap();
    if !cloned.status.success() {
        return vec![format!("clone the repository: {}", String::from_utf8_lossy(&cloned.stderr))];
    }
    let mut wrong = Vec::new();
    let hidden = Hidden::of(scene);
    for (nth, position) in positions.iter().enumerate() {
        wrong.extend(examine(scene, &hidden, &place, nth, position));
    }
    drop(hidden);
    let _ = std::fs::remove_dir_all(&place);
    wrong
}

/// Repository and state directory, moved out of reach until this is dropped.
struct Hidden<'a> {
    scene: &'a Scene<'a>,
    place: PathBuf,
}

impl<'a> Hidden<'a> {
    fn of(scene: &'a Scene<'a>) -> Self {
        let place = scene.home.join("oracle/out-of-reach");
        std::fs::create_dir_all(&place).unwrap();
        let hidden = Self { scene, place };
        std::fs::rename(&hidden.scene.repo, hidden.repo()).unwrap();
        std::fs::rename(&hidden.scene.state, hidden.state()).unwrap();
        std::fs::set_permissions(&hidden.place, PermissionsExt::from_mode(0o000)).unwrap();
        hidden
    }

    fn repo(&self) -> PathBuf {
        self.place.join("repo")
    }

    fn state(&self) -> PathBuf {
        self.place.join("state")
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        let _ = std::fs::set_permissions(&self.place, PermissionsExt::from_mode(0o700));
        let _ = std::fs::rename(self.repo(), &self.scene.repo);
        let _ = std::fs::rename(self.state(), &self.scene.state);
    }
}

/// Where green stood in each mission, oldest first, each tree once per settings.
fn positions(db: &Path) -> Vec<Position> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    let Ok(db) = rusqlite::Connection::open_with_flags(db, flags) else { return Vec::new() };
    let Ok(mut query) = db.prepare("SELECT mission, body FROM journal ORDER BY seq") else { return Vec::new() };
    let Ok(rows) = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))) else {
        return Vec::new();
    };
    let mut missions: BTreeMap<String, Value> = BTreeMap::new();
    let mut runs: BTreeMap<(String, u64), Value> = BTreeMap::new();
    let mut keys: BTreeMap<(String, String), String> = BTreeMap::new();
    let (mut stood, mut seen) = (Vec::new(), BTreeSet::new());
    for (mission, body) in rows.flatten() {
        let Ok(record) = serde_json::from_str::<Value>(&body) else { continue };
        let green = match record["kind"].as_str().unwrap_or_default() {
            "mission-started" => {
                missions.insert(mission, record["settings"]["settings"].clone());
                continue;
            }
            "verify-started" => {
                runs.insert((mission, record["run"].as_u64().unwrap_or_default()), record);
                continue;
            }
            "verified" => {
                let started = &runs[&(mission.clone(), record["run"].as_u64().unwrap_or_default())];
                let whole = !matches!(started["role"].as_str(), Some("accept-before" | "unit-checks"));
                if let (true, Some(tree), Some(key)) = (whole, started["tip"]["tree"].as_str(), record["key"].as_str())
                {
                    keys.insert((mission, tree.to_owned()), key.to_owned());
                }
                continue;
            }
            "established" | "green-moved" => record["tip"].clone(),
            "landed" => record["green"].clone(),
            _ => continue,
        };
        stood.push((mission, green));
    }
    let mut found = Vec::new();
    for (mission, green) in stood {
        let (Some(commit), Some(tree)) = (green["commit"].as_str(), green["tree"].as_str()) else { continue };
        let Some(key) = keys.get(&(mission.clone(), tree.to_owned())) else { continue };
        if seen.insert((key.clone(), tree.to_owned())) {
            let settings = missions.get(&mission).cloned().unwrap_or_default();
            found.push(Position { commit: commit.to_owned(), key: key.clone(), settings });
        }
    }
    found
}

fn stored(hidden: &Hidden<'_>, key: &str) -> Option<Snapshot> {
    let _ = std::fs::set_permissions(&hidden.place, PermissionsExt::from_mode(0o700));
    let body = rusqlite::Connection::open(hidden.state().join("mc.db")).ok().and_then(|db| {
        db.query_row("SELECT body FROM snapshots WHERE key = ?1", [key], |row| row.get::<_, String>(0)).ok()
    });
    let _ = std::fs::set_permissions(&hidden.place, PermissionsExt::from_mode(0o000));
    serde_json::from_str(&body?).ok()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// Verifies one position in a checkout of its own.
fn examine(scene: &Scene<'_>, hidden: &Hidden<'_>, place: &Path, nth: usize, position: &Position) -> Vec<String> {
    // A snapshot that was cleaned away says nothing any more.
    let Some(snapshot) = stored(hidden, &position.key) else { return Vec::new() };
    let short = position.commit.get(..10).unwrap_or(&position.commit);
    let dir = place.join(format!("{nth}"));
    let [work, home, tmp] = ["work", "home", "tmp"].map(|name| dir.join(name));
    let make = "mkdir -p \"$2\" \"$3\" && cp -a clone \"$1\" && cd \"$1\" && \
         git -c advice.detachedHead=false checkout -q \"$4\"";
    let mut command = (scene.command)("sh", place);
    command.args(["-ec", make, "sh"]).args([&work, &home, &tmp]).arg(&position.commit);
    let made = command.output().unwrap();
    if !made.status.success() {
        // What was rolled back and cleaned is nowhere any more.
        let gone = String::from_utf8_lossy(&made.stderr).contains("unable to read tree")
            || String::from_utf8_lossy(&made.stderr).contains("reference is not a tree");
        return if gone { Vec::new() } else { vec![format!("{short}: {}", String::from_utf8_lossy(&made.stderr))] };
    }
    let _ = std::fs::copy(scene.home.join(".gitconfig"), home.join(".gitconfig"));
    let ignore = Globs::new(&texts(&position.settings["verification"]["ignore"])).unwrap();
    for path in tracked(scene, &work) {
        if ignore.matches(&path.to_string_lossy()) {
            let _ = std::fs::remove_file(work.join(&path));
        }
    }
    for name in texts(&position.settings["target"]["copy"]) {
        let _ = std::fs::set_permissions(&hidden.place, PermissionsExt::from_mode(0o700));
        if let Some(above) = work.join(&name).parent() {
            let _ = std::fs::create_dir_all(above);
        }
        let _ = std::fs::copy(hidden.repo().join(&name), work.join(&name));
        let _ = std::fs::set_permissions(&hidden.place, PermissionsExt::from_mode(0o000));
    }
    let run = |line: &str| {
        let mut command = (scene.command)("sh", &work);
        command.args(["-c", line]).env("HOME", &home).env("TMPDIR", &tmp).env_remove("MC_STATE_DIR");
        for name in ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CEILING_DIRECTORIES"] {
            command.env_remove(name);
        }
        let file = std::fs::File::create(dir.join("output")).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file).stdin(Stdio::null()).process_group(0);
        let status = command.status().unwrap();
        (status, std::fs::read(dir.join("output")).unwrap())
    };
    if let Some(line) = position.settings["target"]["setup"].as_str() {
        let (status, output) = run(line);
        if !status.success() {
            return vec![format!("{short}: setup fails in a clone: {}", String::from_utf8_lossy(&output))];
        }
    }
    let stages: Vec<StageSpec> =
        serde_json::from_value(position.settings["verification"]["stages"].clone()).unwrap_or_default();
    let mut wrong = Vec::new();
    for stage in stages.iter().filter(|stage| stage.tier == Tier::Gate) {
        let Some(before) = snapshot.stages.iter().find(|s| s.name == stage.name) else { continue };
        let globs = Globs::new(&stage.reports).unwrap();
        let known: BTreeSet<OsString> = tracked(scene, &work).into_iter().map(PathBuf::into_os_string).collect();
        let old = reports::clear_old_reports(&work, |path| globs.matches(path), &known, false).unwrap();
        let (status, output) = run(&stage.run);
        let end = match status.code() {
            Some(code) => ProcessEnd::Exited(code),
            None => ProcessEnd::Signaled(9),
        };
        let left: Vec<ReportFile> = match stage.reports.is_empty() {
            true => Vec::new(),
            false => reports::read(&work, |path| globs.matches(path), &old)
                .into_iter()
                .map(|(path, bytes)| ReportFile::from_bytes(path, bytes, &work.to_string_lossy()))
                .collect(),
        };
        let output = relativize_paths(to_text(&output), &work.to_string_lossy()).into_owned().into_bytes();
        let now = StageResult::from_run(stage, &end, &output, &left, 1);
        wrong.extend(compare(short, before, &now, &snapshot.flaky, &output));
    }
    wrong
}

fn tracked(scene: &Scene<'_>, work: &Path) -> Vec<PathBuf> {
    let output = (scene.command)("git", work).args(["ls-files", "-z"]).output().unwrap();
    let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| PathBuf::from(OsString::from_vec(name.to_vec()))).collect()
}

/// What passed in the stored result and does not pass in the clone's, known flakiness aside.
fn compare(short: &str, before: &StageResult, now: &StageResult, flaky: &[String], output: &[u8]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut tell = |what: String| {
        let mut line = format!("{short}: {what}");
        let _ = write!(line, "\n{}", String::from_utf8_lossy(output).chars().take(2_000).collect::<String>());
        wrong.push(line);
    };
    match (&before.tests, &now.tests) {
        (Some(old), Some(new)) => {
            let count = |tests: &[TestResult]| {
                let mut passing: BTreeMap<(String, String), usize> = BTreeMap::new();
                let known = |test: &&TestResult| matches!(test.steady, Steadiness::Steady | Steadiness::Shuffled);
                for test in tests.iter().filter(known).filter(|test| test.status == TestStatus::Passed) {
                    *passing.entry((test.suite.clone(), test.name.clone())).or_default() += 1;
                }
                passing
            };
            let new = count(&new.tests);
            for ((suite, name), wanted) in count(&old.tests) {
                let has = new.get(&(suite.clone(), name.clone())).copied().unwrap_or(0);
                if has < wanted && !flaky.contains(&before.test_name(&suite, &name)) {
                    tell(format!(
                        "{} passed in the stored snapshot and not in a clone",
                        before.test_name(&suite, &name)
                    ));
                }
            }
        }
        (Some(old), None) if old.has_status(TestStatus::Passed) => {
            tell(format!("the tests of {} passed and no test is told in a clone", before.name));
        }
        _ => {}
    }
    let failed = before.outcome == StageOutcome::Passed && now.outcome != StageOutcome::Passed;
    if failed && flaky.is_empty() && wrong.is_empty() {
        let what = format!("stage {} passed in the stored snapshot; in a clone: {}", before.name, now.failure_reason());
        wrong.push(format!("{short}: {what}\n{}", String::from_utf8_lossy(output)));
    }
    wrong
}
