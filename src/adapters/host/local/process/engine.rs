//! Who an engine is, in words that another process can check later: machine, boot, pid namespace, pid and start time.
//!
//! Promises: an engine that lives and can be seen from here is found alive, also out of another pid namespace of this machine;
//! a pid that was given to somebody else is not taken for it.

use super::procfs::{self, Identity};
use crate::adapters::os::machine;
use serde::{Deserialize, Serialize};

/// One process of `mc` that works on a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineIdentity {
    /// Name of the machine, for people.
    pub host: String,
    /// What tells this machine from others: its machine id, else its name.
    pub machine: String,
    /// The kernel's id of this boot; empty where it cannot be read.
    pub boot: String,
    /// Inode of its pid namespace; 0 where it cannot be read.
    pub pid_namespace: u64,
    /// Its process id there.
    pub pid: u32,
    /// Its start time in clock ticks since boot.
    pub started: u64,
}

impl EngineIdentity {
    /// This process.
    pub fn of_this_process() -> Self {
        let (pid, host) = (std::process::id(), machine::name());
        Self {
            machine: machine_id().unwrap_or_else(|| host.clone()),
            host,
            boot: procfs::boot_id(),
            pid_namespace: procfs::pid_namespace(pid).unwrap_or(0),
            pid,
            started: procfs::read_stat(pid).map_or(0, |stat| stat.born),
        }
    }

    /// Whether it runs or ran under this very kernel: then what `/proc` shows of it counts.
    pub fn same_boot(&self, other: &Self) -> bool {
        !self.boot.is_empty() && self.boot == other.boot
    }

    /// Whether it is of the same machine, in this boot or an earlier one.
    pub fn same_machine(&self, other: &Self) -> bool {
        self.same_boot(other) || (!self.machine.is_empty() && self.machine == other.machine)
    }

    /// Whether a person means its machine by this word.
    pub fn is_on(&self, machine: &str) -> bool {
        !machine.is_empty() && (self.host == machine || self.machine == machine)
    }

    /// Whether it is seen alive from here. No also where it cannot be seen: on another machine, or in a pid namespace that
    /// this one does not contain.
    pub fn is_alive(&self) -> bool {
        let here = Self::of_this_process();
        if self.pid == 0 || !self.same_boot(&here) || *self == here {
            return false;
        }
        if self.pid_namespace == here.pid_namespace {
            return Identity { pid: self.pid, born: self.started }.is_alive();
        }
        procfs::find_processes(|pid| procfs::pid_namespace(pid) == Some(self.pid_namespace))
            .iter()
            .any(|(pid, stat)| stat.born == self.started && procfs::inner_pid(*pid) == Some(self.pid))
    }
}

/// The id of machine-id(5).
fn machine_id() -> Option<String> {
    let text = std::fs::read_to_string("/etc/machine-id").ok()?;
    let id = text.trim();
    (id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_alive_by_another_and_not_by_its_number_alone() {
        let here = EngineIdentity::of_this_process();
        assert!(!here.is_alive(), "nobody is in their own way");
        let parent = procfs::read_stat(here.pid).and_then(|stat| Identity::of(stat.parent)).expect("a parent");
        let other = EngineIdentity { pid: parent.pid, started: parent.born, ..here.clone() };
        assert!(other.is_alive() && other.same_machine(&here));
        for gone in [
            EngineIdentity { started: other.started + 1, ..other.clone() },
            EngineIdentity { boot: "another boot".to_owned(), ..other.clone() },
            EngineIdentity { boot: String::new(), ..other.clone() },
            EngineIdentity { pid_namespace: 1, ..other.clone() },
            EngineIdentity::default(),
        ] {
            assert!(!gone.is_alive(), "{gone:?}");
        }
    }

    #[test]
    fn machines_are_told_apart_by_their_ids_and_named_by_both_words() {
        let here = EngineIdentity::of_this_process();
        let rebooted = EngineIdentity { boot: "later".to_owned(), ..here.clone() };
        assert!(rebooted.same_machine(&here) && !rebooted.same_boot(&here));
        let other = EngineIdentity { host: "attic".to_owned(), machine: "m2".to_owned(), ..rebooted };
        assert!(!other.same_machine(&here));
        assert!(other.is_on("attic") && other.is_on("m2") && !other.is_on(""));
    }
}
