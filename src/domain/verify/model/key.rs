//! What a verification is made of, and the key under which its result is reused (promise P13).
//!
//! Promises: two snapshots share a key only if tree, every field of every stage and the environment
//! fingerprint are equal; the key does not depend on host, time or memory layout.

use crate::domain::base::text::first_chars;
use crate::domain::base::{FieldHash, digest, is_default};
use crate::domain::values::TreeId;
use crate::domain::verify::{Format, Number};
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

/// What a stage looks at.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, IntoStaticStr, EnumString,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum StageKind {
    /// Tests of behaviour.
    #[default]
    Tests,
    /// Style findings.
    Lint,
    /// Type errors.
    Types,
    /// Security findings.
    Security,
    /// Whether it builds.
    Build,
    /// A number to watch.
    Metric,
}

impl StageKind {
    /// The word used in settings and output.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// Where a stage runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Tier {
    /// In the unit's own workspace, before it queues.
    Quick,
    /// In the merge queue, on the candidate's exact tree.
    #[default]
    Gate,
}

impl Tier {
    /// The word used in settings and output.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// Which way a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
}

impl Better {
    /// The word used in settings and output.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// What is demanded of a stage besides its exit code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Demand {
    /// The number of a metric may not be above this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Number>,
    /// The number of a metric may not be below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Number>,
    /// Which way the number improves; read it through [`Demand::better_direction`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub better: Option<Better>,
    /// Whether a worse figure hurts; `None` as the queue says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratchet: Option<bool>,
}

impl Demand {
    /// Which way the number improves: as said, else lower below `at_most` alone and higher above `at_least` alone.
    pub fn better_direction(&self) -> Option<Better> {
        self.better.or(match (self.at_most, self.at_least) {
            (Some(_), None) => Some(Better::Lower),
            (None, Some(_)) => Some(Better::Higher),
            _ => None,
        })
    }

    /// Where a number is beyond a limit: the way back.
    pub fn way_back(&self, number: Number) -> Option<Better> {
        match (self.at_most, self.at_least) {
            (Some(limit), _) if number > limit => Some(Better::Lower),
            (_, Some(limit)) if number < limit => Some(Better::Higher),
            _ => None,
        }
    }

    /// Which limit a number is beyond, in words.
    pub fn exceeded_limit(&self, number: Number) -> Option<String> {
        let (words, limit) = match self.way_back(number)? {
            Better::Lower => ("above at_most", self.at_most?),
            Better::Higher => ("below at_least", self.at_least?),
        };
        Some(format!("{number} is {words} = {limit}"))
    }

    /// What the key of a snapshot contains of it.
    fn fields(&self) -> [String; 4] {
        let number = |number: Option<Number>| number.map(|number| number.to_string()).unwrap_or_default();
        [
            number(self.at_most),
            number(self.at_least),
            self.better.map(|better| better.word().to_owned()).unwrap_or_default(),
            self.ratchet.map(|ratchet| ratchet.to_string()).unwrap_or_default(),
        ]
    }
}

/// One verification command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSpec {
    /// Name, unique among the stages.
    pub name: String,
    /// Shell text.
    pub run: String,
    /// What it looks at.
    #[serde(default)]
    pub kind: StageKind,
    /// Where it runs.
    #[serde(default)]
    pub tier: Tier,
    /// How its output is read.
    #[serde(default)]
    pub format: Format,
    /// Seconds until it is killed and counts as not-run.
    pub timeout_secs: u64,
    /// What is demanded besides its exit code.
    #[serde(default, skip_serializing_if = "is_default")]
    pub demand: Demand,
    /// Globs of the JUnit reports it leaves in the work tree; where there are some, they are read instead of the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<String>,
}

/// Key of a snapshot: hexadecimal SHA-256 over (full tree, stages, environment fingerprint).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SnapshotKey(pub String);

impl SnapshotKey {
    /// SHA-256 over the fields below, each preceded by its length in bytes as eight big-endian bytes, so that
    /// no two different inputs give the same byte string: the version tag `mc-snapshot-1`, the tree, the number of
    /// stages, for each stage name, run, kind, tier, format and timeout in seconds, then the fingerprint. After it, for each
    /// stage with reports: the word `reports`, its place in the list, their number and they themselves; then for each stage
    /// that is a metric or of which something is demanded: the word `demand`, its place, and what is demanded.
    ///
    /// The timeout is part of it: a result of "not run: timeout" must not outlive a longer timeout.
    pub fn of(tree: &TreeId, stages: &[StageSpec], fingerprint: &str) -> Self {
        let mut hash = FieldHash::default();
        let mut field = |text: &str| hash.add(text);
        field("mc-snapshot-1");
        field(tree.as_str());
        field(&stages.len().to_string());
        for stage in stages {
            field(&stage.name);
            field(&stage.run);
            field(stage.kind.word());
            field(stage.tier.word());
            field(stage.format.word());
            field(&stage.timeout_secs.to_string());
        }
        field(fingerprint);
        for (nth, stage) in stages.iter().enumerate() {
            if !stage.reports.is_empty() {
                field("reports");
                field(&nth.to_string());
                field(&stage.reports.len().to_string());
                stage.reports.iter().for_each(|glob| field(glob));
            }
        }
        for (nth, stage) in stages.iter().enumerate() {
            if stage.kind == StageKind::Metric || !is_default(&stage.demand) {
                field("demand");
                field(&nth.to_string());
                stage.demand.fields().iter().for_each(|text| field(text));
            }
        }
        Self(hash.finish())
    }

    /// The first ten digits, for people.
    pub fn short_id(&self) -> &str {
        first_chars(&self.0, 10)
    }

    /// The key of a result of the same tree, stages and environment that files of earlier runs had a part in.
    pub fn to_warm(&self) -> Self {
        Self(digest(format!("mc-snapshot-warm-1 {}", self.0)))
    }
}

#[cfg(test)]
pub(in crate::domain::verify) mod tests {
    use super::*;

    /// A stage of tests, as a person writes it who says no more.
    pub fn stage(name: &str, run: &str) -> StageSpec {
        StageSpec {
            name: name.into(),
            run: run.into(),
            kind: StageKind::Tests,
            tier: Tier::Gate,
            format: Format::Auto,
            timeout_secs: 60,
            demand: Demand::default(),
            reports: Vec::new(),
        }
    }

    #[test]
    fn p13_every_field_is_part_of_the_key() {
        let tree = TreeId::new(&"a".repeat(40)).unwrap();
        let base = vec![stage("unit", "make test"), stage("lint", "make lint")];
        let key = |stages: &[StageSpec], print: &str| SnapshotKey::of(&tree, stages, print);
        let mut all = vec![
            key(&base, "p"),
            key(&base, "q"),
            key(&base[..1], "p"),
            key(&[base[1].clone(), base[0].clone()], "p"),
            SnapshotKey::of(&TreeId::new(&"b".repeat(40)).unwrap(), &base, "p"),
            key(&[stage("unitm", "ake test"), stage("lint", "make lint")], "p"),
        ];
        for change in [
            (|s: &mut StageSpec| s.timeout_secs = 61) as fn(&mut StageSpec),
            |s| s.kind = StageKind::Lint,
            |s| s.tier = Tier::Quick,
            |s| s.format = Format::Exit,
            |s| s.demand.at_most = "1".parse().ok(),
            |s| s.demand.at_least = "1".parse().ok(),
            |s| s.demand.better = Some(Better::Lower),
            |s| s.demand.better = Some(Better::Higher),
            |s| s.demand.ratchet = Some(true),
            |s| s.demand.ratchet = Some(false),
            |s| s.reports = vec!["a.xml".into()],
            |s| s.reports = vec!["a.xml".into(), "b.xml".into()],
        ] {
            let mut stages = base.clone();
            change(&mut stages[0]);
            all.push(key(&stages, "p"));
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(key(&base, "p"), key(&base.clone(), "p"));
        assert_ne!(key(&base, "p").to_warm(), key(&base, "p"));
        assert_ne!(key(&base, "p").to_warm(), key(&base, "q").to_warm());
    }

    #[test]
    fn the_key_never_changes_between_versions() {
        let tree = TreeId::new(&"a".repeat(40)).unwrap();
        let key = SnapshotKey::of(&tree, &[stage("unit", "make test")], "linux x86_64");
        expect_test::expect!["5b4f450c72cd0e52fb49ed3ed8533a9a24b24654b44cd83874bf8a3252a8cce3"].assert_eq(&key.0);
    }
}
