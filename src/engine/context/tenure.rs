//! Beginning to work on a repository: the lock, the owner's card, the database and the next epoch, in this order.
//!
//! Promises: whoever has a [`Tenure`] is the one engine of its state directory and of its repository, whatever became of the
//! lock file: an engine that lives is found by its lock, by what it wrote into the database or by its card in the repository,
//! and one that is not seen is shut out by its older epoch, which every append and every move of a ref compares.

use crate::adapters::git::owner::{claim, owner, remove_stale_lock};
use crate::adapters::git::{Git, OwnerMark, OwnerRecord};
use crate::adapters::host::local::process::{EngineIdentity, LockError, RunLock};
use crate::adapters::store::{Store, wake};
use crate::domain::mission::Refusal;
use crate::engine::context::owner::{check_claim, make_card};
use crate::engine::context::project::Project;
use crate::engine::context::refusal::{Act, contested_refusal, git_refusal_for};
use crate::engine::error::EngineError;
use std::time::Duration;

/// How long a new engine waits for git processes of a dead one.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(60);

/// How often a claim is tried again after somebody else was faster.
const CLAIMS: u32 = 3;

/// The right to write into a state directory and its repository, for as long as nobody takes it away.
#[derive(Debug)]
pub struct Tenure {
    /// The lock it rests on.
    pub lock: RunLock,
    /// The database, open for appending.
    pub store: Store,
    /// The card that every move of a ref verifies.
    pub owner: OwnerMark,
}

impl Tenure {
    /// Git on the repository, moving refs for this engine.
    pub(in crate::engine) fn source(&self, project: &Project) -> Git {
        project.source(self.lock.guard()).owned_by(&self.owner)
    }
}

/// Takes the lock, opens the database and takes the next epoch. A repository that is owned already is claimed for it; one that
/// nobody owns yet is left so until something is made in it ([`claim_now`]). `take_over` names the machine of an owner that a
/// person gives up.
pub(in crate::engine) async fn begin(
    project: &Project,
    take_over: Option<&str>,
    act: Act,
) -> Result<Tenure, EngineError> {
    // Refuses a state directory that belongs to another repository.
    project.state.create()?;
    let lock = match take_lock(project).await {
        Err(EngineError::Lock(LockError::Held { pid })) => return Err(lock_held_error(project, pid)),
        lock => lock?,
    };
    let mut store = Store::open(&project.state.db())?;
    let tenant = store.read_tenant()?;
    if let Some(engine) = parse_identity(&tenant.card).filter(EngineIdentity::is_alive) {
        return Err(lock_held_error(project, engine.pid));
    }
    let mark = OwnerMark::default();
    let git = project.source(lock.guard()).owned_by(&mark);
    let mut card = make_card(&project.state, &project.facts.common_dir)?;
    card.epoch = tenant.epoch + 1;
    let common_dir = project.facts.common_dir.clone();
    let _ = tokio::task::spawn_blocking(move || remove_stale_lock(&common_dir)).await;
    let (_, known) = owner(&git).await?;
    if let Some(known) = known {
        card.epoch = card.epoch.max(known.epoch + 1);
        claim_repository(&git, &card, take_over, act).await.map_err(EngineError::Refused)?;
    }
    let text = serde_json::to_string(&card).map_err(|e| EngineError::Record { seq: 0, reason: e.to_string() })?;
    store.take_epoch(&lock, card.epoch, &text)?;
    Ok(Tenure { lock, store, owner: mark })
}

/// Claims the repository for an engine that has begun, where it has not been claimed for it yet.
pub(in crate::engine) async fn claim_now(
    git: &Git,
    store_card: &str,
    take_over: Option<&str>,
    act: Act,
) -> Result<(), Refusal> {
    if git.owner().card().is_some() {
        return Ok(());
    }
    let broken = |reason: String| Refusal { reason, hint: "see `mc doctor`".to_owned(), exit: 6 };
    let card: OwnerRecord =
        serde_json::from_str(store_card).map_err(|e| broken(format!("read who took the newest epoch: {e}")))?;
    claim_repository(git, &card, take_over, act).await
}

/// Writes the card, unless somebody else owns the repository and is not given up.
pub(in crate::engine) async fn claim_repository(
    git: &Git,
    card: &OwnerRecord,
    take_over: Option<&str>,
    act: Act,
) -> Result<(), Refusal> {
    for _ in 0..CLAIMS {
        let (held, known) = owner(git).await.map_err(|e| git_refusal_for(&e, act))?;
        check_claim(known, card, take_over, act)?;
        if claim(git, card, held.as_ref()).await.map_err(|e| git_refusal_for(&e, act))? {
            return Ok(());
        }
    }
    Err(contested_refusal())
}

fn parse_identity(card: &str) -> Option<EngineIdentity> {
    serde_json::from_str(card).ok()
}

/// Another engine works here. It is woken, so that it looks at once whether its lock is still the one that counts; where the
/// lock file does not name it, the database does.
fn lock_held_error(project: &Project, named: u32) -> EngineError {
    let _ = wake::ring(&project.state.wake_fifo());
    let written = || parse_identity(&project.own_store().ok()??.read_tenant().ok()?.card).map(|engine| engine.pid);
    EngineError::Lock(LockError::Held { pid: if named == 0 { written().unwrap_or(0) } else { named } })
}

async fn take_lock(project: &Project) -> Result<RunLock, EngineError> {
    let path = project.state.lock();
    let taken = tokio::task::spawn_blocking(move || RunLock::acquire(&path, ORPHAN_PATIENCE)).await;
    match taken {
        Ok(lock) => Ok(lock?),
        Err(e) => Err(EngineError::broken(format!("take the lock: {e}"), "")),
    }
}
