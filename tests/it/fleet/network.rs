//! A network of this test alone: a namespace for the engine and one for each host, with a cable between them that can be pulled. They
//! end with the processes that hold them; nothing of the machine's own network is touched.

use crate::host::sshd::Place;
use crate::support::tools::left_out;
use crate::support::world::until;
use std::process::{Child, Command, Stdio};

/// Longest life of a namespace whose test was killed, in seconds.
const LONGEST: &str = "600";

/// A process that keeps a namespace.
#[derive(Debug)]
struct Holder(Child);

impl Holder {
    fn start() -> Option<Self> {
        let own = std::fs::read_link("/proc/self/ns/net").ok()?;
        let mut command = Command::new("unshare");
        command.args(["--net", "sleep", LONGEST]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut holder = Self(command.spawn().ok()?);
        let path = format!("/proc/{}/ns/net", holder.0.id());
        let entered = until("a namespace", || match holder.0.try_wait().unwrap() {
            Some(_) => Some(false),
            None => std::fs::read_link(&path).is_ok_and(|now| now != own).then_some(true),
        });
        entered.then_some(holder)
    }

    fn enter(&self) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", self.0.id())]
    }

    /// Runs `ip` there.
    fn ip(&self, line: &str) -> bool {
        let enter = self.enter();
        let mut command = Command::new(&enter[0]);
        command.args(&enter[1..]).arg("ip").args(line.split(' ')).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The network.
#[derive(Debug)]
pub struct Network {
    engine: Holder,
    hosts: Vec<Holder>,
}

impl Network {
    /// With so many hosts; none where this machine does not allow it.
    pub fn make(hosts: usize) -> Option<Self> {
        let made = Self::try_make(hosts);
        if made.is_none() {
            left_out("no network namespaces here: hosts are on loopback, and a cut network is a stopped sshd");
        }
        made
    }

    fn try_make(hosts: usize) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let mut network = Self { engine: Holder::start()?, hosts: Vec::new() };
        network.engine.ip("link set lo up").then_some(())?;
        for n in 0..hosts {
            let host = Holder::start()?;
            let pid = host.0.id();
            let lines = [
                (&network.engine, format!("link add to{n} type veth peer name eth0 netns {pid}")),
                (&network.engine, format!("addr add 10.231.{n}.1/30 dev to{n}")),
                (&network.engine, format!("link set to{n} up")),
                (&host, format!("addr add 10.231.{n}.2/30 dev eth0")),
                (&host, "link set lo up".to_owned()),
                (&host, "link set eth0 up".to_owned()),
            ];
            lines.iter().all(|(holder, line)| holder.ip(line)).then_some(())?;
            network.hosts.push(host);
        }
        Some(network)
    }

    /// What starts a program where the engine is.
    pub fn enter(&self) -> Vec<String> {
        self.engine.enter()
    }

    /// Where the server of the nth host listens.
    pub fn place(&self, n: usize) -> Place {
        Place { address: format!("10.231.{n}.2"), enter: self.hosts[n].enter() }
    }

    /// Pulls the cable of the nth host, or puts it in again.
    pub fn cut(&self, n: usize, cut: bool) {
        assert!(self.hosts[n].ip(&format!("link set eth0 {}", if cut { "down" } else { "up" })));
    }
}
