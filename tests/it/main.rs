//! The one integration binary.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests touch the world and may panic")]

mod support;

mod git_merge;
mod git_refs;
mod git_source;
mod workspace_collect;
mod workspace_hostile;
mod workspace_pool;
