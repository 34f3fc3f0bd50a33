//! Quarantine: what cannot stay where it is and must not be deleted. Single files and repositories of an attempt
//! ([`odd_places`]), and whole slots ([`slots`]).

mod folder;
pub(crate) mod odd_places;
mod slots;

pub(super) use folder::{Quarantine, is_within};
pub use slots::{Note, Quarantined, discard, list_quarantined};
