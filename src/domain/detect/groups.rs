//! Which part of a Python project brings a module: its dependencies, a group (PEP 735, Poetry), an extra. What is in a group that
//! is not installed by default is not there, and `uv run` takes a program of this name from somewhere else on the PATH.

use std::collections::BTreeSet;
use toml::{Table, Value};

/// How a module comes into the environment of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Brought {
    /// With the project itself.
    Always,
    /// With this option of the tool that installs it.
    With(String),
    /// Not as far as the manifest says.
    Nowhere,
}

/// How `tool` (`uv`, `poetry`) brings a module, by the text of `pyproject.toml`.
pub(super) fn install_source(tool: &str, manifest: &str, module: &str) -> Brought {
    let Ok(manifest) = manifest.parse::<Table>() else { return Brought::Nowhere };
    let names = |value: Option<&Value>| value.is_some_and(|value| names(value, module));
    let poetry = value_at(&manifest, &["tool", "poetry"]);
    let legacy = [["tool", "uv", "dev-dependencies"], ["tool", "poetry", "dev-dependencies"]];
    if names(value_at(&manifest, &["project", "dependencies"]))
        || legacy.iter().any(|path| names(value_at(&manifest, path)))
        || names(poetry.and_then(|poetry| poetry.get("dependencies")))
    {
        return Brought::Always;
    }
    let defaults = default_groups(&manifest);
    let standard = manifest.get("dependency-groups").and_then(Value::as_table);
    let mut option = None;
    for (group, _) in standard
        .into_iter()
        .flatten()
        .filter(|(group, _)| group_contains(standard, group, module, &mut BTreeSet::new()))
    {
        if defaults.as_ref().is_none_or(|defaults| defaults.contains(group)) {
            return Brought::Always;
        }
        option = option.or_else(|| word(if tool == "poetry" { "--with" } else { "--group" }, group));
    }
    for (group, body) in poetry.and_then(|poetry| poetry.get("group")?.as_table()).into_iter().flatten() {
        if names(body.get("dependencies")) {
            if body.get("optional").and_then(Value::as_bool) != Some(true) {
                return Brought::Always;
            }
            option = option.or_else(|| word("--with", group));
        }
    }
    let extras = value_at(&manifest, &["project", "optional-dependencies"]).and_then(Value::as_table);
    let extra = extras.into_iter().flatten().find(|(_, list)| names(Some(list)));
    option = option.or_else(|| word(if tool == "poetry" { "--extras" } else { "--extra" }, extra?.0));
    option.map_or(Brought::Nowhere, Brought::With)
}

fn value_at<'t>(table: &'t Table, path: &[&str]) -> Option<&'t Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, key| value.get(key))
}

/// The groups uv installs unasked; `None`: all.
fn default_groups(manifest: &Table) -> Option<BTreeSet<String>> {
    match value_at(manifest, &["tool", "uv", "default-groups"]) {
        Some(Value::Array(groups)) => Some(groups.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        Some(Value::String(all)) if all == "all" => None,
        _ => Some(BTreeSet::from(["dev".to_owned()])),
    }
}

/// Whether a group holds a module, itself or by a group it includes.
fn group_contains(groups: Option<&Table>, group: &str, module: &str, seen: &mut BTreeSet<String>) -> bool {
    let Some(list) = groups.and_then(|groups| groups.get(group)).filter(|_| seen.insert(group.to_owned())) else {
        return false;
    };
    let included = list.as_array().into_iter().flatten().filter_map(|entry| entry.get("include-group")?.as_str());
    let included: Vec<&str> = included.collect();
    names(list, module) || included.into_iter().any(|other| group_contains(groups, other, module, seen))
}

/// Whether a list of requirements, or a table with their names as keys, has one of this name. A plugin of pytest brings pytest.
fn names(value: &Value, module: &str) -> bool {
    let is = |requirement: &str| {
        let end =
            requirement.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(requirement.len());
        let name = requirement[..end].to_ascii_lowercase().replace(['_', '.'], "-");
        name == module || (module == "pytest" && name.starts_with("pytest-"))
    };
    match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).any(is),
        Value::Table(table) => table.keys().any(|name| is(name)),
        _ => false,
    }
}

/// An option with a name out of a file, quoted for a shell.
fn word(option: &str, name: &str) -> Option<String> {
    // A name that begins with a dash would be an option.
    let quoted = shlex::try_quote(name).ok().filter(|_| !name.starts_with('-'))?;
    Some(format!("{option} {quoted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_extras_that_are_not_installed_by_default_are_named() {
        let manifest = "[project]\ndependencies = [\"attrs>=2\"]\n[project.optional-dependencies]\ncheck = [\"Bandit[toml]\"]\n\
                        [dependency-groups]\ndev = [{include-group = \"lint\"}]\nlint = [\"ruff\"]\nround = [{include-group = \"round\"}]\n\
                        tests = [\"pytest-cov ; python_version > '3'\"]\n\"a b\" = [\"mypy\"]\n";
        let with = |option: &str| Brought::With(option.to_owned());
        let found =
            ["attrs", "ruff", "pytest", "mypy", "bandit", "black"].map(|module| install_source("uv", manifest, module));
        let wanted = [
            Brought::Always,
            Brought::Always,
            with("--group tests"),
            with("--group 'a b'"),
            with("--extra check"),
            Brought::Nowhere,
        ];
        assert_eq!(found, wanted);
        let all = format!("{manifest}[tool.uv]\ndefault-groups = \"all\"\n");
        assert_eq!(install_source("uv", &all, "pytest"), Brought::Always);
        let poetry = "[tool.poetry.dependencies]\npython = \"3\"\n[tool.poetry.group.t]\noptional = true\n[tool.poetry.group.t.dependencies]\n\
                      pytest = \"8\"\n[tool.poetry.group.d.dependencies]\nmypy = \"1\"\n";
        assert_eq!(
            ["pytest", "mypy"].map(|m| install_source("poetry", poetry, m)),
            [with("--with t"), Brought::Always]
        );
        assert_eq!(install_source("uv", "no toml [", "pytest"), Brought::Nowhere);
    }
}
