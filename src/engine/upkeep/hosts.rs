//! `mc hosts clean`: takes away what hosts keep for this repository's state directory, when no mission is unfinished.
//!
//! Nothing goes before it is pinned here: what attempts left in slots is collected, quarantine is tried once more, and all pins of
//! missions that the journal knows are brought here; then all of it goes at once, or none of it where something could not be brought.
//! The lock of the state directory is held meanwhile. What other state directories have on a host is never touched.

use crate::adapters::host::Host;
use crate::adapters::host::local::process::ChildGuard;
use crate::adapters::host::order::attempt_of;
use crate::adapters::host::remote::clean::CHECK;
use crate::adapters::host::remote::client::RemoteHost;
use crate::adapters::host::remote::protocol::{CleanOrder, Cleaned};
use crate::config::backend::HostConfig;
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, MissionId};
use crate::engine::context::contact::build_contact;
use crate::engine::context::{Act, Project, tenure};
use crate::engine::error::EngineError;
use crate::engine::inspect::history::{list_missions, load_unfinished};
use crate::engine::inspect::views::read_green;
use crate::engine::setup::hosts::refuse;
use crate::engine::tasks::collect::recover_stale;
use crate::report::hosts_check::{HostCleaning, Removal};
use std::collections::BTreeSet;
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
    let missions: BTreeSet<MissionId> = match &store {
        Some(store) => list_missions(store)?.into_iter().collect(),
        None => BTreeSet::new(),
    };
    let base = find_base(project).await?;
    let (mut tasks, order) = (JoinSet::new(), CleanOrder { dry_run, programs: true });
    for (nth, config) in hosts.iter().enumerate() {
        let host = build_contact(project, &settings, config, (state.clone(), epoch), missions.clone());
        let base = base.clone();
        tasks.spawn(async move { (nth, clean_host(host, base.as_ref(), order).await) });
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

/// The commit from which it is told what is new in a slot whose mission is over.
async fn find_base(project: &Project) -> Result<Option<CommitId>, EngineError> {
    if let Some(tip) = read_green(project).await?.tip {
        return Ok(Some(tip.commit));
    }
    Ok(project.source(ChildGuard::none()).resolve("HEAD").await?.map(|tip| tip.commit))
}

async fn clean_host(host: RemoteHost, base: Option<&CommitId>, order: CleanOrder) -> Result<Cleaned, Trouble> {
    if order.dry_run {
        return host.clean(order).await;
    }
    let host = Host::Remote(Box::new(host));
    let failed = match base {
        Some(base) => recover_stale(&host, base, is_ours).await?,
        None => Vec::new(),
    };
    host.retry_quarantine().await?;
    let Host::Remote(host) = host else { return Ok(Cleaned::default()) };
    let mut cleaned = host.clean(order).await?;
    cleaned.kept.extend(failed.into_iter().map(|(used, why)| (format!("work of {}", used.label), why.to_string())));
    Ok(cleaned)
}

/// Whether a slot of this label was given to an attempt or to a verification, and not taken by whoever worked there.
fn is_ours(label: &str) -> bool {
    attempt_of(label).is_some() || label.contains("/.")
}

fn refuse_unfinished(project: &Project) -> Result<(), EngineError> {
    let Some(history) = load_unfinished(project)? else { return Ok(()) };
    let what = format!("mission {} is unfinished, and may have work on its hosts", history.mission);
    Err(EngineError::usage(what, "let it end (`mc mission resume`) or end it (`mc mission stop --now`), then clean"))
}
