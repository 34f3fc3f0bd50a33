//! The plan source of a mission: a plan file, or the backlog as it stands in the repository. Checked before a mission is
//! made, so that a mistake costs nothing.

use super::error::EngineError;
use super::ground::facts;
use super::preflight::no_target;
use super::site::Site;
use crate::adapters::files;
use crate::adapters::host::command::ChildGuard;
use crate::config::Settings;
use crate::domain::plan::Finding;
use crate::domain::plan::file::{self, Format};
use crate::domain::plan::graph::Plan;
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

/// The plan of a mission: `Some` units of a plan file, or `None` for the backlog, both checked.
///
/// # Errors
/// [`EngineError::Usage`] when it has mistakes, or a unit needs an agent and none is configured (P7).
pub async fn for_mission(
    site: &Site,
    settings: &Settings,
    path: Option<&Path>,
) -> Result<Option<Vec<UnitSpec>>, EngineError> {
    if let Some(path) = path {
        let units = from_file(site, path)?;
        needs_agent(&units, settings)?;
        return Ok(Some(units));
    }
    let source = site.source(ChildGuard::none());
    let branch = &settings.target.branch;
    let green = source.resolve(&format!("refs/heads/{}", settings.green_branch)).await?;
    let Some(target) = source.resolve(&format!("refs/heads/{branch}")).await? else {
        return Err(EngineError::Refused(no_target(branch)));
    };
    // The round reads the backlog after taking the target in, so the target's text is the one that counts.
    let committed = source.read_file(&target.commit, "BACKLOG.md").await?;
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
    let open = found.units.into_iter().filter(|u| !satisfied.contains(&u.id)).collect();
    let units = checked(open, "BACKLOG.md", &satisfied)?;
    needs_agent(&units, settings)?;
    // Rounds read the backlog from git, where this one is not. What has landed is not in a fixed plan, nor waited for.
    let waits = |mut unit: UnitSpec| {
        unit.depends.retain(|id| !satisfied.contains(id));
        unit
    };
    Ok(fixed.then(|| units.into_iter().map(waits).collect()))
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
