//! The one integration binary.

mod runs_containment;
mod runs_protocol;
mod runs_user;
mod runs_world;
