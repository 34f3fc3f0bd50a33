//! Python: pytest or unittest, ruff, mypy, bandit; uv and poetry where their lock files are.

use super::groups::{Brought, install_source};
use super::{Files, Group, Need, Setup, Stage};
use crate::domain::detect::places::{Place, is_place, join_folder, passed_over};
use crate::domain::verify::model::key::StageKind::{Lint, Security, Tests, Types};
use std::collections::BTreeSet;

/// Most other folders with sources that are named in one line.
const MOST_SOURCES: usize = 8;

const PYTHON: Need = Need::Program("python3", "apt-get install python3");

/// Whether a path is that of a Python test file.
pub(super) fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".py").is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test") || stem == "tests")
}

/// How programs of the project are started, and how its workspace is prepared.
enum Starter {
    /// `python3 -m …` of the PATH.
    Plain,
    /// Through a tool with a lock file of its own.
    Tool(&'static str, Need),
}

/// Files of a folder that make it a project.
const MARKS: [&str; 6] = ["pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "pytest.ini", "requirements.txt"];

/// The table of a manifest that makes other projects members of this one.
const UV_WORKSPACE: &str = "[tool.uv.workspace]";

pub(super) fn detect(place: &Place<'_>) -> Option<Group> {
    let own = own_projects(place);
    let tests: Vec<&str> = place.paths().filter(|path| is_test(path)).collect();
    let marked = MARKS.iter().any(|name| place.has_file(name));
    // Where all tests belong to projects below, each of these is asked by itself.
    let gathers = marked && !tests.is_empty() && tests.iter().all(|test| own.iter().any(|o| is_below(test, o)));
    // Test files below a folder that has marks of its own belong to that one.
    let near = tests.iter().any(|path| {
        path.matches('/').count() <= usize::from(place.folder.is_empty()) && !path.contains("node_modules")
    });
    let at_top = place.folder.is_empty() && near;
    if !marked && !at_top {
        return None;
    }
    let mut group = Group::new("Python", place);
    group.covers = marked && !gathers;
    group.fingerprints.push(("python3", "python3 --version"));
    let (starter, setup) = starter(place);
    group.setup = setup;
    let pytest =
        mentions(place, "pytest") || place.paths().any(|p| p.ends_with("conftest.py")) || bare_functions(place);
    let path = match starter {
        Starter::Plain => source_path(place),
        Starter::Tool(..) => String::new(),
    };
    if gathers {
    } else if pytest {
        let (run, mut needs) =
            starter.module_command(place, &mut group, ("pytest", "python3 -m pip install pytest"), "-v");
        // Tests are never left out for what a manifest does not say.
        needs.retain(|need| !matches!(need, Need::Dependency(..)));
        group.parts.push(Stage::new(Tests, "pytest", format!("{path}{run}"), needs, "pytest is used"));
    } else if !tests.is_empty() {
        let from = match (place.has_file("tests/__init__.py"), tests.iter().all(|t| t.starts_with("tests/"))) {
            (false, true) => " -s tests",
            _ => "",
        };
        let run = match &starter {
            Starter::Plain => format!("{path}python3 -m unittest discover -v{from}"),
            Starter::Tool(tool, _) => format!("{tool} run python -m unittest discover -v{from}"),
        };
        group.parts.push(Stage::new(Tests, "unittest", run, vec![starter.need()], "test files for unittest"));
    }
    add_linters(place, &starter, &mut group);
    (!group.parts.is_empty() || group.setup.is_some() && gathers).then_some(group)
}

/// Folders below a place that are projects of their own.
fn own_projects<'a>(place: &Place<'a>) -> BTreeSet<&'a str> {
    let files: &'a Files = place.files;
    let folders = files.paths.iter().filter_map(|path| {
        let (folder, name) = path.rsplit_once('/')?;
        (MARKS.contains(&name) && is_place(folder)).then_some(folder)
    });
    let start = join_folder(place.folder, "");
    folders.filter_map(|folder| folder.strip_prefix(start.as_str())).collect()
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether tests are functions of their modules, which unittest does not see.
fn bare_functions(place: &Place<'_>) -> bool {
    let tests = || place.texts_below().filter(|(path, _)| is_test(path));
    let function =
        |text: &str| text.lines().any(|line| line.starts_with("def test") || line.starts_with("async def test"));
    tests().any(|(_, text)| function(text)) && !tests().any(|(_, text)| text.contains("TestCase"))
}

/// `PYTHONPATH=src:../b/src ` for a place with a `src` folder of its own: beside it those of the other packages of the repository, so
/// that none is taken from where it happens to be installed. Empty for other layouts.
fn source_path(place: &Place<'_>) -> String {
    if !place.paths().any(|path| source_folder(path) == Some("src")) {
        return String::new();
    }
    let all = place.files.paths.iter().filter_map(|path| source_folder(path));
    let all: BTreeSet<&str> = all.filter(|folder| folder.split('/').all(|part| !passed_over(part))).collect();
    let own = join_folder(place.folder, "src");
    let up = "../".repeat(place.folder.split('/').filter(|part| !part.is_empty()).count());
    let others = all.into_iter().filter(|folder| *folder != own).take(MOST_SOURCES);
    let path: Vec<String> =
        std::iter::once("src".to_owned()).chain(others.map(|folder| format!("{up}{folder}"))).collect();
    let path = path.join(":");
    format!("PYTHONPATH={} ", shlex::try_quote(&path).unwrap_or("src".into()))
}

/// `a/src` of `a/src/pa/__init__.py`; nothing of paths that are no packages below a folder `src`.
fn source_folder(path: &str) -> Option<&str> {
    let package = path.strip_suffix("/__init__.py")?;
    let end = if package.starts_with("src/") { 3 } else { package.find("/src/")? + 4 };
    let folder = &package[..end];
    let for_tests = folder.split('/').any(|part| ["test", "tests", "testing"].contains(&part));
    (folder.matches('/').count() <= 2 && !for_tests).then_some(folder)
}

fn add_linters(place: &Place<'_>, starter: &Starter, group: &mut Group) {
    let project = place.text("pyproject.toml");
    let sections = format!("{}\n{}", place.text("setup.cfg"), place.text("tox.ini"));
    let mut add = |kind, module, install, args: &str, why| {
        let (run, needs) = starter.module_command(place, group, (module, install), args);
        group.parts.push(Stage::new(kind, module, run.trim_end(), needs, why));
    };
    if place.has_file("ruff.toml") || place.has_file(".ruff.toml") || project.contains("[tool.ruff") {
        let args = "check --output-format=concise";
        add(Lint, "ruff", "python3 -m pip install ruff", args, "ruff is configured");
    }
    if place.has_file("mypy.ini")
        || place.has_file(".mypy.ini")
        || project.contains("[tool.mypy]")
        || sections.contains("[mypy]")
    {
        let texts = [project, &sections, place.text("mypy.ini")];
        let named = texts.iter().any(|text| text.contains("\nfiles") || text.contains("\npackages"));
        add(Types, "mypy", "python3 -m pip install mypy", if named { "" } else { "." }, "mypy is configured");
    }
    if place.has_file(".bandit") || project.contains("[tool.bandit") || sections.contains("[bandit]") {
        let settings = if project.contains("[tool.bandit") { " -c pyproject.toml" } else { "" };
        let args = format!("-q -r{settings} -x ./tests,./.venv .");
        add(Security, "bandit", "python3 -m pip install bandit", &args, "bandit is configured");
    }
}

impl Starter {
    fn need(&self) -> Need {
        match self {
            Self::Plain => PYTHON,
            Self::Tool(_, need) => need.clone(),
        }
    }

    /// The line that starts a module, and what that needs; a tool with a lock file brings the module itself, with an option where
    /// it is in a group that is not installed by default. That option goes to the setup of the group as well.
    fn module_command(
        &self,
        place: &Place<'_>,
        group: &mut Group,
        (module, install): (&'static str, &'static str),
        args: &str,
    ) -> (String, Vec<Need>) {
        let Self::Tool(tool, need) = self else {
            return (format!("python3 -m {module} {args}"), vec![PYTHON, Need::PythonModule(module, install)]);
        };
        let mut needs = vec![need.clone()];
        let option = match install_source(tool, place.text("pyproject.toml"), module) {
            Brought::Always => String::new(),
            Brought::With(option) => format!(" {option}"),
            Brought::Nowhere => {
                needs.push(Need::Dependency(module, add_command(tool, module)));
                String::new()
            }
        };
        if let Some(setup) = group.setup.as_mut().filter(|setup| !setup.run.contains(&option)) {
            setup.run.push_str(&option);
        }
        // `poetry run` takes what is installed.
        let option = if *tool == "uv" { option } else { String::new() };
        (format!("{tool} run{option} {module} {args}"), needs)
    }
}

/// The command that makes a module a dependency for development.
fn add_command(tool: &str, module: &str) -> &'static str {
    match (tool, module) {
        ("uv", "ruff") => "uv add --dev ruff",
        ("uv", "mypy") => "uv add --dev mypy",
        ("uv", "bandit") => "uv add --dev bandit",
        ("poetry", "ruff") => "poetry add --group dev ruff",
        ("poetry", "mypy") => "poetry add --group dev mypy",
        ("poetry", "bandit") => "poetry add --group dev bandit",
        _ => "uv add --dev pytest",
    }
}

fn starter(place: &Place<'_>) -> (Starter, Option<Setup>) {
    let tool = |name, install, lock: &str, run: &str| {
        let need = Need::Program(name, install);
        let inputs = vec![lock.to_owned(), "pyproject.toml".to_owned()];
        let setup = Setup { run: run.to_owned(), inputs, needs: vec![need.clone()] };
        (Starter::Tool(name, need), Some(setup))
    };
    let uv = "python3 -m pip install uv";
    let top = Place { files: place.files, folder: "" };
    if place.has_file("uv.lock") {
        // Members are tested in the one environment that all of them share.
        let all = if place.text("pyproject.toml").contains(UV_WORKSPACE) { " --all-packages" } else { "" };
        tool("uv", uv, "uv.lock", &format!("uv sync --locked{all}"))
    } else if top.has_file("uv.lock")
        && top.text("pyproject.toml").contains(UV_WORKSPACE)
        && place.has_file("pyproject.toml")
    {
        // Prepared by what was found at the top.
        (Starter::Tool("uv", Need::Program("uv", uv)), None)
    } else if place.has_file("poetry.lock") {
        tool("poetry", "python3 -m pip install poetry", "poetry.lock", "poetry install --no-interaction")
    } else {
        (Starter::Plain, None)
    }
}

/// Whether a manifest or test of this place names the word.
fn mentions(place: &Place<'_>, word: &str) -> bool {
    place.texts_below().any(|(path, text)| {
        let python = [".toml", ".cfg", ".ini", ".txt", ".py"].iter().any(|ending| path.ends_with(ending));
        python && !path.ends_with("Cargo.toml") && text.contains(word)
    })
}
