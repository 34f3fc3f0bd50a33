//! Hosts of the settings: how they are read and shown, what is refused and where, and that values of variables stay hidden.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::{DEFAULTS_FILE, MINIMAL, World};
use crate::support::night::Night;
use mission_control::config::{Backend, HostConfig, Reach, Settings};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

const SSH: &str = "[[backend.ssh.hosts]]\nhostname = \"build1\"\n";
const BOX: &str = "[[backend.hosts]]\nname = \"box\"\nconnect = [\"docker\", \"exec\", \"-i\", \"box\"]\n";

/// Settings with these lines below the verification, which has two.
fn world(lines: &str) -> World {
    World::file(&format!("{MINIMAL}{lines}")).variable("HOME", "/home/ada")
}

fn backend(lines: &str) -> Backend {
    world(lines).settings().backend
}

fn ssh_host(name: &str) -> HostConfig {
    HostConfig {
        name: name.to_owned(),
        reach: Reach::Ssh { hostname: name.to_owned(), user: None, port: None, identity_file: None, known_hosts: None },
        max_workers: 4,
        max_verifiers: 1,
        root: "~/.local/share/mission-control".to_owned(),
        labels: Vec::new(),
        env: BTreeMap::new(),
        program: None,
        max_disk: None,
        idle: Duration::ZERO,
    }
}

#[test]
fn without_hosts_everything_runs_here_and_settings_of_older_journals_load() {
    let settings = World::file(MINIMAL).settings();
    let here = Backend {
        local_workers: None,
        lease: Duration::from_secs(600),
        pin_every: Duration::from_secs(300),
        hosts: Vec::new(),
    };
    assert_eq!(settings.backend, here);
    let mut older = serde_json::to_value(&settings).unwrap();
    older.as_object_mut().unwrap().remove("backend").unwrap();
    assert_eq!(serde_json::from_value::<Settings>(older).unwrap(), settings);
}

#[test]
fn hosts_are_read_with_every_key_in_the_order_of_the_file() {
    let full = "[backend]\ntype = \"ssh\"\nlocal_workers = 2\nlease = \"5m\"\n[[backend.ssh.hosts]]\nname = \"big\"\n\
        hostname = \"10.0.0.12\"\nuser = \"ci\"\nport = 2222\nidentity_file = \"~/.ssh/build\"\nknown_hosts = \"ci/known\"\n\
        max_workers = 8\nmax_verifiers = 0\nroot = \"/srv/mc\"\nlabels = [\"gpu=a100\", \"linux\", \"linux\"]\n\
        program = \"/usr/bin/mc\"\nmax_disk = \"100GB\"\nidle = 90\nenv = { CC = \"clang\" }\n";
    let world = world(&format!("{full}{BOX}connect_timeout = \"8h\"\n[[backend.ssh.hosts]]\nhostname = \"last\"\n"));
    let settings = world.settings();
    let big = HostConfig {
        reach: Reach::Ssh {
            hostname: "10.0.0.12".to_owned(),
            user: Some("ci".to_owned()),
            port: Some(2222),
            identity_file: Some(PathBuf::from("/home/ada/.ssh/build")),
            known_hosts: Some(PathBuf::from("/srv/app/ci/known")),
        },
        max_workers: 8,
        max_verifiers: 0,
        root: "/srv/mc".to_owned(),
        labels: vec!["gpu=a100".to_owned(), "linux".to_owned()],
        env: BTreeMap::from([("CC".to_owned(), "clang".to_owned())]),
        program: Some("/usr/bin/mc".to_owned()),
        max_disk: Some(100_000_000_000),
        idle: Duration::from_secs(90),
        ..ssh_host("big")
    };
    let connect = ["docker", "exec", "-i", "box"].map(str::to_owned).to_vec();
    let connect_timeout = Duration::from_secs(8 * 3_600);
    let reach = Reach::Command { connect, connect_timeout };
    let container = HostConfig { reach, idle: Duration::from_secs(300), ..ssh_host("box") };
    let hosts = vec![big, container, ssh_host("last")];
    assert_eq!(
        settings.backend,
        Backend { local_workers: Some(2), lease: Duration::from_secs(300), pin_every: Duration::from_secs(300), hosts }
    );
    assert_eq!(settings.warnings, [""; 0]);
    let read: Settings = serde_json::from_value(serde_json::to_value(&settings).unwrap()).unwrap();
    assert_eq!(read, settings);
    assert!(!format!("{settings:?}").contains("clang"), "a value of a variable is in the text for debugging");
}

#[test]
fn hosts_of_the_older_scheduler_count_and_a_type_is_not_needed() {
    let older = "max_workers = 2\nuser = \"ci\"\n";
    let Reach::Ssh { hostname, .. } = ssh_host("build1").reach else { panic!("ssh") };
    let reach =
        Reach::Ssh { hostname, user: Some("ci".to_owned()), port: None, identity_file: None, known_hosts: None };
    let wanted = HostConfig { reach, max_workers: 2, ..ssh_host("build1") };
    for kind in ["", "[backend]\ntype = \"ssh\"\n"] {
        let settings = world(&format!("{kind}{SSH}{older}")).settings();
        assert_eq!((settings.backend.hosts, settings.warnings), (vec![wanted.clone()], Vec::new()), "{kind}");
    }
    // An ssh host may stand in the other list, an alias may be in capitals, and a list may be empty.
    assert_eq!(backend("[[backend.hosts]]\nhostname = \"Build_1\"\n").hosts, [ssh_host("Build_1")]);
    assert_eq!(backend("[backend]\nhosts = []\n").hosts, []);
}

#[test]
fn hosts_beside_a_type_of_local_are_not_used_and_that_is_said() {
    let said = |world: World, place: &str| {
        let settings = world.settings();
        assert_eq!(settings.backend.hosts, []);
        let wanted = format!(
            "`backend.type` is \"local\" ({place}), so these hosts are not used: build1, box; leave it out, or write \
             \"ssh\", to use them"
        );
        assert_eq!(settings.warnings, [wanted]);
    };
    let both = format!("{SSH}{BOX}");
    said(world(&format!("[backend]\ntype = \"local\"\n{both}")), "file /srv/app/mission-control.toml:4");
    said(world(&both).variable("MC_BACKEND_TYPE", "local"), "environment MC_BACKEND_TYPE");
    said(world(&both).flag("backend.type", "local", "--backend"), "flag --backend");
    let over = world(&format!("[backend]\ntype = \"local\"\n{both}")).variable("MC_BACKEND_TYPE", "ssh").settings();
    assert_eq!((over.backend.hosts.len(), over.warnings.len()), (2, 0));
}

#[test]
fn paths_of_this_machine_are_meant_from_the_settings_file_or_the_home() {
    let connect = |program: &str| format!("[[backend.hosts]]\nname = \"a\"\nconnect = [\"{program}\", \"./b\"]\n");
    for (program, wanted) in
        [("srun", "srun"), ("./r.sh", "/srv/app/./r.sh"), ("~/r", "/home/ada/r"), ("/bin/r", "/bin/r")]
    {
        let [HostConfig { reach: Reach::Command { connect, .. }, .. }] = &backend(&connect(program)).hosts[..] else {
            panic!("one host")
        };
        assert_eq!(connect, &[wanted, "./b"], "only the program is a path of the file");
    }
    let key = format!("{MINIMAL}{SSH}identity_file = \"~/k\"\n");
    for home in ["", "relative"] {
        let error = World::file(&key).variable("HOME", home).error();
        let wanted = "toml:5: `backend.ssh.hosts.identity_file` is `~/k`, and HOME is not set to an absolute path";
        assert!(error.contains(wanted), "{error}");
    }
    let error = world(&format!("{SSH}known_hosts = \"~bob/k\"\n")).error();
    assert!(error.contains("is `~bob/k`; only `~/…`, of your own home, is known"), "{error}");
}

/// What is wrong with one host, from the fourth line of the file on: its lines, the line of the problem, the message.
const REFUSED: &[(&str, u32, &str)] = &[
    ("[[backend.ssh.hosts]]\nmax_workers = 2", 3, "`backend.ssh.hosts.hostname` is missing"),
    ("[[backend.ssh.hosts]]\nhostname = \"\"", 3, "`backend.ssh.hosts.hostname` is missing"),
    ("[[backend.ssh.hosts]]\nhostname = \"-oProxyCommand=x\"", 4, "ssh would take it for an option"),
    ("[[backend.ssh.hosts]]\nhostname = \"a b\"", 4, "is \"a b\", and it may hold no white space"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\\u0007\"", 4, "is \"a\\u0007\", and it may hold no white space"),
    ("[[backend.ssh.hosts]]\nhostname = \"a;reboot\"", 4, "it may hold no character that means something to a shell"),
    ("[[backend.ssh.hosts]]\nhostname = \"ci@a\"", 4, "it may hold no `@`; write the part before it as user"),
    ("[[backend.ssh.hosts]]\nhostname = \"ssh://a\"", 4, "it may hold no `/`; write a port as port = 22"),
    ("[[backend.ssh.hosts]]\nhostname = \"::1\"", 3, "`backend.ssh.hosts.name` is missing, and `::1` cannot stand in"),
    ("[[backend.ssh.hosts]]\nhostname = \"local\"", 3, "and `local` cannot stand in for it: that is this machine"),
    ("[[backend.ssh.hosts]]\nhostname = 3", 4, "`backend.ssh.hosts.hostname` must be a text in quotes"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nuser = \"-l root\"", 5, "`backend.ssh.hosts.user` is \"-l root\""),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nuser = \"a b\"", 5, "it may hold no white space"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nport = 0", 5, "must be a whole number from 1 to 65535"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nport = 70000", 5, "must be a whole number from 1 to 65535"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nname = \"Local\"", 5, "cannot be `Local`: that is this machine"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nname = \"-x\"", 5, "cannot be `-x`: a name has 1 to 64 letters"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nname = \".x\"", 5, "cannot be `.x`: a name has 1 to 64 letters"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nname = \"a/b\"", 5, "cannot be `a/b`: a name has 1 to 64 letters"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nconnect = [\"x\"]", 5, "is a key of [[backend.hosts]]"),
    ("[[backend.hosts]]\nname = \"a\"\nhostname = \"a\"\nconnect = [\"x\"]", 6, "stands beside `hostname`"),
    (
        "[[backend.hosts]]\nname = \"a\"",
        3,
        "`backend.hosts.connect` is missing; write for example connect = [\"docker\"",
    ),
    (
        "[[backend.hosts]]\nname = \"a\"\nconnect = []",
        5,
        "`backend.hosts.connect` is empty; say how the host is reached",
    ),
    ("[[backend.hosts]]\nname = \"a\"\nconnect = [\"\"]", 5, "`backend.hosts.connect` holds an empty text"),
    ("[[backend.hosts]]\nname = \"a\"\nconnect = \"x y\"", 5, "`backend.hosts.connect` must be a list of texts"),
    ("[[backend.hosts]]\nconnect = [\"x\"]", 3, "`backend.hosts.name` is missing"),
    ("[[backend.hosts]]\nname = \"a\"\nconnect = [\"x\"]\nuser = \"u\"", 6, "has no meaning beside `connect`"),
    ("[[backend.hosts]]\nname = \"a\"\nconnect = [\"x\"]\nport = 22", 6, "has no meaning beside `connect`"),
    (
        "[[backend.hosts]]\nname = \"a\"\nconnect = [\"x\"]\nconnect_timeout = 0",
        6,
        "`backend.hosts.connect_timeout` must be longer than zero",
    ),
    ("[[backend.hosts]]\nname = \"a\"\nconnect = [\"x\"]\nconnect_timeout = \"soon\"", 6, "is not a duration: `soon`"),
    ("[[backend.hosts]]\nname = \"a\"\nconnect = [\"x\"]\nconnect_timeout = \"31d\"", 6, "is longer than 30 days"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nconnect_timeout = \"5m\"", 5, "has no meaning beside `hostname`"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nmax_workers = -1", 5, "must be a whole number from 0 to 256"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nmax_workers = 0\nmax_verifiers = 0", 5, "are both 0"),
    (
        "[[backend.ssh.hosts]]\nhostname = \"a\"\nmax_verifiers = 2",
        5,
        "`backend.ssh.hosts.max_verifiers` is 2 and must be 0 or 1: the queue verifies one after the other",
    ),
    (
        "[[backend.ssh.hosts]]\nhostname = \"a\"\nroot = \"mc\"",
        5,
        "`backend.ssh.hosts.root` must be an absolute path there",
    ),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nroot = \"~/\"", 5, "must be an absolute path there"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nroot = \"/\"", 5, "must be an absolute path there"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nroot = \"/a/../b\"", 5, "without `..`; `/a/../b` is not"),
    (
        "[[backend.ssh.hosts]]\nhostname = \"a\"\nprogram = \"mc\"",
        5,
        "`backend.ssh.hosts.program` must be an absolute path",
    ),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nlabels = [\"big gpu\"]", 5, "`big gpu` is not one"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nlabels = \"gpu\"", 5, "must be a list of texts"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nmax_disk = 0", 5, "is not a size: `0`"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nidle = \"soon\"", 5, "is not a duration: `soon`"),
    (
        "[[backend.ssh.hosts]]\nhostname = \"a\"\nenv = [\"CC\"]",
        5,
        "`backend.ssh.hosts.env` must be a table of variables",
    ),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nenv = { \"a=b\" = \"secret\" }", 5, "holds `a=b`, which is no name"),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nenv = { T = [\"secret\"] }", 5, "must give T a text in quotes"),
    (
        "[[backend.ssh.hosts]]\nhostname = \"a\"\nmax_worker = 3",
        5,
        "unknown key `backend.ssh.hosts.max_worker`; did you mean `backend.ssh.hosts.max_workers`?",
    ),
    (
        "[[backend.hosts]]\nname = \"a\"\nconect = [\"x\"]",
        5,
        "unknown key `backend.hosts.conect`; did you mean `backend.hosts.connect`?",
    ),
    ("[[backend.ssh.hosts]]\nhostname = \"a\"\nzebra = 3", 5, "unknown key `backend.ssh.hosts.zebra`"),
    ("[[backend.ssh.host]]\nhostname = \"a\"", 3, "`backend.ssh.host`; did you mean `backend.ssh.hosts`?"),
    ("[[backend.host]]\nhostname = \"a\"", 3, "`backend.host`; did you mean `backend.hosts`?"),
    ("[backend]\nhosts = \"a\"", 4, "`backend.hosts` must be written as [[backend.hosts]]"),
    ("[backend]\nssh = 3", 4, "`backend.ssh` is a section"),
    ("[backend]\ntype = \"docker\"", 4, "`backend.type` must be \"local\" or \"ssh\""),
    (
        "[backend]\ntype = \"ssh\"",
        4,
        "`backend.type` is \"ssh\", and no host is named; write [[backend.ssh.hosts]] and below it hostname = \"build1\"",
    ),
    ("[backend]\nlocal_workers = 0", 4, "`backend.local_workers` is 0, and no host is used, so that nothing could run"),
    ("[backend]\nlocal_workers = \"4\"", 4, "must be a whole number from 0 to 256, or \"auto\""),
    ("[backend]\nlocal_workers = 257", 4, "must be a whole number from 0 to 256, or \"auto\""),
    ("[backend]\nlease = 0", 4, "`backend.lease` must be longer than zero"),
    (
        "[[backend.ssh.hosts]]\nhostname = \"a\"\nmax_workers = 0",
        3,
        "`backend.ssh.hosts.max_workers` is 0 on every host, and nothing runs here: no unit could start",
    ),
    (
        "[[backend.ssh.hosts]]\nhostname = \"a\"\nmax_verifiers = 0",
        3,
        "`backend.ssh.hosts.max_verifiers` is 0 on every host, and nothing runs here: nothing could be verified",
    ),
];

#[test]
fn p7_a_host_that_cannot_work_is_refused_with_its_line() {
    for (lines, line, wanted) in REFUSED {
        let error = world(&format!("{lines}\n")).error();
        let place = format!("file /srv/app/mission-control.toml:{line}: ");
        assert!(error.starts_with(&place) && error.contains(wanted), "{lines}: {error}");
        assert_eq!(error.lines().count(), 1, "{lines}: one problem is said once: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn p7_names_are_unique_over_both_lists_and_all_problems_are_told_together() {
    let place = "file /srv/app/mission-control.toml";
    let twice = world(&format!("{BOX}[[backend.ssh.hosts]]\nhostname = \"Box\"\n")).error();
    let wanted = format!("`Box` is the name of two hosts (the other one: {place}:3); give each a `name` of its own");
    assert_eq!(twice, format!("{place}:6: `backend.ssh.hosts.name` {wanted}"));
    let twice = world(&format!("{SSH}[[backend.ssh.hosts]]\nhostname = \"b\"\nname = \"build1\"\n")).error();
    assert!(twice.starts_with(&format!("{place}:7: `backend.ssh.hosts.name` `build1` is the name of two")), "{twice}");
    // One machine for two users is two hosts with names.
    assert_eq!(backend(&format!("{SSH}[[backend.ssh.hosts]]\nhostname = \"build1\"\nname = \"b\"\n")).hosts.len(), 2);
    let many =
        world(&format!("{SSH}port = 0\nusr = \"a\"\nroot = \"x\"\n[[backend.hosts]]\nname = \"local\"\n")).error();
    let lines: Vec<u32> =
        many.lines().map(|l| l[place.len() + 1..].split(':').next().unwrap().parse().unwrap()).collect();
    assert_eq!(lines, [5, 6, 7, 8, 9], "{many}");
}

#[test]
fn what_runs_where_must_leave_room_for_units_and_verifications() {
    let host = |workers: u32, verifiers: u32| format!("max_workers = {workers}\nmax_verifiers = {verifiers}\n");
    let other = |lines: &str| format!("[[backend.ssh.hosts]]\nhostname = \"build2\"\n{lines}");
    for good in [
        format!("{SSH}{}{}", host(0, 1), other(&host(3, 0))),
        format!("[backend]\nlocal_workers = 1\n{SSH}{}", host(0, 1)),
        format!("[backend]\nlocal_workers = 1\n{SSH}{}", host(1, 0)),
        format!("[backend]\nlocal_workers = 0\n{SSH}{}", host(1, 1)),
        "[backend]\nlocal_workers = 3\n".to_owned(),
    ] {
        backend(&good);
    }
    let none = world(&format!("{SSH}{}{}", host(0, 1), other(&host(0, 1)))).error();
    assert!(none.contains("`backend.ssh.hosts.max_workers` is 0 on every host"), "{none}");
    let unused = world(&format!("[backend]\ntype = \"local\"\nlocal_workers = 0\n{SSH}")).error();
    assert!(unused.contains("toml:5: `backend.local_workers` is 0, and no host is used"), "{unused}");
}

#[test]
fn hosts_are_set_in_the_file_only() {
    let error = world("").variable("MC_BACKEND_SSH_HOSTS", "build1").error();
    let only = "can be set in the settings file only, as";
    assert_eq!(error, format!("environment MC_BACKEND_SSH_HOSTS: `backend.ssh.hosts` {only} [[backend.ssh.hosts]]"));
    let error = world("").flag("backend.hosts", "build1", "--host").error();
    assert_eq!(error, format!("flag --host: `backend.hosts` {only} [[backend.hosts]]"));
    for (name, value, wanted) in [("LOCAL_WORKERS", "auto", None), ("LOCAL_WORKERS", "0", Some(0))] {
        let settings = world(SSH).variable(&format!("MC_BACKEND_{name}"), value).settings();
        assert_eq!(settings.backend.local_workers, wanted);
    }
}

#[test]
fn every_key_of_a_host_stands_in_the_shipped_file() {
    let section = DEFAULTS_FILE.split("\n[backend]\n").nth(1).unwrap();
    let lists = section.split("\n\n").filter_map(|part| part.find("# [[").map(|at| &part[at..]));
    let lines = lists.flat_map(str::lines).map(|line| format!("{}\n", line.strip_prefix("# ").unwrap()));
    let [ssh, container] = &backend(&lines.collect::<String>()).hosts[..] else { panic!("two hosts") };
    let json = serde_json::to_value(ssh).unwrap();
    let unset = |json: &Value| json.as_object().unwrap().values().any(Value::is_null);
    assert!(!unset(&json) && !unset(&json["reach"]["ssh"]), "a key is not shown: {json}");
    assert!(!ssh.labels.is_empty() && !ssh.env.is_empty());
    let defaults = ssh_host("");
    assert_eq!(
        (ssh.max_workers, ssh.max_verifiers, &ssh.root, ssh.idle),
        (defaults.max_workers, defaults.max_verifiers, &defaults.root, defaults.idle),
        "where a key has a default, the file shows it"
    );
    let Reach::Command { connect_timeout, .. } = container.reach else { panic!("a command") };
    assert_eq!(connect_timeout, Duration::from_secs(600));
    assert_eq!(container.idle, Duration::from_secs(300));
}

#[test]
fn show_prints_each_host_with_its_line_and_no_values_of_variables() {
    let night = Night::new();
    night.settings(
        "sh run.sh",
        &format!(
            "{SSH}identity_file = \"keys/k\"\nenv = {{ TOKEN = \"hunter2\", CC = \"clang\" }}\n{BOX}max_disk = \"9GB\""
        ),
    );
    let text = night.mc(&["config", "show"]).exits(0).out;
    let file = night.sh("git rev-parse --show-toplevel").trim().to_owned() + "/mission-control.toml";
    let numbered = std::fs::read_to_string(&file).unwrap();
    let line = |start: &str| 1 + numbered.lines().position(|line| line == start).unwrap();
    let ssh = "{ name = \"build1\", hostname = \"build1\", identity_file = \"keys/k\", max_workers = 4, max_verifiers = 1, \
               root = \"~/.local/share/mission-control\", idle = \"0s\", env = { CC = \"(hidden)\", TOKEN = \"(hidden)\" } }";
    let container = "{ name = \"box\", connect = [\"docker\", \"exec\", \"-i\", \"box\"], connect_timeout = \"10m\", \
                     max_workers = 4, max_verifiers = 1, root = \"~/.local/share/mission-control\", max_disk = \"9GB\", idle = \"5m\" }";
    let places = ["[[backend.ssh.hosts]]", "[[backend.hosts]]"].map(|start| format!("file {file}:{}", line(start)));
    for (key, host, place) in [("backend.ssh.hosts", ssh, &places[0]), ("backend.hosts", container, &places[1])] {
        let wanted = format!("{key} = [\n  {host},  # {place}\n]\n");
        assert!(text.contains(&wanted), "{wanted} in {text}");
    }
    // What is shown is TOML that reads the same, but for the hidden values.
    assert!(text.contains("backend.type = \"ssh\"  # default\n"), "{text}");
    let shown = World::file(&text);
    let hidden = shown.settings().backend.hosts;
    assert_eq!((hidden.len(), hidden[0].env["CC"].as_str()), (2, "(hidden)"));

    let out = night.mc(&["config", "show", "--json"]).exits(0).out;
    let json: Value = serde_json::from_str(&out).unwrap();
    let rows = json["settings"].as_array().unwrap();
    let row = rows.iter().find(|row| row["key"] == "backend.ssh.hosts").unwrap();
    assert_eq!(row["value"], format!("[{ssh}]"));
    assert_eq!(row["hosts"], serde_json::json!([{"name": "build1", "value": ssh, "source": places[0]}]));
    for said in [&text, &out] {
        assert!(!said.contains("hunter2") && !said.contains("clang"), "{said}");
    }
    let refused = format!("{SSH}hostnme = \"x\"\n");
    night.settings("sh run.sh", &refused);
    night
        .mc(&["config", "show"])
        .exits(2)
        .says(&["unknown key `backend.ssh.hosts.hostnme`; did you mean `backend.ssh.hosts.hostname`?"]);
}

#[test]
fn doctor_says_which_hosts_are_not_used() {
    let night = Night::new();
    night.settings("sh run.sh", &format!("[backend]\ntype = \"local\"\n{SSH}"));
    night.write("BACKLOG.md", "## A\n- run: echo a > a.txt\n");
    night.commit("backlog");
    night.mc(&["doctor"]).says(&["so these hosts are not used: build1"]);
    for command in [["hosts", "check"], ["hosts", "clean"]] {
        let said = night.mc(&command).exits(2);
        said.says(&["`backend.type` is \"local\" (file", "not used: build1", "leave it out, or write \"ssh\""]);
    }
    night.mc(&["hosts", "list"]).exits(0).says(&["next: `backend.type` is \"local\" (file", "leave it out"]);
    night.mc(&["mission", "start"]).exits(0).says(&["warning: `backend.type` is \"local\"", "build1"]);
}
