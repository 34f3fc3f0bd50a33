//! `mc hosts list`, and hosts in other views: how each stands by what the mission knows, and what runs there. Nobody is asked.

use super::words::{count, span, stamp, to_one_line};
use super::{View, sanitize};
use crate::domain::base::text::name_first;
use crate::domain::mission::{
    Attempt, Event, Health, HostPolicy, Liveness, Record, State, Unit, VerificationRun, Witness,
};
use crate::domain::trouble::Cause;
use crate::domain::values::{HostId, Millis, RunId, UnitId};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A host of the settings or of the mission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRow {
    /// Its name.
    pub host: HostId,
    /// How it is reached; absent: the settings do not name it any more.
    pub way: Option<String>,
    /// Units that run there at once.
    pub workers: u32,
    /// Verifications that run there at once.
    pub verifiers: u32,
    /// What units can ask of it.
    pub labels: Vec<String>,
}

impl HostRow {
    /// A host as a mission has it.
    pub fn of_policy(policy: &HostPolicy) -> Self {
        Self {
            host: policy.host.clone(),
            way: None,
            workers: policy.workers,
            verifiers: policy.verifiers,
            labels: policy.labels.iter().cloned().collect(),
        }
    }
}

/// Hosts, or attempts of one, that are named before a list is cut.
const SHOWN: usize = 20;

/// How a host stands in a mission.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing<'a> {
    /// There is no unfinished mission.
    NoMission,
    /// The mission was started without it.
    NotOfMission,
    /// It is used.
    Ready,
    /// The engine has had no answer of it yet.
    NotAsked,
    /// No engine works: the next one asks it.
    NoEngine,
    /// It is left out.
    LeftOut(LeftOut<'a>),
}

/// That a host is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LeftOut<'a> {
    since: Millis,
    again_at: Millis,
    tries: u32,
    cause: &'a Cause,
    /// What the host or the way to it said. Untrusted.
    why: &'a str,
}

impl Standing<'_> {
    const fn word(&self) -> &'static str {
        match self {
            Self::NoMission => "no-mission",
            Self::NotOfMission => "not-of-mission",
            Self::Ready => "ready",
            Self::NotAsked => "not-asked",
            Self::NoEngine => "no-engine",
            Self::LeftOut(_) => "left-out",
        }
    }
}

fn stands<'a>(view: Option<&View<'a>>, host: &HostId) -> Standing<'a> {
    let Some(view) = view.filter(|view| !view.state.is_over()) else { return Standing::NoMission };
    let hosts = &view.state.policy.hosts;
    let alone = hosts.is_empty() && host.is_local();
    match view.state.hosts().health(host) {
        None if alone || hosts.iter().any(|policy| policy.host == *host) => Standing::Ready,
        None => Standing::NotOfMission,
        Some(_) if view.engine.is_none() => Standing::NoEngine,
        Some(Health::Unseen) => Standing::NotAsked,
        Some(Health::Ready { .. }) => Standing::Ready,
        Some(Health::Benched { since, again_at, tries, cause }) => {
            let told = view.records.iter().rev().find_map(|(_, _, record)| match record {
                Record::HostBenched { host: of, trouble, .. } if of == host => Some(trouble.why.as_str()),
                _ => None,
            });
            let (since, again_at, tries, why) = (*since, *again_at, *tries, told.unwrap_or_default());
            Standing::LeftOut(LeftOut { since, again_at, tries, cause, why })
        }
    }
}

/// Who can tell whether what the mission has on its hosts goes on; `found_here`: whether processes of it are on this machine.
pub(super) fn witness(view: &View<'_>, found_here: bool) -> Witness {
    if view.engine.is_some() { Witness::Engine } else { Witness::Nobody { found_here } }
}

/// Whether an attempt goes on.
pub fn liveness(view: &View<'_>, unit: &Unit, attempt: &Attempt) -> Liveness {
    let found_here = view.left.agents.iter().any(|(id, n)| *id == unit.spec.id && *n == attempt.n);
    Liveness::of_attempt(view.state, unit, attempt, witness(view, found_here))
}

/// Whether a mission has hosts besides the machine of its engine.
pub fn has_hosts(state: &State) -> bool {
    !state.policy.hosts.is_empty()
}

/// What a person asked of a host last that no engine has taken: whether to drain it.
fn pending_drain(view: &View<'_>, host: &HostId) -> Option<bool> {
    view.left.requests.iter().rev().find_map(|event| match event {
        Event::DrainHost(of) if of == host => Some(true),
        Event::ResumeHost(of) if of == host => Some(false),
        _ => None,
    })
}

/// Attempts on a host that nobody has collected yet.
fn attempts_on<'a>(view: &'a View<'a>, host: &'a HostId) -> impl Iterator<Item = (&'a Unit, &'a Attempt)> {
    let open = view.state.running_attempts().chain(view.state.uncollected_attempts());
    open.filter(move |(_, attempt)| attempt.slot.host == *host && !view.state.is_over())
}

fn runs_on<'a>(view: &'a View<'a>, host: &'a HostId) -> impl Iterator<Item = &'a VerificationRun> {
    view.state.verifications().filter(move |run| run.host == *host && !view.state.is_over())
}

/// All hosts as text; `unused` says why those of the settings are not used, and what to do.
pub fn list(rows: &[HostRow], view: Option<&View<'_>>, unused: Option<&str>) -> String {
    let mut out = String::new();
    for row in rows {
        let _ = writeln!(out, "{}  {}", row.host, describe_standing(row, view));
        let way = row.way.as_deref().map_or("not in the settings any more".to_owned(), sanitize);
        let labels = if row.labels.is_empty() { String::new() } else { format!(", labels {}", row.labels.join(", ")) };
        let (workers, verifiers) = (count(row.workers.into(), "worker"), count(row.verifiers.into(), "verifier"));
        let _ = writeln!(out, "  {way}: {workers}, {verifiers}{labels}");
        let Some(view) = view else { continue };
        for (unit, attempt) in attempts_on(view, &row.host) {
            let (age, n) = (span(view.now.saturating_sub(attempt.started)), attempt.n);
            let (slot, word) = (attempt.slot.number, liveness(view, unit, attempt).word());
            let _ = writeln!(out, "  {}  attempt {n} for {age}, slot {slot}: {word}", unit.spec.id);
        }
        for run in runs_on(view, &row.host) {
            let age = span(view.now.saturating_sub(run.at));
            let _ = writeln!(out, "  verification {} of {} for {age}", run.run, run.tip.commit.short_id());
        }
    }
    let _ = writeln!(out, "next: {}", next(rows, view, unused));
    out
}

fn describe_standing(row: &HostRow, view: Option<&View<'_>>) -> String {
    let now = view.map_or(0, |view| view.now);
    let drained = view.is_some_and(|view| !view.state.is_over() && view.state.hosts().is_drained(&row.host));
    let mut text = match stands(view, &row.host) {
        Standing::NoMission => "no unfinished mission".to_owned(),
        Standing::NotOfMission if row.host.is_local() => "not used in this mission".to_owned(),
        Standing::NotOfMission => "not of this mission: it was started without it".to_owned(),
        Standing::Ready if drained => "answers".to_owned(),
        Standing::Ready => "ready".to_owned(),
        Standing::NotAsked => "has not answered yet".to_owned(),
        Standing::NoEngine => "not asked: no engine works on the mission".to_owned(),
        Standing::LeftOut(left_out) => left_out.describe(now),
    };
    if drained {
        text.push_str(", drained: nothing new starts there");
    }
    match view.and_then(|view| pending_drain(view, &row.host)) {
        Some(true) => text.push_str("; the next engine drains it"),
        Some(false) => text.push_str("; the next engine takes it back into use"),
        None => {}
    }
    text
}

impl LeftOut<'_> {
    /// Since when, why, and when it is asked again.
    fn describe(&self, now: Millis) -> String {
        let lasts = span(now.saturating_sub(self.since));
        let why = if self.why.is_empty() { self.cause.words() } else { self.why.to_owned() };
        let again = match self.again_at.saturating_sub(now) {
            0 => "now".to_owned(),
            left => format!("in {}", span(left)),
        };
        let times = if self.tries > 1 { format!(", for the {}. time", self.tries) } else { String::new() };
        format!("left out for {lasts}{times}, asked again {again}: {}", to_one_line(&why, 300))
    }

    fn to_json(&self) -> Value {
        json!({
            "since": stamp(self.since),
            "again_at": stamp(self.again_at),
            "tries": self.tries,
            "cause": self.cause.words(),
            "why": self.why,
        })
    }
}

/// Hosts of an unfinished mission in the status: how many are used, and why the others are not. Empty for a mission without hosts.
pub fn status_lines(view: &View<'_>) -> Vec<String> {
    if !has_hosts(view.state) || view.state.is_over() {
        return Vec::new();
    }
    let rows: Vec<HostRow> = view.state.policy.hosts.iter().map(HostRow::of_policy).collect();
    let plain = |row: &&HostRow| {
        stands(Some(view), &row.host) == Standing::Ready
            && !view.state.hosts().is_drained(&row.host)
            && pending_drain(view, &row.host).is_none()
    };
    let ready = rows.iter().filter(plain).count();
    let first = format!("{ready} of {} ready", count(rows.len() as u64, "host"));
    let others = rows.iter().filter(|row| !plain(row)).take(SHOWN);
    let others = others.map(|row| format!("{}  {}", row.host, describe_standing(row, Some(view))));
    std::iter::once(first).chain(others).collect()
}

/// The same as JSON, each host with what runs there; absent for a mission without hosts.
pub fn status_json(view: &View<'_>) -> Option<Value> {
    let rows = view.state.policy.hosts.iter().map(HostRow::of_policy);
    let body = |row: HostRow| merge(json!({"name": row.host}), row_json(&row, Some(view)));
    has_hosts(view.state).then(|| rows.map(body).collect())
}

/// What a mission had on one host.
#[derive(Debug, Default)]
pub struct HostShare {
    /// Attempts: unit and number.
    pub attempts: Vec<(UnitId, u32)>,
    /// Verifications.
    pub verifications: Vec<RunId>,
}

/// A host at one moment.
#[derive(Debug)]
pub struct HostLoad {
    /// Its name.
    pub host: HostId,
    /// Whether something may start there.
    pub used: bool,
    /// Attempts that run there.
    pub running: usize,
}

/// How the hosts of a mission are used now.
pub fn loads(view: &View<'_>) -> Vec<HostLoad> {
    let load = |policy: &HostPolicy| HostLoad {
        host: policy.host.clone(),
        used: view.engine.is_some()
            && stands(Some(view), &policy.host) == Standing::Ready
            && !view.state.hosts().is_drained(&policy.host),
        running: view.state.running_attempts().filter(|(_, attempt)| attempt.slot.host == policy.host).count(),
    };
    view.state.policy.hosts.iter().map(load).collect()
}

/// What each host of a mission was given, by the journal; empty for a mission without hosts.
pub fn shares(view: &View<'_>) -> Vec<(HostId, HostShare)> {
    if !has_hosts(view.state) {
        return Vec::new();
    }
    let mut shares: BTreeMap<&HostId, HostShare> = BTreeMap::new();
    for (_, _, record) in view.records {
        match record {
            Record::SessionStarted { host, unit, n, .. } => {
                shares.entry(host).or_default().attempts.push((unit.clone(), *n));
            }
            Record::VerifyStarted(run) => shares.entry(&run.host).or_default().verifications.push(run.run),
            _ => {}
        }
    }
    let mut hosts: Vec<&HostId> = view.state.policy.hosts.iter().map(|policy| &policy.host).collect();
    // A mission without units on this machine may verify on it.
    hosts.extend(shares.keys().filter(|host| view.state.policy.hosts.iter().all(|policy| policy.host != ***host)));
    hosts.into_iter().map(|host| (host.clone(), shares.remove(host).unwrap_or_default())).collect()
}

/// What each host was given, one line each: `box1: 2 attempts (a 1, b 1), 1 verification`.
pub fn share_lines(view: &View<'_>) -> Vec<String> {
    let line = |(host, share): &(HostId, HostShare)| {
        let [attempts, runs] = [share.attempts.len(), share.verifications.len()].map(|n| n as u64);
        let names = share.attempts.iter().map(|(unit, n)| format!("{unit} {n}"));
        let names = if attempts > 0 { format!(" ({})", name_first(names, SHOWN)) } else { String::new() };
        format!("{host}: {}{names}, {}", count(attempts, "attempt"), count(runs, "verification"))
    };
    shares(view).iter().map(line).collect()
}

/// The same as JSON; absent for a mission without hosts.
pub fn share_json(view: &View<'_>) -> Option<Value> {
    let body = |(host, share): (HostId, HostShare)| {
        let attempts = share.attempts.iter().map(|(unit, n)| json!({"unit": unit, "n": n}));
        json!({"name": host, "attempts": attempts.collect::<Vec<_>>(), "verifications": share.verifications})
    };
    has_hosts(view.state).then(|| shares(view).into_iter().map(body).collect())
}

/// Where an attempt that is open is, as the end of its host's name: ` (unreachable)`; empty for one that goes on.
pub fn describe_liveness(view: &View<'_>, unit: &Unit, attempt: &Attempt) -> String {
    let open = attempt.ended.is_none() && has_hosts(view.state) && !view.state.is_over();
    match liveness(view, unit, attempt) {
        Liveness::Live => String::new(),
        word if open => format!(" ({})", word.word()),
        _ => String::new(),
    }
}

/// The command to type next.
fn next(rows: &[HostRow], view: Option<&View<'_>>, unused: Option<&str>) -> String {
    let standing = |row: &HostRow| stands(view, &row.host);
    let drained = |row: &&HostRow| view.is_some_and(|view| view.state.hosts().is_drained(&row.host));
    if rows.iter().all(|row| row.host.is_local()) {
        return unused
            .unwrap_or("name hosts in the settings (docs/hosts.md), or go on with this machine alone")
            .to_owned();
    }
    if rows.iter().any(|row| matches!(standing(row), Standing::LeftOut(_))) {
        return "`mc hosts check` tries each host and says what helps".to_owned();
    }
    match rows.iter().find(drained) {
        Some(row) => format!("`mc hosts resume {}` takes it back into use", row.host),
        None => "`mc hosts check` tries each host".to_owned(),
    }
}

/// All hosts as `{"schema": 1, "mission", "engine", "hosts": […]}`.
pub fn list_json(rows: &[HostRow], view: Option<&View<'_>>) -> Value {
    let open = view.filter(|view| !view.state.is_over());
    json!({
        "schema": 1,
        "mission": open.map(|view| view.state.mission.as_str()),
        "engine": open.and_then(|view| view.engine),
        "hosts": rows.iter().map(|row| row_json(row, view)).collect::<Vec<_>>(),
    })
}

fn row_json(row: &HostRow, view: Option<&View<'_>>) -> Value {
    let open = view.filter(|view| !view.state.is_over());
    let mut body = json!({
        "name": row.host,
        "way": row.way,
        "max_workers": row.workers,
        "max_verifiers": row.verifiers,
        "labels": row.labels,
    });
    if let Some(view) = open {
        body["running"] = attempts_on(view, &row.host)
            .map(|(unit, attempt)| {
                json!({
                    "unit": unit.spec.id,
                    "attempt": attempt.n,
                    "slot": attempt.slot.number,
                    "started_at": stamp(attempt.started),
                    "liveness": liveness(view, unit, attempt),
                })
            })
            .collect();
        body["verifying"] =
            runs_on(view, &row.host).map(|run| json!({"run": run.run, "started_at": stamp(run.at)})).collect();
    }
    merge(body, standing_json(open, &row.host))
}

/// `{state, liveness, drained, drain_waits, left_out {since, again_at, tries, cause}}`.
pub fn standing_json(view: Option<&View<'_>>, host: &HostId) -> Value {
    let standing = stands(view, host);
    let left_out = match &standing {
        Standing::LeftOut(left_out) => left_out.to_json(),
        _ => Value::Null,
    };
    json!({
        "state": standing.word(),
        "liveness": view.map(|view| Liveness::of_host(view.state, host, witness(view, false))),
        "drained": view.is_some_and(|view| view.state.hosts().is_drained(host)),
        "drain_waits": view.and_then(|view| pending_drain(view, host)),
        "left_out": left_out,
    })
}

fn merge(mut body: Value, more: Value) -> Value {
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    body
}
