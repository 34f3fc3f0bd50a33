//! Reading the stream of events that an agent writes while it works, by event type, unknown types ignored.
//!
//! A reader takes bytes as they come and never fails: what is no event of its format changes nothing. Formats: `claude` from
//! the types of npm `@anthropic-ai/claude-agent-sdk` 0.3.328 and streams of Claude Code 2.1.197 and 2.1.328, `codex` from
//! `exec_events.rs` of openai/codex and streams of 0.169, `opencode` from `run.ts` and streams of 1.18.33, `gemini` from
//! `output/types.ts` of google-gemini/gemini-cli, `aider` from the text that 0.86.2 prints.

mod aider;
mod claude;
mod codex;
mod gemini;
mod lines;
mod opencode;

use super::model::{AgentEnd, StreamFormat, ToolCall, Transcript, shorten};
use lines::LineBuffer;
use serde_json::Value;

/// Reads one stream.
#[derive(Debug)]
pub struct StreamReader {
    format: StreamFormat,
    lines: LineBuffer,
    parser: Parser,
    transcript: Transcript,
}

#[derive(Debug)]
enum Parser {
    Claude(claude::Messages),
    Codex,
    Gemini,
    Opencode,
    Aider,
}

impl StreamReader {
    /// A reader that has seen nothing yet.
    pub fn new(format: StreamFormat) -> Self {
        let parser = match format {
            StreamFormat::Claude => Parser::Claude(claude::Messages::default()),
            StreamFormat::Codex => Parser::Codex,
            StreamFormat::Gemini => Parser::Gemini,
            StreamFormat::Opencode => Parser::Opencode,
            StreamFormat::Aider => Parser::Aider,
        };
        let lines = LineBuffer::new(format != StreamFormat::Aider);
        Self { format, lines, parser, transcript: Transcript::default() }
    }

    /// Takes the next bytes of the output.
    pub fn push(&mut self, bytes: &[u8]) {
        let Self { lines, parser, transcript, .. } = self;
        lines.push(bytes, |line| parser.read(line, transcript));
    }

    /// What was told so far.
    pub const fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// What was told in all, now that nothing more comes.
    pub fn finish(mut self) -> Transcript {
        let Self { lines, parser, transcript, .. } = &mut self;
        lines.finish(|line| parser.read(line, transcript));
        // Sums come with the end; without it what is known is what single steps told.
        if self.format.says_end() && self.transcript.end.is_none() {
            self.transcript.end = Some(AgentEnd::Cut);
            self.transcript.partial_usage = true;
        }
        self.transcript
    }
}

impl Parser {
    fn read(&mut self, line: &[u8], transcript: &mut Transcript) {
        let text = String::from_utf8_lossy(line);
        if let Self::Aider = self {
            aider::read_line(&text, transcript);
            return;
        }
        let Ok(event @ Value::Object(_)) = serde_json::from_str::<Value>(text.trim()) else { return };
        let Some(kind) = event["type"].as_str() else { return };
        transcript.events += 1;
        match self {
            Self::Claude(messages) => claude::read_event(kind, &event, messages, transcript),
            Self::Codex => codex::read_event(kind, &event, transcript),
            Self::Gemini => gemini::read_event(kind, &event, transcript),
            Self::Opencode => opencode::read_event(kind, &event, transcript),
            Self::Aider => (),
        }
    }
}

/// A text field; empty where there is none.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// A number of tokens; 0 where there is none.
fn count(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or(0)
}

/// The call of a tool, its subject being the first of these fields of its input that is a text.
fn tool_call(id: &str, tool: &str, input: &Value, fields: &[&str]) -> ToolCall {
    let subject = fields.iter().find_map(|field| input[*field].as_str()).unwrap_or_default();
    ToolCall { id: shorten(id), tool: shorten(tool), subject: shorten(subject) }
}

/// Where the fields of tools' inputs name what they work on, the most telling first.
const SUBJECTS: [&str; 11] = [
    "command",
    "file_path",
    "filePath",
    "path",
    "pattern",
    "query",
    "url",
    "description",
    "prompt",
    "dir_path",
    "name",
];
