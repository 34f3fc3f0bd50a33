//! The machine of a test: one folder that everything is below, with a home, a repository and a state directory in it, an environment
//! that is the test's own, and somebody who watches over the user's repository. The ways to use it stand upon it: a night is written in
//! text and shell, a world in values and processes.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::fence::Fence;
use super::left_alone::Watch;
use super::oracle::{self, Scene};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Number of the user and group without special rights.
pub const NOBODY: u32 = 65_534;

/// A machine.
pub struct Sandbox {
    home: TempDir,
    vars: Vec<(String, String)>,
    /// Whether everything is run as a user without special rights.
    ordinary: bool,
    pub(super) fence: Fence,
    group: Option<PathBuf>,
    pub(super) watch: Watch,
}

impl Sandbox {
    /// A machine whose repository has no commit yet; `prefix` begins the name of its folder.
    pub(super) fn make(prefix: &str, ordinary: bool) -> Self {
        let home = tempfile::Builder::new().prefix(prefix).tempdir().unwrap();
        let (vars, fence, watch) = (Vec::new(), Fence::default(), Watch::default());
        let sandbox = Self { home, vars, ordinary, fence, group: None, watch };
        std::fs::create_dir_all(sandbox.repo()).unwrap();
        if ordinary {
            std::fs::copy(env!("CARGO_BIN_EXE_mc"), sandbox.home().join("mc")).unwrap();
            for path in [sandbox.home(), sandbox.repo(), sandbox.home().join("mc")] {
                std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let user =
            "git config --global user.name Ada; git config --global user.email ada@example.org; git init -q -b main .";
        assert!(sandbox.command("sh", &sandbox.repo()).args(["-ec", user]).status().unwrap().success());
        sandbox
    }

    /// Starts everything from now on in this cgroup.
    pub fn in_group(&mut self, group: &Path) -> &mut Self {
        self.group = Some(group.to_owned());
        self
    }

    /// Sets a variable for everything run from now on.
    pub fn var(&mut self, name: &str, value: &str) -> &mut Self {
        self.vars.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Forgets the variables set so far.
    pub fn forget_vars(&mut self) {
        self.vars.clear();
    }

    pub fn home(&self) -> PathBuf {
        self.home.path().canonicalize().unwrap()
    }

    pub fn repo(&self) -> PathBuf {
        self.home().join("repo")
    }

    pub fn state(&self) -> PathBuf {
        self.home().join("state")
    }

    /// Where workspaces, runs and quarantine of missions are: the state directory, or the folder of it on the host behind a worker.
    pub fn host(&self) -> PathBuf {
        if !super::behind_a_worker() {
            return self.state();
        }
        let id = std::fs::read_to_string(self.state().join("state-id")).unwrap_or_default();
        self.state().join("worker").join(id.trim())
    }

    /// The folder of all runs of missions.
    pub fn runs(&self) -> PathBuf {
        self.host().join("runs")
    }

    /// The folder of the workspaces of missions.
    pub fn pool(&self) -> PathBuf {
        self.host().join("pool")
    }

    /// The same two for shells, as `$RUNS` and `$POOL`, which are to be used without quotes: where the state directory has no id yet,
    /// they are patterns.
    fn host_folders(&self) -> [(&'static str, PathBuf); 2] {
        let host = match super::behind_a_worker() && !self.state().join("state-id").exists() {
            true => self.state().join("worker/*[0-9a-f]"),
            false => self.host(),
        };
        [("RUNS", host.join("runs")), ("POOL", host.join("pool"))]
    }

    /// The program `mc`; who has no special rights has a copy that may be read.
    pub fn program(&self) -> PathBuf {
        if self.ordinary { self.home().join("mc") } else { env!("CARGO_BIN_EXE_mc").into() }
    }

    /// The same text, with this home, and the folders of runs and workspaces, named by their paths: what counts runs must be found by all of them, whatever HOME they have.
    pub(super) fn at_home(&self, text: &str) -> String {
        let home = format!("{}/", self.home().display());
        let text = text.replace("~/", &home).replace("$HOME/", &home);
        let folders = self.host_folders();
        folders.iter().fold(text, |text, (name, path)| text.replace(&format!("${name}"), &path.display().to_string()))
    }

    /// A program in a folder, with the environment of this machine and nothing else.
    pub(super) fn command(&self, program: impl AsRef<Path>, dir: &Path) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(group) = &self.group {
            // `0` is whoever writes it.
            words.extend(["sh", "-ec", "echo 0 >\"$0\"/cgroup.procs; exec \"$@\""].map(OsString::from));
            words.push(group.into());
        }
        if self.ordinary {
            let user = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()];
            words.push("setpriv".into());
            words.extend(user.map(OsString::from));
        }
        words.push(program.as_ref().into());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .current_dir(dir)
            .env_clear()
            .envs(super::host_of_tests())
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", self.home());
        command.env("GIT_CONFIG_SYSTEM", "/dev/null").env("GIT_CONFIG_GLOBAL", self.home().join(".gitconfig"));
        command.env("GIT_CEILING_DIRECTORIES", self.home()).env("MC_STATE_DIR", self.state()).stdin(Stdio::null());
        self.fence.tell(&mut command, &self.home());
        command.envs(self.host_folders());
        command.envs(self.vars.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Something that a person of the test does to the repository.
    #[track_caller]
    pub fn person<T>(&self, act: impl FnOnce() -> T) -> T {
        self.scene(|scene| self.watch.person(scene, act))
    }

    /// The clone oracle has nothing to say of this test.
    pub fn without_oracle(&self, why: &'static str) {
        self.watch.excuse_oracle(why);
    }

    /// Units of this test change the user's repository.
    pub fn repository_is_attacked(&self, why: &'static str) {
        self.watch.excuse_repository(why);
    }

    /// P6: the user's repository is as a person left it.
    #[track_caller]
    pub fn is_left_alone(&self) {
        self.scene(|scene| self.watch.is_left_alone(scene));
    }

    /// What is not true of green in a clone; every test ends with this.
    pub fn ask_oracle(&self) -> Vec<String> {
        self.scene(oracle::ask)
    }

    pub(super) fn scene<T>(&self, look: impl FnOnce(&Scene<'_>) -> T) -> T {
        let command = |program: &str, dir: &Path| self.command(program, dir);
        look(&Scene { home: &self.home(), repo: self.repo(), state: self.state(), command: &command })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.scene(|scene| self.watch.ends(scene));
    }
}
