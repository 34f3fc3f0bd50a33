//! Findings of bandit: its text report and JSON. The severity is part of a finding: one that became graver is a new one.
//!
//! Promises: skipped files were not looked at, which is a problem although bandit exits with 0; a report without its
//! totals is not whole.

use super::found::{Bounded, Gathered, digits, message, number};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The JSON report.
#[derive(Deserialize)]
struct Report {
    errors: Bounded<Skipped>,
    metrics: Metrics,
    results: Bounded<Item>,
}

#[derive(Deserialize)]
struct Skipped {
    filename: String,
    reason: String,
}

#[derive(Deserialize)]
struct Metrics {
    #[serde(rename = "_totals")]
    totals: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Item {
    filename: String,
    test_id: String,
    issue_severity: String,
}

const BROKEN: &str = "the report is not whole";

/// Reads the findings. Beyond doubt are its JSON, and its totals by severity with its list of skipped files.
pub(super) fn gather(output: &str) -> Gathered {
    read_json(output).unwrap_or_else(|| read_text(output))
}

fn read_json(output: &str) -> Option<Gathered> {
    Gathered::from_documents(output, BROKEN, |gathered, report: Report| {
        let counts = report.metrics.totals.iter().filter(|(name, _)| name.starts_with("SEVERITY."));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts; `as` saturates")]
        gathered.add_announced(counts.map(|(_, count)| *count as u64).fold(0, u64::saturating_add));
        for Item { filename, test_id, issue_severity } in report.results.items {
            gathered.add(&filename, &format_rule(&test_id, &issue_severity), true);
        }
        for Skipped { filename, reason } in report.errors.items {
            add_skipped(gathered, &format!("{filename} ({reason})"));
        }
        if report.results.more {
            gathered.problem("more findings than can be read");
        }
    })
}

fn format_rule(id: &str, severity: &str) -> String {
    format!("{id} ({})", severity.trim().to_lowercase())
}

fn add_skipped(gathered: &mut Gathered, file: &str) {
    gathered.problem(format!("a file was skipped: {}", message(file)));
}

/// Which part of the text report is read.
#[derive(PartialEq, Eq)]
enum Part {
    Issues,
    BySeverity,
    Other,
    Skipped,
}

/// Reads the text report.
fn read_text(output: &str) -> Gathered {
    let mut gathered = Gathered::default();
    let (mut part, mut id, mut severity) = (Part::Other, None, None);
    let (mut totals, mut ends) = (false, false);
    for line in output.lines() {
        match line.trim_end() {
            "Test results:" => part = Part::Issues,
            "Code scanned:" | "\tTotal issues (by confidence):" => part = Part::Other,
            "\tTotal issues (by severity):" => (part, totals) = (Part::BySeverity, true),
            line if line.starts_with("Files skipped (") && line.ends_with("):") => (part, ends) = (Part::Skipped, true),
            line => match part {
                Part::Issues => {
                    if let Some(issue) = line.strip_prefix(">> Issue: [") {
                        id = issue.split_once([':', ']']).map(|(id, _)| id);
                    } else if let Some(said) = line.strip_prefix("   Severity: ") {
                        severity = said.split_whitespace().next();
                    } else if let (Some(place), Some(id)) = (line.strip_prefix("   Location: "), id) {
                        // Without line and column.
                        gathered.add(
                            without_number(without_number(place)),
                            &format_rule(id, severity.unwrap_or("undefined")),
                            true,
                        );
                    }
                }
                Part::BySeverity => {
                    if let Some((count, _)) = line.split_once(": ").and_then(|(_, count)| number(count)) {
                        gathered.add_announced(count);
                    }
                }
                Part::Skipped if line.starts_with('\t') => add_skipped(&mut gathered, line.trim()),
                Part::Skipped | Part::Other => {}
            },
        }
    }
    gathered.sure = totals && ends;
    if !gathered.sure && !output.trim().is_empty() {
        gathered.problem(BROKEN);
    }
    gathered
}

fn without_number(place: &str) -> &str {
    place.rsplit_once(':').filter(|(_, last)| digits(last)).map_or(place, |(front, _)| front)
}
