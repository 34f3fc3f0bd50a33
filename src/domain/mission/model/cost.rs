//! What a session cost, as far as somebody measured it: money and tokens.

use crate::domain::values::Usd;
use serde::{Deserialize, Serialize};

/// What somebody measured of an attempt; what is absent is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<Usd>,
    /// Tokens of all models, in and out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

impl Cost {
    /// Nothing, and that is known.
    pub const NOTHING: Self = Self { usd: Some(Usd(0)), tokens: Some(0) };
}
