//! Values of verification: outcomes, summaries, differences, verdicts.

use crate::domain::verify::{Better, Number, StageKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strum::EnumString;

/// How a stage ended. Not-run never counts as passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageOutcome {
    /// Exit 0.
    Passed,
    /// It ran and said no.
    Failed,
    /// It could not run: spawn error, exit 126 or 127, timeout, signal.
    #[default]
    NotRun,
}

/// What a landing needs to know of one snapshot; the whole snapshot stays in the snapshot store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Failed if a stage failed, else not-run if a stage was not run, else passed.
    pub outcome: StageOutcome,
    /// Tests passed, over all stages.
    pub passed: u64,
    /// Tests failed.
    pub failed: u64,
    /// Tests skipped.
    pub skipped: u64,
    /// Findings by the kind of their stage; a kind is absent where none were read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub findings: BTreeMap<StageKind, u64>,
    /// Whether every stage that is not passed says why in a form that can be compared: failing tests, whole findings, a
    /// number beyond its limit.
    pub per_test: bool,
    /// Tests that failed in one and passed in another run of this very tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaky: Vec<String>,
    /// Why a stage was not run, or the first lines of the failure; where all passed, that no test ran. At most 2 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What changed between two snapshots, by identity. Tests are named `stage: suite: name`; each list is sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delta {
    /// Tests that passed before and fail after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<String>,
    /// Tests that failed before and pass after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<String>,
    /// Tests that existed before and do not after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// Tests that ran before and are skipped after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub newly_skipped: Vec<String>,
    /// New tests that fail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new_failing: Vec<String>,
    /// Tests that pass and were not there or were skipped before (count only).
    pub added: u64,
    /// Tests failing before and after: the pre-existing ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub still_failing: Vec<String>,
    /// Stages that passed before and do not after, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages_broken: Vec<String>,
    /// Those of them of which failing tests say all: without them they would have passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told_by_tests: Vec<String>,
    /// Stages that did not pass before and pass after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages_fixed: Vec<String>,
    /// Stages whose status cannot be compared by test: failed before and after with exit code only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomparable: Vec<String>,
    /// Stages that could not run after, with the reason; whatever they did before, nothing lands on them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_run: Vec<String>,
    /// What newly failing tests said, and stages of which no test tells why they stand in the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<crate::domain::verify::formats::telling::Said>,
    /// Tests that are not in every run of the tree before under one name, so that they blame nobody; the first
    /// [`crate::domain::verify::judge::delta::UNSTABLE_LIMIT`] of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unstable: Vec<String>,
    /// Stages whose findings differ, or which fail because of findings; sorted by stage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingsChange>,
    /// Metrics whose number differs; sorted by stage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricChange>,
}

/// How the findings of one stage changed. They are named `stage: file: rule`, and `… (1 -> 3)` where their number
/// changed; each list is sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FindingsChange {
    /// The stage.
    pub stage: String,
    /// Its kind.
    pub kind: StageKind,
    /// Whether more findings hurt; `None` as the queue says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratchet: Option<bool>,
    /// More of them than before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new: Vec<String>,
    /// Fewer of them than before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    /// There before and after, where the stage fails because of its findings: the first [`crate::domain::verify::judge::delta::KEPT_LIMIT`] of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// How many kinds of findings were there before and after, whether the list above names them or not.
    pub kept_total: u64,
}

/// How the number of a metric changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricChange {
    /// The stage.
    pub stage: String,
    /// Its number before.
    pub before: Number,
    /// Its number after.
    pub after: Number,
    /// Which way it improves, back into its limits first of all; `None`: nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub better: Option<Better>,
    /// Whether a worse number hurts; `None` as the queue says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratchet: Option<bool>,
    /// Whether the number after is beyond its limit.
    #[serde(default)]
    pub beyond: bool,
}

/// A setting that decides how work is judged and that has another value than before; values as TOML, absent when it is not set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleChange {
    /// Its path; of a stage `target.verification.stage` and its name.
    pub key: String,
    /// In the settings that judge.
    pub before: Option<String>,
    /// In the others.
    pub after: Option<String>,
}

/// What the gate is asked to demand of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demands {
    /// What it demands beyond a verdict that is not hurt.
    pub gate: Gate,
    /// Whether more findings of linters and type checkers and worse metrics hurt; stages may say so for themselves.
    pub ratchet: bool,
    /// Whether tests may disappear or become skipped.
    pub allow_removed_tests: bool,
}

/// The verdict over one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Something improved and nothing is hurt.
    Helped,
    /// Nothing improved, nothing is hurt.
    Neutral,
    /// Something is hurt; improvements never outweigh that.
    Hurt,
}

/// What the gate demands beyond a verdict that is not hurt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Gate {
    /// Nothing more.
    #[default]
    NoRegression,
    /// Every stage passes after the change.
    Pass,
}

/// What the gate says of one candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Verdict of the delta.
    pub verdict: Verdict,
    /// Whether the gate lets it land.
    pub lands: bool,
    /// One line per reason, most important first; evidence for the unit's next attempt.
    pub reasons: Vec<String>,
    /// Those of the reasons for which it does not land, with what each is about; none when it lands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Refusal>,
}

/// One reason of the gate to let nothing land.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What it is about.
    pub cause: Cause,
    /// The line.
    pub reason: String,
}

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Tests that fail.
    Failing,
    /// Tests that disappeared.
    Removed,
    /// Tests that became skipped.
    Skipped,
    /// Stages, or the whole verification, that passed before.
    Stages,
    /// Findings that are new.
    Findings,
    /// Numbers that got worse.
    Metrics,
    /// Stages that could not run.
    NotRun,
    /// Failures that cannot be compared.
    NoJudgement,
    /// The demand of the gate itself.
    Gate,
}

impl Cause {
    /// The name by which a report lists it, the same in every run.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failing => "failing tests",
            Self::Removed => "removed tests",
            Self::Skipped => "skipped tests",
            Self::Stages => "broken stages",
            Self::Findings => "new findings",
            Self::Metrics => "worse metrics",
            Self::NotRun => "stages that could not run",
            Self::NoJudgement => "nothing to judge",
            Self::Gate => "gate",
        }
    }
}
