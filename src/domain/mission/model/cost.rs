//! What a session cost, as far as somebody measured it: money and tokens.

use serde::{Deserialize, Serialize};

/// Money in millionths of a US dollar, so that sums do not depend on their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usd(pub u64);

impl Usd {
    /// For people and programs.
    #[expect(clippy::cast_precision_loss, reason = "sums below nine billion dollars are exact")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

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
    pub(in crate::domain::mission) const NOTHING: Self = Self { usd: Some(Usd(0)), tokens: Some(0) };
}
