//! Work that comes home when nobody waits for it any more: what was left in a slot, and what is tried once more out of quarantine. It is
//! taken of attempts alone that this engine has placed on that host: a host decides what becomes of the work it was given, and of no other.

use super::client::RemoteHost;
use super::objects::Pinned;
use super::protocol::Request;
use crate::adapters::host::order::{RunKey, UsedSlot, attempt_of};
use crate::adapters::os::files;
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, HostId, MissionId, UnitId};
use std::io;
use std::path::Path;

/// The file with the name of its host in what is remembered of a session.
const HOST: &str = "host";

/// Notes in the folder with what is remembered of a session, which is there, on which host that is.
///
/// # Errors
/// The system's reason.
pub fn note_host(session: &Path, host: &HostId) -> io::Result<()> {
    files::write_own(&session.join(HOST), host.as_str().as_bytes())
}

impl RemoteHost {
    /// Whether this attempt was placed on this host. Where nothing of a mission's sessions is remembered any more, that the journal knows
    /// the mission is all that can be asked for.
    pub(super) fn was_placed(&self, (mission, unit, number): &(MissionId, UnitId, u32)) -> bool {
        if self.engine.missions.as_ref().is_some_and(|missions| !missions.contains(mission)) {
            return false;
        }
        let Some(sessions) = &self.engine.sessions else { return true };
        let own = self.settings.host();
        let session = RunKey::of_attempt(mission, unit, *number).path_in(sessions);
        let noted = files::read_own(&session.join(HOST)).ok().flatten();
        let placed = noted.as_deref() == Some(own.as_str().as_bytes());
        let remembered = RunKey::of_mission(mission).path_in(sessions).is_dir();
        if !placed && remembered {
            tracing::warn!("{own} has work of {mission} {unit} {number}, which was not placed there: it is not taken");
        }
        placed || !remembered && self.engine.missions.is_some()
    }

    /// What was left in a slot, pinned there and here.
    ///
    /// # Errors
    /// What around it failed.
    pub async fn recover(&self, slot: u32, label: &str, base: &CommitId) -> Result<(), Trouble> {
        self.send(std::slice::from_ref(base)).await?;
        let request = Request::Recover(UsedSlot { slot, label: label.to_owned() }, base.clone());
        let recovered = self.query::<Result<(), Trouble>>(request).await?;
        if recovered.is_err() {
            self.forget_sent().await;
        }
        recovered?;
        if let Some((mission, unit, number)) = attempt_of(label).filter(|attempt| self.was_placed(attempt)) {
            let of = Pinned { mission: &mission, unit: &unit, number, late: true };
            self.fetch_pins(of, std::slice::from_ref(base)).await?;
            self.unpin_progress(&mission, &unit, number).await;
        }
        Ok(())
    }

    /// What is in quarantine, tried once more; all that is pinned there and not here is brought here.
    ///
    /// # Errors
    /// What around it failed.
    pub async fn retry_quarantine(&self) -> Result<(), Trouble> {
        self.tell_brought().await;
        self.query::<Result<(), Trouble>>(Request::RetryQuarantine).await??;
        self.bring_late_pins().await
    }
}
