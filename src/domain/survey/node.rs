//! Node: the package manager by its lock file, the test runner by the scripts and dependencies of `package.json`.
//!
//! A script's text only chooses among fixed command lines; names of scripts that are run are fixed words.

use super::{Group, Need, Setup};
use crate::domain::survey::model::Part;
use crate::domain::survey::places::Place;
use crate::domain::verify::key::StageKind;
use serde_json::Value;

const NODE: Need = Need::Program("node", "apt-get install nodejs npm");

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

fn tools() -> [Tool; 5] {
    let npm = || Need::Program("npm", "apt-get install nodejs npm");
    let tool = |name, lock, install, between, start, need| Tool { name, lock, install, between, start, need };
    [
        tool("npm", "package-lock.json", "npm ci", " --", "npx --no-install", npm()),
        tool("npm", "npm-shrinkwrap.json", "npm ci", " --", "npx --no-install", npm()),
        tool(
            "pnpm",
            "pnpm-lock.yaml",
            "pnpm install --frozen-lockfile",
            "",
            "pnpm exec",
            Need::Program("pnpm", "npm install -g pnpm"),
        ),
        tool(
            "yarn",
            "yarn.lock",
            "yarn install --frozen-lockfile",
            "",
            "yarn",
            Need::Program("yarn", "npm install -g yarn"),
        ),
        // Without a lock file: one must not be made, it would become part of every unit's work.
        tool("npm", "", "npm install --no-package-lock", " --", "npx --no-install", npm()),
    ]
}

pub(super) fn look(place: &Place<'_>) -> Option<Group> {
    if !place.has("package.json") {
        return None;
    }
    let package: Value = serde_json::from_str(place.text("package.json")).unwrap_or_default();
    let tool = tools().into_iter().find(|tool| tool.lock.is_empty() || place.has(tool.lock))?;
    let mut group = Group::new("Node", place);
    let many = ["pnpm-workspace.yaml", "lerna.json", "nx.json", "turbo.json"];
    group.covers = package.get("workspaces").is_some() || many.iter().any(|name| place.has(name));
    group.fingerprints.push(("node", "node --version"));
    if !tool.lock.is_empty() || !dependencies(&package).is_empty() {
        let inputs = ["package.json", tool.lock].into_iter().filter(|name| !name.is_empty()).map(str::to_owned);
        let run =
            if tool.name == "yarn" && place.has(".yarnrc.yml") { "yarn install --immutable" } else { tool.install };
        group.setup =
            Some(Setup { run: run.to_owned(), inputs: inputs.collect(), needs: vec![NODE, tool.need.clone()] });
    }
    let needs = || vec![NODE, tool.need.clone()];
    match chain(&package, &tool) {
        Some(parts) => group.parts.extend(parts),
        None => group.parts.extend(members(place, &package, &tool).or_else(|| tests(&package, &tool))),
    }
    let there: Vec<StageKind> = group.parts.iter().map(|part| part.kind).collect();
    let open = |kind: StageKind| !there.contains(&kind);
    if let Some(name) =
        ["audit", "security"].into_iter().find(|name| script(&package, name).is_some() && open(StageKind::Security))
    {
        let run = format!("{} run {name}", tool.name);
        group.parts.push(Part::new(
            "security",
            StageKind::Security,
            run,
            needs(),
            "a script that looks for known weaknesses",
        ));
    }
    if !open(StageKind::Lint) {
    } else if script(&package, "lint").is_some() {
        let part = Part::new("lint", StageKind::Lint, format!("{} run lint", tool.name), needs(), "the script `lint`");
        group.parts.push(part.format(if begins(&package, "lint", "eslint") { "eslint" } else { "auto" }));
    } else if uses(&package, "eslint") {
        let part = Part::new("lint", StageKind::Lint, format!("{} eslint .", tool.start), needs(), "eslint is used");
        group.parts.push(part.format("eslint"));
    }
    if !open(StageKind::Types) {
    } else if let Some(name) =
        ["typecheck", "type-check", "types"].into_iter().find(|name| script(&package, name).is_some())
    {
        let part = Part::new(
            "types",
            StageKind::Types,
            format!("{} run {name}", tool.name),
            needs(),
            "a script that checks types",
        );
        group.parts.push(part.format(if begins(&package, name, "tsc") { "tsc" } else { "auto" }));
    } else if place.has("tsconfig.json") && uses(&package, "typescript") {
        let run = format!("{} tsc --noEmit --pretty false", tool.start);
        group.parts.push(Part::new("types", StageKind::Types, run, needs(), "tsconfig.json").format("tsc"));
    }
    if group.parts.is_empty() && script(&package, "build").is_some() {
        let run = format!("{} run build", tool.name);
        group.parts.push(Part::new("build", StageKind::Build, run, needs(), "the script `build`").format("exit"));
    }
    Some(group)
}

/// The tests of all members of a workspace, where the script `test` only passes on to theirs and all of these start one runner that
/// can be told to name its tests. What such a script is given goes no further by itself.
fn members(place: &Place<'_>, package: &Value, tool: &Tool) -> Option<Part> {
    let (first, words) = shlex::split(script(package, "test")?)?.split_first().map(|(f, w)| (f.clone(), w.to_vec()))?;
    let passed_on = |word: &String| ["--workspaces", "-ws", "--if-present", "run", "test"].contains(&word.as_str());
    let all = words.iter().any(|word| ["--workspaces", "-ws"].contains(&word.as_str()));
    if tool.name != "npm" || first != "npm" || !all || !words.iter().all(passed_on) {
        return None;
    }
    let manifests = place.texts().filter(|(path, _)| path.ends_with("/package.json"));
    let packages = manifests.filter_map(|(_, text)| serde_json::from_str::<Value>(text).ok());
    let lines: Vec<String> = packages.filter_map(|package| script(&package, "test").map(str::to_owned)).collect();
    let starts = |name: &str| {
        let one = |line: &String| {
            !line.contains(['&', '|', ';', '\n', '`', '$']) && line.split_whitespace().next() == Some(name)
        };
        !lines.is_empty() && lines.iter().all(one)
    };
    let (format, args) = match (starts("vitest"), starts("jest")) {
        (true, _) => ("vitest", "--reporter=verbose"),
        (_, true) => ("jest", "--verbose"),
        _ => return None,
    };
    let run = format!("CI=true npm test --workspaces --if-present -- {args}");
    let why = "the script `test` of each package of the workspace";
    Some(Part::new("tests", StageKind::Tests, run, vec![NODE, tool.need.clone()], why).format(format))
}

fn tests(package: &Value, tool: &Tool) -> Option<Part> {
    let needs = vec![NODE, tool.need.clone()];
    let part =
        |run: String, format, why| Some(Part::new("tests", StageKind::Tests, run, needs.clone(), why).format(format));
    // `CI` keeps runners from waiting for changes of files.
    let with = |args: &str| format!("CI=true {} test{} {args}", tool.name, tool.between);
    let Some(line) = script(package, "test").filter(|line| !line.contains("no test specified")) else {
        return if uses(package, "vitest") {
            part(format!("{} vitest run --reporter=verbose", tool.start), "vitest", "vitest is used")
        } else if uses(package, "jest") {
            part(format!("CI=true {} jest --verbose", tool.start), "jest", "jest is used")
        } else {
            None
        };
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    let simple = !line.contains(['&', '|', ';', '\n', '`', '$']);
    let starts = |name: &str| simple && words.contains(&name);
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
fn chain(package: &Value, tool: &Tool) -> Option<Vec<Part>> {
    let line = script(package, "test")?;
    if line.replace("&&", "").contains(['&', '|', ';', '\n', '`', '$', '(', '<', '>', '*', '?']) {
        return None;
    }
    let parts: Vec<Part> = line.split("&&").map(|command| link(command, tool)).collect::<Option<_>>()?;
    let kinds: Vec<StageKind> = parts.iter().map(|part| part.kind).collect();
    // One kind alone gains nothing, and without tests something else says whether a change is good.
    (kinds.contains(&StageKind::Tests) && kinds.iter().any(|kind| *kind != StageKind::Tests)).then_some(parts)
}

/// One command of such a script; nothing for one that is not known.
fn link(command: &str, tool: &Tool) -> Option<Part> {
    let mut words = shlex::split(command)?;
    if words.first().is_some_and(|word| word == "npx") {
        words.retain(|word| word != "npx" && word != "--no-install");
    }
    let (program, rest) = words.split_first()?;
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let started = |more: &str| {
        let words = shlex::try_join(std::iter::once(program.as_str()).chain(rest.iter().copied())).ok()?;
        Some(format!("{} {words}{more}", tool.start))
    };
    let (name, kind, format, run) = match (program.as_str(), rest.as_slice()) {
        ("jest", _) => ("tests", StageKind::Tests, "jest", format!("CI=true {}", started(" --verbose")?)),
        ("vitest", ["run", ..]) => ("tests", StageKind::Tests, "vitest", started(" --reporter=verbose")?),
        ("mocha", _) => ("tests", StageKind::Tests, "tap", started(" --reporter tap")?),
        ("node", ["--test", rest @ ..]) => {
            let words = shlex::try_join(rest.iter().copied()).ok()?;
            ("tests", StageKind::Tests, "tap", format!("node --test-reporter=tap --test {words}").trim_end().to_owned())
        }
        ("eslint", _) => ("lint", StageKind::Lint, "eslint", started("")?),
        ("tsc", _) => ("types", StageKind::Types, "tsc", started(" --pretty false")?),
        ("npm", ["audit", ..]) => {
            let words = shlex::try_join(rest.iter().copied()).ok()?;
            ("security", StageKind::Security, "auto", format!("npm {words}"))
        }
        ("npm" | "pnpm" | "yarn", ["run", name]) if program == tool.name => {
            let (word, kind) = named(name)?;
            (
                word,
                kind,
                "auto",
                format!("{} run {}", tool.name, shlex::try_quote(name).ok().filter(|_| !name.starts_with('-'))?),
            )
        }
        _ => return None,
    };
    Some(Part::new(name, kind, run, vec![NODE, tool.need.clone()], "a command of the script `test`").format(format))
}

/// What a script is for, by its name.
fn named(script: &str) -> Option<(&'static str, StageKind)> {
    let known = [
        ("lint", "lint", StageKind::Lint),
        ("type", "types", StageKind::Types),
        ("audit", "security", StageKind::Security),
        ("build", "build", StageKind::Build),
        ("test", "tests", StageKind::Tests),
        ("unit", "tests", StageKind::Tests),
    ];
    known.into_iter().find(|(part, ..)| script.contains(part)).map(|(_, name, kind)| (name, kind))
}

fn script<'a>(package: &'a Value, name: &str) -> Option<&'a str> {
    package.get("scripts")?.get(name)?.as_str().filter(|line| !line.trim().is_empty())
}

/// Whether a script is one command of this program: what it prints has a form that is known then.
fn begins(package: &Value, name: &str, program: &str) -> bool {
    let line = script(package, name).unwrap_or_default();
    line.split_whitespace().next() == Some(program) && !line.contains(['&', '|', ';', '\n'])
}

fn dependencies(package: &Value) -> Vec<&str> {
    let lists = ["dependencies", "devDependencies", "optionalDependencies"];
    let tables = lists.iter().filter_map(|list| package.get(list)?.as_object());
    tables.flat_map(|table| table.keys().map(String::as_str)).collect()
}

fn uses(package: &Value, name: &str) -> bool {
    dependencies(package).contains(&name)
}
