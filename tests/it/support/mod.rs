//! What integration tests share: hermetic repositories, attempts in slots, nights with the real program.

pub mod attempt;
pub mod cli;
pub mod engine;
pub mod fence;
pub mod left_alone;
pub mod merge;
pub mod night;
pub mod oracle;
pub mod repo;
pub mod sandbox;
pub mod scenario;
pub mod told;
pub mod tools;
pub mod units;
pub mod world;

/// Whether missions of tests have everything done behind a worker.
pub fn behind_a_worker() -> bool {
    host_of_tests().is_some()
}

/// The kind of host that missions of tests have (`MC_TEST_HOST`: `pipe`, `cut:SEED`; this machine without), for the environment
/// of `mc`.
pub fn host_of_tests() -> Option<(&'static str, String)> {
    std::env::var("MC_TEST_HOST").ok().map(|kind| ("MC_TEST_HOST", kind))
}
