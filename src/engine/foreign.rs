//! What changed in the user's repository while an attempt or a verification ran. Refs of a person are named; those that lead
//! into the attempt's own work were written by it, and a person must look (`docs/decisions/0003-foreign-refs.md`). Settings, hooks
//! and files of `info` decide what the user's git runs: who ran while they changed is held (`0022-whoever-moved-green.md`).

use super::shop::Shop;
use crate::adapters::files;
use crate::adapters::git::GitError;
use crate::adapters::git::local::LocalState;
use crate::adapters::workspace::collect::Collected;
use crate::domain::mission::{AttemptOrder, AttemptReport};
use crate::domain::values::CommitId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The user's repository at one time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Seen {
    refs: BTreeMap<String, CommitId>,
    local: LocalState,
}

/// Looks at the user's repository.
///
/// # Errors
/// [`GitError`] when git fails.
pub async fn look(shop: &Shop) -> Result<Seen, GitError> {
    let refs = shop.source.refs_snapshot().await?;
    Ok(Seen { refs, local: shop.source.local_state(&shop.seen_index).await? })
}

/// How the settings, hooks and `info` of the user's repository differ from what they were; one sentence, none when they do not.
pub async fn changed_files(shop: &Shop, before: &BTreeMap<String, String>) -> Option<String> {
    let files = shop.source.local_files().await.ok()?;
    let (then, now) = (of_files(before.clone()), of_files(files));
    let names = then.changed_files(&now);
    let names: Vec<String> = names.iter().map(|name| format!(".git/{name}")).collect();
    (!names.is_empty()).then(|| format!("{} of your repository changed", names.join(", ")))
}

fn of_files(files: BTreeMap<String, String>) -> LocalState {
    LocalState { files, ..LocalState::default() }
}

/// Names what changed in the user's repository while the attempt ran; a ref that now points into the attempt's own work was
/// written by it, and a person must look (P6), as at settings, hooks and `info`. `seen` is the file with the beginning.
pub async fn foreign_changes(
    shop: &Shop,
    order: &AttemptOrder,
    seen: &Path,
    found: &Collected,
    report: &mut AttemptReport,
) {
    let before: Option<Seen> =
        files::read_if_there(seen).ok().flatten().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let (Some(before), Ok(after)) = (before, look(shop).await) else { return };
    let (then, now) = (before.local, after.local);
    let (before, after) = (before.refs, after.refs);
    let (target, green) = (format!("refs/heads/{}", shop.settings().target.branch), shop.green_ref());
    let work = own_work(shop, order, found).await;
    if then.head != now.head {
        report.notes.push(format!("HEAD of your repository changed during the attempt: it is `{}` now", now.head));
        if let Ok(commit) = CommitId::new(&now.head)
            && within(shop, &commit, &work).await
            && !shop.source.is_ancestor(&commit, &order.from).await.unwrap_or(true)
        {
            let short = commit.short();
            report.hold = Some(format!(
                "HEAD of your repository now is this attempt's own commit {short}; look at it, then `mc unit retry`"
            ));
        }
    }
    if then.index != now.index {
        report.notes.push("the index of your repository changed during the attempt".to_owned());
    }
    if let Some(changed) = changed_files(shop, &then.files).await {
        report.notes.push(format!("{changed} during the attempt"));
        report.hold = Some(format!(
            "{changed} while this attempt ran; your own git obeys them: look at them, then `mc unit retry {}`",
            order.spec.id
        ));
    }
    for (name, now) in &after {
        if before.get(name) == Some(now) || *name == green {
            continue;
        }
        report.notes.push(format!("{name} of the source changed during the attempt"));
        let own = within(shop, now, &work).await;
        let old = shop.source.is_ancestor(now, &order.from).await.unwrap_or(true);
        if own && !old && !landed(shop, now).await {
            report.hold = Some(format!(
                "{name} of your repository now points to this attempt's own commit {}; look at it (target: {target}), then `mc unit retry`",
                now.short()
            ));
        }
    }
    if let Some(now) = green_written(shop, order, &work, &before).await {
        report.hold = Some(format!(
            "{} of your repository now points to this attempt's own commit {}, which nobody verified; put it back to \
             {} (`git update-ref`), then `mc unit retry`",
            shop.green_ref(),
            now.short(),
            order.green.short()
        ));
    }
    for name in before.keys().filter(|n| !after.contains_key(*n)) {
        report.notes.push(format!("{name} of the source was deleted during the attempt"));
    }
}

/// Everything the attempt left: its head, and the commit that keeps its other tips.
async fn own_work(shop: &Shop, order: &AttemptOrder, found: &Collected) -> Vec<CommitId> {
    let kept = format!("refs/mc/kept/{}/{}/{}", shop.mission, order.spec.id, order.n);
    let kept = shop.source.ref_value(&kept).await.ok().flatten();
    std::iter::once(found.head.commit.clone()).chain(kept).collect()
}

async fn within(shop: &Shop, commit: &CommitId, work: &[CommitId]) -> bool {
    for tip in work {
        if shop.source.is_ancestor(commit, tip).await.unwrap_or(false) {
            return true;
        }
    }
    false
}

/// Green, when it points into the attempt's own work and no landing put it there: the shortest way past the gate.
async fn green_written(
    shop: &Shop,
    order: &AttemptOrder,
    work: &[CommitId],
    before: &BTreeMap<String, CommitId>,
) -> Option<CommitId> {
    let now = shop.source.ref_value(&shop.green_ref()).await.ok()??;
    if now == order.green || before.values().any(|known| *known == now) {
        return None;
    }
    // What is above the base is the attempt's own work, what is below is old.
    if let [head] = work
        && order.from == order.green
        && let Some(line) = shop.source.plain_line(head, &order.from).await
        && !line.contains(&now)
    {
        return None;
    }
    let own = within(shop, &now, work).await;
    let old = own && shop.source.is_ancestor(&now, &order.green).await.unwrap_or(false);
    (own && !old && !landed(shop, &now).await).then_some(now)
}

/// Whether a commit was a candidate: an agent may have merged what landed meanwhile; that is no work of its own.
async fn landed(shop: &Shop, commit: &CommitId) -> bool {
    let known = shop.source.list_refs("refs/mc/candidates").await.unwrap_or_default();
    known.iter().any(|(_, candidate)| candidate == commit)
}
