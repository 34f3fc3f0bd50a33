//! Files of the repository that a stage's command names: whoever changes one changes how changes are verified.
//!
//! Only what stands in the line is found: a script that another script calls, or what a tool reads by itself, is not.

use std::collections::BTreeSet;

/// Words of shell that stand between two others without being one.
const BETWEEN: &[char] = &['\'', '"', ';', '&', '|', '(', ')', '<', '>', '=', '`', '{', '}', ','];

/// Paths from the root of the repository that a command line could name, whether or not they exist; those after `cd FOLDER` also
/// in that folder.
pub fn named_paths(command: &str) -> BTreeSet<String> {
    let words: Vec<&str> =
        command.split(|c: char| c.is_whitespace() || BETWEEN.contains(&c)).filter(|word| !word.is_empty()).collect();
    let folders: Vec<String> =
        words.windows(2).filter(|pair| pair[0] == "cd").filter_map(|pair| to_relative_path(pair[1])).collect();
    let mut paths = BTreeSet::new();
    for path in words.into_iter().filter_map(to_relative_path) {
        paths.extend(folders.iter().map(|folder| format!("{folder}/{path}")));
        paths.insert(path);
    }
    paths
}

/// A word as a path from the root; absent when it is none.
fn to_relative_path(word: &str) -> Option<String> {
    let parts: Vec<&str> = word.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let sound = !word.starts_with(['/', '-', '~']) && !word.contains(['$', '*', '?']) && !parts.contains(&"..");
    (sound && !parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_command_lines() {
        for (line, wanted) in [
            ("sh tests.sh", &["tests.sh"][..]),
            ("./ci/run --all && make -C build check", &["ci/run", "build"]),
            ("cd ./a && PYTHONPATH=src python3 -m pytest -c 'conf/x.ini'", &["a/conf/x.ini", "conf/x.ini", "a/src"]),
            ("bash -c \"scripts/test.sh;true\"", &["scripts/test.sh"]),
        ] {
            let found = named_paths(line);
            assert!(wanted.iter().all(|path| found.contains(*path)), "{line}: {found:?}");
        }
        for line in ["/usr/bin/env", "sh ../x", "cat $HOME/x ~/y", "--config=", "ls *.sh"] {
            let found = named_paths(line);
            assert!(!found.iter().any(|path| path.contains(['/', '$', '*']) || path == ".."), "{line}: {found:?}");
        }
    }
}
