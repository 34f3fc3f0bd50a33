//! The connection to a host: a process of ssh that stays in the background and whose control socket opens sessions (ControlMaster of
//! ssh_config(5)). It is closed when it is dropped. An engine that was killed leaves one behind: the next engine finds it by its
//! socket and takes it over, and where none comes it ends when it was idle for long.

use super::control::{ControlError, ControlFolder};
use super::refusal::explain_log;
use super::target::Target;
use crate::adapters::os::files;
use crate::domain::base::FieldHash;
use crate::domain::trouble::{Cause, Trouble, chain};
use openssh::{Child, Session, Stdio};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio::time::timeout;

/// Longest time until a connection is there, or is known not to be.
const CONNECT: Duration = Duration::from_secs(15);

/// How many questions to a silent host stay without an answer before the connection is given up.
const QUESTIONS: u32 = 3;

/// How long a connection that nobody uses stays, in seconds: that of an engine that was killed.
const IDLE: u32 = 600;

/// How long a process of this machine may take for an answer or its end.
const LOCAL: Duration = Duration::from_secs(2);

/// Bytes of a log that are read: ssh says little.
const LOG: u64 = 16 << 10;

/// A connection.
#[derive(Debug)]
pub(super) struct Master {
    session: Arc<Session>,
    socket: PathBuf,
    env: Vec<(OsString, OsString)>,
    adopted: bool,
    _folder: ControlFolder,
}

impl Master {
    /// Takes over the connection that an earlier engine left, or makes one. Where the host has been silent for `silence`, it is given up.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn open(
        target: &Target,
        state: &str,
        env: &[(OsString, OsString)],
        silence: Duration,
    ) -> Result<Self, Trouble> {
        let refused = |e: ControlError| Trouble::from(e.to_string());
        let folder = ControlFolder::acquire(env, state, &target.name).map_err(refused)?;
        let socket = folder.path().join(name_socket(target));
        for other in folder.list_sockets() {
            let kept = other == socket && answers(&socket).await;
            if !kept {
                close(&other, env);
            }
        }
        let adopted = socket.exists();
        if !adopted {
            connect(target, &socket, env, silence).await?;
        }
        tracing::debug!("ssh to {} {}", target.hostname, if adopted { "is taken over" } else { "is there" });
        let session = Arc::new(Session::resume_mux(socket.clone().into(), None));
        Ok(Self { session, socket, env: env.to_owned(), adopted, _folder: folder })
    }

    /// Whether it was there before.
    pub(super) fn is_adopted(&self) -> bool {
        self.adopted
    }

    /// Starts a command line there.
    ///
    /// # Errors
    /// [`Unreachable`](Cause::Unreachable): the connection is lost, or the host opens no further session.
    pub(super) async fn run(&self, line: &str, silence: Duration) -> Result<Child<Arc<Session>>, Trouble> {
        let mut command = Arc::clone(&self.session).arc_raw_command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let unreachable = |why: String| Trouble::new(Cause::Unreachable, why);
        let longest = silence.min(CONNECT);
        match timeout(longest, command.spawn()).await {
            Ok(Ok(child)) => Ok(child),
            Ok(Err(e)) => {
                let why = chain(&e);
                Err(unreachable(format!("open a session of ssh: {why}{}", self.last_words())))
            }
            Err(_) => Err(unreachable(format!("the host opened no session of ssh within {longest:?}"))),
        }
    }

    /// Whether it is still there.
    pub(super) async fn is_alive(&self) -> bool {
        timeout(LOCAL, self.session.check()).await.is_ok_and(|checked| checked.is_ok())
    }

    /// What ssh said last, as the end of a sentence: why the connection was lost.
    pub(super) fn last_words(&self) -> String {
        let log = read_log(&self.socket);
        log.lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .map(|line| format!(" ({line})"))
            .unwrap_or_default()
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        close(&self.socket, &self.env);
    }
}

/// The name of the socket for a target: with other settings it is another one.
fn name_socket(target: &Target) -> String {
    let mut hash = FieldHash::default();
    target.write_options().iter().for_each(|option| hash.add(option.as_encoded_bytes()));
    hash.add(&target.hostname);
    format!("m-{}", &hash.finish()[..8])
}

fn log_of(socket: &Path) -> PathBuf {
    let name = socket.file_name().unwrap_or_default().to_string_lossy();
    socket.with_file_name(format!("log-{name}"))
}

fn read_log(socket: &Path) -> String {
    let bytes = files::read_from(&log_of(socket), 0, LOG).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a living connection is behind a socket.
async fn answers(socket: &Path) -> bool {
    let session = Session::resume_mux(socket.to_owned().into(), None);
    timeout(LOCAL, session.check()).await.is_ok_and(|checked| checked.is_ok())
}

/// Makes a connection, and waits until it is there.
async fn connect(
    target: &Target,
    socket: &Path,
    env: &[(OsString, OsString)],
    silence: Duration,
) -> Result<(), Trouble> {
    let log = log_of(socket);
    let _ = std::fs::remove_file(&log);
    let seconds = |time: Duration| time.as_secs().max(1);
    let mut command = Command::new("ssh");
    command.args(["-M", "-N", "-f"]).arg("-S").arg(socket).arg("-E").arg(&log);
    // Of the person's configuration these are not taken: nothing can be asked, no key is taken unseen, and what ends ends.
    let ask = seconds(silence / (QUESTIONS + 1));
    for option in [
        "BatchMode=yes".to_owned(),
        "StrictHostKeyChecking=yes".to_owned(),
        "LogLevel=INFO".to_owned(),
        format!("ControlPersist={IDLE}"),
        format!("ConnectTimeout={}", seconds(CONNECT.min(silence))),
        format!("ServerAliveInterval={ask}"),
        format!("ServerAliveCountMax={QUESTIONS}"),
    ] {
        command.arg("-o").arg(option);
    }
    command.args(target.write_options()).arg("--").arg(&target.hostname);
    command.env_clear().envs(env.iter().map(|(name, value)| (name, value))).current_dir("/");
    command.stdin(process::Stdio::null()).stdout(process::Stdio::null()).stderr(process::Stdio::null());
    // Once it is there, it is in the background, and a child of nobody.
    command.process_group(0).kill_on_drop(true);
    let status = timeout(silence.max(CONNECT), command.status()).await;
    match status {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(_)) => Err(explain_log(&read_log(socket), target)),
        Ok(Err(e)) if e.kind() == ErrorKind::NotFound => {
            let why = "there is no `ssh` on this machine: install it (package openssh-client)";
            Err(Trouble::from(why.to_owned()))
        }
        Ok(Err(e)) => Err(Trouble::new(Cause::Unreachable, format!("start ssh: {e}"))),
        Err(_) => Err(Trouble::new(Cause::Unreachable, "ssh did not connect in time")),
    }
}

/// Ends the connection behind a socket, if there is one, and removes the socket.
fn close(socket: &Path, env: &[(OsString, OsString)]) {
    if socket.exists() {
        let mut command = process::Command::new("ssh");
        command.args(["-F", "none", "-O", "exit", "-S"]).arg(socket).args(["--", "host"]);
        command.env_clear().envs(env.iter().map(|(name, value)| (name, value))).current_dir("/");
        command.stdin(process::Stdio::null()).stdout(process::Stdio::null()).stderr(process::Stdio::null());
        if let Ok(mut child) = command.spawn() {
            let begun = Instant::now();
            while let Ok(None) = child.try_wait() {
                if begun.elapsed() > LOCAL {
                    let _ = child.kill();
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    let _ = std::fs::remove_file(socket);
    let _ = std::fs::remove_file(log_of(socket));
}
