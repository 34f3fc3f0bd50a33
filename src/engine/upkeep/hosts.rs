//! `mc hosts clean`: takes away what hosts keep for this repository's state directory, when no mission is unfinished. What is pinned
//! there and not here is brought here first.

use crate::adapters::host::remote::clean::CHECK;
use crate::adapters::host::remote::client::RemoteHost;
use crate::adapters::host::remote::protocol::{CleanOrder, Cleaned};
use crate::config::backend::HostConfig;
use crate::domain::trouble::Trouble;
use crate::engine::context::contact::build_contact;
use crate::engine::context::{Act, Project, tenure};
use crate::engine::error::EngineError;
use crate::engine::inspect::history::load_unfinished;
use crate::engine::setup::hosts::refuse;
use crate::report::hosts_check::{HostCleaning, Removal};
use tokio::task::JoinSet;

/// Cleans these hosts, all at once, or only says what would go.
///
/// # Errors
/// [`EngineError::Usage`] while a mission is unfinished, [`EngineError::Lock`] while an engine works here.
pub async fn clean_hosts(
    project: &Project,
    hosts: Vec<HostConfig>,
    dry_run: bool,
) -> Result<Vec<HostCleaning>, EngineError> {
    refuse_unfinished(project)?;
    let settings = project.settings()?;
    let store = project.store()?;
    // Nobody begins a mission meanwhile.
    let tenure = match (&store, dry_run) {
        (Some(_), false) => Some(tenure::begin(project, None, Act::Other).await?),
        _ => None,
    };
    let epoch = match (&tenure, &store) {
        (Some(tenure), _) => tenure.store.epoch(),
        (None, Some(store)) => store.read_tenant()?.epoch,
        (None, None) => 0,
    };
    refuse_unfinished(project)?;
    // Where there never was a mission, there is only what checks have left.
    let state = match &store {
        Some(_) => project.state.state_id()?,
        None => format!("{CHECK}{:016x}", fastrand::u64(..)),
    };
    let (mut tasks, order) = (JoinSet::new(), CleanOrder { dry_run, programs: true });
    for (nth, config) in hosts.iter().enumerate() {
        let host = build_contact(project, &settings, config, (state.clone(), epoch));
        tasks.spawn(async move { (nth, clean_host(&host, order).await) });
    }
    let lost = || Trouble::from("the cleaning broke off".to_owned());
    let mut answers: Vec<Result<Cleaned, Trouble>> = hosts.iter().map(|_| Err(lost())).collect();
    while let Some(done) = tasks.join_next().await {
        if let Ok((nth, answer)) = done {
            answers[nth] = answer;
        }
    }
    let cleaned = hosts.into_iter().zip(answers).map(|(config, answer)| HostCleaning {
        name: config.name,
        outcome: match answer {
            Ok(Cleaned { removed, kept }) => Ok(Removal { removed, kept }),
            Err(trouble) => Err(refuse(trouble)),
        },
    });
    Ok(cleaned.collect())
}

async fn clean_host(host: &RemoteHost, order: CleanOrder) -> Result<Cleaned, Trouble> {
    if !order.dry_run {
        host.retry_quarantine().await?;
    }
    host.clean(order).await
}

fn refuse_unfinished(project: &Project) -> Result<(), EngineError> {
    let Some(history) = load_unfinished(project)? else { return Ok(()) };
    let what = format!("mission {} is unfinished, and may have work on its hosts", history.mission);
    Err(EngineError::usage(what, "let it end (`mc mission resume`) or end it (`mc mission stop --now`), then clean"))
}
