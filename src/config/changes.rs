//! How two settings differ in what decides a verification.
//!
//! Promises: values are compared, not their spelling; nothing else of a file counts, so that who moves a comment or names
//! another agent is not said to change how work is judged.

use super::layers::Layers;
use super::stages::Stage;
use crate::domain::verify::RuleChange;
use std::collections::{BTreeMap, BTreeSet};

/// Sections and keys that decide what is run on a tree and what the gate makes of it.
const DECIDES: [&str; 4] = ["target.verification.", "target.setup", "target.copy", "queue."];

/// What `after` changes of what decides a verification, by key.
pub fn list_changes(before: &Layers, after: &Layers) -> Vec<RuleChange> {
    let (before, after) = (rows(before), rows(after));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    changed
        .map(|key| RuleChange { key: key.clone(), before: before.get(key).cloned(), after: after.get(key).cloned() })
        .collect()
}

/// The stages one by one: a list of all of them on one line would not show which one is gone.
fn rows(layers: &Layers) -> BTreeMap<String, String> {
    let stages = layers.stages.as_ref().map(|(stages, _)| stages.as_slice()).unwrap_or_default();
    let each = stages.iter().map(|stage| (format!("target.verification.stage {}", stage.name()), Stage::render(stage)));
    let decides = |key: &str| DECIDES.iter().any(|decides| key.starts_with(decides));
    let keys = layers.show().into_iter().map(|(key, value, _)| (key, value));
    keys.filter(|(key, _)| decides(key) && key != "target.verification.stage").chain(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Inputs;
    use std::path::Path;

    fn layers(text: &str) -> Layers {
        let (environment, directory) = (BTreeMap::new(), Path::new("/r"));
        let file = Some((Path::new("/r/mission-control.toml"), text));
        Layers::resolve(&Inputs { file, directory, environment: &environment, flags: &[] }).unwrap()
    }

    fn said(before: &str, after: &str) -> Vec<String> {
        list_changes(&layers(before), &layers(after)).into_iter().map(|change| change.key).collect()
    }

    #[test]
    fn only_what_decides_a_verification_is_a_change() {
        let base = "[target.verification]\ncommand = \"make test\"\n[agent]\ncommand = \"a\"\n";
        let spelt = "# moved\n[agent]\ncommand = \"b\"\n[target]\nverification = { command = 'make test' }\n";
        assert_eq!(said(base, spelt), Vec::<String>::new());
        assert_eq!(said(base, "[target.verification]\ncommand = \"true\"\n"), ["target.verification.command"]);
        assert_eq!(said(base, &format!("{base}[queue]\nratchet = true\n")), ["queue.ratchet"]);
    }

    #[test]
    fn a_stage_that_is_gone_is_named() {
        let stage = |name: &str, run: &str| format!("[[target.verification.stage]]\nname = '{name}'\nrun = '{run}'\n");
        let both = stage("unit", "make test") + &stage("lint", "make lint");
        assert_eq!(said(&both, &stage("unit", "make test")), ["target.verification.stage lint"]);
        let weaker = stage("unit", "true") + &stage("lint", "make lint");
        let found = list_changes(&layers(&both), &layers(&weaker));
        assert_eq!(found.len(), 1);
        assert!(found[0].before.as_ref().unwrap().contains("make test"), "{found:?}");
        assert!(found[0].after.as_ref().unwrap().contains("true"), "{found:?}");
    }
}
