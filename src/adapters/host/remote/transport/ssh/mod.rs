//! A worker behind ssh: the system's own `ssh` with the person's own configuration. One connection for each host carries everything
//! ([`master`]); it is kept while the line to the worker is lost and found again.

mod control;
mod master;
mod refusal;
mod session;
mod target;
pub use session::Ssh;
pub use target::Target;
