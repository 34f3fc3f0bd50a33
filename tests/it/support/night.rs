//! A night with the real program: a home of its own, a repository with a small TAP runner, `mc` with a cleared environment.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::fence::Fence;
pub use super::sandbox::NOBODY;
use super::sandbox::Sandbox;
use serde_json::Value;
use std::ops::{Deref, DerefMut};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Longest time for one command; a mission of these tests takes a second or two.
const DEADLINE: Duration = Duration::from_secs(60);

/// One test per `tests/*.sh`: exit code, or skipped when it prints SKIP.
pub const RUNNER: &str = r##"
n=0 bad=0
for t in tests/*.sh; do
  [ -e "$t" ] || continue
  n=$((n+1)) name=${t##*/} name=${name%.sh}
  if out=$(sh "$t" 2>&1); then result=ok; else result="not ok" bad=1; fi
  case $out in SKIP*) echo "ok $n - $name # SKIP not now";; *) echo "$result $n - $name";; esac
done
echo "1..$n"
exit $bad
"##;

/// A sandbox with the repository `repo`: branch `main`, tests `alpha` and `beta` that pass.
pub struct Night(Sandbox);

impl Deref for Night {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.0
    }
}

impl DerefMut for Night {
    fn deref_mut(&mut self) -> &mut Sandbox {
        &mut self.0
    }
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Everything it said.
    pub fn text(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// The exit code is this one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.text());
        self
    }

    /// All of these are said.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        let text = self.text();
        for word in words {
            assert!(text.contains(word), "`{word}` is missing in:\n{text}");
        }
        self
    }

    /// None of these is said.
    #[track_caller]
    pub fn does_not_say(self, words: &[&str]) -> Self {
        let text = self.text();
        for word in words {
            assert!(!text.contains(word), "`{word}` is in:\n{text}");
        }
        self
    }
}

impl Night {
    /// The repository of most tests.
    pub fn new() -> Self {
        Self::filled(Self::empty())
    }

    /// The same, with everything run as a user without special rights.
    pub fn of_an_ordinary_user() -> Self {
        Self::filled(Self(Sandbox::make(".tmp", rustix::process::geteuid().is_root())))
    }

    fn filled(night: Self) -> Self {
        night.write("run.sh", RUNNER);
        night.write("tests/alpha.sh", "true\n");
        night.write("tests/beta.sh", "true\n");
        night.write("mission-control.toml", "[target.verification]\ncommand = \"sh run.sh\"\n");
        night.commit("first");
        night
    }

    /// A home with an identity and a repository without commits.
    pub fn empty() -> Self {
        Self(Sandbox::make(".tmp", false))
    }

    /// With this fence around what runs.
    pub fn within(mut self, fence: Fence) -> Self {
        self.0.fence = fence;
        self
    }

    /// Sets a variable for everything run from now on.
    pub fn var(&mut self, name: &str, value: &str) -> &mut Self {
        self.0.var(name, value);
        self
    }

    /// Writes a file below the repository; `~/` and `$HOME/` in it name this home by its path.
    #[track_caller]
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.repo().join(path);
        self.person(|| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match std::str::from_utf8(text.as_ref()) {
                Ok(text) => std::fs::write(path, self.at_home(text)).unwrap(),
                Err(_) => std::fs::write(path, text).unwrap(),
            }
        });
    }

    /// Commits everything in the repository.
    pub fn commit(&self, message: &str) {
        self.sh(&format!("git add -A && git commit -qm '{message}'"));
    }

    /// Verification by this command, and further settings after it; committed.
    pub fn settings(&self, command: &str, more: &str) {
        let text = format!("[target.verification]\ncommand = {}\n{more}\n", Value::from(command));
        self.write("mission-control.toml", text);
        self.commit("settings");
    }

    /// In a process group of its own, which is killed at the deadline.
    fn command(&self, program: impl AsRef<Path>, dir: &Path) -> Command {
        let mut command = self.0.command(program, dir);
        command.process_group(0);
        command
    }

    /// Runs a shell script in the repository, as its user would; it must succeed.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.sh_in(&self.repo(), script)
    }

    #[track_caller]
    pub fn sh_in(&self, dir: &Path, script: &str) -> String {
        self.person(|| self.shell(dir, script))
    }

    #[track_caller]
    fn shell(&self, dir: &Path, script: &str) -> String {
        let mut command = self.command("/bin/sh", dir);
        let said = finish(command.args(["-ec", script]), DEADLINE);
        assert_eq!(said.code, 0, "{script}: {}", said.text());
        said.out.trim_end().to_owned()
    }

    /// Whether a shell script succeeds.
    pub fn holds(&self, script: &str) -> bool {
        finish(self.command("/bin/sh", &self.repo()).args(["-ec", script]), DEADLINE).code == 0
    }

    /// `mc` with these arguments, in the repository.
    pub fn mc(&self, args: &[&str]) -> Said {
        self.scene(|scene| self.watch.sees(args, scene));
        // These write into the work tree: that is their purpose.
        if matches!(args.first(), Some(&("init" | "backlog" | "discover" | "man"))) {
            return self.person(|| finish(self.command(self.program(), &self.repo()).args(args), DEADLINE));
        }
        finish(self.command(self.program(), &self.repo()).args(args), DEADLINE)
    }

    /// Writes the plan file.
    pub fn plan(&self, plan: &str) -> String {
        let path = self.home().join("plan.toml");
        std::fs::write(&path, self.at_home(plan)).unwrap();
        path.display().to_string()
    }

    /// Runs a mission over a plan to its end.
    pub fn mission(&self, plan: &str) -> Said {
        self.mission_with(plan, &[])
    }

    pub fn mission_with(&self, plan: &str, more: &[&str]) -> Said {
        let plan = self.plan(plan);
        self.mc(&[&["mission", "start", "--plan", &plan][..], more].concat())
    }

    /// Starts `mc` and leaves it running.
    pub fn begin(&self, args: &[&str]) -> Running {
        self.scene(|scene| self.watch.sees(args, scene));
        let mut command = self.command(self.program(), &self.repo());
        Running {
            child: Some(command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()),
            read: String::new(),
            rest: None,
        }
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.mc(&["status", "--json"]).exits(0).out).unwrap()
    }

    pub fn report(&self) -> String {
        self.mc(&["report"]).exits(0).out
    }

    /// State of a unit.
    #[track_caller]
    pub fn unit(&self, id: &str) -> String {
        self.unit_json(id)["state"].as_str().unwrap().to_owned()
    }

    /// Why a unit is in its state.
    #[track_caller]
    pub fn reason(&self, id: &str) -> String {
        self.unit_json(id)["reason"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub fn unit_json(&self, id: &str) -> Value {
        let status = self.status();
        let found = status["units"].as_array().unwrap().iter().find(|u| u["id"] == id);
        found.unwrap_or_else(|| panic!("no unit {id} in {status}")).clone()
    }

    /// Classes of a unit's attempts in the journal, in order.
    pub fn classes(&self, id: &str) -> Vec<String> {
        let rows = self.events();
        let ended = rows.iter().map(|r| &r["record"]).filter(|r| r["kind"] == "attempt-judged" && r["unit"] == id);
        ended.map(|r| r["class"].as_str().unwrap().to_owned()).collect()
    }

    /// The journal.
    pub fn events(&self) -> Vec<Value> {
        self.mc(&["events"]).exits(0).out.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    /// What the journal must agree with, and P9: the accounts add up.
    #[track_caller]
    pub fn audit(&self) {
        self.mc(&["audit"]).exits(0);
        self.mc(&["report", "--verify"]).exits(0);
    }

    /// First column of what a query of the database answers.
    pub fn sql(&self, query: &str) -> Vec<String> {
        let db = rusqlite::Connection::open(self.state().join("mc.db")).unwrap();
        let mut rows = db.prepare(query).unwrap();
        let found = rows.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
        found.map(|r| r.unwrap().unwrap_or_default()).collect()
    }

    /// Waits until a script succeeds in the repository.
    #[track_caller]
    pub fn until(&self, script: &str) {
        let start = Instant::now();
        while !self.holds(script) {
            assert!(start.elapsed() < DEADLINE, "never came true: {script}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// P1: every commit on green's first-parent line verifies when it is checked out and run.
    #[track_caller]
    pub fn green_verifies(&self, command: &str) {
        self.sh(&format!(
            "for c in $(git rev-list --first-parent mc/green); do
               rm -rf ../again && git clone -q --no-checkout . ../again && git -C ../again checkout -q $c
               (cd ../again && {command}) >../again.log 2>&1 || {{ echo \"$c is red\"; cat ../again.log; exit 1; }}
             done"
        ));
    }
}

/// An `mc` in the background; killed when the test ends before it does.
pub struct Running {
    child: Option<Child>,
    /// What was read of its output before its end, and who reads the rest.
    read: String,
    rest: Option<std::thread::JoinHandle<String>>,
}

impl Running {
    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Said {
        let mut said = collect(self.child.take().unwrap(), DEADLINE);
        if let Some(rest) = self.rest.take() {
            said.out = std::mem::take(&mut self.read) + &rest.join().unwrap();
        }
        said
    }

    /// Reads its standard output until a line holds these words; what follows is read on, so that it never blocks.
    #[track_caller]
    pub fn said(&mut self, words: &str) {
        let child = self.child.as_mut().unwrap();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut read = String::new();
        while !read.contains(words) {
            let more = std::io::BufRead::read_line(&mut out, &mut read).unwrap();
            assert!(more > 0, "it ended without `{words}`:\n{read}");
        }
        self.read = read;
        self.rest = Some(std::thread::spawn(move || {
            let mut rest = String::new();
            let _ = std::io::Read::read_to_string(&mut out, &mut rest);
            rest
        }));
    }

    /// Waits until something holds or it has ended; whether it still lives.
    #[track_caller]
    pub fn until(&mut self, mut holds: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        let child = self.child.as_mut().unwrap();
        while child.try_wait().unwrap().is_none() && !holds() {
            assert!(start.elapsed() < DEADLINE, "it never came true");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.try_wait().unwrap().is_none()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id();
        let script = format!("kill -s {name} -- {pid}");
        assert!(Command::new("/bin/sh").args(["-c", &script]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[track_caller]
fn finish(command: &mut Command, deadline: Duration) -> Said {
    collect(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(), deadline)
}

#[track_caller]
fn collect(child: Child, deadline: Duration) -> Said {
    let pid = child.id();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(child.wait_with_output()));
    let Ok(output) = receive.recv_timeout(deadline) else {
        let _ = Command::new("/bin/sh").args(["-c", &format!("kill -s KILL -- -{pid}")]).status();
        panic!("no end after {deadline:?}");
    };
    let output = output.unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A plan's script unit with one attempt.
pub fn unit(id: &str, run: &str) -> String {
    format!("[[unit]]\nid = \"{id}\"\ntitle = \"The unit {id}\"\nattempts = 1\nrun = '''{run}'''\n")
}
