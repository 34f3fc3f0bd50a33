//! The plan source of a mission: a plan file, or the backlog as it stands in the repository. Checked before a mission is
//! made, so that a mistake costs nothing.

use super::error::EngineError;
use super::ground::facts;
use super::site::Site;
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
        return Err(EngineError::Usage {
            what: format!("there is no branch {branch} with a commit"),
            hint: "set target.branch in mission-control.toml to the branch work starts from".to_owned(),
        });
    };
    // The round reads the backlog after taking the target in, so the target's text is the one that counts.
    let Some(bytes) = source.read_file(&target.commit, "BACKLOG.md").await? else {
        return Err(EngineError::Usage {
            what: format!("there is no BACKLOG.md in the last commit of {branch}"),
            hint: "write one and commit it (`mc backlog check` reads it), or give a plan file with --plan".to_owned(),
        });
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
    needs_agent(&checked(open, "BACKLOG.md", &satisfied)?, settings)?;
    Ok(None)
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
