//! All checks of `mc doctor`, in the order in which they are told.

use crate::adapters::git::{Git, inspect};
use crate::adapters::host::local::machine::imports::Imports;
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::os::environment::Environment;
use crate::adapters::store::place::StateDir;
use crate::config::Settings;
use crate::domain::detect::checks::{Check, has_problem};
use crate::engine::context::project::{Project, Where, read_layers};
use crate::engine::error::EngineError;
use crate::engine::setup::doctor::findings::value_or_problem;
use crate::engine::tasks::preflight::PreflightInput;
use tokio::sync::watch;

/// What is tried besides looking.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trials {
    /// Run the verification on the target's head.
    pub baseline: bool,
    /// Start the agent with a trivial brief.
    pub agent: bool,
    /// Plant faults and see whether the gate refuses them.
    pub gate: bool,
}

/// What was found.
#[derive(Debug)]
pub struct Examined {
    /// All checks, in the order they were made.
    pub checks: Vec<Check>,
    /// Whether the gate let a planted fault through.
    pub let_through: bool,
}

impl Examined {
    /// 4 when the gate let a fault through, 6 when something stops a mission, else 0.
    pub fn exit_code(&self) -> u8 {
        match (self.let_through, has_problem(&self.checks)) {
            (true, _) => 4,
            (false, true) => 6,
            (false, false) => 0,
        }
    }
}

/// Looks at everything, and tries what was asked for.
///
/// # Errors
/// [`EngineError`] only when the process itself is unusable; everything else is a check.
pub async fn run_checks(place: &Where, trials: Trials, kill: watch::Receiver<bool>) -> Result<Examined, EngineError> {
    let env = Environment::of_process()?;
    let mut checks = Vec::new();
    super::machine::check_programs(&env, &mut checks);
    let (project, settings) = open_project(place, &env, &mut checks).await;
    let mut let_through = false;
    if let (Some(project), Some(settings)) = (&project, &settings) {
        let source = project.source(ChildGuard::none());
        let on = PreflightInput { source: &source, facts: &project.facts, settings };
        let target = super::repository::check_repository(project, &on, &mut checks).await;
        let isolation = super::machine::check_isolation(settings, &mut checks).await;
        if let Some(isolation) = isolation {
            super::homes::check_homes(project, settings, isolation, &mut checks).await;
        }
        check_imports(project, settings, &mut checks);
        if let Some(isolation) = isolation {
            super::fence::check_fence(project, settings, isolation, &mut checks).await;
        }
        super::machine::check_resources(project, settings, &mut checks);
        super::machine::check_quarantine(project, &mut checks);
        super::agent::check_stages(project, settings, target.as_ref(), &mut checks).await;
        super::agent::check_shared_builds(project, settings, target.as_ref(), &mut checks).await;
        super::agent::check_network(project, settings, &mut checks);
        super::agent::check_agent(project, settings, target.as_ref(), &mut checks).await;
        if let Some(target) = &target {
            super::machine::check_clock(&source, target, &mut checks).await;
            if trials.baseline || trials.gate {
                let_through =
                    super::gate::try_gate(project, settings, target, trials.gate, kill.clone(), &mut checks).await;
            }
        }
        if trials.agent {
            super::agent::try_agent(project, settings, kill, &mut checks).await;
        }
    }
    Ok(Examined { checks, let_through })
}

/// Whether a Python environment would be verified in the place of the tree.
fn check_imports(project: &Project, settings: &Settings, checks: &mut Vec<Check>) {
    let pool = project.state.pool_in(settings.parallel.pool_dir.as_deref());
    let (imports, stages) = (Imports::find(&project.env, &project.facts, &pool), &settings.verification.stages);
    let refusal = imports.refusal(stages).map(|(why, help)| Check::problem("imports", why, help));
    checks.extend(refusal.or_else(|| imports.describe().map(|told| Check::ok("imports", told))));
    checks.extend(imports.warn_inactive(stages).map(|(what, help)| Check::warning("python", what, help)));
}

/// Repository, settings and state directory, as far as they can be had; what cannot is a problem.
async fn open_project(
    place: &Where,
    env: &Environment,
    checks: &mut Vec<Check>,
) -> (Option<Project>, Option<Settings>) {
    let layers = value_or_problem("settings", read_layers(env, place), checks);
    let start = place.directory.as_ref().map_or_else(|| env.cwd().to_owned(), |dir| env.cwd().join(dir));
    let found = layers.as_ref();
    let path = found.map(|(layers, directory, _)| layers.path("target.path").unwrap_or_else(|| directory.clone()));
    let facts = inspect(&Git::in_folder(&path.unwrap_or(start), ChildGuard::none())).await;
    let facts = value_or_problem("repository", facts.map_err(EngineError::from), checks);
    let state = facts.as_ref().map(|facts| StateDir::locate(&facts.common_dir, env).map_err(EngineError::from));
    let state = state.and_then(|state| value_or_problem("state", state, checks));
    let settings = layers.as_ref().and_then(|(layers, _, file)| {
        let settings = value_or_problem("settings", layers.settings().map_err(EngineError::from), checks)?;
        match file {
            Some(file) => checks.push(Check::ok("settings", format!("{} is read", file.display()))),
            None => checks.push(Check::ok("settings", "no settings file; variables and defaults are used")),
        }
        let help = "remove these keys when you no longer need them";
        checks.extend(settings.warnings.iter().map(|text| Check::warning("settings", text.clone(), help)));
        Some(settings)
    });
    let ((layers, _, config_file), facts, state) = match (layers, facts, state) {
        (Some(layers), Some(facts), Some(state)) => (layers, facts, state),
        _ => return (None, settings),
    };
    (Some(Project { env: env.clone(), layers, config_file, facts, state, elsewhere: None }), settings)
}
