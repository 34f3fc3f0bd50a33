//! What settings must not say, alone or together: each problem is told with its place and what to do.

use super::FILE_NAME;
use super::backend::{Backend, HostConfig, LEASE, LOCAL_WORKERS, PIN_EVERY, SSH_HOSTS, TYPE};
use super::branches::broken_branch_rule;
use super::layers::Layers;
use super::problem::{Problem, Source, VERIFICATION_COMMAND};
use super::settings::Preset;
use super::settings::{Budget, HIDDEN, HOME, KEEP, PROTECT, READABLE, SHARED, UNION, WRITABLE};
use super::stages::Stage;
use super::value::Value;
use crate::domain::plan::globs::Globs;
use crate::domain::verify::model::home::is_below_home;
use crate::domain::verify::model::key::{StageSpec, Tier};

impl Layers {
    /// What is wrong with the value of a key.
    fn value_problem(&self, key: &str, message: String) -> Problem {
        Problem::Value { place: self.source(key), key: key.to_owned(), message }
    }

    pub(super) fn stage_specs(&self, problems: &mut Vec<Problem>) -> Vec<StageSpec> {
        let place = self.source(VERIFICATION_COMMAND);
        let stages = match (self.optional_text(VERIFICATION_COMMAND), &self.stages) {
            (Some(_), Some((_, stages))) if matches!(place, Source::File { .. }) => {
                let message = format!("stands beside [[target.verification.stage]] ({stages}); keep one of the two");
                problems.push(self.value_problem(VERIFICATION_COMMAND, message));
                return Vec::new();
            }
            (Some(command), _) => vec![Stage::of_command(&command)],
            (None, Some((stages, _))) => stages.clone(),
            (None, None) => {
                let message = format!(
                    "is not set; without a verification nothing can land. Write it into {FILE_NAME} below \
                     [target.verification], for example command = \"make test\", or set MC_TARGET_VERIFICATION_COMMAND"
                );
                problems.push(self.value_problem(VERIFICATION_COMMAND, message));
                return Vec::new();
            }
        };
        let specs: Vec<_> =
            stages.iter().map(|stage| stage.to_spec(self.time("target.verification.timeout"))).collect();
        if let Some((_, place)) = &self.stages
            && specs.iter().all(|stage| stage.tier == Tier::Quick)
        {
            problems.push(Problem::Value {
                place: place.clone(),
                key: "target.verification.stage".to_owned(),
                message: "has no stage with tier = \"gate\"; nothing would guard the green branch".to_owned(),
            });
        }
        specs
    }

    /// The caps; one that can never be held, or under which nothing could start, is a problem.
    pub(super) fn read_budget(&self, problems: &mut Vec<Problem>) -> Budget {
        const RUN: &str = "scheduler.budget.max_per_run_usd";
        const SESSION: &str = "scheduler.budget.max_per_session_usd";
        const TOKENS: &str = "scheduler.budget.max_tokens";
        let budget = Budget {
            max_per_session: self.number(SESSION),
            max_per_run: self.number(RUN),
            said: self.source(RUN) != Source::Default,
            max_tokens: self.number(TOKENS),
        };
        let preset: Preset = self.choice("agent.preset");
        let agent = self.optional_text("agent.command").is_some() || preset.known_agent().is_some();
        let mut wrong = |key: &str, message: String| problems.push(self.value_problem(key, message));
        if agent && budget.said && budget.max_per_session > budget.max_per_run {
            let (run, session) = (Value::Money(budget.max_per_run), Value::Money(budget.max_per_session));
            wrong(
                RUN,
                format!(
                    "is {run}, and {session} is reserved for each attempt of an agent, so that none could start; raise \
                     it, or set {SESSION} to what one attempt may cost"
                ),
            );
        }
        if agent && budget.max_tokens > 0 && !preset.tells_tokens() {
            let message = "cannot be held: an agent of this agent.preset tells no tokens; remove it and use \
                           scheduler.budget.max_per_run_usd, which counts each attempt";
            wrong(TOKENS, message.to_owned());
        }
        budget
    }

    /// Which hosts there are and how many work here; where nothing could run, or nothing could be verified, is a problem.
    pub(super) fn read_backend(&self, problems: &mut Vec<Problem>) -> Backend {
        let hosts = if self.hosts_are_unused() { Vec::new() } else { self.list_hosts() };
        let local_workers = match self.get(LOCAL_WORKERS) {
            Some((Value::Count(number), _)) => u32::try_from(*number).ok(),
            _ => None,
        };
        if self.text(TYPE) == "ssh" && hosts.is_empty() {
            let message = format!(
                "is \"ssh\", and no host is named; write [[{SSH_HOSTS}]] and below it hostname = \"build1\", or leave it out"
            );
            problems.push(self.value_problem(TYPE, message));
        }
        let here = local_workers.unwrap_or(u32::from(hosts.is_empty()));
        if here == 0 && hosts.is_empty() {
            let message =
                "is 0, and no host is used, so that nothing could run; name a host, or leave it out".to_owned();
            problems.push(self.value_problem(LOCAL_WORKERS, message));
        }
        let idle = |number: fn(&HostConfig) -> u32| here == 0 && hosts.iter().all(|host| number(host) == 0);
        for (key, nothing, what) in [
            ("max_workers", idle(|host| host.max_workers), "no unit could start"),
            ("max_verifiers", idle(|host| host.max_verifiers), "nothing could be verified"),
        ] {
            if nothing && let Some((path, place)) = self.first_host() {
                let message =
                    format!("is 0 on every host, and nothing runs here: {what}; raise it, or set {LOCAL_WORKERS}");
                problems.push(Problem::Value { place, key: format!("{path}.{key}"), message });
            }
        }
        let (lease, pin_every) = (self.time(LEASE), self.time(PIN_EVERY));
        Backend { local_workers, lease, pin_every, hosts: hosts.into_iter().cloned().collect() }
    }

    /// Whether there are hosts, and somebody said that everything runs here.
    fn hosts_are_unused(&self) -> bool {
        self.text(TYPE) == "local" && self.first_host().is_some()
    }

    /// What a person should know whose hosts are not used, and what to do.
    pub fn explain_unused_hosts(&self) -> Option<(String, &'static str)> {
        let names: Vec<&str> = self.list_hosts().iter().map(|host| host.name.as_str()).collect();
        let why =
            format!("`{TYPE}` is \"local\" ({}), so these hosts are not used: {}", self.source(TYPE), names.join(", "));
        self.hosts_are_unused().then_some((why, "leave it out, or write \"ssh\", to use them"))
    }

    pub(super) fn check_branches(&self, problems: &mut Vec<Problem>) {
        let (branch, green) = (self.text("target.branch"), self.text("green_branch.green_branch"));
        for (key, name) in [("target.branch", &branch), ("green_branch.green_branch", &green)] {
            if let Some(rule) = broken_branch_rule(name) {
                let message = format!("is not the name of a branch: `{name}` {rule}");
                problems.push(self.value_problem(key, message));
            }
        }
        if branch == green {
            let message =
                format!("is `{green}`, the target branch; missions never move that, so give it a name of its own");
            problems.push(self.value_problem("green_branch.green_branch", message));
        }
    }

    pub(super) fn check_paths(&self, problems: &mut Vec<Problem>) {
        for name in self.texts(HOME).into_iter().filter(|name| !is_below_home(name)) {
            let message = format!("must name files or folders of your home, relative to it; `{name}` is not");
            problems.push(self.value_problem(HOME, message));
        }
        for key in [WRITABLE, SHARED, READABLE, HIDDEN] {
            for path in self.texts(key) {
                let below = path.strip_prefix('/').or_else(|| path.strip_prefix("~/"));
                if below.is_none_or(|path| path.starts_with('/') || path.split('/').any(|part| part == "..")) {
                    let rule = "must name absolute paths, or paths of your home (`~/…`)";
                    problems.push(self.value_problem(key, format!("{rule}; `{path}` is neither")));
                }
            }
        }
        for key in ["target.copy", "target.setup_inputs"] {
            for path in self.texts(key) {
                if path.starts_with('/') || path.split('/').any(|part| part == ".." || part == ".git") {
                    let rule = "must name files inside the repository, relative to its root";
                    problems.push(self.value_problem(key, format!("{rule}; `{path}` is not")));
                }
            }
        }
    }

    pub(super) fn check_globs(&self, problems: &mut Vec<Problem>) {
        for key in ["target.verification.ignore", KEEP, PROTECT, UNION] {
            let read = if key == UNION { Globs::of_git } else { Globs::new };
            if let Err(bad) = read(&self.texts(key)) {
                let message = format!("must be a list of globs; {bad}");
                problems.push(self.value_problem(key, message));
            }
        }
    }
}
