//! Beginning to work on a repository: the lock, the owner's card, the database and the next epoch, in this order.
//!
//! Promises: whoever has a [`Tenure`] is the one engine of its state directory and of its repository, whatever became of the
//! lock file: an engine that lives is found by its lock, by what it wrote into the database or by its card in the repository,
//! and one that is not seen is shut out by its older epoch, which every append and every move of a ref compares.

use super::context::mission::MissionContext;
use super::context::project::Project;
use super::error::EngineError;
use super::preflight::{alive, contested, foreign, said_to};
use crate::adapters::git::Git;
use crate::adapters::git::owner::{OwnerMark, OwnerRecord, Standing, claim, owner, remove_stale_lock};
use crate::adapters::git::source::SourceFacts;
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::host::local::process::engine::EngineIdentity;
use crate::adapters::host::local::process::lock::{LockError, RunLock};
use crate::adapters::store::place::{PlaceError, StateDir};
use crate::adapters::store::{Store, wake};
use crate::domain::mission::Refusal;
use crate::domain::trouble::chain;
use std::path::Path;
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
    pub(super) fn source(&self, project: &Project) -> Git {
        project.source(self.lock.guard()).owned_by(&self.owner)
    }
}

/// What a person does who may be refused: what helps names what they do again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Starts a mission, or looks where there is none.
    Start,
    /// Goes on with the unfinished one.
    Resume,
    /// Does something to the unfinished one, which no start goes past.
    Unfinished,
    /// Something else.
    Other,
}

impl Act {
    /// What is done again once the reason is mended.
    pub(super) fn again(self) -> &'static str {
        match self {
            Self::Start => "start again",
            Self::Resume => "`mc mission resume`",
            Self::Unfinished | Self::Other => "try again",
        }
    }

    /// How the repository is taken over from `machine`.
    pub(super) fn take_over(self, machine: &str) -> String {
        match self {
            Self::Start | Self::Other => format!("start with --take-over {machine}"),
            Self::Resume | Self::Unfinished => format!("`mc mission resume --take-over {machine}`"),
        }
    }
}

/// Takes the lock, opens the database and takes the next epoch. A repository that is owned already is claimed for it; one that
/// nobody owns yet is left so until something is made in it ([`claim_now`]). `take_over` names the machine of an owner that a
/// person gives up.
pub(super) async fn begin(project: &Project, take_over: Option<&str>, act: Act) -> Result<Tenure, EngineError> {
    // Refuses a state directory that belongs to another repository.
    project.state.create()?;
    let lock = match take_lock(project).await {
        Err(EngineError::Lock(LockError::Held { pid })) => return Err(held(project, pid)),
        lock => lock?,
    };
    let mut store = Store::open(&project.state.db())?;
    let tenant = store.tenant()?;
    if let Some(engine) = identity(&tenant.card).filter(EngineIdentity::lives) {
        return Err(held(project, engine.pid));
    }
    let mark = OwnerMark::default();
    let git = project.source(lock.guard()).owned_by(&mark);
    let mut card = card(&project.state, &project.facts.common_dir)?;
    card.epoch = tenant.epoch + 1;
    let common_dir = project.facts.common_dir.clone();
    let _ = tokio::task::spawn_blocking(move || remove_stale_lock(&common_dir)).await;
    let (_, known) = owner(&git).await?;
    if let Some(known) = known {
        card.epoch = card.epoch.max(known.epoch + 1);
        own(&git, &card, take_over, act).await.map_err(EngineError::Refused)?;
    }
    let text = serde_json::to_string(&card).map_err(|e| EngineError::Record { seq: 0, reason: e.to_string() })?;
    store.take_epoch(&lock, card.epoch, &text)?;
    Ok(Tenure { lock, store, owner: mark })
}

/// Claims the repository for an engine that has begun, where it has not been claimed for it yet.
pub(super) async fn claim_now(git: &Git, store_card: &str, take_over: Option<&str>, act: Act) -> Result<(), Refusal> {
    if git.owner().card().is_some() {
        return Ok(());
    }
    let broken = |reason: String| Refusal { reason, hint: "see `mc doctor`".to_owned(), exit: 6 };
    let card: OwnerRecord =
        serde_json::from_str(store_card).map_err(|e| broken(format!("read who took the newest epoch: {e}")))?;
    own(git, &card, take_over, act).await
}

/// The same for the engine of a mission.
pub(super) async fn claim_for(context: &MissionContext, act: Act) -> Result<(), Refusal> {
    let tenant = context.store().tenant();
    let tenant = tenant.map_err(|e| Refusal { reason: chain(&e), hint: String::new(), exit: 6 })?;
    claim_now(&context.source, &tenant.card, context.take_over.as_deref(), act).await
}

/// Writes the card, unless somebody else owns the repository and is not given up.
async fn own(git: &Git, card: &OwnerRecord, take_over: Option<&str>, act: Act) -> Result<(), Refusal> {
    for _ in 0..CLAIMS {
        let (held, known) = owner(git).await.map_err(|e| said_to(&e, act))?;
        may_claim(known, card, take_over, act)?;
        if claim(git, card, held.as_ref()).await.map_err(|e| said_to(&e, act))? {
            return Ok(());
        }
    }
    Err(contested())
}

/// Whether the engine of `own` may claim a repository that holds the card `known`.
fn may_claim(known: Option<OwnerRecord>, own: &OwnerRecord, take_over: Option<&str>, act: Act) -> Result<(), Refusal> {
    match known.map_or(Standing::Free, |known| known.standing(own)) {
        Standing::Free | Standing::Ours => Ok(()),
        Standing::Alive(other) => Err(alive(&other)),
        Standing::Foreign(other) if take_over.is_some_and(|machine| other.engine.is_on(machine)) => Ok(()),
        Standing::Foreign(other) => Err(foreign(&other, own, take_over, act)),
    }
}

/// That a repository with the card `known` belongs to nobody else than the state directory of `own`; an engine of its own is no
/// obstacle here.
pub(super) fn is_ours(known: Option<OwnerRecord>, own: &OwnerRecord) -> Result<(), Refusal> {
    let works = |known: &OwnerRecord| known.state_id == own.state_id && known.engine.lives();
    may_claim(known.filter(|known| !works(known)), own, None, Act::Start)
}

/// The same for a state directory in which no mission was begun: whoever looks there finds nothing, which says nothing of a
/// repository that belongs to another one. `None` also where git cannot tell.
pub(super) async fn elsewhere(state: &StateDir, facts: &SourceFacts) -> Option<Refusal> {
    let begun = |store: Store| store.missions().is_ok_and(|missions| !missions.is_empty());
    if !matches!(Store::open_existing(&state.db()).map(|store| store.map(begun)), Ok(None | Some(false))) {
        return None;
    }
    let (_, known) = owner(&Git::in_folder(&facts.toplevel, ChildGuard::none())).await.ok()?;
    is_ours(Some(known?), &who_asks(state, &facts.common_dir).ok()?).err()
}

/// The card of a state directory that only looks: one that does not exist owns nothing, and is not made by looking.
pub(super) fn who_asks(state: &StateDir, common_dir: &Path) -> Result<OwnerRecord, PlaceError> {
    if state.root().join("state-id").is_file() {
        return card(state, common_dir);
    }
    let repository = common_dir.canonicalize().unwrap_or_else(|_| common_dir.to_owned());
    Ok(OwnerRecord {
        path: state.root().display().to_string(),
        repository: repository.display().to_string(),
        engine: EngineIdentity::of_this_process(),
        ..OwnerRecord::default()
    })
}

/// What this state directory writes into the owner ref of a repository; without an epoch.
fn card(state: &StateDir, common_dir: &Path) -> Result<OwnerRecord, PlaceError> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let common_dir = common_dir.canonicalize().unwrap_or_else(|_| common_dir.to_owned());
    Ok(OwnerRecord {
        state_id: state.state_id()?,
        path: text(state.root()),
        repository: text(&common_dir),
        epoch: 0,
        engine: EngineIdentity::of_this_process(),
    })
}

fn identity(card: &str) -> Option<EngineIdentity> {
    serde_json::from_str(card).ok()
}

/// Another engine works here. It is woken, so that it looks at once whether its lock is still the one that counts; where the
/// lock file does not name it, the database does.
fn held(project: &Project, named: u32) -> EngineError {
    let _ = wake::ring(&project.state.wake());
    let written = || identity(&project.own_store().ok()??.tenant().ok()?.card).map(|engine| engine.pid);
    EngineError::Lock(LockError::Held { pid: if named == 0 { written().unwrap_or(0) } else { named } })
}

async fn take_lock(project: &Project) -> Result<RunLock, EngineError> {
    let path = project.state.lock();
    let taken = tokio::task::spawn_blocking(move || RunLock::acquire(&path, ORPHAN_PATIENCE)).await;
    match taken {
        Ok(lock) => Ok(lock?),
        Err(e) => Err(EngineError::Broken { what: format!("take the lock: {e}"), hint: String::new() }),
    }
}
