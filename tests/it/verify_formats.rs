//! Every recorded output of every format, printed by a stage of `mc verify`: what it counts is what the reader counts.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests touch the world and may panic")]

use super::support::night::Night;
use mission_control::domain::verify::formats::{self, Format, WORDS};
use mission_control::domain::verify::results::{Reading, TestStatus};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Recorded outputs with their format, sorted.
fn recorded() -> Vec<(&'static str, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/outputs");
    let mut found: Vec<(&str, PathBuf)> = Vec::new();
    for word in WORDS.iter().filter(|word| root.join(word).is_dir()) {
        for entry in std::fs::read_dir(root.join(word)).unwrap() {
            found.push((word, entry.unwrap().path()));
        }
    }
    found.sort();
    found
}

fn failed(reading: &Reading) -> bool {
    let tests = reading.tests.as_ref();
    tests.is_some_and(|tests| tests.problem.is_some() || tests.any(TestStatus::Failed))
}

/// What the answer should say of the tests of a stage.
fn told(reading: &Reading) -> Value {
    let Some(results) = &reading.tests else { return Value::Null };
    let count = |status| results.tests.iter().filter(|test| test.status == status).count();
    json!({
        "passed": count(TestStatus::Passed),
        "failed": count(TestStatus::Failed),
        "skipped": count(TestStatus::Skipped),
        "problem": results.problem,
    })
}

#[test]
fn every_parser_is_reached_through_mc_verify() {
    let night = Night::new();
    let recorded = recorded();
    assert!(recorded.len() >= WORDS.len());
    let mut settings = "[queue]\nconfirm_failures = false\n".to_owned();
    let mut wanted = Vec::new();
    for (nth, (word, path)) in recorded.iter().enumerate() {
        let bytes = std::fs::read(path).unwrap();
        let (format, reading) = formats::read(Format::from_word(word).unwrap(), &String::from_utf8_lossy(&bytes));
        night.write(&format!("outputs/{nth}"), &bytes);
        let kind = if reading.findings.is_some() { "lint" } else { "tests" };
        let exit = i32::from(failed(&reading));
        settings.push_str(&format!(
            "[[target.verification.stage]]\nname = \"s{nth}\"\nkind = \"{kind}\"\nformat = \"{word}\"\n\
             run = \"cat outputs/{nth}; exit {exit}\"\n"
        ));
        wanted.push((path, format.word(), reading));
    }
    night.write("mission-control.toml", settings);
    night.commit("outputs");
    let said = night.mc(&["verify", "--format", "json"]);
    let said: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.text()));
    let stages = said["rev"]["stages"].as_array().unwrap();
    assert_eq!(stages.len(), wanted.len());
    for (stage, (path, word, reading)) in stages.iter().zip(&wanted) {
        assert_eq!(stage["read_as"], *word, "{}", path.display());
        assert_eq!(stage["tests"], told(reading), "{}", path.display());
        assert_eq!(stage["outcome"], if failed(reading) { "failed" } else { "passed" }, "{}", path.display());
        let findings = reading.findings.as_ref().map(|findings| findings.total());
        assert_eq!(stage["findings"], json!(findings), "{}", path.display());
    }
    let sum: u64 = stages.iter().filter_map(|stage| stage["tests"]["passed"].as_u64()).sum();
    assert_eq!(said["rev"]["passed"], sum);
}
