//! `mc hosts check`: every host of the settings is reached at once, and told what it is like.
//!
//! A check is no engine: its worker has a state directory of its own on the host, which goes when the check is over. A mission that
//! runs there meanwhile is not touched.

use crate::adapters::host::description::Description;
use crate::adapters::host::error::HostError;
use crate::adapters::host::order::HostFacts;
use crate::adapters::host::remote::check::{Greeted, Speed};
use crate::adapters::host::remote::clean::CHECK;
use crate::adapters::host::remote::client::RemoteHost;
use crate::adapters::host::remote::protocol::CleanOrder;
use crate::adapters::host::remote::transport::Executable;
use crate::adapters::os::clock;
use crate::config::backend::{HostConfig, Reach};
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::HostId;
use crate::engine::context::Project;
use crate::engine::context::contact::build_contact;
use crate::engine::error::EngineError;
use crate::engine::inspect::hosts::{describe_way, find_host};
use crate::report::hosts_check::{Checked, HostCheck, Program, Refused};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// The first step.
const REACH: &str = "reach it";

/// What is being done with a host, for whoever loses patience.
#[derive(Debug, Clone, Default)]
struct Step(Arc<Mutex<&'static str>>);

impl Step {
    fn begin(&self, what: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    fn words(&self) -> &'static str {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hosts of the settings that a person names, all where none is named, in the order of the settings.
///
/// # Errors
/// [`EngineError::Usage`]: there is none, none is used, or none has a name.
pub fn choose_hosts(project: &Project, names: &[String]) -> Result<Vec<HostConfig>, EngineError> {
    let all = project.settings()?.backend.hosts;
    if let Some((why, help)) = project.layers.explain_unused_hosts() {
        return Err(EngineError::usage(why, help));
    }
    if all.is_empty() {
        let hint = "name one under [[backend.ssh.hosts]] or [[backend.hosts]] (docs/hosts.md)";
        return Err(EngineError::usage("the settings name no host", hint));
    }
    let known: Vec<HostId> = all.iter().filter_map(|config| HostId::new(&config.name).ok()).collect();
    for name in names {
        if name == HostId::local().as_str() {
            let hint = "`mc doctor` looks at this machine";
            return Err(EngineError::usage("`local` is this machine, and not reached by anything", hint));
        }
        find_host(name, known.iter())?;
    }
    Ok(all.into_iter().filter(|config| names.is_empty() || names.contains(&config.name)).collect())
}

/// Looks at these hosts, all at once; none may take longer than `patience`.
///
/// # Errors
/// [`EngineError::Config`].
pub async fn check_hosts(
    project: &Project,
    hosts: Vec<HostConfig>,
    patience: Duration,
) -> Result<Vec<HostCheck>, EngineError> {
    let settings = project.settings()?;
    let own =
        Executable::of_process().identify().await.map(|own| Program::Own { size: own.size, is_static: own.is_static });
    let own = own.map_err(|e| EngineError::broken(format!("read the program of this process: {e}"), ""))?;
    let mut tasks = JoinSet::new();
    for (nth, config) in hosts.iter().enumerate() {
        let state = format!("{CHECK}{:016x}", fastrand::u64(..));
        let host = build_contact(project, &settings, config, (state, 0), BTreeSet::new());
        let waits = match &config.reach {
            Reach::Command { connect_timeout, .. } => Some(*connect_timeout),
            Reach::Ssh { .. } => None,
        };
        tasks.spawn(async move {
            let step = Step::default();
            let answer = tokio::time::timeout(patience, look(&host, &step)).await;
            (nth, answer.unwrap_or_else(|_| Err(describe_silence(step.words(), patience, waits))))
        });
    }
    let mut answers: Vec<_> = hosts.iter().map(|_| Err(lost_refusal())).collect();
    while let Some(done) = tasks.join_next().await {
        if let Ok((nth, answer)) = done {
            answers[nth] = answer;
        }
    }
    let checks = hosts.iter().zip(answers).map(|(config, outcome)| HostCheck {
        name: config.name.clone(),
        way: describe_way(config),
        program: config.program.clone().map_or_else(|| own.clone(), Program::There),
        outcome,
    });
    Ok(checks.collect())
}

async fn look(host: &RemoteHost, step: &Step) -> Result<Checked, Refused> {
    step.begin(REACH);
    let Greeted { versions, took, sent } = host.greet().await.map_err(refuse)?;
    let looked = look_around(host, step).await;
    step.begin("take away what the check made there");
    let left = host.clean(CleanOrder::default()).await;
    let (description, offset, facts, speed) = looked?;
    let kept = left.map_err(refuse)?.kept;
    let left = kept.first().map(|(name, why)| format!("{name} of the check is left there: {why}"));
    Ok(Checked {
        connected: took,
        sent,
        version: description.version,
        protocol: versions.protocol,
        system: description.system,
        machine: description.machine,
        root: description.root,
        git: description.git,
        free_disk: description.free_disk,
        free_memory: description.free_memory,
        processors: description.processors,
        load: description.load,
        clock_offset: offset,
        request: speed.request,
        there: speed.there,
        back: speed.back,
        isolation: facts.isolation.word().to_owned(),
        has_namespace: facts.isolation.is_namespace(),
        fenced: facts.fenced.is_active(),
        notes: facts.fenced.describe_gaps().into_iter().chain(facts.shared_home).chain(left).collect(),
    })
}

async fn look_around(host: &RemoteHost, step: &Step) -> Result<(Description, i64, HostFacts, Speed), Refused> {
    step.begin("ask what it is like");
    let asked = clock::now();
    let mut description = host.ask_description().await.map_err(refuse)?;
    let middle = asked + clock::now().saturating_sub(asked) / 2;
    let offset = i64::try_from(description.clock).unwrap_or(0) - i64::try_from(middle).unwrap_or(0);
    // The root is that of its worker, below which the check is one of several.
    if let Some(root) = description.root.parent() {
        description.root = root.to_owned();
    }
    step.begin("measure the way to it");
    let speed = host.measure_speed().await.map_err(refuse)?;
    step.begin("try what runs there need");
    let facts = host.probe().await.map_err(|e| match e {
        HostError::Trouble(trouble) => refuse(trouble),
        HostError::Usage { what, hint } | HostError::Broken { what, hint } => Refused { why: what, help: hint },
    })?;
    Ok((description, offset, facts, speed))
}

/// A refusal with what helps; what is not common says so itself.
pub fn refuse(trouble: Trouble) -> Refused {
    let help = match &trouble.cause {
        Cause::Unknown(_) => "do what it says, then `mc hosts check` again",
        Cause::DiskFull(_) => "make room on the disk of that host (`mc hosts clean` frees what mc keeps there)",
        cause => cause.remedy(),
    };
    Refused { help: help.to_owned(), why: trouble.why }
}

/// Somebody else may wait for the same host for longer: `waits`.
fn describe_silence(step: &str, patience: Duration, waits: Option<Duration>) -> Refused {
    let why = format!("nothing came of it within {} s: to {step}", patience.as_secs());
    match waits.filter(|waits| step == REACH && *waits > patience) {
        Some(waits) => {
            let waits = waits.as_secs();
            let why = format!("{why}; its command still waited for the machine, and was ended with this check");
            let help =
                format!("a mission waits for it for {waits} s (`connect_timeout`), `--timeout {waits}` does so here");
            Refused { why, help }
        }
        None => {
            let help = "look whether the machine is up and the way to it is free; `--timeout` waits longer".to_owned();
            Refused { why, help }
        }
    }
}

fn lost_refusal() -> Refused {
    Refused { why: "the check broke off".to_owned(), help: "check again".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::trouble::Spot;

    #[test]
    fn a_full_disk_of_a_host_is_not_that_of_this_machine() {
        let refused = refuse(Trouble::new(Cause::DiskFull(Spot::State), "write x"));
        assert!(refused.help.contains("that host") && !refused.help.contains("mc pool prune"), "{}", refused.help);
    }
}
