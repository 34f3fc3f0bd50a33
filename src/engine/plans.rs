//! The plan source of a mission: a plan file, or the backlog as it stands in the repository. Checked before a mission is
//! made, so that a mistake costs nothing.

use super::books;
use super::error::EngineError;
use super::ground::facts;
use super::preflight::no_target;
use super::site::Site;
use crate::adapters::files;
use crate::adapters::host::command::ChildGuard;
use crate::config::Settings;
use crate::domain::backlog::{self, ItemState};
use crate::domain::mission::Keeps;
use crate::domain::plan::Finding;
use crate::domain::plan::file::{self, Format};
use crate::domain::plan::graph::{self, Plan};
use crate::domain::plan::nearest::{hint, nearest};
use crate::domain::plan::unsupported::unsupported;
use crate::domain::unit::UnitSpec;
use crate::domain::values::UnitId;
use std::collections::BTreeSet;
use std::path::Path;

/// Reads and checks a plan file: its units in file order.
///
/// # Errors
/// [`EngineError::Usage`] with every finding and its line.
pub fn from_file(site: &Site, path: &Path) -> Result<Vec<UnitSpec>, EngineError> {
    let text = site.read_text(path)?;
    let format = if path.extension().is_some_and(|e| e == "json") { Format::Json } else { Format::Toml };
    let name = path.display().to_string();
    let units = file::parse(&text, format).map_err(|f| refused(&name, &f))?;
    checked(units, &name, &BTreeSet::new())
}

/// The plan of a mission: `Some` units of a plan file, or `None` for the backlog, both checked; with the ids of the only
/// units that are wanted of it, if not all are.
///
/// # Errors
/// [`EngineError::Usage`] when it has mistakes, a chosen unit is not in it or lacks what it depends on, or a unit needs an
/// agent and none is configured (P7).
pub async fn for_mission(
    site: &Site,
    settings: &Settings,
    path: Option<&Path>,
    only: &[String],
) -> Result<(Option<Vec<UnitSpec>>, Vec<UnitId>), EngineError> {
    if let Some(path) = path {
        let mut units = from_file(site, path)?;
        let chosen = if only.is_empty() {
            Vec::new()
        } else {
            let green = super::views::green(site).await?;
            let landed: BTreeSet<UnitId> =
                super::views::landed(site, &green).await?.into_iter().map(|(unit, _)| unit).collect();
            let chosen = choose(&units, only, &landed)?;
            units.retain(|unit| chosen.contains(&unit.id));
            units.iter_mut().for_each(|unit| unit.depends.retain(|id| chosen.contains(id)));
            chosen
        };
        needs_agent(&units, settings)?;
        return Ok((Some(units), chosen));
    }
    let source = site.source(ChildGuard::none());
    let branch = &settings.target.branch;
    let green = source.resolve(&format!("refs/heads/{}", settings.green_branch)).await?;
    let Some(target) = source.resolve(&format!("refs/heads/{branch}")).await? else {
        return Err(EngineError::Refused(no_target(branch)));
    };
    // The round reads the backlog after taking the target in, so the target's text is the one that counts.
    let committed = books::backlog_ahead(&source, green.as_ref(), &target).await?;
    let fixed = committed.is_none();
    let bytes = match committed {
        Some(bytes) => bytes,
        None => uncommitted_backlog(site, settings).await?.ok_or_else(|| EngineError::Usage {
            what: format!("there is no BACKLOG.md in the last commit of {branch}"),
            hint:
                "write one (`mc init` makes a first one, `mc backlog check` reads it), or give a plan file with --plan"
                    .to_owned(),
        })?,
    };
    let landed = match green {
        Some(green) => source.landed_units(&green.commit).await?.into_iter().map(|(u, _)| u).collect(),
        None => Vec::new(),
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let found = facts(&text, landed).map_err(|what| EngineError::Usage {
        what: format!("BACKLOG.md of {branch} cannot be read as a plan:\n{what}"),
        hint: "mend it and commit; `mc backlog check` reads the file in the work tree".to_owned(),
    })?;
    let satisfied: BTreeSet<UnitId> = found.satisfied.into_iter().collect();
    let open: Vec<UnitSpec> = found.units.into_iter().filter(|u| !satisfied.contains(&u.id)).collect();
    let (open, _) = graph::without_waiting(open, &satisfied);
    let open = checked(open, "BACKLOG.md", &satisfied)?;
    let chosen = choose(&open, only, &satisfied)?;
    let wanted: Vec<UnitSpec> =
        open.into_iter().filter(|unit| chosen.is_empty() || chosen.contains(&unit.id)).collect();
    needs_agent(&wanted, settings)?;
    // Rounds read the backlog from git, where this one is not. What has landed is not in a fixed plan, nor waited for.
    let waits = |mut unit: UnitSpec| {
        unit.depends.retain(|id| !satisfied.contains(id));
        unit
    };
    Ok((fixed.then(|| wanted.into_iter().map(waits).collect()), chosen))
}

/// The text of a BACKLOG.md that stands in the work tree and is not committed on the target branch. Nobody could have meant
/// another one, so its units are the plan of a mission, fixed at its start as those of a plan file.
///
/// # Errors
/// [`EngineError`] when git fails or the file cannot be read.
pub async fn uncommitted_backlog(site: &Site, settings: &Settings) -> Result<Option<Vec<u8>>, EngineError> {
    let source = site.source(ChildGuard::none());
    let Some(target) = source.resolve(&format!("refs/heads/{}", settings.target.branch)).await? else {
        return Ok(None);
    };
    if site.facts.bare || source.read_file(&target.commit, "BACKLOG.md").await?.is_some() {
        return Ok(None);
    }
    let path = site.backlog_path();
    files::read_if_there(&path).map_err(|source| EngineError::File { path, source })
}

/// Items of the committed backlog that no mission takes up because their status says that they failed, wait or are held.
///
/// # Errors
/// [`EngineError`] when git fails.
pub async fn set_aside(site: &Site, settings: &Settings) -> Result<Vec<UnitId>, EngineError> {
    let source = site.source(ChildGuard::none());
    let green = source.resolve(&format!("refs/heads/{}", settings.green_branch)).await?;
    let Some(target) = source.resolve(&format!("refs/heads/{}", settings.target.branch)).await? else {
        return Ok(Vec::new());
    };
    let bytes = books::backlog_ahead(&source, green.as_ref(), &target).await?.unwrap_or_default();
    let Ok(backlog) = backlog::parse(&String::from_utf8_lossy(&bytes)) else { return Ok(Vec::new()) };
    let landed = match green {
        Some(green) => source.landed_units(&green.commit).await?.into_iter().map(|(unit, _)| unit).collect(),
        None => BTreeSet::new(),
    };
    let waits = |state| matches!(state, ItemState::Failed | ItemState::Blocked | ItemState::Held);
    let aside = backlog.statuses.iter().filter(|(id, status)| waits(status.state) && !landed.contains(id));
    Ok(aside.filter(|(id, _)| !backlog.asks(id, &landed)).map(|(id, _)| id.clone()).collect())
}

/// The chosen ids, each of an open unit whose dependencies are chosen too or satisfied; empty when nothing was chosen.
///
/// # Errors
/// [`EngineError::Usage`] with the nearest name, or with what to add.
pub fn choose(units: &[UnitSpec], only: &[String], satisfied: &BTreeSet<UnitId>) -> Result<Vec<UnitId>, EngineError> {
    let refused = |what: String, hint: &str| Err(EngineError::Usage { what, hint: hint.to_owned() });
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
        let near = hint(nearest(name, units.iter().map(|unit| unit.id.as_str())));
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
pub async fn keeps(site: &Site, settings: &Settings, fixed: bool) -> Result<Keeps, EngineError> {
    if !fixed {
        return Ok(Keeps::Backlog);
    }
    let source = site.source(ChildGuard::none());
    for branch in [&settings.green_branch, &settings.target.branch] {
        if let Some(tip) = source.resolve(&format!("refs/heads/{branch}")).await? {
            let there = source.entry(tip.commit.as_str(), "PROGRESS.md").await?.is_some();
            return Ok(if there { Keeps::Progress } else { Keeps::Nothing });
        }
    }
    Ok(Keeps::Nothing)
}

fn checked(units: Vec<UnitSpec>, name: &str, satisfied: &BTreeSet<UnitId>) -> Result<Vec<UnitSpec>, EngineError> {
    let later = unsupported(&units);
    if !later.is_empty() {
        return Err(refused(name, &later));
    }
    Plan::build(units.clone(), satisfied).map_err(|f| refused(name, &f))?;
    Ok(units)
}

fn refused(name: &str, findings: &[Finding]) -> EngineError {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    EngineError::Usage {
        what: format!("{name} cannot be read as a plan:\n{}", lines.join("\n")),
        hint: "mend the lines named above, then try again".to_owned(),
    }
}

fn needs_agent(units: &[UnitSpec], settings: &Settings) -> Result<(), EngineError> {
    match units.iter().find(|u| u.run.is_none()) {
        Some(unit) if settings.agent.command.is_none() => Err(EngineError::Usage {
            what: format!("unit {} has no `run` and no agent is configured", unit.id),
            hint: "set [agent] command in mission-control.toml, or give the unit a `run` line".to_owned(),
        }),
        _ => Ok(()),
    }
}
