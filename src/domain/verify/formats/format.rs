//! The formats, by name.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantNames};

/// How the output of a stage is read. `FORMATS` has a row for each that reads something.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, EnumString, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Format {
    /// By its structure, see [`detect_format`](super::read::detect_format); else by exit code only.
    #[default]
    Auto,
    /// Exit code only.
    Exit,
    /// Findings of bandit.
    Bandit,
    /// `cargo test`.
    Cargo,
    /// Findings of cargo, rustc and clippy.
    Clippy,
    /// Findings of eslint.
    Eslint,
    /// `go test -v`.
    Go,
    /// `go test -json`.
    GoJson,
    /// jest.
    Jest,
    /// JUnit XML.
    Junit,
    /// Findings of mypy.
    Mypy,
    /// `cargo nextest run`.
    Nextest,
    /// pytest.
    Pytest,
    /// Findings of ruff.
    Ruff,
    /// Test Anything Protocol.
    Tap,
    /// Findings of the TypeScript compiler.
    Tsc,
    /// Python's unittest.
    Unittest,
    /// vitest.
    Vitest,
}

/// The formats that give findings, not tests.
pub(super) const FINDINGS: &[Format] =
    &[Format::Bandit, Format::Clippy, Format::Eslint, Format::Mypy, Format::Ruff, Format::Tsc];

/// The words of all formats, as settings may name them.
pub const WORDS: &[&str] = Format::VARIANTS;
