//! What changed in the user's repository while an attempt or a verification ran. Refs, HEAD and index of a person are named;
//! what leads into the work of the run itself was written by it, and a person must look
//! (`docs/decisions/0003-foreign-refs.md`). Settings, hooks and files of `info` decide what the user's git runs: who ran while
//! they changed is held (`docs/decisions/0022-whoever-moved-green.md`).

use crate::adapters::git::{GitError, LocalState, RefFiles, RefName};
use crate::adapters::host::local::workspace::collect::Collected;
use crate::adapters::os::files;
use crate::domain::mission::{AttemptOrder, Noticed, SessionReport};
use crate::domain::values::CommitId;
use crate::engine::context::mission::MissionContext;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::PoisonError;

/// The user's repository at one time.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    refs: BTreeMap<RefName, CommitId>,
    files: RefFiles,
    local: LocalState,
}

/// Files in which an attempt's beginning is remembered: refs, a line of id and name for each, and everything else.
#[derive(Debug)]
pub struct Notes {
    /// The file of refs.
    pub refs: PathBuf,
    /// The file of everything else.
    pub local: PathBuf,
}

impl Notes {
    /// Writes what was seen.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn write(&self, seen: &Seen) -> io::Result<()> {
        let line = |(name, id): (&RefName, &CommitId)| [id.as_str().as_bytes(), b" ", name.as_bytes(), b"\n"].concat();
        let refs: Vec<u8> = seen.refs.iter().flat_map(line).collect();
        files::write_own(&self.refs, &refs)?;
        files::write_own(&self.local, &serde_json::to_vec(&seen.local)?)
    }

    fn read(&self) -> Option<Seen> {
        let refs = RefName::of_lines(&files::read_own(&self.refs).ok()??).into_iter().collect();
        let local = serde_json::from_slice(&files::read_own(&self.local).ok()??).ok()?;
        Some(Seen { refs, files: RefFiles::default(), local })
    }
}

/// Looks at the user's repository.
///
/// # Errors
/// [`GitError`] when git fails.
pub async fn read_state(context: &MissionContext) -> Result<Seen, GitError> {
    let (refs, files) = read_refs(context).await?;
    Ok(Seen { refs, files, local: context.source.local_state(&context.seen_index).await? })
}

async fn read_refs(context: &MissionContext) -> Result<(BTreeMap<RefName, CommitId>, RefFiles), GitError> {
    let files = context.source.ref_files().await?;
    let refs = context.source.refs_snapshot().await?;
    *context.seen_refs.lock().unwrap_or_else(PoisonError::into_inner) = Some(refs.clone());
    Ok((refs, files))
}

/// The same before a verification: refs as somebody saw them last, for what moved since then leaves a trace.
///
/// # Errors
/// [`GitError`] when git fails.
pub async fn read_before_verification(context: &MissionContext) -> Result<Seen, GitError> {
    let known = context.seen_refs.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let files = context.source.ref_files().await?;
    match known.filter(|_| files.is_conclusive()) {
        Some(refs) => Ok(Seen { refs, files, local: context.source.local_state(&context.seen_index).await? }),
        None => read_state(context).await,
    }
}

/// What differs between two looks, apart from refs.
fn compare_states(before: &LocalState, after: &LocalState) -> Noticed {
    let files: Vec<String> = before.changed_files(after).iter().map(|name| format!(".git/{name}")).collect();
    let held = (!files.is_empty())
        .then(|| format!("{} of your repository changed, which your own git obeys,", files.join(", ")));
    let mut named = Vec::new();
    if before.head != after.head {
        named.push(format!("HEAD of your repository changed: it is `{}` now,", after.head));
    }
    if before.index != after.index {
        named.push("the index of your repository changed".to_owned());
    }
    Noticed { held, named }
}

/// Refs that differ between two looks, with what they hold now.
fn changed_refs<'a>(before: &'a Seen, after: &'a Seen) -> Vec<(&'a RefName, Option<&'a CommitId>)> {
    let names: BTreeSet<&RefName> = before.refs.keys().chain(after.refs.keys()).collect();
    let differs = names.into_iter().filter(|name| before.refs.get(*name) != after.refs.get(*name));
    differs.map(|name| (name, after.refs.get(name))).collect()
}

/// What changed in the user's repository while a verification ran. `candidate` is the change that it ran, which nobody else
/// has a reason to let a branch point to.
pub async fn compare_after_verification(
    context: &MissionContext,
    before: &Seen,
    candidate: Option<&CommitId>,
) -> Noticed {
    let looked = async {
        let local = context.source.local_state(&context.seen_index).await?;
        let files = context.source.ref_files().await?;
        let refs = match before.files.is_unmoved_since(&files) {
            true => before.refs.clone(),
            false => read_refs(context).await?.0,
        };
        Ok::<_, GitError>(Seen { refs, files, local })
    };
    let after = match looked.await {
        Ok(after) => after,
        Err(error) => return Noticed { held: None, named: vec![describe_compare_error(&error)] },
    };
    let mut noticed = compare_states(&before.local, &after.local);
    let green = context.green_ref();
    for (name, now) in changed_refs(before, &after) {
        if name.is(&green) {
            continue;
        }
        noticed.named.push(describe_ref(name, now));
        if let (Some(now), Some(candidate)) = (now, candidate)
            && context.source.is_ancestor(candidate, now).await.unwrap_or(false)
        {
            let short = now.short_id();
            noticed.held = Some(format!("{name} of your repository was moved to {short}, which has this change,"));
        }
    }
    noticed
}

/// What is told where nothing can be compared.
fn describe_compare_error(error: &GitError) -> String {
    format!("it could not be said whether your repository changed: {}", crate::domain::trouble::chain(error))
}

fn describe_ref(name: &RefName, now: Option<&CommitId>) -> String {
    match now {
        Some(_) => format!("{name} of your repository changed"),
        None => format!("{name} of your repository was deleted"),
    }
}

/// Names what changed in the user's repository while the attempt ran; a ref that now points into the attempt's own work was
/// written by it, and a person must look (P6), as at settings, hooks and `info`. `notes` tell the beginning.
pub async fn report_foreign_changes(
    context: &MissionContext,
    order: &AttemptOrder,
    notes: &Notes,
    found: Option<&Collected>,
    report: &mut SessionReport,
) {
    let Some(before) = notes.read() else {
        // Only a run could have written there.
        let (what, unit) = ("what your repository was before is not on record any more", &order.spec.id);
        report.hold = Some(format!(
            "{what}, so nobody can say what changed in it while this attempt ran; look at its settings, hooks and \
             branches, then `mc unit retry {unit}`"
        ));
        report.notes.push(format!("{what}: whether it changed during the attempt cannot be said"));
        return report.work.repository.push(what.to_owned());
    };
    let after = match read_state(context).await {
        Ok(after) => after,
        Err(error) => {
            let what = describe_compare_error(&error);
            report.notes.push(format!("{what} during the attempt"));
            return report.work.repository.push(what);
        }
    };
    let (target, green) = (format!("refs/heads/{}", context.settings().target.branch), context.green_ref());
    let work = match found {
        Some(found) => list_own_work(context, order, found).await,
        None => Vec::new(),
    };
    let unit = &order.spec.id;
    let mut noticed = compare_states(&before.local, &after.local);
    if let (true, Ok(commit)) = (before.local.head != after.local.head, CommitId::new(&after.local.head))
        && is_own(context, order, &work, &commit).await
    {
        let short = commit.short_id();
        report.hold = Some(format!(
            "HEAD of your repository now is this attempt's own commit {short}; look at it, then `mc unit retry {unit}`"
        ));
    }
    if let Some(changed) = &noticed.held {
        report.hold = Some(format!("{changed} while this attempt ran; look at it, then `mc unit retry {unit}`"));
    }
    for (name, now) in changed_refs(&before, &after) {
        if name.is(&green) {
            continue;
        }
        noticed.named.push(describe_ref(name, now));
        if let Some(now) = now
            && is_own(context, order, &work, now).await
        {
            report.hold = Some(format!(
                "{name} of your repository now points to this attempt's own commit {}; look at it (target: {target}), \
                 then `mc unit retry {unit}`",
                now.short_id()
            ));
        }
    }
    if let Some(now) = find_green_written(context, order, &work, &before.refs).await {
        report.hold = Some(format!(
            "{green} of your repository was moved to this attempt's own commit {}, past every verification; `mc status` says what \
             became of green; look at what the attempt did, then `mc unit retry {unit}`",
            now.short_id()
        ));
    }
    report.work.repository = noticed.held.into_iter().chain(noticed.named).collect();
    report.notes.extend(report.work.repository.iter().map(|what| format!("{what} during the attempt")));
}

/// Holds the unit when settings, hooks or `info` changed while stages ran in its workspace, and that is not told yet.
pub async fn hold_after_stages(
    context: &MissionContext,
    order: &AttemptOrder,
    notes: &Notes,
    report: &mut SessionReport,
) {
    let (Some(before), Ok(files)) = (notes.read(), context.source.local_files().await) else { return };
    let after = LocalState { files, ..before.local.clone() };
    if let Some(changed) =
        compare_states(&before.local, &after).held.filter(|told| !report.work.repository.contains(told))
    {
        let unit = &order.spec.id;
        report.hold =
            Some(format!("{changed} while this attempt's work was looked at; see that, then `mc unit retry {unit}`"));
        report.notes.push(format!("{changed} while its work was looked at"));
        report.work.repository.push(changed);
    }
}

/// Everything the attempt left: its head, and the commit that keeps its other tips.
async fn list_own_work(context: &MissionContext, order: &AttemptOrder, found: &Collected) -> Vec<CommitId> {
    let kept = format!("refs/mc/kept/{}/{}/{}", context.mission, order.spec.id, order.n);
    let kept = context.source.ref_value(&kept).await.ok().flatten();
    std::iter::once(found.head.commit.clone()).chain(kept).collect()
}

/// Whether a commit is one that the attempt made.
async fn is_own(context: &MissionContext, order: &AttemptOrder, work: &[CommitId], commit: &CommitId) -> bool {
    is_in_work(context, commit, work).await
        && !context.source.is_ancestor(commit, &order.from).await.unwrap_or(true)
        && !is_candidate(context, commit).await
}

async fn is_in_work(context: &MissionContext, commit: &CommitId, work: &[CommitId]) -> bool {
    for tip in work {
        if context.source.is_ancestor(commit, tip).await.unwrap_or(false) {
            return true;
        }
    }
    false
}

/// Green, when it points into the attempt's own work and no landing put it there: the shortest way past the gate.
async fn find_green_written(
    context: &MissionContext,
    order: &AttemptOrder,
    work: &[CommitId],
    before: &BTreeMap<RefName, CommitId>,
) -> Option<CommitId> {
    let now = context.source.ref_value(&context.green_ref()).await.ok()??;
    if now == order.green || before.values().any(|known| *known == now) {
        return None;
    }
    // What is above the base is the attempt's own work, what is below is old.
    if let [head] = work
        && order.from == order.green
        && let Some(line) = context.source.plain_line(head, &order.from).await
        && !line.contains(&now)
    {
        return None;
    }
    let own = is_in_work(context, &now, work).await;
    let old = own && context.source.is_ancestor(&now, &order.green).await.unwrap_or(false);
    (own && !old && !is_candidate(context, &now).await).then_some(now)
}

/// Whether a commit was a candidate: an agent may have merged what landed meanwhile; that is no work of its own.
async fn is_candidate(context: &MissionContext, commit: &CommitId) -> bool {
    let known = context.source.list_refs("refs/mc/candidates").await.unwrap_or_default();
    known.iter().any(|(_, candidate)| candidate == commit)
}
