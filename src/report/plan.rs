//! A plan and a backlog for people (`mc plan`, `mc backlog list`) and for programs (`mc plan --json`).
//!
//! Waves are counted from 1 in both. The JSON is stable: `"schema": 1`. Titles are untrusted and rendered with `sanitize`;
//! JSON carries them unchanged.

use super::{count, sanitize, skipped};
use crate::domain::backlog::{Backlog, Heading, HeadingKind, SkippedItem};
use crate::domain::plan::graph::{Edge, EdgeKind, Plan};
use crate::domain::plan::overlap;
use crate::domain::unit::UnitSpec;
use serde_json::{Value, json};
use std::fmt::Write;

/// The plan as text: counts, each wave with its units and what they wait for, what is skipped. Ends with a line break.
pub fn text(plan: &Plan, left: &[SkippedItem]) -> String {
    let mut out = format_plan(plan);
    if !left.is_empty() {
        let _ = writeln!(out, "\nskipped ({})", count(left.len() as u64, "item"));
        for line in skipped::lines(left) {
            let _ = writeln!(out, "  {line}");
        }
    }
    out
}

fn format_plan(plan: &Plan) -> String {
    let waves = plan.group_waves();
    if waves.is_empty() {
        return "nothing to do: the plan has no units\n".to_owned();
    }
    let order = plan.edges.iter().filter(|edge| edge.kind == EdgeKind::Order).count();
    let dependencies = match plan.edges.len() - order {
        1 => "1 dependency".to_owned(),
        many => format!("{many} dependencies"),
    };
    let (units, overlapping) = (count(plan.units.len() as u64, "unit"), count(order as u64, "order-only overlap"));
    let mut out = format!("{units} in {}, {dependencies}, {overlapping}\n", count(waves.len() as u64, "wave"));
    let width = plan.units.iter().map(|unit| unit.id.as_str().len()).max().unwrap_or(0).min(40);
    // For each unit its order-only predecessors.
    let mut waits: Vec<Vec<&Edge>> = vec![Vec::new(); plan.units.len()];
    plan.edges.iter().filter(|edge| edge.kind == EdgeKind::Order).for_each(|edge| waits[edge.after].push(edge));
    for (number, wave) in waves.iter().enumerate() {
        let _ = writeln!(out, "\nwave {} ({})", number + 1, count(wave.len() as u64, "unit"));
        for &at in wave {
            let unit = &plan.units[at];
            let _ = writeln!(out, "  {:width$}  P{}  {}", unit.id.as_str(), unit.priority, sanitize(&unit.title));
            write_details(&mut out, plan, unit, &waits[at]);
        }
    }
    out
}

/// The plan as JSON: `schema`, `waves[] {wave, units[]}`, `units[]` (every key that is set, and `wave`),
/// `edges[] {before, after, kind, globs}` by unit id and `skipped[] {id, why, detail, helps}`; `globs` names the first overlap of
/// an `order` edge.
pub fn json(plan: &Plan, left: &[SkippedItem]) -> Value {
    let id = |at: usize| plan.units[at].id.as_str();
    let waves = plan.group_waves();
    let waves = waves
        .iter()
        .enumerate()
        .map(|(nth, wave)| json!({"wave": nth + 1, "units": wave.iter().map(|at| id(*at)).collect::<Vec<_>>()}));
    let units = plan.units.iter().zip(&plan.wave_of).map(|(unit, wave)| {
        let mut body = json!(unit);
        body["wave"] = json!(wave + 1);
        body
    });
    let edges = plan.edges.iter().map(|edge| {
        let mut body = json!({"before": id(edge.before), "after": id(edge.after), "kind": edge.kind});
        if let Some((before, after)) = globs(plan, edge) {
            body["globs"] = json!([before, after]);
        }
        body
    });
    json!({
        "schema": 1,
        "waves": waves.collect::<Vec<_>>(),
        "units": units.collect::<Vec<_>>(),
        "edges": edges.collect::<Vec<_>>(),
        "skipped": skipped::json(left),
    })
}

/// Everything that was taken from a backlog, one line per heading: path, kind, id, status, title. Ends with a line break.
pub fn backlog_list(backlog: &Backlog) -> String {
    if backlog.headings.is_empty() {
        return "nothing taken: no heading of level 2 or deeper, no `# Task: name` and no `- [ ]` item\n".to_owned();
    }
    let cell = |text: &str| if text.is_empty() { "-".to_owned() } else { sanitize(text) };
    let row = |heading: &Heading| {
        let (kind, id, status) = match &heading.kind {
            HeadingKind::Unit(id) => ("unit", id.as_str(), backlog.statuses.get(id).map(ToString::to_string)),
            HeadingKind::Group => ("group", "", None),
            HeadingKind::Note => ("note", "", None),
        };
        [cell(&heading.path), kind.to_owned(), cell(id), cell(&status.unwrap_or_default()), sanitize(&heading.title)]
    };
    let rows: Vec<[String; 5]> = backlog.headings.iter().map(row).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).min(40);
    let (path, id, status) = (width(0), width(2), width(3));
    let mut out = String::new();
    for [a, kind, c, d, title] in &rows {
        let _ = writeln!(out, "{a:path$}  {kind:5}  {c:id$}  {d:status$}  {title}");
    }
    let number = |wanted: &str| count(rows.iter().filter(|[_, kind, ..]| kind == wanted).count() as u64, wanted);
    let units = count(backlog.units.len() as u64, "unit");
    let _ = writeln!(out, "\n{units}, {}, {}", number("group"), number("note"));
    out
}

fn write_details(out: &mut String, plan: &Plan, unit: &UnitSpec, waits: &[&Edge]) {
    if !unit.depends.is_empty() {
        let names: Vec<&str> = unit.depends.iter().map(|id| id.as_str()).collect();
        let _ = writeln!(out, "      depends on {}", names.join(", "));
    }
    for edge in waits {
        let before = &plan.units[edge.before].id;
        let globs = globs(plan, edge).map(|(theirs, own)| format!(": {} meets {}", sanitize(theirs), sanitize(own)));
        let _ = writeln!(out, "      after {before}, order only{}", globs.unwrap_or_default());
    }
    let attempts = unit.attempts.map(|attempts| format!("at most {}", count(u64::from(attempts), "attempt")));
    let timeout = unit.timeout.map(|seconds| format!("timeout {}", span(seconds)));
    let limits: Vec<String> = attempts.into_iter().chain(timeout).collect();
    if !limits.is_empty() {
        let _ = writeln!(out, "      {}", limits.join(", "));
    }
}

fn globs<'a>(plan: &'a Plan, edge: &Edge) -> Option<(&'a str, &'a str)> {
    let order = edge.kind == EdgeKind::Order;
    order.then(|| overlap::find_overlap(&plan.units[edge.before], &plan.units[edge.after])).flatten()
}

/// Seconds as `1h30m`.
fn span(seconds: u64) -> String {
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let text: String = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::backlog;
    use expect_test::expect;
    use std::collections::BTreeSet;

    const BACKLOG: &str = "## Phase 1: Base\n### Set up\n- files: src/**\n- timeout: 1h30m\n- attempts: 1\n### Docs \x1b[31m red\n- files: src/doc/*.md, docs/**\n\n## Ideas\n- status: note\n\n## Old\n- status: done (2026-11-20, 0123abc, landed)\n\n## API\n- depends: phase 1\n- priority: high\n";

    fn plan() -> Plan {
        let backlog = backlog::parse(BACKLOG).unwrap();
        let satisfied = backlog.satisfied_units();
        let open = backlog.units.into_iter().filter(|unit| !satisfied.contains(&unit.id));
        Plan::build(open.collect(), &satisfied).unwrap()
    }

    #[test]
    fn a_plan_is_read_by_people() {
        expect![[r#"
            3 units in 3 waves, 2 dependencies, 1 order-only overlap

            wave 1 (1 unit)
              set-up        P2  Set up
                  at most 1 attempt, timeout 1h30m

            wave 2 (1 unit)
              docs-31m-red  P2  Docs  red
                  after set-up, order only: src/** meets src/doc/*.md

            wave 3 (1 unit)
              api           P1  API
                  depends on set-up, docs-31m-red
        "#]]
        .assert_eq(&text(&plan(), &[]));
        let empty = Plan::build(Vec::new(), &BTreeSet::new()).unwrap();
        assert_eq!(text(&empty, &[]), "nothing to do: the plan has no units\n");
    }

    #[test]
    fn a_plan_is_read_by_programs() {
        expect![[r#"
            {
              "edges": [
                {
                  "after": "docs-31m-red",
                  "before": "set-up",
                  "globs": [
                    "src/**",
                    "src/doc/*.md"
                  ],
                  "kind": "order"
                },
                {
                  "after": "api",
                  "before": "set-up",
                  "kind": "depends"
                },
                {
                  "after": "api",
                  "before": "docs-31m-red",
                  "kind": "depends"
                }
              ],
              "schema": 1,
              "skipped": [],
              "units": [
                {
                  "attempts": 1,
                  "files": [
                    "src/**"
                  ],
                  "id": "set-up",
                  "line": 2,
                  "priority": 2,
                  "timeout": 5400,
                  "title": "Set up",
                  "wave": 1
                },
                {
                  "files": [
                    "src/doc/*.md",
                    "docs/**"
                  ],
                  "id": "docs-31m-red",
                  "line": 6,
                  "priority": 2,
                  "title": "Docs \u001b[31m red",
                  "wave": 2
                },
                {
                  "depends": [
                    "set-up",
                    "docs-31m-red"
                  ],
                  "id": "api",
                  "line": 15,
                  "priority": 1,
                  "title": "API",
                  "wave": 3
                }
              ],
              "waves": [
                {
                  "units": [
                    "set-up"
                  ],
                  "wave": 1
                },
                {
                  "units": [
                    "docs-31m-red"
                  ],
                  "wave": 2
                },
                {
                  "units": [
                    "api"
                  ],
                  "wave": 3
                }
              ]
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&json(&plan(), &[])).unwrap());
    }

    #[test]
    fn every_heading_taken_is_listed() {
        expect![[r#"
            1    group  -             -                                   Phase 1: Base
            1.1  unit   set-up        todo                                Set up
            1.2  unit   docs-31m-red  todo                                Docs  red
            -    note   -             -                                   Ideas
            2    unit   old           done (2026-11-20, 0123abc, landed)  Old
            3    unit   api           todo                                API

            4 units, 1 group, 1 note
        "#]]
        .assert_eq(&backlog_list(&backlog::parse(BACKLOG).unwrap()));
        expect![[r#"
            nothing taken: no heading of level 2 or deeper, no `# Task: name` and no `- [ ]` item
        "#]]
        .assert_eq(&backlog_list(&Backlog::default()));
    }
}
