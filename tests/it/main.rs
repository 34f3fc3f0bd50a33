//! The one integration binary.

mod support;

mod git_merge;
mod git_refs;
mod git_source;
mod workspace_collect;
mod workspace_hostile;
mod workspace_pool;
