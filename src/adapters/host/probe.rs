//! Which containment works on this host: the exact commands are run once, nothing is guessed from versions.

use crate::adapters::host::command::{ChildGuard, CommandError, CommandLine};
use crate::adapters::host::rundir::SUPERVISOR;
use std::time::Duration;

/// How a run is kept together so that all of it can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// A pid namespace of its own: the kernel kills everything in it with its pid 1.
    PidNamespace(Flavour),
    /// No namespace: found by cookie, sessions, descendants and open files, then killed.
    Search,
}

/// How the pid namespace is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Directly, which needs root's rights.
    Root,
    /// Inside a user namespace that maps the current user only.
    User,
}

impl Isolation {
    /// The word used in run directories and reports: `pidns-root`, `pidns-user` or `search`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::PidNamespace(Flavour::Root) => "pidns-root",
            Self::PidNamespace(Flavour::User) => "pidns-user",
            Self::Search => "search",
        }
    }

    /// The inverse of [`Isolation::word`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::PidNamespace(Flavour::Root), Self::PidNamespace(Flavour::User), Self::Search]
            .into_iter()
            .find(|i| i.word() == word)
    }
}

/// What the configuration asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A pid namespace where one works, else search.
    Auto,
    /// A pid namespace or an error.
    PidNamespace,
    /// Search, without probing.
    Search,
}

/// The wanted containment does not work here.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Both flavours of pid namespace were refused.
    #[error(
        "make a pid namespace here ({reason}); install util-linux 2.38 or later and allow user namespaces, or set isolation = \"search\""
    )]
    Refused {
        /// What the last command said.
        reason: String,
    },
    /// The probing command could not be run at all.
    #[error("probe process containment")]
    Command(#[from] CommandError),
}

/// Finds out by running it. Takes some milliseconds; meant to be called once per host.
///
/// # Errors
/// [`ProbeError::Refused`] when a pid namespace is demanded and none works.
pub async fn probe(wanted: Wanted) -> Result<Isolation, ProbeError> {
    if wanted == Wanted::Search {
        return Ok(Isolation::Search);
    }
    let mut reason = String::new();
    for flavour in [Flavour::Root, Flavour::User] {
        let isolation = Isolation::PidNamespace(flavour);
        let command = CommandLine::new("sh")
            .args(["-c", SUPERVISOR, "mc-probe", "probe", isolation.word()])
            .env("LC_ALL", "C")
            .deadline(Duration::from_secs(10));
        let output = command.run(&ChildGuard::none()).await?;
        if output.success() {
            return Ok(isolation);
        }
        reason = String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("no reason given").to_owned();
    }
    match wanted {
        Wanted::PidNamespace => Err(ProbeError::Refused { reason }),
        Wanted::Auto | Wanted::Search => Ok(Isolation::Search),
    }
}
