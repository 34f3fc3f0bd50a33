//! What a strategy answers.

use crate::domain::values::{LandingId, RequestId};

/// What is worked on next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// A request that waits: its landing begins.
    Begin(RequestId),
    /// The next step of an open landing.
    GoOn(LandingId),
}
