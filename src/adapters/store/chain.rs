//! The hash chain over the journal: any changed, missing or moved row is found.
//!
//! The hash of a row is the lower-case hexadecimal SHA-256 of six fields, each preceded by its length in bytes as a
//! 64-bit little-endian number: the hash of the row before (empty for row 1), `seq` and then `mission`, `at_ms`,
//! `kind`, `body`. Texts are taken as stored (UTF-8), numbers as 64-bit little-endian two's complement. The lengths
//! keep bytes from moving unseen from one column into the next. A cut-off tail is found only by who remembers a
//! [`Head`]; and the chain is no signature: who can write the file can recompute all of it.

use crate::domain::base::to_hex;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};

/// The last row of a journal: remember it to find out later whether rows after it were cut off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Its number; 0 for an empty journal.
    pub seq: u64,
    /// Its hash, 64 lower-case hexadecimal digits; empty for an empty journal.
    pub hash: String,
}

/// What [`super::Store::verify_chain`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chain {
    /// Every row is as it was written.
    Intact {
        /// How many there are.
        rows: u64,
    },
    /// The first row that is not.
    Broken {
        /// Its number.
        seq: u64,
        /// What is wrong with it, for people.
        what: String,
    },
}

/// Hash of one row.
pub(super) fn link(before: &str, seq: i64, mission: &[u8], at: i64, kind: &[u8], body: &[u8]) -> String {
    let mut hasher = Sha256::new();
    for field in [before.as_bytes(), &seq.to_le_bytes(), mission, &at.to_le_bytes(), kind, body] {
        hasher.update((field.len() as u64).to_le_bytes());
        hasher.update(field);
    }
    to_hex(&hasher.finalize())
}

/// Columns in the order that [`Walk::step`] reads.
pub(super) const COLUMNS: &str = "SELECT seq, mission, at_ms, kind, body, hash FROM journal ORDER BY seq";

/// Goes through the rows in their order.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The last row that was found good.
    pub(super) head: Head,
}

impl Walk {
    /// Checks the next row, read with [`COLUMNS`]; says what is wrong.
    pub(super) fn step(&mut self, row: &Row<'_>) -> rusqlite::Result<Option<Chain>> {
        let expected = self.head.seq + 1;
        let broken = |what: String| Ok(Some(Chain::Broken { seq: expected, what }));
        // Raw values: a tampered column may hold another type, or bytes that are no text.
        let number = |i: usize| row.get_ref(i).map(|v| if let ValueRef::Integer(n) = v { Some(n) } else { None });
        let text = |i: usize| row.get_ref(i).map(|v| if let ValueRef::Text(t) = v { Some(t) } else { None });
        let (Some(seq), Some(mission), Some(at), Some(kind), Some(body), Some(hash)) =
            (number(0)?, text(1)?, number(2)?, text(3)?, text(4)?, text(5)?)
        else {
            return broken("a column has another type".to_owned());
        };
        if u64::try_from(seq) != Ok(expected) {
            return broken(format!("row {expected} is missing, row {seq} follows"));
        }
        let computed = link(&self.head.hash, seq, mission, at, kind, body);
        if computed.as_bytes() != hash {
            return broken("its hash does not fit its contents and the row before".to_owned());
        }
        self.head = Head { seq: expected, hash: computed };
        Ok(None)
    }
}
