//! What runs take of the machine: memory and processes, by cgroups where they can be made.
//!
//! Most machines of today have cgroups of version 2 alone, this one may have version 1: each test says aloud what it could not try.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::host::fence::{everybody, told, tries};
use crate::support::fence::Fence;
use crate::support::night::{NOBODY, Night, unit};
use crate::support::tools::cannot_limit;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

/// Takes so many MiB, starts so many processes; limits that are between those of `LINES`.
const HOG: &str = "import sys\nbytearray(int(sys.argv[1]) << 20)\n";
const CROWD: &str =
    "import subprocess, sys\nfor n in range(int(sys.argv[1])):\n    subprocess.Popen(['sleep', '60'])\n";
const LIMITS: &str = "[sandbox]\nmax_memory = \"200MB\"\nmax_processes = 25";
const LINES: [&str; 4] = ["python3 hog.py 20", "python3 crowd.py 5", "python3 hog.py 400", "python3 crowd.py 60"];

/// A night with programs that take much, and limits.
fn limited(night: &Night, more: &str) {
    night.write("hog.py", HOG);
    night.write("crowd.py", CROWD);
    night.settings("sh run.sh", &format!("{LIMITS}\n{more}"));
}

/// Groups of version 2 as systemd makes them: a slice whose groups can be limited, and in it a group in which programs are started.
struct Slice(PathBuf);

impl Slice {
    /// Absent, and told aloud, where no such group can be made.
    fn new(owner: Option<u32>) -> Option<Self> {
        let skipped = |why: &str| {
            cannot_limit(&format!("{why}, so limits by cgroups of version 2 are not tried"));
            None
        };
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let Some(top) = mounts.lines().rfind(|line| line.contains(" - cgroup2 ")) else {
            return skipped("cgroups of version 2 are not mounted");
        };
        let top = PathBuf::from(top.split(' ').nth(4).unwrap());
        let controllers = fs::read_to_string(top.join("cgroup.controllers")).unwrap_or_default();
        if !["memory", "pids"].iter().all(|name| controllers.split_whitespace().any(|one| one == *name)) {
            return skipped("memory and pids are controllers of version 1 here");
        }
        if fs::write(top.join("cgroup.subtree_control"), "+memory +pids").is_err() {
            return skipped("this user may not make groups with limits");
        }
        let slice = top.join(format!("mc-test-{:08x}.slice", fastrand::u32(..)));
        fs::create_dir(&slice).unwrap();
        fs::create_dir(slice.join("x.scope")).unwrap();
        // What a service gets with `Delegate=yes` (cgroups(7), "Cgroup delegation containment").
        for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
            chown(slice.join(file), owner, owner).unwrap();
        }
        Some(Self(slice))
    }

    fn scope(&self) -> PathBuf {
        self.0.join("x.scope")
    }

    /// Groups of runs in it.
    fn groups(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("mc-run-")).collect()
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        for group in [&self.scope(), &self.0] {
            let _ = fs::remove_dir(group);
        }
    }
}

#[test]
fn p10_a_run_takes_no_more_than_the_settings_allow() {
    for night in everybody() {
        limited(&night, "");
        let lines = LINES;
        night.mission(&unit("a", &tries(&lines))).exits(0);
        let (told, report) = (told(&night), night.report());
        let could = |line: &str| told.contains(&format!("did: {line}"));
        assert!(could(lines[0]) && could(lines[1]), "{told}");
        assert!(!could(lines[2]), "{told}");
        // As root that takes a cgroup.
        let holds = !report.contains("[sandbox] max_processes does not hold: no cgroup can be made here");
        assert_eq!(could(lines[3]), !holds, "{told}\n{report}");
        assert_eq!(night.mc(&["doctor"]).text().contains("max_processes does not hold"), !holds);
        let groups = "cut -d: -f2- /proc/self/cgroup | tr : / | while read p; do ls -d /sys/fs/cgroup/$p/mc-run-*; done 2>/dev/null";
        // Those of other tests come and go.
        night.until(&format!("test -z \"$({groups})\""));
    }
}

#[test]
fn p10_root_does_not_raise_its_own_limits() {
    let night = Night::new().within(Fence::Defaults);
    limited(&night, "");
    let raise = "unshare -C -m sh -c \"mount -t cgroup -o pids none /mnt || mount -t cgroup2 none /mnt; echo max >/mnt/pids.max; mkdir /mnt/mine\"";
    night.mission(&unit("a", &format!("{raise} 2>/dev/null; {}", tries(&["python3 crowd.py 60"])))).exits(0);
    let holds = !night.report().contains("max_processes does not hold");
    assert_eq!(told(&night).starts_with("could not"), holds, "{}", told(&night));
    let left =
        "cut -d: -f2- /proc/self/cgroup | tr : / | while read p; do ls -d /sys/fs/cgroup/$p/mc-run-*; done 2>/dev/null";
    night.until(&format!("test -z \"$({left})\""));
}

#[test]
fn p10_limits_hold_in_groups_of_version_2_and_the_report_says_why_a_run_ended() {
    for (made, owner) in everybody().into_iter().zip([None, Some(NOBODY)]) {
        let Some(slice) = Slice::new(owner) else { return };
        // It ends before the group that it is in.
        let mut night = made;
        night.in_group(&slice.scope());
        limited(&night, "[scheduler]\nmax_attempts = 1");
        night.mc(&["doctor"]).does_not_say(&["does not hold"]);
        let plan = format!("{}\n{}", unit("a", &tries(&LINES)), unit("b", "python3 hog.py 400"));
        night.mission(&plan).exits(3).does_not_say(&["does not hold"]);
        let told = told(&night);
        let could = LINES.map(|line| told.contains(&format!("did: {line}")));
        assert_eq!(could, [true, true, false, false], "{told}");
        assert!(night.report().contains("used more memory than [sandbox] max_memory allows"), "{}", night.report());
        assert_eq!(slice.groups(), Vec::<String>::new());
        night.green_verifies("sh run.sh");
    }
}

#[test]
fn p4_a_group_whose_supervisor_was_killed_goes_with_the_resume() {
    let slice = Slice::new(None);
    let mut night = Night::new().within(Fence::Folders(&["counted"]));
    night.sh("mkdir ~/counted");
    limited(&night, "");
    if night.mc(&["doctor"]).text().contains("does not hold") {
        cannot_limit("no cgroup can be made here, so none is left by a killed supervisor");
        return;
    }
    if let Some(slice) = &slice {
        night.in_group(&slice.scope());
    }
    let script = "touch ~/counted/begun; test -e ~/counted/again || sleep 600; touch a";
    let plan = night.plan(&unit("a", script));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/counted/begun");
    let run = night.sh(&format!("dirname $(find {} -name start -path '*/a/1/*')", night.runs().display()));
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(Path::new(&run).join(name)).unwrap()).unwrap()
    };
    let settings = read("run");
    let cookie = settings["cookie"].as_str().unwrap();
    let group = || night.sh(&format!("find /sys/fs/cgroup -name mc-run-{cookie}"));
    let place = Path::new(group().lines().next().unwrap_or_default()).parent().unwrap().to_owned();
    assert!(place.is_dir(), "the run is in a group of its own");
    engine.signal("KILL");
    engine.wait();
    let supervisor = read("start")["supervisor"]["pid"].as_i64().unwrap();
    let supervisor = rustix::process::Pid::from_raw(supervisor.try_into().unwrap()).unwrap();
    rustix::process::kill_process(supervisor, rustix::process::Signal::KILL).unwrap();
    assert!(!group().is_empty(), "nobody removes it when everybody is killed");
    night.sh("touch ~/counted/again");
    night.mc(&["mission", "resume"]).exits(0);
    assert_eq!(group(), "");
    // Of what nobody knows any more, the age tells. Other tests may be faster.
    let stray = |age: &str| {
        let stray = place.join(format!("mc-run-stray-{:08x}", fastrand::u32(..)));
        fs::create_dir(&stray).unwrap();
        night.sh(&format!("touch -d '{age} ago' {}", stray.display()));
        stray
    };
    let (old, young) = (stray("2 minutes"), stray("1 second"));
    night.mc(&["clean"]).exits(0);
    assert!(!old.exists() && young.exists());
    fs::remove_dir(young).unwrap();
    night.green_verifies("sh run.sh");
}
