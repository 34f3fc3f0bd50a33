//! What a fence is made of, wanted and by default: names only, nothing here looks at a machine.

use serde::{Deserialize, Serialize};
use strum::EnumString;

/// How left-over processes are to be found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum WantedIsolation {
    /// By a pid namespace where the machine allows it, else by search.
    #[default]
    Auto,
    /// By a pid namespace or not at all.
    Pidns,
    /// By search, without probing.
    Search,
}

/// What runs may reach of the machine's files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sandbox {
    /// Whether there is a fence at all.
    pub mode: SandboxMode,
    /// What agents may write beside their workspace: absolute paths, or of the home (`~/`).
    pub writable: Vec<String>,
    /// What every run may write, verifications as well: what one leaves there, the next one finds.
    pub shared: Vec<String>,
    /// What may be read although it is hidden, or in a folder of temporary files.
    pub readable: Vec<String>,
    /// What may not be read.
    pub hidden: Vec<String>,
    /// Most memory of a run in bytes; 0 for no limit.
    pub max_memory: u64,
    /// Most processes and threads of a run at a time; 0 for no limit.
    pub max_processes: u64,
}

/// Whether runs are fenced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum SandboxMode {
    /// Where the machine allows it.
    Auto,
    /// No. Missions that began before there was a fence go on without.
    #[default]
    Off,
}

impl Sandbox {
    /// Whether a fence is wanted.
    pub fn is_on(&self) -> bool {
        self.mode == SandboxMode::Auto
    }
}

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
    "/run/libvirt/virtqemud-sock",
    "/run/buildkit/buildkitd.sock",
    "/var/lib/lxd/unix.socket",
    "/var/lib/incus/unix.socket",
    "~/.docker/run/docker.sock",
    "~/.docker/desktop/docker.sock",
    "~/.colima/default/docker.sock",
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
pub fn is_made(name: &str, has: impl Fn(&str) -> bool) -> bool {
    MADE_BY.iter().find(|(known, _)| *known == name).is_none_or(|(_, programs)| programs.iter().any(|name| has(name)))
}

/// The paths of sockets in the value of a variable that names some: a plain path (`SSH_AUTH_SOCK`; with more after a colon for
/// gpg), `unix://PATH`, or addresses of D-Bus (its specification, "Server Addresses").
pub fn socket_paths(name: &str, value: &str) -> Vec<String> {
    let plain = match name {
        "GPG_AGENT_INFO" => value.split(':').next().unwrap_or_default(),
        _ => value.strip_prefix("unix://").unwrap_or(value),
    };
    let addresses = value.split(';').filter_map(|address| address.strip_prefix("unix:"));
    let paths = addresses.flat_map(|address| address.split(',')).filter_map(|pair| pair.strip_prefix("path="));
    let paths = paths.map(percent_decode).chain([plain.to_owned()]);
    paths.filter(|path| path.starts_with('/')).collect()
}

/// Text with `%20` and the like.
fn percent_decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::socket_paths;

    #[test]
    fn sockets_are_found_in_what_names_them() {
        let ssh = |value| socket_paths("SSH_AUTH_SOCK", value);
        assert_eq!(ssh("/tmp/ssh-x/agent.1"), ["/tmp/ssh-x/agent.1"]);
        assert_eq!(ssh("/a:b/c,d"), ["/a:b/c,d"]);
        let bus = |value| socket_paths("DBUS_SESSION_BUS_ADDRESS", value);
        assert_eq!(bus("unix:path=/run/user/7/bus,guid=0a"), ["/run/user/7/bus"]);
        assert_eq!(bus("unix:guid=0a,path=/run/a%20b;unix:path=/c"), ["/run/a b", "/c"]);
        assert_eq!(socket_paths("DOCKER_HOST", "unix:///run/user/7/docker.sock"), ["/run/user/7/docker.sock"]);
        assert_eq!(socket_paths("GPG_AGENT_INFO", "/run/gpg:0:1"), ["/run/gpg"]);
        for none in ["tcp://10.0.0.1:2375", "unix:abstract=/tmp/x", ""] {
            assert!(bus(none).is_empty(), "{none}");
        }
    }
}
