//! Why a host cannot do what it is asked.

use crate::domain::trouble::Trouble;
use serde::{Deserialize, Serialize};

/// A host cannot do what is asked of it for another reason than trouble.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum HostError {
    /// The settings do not fit.
    #[error("{what}")]
    Usage {
        /// What does not.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The machine is not as it has to be.
    #[error("{what}")]
    Broken {
        /// What is not.
        what: String,
        /// What to do.
        hint: String,
    },
    /// Infrastructure.
    #[error("{0}")]
    Trouble(Trouble),
}

impl HostError {
    /// Something that cannot be, and what to do instead.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), hint: hint.into() }
    }

    /// What failed, and what helps.
    pub fn broken(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Broken { what: what.into(), hint: hint.into() }
    }
}

impl From<Trouble> for HostError {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}
