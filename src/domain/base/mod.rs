//! What every rule may use and nothing else decides: texts cut and cleaned, bytes as digits, the nearest of some names.

mod hex;
pub mod nearest;
pub mod text;

pub use hex::hex;
