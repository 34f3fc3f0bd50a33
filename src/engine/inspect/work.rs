//! What an attempt made, for a person to look at: its change, and a clone of it. Reads from pins only.

use super::history::History;
use crate::adapters::git::show::Detail;
use crate::adapters::host::local::process::command::ChildGuard;
use crate::adapters::os::files;
use crate::domain::mission::Unit;
use crate::domain::values::{CommitId, UnitId};
use crate::engine::context::project::Project;
use crate::engine::error::EngineError;
use std::path::{Path, PathBuf};

/// The pinned work of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The unit.
    pub unit: UnitId,
    /// Number of the attempt.
    pub attempt: u32,
    /// The ref that pins it.
    pub refname: String,
    /// Where it forked from green.
    pub base: CommitId,
    /// Its last commit.
    pub head: CommitId,
}

/// The work of an attempt of a unit, `None` for the newest that left any.
///
/// # Errors
/// [`EngineError::Usage`] when there is none.
pub async fn of(project: &Project, history: &History, unit: &Unit, attempt: Option<u32>) -> Result<Work, EngineError> {
    let id = &unit.spec.id;
    let refused = |what: String| EngineError::usage(what, format!("`mc unit show {id}` lists its attempts"));
    let mut pinned = unit.attempts.iter().rev().filter(|a| attempt.is_none_or(|n| a.n == n));
    let Some((found, head)) = pinned.find_map(|a| Some((a, a.head()?))) else {
        let which = attempt.map_or_else(|| "no attempt".to_owned(), |n| format!("no attempt {n}"));
        return Err(refused(format!("{id} has {which} whose work is kept yet")));
    };
    let git = project.source(ChildGuard::none());
    let refname = format!("refs/mc/attempts/{}/{id}/{}", history.mission, found.n);
    if git.ref_value(&refname).await?.as_ref() != Some(&head.commit) {
        return Err(refused(format!("{refname} does not hold the work of attempt {} any more", found.n)));
    }
    let base = git.merge_base(&found.green, &head.commit).await?.unwrap_or_else(|| found.green.clone());
    Ok(Work { unit: id.clone(), attempt: found.n, refname, base, head: head.commit.clone() })
}

/// The change of a piece of work against where it forked from green; bytes of others.
///
/// # Errors
/// [`EngineError::Git`].
pub async fn change(project: &Project, work: &Work, stat: bool) -> Result<Vec<u8>, EngineError> {
    let detail = if stat { Detail::Stat } else { Detail::Patch };
    Ok(project.source(ChildGuard::none()).change(&work.base, &work.head, detail).await?)
}

/// Makes a clone of a piece of work in `folder`, relative to the current one; absent: beside the repository. Returns where.
///
/// # Errors
/// [`EngineError::Usage`] when the folder is not empty or inside the repository.
pub async fn checkout(project: &Project, work: &Work, folder: Option<&Path>) -> Result<PathBuf, EngineError> {
    let (id, top) = (&work.unit, &project.facts.toplevel);
    let to = match folder {
        Some(folder) => project.env.cwd().join(folder),
        None => {
            let name = top.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            top.parent().unwrap_or(top).join(format!("{name}-{id}-{}", work.attempt))
        }
    };
    let broken = |source| EngineError::File { path: to.clone(), source };
    if !files::is_empty_or_absent(&to).map_err(broken)? {
        let hint = "name a folder that is empty or not there: `mc unit checkout UNIT DIR`";
        return Err(EngineError::usage(format!("{} is there and not empty", to.display()), hint));
    }
    let parent = files::real_parent(&to).map_err(broken)?;
    if parent.starts_with(top) || parent.starts_with(&project.facts.common_dir) {
        let hint = "name a folder outside it: `mc unit checkout UNIT DIR`";
        return Err(EngineError::usage(
            format!("{} is inside the repository, which is left alone", to.display()),
            hint,
        ));
    }
    files::make_private_dir(&to).map_err(broken)?;
    let git = project.source(ChildGuard::none());
    git.clone_work(&project.facts.common_dir, &work.refname, id.as_str(), &to).await?;
    Ok(to)
}
