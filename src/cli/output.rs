//! The only place that prints. A reader that went away (closed pipe, hung-up terminal) is no error: what follows is
//! dropped and the command goes on to its end.

use serde_json::Value;
use std::io::{ErrorKind, IsTerminal, Write};

/// Writes text to standard output; false when nobody reads it any more.
pub fn write_text(text: &str) -> bool {
    write_bytes(text.as_bytes())
}

/// Writes bytes as they are to standard output.
pub fn write_bytes(bytes: &[u8]) -> bool {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    if let Some(error) = written.as_ref().err().filter(|error| error.kind() != ErrorKind::BrokenPipe) {
        write_note(&format!("error: failed to write standard output: {error}"));
    }
    written.is_ok()
}

/// Writes one line to standard output.
pub fn write_line(text: &str) -> bool {
    write_text(&format!("{text}\n"))
}

/// Writes a value as indented JSON.
pub fn write_json(value: &Value) -> bool {
    write_line(&format!("{value:#}"))
}

/// Writes a value as one line of JSON.
pub fn write_json_line(value: &Value) -> bool {
    write_line(&value.to_string())
}

/// Writes one line to standard error.
pub fn write_note(text: &str) {
    let mut err = std::io::stderr().lock();
    // Nobody is left to be told.
    let _ = writeln!(err, "{text}").and_then(|()| err.flush());
}

/// Whether a person can be asked: both ends are a terminal.
pub fn is_interactive() -> bool {
    is_terminal() && std::io::stdin().is_terminal()
}

/// Asks a person; an empty answer is yes, no answer is no.
pub fn confirm(question: &str) -> bool {
    write_text(&format!("{question} [Y/n] "));
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok_and(|bytes| bytes > 0) && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes")
}

/// Asks a person for a plain `yes`; false without one who could answer.
pub fn confirm_yes(question: &str) -> bool {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return false;
    }
    write_note(&format!("{question} Type yes to go on:"));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}
