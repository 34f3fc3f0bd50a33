//! Rust: Cargo, nextest, clippy, rustfmt.

use super::{Group, Need, Stage};
use crate::domain::detect::places::Place;
use crate::domain::verify::model::key::StageKind::{Lint, Security, Tests};

const CARGO: Need = Need::Program("cargo", "curl --proto '=https' -sSf https://sh.rustup.rs | sh");

pub(super) fn detect(place: &Place<'_>) -> Option<Group> {
    if !place.has_file("Cargo.toml") {
        return None;
    }
    let manifest = place.text("Cargo.toml");
    let mut group = Group::new("Rust", place);
    group.covers = manifest.contains("[workspace");
    group.fingerprints.push(("rustc", "rustc --version"));
    let workspace = if group.covers { " --workspace" } else { "" };
    let flags = if place.has_file("Cargo.lock") { format!("{workspace} --locked") } else { workspace.to_owned() };
    if place.has_file(".config/nextest.toml") {
        let nextest = Need::Program("cargo-nextest", "cargo install cargo-nextest --locked");
        let run = format!("cargo nextest run --no-fail-fast{flags}");
        group.parts.push(Stage::new(Tests, "nextest", run, vec![CARGO, nextest], "a nextest configuration"));
        if place.has_file("src/lib.rs") {
            let run = format!("cargo test --doc --no-fail-fast{flags}");
            let part = Stage::new(Tests, "cargo", run, vec![CARGO], "nextest leaves them out");
            group.parts.push(part.named("doctests"));
        }
    } else {
        let run = format!("cargo test --no-fail-fast{flags}");
        group.parts.push(Stage::new(Tests, "cargo", run, vec![CARGO], "Cargo.toml"));
    }
    if place.has_file("clippy.toml") || place.has_file(".clippy.toml") || manifest.contains("lints.clippy]") {
        let clippy = Need::Program("cargo-clippy", "rustup component add clippy");
        let run = format!("cargo clippy --all-targets{flags}");
        group.parts.push(Stage::new(Lint, "clippy", run, vec![CARGO, clippy], "clippy is configured"));
    }
    if place.has_file("rustfmt.toml") || place.has_file(".rustfmt.toml") {
        let rustfmt = Need::Program("cargo-fmt", "rustup component add rustfmt");
        let part = Stage::new(Lint, "exit", "cargo fmt --check", vec![CARGO, rustfmt], "rustfmt is configured");
        group.parts.push(part.named("format"));
    }
    if place.has_file("deny.toml") {
        let deny = Need::Program("cargo-deny", "cargo install cargo-deny --locked");
        let part = Stage::new(Security, "exit", "cargo deny check", vec![CARGO, deny], "cargo-deny is configured");
        group.parts.push(part.named("deny"));
    }
    if place.has_file(".cargo/audit.toml") {
        let audit = Need::Program("cargo-audit", "cargo install cargo-audit --locked");
        let part = Stage::new(Security, "exit", "cargo audit", vec![CARGO, audit], "cargo-audit is configured");
        group.parts.push(part.named("audit"));
    }
    Some(group)
}
