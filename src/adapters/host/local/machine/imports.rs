//! A Python environment outside of a workspace that imports from the source repository (`pip install -e`), or from a workspace:
//! what is verified would be those files, not the tree that is to land. Runs have the same folders of their own tree first.

use crate::adapters::git::source::SourceFacts;
use crate::adapters::host::error::HostError;
use crate::adapters::host::local::workspace::layout::work_below;
use crate::adapters::os::environment::Environment;
use crate::adapters::os::python::{find_inactive_venv, imports};
use crate::domain::base::text::name_first;
use crate::domain::detect::imports::{Import, hidden_by, needs_active};
use crate::domain::verify::model::key::StageSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The variable that names folders which Python searches first.
pub const PYTHONPATH: &str = "PYTHONPATH";

/// Names that are told of many.
const TOLD: usize = 5;

/// What is imported from copies of the repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imports {
    /// Folders relative to its top that are searched.
    pub searched: BTreeSet<PathBuf>,
    /// Folders that are taken whatever a run is told.
    pub fixed: BTreeSet<PathBuf>,
    /// A virtual environment of the work tree that is not active.
    pub inactive: Option<String>,
}

impl Imports {
    /// Looks at the environments that runs find.
    pub fn find(env: &Environment, facts: &SourceFacts, pool: &Path) -> Self {
        let mut found =
            Self { inactive: find_inactive_venv(env, &facts.toplevel).map(str::to_owned), ..Self::default() };
        let tops = Tops::of(facts, pool);
        for import in imports(env) {
            let Some(folder) = tops.strip_top(import.folder()) else { continue };
            match import {
                Import::Searched(_) => found.searched.insert(folder),
                Import::Fixed(_) => found.fixed.insert(folder),
            };
        }
        found
    }

    /// What a person should know; nothing where nothing is imported from here.
    pub fn describe(&self) -> Option<String> {
        (!self.searched.is_empty()).then(|| {
            format!(
                "the Python environment imports from this repository ({}): runs find these folders of their own workspace first, by \
                 PYTHONPATH",
                names(&self.searched)
            )
        })
    }

    /// That a stage starts Python although the environment of the work tree is not active, with what helps.
    pub fn warn_inactive(&self, stages: &[StageSpec]) -> Option<(String, String)> {
        let venv = self.inactive.as_ref()?;
        let stage = stages.iter().find(|stage| needs_active(&stage.run))?;
        Some((
            format!(
                "{venv} is not active: stage {} gets the Python of the PATH, and none of the packages in {venv}",
                stage.name
            ),
            format!("`. {venv}/bin/activate` at the top of the repository, then try again"),
        ))
    }

    /// The same in one sentence.
    pub fn inactive_warning(&self, stages: &[StageSpec]) -> Option<String> {
        self.warn_inactive(stages).map(|(what, help)| format!("{what}; {help}"))
    }

    /// What would be verified in the place of a tree, with what helps; nothing where a tree is.
    pub fn refusal(&self, stages: &[StageSpec]) -> Option<(String, String)> {
        if !self.fixed.is_empty() {
            return Some((
                format!(
                    "the Python environment imports from this repository itself ({}) in a way that nothing can come before, so \
                     verifications would see these files and not the change",
                    names(&self.fixed)
                ),
                "install it without -e, or let target.setup make an environment in each workspace (`python3 -m venv .venv`) and \
                 use that"
                    .to_owned(),
            ));
        }
        stages.iter().find_map(|stage| {
            let missing: BTreeSet<PathBuf> = hidden_by(&stage.run, &self.searched).into_iter().collect();
            (!missing.is_empty()).then(|| {
                (
                    format!(
                        "stage {} sets PYTHONPATH without {}, which the Python environment imports from this repository itself: it \
                         would verify these files and not the change",
                        stage.name,
                        names(&missing)
                    ),
                    "add these folders to the PYTHONPATH of its line, or end it with `:$PYTHONPATH`, where runs have them".to_owned(),
                )
            })
        })
    }

    /// That nothing but trees is verified.
    ///
    /// # Errors
    /// [`HostError::Broken`].
    pub fn check(&self, stages: &[StageSpec]) -> Result<(), HostError> {
        let refused = |(why, hint)| Err(HostError::broken(format!("verify a tree: {why}"), hint));
        self.refusal(stages).map_or(Ok(()), refused)
    }

    /// `PYTHONPATH` of a run in the workspace `work`, when `given` is what it would be; nothing where that stays. `facts` are of the repository, whose workspaces are below `pool`.
    pub fn path(&self, facts: &SourceFacts, pool: &Path, work: &Path, given: Option<&OsStr>) -> Option<OsString> {
        let given: Vec<PathBuf> = given.map(|given| std::env::split_paths(given).collect()).unwrap_or_default();
        let tops = Tops::of(facts, pool);
        let own: Vec<PathBuf> = self.searched.iter().map(|folder| work.join(folder)).collect();
        let rest = given.iter().map(|entry| match tops.strip_top(entry) {
            Some(folder) => work.join(folder),
            None => entry.clone(),
        });
        let mut path: Vec<PathBuf> = Vec::new();
        for entry in own.into_iter().chain(rest) {
            if !path.contains(&entry) {
                path.push(entry);
            }
        }
        (path != given).then(|| std::env::join_paths(path).ok()).flatten()
    }
}

/// Folders that hold the files of the repository.
struct Tops {
    source: Vec<PathBuf>,
    pool: PathBuf,
}

impl Tops {
    fn of(facts: &SourceFacts, pool: &Path) -> Self {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let main = facts.common_dir.parent().filter(|_| facts.common_dir.ends_with(".git"));
        let mut source = vec![real(&facts.toplevel)];
        source.extend(main.map(real));
        Self { source, pool: real(pool) }
    }

    /// Where a folder is in the tree of the repository, if it is in one.
    fn strip_top(&self, folder: &Path) -> Option<PathBuf> {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        if let Ok(below) = folder.strip_prefix(&self.pool) {
            return work_below(below);
        }
        self.source.iter().find_map(|top| folder.strip_prefix(top).ok()).map(Path::to_owned)
    }
}

fn names(folders: &BTreeSet<PathBuf>) -> String {
    let name = |folder: &PathBuf| match folder.as_os_str().is_empty() {
        true => ".".to_owned(),
        false => folder.display().to_string(),
    };
    name_first(folders.iter().map(name), TOLD)
}
