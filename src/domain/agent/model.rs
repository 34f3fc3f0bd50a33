//! What the output of an agent tells of its session, whichever agent it is.

use super::failure::{Failure, of_message};
use crate::domain::base::is_default;
use crate::domain::values::{Millis, Usd};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most denials, open tools and models that are kept of one session; more are not looked at.
pub(super) const MAX_KEPT: usize = 64;

/// Most bytes of a text of the agent that are kept.
pub(super) const MAX_TEXT: usize = 2_048;

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamFormat {
    /// `claude -p --verbose --output-format stream-json`.
    Claude,
    /// `codex exec --json`.
    Codex,
    /// `gemini --output-format stream-json`.
    Gemini,
    /// `opencode run --format json`.
    Opencode,
    /// What `aider --no-pretty --no-stream` prints.
    Aider,
}

impl StreamFormat {
    /// The agent's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Opencode => "opencode",
            Self::Aider => "aider",
        }
    }

    /// Whether a session that ended by itself says so, so that one without that word was cut off.
    pub const fn says_end(self) -> bool {
        !matches!(self, Self::Aider)
    }

    /// Whether tokens and cost of a resumed session count on from the session before.
    pub const fn counts_on(self) -> bool {
        matches!(self, Self::Claude | Self::Codex)
    }
}

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
    /// Which of the account's limits, as the agent names it (`five_hour`, `seven_day`). Untrusted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub window: String,
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
    /// The stream ends without saying how the session did.
    Cut,
    /// It could not go on.
    Failed {
        /// Why.
        failure: Failure,
        /// What it says. Untrusted.
        message: String,
    },
}

/// What the stream of an agent told of its session, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamReport {
    /// Its format.
    pub format: StreamFormat,
    /// The agent's own id of its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// How it ended by its own word; absent where agents of this kind give none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<AgentEnd>,
    /// Tokens by model.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub usage: BTreeMap<String, Usage>,
    /// Whether more tokens may have been used than were told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial_usage: bool,
    /// A limit of its account, if it was stopped by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<UsageLimit>,
    /// Tools it was not allowed to use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denials: Vec<Denial>,
    /// How many tools were called.
    pub tools_called: u64,
    /// How often a request to the model was tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retries: u64,
    /// Events of its format; none where what was started is no such agent.
    pub events: u64,
}

impl StreamReport {
    /// Texts that the agent wrote.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let message = match &mut self.end {
            Some(AgentEnd::Failed { message, .. }) => Some(message),
            _ => None,
        };
        let window = self.limit.as_mut().map(|limit| &mut limit.window);
        let denials = self.denials.iter_mut().flat_map(|denial| [&mut denial.tool, &mut denial.subject]);
        message.into_iter().chain(window).chain(denials).chain(self.session.as_mut())
    }

    /// Whether it ended before the model had answered once.
    pub fn did_nothing(&self) -> bool {
        self.tools_called == 0 && self.usage.values().all(|usage| usage.output == 0)
    }
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
    /// How long it says to wait for that from when it said so, milliseconds.
    pub wait: Option<Millis>,
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

    /// Whether it ended before the model had answered once.
    pub fn did_nothing(&self) -> bool {
        self.tools_called == 0 && self.usage.values().all(|usage| usage.output == 0)
    }

    /// Takes what its program said beside the stream as the reason why it ended before it did anything.
    pub fn explain_silence(&mut self, errors: &str) {
        if self.end == Some(AgentEnd::Cut) && self.did_nothing() {
            let failure = of_message(errors);
            if failure != Failure::Other {
                self.fail(failure, errors);
            }
        }
    }

    /// What is kept of it, of a stream that was over at `at`.
    pub fn into_report(mut self, format: StreamFormat, at: Millis) -> StreamReport {
        if let (Some(limit), Some(wait)) = (&mut self.limit, self.wait) {
            limit.resets_at.get_or_insert(at.saturating_add(wait));
        }
        StreamReport {
            format,
            session: self.session,
            end: self.end,
            usage: self.usage,
            partial_usage: self.partial_usage,
            limit: self.limit,
            denials: self.denials,
            tools_called: self.tools_called,
            retries: self.retries,
            events: self.events,
        }
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
