//! A user's machine around the real `mc`: a home, a repository, a state directory, and processes one can look for.
//!
//! Every path of a world is below one folder whose name nobody else has, so that whatever still lives of its missions is
//! found in `/proc` by that name alone.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

pub use super::engine::{Engine, Said};
pub use super::fence::Fence;
use super::left_alone::Fingerprint;
use super::sandbox::Sandbox;
pub use super::units::{Unit, own_file, unit};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, read_to_string};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Longest wait for something that is about to happen; below every deadline, so that a world is tidied when it fails.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Runs a test's body with a deadline.
pub fn within(seconds: u64, body: impl FnOnce() + Send + 'static) {
    let (send, receive) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        body();
        let _ = send.send(());
    });
    match receive.recv_timeout(Duration::from_secs(seconds)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the test did not end within {seconds} s"),
        _ => worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}

/// Looks until `found` answers.
pub fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = found() {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// One line of the file that units append to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub unit: String,
    pub attempt: u32,
    pub what: String,
}

/// One row of the journal.
#[derive(Debug, Clone)]
pub struct Row {
    pub at: u64,
    pub kind: String,
    pub body: Value,
}

/// A sandbox whose processes can be found by its name.
pub struct World {
    sandbox: Sandbox,
    next: AtomicU32,
}

impl Deref for World {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl World {
    /// A repository whose branch `main` has one test and settings for four workers.
    pub fn new() -> Self {
        Self::verified_by("for t in tests/*.sh; do sh \"$t\" || exit 1; done; sleep 0.05")
    }

    pub fn verified_by(line: &str) -> Self {
        Self::with(line, "")
    }

    /// A machine with a repository that has no commit yet.
    pub fn empty() -> Self {
        let mut sandbox = Sandbox::make("mc-world-", false);
        sandbox.var("MC_SCHEDULER_ISOLATION", "auto");
        let path = format!("{}:{}", sandbox.home().join("bin").display(), std::env::var("PATH").unwrap());
        sandbox.var("PATH", &path);
        for folder in ["bin", "said", "agents"] {
            std::fs::create_dir_all(sandbox.home().join(folder)).unwrap();
        }
        Self { sandbox, next: 1.into() }
    }

    /// With more lines for the section `[target]`.
    pub fn with(line: &str, target: &str) -> Self {
        let world = Self::empty();
        std::fs::create_dir(world.repo().join("tests")).unwrap();
        let settings = format!(
            "[target]\nobjective = \"files\"\n{target}\n[target.verification]\ncommand = '''{line}'''\n\
             [agent]\ncommand = '''sh \"$HOME/agents/$MC_UNIT\"'''\n[scheduler.parallel]\nnum_workers = 4\n"
        );
        std::fs::write(world.repo().join("mission-control.toml"), world.at_home(&settings)).unwrap();
        std::fs::write(world.repo().join("tests/base.sh"), "test -f a\n").unwrap();
        world.commit("a", "one\n");
        world
    }

    /// The same machine where no pid namespace is used.
    pub fn searching(mut self) -> Self {
        self.sandbox.var("MC_SCHEDULER_ISOLATION", "search");
        self
    }

    /// The same machine with a variable.
    pub fn with_var(mut self, name: &str, value: &str) -> Self {
        self.sandbox.var(name, value);
        self
    }

    /// The same machine with this fence.
    pub fn within(mut self, fence: Fence) -> Self {
        self.sandbox.fence = fence;
        self
    }

    fn command(&self, program: &str) -> Command {
        self.sandbox.command(program, &self.repo())
    }

    /// Git in the repository, as its user calls it.
    #[track_caller]
    pub fn git(&self, args: &[&str]) -> String {
        let reads =
            ["rev-parse", "log", "for-each-ref", "ls-tree", "cat-file", "show", "rev-list", "diff", "merge-base"];
        match args.first().is_some_and(|verb| reads.contains(verb)) {
            true => self.git_as_user(args),
            false => self.person(|| self.git_as_user(args)),
        }
    }

    /// The user's repository as it is now.
    pub fn fingerprint(&self) -> Fingerprint {
        self.scene(|scene| Fingerprint::of(scene).unwrap())
    }

    /// A shell script in the repository, not yet begun.
    pub fn shell(&self, script: &str) -> Command {
        let mut command = self.command("sh");
        command.args(["-c", script]);
        command
    }

    /// Whether the repository has an object by this name.
    pub fn has(&self, object: &str) -> bool {
        self.command("git").args(["cat-file", "-e", object]).stderr(Stdio::null()).status().unwrap().success()
    }

    #[track_caller]
    fn git_as_user(&self, args: &[&str]) -> String {
        let output = self.command("git").args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Writes a file and commits everything.
    #[track_caller]
    pub fn commit(&self, path: &str, content: &str) {
        self.person(|| std::fs::write(self.repo().join(path), content).unwrap());
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", "work"]);
    }

    /// Puts a script before the system's program of that name.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.home().join("bin").join(name);
        std::fs::write(&path, self.at_home(script)).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Writes a plan file outside the repository.
    pub fn plan(&self, units: &[Unit]) -> PathBuf {
        let table = |u: &Unit| {
            let depends: Vec<String> = u.depends.iter().map(|d| format!("\"{d}\"")).collect();
            let run = match u.agent {
                true => {
                    std::fs::write(self.home().join("agents").join(&u.id), &u.run).unwrap();
                    String::new()
                }
                false => format!("run = '''\n{}'''\n", u.run),
            };
            format!("[[unit]]\nid = \"{}\"\ntitle = \"{}\"\ndepends = [{}]\n{run}", u.id, u.id, depends.join(", "))
        };
        let path = self.home().join(format!("plan-{}.toml", self.next.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&path, self.at_home(&units.iter().map(table).collect::<String>())).unwrap();
        path
    }

    /// Starts `mc` in the background.
    pub fn spawn(&self, args: &[&str]) -> Engine {
        self.spawn_under(&[], args)
    }

    /// The same, started by another program with its arguments.
    pub fn spawn_under(&self, starter: &[&str], args: &[&str]) -> Engine {
        self.scene(|scene| self.watch.sees(args, scene));
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let [out, err] = ["out", "err"].map(|w| self.home().join(format!("said/{n}.{w}")));
        let line = [starter, &[env!("CARGO_BIN_EXE_mc")]].concat();
        let mut command = self.command(line[0]);
        command.args(&line[1..]);
        command.args(args).stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Engine { child: command.env("ENGINE", n.to_string()).spawn().unwrap(), out, err, number: n }
    }

    /// Starts a mission whose console is a pipe that nobody reads any more.
    pub fn spawn_unheard(&self, plan: &Path) -> Engine {
        let mut command = self.command(env!("CARGO_BIN_EXE_mc"));
        command.args(["mission", "start", "--plan"]).arg(plan).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        Engine { child, out: PathBuf::new(), err: PathBuf::new(), number: 0 }
    }

    /// Runs `mc` to its end.
    pub fn mc(&self, args: &[&str]) -> Said {
        self.spawn(args).end()
    }

    pub fn spawn_mission(&self, plan: &Path) -> Engine {
        self.spawn(&["mission", "start", "--plan", plan.to_str().unwrap()])
    }

    pub fn start(&self, plan: &Path) -> Said {
        self.spawn_mission(plan).end()
    }

    pub fn spawn_resume(&self) -> Engine {
        self.spawn(&["mission", "resume"])
    }

    pub fn resume(&self) -> Said {
        self.spawn_resume().end()
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.mc(&["--json", "status"]).out).unwrap()
    }

    /// Units of the newest mission by id, with their state.
    pub fn units(&self) -> BTreeMap<String, String> {
        let status = self.status();
        let units = status["units"].as_array().unwrap();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        units.iter().map(|u| (text(&u["id"]), text(&u["state"]))).collect()
    }

    /// Files of green's tree.
    pub fn green_files(&self) -> BTreeSet<String> {
        self.git(&["ls-tree", "-r", "--name-only", "mc/green"]).lines().map(str::to_owned).collect()
    }

    pub fn green_tree(&self) -> String {
        self.git(&["rev-parse", "mc/green^{tree}"])
    }

    /// Units whose landing commits are on green's first-parent history, oldest first.
    pub fn landed(&self) -> Vec<String> {
        self.landed_since("main")
    }

    /// The same after a commit.
    pub fn landed_since(&self, base: &str) -> Vec<String> {
        let format = "--format=%(trailers:key=Mc-Unit,valueonly,unfold)";
        let log = self.git(&["log", "--first-parent", "--reverse", format, &format!("{base}..mc/green")]);
        log.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect()
    }

    /// Names and values of refs below a prefix.
    pub fn refs(&self, prefix: &str) -> BTreeMap<String, String> {
        let out = self.git(&["for-each-ref", "--format=%(refname) %(objectname)", prefix]);
        out.lines().filter_map(|l| l.split_once(' ')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    /// The journal as it stands; empty while there is none.
    pub fn journal(&self) -> Vec<Row> {
        let path = self.state().join("mc.db");
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
        let Ok(db) = rusqlite::Connection::open_with_flags(path, flags) else { return Vec::new() };
        let Ok(()) = db.busy_timeout(Duration::from_secs(5)) else { return Vec::new() };
        let Ok(mut query) = db.prepare("SELECT at_ms, kind, body FROM journal ORDER BY seq") else { return Vec::new() };
        let rows = query.query_map([], |r| Ok((r.get::<_, i64>(0)?, r.get(1)?, r.get::<_, String>(2)?))).unwrap();
        rows.map(Result::unwrap)
            .map(|(at, kind, body)| Row {
                at: u64::try_from(at).unwrap(),
                kind,
                body: serde_json::from_str(&body).unwrap(),
            })
            .collect()
    }

    pub fn kinds(&self, kind: &str) -> Vec<Row> {
        self.journal().into_iter().filter(|r| r.kind == kind).collect()
    }

    /// Waits until the journal has `count` records of a kind.
    pub fn await_record(&self, kind: &str, count: usize) {
        until(&format!("{count} records of {kind}"), || (self.kinds(kind).len() >= count).then_some(()));
    }

    /// What the units wrote, in order.
    pub fn witness(&self) -> Vec<Seen> {
        let text = read_to_string(self.home().join("said/witness")).unwrap_or_default();
        let seen = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            Seen { unit: words[0].to_owned(), attempt: words[1].parse().unwrap(), what: words[3].to_owned() }
        };
        text.lines().map(seen).collect()
    }

    /// Waits until `count` units have begun to run.
    pub fn await_starts(&self, count: usize) {
        until(&format!("{count} starts"), || {
            (self.witness().iter().filter(|s| s.what == "start").count() >= count).then_some(())
        });
    }

    /// Attempt folders of the newest mission as (unit, attempt).
    pub fn attempts(&self) -> BTreeMap<(String, u32), PathBuf> {
        let folders = |dir: &Path| -> Vec<PathBuf> {
            std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect()
        };
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut found = BTreeMap::new();
        for mission in folders(&self.runs()) {
            for unit in folders(&mission).into_iter().filter(|u| !name(u).starts_with('.')) {
                found.extend(folders(&unit).into_iter().map(|n| ((name(&unit), name(&n).parse().unwrap()), n)));
            }
        }
        found
    }

    /// Everything that lives and has to do with this world: processes that name its folder in their arguments,
    /// environment, working folder, program or open files. Zombies are dead.
    pub fn survivors(&self) -> Vec<(u32, String)> {
        self.survivors_of(&self.home().to_string_lossy())
    }

    /// The same of those that name a folder of it.
    pub fn survivors_of(&self, mark: &str) -> Vec<(u32, String)> {
        let own = std::fs::read_link("/proc/self/exe").unwrap();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let dir = entry.path();
            let Ok(stat) = read_to_string(dir.join("stat")) else { continue };
            let dead = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']));
            // A child of another test that has not become its program yet still holds whatever this process has open.
            let unborn = std::fs::read_link(dir.join("exe")).is_ok_and(|exe| exe == own);
            if pid == std::process::id() || dead || unborn {
                continue;
            }
            let text =
                |name: &str| String::from_utf8_lossy(&std::fs::read(dir.join(name)).unwrap_or_default()).into_owned();
            let link =
                |name: &str| std::fs::read_link(dir.join(name)).map(|p| p.display().to_string()).unwrap_or_default();
            let files = std::fs::read_dir(dir.join("fd")).into_iter().flatten().flatten();
            let mut open = files.filter_map(|f| std::fs::read_link(f.path()).ok());
            let arguments = text("cmdline").replace('\0', " ");
            let named = [arguments.clone(), text("environ"), link("cwd"), link("exe")].iter().any(|t| t.contains(mark));
            if named || open.any(|p| p.to_string_lossy().contains(mark)) {
                found.push((pid, arguments));
            }
        }
        found
    }

    /// One SIGKILL for everything that lives; each process is known by this world's own folder.
    fn kill_all(&self) -> usize {
        let found = self.survivors();
        for (pid, _) in &found {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        found.len()
    }

    /// Nothing of this world lives any more, and nothing had a chance to say so.
    pub fn power_loss(&self) {
        until("the end of all processes", || (self.kill_all() == 0).then_some(()));
    }

    /// Nothing of this world lives.
    #[track_caller]
    pub fn nothing_lives(&self) {
        // A supervisor may outlive its run by a moment.
        let started = Instant::now();
        loop {
            let mut found = self.survivors();
            // By it is tried whether runs outlive a connection. It ends by itself within a minute.
            found.retain(|(_, words)| words.trim() != "mc --supervise - stay");
            if found.is_empty() {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "survivors: {found:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A failed test leaves detached runs behind.
        self.kill_all();
    }
}
