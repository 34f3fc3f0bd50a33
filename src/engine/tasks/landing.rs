//! Merging onto green and moving green: git's side of a landing. What follows from each answer is decided elsewhere.

use super::{unit_checks, verification};
use crate::adapters::git::{GreenMove, Merged, move_green};
use crate::domain::base::text::first_chars;
use crate::domain::links::LinkRule;
use crate::domain::mission::{Candidate, Contested, Integration, LandResult, MergeSource, deciding_note, links_note};
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, LandingId, Tip};
use crate::engine::context::mission::MissionContext;
use crate::engine::tasks::candidate::{NOT_FROM_AGENTS, message, pin};
use std::collections::BTreeSet;

/// Merges `head` onto green and pins the candidate.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn integrate(
    context: &MissionContext,
    id: LandingId,
    onto: &Tip,
    head: &CommitId,
    source: &MergeSource,
    title: &str,
) -> Result<Integration, Trouble> {
    let said = |e: &(dyn std::error::Error + 'static)| context.to_trouble(e);
    if *source == MergeSource::Intake && context.source.is_ancestor(&onto.commit, head).await.map_err(|e| said(&e))? {
        let tree = context.source.tree_of(head).await.map_err(|e| said(&e))?;
        pin(context, id, head).await?;
        return judge_candidate(context, source, onto, Tip { commit: head.clone(), tree }).await;
    }
    let merge = context.merge().await.map_err(|e| said(&e))?;
    let merged = match source {
        MergeSource::Intake => super::bookkeeping::merge_target(&context.source, merge, onto, head).await,
        _ => merge.merge(onto, head, &NOT_FROM_AGENTS).await,
    };
    let tree = match merged.map_err(|e| said(&e))? {
        Merged::Tree(tree) => tree,
        Merged::Unchanged => return Ok(Integration::Unchanged),
        Merged::Conflict { files, detail } => {
            return Ok(Integration::Conflict { files, detail: first_chars(&detail, 4_000).to_owned() });
        }
    };
    let key = verification::gate_key(context, &tree).await?;
    let message = message(context, source, title, &tree, &key);
    let commit = merge.commit(&tree, &[&onto.commit, head], &message, None).await.map_err(|e| said(&e))?;
    let tip = Tip { commit, tree };
    if *source != MergeSource::Intake {
        let paths = unit_checks::find_protected_changes(context, onto, &tip).await?;
        if !paths.is_empty() {
            return Ok(Integration::Protected(paths));
        }
    }
    let judged = judge_candidate(context, source, onto, tip.clone()).await?;
    if !matches!(judged, Integration::Links(_)) {
        pin(context, id, &tip.commit).await?;
    }
    Ok(judged)
}

/// What a candidate is, with what a person should know of it: links that leave the tree, which those of a unit's change must not
/// where the settings say so, and what a unit's change does to what decides how changes are verified and to tests that were there.
async fn judge_candidate(
    context: &MissionContext,
    source: &MergeSource,
    onto: &Tip,
    tip: Tip,
) -> Result<Integration, Trouble> {
    let links = context.source.leaving_links(onto, &tip).await.map_err(|e| context.to_trouble(&e))?;
    let who = source.unit().map_or_else(|| "the target branch".to_owned(), ToString::to_string);
    let mut candidate = Candidate::from(tip);
    if !links.is_empty() {
        if let (LinkRule::Refuse, MergeSource::Unit { .. }) = (context.settings().queue.links, source) {
            return Ok(Integration::Links(links));
        }
        candidate.notes.push(format!("{who}: {}", links_note(&links)));
    }
    if let MergeSource::Unit { .. } = source {
        candidate.deciding = unit_checks::find_deciding_files(context, onto, &candidate.tip).await?;
        candidate.tests = unit_checks::find_edited_tests(context, onto, &candidate.tip).await?;
        if !candidate.deciding.is_empty() {
            candidate.notes.push(format!("{who}: {}", deciding_note(&candidate.deciding)));
        }
    }
    Ok(Integration::Candidate(candidate))
}

/// Which of the files of other units' turns a candidate touches.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn with_contested(
    context: &MissionContext,
    onto: &Tip,
    merged: Result<Integration, Trouble>,
    contested: &[Contested],
) -> Result<Integration, Trouble> {
    let mut made = match merged? {
        Integration::Candidate(made) if !contested.is_empty() => made,
        other => return Ok(other),
    };
    let changed =
        context.source.diff_paths(&onto.commit, &made.tip.commit).await.map_err(|e| context.to_trouble(&e))?;
    let changed: BTreeSet<String> = changed.into_iter().collect();
    let touched = contested.iter().filter(|turn| turn.is_touched(&changed)).map(|turn| turn.unit.clone());
    made.touches = touched.collect();
    Ok(Integration::Candidate(made))
}

/// Pins green as the checkpoint of a round. A round that is worked on again after a person's retry has a later one.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn pin_checkpoint(context: &MissionContext, round: u32, green: &Tip) -> Result<(), Trouble> {
    let name = format!("refs/mc/checkpoints/{}/{round}", context.mission);
    let old = context.source.ref_value(&name).await.map_err(|e| context.to_trouble(&e))?;
    context.source.repin(&name, &green.commit, old.as_ref()).await.map_err(|e| context.to_trouble(&e))
}

/// Moves green from `expected` to `candidate`, or says what became of an earlier try (the table of design section 11); with
/// `ask_only` it only says that.
///
/// # Errors
/// A sentence about infrastructure.
pub async fn land(
    context: &MissionContext,
    id: LandingId,
    candidate: &Tip,
    expected: &CommitId,
    ask_only: bool,
) -> Result<LandResult, Trouble> {
    let said = |e: &(dyn std::error::Error + 'static)| context.to_trouble(e);
    let green_ref = context.green_ref();
    for _ in 0..3 {
        let Some(now) = context.source.resolve(&green_ref).await.map_err(|e| said(&e))? else {
            return pin_moved_back(context, id, expected, None).await;
        };
        // A child of green is not in green yet; anything else has to be asked.
        let child = now.commit == *expected && context.source.grew_from(&candidate.commit, expected).await;
        if !child && context.source.is_ancestor(&candidate.commit, &now.commit).await.map_err(|e| said(&e))? {
            return Ok(LandResult::Landed(now));
        }
        if now.commit != *expected {
            return match context.source.is_ancestor(expected, &now.commit).await.map_err(|e| said(&e))? {
                true => Ok(LandResult::Forward(now)),
                false => pin_moved_back(context, id, expected, Some(now.commit)).await,
            };
        }
        if ask_only {
            return Ok(LandResult::NotMoved);
        }
        context.check_ownership().map_err(|e| said(&e))?;
        let moved = move_green(&context.lock, &context.source, &green_ref, &candidate.commit, Some(expected));
        match moved.await.map_err(|e| said(&e))? {
            GreenMove::Moved => return Ok(LandResult::Landed(candidate.clone())),
            GreenMove::CheckedOut { worktree } => {
                return Ok(LandResult::CheckedOut(worktree.display().to_string()));
            }
            GreenMove::Raced { .. } => {}
        }
    }
    Err("green changed three times while it was being moved".to_owned().into())
}

async fn pin_moved_back(
    context: &MissionContext,
    id: LandingId,
    expected: &CommitId,
    now: Option<CommitId>,
) -> Result<LandResult, Trouble> {
    // No unit can have this id, and with it this ref.
    let pin = format!("refs/mc/kept/{}/_green/{id}", context.mission);
    context.source.pin(&pin, expected).await.map_err(|e| context.to_trouble(&e))?;
    Ok(LandResult::Back(now))
}
