//! The report as Markdown for a pull request or a chat.
//!
//! Promise (P12): text of others (titles, reasons, test names, ids) only ever stands inside a code span or a code block whose
//! fence is longer than any run of backticks in it, so that it can make no link, mention, image, heading or HTML.

use super::account::Account;
use super::mission::{
    NAMES, SLOWEST, attempts, change, detail_lines, evidence, format_phases, format_share, objective, runs_of,
    write_heading,
};
use super::{GreenRef, View, cost, count, format_shown_sum, sanitize, skipped, span, tests, to_one_line, word};
use crate::domain::mission::tests_note;
use crate::domain::values::UnitId;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Lines of evidence in one code block.
const EVIDENCE: usize = 40;

/// The report as Markdown. `landed_on_green` are the units named by trailers of green's history.
pub fn text(view: &View<'_>, green: &GreenRef, landed_on_green: &BTreeSet<UnitId>) -> String {
    let account = Account::of(view, green, landed_on_green);
    let state = view.state;
    let mut out = String::new();
    if let Some(contradiction) = account.contradiction() {
        let _ = writeln!(out, "**WRONG:** {}\n", code(&contradiction));
    }
    let _ = writeln!(out, "{}\n", code(&account.format_headline()));
    let took = span(account.end_time().saturating_sub(state.started));
    let rounds = count(state.rounds.len() as u64, "round");
    let _ = writeln!(out, "- mission {}: {took} in {rounds}", code(state.mission.as_str()));
    if !state.objective.trim().is_empty() {
        let _ = writeln!(out, "- objective: {} ({})", code(&to_one_line(&state.objective, 200)), objective(view));
    }
    let _ = writeln!(out, "- units: {}", format_shown_sum(view));
    let (run, reused) = (state.verifications_run, state.verifications_reused);
    let _ = writeln!(out, "- verifications: {run} run{}; {reused} reused", runs_of(&account));
    if let Some(summary) = account.timeline.base() {
        let _ = writeln!(out, "- base: {}", tests(summary));
    }
    let run_time = span(account.timeline.run_time());
    let _ = writeln!(out, "- attempts: {}, {run_time} of run time{}", attempts(view), format_share(&account));
    let _ = writeln!(out, "- cost: {}", cost::text(view.state));
    write_landed(&mut out, &account);
    write_unlanded(&mut out, &account);
    write_names(&mut out, "Red before and after", account.timeline.still_failing().into_iter());
    write_names(&mut out, "Flaky", account.timeline.flaky_tests().into_iter());
    write_list(&mut out, "Skipped", skipped::lines(&state.skipped).iter().map(String::as_str));
    write_list(&mut out, "Left out or limited", account.list_left_out().iter().map(String::as_str));
    write_list(&mut out, "Problems", account.problems().into_iter());
    write_slowest(&mut out, &account);
    let _ = writeln!(out, "\nNext: {}", format_sentence(&account.next_command()));
    out
}

/// A sentence of ours with commands in backticks: each command as a code span, and what stands between as text where it can be
/// nothing else. Where a part may hold more (a hint of somebody's program), all of it is one span.
fn format_sentence(text: &str) -> String {
    let words = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || " ,;:.'".contains(c));
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) || !parts.iter().step_by(2).all(|part| words(part)) {
        return code(&text.replace('`', ""));
    }
    let part = |(nth, part): (usize, &&str)| if nth.is_multiple_of(2) { (*part).to_owned() } else { code(part) };
    parts.iter().enumerate().map(part).collect()
}

/// Untrusted text as a code span on one line; nothing in it can end the span.
pub fn code(text: &str) -> String {
    let text = sanitize(text);
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(text) + 1);
    // A space on both sides is taken off by readers of Markdown and keeps a backtick from touching the fence.
    if fence.len() > 1 { format!("{fence} {text} {fence}") } else { format!("`{text}`") }
}

/// Untrusted lines as a fenced block below `indent`.
fn block(out: &mut String, indent: &str, lines: &[String]) {
    let fence = "`".repeat(longest_run(&lines.join("\n")).max(2) + 1);
    let _ = writeln!(out, "{indent}{fence}text");
    for line in lines {
        let _ = writeln!(out, "{indent}{line}");
    }
    let _ = writeln!(out, "{indent}{fence}");
}

pub(super) fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn write_landed(out: &mut String, account: &Account<'_>) {
    for (nth, (unit, fact)) in account.landed_units().into_iter().enumerate() {
        write_heading(out, nth, "\n### Landed\n\n");
        let commit = unit.landed.as_ref().map_or("-", |tip| tip.commit.short_id());
        let verdict = unit.verdict.as_ref().map(word).unwrap_or_default();
        let change = change(fact);
        let title = code(&to_one_line(&unit.spec.title, 100));
        let _ = writeln!(out, "- {} {title}: {verdict}, {change} ({})", code(unit.spec.id.as_str()), code(commit));
        if let Some(evidence) = fact.map(|fact| evidence(fact, &unit.spec.id)).filter(|line| !line.is_empty()) {
            let _ = writeln!(out, "  - {evidence}");
        }
        if let Some(tests) = fact.map(|(told, _)| told.tests).filter(|tests| !tests.is_empty()) {
            let _ = writeln!(out, "  - {}", code(&to_one_line(&tests_note(tests), 300)));
        }
    }
    for (nth, unit) in account.idle_units().into_iter().enumerate() {
        write_heading(out, nth, "\n### Nothing to do\n\n");
        let _ = writeln!(out, "- {} {}", code(unit.spec.id.as_str()), code(&to_one_line(&unit.reason, 300)));
    }
}

fn write_unlanded(out: &mut String, account: &Account<'_>) {
    for (nth, rest) in account.unlanded_units().into_iter().enumerate() {
        write_heading(out, nth, "\n### Not landed\n\n");
        let unit = rest.unit;
        let first = unit.reason.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let (id, title) = (code(unit.spec.id.as_str()), code(&to_one_line(&unit.spec.title, 100)));
        let _ = writeln!(out, "- {id} {title}: **{}** {}", unit.state.name(), code(&to_one_line(first, 300)));
        if let Some(kept) = &rest.kept {
            let _ = writeln!(out, "  - work kept at {}", code(kept));
        }
        let _ = writeln!(out, "  - helps: {}", code(&rest.helps));
        let lines: Vec<String> =
            detail_lines(&unit.reason, EVIDENCE).into_iter().map(|line| to_one_line(&line, 400)).collect();
        if unit.state.blocks() && !lines.is_empty() {
            out.push_str("  <details><summary>evidence</summary>\n\n");
            block(out, "  ", &lines);
            out.push_str("\n  </details>\n");
        }
    }
}

fn write_names<'a>(out: &mut String, heading: &str, all: impl ExactSizeIterator<Item = &'a String>) {
    let total = all.len();
    if total == 0 {
        return;
    }
    let _ = writeln!(out, "\n<details><summary>{heading}: {}</summary>\n", count(total as u64, "test"));
    for name in all.take(NAMES) {
        let _ = writeln!(out, "- {}", code(&to_one_line(name, 120)));
    }
    if total > NAMES {
        let _ = writeln!(out, "- and {} more", total - NAMES);
    }
    out.push_str("\n</details>\n");
}

fn write_list<'t>(out: &mut String, name: &str, lines: impl Iterator<Item = &'t str>) {
    for (nth, line) in lines.enumerate() {
        write_heading(out, nth, &format!("\n### {name}\n\n"));
        let _ = writeln!(out, "- {}", code(&to_one_line(line, 400)));
    }
}

fn write_slowest(out: &mut String, account: &Account<'_>) {
    let slowest = account.slowest_units(SLOWEST);
    for (nth, slow) in slowest.iter().enumerate() {
        write_heading(
            out,
            nth,
            "\n<details><summary>slowest units</summary>\n\n| unit | took | of that |\n|---|---|---|\n",
        );
        let _ =
            writeln!(out, "| {} | {} | {} |", code(slow.unit.as_str()), span(slow.own), format_phases(&slow.phases));
    }
    if !slowest.is_empty() {
        out.push_str("\n</details>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_the_next_step_is_a_sentence_and_text_of_others_is_code() {
        assert_eq!(
            format_sentence("`git merge mc/green` takes what landed; `mc report` says"),
            "`git merge mc/green` takes what landed; `mc report` says"
        );
        assert_eq!(format_sentence("mend <b>it</b>, then `mc resume`"), "`mend <b>it</b>, then mc resume`");
        assert_eq!(format_sentence("a ` b"), "`a  b`");
    }

    #[test]
    fn p12_a_code_span_cannot_be_left() {
        assert_eq!(code("plain"), "`plain`");
        assert_eq!(code("a `b` ``c"), "``` a `b` ``c ```");
        assert_eq!(code("x\n# heading"), "`x # heading`");
        assert_eq!(code(" \n "), "");
    }

    #[test]
    fn p12_a_block_has_a_longer_fence_than_its_text() {
        let mut out = String::new();
        block(&mut out, "", &["````".to_owned(), "</details>".to_owned()]);
        assert_eq!(out, "`````text\n````\n</details>\n`````\n");
    }
}
