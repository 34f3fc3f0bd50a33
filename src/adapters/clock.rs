//! Time and the source of ids.

use crate::domain::values::{Millis, MissionId};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock, in milliseconds since the Unix epoch. A clock before the epoch reads as 0.
#[must_use]
pub fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// A clock for one engine: the wall time of its start plus monotonic time, so that neither a changed wall clock nor a
/// suspended machine fires timers.
#[derive(Debug, Clone, Copy)]
pub struct EngineClock {
    wall: Millis,
    started: Instant,
}

impl EngineClock {
    /// A clock that starts now, not before `floor` (the newest time a journal knows).
    #[must_use]
    pub fn start(floor: Millis) -> Self {
        Self { wall: now().max(floor), started: Instant::now() }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.wall + u64::try_from(self.started.elapsed().as_millis()).unwrap_or(0)
    }

    /// How long until `at`; zero when it has passed.
    #[must_use]
    pub fn until(&self, at: Millis) -> Duration {
        Duration::from_millis(at.saturating_sub(self.now()))
    }
}

/// A new mission id: `m` and nine characters of base 32 (45 random bits), so that a state directory made anew does not
/// meet the pins of an old one.
#[must_use]
pub fn new_mission_id() -> Option<MissionId> {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut rng = fastrand::Rng::new();
    let text: String = (0..9).map(|_| char::from(DIGITS[rng.usize(0..32)])).collect();
    MissionId::new(&format!("m{text}")).ok()
}

/// A random word of hexadecimal digits, to mark the processes of one run.
#[must_use]
pub fn new_cookie() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}
