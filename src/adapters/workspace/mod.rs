//! Workspaces: numbered clones ("slots") in a pool, prepared at an exact commit, and collected before they are reused.
//!
//! The protocol of a slot: lock it, prepare it, write its dirty marker, let somebody work in it, prove that nobody works
//! in it any more, collect it (everything is pinned in the source repository), only then release it. A slot with a marker
//! is never prepared again before it was collected or discarded on purpose, also not after a crash.

pub mod activity;
pub mod collect;
pub mod disk;
pub mod home;
pub mod layout;
pub mod leftovers;
pub mod pool;
pub mod reports;
pub mod slot;

mod beside;
mod listing;
mod notes;
mod pin;
mod rescue;
mod survey;
