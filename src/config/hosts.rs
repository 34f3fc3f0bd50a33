//! The lists `[[backend.ssh.hosts]]` and `[[backend.hosts]]`.
//!
//! Promises: every host has a name of its own, one way to be reached, and room for work; what `ssh` would take for an option,
//! or a shell for more than a word, is refused with its line; values of variables are in no message and in no text for people.

use super::backend::{HOSTS, HostConfig, Reach, SSH_HOSTS, default_connect_timeout};
use super::file::File;
use super::value::{Kind, Value, is_variable_name, quote_toml};
use super::{Problem, Source};
use crate::domain::base::nearest::find_nearest;
use crate::domain::values::HostId;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::{DeTable, DeValue};

const ENV: &str = "env";
const MOST: u64 = 256;

/// Longest [`Reach::Command`] may take; longer ones are slips of the pen.
const LONGEST_CONNECT: Duration = Duration::from_secs(30 * 86_400);

/// Keys of a host but for [`ENV`].
const KEYS: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("hostname", Kind::Text),
    ("user", Kind::Text),
    ("port", Kind::Count(1, 65_535)),
    ("identity_file", Kind::Text),
    ("known_hosts", Kind::Text),
    ("connect", Kind::Texts),
    ("connect_timeout", Kind::Time),
    ("max_workers", Kind::Count(0, MOST)),
    ("max_verifiers", Kind::Count(0, MOST)),
    ("labels", Kind::Texts),
    ("root", Kind::Text),
    ("program", Kind::Text),
    ("max_disk", Kind::Size),
    ("idle", Kind::TimeOrOff),
];

/// One host as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    config: HostConfig,
    place: Source,
    offset: usize,
    written: BTreeMap<&'static str, Value>,
}

impl Host {
    pub(super) fn config(&self) -> &HostConfig {
        &self.config
    }

    /// Where it stands.
    pub(super) fn place(&self) -> &Source {
        &self.place
    }

    /// The same as the number of a byte of the file.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// As an inline table, for people; of variables the names only.
    pub(super) fn render(&self) -> String {
        let HostConfig { name, max_workers, max_verifiers, root, idle, env, .. } = &self.config;
        let mut all = self.written.clone();
        all.extend([
            ("name", Value::Text(name.clone())),
            ("max_workers", Value::Count(u64::from(*max_workers))),
            ("max_verifiers", Value::Count(u64::from(*max_verifiers))),
            ("root", Value::Text(root.clone())),
            ("idle", Value::Time(*idle)),
        ]);
        if let Reach::Command { connect_timeout, .. } = &self.config.reach {
            all.insert("connect_timeout", Value::Time(*connect_timeout));
        }
        let mut parts: Vec<String> =
            KEYS.iter().filter_map(|(key, _)| Some(format!("{key} = {}", all.get(key)?))).collect();
        if !env.is_empty() {
            let names: Vec<String> = env.keys().map(|name| format!("{name} = \"(hidden)\"")).collect();
            parts.push(format!("{ENV} = {{ {} }}", names.join(", ")));
        }
        format!("{{ {} }}", parts.join(", "))
    }

    /// `{"name", "value", "source"}`.
    pub(super) fn to_json(&self) -> serde_json::Value {
        json!({"name": self.config.name, "value": self.render(), "source": self.place.to_string()})
    }
}

/// The folders that paths of this machine are meant from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Folders<'a> {
    /// That of the settings file.
    pub(super) settings: &'a Path,
    /// The user's home, if it is known.
    pub(super) home: Option<&'a Path>,
}

impl Folders<'_> {
    /// A path of this machine as an absolute one.
    fn resolve(self, path: &str) -> Result<PathBuf, String> {
        match (path.strip_prefix("~/"), self.home) {
            _ if path.chars().any(char::is_control) => Err("holds control characters".to_owned()),
            (Some(below), Some(home)) => Ok(home.join(below)),
            (Some(_), None) => Err(format!("is `{path}`, and HOME is not set to an absolute path; write it in full")),
            (None, _) if path.starts_with('~') => {
                Err(format!("is `{path}`; only `~/…`, of your own home, is known; write other paths in full"))
            }
            (None, _) => Ok(self.settings.join(path)),
        }
    }
}

/// A list of hosts that is to be read.
pub(super) struct List<'a> {
    pub(super) file: &'a File<'a>,
    /// Its key.
    pub(super) path: &'static str,
    pub(super) folders: Folders<'a>,
    /// The hosts of the lists before it.
    pub(super) others: Vec<&'a Host>,
}

impl List<'_> {
    /// Reads the list; problems are appended, what could be read is returned.
    pub(super) fn read(&self, value: &DeValue<'_>, place: &Source, problems: &mut Vec<Problem>) -> Vec<Host> {
        let items = match value {
            DeValue::Array(items) if items.iter().all(|item| matches!(item.get_ref(), DeValue::Table(_))) => items,
            _ => {
                let message = format!("must be written as [[{}]]", self.path);
                problems.push(Problem::Value { place: place.clone(), key: self.path.to_owned(), message });
                return Vec::new();
            }
        };
        let mut hosts: Vec<Host> = Vec::new();
        for item in items.iter() {
            let DeValue::Table(table) = item.get_ref() else { continue };
            let place = self.file.source_at(item.span().start);
            let mut entry = Entry { path: self.path, place, said: BTreeMap::new(), env: BTreeMap::new(), problems };
            let written = entry.read(self.file, table);
            let Some(config) = entry.check(&written, self.folders) else { continue };
            let same = |host: &&Host| host.config.name.eq_ignore_ascii_case(&config.name);
            if let Some(other) = self.others.iter().copied().chain(&hosts).find(same) {
                let message = format!(
                    "`{}` is the name of two hosts (the other one: {}); give each a `name` of its own",
                    config.name, other.place
                );
                entry.refuse("name", message);
            }
            hosts.push(Host { config, place: entry.place, offset: item.span().start, written });
        }
        hosts
    }
}

/// A host while it is read.
struct Entry<'p> {
    path: &'static str,
    place: Source,
    /// Where its keys stand, also misspelt ones and those whose value was refused.
    said: BTreeMap<&'static str, Source>,
    env: BTreeMap<String, String>,
    problems: &'p mut Vec<Problem>,
}

type Written = BTreeMap<&'static str, Value>;

impl Entry<'_> {
    fn refuse(&mut self, key: &str, message: impl Into<String>) {
        let place = self.said.get(key).unwrap_or(&self.place).clone();
        self.problems.push(Problem::Value { place, key: format!("{}.{key}", self.path), message: message.into() });
    }

    fn read(&mut self, file: &File<'_>, table: &DeTable<'_>) -> Written {
        let mut written = Written::new();
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let place = file.source_at(name.span().start);
            let path = format!("{}.{}", self.path, name.get_ref());
            if name.get_ref() == ENV {
                self.said.insert(ENV, place);
                self.read_env(value.get_ref());
                continue;
            }
            let Some((key, kind)) = KEYS.iter().find(|(key, _)| *key == name.get_ref().as_ref()) else {
                let nearest = find_nearest(name.get_ref(), KEYS.iter().map(|(key, _)| *key).chain([ENV]));
                if let Some(meant) = nearest.and_then(|name| KEYS.iter().find(|(key, _)| *key == name)) {
                    // What is misspelt is not missing as well.
                    self.said.entry(meant.0).or_insert_with(|| place.clone());
                }
                let nearest = nearest.map(|name| format!("{}.{name}", self.path));
                self.problems.push(Problem::Unknown { place, key: path, nearest });
                continue;
            };
            self.said.insert(key, place.clone());
            match kind.read_toml(value.get_ref()) {
                // As everywhere, an empty text means not set.
                Ok(Value::Text(text)) if text.trim().is_empty() => drop(self.said.remove(key)),
                Ok(value) => drop(written.insert(key, value)),
                Err(refusal) => self.problems.push(refusal.into_problem(place, path, None)),
            }
        }
        written
    }

    fn read_env(&mut self, value: &DeValue<'_>) {
        let DeValue::Table(table) = value else {
            return self.refuse(ENV, "must be a table of variables, for example { CC = \"clang\" }");
        };
        for (name, value) in table {
            match value.get_ref() {
                _ if !is_variable_name(name.get_ref()) => {
                    self.refuse(
                        ENV,
                        format!("holds `{}`, which is no name of an environment variable", name.get_ref()),
                    );
                }
                DeValue::String(text) if !text.contains('\0') => {
                    self.env.insert(name.get_ref().to_string(), text.to_string());
                }
                _ => self.refuse(ENV, format!("must give {} a text in quotes without NUL characters", name.get_ref())),
            }
        }
    }

    /// The host, if it is one; each rule that it breaks is a problem.
    fn check(&mut self, written: &Written, folders: Folders<'_>) -> Option<HostConfig> {
        let text = |key: &str| match written.get(key) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let texts = |key: &str| match written.get(key) {
            Some(Value::Texts(texts)) => Some(texts.clone()),
            _ => None,
        };
        let count = |key: &str| match written.get(key) {
            Some(Value::Count(number)) => u32::try_from(*number).ok(),
            _ => None,
        };
        let reach = self.check_reach(text("hostname"), texts("connect"), folders, written);
        let name = self.check_name(text("name"), reach.as_ref());
        let (max_workers, max_verifiers) = (count("max_workers").unwrap_or(4), count("max_verifiers").unwrap_or(1));
        if max_workers == 0 && max_verifiers == 0 {
            let message =
                "and max_verifiers are both 0, so that nothing would run there; raise one, or remove the host";
            self.refuse("max_workers", message);
        }
        if max_verifiers > 1 {
            let message = format!(
                "is {max_verifiers} and must be 0 or 1: the queue verifies one after the other, so that more would change nothing"
            );
            self.refuse("max_verifiers", message);
        }
        for key in ["root", "program"] {
            if let Some(path) = text(key).filter(|path| !is_path_there(path)) {
                let rule = "must be an absolute path there, or one below the home there (`~/…`)";
                self.refuse(key, format!("{rule}, without `..`; `{path}` is not"));
            }
        }
        let mut labels: Vec<String> = Vec::new();
        for label in texts("labels").unwrap_or_default() {
            if !is_label(&label) {
                let rule = "holds words of 1 to 64 letters, digits, `.`, `_`, `=`, `/` and `-`";
                self.refuse("labels", format!("{rule}; `{label}` is not one"));
            } else if !labels.contains(&label) {
                labels.push(label);
            }
        }
        let reach = reach?;
        let idle = match (written.get("idle"), &reach) {
            (Some(Value::Time(time)), _) => *time,
            (_, Reach::Ssh { .. }) => Duration::ZERO,
            (_, Reach::Command { .. }) => Duration::from_secs(300),
        };
        Some(HostConfig {
            name: name?,
            reach,
            max_workers,
            max_verifiers,
            root: text("root").unwrap_or_else(|| "~/.local/share/mission-control".to_owned()),
            labels,
            env: std::mem::take(&mut self.env),
            program: text("program"),
            max_disk: match written.get("max_disk") {
                Some(Value::Size(bytes)) => Some(*bytes),
                _ => None,
            },
            idle,
        })
    }

    fn check_name(&mut self, said: Option<String>, reach: Option<&Reach>) -> Option<String> {
        let broken = |name: &str| match HostId::new(name) {
            Ok(_) if name.eq_ignore_ascii_case(HostId::local().as_str()) => Some("that is this machine".to_owned()),
            Ok(_) => None,
            Err(invalid) => Some(format!("a name has {}", invalid.rule)),
        };
        let (name, of_reach) = match (said, reach) {
            (Some(name), _) => (name, false),
            (None, Some(Reach::Ssh { hostname, .. })) => (hostname.clone(), true),
            (None, Some(Reach::Command { .. })) => {
                if !self.said.contains_key("name") {
                    self.refuse("name", "is missing; every host that is reached by a command needs one");
                }
                return None;
            }
            (None, None) => return None,
        };
        match broken(&name) {
            None => return Some(name),
            Some(rule) if of_reach => {
                self.refuse(
                    "name",
                    format!("is missing, and `{name}` cannot stand in for it: {rule}; add name = \"build1\""),
                );
            }
            Some(rule) => self.refuse("name", format!("cannot be `{name}`: {rule}")),
        }
        None
    }

    fn check_reach(
        &mut self,
        hostname: Option<String>,
        connect: Option<Vec<String>>,
        folders: Folders<'_>,
        written: &Written,
    ) -> Option<Reach> {
        const EXAMPLE: &str = "connect = [\"docker\", \"exec\", \"-i\", \"build1\"]";
        match (hostname, connect) {
            (_, Some(_)) if self.path == SSH_HOSTS => {
                self.refuse("connect", format!("is a key of [[{HOSTS}]]; write the host there, or leave it out"));
                None
            }
            (Some(_), Some(_)) => {
                self.refuse("connect", "stands beside `hostname`; keep one of the two");
                None
            }
            (None, Some(connect)) if connect.is_empty() => {
                self.refuse("connect", format!("is empty; say how the host is reached, for example {EXAMPLE}"));
                None
            }
            (None, Some(connect)) => self.check_command(connect, folders, written),
            (Some(hostname), None) => self.check_ssh(hostname, folders, written),
            (None, None) => {
                // A value that was refused is not missing as well.
                match (self.path, self.said.contains_key("hostname"), self.said.contains_key("connect")) {
                    (SSH_HOSTS, false, false) => {
                        self.refuse("hostname", "is missing; write for example hostname = \"build1\"");
                    }
                    (_, false, false) => {
                        let message =
                            format!("is missing; write for example {EXAMPLE}, or hostname = \"build1\" for ssh");
                        self.refuse("connect", message);
                    }
                    _ => {}
                }
                None
            }
        }
    }

    fn check_command(&mut self, mut connect: Vec<String>, folders: Folders<'_>, written: &Written) -> Option<Reach> {
        for key in ["user", "port", "identity_file", "known_hosts"] {
            if written.contains_key(key) {
                let message =
                    "has no meaning beside `connect`, whose command says how the host is reached; leave it out";
                self.refuse(key, message);
            }
        }
        // A bare name is looked up in PATH; a path is meant like all others of the file.
        if let Some(program) = connect.first_mut().filter(|program| program.contains('/')) {
            match folders.resolve(program).map(|path| path.into_os_string().into_string()) {
                Ok(Ok(path)) => *program = path,
                Ok(Err(_)) => self.refuse("connect", "is meant from a folder whose name is no text"),
                Err(message) => self.refuse("connect", message),
            }
        }
        let connect_timeout = match written.get("connect_timeout") {
            Some(Value::Time(time)) => *time,
            _ => default_connect_timeout(),
        };
        if connect_timeout > LONGEST_CONNECT {
            self.refuse(
                "connect_timeout",
                "is longer than 30 days; a cluster that takes so long is better asked again",
            );
        }
        Some(Reach::Command { connect, connect_timeout })
    }

    fn check_ssh(&mut self, hostname: String, folders: Folders<'_>, written: &Written) -> Option<Reach> {
        let text = |key: &str| match written.get(key) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let mut fine = true;
        if written.contains_key("connect_timeout") {
            let message = "has no meaning beside `hostname`: ssh answers within 15 s or not at all; leave it out";
            self.refuse("connect_timeout", message);
        }
        for (key, word) in [("hostname", Some(&hostname)), ("user", text("user").as_ref())] {
            if let Some(rule) = word.and_then(|word| broken_word_rule(key, word)) {
                self.refuse(key, format!("is {}, and {rule}", quote_toml(word.map_or("", |word| word))));
                fine = false;
            }
        }
        let mut path = |key: &str| {
            let resolved = folders.resolve(&text(key)?);
            resolved.map_err(|message| self.refuse(key, message)).ok()
        };
        let (identity_file, known_hosts) = (path("identity_file"), path("known_hosts"));
        let port = match written.get("port") {
            Some(Value::Count(number)) => u16::try_from(*number).ok(),
            _ => None,
        };
        fine.then(|| Reach::Ssh { hostname, user: text("user"), port, identity_file, known_hosts })
    }
}

/// The rule that a word for `ssh` breaks. The characters are those that OpenSSH 9.6 refuses on its own command line
/// (`valid_hostname` and `valid_ruser` of `ssh.c`), because a `ProxyCommand` may hand them to a shell.
fn broken_word_rule(key: &str, word: &str) -> Option<&'static str> {
    if word.starts_with('-') {
        Some("ssh would take it for an option: it may not begin with `-`")
    } else if word.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("it may hold no white space and no control characters")
    } else if word.contains(['\'', '`', '"', '$', '\\', ';', '&', '<', '>', '|', '(', ')', '{', '}']) {
        Some("it may hold no character that means something to a shell")
    } else if key == "hostname" && word.contains('@') {
        Some("it may hold no `@`; write the part before it as user = \"…\"")
    } else if key == "hostname" && word.contains('/') {
        Some("it may hold no `/`; write a port as port = 22")
    } else {
        None
    }
}

/// Whether a path of another machine is absolute, or below the home there.
fn is_path_there(path: &str) -> bool {
    let below = path.strip_prefix("~/").or_else(|| path.strip_prefix('/'));
    below.is_some_and(|below| !below.trim_matches('/').is_empty() && below.split('/').all(|part| part != ".."))
        && !path.chars().any(char::is_control)
}

/// Whether a host can offer this to units.
fn is_label(label: &str) -> bool {
    (1..=64).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"._=/-".contains(&b))
}
