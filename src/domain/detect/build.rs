//! Go, CMake and Makefiles.

use super::{Group, Need, Stage};
use crate::domain::detect::places::Place;
use crate::domain::verify::model::key::StageKind::{Build, Lint, Tests};
use crate::domain::verify::model::snapshot::StageResult;

const GO: Need = Need::Program("go", "apt-get install golang");
const CMAKE: Need = Need::Program("cmake", "apt-get install cmake");
const CC: Need = Need::Program("cc", "apt-get install build-essential");
const MAKE: Need = Need::Program("make", "apt-get install make");

pub(super) fn go(place: &Place<'_>) -> Option<Group> {
    if !place.has_file("go.mod") {
        return None;
    }
    // A module below is no part of `./...`, so every one is proposed.
    let mut group = Group::new("Go", place);
    group.fingerprints.push(("go", "go version"));
    group.parts.push(Stage::new(Tests, "go", "go test -v ./...", vec![GO], "go.mod"));
    group.parts.push(Stage::new(Lint, "exit", "go vet ./...", vec![GO], "part of Go").named("vet"));
    if [".golangci.yml", ".golangci.yaml", ".golangci.toml"].iter().any(|name| place.has_file(name)) {
        let install = "go install github.com/golangci/golangci-lint/cmd/golangci-lint@latest";
        let needs = vec![GO, Need::Program("golangci-lint", install)];
        group.parts.push(Stage::new(Lint, "auto", "golangci-lint run", needs, "golangci-lint is configured"));
    }
    Some(group)
}

/// That the tests of a stage are programs, as ctest tells of them: what is tested inside of one has no name.
pub fn programs(run: &str, stage: &StageResult) -> Option<String> {
    let tests = &stage.tests.as_ref()?.tests;
    let inside = tests.iter().any(|test| !test.suite.is_empty() && test.suite != "(empty)" || test.name.contains('.'));
    let programs = run.split_whitespace().any(|word| word == "ctest") && !tests.is_empty() && !inside;
    programs.then(|| {
        let (n, s) = (tests.len(), if tests.len() == 1 { "" } else { "s" });
        format!("stage {}: {n} program{s} of ctest; tests inside of them are not told apart", stage.name)
    })
}

/// Whether the programs of a CMake project are tests of googletest.
fn uses_gtest(place: &Place<'_>) -> bool {
    let words = ["find_package(GTest", "GTest::", "gtest_main", "googletest"];
    let texts = ["CMakeLists.txt", "test/CMakeLists.txt", "tests/CMakeLists.txt"].map(|path| place.text(path));
    texts.iter().any(|text| words.iter().any(|word| text.contains(word)))
}

/// C and C++ by CMake, else a Makefile with a target that tests.
pub(super) fn c_or_make(place: &Place<'_>) -> Option<Group> {
    if place.has_file("CMakeLists.txt") {
        let text = place.text("CMakeLists.txt");
        let mut group = Group::new("C", place);
        group.covers = true;
        let plus = |path: &str| [".cc", ".cpp", ".cxx"].iter().any(|ending| path.ends_with(ending));
        if place.paths().any(plus) {
            group.fingerprints.push(("c++", "c++ --version"));
        }
        if place.paths().any(|path| path.ends_with(".c")) || group.fingerprints.is_empty() {
            group.fingerprints.push(("cc", "cc --version"));
        }
        // Without a number make starts a compiler for every file.
        let run = "cmake -S . -B build && cmake --build build --parallel \"$(nproc)\"";
        group.parts.push(Stage::new(Build, "exit", run, vec![CMAKE, CC], "CMakeLists.txt"));
        if ["enable_testing", "add_test", "CTest", "gtest_discover_tests"].iter().any(|word| text.contains(word)) {
            let ctest = Need::Program("ctest", "apt-get install cmake");
            let run = "ctest --test-dir build --output-on-failure --output-junit mc-tests.xml";
            // Where ctest knows programs only, those of googletest tell of the tests inside of them.
            let part = if uses_gtest(place) && !text.contains("gtest_discover_tests") {
                let run = format!("GTEST_OUTPUT=\"xml:$PWD/build/mc-gtest/\" {run}");
                let part = Stage::new(Tests, "junit", run, vec![ctest], "tests for ctest, with googletest");
                part.reporting(&["build/mc-tests.xml", "build/mc-gtest/*.xml"])
            } else {
                if !text.contains("discover_tests") {
                    let note = "ctest knows programs: tests inside of one are not told apart, so that one which is deleted goes unseen; \
                                let each program leave JUnit XML and name it in `reports`";
                    group.notes.push(note.to_owned());
                }
                Stage::new(Tests, "junit", run, vec![ctest], "tests for ctest").reporting(&["build/mc-tests.xml"])
            };
            group.parts.push(part);
        }
        return Some(group);
    }
    let makefile = ["GNUmakefile", "makefile", "Makefile"].into_iter().find(|name| place.has_file(name))?;
    let text = place.text(makefile);
    let target = ["test", "check"].into_iter().find(|target| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(target)?.trim_start().strip_prefix(':'));
        lines.any(|rest| !rest.starts_with('='))
    })?;
    let mut group = Group::new("Make", place);
    group.covers = true;
    let run = format!("make {target}");
    group.parts.push(Stage::new(Tests, "auto", run, vec![MAKE], "a target of the Makefile"));
    Some(group)
}
