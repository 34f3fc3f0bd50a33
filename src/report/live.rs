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

    /// The line at this time, at most `width` characters, without a line break.
    #[must_use]
    pub fn text(&self, now: Millis, width: usize) -> String {
        let ages: Vec<String> =
            self.running.iter().map(|(unit, since)| format!("{unit} {}", age(now.saturating_sub(*since)))).collect();
        let parts = [self.head.clone(), ages.join(" "), self.tail.clone()];
        let text = parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" | ");
        text.chars().take(width).collect()
    }
}

/// Whole seconds: tenths would flicker.
fn age(millis: Millis) -> String {
    if millis < 60_000 { format!("{}s", millis / 1000) } else { span(millis) }
}
