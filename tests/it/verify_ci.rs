//! The CI workflows that are shipped: they are YAML, no text of an event is part of a script, and their commands do what they
//! should in a checkout as CI makes it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests touch the world and may panic")]

use super::support::night::Night;
use std::path::Path;
use yaml_rust2::{Yaml, YamlLoader};

const GITHUB: &str = include_str!("../../config/ci/github.yml");
const GITLAB: &str = include_str!("../../config/ci/gitlab.yml");

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
    assert_eq!(step("Verify")["env"]["BASE"].as_str(), Some("${{ github.event.pull_request.base.sha }}"));
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
