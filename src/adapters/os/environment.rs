//! The environment of a process as a value, read once, so that nothing below asks the process again and a test can
//! make its own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Variables and current directory.
#[derive(Debug, Clone)]
pub struct Environment {
    vars: BTreeMap<OsString, OsString>,
    cwd: PathBuf,
}

/// The environment could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The current directory is gone or closed to us.
    #[error("read the current directory; change to one that exists")]
    CurrentDir(#[source] std::io::Error),
}

impl Environment {
    /// What this process was started with.
    ///
    /// # Errors
    /// [`EnvironmentError`] when the current directory was deleted.
    pub fn of_process() -> Result<Self, EnvironmentError> {
        Ok(Self {
            vars: std::env::vars_os().collect(),
            cwd: std::env::current_dir().map_err(EnvironmentError::CurrentDir)?,
        })
    }

    /// An environment with no variables; `cwd` must be absolute.
    pub fn empty(cwd: impl Into<PathBuf>) -> Self {
        Self { vars: BTreeMap::new(), cwd: cwd.into() }
    }

    /// The same with one variable more.
    #[must_use]
    pub fn with_var(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.vars.insert(name.into(), value.into());
        self
    }

    /// The value of a variable; an empty one counts as unset.
    pub fn var(&self, name: &str) -> Option<&OsStr> {
        self.vars.get(OsStr::new(name)).map(OsString::as_os_str).filter(|v| !v.is_empty())
    }

    /// All variables, sorted by name.
    pub fn vars(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.vars.iter().map(|(k, v)| (k.as_os_str(), v.as_os_str()))
    }

    /// The current directory.
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// `HOME`, when it is an absolute path.
    pub fn home(&self) -> Option<&Path> {
        self.var("HOME").map(Path::new).filter(|p| p.is_absolute())
    }
}
