//! What a proposal is made from: files of the last commit, programs of this machine, agents on the PATH.

use crate::adapters::git::{Git, GitError, SourceFacts};
use crate::adapters::host::local::machine::host::is_allowed;
use crate::adapters::host::local::process::command::{ChildGuard, CommandLine};
use crate::adapters::os::{Environment, machine};
use crate::config::propose::AgentLine;
use crate::domain::detect::agents::{AGENTS, Agent, find_agent};
use crate::domain::detect::{Files, Need, files_to_read};
use crate::domain::handoff::PromptMode;
use crate::domain::values::CommitId;
use crate::engine::setup::scratch::modes;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

/// Ignored files that programs of a project read and that no clone has.
const LOCAL: [&str; 1] = [".env"];

/// The files a survey looks at.
///
/// # Errors
/// [`GitError`] when git fails.
pub async fn list_files(source: &Git, facts: &SourceFacts, commit: &CommitId) -> Result<Files, GitError> {
    let modes = modes(source, commit.as_str()).await?;
    let executable = modes.iter().filter(|(_, mode)| *mode == "100755").map(|(path, _)| path.clone()).collect();
    let paths: BTreeSet<String> = modes.into_keys().collect();
    let mut texts = BTreeMap::new();
    for path in files_to_read(&paths) {
        if let Some(bytes) = source.read_file(commit, &path).await? {
            texts.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    let mut local = Vec::new();
    for name in LOCAL.iter().filter(|name| facts.toplevel.join(name).is_file() && !paths.contains(**name)) {
        // A file git would see must not be copied: it would become part of the work and land.
        let args = ["ls-files", "--others", "--ignored", "--exclude-standard", "-z", "--", name];
        if !source.run_bytes(&args).await?.is_empty() {
            local.push((*name).to_owned());
        }
    }
    Ok(Files { paths, executable, texts, local })
}

/// The programs of this machine, each asked for once.
#[derive(Debug)]
pub struct Programs<'a> {
    env: &'a Environment,
    cwd: &'a Path,
    modules: BTreeMap<&'static str, bool>,
}

impl<'a> Programs<'a> {
    /// Those of an environment's PATH.
    pub fn of(env: &'a Environment, cwd: &'a Path) -> Self {
        Self { env, cwd, modules: BTreeMap::new() }
    }

    /// Whether a program is there.
    pub fn has_program(&self, program: &str) -> bool {
        machine::find_program(program, self.env.var("PATH").unwrap_or(OsStr::new("")), self.cwd).is_some()
    }

    /// The first of these that is not there.
    pub async fn find_missing(&mut self, needs: &[Need]) -> Option<Need> {
        for need in needs {
            let there = match need {
                Need::Program(program, _) => self.has_program(program),
                Need::PythonModule(module, _) => self.has_python_module(module).await,
                Need::Dependency(..) => false,
            };
            if !there {
                return Some(need.clone());
            }
        }
        None
    }

    /// Whether a shell line works in the environment that verifications get with these variables; away from the repository,
    /// where it could leave something.
    pub async fn can_run_line(&self, line: &str, names: &[String]) -> bool {
        let mut ask = CommandLine::new("sh").args(["-c", line]).cwd("/").env_clear();
        for (name, value) in self.env.vars().filter(|(name, _)| name.to_str().is_some_and(|n| is_allowed(n, names))) {
            ask = ask.env(name, value);
        }
        ask.deadline(Duration::from_secs(20)).run(&ChildGuard::none()).await.is_ok_and(|output| output.success())
    }

    async fn has_python_module(&mut self, module: &'static str) -> bool {
        if let Some(known) = self.modules.get(module) {
            return *known;
        }
        let path = self.env.var("PATH").unwrap_or(OsStr::new(""));
        let Some(python) = machine::find_program("python3", path, self.cwd) else { return false };
        // From the root, so that a folder of this name in the repository is not taken for it.
        let ask = CommandLine::new(python).args(["-c", &format!("import {module}")]).cwd("/");
        let there = ask.deadline(Duration::from_secs(20)).run(&ChildGuard::none()).await.is_ok_and(|o| o.success());
        self.modules.insert(module, there);
        there
    }
}

/// The agents to write, and what a person should know of them. `wish` is the name of a known one or a command line.
pub fn choose_agents(wish: Option<&str>, programs: &Programs<'_>) -> (Vec<AgentLine>, Vec<String>) {
    let line = |agent: &Agent| {
        let set = |name: &&&str| programs.env.var(name).is_some();
        AgentLine {
            preset: Some(agent.name),
            command: agent.command.to_owned(),
            prompt: agent.prompt,
            env: agent.keys.iter().filter(set).map(|name| (*name).to_owned()).collect(),
            allows: format!("{}: {}", agent.name, agent.allows),
            off: false,
        }
    };
    let Some(wish) = wish else {
        return (AGENTS.iter().filter(|agent| programs.has_program(agent.name)).map(line).collect(), Vec::new());
    };
    let Some(agent) = find_agent(wish.trim()) else {
        let (command, allows) = (wish.to_owned(), String::new());
        let own = AgentLine { preset: None, command, prompt: PromptMode::Stdin, env: Vec::new(), allows, off: false };
        return (vec![own], Vec::new());
    };
    let missing = (!programs.has_program(agent.name))
        .then(|| format!("the agent {} is not on the PATH; install it: `{}`", agent.name, agent.install));
    (vec![line(agent)], missing.into_iter().collect())
}
