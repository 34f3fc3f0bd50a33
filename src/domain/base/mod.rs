//! What every rule may use and nothing else decides: texts cut and cleaned, hashes as text, the nearest of some names, what is
//! wrong with a value.

mod hash;
mod invalid;
pub mod nearest;
pub mod text;

pub use hash::{FieldHash, digest, to_hex};
pub use invalid::Invalid;

/// Whether a value is its type's default, which records leave out.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
