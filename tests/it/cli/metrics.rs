//! Metrics: times that add up, the Prometheus page, the log, and the Markdown report.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};
use crate::support::scenario::random as random_scenario;
use mission_control::domain::mission::timeline::{Phase, Timeline};
use mission_control::domain::mission::{Mission, Policy, Record};
use mission_control::domain::unit::UnitSpec;
use mission_control::domain::values::{Millis, SessionId, UnitId};
use mission_control::report::{GreenRef, Left, View, markdown, prometheus};
use mission_control::sim::run_scenario;
use mission_control::sim::scenario::{Behaviour, Scenario};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Journal of a simulated mission; each attempt is said to have run in the middle half of its time.
fn journal(scenario: &Scenario) -> Vec<(u64, Millis, Record)> {
    let mut rows: Vec<(u64, Millis, Record)> = Vec::new();
    let mut started: BTreeMap<SessionId, Millis> = BTreeMap::new();
    run_scenario(scenario, |at, record| {
        let mut record = record.clone();
        match &mut record {
            Record::SessionStarted { session, .. } => drop(started.insert(*session, at)),
            Record::SessionEnded { session, report, .. } => {
                let from = started[session];
                report.run.ran = Some((from + (at - from) / 4, at - (at - from) / 4));
            }
            _ => {}
        }
        rows.push((rows.len() as u64 + 1, at, record));
    })
    .unwrap();
    rows
}

#[test]
fn the_phases_of_a_unit_sum_to_its_wall_time() {
    let mut spent: BTreeSet<&str> = BTreeSet::new();
    for seed in 0..150 {
        let rows = journal(&random_scenario(seed));
        let ends: BTreeSet<usize> = [rows.len(), rows.len() / 2, rows.len() / 3].into();
        for end in ends {
            let part = &rows[..end.max(1)];
            let now = part.last().unwrap().1 + 1_234;
            let times = Timeline::of(part.iter().map(|(_, at, record)| (*at, record)), now);
            let until = times.span.until.unwrap_or(now);
            let state = Mission::replay(part.iter().map(|(_, _, record)| record.clone())).unwrap();
            assert_eq!(times.units.len(), state.units.len());
            for (unit, known) in times.units.iter().zip(&state.units) {
                assert_eq!(unit.phases.total(), unit.span.length(until), "seed {seed}, {}: {unit:?}", unit.unit);
                assert_eq!(unit.span.until.is_some(), known.state.terminal(), "seed {seed}, {}", unit.unit);
                assert_eq!(unit.attempts.len(), known.attempts.len(), "seed {seed}, {}", unit.unit);
                spent.extend(unit.phases.iter().filter(|(_, time)| *time > 0).map(|(phase, _)| phase.name()));
            }
            let runs = times
                .runs
                .iter()
                .filter(|run| run.span.until.is_some() && !run.answer().is_some_and(|answer| answer.reused))
                .count();
            assert_eq!(runs as u64, state.verifications_run, "seed {seed}");
            assert!(times.verifying_time(until) <= times.span.length(until), "one verification at a time, seed {seed}");
        }
    }
    let all: BTreeSet<&str> = Phase::ALL.iter().copied().map(Phase::name).collect();
    // The virtual world merges and moves green in no time, and nobody of it is suspended while units wait to be planned.
    let seen: Vec<&&str> = all.difference(&spent).collect();
    assert!(seen.iter().all(|phase| ["land", "merge"].contains(phase)), "never seen: {seen:?}");
}

/// A sample line: name, labels, value.
type Sample = (String, Vec<(String, String)>, f64);

/// Reads the text exposition format strictly: HELP, then TYPE, then samples of that family alone, unique and in one piece.
fn parse(page: &str) -> (BTreeMap<String, String>, Vec<Sample>) {
    assert!(page.ends_with('\n') && !page.contains('\r'), "lines end with a line feed");
    let name = |text: &str| {
        let good =
            |(i, c): (usize, char)| c.is_ascii_alphabetic() || c == '_' || c == ':' || (i > 0 && c.is_ascii_digit());
        assert!(!text.is_empty() && text.chars().enumerate().all(good), "a name: {text:?}");
        text.to_owned()
    };
    let (mut kinds, mut samples, mut open): (BTreeMap<String, String>, Vec<Sample>, String) = Default::default();
    let mut helped = None;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (family, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && !kinds.contains_key(family), "{line}");
            helped = Some(name(family));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (family, kind) = rest.split_once(' ').unwrap();
            assert_eq!(helped.take().as_deref(), Some(family), "HELP stands before TYPE");
            assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
            kinds.insert(name(family), kind.to_owned());
            open = family.to_owned();
        } else {
            let (family, rest) = line.split_once('{').unwrap_or_else(|| panic!("a sample: {line}"));
            let mut labels = Vec::new();
            let mut chars = rest.chars().peekable();
            while chars.peek() != Some(&'}') {
                let label: String = std::iter::from_fn(|| chars.next_if(|c| *c != '=')).collect();
                assert_eq!((chars.next(), chars.next()), (Some('='), Some('"')), "{line}");
                let mut value = String::new();
                loop {
                    match chars.next().unwrap() {
                        '"' => break,
                        '\\' => value.push(match chars.next().unwrap() {
                            'n' => '\n',
                            c @ ('\\' | '"') => c,
                            other => panic!("an escape: \\{other}"),
                        }),
                        c => value.push(c),
                    }
                }
                labels.push((name(&label), value));
                chars.next_if_eq(&',');
            }
            chars.next();
            let rest: String = chars.collect();
            let value: f64 = rest.strip_prefix(' ').unwrap().parse().unwrap();
            let base = if kinds[&open] == "summary" {
                family.strip_suffix("_sum").or(family.strip_suffix("_count")).unwrap()
            } else {
                family
            };
            assert_eq!(base, open, "samples stand below their TYPE: {line}");
            if kinds[&open] == "counter" {
                assert!(family.ends_with("_total") && value >= 0.0, "{line}");
            }
            let sample = (name(family), labels, value);
            assert!(samples.iter().all(|(n, l, _)| (n, l) != (&sample.0, &sample.1)), "twice: {line}");
            samples.push(sample);
        }
    }
    assert_eq!(helped, None);
    (kinds, samples)
}

fn value(samples: &[Sample], name: &str, label: Option<(&str, &str)>) -> Option<f64> {
    let wanted = |labels: &[(String, String)]| label.is_none_or(|(l, v)| labels.iter().any(|(a, b)| a == l && b == v));
    samples.iter().find(|(n, labels, _)| n == name && wanted(labels)).map(|(.., value)| *value)
}

#[test]
fn the_metrics_page_is_well_formed_and_true() {
    let name = "a \"quoted\" \\ name\nof two lines";
    for seed in 0..20 {
        let rows = journal(&random_scenario(seed));
        for end in [1, rows.len() / 2, rows.len()] {
            let part = &rows[..end.max(1)];
            let state = Mission::replay(part.iter().map(|(_, _, record)| record.clone())).unwrap();
            let now = part.last().unwrap().1 + 2_500;
            let view = View { now, state: &state, records: part, engine: Some(1), left: &Left::default() };
            let (kinds, samples) = parse(&prometheus::text(Some(&view), name));
            assert!(samples.iter().all(|(_, labels, _)| labels[0] == ("repository".to_owned(), name.to_owned())));
            let of = |name: &str, label| value(&samples, name, label).unwrap_or_else(|| panic!("no {name}"));
            assert_eq!(of("mc_engine_up", None), 1.0);
            assert_eq!(of("mc_last_event_age_seconds", None), 2.5);
            let units: f64 = samples.iter().filter(|(name, ..)| name == "mc_units").map(|(.., value)| value).sum();
            assert_eq!(units, state.units.len() as f64, "P9");
            let run = of("mc_verifications_total", Some(("result", "run")));
            assert_eq!(run, state.verifications_run as f64);
            assert_eq!(of("mc_verification_duration_seconds_count", None), run);
            assert_eq!(kinds["mc_verification_duration_seconds"], "summary");
            assert_eq!(value(&samples, "mc_cost_usd", None), None, "an unknown cost is no 0");
        }
    }
    let (_, samples) = parse(&prometheus::text(None, "r"));
    assert_eq!(samples, [("mc_engine_up".to_owned(), vec![("repository".to_owned(), "r".to_owned())], 0.0)]);
}

#[test]
fn a_real_mission_shows_where_its_time_went() {
    let night = Night::new();
    night.mission(&[unit("slow", "sleep 0.3; echo true > tests/slow.sh"), unit("bad", "exit 1")].concat()).exits(3);
    let status = night.status();
    let slow = &status["units"][0]["times"];
    assert!(slow["phases"]["agent"].as_u64().unwrap() >= 300, "{slow}");
    let sum: u64 = slow["phases"].as_object().unwrap().values().map(|v| v.as_u64().unwrap()).sum();
    assert_eq!(slow["wall_ms"], sum);
    assert!(status["times"]["verify_ms"].as_u64().unwrap() > 0);
    let took = |kind: &str| {
        let rows = night.events();
        rows.iter().find(|row| row["kind"] == kind).unwrap()["took_ms"].clone()
    };
    assert!(took("session-ended").as_u64().unwrap() > 0);
    assert!(took("verified").is_u64() && took("landed").is_u64() && took("mission-started").is_null());
    night.mc(&["report"]).exits(0).says(&["slowest units", "agent", "verification ", "% of the time"]);
    let (_, samples) = parse(&night.mc(&["status", "--prometheus"]).exits(0).out);
    assert_eq!(value(&samples, "mc_units", Some(("state", "landed"))), Some(1.0));
    assert_eq!(value(&samples, "mc_attempts_total", Some(("class", "failed-work"))), Some(1.0));
    assert_eq!(value(&samples, "mc_engine_up", None), Some(0.0));

    let logs = night.sh_in(&night.state().join("logs"), "cat *.jsonl");
    let rows: Vec<Value> = logs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), night.events().len());
    assert!(rows.iter().any(|row| row["unit"] == "slow" && row["attempt"] == 1 && row["phase"] == "verify"));
}

#[test]
fn p12_no_title_makes_markup_in_a_markdown_report() {
    let evil = [
        "[click](https://evil.example) <img src=x onerror=alert(1)>",
        "a `code` ``` fence\n# heading\n- item @somebody #1 https://evil.example",
        "</details><script>alert(1)</script> ![x](y) **bold** | cell |",
    ];
    let units: Vec<UnitSpec> = evil
        .iter()
        .zip(["u1", "u2", "www.evil.example"])
        .map(|(t, id)| UnitSpec::new(UnitId::new(id).unwrap(), t))
        .collect();
    let mut scenario = Scenario::new_calm(units, Policy { workers: 2, ..Policy::default() }, 7);
    scenario.behaviours.insert(UnitId::new("u2").unwrap(), vec![Behaviour::Breaks]);
    let mut rows = journal(&scenario);
    for (_, _, record) in &mut rows {
        if let Record::Rejected { reasons, next, .. } = record {
            let text = format!("first\n```\n{}\n````", evil.join("\n"));
            reasons.clone_from(&vec![text.clone()]);
            *next = mission_control::domain::mission::NextMove::Reject { reason: text };
        }
    }
    let state = Mission::replay(rows.iter().map(|(_, _, record)| record.clone())).unwrap();
    let green = GreenRef { name: "refs/heads/mc/green".to_owned(), tip: None };
    let view =
        View { now: rows.last().unwrap().1, state: &state, records: &rows, engine: None, left: &Left::default() };
    let text = markdown::text(&view, &green, &BTreeSet::new());
    assert!(text.starts_with("**WRONG:** `"), "{text}");
    let bare = outside_of_code(&text);
    for word in ["evil", "<img", "script", "](", "@", "#1", "heading\n", "**bold"] {
        assert!(!bare.contains(word), "`{word}` stands outside of code in:\n{text}");
    }
    assert_eq!(bare.matches("<details>").count(), bare.matches("</details>").count());
    assert!(text.contains("evil.example"), "and it is told");
    let known = ["<details>", "</details>", "<summary>", "</summary>"];
    let tags = known.iter().fold(bare, |text, tag| text.replace(tag, ""));
    assert!(!tags.contains('<'), "{tags}");
}

/// What a reader of Markdown sees outside of code: blocks by their fences, spans by runs of backticks of equal length.
fn outside_of_code(text: &str) -> String {
    let mut out = String::new();
    let mut fence: Option<usize> = None;
    for line in text.lines() {
        let run = line.trim_start().chars().take_while(|c| *c == '`').count();
        let rest = line.trim_start().trim_start_matches('`');
        match fence {
            Some(open) if run >= open && rest.trim().is_empty() => fence = None,
            Some(_) => {}
            None if run >= 3 && !rest.contains('`') => fence = Some(run),
            None => {
                let mut rest = line;
                while let Some(at) = rest.find('`') {
                    out.push_str(&rest[..at]);
                    let run = rest[at..].chars().take_while(|c| *c == '`').count();
                    let inside = &rest[at + run..];
                    let mut from = 0;
                    let end = loop {
                        let at =
                            inside[from..].find('`').map(|i| i + from).unwrap_or_else(|| panic!("open span: {line}"));
                        let found = inside[at..].chars().take_while(|c| *c == '`').count();
                        if found == run {
                            break at + run;
                        }
                        from = at + found;
                    };
                    rest = &inside[end..];
                }
                out.push_str(rest);
                out.push('\n');
            }
        }
    }
    assert_eq!(fence, None, "a block is left open");
    out
}
