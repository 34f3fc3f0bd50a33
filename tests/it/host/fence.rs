//! What runs may reach of the machine's files: their own folders, and what the settings name.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::fence::Fence;
use crate::support::night::{Night, unit};
use landlock::{AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr};
use std::path::Path;

/// A script that tries each line and says in `told`, a file of the workspace, whether it worked.
pub fn tries(lines: &[&str]) -> String {
    let each = |line: &&str| {
        format!("if ({line}) >/dev/null 2>&1; then echo 'did: {line}'; else echo 'could not: {line}'; fi")
    };
    format!("{{ {}; }} >told", lines.iter().map(each).collect::<Vec<_>>().join("; "))
}

/// Both kinds of users.
pub fn everybody() -> [Night; 2] {
    [Night::new(), Night::of_an_ordinary_user()].map(|night| night.within(Fence::Defaults))
}

pub fn told(night: &Night) -> String {
    night.sh("git show mc/green:told")
}

#[test]
fn p6_a_run_writes_its_own_folders_and_nothing_else() {
    for night in everybody() {
        night.sh("echo mine > ~/mine");
        // Nobody else has a file of this name there.
        let own = night.home().file_name().unwrap().to_str().unwrap().to_owned();
        let (home, state) = (night.home().display().to_string(), night.state().display().to_string());
        let lines = [
            "echo x >made",
            "echo x >$MC_WORKSPACE/../beside; rm $MC_WORKSPACE/../beside",
            "echo x >$MC_RESULT; rm $MC_RESULT",
            &format!("echo x >/tmp/{own}.x"),
            &format!("echo x >/var/tmp/{own}.x"),
            &format!("echo x >/dev/shm/{own}.x"),
            "echo x >$TMPDIR/t",
            "echo x >/dev/null",
            "cat $MC_BRIEF",
            "git log -1; git fetch origin",
            "cat ~/mine",
        ];
        let cannot = [
            "echo x >~/mine",
            "echo x >>$MC_BRIEF",
            "touch /etc/mc-was-here",
            &format!("echo x >{home}/repo/README"),
            &format!("echo x >{home}/repo/.git/config"),
            &format!("git -C {home}/repo update-ref refs/heads/x HEAD"),
            &format!("ls {state}/mc.db"),
            &format!("ls {state}/engine.lock"),
            &format!("ls {state}/pool/slot-9"),
            &format!("touch {state}/x"),
            "touch $MC_WORKSPACE/../../x",
        ];
        // As root, also for others: databases refuse to run as root.
        let as_other =
            "test $(id -u) != 0 || setpriv --reuid=65534 --regid=65534 --clear-groups sh -c \"echo x >/tmp/other\"";
        let lines = [&lines[..], &[as_other]].concat();
        night.sh(&format!("mkdir -p {state}/pool/slot-9 && chmod 700 {state} {state}/pool"));
        night.mission(&unit("a", &tries(&[&lines[..], &cannot[..]].concat()))).exits(0);
        let told = told(&night);
        let (lines, cannot) = (
            lines.into_iter().map(|line| line.replace("~/", &format!("{home}/"))).collect::<Vec<_>>(),
            cannot.map(|line| line.replace("~/", &format!("{home}/"))),
        );
        for line in lines {
            assert!(told.contains(&format!("did: {line}\n")), "{line}\n{told}");
        }
        for line in cannot {
            assert!(format!("{told}\n").contains(&format!("could not: {line}\n")), "{line}\n{told}");
        }
        let left = format!("cat ~/mine; ls /tmp/{own}.x /var/tmp/{own}.x /dev/shm/{own}.x 2>/dev/null || true");
        assert_eq!(night.sh(&left), "mine");
        assert!(!night.report().contains("no fence"), "{}", night.report());
    }
}

#[test]
fn p6_a_run_reads_no_key_and_reaches_no_socket() {
    for mut night in everybody() {
        night.sh(
            "mkdir -p ~/.ssh ~/.config/gh ~/.cargo ~/keys; for f in .ssh/id .netrc .config/gh/hosts.yml .cargo/credentials.toml keys/k; do
             echo secret >~/$f; done",
        );
        let agent = night.home().join("keys/agent.sock");
        let _listens = std::os::unix::net::UnixListener::bind(&agent).unwrap();
        night.var("SSH_AUTH_SOCK", &agent.display().to_string());
        let secret = ["~/.ssh/id", "~/.netrc", "~/.config/gh/hosts.yml", "~/.cargo/credentials.toml"];
        let mut lines: Vec<String> = secret.iter().map(|file| format!("grep secret {file}")).collect();
        lines.push("grep secret ~/keys/k".to_owned());
        lines.push(format!("test -S {}", agent.display()));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let all = tries(&lines);
        // A verification has a HOME of its own, in which there is no copy of them either.
        let copies = "for f in .ssh/id .netrc .config/gh/hosts.yml .cargo/credentials.toml; do grep secret ${HOME}/$f && exit 1; done; true\n";
        night.write("tests/alpha.sh", copies);
        night.commit("a look for keys");
        night.mission(&unit("a", &all)).exits(0);
        let keys = format!("grep secret {}/keys/k", night.home().display());
        assert_eq!(told(&night).matches("could not: ").count(), 5, "{}", told(&night));
        assert!(told(&night).contains(&format!("did: {keys}")), "{}", told(&night));
        // What the settings name is there, and what they hide besides is not.
        let settings = "[target.verification]\ncommand = \"sh run.sh\"\n[sandbox]\nreadable = [\"~/.netrc\"]\nhidden = [\"~/.netrc\", \"~/keys\"]\n";
        night.write("mission-control.toml", settings);
        night.commit("other keys");
        night.mission(&unit("b", &all)).exits(0);
        let named = format!("did: grep secret {}/.netrc", night.home().display());
        assert!(told(&night).contains(&named), "{}", told(&night));
        assert!(told(&night).contains(&format!("could not: {keys}")), "{}", told(&night));
    }
}

#[test]
fn p6_nobody_undoes_the_fence() {
    for night in everybody() {
        night.sh("mkdir -p ~/.ssh; echo secret >~/.ssh/id; echo mine >~/mine");
        let inside = |what: &str| format!("unshare --user --map-root-user --mount sh -c '{what}'");
        let lines = [
            "umount ~/.ssh && grep secret ~/.ssh/id".to_owned(),
            "mount -o remount,rw,bind ~ && echo x >~/mine".to_owned(),
            "mount -o remount,rw / && touch /etc/mc-was-here".to_owned(),
            "mount --bind ~/.. /mnt && grep secret /mnt/*/.ssh/id".to_owned(),
            inside("umount ~/.ssh; grep secret ~/.ssh/id"),
            inside("mount -o remount,rw,bind ~; echo x >~/mine"),
            "for f in /proc/1/fd/*; do grep -r secret $f/ 2>/dev/null && exit; done; exit 1".to_owned(),
            "grep secret /proc/1/root$HOME/.ssh/id".to_owned(),
            "echo 1 >/proc/sys/kernel/printk".to_owned(),
            "echo 1 >/dev/.proc/sys/kernel/printk".to_owned(),
            "mount -o remount,rw,bind /dev/.proc && echo 1 >/dev/.proc/sys/kernel/printk".to_owned(),
            "mount -o remount,rw /dev/.proc && echo 1 >/dev/.proc/sys/kernel/printk".to_owned(),
            "unshare --pid --fork --mount sh -c 'mount -t proc proc /mnt || mount -t proc -o ro proc /mnt; mount -o remount,rw /mnt; mount -o remount,rw,bind /mnt; echo 1 >/mnt/sys/kernel/printk'"
                .to_owned(),
            "unshare --user --map-root-user --pid --fork --mount sh -c 'mount -t proc -o ro proc /mnt; mount -o remount,rw /mnt; mount -o remount,rw,bind /mnt; echo 1 >/mnt/sys/kernel/printk'"
                .to_owned(),
            "ls /dev/vda* /dev/sda* /dev/nvme*n1 | grep -q . && for d in /dev/vda /dev/sda /dev/nvme0n1; do dd if=$d of=/dev/null count=1 && exit; done; exit 1"
                .to_owned(),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        // Quotes of the lines themselves would end those of the words that tell of them.
        let script = lines.iter().enumerate().map(|(n, line)| format!("({line}) >/dev/null 2>&1 && echo {n} >>told"));
        night
            .mission(&unit("a", &format!("echo none >told; {}; true", script.collect::<Vec<_>>().join("; "))))
            .exits(0);
        assert_eq!(told(&night), "none", "{lines:?}");
        assert_eq!(night.sh("cat ~/mine"), "mine");
    }
}

#[test]
fn agents_write_what_the_settings_name_and_verifications_do_not() {
    for mut night in everybody() {
        night.sh("mkdir -p ~/shared ~/.cache");
        let settings = "[target.verification]\ncommand = \"sh run.sh\"\n[sandbox]\nwritable = [\"~/shared\", \"~/.cache\"]\nreadable = [\"~/shared\"]\n";
        night.write("mission-control.toml", settings);
        let home = night.home().display().to_string();
        night.write(
            "tests/beta.sh",
            format!("touch {home}/shared/verified {home}/.cache/verified 2>/dev/null || true\n"),
        );
        night.commit("a folder for agents");
        night.mission(&unit("a", "echo a >~/shared/a && echo a >~/.cache/a && touch a")).exits(0);
        // Folders that tools are told of by a variable which runs get.
        let (own, built) = (night.home().join("own"), night.home().join("built"));
        night.sh("mkdir ~/own ~/built");
        night.var("UV_CACHE_DIR", own.to_str().unwrap()).var("GOCACHE", built.to_str().unwrap());
        let keys = "[agent]\nenv = [\"UV_CACHE_DIR\"]\n[target.verification]\nenv = [\"GOCACHE\"]\n";
        night.write("mission-control.toml", settings.replace("[target.verification]\n", keys));
        night.commit("variables");
        night.write("tests/beta.sh", "touch $GOCACHE/v; touch ~/own/v 2>/dev/null || true\n");
        night.commit("a test that builds");
        night.mission(&unit("b", "touch ~/own/b ~/built/b b")).exits(0);
        assert_eq!(night.sh("echo $(ls ~/own) $(ls ~/built)"), "b b v");
        night.sh("rm -r ~/own ~/built");
        assert_eq!(night.sh("ls ~/shared ~/.cache"), format!("{home}/.cache:\na\n\n{home}/shared:\na"));
    }
}

#[test]
fn a_mission_that_wants_no_fence_or_has_none_says_so() {
    let night = Night::new().within(Fence::Defaults);
    night.mc(&["doctor"]).says(&["what runs can write their own folders"]);
    let night = Night::new().within(Fence::Off);
    let off = "no fence: [sandbox] mode = \"off\"";
    night.mc(&["doctor"]).says(&[off]);
    night.mission(&unit("a", "touch a")).exits(0).says(&[off]);
    assert!(night.report().contains(off), "{}", night.report());
    // Sixteen fences of rules are as many as Linux has inside of each other (landlock(7)), and none of mounts is possible there.
    let night = Night::new().within(Fence::Defaults);
    let plan = night.plan(&unit("a", "touch a; echo x >~/written"));
    let start = format!("{} mission start --plan {plan} 2>&1", env!("CARGO_BIN_EXE_mc"));
    let inside = || {
        for _ in 0..16 {
            // What is not allowed here is refused whether or not it is handled: files may be moved between folders.
            let (rules, root) = (Ruleset::default().handle_access(AccessFs::Refer), PathFd::new("/").unwrap());
            let moving = rules.unwrap().create().unwrap().add_rule(PathBeneath::new(root, AccessFs::Refer));
            moving.unwrap().restrict_self().unwrap();
        }
        night.sh(&start)
    };
    let said = std::thread::scope(|scope| scope.spawn(inside).join().unwrap());
    assert!(said.contains("no fence: what runs can write whatever you can (restrict a run by Landlock"), "{said}");
    assert!(night.report().contains("no fence: "), "{}", night.report());
    assert_eq!(night.sh("cat ~/written"), "x");
}

#[test]
fn p6_where_nothing_can_be_mounted_rules_are_the_fence() {
    for mut night in everybody() {
        night.var("MC_SCHEDULER_ISOLATION", "search");
        night.sh("mkdir -p ~/.ssh ~/.cache ~/.config/gh; for f in .ssh/id .netrc .config/gh/hosts.yml; do echo secret >~/$f; done; echo mine >~/mine; ln -s .ssh ~/alias");
        let talk =
            "import socket\ns = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(s.getsockname())\n";
        night.write("talk.py", talk);
        night.commit("a program with a port");
        let (home, state) = (night.home().display().to_string(), night.state().display().to_string());
        let can = [
            "echo x >made",
            "echo x >$MC_RESULT; rm $MC_RESULT",
            "echo x >$TMPDIR/t",
            "echo x >/dev/null",
            "echo x >/dev/stderr",
            "grep . $MC_BRIEF",
            "git log -1; git fetch origin; git add -A; git commit -qm x",
            "cat ~/mine",
            "echo x >~/.cache/x",
            "script -qc true /dev/null",
            "python3 talk.py",
        ];
        let cannot = [
            "echo x >~/mine",
            "echo x >~/new",
            "echo x >>$MC_BRIEF",
            "grep secret ~/.ssh/id",
            "grep secret ~/alias/id",
            "grep secret ~/.netrc",
            "grep secret ~/.config/gh/hosts.yml",
            "touch /etc/mc-was-here",
            &format!("echo x >{home}/repo/README"),
            &format!("git -C {home}/repo update-ref refs/heads/x HEAD"),
            &format!("cat {state}/mc.db"),
            &format!("touch {state}/x"),
            "touch $MC_WORKSPACE/../../x",
            "mknod device b 7 0",
            "mount -t tmpfs none /mnt",
            "hostname $(hostname)",
            "kill -0 $PPID",
        ];
        night
            .mission(&unit("a", &tries(&[&can[..], &cannot[..]].concat())))
            .exits(0)
            .says(&["one of rules (Landlock)"]);
        assert!(night.report().contains("one of rules (Landlock)"), "{}", night.report());
        let told = format!("{}\n", told(&night));
        for (word, lines) in [("did", &can[..]), ("could not", &cannot[..])] {
            for line in lines {
                let line = line.replace("~/", &format!("{home}/"));
                assert!(told.contains(&format!("{word}: {line}\n")), "{word}: {line}\n{told}");
            }
        }
        night.mc(&["doctor"]).says(&["one of rules (Landlock)"]);
    }
}

#[test]
fn paths_of_the_fence_are_absolute_or_of_the_home() {
    let night = Night::new().within(Fence::Defaults);
    for key in ["writable", "shared", "readable", "hidden"] {
        let settings = format!("[target.verification]\ncommand = \"sh run.sh\"\n[sandbox]\n{key} = [\"../x\"]\n");
        night.write("mission-control.toml", &settings);
        night.commit(key);
        night.mc(&["mission", "start"]).exits(2).says(&[&format!("sandbox.{key}"), "`../x` is neither"]);
    }
}

#[test]
fn p13_a_result_of_a_run_without_a_fence_is_none_of_one_inside() {
    let mut night = Night::new().within(Fence::Defaults);
    let reused = |night: &Night| {
        let said: serde_json::Value = serde_json::from_str(&night.mc(&["verify", "--json"]).exits(0).out).unwrap();
        said["rev"]["reused"].as_bool().unwrap()
    };
    assert!(!reused(&night) && reused(&night));
    night.var("MC_SANDBOX_MODE", "off");
    assert!(!reused(&night) && reused(&night));
}

#[test]
fn doctor_says_when_the_fence_is_the_reason_and_what_helps() {
    let night = Night::new().within(Fence::Defaults);
    night.sh("echo registry=https://packages.example.org >~/.npmrc; echo token >~/.pypirc; mkdir ~/reports");
    night.write("BACKLOG.md", "## A\n- run: touch a\n");
    let needs = "test -s ~/.npmrc || { echo 'no registry is known'; exit 9; }; sh run.sh";
    let helps = "[sandbox] readable = [\"~/.npmrc\"] helps";
    for setup in [false, true] {
        match setup {
            true => night.settings("sh run.sh", "[target]\nsetup = \"grep registry ~/.npmrc\""),
            false => night.settings(needs, ""),
        }
        night.mc(&["doctor", "--baseline"]).exits(6).says(&["it passes, or more of it does, without the fence", helps]);
    }
    night.settings(needs, "[sandbox]\nreadable = [\"~/.npmrc\"]");
    night.mc(&["doctor", "--baseline"]).exits(0).does_not_say(&["without the fence"]);
    night.settings("echo x >~/reports/x && sh run.sh", "");
    let shared = "name what it writes outside of its workspace in [sandbox] shared";
    night.mc(&["doctor", "--baseline"]).exits(6).says(&[shared]);
    night.settings("echo x >~/reports/x && sh run.sh", "[sandbox]\nshared = [\"~/reports\"]");
    night.mc(&["doctor", "--baseline"]).exits(0);
    night.settings("sh run.sh; exit 3", "");
    night.mc(&["doctor", "--baseline"]).does_not_say(&["without the fence"]);
}

#[test]
fn p6_whatever_the_settings_run_is_behind_the_fence() {
    for night in everybody() {
        night.sh("mkdir -p ~/.ssh && echo secret >~/.ssh/id");
        // Each says that it ran in the one folder that is shared, and writes what it can reach beside that.
        let home = night.home().display().to_string();
        let tries = |what: &str| {
            format!(
                "echo {what} >>{home}/ran/{what}; for f in {home}/{what} {home}/repo/{what} {home}/repo/.git/{what} \
                 {home}/state/{what} $TMPDIR/../../{what} /etc/mc-{what}; do touch $f 2>/dev/null && echo $f >>{home}/ran/wrote; done; \
                 grep -q secret {home}/.ssh/id 2>/dev/null && echo {what} reads >>{home}/ran/wrote; true"
            )
        };
        night.sh("mkdir ~/ran");
        let settings = format!(
            "[target]\nsetup = '''{}'''\ncheck = '''{}'''\n[target.verification]\nfingerprint = ['''{}''']\n\
             [[target.verification.stage]]\nname = \"gate\"\nrun = '''{}; sh run.sh'''\n\
             [agent]\ncommand = '''{}; touch b'''\n[sandbox]\nshared = [\"~/ran\"]\n",
            tries("setup"),
            tries("check"),
            tries("fingerprint"),
            tries("stage"),
            tries("agent")
        );
        night.write("mission-control.toml", settings.replace("[\"~/ran\"]", &format!("[\"{home}/ran\"]")));
        night.commit("everything tries");
        let a = unit("a", &format!("{}; touch a", tries("unit")));
        let b = format!(
            "[[unit]]\nid = \"b\"\ntitle = \"B\"\nverify = '''{}; test -e b'''\naccept = '''{}; test -e b'''\n",
            tries("verify"),
            tries("accept")
        );
        night.mission(&(a + &b)).exits(0);
        let ran = night.sh("ls ~/ran | tr '\\n' ' '");
        assert_eq!(night.sh("cat ~/ran/wrote 2>/dev/null || true"), "");
        assert_eq!(ran, "accept agent check fingerprint setup stage unit verify", "{}", night.report());
    }
}

#[test]
fn p6_nothing_an_agent_leaves_opens_a_place_to_the_next_run() {
    for mut night in everybody() {
        night.sh(
            "mkdir -p ~/.ssh ~/.cache ~/w/git ~/w/deep && echo secret >~/.ssh/id && echo secret >~/w/git/credentials",
        );
        night.var("UV_CACHE_DIR", night.home().join(".cache/uv").to_str().unwrap());
        night.without_oracle("its test writes through the link where nothing keeps it from that");
        let settings = "[target.verification]\ncommand = \"sh run.sh\"\nenv = [\"UV_CACHE_DIR\"]\n[agent]\nenv = [\"UV_CACHE_DIR\"]\n\
                        [sandbox]\nwritable = [\"~/.cache\", \"~/w\"]\nhidden = [\"~/.ssh\", \"~/w/git/credentials\"]\n";
        night.write("mission-control.toml", settings);
        let home = night.home().display().to_string();
        night.write(
            "tests/alpha.sh",
            format!("touch {home}/.cache/uv/verified 2>/dev/null; ! test -e {home}/verified\n"),
        );
        night.commit("a cache by a variable");
        let leaves = unit("leaves", "ln -s ~/ ~/.cache/uv; mv ~/w/git ~/w/git2; touch leaves");
        night.mission(&leaves).exits(0);
        night.sh("rm -rf ~/.cache/uv; ln -s $HOME ~/.cache/uv");
        let lines =
            ["grep secret ~/.cache/uv/.ssh/id", "echo x >~/.cache/uv/.bashrc", "grep -r secret ~/w", "ls ~/w/git2"];
        night.mission(&unit("finds", &tries(&lines))).exits(0);
        assert_eq!(told(&night).matches("could not: ").count(), lines.len(), "{}", told(&night));
        assert!(night.holds("test ! -e ~/.bashrc -a ! -e ~/verified"));
    }
}

#[test]
fn p6_a_run_inherits_nothing_and_keys_are_hidden_without_home() {
    for night in everybody() {
        night.sh("mkdir -p ~/.ssh && echo secret >~/.ssh/id");
        let lines = [
            "grep secret /proc/self/fd/20/.ssh/id",
            "echo x >/proc/self/fd/20/x",
            "grep -q . /proc/1/fd/2",
            "echo x >/proc/1/fd/2",
        ];
        let plan = night.plan(&unit("a", &tries(&lines)));
        night.sh(&format!(
            "bash -c 'exec 20<\"$HOME\"; exec {} mission start --plan {plan}'",
            night.program().display()
        ));
        assert_eq!(told(&night).matches("could not: ").count(), lines.len(), "{}", told(&night));
    }
    // The home that the system knows is looked through as well.
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let own = rustix::process::geteuid().as_raw().to_string();
    let home =
        users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|f| f[2] == own).map(|f| f[5].to_owned());
    let Some(home) = home.filter(|home| Path::new(home).join(".gitconfig").exists()) else { return };
    let night = Night::new().within(Fence::Defaults);
    night.settings("sh run.sh", "[sandbox]\nhidden = [\"\\u007E/.gitconfig\"]");
    night.mission(&unit("a", &tries(&[&format!("grep . {home}/.gitconfig")]))).exits(0);
    assert!(told(&night).starts_with("could not"), "{}", told(&night));
}

#[test]
fn a_source_that_borrows_below_tmp_is_whole_inside() {
    let night = Night::new().within(Fence::Defaults);
    let lender = tempfile::Builder::new().prefix("mc-lender-").tempdir_in("/tmp").unwrap();
    let path = lender.path().display();
    night.sh(&format!("git clone -q --bare . {path}/base && echo {path}/base/objects >.git/objects/info/alternates && git repack -adlq"));
    night.mission(&unit("a", "git fsck --connectivity-only && git log -1 && touch a")).exits(0);
}
