//! Time and the source of ids.

use crate::domain::values::{Millis, MissionId};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock, in milliseconds since the Unix epoch. A clock before the epoch reads as 0.
pub fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// An instant to measure from.
pub fn start_watch() -> Instant {
    Instant::now()
}

/// A duration in milliseconds.
pub fn to_millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
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
    pub fn start(floor: Millis) -> Self {
        Self { wall: now().max(floor), started: Instant::now() }
    }

    /// The time now.
    pub fn now(&self) -> Millis {
        self.wall + u64::try_from(self.started.elapsed().as_millis()).unwrap_or(0)
    }

    /// How long until `at`; zero when it has passed.
    pub fn time_until(&self, at: Millis) -> Duration {
        Duration::from_millis(at.saturating_sub(self.now()))
    }
}

/// The next time after `after` at which a clock on the wall shows this hour and minute, in the time zone of this machine.
/// In a gap of the time zone: right after it. Absent when there is no such time of day.
pub fn next_local(after: Millis, hour: i8, minute: i8) -> Option<Millis> {
    next_in(&jiff::tz::TimeZone::system(), after, hour, minute)
}

fn next_in(zone: &jiff::tz::TimeZone, after: Millis, hour: i8, minute: i8) -> Option<Millis> {
    let now = jiff::Timestamp::from_millisecond(i64::try_from(after).ok()?).ok()?.to_zoned(zone.clone());
    let time = jiff::civil::Time::new(hour, minute, 0, 0).ok()?;
    [now.date(), now.date().tomorrow().ok()?].into_iter().find_map(|day| {
        let at = day.to_datetime(time).to_zoned(zone.clone()).ok()?;
        let at = u64::try_from(at.timestamp().as_millisecond()).ok()?;
        (at > after).then_some(at)
    })
}

/// A new mission id: `m` and nine characters of base 32 (45 random bits), so that a state directory made anew does not
/// meet the pins of an old one.
pub fn new_mission_id() -> Option<MissionId> {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut rng = fastrand::Rng::new();
    let text: String = (0..9).map(|_| char::from(DIGITS[rng.usize(0..32)])).collect();
    MissionId::new(&format!("m{text}")).ok()
}

/// A random word of hexadecimal digits, to mark the processes of one run.
pub fn new_cookie() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_the_next_one_in_the_local_time_zone() {
        let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let at = |text: &str| u64::try_from(text.parse::<jiff::Timestamp>().unwrap().as_millisecond()).unwrap();
        let next = |now: &str, hour, minute| next_in(&zone, at(now), hour, minute);
        assert_eq!(next("2026-01-10T20:00:00Z", 7, 0), Some(at("2026-01-11T06:00:00Z")));
        assert_eq!(next("2026-01-10T20:00:00Z", 22, 30), Some(at("2026-01-10T21:30:00Z")));
        assert_eq!(next("2026-01-10T06:00:00Z", 7, 0), Some(at("2026-01-11T06:00:00Z")), "now is not next");
        assert_eq!(next("2026-03-28T20:00:00Z", 2, 30), Some(at("2026-03-29T01:30:00Z")), "an hour that is left out");
        assert_eq!(next("2026-01-10T20:00:00Z", 24, 0), None);
    }
}
