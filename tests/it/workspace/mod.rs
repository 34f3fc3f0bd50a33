//! Slots of the pool, and what is collected from them.

pub mod collect;
pub mod fresh;
pub mod hostile;
pub mod layout;
pub mod left_out;
pub mod pool;
pub mod unseen;
