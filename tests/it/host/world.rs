//! A hermetic world for runs: own folders, a tagged `sleep` that can be counted, deadlines instead of sleeps.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::tools::cannot_run;
use mission_control::adapters::host::local::process::probe::{probe, probe_namespace};
use mission_control::adapters::host::local::process::procfs;
use mission_control::adapters::host::local::protocol::{FLAG, Isolation, RunExit, RunSpec};
use mission_control::adapters::host::local::rundir::{Run, launch};
use mission_control::domain::fence::WantedIsolation;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A slot, a place for run directories, and a program named by a tag nobody else uses.
pub struct Runs {
    pub home: tempfile::TempDir,
    pub tag: String,
}

impl Runs {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let tag = format!("mcrun{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        std::fs::create_dir_all(home.path().join("slot")).unwrap();
        std::fs::create_dir_all(home.path().join("bin")).unwrap();
        std::os::unix::fs::symlink("/bin/sleep", home.path().join("bin").join(&tag)).unwrap();
        Self { home, tag }
    }

    pub fn slot(&self) -> PathBuf {
        self.home.path().join("slot").canonicalize().unwrap()
    }

    pub fn dir(&self) -> PathBuf {
        self.home.path().join("runs/r1")
    }

    /// A shell script as the program; `TAG` in it is the tagged sleep. Nothing ends it for a minute.
    pub fn spec(&self, isolation: Isolation, script: &str) -> RunSpec {
        let path = format!("{}:/usr/bin:/bin", self.home.path().join("bin").display());
        RunSpec {
            dir: self.dir(),
            cwd: self.slot(),
            argv: ["sh", "-c", &script.replace("TAG", &self.tag)].map(Into::into).to_vec(),
            env: vec![("PATH".into(), path.into())],
            stdin: None,
            errors_apart: false,
            timeout: Duration::from_secs(60),
            grace: Duration::from_millis(200),
            lease: Duration::from_secs(60),
            isolation,
            cookie: self.tag.clone(),
            search_roots: vec![self.slot()],
            mounts: Vec::new(),
            fence: None,
            program: program(),
        }
    }

    pub async fn launch(&self, isolation: Isolation, script: &str) -> Run {
        launch(&self.spec(isolation, script)).await.unwrap()
    }

    /// Living processes that carry the tag in their arguments; zombies are dead.
    pub fn living(&self) -> usize {
        procfs::list_processes().iter().filter(|(pid, _)| tagged(*pid, &self.tag)).count()
    }

    pub fn write(&self, name: &str) {
        std::fs::write(self.slot().join(name), "").unwrap();
    }

    pub async fn until_written(&self, name: &str) {
        let path = self.slot().join(name);
        until(name, || path.exists()).await;
    }
}

fn tagged(pid: u32, tag: &str) -> bool {
    procfs::read_arguments(pid).iter().any(|a| String::from_utf8_lossy(a).contains(tag))
}

/// Looks every few milliseconds, at most 20 s.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The program `mc`; an ordinary user gets a copy that may be read.
pub fn program() -> PathBuf {
    std::env::var_os("MC_TEST_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_mc").into(), PathBuf::from)
}

/// Every containment that works for this user here; `search` always does.
pub async fn isolations() -> Vec<Isolation> {
    let namespaces = match probe(WantedIsolation::Pidns, &program()).await {
        Ok(best) => Isolation::NAMESPACES.into_iter().skip_while(|one| *one != best).collect(),
        Err(why) => {
            cannot_run(&format!("no pid namespace here: {why:?}"));
            Vec::new()
        }
    };
    let mut found = Vec::new();
    for isolation in namespaces {
        match probe_namespace(isolation, &program()).await {
            Ok(()) => found.push(isolation),
            Err(why) => cannot_run(&format!("no {} here: {why}", isolation.word())),
        }
    }
    found.push(Isolation::Search);
    found
}

/// Starts the supervisor of a prepared directory as the engine does.
pub fn supervise(dir: &Path) -> std::process::Child {
    supervise_by(Command::new("env"), dir)
}

/// As [`supervise`], through a program that becomes what its arguments say.
pub fn supervise_by(mut command: Command, dir: &Path) -> std::process::Child {
    command.arg(program()).arg(FLAG).arg(dir).arg("run").env_clear();
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

pub async fn ended(run: &Run) -> RunExit {
    within(run.wait()).await
}

/// The deadline on every test's waiting.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(40), work).await.expect("the deadline of the test passed")
}

pub fn log(run_dir: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(run_dir.join("out.log")).unwrap_or_default()).into_owned()
}
