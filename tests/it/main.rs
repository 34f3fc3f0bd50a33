//! The one integration binary: decisions in the simulator, adapters against real git and processes, the command line.

mod support;

mod git_merge;
mod git_refs;
mod git_source;
mod simulation;
mod workspace_collect;
mod workspace_hostile;
mod workspace_pool;
