//! SHA-256 as hexadecimal text.

use sha2::{Digest, Sha256};

/// Two lower-case hexadecimal digits for each byte.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash of some bytes.
pub fn digest(bytes: impl AsRef<[u8]>) -> String {
    to_hex(&Sha256::digest(bytes))
}

/// A hash of fields, each with its length before it: other fields never give the same bytes.
#[derive(Debug, Default)]
pub struct FieldHash(Sha256);

impl FieldHash {
    /// One more field.
    pub fn add(&mut self, field: impl AsRef<[u8]>) {
        let field = field.as_ref();
        self.0.update((field.len() as u64).to_be_bytes());
        self.0.update(field);
    }

    /// The hash.
    pub fn finish(self) -> String {
        to_hex(&self.0.finalize())
    }
}
