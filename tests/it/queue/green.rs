//! Whoever moved green is judged, pins are put right, and what agents do to the user's repository is seen.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use crate::support::fence::Fence;
use crate::support::night::{Night, unit};

/// A unit that moves green to a commit of its own, made by this script.
fn moves_green(night: &Night, change: &str) -> String {
    let repo = night.repo().display().to_string();
    unit(
        "mover",
        &format!(
            "git fetch -q {repo} mc/green; git checkout -q --detach FETCH_HEAD; {change}; git add -A; git commit -qm moved
             git push -q {repo} HEAD:refs/heads/mc/green; git checkout -q --detach HEAD~1"
        ),
    )
}

/// A unit that waits until green has moved.
fn waits(night: &Night, id: &str) -> String {
    let repo = night.repo().display().to_string();
    let wait = format!("while [ \"$(git -C {repo} rev-parse mc/green)\" = \"$MC_BASE\" ]; do sleep 0.02; done");
    unit(id, &format!("{wait}; touch {id}"))
}

#[test]
fn p1_a_green_that_somebody_moved_to_a_red_commit_holds_the_queue() {
    let night = Night::new().within(Fence::Off);
    let good = night.sh("git rev-parse main");
    let plan = [moves_green(&night, "rm tests/alpha.sh"), waits(&night, "one"), waits(&night, "two")].join("\n");
    night.mission(&plan).exits(6).says(&[
        "somebody moved green to",
        "which is worse than",
        &good[..10],
        "1 test disappeared",
        "git update-ref",
        "mc mission start --accept-green",
    ]);
    assert_eq!(night.unit("mover"), "held");
    assert!(![night.unit("one"), night.unit("two")].contains(&"landed".to_owned()));
    // Nothing of it is run again, and nothing lands, until a person puts green back.
    let runs = night.status()["verifications"]["run"].clone();
    night.mc(&["mission", "resume"]).exits(6).says(&["which is worse than"]);
    assert_eq!(night.status()["verifications"]["run"], runs);
    night.sh(&format!("git update-ref refs/heads/mc/green {good}"));
    night.mc(&["mission", "resume"]).exits(3);
    assert_eq!([night.unit("one"), night.unit("two")], ["landed", "landed"]);
    night.mc(&["report", "--verify"]).exits(0);
    // Green stood at a commit that nobody verified, and the audit says so for good.
    night.mc(&["audit"]).exits(4).says(&["which no mission verified"]);
}

#[test]
fn p1_a_red_green_is_mended_by_a_commit_on_top_or_accepted_by_a_person() {
    let night = Night::new().within(Fence::Off);
    let plan = [moves_green(&night, "echo false > tests/alpha.sh"), waits(&night, "one")].join("\n");
    night
        .mission(&plan)
        .exits(6)
        .says(&["which is worse than", "1 test passed before and fails now: verification: alpha"]);
    night.sh("git worktree add -q --detach ../mend mc/green && cd ../mend && echo true > tests/alpha.sh
         git commit -qam mended && git update-ref refs/heads/mc/green HEAD && cd - && git worktree remove ../mend");
    night.mc(&["mission", "resume"]).exits(3).says(&["is no worse than before"]);
    assert_eq!(night.unit("one"), "landed");
    night.mc(&["report", "--verify"]).exits(0);
    night.audit();

    let night = Night::new().within(Fence::Off);
    let plan = [moves_green(&night, "rm tests/alpha.sh"), waits(&night, "one")].join("\n");
    night.mission(&plan).exits(6);
    night.mc(&["mission", "stop", "--now"]);
    let plan = night.plan(&unit("later", "touch later"));
    night.mc(&["mission", "start", "--accept-green", "--plan", &plan]).exits(0);
    assert_eq!(night.unit("later"), "landed");
    night.audit();
}

#[test]
fn p1_a_green_that_somebody_moved_to_a_good_commit_is_judged_and_kept() {
    let night = Night::new().within(Fence::Off);
    let plan = [moves_green(&night, "echo true > tests/gamma.sh"), waits(&night, "one")].join("\n");
    night.mission(&plan).exits(3).says(&["is no worse than before"]);
    assert_eq!(night.unit("one"), "landed");
    night.sh("git cat-file -e mc/green:tests/gamma.sh; git cat-file -e mc/green:one");
    night.mc(&["report", "--verify"]).exits(0);
    night.audit();
}

#[test]
fn p1_a_green_that_moved_after_the_last_landing_is_judged_before_the_mission_ends() {
    let night = Night::new().within(Fence::Off);
    night.mission(&moves_green(&night, "rm tests/alpha.sh")).exits(6).says(&["which is worse than"]);
    let night = Night::new().within(Fence::Off);
    night.mission(&moves_green(&night, "echo true > tests/gamma.sh")).exits(3).says(&["is no worse than before"]);
    night.audit();
}

#[test]
fn p1_a_moved_green_is_judged_without_files_of_earlier_runs() {
    let night = Night::new().within(Fence::Off);
    night.write(".gitignore", "build/\n");
    night.settings("mkdir -p build; sh run.sh", "keep = [\"build/\"]\n");
    let repo = night.repo().display().to_string();
    let landed = format!("until git -C {repo} cat-file -e mc/green:tests/leaves.sh 2>/dev/null; do sleep 0.02; done");
    let leaves = unit("leaves", "echo 'touch build/z' > tests/leaves.sh");
    let mover = moves_green(
        &night,
        &format!(
            "{landed}; git fetch -q {repo} mc/green; git checkout -q --detach FETCH_HEAD; echo 'test -e build/z' > tests/aaa.sh"
        ),
    );
    night
        .mission(&[leaves, mover].join("\n"))
        .exits(6)
        .says(&["which is worse than", "1 new test fails: verification: aaa"]);
}

#[test]
fn p2_pins_that_somebody_deleted_or_moved_are_put_right_and_told() {
    let night = Night::new().within(Fence::Off);
    let repo = night.repo().display().to_string();
    let landed = format!("until git -C {repo} cat-file -e mc/green:one 2>/dev/null; do sleep 0.02; done");
    let pins = format!("git -C {repo} for-each-ref --format='%(refname)' refs/mc/attempts");
    let attack = format!(
        "{landed}; for pin in $({pins}); do case $pin in */one/*) git -C {repo} update-ref -d $pin;; \
         */failing/*) git -C {repo} update-ref $pin main;; esac; done; touch two"
    );
    let failing = unit("failing", "echo precious > precious; git add -A; git commit -qm work; exit 3");
    let late = unit("two", &format!("until {pins} | grep -q failing; do sleep 0.02; done; {attack}"));
    night
        .mission(&[unit("one", "touch one"), failing, late].join("\n"))
        .exits(3)
        .says(&["somebody changed the pin of"]);
    night.sh("git cat-file -e $(git for-each-ref --format='%(refname)' refs/mc/attempts | grep /failing/):precious");
    night.sh("git for-each-ref --format='%(refname)' refs/mc/attempts | grep -q /one/");
    for report in [night.report(), night.mc(&["report", "--format", "md"]).out, night.mc(&["report", "--json"]).out] {
        assert!(report.contains("the pin of one, attempt 1: it was gone"), "{report}");
        assert!(report.contains("the pin of failing, attempt 1: it held"), "{report}");
    }
    night.mc(&["report", "--verify"]).exits(0);
    night.audit();
}

#[test]
fn p6_settings_and_hooks_of_the_users_repository_that_changed_meanwhile_hold_the_unit() {
    let night = Night::new().within(Fence::Off);
    night.repository_is_attacked("that is the test");
    let repo = night.repo().display().to_string();
    let plan = [
        unit("settings", &format!("touch a; git -C {repo} config core.fsmonitor /bin/false")),
        unit("hooks", &format!("touch b; mkdir -p {repo}/.git/hooks; echo exit 1 > {repo}/.git/hooks/post-commit")),
        unit("attributes", &format!("touch c; mkdir -p {repo}/.git/info; echo '* text' > {repo}/.git/info/attributes")),
        // A failure is no way past that.
        unit("fails", &format!("git -C {repo} config alias.x '!touch pwned'; exit 3")),
        unit("good", "touch good"),
    ];
    night
        .mission_with(&plan.join("\n"), &["--workers", "1"])
        .exits(3)
        .says(&[".git/config of your repository changed"]);
    for id in ["settings", "hooks", "attributes", "fails"] {
        assert_eq!(night.unit(id), "held", "{id}");
    }
    assert_eq!(night.unit("good"), "landed");
    let needs = night.status()["needs_you"].to_string();
    assert!(needs.contains("hooks/post-commit") && needs.contains("info/attributes"), "{needs}");
    for report in [night.report(), night.mc(&["report", "--format", "md"]).out, night.mc(&["report", "--json"]).out] {
        assert!(report.contains(".git/config of your repository changed"), "{report}");
    }
    night.mc(&["report", "--verify"]).exits(0);
}

#[test]
fn p6_a_head_that_is_the_attempts_own_commit_holds_it() {
    let night = Night::new().within(Fence::Off);
    night.repository_is_attacked("that is the test");
    let repo = night.repo().display().to_string();
    let detach = format!(
        "touch a; git add a; git commit -qm a; git -C {repo} fetch -q $PWD HEAD
         git -C {repo} update-ref --no-deref HEAD $(git rev-parse HEAD)"
    );
    night.mission(&unit("a", &detach)).exits(3).says(&["HEAD of your repository now is this attempt's own commit"]);
    assert_eq!(night.unit("a"), "held");
}

#[test]
fn p6_quick_stages_that_change_settings_of_the_repository_hold_the_unit() {
    let night = Night::new().within(Fence::Off);
    night.repository_is_attacked("that is the test");
    let repo = night.repo().display().to_string();
    let stages = "[[target.verification.stage]]\nname = \"all\"\nrun = \"sh run.sh\"\n
        [[target.verification.stage]]\nname = \"fast\"\nrun = \"sh fast.sh\"\ntier = \"quick\"\n";
    night.write("fast.sh", "true\n");
    night.write("mission-control.toml", stages);
    night.commit("stages");
    let plan = unit("a", &format!("echo 'git -C {repo} config core.fsmonitor /bin/false' > fast.sh"));
    night.mission(&plan).exits(3).says(&["while this attempt's work was looked at"]);
    assert_eq!(night.unit("a"), "held");
    assert!(night.report().contains(".git/config of your repository changed"));
}

/// A night with one unit whose test does this once, while its change is verified.
fn verifies(what: &str) -> Night {
    let night = Night::new().within(Fence::Off);
    night.repository_is_attacked("that is the test");
    let repo = night.repo().display().to_string();
    let what = what.replace("REPO", &repo);
    let plan = unit(
        "evil",
        &format!("printf '%s\\n' '[ -e {repo}/../once ] || {{ touch {repo}/../once; {what}; }}; true' > tests/evil.sh"),
    );
    night.mission(&plan);
    night
}

#[test]
fn p6_a_verification_that_changes_the_users_repository_lands_nothing() {
    for (what, told) in [
        ("git -C REPO config core.fsmonitor /bin/false", ".git/config of your repository changed"),
        ("mkdir -p REPO/.git/hooks; touch REPO/.git/hooks/post-commit", ".git/hooks/post-commit of your repository"),
        ("git push -q REPO HEAD:refs/heads/taken", "refs/heads/taken of your repository was moved to"),
    ] {
        let night = verifies(what);
        assert_eq!(night.unit("evil"), "held", "{what}");
        assert!(night.reason("evil").contains(told), "{}", night.reason("evil"));
        assert!(night.report().contains(told));
        assert_eq!(night.sh("git rev-parse mc/green"), night.sh("git rev-parse main"));
        night.mc(&["report", "--verify"]).exits(0);
        night.audit();
        // A person who has looked lets it go on.
        night.mc(&["unit", "retry", "evil", "--say", "it was me"]).exits(0);
        night.mc(&["mission", "resume"]).exits(0);
        assert_eq!(night.unit("evil"), "landed");
    }
}

#[test]
fn p6_what_could_be_a_persons_doing_during_a_verification_is_named_and_holds_nobody() {
    for (what, told) in [
        (
            "git -C REPO symbolic-ref HEAD refs/heads/elsewhere",
            "HEAD of your repository changed: it is `ref: refs/heads/elsewhere`",
        ),
        ("git -C REPO update-ref refs/heads/mine main", "refs/heads/mine of your repository changed"),
        ("(cd REPO; echo x > y; git add y)", "the index of your repository changed"),
    ] {
        let night = verifies(what);
        assert_eq!(night.unit("evil"), "landed", "{what}");
        assert!(night.report().contains(told), "{}", night.report());
        night.mc(&["report", "--verify"]).exits(0);
    }
}

#[test]
fn p6_what_a_person_does_meanwhile_is_named_and_holds_nobody() {
    let night = Night::new().within(Fence::Off);
    night.repository_is_attacked("a unit plays the person");
    let repo = night.repo().display().to_string();
    let person = format!(
        "touch a; cd {repo}; git config branch.main.description mine; git branch other; echo x > staged; git add staged
         git status >/dev/null"
    );
    night.mission(&unit("a", &person)).exits(0).says(&["the index of your repository changed"]);
    assert_eq!(night.unit("a"), "landed");
    let changes = ["the index of your repository changed", "refs/heads/other of your repository changed"];
    night.mc(&["unit", "show", "a"]).exits(0).says(&changes);
    for report in [night.report(), night.mc(&["report", "--format", "md"]).out, night.mc(&["report", "--json"]).out] {
        assert!(changes.iter().all(|change| report.contains(change)), "{report}");
    }
}

#[test]
fn p6_a_repository_that_cannot_be_compared_any_more_holds_the_unit() {
    let night = Night::new().within(Fence::Off);
    night.repository_is_attacked("a unit hides what it was before");
    let (state, repo) = (night.state().display().to_string(), night.repo().display().to_string());
    let hides = format!("touch a; find {state}/sessions -name repository.json -delete; git -C {repo} config a.b c");
    night.mission(&unit("a", &hides)).exits(3);
    let told = "what your repository was before is not on record any more";
    assert_eq!(night.unit("a"), "held");
    assert!(night.reason("a").contains(told), "{}", night.reason("a"));
    assert!(night.report().contains(told), "{}", night.report());
}

#[test]
fn a_held_unit_gives_no_second_remedy_for_a_green_that_was_judged() {
    let night = Night::new().within(Fence::Off);
    // What it moved green to is no worse: it was accepted, and others landed on it.
    night.mission(&[moves_green(&night, "touch moved"), waits(&night, "one")].join("\n")).exits(3);
    assert_eq!([night.unit("mover"), night.unit("one")], ["held", "landed"]);
    let words = night.mc(&["unit", "show", "mover"]).says(&["past every verification", "`mc status` says what became"]);
    words.does_not_say(&["put it back", "nobody verified"]);
}

#[test]
fn p6_a_target_branch_that_an_attempt_moved_is_named_in_every_report() {
    let night = Night::new().within(Fence::Off);
    night.repository_is_attacked("a unit moves main");
    let repo = night.repo().display().to_string();
    let moves = format!(
        "touch e; git -C {repo} update-ref refs/heads/main $(git -C {repo} commit-tree -p main -m other 'main^{{tree}}')"
    );
    let told = "refs/heads/main of your repository changed";
    night.mission(&unit("evil", &moves)).says(&[told]);
    for format in ["text", "md", "json"] {
        night.mc(&["report", "--format", format]).says(&[told]);
    }
}
