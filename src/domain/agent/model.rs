//! What the output of an agent tells of its session, whichever agent it is.

use crate::domain::values::{Millis, Usd};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most denials, open tools and models that are kept of one session; more are not looked at.
pub(super) const MAX_KEPT: usize = 64;

/// Most bytes of a text of the agent that are kept.
pub(super) const MAX_TEXT: usize = 2_048;

/// Tokens of one model, disjoint parts that sum to all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Read, and not from a cache.
    pub input: u64,
    /// Read from a cache.
    #[serde(default)]
    pub cached: u64,
    /// Written into a cache.
    #[serde(default)]
    pub cache_written: u64,
    /// Produced, thinking included.
    pub output: u64,
}

impl Usage {
    /// Tokens in and out.
    pub const fn total(self) -> u64 {
        self.input.saturating_add(self.cached).saturating_add(self.cache_written).saturating_add(self.output)
    }

    /// The sum of two.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cached: self.cached.saturating_add(other.cached),
            cache_written: self.cache_written.saturating_add(other.cache_written),
            output: self.output.saturating_add(other.output),
        }
    }
}

/// A tool the agent called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The id of the call in the stream.
    pub id: String,
    /// The tool's name.
    pub tool: String,
    /// What it is called on: a command, a file, a pattern; may be empty. Untrusted.
    pub subject: String,
}

/// A tool the agent was not allowed to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The tool's name.
    pub tool: String,
    /// What it was called on. Untrusted.
    pub subject: String,
}

/// A limit of the account that the agent works on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageLimit {
    /// When it is over, by the wall clock, in milliseconds since 1970; absent where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Millis>,
    /// How long it says to wait from when it said so, milliseconds; absent where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Millis>,
    /// Which of the account's limits, as the agent names it (`five_hour`, `seven_day`). Untrusted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub window: String,
}

/// Why an agent could not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// It is not logged in, or its key is refused.
    Login,
    /// The account has no credit left.
    Credit,
    /// The account is at a limit that goes by itself.
    Limit,
    /// The model is not known, or not to this account.
    Model,
    /// It refuses to run at all as it was started.
    Refused,
    /// The service is overloaded or broken.
    Service,
    /// The service cannot be reached, or does not answer.
    Network,
    /// Something else.
    Other,
}

/// How an agent says its session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentEnd {
    /// It has nothing more to do.
    Completed,
    /// The number of turns it was allowed is used up.
    TurnLimit,
    /// Its context is full.
    ContextFull,
    /// The money it was allowed is used up.
    Budget,
    /// Somebody interrupted it.
    Interrupted,
    /// It could not go on.
    Failed {
        /// Why.
        failure: Failure,
        /// What it says. Untrusted.
        message: String,
    },
}

/// What the output of an agent has told so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The agent's own id of its session, by which it can be resumed.
    pub session: Option<String>,
    /// The model that it says it works with.
    pub model: Option<String>,
    /// Tokens by model; the empty name stands for a model that is not named. A resumed session of some agents counts on from the
    /// session before.
    pub usage: BTreeMap<String, Usage>,
    /// Whether more tokens may have been used than were told: the session ended without its sum.
    pub partial_usage: bool,
    /// What it cost as the agent sees it; a resumed session may count on from the session before.
    pub cost: Option<Usd>,
    /// Tools that were called and have not answered, oldest first.
    pub open_tools: Vec<ToolCall>,
    /// The last tool that was called.
    pub last_tool: Option<ToolCall>,
    /// How many tools were called.
    pub tools_called: u64,
    /// The last text the agent wrote. Untrusted.
    pub text: String,
    /// Tools it was not allowed to use.
    pub denials: Vec<Denial>,
    /// A limit of its account, if it was stopped by one.
    pub limit: Option<UsageLimit>,
    /// How often a request to the model was tried again.
    pub retries: u64,
    /// How it says that it ended, if it does.
    pub end: Option<AgentEnd>,
    /// Lines that were events of the stream.
    pub events: u64,
}

impl Transcript {
    /// Tokens of all models; `None` where none were told of.
    pub fn tokens(&self) -> Option<u64> {
        (!self.usage.is_empty())
            .then(|| self.usage.values().fold(0, |sum: u64, usage| sum.saturating_add(usage.total())))
    }

    /// Notes that a tool was called.
    pub(super) fn open_tool(&mut self, call: ToolCall) {
        self.tools_called += 1;
        if !self.open_tools.iter().any(|open| open.id == call.id) && self.open_tools.len() < MAX_KEPT {
            self.open_tools.push(call.clone());
        }
        self.last_tool = Some(call);
    }

    /// Notes that a tool has answered.
    pub(super) fn close_tool(&mut self, id: &str) {
        self.open_tools.retain(|open| open.id != id);
    }

    /// Notes that a tool was refused.
    pub(super) fn deny(&mut self, denial: Denial) {
        if !self.denials.contains(&denial) && self.denials.len() < MAX_KEPT {
            self.denials.push(denial);
        }
    }

    /// Sets what a model used in all.
    pub(super) fn set_usage(&mut self, model: &str, usage: Usage) {
        if self.usage.len() < MAX_KEPT || self.usage.contains_key(model) {
            self.usage.insert(model.to_owned(), usage);
        }
    }

    /// Adds to what a model used.
    pub(super) fn add_usage(&mut self, model: &str, usage: Usage) {
        let sum = self.usage.get(model).copied().unwrap_or_default().plus(usage);
        self.set_usage(model, sum);
    }

    /// Notes that it failed; a limit is noted beside it.
    pub(super) fn fail(&mut self, failure: Failure, message: &str) {
        if failure == Failure::Limit {
            self.limit.get_or_insert_default();
        }
        self.end = Some(AgentEnd::Failed { failure, message: shorten(message) });
    }
}

/// The beginning of a text of the agent, as much as is kept.
pub(super) fn shorten(text: &str) -> String {
    let text = text.trim();
    text[..crate::domain::base::text::floor_char_boundary(text, MAX_TEXT)].to_owned()
}
