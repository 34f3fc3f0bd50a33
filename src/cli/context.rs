//! What every command gets.

use super::args::Global;
use super::error::CliError;
use super::output;
use crate::engine::context::project::{Project, Where};

/// What every command gets: the global options.
pub struct Context {
    /// As given.
    pub global: Global,
}

impl Context {
    /// Where it is to be looked for the project.
    pub fn place(&self) -> Where {
        Where { directory: self.global.directory.clone(), config: self.global.config.clone(), flags: Vec::new() }
    }

    /// Shows an answer in the form that was asked for, the one for people by what `tell` prints; then the command is done.
    pub fn show<T>(&self, json: impl FnOnce() -> serde_json::Value, tell: impl FnOnce() -> T) -> Result<u8, CliError> {
        if self.global.json {
            output::write_json(&json());
        } else {
            tell();
        }
        Ok(0)
    }

    /// The project.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub async fn project(&self) -> Result<Project, CliError> {
        Ok(Project::open(&self.place()).await?)
    }
}
