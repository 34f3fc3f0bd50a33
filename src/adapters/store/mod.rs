//! What `mc` keeps outside the repository: the lock, the journal, snapshots and signals.

pub mod lock;
