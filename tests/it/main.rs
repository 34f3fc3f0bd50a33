//! The one integration binary: decisions in the simulator, adapters against real git and processes, the command line.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests touch the world and may panic")]

mod support;

mod architecture;
mod cli_audit;
mod cli_demo;
mod cli_look;
mod cli_metrics;
mod cli_plan;
mod cli_proof;
mod cli_reports;
mod cli_start;
mod cli_verify;
mod config;
mod documents;
mod git_merge;
mod git_refs;
mod git_source;
mod lessons;
mod mission_agents;
mod mission_crash;
mod mission_experiments;
mod mission_gate;
mod mission_hostile;
mod mission_power;
mod mission_repository;
mod review;
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
mod store_views;
mod store_wake;
mod store_world;
mod verify_ci;
mod verify_trees;
mod workspace_collect;
mod workspace_hostile;
mod workspace_pool;
