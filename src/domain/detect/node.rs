//! Node: the package manager by its lock file, the test runner by the scripts and dependencies of `package.json`.
//!
//! A script's text only chooses among fixed command lines; names of scripts that are run are fixed words.

use super::{Group, Need, Setup, Stage};
use crate::domain::detect::places::Place;
use crate::domain::verify::model::key::StageKind::{self, Build, Lint, Security, Tests, Types};
use serde_json::Value;

const NODE: Need = Need::Program("node", "apt-get install nodejs npm");
const NPM: Need = Need::Program("npm", "apt-get install nodejs npm");
const PNPM: Need = Need::Program("pnpm", "npm install -g pnpm");
const YARN: Need = Need::Program("yarn", "npm install -g yarn");

/// A package manager: its name, its lock file, what it installs with, how a script is run with arguments after it.
struct Tool {
    name: &'static str,
    lock: &'static str,
    install: &'static str,
    /// Between the script's name and arguments for it.
    between: &'static str,
    /// Starts a program of the dependencies.
    start: &'static str,
    need: Need,
}

impl Tool {
    fn needs(&self) -> Vec<Need> {
        vec![NODE, self.need.clone()]
    }

    fn stage(&self, kind: StageKind, format: &'static str, run: impl Into<String>, why: &str) -> Stage {
        Stage::new(kind, format, run, self.needs(), why)
    }
}

fn package_managers() -> [Tool; 5] {
    let tool = |name, lock, install, between, start, need| Tool { name, lock, install, between, start, need };
    [
        tool("npm", "package-lock.json", "npm ci", " --", "npx --no-install", NPM),
        tool("npm", "npm-shrinkwrap.json", "npm ci", " --", "npx --no-install", NPM),
        tool("pnpm", "pnpm-lock.yaml", "pnpm install --frozen-lockfile", "", "pnpm exec", PNPM),
        tool("yarn", "yarn.lock", "yarn install --frozen-lockfile", "", "yarn", YARN),
        // Without a lock file: one must not be made, it would become part of every unit's work.
        tool("npm", "", "npm install --no-package-lock", " --", "npx --no-install", NPM),
    ]
}

pub(super) fn detect(place: &Place<'_>) -> Option<Group> {
    if !place.has_file("package.json") {
        return None;
    }
    let package: Value = serde_json::from_str(place.text("package.json")).unwrap_or_default();
    let tool = package_managers().into_iter().find(|tool| tool.lock.is_empty() || place.has_file(tool.lock))?;
    let mut group = Group::new("Node", place);
    let many = ["pnpm-workspace.yaml", "lerna.json", "nx.json", "turbo.json"];
    group.covers = package.get("workspaces").is_some() || many.iter().any(|name| place.has_file(name));
    group.fingerprints.push(("node", "node --version"));
    if !tool.lock.is_empty() || !dependencies(&package).is_empty() {
        let inputs = ["package.json", tool.lock].into_iter().filter(|name| !name.is_empty()).map(str::to_owned);
        let run = if tool.name == "yarn" && place.has_file(".yarnrc.yml") {
            "yarn install --immutable"
        } else {
            tool.install
        };
        group.setup = Some(Setup { run: run.to_owned(), inputs: inputs.collect(), needs: tool.needs() });
    }
    match chain(&package, &tool) {
        Some(parts) => group.parts.extend(parts),
        None => group.parts.extend(members(place, &package, &tool).or_else(|| tests(&package, &tool))),
    }
    let there: Vec<StageKind> = group.parts.iter().map(|part| part.kind).collect();
    let open = |kind: StageKind| !there.contains(&kind);
    let first = |names: &[&'static str]| names.iter().copied().find(|name| script(&package, name).is_some());
    let format = |name, program| if starts_program(&package, name, program) { program } else { "auto" };
    let run = |name| format!("{} run {name}", tool.name);
    if let Some(name) = first(&["audit", "security"]).filter(|_| open(Security)) {
        group.parts.push(tool.stage(Security, "auto", run(name), "a script that looks for known weaknesses"));
    }
    if !open(Lint) {
    } else if script(&package, "lint").is_some() {
        group.parts.push(tool.stage(Lint, format("lint", "eslint"), run("lint"), "the script `lint`"));
    } else if has_dependency(&package, "eslint") {
        group.parts.push(tool.stage(Lint, "eslint", format!("{} eslint .", tool.start), "eslint is used"));
    }
    if !open(Types) {
    } else if let Some(name) = first(&["typecheck", "type-check", "types"]) {
        group.parts.push(tool.stage(Types, format(name, "tsc"), run(name), "a script that checks types"));
    } else if place.has_file("tsconfig.json") && has_dependency(&package, "typescript") {
        let run = format!("{} tsc --noEmit --pretty false", tool.start);
        group.parts.push(tool.stage(Types, "tsc", run, "tsconfig.json"));
    }
    if group.parts.is_empty() && script(&package, "build").is_some() {
        group.parts.push(tool.stage(Build, "exit", run("build"), "the script `build`"));
    }
    Some(group)
}

/// Whether a line does more than to start one program.
fn is_compound(line: &str) -> bool {
    line.contains(['&', '|', ';', '\n', '`', '$'])
}

/// The tests of all members of a workspace, where the script `test` only passes on to theirs and all of these start one runner that
/// can be told to name its tests. What such a script is given goes no further by itself.
fn members(place: &Place<'_>, package: &Value, tool: &Tool) -> Option<Stage> {
    let words = shlex::split(script(package, "test")?)?;
    let (first, words) = words.split_first()?;
    let passed_on = |word: &String| ["--workspaces", "-ws", "--if-present", "run", "test"].contains(&word.as_str());
    let all = words.iter().any(|word| ["--workspaces", "-ws"].contains(&word.as_str()));
    if tool.name != "npm" || first != "npm" || !all || !words.iter().all(passed_on) {
        return None;
    }
    let manifests = place.texts_below().filter(|(path, _)| path.ends_with("/package.json"));
    let packages = manifests.filter_map(|(_, text)| serde_json::from_str::<Value>(text).ok());
    let lines: Vec<String> = packages.filter_map(|package| script(&package, "test").map(str::to_owned)).collect();
    let starts = |name: &str| {
        let one = |line: &String| !is_compound(line) && line.split_whitespace().next() == Some(name);
        !lines.is_empty() && lines.iter().all(one)
    };
    let (format, args) = match (starts("vitest"), starts("jest")) {
        (true, _) => ("vitest", "--reporter=verbose"),
        (_, true) => ("jest", "--verbose"),
        _ => return None,
    };
    let run = format!("CI=true npm test --workspaces --if-present -- {args}");
    let why = "the script `test` of each package of the workspace";
    Some(tool.stage(Tests, format, run, why))
}

fn tests(package: &Value, tool: &Tool) -> Option<Stage> {
    let part = |run: String, format, why| Some(tool.stage(Tests, format, run, why));
    // `CI` keeps runners from waiting for changes of files.
    let with = |args: &str| format!("CI=true {} test{} {args}", tool.name, tool.between);
    let Some(line) = script(package, "test").filter(|line| !line.contains("no test specified")) else {
        return if has_dependency(package, "vitest") {
            part(format!("{} vitest run --reporter=verbose", tool.start), "vitest", "vitest is used")
        } else if has_dependency(package, "jest") {
            part(format!("CI=true {} jest --verbose", tool.start), "jest", "jest is used")
        } else {
            None
        };
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    let starts = |name: &str| !is_compound(line) && words.contains(&name);
    if words == ["vitest"] || words == ["vitest", "run"] {
        part(format!("{} vitest run --reporter=verbose", tool.start), "vitest", "the script `test` starts vitest")
    } else if starts("vitest") {
        part(with("--reporter=verbose"), "vitest", "the script `test` starts vitest")
    } else if starts("jest") || starts("react-scripts") {
        part(with("--verbose"), "jest", "the script `test` starts jest")
    } else if starts("mocha") {
        part(with("--reporter tap"), "tap", "the script `test` starts mocha")
    } else if starts("ava") {
        part(with("--tap"), "tap", "the script `test` starts ava")
    } else if words.contains(&"--test") && words.contains(&"node") {
        let run = format!("NODE_OPTIONS=\"$NODE_OPTIONS --test-reporter=tap\" {} test", tool.name);
        part(run, "tap", "the script `test` starts node's test runner")
    } else {
        part(format!("CI=true {} test", tool.name), "auto", "the script `test`")
    }
}

/// The script `test` as stages, where it is several known tools one after the other: each is judged by what it prints then. Words
/// out of the script are quoted.
fn chain(package: &Value, tool: &Tool) -> Option<Vec<Stage>> {
    let line = script(package, "test")?;
    let commands = line.replace("&&", "");
    if is_compound(&commands) || commands.contains(['(', '<', '>', '*', '?']) {
        return None;
    }
    let parts: Vec<Stage> = line.split("&&").map(|command| link(command, tool)).collect::<Option<_>>()?;
    let kinds: Vec<StageKind> = parts.iter().map(|part| part.kind).collect();
    // One kind alone gains nothing, and without tests something else says whether a change is good.
    (kinds.contains(&Tests) && kinds.iter().any(|kind| *kind != Tests)).then_some(parts)
}

/// One command of such a script; nothing for one that is not known.
fn link(command: &str, tool: &Tool) -> Option<Stage> {
    let mut words = shlex::split(command)?;
    if words.first().is_some_and(|word| word == "npx") {
        words.retain(|word| word != "npx" && word != "--no-install");
    }
    let (program, rest) = words.split_first()?;
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let started = |more: &str| {
        let words = shlex::try_join(words.iter().map(String::as_str)).ok()?;
        Some(format!("{} {words}{more}", tool.start))
    };
    let (kind, format, run) = match (program.as_str(), rest.as_slice()) {
        ("jest", _) => (Tests, "jest", format!("CI=true {}", started(" --verbose")?)),
        ("vitest", ["run", ..]) => (Tests, "vitest", started(" --reporter=verbose")?),
        ("mocha", _) => (Tests, "tap", started(" --reporter tap")?),
        ("node", ["--test", rest @ ..]) => {
            let words = shlex::try_join(rest.iter().copied()).ok()?;
            (Tests, "tap", format!("node --test-reporter=tap --test {words}").trim_end().to_owned())
        }
        ("eslint", _) => (Lint, "eslint", started("")?),
        ("tsc", _) => (Types, "tsc", started(" --pretty false")?),
        ("npm", ["audit", ..]) => {
            let words = shlex::try_join(rest.iter().copied()).ok()?;
            (Security, "auto", format!("npm {words}"))
        }
        ("npm" | "pnpm" | "yarn", ["run", name]) if program == tool.name => {
            let quoted = shlex::try_quote(name).ok().filter(|_| !name.starts_with('-'))?;
            (kind_of(name)?, "auto", format!("{program} run {quoted}"))
        }
        _ => return None,
    };
    Some(tool.stage(kind, format, run, "a command of the script `test`"))
}

/// What a script is for, by its name.
fn kind_of(script: &str) -> Option<StageKind> {
    let known =
        [("lint", Lint), ("type", Types), ("audit", Security), ("build", Build), ("test", Tests), ("unit", Tests)];
    known.into_iter().find(|(part, _)| script.contains(part)).map(|(_, kind)| kind)
}

fn script<'a>(package: &'a Value, name: &str) -> Option<&'a str> {
    package.get("scripts")?.get(name)?.as_str().filter(|line| !line.trim().is_empty())
}

/// Whether a script is one command of this program: what it prints has a form that is known then.
fn starts_program(package: &Value, name: &str, program: &str) -> bool {
    let line = script(package, name).unwrap_or_default();
    line.split_whitespace().next() == Some(program) && !line.contains(['&', '|', ';', '\n'])
}

fn dependencies(package: &Value) -> Vec<&str> {
    let lists = ["dependencies", "devDependencies", "optionalDependencies"];
    let tables = lists.iter().filter_map(|list| package.get(list)?.as_object());
    tables.flat_map(|table| table.keys().map(String::as_str)).collect()
}

fn has_dependency(package: &Value, name: &str) -> bool {
    dependencies(package).contains(&name)
}
