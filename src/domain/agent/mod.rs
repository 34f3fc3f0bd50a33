//! Coding agents: what their machine-readable output says while they work and when they end.
//!
//! What an agent says decides only where it costs the agent something, or where nobody else can know it: that a turn ended,
//! what it spent, that its account is at a limit. Whether work was done is for git and the checks to say.

mod failure;
mod model;
mod stream;

pub use failure::Failure;
pub use model::{AgentEnd, Denial, StreamFormat, StreamReport, ToolCall, Transcript, Usage, UsageLimit};
pub use stream::StreamReader;
