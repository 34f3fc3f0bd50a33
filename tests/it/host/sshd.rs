//! A real sshd on loopback, with keys of its own in a folder of its own: as root, or as an ordinary user, whom alone it then serves. It is
//! ended by its recorded number. That it does not start is a failed test.

use crate::support::world::until;
use mission_control::adapters::host::local::process::procfs;
use mission_control::adapters::host::remote::transport::Target;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// It has to be started by its whole name.
const PROGRAM: &str = "/usr/sbin/sshd";

/// The number of the ordinary user, when the tests run as root.
const OTHER: u32 = 65534;

/// How often another port is tried: one that is free may be taken before sshd has it.
const PORTS: u32 = 10;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Who may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// Who runs the tests.
    Own,
    /// A user without rights.
    Ordinary,
}

/// Where it listens.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its address.
    pub address: String,
    /// The command by which it is started there.
    pub enter: Vec<String>,
}

impl Place {
    /// The loopback of this machine.
    pub fn loopback() -> Self {
        Self { address: "127.0.0.1".to_owned(), enter: Vec::new() }
    }
}

/// A server. Dropped, it ends with everything it started.
#[derive(Debug)]
pub struct Sshd {
    dir: TempDir,
    port: u16,
    user: User,
    place: Place,
    server: Child,
}

/// Makes a pair of keys at this path.
pub fn make_key(path: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap();
    assert!(made.success());
}

/// What a file of keys says of the second one's owner: type and key.
fn public_key(path: &Path) -> String {
    let text = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

impl Sshd {
    /// One whose users have `home` as their home, with further lines of its configuration.
    pub fn start(home: &Path, user: User, lines: &[&str]) -> Self {
        Self::start_at(Place::loopback(), home, user, lines)
    }

    /// The same somewhere else.
    pub fn start_at(place: Place, home: &Path, user: User, lines: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        make_key(&at("hostkey"));
        make_key(&at("identity"));
        std::fs::copy(at("identity.pub"), at("authorized_keys")).unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::set_permissions(at("authorized_keys"), PermissionsExt::from_mode(0o644)).unwrap();
        let user = if is_root() { user } else { User::Own };
        if user == User::Ordinary {
            chown(at("hostkey"), Some(OTHER), None).unwrap();
            chown(home, Some(OTHER), None).unwrap();
            let known = std::fs::read_to_string("/etc/passwd").unwrap();
            let others = known.lines().filter(|line| line.split(':').nth(2) != Some(&OTHER.to_string()));
            let own = format!("worker:x:{OTHER}:{OTHER}::{}:/bin/sh", home.display());
            let users = others.chain([own.as_str()]).collect::<Vec<_>>().join("\n");
            std::fs::write(at("passwd"), users + "\n").unwrap();
        }
        if is_root() {
            // Only there does the root's server give up its rights.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let path = std::env::var("PATH").unwrap();
        let environment = format!("SetEnv HOME={} GIT_CONFIG_SYSTEM=/dev/null PATH={path}", home.display());
        for _ in 0..PORTS {
            let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
            let mut text = vec![
                format!("Port {port}"),
                format!("ListenAddress {}", place.address),
                format!("HostKey {}", at("hostkey").display()),
                format!("AuthorizedKeysFile {}", at("authorized_keys").display()),
                "PidFile none".to_owned(),
                "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no".to_owned(),
                "PermitRootLogin prohibit-password".to_owned(),
                environment.clone(),
            ];
            text.extend(lines.iter().map(|line| (*line).to_owned()));
            std::fs::write(at("config"), text.join("\n") + "\n").unwrap();
            let mut server = Self::spawn(&place, dir.path(), user);
            if Self::listens(&mut server, dir.path()) {
                let host = format!("[{}]:{port}", place.address);
                let server = Self { dir, port, user, place, server };
                std::fs::write(server.known_hosts(), format!("{host} {}\n", public_key(&server.path("hostkey"))))
                    .unwrap();
                return server;
            }
            let log = std::fs::read_to_string(at("log")).unwrap_or_default();
            assert!(log.contains("in use"), "sshd does not start: {log}");
        }
        panic!("no port is free");
    }

    fn spawn(place: &Place, dir: &Path, user: User) -> Child {
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let config = dir.join("config").display().to_string();
        let mut words: Vec<&str> = place.enter.iter().map(String::as_str).collect();
        words.extend([PROGRAM, "-D", "-e", "-f", &config]);
        let mut command = match user {
            User::Own => Command::new(words[0]),
            User::Ordinary => {
                // In a view of its own of the machine's users this one has a shell.
                let line = format!(
                    "mount --bind {}/passwd /etc/passwd && exec setpriv --reuid={OTHER} --regid={OTHER} --clear-groups \"$@\"",
                    dir.display()
                );
                let mut command = Command::new("unshare");
                command.args(["--mount", "sh", "-c", &line, "sh", words[0]]);
                command
            }
        };
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        command.spawn().unwrap()
    }

    /// Whether it takes connections; false when it ended.
    fn listens(server: &mut Child, dir: &Path) -> bool {
        until("sshd", || match server.try_wait().unwrap() {
            Some(_) => Some(false),
            None => std::fs::read_to_string(dir.join("log")).unwrap().contains("Server listening").then_some(true),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The file in which its key is known.
    pub fn known_hosts(&self) -> PathBuf {
        self.path("known_hosts")
    }

    /// How it is reached.
    pub fn target(&self) -> Target {
        Target {
            name: "build1".to_owned(),
            hostname: self.place.address.clone(),
            user: (self.user == User::Ordinary).then(|| "worker".to_owned()),
            port: Some(self.port),
            identity_file: Some(self.path("identity")),
            known_hosts: Some(self.known_hosts()),
            config_file: Some("/dev/null".into()),
        }
    }

    /// Its processes for connections.
    pub fn connections(&self) -> Vec<Pid> {
        let own = self.server.id();
        let children = procfs::list_processes().into_iter().filter(|(_, process)| process.parent == own);
        children.filter_map(|(pid, _)| Pid::from_raw(pid.try_into().unwrap())).collect()
    }

    /// Ends it and its connections; what they started goes on.
    pub fn stop(&mut self) {
        // It takes no new ones while these are counted, and they are its own as long as it lives.
        let server = Pid::from_raw(self.server.id().try_into().unwrap()).unwrap();
        let _ = kill_process(server, Signal::STOP);
        let connections = self.connections();
        let _ = self.server.kill();
        let _ = self.server.wait();
        for pid in connections {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        self.server = Self::spawn(&self.place, self.dir.path(), self.user);
        assert!(Self::listens(&mut self.server, self.dir.path()), "it does not start again");
    }

    /// Sends a signal to it and its connections.
    pub fn signal(&self, signal: Signal) {
        let server = Pid::from_raw(self.server.id().try_into().unwrap()).unwrap();
        for pid in std::iter::once(server).chain(self.connections()) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Kills them.
    pub fn kill_connections(&self) {
        for pid in self.connections() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill_connections();
        if let Some(leader) = Pid::from_raw(self.server.id().try_into().unwrap()) {
            let _ = kill_process_group(leader, Signal::KILL);
        }
        let _ = self.server.wait();
    }
}
