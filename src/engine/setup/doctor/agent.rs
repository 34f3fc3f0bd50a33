//! Checks of what runs: the programs of the stages, the agent, what it is allowed, and whether it answers.

use crate::adapters::host::local::machine::host::is_allowed;
use crate::adapters::host::local::process::{ChildGuard, tail};
use crate::adapters::os::machine;
use crate::config::Settings;
use crate::domain::detect::agents::{Agent, first_program, secret_sounding, started_by};
use crate::domain::detect::checks::Check;
use crate::domain::detect::network::withheld_message;
use crate::domain::detect::starts_all_at_once;
use crate::domain::ending::ProcessEnd;
use crate::domain::fence::BUILT;
use crate::domain::mission::AttemptOrder;
use crate::domain::trouble::chain;
use crate::domain::unit::UnitSpec;
use crate::domain::values::{HostId, SessionId, SlotId, Tip, UnitId};
use crate::domain::verify::formats::Format;
use crate::engine::context::project::Project;
use crate::engine::setup::scratch::Scratch;
use crate::engine::tasks::session;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// How much of the end of its output is told, in bytes.
const SAID: u64 = 600;

/// How long an agent may take over a trivial brief, in seconds.
const PATIENCE: u64 = 300;

/// The first program of each stage must be there.
pub async fn check_stages(project: &Project, settings: &Settings, target: Option<&Tip>, checks: &mut Vec<Check>) {
    for stage in &settings.verification.stages {
        let lacking = explain_missing(project, &stage.run, target).await;
        checks.push(match lacking {
            Some(why) => Check::problem(
                "verification",
                format!("stage {} (`{}`): {why}", stage.name, stage.run),
                "install it, or mend the stage in mission-control.toml",
            ),
            None => {
                let read = match stage.format {
                    _ if !stage.reports.is_empty() => format!("its results are read from {}", stage.reports.join(", ")),
                    Format::Auto => "its results are recognised by their form".to_owned(),
                    Format::Exit => "only its exit code is looked at".to_owned(),
                    named => format!("its results are read as {}", named.word()),
                };
                Check::ok("verification", format!("stage {} (`{}`): {read}", stage.name, stage.run))
            }
        });
    }
    let lines = settings.verification.stages.iter().map(|stage| (stage.name.as_str(), stage.run.as_str()));
    let setup = settings.target.setup.iter().map(|line| ("target.setup", line.as_str()));
    for (name, line) in lines.chain(setup).filter(|(_, line)| starts_all_at_once(line)) {
        let found = format!("{name} (`{line}`) starts a compiler for every file at once");
        let help = format!("give the number: `-j {}`, or `-j \"$(nproc)\"`", machine::count_processors());
        checks.push(Check::warning("verification", found, help));
    }
    for name in settings.verification.env.iter().filter(|name| project.env.var(name).is_none()) {
        let help = format!("export {name}, or remove it from target.verification.env");
        checks.push(Check::warning("verification", format!("the variable {name} it wants is not set"), help));
    }
}

/// Why the first program of a line cannot be started, if that can be told.
async fn explain_missing(project: &Project, line: &str, target: Option<&Tip>) -> Option<String> {
    let program = first_program(line)?;
    let path = project.env.var("PATH").unwrap_or(OsStr::new(""));
    let named = !program.contains('/');
    if named || program.starts_with(['/', '~']) {
        let wanted = expanded(project, &program).to_string_lossy().into_owned();
        let why =
            || if named { format!("{program} is not on the PATH") } else { format!("there is no program {program}") };
        return machine::find_program(&wanted, path, &project.facts.toplevel).is_none().then(why);
    }
    // Behind `cd` the name is meant from another folder.
    if line.trim_start().starts_with("cd ") {
        return None;
    }
    let inside = program.trim_start_matches("./");
    let source = project.source(ChildGuard::none());
    let bytes = source.read_file(&target?.commit, inside).await.ok()?;
    bytes.is_none().then(|| format!("{program} is not committed, so no workspace has it"))
}

/// The script that a line starts with an interpreter (`sh agent.sh`), where it is named by a path that nothing has.
fn explain_missing_script(project: &Project, line: &str) -> Option<String> {
    let words = shlex::split(line)?;
    let interpreters = ["sh", "bash", "dash", "zsh", "python3", "python", "node", "ruby", "perl"];
    let [program, script, ..] = words.as_slice() else { return None };
    let name = program.rsplit('/').next().unwrap_or(program);
    if !interpreters.contains(&name) || !script.starts_with(['/', '~']) {
        return None;
    }
    (!expanded(project, script).exists()).then(|| format!("there is no file {script}"))
}

/// A path as a shell takes it where it begins at the user's home.
fn expanded(project: &Project, path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), project.env.home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => path.into(),
    }
}

/// The agent that is configured and what it may do.
pub async fn check_agent(project: &Project, settings: &Settings, target: Option<&Tip>, checks: &mut Vec<Check>) {
    let Some(command) = &settings.agent.command else {
        checks.push(Check::ok("agent", "none is configured; units with `run` need none"));
        return;
    };
    let known = started_by(command);
    match explain_missing(project, command, target).await.or_else(|| explain_missing_script(project, command)) {
        Some(why) => {
            let help = known.map_or("mend agent.command in mission-control.toml".to_owned(), |a| a.install.to_owned());
            checks.push(Check::problem("agent", why, help));
        }
        None => {
            let found = format!("`{command}` gets its brief by {:?}", settings.agent.prompt);
            checks.push(Check::ok("agent", found.to_lowercase()));
        }
    }
    if let Some(agent) = known {
        check_login(project, settings, agent, checks);
    }
    check_access(project, settings, checks);
}

/// Whether runs share a folder outside of their workspace for what they build: one could decide about the next.
pub async fn check_shared_builds(
    project: &Project,
    settings: &Settings,
    target: Option<&Tip>,
    checks: &mut Vec<Check>,
) {
    let given = |name: &&&str| settings.verification.env.iter().any(|known| known == **name);
    let mut found: Vec<String> = Vec::new();
    for name in BUILT.iter().filter(given) {
        let value = project.env.var(name).map(|value| value.to_string_lossy().into_owned());
        found.extend(value.filter(|value| value.starts_with('/')).map(|value| format!("{value} ({name})")));
    }
    let source = project.source(ChildGuard::none());
    if let Some(target) = target {
        for file in [".cargo/config.toml", ".cargo/config"] {
            let text = source.read_file(&target.commit, file).await.ok().flatten().unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines =
                text.lines().filter_map(|line| line.trim().strip_prefix("target-dir")?.trim().strip_prefix('='));
            let folders = lines.map(|value| value.trim().trim_matches(['"', '\'']));
            let elsewhere = folders.filter(|at| at.starts_with(['/', '~']) || at.starts_with(".."));
            found.extend(elsewhere.map(|at| format!("{at} ({file})")));
        }
    }
    if !found.is_empty() {
        let help = "what one run leaves there is found by the next, of whatever tree: leave it out of target.verification.env or of that file, \
                    or name what may stay in target.verification.keep";
        checks.push(Check::warning("caches", format!("all workspaces build into {}", found.join(", ")), help));
    }
}

/// Whether something is set by which tools find the network, and runs do not get it.
pub fn check_network(project: &Project, settings: &Settings, checks: &mut Vec<Check>) {
    let Some(told) = withheld_message(|name| project.env.var(name).is_some(), &settings.verification.env) else {
        return;
    };
    let help = "where setup or a stage needs one to download something, name it in target.verification.env (and in agent.env for the agent)";
    checks.push(Check::warning("network", told, help));
}

/// Whether a login or key of a known agent can be seen without asking anybody.
fn check_login(project: &Project, settings: &Settings, agent: &Agent, checks: &mut Vec<Check>) {
    let file = agent.login.iter().find(|name| project.env.home().is_some_and(|home| home.join(name).is_file()));
    let passed = |name: &&&str| project.env.var(name).is_some() && settings.agent.env.iter().any(|n| n == **name);
    let key = agent.keys.iter().find(passed);
    checks.push(match (file, key) {
        (Some(file), _) => Check::ok("login", format!("{}: ~/{file} is there", agent.name)),
        (None, Some(key)) => Check::ok("login", format!("{}: {key} is passed on", agent.name)),
        (None, None) => {
            let set: Vec<&str> = agent.keys.iter().filter(|name| project.env.var(name).is_some()).copied().collect();
            let help = match set.first() {
                Some(key) => format!("{key} is set but not passed on: [agent] env = [\"{key}\"]"),
                None => agent.log_in.to_owned(),
            };
            Check::warning("login", format!("no login or key of {} is seen", agent.name), help)
        }
    });
}

/// Names of variables, the user and the places an agent reaches. Names only, never values.
fn check_access(project: &Project, settings: &Settings, checks: &mut Vec<Check>) {
    let names = project.env.vars().filter_map(|(name, _)| name.to_str());
    let names: Vec<&str> = names.filter(|name| is_allowed(name, &settings.agent.env)).collect();
    checks.push(Check::ok("environment", format!("the agent gets these variables: {}", names.join(", "))));
    let mut secret: Vec<&str> = names.into_iter().filter(|name| secret_sounding(name)).collect();
    secret.sort_unstable();
    if !secret.is_empty() {
        checks.push(Check::warning(
            "environment",
            format!("the agent, and whatever it starts, can read these secrets: {}", secret.join(", ")),
            "remove from agent.env what it can do without; give it keys of its own with little power",
        ));
    }
    for name in settings.agent.env.iter().filter(|name| project.env.var(name).is_none()) {
        let help = format!("export {name}, or remove it from agent.env");
        checks.push(Check::warning("environment", format!("the variable {name} of agent.env is not set"), help));
    }
    let home = project.env.home().map(|home| format!("the home folder {}", home.display()));
    let home = home.unwrap_or_else(|| "no home folder".to_owned());
    let reach = format!("agents and verifications run as you (user {}), with your network and {home}", machine::user());
    checks.push(if machine::user() == 0 {
        let help = "run mc as a user of its own, or in a container that holds nothing else";
        Check::warning("reach", format!("{reach}: as root they can change everything on this machine"), help)
    } else {
        Check::ok("reach", reach)
    });
}

/// Starts the agent on a trivial brief in an empty scratch repository.
pub async fn try_agent(project: &Project, settings: &Settings, kill: watch::Receiver<bool>, checks: &mut Vec<Check>) {
    if settings.agent.command.is_none() {
        let help = "set [agent] command in mission-control.toml";
        checks.push(Check::problem("answer", "there is no agent to start", help));
        return;
    }
    checks.push(match run_trivial_brief(project, settings, kill).await {
        Ok(found) => Check::ok("answer", found),
        Err(why) => Check::problem("answer", why, "run its command by hand with a short text, and see what it says"),
    });
}

async fn run_trivial_brief(
    project: &Project,
    settings: &Settings,
    kill: watch::Receiver<bool>,
) -> Result<String, String> {
    let said = |e: &dyn std::error::Error| chain(e);
    let mut settings = settings.clone();
    settings.target.setup = None;
    settings.target.copy = Vec::new();
    let scratch = Scratch::make_empty(project, &settings).await.map_err(|e| said(&e))?;
    let base = scratch.first_commit().await.map_err(|e| said(&e))?;
    let id = UnitId::new("mc-doctor").map_err(|e| said(&e))?;
    let mut unit = UnitSpec::new(id, "Make the file mc-doctor.txt");
    unit.description =
        "Make a file mc-doctor.txt in the workspace that holds the one word ok. Do nothing else. This only \
                        shows that you can be started."
            .to_owned();
    unit.timeout = Some(PATIENCE);
    let order = AttemptOrder {
        spec: Arc::new(unit),
        session: SessionId::FIRST,
        n: 1,
        slot: SlotId { host: HostId::local(), number: 0 },
        green: base.commit.clone(),
        from: base.commit,
        evidence: Vec::new(),
        accept_first: false,
    };
    let key = scratch.context.attempt_key(&order);
    let report = session::start(&scratch.context, order, kill, || {}).await.map_err(|trouble| trouble.why)?;
    let log = key.join("run/out.log").path_in(&scratch.context.state.runs());
    let said_last = scratch.context.redactor().clean(&tail::of_both(&log, SAID));
    let took = report.run.ran.map_or(0, |(began, ended)| ended.saturating_sub(began) / 1_000);
    scratch.remove().map_err(|e| said(&e))?;
    let summary = match (report.agent.summary.trim(), said_last.trim()) {
        ("", "") => String::new(),
        ("", said) => format!(": {said}"),
        (summary, _) => format!(": {summary}"),
    };
    if report.ended_well() {
        return match report.work.changed {
            true => Ok(format!("the agent made the file it was asked for in {took} s")),
            false => Err(format!("the agent ended well after {took} s and changed nothing{summary}")),
        };
    }
    Err(match &report.run.end {
        ProcessEnd::Timeout | ProcessEnd::Stalled => format!("the agent did not end within {took} s{summary}"),
        ProcessEnd::Exited(code) => format!("the agent ended with exit code {code}{summary}"),
        ProcessEnd::Infrastructure(trouble) => trouble.why.clone(),
        end => format!("the agent ended in another way ({end:?}){summary}"),
    })
}
