//! The one integration binary.

mod store_chain;
mod store_crash;
mod store_files;
mod store_journal;
mod store_lock;
mod store_place;
mod store_wake;
mod store_world;
