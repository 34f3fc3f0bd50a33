//! Looking at the repository before and between work: making or adopting green, the target branch, the backlog.

use super::bookkeeping::next_backlog;
use crate::adapters::git::{Git, GitError, GreenMove, move_green};
use crate::domain::backlog::{self, Offer};
use crate::domain::mission::{NoOffer, Record, Refusal};
use crate::domain::plan::Finding;
use crate::domain::trouble::Trouble;
use crate::domain::values::{CommitId, Tip, UnitId};
use crate::engine::context::mission::MissionContext;
use crate::engine::context::refusal::{Act, environment, git_refusal, usage};
use crate::engine::inspect::history::History;

/// Claims the repository and makes green at the verified tip, or finds it still there.
///
/// # Errors
/// [`Refusal`] when another state directory owns the repository or green changed meanwhile.
pub async fn establish_green(context: &MissionContext, tip: &Tip, create: bool) -> Result<(), Refusal> {
    context.claim(Act::Start).await?;
    let green_ref = context.green_ref();
    let now = context.source.ref_value(&green_ref).await.map_err(git_refusal)?;
    let moved = |now: Option<&CommitId>| {
        let found = now.map_or_else(|| "is gone".to_owned(), |c| format!("is at {}", c.short_id()));
        environment(
            format!("{} {found} and no longer at the verified commit", context.settings().green_branch),
            "start again",
        )
    };
    match (now, create) {
        (Some(now), _) if now == tip.commit => Ok(()),
        (None, true) => {
            let made = move_green(&context.lock, &context.source, &green_ref, &tip.commit, None).await;
            match made.map_err(git_refusal)? {
                GreenMove::Moved => Ok(()),
                GreenMove::Raced { now } => Err(moved(now.as_ref())),
                GreenMove::CheckedOut { worktree } => Err(usage(
                    format!("{} is checked out in {}", context.settings().green_branch, worktree.display()),
                    "switch that work tree to another branch, then start again".to_owned(),
                )),
            }
        }
        (now, _) => Err(moved(now.as_ref())),
    }
}

/// Green as it is now, when it is not where the journal has it but still contains all that this mission landed.
///
/// # Errors
/// [`GitError`] when git fails.
pub async fn find_moved_green(source: &Git, green_ref: &str, history: &History) -> Result<Option<Tip>, GitError> {
    let own = history.records.iter().rev().find_map(|(_, _, record)| match record {
        Record::Landed { candidate, .. } => Some(&candidate.commit),
        Record::Established { tip } => Some(&tip.commit),
        _ => None,
    });
    let (Some(own), Some(known)) = (own, history.state.green()) else { return Ok(None) };
    let Some(now) = source.resolve(green_ref).await?.filter(|now| now.commit != known.tip.commit) else {
        return Ok(None);
    };
    Ok(source.is_ancestor(own, &now.commit).await?.then_some(now))
}

/// Green as it is now, when somebody moved it forward from where the journal has it.
pub async fn find_advanced_green(context: &MissionContext, known: &Tip) -> Option<Tip> {
    let now = context.source.resolve(&context.green_ref()).await.ok()?.filter(|now| now.commit != known.commit)?;
    context.source.is_ancestor(&known.commit, &now.commit).await.ok()?.then_some(now)
}

/// The target's head when green does not contain it. A target that is gone is left alone: the mission goes on.
///
/// # Errors
/// What stands in the way of looking.
pub async fn find_new_target(context: &MissionContext, green: &Tip) -> Result<Option<Tip>, Trouble> {
    let name = format!("refs/heads/{}", context.settings().target.branch);
    let Some(head) = context.source.resolve(&name).await.map_err(|e| context.to_trouble(&e))? else { return Ok(None) };
    let there = context.source.is_ancestor(&head.commit, &green.commit).await.map_err(|e| context.to_trouble(&e))?;
    Ok(if there { None } else { Some(head) })
}

/// Reads the backlog at green, or what it becomes with that of a refused head of the target branch: the person's text counts
/// also where the code does not.
///
/// # Errors
/// What is wrong with it, with line numbers, or what stands in the way of reading it.
pub async fn read_backlog(context: &MissionContext, green: &Tip, outside: Option<&Tip>) -> Result<Offer, NoOffer> {
    let bytes = match outside {
        Some(head) => next_backlog(&context.source, Some(green), head).await,
        None => context.source.read_file(&green.commit, "BACKLOG.md").await,
    };
    let failed = |e: GitError| NoOffer::Trouble(context.to_trouble(&e));
    let bytes = bytes.map_err(failed)?;
    let landed = context.source.landed_units(&green.commit).await.map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
    let joined = |faults: Vec<Finding>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    parse_offer(&text, &landed).map_err(|faults| NoOffer::Faulty(joined(faults)))
}

/// What a backlog's text offers, given what has landed.
///
/// # Errors
/// What is wrong with it, with line numbers.
pub fn parse_offer(text: &str, landed: &[(UnitId, CommitId)]) -> Result<Offer, Vec<Finding>> {
    let backlog = backlog::parse(text)?;
    let unsupported = crate::domain::plan::unsupported::find_unsupported(&backlog.units);
    if unsupported.is_empty() { Ok(backlog.offer_units(landed)) } else { Err(unsupported) }
}
