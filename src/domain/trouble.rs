//! Trouble: what stood in the way of an operation although nobody's work is at fault, named by its cause.
//!
//! Two failures are the same trouble when their [`Cause`] is the same. Who meets a failure makes the cause, from the kind of
//! the error; here it is only compared and put into words. What nobody knows the kind of carries a key: its message without
//! what differs from one failure to the next.

use crate::domain::agent::Failure;
use serde::{Deserialize, Serialize};

/// Longest key of a cause that is not known by kind, in words.
const KEY_WORDS: usize = 16;

/// A folder that operations need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spot {
    /// The source repository.
    Source,
    /// The state folder with pool, runs and journal.
    State,
    /// Somewhere else: temporary files, caches of tools.
    Elsewhere,
}

impl Spot {
    /// For messages.
    pub fn words(self) -> &'static str {
        match self {
            Self::Source => "the source repository",
            Self::State => "the state folder",
            Self::Elsewhere => "temporary files",
        }
    }
}

/// What stood in the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The folder is not where it was.
    Missing(Spot),
    /// The folder cannot be written, or not be read.
    Denied(Spot),
    /// No room is left on the folder's disk.
    DiskFull(Spot),
    /// Room is left, but no further file can be made on the folder's disk.
    NoInodes(Spot),
    /// The process may open no more files.
    Descriptors {
        /// How many it may have open, where that is known.
        limit: Option<u64>,
    },
    /// The user may start no more processes.
    Processes,
    /// No memory is left.
    Memory,
    /// A file would be longer than the process may write.
    FileSize,
    /// The setup command of workspaces fails: often what it fetches is out of reach.
    Setup,
    /// A file by which git keeps others away is there: its path.
    Locked(String),
    /// Git could not be run to its end.
    Git,
    /// A workspace could not be made.
    Workspace,
    /// A program could not be started in its isolation.
    Spawn,
    /// The processes of a run are gone without a record, or its folder or workspace is.
    LostRun,
    /// A host does not answer.
    Unreachable,
    /// The agent cannot be used as it is set up.
    Agent(Failure),
    /// Something else; failures with one key are one trouble.
    Unknown(String),
}

impl Cause {
    /// A cause that is known by nothing but what was said of it.
    pub fn from_message(message: &str) -> Self {
        Self::Unknown(key(message))
    }

    /// Whether everything a mission does needs it, so that no unit can be what is wrong with it.
    pub fn is_shared(&self) -> bool {
        match self {
            Self::Missing(_)
            | Self::Denied(_)
            | Self::DiskFull(_)
            | Self::NoInodes(_)
            | Self::Descriptors { .. }
            | Self::Processes
            | Self::Unreachable
            | Self::Memory => true,
            Self::FileSize
            | Self::Locked(_)
            | Self::Setup
            | Self::Git
            | Self::Workspace
            | Self::Spawn
            | Self::LostRun
            | Self::Agent(_)
            | Self::Unknown(_) => false,
        }
    }

    /// Whether no unit is to blame for it when it is met a second time: what everything needs, or what keeps git away from more
    /// than the refs of `mc` itself.
    pub fn blames_nobody(&self) -> bool {
        match self {
            Self::Locked(path) => !path.contains("/refs/mc/"),
            cause => cause.is_shared(),
        }
    }

    /// Whether the processes of a run can have done it to themselves, so that it says nothing of others.
    pub fn is_of_the_run(&self) -> bool {
        matches!(self, Self::LostRun)
    }

    /// What is wrong, as a sentence without its full stop.
    pub fn words(&self) -> String {
        match self {
            Self::Missing(spot) => format!("{} cannot be found where it was", spot.words()),
            Self::Denied(spot) => format!("{} cannot be written", spot.words()),
            Self::DiskFull(spot) => format!("the disk of {} is full", spot.words()),
            Self::NoInodes(spot) => format!("no inodes left on the disk of {}", spot.words()),
            Self::Descriptors { limit: Some(limit) } => format!("no file descriptors left (limit {limit})"),
            Self::Descriptors { limit: None } => "no file descriptors left".to_owned(),
            Self::Processes => "process limit reached: no further process can be started".to_owned(),
            Self::Memory => "no memory left".to_owned(),
            Self::FileSize => "a file would grow beyond the file size limit of this process".to_owned(),
            Self::Setup => "the setup command fails (target.setup)".to_owned(),
            Self::Locked(path) => format!("a lock of git is in the way: {path}"),
            Self::Git => "git cannot be run".to_owned(),
            Self::Workspace => "no workspace can be prepared".to_owned(),
            Self::Spawn => "programs cannot be started in their isolation".to_owned(),
            Self::LostRun => "runs vanish without a record".to_owned(),
            Self::Unreachable => "a host cannot be reached".to_owned(),
            Self::Agent(failure) => failure.words().to_owned(),
            Self::Unknown(key) => format!("the same failure again and again ({key})"),
        }
    }

    /// What a person can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Missing(Spot::Source) => "put the repository back, or run `mc mission resume` where it is now",
            Self::Missing(_) => "put the folder back (`mc where` names it)",
            Self::Denied(_) => {
                "let this user write there: look at its permissions and whether its file system is mounted read-only"
            }
            Self::DiskFull(Spot::State) => "make room on it (`mc pool prune` and `mc clean` free what mc keeps there)",
            Self::DiskFull(_) => "make room on it",
            Self::NoInodes(_) => "delete files there that nobody needs (`df -i` shows it)",
            Self::Descriptors { .. } => "raise the limit (`ulimit -n 1024`)",
            Self::Processes => {
                "end processes that nobody needs, or raise the limit (`ulimit -u`, `pids.max` of the cgroup)"
            }
            Self::Memory => "end what uses it, or use fewer workers",
            Self::FileSize => "raise the limit (`ulimit -f unlimited`)",
            Self::Setup => "run the setup command in a fresh clone and mend what it says",
            Self::Locked(_) => {
                "delete that file when no git works in the repository any more (one that was killed leaves it)"
            }
            Self::Agent(failure) => failure.remedy(),
            Self::Unreachable => "look whether the machine is up and `mc` can be started there",
            Self::Git | Self::Workspace | Self::Spawn | Self::LostRun | Self::Unknown(_) => {
                "`mc doctor` tries what can be tried, `mc where` names the logs"
            }
        }
    }
}

/// One failure of that kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredTrouble")]
pub struct Trouble {
    /// Its cause.
    pub cause: Cause,
    /// What was said, for people. Untrusted.
    pub why: String,
}

impl Trouble {
    /// A failure of a known cause.
    pub fn new(cause: Cause, why: impl Into<String>) -> Self {
        Self { cause, why: why.into() }
    }

    /// The same failure with what was tried in front of what was said.
    #[must_use]
    pub fn while_trying(self, what: &str) -> Self {
        Self { why: format!("{what}: {}", self.why), ..self }
    }
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self { cause: Cause::from_message(&why), why }
    }
}

impl From<Trouble> for String {
    fn from(trouble: Trouble) -> Self {
        trouble.why
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

/// A trouble as journals have it: earlier ones have what was said only.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredTrouble {
    Said(String),
    Whole { cause: Cause, why: String },
}

impl From<StoredTrouble> for Trouble {
    fn from(told: StoredTrouble) -> Self {
        match told {
            StoredTrouble::Said(why) => why.into(),
            StoredTrouble::Whole { cause, why } => Self { cause, why },
        }
    }
}

/// A message without what differs from failure to failure: numbers, names in quotes, paths, ids.
fn key(message: &str) -> String {
    let plain = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\''));
    let words =
        message.split(|c: char| c.is_whitespace()).map(|word| word.trim_matches([':', ',', ';', '.', '(', ')']));
    words.filter(plain).take(KEY_WORDS).map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// An error with its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_failure_to_failure_is_no_part_of_a_key() {
        let one =
            Cause::from_message("collect the workspace: run `git push /x/1 u1` (exit code 1): fatal: broken pipe");
        let two =
            Cause::from_message("collect the workspace: run `git push /x/2 u2` (exit code 128): fatal: broken pipe");
        assert_eq!(one, two);
        assert_ne!(
            one,
            Cause::from_message("collect the workspace: run `git add /x/2 u2` (exit code 1): fatal: bad object")
        );
    }

    #[test]
    fn a_trouble_of_an_earlier_journal_is_known_by_its_words() {
        let old: Trouble = serde_json::from_str("\"its supervisor died\"").unwrap();
        assert_eq!(old.cause, Cause::Unknown("its supervisor died".to_owned()));
        let new = Trouble::new(Cause::DiskFull(Spot::State), "write x");
        let text = serde_json::to_string(&new).unwrap();
        assert_eq!(serde_json::from_str::<Trouble>(&text).unwrap(), new);
    }

    #[test]
    fn causes_are_told_in_words() {
        assert_eq!(Cause::DiskFull(Spot::State).words(), "the disk of the state folder is full");
        assert_eq!(Cause::Denied(Spot::Source).words(), "the source repository cannot be written");
        assert_eq!(Cause::Descriptors { limit: Some(24) }.words(), "no file descriptors left (limit 24)");
    }
}
