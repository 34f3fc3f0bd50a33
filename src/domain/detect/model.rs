//! What was found of a repository, and what it is found in.

use crate::domain::detect::places::{Place, join_folder};
use crate::domain::verify::model::key::StageKind;

/// Most folders with a project of their own that are proposed.
pub(super) const MOST_PLACES: usize = 8;

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
    pub fn install_command(&self) -> &'static str {
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
pub struct Detected {
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

impl Stage {
    /// A stage as its own folder sees it, called after its kind.
    pub(super) fn new(
        kind: StageKind,
        format: &'static str,
        run: impl Into<String>,
        needs: Vec<Need>,
        why: &str,
    ) -> Self {
        let (name, reports) = (kind.word().to_owned(), Vec::new());
        Self { name, run: run.into(), kind, format, reports, needs, why: why.to_owned() }
    }

    pub(super) fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    pub(super) fn reporting(self, globs: &[&str]) -> Self {
        Self { reports: globs.iter().map(|glob| (*glob).to_owned()).collect(), ..self }
    }
}

/// What one language proposes for one place.
#[derive(Default)]
pub(super) struct Group {
    pub(super) language: &'static str,
    pub(super) folder: String,
    /// Whether it covers projects of the same language below it.
    pub(super) covers: bool,
    /// Stages before they have their place in the whole.
    pub(super) parts: Vec<Stage>,
    pub(super) setup: Option<Setup>,
    pub(super) fingerprints: Vec<(&'static str, &'static str)>,
    pub(super) notes: Vec<String>,
}

impl Group {
    pub(super) fn new(language: &'static str, place: &Place<'_>) -> Self {
        Self { language, folder: place.folder.to_owned(), ..Self::default() }
    }

    /// Whether it holds this other folder.
    pub(super) fn is_around(&self, folder: &str) -> bool {
        let rest = folder.strip_prefix(self.folder.as_str());
        rest.is_some_and(|rest| !rest.is_empty() && (self.folder.is_empty() || rest.starts_with('/')))
    }

    /// Whether one of its stages runs tests.
    pub(super) fn tests(&self) -> bool {
        self.parts.iter().any(|part| part.kind == StageKind::Tests)
    }

    pub(super) fn title(&self) -> String {
        if self.folder.is_empty() { self.language.to_owned() } else { format!("{} in {}", self.language, self.folder) }
    }

    pub(super) fn stage_name(&self, part: &Stage, alone: bool) -> String {
        if alone {
            return part.name.clone();
        }
        let start = if self.folder.is_empty() { self.language } else { &self.folder };
        let safe =
            |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c.to_ascii_lowercase() } else { '-' };
        let start: String = start.chars().take(32).map(safe).collect();
        format!("{start}-{}", part.name)
    }

    /// The setup as seen from the top of the repository.
    pub(super) fn setup_from_root(&self, setup: Setup) -> Setup {
        let inputs = setup.inputs.iter().map(|input| join_folder(&self.folder, input)).collect();
        Setup { run: run_in_folder(&self.folder, &setup.run), inputs, needs: setup.needs }
    }
}

/// A shell line that runs `line` in a folder; the folder's name is quoted, whatever it holds.
pub(super) fn run_in_folder(folder: &str, line: &str) -> String {
    match (folder, shlex::try_quote(folder)) {
        ("", _) | (_, Err(_)) => line.to_owned(),
        // A name that begins with a dash would be an option.
        (_, Ok(quoted)) => format!("cd ./{quoted} && {line}"),
    }
}
