//! Whoever moved green is judged, pins are put right, and what agents do to the user's repository is seen.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::support::night::{Night, unit};

/// A unit that moves green to a commit of its own, made by this script, and waits until the mission has noticed others.
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
    let repo = night.repo().display();
    let wait = format!("while [ \"$(git -C {repo} rev-parse mc/green)\" = \"$MC_BASE\" ]; do sleep 0.02; done");
    unit(id, &format!("{wait}; touch {id}"))
}

#[test]
fn p1_a_green_that_somebody_moved_to_a_red_commit_holds_the_queue() {
    let night = Night::new();
    let good = night.sh("git rev-parse main");
    let plan = [moves_green(&night, "rm tests/alpha.sh"), waits(&night, "one"), waits(&night, "two")].join("\n");
    night.mission(&plan).exits(6).says(&[
        "somebody moved green to",
        "which is worse than",
        &good[..10],
        "git update-ref",
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
    // Green stood at a commit that nobody verified, and the audit says so for good.
    night.mc(&["audit"]).exits(4).says(&["which no mission verified"]);
}

#[test]
fn p1_a_green_that_somebody_moved_to_a_good_commit_is_judged_and_kept() {
    let night = Night::new();
    let plan = [moves_green(&night, "echo true > tests/gamma.sh"), waits(&night, "one")].join("\n");
    night.mission(&plan).exits(3).says(&["is no worse than before"]);
    assert_eq!(night.unit("one"), "landed");
    night.sh("git cat-file -e mc/green:tests/gamma.sh; git cat-file -e mc/green:one");
    night.audit();
}

#[test]
fn p2_pins_that_somebody_deleted_or_moved_are_put_right_and_told() {
    let night = Night::new();
    let repo = night.repo().display().to_string();
    let landed = format!("until git -C {repo} cat-file -e mc/green:one 2>/dev/null; do sleep 0.02; done");
    let pins = format!("git -C {repo} for-each-ref --format='%(refname)' refs/mc/attempts");
    let attack = format!(
        "{landed}; for pin in $({pins}); do case $pin in */one/*) git -C {repo} update-ref -d $pin;; \
         */failing/*) git -C {repo} update-ref $pin main;; esac; done; touch two"
    );
    let failing = unit("failing", "echo precious > precious; git add -A; git commit -qm work; exit 3");
    let late = format!(
        "[[unit]]\nid = \"two\"\ntitle = \"Two\"\nattempts = 1\nrun = '''until {pins} | grep -q failing; do sleep 0.02; done; {attack}'''\n"
    );
    night
        .mission(&[unit("one", "touch one"), failing, late].join("\n"))
        .exits(3)
        .says(&["somebody changed the pin of"]);
    night.sh("git cat-file -e $(git for-each-ref --format='%(refname)' refs/mc/attempts | grep /failing/):precious");
    night.sh("git for-each-ref --format='%(refname)' refs/mc/attempts | grep -q /one/");
    let report = night.report();
    assert!(report.contains("the pin of one, attempt 1: it was gone"), "{report}");
    assert!(report.contains("the pin of failing, attempt 1: it held"), "{report}");
    night.audit();
}

#[test]
fn p6_settings_and_hooks_of_the_users_repository_that_changed_meanwhile_hold_the_unit() {
    let night = Night::new();
    night.repository_is_attacked("that is the test");
    let repo = night.repo().display().to_string();
    let plan = [
        unit("settings", &format!("touch a; git -C {repo} config core.fsmonitor /bin/false")),
        unit("hooks", &format!("touch b; mkdir -p {repo}/.git/hooks; echo exit 1 > {repo}/.git/hooks/post-commit")),
        unit("attributes", &format!("touch c; mkdir -p {repo}/.git/info; echo '* text' > {repo}/.git/info/attributes")),
    ];
    let plan: Vec<String> = plan.into_iter().collect();
    night
        .mission_with(&plan.join("\n"), &["--workers", "1"])
        .exits(3)
        .says(&[".git/config of your repository changed"]);
    for id in ["settings", "hooks", "attributes"] {
        assert_eq!(night.unit(id), "held", "{id}");
    }
    let needs = night.status()["needs_you"].to_string();
    assert!(needs.contains("hooks/post-commit") && needs.contains("info/attributes"), "{needs}");
}

#[test]
fn p6_what_a_person_does_meanwhile_is_named_and_holds_nobody() {
    let night = Night::new();
    night.repository_is_attacked("a unit plays the person");
    let repo = night.repo().display().to_string();
    let person = format!(
        "touch a; cd {repo}; git config branch.main.description mine; git branch other; echo x > staged; git add staged"
    );
    night.mission(&unit("a", &person)).exits(0);
    assert_eq!(night.unit("a"), "landed");
    let shown = night.mc(&["unit", "show", "a"]).exits(0);
    shown.says(&["the index of your repository changed", "refs/heads/other of the source changed"]);
}
