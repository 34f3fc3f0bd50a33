//! What this machine says of itself.

use crate::adapters::host::description::Description;
use crate::adapters::host::local::machine::host::LocalHost;
use crate::adapters::os::{clock, machine};

impl LocalHost {
    /// This machine at this moment. What cannot be found out is absent.
    pub async fn describe(&self) -> Description {
        Description {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            system: machine::describe_system(),
            machine: machine::name(),
            git: self.source.version().await.ok(),
            root: self.root().to_owned(),
            free_disk: machine::free_bytes(self.root()),
            free_memory: machine::free_memory(),
            processors: machine::count_processors(),
            load: machine::read_load(),
            clock: clock::now(),
        }
    }
}
