//! What people are told when something went wrong: first what matters, once, and nothing that is not so.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use crate::support::fence::Fence;
use crate::support::night::{Night, unit};

#[test]
fn p8_what_a_script_says_against_itself_counts() {
    let night = Night::new();
    let says =
        |status: &str| format!(r#"echo '{{"status":"{status}","summary":"the words of {status}"}}' > "$MC_RESULT""#);
    let plan = [
        unit("fails", &says("failed")),
        unit("half", &format!("touch half; {}", says("failed"))),
        unit("asks", &says("blocked")),
        unit("asks-late", &format!("touch late; {}", says("blocked"))),
        // The other words give it nothing: it is done when it leaves with 0, and failed when it does not.
        unit("goes-on", &format!("touch on; {}", says("continue"))),
        unit("boasts", &format!("touch boast; {}; exit 3", says("completed"))),
        // Its output is no place for a claim: that is what any program prints.
        unit("prints", r#"touch printed; echo 'MC_RESULT: {"status":"failed"}'"#),
    ];
    let said = night.mission(&plan.join("\n")).exits(3);
    for (unit, state, class) in [
        ("fails", "failed", "failed-work"),
        ("half", "failed", "failed-work"),
        ("asks", "held", "held"),
        ("asks-late", "held", "held"),
        ("goes-on", "landed", "changed"),
        ("boasts", "failed", "failed-work"),
        ("prints", "landed", "changed"),
    ] {
        assert_eq!((night.unit(unit).as_str(), night.classes(unit)), (state, vec![class.to_owned()]), "{unit}");
    }
    assert!(night.reason("fails").contains("the words of failed"), "{}", night.reason("fails"));
    assert_eq!(night.reason("asks-late"), "the words of blocked");
    said.says(&["the words of blocked"]);
    night.audit();
}

#[test]
fn tests_that_are_to_go_are_told_the_way_and_named_when_they_went() {
    let night = Night::new();
    let allowed = unit("allowed", "git mv tests/beta.sh tests/renamed.sh") + "allow-removed-tests = true\n";
    let said = night.mission(&[unit("goes", "git rm -q tests/alpha.sh"), allowed].join("\n")).exits(3);
    said.says(&["1 test disappeared: "]);
    assert_eq!((night.unit("goes"), night.unit("allowed")), ("rejected".to_owned(), "landed".to_owned()));
    let way = "`allow-removed-tests: true` at the unit";
    night.mc(&["unit", "show", "goes"]).exits(0).says(&[way]);
    night.mc(&["report"]).exits(0).says(&[way]).does_not_say(&["taken in from the target branch"]);
    night.audit();
    // A person takes one away on the target branch.
    night.sh("git rm -q tests/alpha.sh; git commit -qm fewer");
    night.mc(&["verify", "--base", "HEAD^"]).exits(4).says(&[way, "what a person commits to the target branch"]);
    night.mission(&unit("next", "touch next")).exits(0);
    let said = night.mc(&["report"]).exits(0);
    said.says(&["\ntaken in from the target branch\n", "tests that went with it: ", "alpha"]);
    night.audit();
}

/// Prints like pytest, in colour: a long head, what failed, and the tests that passed afterwards.
const LOUD: &str = r#"
esc=$(printf '\033')
i=0; while [ $i -lt 400 ]; do echo "${esc}[36mplugin $i is loaded and has nothing to say${esc}[0m"; i=$((i+1)); done
if [ -e broken ]; then
  echo "${esc}[1m___ sums ___${esc}[0m"
  echo "    def sums():"
  echo "E       assert 2 == ${esc}[31m3${esc}[0m"
fi
i=0; while [ $i -lt 400 ]; do echo "plugin $i goes home and has nothing to say"; i=$((i+1)); done
if [ -e broken ]; then echo "not ok 1 - sums"; else echo "ok 1 - sums"; fi
echo 1..1
[ ! -e broken ]
"#;

#[test]
fn what_a_failing_test_says_is_shown_whole_once_and_without_colours() {
    let night = Night::new();
    night.write("run.sh", LOUD);
    night.write("mission-control.toml", "[target.verification]\ncommand = \"sh run.sh\"\n");
    night.commit("loud");
    night.mission(&unit("breaks", "touch broken")).exits(3);
    let said = night.mc(&["unit", "show", "breaks"]).exits(0);
    assert_eq!(said.out.matches("assert 2 == 3").count(), 1, "{}", said.out);
    said.does_not_say(&["\u{fffd}", "[31m", "[0m"]);
    night.mc(&["report"]).exits(0).says(&["    | E       assert 2 == 3\n"]).does_not_say(&["[31m"]);
    night.audit();
    // The same for the branch of a person, in every format of text.
    night.write("broken", "");
    night.commit("broken");
    let own = "    | E       assert 2 == 3\n";
    for format in ["text", "github"] {
        night
            .mc(&["verify", "--base", "HEAD^", "--format", format])
            .exits(4)
            .says(&["what failing tests say\n  verification\n", own]);
    }
    night.mc(&["verify"]).exits(4).says(&["what failing tests say\n  verification\n", own]);
}

/// Prints like go: the package `ex/slug` cannot be built when `broken` is there, the other one always runs.
const GO: &str = r"
printf '=== RUN   TestB\n--- PASS: TestB (0.00s)\nPASS\nok  \tex/words\t0.1s\n'
if [ -e broken ]; then printf 'FAIL\tex/slug [build failed]\nFAIL\n'; exit 1; fi
printf '=== RUN   TestA\n--- PASS: TestA (0.00s)\nPASS\nok  \tex/slug\t0.1s\n'
";

#[test]
fn a_suite_that_cannot_run_is_not_called_a_test_that_passed() {
    let night = Night::new();
    night.write("run.sh", GO);
    night.commit("go");
    night.write("broken", "");
    night.commit("broken");
    let said = night.mc(&["verify", "--base", "HEAD^"]).exits(4);
    said.says(&["1 suite could not run to its end: verification: ex/slug (1 test is missing)"])
        .does_not_say(&["passed before and fails now"]);
}

#[test]
fn a_backlog_and_a_status_say_what_green_says() {
    let night = Night::new();
    night.write("BACKLOG.md", "## Good\n- run: touch good\n\n## Bad\n- run: git rm -q tests/alpha.sh\n- attempts: 1\n");
    night.commit("backlog");
    let listed = |words: &[&str]| night.mc(&["backlog", "list"]).exits(0).says(words);
    listed(&["bad   todo"]).does_not_say(&["skips"]);
    night.mc(&["mission", "start"]).exits(3);
    // The work tree has no marks.
    listed(&["bad   todo", "a mission skips: good (done), bad (failed); `mc plan` says what helps"]);
    let json = night.mc(&["backlog", "list", "--json"]).exits(0);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["units"][0]["next"], &json["units"][1]["next"]), (&"done".into(), &"failed".into()));

    // Green goes back by the command: the marks go too, and nobody says that nothing is left.
    let base = night.sh("git rev-parse mc/green~2");
    let said = night.mc(&["green", "rollback", &base, "--yes"]).exits(0);
    said.says(&["what was refused, failed or held is planned again"]);
    listed(&[]).does_not_say(&["skips"]);
    for look in ["status", "report"] {
        let said = night.mc(&[look]).exits(0).does_not_say(&["nothing is left to plan", "WRONG"]);
        said.says(&["green was rolled back since", "`mc plan` shows what is planned again"]);
    }
    night.audit();

    // And by hand: that is wrong, and said first.
    night.mc(&["mission", "start"]).exits(3);
    night.mc(&["status"]).exits(0).does_not_say(&["WRONG", "rolled back"]);
    night.sh("git update-ref refs/heads/mc/green main");
    for look in ["status", "report"] {
        let said = night.mc(&[look]).exits(0);
        assert!(
            said.out.starts_with("WRONG: the journal says landed, mc/green does not contain: good"),
            "{}",
            said.out
        );
    }
}

#[test]
fn on_a_red_base_what_broke_off_comes_before_the_tests_it_took_with_it() {
    let night = Night::new();
    let broken = "if [ -e broken ]; then echo 'Bail out! 1 error during collection'; exit 1; fi";
    night.write("run.sh", format!("{broken}\nprintf 'not ok 1 - a\\nok 2 - b\\n1..2\\n'\nexit 1\n"));
    let stage = "[[target.verification.stage]]\nname = \"unit\"\nrun = \"sh run.sh\"\nformat = \"tap\"\n";
    night.write("mission-control.toml", stage);
    night.commit("red");
    night.write("broken", "");
    night.commit("broken");
    let said = night.mc(&["verify", "--base", "HEAD^"]).exits(4).does_not_say(&["nothing to judge"]);
    let first = said.out.lines().find(|line| line.starts_with("  - ")).unwrap();
    assert!(
        first.starts_with("  - 1 stage fails in another way than before this change, and tests are missing from it: ")
    );
    assert!(first.contains("1 error during collection"), "{first}");
    said.says(&["HEAD may not land: hurt: 1 stage fails in another way", "  - 2 tests disappeared: "]);
}

/// Commands that tell or change what missions did here.
const OF_MISSIONS: [&[&str]; 26] = [
    &["status"],
    &["status", "--json"],
    &["units"],
    &["unit", "show", "a"],
    &["unit", "log", "a"],
    &["unit", "retry", "a"],
    &["unit", "cancel", "a"],
    &["events"],
    &["events", "--follow"],
    &["report"],
    &["report", "--format", "md"],
    &["report", "--json"],
    &["report", "--verify"],
    &["audit"],
    &["mission", "list"],
    &["mission", "list", "--json"],
    &["mission", "attach"],
    &["mission", "resume"],
    &["mission", "stop"],
    &["mission", "stop", "--now"],
    &["mission", "pause"],
    &["green", "show"],
    &["green", "show", "--json"],
    &["green", "rollback", "a", "--yes"],
    &["clean", "--yes"],
    &["status", "--prometheus"],
];

#[test]
fn a_state_directory_without_missions_tells_nothing_of_a_repository_that_belongs_to_another() {
    let mut night = Night::new();
    night.mission(&unit("a", "touch a")).exits(0);
    let belongs = format!("this repository belongs to the state directory {}", night.state().display());
    let empty = night.home().join("empty");
    night.var("MC_STATE_DIR", empty.to_str().unwrap());
    let all_say_so = |night: &Night| {
        for args in OF_MISSIONS {
            let said = night.mc(args);
            assert_eq!((said.code, said.out.as_str()), (5, ""), "{args:?}: {}", said.err);
            said.says(&[&belongs, "work from there"]).does_not_say(&["no mission", "no green", "nothing to"]);
        }
    };
    all_say_so(&night);
    assert!(!empty.exists(), "looking makes no state directory");
    // A database without a mission knows no more.
    night.mc(&["verify", "HEAD"]).exits(0);
    assert!(empty.join("mc.db").exists());
    all_say_so(&night);
    // What a person gave up is told of no more, and the new one tells.
    let machine = night.sh("uname -n");
    night.mission_with(&unit("b", "touch b"), &["--take-over", &machine]).exits(0);
    night.mc(&["status"]).exits(0).says(&["1 landed"]);
}

#[test]
fn a_repository_whose_state_directory_was_deleted_is_told_so_and_not_the_way_into_it() {
    let mut night = Night::new();
    night.mission(&unit("a", "touch a")).exits(0);
    night.sh("cp -a ../state ../backup");
    let (own, machine) = (night.state().display().to_string(), night.sh("uname -n"));
    let told = [
        format!("belongs to the state directory {own} on {machine}"),
        "what that one held is not there any more, its journal neither".to_owned(),
        "put its contents back from a backup".to_owned(),
        format!("start with --take-over {machine}"),
    ];
    let told = told.each_ref().map(String::as_str);
    night.sh("rm -rf ../state/*");
    let plan = night.plan(&unit("b", "touch b"));
    let start = ["mission", "start", "--plan", &plan];
    for args in [&["status"][..], &["audit"], &start, &["status"], &["doctor"]] {
        let code = if args == ["doctor"] { 6 } else { 5 };
        night.mc(args).exits(code).says(&told).does_not_say(&["work from there", "no mission yet"]);
    }
    // The same from elsewhere: there is nothing to work from.
    night.sh("rm -rf ../state");
    night.var("MC_STATE_DIR", night.home().join("other").to_str().unwrap());
    night.mission(&unit("b", "touch b")).exits(5).says(&told).does_not_say(&["work from there"]);
    night.forget_vars();
    night.sh("cp -a ../backup ../state");
    night.mc(&["status"]).exits(0).says(&["1 landed"]);
    night.audit();
    night.sh("rm -rf ../state");
    night.mission_with(&unit("b", "touch b"), &["--take-over", &machine]).exits(0);
    night.mc(&["status"]).exits(0).says(&["1 landed"]);
}

#[test]
fn a_repository_without_a_commit_is_told_to_commit_something() {
    let night = Night::empty();
    night.write("mission-control.toml", "[target.verification]\ncommand = \"true\"\n");
    night.write("BACKLOG.md", "## A\n- run: echo a > a\n");
    let plan = night.plan(&unit("a", "touch a"));
    let asks: [&[&str]; 4] = [
        &["mission", "start"],
        &["mission", "start", "--plan", &plan],
        &["mission", "start", "--dry-run"],
        &["doctor"],
    ];
    for args in asks.into_iter().chain([&["plan"][..]]) {
        let said = night.mc(args);
        said.says(&["this repository has no commit yet", "commit something first"]).does_not_say(&["target.branch"]);
    }
    // With a commit elsewhere it is the name that is wrong.
    night.sh("git switch -q -c other && git add -A && git commit -qm first");
    for args in asks {
        night.mc(args).says(&["there is no branch main with a commit", "set target.branch"]);
    }
}

#[test]
fn p2_no_report_says_that_work_is_kept_where_its_pin_is_gone() {
    let night = Night::new().within(Fence::Off).within(Fence::Off);
    night.repository_is_attacked("that is the test");
    let repo = night.repo().display().to_string();
    let pins = format!("git -C {repo} for-each-ref --format='%(refname)' refs/mc/attempts");
    let attack = format!(
        "until {pins} | grep -q /a/; do sleep 0.02; done; git -C {repo} update-ref -d $({pins} | grep /a/); \
         git -C {repo} -c gc.reflogExpire=now gc -q --prune=now; touch b"
    );
    night
        .mission(&[unit("a", "echo a > a.txt; exit 1"), unit("b", &attack)].join("\n"))
        .exits(3)
        .does_not_say(&["where the work is kept"]);
    let why = "it could not be put right: that commit is not in the repository any more";
    let pin = ["refs/mc/attempts", "a/1"];
    let named = |text: &str| text.lines().any(|line| pin.iter().all(|part| line.contains(part)));
    for report in [&["report"][..], &["report", "--format", "md"], &["report", "--json"]] {
        let said = night.mc(report).exits(0).says(&[why]).does_not_say(&["work kept at", "see the log"]);
        assert!(!named(&said.out), "{}", said.out);
    }
    let said = night.mc(&["unit", "show", "a"]).exits(0).says(&["pinned nowhere any more"]);
    assert!(!named(&said.out), "{}", said.out);
    let said = night.mc(&["unit", "show", "a", "--json"]).exits(0);
    assert!(!named(&said.out), "{}", said.out);
    // What `mc clean` took is not there either, and other work is.
    assert!(named(&night.mc(&["unit", "show", "b"]).exits(0).out.replace("/b/1", "/a/1")));
    night.mc(&["clean", "--keep", "0", "--older-than", "0s", "--yes"]).exits(0);
    let said = night.mc(&["unit", "show", "b"]).exits(0).says(&["pinned nowhere any more"]);
    said.does_not_say(&["refs/mc/attempts"]);
}

#[test]
fn who_resumes_too_early_is_told_to_resume_and_not_to_start() {
    let night = Night::of_an_ordinary_user();
    let wait = "touch ~/began; until [ -e ~/go ]; do sleep 0.05; done; touch a";
    let plan = night.plan(&unit("a", wait));
    let engine = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/began");
    engine.signal("TERM");
    engine.wait().exits(130);
    let modes = |mode: &str| night.sh(&format!("touch ~/go; find .git -type d -exec chmod {mode} {{}} +"));
    modes("a-w");
    let said = night.mc(&["mission", "resume"]).exits(6);
    said.says(&["mend the repository, then `mc mission resume`"]).does_not_say(&["start again"]);
    for args in [&["mission", "stop", "--now"][..], &["unit", "cancel", "a"]] {
        night.mc(args).exits(6).says(&["mend the repository, then try again"]).does_not_say(&["start again"]);
    }
    modes("u+w");
    night.mc(&["mission", "resume"]).exits(0);
    night.audit();
}
