//! Pins of ended attempts, compared with what the journal says and put right (P2): what is pinned nowhere is gone with the next
//! garbage collection. What somebody put in the place of a head is kept, too.

use crate::domain::mission::PinFault;
use crate::domain::trouble::chain;
use crate::domain::values::{CommitId, UnitId};
use crate::engine::context::mission::MissionContext;
use std::collections::BTreeMap;

/// Makes the pin of each of these attempts hold its head again; says where it did not.
pub async fn restore(context: &MissionContext, heads: Vec<(UnitId, u32, CommitId)>) -> Vec<PinFault> {
    if heads.is_empty() {
        return Vec::new();
    }
    let folder = format!("refs/mc/attempts/{}/", context.mission);
    let found: BTreeMap<String, CommitId> = match context.source.list_refs(&folder).await {
        Ok(found) => found.into_iter().collect(),
        Err(e) => {
            tracing::warn!("compare the pins of attempts: {}", chain(&e));
            return Vec::new();
        }
    };
    let mut faults = Vec::new();
    for (unit, n, head) in heads {
        let name = format!("{folder}{unit}/{n}");
        let held = found.get(&name).cloned();
        if held.as_ref() == Some(&head) {
            continue;
        }
        let why = repair_pin(context, &name, &head, held.as_ref()).await.err().unwrap_or_default();
        faults.push(PinFault { unit, n, head, held, restored: why.is_empty(), why });
    }
    faults
}

/// The error says why it could not be done.
async fn repair_pin(
    context: &MissionContext,
    name: &str,
    head: &CommitId,
    held: Option<&CommitId>,
) -> Result<(), String> {
    match context.source.resolve(head.as_str()).await {
        Ok(Some(_)) => {}
        Ok(None) => return Err("that commit is not in the repository any more".to_owned()),
        Err(e) => return Err(chain(&e)),
    }
    if let Some(other) = held {
        let place = format!("refs/mc/kept/{}/_pins/{}", context.mission, other.as_str());
        if let Err(e) = context.source.pin(&place, other).await {
            tracing::warn!("keep what {name} held: {}", chain(&e));
        }
    }
    context.source.repin(name, head, held).await.map_err(|e| chain(&e))
}
