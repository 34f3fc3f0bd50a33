//! The view under the scrolling lines: what happens at this moment, small enough to be redrawn every second.
//!
//! Promises: no line is longer than asked for and none has a control character; what is estimated is called an estimate, and
//! is left out where nothing was measured yet; unknown cost is called unknown.

use super::access;
use super::words::{counts, span, to_one_line, word};
use super::{cost, source_name};
use crate::domain::mission::{Circuit, MissionState, State, UnitState};
use crate::domain::values::{Millis, MissionId, UnitId};

/// Units that must have ended before the rest of the time is estimated.
const MEASURED: u32 = 3;

/// One running attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Working {
    /// Its mission.
    pub mission: MissionId,
    /// The unit.
    pub unit: UnitId,
    /// Attempt number.
    pub n: u32,
    /// Slot of the pool.
    pub slot: u32,
    /// When it was begun.
    pub since: Millis,
}

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// The first line.
    Head,
    /// A person should look.
    Urgent,
    /// Anything else.
    Plain,
}

/// What the view is made of, taken from a state that need not be kept.
#[derive(Debug, Clone, Default)]
pub struct Live {
    head: String,
    needs: Vec<String>,
    working: Vec<Working>,
    landing: Option<String>,
    queued: Vec<String>,
    verifying: Option<(String, Millis)>,
    green: Option<String>,
    pace: Option<Pace>,
    cost: Option<String>,
}

/// What the rest of the time is estimated from.
#[derive(Debug, Clone, Copy)]
struct Pace {
    since: Millis,
    ended: u32,
    open: u32,
}

impl Live {
    /// Takes what the view needs.
    pub fn of(state: &State) -> Self {
        let done = state.count(UnitState::Landed);
        let mut head = format!("{done}/{} landed", state.units.len());
        match state.mission_state() {
            MissionState::Starting | MissionState::Running | MissionState::Ended => {}
            other => head.push_str(&format!(" ({})", word(&other))),
        }
        if let Some(cause) = state.circuit().and_then(Circuit::cause) {
            head.push_str(&format!(" (waits: {})", to_one_line(&cause.words(), 80)));
        }
        if let Some(wait) = access::describe_wait(state).filter(|_| !state.is_over()) {
            head.push_str(&format!(" ({})", to_one_line(&wait, 160)));
        }
        let others = [UnitState::Pending, UnitState::Held, UnitState::Blocked, UnitState::Failed, UnitState::Rejected];
        head.extend(counts(state, others).into_iter().map(|number| format!(", {number}")));
        let working = state.running_attempts().map(|(unit, attempt)| Working {
            mission: state.mission.clone(),
            unit: unit.spec.id.clone(),
            n: attempt.n,
            slot: attempt.slot.number,
            since: attempt.started,
        });
        let verifying = state.current_verification().map(|v| (v.tip.commit.short_id().to_owned(), v.at));
        Self {
            head,
            needs: list_needs(state),
            working: working.collect(),
            landing: state.landing().map(|landing| source_name(&landing.mr.source)),
            queued: state.queue().take(20).map(|mr| source_name(&mr.source)).collect(),
            verifying,
            green: state.green().map(|green| green.tip.commit.short_id().to_owned()),
            pace: measure_pace(state),
            cost: cost::brief(state),
        }
    }

    /// The running attempts.
    pub fn working(&self) -> &[Working] {
        &self.working
    }

    /// The view in lines of at most `width` characters, at most `height` of them. `life` tells when an attempt last gave a
    /// sign of life.
    pub fn lines(
        &self,
        now: Millis,
        width: usize,
        height: usize,
        mut life: impl FnMut(&Working) -> Option<Millis>,
    ) -> Vec<(Tone, String)> {
        let mut head = vec![self.head.clone()];
        head.extend(self.estimate_time_left(now));
        head.extend(self.cost.clone());
        let mut lines = vec![(Tone::Head, head.join(" | "))];
        lines.extend(self.needs.iter().map(|line| (Tone::Urgent, format!("needs you  {line}"))));
        let mut working = self.working.clone();
        working.sort_by_key(|attempt| attempt.since);
        for attempt in &working {
            let (unit, n, age) = (&attempt.unit, attempt.n, age(now.saturating_sub(attempt.since)));
            let sign = match life(attempt).filter(|at| *at >= attempt.since) {
                Some(at) => format!("last sign of life {} ago", self::age(now.saturating_sub(at))),
                None => "no sign of life yet".to_owned(),
            };
            lines.push((Tone::Plain, format!("working    {unit} attempt {n}, {age}, {sign}")));
        }
        let landing = self.landing_line(now);
        let room = height.max(1).saturating_sub(usize::from(landing.is_some()));
        if lines.len() > room {
            let hidden = lines.len() - room.saturating_sub(1).max(1);
            lines.truncate(room.saturating_sub(1).max(1));
            if lines.len() < room {
                lines.push((Tone::Plain, format!("           and {hidden} more")));
            }
        }
        lines.extend(landing.filter(|_| height > 1).map(|line| (Tone::Plain, line)));
        lines.into_iter().map(|(tone, line)| (tone, line.chars().take(width).collect())).collect()
    }

    fn landing_line(&self, now: Millis) -> Option<String> {
        let mut parts: Vec<String> = self.landing.iter().cloned().collect();
        if let Some((commit, since)) = &self.verifying {
            parts.push(format!("verifying {commit} for {}", age(now.saturating_sub(*since))));
        }
        if !self.queued.is_empty() {
            parts.push(format!("{} queued: {}", self.queued.len(), self.queued.join(", ")));
        }
        if parts.is_empty() {
            return self.green.as_ref().map(|green| format!("green      {green}"));
        }
        Some(format!("landing    {}", parts.join(" | ")))
    }

    /// The time left by the pace so far.
    fn estimate_time_left(&self, now: Millis) -> Option<String> {
        let pace = self.pace.filter(|pace| pace.ended >= MEASURED && pace.open > 0)?;
        let each = now.checked_sub(pace.since)? / u64::from(pace.ended);
        Some(format!("about {} left (estimate)", age(each.saturating_mul(u64::from(pace.open)))))
    }

    /// All of it on one line of at most `width` characters, without a line break, for places that have no more. Where the
    /// names of all running units do not fit, their number and the one that runs longest stand for them, so that the queue
    /// stays in sight.
    pub fn text(&self, now: Millis, width: usize) -> String {
        let named = |attempt: &Working| format!("{} {}", attempt.unit, age(now.saturating_sub(attempt.since)));
        let all: Vec<String> = self.working.iter().map(named).collect();
        let text = self.format_one_line(&all.join(" "));
        if text.chars().count() <= width {
            return text;
        }
        let longest = self.working.iter().min_by_key(|attempt| attempt.since).map(named).unwrap_or_default();
        let text = match all.len() {
            0 | 1 => text,
            number => self.format_one_line(&format!("{number} running, longest {longest}")),
        };
        text.chars().take(width).collect()
    }

    fn format_one_line(&self, running: &str) -> String {
        let mut tail: Vec<String> = self.landing.iter().map(|unit| format!("landing {unit}")).collect();
        if !self.queued.is_empty() {
            tail.push(format!("{} queued", self.queued.len()));
        }
        let verifying = self.verifying.as_ref().map(|(commit, _)| format!("verifying {commit}"));
        tail.extend(verifying.or(self.green.as_ref().map(|green| format!("green {green}"))));
        let tail = tail.join(", ");
        let parts = [self.head.as_str(), running, tail.as_str()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" | ")
    }
}

fn list_needs(state: &State) -> Vec<String> {
    let hold = state.hold.iter().map(|(reason, _)| format!("nothing lands: {}", to_one_line(reason, 200)));
    let held = state.units.iter().filter(|unit| unit.state == UnitState::Held);
    let held = held.map(|unit| match unit.reason.trim() {
        "" => format!("{} is held", unit.spec.id),
        reason => format!("{} is held: {}", unit.spec.id, to_one_line(reason, 200)),
    });
    hold.chain(held).collect()
}

fn measure_pace(state: &State) -> Option<Pace> {
    if state.mission_state() != MissionState::Running {
        return None;
    }
    let open = [UnitState::Pending, UnitState::Running, UnitState::Queued].map(|kind| state.count(kind)).iter().sum();
    let ended = [UnitState::Landed, UnitState::NoOp, UnitState::Rejected, UnitState::Failed];
    let ended = ended.map(|kind| state.count(kind)).iter().sum();
    Some(Pace { since: state.rounds.first()?.opened, ended, open })
}

/// Whole seconds: tenths would flicker.
fn age(millis: Millis) -> String {
    if millis < 60_000 { format!("{}s", millis / 1000) } else { span(millis) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn working(unit: &str, since: Millis) -> Working {
        let (mission, unit) = (MissionId::new("m1").unwrap(), UnitId::new(unit).unwrap());
        Working { mission, unit, n: 1, slot: 0, since }
    }

    fn live() -> Live {
        Live {
            head: "2/9 landed".to_owned(),
            working: vec![working("parse-dates", 5_000), working("export-csv", 1_000)],
            landing: Some("tax".to_owned()),
            ..Live::default()
        }
    }

    fn drawn(live: &Live, width: usize, height: usize) -> String {
        let lines = live.lines(62_000, width, height, |a| (a.since == 5_000).then_some(59_000));
        lines.into_iter().map(|(_, line)| line + "\n").collect()
    }

    #[test]
    fn a_narrow_line_keeps_the_queue_in_sight() {
        let live = live();
        assert_eq!(live.text(62_000, 80), "2/9 landed | parse-dates 57s export-csv 1m01s | landing tax");
        assert_eq!(live.text(62_000, 58), "2/9 landed | 2 running, longest export-csv 1m01s | landing");
        assert_eq!(live.text(62_000, 5), "2/9 l");
    }

    #[test]
    fn the_view_groups_and_fits_its_room() {
        let mut live = live();
        live.needs.push("ask is held: which?".to_owned());
        live.verifying = Some(("0123456789".to_owned(), 50_000));
        live.queued.push("fees".to_owned());
        live.cost = Some("cost unknown (3 attempts)".to_owned());
        live.pace = Some(Pace { since: 2_000, ended: 3, open: 2 });
        expect![[r#"
            2/9 landed | about 40s left (estimate) | cost unknown (3 attempts)
            needs you  ask is held: which?
            working    export-csv attempt 1, 1m01s, no sign of life yet
            working    parse-dates attempt 1, 57s, last sign of life 3s ago
            landing    tax | verifying 0123456789 for 12s | 1 queued: fees
        "#]]
        .assert_eq(&drawn(&live, 100, 20));
        expect![[r#"
            2/9 landed | about 40s left (
            needs you  ask is held: which
                       and 2 more
            landing    tax | verifying 01
        "#]]
        .assert_eq(&drawn(&live, 29, 4));
        assert_eq!(drawn(&live, 12, 1), "2/9 landed |\n");
        live.pace = Some(Pace { since: 2_000, ended: 2, open: 2 });
        assert!(!drawn(&live, 100, 20).contains("estimate"), "two ended units measure nothing");
    }
}
