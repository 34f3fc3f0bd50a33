//! Every recorded output of every format, printed by a stage of `mc verify`: what it counts is what the reader counts.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests touch the world and may panic")]

use crate::support::night::Night;
use mission_control::domain::verify::formats::{self, Format, WORDS};
use mission_control::domain::verify::model::results::{Reading, TestStatus};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// One recorded output and what the reader makes of it.
struct Recorded {
    path: PathBuf,
    bytes: Vec<u8>,
    word: &'static str,
    read_as: Format,
    reading: Reading,
}

/// Of each format an output that is content and one that is not, where there are both.
fn recorded() -> Vec<Recorded> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/outputs");
    let mut chosen = Vec::new();
    for word in WORDS.iter().filter(|word| root.join(word).is_dir()) {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(root.join(word)).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        let all = paths.into_iter().map(|path| {
            let bytes = std::fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let (read_as, reading) = formats::read(word.parse().unwrap(), &text);
            Recorded { path, bytes, word, read_as, reading }
        });
        let (bad, good): (Vec<_>, Vec<_>) = all.partition(|one| failed(&one.reading));
        chosen.extend(good.into_iter().take(1).chain(bad.into_iter().take(1)));
    }
    chosen
}

fn failed(reading: &Reading) -> bool {
    let (tests, findings) = (reading.tests.as_ref(), reading.findings.as_ref());
    tests.is_some_and(|tests| tests.problem.is_some() || tests.has_status(TestStatus::Failed))
        || findings.is_some_and(|findings| findings.problem.is_some())
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
    assert!(recorded.len() > WORDS.len(), "two outputs of most formats");
    let mut settings = "[queue]\nconfirm_failures = false\n".to_owned();
    for (nth, Recorded { bytes, word, reading, .. }) in recorded.iter().enumerate() {
        night.write(&format!("outputs/{nth}"), bytes);
        let kind = if reading.findings.is_some() { "lint" } else { "tests" };
        let exit = i32::from(failed(reading));
        settings.push_str(&format!(
            "[[target.verification.stage]]\nname = \"s{nth}\"\nkind = \"{kind}\"\nformat = \"{word}\"\n\
             run = \"cat outputs/{nth}; exit {exit}\"\n"
        ));
    }
    night.write("mission-control.toml", settings);
    night.commit("outputs");
    let said = night.mc(&["verify", "--format", "json"]);
    let said: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.text()));
    let stages = said["rev"]["stages"].as_array().unwrap();
    assert_eq!(stages.len(), recorded.len());
    for (stage, Recorded { path, read_as, reading, .. }) in stages.iter().zip(&recorded) {
        assert_eq!(stage["read_as"], read_as.word(), "{}", path.display());
        assert_eq!(stage["tests"], told(reading), "{}", path.display());
        assert_eq!(stage["outcome"], if failed(reading) { "failed" } else { "passed" }, "{}", path.display());
        let findings = reading.findings.as_ref().map(|findings| findings.total());
        assert_eq!(stage["findings"], json!(findings), "{}", path.display());
    }
    let sum: u64 = stages.iter().filter_map(|stage| stage["tests"]["passed"].as_u64()).sum();
    assert_eq!(said["rev"]["passed"], sum);
}
