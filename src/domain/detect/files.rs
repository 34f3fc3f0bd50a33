//! The files of a repository.

use std::collections::{BTreeMap, BTreeSet};

/// The files of a repository, as far as a survey looks at them.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Every tracked path.
    pub paths: BTreeSet<String>,
    /// Those that may be executed.
    pub executable: BTreeSet<String>,
    /// Contents of those that [`files_to_read`](super::files_to_read) names, as far as they could be read.
    pub texts: BTreeMap<String, String>,
    /// Untracked files at the top that `.gitignore` names and that work needs (`.env`).
    pub local: Vec<String>,
}
