//! What a repository is made of, found by its files.

use super::{build, java, node, perl, python, rust, script};
use crate::domain::detect::files::Files;
use crate::domain::detect::model::{Detected, Group, MOST_PLACES, Stage, run_in_folder};
use crate::domain::detect::places::{Place, folders, is_place, join_folder};
use std::collections::{BTreeMap, BTreeSet};

/// Files whose contents a survey reads, by name.
const MANIFESTS: [&str; 20] = [
    "Cargo.toml",
    "CMakeLists.txt",
    "GNUmakefile",
    "Makefile",
    "build.gradle",
    "build.gradle.kts",
    "conftest.py",
    "go.mod",
    "makefile",
    "package.json",
    "pom.xml",
    "pyproject.toml",
    "pytest.ini",
    "requirements-dev.txt",
    "requirements-test.txt",
    "requirements.txt",
    "setup.cfg",
    "setup.py",
    "tox.ini",
    ".gitignore",
];

/// Test files of Python that are read in one folder with a project to tell the test runner, and in all.
const TEST_FILES_READ: usize = 5;

const TEST_FILES_READ_IN_ALL: usize = 60;

/// The tracked files whose contents a survey reads: manifests where projects are looked for, and a few Python tests of each.
pub fn files_to_read(paths: &BTreeSet<String>) -> Vec<String> {
    let near = |path: &&String| {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        MANIFESTS.contains(&name) && is_place(folder)
    };
    let mut tests: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for path in paths.iter().filter(|path| python::is_test(path)) {
        let folder = path.match_indices('/').nth(1).map_or("", |(at, _)| &path[..at]);
        tests.entry(folder).or_default().push(path);
    }
    let tests = tests.into_values().flat_map(|tests| tests.into_iter().take(TEST_FILES_READ));
    let tests = tests.take(TEST_FILES_READ_IN_ALL);
    let scripts = script::NAMES.iter().filter_map(|name| paths.get(*name));
    paths.iter().filter(near).chain(tests).chain(scripts).cloned().collect()
}

/// Looks at the files of a repository.
pub fn detect_stages(files: &Files) -> Detected {
    let mut places: Vec<Place<'_>> = vec![Place { files, folder: "" }];
    places.extend(folders(files).into_iter().map(|folder| Place { files, folder }));
    let mut groups: Vec<Group> = Vec::new();
    for place in &places {
        // Two levels down only what no tests further up may belong to.
        let deep = place.folder.contains('/');
        let covered = |language: &str| {
            let around = groups.iter().filter(|group| group.is_around(place.folder) && group.language == language);
            around.into_iter().any(|group| group.covers || deep && group.tests())
        };
        let looks = [rust::detect, python::detect, node::detect, build::go, java::detect, perl::detect];
        let found = looks.into_iter().filter_map(|look| look(place));
        let mut found: Vec<Group> = found.filter(|group| !covered(group.language)).collect();
        if !(deep || found.iter().any(Group::tests) || covered("C") || covered("Make")) {
            found.extend(build::c_or_make(place));
        }
        groups.extend(found);
    }
    if !groups.iter().any(Group::tests) {
        groups.extend(script::detect(&places[0]));
    }
    let mut survey = Detected { copy: files.local.clone(), ..Detected::default() };
    if groups.len() > MOST_PLACES {
        let left = groups.split_off(MOST_PLACES);
        let names: Vec<String> = left.iter().map(Group::title).collect();
        survey.notes.push(format!("more projects than are proposed; left out: {}", names.join(", ")));
    }
    let alone = groups.len() == 1;
    for group in groups {
        survey.found.push(group.title());
        survey.notes.extend(group.notes.iter().cloned());
        add_new(&mut survey.env, env_of(group.language).iter().copied());
        add_new(&mut survey.fingerprints, group.fingerprints.iter().copied());
        survey.setups.extend(group.setup.clone().map(|setup| group.setup_from_root(setup)));
        for part in &group.parts {
            let name = unused_name(&survey.stages, group.stage_name(part, alone));
            survey.stages.push(Stage {
                name,
                run: run_in_folder(&group.folder, &part.run),
                reports: part.reports.iter().map(|glob| join_folder(&group.folder, glob)).collect(),
                why: format!("{} ({})", group.title(), part.why),
                ..part.clone()
            });
        }
    }
    survey.deciding = deciding_files(files, &survey.stages);
    survey
}

/// Adds what is not there yet.
pub(super) fn add_new<T: PartialEq>(list: &mut Vec<T>, items: impl IntoIterator<Item = T>) {
    for item in items {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}

/// Folders whose files are pipelines, with the glob that stands for all of them.
const PIPELINES: [(&str, &str); 4] = [
    (".github/workflows/", ".github/workflows/**"),
    (".circleci/", ".circleci/**"),
    (".buildkite/", ".buildkite/**"),
    (".woodpecker/", ".woodpecker/**"),
];

/// Names of files that say how code is judged.
const JUDGING: [&str; 27] = [
    ".bandit",
    ".clippy.toml",
    ".eslintrc",
    ".eslintrc.cjs",
    ".eslintrc.js",
    ".eslintrc.json",
    ".eslintrc.yml",
    ".gitlab-ci.yml",
    ".golangci.toml",
    ".golangci.yaml",
    ".golangci.yml",
    ".mypy.ini",
    ".pre-commit-config.yaml",
    ".ruff.toml",
    ".rustfmt.toml",
    "azure-pipelines.yml",
    "clippy.toml",
    "deny.toml",
    "eslint.config.js",
    "eslint.config.mjs",
    "jest.config.js",
    "mypy.ini",
    "pytest.ini",
    "ruff.toml",
    "rustfmt.toml",
    "tox.ini",
    "vitest.config.ts",
];

pub(super) fn deciding_files(files: &Files, stages: &[Stage]) -> Vec<String> {
    let pipelines = PIPELINES.iter().filter(|(folder, _)| files.paths.iter().any(|path| path.starts_with(folder)));
    let mut found: BTreeSet<String> = pipelines.map(|(_, glob)| (*glob).to_owned()).collect();
    found.extend(JUDGING.iter().filter(|name| files.paths.contains(**name)).map(|name| (*name).to_owned()));
    for words in stages.iter().filter_map(|stage| shlex::split(&stage.run)) {
        let named = words.iter().map(|word| word.trim_start_matches("./")).filter(|word| files.paths.contains(*word));
        found.extend(named.map(str::to_owned));
    }
    // A name that a glob would read otherwise is left to the person.
    found.into_iter().filter(|path| path.ends_with("/**") || !path.contains(['*', '?', '[', '{', '\\', '!'])).collect()
}

/// Where a language's tools look for themselves, their packages and their settings. None of these holds a secret.
fn env_of(language: &str) -> &'static [&'static str] {
    match language {
        "Rust" => &["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTFLAGS"],
        "Python" => &["VIRTUAL_ENV", "PYENV_ROOT", "PYENV_VERSION", "PYTHONPATH", "UV_CACHE_DIR"],
        "Node" => &["NVM_DIR", "NODE_OPTIONS", "NODE_EXTRA_CA_CERTS"],
        "Go" => &["GOROOT", "GOPATH", "GOFLAGS", "GOPROXY", "GOTOOLCHAIN", "GOMODCACHE"],
        "Perl" => &["PERL5LIB", "PERL5OPT", "PERLBREW_ROOT", "PERLBREW_PERL"],
        "Java" => &["JAVA_HOME", "MAVEN_OPTS", "GRADLE_USER_HOME"],
        "C" => &["CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "CMAKE_PREFIX_PATH", "PKG_CONFIG_PATH"],
        _ => &[],
    }
}

/// Whether a line starts as many compilers at once as there are files: `-j` or `--parallel` of make or CMake without a number.
pub fn starts_all_at_once(line: &str) -> bool {
    let builds = |command: &str| {
        let words: Vec<&str> = command.split_whitespace().collect();
        let make = words.iter().any(|word| ["make", "gmake"].contains(word));
        let cmake = words.contains(&"cmake") && words.contains(&"--build");
        let unbounded = |at: usize| {
            let flag = ["-j", "--jobs", "--parallel"].contains(&words[at]);
            let number = |next: &&str| next.starts_with(|c: char| c.is_ascii_digit() || "$\"'`".contains(c));
            flag && !words.get(at + 1).is_some_and(number)
        };
        (make || cmake) && (0..words.len()).any(unbounded)
    };
    line.split(['&', ';', '|', '\n']).any(builds)
}

/// Two folders may differ in characters a name cannot have.
fn unused_name(stages: &[Stage], name: String) -> String {
    let taken = |name: &str| stages.iter().any(|stage| stage.name == name);
    let others = (2..102).map(|n| format!("{name}-{n}"));
    others.fold(name.clone(), |free, next| if taken(&free) { next } else { free })
}
