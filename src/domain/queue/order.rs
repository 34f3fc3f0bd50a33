//! The order in which requests land: one comparison.
//!
//! What the mission itself asks goes first; then by arrival, where one level of priority is worth [`AGE_BOOST`] of waiting, so that
//! nothing starves; then by number.

use crate::domain::values::{Millis, RequestId};

/// One priority level is worth this much waiting in the merge queue, so that nothing starves.
pub const AGE_BOOST: Millis = 10 * 60_000;

/// Where a request stands: the smaller one lands earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Millis);

impl Place {
    /// Before everything that is not as urgent.
    pub const FIRST: Self = Self(0);

    /// By arrival and priority; 0 is the highest.
    pub fn by_age(arrived: Millis, priority: u32) -> Self {
        Self(arrived + AGE_BOOST * Millis::from(priority))
    }

    /// Just behind this one.
    #[must_use]
    pub const fn place_behind(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What requests are compared by.
pub(super) type Key = (Place, RequestId);
