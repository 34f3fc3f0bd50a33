//! Whose settings judge a change: `mc verify --base` when the change touches `mission-control.toml`, and where histories crossed.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use crate::support::night::{Night, Said};
use serde_json::{Value, json};

const STAGES: &str = r#"
[[target.verification.stage]]
name = "unit"
run = "sh run.sh"

[[target.verification.stage]]
name = "smell"
run = "! grep -r smell src"
"#;

fn verify(night: &Night, args: &[&str]) -> Said {
    night.mc(&[&["verify", "--base", "main"], args].concat())
}

#[track_caller]
fn json_of(night: &Night, code: i32, args: &[&str]) -> Value {
    serde_json::from_str(&verify(night, &[args, &["--format", "json"]].concat()).exits(code).out).unwrap()
}

/// A base with two stages, and a branch `change` whose source smells.
fn smelly() -> Night {
    let night = Night::new();
    night.write("mission-control.toml", STAGES);
    night.write("src/a", "fine\n");
    night.commit("two stages");
    night.sh("git switch -qc change");
    night.write("src/a", "smell\n");
    night
}

#[test]
fn p1_a_change_cannot_choose_its_judge() {
    let night = smelly();
    // The stage that would say no is gone, the other one is weakened.
    night.write("mission-control.toml", "[target.verification]\ncommand = \"true\"\n");
    night.commit("innocent");
    let said = verify(&night, &[]).exits(4);
    said.says(&[
        "1 stage passed before and does not now: smell",
        "HEAD changes how it is verified; judged by mission-control.toml of main at ",
        "target.verification.command: \"\" becomes \"true\"",
        "target.verification.stage smell: { name = \"smell\", run = \"! grep -r smell src\"",
        " becomes not set",
        "HEAD may not land: hurt: ",
        "; it changes how it is verified, which was not followed\n",
    ]);
    verify(&night, &["-q"]).exits(4).says(&["which was not followed"]);
    let said = json_of(&night, 4, &[]);
    assert_eq!(said["settings"]["commit"], night.sh("git rev-parse main"));
    assert_eq!(
        (&said["settings"]["path"], &said["settings"]["problem"]),
        (&json!("mission-control.toml"), &json!(null))
    );
    let changed: Vec<&str> =
        said["settings"]["changed"].as_array().unwrap().iter().map(|c| c["key"].as_str().unwrap()).collect();
    let stage = "target.verification.stage ";
    assert_eq!(changed, ["target.verification.command", &format!("{stage}smell"), &format!("{stage}unit")]);
    let annotation = "::warning title=Changes how it is verified::target.verification.command: \"\" becomes";
    verify(&night, &["--format", "github"]).exits(4).says(&[annotation, "(judged by mission-control.toml of main at "]);
    // Alone, and after the base took it, the new settings hold.
    night.mc(&["verify"]).exits(0);
    night.sh("git branch -qf main change; git commit -q --allow-empty -m next");
    let said = json_of(&night, 0, &[]);
    assert_eq!(said["settings"]["changed"], json!([]));
    verify(&night, &[]).exits(0).does_not_say(&["changes how it is verified"]);
    // Who is behind changes nothing.
    night.sh("git switch -qc behind main^; git commit -q --allow-empty -m behind");
    let said = verify(&night, &[]).exits(0).does_not_say(&["changes how it is verified"]);
    said.says(&["main changed how it is verified since HEAD left it; main's settings judge both sides"]);
}

#[test]
fn p1_no_way_around_the_settings_of_the_base() {
    let night = smelly();
    night.commit("smells");
    let hurt = "does not now: smell";
    for (name, script, says) in [
        ("deleted", "git rm -q mission-control.toml", "HEAD has no settings file"),
        ("broken", "echo '= [' > mission-control.toml", "the settings of HEAD cannot be used: "),
        (
            "nearer",
            "echo 'target.verification.command = \"true\"' > src/mission-control.toml",
            "HEAD has them in another file, which is found first",
        ),
        (
            "linked",
            "mv mission-control.toml b; echo '' > b; ln -s b mission-control.toml",
            "is no regular file in HEAD",
        ),
        (
            "elsewhere",
            "echo 'target.path = \"/\"' >> b; cat mission-control.toml >> b; mv b mission-control.toml",
            hurt,
        ),
    ] {
        night.sh(&format!("git switch -qc {name} change; {script}; git add -A; git commit -qm {name}"));
        // Called where a nearer file would be found first.
        night.mc(&["-C", "src", "verify", "--base", "main"]).exits(4).says(&[hurt, says]);
        night.sh("git switch -q change");
    }
    // By its name, too.
    night.sh("git switch -q deleted");
    verify(&night, &["--config", "mission-control.toml"]).exits(4).says(&[hurt]);
    night.sh("git switch -q linked");
    verify(&night, &["--config", "mission-control.toml"]).exits(4).says(&[hurt]);
}

#[test]
fn settings_of_the_operator_judge_both_sides() {
    let night = smelly();
    night.commit("smells");
    night.sh("printf '[target]\\npath = \"repo\"\\n[target.verification]\\ncommand = \"sh run.sh\"\\n' > ../own.toml");
    let own = night.home().join("own.toml");
    let said = json_of(&night, 0, &["--config", own.to_str().unwrap()]);
    assert_eq!((&said["settings"], &said["base"]["stages"][0]["name"]), (&json!(null), &json!("verification")));
    // What nobody tracks is the operator's as well.
    night.sh("git rm -q --cached mission-control.toml; git commit -qm untracked; git branch -f main");
    night.sh("cp ../own.toml mission-control.toml; sed -i 's/\"repo\"/\".\"/' mission-control.toml");
    night.write("src/b", "smell\n");
    night.sh("git add src; git commit -qm more");
    assert_eq!(json_of(&night, 0, &[])["settings"], json!(null));
    // A file above the repository is not shadowed by one that the change brings.
    night.sh(
        "mv ../own.toml ../mission-control.toml; sed -i 's/sh run.sh/! grep -r smell src/' ../mission-control.toml",
    );
    night.sh("echo 'target.verification.command = \"true\"' > mission-control.toml; git add -A; git commit -qm brings");
    night.sh(
        "git rm -q src/a; git commit -qm clean; git branch -f main HEAD~2; git rm -q src/b; git commit -qm cleaner",
    );
    verify(&night, &["HEAD"]).exits(0).says(&["1 stage fixed: verification"]);
}

#[test]
fn a_base_without_settings_is_judged_by_those_the_change_brings_and_says_so() {
    let night = Night::new();
    night.sh("git rm -q mission-control.toml; git commit -qm none; git switch -qc change");
    night.settings("sh run.sh", "");
    let note = "note: main has no mission-control.toml: the settings are those of the work tree, which HEAD brings";
    verify(&night, &[]).exits(0).says(&[note]);
    // A judge that the base got meanwhile is one: nobody escapes by leaving from an older commit.
    night.sh("git switch -q main");
    night.settings("sh run.sh; test ! -e tests/bad.sh", "");
    night.sh("git switch -q change");
    night.write("tests/bad.sh", "true\n");
    night.commit("bad");
    let said = verify(&night, &[]).exits(4);
    said.says(&[
        "main changed how it is verified since HEAD left it",
        "HEAD changes how it is verified",
        "becomes \"sh run.sh\"",
    ]);
}

#[test]
fn settings_of_the_base_that_are_wrong_are_said_to_be_its_own() {
    let night = smelly();
    night.commit("smells");
    night.sh("git switch -q main; echo 'x = 1' >> mission-control.toml; git commit -qam wrong");
    night.sh("git switch -qc mends; git checkout -q HEAD^ mission-control.toml; git commit -qm mends");
    verify(&night, &[]).exits(2).says(&["the settings of main at ", "unknown key `", "outside the repository"]);
    night.sh("cp mission-control.toml ..; sed -i '1i target.path = \"repo\"' ../mission-control.toml");
    verify(&night, &["--config", "../mission-control.toml"]).exits(0);
}

#[test]
fn where_histories_crossed_the_base_itself_is_compared_with() {
    let night = Night::new();
    // Each side has merged what the other one was: two commits are where they parted.
    night.sh("git switch -qc change; git switch -q main");
    night.write("tests/ours.sh", "true\n");
    night.commit("ours");
    night.sh("git switch -q change");
    night.write("tests/theirs.sh", "true\n");
    night.commit("theirs");
    night.sh(
        "git tag theirs; git merge -q -m a main; git switch -q main; git merge -q -m b theirs; git switch -q change",
    );
    assert_eq!(night.sh("git merge-base --all main change | wc -l"), "2");
    let said = json_of(&night, 0, &[]);
    assert_eq!(
        (&said["base"]["merge_base"], &said["base"]["commit"]),
        (&json!(false), &json!(night.sh("git rev-parse main")))
    );
    // Whichever of the two tests is deleted, one of the two commits never had it.
    for test in ["ours", "theirs"] {
        night.sh(&format!("git switch -qc no-{test} change; git rm -q tests/{test}.sh; git commit -qm no"));
        let said = verify(&night, &[]).exits(4);
        said.says(&[
            "note: the histories of main and HEAD cross: they parted at 2 commits (",
            &format!("verification: {test}"),
        ]);
    }
}
