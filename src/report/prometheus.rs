//! `mc status --prometheus`: the newest mission in the Prometheus text exposition format, version 0.0.4.
//!
//! Promises: every family has one HELP and one TYPE line before its samples; times are seconds; label values are escaped; what
//! is unknown has no sample (an unknown cost is no 0). Every sample carries `repository`, so that the pages of several
//! repositories can stand side by side.

use super::needs::list_needs;
use super::{View, cost, hosts, word};
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
    page.write_gauge("mc_engine_up", "Whether an engine works on the newest mission.", f64::from(u8::from(up)));
    if let Some(view) = view {
        write_mission(&mut page, view);
        write_units(&mut page, view);
        write_work(&mut page, view);
        write_hosts(&mut page, view);
    }
    page.out
}

fn write_mission(page: &mut Page<'_>, view: &View<'_>) {
    let state = view.state;
    let (name, outcome) = (state.mission.as_str(), state.outcome.as_ref().map(|(outcome, ..)| word(outcome)));
    page.write_family("mc_mission_info", "gauge", "The newest mission, its state and, when it ended, its outcome.");
    let (now, outcome) = (word(&state.mission_state()), outcome.unwrap_or_default());
    page.write_sample("mc_mission_info", &[("mission", name), ("state", &now), ("outcome", &outcome)], 1.0);
    let began = "mc_mission_started_timestamp_seconds";
    page.write_gauge(began, "When the mission started, since the epoch.", seconds(state.started));
    let lasted = seconds(state.ended.unwrap_or(view.now).saturating_sub(state.started));
    page.write_gauge("mc_mission_duration_seconds", "Wall time of the mission so far or to its end.", lasted);
    let last = view.records.last().map_or(state.started, |(_, at, _)| *at);
    let age = seconds(view.now.saturating_sub(last));
    page.write_gauge("mc_last_event_age_seconds", "Time since the last record of the journal.", age);
    page.write_gauge("mc_rounds", "Rounds opened.", number(state.rounds.len() as u64));
    page.write_gauge("mc_needs_you", "Things only a person can do.", number(list_needs(view).len() as u64));
    if let Some((_, _, code)) = &state.outcome {
        page.write_gauge("mc_mission_exit_code", "Exit code of the mission.", f64::from(*code));
    }
}

fn write_units(page: &mut Page<'_>, view: &View<'_>) {
    let state = view.state;
    page.write_family("mc_units", "gauge", "Units by state; each unit is in exactly one.");
    for &kind in UnitState::ALL {
        page.write_sample("mc_units", &[("state", kind.name())], f64::from(state.count(kind)));
    }
    let queued = state.queue().count() + usize::from(state.landing().is_some());
    page.write_gauge("mc_queue_length", "Merge requests that wait or are being landed.", number(queued as u64));
    page.write_family("mc_landings_total", "counter", "Landings of units and of the target branch.");
    page.write_sample("mc_landings_total", &[], number(state.landed));
    page.write_gauge("mc_attempts_running", "Attempts that run.", number(state.running_attempts().count() as u64));
    let mut classes: BTreeMap<AttemptClass, u64> = BTreeMap::new();
    for class in state.units.iter().flat_map(|unit| &unit.attempts).filter_map(|attempt| attempt.class) {
        *classes.entry(class).or_default() += 1;
    }
    page.write_family("mc_attempts_total", "counter", "Attempts that ended, by the class of their outcome.");
    for (class, count) in classes {
        page.write_sample("mc_attempts_total", &[("class", &word(&class))], number(count));
    }
    let unknown = number(cost::count_unknown(state));
    page.write_gauge("mc_cost_unknown_attempts", "Attempts of agents whose cost nobody told.", unknown);
}

fn write_work(page: &mut Page<'_>, view: &View<'_>) {
    let state = view.state;
    let times = view.timeline();
    page.write_family(
        "mc_verifications_total",
        "counter",
        "Verifications by whether stages ran or a snapshot answered.",
    );
    for (result, count) in [("run", state.verifications_run), ("reused", state.verifications_reused)] {
        page.write_sample("mc_verifications_total", &[("result", result)], number(count));
    }
    let ran =
        times.runs.iter().filter(|run| run.span.until.is_some() && !run.answer().is_some_and(|answer| answer.reused));
    let lengths: Vec<Millis> = ran.map(|run| run.span.length(view.now)).collect();
    page.write_summary("mc_verification_duration_seconds", "Verifications that ran to an answer.", &lengths);
    let attempts = times.units.iter().flat_map(|unit| &unit.attempts).filter_map(|attempt| attempt.ran);
    let lengths: Vec<Millis> = attempts.map(|ran| ran.length(view.now)).collect();
    page.write_summary("mc_attempt_run_duration_seconds", "Processes of attempts that ended.", &lengths);
    page.write_family("mc_unit_phase_seconds_total", "counter", "Time of all units by what it was spent on.");
    let total = |phase| times.units.iter().map(|unit| unit.phases.of(phase)).sum();
    for &phase in Phase::ALL {
        page.write_sample("mc_unit_phase_seconds_total", &[("phase", phase.name())], seconds(total(phase)));
    }
    page.write_family("mc_suspended_seconds_total", "counter", "Time during which the mission was suspended.");
    page.write_sample("mc_suspended_seconds_total", &[], seconds(times.away));
}

/// Only of a mission with hosts.
fn write_hosts(page: &mut Page<'_>, view: &View<'_>) {
    if !hosts::has_hosts(view.state) {
        return;
    }
    let loads = hosts::loads(view);
    page.write_family("mc_host_up", "gauge", "Whether a host of the mission is used: it answers and is not drained.");
    for load in &loads {
        page.write_sample("mc_host_up", &[("host", load.host.as_str())], f64::from(u8::from(load.used)));
    }
    page.write_family("mc_host_attempts_running", "gauge", "Attempts that run, by host.");
    for load in &loads {
        page.write_sample("mc_host_attempts_running", &[("host", load.host.as_str())], number(load.running as u64));
    }
    let shares = hosts::shares(view);
    page.write_family("mc_host_attempts_total", "counter", "Attempts that were started, by host.");
    for (host, share) in &shares {
        page.write_sample("mc_host_attempts_total", &[("host", host.as_str())], number(share.attempts.len() as u64));
    }
    page.write_family("mc_host_verifications_total", "counter", "Verifications that were started, by host.");
    for (host, share) in &shares {
        let runs = number(share.verifications.len() as u64);
        page.write_sample("mc_host_verifications_total", &[("host", host.as_str())], runs);
    }
}

impl Page<'_> {
    fn write_family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One number without labels.
    fn write_gauge(&mut self, name: &str, help: &str, value: f64) {
        self.write_family(name, "gauge", help);
        self.write_sample(name, &[], value);
    }

    fn write_sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let _ = write!(self.out, "{name}{{repository=\"{}\"", escape_label(self.repository));
        for (label, text) in labels {
            let _ = write!(self.out, ",{label}=\"{}\"", escape_label(text));
        }
        let _ = writeln!(self.out, "}} {value}");
    }

    fn write_summary(&mut self, name: &str, help: &str, lengths: &[Millis]) {
        self.write_family(name, "summary", help);
        self.write_sample(&format!("{name}_sum"), &[], seconds(lengths.iter().sum()));
        self.write_sample(&format!("{name}_count"), &[], number(lengths.len() as u64));
    }
}

/// A label value as the format wants it: backslash, quote and line feed escaped.
fn escape_label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(millis: Millis) -> f64 {
    number(millis) / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts and milliseconds are far below 2^52")]
fn number(count: u64) -> f64 {
    count as f64
}
