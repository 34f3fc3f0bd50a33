//! Which containment works on this host: the exact commands are run once, nothing is guessed from versions.

use crate::adapters::host::local::process::command::{ChildGuard, CommandError, CommandLine};
use crate::adapters::host::local::protocol::{FLAG, Isolation, WORKS};
use crate::domain::fence::WantedIsolation;
use std::path::Path;
use std::time::Duration;

/// The wanted containment does not work here.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Both ways to make a pid namespace were refused.
    #[error("make a pid namespace here ({reason}); allow user namespaces, or set isolation = \"search\"")]
    Refused {
        /// What the last command said.
        reason: String,
    },
    /// The probing command could not be run at all.
    #[error("probe process containment")]
    Command(#[from] CommandError),
}

/// Finds out by running it, with `program` as `mc`. Takes some milliseconds; meant to be called once per host.
///
/// # Errors
/// [`ProbeError::Refused`] when a pid namespace is demanded and none works.
pub async fn probe(wanted: WantedIsolation, program: &Path) -> Result<Isolation, ProbeError> {
    if wanted == WantedIsolation::Search {
        return Ok(Isolation::Search);
    }
    let mut reason = String::new();
    for isolation in Isolation::NAMESPACES {
        match probe_namespace(isolation, program).await {
            Ok(()) => return Ok(isolation),
            Err(ProbeError::Refused { reason: said }) => reason = said,
            Err(e) => return Err(e),
        }
    }
    match wanted {
        WantedIsolation::Pidns => Err(ProbeError::Refused { reason }),
        WantedIsolation::Auto | WantedIsolation::Search => Ok(Isolation::Search),
    }
}

/// That such a namespace can be made here.
///
/// # Errors
/// [`ProbeError::Refused`] with what was said against it.
pub async fn probe_namespace(isolation: Isolation, program: &Path) -> Result<(), ProbeError> {
    let command = CommandLine::new(program).args([FLAG, isolation.word(), "probe"]);
    let output = command.env("LC_ALL", "C").deadline(Duration::from_secs(10)).run(&ChildGuard::none()).await?;
    if output.success() && String::from_utf8_lossy(&output.stdout).trim_end() == WORKS {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(ProbeError::Refused { reason: told.lines().next().unwrap_or("no reason given").to_owned() })
}
