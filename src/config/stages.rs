//! The list `[[target.verification.stage]]`.
//!
//! Promises: every stage has a name of its own and a command; unknown and later keys, and keys that mean nothing for the
//! kind of their stage, are refused with their line.

use super::Problem;
use super::layers::{File, Source};
use super::schema::{self, Key, Support};
use super::value::{Kind, Refusal, Value};
use crate::domain::base::nearest::nearest;
use crate::domain::plan::globs::Globs;
use crate::domain::verify::formats::Format;
use crate::domain::verify::key::{Better, Demand, StageKind, StageSpec, Tier};
use std::time::Duration;
use toml::de::{DeTable, DeValue};

const PATH: &str = "target.verification.stage";

const KEYS: &[Key] = &[
    Key { path: "name", kind: Kind::Text, support: Support::Now("") },
    Key { path: "run", kind: Kind::Line, support: Support::Now("") },
    Key { path: "kind", kind: schema::STAGE_KINDS, support: Support::Now("tests") },
    Key { path: "tier", kind: schema::STAGE_TIERS, support: Support::Now("gate") },
    Key { path: "format", kind: schema::STAGE_FORMATS, support: Support::Now("auto") },
    Key { path: "timeout", kind: Kind::Time, support: Support::Now("") },
    Key { path: "at_most", kind: Kind::Number, support: Support::Now("") },
    Key { path: "at_least", kind: Kind::Number, support: Support::Now("") },
    Key { path: "better", kind: Kind::Choice(&["lower", "higher"], &[]), support: Support::Now("") },
    Key { path: "ratchet", kind: Kind::Flag, support: Support::Now("") },
    Key { path: "reports", kind: Kind::Texts, support: Support::Now("[]") },
];

/// One stage as written; the timeout of the section stands in where it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    name: String,
    run: String,
    kind: String,
    tier: String,
    format: String,
    timeout: Option<Duration>,
    demand: Demand,
    reports: Vec<String>,
}

impl Stage {
    /// The only stage of a file with `command`.
    #[must_use]
    pub fn of_command(command: &str) -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            name: text("verification"),
            run: text(command),
            kind: text("tests"),
            tier: text("gate"),
            format: text("auto"),
            timeout: None,
            demand: Demand::default(),
            reports: Vec::new(),
        }
    }

    /// The stage the engine runs.
    #[must_use]
    pub fn spec(&self, timeout: Duration) -> StageSpec {
        StageSpec {
            name: self.name.clone(),
            run: self.run.clone(),
            kind: self.kind(),
            tier: if self.tier == "quick" { Tier::Quick } else { Tier::Gate },
            format: Format::from_word(&self.format).unwrap_or_default(),
            timeout_secs: self.timeout.unwrap_or(timeout).as_secs(),
            demand: self.demand,
            reports: self.reports.clone(),
        }
    }

    fn kind(&self) -> StageKind {
        match self.kind.as_str() {
            "lint" => StageKind::Lint,
            "types" => StageKind::Types,
            "security" => StageKind::Security,
            "build" => StageKind::Build,
            "metric" => StageKind::Metric,
            _ => StageKind::Tests,
        }
    }

    /// Keys that mean nothing beside the kind of the stage, or contradict each other, with what to do.
    fn contradictions(&self) -> Vec<(&'static str, String)> {
        let Demand { at_most, at_least, better, ratchet } = self.demand;
        let metric = self.kind() == StageKind::Metric;
        let findings = Format::from_word(&self.format).is_some_and(Format::gives_findings);
        let mut wrong = Vec::new();
        for (key, set) in
            [("at_most", at_most.is_some()), ("at_least", at_least.is_some()), ("better", better.is_some())]
        {
            if set && !metric {
                wrong.push((key, "is meant for numbers; give the stage kind = \"metric\"".to_owned()));
            }
        }
        if at_most.zip(at_least).is_some_and(|(most, least)| least > most) {
            wrong.push(("at_least", "is above at_most; no number would do".to_owned()));
        }
        if metric && self.format != "auto" {
            let why =
                "has no meaning for kind = \"metric\": its number is read from the last line that is one; leave it out";
            wrong.push(("format", why.to_owned()));
        }
        if metric && !self.reports.is_empty() {
            wrong.push(("reports", "has no meaning for kind = \"metric\"; leave it out".to_owned()));
        }
        if findings && self.kind() == StageKind::Tests {
            let why = format!(
                "is `{}`, which gives findings, not tests; give the stage kind = \"lint\", \"types\", \"security\" or \"build\"",
                self.format
            );
            wrong.push(("format", why));
        }
        match (self.kind(), ratchet) {
            (StageKind::Tests, Some(_)) => {
                wrong.push(("ratchet", "has no meaning for tests: a test that breaks always hurts".to_owned()));
            }
            (StageKind::Security, Some(_)) => {
                wrong.push(("ratchet", "has no meaning for security: more findings always hurt".to_owned()));
            }
            (StageKind::Metric, Some(true)) if self.demand.better().is_none() => {
                wrong.push(("ratchet", "needs to know what is worse; add better = \"lower\" or \"higher\"".to_owned()));
            }
            _ => {}
        }
        wrong
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// As an inline table, for people.
    #[must_use]
    pub fn render(&self) -> String {
        let fields = [
            ("name", &self.name),
            ("run", &self.run),
            ("kind", &self.kind),
            ("tier", &self.tier),
            ("format", &self.format),
        ];
        let mut parts: Vec<String> =
            fields.iter().map(|(key, text)| format!("{key} = {}", Value::Text((*text).clone()))).collect();
        parts.extend(self.timeout.map(|time| format!("timeout = {}", Value::Time(time))));
        let Demand { at_most, at_least, better, ratchet } = self.demand;
        parts.extend(at_most.map(|number| format!("at_most = {number}")));
        parts.extend(at_least.map(|number| format!("at_least = {number}")));
        parts.extend(better.map(|better| format!("better = \"{}\"", better.word())));
        parts.extend(ratchet.map(|flag| format!("ratchet = {flag}")));
        if !self.reports.is_empty() {
            parts.push(format!("reports = {}", Value::Texts(self.reports.clone())));
        }
        format!("{{ {} }}", parts.join(", "))
    }
}

/// Reads the list; problems are appended, what could be read is returned.
pub(super) fn read(file: &File<'_>, value: &DeValue<'_>, place: &Source, problems: &mut Vec<Problem>) -> Vec<Stage> {
    let refuse = |place: &Source, key: String, message: &str| Problem::Value {
        place: place.clone(),
        key,
        message: message.to_owned(),
    };
    let items = match value {
        DeValue::Array(items) if items.iter().all(|item| matches!(item.get_ref(), DeValue::Table(_))) => items,
        _ => {
            problems.push(refuse(place, PATH.to_owned(), "must be written as [[target.verification.stage]]"));
            return Vec::new();
        }
    };
    let mut stages: Vec<Stage> = Vec::new();
    for item in items.iter() {
        let DeValue::Table(table) = item.get_ref() else { continue };
        let place = file.place(item.span().start);
        let stage = read_one(file, table, problems);
        for (key, text) in [("name", &stage.name), ("run", &stage.run)] {
            if text.trim().is_empty() {
                problems.push(refuse(
                    &place,
                    format!("{PATH}.{key}"),
                    "is missing; every stage needs `name` and `run`",
                ));
            }
        }
        if stage.name.len() > 64 || stage.name.chars().any(|c| c.is_control() || c == ':') {
            let rule = "may have 64 bytes at most, no `:` and no control characters";
            problems.push(refuse(&place, format!("{PATH}.name"), rule));
        }
        for (key, message) in stage.contradictions() {
            problems.push(refuse(&place, format!("{PATH}.{key}"), &message));
        }
        if stages.iter().any(|other| other.name == stage.name) && !stage.name.is_empty() {
            let message = format!("`{}` is the name of two stages; give each its own", stage.name);
            problems.push(refuse(&place, format!("{PATH}.name"), &message));
        }
        stages.push(stage);
    }
    if stages.is_empty() {
        problems.push(refuse(place, PATH.to_owned(), "is empty; add a stage with `name` and `run`"));
    }
    stages
}

fn read_one(file: &File<'_>, table: &DeTable<'_>, problems: &mut Vec<Problem>) -> Stage {
    let mut stage = Stage { name: String::new(), ..Stage::of_command("") };
    for (name, value) in table {
        let place = file.place(name.span().start);
        let path = format!("{PATH}.{}", name.get_ref());
        let Some(key) = KEYS.iter().find(|key| key.path == name.get_ref().as_ref()) else {
            let names = KEYS.iter().filter(|k| k.support != Support::Later).map(|k| k.path);
            let nearest = nearest(name.get_ref(), names).map(|name| format!("{PATH}.{name}"));
            problems.push(Problem::Unknown { place, key: path, nearest });
            continue;
        };
        if key.support == Support::Later {
            problems.push(Problem::Unsupported { place, key: path });
            continue;
        }
        match (key.path, key.kind.read_toml(value.get_ref())) {
            ("name", Ok(Value::Text(text))) => stage.name = text,
            ("run", Ok(Value::Text(text))) => stage.run = text,
            ("kind", Ok(Value::Text(text))) => stage.kind = text,
            ("tier", Ok(Value::Text(text))) => stage.tier = text,
            ("format", Ok(Value::Text(text))) => stage.format = text,
            ("at_most", Ok(Value::Number(number))) => stage.demand.at_most = Some(number),
            ("at_least", Ok(Value::Number(number))) => stage.demand.at_least = Some(number),
            ("better", Ok(Value::Text(text))) => {
                stage.demand.better = Some(if text == "lower" { Better::Lower } else { Better::Higher });
            }
            ("ratchet", Ok(Value::Flag(flag))) => stage.demand.ratchet = Some(flag),
            ("reports", Ok(Value::Texts(globs))) => match Globs::new(&globs) {
                Ok(_) => stage.reports = globs,
                Err(bad) => {
                    let message = format!("must be a list of globs; {bad}");
                    problems.push(Problem::Value { place, key: path, message });
                }
            },
            (_, Ok(Value::Time(time))) => stage.timeout = Some(time),
            (_, Ok(_)) => {}
            (_, Err(Refusal::Later)) => {
                let shown =
                    if let DeValue::String(text) = value.get_ref() { format!("{path} = \"{text}\"") } else { path };
                problems.push(Problem::Unsupported { place, key: shown });
            }
            (_, Err(Refusal::Wrong(message))) => problems.push(Problem::Value { place, key: path, message }),
        }
    }
    stage
}

impl super::Settings {
    /// Whether files may stay in the workspace of verifications from one run to the next.
    #[must_use]
    pub fn keeps_files(&self) -> bool {
        self.target.setup.is_some() || !self.verification.keep.is_empty()
    }
}

/// The default of `target.verification.timeout`, for settings journaled before it was kept.
pub(super) const fn half_an_hour() -> Duration {
    Duration::from_secs(30 * 60)
}
