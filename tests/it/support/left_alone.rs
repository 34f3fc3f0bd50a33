//! The user's repository in a test: as a person left it, whatever missions do (P6).
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::oracle::{self, Scene};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Watches the repository of a fixture from its first mission on, and asks the oracle in the end.
#[derive(Debug, Default)]
pub struct Watch {
    known: Mutex<Option<Fingerprint>>,
    /// Why the oracle, or the comparison of the repository, has nothing to say.
    excused: Mutex<[Option<&'static str>; 2]>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Arguments of `mc` that begin something: from now on the repository is watched.
    pub fn sees(&self, args: &[&str], scene: &Scene<'_>) {
        let begins = args.iter().any(|word| matches!(*word, "start" | "resume"));
        if begins && held(&self.known).is_none() {
            *held(&self.known) = Fingerprint::of(scene);
        }
    }

    pub fn excuse_oracle(&self, why: &'static str) {
        held(&self.excused)[0] = Some(why);
    }

    pub fn excuse_repository(&self, why: &'static str) {
        held(&self.excused)[1] = Some(why);
    }

    /// Something that a person of the test does: everything before it is `mc`'s, and may not have touched the repository.
    #[track_caller]
    pub fn person<T>(&self, scene: &Scene<'_>, act: impl FnOnce() -> T) -> T {
        self.is_left_alone(scene);
        let done = act();
        if held(&self.known).is_some() {
            *held(&self.known) = Fingerprint::of(scene);
        }
        done
    }

    /// P6: the repository is as a person left it.
    #[track_caller]
    pub fn is_left_alone(&self, scene: &Scene<'_>) {
        let known = held(&self.known).clone().filter(|_| held(&self.excused)[1].is_none());
        if let Some((before, now)) = known.and_then(|before| Some((before, Fingerprint::of(scene)?))) {
            let differs = before.differences(&now);
            assert!(differs.is_empty(), "the user's repository changed: {differs:#?}");
        }
    }

    /// The end of a test.
    #[track_caller]
    pub fn ends(&self, scene: &Scene<'_>) {
        if std::thread::panicking() {
            return;
        }
        self.is_left_alone(scene);
        if held(&self.excused)[0].is_none() {
            let wrong = oracle::ask(scene);
            assert!(wrong.is_empty(), "green is not what a clone gives: {}", wrong.join("\n"));
        }
    }
}

/// What of the user's repository nobody but a person may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<String, String>);

impl Fingerprint {
    /// Looks at the repository: HEAD, settings, hooks, info, refs that are not `mc`'s, entries of the index, files.
    pub fn of(scene: &Scene<'_>) -> Option<Self> {
        let git_dir = scene.repo.join(".git");
        if !git_dir.is_dir() {
            return None;
        }
        let mut found = BTreeMap::new();
        for name in ["HEAD", "config"] {
            found.insert(format!(".git/{name}"), digest(&git_dir.join(name)));
        }
        for folder in ["hooks", "info"] {
            walk(&git_dir.join(folder), &format!(".git/{folder}"), &mut found);
        }
        // What `git gc` writes for servers, from the refs.
        found.remove(".git/info/refs");
        let said = |args: &[&str]| {
            let mut command = (scene.command)("git", &scene.repo);
            for name in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_NAMESPACE", "GIT_TRACE", "GIT_CONFIG_COUNT"]
            {
                command.env_remove(name);
            }
            let output = command.args(args).env("GIT_OPTIONAL_LOCKS", "0").output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        for line in said(&["for-each-ref", "--format=%(refname) %(objectname)"]).lines() {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            if !name.starts_with("refs/mc/") && !name.starts_with("refs/heads/mc/") {
                found.insert(name.to_owned(), value.to_owned());
            }
        }
        found.insert("index".to_owned(), said(&["ls-files", "-s", "-v"]));
        for entry in std::fs::read_dir(&scene.repo).into_iter().flatten().flatten() {
            if entry.file_name() != ".git" {
                let name = entry.file_name().to_string_lossy().into_owned();
                match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    true => walk(&entry.path(), &name, &mut found),
                    false => drop(found.insert(name, digest(&entry.path()))),
                }
            }
        }
        Some(Self(found))
    }

    /// What differs, one line each.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(now.0.keys()).collect();
        let differs = names.into_iter().filter(|name| self.0.get(*name) != now.0.get(*name));
        differs.map(|name| format!("{name}: {:?} became {:?}", self.0.get(name), now.0.get(name))).collect()
    }
}

fn walk(dir: &Path, name: &str, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        // Object stores of populated submodules are no business of a person's.
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true if entry.file_name() != ".git" => walk(&entry.path(), &name, found),
            true => {}
            false => drop(found.insert(name, digest(&entry.path()))),
        }
    }
}

/// Kind, mode and content of a file; a link's target.
fn digest(path: &Path) -> String {
    let Ok(meta) = std::fs::symlink_metadata(path) else { return "nothing".to_owned() };
    if meta.is_symlink() {
        return format!("link to {}", std::fs::read_link(path).unwrap_or_default().display());
    }
    if !meta.is_file() {
        return format!("special {:o}", meta.mode());
    }
    use sha2::{Digest, Sha256};
    let mut text = format!("{:o} ", meta.mode());
    for byte in Sha256::digest(std::fs::read(path).unwrap_or_default()).iter().take(8) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
