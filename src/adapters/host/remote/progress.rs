//! Work in progress on a host, brought home now and then: what a machine that is lost for good takes with it is no older than
//! [`HostSettings::pin_every`](crate::adapters::host::settings::HostSettings::pin_every).

use super::client::RemoteHost;
use super::protocol::Request;
use crate::adapters::git::GitError;
use crate::adapters::host::local::workspace::{head_ref, progress_ref};
use crate::adapters::host::order::{RunOrder, UsedSlot, attempt_of};
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, MissionId, UnitId};

impl RemoteHost {
    /// Pins what is in the workspace of a session there and here, again and again as long as it goes on. Never ends.
    pub(super) async fn follow_progress<T>(&self, order: &RunOrder) -> T {
        let Some((session, base)) = order.session.as_ref().and_then(|it| Some((it, it.base.as_ref()?))) else {
            return std::future::pending().await;
        };
        let used = UsedSlot { slot: order.slot, label: session.key.to_string() };
        loop {
            tokio::time::sleep(self.settings.pin_every).await;
            if let Err(trouble) = self.pin_progress(&used, base).await {
                tracing::warn!("pin the work in progress of {}: {trouble}", used.label);
            }
        }
    }

    async fn pin_progress(&self, used: &UsedSlot, base: &CommitId) -> Result<(), Trouble> {
        let Some((mission, unit, n)) = attempt_of(&used.label) else { return Ok(()) };
        let request = Request::PinProgress(used.clone(), base.clone());
        let Some(commit) = self.query::<Result<Option<CommitId>, Trouble>>(request).await?? else { return Ok(()) };
        let failed = |e: GitError| self.classify_error(&e);
        let name = progress_ref(&mission, &unit, n);
        let old = self.source.ref_value(&name).await.map_err(failed)?;
        if old.as_ref() == Some(&commit) {
            return Ok(());
        }
        let known: Vec<CommitId> = [base.clone()].into_iter().chain(old.clone()).collect();
        let what = format!("the work in progress of {}", used.label);
        self.bring(std::slice::from_ref(&commit), &known, &what, &[]).await?;
        let line =
            self.source.run_text(&["rev-list", "--parents", "-1", commit.as_str(), "--"]).await.map_err(failed)?;
        if line != format!("{commit} {base}") {
            return Err(Trouble::from(format!("{what}, {commit}, does not stand on {base} alone")));
        }
        self.source.repin(&name, &commit, old.as_ref()).await.map_err(failed)
    }

    /// Pins here what was pinned there while an attempt went on that left nothing else.
    pub(super) async fn bring_progress(&self, name: &str, commit: &CommitId) -> Result<(), Trouble> {
        let failed = |e: GitError| self.classify_error(&e);
        let old = self.source.ref_value(name).await.map_err(failed)?;
        if old.as_ref() == Some(commit) {
            return Ok(());
        }
        let known: Vec<CommitId> = old.iter().cloned().collect();
        self.bring(std::slice::from_ref(commit), &known, &format!("the work in progress {name}"), &[]).await?;
        self.source.repin(name, commit, old.as_ref()).await.map_err(failed)
    }

    /// Takes the pin of an attempt away here, whose work is pinned as a whole by now. Where nothing else is pinned of it, it stays.
    pub(super) async fn unpin_progress(&self, mission: &MissionId, unit: &UnitId, n: u32) {
        let name = progress_ref(mission, unit, n);
        let unpinned = async {
            if self.source.ref_value(&head_ref(mission, unit, n)).await?.is_none() {
                return Ok(());
            }
            match self.source.ref_value(&name).await? {
                Some(commit) => self.source.unpin(&name, &commit).await.map(drop),
                None => Ok(()),
            }
        };
        if let Err(e) = unpinned.await {
            tracing::warn!("take {name} away: {e}");
        }
    }
}
