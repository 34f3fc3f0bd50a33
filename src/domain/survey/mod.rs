//! What the files of a repository say about how it is verified, prepared and worked on; what `mc init` proposes.
//!
//! Promises: files in, a proposal out, no io; command lines are made of fixed words, and whatever a file says (names of
//! folders, scripts) only chooses among them or is quoted; the same files give the same proposal. Must not know: which
//! programs this machine has.

pub mod agents;
pub mod checks;
pub mod faults;
pub mod imports;
pub mod kept;
pub mod network;
pub mod sample;

pub mod build;
mod groups;
mod java;
mod node;
mod perl;
mod places;
mod python;
mod rust;
mod script;

use crate::domain::verify::key::StageKind;
use places::{Place, below, folders, is_place, passed_over};
use std::collections::{BTreeMap, BTreeSet};

/// Most folders with a project of their own that are proposed.
const MOST_PLACES: usize = 8;

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

/// The files of a repository, as far as a survey looks at them.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Every tracked path.
    pub paths: BTreeSet<String>,
    /// Those that may be executed.
    pub executable: BTreeSet<String>,
    /// Contents of those that [`wanted`] names, as far as they could be read.
    pub texts: BTreeMap<String, String>,
    /// Untracked files at the top that `.gitignore` names and that work needs (`.env`).
    pub local: Vec<String>,
}

/// The tracked files whose contents a survey reads: manifests where projects are looked for, and a few Python tests of each.
#[must_use]
pub fn wanted(paths: &BTreeSet<String>) -> Vec<String> {
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

/// A program or module a proposed line cannot do without.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A program on the PATH, and the command that installs it.
    Program(&'static str, &'static str),
    /// A module of `python3`, and the command that installs it.
    PythonModule(&'static str, &'static str),
    /// A module that no dependency of a project brings, and the command that adds it.
    Dependency(&'static str, &'static str),
}

impl Need {
    /// What is needed, for people.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Program(name, _) => (*name).to_owned(),
            Self::PythonModule(name, _) => format!("the Python module {name}"),
            Self::Dependency(name, _) => {
                format!("the Python module {name}, which no dependency of the project brings,")
            }
        }
    }

    /// The command that installs it.
    #[must_use]
    pub fn install(&self) -> &'static str {
        match self {
            Self::Program(_, install) | Self::PythonModule(_, install) | Self::Dependency(_, install) => install,
        }
    }
}

/// One proposed stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Name, unique in a survey.
    pub name: String,
    /// Shell line.
    pub run: String,
    /// What it looks at.
    pub kind: StageKind,
    /// The word of the format its output or reports have; it may be one this version does not read.
    pub format: &'static str,
    /// Globs of report files it writes.
    pub reports: Vec<String>,
    /// What it cannot do without.
    pub needs: Vec<Need>,
    /// What of the repository it was proposed for.
    pub why: String,
}

/// One proposed preparation of a fresh workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// Shell line.
    pub run: String,
    /// Files whose change makes it run again.
    pub inputs: Vec<String>,
    /// What it cannot do without.
    pub needs: Vec<Need>,
}

/// Everything that is proposed for a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// What was found, for people: `Rust`, `Python in api`.
    pub found: Vec<String>,
    /// The stages, in the order they should run.
    pub stages: Vec<Stage>,
    /// Preparations.
    pub setups: Vec<Setup>,
    /// Lines whose output belongs to what a result is valid for, with the program each needs.
    pub fingerprints: Vec<(&'static str, &'static str)>,
    /// Variables that say where the tools of these languages are; only those that are set matter.
    pub env: Vec<&'static str>,
    /// Files to copy into each workspace.
    pub copy: Vec<String>,
    /// Globs of tracked files that decide whether a change is good: pipelines, settings of linters and runners, scripts that stages start.
    pub deciding: Vec<String>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Looks at the files of a repository.
#[must_use]
pub fn survey(files: &Files) -> Survey {
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
        let found = [rust::look, python::look, node::look, build::go, java::look, perl::look].map(|look| look(place));
        let mut found: Vec<Group> = found.into_iter().flatten().filter(|g| !covered(g.language)).collect();
        if !(deep || found.iter().any(Group::tests) || covered("C") || covered("Make")) {
            found.extend(build::c_or_make(place));
        }
        groups.extend(found);
    }
    if !groups.iter().any(Group::tests) {
        groups.extend(script::look(&places[0]));
    }
    let mut survey = Survey { copy: files.local.clone(), ..Survey::default() };
    if groups.len() > MOST_PLACES {
        let left = groups.split_off(MOST_PLACES);
        let names: Vec<String> = left.iter().map(Group::title).collect();
        survey.notes.push(format!("more projects than are proposed; left out: {}", names.join(", ")));
    }
    let alone = groups.len() == 1;
    for group in groups {
        survey.found.push(group.title());
        survey.notes.extend(group.notes.iter().cloned());
        for name in env_of(group.language) {
            if !survey.env.contains(name) {
                survey.env.push(name);
            }
        }
        for line in &group.fingerprints {
            if !survey.fingerprints.contains(line) {
                survey.fingerprints.push(*line);
            }
        }
        survey.setups.extend(group.setup.clone().map(|setup| group.placed(setup)));
        for part in &group.parts {
            let name = unused(&survey.stages, group.stage_name(part, alone));
            survey.stages.push(Stage {
                name,
                run: within(&group.folder, &part.run),
                kind: part.kind,
                format: part.format,
                reports: part.reports.iter().map(|glob| below(&group.folder, glob)).collect(),
                needs: part.needs.clone(),
                why: format!("{} ({})", group.title(), part.why),
            });
        }
    }
    survey.deciding = deciding(files, &survey.stages);
    survey
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

fn deciding(files: &Files, stages: &[Stage]) -> Vec<String> {
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
#[must_use]
pub fn starts_all_at_once(line: &str) -> bool {
    let builds = |command: &str| {
        let words: Vec<&str> = command.split_whitespace().collect();
        let make = words.iter().any(|word| ["make", "gmake"].contains(word));
        let cmake = words.contains(&"cmake") && words.contains(&"--build");
        let unbounded = |at: usize| {
            let flag = ["-j", "--jobs", "--parallel"].contains(&words[at]);
            let number = words
                .get(at + 1)
                .is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit() || "$\"'`".contains(c)));
            flag && !number
        };
        (make || cmake) && (0..words.len()).any(unbounded)
    };
    line.split(['&', ';', '|', '\n']).any(builds)
}

/// Two folders may differ in characters a name cannot have.
fn unused(stages: &[Stage], name: String) -> String {
    let taken = |name: &str| stages.iter().any(|stage| stage.name == name);
    (2..)
        .map(|n| format!("{name}-{n}"))
        .take(100)
        .fold(name.clone(), |free, next| if taken(&free) { next } else { free })
}

/// What one language proposes for one place.
struct Group {
    language: &'static str,
    folder: String,
    /// Whether it covers projects of the same language below it.
    covers: bool,
    parts: Vec<Part>,
    setup: Option<Setup>,
    fingerprints: Vec<(&'static str, &'static str)>,
    notes: Vec<String>,
}

/// A stage before it has its place in the whole.
struct Part {
    name: &'static str,
    run: String,
    kind: StageKind,
    format: &'static str,
    reports: Vec<&'static str>,
    needs: Vec<Need>,
    why: &'static str,
}

impl Part {
    fn new(name: &'static str, kind: StageKind, run: impl Into<String>, needs: Vec<Need>, why: &'static str) -> Self {
        Self { name, run: run.into(), kind, format: "auto", reports: Vec::new(), needs, why }
    }

    fn format(mut self, word: &'static str) -> Self {
        self.format = word;
        self
    }
}

impl Group {
    fn new(language: &'static str, place: &Place<'_>) -> Self {
        let folder = place.folder.to_owned();
        Self {
            language,
            folder,
            covers: false,
            parts: Vec::new(),
            setup: None,
            fingerprints: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether it holds this other folder.
    fn is_around(&self, folder: &str) -> bool {
        match folder.strip_prefix(self.folder.as_str()) {
            Some(rest) => !rest.is_empty() && (self.folder.is_empty() || rest.starts_with('/')),
            None => false,
        }
    }

    /// Whether one of its stages runs tests.
    fn tests(&self) -> bool {
        self.parts.iter().any(|part| part.kind == StageKind::Tests)
    }

    fn title(&self) -> String {
        if self.folder.is_empty() { self.language.to_owned() } else { format!("{} in {}", self.language, self.folder) }
    }

    fn stage_name(&self, part: &Part, alone: bool) -> String {
        if alone {
            return part.name.to_owned();
        }
        let start = if self.folder.is_empty() { self.language } else { &self.folder };
        let safe =
            |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c.to_ascii_lowercase() } else { '-' };
        let start: String = start.chars().take(32).map(safe).collect();
        format!("{start}-{}", part.name)
    }

    /// The setup as seen from the top of the repository.
    fn placed(&self, setup: Setup) -> Setup {
        let inputs = setup.inputs.iter().map(|input| below(&self.folder, input)).collect();
        Setup { run: within(&self.folder, &setup.run), inputs, needs: setup.needs }
    }
}

/// A shell line that runs `line` in a folder; the folder's name is quoted, whatever it holds.
fn within(folder: &str, line: &str) -> String {
    match (folder, shlex::try_quote(folder)) {
        ("", _) | (_, Err(_)) => line.to_owned(),
        // A name that begins with a dash would be an option.
        (_, Ok(quoted)) => format!("cd ./{quoted} && {line}"),
    }
}

#[cfg(test)]
#[path = "survey_tests.rs"]
mod tests;
