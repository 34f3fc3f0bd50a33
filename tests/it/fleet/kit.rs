//! A world whose missions run on hosts: each is a folder of the world with a home in it, behind a real sshd or behind a command.
#![allow(clippy::print_stderr, reason = "what a failed test saw is printed")]

pub use super::fault::Fault;
use super::network::Network;
use crate::host::sshd::{Place, Sshd, User};
use crate::support::tools::is_root;
use crate::support::world::{Engine, Said, Unit, World, own_file, unit, until};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The lease of runs on hosts that nothing in a test outlasts.
const LONG: &str = "10m";

/// One that a test waits for: so long after their host was cut off, runs end by themselves.
pub const SHORT: &str = "2s";

/// Lines on which both sides say something four times a second, so that silence is seen after one; questions have half a second.
const LINES: &str = "beat:250,patience:500";

/// How a host of the fleet is reached.
#[derive(Debug)]
enum Reach {
    Ssh(Box<Sshd>),
    /// A script that gets the command line; it fails while `down` is in the host's folder.
    Command,
}

/// One host.
#[derive(Debug)]
pub struct Machine {
    pub name: String,
    place: PathBuf,
    reach: Reach,
    program: PathBuf,
    pub workers: u32,
    pub verifiers: u32,
    /// Where everything of `mc` is on it.
    root: String,
}

impl Machine {
    /// Its home folder.
    pub fn home(&self) -> PathBuf {
        self.place.join("home")
    }

    /// Where everything of `mc` is on it.
    pub fn root(&self) -> PathBuf {
        match self.root.strip_prefix("~/") {
            Some(below) => self.home().join(below),
            None => PathBuf::from(&self.root),
        }
    }

    /// Has the worker's folder somewhere else.
    pub fn set_root(&mut self, root: &Path) {
        self.root = root.display().to_string();
    }

    /// The folder of the one engine that works with it.
    pub fn base(&self) -> PathBuf {
        let folders = std::fs::read_dir(self.root()).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut bases = folders.filter(|path| path.join("mirror.git").exists() || path.join("worker.lock").exists());
        bases.next().unwrap_or_else(|| self.root().join("no-engine-was-here"))
    }

    /// The worker that works now, by its lock.
    pub fn worker(&self) -> Option<Pid> {
        let lock = std::fs::read_to_string(self.base().join("worker.lock")).ok()?;
        let pid = Pid::from_raw(lock.split(' ').next()?.parse().ok()?)?;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        (!stat.contains(") Z ")).then_some(pid)
    }

    /// Kills the worker.
    pub fn kill_worker(&self) {
        kill_process(self.worker().expect("a worker"), Signal::KILL).unwrap();
    }

    /// Kills the worker, where there is one still.
    pub fn end_worker(&self) {
        if let Some(pid) = self.worker() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Waits until another worker works than this one.
    pub fn await_other_worker(&self, old: Option<Pid>) {
        until("another worker", || self.worker().filter(|pid| Some(*pid) != old));
    }

    /// Its server.
    pub fn sshd(&mut self) -> &mut Sshd {
        match &mut self.reach {
            Reach::Ssh(sshd) => sshd,
            Reach::Command => panic!("{} has no sshd", self.name),
        }
    }

    /// Has the command that leads to it do this first; `"$@"` is what is to be run.
    pub fn lead_by(&self, script: &str) {
        let home = self.home();
        let lines = [
            "#!/bin/sh".to_owned(),
            format!("if test -e {}; then echo 'no way there' >&2; exit 1; fi", self.place.join("down").display()),
            format!("HOME={} GIT_CONFIG_SYSTEM=/dev/null; export HOME GIT_CONFIG_SYSTEM", home.display()),
            "unset GIT_CONFIG_GLOBAL MC_STATE_DIR MC_TEST_LINES MC_SANDBOX_SHARED".to_owned(),
            script.to_owned(),
            "exec \"$@\"\n".to_owned(),
        ];
        let (draft, path) = (self.place.join("way.new"), self.way());
        std::fs::write(&draft, lines.join("\n")).unwrap();
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(draft, path).unwrap();
    }

    fn way(&self) -> PathBuf {
        self.place.join("way")
    }

    /// Nothing leads there any more, until it is put right.
    pub fn take_down(&self) {
        std::fs::write(self.place.join("down"), "").unwrap();
    }

    /// It can be reached again.
    pub fn put_up(&self) {
        std::fs::remove_file(self.place.join("down")).unwrap();
    }

    /// Everything that lives on it: what names its folder.
    pub fn processes(&self, world: &World) -> Vec<u32> {
        let mark = format!("{}/", self.place.display());
        let mut found: Vec<u32> = world.survivors_of(&mark).into_iter().map(|(pid, _)| pid).collect();
        found.retain(|pid| *pid != std::process::id());
        found
    }

    /// All its processes die at once, and whatever it boots says another number.
    pub fn reboot(&self, world: &World) {
        self.take_down();
        until("the end of all its processes", || {
            let found = self.processes(world);
            for pid in found.iter().filter_map(|pid| Pid::from_raw((*pid).try_into().unwrap())) {
                let _ = kill_process(pid, Signal::KILL);
            }
            found.is_empty().then_some(())
        });
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let mut folders = vec![self.base().join("runs")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_some_and(|name| name == "start") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    std::fs::write(path, text.replace(boot.trim(), "before")).unwrap();
                }
            }
        }
        self.put_up();
    }

    fn setting(&self) -> String {
        let (kind, reached) = match &self.reach {
            Reach::Command => ("hosts", format!("connect = [{:?}]", self.way().display().to_string())),
            Reach::Ssh(sshd) => {
                let target = sshd.target();
                let user = target.user.map(|user| format!("user = {user:?}\n")).unwrap_or_default();
                let port = target.port.unwrap();
                let paths = [("identity_file", target.identity_file), ("known_hosts", target.known_hosts)];
                let paths = paths.map(|(key, path)| format!("{key} = {:?}\n", path.unwrap().display().to_string()));
                ("ssh.hosts", format!("hostname = {:?}\nport = {port}\n{user}{}", target.hostname, paths.concat()))
            }
        };
        format!(
            "[[backend.{kind}]]\nname = {:?}\n{reached}\nmax_workers = {}\nmax_verifiers = {}\nroot = {:?}\nprogram = {:?}\n",
            self.name,
            self.workers,
            self.verifiers,
            self.root,
            self.program.display().to_string(),
        )
    }
}

/// A world with its hosts.
pub struct Fleet {
    pub world: World,
    pub machines: Vec<Machine>,
    network: Option<Network>,
    /// Units that run at once on the engine's own machine.
    pub local: u32,
    /// How long runs outlive the connection to their host.
    pub lease: &'static str,
    /// More settings: of `[backend]`, then of others.
    pub backend: String,
    pub more: String,
}

impl Fleet {
    fn of(world: World) -> Self {
        let world = world.with_var("MC_TEST_LINES", LINES).with_var("MC_SCHEDULER_RETRY_PAUSE", "0");
        // One that is charged to a unit fails it.
        let world = world.with_var("MC_SCHEDULER_MAX_ATTEMPTS", "1");
        Self {
            world,
            machines: Vec::new(),
            network: None,
            local: 0,
            lease: LONG,
            backend: String::new(),
            more: String::new(),
        }
    }

    fn make_place(&self, name: &str) -> PathBuf {
        let place = self.world.home().join("hosts").join(name);
        std::fs::create_dir_all(place.join("home")).unwrap();
        place
    }

    fn add(&mut self, name: &str, reach: Reach, program: PathBuf) {
        let place = self.make_place(name);
        let machine =
            Machine { name: name.to_owned(), place, reach, program, workers: 2, verifiers: 1, root: "~/mc".to_owned() };
        if matches!(machine.reach, Reach::Command) {
            machine.lead_by("");
        }
        self.machines.push(machine);
    }

    /// Waits until a unit works, and says where.
    pub fn await_work(&self, unit: &str) -> String {
        until(&format!("{unit} at work"), || {
            let seen = self.world.witness();
            let begun = self.attempts(unit);
            seen.iter()
                .any(|one| one.unit == unit && one.what == "start" && one.attempt as usize == begun)
                .then_some(())
        });
        self.host_of(unit)
    }

    /// Waits for records of a kind about a host.
    pub fn await_host(&self, kind: &str, host: &str, count: usize) {
        until(&format!("{count} records {kind} of {host}"), || {
            let rows = self.world.kinds(kind);
            (rows.iter().filter(|row| row.body["host"] == host).count() >= count).then_some(())
        });
    }

    /// Hosts of the units that have started, and of the verifications.
    pub fn used(&self) -> [BTreeMap<String, usize>; 2] {
        ["session-started", "verify-started"].map(|kind| {
            let mut used = BTreeMap::new();
            self.world.kinds(kind).iter().for_each(|row| *used.entry(host_of(&row.body)).or_default() += 1);
            used
        })
    }

    /// Hosts behind commands.
    pub fn of_commands(names: &[&str]) -> Self {
        Self::around(World::new(), names)
    }

    /// The same around this world.
    pub fn around(world: World, names: &[&str]) -> Self {
        let mut fleet = Self::of(world);
        for name in names {
            fleet.add(name, Reach::Command, env!("CARGO_BIN_EXE_mc").into());
        }
        fleet
    }

    /// Hosts behind servers of their own, each in a network of its own where the machine allows it.
    pub fn of_servers(names: &[&str]) -> Self {
        Self::of_servers_around(World::new(), names)
    }

    /// The same around this world.
    pub fn of_servers_around(world: World, names: &[&str]) -> Self {
        let mut fleet = Self::of(world);
        fleet.network = Network::make(names.len());
        for (n, name) in names.iter().enumerate() {
            let place = fleet.network.as_ref().map_or_else(Place::loopback, |network| network.place(n));
            let sshd = Sshd::start_at(place, &fleet.make_place(name).join("home"), User::Own, &["MaxSessions 1"]);
            fleet.add(name, Reach::Ssh(Box::new(sshd)), env!("CARGO_BIN_EXE_mc").into());
        }
        fleet
    }

    /// One host on which everything belongs to a user without rights, where the tests have any.
    pub fn of_an_ordinary_user(name: &str) -> Self {
        let mut fleet = Self::of(World::new());
        let program = fleet.world.home().join("mc");
        std::fs::copy(env!("CARGO_BIN_EXE_mc"), &program).unwrap();
        let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        if is_root() {
            open(&fleet.world.home(), 0o755);
            open(&fleet.world.home().join("said"), 0o777);
            open(&program, 0o755);
        }
        let sshd = Sshd::start(&fleet.make_place(name).join("home"), User::Ordinary, &[]);
        fleet.add(name, Reach::Ssh(Box::new(sshd)), program);
        fleet
    }

    /// With this fence, or these settings beside.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> &Machine {
        self.machines.iter().find(|machine| machine.name == name).unwrap()
    }

    /// The same, to be changed.
    pub fn host_mut(&mut self, name: &str) -> &mut Machine {
        self.machines.iter_mut().find(|machine| machine.name == name).unwrap()
    }

    /// Changes the settings that the repository has.
    pub fn world_settings(&self, from: &str, to: &str) {
        let path = self.world.repo().join("mission-control.toml");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(from));
        self.world.commit("mission-control.toml", &text.replacen(from, to, 1));
    }

    /// Whether each host has a network of its own.
    pub fn has_network(&self) -> bool {
        self.network.is_some()
    }

    /// Cuts the network of a host, or mends it.
    pub fn cut(&mut self, name: &str, cut: bool) {
        let n = self.machines.iter().position(|machine| machine.name == name).unwrap();
        match &self.network {
            Some(network) => network.cut(n, cut),
            None => self.machines[n].sshd().signal(if cut { Signal::STOP } else { Signal::CONT }),
        }
    }

    /// The settings, in a file that is in no tree, so that these do not depend on hosts.
    pub fn write_settings(&self) -> PathBuf {
        let mut text = std::fs::read_to_string(self.world.repo().join("mission-control.toml")).unwrap();
        let (more, local, lease) = (&self.more, self.local, self.lease);
        let _ = write!(text, "{more}\n[backend]\nlocal_workers = {local}\nlease = \"{lease}\"\n{}\n", self.backend);
        self.machines.iter().for_each(|machine| text.push_str(&machine.setting()));
        let path = self.world.repo().join("hosts.toml");
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            self.world.person(|| std::fs::write(&path, text).unwrap());
        }
        path
    }

    /// `mc` with these arguments and settings.
    pub fn spawn(&self, args: &[&str]) -> Engine {
        let path = self.write_settings().display().to_string();
        let enter = self.network.as_ref().map(Network::enter).unwrap_or_default();
        let enter: Vec<&str> = enter.iter().map(String::as_str).collect();
        self.world.spawn_under(&enter, &[&["--config", &path], args].concat())
    }

    /// The same to its end.
    pub fn mc(&self, args: &[&str]) -> Said {
        self.spawn(args).end()
    }

    /// Begins a mission.
    pub fn start(&self, plan: &Path) -> Engine {
        self.spawn(&["mission", "start", "--plan", plan.to_str().unwrap()])
    }

    /// The host of the newest attempt of a unit.
    pub fn host_of(&self, unit: &str) -> String {
        let started = self.world.kinds("session-started");
        let newest = started.iter().rev().find(|row| row.body["unit"] == unit);
        host_of(&newest.unwrap_or_else(|| panic!("{unit} did not start")).body)
    }

    /// Attempts of a unit that were begun.
    pub fn attempts(&self, unit: &str) -> usize {
        self.world.kinds("session-started").iter().filter(|row| row.body["unit"] == unit).count()
    }

    /// How often a unit's script began.
    pub fn starts(&self, unit: &str) -> usize {
        self.world.witness().iter().filter(|seen| seen.unit == unit && seen.what == "start").count()
    }

    /// Files and contents of green's tree.
    pub fn landed_files(&self) -> String {
        landed_files(&self.world)
    }

    /// Lets units end that wait for it.
    pub fn go(&self) {
        std::fs::write(self.world.home().join("go"), "").unwrap();
    }

    /// What must hold at the end: everything landed once, accounts and proofs are right, nothing lives.
    #[track_caller]
    pub fn is_whole(&self, units: &[Unit]) {
        let states = self.world.units();
        assert!(states.values().all(|state| state == "landed"), "{states:?}");
        let mut landed = self.world.landed();
        landed.sort();
        let mut ids: Vec<String> = units.iter().map(|unit| unit.id.clone()).collect();
        ids.sort();
        assert_eq!(landed, ids, "each unit landed once");
        self.is_sound();
    }

    /// What must hold whatever became of units.
    #[track_caller]
    pub fn is_sound(&self) {
        self.mc(&["audit"]).exits(0);
        self.mc(&["report", "--verify"]).exits(0);
        self.world.nothing_lives();
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for file in std::fs::read_dir(self.world.home().join("said")).into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            eprintln!("-- {}\n{}", file.path().display(), text);
        }
        for row in self.world.journal() {
            let body = row.body.to_string();
            eprintln!("{} {} {}", row.at, row.kind, body.chars().take(300).collect::<String>());
        }
    }
}

/// Files and contents of green's tree, but for settings, which name folders of the world.
pub fn landed_files(world: &World) -> String {
    let files = world.git(&["ls-tree", "-r", "mc/green"]);
    files.lines().filter(|line| !line.ends_with("mission-control.toml")).map(|line| format!("{line}\n")).collect()
}

/// The host that a record names.
pub fn host_of(record: &serde_json::Value) -> String {
    record["host"].as_str().unwrap_or("local").to_owned()
}

/// A unit that works until [`Fleet::go`].
pub fn held(id: &str) -> Unit {
    unit(id, &format!("until [ -e \"$HOME/go\" ]; do sleep 0.02; done\n{}", own_file(id, 0.0)))
}

/// A unit that is done at once.
pub fn quick(id: &str) -> Unit {
    unit(id, &own_file(id, 0.0))
}

/// One whose first attempt leaves `late.txt` and never ends.
pub fn stuck(id: &str) -> Unit {
    let first = "if [ $MC_ATTEMPT = 1 ]; then echo late > late.txt; echo \"$MC_UNIT 1 $$ stuck\" >> \"$HOME/said/witness\"; while :; do sleep 0.05; done; fi";
    unit(id, &format!("{first}\n{}", own_file(id, 0.0)))
}
