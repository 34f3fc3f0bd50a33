//! Beginning to work on a repository: the lock, the database and the next epoch, taken in this order.
//!
//! Promises: whoever has a [`Tenure`] is the one engine of its state directory, whatever became of the lock file: an engine
//! that lives is found by its lock, by what it wrote down in the database, or both, and one that is not seen is shut out by
//! its older epoch, which every append compares.

use super::error::EngineError;
use super::site::Site;
use crate::adapters::host::engine::EngineIdentity;
use crate::adapters::store::lock::{LockError, RunLock};
use crate::adapters::store::{Store, wake};
use std::time::Duration;

/// How long a new engine waits for git processes of a dead one.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(60);

/// The right to write into a state directory, for as long as nobody takes it away.
#[derive(Debug)]
pub(super) struct Tenure {
    /// The lock it rests on.
    pub(super) lock: RunLock,
    /// The database, open for appending.
    pub(super) store: Store,
}

/// Takes the lock, opens the database and takes the next epoch.
///
/// # Errors
/// [`EngineError`]; exit 5 when another engine lives, whatever the lock file says.
pub(super) async fn begin(site: &Site) -> Result<Tenure, EngineError> {
    // Refuses a state directory that belongs to another repository.
    site.state.create()?;
    let lock = match take_lock(site).await {
        Err(EngineError::Lock(LockError::Held { pid })) => return Err(held(site, pid)),
        lock => lock?,
    };
    let mut store = Store::open(&site.state.db())?;
    let tenant = store.tenant()?;
    if let Some(engine) = identity(&tenant.card).filter(EngineIdentity::lives) {
        return Err(held(site, engine.pid));
    }
    let card = serde_json::to_string(&EngineIdentity::of_this_process()).unwrap_or_default();
    store.take_epoch(&lock, tenant.epoch + 1, &card)?;
    Ok(Tenure { lock, store })
}

fn identity(card: &str) -> Option<EngineIdentity> {
    serde_json::from_str(card).ok()
}

/// Another engine works here. It is woken, so that it looks at once whether its lock is still the one that counts; where the
/// lock file does not name it, the database does.
fn held(site: &Site, named: u32) -> EngineError {
    let _ = wake::ring(&site.state.wake());
    let written = || identity(&site.store().ok()??.tenant().ok()?.card).map(|engine| engine.pid);
    EngineError::Lock(LockError::Held { pid: if named == 0 { written().unwrap_or(0) } else { named } })
}

async fn take_lock(site: &Site) -> Result<RunLock, EngineError> {
    let path = site.state.lock();
    let taken = tokio::task::spawn_blocking(move || RunLock::acquire(&path, ORPHAN_PATIENCE)).await;
    match taken {
        Ok(lock) => Ok(lock?),
        Err(e) => Err(EngineError::Broken { what: format!("take the lock: {e}"), hint: String::new() }),
    }
}
