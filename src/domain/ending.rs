//! How a process or a run ended, as one number and in words. Whoever records, reads or tells an end asks here.
//!
//! The words are part of reasons in journals, which are decided again for proofs: they never change.

use crate::domain::trouble::Trouble;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a shell adds to the number of a signal (POSIX, 2.8.2 "Exit Status for Commands": more than 128).
const SIGNALS_FROM: i32 = 128;

/// The last signal that is no real-time one (signal(7)).
const LAST_SIGNAL: i32 = 31;

/// How a process ended by itself or by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessExit {
    /// It left with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl ProcessExit {
    /// From what the system says, which is one of the two.
    pub fn from_status(code: Option<i32>, signal: Option<i32>) -> Option<Self> {
        code.map(Self::Code).or(signal.map(Self::Signal))
    }

    /// As a shell says it: the code, or 128 + n after signal n.
    pub fn number(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => SIGNALS_FROM + signal,
        }
    }

    /// Reads [`ProcessExit::number`]. A program that exits with 128 + n itself reads as ended by the signal.
    pub fn of_number(number: i32) -> Self {
        match number - SIGNALS_FROM {
            signal @ 1..=LAST_SIGNAL => Self::Signal(signal),
            _ => Self::Code(number),
        }
    }
}

impl fmt::Display for ProcessExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// How a run ended, with who caused it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessEnd {
    /// It ended by itself with this code.
    Exited(i32),
    /// A signal that nobody of ours sent ended it.
    Signaled(i32),
    /// Killed: total time used up.
    Timeout,
    /// Killed: no output and no file change for the idle time, or no sign of life after the start.
    Stalled,
    /// Killed because we were told to.
    Stopped,
    /// It certainly never ran (nobody had claimed its run directory).
    NeverStarted,
    /// Host, disk, spawn, lost lease, vanished process: says nothing about the work.
    Infrastructure(Trouble),
}

impl fmt::Display for ProcessEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => ProcessExit::Code(*code).fmt(f),
            Self::Signaled(signal) => ProcessExit::Signal(*signal).fmt(f),
            Self::Timeout => f.write_str("time used up"),
            Self::Stalled => f.write_str("stalled"),
            Self::Stopped => f.write_str("killed"),
            Self::NeverStarted => f.write_str("never started"),
            Self::Infrastructure(trouble) => f.write_str(&trouble.why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_it_was_written() {
        for (ending, number, words) in [
            (ProcessExit::Code(0), 0, "exit 0"),
            (ProcessExit::Code(128), 128, "exit 128"),
            (ProcessExit::Signal(1), 129, "signal 1"),
            (ProcessExit::Signal(31), 159, "signal 31"),
            (ProcessExit::Code(160), 160, "exit 160"),
            (ProcessExit::Code(255), 255, "exit 255"),
        ] {
            assert_eq!((ending.number(), ending.to_string().as_str()), (number, words));
            assert_eq!(ProcessExit::of_number(number), ending);
        }
        assert_eq!(
            ProcessExit::of_number(ProcessExit::Signal(34).number()),
            ProcessExit::Code(162),
            "a real-time signal reads as a code"
        );
        assert_eq!(ProcessExit::from_status(Some(3), None), Some(ProcessExit::Code(3)));
        assert_eq!(ProcessExit::from_status(None, Some(9)), Some(ProcessExit::Signal(9)));
        assert_eq!(ProcessExit::from_status(None, None), None);
    }
}
