//! A running `mc` of [`super::world::World`], and what it said.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::world::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::read_to_string;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

/// What a program said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

/// A running `mc`; killed when dropped.
pub struct Engine {
    pub(super) child: Child,
    pub(super) out: PathBuf,
    pub(super) err: PathBuf,
    /// What its children find as `ENGINE` in their environment.
    pub number: u32,
}

impl Engine {
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub fn so_far(&self) -> String {
        [&self.out, &self.err].map(|path| read_to_string(path).unwrap_or_default()).concat()
    }

    /// SIGKILL, and gone when it returns. Whether it still lived.
    pub fn kill(&mut self) -> bool {
        let lived = self.child.try_wait().unwrap().is_none();
        if lived {
            self.child.kill().unwrap();
        }
        self.child.wait().unwrap().signal() == Some(9)
    }

    /// Its result, if it ends within `patience`.
    pub fn ended_within(&mut self, patience: Duration) -> Option<Said> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let [out, err] = [&self.out, &self.err].map(|p| read_to_string(p).unwrap_or_default());
                return Some(Said { code: status.code(), out, err });
            }
            if started.elapsed() >= patience {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn end(mut self) -> Said {
        let said = self.ended_within(2 * PATIENCE);
        said.unwrap_or_else(|| panic!("mc does not end:\n{}", read_to_string(&self.out).unwrap_or_default()))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
