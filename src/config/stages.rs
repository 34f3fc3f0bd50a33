//! The list `[[target.verification.stage]]`.
//!
//! Promises: every stage has a name of its own and a command; unknown and later keys, and keys that mean nothing for the
//! kind of their stage, are refused with their line.

use super::Problem;
use super::layers::{File, Source};
use super::schema;
use super::value::{Kind, Refusal, Value, quoted};
use crate::domain::base::nearest::nearest;
use crate::domain::plan::globs::Globs;
use crate::domain::verify::formats::Format;
use crate::domain::verify::key::{Demand, StageKind, StageSpec};
use std::time::Duration;
use toml::de::{DeTable, DeValue};

const PATH: &str = "target.verification.stage";

const KEYS: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("run", Kind::Line),
    ("kind", schema::STAGE_KINDS),
    ("tier", schema::STAGE_TIERS),
    ("format", schema::STAGE_FORMATS),
    ("timeout", Kind::Time),
    ("at_most", Kind::Number),
    ("at_least", Kind::Number),
    ("better", Kind::Choice(&["lower", "higher"], &[])),
    ("ratchet", Kind::Flag),
    ("reports", Kind::Texts),
];

/// One stage as written; the timeout of the section stands in where it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// All but its time.
    spec: StageSpec,
    /// `None` as the verification says.
    timeout: Option<Duration>,
}

impl Stage {
    /// The only stage of a file with `command`.
    #[must_use]
    pub fn of_command(command: &str) -> Self {
        let (name, run) = ("verification".to_owned(), command.to_owned());
        Self { spec: StageSpec { name, run, ..StageSpec::default() }, timeout: None }
    }

    /// The stage the engine runs.
    #[must_use]
    pub fn spec(&self, timeout: Duration) -> StageSpec {
        StageSpec { timeout_secs: self.timeout.unwrap_or(timeout).as_secs(), ..self.spec.clone() }
    }

    /// Keys that mean nothing beside the kind of the stage, or contradict each other, with what to do.
    fn contradictions(&self) -> Vec<(&'static str, String)> {
        let StageSpec { kind, format, demand, reports, .. } = &self.spec;
        let Demand { at_most, at_least, better, ratchet } = *demand;
        let metric = *kind == StageKind::Metric;
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
        if metric && *format != Format::Auto {
            let why =
                "has no meaning for kind = \"metric\": its number is read from the last line that is one; leave it out";
            wrong.push(("format", why.to_owned()));
        }
        if metric && !reports.is_empty() {
            wrong.push(("reports", "has no meaning for kind = \"metric\"; leave it out".to_owned()));
        }
        if format.gives_findings() && *kind == StageKind::Tests {
            let why = format!(
                "is `{}`, which gives findings, not tests; give the stage kind = \"lint\", \"types\", \"security\" or \"build\"",
                format.word()
            );
            wrong.push(("format", why));
        }
        match (kind, ratchet) {
            (StageKind::Tests, Some(_)) => {
                wrong.push(("ratchet", "has no meaning for tests: a test that breaks always hurts".to_owned()));
            }
            (StageKind::Security, Some(_)) => {
                wrong.push(("ratchet", "has no meaning for security: more findings always hurt".to_owned()));
            }
            (StageKind::Metric, Some(true)) if demand.better().is_none() => {
                wrong.push(("ratchet", "needs to know what is worse; add better = \"lower\" or \"higher\"".to_owned()));
            }
            _ => {}
        }
        wrong
    }

    pub(super) fn name(&self) -> &str {
        &self.spec.name
    }

    /// As an inline table, for people.
    #[must_use]
    pub fn render(&self) -> String {
        let StageSpec { name, run, kind, tier, format, demand, reports, .. } = &self.spec;
        let fields = [
            ("name", name.as_str()),
            ("run", run),
            ("kind", kind.word()),
            ("tier", tier.word()),
            ("format", format.word()),
        ];
        let mut parts: Vec<String> = fields.iter().map(|(key, text)| format!("{key} = {}", quoted(text))).collect();
        parts.extend(self.timeout.map(|time| format!("timeout = {}", Value::Time(time))));
        let Demand { at_most, at_least, better, ratchet } = *demand;
        parts.extend(at_most.map(|number| format!("at_most = {number}")));
        parts.extend(at_least.map(|number| format!("at_least = {number}")));
        parts.extend(better.map(|better| format!("better = \"{}\"", better.word())));
        parts.extend(ratchet.map(|flag| format!("ratchet = {flag}")));
        if !reports.is_empty() {
            parts.push(format!("reports = {}", Value::Texts(reports.clone())));
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
        for (key, text) in [("name", &stage.spec.name), ("run", &stage.spec.run)] {
            if text.trim().is_empty() {
                problems.push(refuse(
                    &place,
                    format!("{PATH}.{key}"),
                    "is missing; every stage needs `name` and `run`",
                ));
            }
        }
        if stage.spec.name.len() > 64 || stage.spec.name.chars().any(|c| c.is_control() || c == ':') {
            let rule = "may have 64 bytes at most, no `:` and no control characters";
            problems.push(refuse(&place, format!("{PATH}.name"), rule));
        }
        for (key, message) in stage.contradictions() {
            problems.push(refuse(&place, format!("{PATH}.{key}"), &message));
        }
        if stages.iter().any(|other| other.spec.name == stage.spec.name) && !stage.spec.name.is_empty() {
            let message = format!("`{}` is the name of two stages; give each its own", stage.spec.name);
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
    let mut stage = Stage { spec: StageSpec::default(), timeout: None };
    let spec = &mut stage.spec;
    for (name, value) in table {
        let place = file.place(name.span().start);
        let path = format!("{PATH}.{}", name.get_ref());
        let Some((key, kind)) = KEYS.iter().find(|(key, _)| *key == name.get_ref().as_ref()) else {
            let nearest = nearest(name.get_ref(), KEYS.iter().map(|(key, _)| *key));
            problems.push(Problem::Unknown { place, key: path, nearest: nearest.map(|name| format!("{PATH}.{name}")) });
            continue;
        };
        match (*key, kind.read_toml(value.get_ref())) {
            ("name", Ok(Value::Text(text))) => spec.name = text,
            ("run", Ok(Value::Text(text))) => spec.run = text,
            ("kind", Ok(Value::Text(text))) => spec.kind = text.parse().unwrap_or_default(),
            ("tier", Ok(Value::Text(text))) => spec.tier = text.parse().unwrap_or_default(),
            ("format", Ok(Value::Text(text))) => spec.format = text.parse().unwrap_or_default(),
            ("at_most", Ok(Value::Number(number))) => spec.demand.at_most = Some(number),
            ("at_least", Ok(Value::Number(number))) => spec.demand.at_least = Some(number),
            ("better", Ok(Value::Text(text))) => spec.demand.better = text.parse().ok(),
            ("ratchet", Ok(Value::Flag(flag))) => spec.demand.ratchet = Some(flag),
            ("reports", Ok(Value::Texts(globs))) => match Globs::new(&globs) {
                Ok(_) => spec.reports = globs,
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
