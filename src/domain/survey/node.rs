//! Node: the package manager by its lock file, the test runner by the scripts and dependencies of `package.json`.
//!
//! A script's text only chooses among fixed command lines; names of scripts that are run are fixed words.

use super::{Group, Need, Part, Place, Setup};
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
    group.parts.extend(tests(&package, &tool));
    if script(&package, "lint").is_some() {
        let part = Part::new("lint", StageKind::Lint, format!("{} run lint", tool.name), needs(), "the script `lint`");
        group.parts.push(part.format(if begins(&package, "lint", "eslint") { "eslint" } else { "auto" }));
    } else if uses(&package, "eslint") {
        let part = Part::new("lint", StageKind::Lint, format!("{} eslint .", tool.start), needs(), "eslint is used");
        group.parts.push(part.format("eslint"));
    }
    if let Some(name) = ["typecheck", "type-check", "types"].into_iter().find(|name| script(&package, name).is_some()) {
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
        let run = format!("NODE_OPTIONS=--test-reporter=tap {} test", tool.name);
        part(run, "tap", "the script `test` starts node's test runner")
    } else {
        part(format!("CI=true {} test", tool.name), "auto", "the script `test`")
    }
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
