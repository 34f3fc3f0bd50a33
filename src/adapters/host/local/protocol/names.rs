//! Words, names and bounds that both sides of a run directory keep: whoever starts a run, and its supervisor.

/// First argument of every stage. Not a command of people: no help lists it.
pub const FLAG: &str = "--supervise";

/// What the probe says when it works. A program that knows nothing of [`FLAG`] ends with 0 perhaps, but never says so.
pub const WORKS: &str = "a pid namespace works here";

/// This very program, even after its file was replaced.
pub const OURSELVES: &str = "/proc/self/exe";

/// Exit code when a stage cannot do its work; the reason is on standard error.
pub const BROKEN: u8 = 125;

/// Standard output of a program; its standard error, too, where that has no file of its own.
pub const OUTPUT: &str = "out.log";

/// Standard error of a program, where it is kept apart: the file is there before the program starts.
pub const ERRORS: &str = "err.log";

/// What is said of a mount or a fence that works.
pub const MOUNTED: &str = "mounted";

/// More than any file of the protocol holds; what runs could have put anything in its place.
pub(in crate::adapters::host) const SMALL: u64 = 4 << 20;

/// More than any command file holds: arguments and environment of a program have 6 MiB at most (execve(2)), and a byte takes
/// up to six here.
pub(in crate::adapters::host) const LARGEST_COMMAND: u64 = 40 << 20;
