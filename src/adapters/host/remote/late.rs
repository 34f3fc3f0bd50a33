//! Work that comes home when nobody waits for it any more: what was left in a slot, and what is tried once more out of quarantine. It is
//! taken of attempts alone that this engine has placed on that host: a host decides what becomes of the work it was given, and of no other.

use super::client::RemoteHost;
use super::objects::{BROUGHT, Pinned, name_brought};
use super::protocol::Request;
use crate::adapters::host::order::{RunKey, UsedSlot, attempt_of};
use crate::adapters::os::files;
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, HostId, MissionId, UnitId};
use std::collections::BTreeSet;
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
    /// Whether this attempt was placed on this host. Of missions that are not remembered nothing is said.
    fn was_placed(&self, (mission, unit, number): &(MissionId, UnitId, u32)) -> bool {
        let Some(sessions) = &self.engine.sessions else { return true };
        let own = self.settings.host();
        let session = RunKey::of_attempt(mission, unit, *number).path_in(sessions);
        let noted = files::read_own(&session.join(HOST)).ok().flatten();
        let placed = noted.as_deref() == Some(own.as_str().as_bytes());
        if !placed && RunKey::of_mission(mission).path_in(sessions).is_dir() {
            tracing::warn!("{own} has work of {mission} {unit} {number}, which was not placed there: it is not taken");
        }
        placed
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
        const PINS: [&str; 2] = ["refs/mc/attempts/", "refs/mc/kept/"];
        let pins = self.pins_there([PINS[0], PINS[1], BROUGHT].map(str::to_owned).to_vec()).await?;
        let pins: BTreeSet<_> = pins.into_iter().collect();
        // What was brought here and is here no more was taken away on purpose.
        let late = pins.iter().filter(|(name, id)| !pins.contains(&(name_brought(name), id.clone())));
        let late: BTreeSet<_> = late
            .filter_map(|(name, _)| attempt_of(PINS.iter().find_map(|prefix| name.strip_prefix(prefix))?))
            .collect();
        for (mission, unit, number) in late.into_iter().filter(|attempt| self.was_placed(attempt)) {
            self.fetch_pins(Pinned { mission: &mission, unit: &unit, number, late: true }, &[]).await?;
        }
        Ok(())
    }
}
