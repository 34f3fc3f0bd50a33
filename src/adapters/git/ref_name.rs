//! Names of refs, and what one must hold to be moved.

use crate::domain::values::CommitId;
use std::fmt;

/// The whole name of a ref. Git takes nearly any bytes for one, so it need not be text; shown, odd bytes are replaced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefName(pub(super) Vec<u8>);

impl RefName {
    /// As git prints it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is this one.
    pub fn is(&self, name: &str) -> bool {
        self.0 == name.as_bytes()
    }

    pub(super) fn into_text(self) -> Option<String> {
        String::from_utf8(self.0).ok()
    }

    /// Reads lines of `<object id> <name>`; no name has a space or a line break (git-check-ref-format).
    pub fn of_lines(bytes: &[u8]) -> Vec<(Self, CommitId)> {
        let read = |line: &[u8]| {
            let space = line.iter().position(|b| *b == b' ')?;
            let id = CommitId::new(std::str::from_utf8(&line[..space]).ok()?).ok()?;
            Some((Self(line[space + 1..].to_vec()), id))
        };
        bytes.split(|b| *b == b'\n').filter_map(read).collect()
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// How a compare-and-swap ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Cas {
    /// The ref has the new value now: it had the expected one, or this one already.
    Moved,
    /// Somebody else moved it; nothing was changed.
    Raced {
        /// What it holds instead; absent when it does not exist.
        now: Option<CommitId>,
    },
}
