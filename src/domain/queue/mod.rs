//! The merge queue: what lands, in which order, proven by which runs. It knows nothing of missions, rounds or attempts.
//!
//! Needs: green is never red; every request is decided, in a fair order; a tree is verified as seldom as can be; nobody is blamed
//! for a failure seen once. Properties: each landing and each run has an id, and whatever changes or ends one names it, so that
//! several may be open; a landing moves through [`Phase`]s in one function; an answer that comes late or twice fits nothing and
//! changes nothing.
//!
//! Which landing goes on is its [`Strategy`]; what it needs next is [`Queue::next_step`]. Who embeds the queue records that, asks it
//! of the world and folds the answers.

mod failures;
mod green;
mod landing;
mod model;
mod next_step;
mod order;
mod state;
mod strategy;

pub use failures::Failures;
pub use green::{ColdRuns, ForeignMove, Green, Search, Unproven};
pub use landing::{Candidate, Change, Evidence, Landing, Phase};
pub use model::{After, Behind, MergeRequest, MergeSource, VerificationRun, VerifyRole};
pub use next_step::{Accept, Base, NextStep, Refused, RunKind, Terms, next_step_when_merged, unusable_reason};
pub use order::{AGE_BOOST, Place};
pub use state::Queue;
pub use strategy::{Choice, Strategy};
