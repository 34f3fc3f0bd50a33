//! `mc hosts check` and `mc hosts clean` for people and programs.

use super::sanitize;
use super::words::{count, to_one_line};
use crate::domain::base::text::format_size;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// A clock that is further off is worth a word.
const OFFSET: i64 = 60_000;

/// The worker's program on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// One that is there already.
    There(String),
    /// That of this process, which is sent where it is missing.
    Own {
        /// Its bytes.
        size: u64,
        /// Whether it needs no library there.
        is_static: bool,
    },
}

/// Why a host cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is in the way. Untrusted.
    pub why: String,
    /// What to do.
    pub help: String,
}

/// What a host is like. Everything but numbers is untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// How long it took to reach its worker.
    pub connected: Duration,
    /// Whether the program had to be sent.
    pub sent: bool,
    /// Version of `mc` there.
    pub version: String,
    /// Newest form of messages that it understands.
    pub protocol: u32,
    /// Kernel and architecture.
    pub system: String,
    /// Its own name.
    pub machine: String,
    /// The folder of everything that is kept there.
    pub root: PathBuf,
    /// Its git.
    pub git: Option<(u32, u32)>,
    /// Bytes free on its disk.
    pub free_disk: Option<u64>,
    /// Bytes free of its memory.
    pub free_memory: Option<u64>,
    /// Its processors.
    pub processors: usize,
    /// Its load, in hundredths.
    pub load: Option<u64>,
    /// Milliseconds that its clock is before ours.
    pub clock_offset: i64,
    /// How long a small request takes.
    pub request: Duration,
    /// Bytes in a second to it.
    pub there: u64,
    /// Bytes in a second from it.
    pub back: u64,
    /// How runs are contained.
    pub isolation: String,
    /// Whether that is a pid namespace.
    pub has_namespace: bool,
    /// Whether runs are fenced.
    pub fenced: bool,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// A host that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCheck {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub way: String,
    /// What the worker there is.
    pub program: Program,
    /// What came of it.
    pub outcome: Result<Checked, Refused>,
}

impl HostCheck {
    /// Whether work can be given to it.
    pub const fn is_usable(&self) -> bool {
        self.outcome.is_ok()
    }
}

/// All hosts as text.
pub fn check_text(checks: &[HostCheck]) -> String {
    let mut out = String::new();
    for check in checks {
        let (name, way) = (&check.name, to_one_line(&check.way, 200));
        match &check.outcome {
            Ok(found) => {
                let _ = writeln!(out, "{name}  can be used ({way})");
                for (about, said) in describe_checked(check, found) {
                    let _ = writeln!(out, "  {about:9} {}", sanitize(&said));
                }
            }
            Err(Refused { why, help }) => {
                let _ = writeln!(out, "{name}  cannot be used ({way})");
                let _ = writeln!(out, "  why       {}", to_one_line(why, 1_000));
                let _ = writeln!(out, "  help      {}", to_one_line(help, 400));
                let _ = writeln!(out, "  program   {}", describe_program(&check.program));
            }
        }
    }
    let (usable, all) = (checks.iter().filter(|check| check.is_usable()).count(), checks.len() as u64);
    let _ = writeln!(out, "{usable} of {} can be used", count(all, "host"));
    out
}

fn describe_program(program: &Program) -> String {
    match program {
        Program::There(path) => format!("{path} of that machine is used (`program`)"),
        Program::Own { size, is_static: true } => format!("mc sends itself: {}, static", format_size(*size)),
        Program::Own { size, is_static: false } => {
            format!(
                "mc sends itself: {}, not static: it runs there only with the libraries of this machine",
                format_size(*size)
            )
        }
    }
}

fn describe_checked(check: &HostCheck, found: &Checked) -> Vec<(&'static str, String)> {
    let sent = if found.sent { "; it was sent now" } else { "" };
    let load = found.load.map_or_else(String::new, |load| format!(", load {}.{:02}", load / 100, load % 100));
    let memory = found.free_memory.map_or_else(String::new, |free| format!(", {} of memory free", format_size(free)));
    let processors = count(found.processors as u64, "processor");
    let disk = found.free_disk.map_or_else(|| "nobody knows how much".to_owned(), format_size);
    let (millis, late) = (found.clock_offset.unsigned_abs(), found.clock_offset < 0);
    let clock = format!("{millis} ms {} ours", if late { "behind" } else { "before" });
    let wrong = if found.clock_offset.abs() > OFFSET { ": times in its own files are wrong by that" } else { "" };
    let namespace = if found.has_namespace { "in a pid namespace" } else { "found by search and killed" };
    let fence = if found.fenced { "fenced" } else { "not fenced" };
    let mut lines = vec![
        (
            "reached",
            format!("in {} ms; mc {}, protocol {}{sent}", found.connected.as_millis(), found.version, found.protocol),
        ),
        ("program", describe_program(&check.program)),
        ("machine", format!("{}: {}, {processors}{load}{memory}", found.machine, found.system)),
        ("disk", format!("{disk} free in {}", found.root.display())),
        ("clock", format!("{clock}{wrong}")),
        (
            "speed",
            format!(
                "{}.{:03} ms a request, {}/s there, {}/s back",
                found.request.as_micros() / 1_000,
                found.request.as_micros() % 1_000,
                format_size(found.there),
                format_size(found.back)
            ),
        ),
        ("git", found.git.map_or_else(|| "none that will do".to_owned(), |(major, minor)| format!("{major}.{minor}"))),
        ("runs", format!("{namespace} ({}), {fence}", found.isolation)),
    ];
    lines.extend(found.notes.iter().map(|note| ("note", to_one_line(note, 600))));
    lines
}

/// All hosts as `{"schema": 1, "usable": …, "hosts": […]}`.
pub fn check_json(checks: &[HostCheck]) -> Value {
    let hosts: Vec<Value> = checks.iter().map(one_json).collect();
    json!({"schema": 1, "usable": checks.iter().all(HostCheck::is_usable), "hosts": hosts})
}

fn one_json(check: &HostCheck) -> Value {
    let program = match &check.program {
        Program::There(path) => json!({"path": path, "size": null, "static": null}),
        Program::Own { size, is_static } => json!({"path": null, "size": size, "static": is_static}),
    };
    let mut body = json!({"name": check.name, "way": check.way, "program": program, "usable": check.is_usable()});
    let more = match &check.outcome {
        Err(Refused { why, help }) => json!({"error": why, "help": help}),
        Ok(found) => json!({
            "connect_ms": millis(found.connected),
            "sent": found.sent,
            "version": found.version,
            "protocol": found.protocol,
            "system": found.system,
            "machine": found.machine,
            "root": found.root,
            "git": found.git.map(|(major, minor)| format!("{major}.{minor}")),
            "free_disk": found.free_disk,
            "free_memory": found.free_memory,
            "processors": found.processors,
            "load": found.load.map(|load| load as f64 / 100.0),
            "clock_offset_ms": found.clock_offset,
            "request_ms": millis(found.request),
            "bytes_per_second": {"there": found.there, "back": found.back},
            "isolation": found.isolation,
            "fenced": found.fenced,
            "notes": found.notes,
        }),
    };
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    body
}

/// Milliseconds with their thousandths.
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1_000.0
}

/// What was taken away on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// What went, with its bytes. Untrusted.
    pub removed: Vec<(String, u64)>,
    /// What stays, and why. Untrusted.
    pub kept: Vec<(String, String)>,
}

/// A host that was cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCleaning {
    /// Its name.
    pub name: String,
    /// What came of it, or why nothing could be done.
    pub outcome: Result<Removal, Refused>,
}

impl HostCleaning {
    /// Whether nothing is left.
    pub fn is_clean(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|removal| removal.kept.is_empty())
    }
}

/// What became of hosts, as text.
pub fn clean_text(hosts: &[HostCleaning], dry_run: bool) -> String {
    let mut out = String::new();
    for HostCleaning { name, outcome } in hosts {
        let Removal { removed, kept } = match outcome {
            Ok(outcome) => outcome,
            Err(Refused { why, help }) => {
                let _ = writeln!(out, "{name}  not cleaned: {}", to_one_line(why, 1_000));
                let _ = writeln!(out, "  help: {}", to_one_line(help, 400));
                continue;
            }
        };
        let bytes = format_size(removed.iter().map(|(_, bytes)| bytes).sum());
        let _ = match (removed.is_empty(), dry_run) {
            (true, _) => writeln!(out, "{name}  nothing to remove"),
            (false, true) => writeln!(out, "{name}  would remove {bytes}"),
            (false, false) => writeln!(out, "{name}  removed {bytes}"),
        };
        for (what, bytes) in removed {
            let _ = writeln!(out, "  {}  {}", to_one_line(what, 200), format_size(*bytes));
        }
        for (what, why) in kept {
            let stays = if dry_run { "has to be brought here or ended first" } else { "stays" };
            let _ = writeln!(out, "  {} {stays}: {}", to_one_line(what, 200), to_one_line(why, 300));
        }
    }
    out
}

/// The same as `{"schema": 1, "removed": …, "hosts": […]}`.
pub fn clean_json(hosts: &[HostCleaning], dry_run: bool) -> Value {
    let hosts = hosts.iter().map(|host| match &host.outcome {
        Err(Refused { why, help }) => json!({"name": host.name, "error": why, "help": help}),
        Ok(Removal { removed, kept }) => json!({
            "name": host.name,
            "bytes": removed.iter().map(|(_, bytes)| bytes).sum::<u64>(),
            "removed": removed.iter().map(|(name, bytes)| json!({"name": name, "bytes": bytes})).collect::<Vec<_>>(),
            "kept": kept.iter().map(|(name, why)| json!({"name": name, "reason": why})).collect::<Vec<_>>(),
        }),
    });
    json!({"schema": 1, "deleted": !dry_run, "hosts": hosts.collect::<Vec<_>>()})
}
