//! What a host says of itself before anything is run on it.

use crate::adapters::host::local::machine::homes::describe_shared;
use crate::adapters::host::local::machine::host::LocalHost;
use crate::adapters::host::local::process::probe::ProbeError;
use crate::adapters::host::local::workspace::pool::PoolError;
use crate::adapters::host::order::{HostError, HostFacts};
use crate::adapters::os::machine::has_procfs;
use crate::adapters::trouble::{ROOM, is_full, limit_of};
use crate::domain::trouble::{Trouble, chain};

impl LocalHost {
    /// Tries out what runs here need: a pool, containment, HOME and fence.
    ///
    /// # Errors
    /// [`HostError::Broken`] with what is missing and what helps.
    pub async fn probe(&self) -> Result<HostFacts, HostError> {
        self.pool().await.map_err(|e| self.name_disk(&e, incomplete_error(&e)))?;
        let isolation = self.isolation().await.map_err(|e| self.name_disk(&e, not_contained(&e)))?;
        let odd = |trouble: Trouble| HostError::broken(trouble.why, "`mc doctor` looks at this machine");
        let shared_home = self.homes().await.map_err(odd)?.and_then(describe_shared);
        let fenced = self.detect_fence().await.map_err(odd)?.clone();
        Ok(HostFacts { isolation, shared_home, fenced, imports: self.imports().clone(), outlives: None })
    }

    /// The same refusal, where it is a full disk of a host that the settings name: what helps there is not what helps on this machine.
    fn name_disk(&self, e: &(dyn std::error::Error + 'static), refused: HostError) -> HostError {
        match (&self.settings.name, refused) {
            (Some(host), HostError::Broken { what, .. }) if is_full(e) => {
                let hint = format!("make room on the disk of {host} (`mc hosts clean` frees what mc keeps there)");
                HostError::Broken { what, hint }
            }
            (_, refused) => refused,
        }
    }
}

/// An error of the environment; `hint` helps unless its cause is a full disk or a limit of this process.
fn environment_error(e: &(dyn std::error::Error + 'static), hint: &str) -> HostError {
    let (what, hint) = match limit_of(e) {
        Some(limit) => (format!("{}: {}", limit.words(), chain(e)), limit.remedy()),
        None => (chain(e), if is_full(e) { ROOM } else { hint }),
    };
    HostError::Broken { what, hint: hint.to_owned() }
}

/// The repository lacks objects that clones need, or the pool cannot be opened.
pub fn incomplete_error(e: &PoolError) -> HostError {
    environment_error(e, "missions need the whole history and all objects of the repository")
}

/// The wanted containment does not work here.
pub fn not_contained(e: &ProbeError) -> HostError {
    if !has_procfs() {
        return HostError::broken(
            format!("there is no /proc here, so that nobody can tell which processes live: {}", chain(e)),
            "mount it (`mount -t proc proc /proc`), then start again",
        );
    }
    environment_error(e, "allow user namespaces, or set scheduler.isolation = \"search\"")
}
