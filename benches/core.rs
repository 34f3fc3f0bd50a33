//! How long decisions, journals, parsers, comparisons and views take at sizes people have.
//!
//!     cargo bench --bench core
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "a benchmark may panic")]

mod support;

use divan::{Bencher, black_box, counter::ItemsCount};
use mission_control::domain::backlog;
use mission_control::domain::mission::{Mission, Policy, Record};
use mission_control::domain::plan::graph::Plan;
use mission_control::domain::unit::UnitSpec;
use mission_control::domain::verify::formats::{Format, read};
use mission_control::domain::verify::judge::delta::compare_snapshots;
use mission_control::domain::verify::model::results::{TestResult, TestResults, TestStatus};
use mission_control::domain::verify::model::snapshot::{Snapshot, StageResult};
use mission_control::report::{GreenRef, View, status};
use mission_control::sim::scenario::Scenario;
use std::collections::BTreeSet;
use std::fmt::Write;

fn main() {
    divan::main();
}

/// A whole mission; read the items (events) per second.
#[divan::bench(args = [100, 1_000, 10_000], sample_count = 10)]
fn decide_and_apply(bencher: Bencher, count: usize) {
    let first = support::first(support::units(count));
    let events = support::play(&first, drop).0;
    bencher.counter(ItemsCount::new(events)).bench(|| support::play(black_box(&first), drop).0);
}

/// The first record of a mission over these units on so many hosts besides this machine, with labels for some.
fn on_hosts(mut units: Vec<UnitSpec>, hosts: u16) -> Record {
    let mut policy = Policy { hosts: Scenario::name_hosts(hosts), ..Policy::default() };
    for (nth, host) in policy.hosts.iter_mut().enumerate() {
        host.labels = (0..4).filter(|label| nth % 4 == *label).map(|label| format!("label-{label}")).collect();
    }
    for (nth, unit) in units.iter_mut().enumerate().filter(|(nth, _)| nth % 3 == 0) {
        unit.labels = vec![format!("label-{}", nth % 4)];
    }
    support::start(units, policy)
}

/// A whole mission of 100,000 units on so many hosts; read the items (events) per second, which are to be the same.
#[divan::bench(args = [10, 100, 1_000], sample_count = 3)]
fn decide_on_hosts(bencher: Bencher, hosts: u16) {
    let first = on_hosts(support::units(100_000), hosts);
    let events = support::play(&first, drop).0;
    bencher.counter(ItemsCount::new(events)).bench(|| support::play(black_box(&first), drop).0);
}

/// The records of a journal into a state.
#[divan::bench(args = [10_000, 100_000], sample_count = 10)]
fn fold(bencher: Bencher, length: usize) {
    let records = support::journal(length);
    bencher
        .counter(ItemsCount::new(records.len()))
        .with_inputs(|| records.clone())
        .bench_values(|records| Mission::replay(records).unwrap());
}

/// The rows of a journal as text into records.
#[divan::bench(sample_count = 10)]
fn read_100_000_records(bencher: Bencher) {
    let rows: Vec<String> = support::journal(100_000).iter().map(|r| serde_json::to_string(r).unwrap()).collect();
    let parse = |row: &String| serde_json::from_str::<Record>(row).unwrap();
    bencher
        .counter(ItemsCount::new(rows.len()))
        .bench(|| rows.iter().map(parse).filter(|r| r.kind() == "landed").count());
}

#[divan::bench(sample_count = 10)]
fn parse_backlog_of_10_000(bencher: Bencher) {
    let mut text = String::from("# Backlog\n");
    for n in 0..10_000 {
        write!(text, "\n## Item {n}: a title as people write it\n- id: item-{n}\n- priority: high\n").unwrap();
        if n % 10 > 0 {
            writeln!(text, "- depends: item-{}", n - 1).unwrap();
        }
        text.push_str("\nA body of one line.\n\n- [ ] and something to be checked\n");
    }
    bencher.bench(|| backlog::parse(black_box(&text)).unwrap().units.len());
}

#[divan::bench(sample_count = 10)]
fn graph_and_waves_of_10_000(bencher: Bencher) {
    bencher
        .with_inputs(|| support::units(10_000))
        .bench_values(|units| Plan::build(units, &BTreeSet::new()).unwrap().group_waves().len());
}

#[divan::bench(sample_count = 10)]
fn read_tap_of_10_000(bencher: Bencher) {
    let mut text = String::from("TAP version 13\n1..10000\n");
    for n in 1..=10_000 {
        writeln!(text, "ok {n} - module {} does what its name {n} says", n % 100).unwrap();
    }
    bencher.bench(|| read(Format::Tap, black_box(&text)).1.tests.unwrap().tests.len());
}

#[divan::bench(sample_count = 10)]
fn delta_of_10_000(bencher: Bencher) {
    let snapshot = |skipped: usize| {
        let test = |n: usize| {
            let status = if n % 1_000 == skipped { TestStatus::Skipped } else { TestStatus::Passed };
            TestResult::new(format!("module {}", n % 100), format!("does what its name {n} says"), status)
        };
        let tests = TestResults { tests: (0..10_000).map(test).collect(), problem: None };
        let stage = StageResult { name: "tests".to_owned(), tests: Some(tests), ..StageResult::default() };
        Snapshot { stages: vec![stage], ..Snapshot::default() }
    };
    let (before, after) = (snapshot(1), snapshot(2));
    bencher.bench(|| compare_snapshots(black_box(&before), black_box(&after)).newly_skipped.len());
}

#[divan::bench(sample_count = 10)]
fn status_of_10_000(bencher: Bencher) {
    let first = support::first(support::units(10_000));
    let mut records = vec![(1, 1_000, first.clone())];
    let state = support::play(&first, |record| records.push((records.len() as u64 + 1, 2_000, record))).1;
    let view = View {
        now: 3_000,
        state: &state,
        records: &records,
        engine: None,
        left: &mission_control::report::Left::default(),
    };
    let green = GreenRef { name: "refs/heads/mc/green".to_owned(), tip: None };
    bencher.bench(|| {
        status::text(Some(black_box(&view)), &green).len() + status::json(Some(&view), &green).to_string().len()
    });
}
