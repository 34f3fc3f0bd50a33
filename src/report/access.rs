//! Why no agent starts although units wait for one, in words.

use super::words::{of_day, to_one_line};
use crate::domain::mission::State;

/// What keeps agents from starting, and until when; nothing where they may.
pub fn describe_wait(state: &State) -> Option<String> {
    if let Some(refusal) = state.access.refusal() {
        let said = match to_one_line(&refusal.said, 300) {
            said if said.is_empty() => String::new(),
            said => format!(" (\"{said}\")"),
        };
        return Some(format!("no agent is started: {}{said}", refusal.failure.words()));
    }
    let freeze = state.access.freeze()?;
    let window = match freeze.window.as_str() {
        "" => String::new(),
        window => format!(" ({})", to_one_line(window, 40)),
    };
    let until = of_day(freeze.until).map_or_else(String::new, |at| format!(" until {at}"));
    Some(format!("agents wait{until}: {}{window}; then one is tried", freeze.failure.words()))
}
