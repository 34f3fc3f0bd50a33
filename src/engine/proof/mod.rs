//! What journals and reports claim, checked against what else there is to know of a mission. One list, of which `mc report
//! --verify` checks all for one mission, and `mc audit` the starred ones for every mission:
//!
//! | claims about | file |
//! |---|---|
//! | the chain of the journal*; its rows, times and log | `journal` |
//! | landings on green*, their trailers*, what they rest on*, dates, work, what they follow from; refusals; rollbacks* | `landings` |
//! | attempts; their pins* | `attempts` |
//! | verifications | `snapshots` |
//! | what a mission wrote about itself | `bookkeeping` |
//! | everything that is counted | `accounts` |
//! | where things began, of a mission with hosts | `hosts` |
//! | landed trees verified once more (`--rerun`) | `rerun` |
//! | landings no journal knows*, positions of green nobody verified* | `audit`, `positions` |
//!
//! The journal could have been rewritten, hash chain and all. So nothing is believed because the journal says it twice: commits,
//! trailers, trees and dates come from git; results from the stored snapshots, single runs included; outcomes from the
//! attempts' own reports; verdicts, deltas, classes and next moves are decided again by the rules. What is not there any
//! more makes a claim unknown, never held.

mod accounts;
mod attempts;
pub mod audit;
mod bookkeeping;
mod case;
mod first_parent;
mod hosts;
mod journal;
mod landings;
mod positions;
mod prove;
mod rerun;
mod rules;
mod snapshots;

pub use prove::{Proof, prove_report};
