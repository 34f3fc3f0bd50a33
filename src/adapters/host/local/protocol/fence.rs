//! What a run may reach of the machine's files, in a mount namespace of its own: values, and their lines in the `run` file.
//!
//! Everything may be read and nothing may be written, with these exceptions. They are made in the order of the fields, so that
//! what is named later is seen inside of what is named before.

use super::error::RunError;
use super::text::{decode, encode};
use std::path::PathBuf;

/// The first line of a fence in the `run` file.
const BEGIN: &str = "fence";

/// What a run may take of the machine at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps {
    /// Memory in bytes: of the whole run where a cgroup can be made, else of each of its processes.
    pub memory: Option<u64>,
    /// Processes and threads at a time.
    pub processes: Option<u64>,
}

/// The fence of one run. Paths are absolute and lead through no link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fence {
    /// Folders of the run that are seen in the place of others, with those: temporary folders that everybody writes.
    pub private: Vec<(PathBuf, PathBuf)>,
    /// Folders in memory that the run has for itself.
    pub memory: Vec<PathBuf>,
    /// Folders of which nothing is seen.
    pub closed: Vec<PathBuf>,
    /// What may be written.
    pub writable: Vec<PathBuf>,
    /// What may be read where nothing else can be seen, and not be written where everything else can be.
    pub readable: Vec<PathBuf>,
    /// Files and sockets that read as empty.
    pub hidden: Vec<PathBuf>,
    /// What it may take.
    pub caps: Caps,
}

impl Fence {
    /// Its lines in the `run` file.
    pub(super) fn lines(&self) -> Result<String, RunError> {
        let mut text = format!("{BEGIN} on\n");
        for (own, place) in &self.private {
            let (own, place) = (encode("a fence", own.as_os_str())?, encode("a fence", place.as_os_str())?);
            text += &format!("private {own} {place}\n");
        }
        let lists = [
            ("memory", &self.memory),
            ("close", &self.closed),
            ("write", &self.writable),
            ("read", &self.readable),
            ("hide", &self.hidden),
        ];
        for (word, paths) in lists {
            for path in paths {
                text += &format!("{word} {}\n", encode("a fence", path.as_os_str())?);
            }
        }
        for (word, cap) in [("memory-cap", self.caps.memory), ("process-cap", self.caps.processes)] {
            text += &cap.map(|cap| format!("{word} {cap}\n")).unwrap_or_default();
        }
        Ok(text)
    }

    /// Reads a line of the `run` file, split at its first space, into the fence that began before; false when it is none of a
    /// fence.
    pub(super) fn read_line(fence: &mut Option<Self>, word: &str, rest: &str) -> bool {
        if word == BEGIN {
            *fence = Some(Self::default());
            return true;
        }
        let Some(fence) = fence else { return false };
        let path = || PathBuf::from(decode(rest));
        match (word, rest.split_once(' ')) {
            ("private", Some((own, place))) => fence.private.push((decode(own).into(), decode(place).into())),
            ("memory", None) => fence.memory.push(path()),
            ("close", None) => fence.closed.push(path()),
            ("write", None) => fence.writable.push(path()),
            ("read", None) => fence.readable.push(path()),
            ("hide", None) => fence.hidden.push(path()),
            ("memory-cap", None) => fence.caps.memory = rest.parse().ok(),
            ("process-cap", None) => fence.caps.processes = rest.parse().ok(),
            _ => return false,
        }
        true
    }
}
