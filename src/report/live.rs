//! The line under the scrolling ones: what happens at this moment, small enough to be redrawn every second.

use super::lines::source_name;
use super::words::span;
use crate::domain::mission::{MissionState, State, UnitState};
use crate::domain::values::Millis;

/// What the line is made of, taken from a state that need not be kept.
#[derive(Debug, Clone, Default)]
pub struct Live {
    head: String,
    running: Vec<(String, Millis)>,
    tail: String,
}

impl Live {
    /// Takes what the line needs.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let done = state.count(UnitState::Landed);
        let mut head = format!("{done}/{} landed", state.units.len());
        match state.mission_state() {
            MissionState::Paused => head.push_str(" (paused)"),
            MissionState::Stopping => head.push_str(" (stopping)"),
            MissionState::Waiting => head.push_str(" (waiting)"),
            MissionState::Starting | MissionState::Running | MissionState::Ended => {}
        }
        let others = [UnitState::Pending, UnitState::Held, UnitState::Blocked, UnitState::Failed, UnitState::Rejected];
        for kind in others {
            let number = state.count(kind);
            if number > 0 {
                head.push_str(&format!(", {number} {}", kind.name()));
            }
        }
        let running = state.running().map(|(unit, attempt)| (unit.spec.id.to_string(), attempt.started)).collect();
        let waiting = state.queue().count();
        let mut tail = match &state.landing {
            Some(landing) => format!("landing {}", source_name(&landing.mr.source)),
            None => String::new(),
        };
        if waiting > 0 {
            tail.push_str(&format!("{}{waiting} queued", if tail.is_empty() { "" } else { " + " }));
        }
        if let Some(verifying) = &state.verifying {
            tail.push_str(&format!(
                "{}verifying {}",
                if tail.is_empty() { "" } else { ", " },
                verifying.tip.commit.short()
            ));
        } else if let Some(green) = &state.green {
            tail.push_str(&format!("{}green {}", if tail.is_empty() { "" } else { ", " }, green.tip.commit.short()));
        }
        Self { head, running, tail }
    }

    /// The line at this time, at most `width` characters, without a line break. Where the names of all running units do
    /// not fit, their number and the one that runs longest stand for them, so that the queue stays in sight.
    #[must_use]
    pub fn text(&self, now: Millis, width: usize) -> String {
        let named = |(unit, since): &(String, Millis)| format!("{unit} {}", age(now.saturating_sub(*since)));
        let all: Vec<String> = self.running.iter().map(named).collect();
        let text = self.joined(&all.join(" "));
        if text.chars().count() <= width {
            return text;
        }
        let longest = self.running.iter().min_by_key(|(_, since)| *since).map(named).unwrap_or_default();
        let number = all.len();
        let text = match number {
            0 | 1 => text,
            _ => self.joined(&format!("{number} running, longest {longest}")),
        };
        text.chars().take(width).collect()
    }

    fn joined(&self, running: &str) -> String {
        let parts = [&self.head, running, &self.tail];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" | ")
    }
}

/// Whole seconds: tenths would flicker.
fn age(millis: Millis) -> String {
    if millis < 60_000 { format!("{}s", millis / 1000) } else { span(millis) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_line_keeps_the_queue_in_sight() {
        let running = vec![("parse-dates".to_owned(), 5_000), ("export-csv".to_owned(), 1_000)];
        let live = Live { head: "2/9 landed".to_owned(), running, tail: "landing tax".to_owned() };
        assert_eq!(live.text(62_000, 80), "2/9 landed | parse-dates 57s export-csv 1m01s | landing tax");
        assert_eq!(live.text(62_000, 58), "2/9 landed | 2 running, longest export-csv 1m01s | landing");
        assert_eq!(live.text(62_000, 5), "2/9 l");
    }
}
