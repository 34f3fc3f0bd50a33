//! Looking at the ground before and between work: preflight, making or adopting green, the target branch, the backlog.

use super::error::chain;
use super::history::History;
use super::shop::Shop;
use crate::adapters::git::green::{GreenMove, Owner, OwnerCard, claim_owner, foreign_owner, move_green};
use crate::adapters::git::{Git, GitError};
use crate::adapters::host::machine_name;
use crate::adapters::store::place::StateDir;
use crate::domain::backlog::{self, ItemState};
use crate::domain::mission::{BacklogFacts, Ground, Record, Refusal};
use crate::domain::values::{CommitId, Tip, UnitId};

/// Looks at everything that could stop a mission; changes nothing.
///
/// # Errors
/// [`Refusal`] with the reason and what helps.
pub async fn preflight(shop: &Shop) -> Result<Ground, Refusal> {
    let mut notes = Vec::new();
    let settings = shop.settings();
    let said = |e: GitError| environment(chain(&e), "mend the repository, then start again");
    shop.source.version().await.map_err(|e| environment(chain(&e), "install git 2.38 or newer"))?;
    if let Err(e) = shop.pool().await {
        return Err(environment(chain(&e), "missions need the whole history and all objects of the repository"));
    }
    if let Err(e) = shop.isolation().await {
        return Err(environment(chain(&e), "install util-linux, or set scheduler.isolation = \"search\""));
    }
    if !shop.take_over {
        let card = card(&shop.state)?;
        if let Some((host, path)) = foreign_owner(&shop.source, &card).await.map_err(said)? {
            return Err(foreign(&host, &path));
        }
    }
    let green_ref = shop.green_ref();
    if let Some(blocking) = shop.source.blocking_ref(&green_ref).await.map_err(said)? {
        return Err(usage(
            format!("the branch {} stands in the way of {}", short(&blocking), settings.green_branch),
            format!(
                "rename it (`git branch -m {} {}-old`) or choose another green branch in mission-control.toml: \
                 [green_branch] green_branch = \"green\"",
                short(&blocking),
                short(&blocking)
            ),
        ));
    }
    if let Some(worktree) = shop.source.checked_out(&green_ref).await.map_err(said)? {
        return Err(usage(
            format!("{} is checked out in {}", settings.green_branch, worktree.display()),
            format!(
                "`git -C {} switch {}` (or another branch), then start again",
                worktree.display(),
                settings.target.branch
            ),
        ));
    }
    let target = shop.source.resolve(&format!("refs/heads/{}", settings.target.branch)).await.map_err(said)?;
    let Some(target) = target else {
        return Err(usage(
            format!("there is no branch {} with a commit", settings.target.branch),
            "set target.branch in mission-control.toml to the branch work starts from".to_owned(),
        ));
    };
    let dirty = if shop.facts.bare { Vec::new() } else { shop.source.tracked_changes().await.map_err(said)? };
    if !dirty.is_empty() {
        let names = dirty.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        if !shop.allow_dirty {
            return Err(usage(
                format!("tracked files have changes that agents would not see ({} in all): {names}", dirty.len()),
                "commit or stash them, or start with --allow-dirty to leave them out".to_owned(),
            ));
        }
        notes.push(format!("edits left out, agents see the last commit: {names}"));
    }
    check_copies(shop, &mut notes)?;
    if shop.source.read_file(&target.commit, ".gitmodules").await.map_err(said)?.is_some() {
        notes.push("submodules are not fetched: their folders are empty in workspaces".to_owned());
    }
    let green = shop.source.resolve(&green_ref).await.map_err(said)?;
    check_landed(shop, green.as_ref()).await?;
    Ok(match green {
        Some(tip) => Ground { tip, create: false, notes },
        None => Ground { tip: target, create: true, notes },
    })
}

fn short(refname: &str) -> &str {
    refname.strip_prefix("refs/heads/").unwrap_or(refname)
}

fn usage(reason: String, hint: String) -> Refusal {
    Refusal { reason, hint, exit: 2 }
}

fn environment(reason: String, hint: &str) -> Refusal {
    Refusal { reason, hint: hint.to_owned(), exit: 6 }
}

/// What `target.copy` names must be files; one that is missing is said. (That a copy never lands is the slot's promise.)
fn check_copies(shop: &Shop, notes: &mut Vec<String>) -> Result<(), Refusal> {
    for name in shop.settings().target.copy.iter().filter(|_| !shop.facts.bare) {
        let path = shop.facts.toplevel.join(name);
        if path.is_dir() {
            let hint = "name its files one by one, or fetch them in target.setup".to_owned();
            return Err(usage(format!("target.copy names {name}, which is a folder"), hint));
        }
        if !path.is_file() {
            notes.push(format!("target.copy: there is no file {name} to copy"));
            continue;
        }
    }
    Ok(())
}

/// Every landing of earlier missions must still be on green: nothing landed is taken back behind a person's back.
async fn check_landed(shop: &Shop, green: Option<&Tip>) -> Result<(), Refusal> {
    let Some(green) = green else { return Ok(()) };
    if shop.take_over {
        return Ok(());
    }
    let landed: Vec<(UnitId, CommitId)> =
        super::history::landings(&shop.store()).map_err(|e| environment(chain(&e), "see `mc audit`"))?;
    // Landings are ancestors of later ones: the last one stands for all.
    let Some((unit, commit)) = landed.last() else { return Ok(()) };
    let known = shop.source.resolve(commit.as_str()).await.ok().flatten().is_some();
    if known && shop.source.is_ancestor(commit, &green.commit).await.unwrap_or(false) {
        return Ok(());
    }
    Err(environment(
        format!(
            "{} at {} does not contain {unit}, which landed as {}",
            shop.settings().green_branch,
            green.commit.short(),
            commit.short()
        ),
        "put green back (`git update-ref`), or start with --take-over to accept it as it is",
    ))
}

/// What this state directory writes into the owner ref.
fn card(state: &StateDir) -> Result<OwnerCard, Refusal> {
    let state_id = state.state_id().map_err(|e| environment(chain(&e), "mend the state directory"))?;
    Ok(OwnerCard { state_id, host: machine_name(), path: state.root().display().to_string() })
}

/// Claims the repository for this state directory, or finds it claimed.
///
/// # Errors
/// [`Refusal`] when another state directory owns it and `take_over` is not given.
pub async fn own(source: &Git, state: &StateDir, take_over: bool) -> Result<(), Refusal> {
    let claimed = claim_owner(source, &card(state)?, take_over).await;
    match claimed.map_err(|e| environment(chain(&e), "mend the repository, then start again"))? {
        Owner::Ours | Owner::Claimed => Ok(()),
        Owner::Foreign { host, path } => Err(foreign(&host, &path)),
    }
}

fn foreign(host: &str, path: &str) -> Refusal {
    Refusal {
        reason: format!("this repository belongs to the state directory {path} on {host}"),
        hint: "work from there (MC_STATE_DIR names a state directory), or start with --take-over when it is given up"
            .to_owned(),
        exit: 5,
    }
}

/// Claims the repository and makes green at the verified tip, or finds it still there.
///
/// # Errors
/// [`Refusal`] when another state directory owns the repository or green changed meanwhile.
pub async fn establish(shop: &Shop, tip: &Tip, create: bool) -> Result<(), Refusal> {
    let said = |e: GitError| environment(chain(&e), "mend the repository, then start again");
    own(&shop.source, &shop.state, shop.take_over).await?;
    let green_ref = shop.green_ref();
    let now = shop.source.ref_value(&green_ref).await.map_err(said)?;
    let moved = |now: Option<&CommitId>| {
        let found = now.map_or_else(|| "is gone".to_owned(), |c| format!("is at {}", c.short()));
        environment(
            format!("{} {found} and no longer at the verified commit", shop.settings().green_branch),
            "start again",
        )
    };
    match (now, create) {
        (Some(now), _) if now == tip.commit => Ok(()),
        (None, true) => {
            match move_green(&shop.lock, &shop.source, &green_ref, &tip.commit, None).await.map_err(said)? {
                GreenMove::Moved => Ok(()),
                GreenMove::Raced { now } => Err(moved(now.as_ref())),
                GreenMove::CheckedOut { worktree } => Err(usage(
                    format!("{} is checked out in {}", shop.settings().green_branch, worktree.display()),
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
pub async fn moved_meanwhile(source: &Git, green_ref: &str, history: &History) -> Result<Option<Tip>, GitError> {
    let own = history.records.iter().rev().find_map(|(_, _, record)| match record {
        Record::Landed { candidate, .. } => Some(&candidate.commit),
        Record::Established { tip } => Some(&tip.commit),
        _ => None,
    });
    let (Some(own), Some(known)) = (own, &history.state.green) else { return Ok(None) };
    let Some(now) = source.resolve(green_ref).await?.filter(|now| now.commit != known.tip.commit) else {
        return Ok(None);
    };
    Ok(source.is_ancestor(own, &now.commit).await?.then_some(now))
}

/// The target's head when green does not contain it. A target that is gone is left alone: the mission goes on.
pub async fn target(shop: &Shop, green: &Tip) -> Option<Tip> {
    let name = format!("refs/heads/{}", shop.settings().target.branch);
    let head = shop.source.resolve(&name).await.ok().flatten()?;
    match shop.source.is_ancestor(&head.commit, &green.commit).await {
        Ok(false) => Some(head),
        Ok(true) | Err(_) => None,
    }
}

/// Reads the backlog at green.
///
/// # Errors
/// What is wrong with it, with line numbers.
pub async fn read_backlog(shop: &Shop, green: &Tip) -> Result<BacklogFacts, String> {
    let bytes = shop.source.read_file(&green.commit, "BACKLOG.md").await.map_err(|e| chain(&e))?;
    let landed = shop.source.landed_units(&green.commit).await.map_err(|e| chain(&e))?;
    let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
    facts(&text, landed.into_iter().map(|(unit, _)| unit).collect())
}

/// What a backlog's text offers, given what has landed.
///
/// # Errors
/// What is wrong with it, with line numbers.
pub fn facts(text: &str, landed: Vec<UnitId>) -> Result<BacklogFacts, String> {
    let list = |findings: Vec<crate::domain::plan::Finding>| {
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let backlog = backlog::parse(text).map_err(list)?;
    let unsupported = crate::domain::plan::unsupported::unsupported(&backlog.units);
    if !unsupported.is_empty() {
        return Err(list(unsupported));
    }
    let mut satisfied: Vec<UnitId> = backlog.satisfied().into_iter().collect();
    satisfied.extend(landed);
    let open = |id: &UnitId| backlog.statuses.get(id).is_none_or(|s| s.state == ItemState::Todo);
    let units = backlog.units.iter().filter(|u| open(&u.id)).cloned().collect();
    Ok(BacklogFacts { units, satisfied })
}
