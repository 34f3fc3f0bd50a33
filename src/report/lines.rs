//! One plain line per interesting record: what the console scrolls and what `mc simulate --trace` prints.
//!
//! Line breaks and control characters of untrusted text are gone; no line carries a time, the caller puts it in front.

use super::access;
use super::skipped;
use super::waits::Wait;
use super::words::{count, elide_middle, of_day, stamp, tests, to_one_line, word};
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::{
    AcceptBefore, AttemptClass, Landing, MergeSource, MissionOutcome, NextMove, PinFault, Record, State,
    VerificationRun, VerifyRole,
};
use crate::domain::values::{Millis, MissionId};
use serde_json::{Value, json};

/// Characters of untrusted text in one line.
const LIMIT: usize = 160;

/// What a record says to a person; absent for records that only matter to the engine. `state` is the mission after it.
pub fn format_record(record: &Record, state: &State) -> Option<String> {
    Some(match record {
        Record::MissionStarted { mission, objective, .. } => match objective.trim() {
            "" => format!("mission {mission}"),
            text => format!("mission {mission}: {}", to_one_line(text, LIMIT)),
        },
        Record::PreflightPassed { baseline } => {
            let is = if baseline.create { "will be made" } else { "is" };
            let notes: String = baseline.notes.iter().map(|note| format!("; {}", to_one_line(note, LIMIT))).collect();
            format!("ready: green {is} at {}{notes}", baseline.tip.commit.short_id())
        }
        Record::BaselineAccepted { tip } => {
            let found = state.green().and_then(|green| green.snapshot.as_ref());
            let found = found.map(|(_, summary)| format!(" ({})", tests(summary))).unwrap_or_default();
            format!("the base {} is verified{found}", tip.commit.short_id())
        }
        Record::Refused { refusal } => format!("refused: {}", elide_middle(&refusal.reason, 8 * LIMIT)),
        Record::RoundOpened { round, .. } => format!("round {round}"),
        Record::TargetSeen { intake: Some(intake) } => {
            format!("the target branch at {} is taken in first", intake.head.commit.short_id())
        }
        Record::RoundPlanned { round, units, .. } if units.is_empty() => format!("round {round} has nothing to plan"),
        Record::RoundPlanned { round, units, wave_of, left_over, .. } => {
            let waves = wave_of.iter().max().map_or(0, |last| u64::from(*last) + 1);
            let later = if *left_over > 0 { format!(", {left_over} left for later rounds") } else { String::new() };
            format!("round {round} plans {} in {}{later}", count(units.len() as u64, "unit"), count(waves, "wave"))
        }
        Record::PlanUnreadable { reason, .. } => format!("the plan cannot be used: {}", to_one_line(reason, 4 * LIMIT)),
        Record::WaveOpened { round, wave, green, .. } => {
            let round = state.rounds.iter().rev().find(|known| known.index == *round);
            let members = round.and_then(|round| round.waves.get(*wave as usize)).map_or(&[][..], Vec::as_slice);
            let starts =
                members.iter().filter_map(|at| state.units.get(*at)).filter(|unit| !unit.state.terminal()).count();
            let (gone, starts) = ((members.len() - starts) as u64, starts as u64);
            let (wave, begun) = (wave + 1, format!("{} on {}", count(starts, "unit"), green.short_id()));
            match (starts, gone) {
                (0, _) => format!("wave {wave} has nothing to start: {} blocked or given up", count(gone, "unit")),
                (_, 0) => format!("wave {wave} opens: {begun}"),
                _ => format!("wave {wave} opens: {begun}, {gone} more blocked or given up"),
            }
        }
        Record::SessionStarted { unit, n, host, slot, .. } => {
            format!("{unit}: attempt {n} starts on {host}, slot {slot}")
        }
        Record::AttemptJudged { session, unit, n, class, next, .. } => {
            let report = state.attempt_by(*session).and_then(|(_, attempt)| attempt.report.as_ref())?;
            // What the machine did to it is no evidence for the next attempt, but a person wants to know.
            if let (true, Some(question)) =
                (report.checks.accept.as_ref().is_some_and(AcceptBefore::is_doubtful), &report.hold)
            {
                return Some(format!("{unit}: held, {}", to_one_line(question, 2 * LIMIT)));
            }
            let why = match (&report.run.end, next) {
                (ProcessEnd::Infrastructure(trouble), NextMove::Retry { .. }) => {
                    format!(": {}", to_one_line(&trouble.why, LIMIT))
                }
                (_, NextMove::Retry { .. }) if matches!(class, AttemptClass::Limit | AttemptClass::Refused) => {
                    let said = to_one_line(&report.agent.summary, LIMIT);
                    let wait = access::describe_wait(state).map(|wait| format!("; {wait}")).unwrap_or_default();
                    format!(": {said}{wait}")
                }
                _ => String::new(),
            };
            format!("{unit}: attempt {n} ended {}, {}{why}", word(class), next_move(next))
        }
        Record::CollectFailed { unit, trouble, .. } => format!(
            "{unit}: what its attempt made stays in its workspace and is collected again: {}",
            to_one_line(&trouble.why, LIMIT)
        ),
        Record::CircuitOpened { cause, .. } => {
            let Wait { words, remedy } = Wait::of(state, cause);
            let words = to_one_line(&words, LIMIT);
            format!("{words}: what needs it waits, one try at a time, and no unit is charged; {remedy}")
        }
        Record::CircuitKept { cause, at, again_at, .. } => {
            let wait = again_at.saturating_sub(*at).div_ceil(1000);
            format!("still: {}; tried again in {wait} s", to_one_line(&Wait::of(state, cause).words, LIMIT))
        }
        Record::CircuitClosed { .. } if state.circuit().is_none() => "it works again; everything goes on".to_owned(),
        Record::HostReady { host, .. } => format!("{host}: it answers and is used"),
        Record::HostBenched { host, at, again_at, trouble, .. } => {
            let wait = again_at.saturating_sub(*at).div_ceil(1000);
            // The command that helps stands at its end.
            let why = to_one_line(&trouble.why, 8 * LIMIT);
            format!("{host}: not used, asked again in {wait} s: {why}")
        }
        Record::HostDrained { host, .. } => {
            format!("{host}: drained; what runs there goes on, nothing new starts there")
        }
        Record::HostResumed { host, .. } => format!("{host}: not drained any more"),
        Record::UnitHeld { unit, question, .. } => format!("{unit}: held, {}", to_one_line(question, 2 * LIMIT)),
        Record::UnitBlocked { unit, cause } => format!("{unit}: blocked, it depends on {cause}"),
        Record::UnitUnblocked { unit } => format!("{unit}: not blocked any more"),
        Record::UnitCancelAsked { unit, .. } => format!("{unit}: to be cancelled"),
        Record::UnitCancelled { unit, reason } => format!("{unit}: cancelled, {}", to_one_line(reason, LIMIT)),
        Record::UnitRetried { unit, .. } => format!("{unit}: given a fresh start"),
        Record::VerifyStarted(VerificationRun { role, tip, confirms, landing, host, .. }) => {
            let again = if confirms.is_some() { ", a second time to be sure" } else { "" };
            let what = describe_verified(*role, landing.and_then(|id| state.landing_by(id)));
            let on = if host.is_local() { String::new() } else { format!(" on {host}") };
            format!("verifying {what} at {}{on}{again}", tip.commit.short_id())
        }
        Record::Verified { run, summary, reused, warm, .. } => {
            let reused = if *reused { " (known result, not run again)" } else { "" };
            let warm = if *warm { " with files of earlier runs" } else { "" };
            format!("verification {run} {}{warm}{reused}", tests(summary))
        }
        Record::ColdMeasured { tip, .. } => {
            format!("what fails at {} without files of earlier runs may fail at green", tip.commit.short_id())
        }
        Record::ColdJudged { tip, holds, .. } => {
            let holds = if *holds { "holds" } else { "does not hold" };
            format!("green at {} {holds} without files of earlier runs", tip.commit.short_id())
        }
        Record::StepFailed { what, error, at, again_at, .. } => {
            let wait = again_at.saturating_sub(*at) / 1000;
            format!("{what} failed: {}; again in {wait} s", to_one_line(error, LIMIT))
        }
        Record::Landed { source, candidate, verdict, reasons, .. } => {
            let remark = reasons.first().map_or_else(String::new, |reason| format!("; {}", to_one_line(reason, LIMIT)));
            format!("{}: landed at {}, {}{remark}", source_name(source), candidate.commit.short_id(), word(verdict))
        }
        Record::EnvironmentChanged { .. } => {
            "tags, variables or tools are others than before: green is verified again".to_owned()
        }
        Record::BookkeepingRequested { bookkeeping, .. } => {
            let told = count(bookkeeping.session.units.len() as u64, "unit");
            format!("progress of round {}: {told} to record", bookkeeping.round)
        }
        Record::BookkeepingNoted { notes } => to_one_line(&notes.join("; "), 2 * LIMIT),
        Record::MergeEmpty { source, .. } => format!("{}: green has this change already", source_name(source)),
        Record::Rejected { source, class, reasons, next, .. } => {
            let reason = reasons.first().map_or_else(String::new, |reason| format!(": {}", to_one_line(reason, LIMIT)));
            let next = match (source, next) {
                (MergeSource::Unit { .. }, NextMove::Retry { .. }) => "; tried again",
                _ => "",
            };
            format!("{}: rejected ({}){reason}{next}", source_name(source), word(class))
        }
        Record::Requeued { why, .. } => format!("the landing goes back to the queue: {}", to_one_line(why, LIMIT)),
        Record::LandingDelayed { why, .. } => to_one_line(why, 2 * LIMIT),
        Record::GreenMoved { tip } => format!("somebody moved green to {}", tip.commit.short_id()),
        Record::GreenAccepted { tip, .. } => format!("green at {} is no worse than before", tip.commit.short_id()),
        Record::QueueHeld { reason, hint, .. } => {
            format!("nothing lands any more: {}. {}", to_one_line(reason, 2 * LIMIT), to_one_line(hint, 2 * LIMIT))
        }
        Record::RepositoryChanged { held, named, .. } => {
            let words: Vec<&str> = held.iter().chain(named).map(String::as_str).collect();
            format!("look at your repository: {}", to_one_line(&words.join("; "), 2 * LIMIT))
        }
        Record::PinsFaulty { pins, .. } => {
            let words: Vec<String> = pins.iter().map(PinFault::words).collect();
            to_one_line(&words.join("; "), 2 * LIMIT)
        }
        Record::RoundClosed { round, landed, units, objective, .. } if *units > 0 || objective.is_some() => {
            let check = match objective {
                Some(true) => "; the objective is met",
                Some(false) => "; the objective is not met yet",
                None => "",
            };
            format!("round {round} is over: {landed} of {} landed{check}", count(u64::from(*units), "unit"))
        }
        Record::Paused { .. } => "paused: nothing new starts".to_owned(),
        Record::Unpaused { .. } => "goes on".to_owned(),
        Record::StopRequested { level, why, .. } => format!("stop requested ({}, {})", word(why), word(level)),
        Record::Closing { .. } => "nothing works any more; what became of the units is still written down".to_owned(),
        Record::StopWithdrawn { asked, .. } => {
            let of = of_day(*asked).map_or_else(String::new, |at| format!(" of {at}"));
            format!("the stop{of} is withdrawn: the mission goes on")
        }
        Record::Waiting { .. } => "only units held for a person are left".to_owned(),
        Record::Suspended { cause: Some(cause), .. } => {
            let Wait { words, remedy } = Wait::of(state, cause);
            let words = to_one_line(&words, LIMIT);
            format!("suspended: {words}. {remedy}; then `mc mission resume` goes on, nothing is lost")
        }
        Record::Suspended { cause: None, .. } => "suspended; `mc mission resume` goes on".to_owned(),
        Record::Resumed { .. } => "resumed".to_owned(),
        Record::RolledBack { n, to, landings, .. } => {
            let taken = count(landings.len() as u64, "landing");
            format!("a person moved green back to {} (rollback {n}): {taken} taken back", to.commit.short_id())
        }
        Record::RollbackDropped { n, why, .. } => format!("rollback {n} did not happen: {}", to_one_line(why, LIMIT)),
        Record::Cleaned { refs, .. } => format!("cleaned: {} deleted", count(refs.len() as u64, "pin")),
        Record::MissionEnded { outcome, reason, .. } => format_ending(*outcome, reason, state),
        Record::CircuitClosed { .. }
        | Record::RoundClosed { .. }
        | Record::Established { .. }
        | Record::SessionEnded { .. }
        | Record::CollectAsked { .. }
        | Record::HostProbed { .. }
        | Record::TargetSeen { intake: None }
        | Record::PlanAsked { .. }
        | Record::LandingStarted { .. }
        | Record::CandidateMade { .. }
        | Record::StepAsked { .. }
        | Record::StageAsked { .. }
        | Record::VerificationDropped { .. }
        | Record::RollbackIntended { .. }
        | Record::LandIntended { .. }
        | Record::RoundWorked { .. } => return None,
    })
}

/// What changed in the user's repository while the mission ran, for its end: a few lines.
pub fn repository(state: &State) -> Vec<String> {
    const MOST: usize = 5;
    let mut lines: Vec<String> =
        state.repository.iter().take(MOST).map(|what| format!("look: {}", to_one_line(what, 400))).collect();
    if state.repository.len() > MOST {
        lines.push(format!("look: {} more changes of your repository, see `mc report`", state.repository.len() - MOST));
    }
    lines
}

/// Mission time in front of a line: `[  12.3s] `, `[12m34.5s] ` padded to the same width up to ten hours.
pub fn format_elapsed(millis: Millis) -> String {
    let (hours, minutes, seconds, tenths) =
        (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60, millis % 1000 / 100);
    let text = match (hours, minutes) {
        (0, 0) => format!("{seconds}.{tenths}s"),
        (0, _) => format!("{minutes}m{seconds:02}s"),
        _ => format!("{hours}h{minutes:02}m{seconds:02}s"),
    };
    format!("[{text:>8}] ")
}

/// `ended: nothing is left to plan`, `ended: wall-time, the mission used up its time`.
fn format_ending(outcome: MissionOutcome, reason: &str, state: &State) -> String {
    let left = skipped::describe_skipped(state);
    if state.units.is_empty() && outcome == MissionOutcome::BacklogDone && !left.is_empty() {
        return format!("ended: nothing planned; {left}");
    }
    let left = if left.is_empty() { left } else { format!("; {left}") };
    match reason.trim() {
        // The line before has the reason of a refusal.
        reason if reason.is_empty() || outcome == MissionOutcome::Refused => format!("ended: {}{left}", word(&outcome)),
        reason if outcome == MissionOutcome::BacklogDone => format!("ended: {}{left}", to_one_line(reason, 4 * LIMIT)),
        reason => format!("ended: {}, {}{left}", word(&outcome), to_one_line(reason, 4 * LIMIT)),
    }
}

/// One row of the journal as JSON: `schema`, `seq` (absent while the engine runs it), `at` (RFC 3339), `mission`, `kind`, `record`.
pub fn json(seq: Option<u64>, at: Millis, mission: &MissionId, record: &Record) -> Value {
    let mut row =
        json!({"schema": 1, "at": stamp(at), "mission": mission.as_str(), "kind": record.kind(), "record": record});
    if let Some(seq) = seq {
        row["seq"] = json!(seq);
    }
    row
}

/// Whose change it is.
pub fn source_name(source: &MergeSource) -> String {
    match source {
        MergeSource::Unit { unit, .. } => unit.to_string(),
        MergeSource::Intake => "target branch".to_owned(),
        MergeSource::Bookkeeping { round } => format!("progress of round {round}"),
    }
}

fn describe_verified(role: VerifyRole, landing: Option<&Landing>) -> String {
    let candidate = |what: &str| {
        landing.map_or_else(|| "a candidate".to_owned(), |l| format!("{what}{}", source_name(&l.mr.source)))
    };
    match role {
        VerifyRole::Baseline => "the base".to_owned(),
        VerifyRole::Before => "green".to_owned(),
        VerifyRole::After => candidate(""),
        VerifyRole::AcceptBefore => format!("that green does not pass {} yet", candidate("`accept` of ")),
        VerifyRole::UnitChecks => candidate("the own lines of "),
        VerifyRole::Cold => "green without files of earlier runs".to_owned(),
        VerifyRole::ColdSearch => "an earlier green without files of earlier runs".to_owned(),
        VerifyRole::MovedGreen => "green as somebody else left it".to_owned(),
    }
}

fn next_move(next: &NextMove) -> String {
    match next {
        NextMove::Queue { .. } => "queued".to_owned(),
        NextMove::Retry { because, .. } if because.trim().is_empty() => "tried again".to_owned(),
        NextMove::Retry { because, .. } => format!("tried again: {}", to_one_line(because, LIMIT)),
        NextMove::NoOp => "nothing to do".to_owned(),
        NextMove::Hold { question, .. } => format!("held for a person: {}", to_one_line(question, LIMIT)),
        NextMove::Fail { reason } => format!("failed: {}", to_one_line(reason, LIMIT)),
        NextMove::Reject { reason } => format!("rejected: {}", to_one_line(reason, LIMIT)),
    }
}
