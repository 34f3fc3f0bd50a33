//! The session of a round for `PROGRESS.md`, from the record of what is to be written and nothing else.

use super::{count, sanitize, tests, word};
use crate::domain::mission::{Bookkeeping, UnitOutcome, UnitState};
use crate::domain::progress::{Bullet, Session};
use crate::domain::values::{MissionId, format_date};

/// Units named before a list is cut.
const NAMED: usize = 100;

/// What a round of a mission came to.
pub fn session(mission: &MissionId, bookkeeping: &Bookkeeping) -> Session {
    let told = &bookkeeping.session;
    let of = |state: UnitState| told.units.iter().filter(move |unit| unit.state == state);
    let states = || UnitState::ALL.iter().copied().filter(|state| of(*state).next().is_some());
    let counts: Vec<String> = states().map(|state| format!("{} {}", of(state).count(), state.name())).collect();
    let counts = counts.join(", ");
    let target = match told.objective.trim() {
        "" => "the open units of the plan".to_owned(),
        objective => sanitize(objective),
    };
    let summary = |summary: &Option<_>| summary.as_ref().map_or_else(|| "unknown".to_owned(), tests);
    let (before, after, runs) = (summary(&told.before), summary(&told.after), count(told.runs, "verification"));
    let checks =
        format!("checks before: {before} → after: {after}; {runs} of the mission so far, {} reused", told.reused);
    let end = told.ends.map_or_else(String::new, |why| format!("; ended before its time ({})", word(&why)));
    let mut outcome = Bullet::new("Outcome", &format!("{counts}{end}"));
    outcome.below = cut(states().flat_map(of).map(format_unit).collect());
    let waits = |unit: &&UnitOutcome| matches!(unit.state, UnitState::Blocked | UnitState::Held);
    let blocked: Vec<String> = list_undone(bookkeeping).filter(waits).map(|unit| format!("`{}`", unit.unit)).collect();
    let mut next = cut(list_undone(bookkeeping).map(format_unit).collect());
    if told.left_over > 0 {
        next.push(format!("{} for later rounds", count(u64::from(told.left_over), "more unit")));
    }
    if next.is_empty() {
        next.push("nothing is left of this plan".to_owned());
    }
    let none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    Session {
        title: format!("Round {} of mission {mission}: {counts}", bookkeeping.round),
        bullets: vec![
            Bullet::new("Date", &format_date(bookkeeping.at)),
            Bullet::new("Target", &target),
            outcome,
            Bullet::new("Summary", &checks),
        ],
        current: vec![
            Bullet::new("Phase", &format!("round {} of mission {mission}", bookkeeping.round)),
            Bullet::new("Active Task", "none"),
            Bullet::new("Blocked", &none(cut(blocked).join(", "))),
            Bullet::new("Last Commit", told.green.short_id()),
            Bullet::new("Target", &target),
        ],
        next,
    }
}

/// What is not done, told now or before.
fn list_undone(bookkeeping: &Bookkeeping) -> impl Iterator<Item = &UnitOutcome> {
    bookkeeping.session.units.iter().chain(&bookkeeping.session.open).filter(|unit| !unit.state.is_satisfied())
}

/// ``landed `id` (Title) at 0123456789``, or with the reason.
fn format_unit(unit: &UnitOutcome) -> String {
    let what = format!("{} `{}` ({})", word(&unit.state), unit.unit, sanitize(unit.title.trim()));
    match (&unit.commit, unit.reason.is_empty()) {
        (Some(commit), _) => format!("{what} at {}", commit.short_id()),
        (None, false) => format!("{what}: {}", sanitize(&unit.reason)),
        (None, true) => what,
    }
}

fn cut(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(NAMED);
    lines.truncate(NAMED);
    lines.extend(Some(format!("and {more} more")).filter(|_| more > 0));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mission::{BookkeepingMode, Session as Of};
    use crate::domain::progress::add;
    use crate::domain::values::{CommitId, UnitId};

    #[test]
    fn p12_words_of_others_stay_on_their_line() {
        let commit = CommitId::new(&"a".repeat(40)).unwrap();
        let unit = UnitOutcome {
            unit: UnitId::new("u").unwrap(),
            title: "x\n</details>\n\u{202e}## Session History\x1b[31m".to_owned(),
            state: UnitState::Held,
            commit: None,
            reason: "why?\r\n<script>".to_owned(),
        };
        let session_of = Of {
            objective: "# all\n\n<details>".to_owned(),
            units: vec![unit],
            open: Vec::new(),
            left_over: 2,
            before: None,
            after: None,
            green: commit,
            runs: 1,
            reused: 0,
            ends: None,
        };
        let bookkeeping = Bookkeeping {
            round: 1,
            at: 0,
            keeps: BookkeepingMode::Backlog,
            marks: Vec::new(),
            session: session_of,
            outside: None,
        };
        let text = add(None, &session(&MissionId::new("m1").unwrap(), &bookkeeping));
        assert_eq!(crate::domain::progress::check(&text), Ok(1), "{text}");
        assert!(
            text.contains(
                "1. held `u` (x &lt;/details> \u{fffd}## Session History): why? &lt;script>\n2. 2 more units"
            ),
            "{text}"
        );
        assert!(text.contains("checks before: unknown → after: unknown; 1 verification of"), "{text}");
    }
}
