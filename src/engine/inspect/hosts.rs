//! The hosts of the settings and of the mission, and what a person asks of them. Nobody is connected here.

use crate::config::Settings;
use crate::config::backend::{HostConfig, Reach};
use crate::domain::base::nearest::{find_nearest, format_hint};
use crate::domain::mission::{HostPolicy, Policy, State};
use crate::domain::values::HostId;
use crate::engine::context::project::Project;
use crate::engine::error::EngineError;
use crate::engine::inspect::history::load_unfinished;
use crate::engine::run::mission::{Asked, build_policy, read_effective};
use crate::report::hosts::HostRow;

/// How a host is reached, in the words of the settings.
pub fn describe_way(config: &HostConfig) -> String {
    match &config.reach {
        Reach::Command { connect, .. } => connect.join(" "),
        Reach::Ssh { hostname, user, port, .. } => {
            let user = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("ssh {user}{hostname}{port}")
        }
    }
}

/// This machine and the other hosts: those of the unfinished mission as it was started, then those that only the settings name; without
/// such a mission those of the settings.
pub fn list_hosts(settings: &Settings, mission: Option<&State>) -> Vec<HostRow> {
    let open = mission.filter(|state| !state.is_over());
    let policy = open.map_or_else(|| build_policy(settings), |state| state.policy.clone());
    let started_with = open.and_then(|state| read_effective(state).ok()).map(|effective| effective.settings);
    let config = |settings: &Settings, host: &HostId| {
        settings.backend.hosts.iter().find(|config| config.name == host.as_str()).map(describe_way)
    };
    let way = |host: &HostId| {
        let now = config(settings, host)?;
        Some(started_with.as_ref().and_then(|settings| config(settings, host)).unwrap_or(now))
    };
    let row = |policy: &HostPolicy, way: Option<String>| HostRow { way, ..HostRow::of_policy(policy) };
    let here = row(&find_local(&policy), Some("this machine".to_owned()));
    let others = policy.hosts.iter().filter(|policy| !policy.host.is_local());
    let mut rows: Vec<HostRow> =
        std::iter::once(here).chain(others.map(|policy| row(policy, way(&policy.host)))).collect();
    for policy in open.map(|_| build_policy(settings).hosts).unwrap_or_default() {
        if rows.iter().all(|row| row.host != policy.host) {
            rows.push(row(&policy, way(&policy.host)));
        }
    }
    rows
}

/// This machine as a mission of this policy has it: without hosts everything is done on it, beside hosts that do not name it nothing.
fn find_local(policy: &Policy) -> HostPolicy {
    let alone = policy.hosts.is_empty();
    let named = policy.hosts.iter().find(|policy| policy.host.is_local()).cloned();
    named.unwrap_or_else(|| HostPolicy {
        verifiers: u32::from(alone),
        ..HostPolicy::new(HostId::local(), if alone { policy.workers } else { 0 })
    })
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
                format!("nothing runs or is verified on {host} in this mission"),
                "there is nothing to keep from it; `mc hosts list` names the hosts that are used",
            ),
        });
    }
    let Some(mut store) = project.store()? else { return Ok(Asked::Nothing) };
    let kind = if drained { "drain-host" } else { "resume-host" };
    let mission = history.mission.to_string();
    let heard = project.signal(&mut store, kind, host.as_str())?;
    Ok(if heard { Asked::Told(mission) } else { Asked::NoEngine(mission) })
}
