//! Errors at the edge: one table of exit codes, one way to print.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done: every unit known at the end landed or had nothing to do, the objective's check (if set) passes |
//! | 1 | unexpected: a defect of `mc` |
//! | 2 | usage, configuration, plan, an unfinished mission |
//! | 3 | ended with units that did not land, or the objective unmet |
//! | 4 | a check did not hold (`audit`, `simulate`, `doctor --gate`) |
//! | 5 | another `mc` holds the repository |
//! | 6 | environment: git, disk, agent, database, baseline |
//! | 130 | interrupted, resumable |

use super::output;
use crate::engine::error::{EngineError, Kind};
use crate::engine::inspect::views::Faulty;
use crate::report::sanitize;
use std::error::Error;

/// Why a command cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The engine says so.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A plan or backlog has faults.
    #[error(transparent)]
    Faulty(#[from] Faulty),
    /// A check did not hold.
    #[error("{what}")]
    Check {
        /// What does not hold.
        what: String,
    },
    /// The process cannot be set up.
    #[error("start the runtime")]
    Runtime(#[source] std::io::Error),
}

impl CliError {
    /// A usage error.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Engine(EngineError::usage(what, hint))
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(error) => error.hint(),
            Self::Faulty(_) | Self::Check { .. } | Self::Runtime(_) => None,
        }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        let kind = match self {
            Self::Engine(error) => error.kind(),
            Self::Faulty(_) => Kind::Usage,
            Self::Check { .. } => Kind::Check,
            Self::Runtime(_) => Kind::Environment,
        };
        match kind {
            Kind::Usage => 2,
            Kind::Check => 4,
            Kind::Busy => 5,
            Kind::Environment => 6,
        }
    }

    /// What stands before the message: most are fragments that tell what was tried.
    fn message_prefix(&self) -> &'static str {
        match self {
            Self::Engine(
                EngineError::File { .. }
                | EngineError::Write { .. }
                | EngineError::Environment(_)
                | EngineError::Git(_)
                | EngineError::Place(_)
                | EngineError::Store(_)
                | EngineError::Journal { .. }
                | EngineError::Record { .. },
            )
            | Self::Runtime(_) => "failed to ",
            _ => "",
        }
    }

    /// Prints the error, its causes and what helps on standard error.
    pub fn print(&self) {
        if let Self::Faulty(faulty) = self {
            for finding in &faulty.findings {
                let (path, message) = (faulty.path.display(), sanitize(&finding.message));
                match finding.line {
                    0 => output::write_note(&format!("{path}: {message}")),
                    line => output::write_note(&format!("{path}:{line}: {message}")),
                }
            }
        }
        output::write_note(&format!("error: {}{}", self.message_prefix(), clean(&self.to_string())));
        let mut cause = self.source();
        while let Some(error) = cause {
            output::write_note(&format!("  caused by: {}", clean(&error.to_string())));
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            output::write_note(&format!("hint: {}", clean(&hint)));
        }
    }
}

/// Line breaks of a message stay, with the later lines indented; everything else that steers a terminal goes.
fn clean(text: &str) -> String {
    text.trim_end().lines().map(sanitize).collect::<Vec<_>>().join("\n  ")
}
