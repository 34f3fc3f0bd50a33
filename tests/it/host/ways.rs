//! Ways to a worker elsewhere: by a command, and by ssh. What is missing there is brought once, whatever is wrong is said with what helps
//! against it, and a connection that is lost is made anew.

use super::remote::{Line, attempt, host_of, program, settings};
use super::sshd::{Sshd, User, make_key};
use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::host::any::Host;
use mission_control::adapters::host::remote::protocol::Limits;
use mission_control::adapters::host::remote::transport::{
    Cuts, Executable, Moment, PATIENCE, Ssh, Target, Way, Worker,
};
use mission_control::domain::trouble::{Cause, Trouble};
use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A word of the program that is sent, by which it can be damaged on its way.
const MARK: &str = "MARK-OF-THE-PROGRAM";

/// Programs that the other side needs, without any that packs.
const TOOLS: [&str; 17] = [
    "sh", "cat", "wc", "head", "tr", "cut", "chmod", "mv", "rm", "mkdir", "uname", "dd", "find", "touch", "ls", "sed",
    "sleep",
];

/// A file that can be run.
fn write_script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn find_program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("no {name}"))
}

/// The other side of a command, and what is sent to it.
pub struct Elsewhere {
    pub world: World,
    pub worker: Worker,
}

impl Elsewhere {
    pub async fn new() -> Self {
        let world = World::new().await;
        // A short program in the place of the long one.
        let sent = world.home().join("mc");
        write_script(&sent, &format!("# {MARK}\nexec {} \"$@\"", program().display()));
        let root = world.state().join("worker").display().to_string();
        let worker = Worker { root, program: None, executable: Executable::new(sent) };
        Self { world, worker }
    }

    /// A folder with few programs, which the other side has instead of all.
    fn restrict_tools(&self, more: &[&str]) -> PathBuf {
        let tools = self.world.home().join("tools");
        std::fs::create_dir_all(&tools).unwrap();
        for name in TOOLS.iter().chain(more) {
            let _ = symlink(find_program(name), tools.join(name));
        }
        tools
    }

    /// The way through a script, which gets the command line as its arguments and stands for what reaches the other side.
    pub fn way(&self, script: &str) -> Way {
        let through = self.world.home().join("through");
        write_script(&through, script);
        let connect = vec![through.display().to_string()];
        Way::Command { connect, env: environment(&self.world), worker: self.worker.clone() }
    }

    /// A host whose questions are asked once.
    async fn host(&self, way: Way) -> Host {
        self.host_with(way, Line::to(PathBuf::new()).limits).await
    }

    async fn host_with(&self, way: Way, limits: Limits) -> Host {
        let patience = Duration::from_millis(1);
        host_of(&self.world, Line { way: Some(way), patience, limits, ..Line::to(PathBuf::new()) }, settings()).await
    }

    /// What was published there.
    fn published(&self) -> Vec<String> {
        let entries = std::fs::read_dir(Path::new(&self.worker.root).join("bin")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn environment(world: &World) -> Vec<(OsString, OsString)> {
    let path = std::env::var_os("PATH").unwrap();
    vec![("PATH".into(), path), ("HOME".into(), world.home().into()), ("GIT_CONFIG_SYSTEM".into(), "/dev/null".into())]
}

/// Whether a trouble says these words, and whether it may pass by itself.
fn says(trouble: &Trouble, words: &[&str], passes: bool) {
    assert_eq!(trouble.cause == Cause::Unreachable, passes, "{trouble}");
    for word in words {
        assert!(trouble.why.contains(word), "`{word}` is missing in: {trouble}");
    }
}

/// Lines of a log of what was sent that announce a program.
fn count_sent(log: &Path) -> usize {
    let bytes = std::fs::read(log).unwrap();
    let announces = |line: &&[u8]| line.starts_with(b"gzip ") || line.starts_with(b"raw ");
    bytes.split(|byte| *byte == b'\n').filter(announces).count()
}

#[test]
fn p12_the_worker_is_brought_once_and_whatever_else_is_printed_is_skipped() {
    within_a_minute(async {
        let there = Elsewhere::new().await;
        let script = "echo Welcome; printf 'no end of line'; echo noise >&2; tee -a ~/sent | \"$@\"";
        let host = there.host(there.way(script)).await;
        host.used_slots().await.unwrap();
        drop(host);
        let host = there.host(there.way(script)).await;
        host.used_slots().await.unwrap();
        assert_eq!(count_sent(&there.world.home().join("sent")), 1);
        let published = there.published();
        assert_eq!(published.len(), 1, "{published:?}");
        let folder = Path::new(&there.worker.root).join("bin");
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        // After a crash of the machine a file may be empty.
        std::fs::write(folder.join(&published[0]), "").unwrap();
        drop(host);
        there.host(there.way(script)).await.used_slots().await.unwrap();
        assert_eq!(count_sent(&there.world.home().join("sent")), 2);
    });
}

#[test]
fn p12_two_engines_bring_the_worker_at_once() {
    within_a_minute(async {
        let there = Elsewhere::new().await;
        // Both see that it is missing before one has brought it.
        let script =
            "n=$(mktemp ~/came.XXXXXX); { until [ $(ls ~ | grep -c came) = 2 ]; do sleep 0.01; done; cat; } | \"$@\"";
        let line = |state| Line { way: Some(there.way(script)), state, ..Line::to(PathBuf::new()) };
        let one = host_of(&there.world, line("s1"), settings()).await;
        let two = host_of(&there.world, line("s2"), settings()).await;
        let (one, two) = tokio::join!(one.used_slots(), two.used_slots());
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        assert_eq!(there.published().len(), 1);
    });
}

#[test]
fn p12_what_is_wrong_on_the_way_is_said_with_what_helps() {
    let endless = "head -c 100000 /dev/zero | tr '\\0' x; exec \"$@\"";
    let bad_uname = "mkdir ~/fake; printf '#!/bin/sh\\necho Plan9\\n' > ~/fake/uname; chmod +x ~/fake/uname; PATH=~/fake:$PATH exec \"$@\"";
    let cases: [(&str, &[&str], bool); 8] = [
        ("exit 127", &["could not run `sh`", "exit code 127"], false),
        ("echo no such container >&2; exit 1", &["exit code 1", "it said: no such container"], true),
        ("echo this account is closed; exit 3", &["printed: this account is closed"], true),
        (endless, &["65536 bytes were printed", "(it begins: xxx"], false),
        (bad_uname, &["that machine is Plan9", "program = \"/path/to/mc\""], false),
        // The first part of what is sent is the script.
        ("dd bs=1 count=5200 2>/dev/null | PATH=~/tools \"$@\"", &["came damaged", "bytes came of"], true),
        ("sed -u s/MARK/mark/ | PATH=~/tools \"$@\"", &["came damaged", "git says of it"], true),
        ("PATH=~/tools; ulimit -f 1; exec \"$@\"", &["cannot be kept"], false),
    ];
    for (script, words, passes) in cases {
        within_a_minute(async {
            let there = Elsewhere::new().await;
            there.restrict_tools(&["git"]);
            let mut text = std::fs::read_to_string(there.world.home().join("mc")).unwrap();
            text.push_str(&"#".repeat(2000));
            write_script(&there.world.home().join("mc"), &text);
            says(&there.host(there.way(script)).await.used_slots().await.unwrap_err(), words, passes);
            assert_eq!(there.published(), Vec::<String>::new(), "{script}");
        });
    }
}

#[test]
fn p12_a_program_or_folder_that_cannot_be_used_is_named() {
    within_a_minute(async {
        let mut there = Elsewhere::new().await;
        let home = there.world.home();
        let direct = "exec \"$@\"";
        let env = environment(&there.world);
        for (connect, word) in
            [(vec!["/nonexistent/connect".to_owned()], "cannot be started"), (Vec::new(), "is empty")]
        {
            let way = Way::Command { connect, env: env.clone(), worker: there.worker.clone() };
            says(&there.host(way).await.used_slots().await.unwrap_err(), &[word], false);
        }
        // It does not run there.
        write_script(&home.join("broken"), "echo no library >&2; exit 1");
        let sent = std::mem::replace(&mut there.worker.executable, Executable::new(home.join("broken")));
        let words = ["cannot be run (no library)", "program = \"/path/to/mc\""];
        says(&there.host(there.way(direct)).await.used_slots().await.unwrap_err(), &words, false);
        assert_eq!(there.published(), Vec::<String>::new());
        // What is there already is used as it is, and nothing is sent.
        there.worker.program = Some("~/a dir/mc".to_owned());
        let words = ["a dir/mc --version` fails", "`program` of this host"];
        says(&there.host(there.way(direct)).await.used_slots().await.unwrap_err(), &words, false);
        std::fs::create_dir(home.join("a dir")).unwrap();
        std::fs::copy(home.join("mc"), home.join("a dir/mc")).unwrap();
        there.host(there.way(direct)).await.used_slots().await.unwrap();
        assert_eq!(there.published(), Vec::<String>::new());
        (there.worker.executable, there.worker.program) = (sent, None);
        there.worker.root = home.join("repo/a/b").display().to_string();
        says(&there.host(there.way(direct)).await.used_slots().await.unwrap_err(), &["`root` of this host"], false);
        there.worker.root = "relative".to_owned();
        says(&there.host(there.way(direct)).await.used_slots().await.unwrap_err(), &["must begin with / or ~/"], false);
        there.worker.root = "~/a 'b'; $(touch ~/x)".to_owned();
        there.host(there.way(direct)).await.used_slots().await.unwrap();
        assert!(!home.join("x").exists() && home.join("a 'b'; $(touch ~/x)/bin").is_dir());
        let limits = Limits { beat: Duration::from_millis(50), ..Limits::default() };
        let silent = there.host_with(there.way("sleep 1000"), limits).await;
        says(&silent.used_slots().await.unwrap_err(), &["nothing was said there for 200ms"], true);
    });
}

#[test]
fn builds_that_nobody_uses_go_away_after_a_week() {
    within_a_minute(async {
        let there = Elsewhere::new().await;
        let folder = Path::new(&there.worker.root).join("bin");
        std::fs::create_dir_all(&folder).unwrap();
        let sleep = find_program("sleep");
        for name in ["mc-old", "mc-runs", "mc-young", ".new-left"] {
            std::fs::copy(&sleep, folder.join(name)).unwrap();
        }
        let mut running = Command::new(folder.join("mc-runs")).arg("1000").spawn().unwrap();
        let aged = ["mc-old", "mc-runs", ".new-left"].map(|name| folder.join(name));
        assert!(Command::new("touch").args(["-d", "9 days ago"]).args(aged).status().unwrap().success());
        there.host(there.way("exec \"$@\"")).await.used_slots().await.unwrap();
        let mut left = there.published();
        left.retain(|name| name.len() < 20);
        left.sort();
        running.kill().unwrap();
        running.wait().unwrap();
        assert_eq!(left, ["mc-runs", "mc-young"]);
    });
}

/// Ssh to a real server, with a folder for its control sockets.
pub struct Remote {
    pub there: Elsewhere,
    pub sshd: Sshd,
    control: TempDir,
}

impl Remote {
    pub async fn new(lines: &[&str]) -> Self {
        let there = Elsewhere::new().await;
        let sshd = Sshd::start(&there.world.home(), User::Own, lines);
        // Names of sockets are short.
        let control = tempfile::tempdir_in("/tmp").unwrap();
        Self { there, sshd, control }
    }

    pub fn way(&self, target: Target) -> Way {
        let mut env = environment(&self.there.world);
        env.push(("XDG_RUNTIME_DIR".into(), self.control.path().into()));
        Way::Ssh(Ssh::new(target, self.there.worker.clone(), "s1", env))
    }

    async fn host(&self) -> Host {
        let line = Line { way: Some(self.way(self.sshd.target())), ..Line::to(PathBuf::new()) };
        host_of(&self.there.world, line, settings()).await
    }

    async fn refusal(&self, target: Target) -> Trouble {
        // One second for what does not answer.
        let limits = Limits { beat: Duration::from_millis(250), ..Limits::default() };
        self.there.host_with(self.way(target), limits).await.used_slots().await.unwrap_err()
    }

    /// Control sockets, and whatever else was left.
    pub fn control_files(&self) -> Vec<PathBuf> {
        let below = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut folders = vec![self.control.path().to_owned()];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for path in below(folder) {
                if path.is_dir() {
                    folders.push(path.clone());
                }
                found.push(path);
            }
        }
        found
    }
}

/// Waits for what is about to happen; the test has a deadline.
pub async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn p12_an_attempt_over_ssh_is_one_however_often_its_connection_is_lost() {
    within_a_minute(async {
        let remote = Remote::new(&["MaxSessions 1"]).await;
        let cuts = Cuts::default();
        let way = Some(remote.way(remote.sshd.target()));
        let line = Line { way, cuts: cuts.clone(), patience: PATIENCE, ..Line::to(PathBuf::new()) };
        let host = host_of(&remote.there.world, line, settings()).await;
        cuts.cut_once("Prepare", Moment::During);
        cuts.cut_once("Collect", Moment::After);
        let seen = attempt(&remote.there.world, &host).await;
        assert!(seen.iter().any(|line| line.contains("Exited(3) Some(\"do it\\n\") do it\ntold")), "{seen:?}");
        assert_eq!((cuts.count_cuts(), remote.sshd.connections().len()), (2, 1));
        // A killed connection is made anew.
        remote.sshd.kill_connections();
        host.used_slots().await.unwrap();
        assert_eq!(remote.there.published().len(), 1);
        drop(host);
        assert_eq!(remote.control_files(), Vec::<PathBuf>::new());
        until(|| remote.sshd.connections().is_empty()).await;
    });
}

#[test]
fn p12_a_connection_that_a_killed_engine_left_is_taken_over_or_closed() {
    within_a_minute(async {
        let remote = Remote::new(&["MaxSessions 1"]).await;
        let host = remote.host().await;
        host.used_slots().await.unwrap();
        let socket =
            remote.control_files().into_iter().find(|path| path.display().to_string().contains("/m-")).unwrap();
        drop(host);
        let target = remote.sshd.target();
        let leave = |socket: &Path| {
            let folder = socket.parent().unwrap();
            let made =
                Command::new("mkdir").args(["-p", "-m", "700"]).args([folder.parent().unwrap(), folder]).status();
            assert!(made.unwrap().success());
            let mut ssh = Command::new("ssh");
            ssh.args([
                "-M",
                "-N",
                "-f",
                "-F",
                "/dev/null",
                "-o",
                "ControlPersist=60",
                "-o",
                "IdentitiesOnly=yes",
                "-S",
            ]);
            ssh.arg(socket).arg("-i").arg(target.identity_file.as_ref().unwrap());
            ssh.arg("-o").arg(format!("UserKnownHostsFile={}", target.known_hosts.as_ref().unwrap().display()));
            ssh.args(["-E", "/dev/null", "-p", &target.port.unwrap().to_string(), &target.hostname]);
            assert!(ssh.status().unwrap().success());
        };
        until(|| remote.sshd.connections().is_empty()).await;
        // One that could be the engine's own, and one to somewhere that the settings named before.
        let old = socket.with_file_name("m-00000000");
        leave(&socket);
        leave(&old);
        let left = remote.sshd.connections();
        assert_eq!(left.len(), 2);
        let host = remote.host().await;
        host.used_slots().await.unwrap();
        until(|| remote.sshd.connections().len() == 1).await;
        assert!(left.contains(&remote.sshd.connections()[0]), "it is no new one");
        assert!(!old.exists());
        drop(host);
        until(|| remote.sshd.connections().is_empty()).await;
        assert_eq!(remote.control_files(), Vec::<PathBuf>::new());
        // A socket without anybody behind it.
        leave(&socket);
        remote.sshd.kill_connections();
        until(|| !socket.exists()).await;
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        remote.host().await.used_slots().await.unwrap();
    });
}

#[test]
fn p12_what_ssh_refuses_is_said_with_the_command_that_helps() {
    within_a_minute(async {
        let remote = Remote::new(&[]).await;
        let (target, home) = (remote.sshd.target(), remote.there.world.home());
        let port = target.port.unwrap();
        make_key(&home.join("other"));
        let other = std::fs::read_to_string(home.join("other.pub")).unwrap();
        let known = |name: &str, text: &str| {
            std::fs::write(home.join(name), text).unwrap();
            Target { known_hosts: Some(home.join(name)), ..target.clone() }
        };
        let unknown = known("unknown", "");
        let changed = known("changed", &format!("[127.0.0.1]:{port} {other}"));
        let forget = format!("changed -R '[127.0.0.1]:{port}'");
        let scan = format!("ssh-keyscan -p {port} 127.0.0.1 | ssh-keygen -lf -");
        let no_name = Target { hostname: "a".repeat(70), ..target.clone() };
        let refused_key = Target { identity_file: Some(home.join("other")), ..target.clone() };
        let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let silent = Target { port: Some(silent.local_addr().unwrap().port()), ..target.clone() };
        let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let closed = Target { port: Some(closed), ..target.clone() };
        let option = Target { hostname: "-oProxyCommand=touch x".to_owned(), ..target.clone() };
        let user = Target { user: Some("-x".to_owned()), ..target.clone() };
        let cases: [(Target, &[&str], bool); 8] = [
            (unknown, &["is not known here", &scan, "true` asks whether to trust it"], false),
            (changed, &["ssh-keygen -f", &forget, &scan], false),
            (refused_key, &["takes none of the keys", "Permission denied", "127.0.0.1 true` must work"], false),
            (no_name, &["no host of that name"], false),
            (closed, &["Connection refused", "tries the same"], true),
            (silent, &["imed out"], true),
            (option, &["hostname", "is refused"], false),
            (user, &["user", "is refused"], false),
        ];
        for (target, words, passes) in cases {
            says(&remote.refusal(target).await, words, passes);
            assert_eq!(remote.control_files(), Vec::<PathBuf>::new());
        }
        let env =
            vec![("PATH".into(), "/nonexistent".into()), ("XDG_RUNTIME_DIR".into(), remote.control.path().into())];
        let way = Way::Ssh(Ssh::new(target, remote.there.worker.clone(), "s1", env));
        let trouble = remote.there.host(way).await.used_slots().await.unwrap_err();
        says(&trouble, &["no `ssh` on this machine", "openssh-client"], false);
    });
}

#[test]
fn p12_an_ordinary_user_is_brought_the_real_program() {
    within_a_minute(async {
        let mut remote = Remote::new(&[]).await;
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let small = remote.there.world.home().join("small");
        let stripped = Command::new("strip").arg("-o").args([&small, &program()]).status();
        assert!(stripped.unwrap().success());
        remote.there.worker.executable = Executable::new(small);
        remote.there.worker.root = "~/.local/share/mission-control".to_owned();
        remote.sshd = Sshd::start(home.path(), User::Ordinary, &[]);
        remote.host().await.probe().await.unwrap();
        let root = home.path().join(".local/share/mission-control");
        assert_eq!(std::fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(std::fs::read_dir(root.join("bin")).unwrap().count(), 1);
    });
}
