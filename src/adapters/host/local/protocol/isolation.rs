//! How a run is kept together, as a value and as the word for it in a run directory.

use serde::{Deserialize, Serialize};

/// How a run is kept together so that all of it can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// A pid namespace of its own: the kernel kills everything in it with its pid 1.
    PidNamespace(Flavour),
    /// No namespace: found by cookie, sessions, descendants and open files, then killed.
    Search,
}

/// How the pid namespace is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flavour {
    /// By this program, directly, which needs root's rights.
    Root,
    /// By this program, inside a user namespace that maps the current user only.
    User,
    /// By `unshare` of util-linux under the supervisor in shell, with root's rights.
    UnshareRoot,
    /// By `unshare` of util-linux under the supervisor in shell, inside a user namespace.
    UnshareUser,
}

impl Flavour {
    /// In the order in which they are tried: this program costs a fifth of the programs that the shell needs.
    pub const ALL: [Self; 4] = [Self::Root, Self::User, Self::UnshareRoot, Self::UnshareUser];
}

impl Isolation {
    /// The word used in run directories and reports: `pidns-root`, `pidns-user`, `unshare-root`, `unshare-user` or `search`.
    pub fn word(self) -> &'static str {
        match self {
            Self::PidNamespace(Flavour::Root) => "pidns-root",
            Self::PidNamespace(Flavour::User) => "pidns-user",
            Self::PidNamespace(Flavour::UnshareRoot) => "unshare-root",
            Self::PidNamespace(Flavour::UnshareUser) => "unshare-user",
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

    /// Whether this program supervises such runs itself; a shell does the others.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::PidNamespace(Flavour::Root | Flavour::User))
    }
}
