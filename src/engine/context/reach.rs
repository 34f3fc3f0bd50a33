//! How the hosts that the settings name are reached.

use super::hosts::NamedHost;
use crate::adapters::git::{Git, SourceFacts};
use crate::adapters::host::local::workspace::tags::Tags;
use crate::adapters::host::remote::client::{EngineCard, RemoteHost};
use crate::adapters::host::remote::transport::{Executable, Ssh, Target, Transport, Way, Worker};
use crate::adapters::host::{Host, HostSettings};
use crate::adapters::os::{Environment, open_files};
use crate::config::Settings;
use crate::config::backend::{HostConfig, Reach};
use crate::domain::values::HostId;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Open files that a mission has beside its hosts, and of each host: the streams of its worker and of ssh, twice while it is reached anew.
const OPEN_FILES: (u64, u64) = (512, 16);

/// The variable by which tests of `mc` itself have other lines to the hosts that the settings name: words of [`Transport::tune`].
const TEST_LINES: &str = "MC_TEST_LINES";

/// What all hosts of a mission share.
pub(super) struct Shared<'a> {
    pub(super) env: &'a Environment,
    pub(super) engine: &'a EngineCard,
    pub(super) source: &'a Git,
    pub(super) facts: &'a SourceFacts,
    pub(super) tags: &'a Tags,
}

/// The hosts that the settings name beside this machine; nothing is started. What this machine is told, they are told but for what
/// the settings say of each.
pub(super) fn build_hosts(
    settings: &Settings,
    told: &HostSettings,
    shared: &Shared<'_>,
) -> BTreeMap<HostId, NamedHost> {
    let count = u64::try_from(settings.backend.hosts.len()).unwrap_or(u64::MAX);
    let wanted = OPEN_FILES.1.saturating_mul(count).saturating_add(OPEN_FILES.0);
    if count > 0
        && let Some(fewer) = open_files::allow(wanted)
    {
        tracing::warn!("{count} hosts may need {wanted} open files and {fewer} are allowed: `ulimit -Hn {wanted}`");
    }
    let hosts = settings.backend.hosts.iter().filter_map(|config| {
        let id = HostId::new(&config.name).ok()?;
        let (told, line) = (tell_host(settings, config, told), build_line(config, shared));
        let (engine, source, facts) = (shared.engine.clone(), shared.source.clone(), shared.facts.clone());
        let host = RemoteHost::new(line, told, engine, source, facts, shared.tags.clone());
        let (workers, verifies) = (config.max_workers, config.max_verifiers > 0);
        Some((id.clone(), NamedHost::new(id, workers, verifies, Host::Remote(Box::new(host)))))
    });
    hosts.collect()
}

/// What a host is told: what this machine is, but for what the settings say of it.
pub(super) fn tell_host(settings: &Settings, config: &HostConfig, told: &HostSettings) -> HostSettings {
    HostSettings {
        lease: settings.backend.lease,
        max_disk: config.max_disk.unwrap_or(0),
        name: HostId::new(&config.name).ok(),
        env: config.env.clone(),
        ..told.clone()
    }
}

pub(super) fn build_line(config: &HostConfig, shared: &Shared<'_>) -> Transport {
    let env: Vec<(OsString, OsString)> =
        shared.env.vars().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let worker =
        Worker { root: config.root.clone(), program: config.program.clone(), executable: Executable::of_process() };
    let way = match &config.reach {
        Reach::Command { connect, .. } => Way::Command { connect: connect.clone(), env, worker },
        Reach::Ssh { hostname, user, port, identity_file, known_hosts } => {
            let target = Target {
                name: config.name.clone(),
                hostname: hostname.clone(),
                user: user.clone(),
                port: *port,
                identity_file: identity_file.clone(),
                known_hosts: known_hosts.clone(),
                config_file: None,
            };
            Way::Ssh(Ssh::new(target, worker, shared.engine.state.clone(), env))
        }
    };
    let first_answer = match &config.reach {
        Reach::Command { connect_timeout, .. } => Some(*connect_timeout),
        Reach::Ssh { .. } => None,
    };
    let line = Transport { idle: config.idle, first_answer, ..Transport::to(way) };
    let tuned = shared.env.var(TEST_LINES).and_then(|words| line.clone().tune(words.to_str()?));
    tuned.unwrap_or(line)
}
