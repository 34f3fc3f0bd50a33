//! The list `[[target.verification.stage]]`.
//!
//! Promises: every stage has a name of its own and a command; unknown and later keys, and keys that mean nothing for the
//! kind of their stage, are refused with their line.

use super::file::File;
use super::value::{Kind, Refusal, Value};
use super::{Problem, Source, schema};
use crate::domain::base::nearest::find_nearest;
use crate::domain::plan::globs::Globs;
use crate::domain::verify::{Demand, Format, StageKind, StageSpec};
use std::collections::BTreeMap;
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stage {
    /// All but its time.
    spec: StageSpec,
    /// `None` as the verification says.
    timeout: Option<Duration>,
    /// What is written, by key.
    written: BTreeMap<&'static str, Value>,
}

impl Stage {
    /// The only stage of a file with `command`.
    pub fn of_command(command: &str) -> Self {
        let (name, run) = ("verification".to_owned(), command.to_owned());
        Self { spec: StageSpec { name, run, ..StageSpec::default() }, ..Self::default() }
    }

    /// The stage the engine runs.
    pub fn to_spec(&self, timeout: Duration) -> StageSpec {
        StageSpec { timeout_secs: self.timeout.unwrap_or(timeout).as_secs(), ..self.spec.clone() }
    }

    /// Keys that mean nothing beside the kind of the stage, or contradict each other, with what to do.
    fn find_contradictions(&self) -> Vec<(&'static str, String)> {
        let StageSpec { kind, format, demand, reports, .. } = &self.spec;
        let Demand { at_most, at_least, better, ratchet } = *demand;
        let (metric, tests) = (*kind == StageKind::Metric, *kind == StageKind::Tests);
        let for_numbers = "is meant for numbers; give the stage kind = \"metric\"";
        let upside_down = at_most.zip(at_least).is_some_and(|(most, least)| least > most);
        let gives_findings = format!(
            "is `{}`, which gives findings, not tests; give the stage kind = \"lint\", \"types\", \"security\" or \"build\"",
            format.word()
        );
        let last_line =
            "has no meaning for kind = \"metric\": its number is read from the last line that is one; leave it out";
        let which_way = "needs to know what is worse; add better = \"lower\" or \"higher\"";
        let of_security = ratchet.is_some() && *kind == StageKind::Security;
        let rules = [
            (at_most.is_some() && !metric, "at_most", for_numbers),
            (at_least.is_some() && !metric, "at_least", for_numbers),
            (better.is_some() && !metric, "better", for_numbers),
            (upside_down, "at_least", "is above at_most; no number would do"),
            (metric && *format != Format::Auto, "format", last_line),
            (metric && !reports.is_empty(), "reports", "has no meaning for kind = \"metric\"; leave it out"),
            (tests && format.gives_findings(), "format", gives_findings.as_str()),
            (tests && ratchet.is_some(), "ratchet", "has no meaning for tests: a test that breaks always hurts"),
            (of_security, "ratchet", "has no meaning for security: more findings always hurt"),
            (metric && ratchet == Some(true) && demand.better_direction().is_none(), "ratchet", which_way),
        ];
        rules.into_iter().filter(|(broken, ..)| *broken).map(|(_, key, why)| (key, why.to_owned())).collect()
    }

    pub(super) fn name(&self) -> &str {
        &self.spec.name
    }

    /// As an inline table, for people.
    pub fn render(&self) -> String {
        let StageSpec { kind, tier, format, .. } = &self.spec;
        let unsaid = [("kind", kind.word()), ("tier", tier.word()), ("format", format.word())];
        let mut all = self.written.clone();
        all.extend(unsaid.map(|(key, word)| (key, Value::Text(word.to_owned()))));
        let parts = KEYS.iter().filter_map(|(key, _)| Some(format!("{key} = {}", all.get(key)?)));
        format!("{{ {} }}", parts.collect::<Vec<_>>().join(", "))
    }

    /// Takes the value of a key in.
    fn take(&mut self, key: &'static str, value: Value) -> Result<(), Refusal> {
        let spec = &mut self.spec;
        match (key, value.clone()) {
            ("name", Value::Text(text)) => spec.name = text,
            ("run", Value::Text(text)) => spec.run = text,
            ("kind", Value::Text(text)) => spec.kind = text.parse().unwrap_or_default(),
            ("tier", Value::Text(text)) => spec.tier = text.parse().unwrap_or_default(),
            ("format", Value::Text(text)) => spec.format = text.parse().unwrap_or_default(),
            ("at_most", Value::Number(number)) => spec.demand.at_most = Some(number),
            ("at_least", Value::Number(number)) => spec.demand.at_least = Some(number),
            ("better", Value::Text(text)) => spec.demand.better = text.parse().ok(),
            ("ratchet", Value::Flag(flag)) => spec.demand.ratchet = Some(flag),
            ("reports", Value::Texts(globs)) if globs.is_empty() => return Ok(()),
            ("reports", Value::Texts(globs)) => {
                Globs::new(&globs).map_err(|bad| Refusal::Wrong(format!("must be a list of globs; {bad}")))?;
                spec.reports = globs;
            }
            (_, Value::Time(time)) => self.timeout = Some(time),
            _ => {}
        }
        self.written.insert(key, value);
        Ok(())
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
        let place = file.source_at(item.span().start);
        let stage = read_one(file, table, problems);
        for (key, text) in [("name", &stage.spec.name), ("run", &stage.spec.run)] {
            if text.trim().is_empty() {
                let message = "is missing; every stage needs `name` and `run`";
                problems.push(refuse(&place, format!("{PATH}.{key}"), message));
            }
        }
        if stage.spec.name.len() > 64 || stage.spec.name.chars().any(|c| c.is_control() || c == ':') {
            let rule = "may have 64 bytes at most, no `:` and no control characters";
            problems.push(refuse(&place, format!("{PATH}.name"), rule));
        }
        for (key, message) in stage.find_contradictions() {
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
    let mut stage = Stage::default();
    for (name, value) in table {
        let place = file.source_at(name.span().start);
        let path = format!("{PATH}.{}", name.get_ref());
        let Some((key, kind)) = KEYS.iter().find(|(key, _)| *key == name.get_ref().as_ref()) else {
            let nearest = find_nearest(name.get_ref(), KEYS.iter().map(|(key, _)| *key));
            problems.push(Problem::Unknown { place, key: path, nearest: nearest.map(|name| format!("{PATH}.{name}")) });
            continue;
        };
        let taken = kind.read_toml(value.get_ref()).and_then(|value| stage.take(key, value));
        problems.extend(taken.err().map(|refusal| refusal.into_problem(place, path, value.get_ref().as_str())));
    }
    stage
}

/// The default of `target.verification.timeout`, for settings journaled before it was kept.
pub(super) const fn half_an_hour() -> Duration {
    Duration::from_secs(30 * 60)
}
