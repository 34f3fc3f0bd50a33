//! The hosts of the settings and of the mission, and what a person asks of them. Nobody is connected here.

use crate::config::Settings;
use crate::config::backend::{HostConfig, Reach};
use crate::domain::base::nearest::{find_nearest, format_hint};
use crate::domain::mission::State;
use crate::domain::values::HostId;
use crate::engine::context::execution::local_workers;
use crate::engine::context::project::Project;
use crate::engine::error::EngineError;
use crate::engine::inspect::history::load_unfinished;
use crate::engine::run::mission::Asked;
use crate::report::hosts::HostRow;

/// How a host is reached, in the words of the settings.
pub fn describe_way(config: &HostConfig) -> String {
    match &config.reach {
        Reach::Command { connect } => connect.join(" "),
        Reach::Ssh { hostname, user, port, .. } => {
            let user = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("ssh {user}{hostname}{port}")
        }
    }
}

/// This machine, the hosts of the settings in their order, and those that only the unfinished mission has.
pub fn list_hosts(settings: &Settings, mission: Option<&State>) -> Vec<HostRow> {
    let here = HostRow {
        host: HostId::local(),
        way: Some("this machine".to_owned()),
        workers: local_workers(settings),
        verifiers: 1,
        labels: Vec::new(),
    };
    let row = |config: &HostConfig| {
        Some(HostRow {
            host: HostId::new(&config.name).ok()?,
            way: Some(describe_way(config)),
            workers: config.max_workers,
            verifiers: config.max_verifiers,
            labels: config.labels.clone(),
        })
    };
    let mut rows: Vec<HostRow> = std::iter::once(here).chain(settings.backend.hosts.iter().filter_map(row)).collect();
    let hosts = mission.filter(|state| !state.is_over()).map(|state| state.policy.hosts.as_slice());
    for policy in hosts.unwrap_or_default() {
        if rows.iter().all(|row| row.host != policy.host) {
            rows.push(HostRow::of_policy(policy));
        }
    }
    rows
}

/// The host that a person names, of those that are known.
///
/// # Errors
/// [`EngineError::Usage`] that names the known ones.
pub fn find_host<'a>(name: &str, known: impl Iterator<Item = &'a HostId> + Clone) -> Result<&'a HostId, EngineError> {
    if let Some(host) = known.clone().find(|host| host.as_str() == name) {
        return Ok(host);
    }
    let near = format_hint(find_nearest(name, known.clone().map(HostId::as_str)));
    let names: Vec<&str> = known.map(HostId::as_str).collect();
    let hint = match names.is_empty() {
        true => "the settings name no host: docs/hosts.md says how".to_owned(),
        false => format!("there is {}; `mc hosts list` tells more", names.join(", ")),
    };
    Err(EngineError::usage(format!("there is no host `{name}`{near}"), hint))
}

/// Asks the unfinished mission to start nothing new on a host, or to use it again.
///
/// # Errors
/// [`EngineError::Usage`] when there is no such host or it cannot be drained.
pub async fn request_drain(project: &Project, name: &str, drained: bool) -> Result<Asked, EngineError> {
    let Some(history) = load_unfinished(project)? else {
        let rows = list_hosts(&project.settings()?, None);
        find_host(name, rows.iter().map(|row| &row.host))?;
        return Ok(Asked::Nothing);
    };
    let state = &history.state;
    let local = HostId::local();
    let others = state.policy.hosts.iter().map(|policy| &policy.host).filter(|host| !host.is_local());
    let host = find_host(name, std::iter::once(&local).chain(others))?;
    if !state.hosts().can_drain(host) {
        return Err(match state.policy.hosts.is_empty() {
            true => EngineError::usage(
                "this mission runs on this machine alone",
                "`mc mission pause` starts nothing new, `mc mission resume` goes on",
            ),
            false => EngineError::usage(
                format!("no unit starts on {host} in this mission"),
                "it verifies what no other host can, and cannot be spared for that",
            ),
        });
    }
    let Some(mut store) = project.store()? else { return Ok(Asked::Nothing) };
    let kind = if drained { "drain-host" } else { "resume-host" };
    let mission = history.mission.to_string();
    let heard = project.signal(&mut store, kind, host.as_str())?;
    Ok(if heard { Asked::Told(mission) } else { Asked::NoEngine(mission) })
}
