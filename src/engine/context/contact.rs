//! A host that is looked at, or cleaned, beside missions.

use super::execution::host_settings;
use super::reach::{Shared, build_line, tell_host};
use crate::adapters::host::PoolKind;
use crate::adapters::host::local::process::ChildGuard;
use crate::adapters::host::local::workspace::tags::Tags;
use crate::adapters::host::remote::client::{EngineCard, RemoteHost};
use crate::adapters::host::remote::protocol::Variables;
use crate::adapters::host::remote::transport::Transport;
pub use crate::adapters::host::remote::transport::wait_for_commands;
use crate::config::Settings;
use crate::config::backend::HostConfig;
use crate::domain::values::MissionId;
use crate::engine::context::project::Project;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A host as somebody reaches it who has nothing run there: what it has for this state directory, whose journal knows these missions.
/// Each question is asked once, and no variable is told.
pub(in crate::engine) fn build_contact(
    project: &Project,
    settings: &Settings,
    config: &HostConfig,
    (state, epoch): (String, u64),
    missions: BTreeSet<MissionId>,
) -> RemoteHost {
    let engine = EngineCard {
        state,
        epoch,
        root: project.state.root().to_owned(),
        runs: project.state.runs(),
        sessions: Some(project.state.sessions()),
        missions: Some(Arc::new(missions)),
        variables: Variables::default(),
    };
    let (source, tags) = (project.source(ChildGuard::none()), Tags::default());
    let (env, facts) = (&project.env, &project.facts);
    let line = build_line(config, &Shared { env, engine: &engine, source: &source, facts, tags: &tags });
    let line = Transport { patience: Duration::ZERO, ..line };
    let told = tell_host(settings, config, &host_settings(settings, PoolKind::Missions));
    RemoteHost::new(line, told, engine, source, facts.clone(), tags)
}
