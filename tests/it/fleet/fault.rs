//! Times of faults: how soon they were seen, and how soon work went on.
#![allow(clippy::print_stderr, reason = "they are printed for whoever wants them")]

use std::time::{Duration, Instant};

/// How soon a fault was seen, and how soon work went on.
pub struct Fault {
    name: &'static str,
    since: Instant,
    seen: Option<Duration>,
}

impl Fault {
    /// It happens now.
    pub fn happens(name: &'static str) -> Self {
        Self { name, since: Instant::now(), seen: None }
    }

    /// Somebody noticed it.
    pub fn is_seen(&mut self) {
        self.seen = Some(self.since.elapsed());
    }

    /// Work went on.
    pub fn end(self) {
        let over = self.since.elapsed();
        let seen = self.seen.unwrap_or(over);
        eprintln!(
            "fault: {}: seen after {:.1} s, going on after {:.1} s",
            self.name,
            seen.as_secs_f64(),
            over.as_secs_f64()
        );
    }
}
