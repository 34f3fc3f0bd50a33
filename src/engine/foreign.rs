//! Refs of the source that changed while an attempt ran. Those of a person are named; those that lead into the attempt's own
//! work were written by it, and a person must look (`docs/decisions/0003-foreign-refs.md`).

use super::shop::Shop;
use crate::adapters::files;
use crate::adapters::git::refs::RefName;
use crate::adapters::workspace::collect::Collected;
use crate::domain::mission::{AttemptOrder, AttemptReport};
use crate::domain::values::CommitId;
use std::collections::BTreeMap;
use std::path::Path;

/// Refs in the form in which they are remembered from before an attempt: a line of id and name for each.
#[must_use]
pub fn in_lines(refs: &BTreeMap<RefName, CommitId>) -> Vec<u8> {
    refs.iter().flat_map(|(name, id)| [id.as_str().as_bytes(), b" ", name.as_bytes(), b"\n"].concat()).collect()
}

fn remembered(lines: &[u8]) -> BTreeMap<RefName, CommitId> {
    RefName::of_lines(lines).into_iter().collect()
}

/// Names refs of the source that changed while the attempt ran; one that now points into the attempt's own work was
/// written by it, and a person must look (P6). `refs` is the file with those of its beginning.
pub async fn foreign_refs(
    shop: &Shop,
    order: &AttemptOrder,
    refs: &Path,
    found: &Collected,
    report: &mut AttemptReport,
) {
    let before = files::read_own(refs).ok().flatten().map(|bytes| remembered(&bytes));
    let (Some(before), Ok(after)) = (before, shop.source.refs_snapshot().await) else { return };
    let (target, green) = (format!("refs/heads/{}", shop.settings().target.branch), shop.green_ref());
    let work = own_work(shop, order, found).await;
    for (name, now) in &after {
        if before.get(name) == Some(now) || name.is(&green) {
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
    before: &BTreeMap<RefName, CommitId>,
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
