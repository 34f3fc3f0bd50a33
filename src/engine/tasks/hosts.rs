//! Whether a host of the mission answers, and in which environment things run there.

use super::collect;
use crate::adapters::host::order::{HostError, is_work};
use crate::adapters::host::{Host, RunKey};
use crate::domain::mission::State;
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, HostId};
use crate::engine::context::{MissionContext, NamedHost};
use std::collections::BTreeSet;
use tokio::sync::{mpsc, oneshot};

/// What the mission has on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Open {
    /// Who uses slots: sessions and verifications that go on, or were not collected yet.
    labels: BTreeSet<String>,
    /// Green, from which what nobody waits for any more is told.
    green: Option<CommitId>,
}

/// Asks whoever drives the mission what is open on a host.
pub type AskOpen = mpsc::UnboundedSender<OpenQuestion>;

/// What is open on a host at the moment of the answer.
#[derive(Debug)]
pub struct OpenQuestion {
    host: HostId,
    reply: oneshot::Sender<Open>,
}

impl OpenQuestion {
    /// Answers from the mission's state.
    pub fn answer(self, state: &State) {
        // Who has gone wants to know nothing.
        drop(self.reply.send(Open::of(state, &self.host)));
    }

    async fn ask(drives: &AskOpen, host: &HostId) -> Option<Open> {
        let (reply, answer) = oneshot::channel();
        drives.send(Self { host: host.clone(), reply }).ok()?;
        answer.await.ok()
    }
}

impl Open {
    /// What a mission in this state has on this host.
    fn of(state: &State, host: &HostId) -> Self {
        let attempts = state.running_attempts().chain(state.uncollected_attempts());
        let attempts = attempts
            .filter(|(_, attempt)| attempt.slot.host == *host)
            .map(|(unit, attempt)| RunKey::of_attempt(&state.mission, &unit.spec.id, attempt.n));
        let run = state.current_verification().into_iter().filter(|run| run.host == *host);
        let runs = run.map(|run| RunKey::of_verification(&state.mission, &run.run.to_string()));
        let labels = attempts.chain(runs).map(|key| key.to_string()).collect();
        Self { labels, green: state.green().map(|green| green.tip.commit.clone()) }
    }
}

/// Asks a host whether it answers and whether things can run there. What nobody waits for any more ends there, and is kept as a ref,
/// before it is used again. What results of its runs depend on beside tree and stages.
///
/// # Errors
/// [`Trouble`] with what stands in the way.
pub async fn probe(context: &MissionContext, host: &HostId, drives: &AskOpen) -> Result<String, Trouble> {
    let on = context.find_host(host)?;
    on.probe().await.map_err(describe_refusal)?;
    if let Host::Remote(host) = &**on
        && let Err(why) = host.tidy(&context.mission).await
    {
        tracing::debug!("have notes of other missions forgotten on {host}: {why}", host = on.id);
    }
    let environment = context.fingerprint(on).await.map_err(|e| context.to_trouble(&e))?;
    recover_leftovers(on, drives).await;
    Ok(environment)
}

/// What cannot be kept now stays where it is, and its slot is not given to anybody else.
async fn recover_leftovers(on: &NamedHost, drives: &AskOpen) {
    if let Err(why) = on.retry_quarantine().await {
        tracing::warn!("collect what is in quarantine on {}: {why}", on.id);
    }
    // What is open is asked now that the host answers, and once more afterwards: what was waited for until then may be given up.
    let mut swept = None;
    while let Some(open) = OpenQuestion::ask(drives, &on.id).await.filter(|open| swept.as_ref() != Some(&open.labels)) {
        if let Some(green) = &open.green {
            collect::sweep(on, green, |label| is_work(label) && !open.labels.contains(label)).await;
        }
        swept = Some(open.labels);
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
