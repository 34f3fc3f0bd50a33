//! The plan source of a mission: a plan file, or the backlog as it stands in the repository. Checked before a mission is
//! made, so that a mistake costs nothing.

use super::views::{self, Faulty};
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::os::files;
use crate::adapters::store::Signal;
use crate::config::Settings;
use crate::domain::backlog::{self, SkippedItem};
use crate::domain::base::nearest::{find_nearest, format_hint};
use crate::domain::mission::BookkeepingMode;
use crate::domain::plan::graph::{self, Plan};
use crate::domain::plan::unsupported::find_unsupported;
use crate::domain::unit::UnitSpec;
use crate::domain::values::UnitId;
use crate::engine::context::project::Project;
use crate::engine::error::EngineError;
use crate::engine::tasks::bookkeeping;
use crate::engine::tasks::establish::parse_offer;
use crate::engine::tasks::preflight::missing_target_refusal;
use crate::report::skipped::{lines, suggest_command};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Reads and checks a plan file: its units in file order.
///
/// # Errors
/// [`EngineError::Usage`] with every finding and its line.
fn read_plan_file(path: &Path) -> Result<Vec<UnitSpec>, EngineError> {
    let units = views::read_plan(path)?.map_err(plan_error)?;
    let later = find_unsupported(&units);
    let plan = if later.is_empty() { Plan::build(units.clone(), &BTreeSet::new()).map(drop) } else { Err(later) };
    plan.map_err(|findings| plan_error(Faulty { path: path.to_owned(), findings }))?;
    Ok(units)
}

/// The plan of a mission: `Some` units of a plan file, or `None` for the backlog, both checked; with the ids of the only
/// units that are wanted of it, if not all are.
///
/// # Errors
/// [`EngineError::Usage`] when it has mistakes, a chosen unit is not in it or lacks what it depends on, or a unit needs an
/// agent and none is configured (P7).
pub async fn read_mission_plan(
    project: &Project,
    settings: &Settings,
    path: Option<&Path>,
    only: &[String],
) -> Result<(Option<Vec<UnitSpec>>, Vec<UnitId>), EngineError> {
    if let Some(path) = path {
        let mut units = read_plan_file(path)?;
        let mut chosen = Vec::new();
        if !only.is_empty() {
            let landed = views::landed_units(project, &views::read_green(project).await?).await?;
            chosen = choose_units(&units, only, &landed, &[])?;
            units.retain(|unit| chosen.contains(&unit.id));
            units.iter_mut().for_each(|unit| unit.depends.retain(|id| chosen.contains(id)));
        }
        needs_agent(&units, settings)?;
        return Ok((Some(units), chosen));
    }
    let branch = &settings.target.branch;
    let source = project.source(ChildGuard::none());
    if source.resolve(&format!("refs/heads/{branch}")).await?.is_none() {
        return Err(EngineError::Refused(missing_target_refusal(&source, branch).await));
    }
    let Offered { mut units, satisfied, skipped, fixed, .. } = read_offer(project, only).await?.map_err(plan_error)?;
    let chosen = choose_units(&units, only, &satisfied, &skipped)?;
    units.retain(|unit| chosen.is_empty() || chosen.contains(&unit.id));
    needs_agent(&units, settings)?;
    // Rounds read the backlog from git, where this one is not. What has landed is not in a fixed plan, nor waited for.
    units.iter_mut().for_each(|unit| unit.depends.retain(|id| !satisfied.contains(id)));
    Ok((fixed.then_some(units), chosen))
}

/// What the next mission finds in the backlog.
#[derive(Debug, Default)]
pub struct Offered {
    /// Units to be done, none of which waits for what is skipped; checked.
    pub units: Vec<UnitSpec>,
    /// What needs no work.
    pub satisfied: BTreeSet<UnitId>,
    /// What is skipped, with the reason.
    pub skipped: Vec<SkippedItem>,
    /// Whether it is the text of the work tree, which is not committed: the plan of one mission, fixed at its start.
    pub fixed: bool,
    /// Whether the file of the work tree says something else than the committed one that counts.
    pub differs: bool,
}

/// Reads the backlog that the next mission will: the target branch's with the marks of green, or that of the work tree where
/// none is committed, with closed items that are named here or that a person asked to be done again. The one reading for `mc plan`
/// and `mc mission start`.
///
/// # Errors
/// [`EngineError`] when there is none or git fails. The inner result holds the findings.
pub async fn read_offer(project: &Project, named: &[String]) -> Result<Result<Offered, Faulty>, EngineError> {
    let source = project.source(ChildGuard::none());
    let (branch, green) = (views::target_branch(project), views::green_name(project));
    let green = source.resolve(&green).await?;
    let target = source.resolve(&format!("refs/heads/{branch}")).await?;
    let (own, committed) = match &target {
        None => (None, None),
        Some(target) => (
            source.read_file(&target.commit, "BACKLOG.md").await?,
            bookkeeping::next_backlog(&source, green.as_ref(), target).await?,
        ),
    };
    let here = read_work_tree(project)?;
    let fixed = committed.is_none();
    let differs = !fixed && here.is_some() && here != own && here != committed;
    let in_tree = here.is_some() && (fixed || here == committed);
    let path = if in_tree { project.backlog_path() } else { format!("BACKLOG.md of {branch}").into() };
    let Some(bytes) = committed.or(here) else {
        return Err(EngineError::usage(
            format!("there is no BACKLOG.md in the last commit of {branch}"),
            "write one (each `## Heading` is a work unit; `mc init` makes a first one, `mc backlog check` reads it), \
                   or give a plan file with --plan",
        ));
    };
    let landed = match green {
        Some(green) => source.landed_units(&green.commit).await?,
        None => Vec::new(),
    };
    let mut offer = match parse_offer(&String::from_utf8_lossy(&bytes), &landed) {
        Ok(offer) => offer,
        Err(findings) => return Ok(Err(Faulty { path, findings })),
    };
    let asked = list_waiting(project)?.into_iter().map(|(unit, _)| unit);
    offer.reopen_items(&asked.chain(named.iter().filter_map(|name| UnitId::new(name.trim()).ok())).collect());
    let satisfied: BTreeSet<UnitId> = offer.satisfied.into_iter().collect();
    let (units, waiting) = graph::without_waiting(offer.units, &satisfied);
    let there = units.iter().map(|unit| unit.id.clone()).chain(satisfied.iter().cloned()).collect();
    let skipped = offer.skipped.into_iter().chain(backlog::skipped_items(&waiting, &there)).collect();
    if let Err(findings) = Plan::build(units.clone(), &satisfied) {
        return Ok(Err(Faulty { path, findings }));
    }
    Ok(Ok(Offered { units, satisfied, skipped, fixed, differs }))
}

/// The request of a person that an item is done again by the next mission.
const REOPEN: &str = "reopen-unit";

/// Items that a person asked to be done again, with what was said to that, among these requests.
pub fn list_reopened(requests: &[Signal]) -> Vec<(UnitId, String)> {
    let requests = requests.iter().filter(|request| request.kind == REOPEN);
    let each = requests.filter_map(|request| {
        let (unit, said) = request.body.split_once('\n').unwrap_or((&request.body, ""));
        Some((UnitId::new(unit).ok()?, said.to_owned()))
    });
    // The newest word counts.
    each.collect::<BTreeMap<_, _>>().into_iter().collect()
}

fn list_waiting(project: &Project) -> Result<Vec<(UnitId, String)>, EngineError> {
    let Some(store) = project.own_store()? else { return Ok(Vec::new()) };
    Ok(list_reopened(&store.signals_waiting()?))
}

/// Asks that an item of an ended mission is done again by the next one, with what a person says to that.
///
/// # Errors
/// [`EngineError::Usage`] when the backlog has no such item that has not landed.
pub async fn request_reopen(project: &Project, unit: &UnitId, said: &str) -> Result<(), EngineError> {
    let offer = read_offer(project, &[unit.to_string()]).await?.map_err(plan_error)?;
    choose_units(&offer.units, &[unit.to_string()], &offer.satisfied, &offer.skipped)?;
    let Some(mut store) = project.store()? else { return Ok(()) };
    project.signal(&mut store, REOPEN, format!("{unit}\n{said}").trim_end())?;
    Ok(())
}

fn read_work_tree(project: &Project) -> Result<Option<Vec<u8>>, EngineError> {
    if project.facts.bare {
        return Ok(None);
    }
    let path = project.backlog_path();
    files::read_if_there(&path).map_err(|source| EngineError::File { path, source })
}

/// What `mc plan` shows.
#[derive(Debug)]
pub struct Shown {
    /// The plan of the next mission.
    pub plan: Plan,
    /// What the backlog names beside it, with the reason.
    pub skipped: Vec<SkippedItem>,
    /// Whether it is a backlog that is not committed.
    pub fixed: bool,
    /// Whether the work tree has another backlog than the committed one that counts.
    pub differs: bool,
}

/// The plan of the next mission: of a plan file, or of the backlog as [`read_offer`].
///
/// # Errors
/// [`EngineError`] when a file cannot be read. The inner result holds the findings.
pub async fn preview_plan(
    project: &Project,
    plan_file: Option<&Path>,
    only: &[String],
) -> Result<Result<Shown, Faulty>, EngineError> {
    let (path, offer) = match plan_file {
        Some(path) => {
            let read = views::read_plan(path)?.map(|units| Offered { units, ..Offered::default() });
            (path.to_owned(), read)
        }
        None => (project.backlog_path(), read_offer(project, only).await?),
    };
    let Offered { mut units, mut satisfied, skipped, fixed, differs } = match offer {
        Ok(offer) => offer,
        Err(faulty) => return Ok(Err(faulty)),
    };
    if !only.is_empty() {
        // A plan file says itself what is to be done; what landed before counts only for a choice of its units.
        if plan_file.is_some() {
            satisfied = views::landed_units(project, &views::read_green(project).await?).await?;
        }
        let chosen = choose_units(&units, only, &satisfied, &skipped)?;
        units.retain(|unit| chosen.contains(&unit.id));
    }
    let later = find_unsupported(&units);
    let plan = if later.is_empty() { Plan::build(units, &satisfied) } else { Err(later) };
    let shown = plan.map(|plan| Shown { plan, skipped, fixed, differs });
    Ok(shown.map_err(|findings| Faulty { path, findings }))
}

/// The chosen ids, each of an open unit whose dependencies are chosen too or satisfied; empty when nothing was chosen.
///
/// # Errors
/// [`EngineError::Usage`] with the nearest name, or with what to add.
pub fn choose_units(
    units: &[UnitSpec],
    only: &[String],
    satisfied: &BTreeSet<UnitId>,
    skipped: &[SkippedItem],
) -> Result<Vec<UnitId>, EngineError> {
    let refused = |what: String, hint: &str| Err(EngineError::usage(what, hint));
    let mut chosen: Vec<UnitId> = Vec::new();
    for name in only.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let id = UnitId::new(name).ok();
        let done = id.as_ref().is_some_and(|id| satisfied.contains(id));
        if let Some(unit) = units.iter().find(|unit| Some(&unit.id) == id.as_ref() && !done) {
            chosen.push(unit.id.clone());
            continue;
        }
        if done {
            return refused(format!("unit {name} is done already"), "leave it out of --only");
        }
        if let Some(item) = skipped.iter().find(|item| Some(&item.unit) == id.as_ref()) {
            return refused(
                format!("unit {name} is skipped: {}", lines(std::slice::from_ref(item))[0]),
                &suggest_command(item),
            );
        }
        let near = format_hint(find_nearest(name, units.iter().map(|unit| unit.id.as_str())));
        return refused(format!("there is no open unit `{name}`{near}"), "`mc plan` lists the open units");
    }
    if chosen.is_empty() && !only.is_empty() {
        return refused("--only names no unit".to_owned(), "`mc plan` lists the open units");
    }
    let mut missing: BTreeSet<&UnitId> = BTreeSet::new();
    let mut open = chosen.clone();
    let mut lines = Vec::new();
    while let Some(id) = open.pop() {
        let Some(unit) = units.iter().find(|unit| unit.id == id) else { continue };
        for dependency in &unit.depends {
            if satisfied.contains(dependency) || chosen.contains(dependency) || !missing.insert(dependency) {
                continue;
            }
            lines.push(format!("{id} depends on {dependency}, which is neither chosen nor landed"));
            open.push(dependency.clone());
        }
    }
    if lines.is_empty() {
        return Ok(chosen);
    }
    let names: Vec<&str> = missing.iter().map(|id| id.as_str()).collect();
    refused(lines.join("\n"), &format!("add --only {}", names.join(",")))
}

/// Which files a mission keeps: with its plan in the repository the backlog, else a `PROGRESS.md` that is there already.
///
/// # Errors
/// [`EngineError`] when git fails.
pub async fn choose_bookkeeping(
    project: &Project,
    settings: &Settings,
    fixed: bool,
) -> Result<BookkeepingMode, EngineError> {
    if !fixed {
        return Ok(BookkeepingMode::Backlog);
    }
    let source = project.source(ChildGuard::none());
    for branch in [&settings.green_branch, &settings.target.branch] {
        if let Some(tip) = source.resolve(&format!("refs/heads/{branch}")).await? {
            let there = source.entry(tip.commit.as_str(), "PROGRESS.md").await?.is_some();
            return Ok(if there { BookkeepingMode::Progress } else { BookkeepingMode::Nothing });
        }
    }
    Ok(BookkeepingMode::Nothing)
}

fn plan_error(Faulty { path, findings }: Faulty) -> EngineError {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let what = format!("{} cannot be read as a plan:\n{}", path.display(), lines.join("\n"));
    EngineError::usage(what, "mend the lines named above, then try again")
}

fn needs_agent(units: &[UnitSpec], settings: &Settings) -> Result<(), EngineError> {
    match units.iter().find(|u| u.run.is_none()) {
        Some(unit) if settings.agent.command.is_none() => Err(EngineError::usage(
            format!("unit {} has no `run` and no agent is configured", unit.id),
            "set [agent] command in mission-control.toml, or give the unit a `run` line",
        )),
        _ => Ok(()),
    }
}
