//! How a run is kept together, as a value and as the word for it in a run directory.

use serde::{Deserialize, Serialize};

/// How a run is kept together so that all of it can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// A pid namespace of its own: the kernel kills everything in it with its pid 1.
    PidNamespace(Flavour),
    /// No namespace: found by descent, cookie, limit, session and open files, then killed.
    Search,
}

/// How the pid namespace is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flavour {
    /// Directly, which needs root's rights.
    Root,
    /// Inside a user namespace that maps the current user only.
    User,
}

impl Flavour {
    /// In the order in which they are tried.
    pub const ALL: [Self; 2] = [Self::Root, Self::User];
}

impl Isolation {
    /// The word used in run directories and reports: `pidns-root`, `pidns-user` or `search`.
    pub fn word(self) -> &'static str {
        match self {
            Self::PidNamespace(Flavour::Root) => "pidns-root",
            Self::PidNamespace(Flavour::User) => "pidns-user",
            Self::Search => "search",
        }
    }

    /// The inverse of [`Isolation::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        let all = Flavour::ALL.into_iter().map(Self::PidNamespace);
        all.chain([Self::Search]).find(|i| i.word() == word)
    }

    /// The pid namespace, if it is one.
    pub fn flavour(self) -> Option<Flavour> {
        match self {
            Self::PidNamespace(flavour) => Some(flavour),
            Self::Search => None,
        }
    }
}
