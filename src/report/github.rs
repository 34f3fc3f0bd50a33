//! A verification as GitHub Actions wants it: the text a person reads, then workflow commands that become annotations.
//!
//! Promises: nothing that a test is called or a program prints can be a workflow command: the text stands between
//! `stop-commands` and a token nobody knows, and what goes into a command is escaped as its parser unescapes it.

use super::markdown::longest_run;
use super::text::sanitize;
use super::verify::{Verified, describe_history, list_failing, text};
use crate::domain::verify::{Cause, Refusal};
use std::fmt::Write;

/// Most annotations of one kind; GitHub shows ten of each and keeps fifty.
const SHOWN: usize = 10;

/// The output of the step.
pub fn render(verified: &Verified, token: &str) -> String {
    let mut out = format!("::stop-commands::{token}\n{}::{token}::\n", text(verified, false));
    if let Some(delta) = &verified.delta {
        write_annotations(&mut out, verified, "error", "Stage cannot be compared", &delta.incomparable);
        write_annotations(&mut out, verified, "error", "Broken test", &delta.broken);
        write_annotations(&mut out, verified, "error", "New test fails", &delta.new_failing);
        write_annotations(&mut out, verified, "error", "Test disappeared", &delta.removed);
        write_annotations(&mut out, verified, "error", "Test became skipped", &delta.newly_skipped);
        write_annotations(&mut out, verified, "error", "Stage broken", &delta.stages_broken);
        write_annotations(&mut out, verified, "error", "Stage could not run", &delta.not_run);
        let told = |refusal: &&Refusal| matches!(refusal.cause, Cause::Findings | Cause::Metrics | Cause::Gate);
        for refusal in verified.judgement.iter().flat_map(|judgement| &judgement.refusals).filter(told) {
            write_command(&mut out, "error", refusal.cause.word(), &refusal.reason);
        }
        write_annotations(&mut out, verified, "warning", "Failed before this change too", &delta.still_failing);
        write_annotations(&mut out, verified, "notice", "Fixed", &delta.fixed);
    } else {
        write_annotations(&mut out, verified, "error", "Fails", &list_failing(&verified.after.snapshot));
    }
    write_annotations(&mut out, verified, "warning", "Flaky", &verified.after.snapshot.flaky);
    if let Some(rules) = verified.changed_rules() {
        let by = rules.policy_source();
        for line in rules.lines().iter().take(SHOWN) {
            write_command(&mut out, "warning", "Changes how it is verified", &format!("{line} (judged by {by})"));
        }
    }
    for note in verified.notes.iter().chain(&verified.stored_notes()) {
        write_command(&mut out, "notice", "mc verify", note);
    }
    write_command(&mut out, if verified.passes_gate() { "notice" } else { "error" }, "mc verify", &verified.headline());
    out
}

/// The summary of the job, as Markdown that holds no markup of others.
pub fn render_summary(verified: &Verified) -> String {
    let body = text(verified, false);
    let fence = "`".repeat(3.max(longest_run(&body) + 1));
    let sign = if verified.passes_gate() { "passes" } else { "does not pass" };
    format!("### mc verify: {sign}\n\n{fence}text\n{body}{fence}\n")
}

fn write_annotations(out: &mut String, verified: &Verified, kind: &str, title: &str, names: &[String]) {
    for name in names.iter().take(SHOWN) {
        let known = verified.history.get(name).map(|test| format!(" ({})", describe_history(test))).unwrap_or_default();
        write_command(out, kind, title, &format!("{name}{known}"));
    }
    if names.len() > SHOWN {
        write_command(out, kind, title, &format!("and {} more, see the output of this step", names.len() - SHOWN));
    }
}

/// One workflow command
/// (<https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>).
fn write_command(out: &mut String, kind: &str, title: &str, message: &str) {
    let title = escape(title).replace(':', "%3A").replace(',', "%2C");
    let lines: Vec<String> = message.split('\n').map(sanitize).collect();
    let _ = writeln!(out, "::{kind} title={title}::{}", escape(&lines.join("\n")));
}

/// The percent sign first: it begins every escape.
fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
#[path = "github_tests.rs"]
mod tests;
