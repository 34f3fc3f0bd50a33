//! Processes as `/proc` shows them, named by pid and start time, because a pid alone may be reused.
//!
//! Promises: a signal sent through [`Identity`] reaches that very process or nobody (the pidfd is opened first, the
//! start time compared after, then the signal goes to the pidfd).

pub use crate::adapters::host::local::protocol::Identity;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What `/proc/PID/stat` says about a living process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Parent process id.
    pub parent: u32,
    /// Process group id.
    pub group: u32,
    /// Session id.
    pub session: u32,
    /// Start time in clock ticks since boot.
    pub born: u64,
}

/// Reads one process; absent when it is gone or a zombie. A zombie leader whose threads go on is alive.
pub fn read_stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&String::from_utf8_lossy(&text))
}

fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let small = |at: usize| u32::try_from(number(at)?).ok();
    let state = *fields.first()?;
    if state == "X" || (state == "Z" && number(17)? <= 1) {
        return None;
    }
    Some(Stat { parent: small(1)?, group: small(2)?, session: small(3)?, born: number(19)? })
}

/// Every living process, in pid order.
pub fn list_processes() -> Vec<(u32, Stat)> {
    find_processes(|_| true)
}

/// The living processes whose pid `wanted` takes, in pid order. Only those are read.
pub fn find_processes(wanted: impl Fn(u32) -> bool) -> Vec<(u32, Stat)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<(u32, Stat)> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| wanted(*pid))
        .filter_map(|pid| Some((pid, read_stat(pid)?)))
        .collect();
    found.sort_unstable_by_key(|(pid, _)| *pid);
    found
}

/// The kernel's random id of this boot; empty where it cannot be read.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|t| t.trim().to_owned()).unwrap_or_default()
}

/// Clock ticks in a second as `/proc` counts them (USER_HZ, see proc(5) and time(7)): 100 wherever Linux runs today.
const TICKS_PER_SECOND: u64 = 100;

/// How long ago a process was born, by the time since boot, to a hundredth of a second.
pub fn age(born: u64) -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, hundredths) = text.split_whitespace().next()?.split_once('.')?;
    let now = seconds.parse::<u64>().ok()? * 100 + hundredths.parse::<u64>().ok()?;
    let ago = now.checked_sub(born.saturating_mul(100) / TICKS_PER_SECOND)?;
    Some(Duration::from_millis(ago * 10))
}

/// The pid namespace of a process as an inode number; absent when it is gone or may not be looked at.
pub fn pid_namespace(pid: u32) -> Option<u64> {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?;
    link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// The pid of a process within its own, innermost pid namespace.
pub fn inner_pid(pid: u32) -> Option<u32> {
    let status = std::fs::read(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    status.lines().find_map(|l| l.strip_prefix("NSpid:"))?.split_whitespace().last()?.parse().ok()
}

/// The arguments of a process.
pub fn read_arguments(pid: u32) -> Vec<Vec<u8>> {
    let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    text.split(|b| *b == 0).map(<[u8]>::to_vec).collect()
}

/// Targets of the links of a process that tie it to a folder: working folder, root and program.
pub fn read_links(pid: u32) -> impl Iterator<Item = PathBuf> {
    ["cwd", "root", "exe"].into_iter().filter_map(move |name| std::fs::read_link(format!("/proc/{pid}/{name}")).ok())
}

/// Open files of a process and whether each is open for writing.
pub fn open_files(pid: u32) -> Vec<(PathBuf, bool)> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let writable = |fd: &str| {
        let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).ok()?;
        let flags = info.lines().find_map(|l| l.strip_prefix("flags:"))?;
        Some(u32::from_str_radix(flags.trim(), 8).ok()? & 0o3 != 0)
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let target = std::fs::read_link(entry.path()).ok()?;
            target.is_absolute().then(|| (target, writable(entry.file_name().to_str().unwrap_or("")) != Some(false)))
        })
        .collect()
}

impl Identity {
    /// The process that now has this pid.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, born: read_stat(pid)?.born })
    }

    /// Whether that very process is alive.
    pub fn is_alive(&self) -> bool {
        read_stat(self.pid).is_some_and(|s| s.born == self.born)
    }

    fn raw_pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.pid).ok()?)
    }

    /// A descriptor that names this very process; absent when it is gone.
    fn open(&self) -> Option<OwnedFd> {
        let fd = pidfd_open(self.raw_pid()?, PidfdFlags::empty()).ok()?;
        self.is_alive().then_some(fd)
    }

    /// Sends a signal to this very process; whether it was delivered. Pid 1 and `mc` itself are never signalled.
    pub fn signal(&self, signal: Signal) -> bool {
        if self.pid <= 1 || self.pid == std::process::id() {
            return false;
        }
        self.open().is_some_and(|fd| pidfd_send_signal(&fd, signal).is_ok())
    }

    /// Sends a signal to the process group this process leads; whether it was delivered. While the leader lives, its
    /// group number cannot belong to anybody else.
    pub fn signal_group(&self, signal: Signal) -> bool {
        let leads = read_stat(self.pid).is_some_and(|s| s.born == self.born && s.group == self.pid);
        let own = read_stat(std::process::id()).is_none_or(|s| s.group == self.pid);
        match self.raw_pid() {
            Some(pid) if leads && !own && self.pid > 1 => rustix::process::kill_process_group(pid, signal).is_ok(),
            _ => false,
        }
    }

    /// Blocks until the process has ended, at most `patience`; whether it has ended.
    pub fn wait_blocking(&self, patience: Duration) -> bool {
        let Some(fd) = self.open() else { return !self.is_alive() };
        let limit = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        };
        let _ = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit));
        !self.is_alive()
    }

    /// Waits until the process has ended; it need not be a child.
    pub async fn wait(&self) {
        let Some(fd) = self.open() else { return self.wait_by_polling().await };
        #[expect(
            deprecated,
            reason = "its successor is an unsafe fn, which this crate forbids; an OwnedFd keeps the contract asked for there"
        )]
        let registered = AsyncFd::with_interest(fd, Interest::READABLE);
        match registered {
            Ok(fd) => {
                let _ = fd.readable().await;
            }
            Err(_) => self.wait_by_polling().await,
        }
    }

    /// For kernels and sandboxes without pidfd.
    async fn wait_by_polling(&self) {
        while self.is_alive() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A field of a table of mounts as it is: blanks and the like are octal numbers there (proc_pid_mountinfo(5)).
pub fn unescape(field: &[u8]) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), field);
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| *first == b'\\');
        let octal = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_mounts_are_read_as_they_are() {
        assert_eq!(unescape(br"/a\040b\134c"), b"/a b\\c");
        assert_eq!(unescape(br"/a\04"), br"/a\04");
    }

    #[test]
    fn a_name_with_brackets_and_newlines_is_read() {
        let text = "7 (a) R 9 (\nb) S 3 7 5 0 -1 1 2 3 4 5 6 7 8 9 20 0 1 0 4242 0 0";
        assert_eq!(parse_stat(text), Some(Stat { parent: 3, group: 7, session: 5, born: 4242 }));
    }

    #[test]
    fn a_zombie_is_dead_unless_threads_of_it_live() {
        let line = |threads| format!("7 (x) Z 3 7 5 0 -1 1 2 3 4 5 6 7 8 9 20 0 {threads} 0 4242 0 0");
        assert_eq!(parse_stat(&line(1)), None);
        assert!(parse_stat(&line(2)).is_some());
    }

    #[test]
    fn a_reused_pid_is_not_signalled() {
        let us = Identity::of(std::process::id()).unwrap();
        let parent = Identity::of(read_stat(us.pid).unwrap().parent).unwrap();
        let earlier = Identity { born: parent.born + 1, ..parent };
        assert!(!earlier.is_alive() && !earlier.signal(Signal::CONT));
        assert!(us.is_alive() && !us.signal(Signal::CONT), "never ourselves");
    }
}
