//! What runs may reach of the machine's files: their own folders, and what the settings name.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::support::night::{Night, unit};

/// A script that tries each line and says in `told`, a file of the workspace, whether it worked.
fn tries(lines: &[&str]) -> String {
    let each = |line: &&str| {
        format!("if ({line}) >/dev/null 2>&1; then echo 'did: {line}'; else echo 'could not: {line}'; fi")
    };
    format!("{{ {}; }} >told", lines.iter().map(each).collect::<Vec<_>>().join("; "))
}

/// Both kinds of users.
fn everybody() -> [Night; 2] {
    [Night::new(), Night::of_an_ordinary_user()].map(Night::fenced)
}

fn told(night: &Night) -> String {
    night.sh("git show mc/green:told")
}

#[test]
fn p6_a_run_writes_its_own_folders_and_nothing_else() {
    for night in everybody() {
        night.sh("echo mine > ~/mine");
        let (home, state) = (night.home().display().to_string(), night.state().display().to_string());
        let lines = [
            "echo x >made",
            "echo x >$MC_WORKSPACE/../beside; rm $MC_WORKSPACE/../beside",
            "echo x >$MC_RESULT; rm $MC_RESULT",
            "echo x >/tmp/x",
            "echo x >/var/tmp/y",
            "echo x >/dev/shm/z",
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
        night.sh(&format!("mkdir -p {state}/pool/slot-9 && chmod 700 {state} {state}/pool"));
        night.mission(&unit("a", &tries(&[&lines[..], &cannot[..]].concat()))).exits(0);
        let told = told(&night);
        let (lines, cannot) = (
            lines.map(|line| line.replace("~/", &format!("{home}/"))),
            cannot.map(|line| line.replace("~/", &format!("{home}/"))),
        );
        for line in lines {
            assert!(told.contains(&format!("did: {line}\n")), "{line}\n{told}");
        }
        for line in cannot {
            assert!(format!("{told}\n").contains(&format!("could not: {line}\n")), "{line}\n{told}");
        }
        assert_eq!(night.sh("cat ~/mine; ls /tmp/x /var/tmp/y /dev/shm/z 2>/dev/null || true"), "mine");
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
    for night in everybody() {
        night.sh("mkdir -p ~/shared ~/.cache");
        let settings =
            "[target.verification]\ncommand = \"sh run.sh\"\n[sandbox]\nwritable = [\"~/shared\", \"~/.cache\"]\n";
        night.write("mission-control.toml", settings);
        let home = night.home().display().to_string();
        night.write(
            "tests/beta.sh",
            format!("touch {home}/shared/verified {home}/.cache/verified 2>/dev/null || true\n"),
        );
        night.commit("a folder for agents");
        night.mission(&unit("a", "echo a >~/shared/a && echo a >~/.cache/a && touch a")).exits(0);
        assert_eq!(night.sh("ls ~/shared ~/.cache"), format!("{home}/.cache:\na\n\n{home}/shared:\na"));
    }
}

#[test]
fn a_mission_that_has_no_fence_although_it_wants_one_says_so() {
    let night = Night::new().fenced();
    let settings = "[target.verification]\ncommand = \"sh run.sh\"\n[scheduler]\nisolation = \"search\"\n";
    night.write("mission-control.toml", settings);
    night.commit("settings");
    let why = "no fence: what runs can write whatever you can (search makes no mount namespace)";
    night.mission(&unit("a", "touch a; echo x >~/written")).exits(0).says(&[why]);
    assert!(night.report().contains(why), "{}", night.report());
    assert_eq!(night.sh("cat ~/written"), "x");
    night.mc(&["doctor"]).says(&[why]);
    let night = Night::new().fenced();
    night.mc(&["doctor"]).says(&["what runs can write their own folders"]);
    let night = Night::new();
    night.mc(&["doctor"]).says(&["what runs can write whatever you can: [sandbox] mode = \"auto\""]);
}

#[test]
fn paths_of_the_fence_are_absolute_or_of_the_home() {
    let night = Night::new().fenced();
    for key in ["writable", "readable", "hidden"] {
        let settings = format!("[target.verification]\ncommand = \"sh run.sh\"\n[sandbox]\n{key} = [\"../x\"]\n");
        night.write("mission-control.toml", &settings);
        night.commit(key);
        night.mc(&["mission", "start"]).exits(2).says(&[&format!("sandbox.{key}"), "`../x` is neither"]);
    }
}

#[test]
fn p13_a_result_of_a_run_without_a_fence_is_none_of_one_inside() {
    let mut night = Night::new().fenced();
    let reused = |night: &Night| {
        let said: serde_json::Value = serde_json::from_str(&night.mc(&["verify", "--json"]).exits(0).out).unwrap();
        said["rev"]["reused"].as_bool().unwrap()
    };
    assert!(!reused(&night) && reused(&night));
    night.var("MC_SANDBOX_MODE", "off");
    assert!(!reused(&night) && reused(&night));
}
