//! `mc status --prometheus`: the newest mission in the Prometheus text exposition format, version 0.0.4.
//!
//! Promises: every family has one HELP and one TYPE line before its samples; times are seconds; label values are escaped; what
//! is unknown has no sample (an unknown cost is no 0). Every sample carries `repository`, so that the pages of several
//! repositories can stand side by side.

use super::needs::needs_you;
use super::words::word;
use super::{View, cost};
use crate::domain::mission::timeline::Phase;
use crate::domain::mission::{AttemptClass, UnitState};
use crate::domain::values::Millis;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A page in the making.
struct Page<'a> {
    out: String,
    repository: &'a str,
}

/// The metrics of a mission; `view` is absent when there never was one.
pub fn text(view: Option<&View<'_>>, repository: &str) -> String {
    let mut page = Page { out: String::new(), repository };
    let up = view.is_some_and(|view| view.engine.is_some());
    page.gauge("mc_engine_up", "Whether an engine works on the newest mission.", f64::from(u8::from(up)));
    if let Some(view) = view {
        mission(&mut page, view);
        units(&mut page, view);
        work(&mut page, view);
    }
    page.out
}

fn mission(page: &mut Page<'_>, view: &View<'_>) {
    let state = view.state;
    let (name, outcome) = (state.mission.as_str(), state.outcome.as_ref().map(|(outcome, ..)| word(outcome)));
    page.family("mc_mission_info", "gauge", "The newest mission, its state and, when it ended, its outcome.");
    let (now, outcome) = (word(&state.mission_state()), outcome.unwrap_or_default());
    page.sample("mc_mission_info", &[("mission", name), ("state", &now), ("outcome", &outcome)], 1.0);
    let began = "mc_mission_started_timestamp_seconds";
    page.gauge(began, "When the mission started, since the epoch.", seconds(state.started));
    let lasted = seconds(state.ended.unwrap_or(view.now).saturating_sub(state.started));
    page.gauge("mc_mission_duration_seconds", "Wall time of the mission so far or to its end.", lasted);
    let last = view.records.last().map_or(state.started, |(_, at, _)| *at);
    let age = seconds(view.now.saturating_sub(last));
    page.gauge("mc_last_event_age_seconds", "Time since the last record of the journal.", age);
    page.gauge("mc_rounds", "Rounds opened.", number(state.rounds.len() as u64));
    page.gauge("mc_needs_you", "Things only a person can do.", number(needs_you(view).len() as u64));
    if let Some((_, _, code)) = &state.outcome {
        page.gauge("mc_mission_exit_code", "Exit code of the mission.", f64::from(*code));
    }
}

fn units(page: &mut Page<'_>, view: &View<'_>) {
    let state = view.state;
    page.family("mc_units", "gauge", "Units by state; each unit is in exactly one.");
    for &kind in UnitState::ALL {
        page.sample("mc_units", &[("state", kind.name())], f64::from(state.count(kind)));
    }
    let queued = state.queue().count() + usize::from(state.landing().is_some());
    page.gauge("mc_queue_length", "Merge requests that wait or are being landed.", number(queued as u64));
    page.family("mc_landings_total", "counter", "Landings of units and of the target branch.");
    page.sample("mc_landings_total", &[], number(state.landed));
    page.gauge("mc_attempts_running", "Attempts that run.", number(state.running().count() as u64));
    let mut classes: BTreeMap<AttemptClass, u64> = BTreeMap::new();
    for class in state.units.iter().flat_map(|unit| &unit.attempts).filter_map(|attempt| attempt.class) {
        *classes.entry(class).or_default() += 1;
    }
    page.family("mc_attempts_total", "counter", "Attempts that ended, by the class of their outcome.");
    for (class, count) in classes {
        page.sample("mc_attempts_total", &[("class", &word(&class))], number(count));
    }
    let unknown = number(cost::unknown(state));
    page.gauge("mc_cost_unknown_attempts", "Attempts of agents whose cost nobody told.", unknown);
}

fn work(page: &mut Page<'_>, view: &View<'_>) {
    let state = view.state;
    let times = view.timeline();
    page.family("mc_verifications_total", "counter", "Verifications by whether stages ran or a snapshot answered.");
    for (result, count) in [("run", state.verifications_run), ("reused", state.verifications_reused)] {
        page.sample("mc_verifications_total", &[("result", result)], number(count));
    }
    let ran =
        times.runs.iter().filter(|run| run.span.until.is_some() && !run.answer().is_some_and(|answer| answer.reused));
    let lengths: Vec<Millis> = ran.map(|run| run.span.length(view.now)).collect();
    page.summary("mc_verification_duration_seconds", "Verifications that ran to an answer.", &lengths);
    let attempts = times.units.iter().flat_map(|unit| &unit.attempts).filter_map(|attempt| attempt.ran);
    let lengths: Vec<Millis> = attempts.map(|ran| ran.length(view.now)).collect();
    page.summary("mc_attempt_run_duration_seconds", "Processes of attempts that ended.", &lengths);
    page.family("mc_unit_phase_seconds_total", "counter", "Time of all units by what it was spent on.");
    let total = |phase| times.units.iter().map(|unit| unit.phases.of(phase)).sum();
    for &phase in Phase::ALL {
        page.sample("mc_unit_phase_seconds_total", &[("phase", phase.name())], seconds(total(phase)));
    }
    page.family("mc_suspended_seconds_total", "counter", "Time during which the mission was suspended.");
    page.sample("mc_suspended_seconds_total", &[], seconds(times.away));
}

impl Page<'_> {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One number without labels.
    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let _ = write!(self.out, "{name}{{repository=\"{}\"", escaped(self.repository));
        for (label, text) in labels {
            let _ = write!(self.out, ",{label}=\"{}\"", escaped(text));
        }
        let _ = writeln!(self.out, "}} {value}");
    }

    fn summary(&mut self, name: &str, help: &str, lengths: &[Millis]) {
        self.family(name, "summary", help);
        self.sample(&format!("{name}_sum"), &[], seconds(lengths.iter().sum()));
        self.sample(&format!("{name}_count"), &[], number(lengths.len() as u64));
    }
}

/// A label value as the format wants it: backslash, quote and line feed escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(millis: Millis) -> f64 {
    number(millis) / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts and milliseconds are far below 2^52")]
fn number(count: u64) -> f64 {
    count as f64
}
