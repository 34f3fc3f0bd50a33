//! What every rule may use and nothing else decides: texts cut and cleaned, hashes as text, the nearest of some names.

mod hash;
pub mod nearest;
pub mod text;

pub use hash::{FieldHash, digest, to_hex};
