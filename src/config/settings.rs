//! The settings the engine runs with: complete, typed, valid together.
//!
//! Promises: nothing here is optional that the engine needs; a combination that cannot work is refused before
//! anything starts, with its place and what to do.

use super::backend::Backend;
use super::layers::Layers;
use super::value::Value;
use super::{ConfigError, Source};
use crate::domain::agent::StreamFormat;
use crate::domain::detect::agents::{Agent as KnownAgent, find_agent};
pub use crate::domain::fence::{Sandbox, SandboxMode, WantedIsolation};
pub use crate::domain::handoff::PromptMode;
use crate::domain::links::LinkRule;
use crate::domain::verify::{Gate, StageSpec};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use strum::EnumString;

pub(super) const HOME: &str = "target.verification.home";
/// Paths that agents may write.
pub(super) const WRITABLE: &str = "sandbox.writable";
/// Paths that every run may write.
pub(super) const SHARED: &str = "sandbox.shared";
/// Paths that may be read although they are hidden.
pub(super) const READABLE: &str = "sandbox.readable";
/// Paths that may not be read.
pub(super) const HIDDEN: &str = "sandbox.hidden";
pub(super) const PROTECT: &str = "target.verification.protect";
pub(super) const KEEP: &str = "target.verification.keep";
pub(super) const UNION: &str = "queue.union";

/// Everything a mission is configured with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The file they come from, as a path of the repository; absent where it is outside or there is none.
    #[serde(default)]
    pub file: Option<String>,
    /// The repository and what is wanted of it.
    pub target: Target,
    /// The verification.
    pub verification: Verification,
    /// The agent.
    pub agent: Agent,
    /// Attempts and processes.
    pub scheduler: Scheduler,
    /// Workspaces and how many work at once.
    pub parallel: Parallel,
    /// Cap on the wall time of one mission.
    pub max_wall_time: Duration,
    /// Caps on money and tokens of one mission.
    #[serde(default)]
    pub budget: Budget,
    /// Rounds.
    pub rounds: Rounds,
    /// The merge queue.
    pub queue: Queue,
    /// What runs may reach.
    #[serde(default)]
    pub sandbox: Sandbox,
    /// The hosts that work is given to.
    #[serde(default)]
    pub backend: Backend,
    /// Name of the green branch, without `refs/heads/`.
    pub green_branch: String,
    /// What the person should know; nothing here stops a mission.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Whether files may stay in the workspace of verifications from one run to the next.
    pub fn keeps_files(&self) -> bool {
        self.target.setup.is_some() || !self.verification.keep.is_empty()
    }
}

/// The repository and what is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Name for people.
    pub name: String,
    /// A directory of the repository.
    pub path: PathBuf,
    /// The branch work starts from.
    pub branch: String,
    /// What the mission is to reach; may be empty.
    pub objective: String,
    /// Shell text that exits 0 when the objective is met.
    pub check: Option<String>,
    /// Shell text that prepares a fresh workspace.
    pub setup: Option<String>,
    /// Files whose change makes `setup` run again.
    pub setup_inputs: Vec<String>,
    /// Untracked files copied from the source into each workspace; relative, inside the repository.
    pub copy: Vec<String>,
}

/// The verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// At least one, at least one of them of the gate; names are unique.
    pub stages: Vec<StageSpec>,
    /// Names of environment variables passed on; their values are part of the fingerprint.
    pub env: Vec<String>,
    /// Shell texts whose outputs are part of the fingerprint.
    pub fingerprint: Vec<String>,
    /// After this time a unit's own line is killed; stages have times of their own.
    #[serde(default = "super::stages::half_an_hour")]
    pub timeout: Duration,
    /// Globs of paths that units must leave as they are.
    #[serde(default)]
    pub protect: Vec<String>,
    /// Paths and globs removed from a tree before it is verified.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Files and folders of the user's home that verifications find in theirs, besides the usual ones.
    #[serde(default)]
    pub home: Vec<String>,
    /// Globs of paths beside the tree that may stay in a workspace from the run of one landed tree to the next.
    #[serde(default)]
    pub keep: Vec<String>,
}

/// Which agent program is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Preset {
    /// Any program; its exit code says how it ended.
    #[default]
    Command,
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
    /// The Gemini CLI.
    Gemini,
    /// opencode.
    Opencode,
    /// aider.
    Aider,
}

impl Preset {
    /// The stream of events that it writes; any program writes none.
    pub const fn stream_format(self) -> Option<StreamFormat> {
        match self {
            Self::Command => None,
            Self::Claude => Some(StreamFormat::Claude),
            Self::Codex => Some(StreamFormat::Codex),
            Self::Gemini => Some(StreamFormat::Gemini),
            Self::Opencode => Some(StreamFormat::Opencode),
            Self::Aider => Some(StreamFormat::Aider),
        }
    }

    /// Whether its stream tells tokens.
    pub const fn tells_tokens(self) -> bool {
        !matches!(self, Self::Command | Self::Aider)
    }

    /// Whether its stream tells money.
    pub const fn tells_money(self) -> bool {
        matches!(self, Self::Claude | Self::Opencode)
    }

    /// What is known of the agent.
    pub fn known_agent(self) -> Option<&'static KnownAgent> {
        match self {
            Self::Command => None,
            Self::Claude => find_agent("claude"),
            Self::Codex => find_agent("codex"),
            Self::Gemini => find_agent("gemini"),
            Self::Opencode => find_agent("opencode"),
            Self::Aider => find_agent("aider"),
        }
    }
}

/// The agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Which program.
    pub preset: Preset,
    /// Its command line; `None` is fine for missions of script units only.
    pub command: Option<String>,
    /// How it gets its brief.
    pub prompt: PromptMode,
    /// Names of environment variables passed on.
    pub env: Vec<String>,
    /// Without output and file change for so long, it is stalled; `None` is off.
    pub idle_timeout: Option<Duration>,
    /// Without a first sign of life for so long, it is stalled; `None` is off.
    pub start_timeout: Option<Duration>,
    /// How long it may take to end after its result.
    pub grace_after_result: Duration,
}

const fn default_max_starts() -> u32 {
    30
}

/// Attempts and processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduler {
    /// Longest run of one attempt.
    pub session_timeout: Duration,
    /// Attempts of one unit.
    pub max_attempts: u32,
    /// Retries of one unit after infrastructure failures.
    pub max_infrastructure_retries: u32,
    /// Starts of one unit, whatever became of them.
    #[serde(default = "default_max_starts")]
    pub max_starts: u32,
    /// How left-over processes are found.
    pub isolation: WantedIsolation,
    /// How long processes outlive a dead engine.
    pub lease: Duration,
    /// First pause before what met infrastructure is tried again.
    pub retry_pause: Duration,
    /// How long a common cause may keep everything waiting before the mission is suspended.
    pub circuit_after: Duration,
}

/// How many units run at once.
const WORKERS: &str = "scheduler.parallel.num_workers";

/// Workspaces and how many work at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parallel {
    /// Units that run at once, on all hosts together.
    pub num_workers: u32,
    /// Whether a person said how many; beside hosts it is no cap else.
    #[serde(default)]
    pub said: bool,
    /// Where workspaces are; `None` is below the state directory.
    pub pool_dir: Option<PathBuf>,
    /// Most bytes of the pool.
    pub max_disk: u64,
}

/// Caps on money and tokens; money in millionths of a US dollar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Reserved for one attempt of an agent.
    pub max_per_session: u64,
    /// Of the whole mission; 0 is no cap.
    pub max_per_run: u64,
    /// Whether a person said so: the built-in cap does not count attempts of agents that never tell what they cost.
    pub said: bool,
    /// Tokens of the whole mission; 0 is no cap.
    pub max_tokens: u64,
}

/// Rounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rounds {
    /// Most rounds of a mission.
    pub max_rounds: u32,
    /// Most units of one round; `None` is all.
    pub units_per_round: Option<u32>,
    /// So many rounds in a row without a landing end the mission.
    pub stall_threshold: u32,
    /// Pause between rounds.
    pub cooldown_between_rounds: Duration,
}

/// The merge queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// What it demands.
    pub gate: Gate,
    /// Whether more findings of linters and type checkers and worse metrics hurt.
    #[serde(default)]
    pub ratchet: bool,
    /// Whether a new failure is confirmed by a second run before anyone is blamed.
    pub confirm_failures: bool,
    /// Globs of files whose lines are joined where both sides of a merge added some.
    #[serde(default)]
    pub union: Vec<String>,
    /// What becomes of a change with links that leave the tree.
    #[serde(default)]
    pub links: LinkRule,
}

impl Settings {
    /// Whether attempts of unknown cost count against the cap on money, with what is reserved for each: where a person set the
    /// cap, and where the agent tells what it spends, so that what is unknown is the exception.
    pub const fn counts_unknown_cost(&self) -> bool {
        self.budget.said || self.agent.preset.tells_money()
    }
}

impl Layers {
    /// The validated settings.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is missing or does not go together.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let mut problems = Vec::new();
        let stages = self.stage_specs(&mut problems);
        self.check_branches(&mut problems);
        self.check_paths(&mut problems);
        let budget = self.read_budget(&mut problems);
        self.check_globs(&mut problems);
        let backend = self.read_backend(&mut problems);
        if !problems.is_empty() {
            return Err(ConfigError(problems));
        }
        let path = self.path("target.path").unwrap_or_else(|| self.directory.clone());
        let name = self.optional_text("target.name").or_else(|| Some(path.file_name()?.to_string_lossy().into_owned()));
        let preset: Preset = self.choice("agent.preset");
        let known = preset.known_agent();
        Ok(Settings {
            target: Target {
                name: name.unwrap_or_else(|| "repository".to_owned()),
                path,
                branch: self.text("target.branch"),
                objective: self.text("target.objective"),
                check: self.optional_text("target.check"),
                setup: self.optional_text("target.setup"),
                setup_inputs: self.texts("target.setup_inputs"),
                copy: self.texts("target.copy"),
            },
            verification: Verification {
                stages,
                env: self.texts("target.verification.env"),
                fingerprint: self.texts("target.verification.fingerprint"),
                timeout: self.time("target.verification.timeout"),
                protect: self.texts(PROTECT),
                ignore: self.texts("target.verification.ignore"),
                home: self.texts(HOME),
                keep: self.texts(KEEP),
            },
            agent: Agent {
                preset,
                command: self.optional_text("agent.command").or_else(|| Some(known?.command.to_owned())),
                prompt: match known {
                    Some(known) if self.source("agent.prompt") == Source::Default => known.prompt,
                    _ => self.choice("agent.prompt"),
                },
                env: self.texts("agent.env"),
                idle_timeout: self.time_or_off("agent.idle_timeout"),
                start_timeout: self.time_or_off("agent.start_timeout"),
                grace_after_result: self.time("agent.grace_after_result"),
            },
            scheduler: Scheduler {
                session_timeout: self.time("scheduler.session_timeout"),
                max_attempts: self.count("scheduler.max_attempts"),
                max_infrastructure_retries: self.count("scheduler.max_infrastructure_retries"),
                max_starts: self.count("scheduler.max_starts"),
                isolation: self.choice("scheduler.isolation"),
                lease: self.time("scheduler.lease"),
                retry_pause: self.time("scheduler.retry_pause"),
                circuit_after: self.time("scheduler.circuit_after"),
            },
            parallel: Parallel {
                num_workers: self.count(WORKERS),
                said: self.source(WORKERS) != Source::Default,
                pool_dir: self.path("scheduler.parallel.pool_dir"),
                max_disk: self.number("scheduler.parallel.max_disk"),
            },
            max_wall_time: self.time("scheduler.budget.max_wall_time"),
            budget,
            rounds: Rounds {
                max_rounds: self.count("rounds.max_rounds"),
                units_per_round: Some(self.count("rounds.units_per_round")).filter(|units| *units > 0),
                stall_threshold: self.count("rounds.stall_threshold"),
                cooldown_between_rounds: self.time("rounds.cooldown_between_rounds"),
            },
            queue: Queue {
                gate: self.choice("queue.gate"),
                ratchet: matches!(self.get("queue.ratchet"), Some((Value::Flag(true), _))),
                confirm_failures: matches!(self.get("queue.confirm_failures"), Some((Value::Flag(true), _))),
                union: self.texts(UNION),
                links: self.choice("queue.links"),
            },
            file: None,
            sandbox: Sandbox {
                mode: self.choice("sandbox.mode"),
                writable: self.texts(WRITABLE),
                shared: self.texts(SHARED),
                readable: self.texts(READABLE),
                hidden: self.texts(HIDDEN),
                max_memory: self.number("sandbox.max_memory"),
                max_processes: self.count("sandbox.max_processes").into(),
            },
            backend,
            green_branch: self.text("green_branch.green_branch"),
            warnings: self.list_warnings(),
        })
    }

    fn list_warnings(&self) -> Vec<String> {
        let older: Vec<String> = self.ignored.iter().map(|(key, place)| format!("`{}` ({place})", key.path)).collect();
        let told = format!("these keys have no meaning here and are ignored: {}", older.join(", "));
        let unused = self.explain_unused_hosts().map(|(why, help)| format!("{why}; {help}"));
        Some(told).filter(|_| !older.is_empty()).into_iter().chain(unused).collect()
    }

    pub(super) fn source(&self, key: &str) -> Source {
        self.get(key).map_or(Source::Default, |(_, source)| source.clone())
    }

    /// The text of a key.
    pub fn text(&self, key: &str) -> String {
        let Some((Value::Text(text), _)) = self.get(key) else { return String::new() };
        text.clone()
    }

    /// A word of a choice, which is one of the type's.
    pub(super) fn choice<T: std::str::FromStr + Default>(&self, key: &str) -> T {
        self.text(key).parse().unwrap_or_default()
    }

    pub(super) fn optional_text(&self, key: &str) -> Option<String> {
        Some(self.text(key)).filter(|text| !text.trim().is_empty())
    }

    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        let Some((Value::Texts(texts), _)) = self.get(key) else { return Vec::new() };
        texts.clone()
    }

    /// Of a count, of bytes or of millionths of a US dollar.
    pub(super) fn number(&self, key: &str) -> u64 {
        let Some((Value::Count(number) | Value::Size(number) | Value::Money(number), _)) = self.get(key) else {
            return 0;
        };
        *number
    }

    pub(super) fn count(&self, key: &str) -> u32 {
        u32::try_from(self.number(key)).unwrap_or(u32::MAX)
    }

    pub(super) fn time(&self, key: &str) -> Duration {
        let Some((Value::Time(time), _)) = self.get(key) else { return Duration::ZERO };
        *time
    }

    pub(super) fn time_or_off(&self, key: &str) -> Option<Duration> {
        Some(self.time(key)).filter(|time| !time.is_zero())
    }

    /// A path setting, made absolute from the settings file's folder.
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        self.optional_text(key).map(|path| self.directory.join(path))
    }
}
