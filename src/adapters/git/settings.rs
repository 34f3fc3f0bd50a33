//! What every call of git is told, so that no file of configuration has it run a program, write what is not asked for or
//! wait for somebody: the user's files are read too, and an agent may have written into them.
//!
//! Promises: hooks, monitors, signatures, commands for refs of others and transports that run a program are off; nothing is
//! fetched because it is missing.

/// Settings of every call; they stand above all configuration files.
pub(super) const SETTINGS: [&str; 19] = [
    "core.hooksPath=/dev/null",
    "gc.auto=0",
    "maintenance.auto=false",
    "core.fsmonitor=false",
    // Run by a shell wherever objects are borrowed; this one names no refs.
    "core.alternateRefsCommand=:",
    // Git's own default leaves loose objects out: after a power loss a pin could name a commit that is not there.
    "core.fsync=committed",
    "core.filesRefLockTimeout=5000",
    "core.packedRefsTimeout=5000",
    "commit.gpgSign=false",
    "log.showSignature=false",
    "protocol.file.allow=always",
    // `url.*.insteadOf` makes an address of this kind of any path.
    "protocol.ext.allow=never",
    "fetch.prune=false",
    "fetch.pruneTags=false",
    "fetch.recurseSubmodules=false",
    "fetch.writeCommitGraph=false",
    "submodule.recurse=false",
    "push.recurseSubmodules=no",
    "advice.detachedHead=false",
];

/// Variables of every call.
pub(super) const VARIABLES: [(&str, &str); 6] = [
    ("LC_ALL", "C"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_LITERAL_PATHSPECS", "1"),
];
