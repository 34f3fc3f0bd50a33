//! Missions on a real cluster of Slurm, started by `tests/slurm` and ended by it: its scheduler places, `mc` decides. It is part of
//! `tests/run --long`. Where the cluster cannot be had, that is said; for root, who can have it, it is a failed test.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};
use crate::support::tools::cannot_run;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long something may take, on a machine that does much else.
const LONGEST: Duration = Duration::from_secs(60);

/// A cluster. Dropped, it ends.
struct Cluster {
    dir: TempDir,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm")
}

impl Cluster {
    /// Two nodes, n1 and n2; nothing where this user cannot have any.
    fn start() -> Option<Self> {
        // Sockets have short names.
        let cluster = Self { dir: tempfile::tempdir_in("/tmp").unwrap() };
        let free = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let sockets = [free(), free(), free()];
        let ports = sockets.each_ref().map(|socket| socket.local_addr().unwrap().port().to_string());
        drop(sockets);
        let started = Command::new(script()).arg("start").arg(cluster.dir.path()).args(ports).output().unwrap();
        let said = String::from_utf8_lossy(&started.stderr);
        match started.status.code() {
            Some(0) => Some(cluster),
            Some(3) => {
                cannot_run(&format!("no cluster of Slurm here: {said}"));
                None
            }
            _ => panic!("the cluster does not start: {said}"),
        }
    }

    fn config(&self) -> String {
        self.dir.path().join("slurm.conf").display().to_string()
    }

    fn ask(&self, words: &[&str]) -> String {
        let Output { status, stdout, stderr } =
            Command::new(words[0]).args(&words[1..]).env("SLURM_CONF", self.config()).output().unwrap();
        assert!(status.success(), "{words:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// Nodes that are allocated, in order; one whose job is completing is given back.
    fn allocated(&self) -> Vec<String> {
        let told = self.ask(&["squeue", "-h", "-t", "running", "-o", "%N"]);
        let mut nodes: Vec<String> = told.lines().map(str::to_owned).collect();
        nodes.sort();
        nodes
    }

    /// Waits for what is about to happen; what is known of mission and cluster where it does not.
    fn until(&self, night: &Night, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            if begun.elapsed() > LONGEST {
                let (status, jobs) = (night.mc(&["status"]).text(), self.ask(&["squeue"]));
                panic!("never happened: {what}\n{status}\n{jobs}\n{}", self.ask(&["sinfo"]));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn set_state(&self, node: &str, state: &str) {
        self.ask(&["scontrol", "update", &format!("nodename={node}"), &format!("state={state}"), "reason=test"]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(script()).arg("stop").arg(self.dir.path()).status();
    }
}

/// A node as a host. Without cgroups the step's namespace sees to it that all its processes end with it.
fn host(night: &Night, node: &str) -> String {
    let root = night.home().join(node);
    format!(
        "[[backend.hosts]]\nname = \"{node}\"\nconnect = [\"srun\", \"--nodelist={node}\", \"--nodes=1\", \"--ntasks=1\", \
         \"--immediate=5\", \"--quiet\", \"--unbuffered\", \"unshare\", \"--pid\", \"--fork\", \"--kill-child\", \
         \"--mount-proc\"]\nroot = \"{}\"\nprogram = \"{}\"\nmax_workers = 2\nidle = \"1s\"\nlabels = [\"{node}\"]\n",
        root.display(),
        night.program().display()
    )
}

#[test]
#[ignore = "takes long; tests/run --long"]
fn p9_p10_a_mission_on_two_nodes_of_slurm_lands_all_though_one_is_drained() {
    let Some(cluster) = Cluster::start() else { return };
    let mut night = Night::new();
    night.var("SLURM_CONF", &cluster.config());
    // Whatever gets no answer for so long is out of reach.
    night.var("MC_TEST_LINES", "patience:5000");
    let hosts = format!("{}{}", host(&night, "n1"), host(&night, "n2"));
    night.settings("sh run.sh", &format!("[scheduler]\nretry_pause = 1\nmax_infrastructure_retries = 1\n{hosts}"));
    let first: Vec<String> = (1..=4).map(|n| format!("u{n}")).collect();
    // The first attempts wait until something has happened to their node.
    let both = "touch ~/up-$MC_UNIT-$MC_ATTEMPT; until test -e ~/go; do sleep 0.05; done; echo x > $MC_UNIT.txt";
    let mut plan: String = first.iter().map(|id| unit(id, both)).collect();
    let after = format!("depends = {first:?}\n");
    for n in 5..=8 {
        plan.push_str(&unit(&format!("u{n}"), "echo x > $MC_UNIT.txt"));
        plan.push_str(&after);
    }
    // Only the node that was drained may run this one.
    plan.push_str(&format!("{}labels = [\"n1\"]\n{after}", unit("back", "echo x > back.txt")));
    let last = "touch ~/last; until test -e ~/released; do sleep 0.05; done; echo x > last.txt";
    plan.push_str(&format!("{}labels = [\"n2\"]\ndepends = [\"back\"]\n", unit("last", last)));
    let engine = night.begin(&["mission", "start", "--plan", &night.plan(&plan)]);
    let ups = || night.sh("ls ~ | grep -c ^up- || true").parse::<usize>().unwrap();
    cluster.until(&night, "four attempts on two nodes", || ups() == 4);
    assert_eq!(cluster.allocated(), ["n1", "n2"]);
    cluster.set_state("n1", "drain");
    cluster.ask(&["scancel", "--nodelist=n1", "--user=root"]);
    // What ran there goes on elsewhere when there is room, charged to nobody.
    night.sh("touch ~/go");
    cluster.until(&night, "the first four land", || first.iter().all(|id| night.unit(id) == "landed"));
    // The other one may be given back by now.
    assert!(!cluster.allocated().contains(&"n1".to_owned()));
    cluster.set_state("n1", "resume");
    cluster.until(&night, "the node is used again", || night.home().join("last").exists());
    // What is not needed is given back while the mission goes on.
    cluster.until(&night, "one node is given back", || cluster.allocated() == ["n2"]);
    night.sh("touch ~/released");
    engine.wait().exits(0);
    for id in (1..=8).map(|n| format!("u{n}")).chain(["back".to_owned(), "last".to_owned()]) {
        assert_eq!(night.unit(&id), "landed", "{id}");
    }
    assert_eq!(cluster.allocated(), Vec::<String>::new());
    assert_eq!(cluster.ask(&["squeue", "-h", "-t", "pending", "-o", "%N"]), "");
    night.audit();
}
