//! Whether a host of the mission answers, and in which environment things run there.

use super::collect;
use crate::adapters::host::order::{HostError, is_work};
use crate::adapters::host::{Host, RunKey};
use crate::domain::mission::State;
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, HostId};
use crate::engine::context::{MissionContext, NamedHost};
use std::collections::BTreeSet;

/// What the mission has on a host.
#[derive(Debug, Clone, Default)]
pub struct Open {
    /// Who uses slots: sessions and verifications that go on, or were not collected yet.
    pub labels: BTreeSet<String>,
    /// Green, from which what nobody waits for any more is told.
    pub green: Option<CommitId>,
}

impl Open {
    /// What a mission in this state has on any host.
    pub fn of(state: &State) -> Self {
        let attempts = state.running_attempts().chain(state.uncollected_attempts());
        let attempts = attempts.map(|(unit, attempt)| RunKey::of_attempt(&state.mission, &unit.spec.id, attempt.n));
        let runs = state
            .current_verification()
            .into_iter()
            .map(|run| RunKey::of_verification(&state.mission, &run.run.to_string()));
        let labels = attempts.chain(runs).map(|key| key.to_string()).collect();
        Self { labels, green: state.green().map(|green| green.tip.commit.clone()) }
    }
}

/// Asks a host whether it answers and whether things can run there. What nobody waits for any more ends there, and is kept as a ref,
/// before it is used again. What results of its runs depend on beside tree and stages.
///
/// # Errors
/// [`Trouble`] with what stands in the way.
pub async fn probe(context: &MissionContext, host: &HostId, open: &Open) -> Result<String, Trouble> {
    let on = context.find_host(host)?;
    on.probe().await.map_err(describe_refusal)?;
    recover_leftovers(on, open).await;
    if let Host::Remote(host) = &**on
        && let Err(why) = host.tidy(&context.mission).await
    {
        tracing::debug!("have notes of other missions forgotten on {host}: {why}", host = on.id);
    }
    context.fingerprint(on).await.map_err(|e| context.to_trouble(&e))
}

/// What cannot be kept now stays where it is, and its slot is not given to anybody else.
async fn recover_leftovers(on: &NamedHost, open: &Open) {
    if let Err(why) = on.retry_quarantine().await {
        tracing::warn!("collect what is in quarantine on {}: {why}", on.id);
    }
    if let Some(green) = &open.green {
        collect::sweep(on, green, |label| is_work(label) && !open.labels.contains(label)).await;
    }
}

fn describe_refusal(error: HostError) -> Trouble {
    match error {
        HostError::Trouble(trouble) => trouble,
        HostError::Usage { ref hint, .. } | HostError::Broken { ref hint, .. } => {
            Trouble::from(format!("{error} ({hint})"))
        }
    }
}
