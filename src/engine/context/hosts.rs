//! The hosts that work is given to: this machine, and those that the settings name.

use crate::adapters::host::Host;
use crate::domain::values::HostId;
use std::ops::Deref;
use tokio::sync::OnceCell;

/// A host with its name, and what the engine keeps in mind of it.
#[derive(Debug)]
pub struct NamedHost {
    /// Its name.
    pub id: HostId,
    /// Slots of units there; those of verifications follow them.
    pub workers: u32,
    host: Host,
    /// What results of runs of this machine depend on; another one is asked each time, for it may be changed meanwhile.
    pub(super) fingerprint: OnceCell<String>,
}

impl NamedHost {
    /// A host of this name with so many slots of units.
    pub fn new(id: HostId, workers: u32, host: Host) -> Self {
        Self { id, workers, host, fingerprint: OnceCell::new() }
    }
}

impl Deref for NamedHost {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}
