//! Identifiers and small values shared by every rule. A value of one of these types is valid by construction.

use crate::domain::base::Invalid;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Milliseconds since the Unix epoch, as told by the engine's clock; the domain never reads a clock.
pub type Millis = u64;

/// Money in millionths of a US dollar, so that sums do not depend on their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usd(pub u64);

impl Usd {
    /// For people and programs.
    #[expect(clippy::cast_precision_loss, reason = "sums below nine billion dollars are exact")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// Most bytes of one argument of a program: 32 pages of 4 KiB with the closing NUL, MAX_ARG_STRLEN of execve(2).
pub const LONGEST_ARGUMENT: usize = (32 << 12) - 1;

/// Most bytes of a shell line that somebody configured: it is one argument of `sh -c`, and ` "$1"` may follow it.
pub const LONGEST_LINE: usize = LONGEST_ARGUMENT - 71;

/// That a shell line can be given to a shell.
///
/// # Errors
/// A fragment that says how long it is and what to do.
pub fn check_line(line: &str) -> Result<(), Invalid> {
    match line.len() {
        0..=LONGEST_LINE => Ok(()),
        long => Err(Invalid(format!(
            "has {long} bytes, and the system starts no shell line of more than {LONGEST_LINE}; put it into a script file \
             of the repository and run that"
        ))),
    }
}

/// The day of a time, in UTC, as `2026-11-20`.
///
/// Days to a civil date as in Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (`civil_from_days`).
pub fn format_date(at: Millis) -> String {
    let days = at / 86_400_000 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + u64::from(month <= 2))
}

/// A unit id was refused; the message says which rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{id}` is not a valid {what}: {rule}")]
pub struct InvalidId {
    /// The rejected text.
    pub id: String,
    /// Which kind of id was wanted.
    pub what: &'static str,
    /// The rule that was broken.
    pub rule: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        // What is read keeps the rule too: some of it comes from hosts, and becomes a word of a command line.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Self::new(&Box::<str>::deserialize(from)?).map_err(D::Error::custom)
            }
        }

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// Id of a mission: globally unique, short to type (`m` and base-32 characters).
    MissionId
);
text_id!(
    /// Id of a work unit: `[a-z0-9][a-z0-9._-]{0,63}`, no `..`, not ending in `.` or `.lock`
    /// (so that it can be one component of a git ref).
    UnitId
);
text_id!(
    /// Full hexadecimal object id of a commit, as git prints it.
    CommitId
);
text_id!(
    /// Full hexadecimal object id of a tree, as git prints it.
    TreeId
);

text_id!(
    /// Name of a host, as the settings give it: `[A-Za-z0-9_][A-Za-z0-9._-]{0,63}`. `local` is the machine the engine runs on.
    HostId
);

/// A text as it is if it keeps the rule.
fn checked(text: &str, what: &'static str, fine: bool, rule: &'static str) -> Result<Box<str>, InvalidId> {
    if fine { Ok(text.into()) } else { Err(InvalidId { id: text.to_owned(), what, rule }) }
}

/// A place for one attempt: a numbered slot of a host's pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId {
    /// The host.
    pub host: HostId,
    /// Its number there, from 0.
    pub number: u32,
}

impl HostId {
    /// The machine the engine runs on.
    pub fn local() -> Self {
        Self("local".into())
    }

    /// Whether it is the machine the engine runs on.
    pub fn is_local(&self) -> bool {
        self.as_str() == "local"
    }

    /// Accepts what the type's rule allows.
    ///
    /// # Errors
    /// [`InvalidId`] with the broken rule.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let inner = |b: u8| first(b) || b".-".contains(&b);
        let fine = text.len() <= 64 && text.bytes().next().is_some_and(first) && text.bytes().all(inner);
        let rule = "1 to 64 letters, digits, `.`, `_` and `-`, the first neither `.` nor `-`";
        checked(text, "host name", fine, rule).map(Self)
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The first of a mission.
            pub const FIRST: Self = Self(1);

            /// The one after it.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::FIRST
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// One try of the merge queue to land a request, counted in its mission; the fencing token of its steps.
    LandingId
);
number_id!(
    /// One change that waits for the merge queue, counted in its mission.
    RequestId
);
number_id!(
    /// One run of an agent or script, counted in its mission; id and fencing token.
    SessionId
);
number_id!(
    /// One verification of the merge queue, counted in its mission; names its run directories and stored snapshots.
    RunId
);

impl MissionId {
    /// Accepts lower-case letters and digits, 1 to 32 of them.
    ///
    /// # Errors
    /// [`InvalidId`] with the broken rule.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let fine = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        checked(text, "mission id", fine, "1 to 32 lower-case letters and digits").map(Self)
    }
}

impl UnitId {
    /// Accepts what the type's rule allows.
    ///
    /// # Errors
    /// [`InvalidId`] with the broken rule.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let inner = |b: u8| word(b) || b"._-".contains(&b);
        let rules = [
            (text.bytes().next().is_some_and(word), "it must start with a lower-case letter or a digit"),
            (text.len() <= 64, "it may have 64 characters at most"),
            (text.bytes().all(inner), "only a-z, 0-9, `.`, `_` and `-` are allowed"),
            (!text.contains(".."), "it may not contain `..`"),
            (!text.ends_with('.') && !text.ends_with(".lock"), "it may not end in `.` or `.lock`"),
        ];
        let broken = rules.into_iter().find(|(kept, _)| !kept);
        checked(text, "unit id", broken.is_none(), broken.map_or("", |(_, rule)| rule)).map(Self)
    }
}

fn object_id(text: &str, what: &'static str) -> Result<Box<str>, InvalidId> {
    let fine = matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    checked(text, what, fine, "40 or 64 lower-case hexadecimal digits")
}

impl CommitId {
    /// Accepts a full object id.
    ///
    /// # Errors
    /// [`InvalidId`] when it is not 40 or 64 lower-case hexadecimal digits.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        object_id(text, "commit id").map(Self)
    }

    /// The first ten digits, for people.
    pub fn short_id(&self) -> &str {
        &self.0[..10]
    }
}

impl TreeId {
    /// Accepts a full object id.
    ///
    /// # Errors
    /// [`InvalidId`] when it is not 40 or 64 lower-case hexadecimal digits.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        object_id(text, "tree id").map(Self)
    }
}

/// A commit together with the tree it records.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tip {
    /// The commit.
    pub commit: CommitId,
    /// Its full tree.
    pub tree: TreeId,
}
