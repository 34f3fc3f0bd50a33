//! The HOME of verifications: what of the user's home is seen in it, and where goes what is written there.
//!
//! Promises: nothing a verification writes into its HOME, or into the folders of tools in the user's home, reaches the user's
//! own or a later verification, where overlays can be mounted; where they cannot, those folders are the user's own, and
//! [`Homes::trouble`] says why. Nothing is mounted outside the mount namespace of a run.

mod census;
mod homes;
mod parts;
mod short;

pub use census::{Census, take_census};
pub use homes::{Homes, Layers};
pub use parts::{Part, Parts, find_parts};
pub use short::{LONGEST, create_short_name, remove_short_name};
