//! Go, CMake and Makefiles.

use super::{Group, Need, Part, Place};
use crate::domain::verify::key::StageKind;

const GO: Need = Need::Program("go", "apt-get install golang");
const CMAKE: Need = Need::Program("cmake", "apt-get install cmake");
const CC: Need = Need::Program("cc", "apt-get install build-essential");
const MAKE: Need = Need::Program("make", "apt-get install make");

pub(super) fn go(place: &Place<'_>) -> Option<Group> {
    if !place.has("go.mod") {
        return None;
    }
    // A module below is no part of `./...`, so every one is proposed.
    let mut group = Group::new("Go", place);
    group.fingerprints.push(("go", "go version"));
    group.parts.push(Part::new("tests", StageKind::Tests, "go test -v ./...", vec![GO], "go.mod").format("go"));
    group.parts.push(Part::new("vet", StageKind::Lint, "go vet ./...", vec![GO], "part of Go").format("exit"));
    if [".golangci.yml", ".golangci.yaml", ".golangci.toml"].iter().any(|name| place.has(name)) {
        let install = "go install github.com/golangci/golangci-lint/cmd/golangci-lint@latest";
        let needs = vec![GO, Need::Program("golangci-lint", install)];
        group.parts.push(Part::new("lint", StageKind::Lint, "golangci-lint run", needs, "golangci-lint is configured"));
    }
    Some(group)
}

/// C and C++ by CMake, else a Makefile with a target that tests.
pub(super) fn c_or_make(place: &Place<'_>) -> Option<Group> {
    if place.has("CMakeLists.txt") {
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
        group.parts.push(Part::new("build", StageKind::Build, run, vec![CMAKE, CC], "CMakeLists.txt").format("exit"));
        if ["enable_testing", "add_test", "CTest", "gtest_discover_tests"].iter().any(|word| text.contains(word)) {
            let run = "ctest --test-dir build --output-on-failure --output-junit mc-tests.xml";
            let ctest = Need::Program("ctest", "apt-get install cmake");
            let mut part = Part::new("tests", StageKind::Tests, run, vec![ctest], "tests for ctest");
            part.reports = vec!["build/mc-tests.xml"];
            group.parts.push(part.format("junit"));
        }
        return Some(group);
    }
    let makefile = ["GNUmakefile", "makefile", "Makefile"].into_iter().find(|name| place.has(name))?;
    let text = place.text(makefile);
    let target = ["test", "check"].into_iter().find(|target| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(target)?.trim_start().strip_prefix(':'));
        lines.any(|rest| !rest.starts_with('='))
    })?;
    let mut group = Group::new("Make", place);
    group.covers = true;
    let run = format!("make {target}");
    group.parts.push(Part::new("tests", StageKind::Tests, run, vec![MAKE], "a target of the Makefile"));
    Some(group)
}
