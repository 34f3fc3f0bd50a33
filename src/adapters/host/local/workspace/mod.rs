//! Workspaces: numbered clones ("slots") in a pool, prepared at an exact commit, and collected before they are reused.
//!
//! The protocol of a slot: lock it, prepare it, write its dirty marker, let somebody work in it, prove that nobody works
//! in it any more, collect it (everything is pinned in the source repository), only then release it. A slot with a marker
//! is never prepared again before it was collected or discarded on purpose, also not after a crash.

pub mod activity;
pub mod attempt;
pub mod collect;
pub mod disk;
pub mod elsewhere;
pub mod home;
pub mod layout;
pub mod left_out;
pub mod leftovers;
pub mod pool;
pub mod quarantine;
pub mod reports;
pub mod slot;
pub mod space;
pub mod tags;

mod add;
mod after_setup;
mod checkout;
mod clone;
mod commit;
pub(crate) mod contents;
mod conversion;
mod error;
pub(crate) mod escape;
pub(crate) mod filtered;
mod index_file;
pub(crate) mod lfs;
mod listing;
mod notes;
pub(crate) mod pack;
pub(crate) mod pin;
mod pool_folder;
mod progress;
mod scan;
mod submodules;
mod untracked;
pub use activity::{changed_since, latest_change};
pub use attempt::{head_ref, kept_ref, progress_ref};
pub use collect::Collected;
pub use layout::{slot_of, work_folder};
pub use leftovers::{Keeping, Prepared, Ran};
pub use pool::Pool;
pub use slot::Ignored;
pub use space::SlotInfo;
pub use tags::Tags;
