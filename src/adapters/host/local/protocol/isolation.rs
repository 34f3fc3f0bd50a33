//! How a run is kept together, as a value and as the word for it in a run directory.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

/// How a run is kept together so that all of it can be killed. The words are those of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumString, IntoStaticStr)]
pub enum Isolation {
    /// A pid namespace of its own, made with root's rights: the kernel kills everything in it with its pid 1.
    #[strum(serialize = "pidns-root")]
    RootNamespace,
    /// The same inside a user namespace that maps the current user only.
    #[strum(serialize = "pidns-user")]
    UserNamespace,
    /// No namespace: found by descent, cookie, limit, session and open files, then killed.
    #[strum(serialize = "search")]
    Search,
}

impl Isolation {
    /// The pid namespaces, in the order in which they are tried.
    pub const NAMESPACES: [Self; 2] = [Self::RootNamespace, Self::UserNamespace];

    /// The word used in reports: `pidns-root`, `pidns-user` or `search`.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// Whether it is a pid namespace.
    pub fn is_namespace(self) -> bool {
        self != Self::Search
    }
}
