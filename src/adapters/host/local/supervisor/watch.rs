//! The first stage: claims the directory, opens the gate once the run is on record, counts ticks, writes how it ended.

use super::error::{StageError, Trying};
use super::program::find_remarks;
use super::stage::{settings, start};
use super::{limits, namespace, search};
use crate::adapters::host::local::process::procfs;
use crate::adapters::host::local::protocol::{BROKEN, Identity, Isolation, Limits, SMALL, Start, text_of};
use crate::adapters::os::files::{create_new, read_untrusted};
use crate::adapters::os::nofollow;
use crate::domain::ending::ProcessExit;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, setsid};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// Times a tenth of a second for which the record of the end is tried again.
const RETRIES: u32 = 50;

/// The whole life of a supervisor; 0 when it has written how the run ended, or somebody else has the directory.
pub(super) fn run(dir: &Path) -> Result<u8, StageError> {
    // Whoever starts it by hand may have put it into a group of its own; then that is its session's affair.
    let _ = setsid();
    let mut out = std::io::stdout();
    match DirBuilder::new().mode(0o700).create(dir.join("claim")) {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let _ = writeln!(out, "claimed");
            return Ok(0);
        }
        Err(e) => {
            // Where there is no room for the claim, there is none for the log.
            let _ = writeln!(out, "claim the run directory: {e}");
            return Ok(BROKEN);
        }
    }
    std::env::set_current_dir("/").trying("leave the working folder")?;
    let done = supervise(dir, &mut out);
    // Whatever became of the run, its secrets do not stay.
    let _ = std::fs::remove_file(dir.join("command"));
    done
}

/// The supervisor of a directory that is ours.
fn supervise(dir: &Path, out: &mut std::io::Stdout) -> Result<u8, StageError> {
    let settings = settings(&dir.join("run"))?;
    let limits = settings.limits.ok_or("the run file has no limits")?;
    let own = Identity::of(std::process::id()).ok_or("/proc cannot be read")?;
    let stage = match settings.isolation {
        Isolation::Search => search::prepare(own).map(|()| "guard"),
        namespace => namespace::enter(namespace).map(|()| "init"),
    };
    let (child, mut ready, mut gate) = start(dir.as_os_str(), stage?)?;
    let said = namespace::answer(child.id(), &mut ready, &mut gate)?;
    drop(ready);
    let said = said.strip_prefix(namespace::READY).and_then(|pid| pid.trim_end().parse().ok());
    let said = said.ok_or("the run ended before its program was ready")?;
    let mut watched = Watched::new(dir, child, limits)?;
    watched.record_start(own, said, settings.isolation)?;
    // Read whole by the stage that waits at the gate; it may hold secrets.
    let _ = std::fs::remove_file(dir.join("command"));
    gate.write_all(b"\n").trying("open the gate")?;
    drop(gate);
    // An engine killed in the meantime leaves nobody to read it.
    let _ = writeln!(out, "started");
    if let Ok(nobody) = OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(nobody);
    }
    let (status, own_reason) = watched.until_the_end()?;
    if settings.isolation == Isolation::Search {
        // The guard does it, where it was not killed before and could do everything.
        search::sweep(dir, &settings.cookie);
    }
    let starved = settings.fence.map_or(0, |fence| limits::leave_groups(&fence.caps, &settings.cookie));
    if starved > 0 {
        report_memory_kills(dir, starved);
    }
    let code = ProcessExit::from_status(status.code(), status.signal()).map(ProcessExit::number);
    let reason = read_untrusted(&dir.join("reason"), SMALL).unwrap_or_default();
    let outcome = match reason.lines().next().filter(|word| !word.is_empty()).or(own_reason) {
        Some(reason) => reason.to_owned(),
        // Whoever made it had no room to say why.
        None if dir.join("reason").exists() => "killed".to_owned(),
        None => format!("code {}", code.unwrap_or(i32::from(BROKEN))),
    };
    let text = format!("{outcome}\nend\n");
    // A result is worth waiting for room on the disk.
    for _ in 0..RETRIES {
        if replace(dir, "exit", &text).is_ok() {
            return Ok(0);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    replace(dir, "exit", &text).map(|()| 0)
}

/// A started run: pid 1 of its namespace, or its guard, is our child.
struct Watched<'a> {
    dir: &'a Path,
    child: Child,
    ended: OwnedFd,
    init: Identity,
    /// Leads the group that the program is in.
    agent: Identity,
    limits: Limits,
}

impl<'a> Watched<'a> {
    fn new(dir: &'a Path, child: Child, limits: Limits) -> Result<Self, StageError> {
        let gone = "the run ended before it was on record";
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(gone)?;
        let ended = pidfd_open(pid, PidfdFlags::empty()).trying("watch pid 1")?;
        let init = Identity::of(child.id()).ok_or(gone)?;
        Ok(Self { dir, child, ended, init, agent: init, limits })
    }

    /// Puts on record what was started; `ready` is the pid of whoever was ready, as itself sees it.
    fn record_start(&mut self, own: Identity, ready: u32, isolation: Isolation) -> Result<(), StageError> {
        let init = if isolation.is_namespace() {
            let space = procfs::pid_namespace(self.init.pid).ok_or("the namespace of the run cannot be read")?;
            Some((self.init, space))
        } else {
            self.agent = Identity::of(ready).ok_or("the run ended before it was on record")?;
            None
        };
        let start = Start { supervisor: own, boot: procfs::boot_id(), agent: self.agent, init };
        // The program does not run yet: nobody else uses the folder.
        let (aside, path) = (self.dir.join("start.tmp"), self.dir.join("start"));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let file = nofollow::open(&aside, flags, Mode::RUSR | Mode::WUSR).map(File::from);
        let written = file.and_then(|mut file| file.write_all(text_of(&start).as_bytes()));
        written.and_then(|()| std::fs::rename(&aside, &path)).trying("write start")
    }

    /// Counts ticks until pid 1 or the guard has ended; at a limit ends it.
    fn until_the_end(&mut self) -> Result<(ExitStatus, Option<&'static str>), StageError> {
        let (mut ticks, mut idle, mut last) = (0, 0, self.lease());
        loop {
            if let Some(status) = self.wait(self.limits.tick)? {
                return Ok((status, None));
            }
            let now = self.lease();
            ticks += 1;
            idle = if now == last { idle + 1 } else { 0 };
            last = now;
            if ticks >= self.limits.timeout {
                return self.stop("timeout");
            }
            if idle >= self.limits.lease {
                return self.stop("lease");
            }
        }
    }

    /// TERM to the program's group, grace, then KILL of pid 1 or the guard until it is seen to have ended.
    fn stop(&mut self, reason: &'static str) -> Result<(ExitStatus, Option<&'static str>), StageError> {
        // Whoever was first has said why.
        let _ = create_new(&self.dir.join("reason"), format!("{reason}\n").as_bytes());
        self.agent.signal_group(Signal::TERM);
        for _ in 0..self.limits.grace {
            if let Some(status) = self.wait(self.limits.step)? {
                return Ok((status, Some(reason)));
            }
        }
        loop {
            self.init.signal(Signal::KILL);
            if let Some(status) = self.wait(self.limits.step)? {
                return Ok((status, Some(reason)));
            }
        }
    }

    fn lease(&self) -> Option<String> {
        read_untrusted(&self.dir.join("lease"), SMALL)
    }

    /// How it ended, within that time.
    fn wait(&mut self, time: Duration) -> Result<Option<ExitStatus>, StageError> {
        let limit =
            Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() };
        let _ = poll(&mut [PollFd::new(&self.ended, PollFlags::IN)], Some(&limit));
        self.child.try_wait().trying("wait for pid 1")
    }
}

/// Says at the end of the log what no program could: whoever is killed for want of memory only knows the signal.
fn report_memory_kills(dir: &Path, killed: u64) {
    let processes = if killed == 1 { "a process".to_owned() } else { format!("{killed} processes") };
    let text = format!(
        "\nmc: the kernel ended {processes} of this run, which used more memory than [sandbox] max_memory allows\n"
    );
    let log = nofollow::open(&find_remarks(dir), OFlags::WRONLY | OFlags::APPEND, Mode::empty());
    // What was said of it is no reason to lose the record of the end.
    let _ = log.map(File::from).and_then(|mut log| log.write_all(text.as_bytes()));
}

/// It is there whole or not at all, and nothing is written through a link that somebody put there.
fn replace(dir: &Path, name: &str, text: &str) -> Result<(), StageError> {
    nofollow::replace(&dir.join(name), text.as_bytes(), false).trying(format_args!("write {name}"))
}
