//! The one integration binary: decisions in the simulator, adapters against real git and processes, the command line.

mod support;

mod architecture;
mod cli_demo;
mod config;
mod git_merge;
mod git_refs;
mod git_source;
mod runs_containment;
mod runs_protocol;
mod runs_user;
mod runs_world;
mod simulation;
mod store_chain;
mod store_crash;
mod store_files;
mod store_journal;
mod store_lock;
mod store_place;
mod store_wake;
mod store_world;
mod workspace_collect;
mod workspace_hostile;
mod workspace_pool;
