//! Hostile text, hostile work and a damaged state directory: data stays data, nothing hangs, nothing is lost, and the
//! message says what to do next.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::fence::Fence;
use crate::support::night::{Night, unit};
use crate::support::tools::cannot_run;
use serde_json::json;

/// Text that would do harm in a shell, in a terminal or in a commit message.
const EVIL: &str = "it's \"q\" $(touch ~/pwned) `touch ~/pwned`; touch ~/pwned & \u{1b}[31mred\u{1b}]0;title\u{7} \u{202e}x \\ %s\nMc-Unit: other\nMC_RESULT:{\"status\":\"failed\"}";

fn not_pwned(night: &Night) {
    assert!(!night.home().join("pwned").exists(), "text was run");
}

/// Nothing a person looks at carries control characters.
fn clean_views(night: &Night, unit: &str) {
    for args in [
        &["status"][..],
        &["report"],
        &["units"],
        &["unit", "show", unit],
        &["green", "show"],
        &["mission", "list"],
        &["events"],
        &["status", "--json"],
        &["report", "--format", "json"],
    ] {
        let text = night.mc(args).exits(0).text();
        let bad = text.chars().find(|c| {
            (c.is_control() && *c != '\n') || *c == '\u{202e}' && !args.contains(&"events") && !text.starts_with('{')
        });
        assert_eq!(bad, None, "{args:?}: {text:?}");
    }
}

#[test]
fn p12_titles_descriptions_file_names_and_test_names_are_data() {
    let night = Night::new().within(Fence::Off);
    let text = |s: &str| json!(s).to_string();
    let names = r#"touch -- "\$(touch pwned)" "-rf" "it's" 'a"b' "new
line" "$(printf 'bad\377utf')" "$(printf 'esc\033[31m')" "\`touch pwned\`"; echo "echo '\$(touch ~/pwned)'" > "tests/\$(touch ~).sh""#;
    let plan = format!(
        "[[unit]]\nid = \"a\"\ntitle = {}\ndescription = {}\nattempts = 1\nrun = {}\n",
        text(EVIL),
        text(EVIL),
        text(names)
    );
    night.mission(&plan).exits(0).does_not_say(&["\u{1b}", "\u{202e}"]);
    assert_eq!(night.unit("a"), "landed");
    not_pwned(&night);
    clean_views(&night, "a");
    assert_eq!(night.sh("git diff --name-only -z main mc/green | tr -cd '\\0' | wc -c"), "9");
    // The title cannot pass for a trailer of another unit.
    assert_eq!(night.sh("git log -1 --format='%(trailers:key=Mc-Unit,valueonly,separator=%x2C)' mc/green"), "a");
    night.audit();
}

#[test]
fn p12_hostile_names_in_verification_and_conflicts_are_data() {
    let night = Night::new().within(Fence::Off);
    night.write("evil", "base\n");
    night.commit("base");
    let test = r#"printf 'false\n' > "$(printf 'tests/\033[31m$(touch ~)`touch ~`.sh')""#;
    let other =
        |id: &str| unit(id, &format!("git mv evil {id}; echo {id} > \"$(printf 'same\\n$(touch ~)\\033[31m')\""));
    night.mission(&[unit("red", test), other("one"), other("two")].join("\n")).exits(3).does_not_say(&["\u{1b}"]);
    assert_eq!(night.unit("red"), "rejected");
    assert!(night.reason("red").contains("new test fails"), "{}", night.reason("red"));
    clean_views(&night, "red");
    clean_views(&night, "two");
    night.audit();
}

#[test]
fn p12_ids_that_are_no_names_are_refused_with_their_line() {
    let night = Night::new().within(Fence::Off);
    for id in ["../up", "$(x)", "-rf", "a b", "a..b", "x.lock", ""] {
        let plan = format!("\n[[unit]]\nid = {}\ntitle = \"t\"\nrun = \"true\"\n", json!(id));
        night.mission(&plan).exits(2).says(&["plan.toml", "id"]);
    }
    for args in [
        ["unit", "show", "../../x"],
        ["unit", "retry", "$(touch ~/pwned)"],
        ["unit", "log", "-x"],
        ["mission", "show", "../x"],
    ] {
        assert_eq!(night.mc(&args).code, 2, "{args:?}");
    }
    not_pwned(&night);
}

#[test]
fn p12_output_of_any_kind_is_read() {
    let night = Night::new().within(Fence::Off);
    // Fifty million bytes without a line break, NUL, invalid UTF-8, escapes; in the agent's output and the verification's.
    let flood = "head -c 50000000 /dev/zero | tr '\\0' x; printf 'a\\0b\\377\\376\\033[31m\\033]0;t\\007\\n'";
    night.write("flood.sh", flood);
    night.settings("[ ! -e flood ] || sh flood.sh; sh run.sh", "[agent]\ncommand = \"sh ~/agent.sh\"");
    std::fs::write(
        night.home().join("agent.sh"),
        format!("cat >/dev/null; {flood}; [ $MC_UNIT = told ] && printf 'MC_RESULT:{{\"status\":\"completed\",\"no_op_reason\":\"\\\\u001b[31mnothing\\0\"}}\\nMC_RESULT:{{\"status\":\"completed\",\"no_op_reason\":\"\\\\u001b[31mnothing\"}}\\n' || exit 3"),
    )
    .unwrap();
    let fails = "[[unit]]\nid = \"fails\"\ntitle = \"f\"\nattempts = 1\n[[unit]]\nid = \"told\"\ntitle = \"t\"\n";
    night.mission(&[&unit("floods", "touch flood"), fails].join("\n")).exits(3).does_not_say(&["\u{1b}", "\0"]);
    assert_eq!([night.unit("floods"), night.unit("told"), night.unit("fails")], ["landed", "no-op", "failed"]);
    clean_views(&night, "fails");
    // To a pipe the log goes whole and as it is.
    assert!(night.mc(&["unit", "log", "fails"]).exits(0).out.len() > 50_000_000);
    let size: u64 = night.sh("du -sb ../state/mc.db | cut -f1").parse().unwrap();
    assert!(size < 1_000_000, "the journal swallowed the output: {size}");
    night.audit();
}

#[test]
fn p2_what_an_agent_does_to_its_clone_loses_nothing() {
    hostile_clones(&Night::new().within(Fence::Off));
}

/// Root can read what is closed to everybody; others cannot.
#[test]
fn p2_what_an_agent_does_to_its_clone_loses_an_ordinary_user_nothing() {
    let night = Night::of_an_ordinary_user().within(Fence::Off);
    hostile_clones(&night);
    assert!(night.report().contains("were closed to their owner and were opened"));
    night.mission(&unit("git", "echo 8 > kept-8; chmod 000 .git; chmod 555 .")).exits(0);
    assert!(night.holds("git cat-file -e mc/green:kept-8"));
}

fn hostile_clones(night: &Night) {
    night.settings("sh run.sh", "[scheduler.parallel]\nnum_workers = 1");
    let evil = "touch ~/pwned";
    let plan = [
        unit("deletes-git", "echo 1 > kept-1; rm -rf .git"),
        unit("plants", &format!(
            "echo 2 > kept-2; echo '* filter=evil diff=evil merge=evil' > .gitattributes
             for h in post-checkout pre-commit reference-transaction post-index-change; do mkdir -p .git/hooks; printf '#!/bin/sh\\n{evil}\\n' > .git/hooks/$h; chmod +x .git/hooks/$h; done
             printf '#!/bin/sh\\n{evil}\\n' > .git/fsm; chmod +x .git/fsm
             cat >> .git/config <<END
[core]
  fsmonitor = $PWD/.git/fsm
  hooksPath = $PWD/.git/hooks
  sshCommand = {evil}
[filter \"evil\"]
  clean = {evil}; cat
  smudge = {evil}; cat
  required = true
[diff \"evil\"]
  textconv = {evil}; cat
[merge \"evil\"]
  driver = {evil}
[alias]
  status = !{evil}
END"
        )),
        unit("half-merge", "git checkout -qb x; echo x > m; git add m; git commit -qm x; git checkout -qb y HEAD~; echo y > m; git add m; git commit -qm y; git merge x; true"),
        unit("nests", "mkdir sub; cd sub; git init -q; echo 3 > kept-3; git add .; git commit -qm sub"),
        unit("closes", "mkdir dark; echo 4 > dark/kept-4; chmod 000 dark"),
        unit("pipes", "mkfifo pipe; ln -s loop loop; ln -s . self; ln -s run.sh out; echo 5 > kept-5"),
        unit("locks", "echo 6 > kept-6; touch .git/index.lock .git/HEAD.lock .git/refs/heads/x.lock"),
        unit("detaches", "echo 7 > kept-7; git add kept-7; git commit -qm seven; git checkout -q --detach; git branch -D $(git branch --format='%(refname:short)' | grep -v '(') 2>/dev/null; true"),
        unit("empties", "rm -rf -- * .[a-z]*"),
    ];
    night.mission(&plan.join("\n")).exits(3);
    not_pwned(night);
    for (id, state) in [
        ("deletes-git", "landed"),
        ("plants", "landed"),
        ("half-merge", "failed"),
        ("nests", "landed"),
        ("closes", "landed"),
        ("pipes", "landed"),
        ("locks", "landed"),
        ("detaches", "landed"),
        ("empties", "rejected"),
    ] {
        assert_eq!(night.unit(id), state, "{id}: {}", night.reason(id));
    }
    assert!(night.reason("half-merge").contains("merge or rebase half done"), "{}", night.reason("half-merge"));
    let files = night.sh("git ls-tree -r --name-only mc/green");
    for n in 1..=7 {
        assert!(files.contains(&format!("kept-{n}")), "{n}: {files}");
    }
    night.audit();
    // The user's own git is not touched by what landed.
    night.sh("git status --porcelain && git log --stat mc/green >/dev/null && git fsck --connectivity-only");
    not_pwned(night);
}

#[test]
fn p10_hostile_result_files_and_deleted_folders_hang_nobody() {
    let night = Night::new().within(Fence::Off);
    night.settings(
        "sh run.sh",
        "[agent]\ncommand = \"cat >/dev/null; sh ~/agent/$MC_UNIT\"\n[scheduler]\nmax_attempts = 1\nmax_infrastructure_retries = 1",
    );
    let mut plan = String::new();
    for (id, script) in [
        ("fifo", "touch fifo; mkfifo $MC_RESULT"),
        ("folder", "touch folder; mkdir $MC_RESULT"),
        ("endless", "touch endless; ln -s /dev/zero $MC_RESULT"),
        ("secret", "touch s; ln -s /etc/passwd $MC_RESULT"),
        ("big", "touch big; head -c 30000000 /dev/zero > $MC_RESULT"),
        ("erases", "touch e; rm -rf \"${MC_RESULT%/*}\"/*"),
        ("leaves", "cd /; rm -rf \"$MC_WORKSPACE\""),
    ] {
        std::fs::create_dir_all(night.home().join("agent")).unwrap();
        std::fs::write(night.home().join("agent").join(id), script).unwrap();
        plan.push_str(&format!("[[unit]]\nid = \"{id}\"\ntitle = \"{id}\"\n"));
    }
    let said = night.mission(&plan);
    for id in ["fifo", "folder", "endless", "secret", "big"] {
        assert_eq!(night.unit(id), "landed", "{id}: {}\n{}", night.reason(id), said.text());
    }
    for id in ["erases", "leaves"] {
        assert!(["landed", "failed"].contains(&night.unit(id).as_str()), "{id}: {}", night.unit(id));
    }
    // What went with a workspace is named, and nothing else.
    let said = night.mc(&["audit"]).exits(4).out;
    assert!(
        said.lines().all(|line| line.contains(" leaves attempt ") && line.contains("what it left is not pinned")),
        "{said}"
    );
    night.mc(&["report", "--verify"]).exits(4).says(&["what it left is not pinned"]);
}

#[test]
fn p12_a_secret_reaches_only_whom_it_was_given_to() {
    for given in [false, true] {
        let mut night = Night::new().within(Fence::Off);
        let more = if given { "env = [\"API_TOKEN\"]" } else { "" };
        night.settings(
            "env > ~/env.verification; sh run.sh",
            &format!("[agent]\ncommand = \"cat >/dev/null; env > ~/env.agent; touch a\"\n{more}"),
        );
        night.var("API_TOKEN", "hunter2").var("AWS_SECRET", "hunter3").var("LC_TIME", "C");
        night
            .mission(&["[[unit]]\nid = \"a\"\ntitle = \"a\"\n", &unit("s", "env > ~/env.script; touch s")].join("\n"))
            .exits(0);
        let read = |who: &str| std::fs::read_to_string(night.home().join(format!("env.{who}"))).unwrap();
        assert_eq!(read("agent").contains("hunter2"), given);
        assert!(!read("verification").contains("hunter2"));
        for who in ["agent", "script", "verification"] {
            let env = read(who);
            assert!(
                !env.contains("hunter3")
                    && !env.contains("MC_STATE_DIR")
                    && env.contains("LC_TIME=C")
                    && env.contains("HOME="),
                "{env}"
            );
        }
        assert!(read("agent").contains("MC_UNIT=a") && read("agent").contains("MC_RESULT=/"));
        assert!(!night.holds("grep -r hunter3 ../state"), "a secret was written down");
        let modes = night.sh("find ../state -name out.log -perm /077; find ../state -maxdepth 0 -perm /077");
        assert_eq!(modes, "", "logs are for their owner only");
    }
}

#[test]
fn p6_variables_of_git_around_mc_do_not_lead_it_elsewhere() {
    let mut night = Night::new().within(Fence::Off);
    night.sh("git init -q ../other");
    for (name, value) in [
        ("GIT_DIR", "/nowhere"),
        ("GIT_INDEX_FILE", "/nowhere/index"),
        ("GIT_WORK_TREE", "/nowhere"),
        ("GIT_NAMESPACE", "x"),
        ("GIT_TRACE", "1"),
        ("GIT_EDITOR", "false"),
        ("GIT_CONFIG_COUNT", "x"),
    ] {
        night.var(name, value);
    }
    let plan = night.plan(&unit("a", "touch a"));
    night.mc(&["mission", "start", "--plan", &plan]).exits(0);
    night.forget_vars();
    assert!(night.holds("git cat-file -e mc/green:a"));
}

#[test]
fn p7_a_damaged_or_newer_database_is_refused_and_left_as_it_is() {
    let night = Night::new().within(Fence::Off);
    night.mission(&unit("a", "touch a")).exits(0);
    let db = night.state().join("mc.db");
    night.sh("sha256sum ../state/mc.db > /dev/null");
    let whole = std::fs::read(&db).unwrap();
    night.sql("PRAGMA user_version = 99");
    for args in
        [&["status"][..], &["report"], &["audit"], &["mission", "start", "--plan", &night.plan(&unit("b", "touch b"))]]
    {
        night.mc(args).exits(6).says(&["schema version 99", "newer mc"]);
    }
    std::fs::write(&db, [&whole[..100], &[0xa5; 4000][..], &whole[4100..]].concat()).unwrap();
    let broken = std::fs::read(&db).unwrap();
    for args in
        [&["status"][..], &["mission", "resume"], &["mission", "start", "--plan", &night.plan(&unit("b", "touch b"))]]
    {
        night.mc(args).exits(6).says(&["nothing was changed in it", "git for-each-ref refs/mc", "backup"]);
    }
    assert_eq!(std::fs::read(&db).unwrap(), broken);
    std::fs::write(&db, "not a database at all").unwrap();
    night.mc(&["status"]).exits(6).says(&["mc.db", "refs/mc"]);
    assert!(night.holds("git cat-file -e mc/green:a"));
}

#[test]
fn p2_lost_refs_workspaces_and_state_are_survived() {
    let mut night = Night::new().within(Fence::Off);
    night.mission(&unit("a", "touch a")).exits(0);
    night.sh("git for-each-ref --format='delete %(refname)' refs/mc | git update-ref --stdin");
    night.mission(&unit("b", "touch b")).exits(0);
    night.sh("rm -rf $POOL ../state/merge.git $RUNS ../state/logs");
    night.mission(&unit("c", "touch c")).exits(0);
    night.sh("for s in $POOL/*/work/.git; do rm -rf $s/objects; : > $s/HEAD; done; mkdir -p $POOL/junk");
    night.mission(&unit("d", "touch d")).exits(0);
    // All that does not hold is the pin somebody deleted.
    night.mc(&["audit"]).exits(4).says(&["/a/1 is gone; it pinned", "1 claim does not hold"]);
    night.sh("rm -rf ../state");
    night.mission(&unit("e", "touch e")).exits(5).says(&["--take-over"]);
    let machine = night.sh("uname -n");
    night.mission_with(&unit("e", "touch e"), &["--take-over", &machine]).exits(0);
    for file in ["a", "b", "c", "d", "e"] {
        assert!(night.holds(&format!("git cat-file -e mc/green:{file}")), "{file}");
    }
    let inside = night.repo().join(".mc").display().to_string();
    night.var("MC_STATE_DIR", &inside);
    night.mission(&unit("f", "touch f")).exits(6).says(&["inside the repository", "MC_STATE_DIR"]);
    assert!(!night.repo().join(".mc").exists());
    // A place that cannot be written.
    night.var("MC_STATE_DIR", "/proc/mc");
    assert!([2, 6].contains(&night.mission(&unit("f", "touch f")).says(&["/proc"]).code));
}

#[test]
fn p4_a_full_disk_is_named_and_the_mission_goes_on_when_there_is_room() {
    let night = Night::new().within(Fence::Off);
    if !night.holds("unshare -m sh -c 'mount -t tmpfs -o size=1m none ../ && true'") {
        cannot_run("no right to mount a small file system");
        return;
    }
    let fill = "[ -e ~/filled ] || { touch ~/filled; cat /dev/zero > ~/state/fill 2>/dev/null; }; touch a";
    let plan = night.plan(&unit("a", fill));
    let mc = env!("CARGO_BIN_EXE_mc");
    let said = night.sh(&format!(
        "mkdir ../state; unshare -m sh -c 'mount -t tmpfs -o size=8m none ../state
           {mc} mission start --plan {plan}; echo first $?; df ../state | tail -1
           rm -f ../state/fill; {mc} mission resume; echo second $?; {mc} status; {mc} audit; echo audit $?' 2>&1"
    ));
    for words in ["first 6", "disk is full", "mc mission resume", "second 0", "audit 0", "1 of 1 unit landed"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(night.holds("git cat-file -e mc/green:a"));
}

/// A unit that changes a file to which others add lines, too.
fn adds(id: &str, file: &str, more: &str) -> String {
    unit(id, &format!("{more}; sed -i '1i {id}' {file}"))
}

#[test]
fn p6_p8_a_merge_driver_planted_in_the_state_directory_neither_runs_nor_merges() {
    let night = Night::new().within(Fence::Off);
    night.write("list", "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    night.commit("list");
    let state = night.repo().parent().unwrap().join("state").display().to_string();
    let side = night.home().join("ran").display().to_string();
    // Plants wherever a git directory may be, again and again, while others land.
    let plant = format!(
        "for i in 1 2 3 4 5 6 7 8; do for M in {state} {state}/merge.git {state}/merge.git/*/; do [ -d $M ] || continue; \
         git config -f $M/config merge.x.driver 'echo ran >> {side}'; mkdir -p $M/info; \
         echo '* merge=x' > $M/info/attributes; done; sleep 0.1; done; echo a > planted"
    );
    let end = "sleep 0.4; echo $MC_UNIT >> list";
    let plan = [
        unit("first", "echo f > first"),
        unit("plants", &plant),
        adds("one", "list", "sleep 0.3"),
        unit("two", end),
        unit("three", "sleep 0.5; sed -i 's/^5$/three/' list"),
    ];
    night.mission(&plan.join("\n")).exits(0);
    assert!(!std::path::Path::new(&side).exists(), "a planted driver ran");
    assert_eq!(night.sh("git show mc/green:list | tr '\\n' ' '"), "one 1 2 3 4 three 6 7 8 9 two");
    night.audit();
}

#[test]
fn files_of_the_union_setting_take_the_lines_of_everybody_without_a_conflict() {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh", "[queue]\nunion = [\"CHANGELOG.md\"]");
    night.write("CHANGELOG.md", "# Changes\n");
    night.write("list", "# List\n");
    night.write(".gitattributes", "list merge=union\n");
    night.commit("files");
    let plan: Vec<String> =
        (1..6).map(|n| unit(&format!("u{n}"), "sleep 0.3; echo $MC_UNIT >> CHANGELOG.md")).collect();
    night.mission(&plan.join("\n")).exits(0);
    assert_eq!(night.sh("git show mc/green:CHANGELOG.md | sort | tr '\\n' ' '"), "# Changes u1 u2 u3 u4 u5");
    night.mc(&["events"]).exits(0).does_not_say(&["conflicts with green"]);
    night.audit();
    // What the tree itself asks for has no effect.
    let plan: Vec<String> = (1..3).map(|n| unit(&format!("v{n}"), "sleep 0.3; echo $MC_UNIT >> list")).collect();
    night.mission(&plan.join("\n")).exits(0);
    night.mc(&["events"]).exits(0).says(&["conflicts with green in list"]);
}

#[test]
fn p6_no_setting_of_the_repository_has_mc_run_a_program() {
    let night = Night::new().within(Fence::Off);
    let ran = night.home().join("ran").display().to_string();
    let program = night.home().join("program").display().to_string();
    std::fs::write(&program, format!("#!/bin/sh\necho \"$0 $*\" >> {ran}\nexit 1\n")).unwrap();
    let slots = night.pool().display().to_string();
    night.sh(&format!(
        "chmod +x {program}; mkdir -p hooks; for h in post-checkout reference-transaction post-index-change pre-auto-gc; do \
         cp {program} .git/hooks/$h; done; git config core.hooksPath .git/hooks; \
         git config core.alternateRefsCommand {program}; git config core.editor {program}; git config core.pager {program}; \
         git config pager.log {program}; git config diff.external {program}; git config diff.x.textconv {program}; \
         git config diff.x.command {program}; git config merge.x.driver {program}; git config gpg.program {program}; \
         git config log.showSignature true; git config commit.gpgSign true; git config tag.gpgSign true; \
         git config core.sshCommand {program}; git config core.askPass {program}; git config credential.helper {program}; \
         git config fetch.recurseSubmodules true; git config fetch.writeCommitGraph true; git config alias.status '!{program}'; \
         for n in 1 2 3 4; do for d in {slots}/slot-$n/work/.git {slots}/slot-$n/.git; do \
         git config remote.$d.uploadpack {program}; done; done; \
         echo '* merge=x diff=x' > .git/info/attributes"
    ));
    // Work that is not handed over the short way: other tips and stashes are fetched.
    let odd = "echo a > a; git add a; git stash -q; git checkout -q -b side; echo o > o; git add o; git commit -qm o; git checkout -q --detach HEAD~1; echo b > b";
    night.mission(&[unit("a", odd), unit("b", "echo b > b2")].join("\n")).exits(0);
    for args in [&["audit"][..], &["report", "--verify"], &["doctor"], &["unit", "diff", "a"], &["green", "show"]] {
        night.mc(args);
    }
    let told = std::fs::read_to_string(&ran).unwrap_or_default();
    assert_eq!(told, "");
    assert!(!night.repo().join(".git/objects/info/commit-graphs").exists());
}
