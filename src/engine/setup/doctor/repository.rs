//! Checks of the repository, of the branches missions use, of the state directory and of the plan.

use super::findings::{refusal_check, value_or_problem};
use super::machine;
use crate::adapters::host::local::operations::facts::incomplete_error;
use crate::adapters::host::local::workspace::{Ignored, Pool};
use crate::adapters::os::machine::{may_write, open_to_others};
use crate::adapters::store::Store;
use crate::domain::detect::checks::Check;
use crate::domain::mission::Refusal;
use crate::domain::trouble::chain;
use crate::domain::values::Tip;
use crate::engine::context::owner::reader_card;
use crate::engine::context::project::Project;
use crate::engine::error::EngineError;
use crate::engine::inspect::plans;
use crate::engine::run::mission;
use crate::engine::tasks::preflight::{PreflightInput, host_refusal, list_landings};

/// Looks at all of it; where the target branch stands, if it does.
pub async fn check_repository(project: &Project, on: &PreflightInput<'_>, checks: &mut Vec<Check>) -> Option<Tip> {
    machine::check_git(on, checks).await;
    checks.push(check_complete(project, on).await);
    let store = check_state(project, checks);
    let target = value_or_problem("branch", on.target().await.map_err(EngineError::Refused), checks);
    if let Some(target) = &target {
        let (branch, commit) = (&on.settings.target.branch, target.commit.short_id());
        checks.push(Check::ok("branch", format!("work starts from {branch} at {commit}")));
    }
    check_owner(project, on, checks).await;
    check_green(on, store.as_ref(), checks).await;
    add_warnings("changes", on.check_clean_tree(false).await.map(|note| note.into_iter().collect()), checks);
    add_warnings("copy", on.check_copies(), checks);
    if let Some(target) = &target {
        add_warnings("branch", on.check_checkout().await.map(|note| note.into_iter().collect()), checks);
        add_warnings("submodules", on.check_submodules(target).await.map(|note| note.into_iter().collect()), checks);
        add_warnings("filters", on.check_filters(target).await, checks);
        if value_or_problem("plan", plans::read_mission_plan(project, on.settings, None, &[]).await, checks).is_some() {
            check_plan(project, checks).await;
        }
    }
    check_hooks(on, checks).await;
    target
}

/// That workspaces can be cloned from it. The pool refuses before it makes anything.
async fn check_complete(project: &Project, on: &PreflightInput<'_>) -> Check {
    if (on.facts.shallow || on.facts.partial)
        && let Err(e) = Pool::open(&project.state.pool(), on.source, Ignored::Keep).await
    {
        return refusal_check("repository", host_refusal(incomplete_error(&e)));
    }
    let kind = if on.facts.bare { "bare, whole history" } else { "whole history" };
    Check::ok("repository", format!("{} ({kind})", on.facts.toplevel.display()))
}

/// The state directory and what is in it; its store, if there is one.
fn check_state(project: &Project, checks: &mut Vec<Check>) -> Option<Store> {
    let root = project.state.root();
    let there = root.ancestors().find(|dir| dir.exists()).unwrap_or(root);
    if !may_write(there) {
        let help = "give yourself write permission, or set MC_STATE_DIR to a folder of yours outside the repository";
        checks.push(Check::problem("state", format!("{} cannot be written", there.display()), help));
    } else if root.exists() && open_to_others(root) {
        let plain = root.to_string_lossy();
        let help = format!("chmod 700 {}", shlex::try_quote(&plain).unwrap_or(plain.as_ref().into()));
        checks.push(Check::warning("state", format!("{} is open to other users", root.display()), help));
    } else {
        checks.push(Check::ok("state", format!("{}", root.display())));
    }
    let store = value_or_problem("state", project.own_store(), checks).flatten();
    if store.is_some() {
        value_or_problem("mission", mission::check_none_unfinished(project), checks);
    }
    store
}

async fn check_owner(project: &Project, on: &PreflightInput<'_>, checks: &mut Vec<Check>) {
    match reader_card(&project.state, &project.facts.common_dir) {
        Ok(card) => checks.extend(on.ours(&card).await.err().map(|refusal| refusal_check("owner", refusal))),
        Err(error) => checks.push(Check::problem("owner", chain(&error), "mend the state directory")),
    }
}

/// The green branch: that its name is free or it is as missions left it, and that nobody has it checked out.
async fn check_green(on: &PreflightInput<'_>, store: Option<&Store>, checks: &mut Vec<Check>) {
    let before = checks.len();
    let name = &on.settings.green_branch;
    for looked in [on.check_green_name().await, on.check_green_unused().await] {
        checks.extend(looked.err().map(|refusal| refusal_check("green", refusal)));
    }
    let tip = value_or_problem("green", on.green().await.map_err(EngineError::Refused), checks);
    let Some(tip) = tip else { return };
    if let Some(store) = store {
        let kept = match list_landings(store) {
            Ok(landed) => on.check_landings(&landed, tip.as_ref()).await,
            Err(refusal) => Err(refusal),
        };
        checks.extend(kept.err().map(|refusal| refusal_check("green", refusal)));
    }
    if checks.len() == before {
        let found = match tip {
            Some(tip) => format!("{name} is at {}", tip.commit.short_id()),
            None => format!("{name} does not exist yet; the first mission makes it"),
        };
        checks.push(Check::ok("green", found));
    }
}

fn add_warnings(about: &'static str, looked: Result<Vec<String>, Refusal>, checks: &mut Vec<Check>) {
    match looked {
        Ok(notes) => checks.extend(notes.into_iter().map(|note| Check::warning(about, note, String::new()))),
        Err(refusal) => checks.push(refusal_check(about, refusal)),
    }
}

async fn check_plan(project: &Project, checks: &mut Vec<Check>) {
    let Ok(Ok(plans::Offered { units, fixed, .. })) = plans::read_offer(project, &[]).await else { return };
    if fixed {
        let found = "BACKLOG.md is not committed: its units are the plan of the next mission, fixed at its start";
        checks.push(Check::warning("plan", found, "git add BACKLOG.md && git commit -m Backlog"));
    }
    checks.push(match units.len() {
        0 => Check::warning(
            "plan",
            "BACKLOG.md has no open unit: a mission would end at once",
            "write units, or set `status: todo` where one failed (`mc plan` names what is skipped)",
        ),
        open => Check::ok("plan", format!("BACKLOG.md: {open} open")),
    });
}

/// Hooks of the user do not run in missions.
async fn check_hooks(on: &PreflightInput<'_>, checks: &mut Vec<Check>) {
    let known = "pre-commit commit-msg prepare-commit-msg pre-merge-commit pre-push post-checkout post-merge";
    let mut folder = on.facts.common_dir.join("hooks");
    // The builder of every call switches hooks off, so the user's own setting is asked for by its file.
    for scope in ["--local", "--global"] {
        let told =
            on.source.run_query(&["config", scope, "--type=path", "--get", "core.hooksPath"]).await.ok().flatten();
        if let Some(path) = told {
            folder = on.facts.toplevel.join(String::from_utf8_lossy(&path).trim());
            break;
        }
    }
    let there: Vec<&str> = known.split(' ').filter(|name| folder.join(name).is_file()).collect();
    if !there.is_empty() {
        let found = format!("your hooks do not run in missions: {}", there.join(", "));
        checks.push(Check::warning("hooks", found, "what they check belongs into a stage of [target.verification]"));
    }
}
