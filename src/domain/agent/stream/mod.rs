//! Reading the stream of events that an agent writes while it works, by event type, unknown types ignored.
//!
//! A reader takes bytes as they come and never fails: what is no event of its format changes nothing. Formats: `claude` from
//! the types of npm `@anthropic-ai/claude-agent-sdk` 0.3.328 and streams of Claude Code 2.1.197 and 2.1.328, `codex` from
//! `exec_events.rs` of openai/codex and streams of 0.169, `opencode` from `run.ts` and streams of 1.18.33, `gemini` from
//! `output/types.ts` of google-gemini/gemini-cli, `aider` from the text that 0.86.2 prints.

mod aider;
mod claude;
mod codex;
mod event;
mod gemini;
mod lines;
mod opencode;
mod reader;

pub use reader::StreamReader;
