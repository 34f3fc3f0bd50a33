//! What a fence is made of by default: names only, nothing here looks at a machine.

/// Folders that every program of a machine may write; a run has one of its own in their place.
pub const TEMPORARY: &[&str] = &["/tmp", "/var/tmp"];

/// The same in memory (shm_overview(7)).
pub const MEMORY: &str = "/dev/shm";

/// What of `/dev` root finds there: a device of root's own, such as a disk, could be written past every fence.
pub const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/pts",
    "/dev/fuse",
    "/dev/kvm",
    "/dev/net",
];

/// Sockets at which services of the machine, of root or of the person take orders.
pub const SOCKETS: &[&str] = &[
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
    "/run/snapd.socket",
    "/run/libvirt/libvirt-sock",
];

/// Variables that name such a socket of the person: a path, or `unix:path=…` or `unix://…`.
pub const SOCKET_VARIABLES: &[&str] = &["SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "GPG_AGENT_INFO"];

/// Folders of the home that tools make at their first use, with the programs that do. Behind a fence they cannot, so these are made
/// for whoever has the program; what others of the settings name is made for everybody.
const MADE_BY: &[(&str, &[&str])] = &[
    ("~/.cargo/registry", &["cargo"]),
    ("~/.cargo/git", &["cargo"]),
    ("~/.npm", &["npm"]),
    ("~/.pnpm-store", &["pnpm"]),
    ("~/.local/share/pnpm", &["pnpm"]),
    ("~/.yarn/berry", &["yarn"]),
    ("~/.bun/install/cache", &["bun"]),
    ("~/go/pkg", &["go"]),
    ("~/.m2/repository", &["mvn"]),
    ("~/.gradle", &["gradle"]),
    ("~/.claude", &["claude"]),
    ("~/.codex", &["codex"]),
    ("~/.gemini", &["gemini"]),
    ("~/.config/opencode", &["opencode"]),
    ("~/.local/share/opencode", &["opencode"]),
    ("~/.local/state/opencode", &["opencode"]),
    // A file, which its program can make anew.
    ("~/.claude.json", &[]),
];

/// Variables that name a folder for what builds make. (What is only downloaded is kept apart by its contents.)
pub const BUILT: &[&str] = &[
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "GOCACHE",
    "CCACHE_DIR",
    "SCCACHE_DIR",
    "TURBO_CACHE_DIR",
    "NX_CACHE_DIRECTORY",
    "MYPY_CACHE_DIR",
    "RUFF_CACHE_DIR",
    "PYTHONPYCACHEPREFIX",
    "BUILD_DIR",
];

/// Variables that name a folder for what tools download, or where agents keep what is theirs.
pub const DOWNLOADED: &[&str] = &[
    "XDG_CACHE_HOME",
    "CARGO_HOME",
    "GOMODCACHE",
    "GOPATH",
    "npm_config_cache",
    "NPM_CONFIG_CACHE",
    "YARN_CACHE_FOLDER",
    "PIP_CACHE_DIR",
    "UV_CACHE_DIR",
    "POETRY_CACHE_DIR",
    "GRADLE_USER_HOME",
    "NUGET_PACKAGES",
    "COMPOSER_HOME",
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
];

/// Whether a folder that `[sandbox] writable` or `shared` names is made where it is absent, on a machine that has these programs.
#[must_use]
pub fn is_made(name: &str, has: impl Fn(&str) -> bool) -> bool {
    MADE_BY.iter().find(|(known, _)| *known == name).is_none_or(|(_, programs)| programs.iter().any(|name| has(name)))
}

/// The path of a socket in the value of such a variable.
#[must_use]
pub fn socket_path(value: &str) -> Option<&str> {
    let unix = value.strip_prefix("unix:path=").or_else(|| value.strip_prefix("unix://")).unwrap_or(value);
    let path = unix.split([',', ':']).next()?;
    path.starts_with('/').then_some(path)
}

#[cfg(test)]
mod tests {
    use super::socket_path;

    #[test]
    fn sockets_are_found_in_what_names_them() {
        assert_eq!(socket_path("/tmp/ssh-x/agent.1"), Some("/tmp/ssh-x/agent.1"));
        assert_eq!(socket_path("unix:path=/run/user/7/bus,guid=0a"), Some("/run/user/7/bus"));
        assert_eq!(socket_path("unix:///run/user/7/docker.sock"), Some("/run/user/7/docker.sock"));
        assert_eq!(socket_path("/run/gpg:0:1"), Some("/run/gpg"));
        for none in ["tcp://10.0.0.1:2375", "unix:abstract=/tmp/x", ""] {
            assert_eq!(socket_path(none), None, "{none}");
        }
    }
}
