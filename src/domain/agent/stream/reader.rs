//! One stream, read as it comes.

use super::lines::LineBuffer;
use super::{aider, claude, codex, gemini, opencode};
use crate::domain::agent::model::{AgentEnd, StreamFormat, Transcript};
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
