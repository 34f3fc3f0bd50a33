//! Layers: for every key the value that holds, and where it comes from.
//!
//! Promises: default, then file, then environment, then flag; the last one said wins whole; every value remembers
//! its source; all problems of all layers are reported together.

use super::backend::{HostConfig, TYPE};
use super::file::File;
use super::hosts::{self, Folders, Host};
use super::schema::{self, KEYS, Key, Support};
use super::stages::{self, Stage};
use super::value::{Refusal, Value};
use super::{ConfigError, Problem, Source};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// Everything settings are made of, read by the caller.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Path and text of the settings file, if there is one.
    pub file: Option<(&'a Path, &'a str)>,
    /// The directory relative paths are meant from where there is no file; absolute.
    pub directory: &'a Path,
    /// The environment.
    pub environment: &'a BTreeMap<String, String>,
    /// Flags as (key, value, flag as the user typed it, for example `--rounds`).
    pub flags: &'a [(&'a str, String, &'a str)],
}

/// The effective value of every key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    values: BTreeMap<&'static str, (Value, Source)>,
    pub(super) stages: Option<(Vec<Stage>, Source)>,
    /// The lists of hosts by their key.
    hosts: BTreeMap<&'static str, (Vec<Host>, Source)>,
    /// Keys without effect, in the order they were met.
    pub(super) ignored: Vec<(&'static Key, Source)>,
    /// The directory relative paths are meant from.
    pub(super) directory: PathBuf,
}

impl Layers {
    /// Reads all layers.
    ///
    /// # Errors
    /// [`ConfigError`] with every unknown, unsupported or wrong key.
    pub fn resolve(inputs: &Inputs<'_>) -> Result<Self, ConfigError> {
        let directory = inputs.file.and_then(|(path, _)| path.parent()).filter(|parent| !parent.as_os_str().is_empty());
        let mut layers = Self {
            values: BTreeMap::new(),
            stages: None,
            hosts: BTreeMap::new(),
            ignored: Vec::new(),
            directory: inputs.directory.join(directory.unwrap_or(inputs.directory)),
        };
        layers.read_defaults();
        let home = inputs.environment.get("HOME").map(Path::new).filter(|home| home.is_absolute());
        let mut reading = Reading { layers, home, problems: Vec::new() };
        if let Some((path, text)) = inputs.file {
            reading.read_file(&File { path, text });
        }
        // A whole section that is not built yet (`notify`) is no name anybody means by a variable.
        for key in KEYS.iter().filter(|key| key.path.contains('.')) {
            let name = key.environment_name();
            if let Some(text) = inputs.environment.get(&name) {
                reading.put_text(key, text, Source::Environment(name));
            }
        }
        for (path, text, flag) in inputs.flags {
            let place = Source::Flag((*flag).to_owned());
            match schema::find(path) {
                Some(key) => reading.put_text(key, text, place),
                None => reading.problems.push(unknown_key(place, (*path).to_owned())),
            }
        }
        reading.layers.put_type_of_hosts();
        if reading.problems.is_empty() { Ok(reading.layers) } else { Err(ConfigError(reading.problems)) }
    }

    /// Key, value as TOML and source of every supported key, in the order of the table of keys.
    pub fn show(&self) -> Vec<(String, String, String)> {
        let mut rows = Vec::new();
        for key in KEYS {
            if let Some((value, source)) = self.values.get(key.path) {
                rows.push((key.path.to_owned(), value.to_string(), source.to_string()));
            } else if let (Support::Stages, Some((stages, source))) = (key.support, &self.stages) {
                let list: Vec<String> = stages.iter().map(Stage::render).collect();
                rows.push((key.path.to_owned(), format!("[{}]", list.join(", ")), source.to_string()));
            } else if let Some((hosts, source)) = self.hosts.get(key.path) {
                let list: Vec<String> = hosts.iter().map(Host::render).collect();
                rows.push((key.path.to_owned(), format!("[{}]", list.join(", ")), source.to_string()));
            }
        }
        rows
    }

    /// [`Layers::show`] as lines `key = value  # source`, each host on a line of its own; what is set and has no effect
    /// comes last, as comments.
    pub fn show_text(&self) -> String {
        let keys = self.show().into_iter().map(|(key, value, source)| match self.hosts.get(key.as_str()) {
            Some((hosts, _)) if !hosts.is_empty() => {
                let each = hosts.iter().map(|host| format!("  {},  # {}\n", host.render(), host.place()));
                format!("{key} = [\n{}]\n", each.collect::<String>())
            }
            _ => format!("{key} = {value}  # {source}\n"),
        });
        let without =
            self.ignored.iter().map(|(key, source)| format!("# without effect here: {}  # {source}\n", key.path));
        keys.chain(without).collect()
    }

    /// [`Layers::show`] as `{"schema": 1, "settings": [{"key", "value", "source"}], "without_effect": [{"key", "source"}]}`; the value is TOML text.
    /// A list of hosts has, besides, `hosts`: `[{"name", "value", "source"}]`.
    pub fn show_json(&self) -> serde_json::Value {
        let rows = self.show();
        let rows = rows.iter().map(|(key, value, source)| {
            let mut row = json!({"key": key, "value": value, "source": source});
            if let Some((hosts, _)) = self.hosts.get(key.as_str()) {
                row["hosts"] = hosts.iter().map(Host::to_json).collect();
            }
            row
        });
        let without: Vec<_> =
            self.ignored.iter().map(|(key, source)| json!({"key": key.path, "source": source.to_string()})).collect();
        json!({"schema": 1, "settings": rows.collect::<Vec<_>>(), "without_effect": without})
    }

    /// The value of a supported key and its source.
    pub fn get(&self, path: &str) -> Option<&(Value, Source)> {
        self.values.get(path)
    }

    /// The hosts of all lists, in the order of the file.
    pub(super) fn list_hosts(&self) -> Vec<&HostConfig> {
        let mut hosts: Vec<&Host> = self.hosts.values().flat_map(|(hosts, _)| hosts).collect();
        hosts.sort_by_key(|host| host.offset());
        hosts.into_iter().map(Host::config).collect()
    }

    /// Key and place of the first list that has a host.
    pub(super) fn first_host(&self) -> Option<(&'static str, Source)> {
        let lists = self.hosts.iter().filter_map(|(path, (hosts, _))| Some((path, hosts.first()?)));
        lists.min_by_key(|(_, host)| host.offset()).map(|(path, host)| (*path, host.place().clone()))
    }

    /// Where nobody said what the backend is and hosts are named, it is they: what is shown is what runs.
    fn put_type_of_hosts(&mut self) {
        if self.first_host().is_some()
            && let Some((value, Source::Default)) = self.values.get_mut(TYPE)
        {
            *value = Value::Text("ssh".to_owned());
        }
    }

    fn read_defaults(&mut self) {
        for key in KEYS {
            let Support::Now(literal) = key.support else { continue };
            let text = format!("value = {literal}");
            let read = DeTable::parse(&text).ok();
            let value = read.as_ref().and_then(|table| table.get_ref().values().next());
            let value = value.and_then(|value| key.kind.read_toml(value.get_ref()).ok());
            self.values.extend(value.map(|value| (key.path, (value, Source::Default))));
        }
    }
}

/// Layers while they are read, with what is wrong so far.
struct Reading<'a> {
    layers: Layers,
    /// The user's home.
    home: Option<&'a Path>,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn read_file(&mut self, file: &File<'_>) {
        let text = file.text.strip_prefix('\u{feff}').unwrap_or(file.text);
        let file = File { path: file.path, text };
        match DeTable::parse(text) {
            Ok(table) => self.read_table(&file, "", table.get_ref()),
            Err(error) => self.problems.push(Problem::Syntax {
                place: file.source_at(error.span().map_or(0, |span| span.start)),
                message: format!("is not valid TOML: {}", error.message().replace('\n', "; ")),
            }),
        }
    }

    fn read_table(&mut self, file: &File<'_>, section: &str, table: &DeTable<'_>) {
        // The table is sorted by name; people read their file from the top.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let path =
                if section.is_empty() { name.get_ref().to_string() } else { format!("{section}.{}", name.get_ref()) };
            let place = file.source_at(name.span().start);
            if let Some(key) = schema::find(&path) {
                self.put_toml(file, key, value.get_ref(), place);
                continue;
            }
            match value.get_ref() {
                // A table below a later key is refused as a whole, an unknown one key by key, so that each gets its advice.
                DeValue::Table(inner) if schema::is_section(&path) || !inner.is_empty() => {
                    self.read_table(file, &path, inner);
                }
                _ if schema::is_section(&path) => self.problems.push(Problem::Value {
                    place,
                    message: format!("is a section; write [{path}] and its keys below"),
                    key: path,
                }),
                _ => self.problems.push(unknown_key(place, path)),
            }
        }
    }

    fn put_toml(&mut self, file: &File<'_>, key: &'static Key, value: &DeValue<'_>, place: Source) {
        match key.support {
            Support::Stages => {
                let stages = stages::read(file, value, &place, &mut self.problems);
                self.layers.stages = Some((stages, place));
            }
            Support::Hosts => {
                let folders = Folders { settings: &self.layers.directory, home: self.home };
                let others: Vec<&Host> = self.layers.hosts.values().flat_map(|(hosts, _)| hosts).collect();
                let list = hosts::List { file, path: key.path, folders, others };
                let hosts = list.read(value, &place, &mut self.problems);
                self.layers.hosts.insert(key.path, (hosts, place));
            }
            _ => self.insert_value(key, key.kind.read_toml(value), value.as_str(), place),
        }
    }

    fn put_text(&mut self, key: &'static Key, text: &str, place: Source) {
        let only = "can be set in the settings file only";
        let read = match key.support {
            Support::Stages => Err(Refusal::Wrong(format!("{only}; for one stage set `target.verification.command`"))),
            Support::Hosts => Err(Refusal::Wrong(format!("{only}, as [[{}]]", key.path))),
            _ => key.kind.read_text(text),
        };
        self.insert_value(key, read, Some(text), place);
    }

    /// Takes in what was read of a key, if it has an effect here.
    fn insert_value(&mut self, key: &'static Key, read: Result<Value, Refusal>, said: Option<&str>, place: Source) {
        let path = key.path.to_owned();
        match (key.support, read) {
            (Support::Later, _) => self.problems.push(Problem::Unsupported { place, key: path }),
            (Support::Older, _) => self.layers.ignored.push((key, place)),
            (_, Ok(value)) => drop(self.layers.values.insert(key.path, (value, place))),
            (_, Err(refusal)) => self.problems.push(refusal.into_problem(place, path, said)),
        }
    }
}

fn unknown_key(place: Source, key: String) -> Problem {
    let nearest = schema::nearest_key(&key).map(str::to_owned);
    Problem::Unknown { place, key, nearest }
}
