//! `mc init`: a proposal from the repository's files, its first verification, and the files that say so.
//!
//! Promises: nothing is written before [`write`], and then only files that were not there; the proposed lines run on the last
//! commit in a clean clone, never in the work tree; what is written is what was read back by this version.

mod scan;

use super::scratch::{Scratch, judge_as_base};
use crate::adapters::git::{Git, inspect};
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::os::python::{activate_venv, find_inactive_venv};
use crate::adapters::os::{Environment, files};
use crate::adapters::store::place::StateDir;
use crate::config::propose::{Draft, Use};
use crate::config::{FILE_NAME, Inputs, Layers, Settings};
use crate::domain::detect::imports::needs_active;
use crate::domain::detect::{Detected, Need, detect_stages, network, sample};
use crate::domain::values::Tip;
use crate::domain::verify::{Snapshot, StageKind, StageOutcome};
use crate::engine::context::project::{Project, Where};
use crate::engine::error::EngineError;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// What a person asked for.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Name of a known agent, or a command line.
    pub agent: Option<String>,
    /// What the mission is to reach.
    pub objective: Option<String>,
}

/// What is proposed for a repository.
#[derive(Debug)]
pub struct Proposal {
    /// What its files say.
    pub survey: Detected,
    /// The settings file to be.
    pub draft: Draft,
    /// Where the target branch stands.
    pub head: Tip,
    /// What a person should know.
    pub notes: Vec<String>,
    /// Text of the backlog to be written; absent when there is one.
    pub backlog: Option<String>,
    /// The virtual environment of the work tree that has to be activated first, where it is not active.
    pub venv: Option<&'static str>,
    project: Project,
}

/// Looks at the repository and proposes; changes nothing.
///
/// # Errors
/// [`EngineError`] when there is no repository with a commit and a work tree.
pub async fn propose_settings(place: &Where, wish: &Wish) -> Result<Proposal, EngineError> {
    let env = Environment::of_process()?;
    let start = place.directory.as_ref().map_or_else(|| env.cwd().to_owned(), |dir| env.cwd().join(dir));
    let facts = inspect(&Git::in_folder(&start, ChildGuard::none())).await?;
    if facts.bare {
        return Err(EngineError::usage(
            format!("{} is a bare repository: there is no work tree to write settings into", facts.toplevel.display()),
            "run `mc init` in a clone of it, or write a mission-control.toml and name it with --config",
        ));
    }
    let state = StateDir::locate(&facts.common_dir, &env)?;
    let source = Git::in_folder(&facts.toplevel, ChildGuard::none());
    let (branch, head) = find_target(&source).await?;
    let files = scan::list_files(&source, &facts, &head.commit).await?;
    let survey = detect_stages(&files);
    let venv = find_inactive_venv(&env, &facts.toplevel)
        .filter(|_| survey.stages.iter().any(|stage| needs_active(&stage.run)));
    // What is proposed is what works once it is active.
    let env = match venv {
        Some(name) => activate_venv(env, &facts.toplevel.join(name)),
        None => env,
    };
    let mut programs = scan::Programs::of(&env, &facts.toplevel);
    let (agents, mut notes) = scan::choose_agents(wish.agent.as_deref(), &programs);
    let (mut stages, mut setups) = (Vec::new(), Vec::new());
    for stage in &survey.stages {
        let used = to_use(programs.find_missing(&stage.needs).await);
        stages.push((stage.clone(), used));
    }
    for setup in &survey.setups {
        let used = to_use(programs.find_missing(&setup.needs).await);
        setups.push((setup.clone(), used));
    }
    let is_set = |name: &str| env.var(name).is_some();
    let tools = survey.env.iter().copied().filter(|name| is_set(name));
    let mut names: Vec<String> = tools.map(str::to_owned).collect();
    for name in network::set(is_set) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let mut fingerprint = Vec::new();
    for (program, line) in &survey.fingerprints {
        // A line that fails would stop every verification.
        if programs.has_program(program) && programs.can_run_line(line, &names).await {
            fingerprint.push((*line).to_owned());
        }
    }
    let draft = Draft {
        branch,
        objective: wish.objective.clone().unwrap_or_default(),
        fingerprint,
        env: names,
        stages,
        setups,
        copy: survey.copy.clone(),
        deciding: survey.deciding.clone(),
        agents,
    };
    notes.extend(survey.notes.iter().cloned());
    notes.extend(venv.map(|name| {
        format!(
            "{name} is not active in this shell; everything here is tried as if it were. Activate it (`. {name}/bin/activate`) before `mc \
             mission start`, `mc verify` and `mc doctor`, or they get another Python"
        )
    }));
    let there = files.paths.contains("BACKLOG.md") || is_taken(&facts.toplevel.join("BACKLOG.md"));
    let lines: Vec<&str> = survey.stages.iter().map(|stage| stage.run.as_str()).collect();
    let backlog = (!there).then(|| sample::backlog(wish.objective.as_deref(), &lines));
    let project = Project::without_settings(env, facts, state)?;
    Ok(Proposal { survey, draft, head, notes, backlog, venv, project })
}

fn to_use(lacking: Option<Need>) -> Use {
    match lacking {
        None => Use::On,
        Some(need) => Use::Off(format!("{} is not installed; `{}` installs it", need.name(), need.install_command())),
    }
}

/// Something has this name, be it a link that leads nowhere.
fn is_taken(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The branch work should start from, and where it stands: the one that is checked out, unless it is one of `mc`.
async fn find_target(source: &Git) -> Result<(String, Tip), EngineError> {
    let current = source.run_query(&["symbolic-ref", "--quiet", "--short", "HEAD"]).await?;
    // A settings file is text: a branch whose name is none cannot stand in it.
    let current = current.and_then(|bytes| Some(String::from_utf8(bytes).ok()?.trim().to_owned()));
    let candidates = current.filter(|name| !name.starts_with("mc/")).into_iter();
    for name in candidates.chain(["main", "master"].map(str::to_owned)) {
        if let Some(tip) = source.resolve(&format!("refs/heads/{name}")).await? {
            return Ok((name, tip));
        }
    }
    Err(EngineError::usage(
        "this repository has no branch with a commit to start from",
        "commit something (`git add -A && git commit`), or switch to the branch work starts from",
    ))
}

/// What the first verification showed; the default when it was not run.
#[derive(Debug, Default)]
pub struct Baseline {
    /// Stage by stage; absent when nothing could be run.
    pub looked: Option<Snapshot>,
    /// The same without the stages that were switched off because of it.
    pub kept: Snapshot,
    /// Why a mission would be refused on this base; empty when it would not.
    pub refusal: String,
}

impl Proposal {
    /// Root of the work tree as a word of a shell line, where that is not the folder the command was given in.
    pub fn quoted_toplevel(&self) -> Option<String> {
        let top = self.toplevel().to_string_lossy();
        let here = files::is_same_path(self.project.env.cwd(), self.toplevel());
        (!here).then(|| shlex::try_quote(&top).unwrap_or(top.as_ref().into()).into_owned())
    }

    /// Root of the work tree.
    pub fn toplevel(&self) -> &Path {
        &self.project.facts.toplevel
    }

    /// The settings as this version reads them.
    ///
    /// # Errors
    /// [`EngineError::Config`] when there is nothing to verify with.
    pub fn read_settings(&self) -> Result<Settings, EngineError> {
        // What fence this machine wants is no matter of the file.
        let text = self.draft.text();
        let named = self.project.env.vars().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
        let fence = named.filter(|(name, _)| name.starts_with("MC_SANDBOX_"));
        let fence = fence.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let path = self.toplevel().join(FILE_NAME);
        let inputs = Inputs { file: Some((&path, &text)), directory: self.toplevel(), environment: &fence, flags: &[] };
        Ok(Layers::resolve(&inputs)?.settings()?)
    }

    /// Runs the proposed stages on the target's head in a clean clone. A stage that is no test, fails there and names nothing
    /// that fails would refuse every change: it is switched off, with the reason.
    ///
    /// # Errors
    /// [`EngineError`] when there is no place to run them.
    pub async fn run_baseline(&mut self, kill: watch::Receiver<bool>) -> Result<Baseline, EngineError> {
        if !self.draft.can_verify() {
            let refusal = "no way to verify this repository works here; write one into mission-control.toml".to_owned();
            return Ok(Baseline { refusal, ..Baseline::default() });
        }
        let settings = self.read_settings()?;
        let scratch = Scratch::make(&self.project, &settings).await?;
        let looked = scratch.verify(&self.head, None, kill).await;
        scratch.remove()?;
        let looked = match looked {
            Ok(looked) => looked,
            Err(refusal) => return Ok(Baseline { refusal, ..Baseline::default() }),
        };
        let mut kept = looked.snapshot.clone();
        for (stage, used) in self.draft.stages.iter_mut().filter(|(_, used)| *used == Use::On) {
            let Some(result) = looked.snapshot.stages.iter().find(|result| result.name == stage.name) else { continue };
            let judged = result.effective_outcome() == StageOutcome::Passed || result.is_explained();
            if !judged && stage.kind != StageKind::Tests {
                let helps = match result.exit {
                    // Nothing in the repository is wrong then.
                    Some(126 | 127) => "install what it starts",
                    _ => "mend it",
                };
                *used = Use::Off(format!(
                    "on the untouched branch this does not pass ({}): {helps}, then remove the marks",
                    result.failure_reason()
                ));
                kept.stages.retain(|other| other.name != stage.name);
            }
        }
        let judged = judge_as_base(&kept, &settings);
        let refusal = if judged.lands { String::new() } else { judged.evidence() };
        Ok(Baseline { looked: Some(looked.snapshot), kept, refusal })
    }

    /// Where the settings would be written; nothing is ever overwritten.
    ///
    /// # Errors
    /// [`EngineError::Usage`] when the place is taken.
    pub fn settings_path(&self, force: bool) -> Result<PathBuf, EngineError> {
        let plain = self.toplevel().join(FILE_NAME);
        let beside = self.toplevel().join(format!("{FILE_NAME}.new"));
        match (is_taken(&plain), force) {
            (false, _) => Ok(plain),
            (true, true) if !is_taken(&beside) => Ok(beside),
            (true, true) => Err(EngineError::usage(
                format!("{} and {} are both there; nothing is overwritten", FILE_NAME, beside.display()),
                format!("remove {}, then try again", beside.display()),
            )),
            (true, false) => Err(EngineError::usage(
                format!("{} is there already; nothing is overwritten", plain.display()),
                "`mc doctor --baseline` tries it; `mc init --dry-run` shows what would be proposed now; `mc init --force` writes \
                       that beside it, as mission-control.toml.new",
            )),
        }
    }

    /// Writes the settings to `place`, and the backlog where there is none; returns what was written.
    ///
    /// # Errors
    /// [`EngineError::File`].
    pub fn write(&self, place: &Path) -> Result<Vec<PathBuf>, EngineError> {
        let backlog = self.backlog.iter().map(|text| (self.toplevel().join("BACKLOG.md"), text.clone()));
        let mut written = Vec::new();
        for (path, text) in std::iter::once((place.to_owned(), self.draft.text())).chain(backlog) {
            files::create_new(&path, text.as_bytes())
                .map_err(|source| EngineError::Write { path: path.clone(), source })?;
            written.push(path);
        }
        Ok(written)
    }
}
