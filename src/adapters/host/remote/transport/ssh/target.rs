//! Where ssh goes to.

use crate::domain::trouble::Trouble;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// A machine that ssh reaches. What is not said here is what the person's own configuration of ssh says.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// The host's name in the settings: each has a connection of its own.
    pub name: String,
    /// Its name or address, or an alias of the configuration.
    pub hostname: String,
    /// The user there.
    pub user: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// The only key that is offered.
    pub identity_file: Option<PathBuf>,
    /// The keys that hosts are known by.
    pub known_hosts: Option<PathBuf>,
    /// Another configuration than the person's own.
    pub config_file: Option<PathBuf>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh to ")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.hostname)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A path as ssh reads it in an option: it replaces what begins with a `%`.
fn escape_percents(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%%")
}

/// Words as a person can paste them.
fn quote_words(words: &[String]) -> String {
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

impl Target {
    /// That neither host nor user can be taken for an option or for more than one word.
    ///
    /// # Errors
    /// What is wrong with which.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        let words = [("hostname", Some(&self.hostname)), ("user", self.user.as_ref())];
        for (what, word) in words.into_iter().filter_map(|(what, word)| Some((what, word?))) {
            if word.is_empty() || word.starts_with('-') || word.contains(|c: char| c.is_whitespace() || c.is_control())
            {
                let why = format!(
                    "{what} {word:?} of this host is refused: it is empty, begins with `-` or has blanks in it"
                );
                return Err(Trouble::from(why));
            }
        }
        Ok(())
    }

    /// What leads there, as arguments of ssh; the host itself stands behind them.
    pub(super) fn write_options(&self) -> Vec<OsString> {
        let mut options: Vec<OsString> = Vec::new();
        if let Some(file) = &self.config_file {
            options.extend(["-F".into(), file.into()]);
        }
        if let Some(file) = &self.known_hosts {
            options.extend(["-o".into(), format!("UserKnownHostsFile=\"{}\"", escape_percents(file)).into()]);
        }
        if let Some(file) = &self.identity_file {
            options.extend(["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), escape_percents(file).into()]);
        }
        if let Some(port) = self.port {
            options.extend(["-p".into(), port.to_string().into()]);
        }
        if let Some(user) = &self.user {
            options.extend(["-l".into(), user.into()]);
        }
        options
    }

    fn write_command(&self, command: &[&str]) -> Vec<String> {
        let options = self.write_options().into_iter().map(|word| word.to_string_lossy().into_owned());
        let words = ["ssh".to_owned()].into_iter().chain(options).chain([self.hostname.clone()]);
        words.chain(command.iter().map(|word| (*word).to_owned())).collect()
    }

    /// The command with which a person tries it.
    pub(super) fn describe_trial(&self) -> String {
        quote_words(&self.write_command(&["true"]))
    }

    /// The command that shows the fingerprints of the host's keys. What the settings name may be an alias and no machine; `known` is
    /// the name by which ssh looked for the key, as it says it itself: `NAME`, or `[NAME]:PORT`.
    pub(super) fn describe_scan(&self, known: Option<&str>) -> String {
        let own = (self.hostname.as_str(), self.port.map(|port| port.to_string()));
        let (name, port) =
            known.map_or(own, |known| match known.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
                Some((name, port)) => (name, Some(port.to_owned())),
                None => (known, None),
            });
        let port = port.map(|port| vec!["-p".to_owned(), port]).unwrap_or_default();
        let words: Vec<String> = ["ssh-keyscan".to_owned()].into_iter().chain(port).chain([name.to_owned()]).collect();
        format!("{} | ssh-keygen -lf -", quote_words(&words))
    }
}
