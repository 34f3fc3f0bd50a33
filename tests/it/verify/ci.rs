//! The CI workflows that are shipped: they are YAML, no text of an event is part of a script, and their commands do what they
//! should in a checkout as CI makes it. And the file that a CI page shows.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, Said};
use std::path::Path;
use yaml_rust2::{Yaml, YamlLoader};

const GITHUB: &str = include_str!("../../../config/ci/github.yml");
const GITLAB: &str = include_str!("../../../config/ci/gitlab.yml");

fn yaml(text: &str) -> Yaml {
    YamlLoader::load_from_str(text).unwrap().remove(0)
}

fn list(yaml: &Yaml) -> Vec<String> {
    yaml.as_vec().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// A named step of the GitHub workflow.
fn step(name: &str) -> Yaml {
    let workflow = yaml(GITHUB);
    let steps = workflow["jobs"]["verify"]["steps"].as_vec().unwrap();
    steps.iter().find(|step| step["name"].as_str() == Some(name)).unwrap().clone()
}

/// Every text that a shell gets.
fn scripts() -> Vec<String> {
    let workflow = yaml(GITHUB);
    let steps = workflow["jobs"]["verify"]["steps"].as_vec().unwrap().clone();
    let job = &yaml(GITLAB)["mc-verify"];
    let lists = ["before_script", "script", "after_script"].iter().flat_map(|key| list(&job[*key]));
    steps.iter().filter_map(|step| step["run"].as_str().map(str::to_owned)).chain(lists).collect()
}

/// A branch that nobody would call so, but git allows it.
const HOSTILE: &str = "x$(touch${IFS}owned)`touch${IFS}owned`;\"&|touch${IFS}owned";

/// A repository whose change breaks a test, or does not, and a checkout of it as CI has one.
struct Ci {
    night: Night,
    base: String,
}

impl Ci {
    fn new(change: &str) -> Self {
        let night = Night::new();
        night.settings("echo run >> ~/runs; sh run.sh", "");
        let base = night.sh("git rev-parse HEAD");
        night.sh(&format!("git switch -qc '{HOSTILE}'"));
        night.write(change, "false\n");
        night.commit("change");
        let mut ci = Self { night, base };
        ci.checkout(100);
        ci
    }

    fn checkout(&mut self, depth: u32) {
        self.night.sh(&format!(
            "rm -rf ../ci ../temp; mkdir ../temp; git clone -q --depth {depth} \"file://$PWD\" ../ci; cd ../ci;
             git checkout -q --detach; git branch -qD -- \"$(git branch --format='%(refname:short)' | grep '^x')\"; true"
        ));
    }

    /// Runs a line as a step would, with nothing but these variables.
    fn run(&self, script: &str, vars: &[(&str, String)]) -> (i32, String) {
        let ci = self.night.home().join("ci");
        let path = format!("{}:{}", Path::new(env!("CARGO_BIN_EXE_mc")).parent().unwrap().display(), env!("PATH"));
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-ec", script]).current_dir(&ci).env_clear();
        command.env("PATH", path).env("HOME", self.night.home()).env("CI", "true");
        command.env("MC_SANDBOX_SHARED", self.night.home());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        command.env("MC_STATE_DIR", self.night.home().join("temp/mc-state"));
        command.env("GITHUB_HEAD_REF", HOSTILE).env("CI_COMMIT_REF_NAME", HOSTILE);
        let output = command.envs(vars.iter().map(|(k, v)| (k, v))).output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(!ci.join("owned").exists(), "a branch name was executed by: {script}");
        (output.status.code().unwrap(), text)
    }

    fn runs(&self) -> String {
        self.night.sh("wc -l < ~/runs")
    }
}

#[test]
fn p12_no_text_of_an_event_is_part_of_a_script() {
    let scripts = scripts();
    assert!(scripts.len() >= 7);
    for script in &scripts {
        assert!(!script.contains("${{"), "{script}");
        assert!(!script.contains("REF_NAME") && !script.contains("BRANCH_NAME"), "{script}");
    }
    assert!(GITHUB.contains("fetch-depth: 0") && GITLAB.contains("GIT_DEPTH: \"0\""));
    // Only commits are compared with, not names.
    for name in ["Verify", "Write the JUnit report"] {
        assert_eq!(step(name)["env"]["BASE"].as_str(), Some("${{ github.event.pull_request.base.sha }}"), "{name}");
    }
}

#[test]
fn the_github_workflow_says_4_for_a_change_that_hurts_and_writes_its_reports() {
    for (change, code, says) in [
        ("tests/alpha.sh", 4, "::error title=Broken test::verification: alpha"),
        ("innocent", 0, "::notice title=mc verify::HEAD may land: neutral"),
    ] {
        let ci = Ci::new(change);
        let summary = ci.night.home().join("temp/summary");
        let temp = ci.night.home().join("temp").display().to_string();
        let vars = |base: &str| {
            vec![
                ("GITHUB_ACTIONS", "true".to_owned()),
                ("BASE", base.to_owned()),
                ("RUNNER_TEMP", temp.clone()),
                ("GITHUB_STEP_SUMMARY", summary.display().to_string()),
            ]
        };
        let (verify, junit) = (step("Verify"), step("Write the JUnit report"));
        let (found, text) = ci.run(verify["run"].as_str().unwrap(), &vars(&ci.base));
        assert_eq!(found, code, "{text}");
        assert!(text.contains(says), "{text}");
        let summary = std::fs::read_to_string(&summary).unwrap();
        assert!(summary.contains("### mc verify: ") && summary.contains("compared with"), "{summary}");
        let before = ci.runs();
        let (found, text) = ci.run(junit["run"].as_str().unwrap(), &vars(&ci.base));
        assert_eq!((found, ci.runs()), (0, before), "{text}");
        let xml = std::fs::read_to_string(ci.night.home().join("temp/mc-junit.xml")).unwrap();
        assert!(xml.contains("<testcase classname=\"verification\" name=\"alpha\">"), "{xml}");
        assert_eq!(xml.contains("passed before and fails now"), code == 4, "{xml}");
        // A commit is all that is ever put there; but if it were a name, it would be one.
        assert_eq!(ci.run(verify["run"].as_str().unwrap(), &vars(HOSTILE)).0, 2);
        // A push has no base.
        let (found, text) = ci.run(verify["run"].as_str().unwrap(), &vars(""));
        assert_eq!(found, code, "{text}");
    }
}

#[test]
fn the_gitlab_job_says_4_for_a_change_that_hurts_and_carries_its_results() {
    for (change, code) in [("tests/alpha.sh", 4), ("innocent", 0)] {
        let mut ci = Ci::new(change);
        let job = yaml(GITLAB)["mc-verify"].clone();
        let before: Vec<String> = list(&job["before_script"]).into_iter().filter(|l| !l.contains("install")).collect();
        let script = [before, list(&job["script"])].concat().join("\n");
        let vars = [("CI_MERGE_REQUEST_DIFF_BASE_SHA", ci.base.clone())];
        let (found, text) = ci.run(&script, &vars);
        assert_eq!(found, code, "{text}");
        let after = list(&job["after_script"]).join("\n");
        assert_eq!(ci.run(&after, &vars).0, 0);
        let xml = ci.night.sh("cat ../ci/mc-junit.xml");
        assert!(xml.contains("tests=\"2\""), "{xml}");
        // The next job starts from what was cached, in a checkout and a state directory made anew.
        let runs = ci.runs();
        ci.night.sh("cp -R ../ci/.mc-results ../kept");
        ci.checkout(100);
        ci.night.sh("mv ../kept ../ci/.mc-results");
        let (found, text) = ci.run(&script, &vars);
        assert_eq!((found, ci.runs()), (code, runs), "{text}");
    }
}

fn verify(night: &Night, args: &[&str]) -> Said {
    night.mc(&[&["verify"], args].concat())
}

/// How many tests and failures the whole JUnit file counts.
#[track_caller]
fn sums(xml: &str) -> (usize, usize) {
    let line = xml.lines().nth(1).unwrap();
    let number = |name: &str| {
        let (_, rest) = line.split_once(&format!(" {name}=\"")).unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    };
    let cases = |tag: &str| xml.matches(tag).count();
    assert_eq!((number("tests"), number("failures")), (cases("<testcase "), cases("<failure ")), "{xml}");
    (number("tests"), number("failures"))
}

#[test]
fn p1_who_reads_nothing_but_the_junit_file_sees_that_the_gate_refuses() {
    let night = Night::new();
    night.write("lint", "");
    let lint =
        "[[target.verification.stage]]\nname = \"style\"\nrun = \"cat lint\"\nkind = \"lint\"\nformat = \"ruff\"\n";
    let unit = "[[target.verification.stage]]\nname = \"unit\"\nrun = \"sh run.sh\"\n";
    night.write("mission-control.toml", format!("[queue]\nratchet = true\n{unit}{lint}"));
    night.commit("stages");
    let failure = |name: &str, reason: &str| {
        format!("<testcase classname=\"mc verify\" name=\"{name}\"><failure message=\"{reason}\">{reason}\n</failure>")
    };
    let broken = "name=\"alpha\"><failure message=\"passed before and fails now; stage unit: exit code 1\">failed in 2 of 2 runs";
    for (name, script, sum, case) in [
        ("removes", "git rm -q tests/alpha.sh", (3, 1), failure("removed tests", "1 test disappeared: unit: alpha")),
        (
            "skips",
            "echo 'echo SKIP' > tests/alpha.sh",
            (4, 1),
            failure("skipped tests", "1 test became skipped: unit: alpha"),
        ),
        (
            "lints",
            "echo 'new.py:7:1: F811 Redefinition' > lint",
            (4, 1),
            failure("new findings", "1 new lint finding: style: new.py: F811"),
        ),
        (
            "stops",
            "echo 'exit 3' > run.sh",
            (4, 3),
            failure("broken stages", "1 stage passed before and does not now: unit: exit code 3"),
        ),
        ("breaks", "echo false > tests/alpha.sh", (3, 1), broken.to_owned()),
    ] {
        night.sh(&format!("git switch -qc {name} main; {script}"));
        night.commit(name);
        let said = verify(&night, &[name, "--base", "main", "--format", "junit"]).exits(4);
        assert!(said.out.contains(&case), "{name}: `{case}` is missing in\n{}", said.out);
        assert_eq!(sums(&said.out), sum, "{}", said.out);
    }
    let said = verify(&night, &["lints", "--base", "main", "--format", "github"]).exits(4);
    said.says(&["::error title=new findings::1 new lint finding: style: new.py: F811"]);
    // A failing test shows where its stage said more, and the end of it.
    let said = verify(&night, &["breaks", "--base", "main", "--format", "junit"]).exits(4);
    said.says(&[
        "\noutput: /",
        "the output of the stage ends with its last 3 lines:\nnot ok 1 - alpha\nok 2 - beta\n1..2",
    ]);
    // Settings that were not followed are shown, and are no failure; what passes has no suite of ours.
    night.sh("git switch -qc rules main; sed -i 's/ratchet = true/ratchet = false/' mission-control.toml");
    night.commit("rules");
    let said = verify(&night, &["rules", "--base", "main", "--format", "junit"]).exits(0);
    assert_eq!(sums(&said.out), (4, 0));
    said.says(&[
        "name=\"settings\"><skipped message=\"rules changes how it is verified; judged by mission-control.toml of",
    ]);
    verify(&night, &["main", "--format", "junit"]).exits(0).does_not_say(&["classname=\"mc verify\""]);
}
