//! Answers of git, taken apart.

use crate::adapters::git::error::GitError;
use crate::adapters::host::local::process::command::CommandLine;
use crate::domain::values::CommitId;
use std::ffi::OsStr;

pub(super) fn format_command<S: AsRef<OsStr>>(args: &[S]) -> String {
    CommandLine::new("git").args(args).to_shell_string()
}

pub(super) fn truncate_output(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(2048)]).trim().to_owned()
}

pub(super) fn unexpected_output<S: AsRef<OsStr>>(args: &[S], output: &[u8]) -> GitError {
    GitError::Unexpected { command: format_command(args), output: truncate_output(output) }
}

/// Splits the output of a `-z` call into its fields.
pub(crate) fn fields(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    body.split(|b| *b == 0).take(if bytes.is_empty() { 0 } else { usize::MAX })
}

/// Reads `<object id> <rest>` lines.
pub(crate) fn id_lines(text: &str) -> impl Iterator<Item = (CommitId, &str)> {
    text.lines().filter_map(|line| {
        let (id, rest) = line.split_once(' ').unwrap_or((line, ""));
        Some((CommitId::new(id).ok()?, rest))
    })
}
