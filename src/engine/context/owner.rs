//! To whom a repository belongs, as the card in it says, and who asks.

use crate::adapters::git::owner::owner;
use crate::adapters::git::{Git, OwnerRecord, SourceFacts, Standing};
use crate::adapters::host::local::process::{ChildGuard, EngineIdentity};
use crate::adapters::store::{PlaceError, StateDir, Store};
use crate::domain::mission::Refusal;
use crate::engine::context::refusal::{Act, foreign_owner_refusal, living_engine_refusal};
use std::path::Path;

/// Whether the engine of `own` may claim a repository that holds the card `known`.
pub(in crate::engine) fn check_claim(
    known: Option<OwnerRecord>,
    own: &OwnerRecord,
    take_over: Option<&str>,
    act: Act,
) -> Result<(), Refusal> {
    match known.map_or(Standing::Free, |known| known.check_ownership(own)) {
        Standing::Free | Standing::Ours => Ok(()),
        Standing::Alive(other) => Err(living_engine_refusal(&other)),
        Standing::Foreign(other) if take_over.is_some_and(|machine| other.engine.is_on(machine)) => Ok(()),
        Standing::Foreign(other) => Err(foreign_owner_refusal(&other, own, take_over, act)),
    }
}

/// That a repository with the card `known` belongs to nobody else than the state directory of `own`; an engine of its own is no
/// obstacle here.
pub(in crate::engine) fn check_owner(known: Option<OwnerRecord>, own: &OwnerRecord) -> Result<(), Refusal> {
    let works = |known: &OwnerRecord| known.state_id == own.state_id && known.engine.is_alive();
    check_claim(known.filter(|known| !works(known)), own, None, Act::Start)
}

/// The same for a state directory in which no mission was begun: whoever looks there finds nothing, which says nothing of a
/// repository that belongs to another one. `None` also where git cannot tell.
pub(in crate::engine) async fn check_unused(state: &StateDir, facts: &SourceFacts) -> Option<Refusal> {
    let begun = |store: Store| store.list_missions().is_ok_and(|missions| !missions.is_empty());
    if !matches!(Store::open_existing(&state.db()).map(|store| store.map(begun)), Ok(None | Some(false))) {
        return None;
    }
    let (_, known) = owner(&Git::in_folder(&facts.toplevel, ChildGuard::none())).await.ok()?;
    check_owner(Some(known?), &reader_card(state, &facts.common_dir).ok()?).err()
}

/// The card of a state directory that only looks: one that does not exist owns nothing, and is not made by looking.
pub(in crate::engine) fn reader_card(state: &StateDir, common_dir: &Path) -> Result<OwnerRecord, PlaceError> {
    if state.root().join("state-id").is_file() {
        return make_card(state, common_dir);
    }
    Ok(without_id(state, common_dir))
}

/// What this state directory writes into the owner ref of a repository; without an epoch.
pub(in crate::engine) fn make_card(state: &StateDir, common_dir: &Path) -> Result<OwnerRecord, PlaceError> {
    Ok(OwnerRecord { state_id: state.state_id()?, ..without_id(state, common_dir) })
}

fn without_id(state: &StateDir, common_dir: &Path) -> OwnerRecord {
    let repository = common_dir.canonicalize().unwrap_or_else(|_| common_dir.to_owned());
    OwnerRecord {
        path: state.root().display().to_string(),
        repository: repository.display().to_string(),
        engine: EngineIdentity::of_this_process(),
        ..OwnerRecord::default()
    }
}
