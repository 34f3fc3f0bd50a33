//! Running git: one builder for every call, so that no inherited variable, hook, prompt, pager, background job or file
//! monitor of the user takes part in what `mc` does.
//!
//! Promises: every `GIT_*` variable of the caller is removed; hooks, automatic maintenance and fsmonitor are off;
//! replace references are ignored; path arguments are literal; output is in the C locale; nothing waits for a terminal.
//! Must not know: missions, queues, agents. A child's standard input is the lock file of the engine, so a git command that
//! reads its standard input is given a file or a text by functions that pass the lock in another place.

mod ancestry;
pub mod answers;
mod attributes;
pub(crate) mod bare;
mod batch;
pub(crate) mod config_files;
mod conflicts;
mod error;
pub(crate) mod file_attributes;
pub mod filter;
mod filter_many;
pub mod first_parent;
pub mod foreign_refs;
pub mod green;
mod links;
pub mod local;
pub mod merge;
mod merge_attributes;
pub mod owner;
pub mod owner_card;
mod program;
mod reader;
pub mod ref_name;
mod reflog;
pub mod refs;
pub mod seen_refs;
pub mod seen_trees;
mod settings;
pub mod show;
mod sides;
pub mod source;
pub mod special;
mod trees;

use answers::{fields, id_lines, unexpected_output};
pub use error::GitError;
pub use filter::Filtered;
pub use green::{GreenMove, move_green};
pub use local::{LocalState, SeenIndex};
pub use merge::{MergeRepo, Merged};
pub use owner_card::{OWNER_REF, OwnerMark, OwnerRecord, Standing};
pub use program::{ATTR_SOURCE, Git, MINIMUM, Place};
pub use ref_name::{Cas, RefName};
pub use seen_refs::RefFiles;
pub use seen_trees::Special;
pub use source::{FALLBACK_IDENTITY, SourceFacts, inspect};
