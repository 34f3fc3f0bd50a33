//! What the stream of an agent tells of a session that has ended, taken into its report.

use crate::adapters::host::local::process::tail;
use crate::adapters::host::local::protocol::ERRORS;
use crate::domain::agent::{AgentEnd, Denial, StreamFormat, StreamReader, Transcript};
use crate::domain::mission::{Cost, SessionReport};
use crate::domain::values::Millis;
use crate::domain::verify::formats::without_sequences;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of the log read at once.
const CHUNK: usize = 1 << 20;

/// Bytes of what a program said before it did anything.
const ERRORS_TAIL: u64 = 2_000;

/// Reads the stream of `log` and what stands beside it into the report of a session that was over at `at`. What the agent says of
/// its end is its summary, unless its handoff said more.
pub async fn read_into(report: &mut SessionReport, format: StreamFormat, log: &Path, at: Millis) {
    let path = log.to_owned();
    let read = tokio::task::spawn_blocking(move || read_log(format, path)).await;
    let mut transcript = match read.map_err(io::Error::other).and_then(|read| read) {
        Ok(transcript) => transcript,
        Err(e) => {
            report.notes.push(format!("its stream could not be read, and what it cost is not known: {e}"));
            return;
        }
    };
    let errors = tail::of(&log.with_file_name(ERRORS), ERRORS_TAIL);
    let errors = without_sequences(&errors);
    transcript.explain_silence(&errors);
    report.agent.cost = measure_cost(&transcript);
    let said = describe_end(&transcript, &errors, format);
    if report.agent.claim.is_none() || report.agent.summary.is_empty() {
        report.agent.summary = said;
    }
    report.agent.stream = Some(Box::new(transcript.into_report(format, at)));
}

fn read_log(format: StreamFormat, path: PathBuf) -> io::Result<Transcript> {
    let mut reader = StreamReader::new(format);
    tail::read_chunks(&path, CHUNK, |bytes| reader.push(bytes))?;
    Ok(reader.finish())
}

/// What is known of what it cost. Without its sum more may have been used than was told.
fn measure_cost(transcript: &Transcript) -> Option<Cost> {
    if transcript.did_nothing() && matches!(transcript.end, Some(AgentEnd::Failed { .. })) {
        return Some(Cost::NOTHING);
    }
    if transcript.partial_usage {
        return None;
    }
    let cost = Cost { usd: transcript.cost, tokens: transcript.tokens() };
    (cost != Cost::default()).then_some(cost)
}

/// How the agent says that it ended, or what it said before it did anything.
fn describe_end(transcript: &Transcript, errors: &str, format: StreamFormat) -> String {
    let without_word = || {
        let said = match errors.trim() {
            "" => String::new(),
            said => format!(": {said}"),
        };
        match transcript.events {
            0 => format!("it printed no event of the {} stream{said}", format.name()),
            _ => format!("its stream ends without a word of its end{said}"),
        }
    };
    match &transcript.end {
        Some(AgentEnd::Failed { message, .. }) if !message.is_empty() => message.clone(),
        Some(AgentEnd::Failed { failure, .. }) => failure.words().to_owned(),
        Some(AgentEnd::Cut) => without_word(),
        Some(AgentEnd::TurnLimit) => "it used up its turns".to_owned(),
        Some(AgentEnd::ContextFull) => "its context is full".to_owned(),
        Some(AgentEnd::Budget) => "it used up the money of its own limit".to_owned(),
        Some(AgentEnd::Interrupted) => "it was interrupted".to_owned(),
        Some(AgentEnd::Completed) | None => transcript.text.clone(),
    }
}

/// What a person is asked where an agent changed nothing and was not allowed to use its tools.
pub fn denial_question(denials: &[Denial], unit: &str) -> Option<String> {
    let first = denials.first()?;
    let on = match first.subject.as_str() {
        "" => String::new(),
        subject => format!(" on `{}`", subject.lines().next().unwrap_or_default()),
    };
    let more = match denials.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    Some(format!(
        "it changed nothing and was not allowed to use {}{on}{more}: allow it in agent.command, then `mc unit retry {unit}`",
        first.tool
    ))
}
