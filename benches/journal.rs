//! Writes the database of a mission with many records, for measurements of what reads it.
//!
//!     cargo bench --bench journal -- FILE RECORDS
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark may panic"
)]

mod support;

use mission_control::adapters::store::{Entry, Store};
use mission_control::domain::values::MissionId;
use std::path::Path;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let [file, length] = &args[..] else { return };
    let length = length.parse().unwrap();
    // Cut where it is long enough: a mission that goes on.
    let records: Vec<_> = support::journal(length).into_iter().take(length).collect();
    let mut store = Store::open(Path::new(file)).unwrap();
    let mission = MissionId::new("mbench").unwrap();
    for chunk in records.chunks(1_000) {
        let entry = |r| Entry {
            kind: mission_control::domain::mission::Record::kind(r),
            body: serde_json::to_string(r).unwrap(),
        };
        let entries: Vec<Entry> = chunk.iter().map(entry).collect();
        store.append(&mission, 2_000, &entries).unwrap();
    }
    println!("{} records", records.len());
}
